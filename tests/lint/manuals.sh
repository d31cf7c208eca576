#!/bin/sh
#
# Manual pages are well formed, and in good style. That the pages they refer to
# are not installed here is no fault of theirs.
set -u
cd "${srcdir:-.}" || exit 1

set -- docs/man/*.[1-8]
if ! command -v mandoc >/dev/null; then
	echo "1..0 # SKIP mandoc is not here"
	exit 0
fi
if [ ! -e "$1" ]; then
	echo "1..0 # SKIP there are no manual pages"
	exit 0
fi
echo "1..$#"
number=0
for page in "$@"; do
	number=$((number + 1))
	complaints=$(mandoc -Tlint "$page" 2>/dev/null |
	    grep -v 'referenced manual not found')
	if [ -z "$complaints" ]; then
		echo "ok $number - $page"
	else
		printf '%s\n' "$complaints" | sed 's/^/# /'
		echo "not ok $number - $page"
	fi
done
