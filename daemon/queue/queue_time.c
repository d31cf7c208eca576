#include "config.h"

#include "queue/queue_time.h"

#include "clock.h"

void queue_time_start(struct queue_time *time, uint64_t seen_ms)
{
	uint64_t wall_ms = wall_now_ms();

	time->start_ms = wall_ms > seen_ms ? wall_ms : seen_ms + 1;
	time->boot_start_ms = boot_now_ms();
}

uint64_t queue_time_now_ms(const struct queue_time *time)
{
	return time->start_ms + (boot_now_ms() - time->boot_start_ms);
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
