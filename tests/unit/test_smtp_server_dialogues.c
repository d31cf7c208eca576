/*
 * The receiving side against tests/dialogues/server/, one test a file. What the
 * lines mean is in the README there.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/recording_session.h"
#include "smtp/extensions.h"

struct play {
	struct recording_session session;
	struct smtp_server_settings settings;
	/* what the client says until somebody else is to */
	struct buffer group;
	/* replies not yet expected, as a string */
	char replies[65536];
	/* where in the message the next M: line is looked for */
	size_t content_at;
	size_t messages;
	size_t piece;
	bool has_begun;
	char why[512];
};

static void begin(struct play *play)
{
	if (play->has_begun)
		return;
	play->has_begun = true;
	recording_session_init(&play->session, &play->settings);
	smtp_server_greet(play->session.server);
}

static void take_replies(struct play *play)
{
	strncat(play->replies, recording_session_replies(&play->session),
	        sizeof(play->replies) - strlen(play->replies) - 1);
}

/* Lets the client speak; commits every message that ends meanwhile. */
static void flush_group(struct play *play)
{
	struct smtp_server *server;
	struct buffer *group = &play->group;

	begin(play);
	server = play->session.server;
	for (;;) {
		char text[64];

		buffer_consume(
		    group, recording_session_feed(&play->session, group->data,
		                                  group->len, play->piece));
		take_replies(play);
		if (!smtp_server_is_suspended(server))
			break;
		play->content_at = 0;
		(void)snprintf(text, sizeof(text), "Ok: queued as %zu",
		               ++play->messages);
		smtp_server_answer_message(server,
		                           smtp_answer(250, "2.0.0", text));
		take_replies(play);
	}
	buffer_clear(group);
}

static bool fail(struct play *play, const char *what, const char *detail)
{
	(void)snprintf(play->why, sizeof(play->why), "%s: %.400s", what,
	               detail);
	return false;
}

static void say(struct play *play, const char *text)
{
	for (; *text; text++) {
		static const char from[] = "rnt0\\";
		static const char to[] = "\r\n\t\0\\";
		const char *found = NULL;

		if (*text == '\\' && text[1])
			found = strchr(from, text[1]);
		if (found)
			text++;
		(void)buffer_append(&play->group,
		                    found ? to + (found - from) : text, 1);
	}
}

static bool expect_reply(struct play *play, const char *text)
{
	char *end = strstr(play->replies, "\r\n");
	size_t len = strlen(text);

	if (!end)
		return fail(play, "no reply", text);
	*end = '\0';
	if (len > 0 && text[len - 1] == '*'
	        ? strncmp(play->replies, text, len - 1) != 0
	        : strcmp(play->replies, text) != 0)
		return fail(play, "unexpected reply", play->replies);
	memmove(play->replies, end + 2, strlen(end + 2) + 1);
	return true;
}

static bool expect_content(struct play *play, const char *text)
{
	const struct buffer *content = &play->session.message;
	const char *line = content->data + play->content_at;
	size_t left = content->len - play->content_at;
	size_t len = strlen(text);

	if (left < len + 2 || memcmp(line, text, len) != 0 ||
	    memcmp(line + len, "\r\n", 2) != 0)
		return fail(play, "the message has not", text);
	play->content_at += len + 2;
	return true;
}

static bool set(struct play *play, const char *text)
{
	struct smtp_server_settings *settings = &play->settings;
	unsigned long value;
	char name[32];

	if (strcmp(text, "extensions all") == 0) {
		settings->extensions = ~0u;
		settings->hold_max_s = 86400;
		settings->by_min_s = 60;
		return true;
	}
	if (sscanf(text, "%31s %lu", name, &value) != 2)
		return fail(play, "no setting", text);
	if (strcmp(name, "size") == 0)
		settings->message_size_bytes = value;
	else if (strcmp(name, "rcptmax") == 0)
		settings->max_recipients = (unsigned)value;
	else if (strcmp(name, "mailmax") == 0)
		settings->max_transactions = (unsigned)value;
	else if (strcmp(name, "errors") == 0)
		settings->max_errors = (unsigned)value;
	else if (strcmp(name, "received") == 0)
		settings->max_received = (unsigned)value;
	else if (strcmp(name, "header") == 0)
		settings->header_size_bytes = value;
	else
		return fail(play, "no setting", text);
	return true;
}

static bool play_line(struct play *play, const char *line)
{
	const char *text = strlen(line) > 3 ? line + 3 : "";

	if (line[0] == '#' || line[0] == '\0')
		return true;
	if (line[0] == '!')
		return play->has_begun ? fail(play, "too late", line)
		                       : set(play, line + 2);
	if (strncmp(line, "C:", 2) == 0 || strncmp(line, "C>", 2) == 0) {
		if (play->replies[0])
			return fail(play, "more was said", play->replies);
		say(play, text);
		if (line[1] == ':')
			(void)buffer_append_string(&play->group, "\r\n");
		return true;
	}
	flush_group(play);
	if (strncmp(line, "S:", 2) == 0)
		return expect_reply(play, text);
	if (strncmp(line, "M:", 2) == 0)
		return expect_content(play, text);
	if (strcmp(line, "X") == 0)
		return smtp_server_is_finished(play->session.server) ||
		       fail(play, "not closed", "");
	return fail(play, "what is this", line);
}

static bool play_file(const char *path, size_t piece)
{
	struct play *play = calloc(1, sizeof(*play));
	FILE *file = fopen(path, "r");
	bool is_good = play && file;
	unsigned number = 0;
	char line[16384];

	if (!is_good)
		goto out;
	play->settings.hostname = "relais.example";
	play->settings.extensions = SMTP_EXT_BASIC;
	play->piece = piece;
	buffer_init(&play->group, 0);
	while (is_good && fgets(line, sizeof(line), file)) {
		number++;
		line[strcspn(line, "\n")] = '\0';
		is_good = play_line(play, line);
	}
	if (is_good) {
		flush_group(play);
		is_good = !play->replies[0] ||
		          fail(play, "more was said", play->replies);
	}
	if (!is_good)
		(void)printf("# %s:%u: %s\n", path, number, play->why);
	if (play->has_begun)
		recording_session_done(&play->session);
	buffer_done(&play->group);
out:
	if (file)
		(void)fclose(file);
	free(play);
	return is_good;
}

static int is_dialogue(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && strcmp(dot, ".smtp") == 0;
}

int main(void)
{
	const char *top = getenv("srcdir");
	struct dirent **files;
	char folder[4096];
	int count;

	(void)snprintf(folder, sizeof(folder), "%s/tests/dialogues/server",
	               top ? top : ".");
	count = scandir(folder, &files, is_dialogue, alphasort);
	if (count <= 0) {
		(void)fprintf(stderr, "%s: no dialogues\n", folder);
		return 1;
	}
	(void)printf("1..%d\n", count);
	for (int i = 0; i < count; i++) {
		char path[8192];
		bool is_good;

		(void)snprintf(path, sizeof(path), "%s/%s", folder,
		               files[i]->d_name);
		is_good = play_file(path, 0) && play_file(path, 1);
		(void)printf("%s %d - %s\n", is_good ? "ok" : "not ok", i + 1,
		             files[i]->d_name);
		free(files[i]);
	}
	free(files);
	return 0;
}
