#!/bin/sh
#
# fuzz.sh SECONDS TARGET... - looks for new inputs, with as many targets at once
# as there are processors
#
# What is found goes to corpus-NAME here; it begins with what is in the source.
# An input that crashes is kept in crashes/. Says for each target how many inputs
# were tried, how many edges of the program they reached, and the result; the
# last line is the sum.
set -u
source=$(dirname "$0")

# one SECONDS TARGET: prints its line, which ends in "ok" if it is
one()
{
	name=${2##*/fuzz_}
	mkdir -p "corpus-$name" crashes
	rm -f "crashes/$name-"*
	"./$2" -max_total_time="$1" -print_final_stats=1 \
	    -artifact_prefix="crashes/$name-" \
	    -dict="$source/dictionaries/$name.dict" \
	    "corpus-$name" "$source/corpus/$name" >"fuzz-$name.log" 2>&1
	status=$?
	tried=$(sed -n 's/^stat::number_of_executed_units: *//p' \
	    "fuzz-$name.log")
	reached=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "fuzz-$name.log" |
	    tail -n 1)
	result=ok
	[ "$status" -eq 0 ] || result="FAILED, see fuzz-$name.log and crashes/"
	printf '%-16s %10s inputs %6s edges  %s\n' "$name" "${tried:-0}" \
	    "${reached:-0}" "$result"
}

if [ "$1" = --one ]; then
	one "$2" "$3"
	exit
fi
seconds=$1
shift
printf '%s\n' "$@" |
    xargs -P "$(getconf _NPROCESSORS_ONLN)" -I '{}' \
	"${SHELL:-/bin/sh}" "$0" --one "$seconds" '{}' |
    awk '{ print; fflush() }
	{ inputs += $2; failed += $NF != "ok" }
	END {
		printf "%d targets: %d inputs, %d failed\n", NR, inputs, failed
		exit failed > 0
	}'
