#!/bin/sh
#
# Runs exactly_once.py, or says why not.
set -u
if ! "${PYTHON:-/usr/bin/python3}" -c 'import pytest' 2>/dev/null; then
	echo "1..0 # SKIP needs python3 and pytest"
	exit 0
fi
PYTHONDONTWRITEBYTECODE=1 exec "${PYTHON:-/usr/bin/python3}" \
    "${srcdir:-.}/tests/keys/exactly_once.py" "$@"
