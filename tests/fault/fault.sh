#!/bin/sh
#
# Runs check_fault.py, or says why not.
set -u
if ! "${PYTHON:-/usr/bin/python3}" -c 'import pytest' 2>/dev/null; then
	echo "1..0 # SKIP needs python3 and pytest"
	exit 0
fi
if nm "${builddir:-build}/relaisd" 2>/dev/null | grep -q __tsan_init; then
	echo "1..0 # SKIP ThreadSanitizer starts no program with a shim in front"
	exit 0
fi
PYTHONDONTWRITEBYTECODE=1 exec "${PYTHON:-/usr/bin/python3}" \
    "${srcdir:-.}/tests/fault/check_fault.py" "$@"
