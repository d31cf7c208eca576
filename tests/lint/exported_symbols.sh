#!/bin/sh
#
# librelais exports its documented names and nothing else.
set -u
library=${builddir:-.}/.libs/librelais.so
header=${srcdir:-.}/include/relais.h

exported=$(nm -D --defined-only "$library" | awk '$2 ~ /[TBDR]/ { print $3 }' |
    sed 's/@.*//' | sort)
documented=$(grep -oE 'relais_[a-z_]+\(' "$header" | tr -d '(' | sort -u)

echo 1..2
if [ -n "$exported" ]; then
	echo "ok 1 - exports something"
else
	echo "not ok 1 - exports something"
fi
odd=$(printf '%s\n' "$exported" | while read -r name; do
	printf '%s\n' "$documented" | grep -qx "$name" || echo "$name"
done)
if [ -z "$odd" ]; then
	echo "ok 2 - exports only names of relais.h"
else
	printf '%s\n' "$odd" | sed 's/^/# /'
	echo "not ok 2 - exports only names of relais.h"
fi
