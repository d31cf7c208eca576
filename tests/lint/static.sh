#!/bin/sh
#
# static.sh BUILD - everything that can be said without running relais
#
# Warnings of gcc and clang as errors, cppcheck, clang-tidy, scan-build, and the
# quick ones of make check (spelling, hardening). A tool that is missing is named
# and skipped. Ends with 1 where one of them has found something.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
build=$1
failed=0
# -j of the make that runs this is for builds below, too.
jobs=$(nproc 2>/dev/null || echo 1)

say()
{
	printf '%-12s %s\n' "$1" "$2"
}

# judge NAME STATUS COUNT-OF-FILES LOG
judge()
{
	if [ "$2" -eq 0 ]; then
		say "$1" "ok: nothing found in $3"
		return
	fi
	say "$1" "FAILED, see $4"
	grep -E 'error|warning|not ok|# ' "$4" | head -n 20
	failed=1
}

has()
{
	command -v "$1" >/dev/null && return
	say "$1" 'skipped: not installed'
	false
}

# compile NAME COMMAND...: a build of its own, in which every warning ends it
compile()
{
	name=$1
	shift
	mkdir -p "$build/static-$name"
	(
		cd "$build/static-$name" &&
		"$@" "$top/configure" --quiet --enable-werror &&
		"$@" make -s -j"$jobs" all &&
		"$@" make -s -j"$jobs" tests/support/settings_check
	) >"$build/static-$name.log" 2>&1
}

# Where the libraries' headers are, of what the compiler is given.
includes=
for flag in ${STATIC_CFLAGS-}; do
	case $flag in
	-I*|-D*) includes="$includes $flag" ;;
	esac
done

sources=$(cd "$top" && find common daemon client -name '*.c' | sort)
count=$(echo "$sources" | wc -l)

for compiler in gcc clang; do
	has $compiler || continue
	compile $compiler env CC=$compiler
	judge $compiler $? "$count files, with -Werror" \
	    "$build/static-$compiler.log"
done

if has cppcheck; then
	# sys/queue.h is read, so that its loops are understood; what names an
	# operator as an argument is not C to it.
	(
		cd "$top" && cppcheck --quiet -j"$jobs" --std=c11 \
		    --enable=warning,performance,portability \
		    --library=posix,gnu,bsd --error-exitcode=1 --inline-suppr \
		    --suppressions-list=tests/lint/cppcheck.suppress \
		    --include="$(echo '#include <sys/queue.h>' | cc -E -M - |
			tr ' ' '\n' | grep 'sys/queue.h$')" \
		    '-Devutil_timercmp(a,b,how)=timercmp(a,b,<)' -U__cplusplus \
		    -Icommon -Idaemon -Iinclude -Iclient \
		    common daemon client
	) >"$build/static-cppcheck.log" 2>&1
	judge cppcheck $? "$count files" "$build/static-cppcheck.log"
fi

if has clang-tidy; then
	(
		cd "$top" && echo "$sources" | xargs -P "$jobs" -n 8 sh -c '
			for file; do
				clang-tidy --quiet "$file" -- -std=gnu11 \
				    -DHAVE_CONFIG_H "-DSYSCONFDIR=\"/etc\"" \
				    -I'"$build"' -iquote '"$build"' \
				    -iquote common -iquote daemon \
				    -iquote include -iquote client \
				    '"$includes"' || exit 1
			done' clang-tidy
	) >"$build/static-tidy.log" 2>&1
	judge clang-tidy $? "$count files" "$build/static-tidy.log"
fi

if has scan-build; then
	compile scan scan-build --status-bugs -o "$build/static-scan.reports"
	judge scan-build $? "$count files" "$build/static-scan.log"
fi

for quick in spelling hardening; do
	srcdir=$top builddir=$build sh "$top/tests/lint/$quick.sh" \
	    >"$build/static-$quick.log" 2>&1
	if grep -q '# SKIP' "$build/static-$quick.log"; then
		say $quick "$(sed -n 's/.*# SKIP/skipped:/p' \
		    "$build/static-$quick.log")"
		continue
	fi
	! grep -q '^not ok' "$build/static-$quick.log"
	judge $quick $? 'all of it' "$build/static-$quick.log"
done
exit $failed
