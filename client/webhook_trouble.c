#include "config.h"

#include "webhook_trouble.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define SAY_AGAIN_S 600

void webhook_say(int priority, const char *format, ...)
{
	va_list args;

	if (getenv("JOURNAL_STREAM"))
		fprintf(stderr, "<%d>", priority);
	else
		fputs("relais-webhook: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void webhook_trouble_say(struct webhook_trouble *trouble, const char *what,
                         const char *problem)
{
	time_t now = time(NULL);

	if (trouble->since == 0)
		trouble->since = now;
	else if (now - trouble->said < SAY_AGAIN_S)
		return;
	trouble->said = now;
	webhook_say(4, "%s: %s; trying again (for %lld s so far)", what,
	            problem, (long long)(now - trouble->since));
}

void webhook_trouble_end(struct webhook_trouble *trouble, const char *what)
{
	if (trouble->since != 0)
		webhook_say(6, "%s works again, after %lld s", what,
		            (long long)(time(NULL) - trouble->since));
	trouble->since = 0;
}

void webhook_wait_about(unsigned ms)
{
	struct timespec wait;
	uint32_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = UINT32_MAX / 2;
	ms = ms / 2 + (unsigned)((uint64_t)random * (ms / 2 + 1) >> 32);
	wait.tv_sec = ms / 1000;
	wait.tv_nsec = (long)(ms % 1000) * 1000000;
	(void)nanosleep(&wait, NULL);
}
