#!/bin/sh
#
# librelais exports its documented names and nothing else, and all that it ever
# did, by the same versions: see librelais.symbols, to which lines are added.
# Layouts are held by tests/unit/test_librelais_abi.c.
set -u
library=${builddir:-.}/.libs/librelais.so
header=${srcdir:-.}/include/relais.h

exported=$(nm -D --defined-only "$library" | awk '$2 ~ /[TBDR]/ { print $3 }' |
    sed 's/@.*//' | sort)
documented=$(grep -oE 'relais_[a-z_]+\(' "$header" | tr -d '(' | sort -u)

echo 1..3
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
lost=$(nm -D --defined-only --with-symbol-versions "$library" |
    awk '{ print $3 }' | LC_ALL=C sort |
    LC_ALL=C comm -13 - "${srcdir:-.}/tests/lint/librelais.symbols")
if [ -z "$lost" ]; then
	echo "ok 3 - exports all that it ever did"
else
	printf '%s\n' "$lost" | sed 's/^/# /'
	echo "not ok 3 - exports all that it ever did"
fi
