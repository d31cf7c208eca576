#!/bin/sh
#
# Words that are spelt wrong, in source, manuals and messages (codespell). What
# it takes for a mistake and isn't one is in spelling.words.
set -u
cd "${srcdir:-.}" || exit 1

if command -v codespell >/dev/null; then
	codespell=codespell
elif python3 -c 'import codespell_lib' 2>/dev/null; then
	codespell='python3 -m codespell_lib'
else
	echo "1..0 # SKIP needs codespell"
	exit 0
fi
echo 1..1
mistakes=$($codespell --ignore-words tests/lint/spelling.words \
    --skip '*/corpus/*,*/dictionaries/*,*/headers/*,*.svg,*.png,*.ico' \
    common daemon client include systemd docs tests/README tests/*/*.c \
    tests/*/*.h tests/*/*.sh tests/*/*.py README CHANGES CONTRIBUTING SECURITY \
    autogen.sh configure.ac)
if [ -n "$mistakes" ]; then
	echo "$mistakes" | sed 's/^/# /'
	printf 'not '
fi
echo "ok 1 - every word is spelt as dictionaries do"
