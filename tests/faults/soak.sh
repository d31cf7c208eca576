#!/bin/sh
#
# Runs soak.py, or says why not.
set -u
builddir=${builddir:-build}
if ! /usr/bin/env python3 -c 'import pytest' 2>/dev/null; then
	echo "1..0 # SKIP needs python3 and pytest"
	exit 0
fi
if nm "$builddir/relaisd" 2>/dev/null | grep -qE '__[at]san_init'; then
	echo "1..0 # SKIP a sanitizer changes memory and speed"
	exit 0
fi
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/env python3 \
    "${srcdir:-.}/tests/faults/soak.py" "$@"
