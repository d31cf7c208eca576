#include "config.h"

#include "runtime/log.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "queue_id.h"
#include "runtime/journal.h"
#include "runtime/mailbox.h"

/* Lines that may wait for the writer; each is at most LOG_LINE_MAX. */
#define RING_LINES 4096

/* The line as text, and behind it the fields for the journal. */
struct entry {
	struct letter letter;
	enum log_level level;
	unsigned len, fields_len;
	bool is_last;
	char text[];
};

static _Atomic(int) wanted = LOG_LEVEL_INFO;
static _Atomic(uint64_t) waiting;
static _Atomic(uint64_t) dropped;
static _Atomic(struct mailbox *) inbox;
static pthread_t writer;
static bool is_journal;
static int journal = -1;

static void *writer_main(void *argument);
static void write_line(enum log_level level, const char *text, size_t len,
                       size_t fields_len);
static void put(struct log_line *line, const char *text, size_t len);
static void put_field(struct log_line *line, const char *key, unsigned from);
static void put_escaped(struct log_line *line, const char *value);
static bool needs_quotes(const char *value);
static void write_all(const char *text, size_t len);

int log_start(enum log_level level)
{
	struct mailbox *mailbox;
	int r;

	is_journal = journal_is_stderr();
	if (is_journal)
		journal = journal_open(NULL);
	log_set_level(level);
	r = mailbox_new_blocking(&mailbox);
	if (r < 0)
		return r;
	r = pthread_create(&writer, NULL, writer_main, mailbox);
	if (r != 0) {
		mailbox_free(mailbox);
		return -r;
	}
	atomic_store(&inbox, mailbox);
	return 0;
}

void log_stop(void)
{
	struct mailbox *mailbox = atomic_exchange(&inbox, NULL);
	struct entry *entry;

	if (mailbox == NULL)
		return;
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return; /* the process ends anyway */
	entry->is_last = true;
	mailbox_post_take(mailbox, &entry->letter);
	(void)pthread_join(writer, NULL);
	mailbox_free(mailbox);
	if (journal >= 0)
		(void)close(journal);
	journal = -1;
}

void log_set_level(enum log_level level)
{
	atomic_store(&wanted, (int)level);
}

bool log_is_wanted(enum log_level level)
{
	return (int)level <= atomic_load(&wanted);
}

static void write_all(const char *text, size_t len)
{
	ssize_t written;

	while (len > 0) {
		written = write(STDERR_FILENO, text, len);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;
		text += written;
		len -= (size_t)written;
	}
}

/* What the journal does not take by its own protocol it takes from stderr. */
static void write_line(enum log_level level, const char *text, size_t len,
                       size_t fields_len)
{
	char priority[sizeof("<-9>")];

	if (journal >= 0 && journal_send(journal, (int)level, text, len,
	                                 text + len, fields_len) == 0)
		return;
	if (is_journal) {
		(void)snprintf(priority, sizeof(priority), "<%d>",
		               (int)level % 10);
		write_all(priority, 3);
	}
	write_all(text, len);
}

static void report_dropped(uint64_t *reported)
{
	uint64_t now = atomic_load(&dropped);
	char line[80];
	int len;

	if (now == *reported)
		return;
	len = snprintf(line, sizeof(line),
	               "event=log_lines_dropped count=%" PRIu64 "\n",
	               now - *reported);
	*reported = now;
	write_line(LOG_LEVEL_WARNING, line, (size_t)len, 0);
}

static void *writer_main(void *argument)
{
	struct letter *letter, *next;
	struct entry *entry;
	uint64_t reported = 0;
	bool is_last = false;

	(void)pthread_setname_np(pthread_self(), "relais-log");
	while (!is_last) {
		letter = mailbox_wait(argument, -1);
		for (; letter != NULL; letter = next) {
			next = letter->next;
			entry = LETTER_OF(letter, struct entry, letter);
			is_last |= entry->is_last;
			if (!entry->is_last) {
				write_line(entry->level, entry->text,
				           entry->len, entry->fields_len);
				atomic_fetch_sub(&waiting, 1);
			}
			free(entry);
		}
		report_dropped(&reported);
	}
	return NULL;
}

/* Room is kept for a closing quote and the line's end. */
static size_t room(const struct log_line *line)
{
	size_t most = sizeof(line->text) - 2;

	return line->is_full || line->len > most ? 0 : most - line->len;
}

/* All of it or none, and then no more: a long line is cut between octets of a
 * value, never within an escape or a number. */
static void put(struct log_line *line, const char *text, size_t len)
{
	if (len > room(line)) {
		line->is_full = true;
		return;
	}
	memcpy(line->text + line->len, text, len);
	line->len += (unsigned)len;
}

