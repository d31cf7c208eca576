#!/bin/sh
#
# The manual lists the keys that the daemon knows, word for word.
# With --update the page is brought up to date instead.
set -u
page=${srcdir:-.}/docs/man/relais.yaml.5
table=${builddir:-build}/tests/lint/settings_manual
from='.\\" Printed by tests/lint/settings_manual, do not edit.'
to='.\\" End of what is printed.'

in_page()
{
	awk -v from="$from" -v to="$to" '
	$0 == to { listed = 0 }
	listed
	$0 == from { listed = 1 }' "$page"
}

update()
{
	{
		awk -v from="$from" '{ print } $0 == from { exit }' "$page"
		"$table"
		awk -v to="$to" '$0 == to { rest = 1 } rest' "$page"
	} >"$page.new" && mv "$page.new" "$page"
}

if [ "${1-}" = --update ]; then
	update
	exit
fi
echo 1..1
if differences=$(in_page | { "$table" | diff - /dev/fd/3; } 3<&0); then
	echo "ok 1 - every key of the settings is in relais.yaml(5)"
else
	printf '%s\n' "$differences" | sed 's/^/# /'
	echo "not ok 1 - every key of the settings is in relais.yaml(5)"
fi
