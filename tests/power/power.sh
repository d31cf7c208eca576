#!/bin/sh
#
# Power cuts; see local.am. $POWER_POINTS crash points a record, $POWER_STEPS
# steps of work in each of $POWER_RECORDS records.
set -u
here=${srcdir:-.}/tests/power
bin=${builddir:-.}/tests/power
points=${POWER_POINTS:-150}
steps=${POWER_STEPS:-25}
records=${POWER_RECORDS:-1}

# On memory, or each point would wait for a real disk.
room=$(mktemp -d "$( [ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}" )/relais-power.XXXXXX") || exit 1
trap 'rm -rf "$room"' EXIT

# report NUMBER TEXT: of the command before
report()
{
	status=$?
	grep '^#' "$room/out"
	if [ $status -ne 0 ]; then
		grep -v '^#' "$room/out" | grep -v event=recovered |
		    head -n 20 | sed 's/^/# /'
		printf 'not '
	fi
	echo "ok $1 - $2"
}

replay()
{
	"$bin/power_replay" "$1" "$room" "$points" "$2" >"$room/out" 2>&1
}

queue_records()
{
	for seed in $(seq "$records"); do
		rm -rf "$room/queue"
		"$bin/power_load" "$room/queue" "$room/log" "$steps" "$seed" \
		    >"$room/out" 2>&1 || return 1
		replay "$room/log" "$seed" || return 1
		grep '^#' "$room/out" >>"$room/all"
	done
	mv "$room/all" "$room/out"
}

# A disk that syncs nothing: the same look has to find what is lost.
lying_disk()
{
	points=100
	POWER_IGNORE_SYNCS=1 replay "$room/log" 1
	found=$? points=${POWER_POINTS:-150}
	[ $found -eq 1 ]
}

daemon_record()
{
	python3 "$here/power_submit.py" "$bin/../../relaisd" \
	    "$bin/.libs/recorder.so" "$room/daemon" "$room/log" \
	    $((steps * 4)) >"$room/out" 2>&1 && replay "$room/log" 1
}

echo 1..3
queue_records
report 1 "nothing promised is lost in a power cut"
lying_disk
report 2 "what a disk that lies has lost is found"
if ! command -v python3 >/dev/null; then
	echo "ok 3 - relaisd keeps its promises # SKIP no python3"
elif nm "$bin/../../relaisd" 2>/dev/null | grep -q '__[at]san_init'; then
	echo "ok 3 - relaisd keeps its promises # SKIP a sanitizer is in the way"
else
	daemon_record
	report 3 "relaisd loses nothing it has promised its clients"
fi
