#!/bin/sh
# common/ includes nothing of the daemon.
set -u
echo 1..1
if grep -rnE '#include "(runtime|queue|receive|deliver|control|settings)' \
    "${srcdir:-.}/common"; then
	echo "not ok 1 - common stands alone"
else
	echo "ok 1 - common stands alone"
fi
