#!/bin/sh
#
# relaisd(8) explains every event of the log, and their names are of one form.
set -u
cd "${srcdir:-.}" || exit 1
page=docs/man/relaisd.8

# The literals in the first two arguments of what begins a line.
events()
{
	find daemon -name '*.c' -exec cat {} + | tr '\n\t' '  ' |
	    grep -oE 'log_(begin|message)\(([^;"]*"[^"%= ]+")+' |
	    grep -oE '"[^"]+"' | tr -d '"' | sort -u
}

explained()
{
	sed -n '/^\.Sh DIAGNOSTICS/,$s/^\.It Li //p' "$page" | tr -d ' ' |
	    tr , '\n'
}

echo 1..2
bad=$(events | grep -vE '^[a-z][a-z0-9_]*$')
[ -z "$bad" ] || { echo "# $bad"; printf 'not '; }
echo "ok 1 - events have names in lower case with underscores"
bad=$(events | while read -r event; do
	explained | grep -qx "$event" || echo "# $event"
done)
[ -z "$bad" ] || { echo "$bad"; printf 'not '; }
echo "ok 2 - every event is explained in $page"
