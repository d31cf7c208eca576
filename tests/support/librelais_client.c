/*
 * librelais_client - librelais, as a program of somebody else would use it
 *
 *     librelais_client memory|fd|closed|stream|again|batch FILE COUNT
 *         TIMEOUT_MS SENDER [KEY=VALUE ...] RECIPIENT ...
 *     librelais_client status ID WAIT_S TIMEOUT_MS
 *
 * Includes nothing of relais but its public header, and prints a line for
 * each message: result, code, error, id, recipient, duplicate, text. A status
 * has more lines: id, state, submitted, ended, and for each recipient address,
 * state, attempts, next attempt, code, status, text.
 */
#include "config.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "relais.h"

static struct relais_envelope envelope;

static void print(const struct relais_answer *answer)
{
	printf("%d %d %d %s %ld %d %s\n", (int)answer->result, answer->code,
	       answer->error, answer->id[0] ? answer->id : "-",
	       answer->recipient, answer->is_duplicate, answer->text);
	(void)fflush(stdout);
}

static char *read_file(const char *path, size_t *ret_len)
{
	FILE *file = fopen(path, "rb");
	char *data = NULL;
	size_t len = 0, got = 0;

	if (!file)
		return NULL;
	do {
		data = realloc(data, len + 65536);
		got = data ? fread(data + len, 1, 65536, file) : 0;
		len += got;
	} while (got > 0);
	(void)fclose(file);
	*ret_len = len;
	return data;
}

static int set(const char *word)
{
	const char *value = strchr(word, '=');

	if (!value || strchr(word, '@'))
		return 0;
	value++;
	if (strncmp(word, "key=", 4) == 0)
		envelope.key = value;
	else if (strncmp(word, "tag=", 4) == 0)
		envelope.tag = value;
	else if (strncmp(word, "wait=", 5) == 0)
		envelope.wait_s = (unsigned)atoi(value);
	else if (strncmp(word, "hold=", 5) == 0)
		envelope.hold_s = (unsigned)atoi(value);
	else if (strncmp(word, "notify=", 7) == 0)
		envelope.notify = (unsigned)atoi(value);
	else if (strncmp(word, "priority=", 9) == 0)
		envelope.priority = atoi(value);
	else if (strncmp(word, "envid=", 6) == 0)
		envelope.envelope_id = value;
	else if (strncmp(word, "return=", 7) == 0)
		envelope.return_what = strcmp(value, "full") == 0
		                           ? RELAIS_RETURN_FULL
		                           : RELAIS_RETURN_HEADERS;
	else
		return 0;
	return 1;
}

static void stream(struct relais_session *session, const char *data, size_t len,
                   unsigned timeout_ms)
{
	struct relais_answer answer;

	if (relais_begin(session, &envelope, timeout_ms, &answer) ==
	    RELAIS_OK) {
		for (size_t at = 0; at < len;) {
			size_t part = len - at < 1000 ? len - at : 1000;

			if (relais_write(session, data + at, part) != RELAIS_OK)
				break;
			at += part;
		}
		(void)relais_finish(session, &answer);
	}
	print(&answer);
}

static void batch(struct relais_session *session, const char *data, size_t len,
                  size_t count, unsigned timeout_ms)
{
	struct relais_submission *all = calloc(count, sizeof(*all));
	size_t queued;

	if (!all)
		return;
	for (size_t i = 0; i < count; i++)
		all[i] = (struct relais_submission){
			.envelope = &envelope,
			.data = data,
			.len = len,
		};
	queued = relais_submit_batch(session, all, count, timeout_ms);
	for (size_t i = 0; i < count; i++)
		print(&all[i].answer);
	printf("%zu\n", queued);
	free(all);
}

/* Several on one session; "again" waits for a line of input in between. */
static void repeat(struct relais_session *session, const char *how,
                   const char *path, size_t count, unsigned timeout_ms)
{
	bool is_read = strcmp(how, "fd") != 0;
	size_t len = 0;
	char *data = is_read ? read_file(path, &len) : NULL;

	for (size_t i = 0; i < count && (data || !is_read); i++) {
		struct relais_answer answer;

		if (strcmp(how, "fd") == 0) {
			int fd = open(path, O_RDONLY | O_CLOEXEC);

			(void)relais_submit_fd(session, &envelope, fd,
			                       timeout_ms, &answer);
			if (fd >= 0)
				(void)close(fd);
			print(&answer);
		} else if (strcmp(how, "closed") == 0) {
			(void)relais_submit_fd(session, &envelope, -1,
			                       timeout_ms, &answer);
			print(&answer);
		} else if (strcmp(how, "stream") == 0) {
			stream(session, data, len, timeout_ms);
		} else {
			(void)relais_submit(session, &envelope, data, len,
			                    timeout_ms, &answer);
			print(&answer);
		}
		if (strcmp(how, "again") == 0 && getchar() == EOF)
			break;
	}
	free(data);
}

static void ask(const char *id, unsigned wait_s, unsigned timeout_ms)
{
	struct relais_message *message;
	struct relais_answer answer;

	(void)relais_status(NULL, id, wait_s, timeout_ms, &message, &answer);
	print(&answer);
	if (!message)
		return;
	printf("%s %d %" PRId64 " %" PRId64 "\n", message->id,
	       (int)message->state, message->submitted_ms, message->ended_ms);
	for (size_t i = 0; i < message->recipient_count; i++) {
		const struct relais_recipient *to = &message->recipients[i];

		printf("%s %d %u %" PRId64 " %d %s %s\n", to->address,
		       (int)to->state, to->attempts, to->next_attempt_ms,
		       to->code, to->status[0] ? to->status : "-", to->text);
	}
	relais_message_free(message);
}

int main(int argc, char *argv[])
{
	struct relais_session *session;
	size_t count;
	unsigned timeout_ms;
	int i = 6;

	if (argc == 5 && strcmp(argv[1], "status") == 0) {
		ask(argv[2], (unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]));
		return 0;
	}
	if (argc < 6)
		return 2;
	count = (size_t)atoi(argv[3]);
	timeout_ms = (unsigned)atoi(argv[4]);
	envelope.sender = argv[5];
	while (i < argc && set(argv[i]))
		i++;
	envelope.recipients = (const char *const *)(argv + i);
	envelope.recipient_count = (size_t)(argc - i);
	session = relais_open(NULL);
	if (!session)
		return 1;
	if (strcmp(argv[1], "batch") == 0) {
		size_t len = 0;
		char *data = read_file(argv[2], &len);

		batch(session, data, len, count, timeout_ms);
		free(data);
	} else {
		repeat(session, argv[1], argv[2], count, timeout_ms);
	}
	relais_close(session);
	return 0;
}
