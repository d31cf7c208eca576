#!/bin/sh
#
# Runs check_abuse.py, or says why not.
set -u
builddir=${builddir:-build}
if ! "${PYTHON:-/usr/bin/python3}" -c 'import pytest' 2>/dev/null; then
	echo "1..0 # SKIP needs python3 and pytest"
	exit 0
fi
if nm "$builddir/relaisd" 2>/dev/null | grep -qE '__[at]san_init'; then
	echo "1..0 # SKIP a sanitizer changes memory and speed"
	exit 0
fi
PYTHONDONTWRITEBYTECODE=1 exec "${PYTHON:-/usr/bin/python3}" \
    "${srcdir:-.}/tests/abuse/check_abuse.py" "$@"
