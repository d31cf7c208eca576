#!/bin/sh
#
# fuzz.sh SECONDS TARGET... - looks for new inputs with each target in turn
#
# What is found goes to corpus-NAME here; it begins with what is in the source.
# Ends with a line a target: inputs tried, branches reached, the result.
set -u
source=$(dirname "$0")
seconds=$1
shift
failed=0

for target in "$@"; do
	name=${target##*/fuzz_}
	dictionary=$source/dictionaries/$name.dict
	mkdir -p "corpus-$name"
	"./$target" -max_total_time="$seconds" -print_final_stats=1 \
	    -dict="$dictionary" \
	    "corpus-$name" "$source/corpus/$name" >"fuzz-$name.log" 2>&1
	status=$?
	tried=$(sed -n 's/^stat::number_of_executed_units: *//p' \
	    "fuzz-$name.log")
	reached=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "fuzz-$name.log" |
	    tail -n 1)
	result=ok
	if [ "$status" -ne 0 ]; then
		result="FAILED, see fuzz-$name.log"
		failed=1
	fi
	printf '%-16s %12s inputs, %6s edges: %s\n' "$name" "${tried:-0}" \
	    "${reached:-0}" "$result"
done
exit $failed