static void put_time(struct log_line *line)
{
	struct timespec now;
	struct tm parts;
	char text[48];
	int len;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	len = snprintf(
	    text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ ",
	    parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
	    parts.tm_hour, parts.tm_min, parts.tm_sec, now.tv_nsec / 1000000);
	put(line, text, (size_t)len);
}

void log_begin(struct log_line *line, enum log_level level, const char *event)
{
	line->level = level;
	line->len = 0;
	line->fields_len = 0;
	line->is_full = false;
	line->is_wanted = log_is_wanted(level);
	if (!line->is_wanted)
		return;
	if (!is_journal)
		put_time(line);
	put(line, "event=", 6);
	put(line, event, strlen(event));
	put_field(line, "event", line->len - (unsigned)strlen(event));
}

/* False where the line has no room for the key and so much of its value. */
static bool put_key(struct log_line *line, const char *key, size_t value_len)
{
	if (strlen(key) + 2 + value_len > room(line)) {
		line->is_full = true;
		return false;
	}
	put(line, " ", 1);
	put(line, key, strlen(key));
	put(line, "=", 1);
	return true;
}

/* What the line has from there on, as a field. */
static void put_field(struct log_line *line, const char *key, unsigned from)
{
	if (journal < 0)
		return;
	line->fields_len = (unsigned)journal_put_field(
	    line->fields, line->fields_len, sizeof(line->fields), key,
	    line->text + from, line->len - from);
}

void log_text(struct log_line *line, const char *key, const char *value)
{
	bool is_quoted;
	unsigned from;

	if (!line->is_wanted || value == NULL)
		return;
	is_quoted = needs_quotes(value);
	if (!put_key(line, key, 1))
		return;
	if (is_quoted)
		put(line, "\"", 1);
	from = line->len;
	put_escaped(line, value);
	put_field(line, key, from);
	if (is_quoted)
		line->text[line->len++] = '"';
}

static bool needs_quotes(const char *value)
{
	const unsigned char *c;

	if (*value == '\0')
		return true;
	for (c = (const unsigned char *)value; *c != '\0'; c++)
		if (*c <= ' ' || *c == '"' || *c == '\\' || *c == '=' ||
		    *c >= 0x7f)
			return true;
	return false;
}

/* Octets above 127 pass: they were UTF-8 or look odd, but end no line. */
static void put_escaped(struct log_line *line, const char *value)
{
	const unsigned char *c;
	char escape[5];

	for (c = (const unsigned char *)value; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\') {
			escape[0] = '\\';
			escape[1] = (char)*c;
			put(line, escape, 2);
		} else if (*c < ' ' || *c == 0x7f) {
			(void)snprintf(escape, sizeof(escape), "\\x%02x", *c);
			put(line, escape, 4);
		} else {
			put(line, (const char *)c, 1);
		}
	}
}

void log_number(struct log_line *line, const char *key, int64_t value)
{
	char text[24];
	int len;

	if (!line->is_wanted)
		return;
	len = snprintf(text, sizeof(text), "%" PRId64, value);
	if (!put_key(line, key, (size_t)len))
		return;
	put(line, text, (size_t)len);
	put_field(line, key, line->len - (unsigned)len);
}

void log_id(struct log_line *line, const char *key, uint64_t queue_id)
{
	char text[QUEUE_ID_SIZE];

	if (!line->is_wanted)
		return;
	queue_id_format(queue_id, text);
	if (!put_key(line, key, strlen(text)))
		return;
	put(line, text, strlen(text));
	put_field(line, key, line->len - (unsigned)strlen(text));
}

void log_end(struct log_line *line)
{
	struct mailbox *mailbox = atomic_load(&inbox);
	struct entry *entry;

	if (!line->is_wanted)
		return;
	line->text[line->len++] = '\n';
	if (mailbox == NULL) {
		write_line(line->level, line->text, line->len, 0);
		return;
	}
	if (atomic_fetch_add(&waiting, 1) >= RING_LINES)
		goto drop;
	entry = malloc(sizeof(*entry) + line->len + line->fields_len);
	if (entry == NULL)
		goto drop;
	entry->is_last = false;
	entry->level = line->level;
	entry->len = line->len;
	entry->fields_len = line->fields_len;
	memcpy(entry->text, line->text, line->len);
	memcpy(entry->text + line->len, line->fields, line->fields_len);
	mailbox_post_take(mailbox, &entry->letter);
	return;
drop:
	atomic_fetch_sub(&waiting, 1);
	atomic_fetch_add(&dropped, 1);
}

void log_message(enum log_level level, const char *event, const char *format,
                 ...)
{
	struct log_line line;
	va_list arguments;
	char text[1024];

	if (!log_is_wanted(level))
		return;
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_begin(&line, level, event);
	log_text(&line, "message", text);
	log_end(&line);
}

uint64_t log_dropped(void)
{
	return atomic_load(&dropped);
}
