#include "config.h"

#include "queue/queue_time.h"

#include "clock.h"
#include "queue_id.h"

#define LEAP_MS   (24 * 60 * 60 * UINT64_C(1000))
#define UNSURE_MS (60 * 60 * UINT64_C(1000))

void queue_time_start(struct queue_time *time, uint64_t seen_ms)
{
	uint64_t wall_ms = wall_now_ms();

	time->start_ms = wall_ms > seen_ms ? wall_ms : seen_ms + 1;
	time->boot_start_ms = boot_now_ms();
	time->has_leapt = seen_ms != 0 && time->start_ms - seen_ms > LEAP_MS;
}

uint64_t queue_time_now_ms(const struct queue_time *time)
{
	return time->start_ms + (boot_now_ms() - time->boot_start_ms);
}

bool queue_time_is_unsure(const struct queue_time *time)
{
	return time->has_leapt &&
	       boot_now_ms() - time->boot_start_ms < UNSURE_MS;
}

uint64_t queue_time_age_ms(uint64_t id, uint64_t submitted_ms, uint64_t now_ms,
                           uint64_t wall_ms)
{
	uint64_t accepted_ms = queue_id_time_ms(id);
	uint64_t age_ms = now_ms > accepted_ms ? now_ms - accepted_ms : 0;

	if (wall_ms >= submitted_ms && wall_ms - submitted_ms < age_ms)
		age_ms = wall_ms - submitted_ms;
	return age_ms;
}

uint64_t wall_now_ms(void)
{
	int64_t now_ms = clock_wall_ms();

	return now_ms > 0 ? (uint64_t)now_ms : 0;
}

uint64_t boot_now_ms(void)
{
	return (uint64_t)clock_boottime_ms();
}
