#include "config.h"

#include "clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static time_t split_ms(int64_t wall_ms, int *ret_ms);
static int64_t real_wall_ms(void);
static int64_t real_boottime_ms(void);
static int64_t real_monotonic_us(void);
static bool read_digits(const char **text, int count, int *ret_value);
static bool read_time_of_day(const char **text, int *ret_ms);
static bool read_zone(const char **text, int *ret_minutes);
static int day_to_ms(const struct tm *date, int64_t *ret_ms);

static const struct clock_source real_clocks = {
	.wall_ms = real_wall_ms,
	.boottime_ms = real_boottime_ms,
	.monotonic_us = real_monotonic_us,
};

static const struct clock_source *clocks = &real_clocks;

int64_t clock_wall_ms(void)
{
	return clocks->wall_ms();
}

int64_t clock_boottime_ms(void)
{
	return clocks->boottime_ms();
}

int64_t clock_monotonic_us(void)
{
	return clocks->monotonic_us();
}

static int64_t real_wall_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t real_boottime_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t real_monotonic_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void clock_replace(const struct clock_source *source)
{
	clocks = source ? source : &real_clocks;
}

/* Splits into UTC seconds and milliseconds, rounding down before 1970. */
static time_t split_ms(int64_t wall_ms, int *ret_ms)
{
	/* 0000-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z */
	const int64_t first = -62167219200000;
	const int64_t last = 253402300799999;
	int64_t ms;

	if (wall_ms < first)
		wall_ms = first;
	if (wall_ms > last)
		wall_ms = last;
	ms = wall_ms % 1000;
	if (ms < 0)
		ms += 1000;
	*ret_ms = (int)ms;
	return (time_t)((wall_ms - ms) / 1000);
}

void clock_format_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE])
{
	char text[80];
	struct tm tm;
	int ms;
	time_t seconds = split_ms(wall_ms, &ms);

	(void)gmtime_r(&seconds, &tm);
	(void)snprintf(text, sizeof(text),
	               "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
	               tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	               tm.tm_sec, ms);
	memcpy(out, text, CLOCK_RFC3339_SIZE);
	out[CLOCK_RFC3339_SIZE - 1] = '\0';
}

int clock_parse_rfc3339(const char *text, int64_t *ret_wall_ms)
{
	struct tm date = { 0 };
	int64_t day_ms;
	int zone_minutes;
	int time_ms;

	if (!read_digits(&text, 4, &date.tm_year) || *text++ != '-' ||
	    !read_digits(&text, 2, &date.tm_mon) || *text++ != '-' ||
	    !read_digits(&text, 2, &date.tm_mday))
		return -EINVAL;
	if (*text != 'T' && *text != 't')
		return -EINVAL;
	text++;
	if (!read_time_of_day(&text, &time_ms) ||
	    !read_zone(&text, &zone_minutes) || *text != '\0')
		return -EINVAL;
	if (day_to_ms(&date, &day_ms) < 0)
		return -EINVAL;
	*ret_wall_ms = day_ms + time_ms - zone_minutes * 60000;
	return 0;
}

static bool read_digits(const char **text, int count, int *ret_value)
{
	int value = 0;

	for (int i = 0; i < count; i++) {
		char c = (*text)[i];

		if (c < '0' || c > '9')
			return false;
		value = value * 10 + (c - '0');
	}
	*text += count;
	*ret_value = value;
	return true;
}

/* "18:40:01.123" to milliseconds of the day */
static bool read_time_of_day(const char **text, int *ret_ms)
{
	const char *c = *text;
	int hour;
	int minute;
	int second;
	int ms = 0;

	if (!read_digits(&c, 2, &hour) || *c++ != ':' ||
	    !read_digits(&c, 2, &minute) || *c++ != ':' ||
	    !read_digits(&c, 2, &second))
		return false;
	/* 60 is a leap second */
	if (hour > 23 || minute > 59 || second > 60)
		return false;
	if (*c == '.') {
		int unit = 100;

		c++;
		if (*c < '0' || *c > '9')
			return false;
		for (; *c >= '0' && *c <= '9'; c++, unit /= 10)
			ms += (*c - '0') * unit;
	}
	*ret_ms = ((hour * 60 + minute) * 60 + second) * 1000 + ms;
	*text = c;
	return true;
}

static bool read_zone(const char **text, int *ret_minutes)
{
	const char *c = *text;
	int sign = *c == '-' ? -1 : 1;
	int hours;
	int minutes;

	if (*c == 'Z' || *c == 'z') {
		*ret_minutes = 0;
		*text = c + 1;
		return true;
	}
	if (*c != '+' && *c != '-')
		return false;
	c++;
	if (!read_digits(&c, 2, &hours) || *c++ != ':' ||
	    !read_digits(&c, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*ret_minutes = sign * (hours * 60 + minutes);
	*text = c;
	return true;
}

/* date has the year and the month as they are written. */
static int day_to_ms(const struct tm *date, int64_t *ret_ms)
{
	struct tm tm = { 0 };
	time_t seconds;

	tm.tm_year = date->tm_year - 1900;
	tm.tm_mon = date->tm_mon - 1;
	tm.tm_mday = date->tm_mday;
	seconds = timegm(&tm);
	/* timegm() makes March 2 of February 30: that is no date */
	if (tm.tm_mon != date->tm_mon - 1 || tm.tm_mday != date->tm_mday)
		return -EINVAL;
	*ret_ms = (int64_t)seconds * 1000;
	return 0;
}

void clock_format_rfc5322(int64_t wall_ms, int zone_minutes,
                          char out[CLOCK_RFC5322_SIZE])
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed",
		                        "Thu", "Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr",
		                          "May", "Jun", "Jul", "Aug",
		                          "Sep", "Oct", "Nov", "Dec" };
	int zone = zone_minutes < 0 ? -zone_minutes : zone_minutes;
	char text[80];
	struct tm tm;
	int ms;
	time_t seconds;

	seconds = split_ms(wall_ms + (int64_t)zone_minutes * 60000, &ms);
	(void)gmtime_r(&seconds, &tm);
	(void)snprintf(
	    text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d %c%02d%02d",
	    days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
	    tm.tm_hour, tm.tm_min, tm.tm_sec, zone_minutes < 0 ? '-' : '+',
	    zone / 60 % 100, zone % 60);
	memcpy(out, text, CLOCK_RFC5322_SIZE);
	out[CLOCK_RFC5322_SIZE - 1] = '\0';
}

int clock_zone_minutes(int64_t wall_ms)
{
	struct tm tm;
	int ms;
	time_t seconds = split_ms(wall_ms, &ms);

	if (!localtime_r(&seconds, &tm))
		return 0;
	return (int)(tm.tm_gmtoff / 60);
}
