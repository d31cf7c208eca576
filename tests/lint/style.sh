#!/bin/sh
#
# The measurable part of the style guide in CONTRIBUTING.
set -u
cd "${srcdir:-.}" || exit 1
LC_ALL=C
export LC_ALL

# Files that may have more than 500 lines, and why. Tests may: they are tables.
long_files='
daemon/daemon.c   the wiring of all threads, to be read from top to bottom
daemon/deliver/attempt.c   one attempt from its claim to its verdicts, in that order
daemon/deliver/transport_smtp.c   one connection from dialling to QUIT
daemon/queue/queue.h   the whole interface of the queue, half of it comment
daemon/deliver/slot.c   the decisions of one connection, each a step of one story
'

code()
{
	find common daemon client include tests -name '*.[ch]' | sort
}

text()
{
	code
	find common daemon client systemd docs tests -name '*.am' -o \
	    -name '*.sh' -o -name '*.py' -o -name '*.in' -o -name '*.[1-8]' | sort
	ls autogen.sh configure.ac Makefile.am README CHANGES CONTRIBUTING \
	    SECURITY
}

report()
{
	[ -n "$3" ] || { echo "ok $1 - $2"; return; }
	printf '%s\n' "$3" | sed 's/^/# /'
	echo "not ok $1 - $2"
}

# A tab goes to the next multiple of 8; bytes that continue a character in UTF-8
# take no column.
wide_lines()
{
	code | xargs awk '{
		line = $0
		gsub(/[\200-\277]/, "", line)
		width = 0
		while ((tab = index(line, "\t")) > 0) {
			width += tab - 1
			width += 8 - width % 8
			line = substr(line, tab + 1)
		}
		width += length(line)
		if (width > 80)
			print FILENAME ":" FNR ": " width " columns"
	}'
}

# Rows of tables do not count.
long_functions()
{
	code | xargs awk '
	/^[{]/ { start = FNR; rows = 0 }
	start && /^\t.* = [{]$/ { table = FNR }
	table && /^\t+[}];/ { rows += FNR - table; table = 0 }
	/^[}]$/ && start {
		lines = FNR - start - 1 - rows
		if (lines > 60)
			print FILENAME ":" start ": " lines " lines"
		start = table = 0
	}'
}

too_long_files()
{
	code | grep -v '^tests/' | while read -r file; do
		lines=$(wc -l <"$file")
		[ "$lines" -le 500 ] && continue
		printf '%s' "$long_files" | grep -q "^$file " ||
		    echo "$file: $lines lines"
	done
}

stray_space()
{
	# In messages a space is an octet like any other.
	text | grep -v ^tests/headers/ | xargs grep -nE '[ 	]+$'
	code | xargs grep -nE '^ +	'
}

unfinished()
{
	code | xargs grep -nE '(^|[^A-Za-z])(TODO|FIXME|XXX)([^A-Za-z]|$)|^#[ \t]*if 0' |
	    grep -vE '(TODO|FIXME)\(#[0-9]+\)'
}

# A module's promise is in its header; a file without one has its own.
file_heads()
{
	for file in $(find common daemon client include -name '*.[ch]'); do
		case $file in
		*.c) [ ! -e "${file%c}h" ] || continue ;;
		esac
		head -n 5 "$file" | grep -q '^/\*' ||
		    echo "$file: does not open with what it promises"
	done
}

scripts()
{
	find autogen.sh tests -name '*.sh' | sort | while read -r file; do
		case $(head -n 1 "$file") in
		*/sh) sh -n "$file" 2>&1 ;;
		*) bash -n "$file" 2>&1 ;;
		esac
	done
}

echo 1..7
report 1 "lines fit into 80 columns" "$(wide_lines)"
report 2 "functions fit on a page of 60 lines" "$(long_functions)"
report 3 "files have at most 500 lines, or a reason" "$(too_long_files)"
report 4 "no line ends in space" "$(stray_space)"
report 5 "nothing is left unfinished" "$(unfinished)"
report 6 "files open with what they promise" "$(file_heads)"
report 7 "scripts can be parsed" "$(scripts)"
