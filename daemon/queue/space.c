#include "config.h"

#include "queue/space.h"

#include "queue/gauges.h"
#include "queue/queue_time.h"
#include "queue/store.h"
#include "runtime/log.h"

#define LOOK_INTERVAL_MS 1000

static void say(bool is_full, uint64_t used, uint64_t maximum,
                uint64_t disk_free);

/*
 * Full: above the maximum less a reserve that results and deletes need; or the
 * disk has not that much to give. It is over only well below.
 */
void space_look(struct space *space, struct store *store,
                uint64_t maximum_bytes, struct gauges *gauges)
{
	uint64_t reserve = store_reserve_bytes(maximum_bytes);
	uint64_t used = atomic_load(&gauges->used_bytes);
	uint64_t now_ms = boot_now_ms();
	bool was_full = atomic_load(&gauges->is_full);
	bool is_full = used + (was_full ? 2 : 1) * reserve > maximum_bytes;
	uint64_t disk_free = 0;

	if (now_ms < space->next_look_ms && is_full == was_full)
		return;
	space->next_look_ms = now_ms + LOOK_INTERVAL_MS;
	if (store_reserve_ahead(store, reserve) < 0)
		is_full = true;
	if (store_disk_free(store, &disk_free) == 0) {
		atomic_store(&gauges->disk_free, disk_free);
		/* Besides what is allocated ahead already. */
		if (disk_free < reserve / 4)
			is_full = true;
	}
	store_check_readers(store);
	atomic_store(&gauges->is_full, is_full);
	if (is_full != was_full)
		say(is_full, used, maximum_bytes, disk_free);
}

static void say(bool is_full, uint64_t used, uint64_t maximum,
                uint64_t disk_free)
{
	log_message(is_full ? LOG_LEVEL_ERR : LOG_LEVEL_WARNING,
	            is_full ? "store_full" : "store_has_room",
	            "%llu MiB used of %llu, %llu MiB free on the disk",
	            (unsigned long long)(used >> 20),
	            (unsigned long long)(maximum >> 20),
	            (unsigned long long)(disk_free >> 20));
}
