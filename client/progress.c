#include "config.h"

#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"

#define SHOW_EVERY_US 200000
#define BAR_WIDTH     30

void progress_begin(struct progress *progress,
                    const struct invocation *invocation)
{
	memset(progress, 0, sizeof(*progress));
	progress->is_shown = isatty(STDERR_FILENO) && !invocation->is_json;
}

void progress_show(struct progress *progress, int64_t done, int64_t total,
                   const char *words)
{
	char bar[BAR_WIDTH + 1];
	int64_t now_us = clock_monotonic_us();
	size_t full;

	if (!progress->is_shown || now_us < progress->next_us)
		return;
	progress->next_us = now_us + SHOW_EVERY_US;
	progress->is_drawn = true;
	if (total <= 0) {
		fprintf(stderr, "\r%s\033[K", words);
		return;
	}
	if (done > total)
		done = total;
	full = (size_t)((double)done / (double)total * BAR_WIDTH);
	memset(bar, ' ', BAR_WIDTH);
	memset(bar, '#', full);
	bar[BAR_WIDTH] = '\0';
	fprintf(stderr, "\r[%s] %3d%%  %s\033[K", bar,
	        (int)((double)done / (double)total * 100), words);
	(void)fflush(stderr);
}

void progress_end(struct progress *progress)
{
	if (progress->is_drawn)
		fputs("\r\033[K", stderr);
	progress->is_drawn = false;
}
