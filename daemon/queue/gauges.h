/*
 * gauges - what any thread may ask of the committer without waiting for it
 */
#ifndef RELAIS_QUEUE_GAUGES_H
#define RELAIS_QUEUE_GAUGES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct gauges {
	/* Jobs posted and not home yet, and the bytes of new mail in them. */
	_Atomic uint64_t pending_jobs;
	_Atomic uint64_t pending_bytes;
	/* CLOCK_BOOTTIME ms: the last turn; the start of the transaction
	 * under way, 0 without. */
	_Atomic uint64_t turned_ms;
	_Atomic uint64_t working_since_ms;
	_Atomic uint64_t used_bytes;
	_Atomic uint64_t disk_free;
	_Atomic uint64_t commits;
	_Atomic uint64_t committed_jobs;
	_Atomic bool is_full;
	/* Settings, as they were last applied. */
	_Atomic uint64_t maximum_bytes;
	_Atomic uint64_t keep_finished_ms;
	_Atomic uint64_t keep_failed_bodies_ms;
	_Atomic uint64_t gather_ms;
	_Atomic uint64_t summary_ms;
};

#endif
