#!/bin/sh
#
# The programs as they were built: what the compiler and the linker were asked
# for is in them. PIE, read-only relocations bound at start, no stack that runs,
# no text relocations, no search path, stack protector, checked libc calls.
set -u
builddir=${builddir:-build}

if ! command -v readelf >/dev/null; then
	echo "1..0 # SKIP needs readelf (binutils)"
	exit 0
fi

# program NAME: the file that libtool's wrapper would run
program()
{
	if [ -f "$builddir/.libs/$1" ]; then
		echo "$builddir/.libs/$1"
	else
		echo "$builddir/$1"
	fi
}

is_instrumented()
{
	readelf --wide --syms "$(program relaisd)" | grep -qE '__[atu]bsan|__asan_|__tsan_|__gcov|__sanitizer'
}

complain()
{
	[ "$1" = 0 ] && return
	shift
	echo "# $*"
}

# check FILE: a complaint a line
check()
{
	file=$1
	headers=$(readelf --wide --file-header --program-headers "$file")
	dynamic=$(readelf --wide --dynamic "$file")
	symbols=$(readelf --wide --dyn-syms "$file")

	echo "$headers" | grep -q 'Type:.*DYN'
	complain $? "$file: is not position independent"
	echo "$headers" | grep -q GNU_RELRO
	complain $? "$file: has no read-only relocations (RELRO)"
	echo "$dynamic" | grep -q 'FLAGS.*NOW'
	complain $? "$file: binds symbols as it runs (no -z now)"
	echo "$headers" | grep GNU_STACK | grep -q 'RW '
	complain $? "$file: has an executable stack"
	! echo "$headers" | grep -qE 'LOAD.* RWE '
	complain $? "$file: has memory that is writable and runs"
	! echo "$dynamic" | grep -q TEXTREL
	complain $? "$file: has text relocations"
	! echo "$dynamic" | grep -qE 'R(UN)?PATH'
	complain $? "$file: looks for libraries in a path of its own"
	echo "$symbols" | grep -q __stack_chk_fail
	complain $? "$file: has no stack protector"
	echo "$symbols" | grep -q '_chk@'
	complain $? "$file: has no checked libc calls (_FORTIFY_SOURCE)"
}

if is_instrumented; then
	echo "1..0 # SKIP a sanitizer or coverage changes what is built"
	exit 0
fi
echo 1..3
n=0
for name in relaisd relaisctl relais-sendmail; do
	n=$((n + 1))
	complaints=$(check "$(program $name)")
	if [ -n "$complaints" ]; then
		echo "$complaints"
		printf 'not '
	fi
	echo "ok $n - $name is hardened"
done
