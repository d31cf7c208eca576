#!/bin/sh
#
# The example of relais.yaml is valid, also with all that is commented out, and
# the values it calls defaults are those of the table.
set -u
example=${srcdir:-.}/docs/relais.yaml.example
check=${builddir:-.}/tests/support/settings_check
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

report()
{
	if "$check" "$3" >"$work/errors" 2>&1 && [ ! -s "$work/errors" ]; then
		echo "ok $1 - $2"
	else
		sed 's/^/# /' "$work/errors"
		echo "not ok $1 - $2"
	fi
}

echo 1..3
cp "$example" "$work/as_it_is.yaml"
report 1 "the example is valid as it is" "$work/as_it_is.yaml"

sed -e 's/^#\( *- {\)/\1/' -e 's/^#\( *[a-z_-]*:\)/\1/' \
    -e "s|/var/lib/relais\$|$work/queue|" "$example" >"$work/all.yaml"
echo secret >"$work/office.secret"
chmod 0600 "$work/office.secret"
report 2 "the example is valid with all it shows" "$work/all.yaml"

wrong=$(awk '
	/^#[a-z]+:$/ { group = substr($1, 2, length($1) - 2) }
	/^#  [a-z_]+: [^ ]+$/ && group != "relays" {
		key = $0
		sub(/^#  /, "", key)
		print group "." key
	}' "$example" | while read -r key value; do
	awk -v key="${key%:}" -v value="$value" '
		$0 ~ "^[.]It Cm " key " :" { is_key = 1; next }
		/^[.]It / { is_key = 0 }
		is_key && $0 == ".Ql \"" value "\" ." { found = 1 }
		END { if (!found) print key ": " value }' \
	    "${srcdir:-.}/docs/man/relais.yaml.5"
done)
if [ -z "$wrong" ]; then
	echo "ok 3 - the defaults it shows are the defaults"
else
	printf '%s\n' "$wrong" | sed 's/^/# /'
	echo "not ok 3 - the defaults it shows are the defaults"
fi
