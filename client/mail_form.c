#include "config.h"

#include "mail_form.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "clock.h"

#define READ_SIZE 65536

static const struct {
	const char *end;
	const char *type;
} types[] = {
	{ ".txt", "text/plain" },
	{ ".log", "text/plain" },
	{ ".csv", "text/csv" },
	{ ".html", "text/html" },
	{ ".htm", "text/html" },
	{ ".ics", "text/calendar" },
	{ ".eml", "message/rfc822" },
	{ ".json", "application/json" },
	{ ".xml", "application/xml" },
	{ ".pdf", "application/pdf" },
	{ ".zip", "application/zip" },
	{ ".gz", "application/gzip" },
	{ ".png", "image/png" },
	{ ".jpg", "image/jpeg" },
	{ ".jpeg", "image/jpeg" },
	{ ".gif", "image/gif" },
	{ ".svg", "image/svg+xml" },
	{ ".docx", "application/vnd.openxmlformats-officedocument."
	           "wordprocessingml.document" },
	{ ".xlsx", "application/vnd.openxmlformats-officedocument."
	           "spreadsheetml.sheet" },
	{ ".odt", "application/vnd.oasis.opendocument.text" },
	{ ".ods", "application/vnd.oasis.opendocument.spreadsheet" },
};

static const char *guess_type(const char *name);
static int append_name(struct buffer *body, const char *name);

int mail_form_init(struct mail_form *form, const char *message_json)
{
	int r;

	buffer_init(&form->body, 0);
	r = uuid_v7_make(clock_wall_ms(), form->boundary);
	if (r < 0)
		return r;
	(void)snprintf(form->type, sizeof(form->type),
	               "multipart/form-data; boundary=%s", form->boundary);
	return buffer_appendf(
	    &form->body,
	    "--%s\r\nContent-Disposition: form-data; name=message\r\n"
	    "Content-Type: application/json\r\n\r\n%s\r\n",
	    form->boundary, message_json);
}

void mail_form_done(struct mail_form *form)
{
	buffer_done(&form->body);
}

/* Is what is behind the last colon a media type, and not part of a name? */
static const char *find_type(const char *file)
{
	const char *colon = strrchr(file, ':');
	const char *slash = colon ? strchr(colon, '/') : NULL;

	if (!slash || slash == colon + 1 || !slash[1] || colon == file ||
	    strchr(slash + 1, '/') || access(file, F_OK) == 0)
		return NULL;
	return colon;
}

int mail_form_attach(struct mail_form *form, const char *file)
{
	struct buffer *body = &form->body;
	const char *colon = find_type(file);
	const char *name;
	char path[4096];
	int r;

	if (snprintf(path, sizeof(path), "%.*s",
	             (int)(colon ? (size_t)(colon - file) : strlen(file)),
	             file) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	name = strrchr(path, '/');
	name = name ? name + 1 : path;
	r = buffer_appendf(
	    body,
	    "--%s\r\nContent-Disposition: form-data; name=file; filename=",
	    form->boundary);
	if (r == 0)
		r = append_name(body, name);
	if (r == 0)
		r = buffer_appendf(body, "\r\nContent-Type: %s\r\n\r\n",
		                   colon ? colon + 1 : guess_type(name));
	if (r == 0)
		r = mail_form_read_file(body, path);
	if (r == 0)
		r = buffer_append_string(body, "\r\n");
	return r;
}

int mail_form_end(struct mail_form *form)
{
	return buffer_appendf(&form->body, "--%s--\r\n", form->boundary);
}

static const char *guess_type(const char *name)
{
	size_t len = strlen(name), i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		size_t end_len = strlen(types[i].end);

		if (len > end_len &&
		    strcasecmp(name + len - end_len, types[i].end) == 0)
			return types[i].type;
	}
	return "application/octet-stream";
}

/* A control character would end the line, or mean nothing to anybody. */
static int append_name(struct buffer *body, const char *name)
{
	int r = buffer_append_string(body, "\"");

	for (; r == 0 && *name; name++) {
		if ((unsigned char)*name < ' ' || *name == 127)
			return -EINVAL;
		if (*name == '"' || *name == '\\')
			r = buffer_append(body, "\\", 1);
		if (r == 0)
			r = buffer_append(body, name, 1);
	}
	return r < 0 ? r : buffer_append_string(body, "\"");
}

int mail_form_read_file(struct buffer *into, const char *path)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = 1;
	int r = 0;

	if (fd < 0)
		return -errno;
	while (r == 0 && len != 0) {
		r = buffer_reserve(into, READ_SIZE);
		if (r < 0)
			break;
		len = read(fd, into->data + into->len, READ_SIZE);
		if (len > 0)
			buffer_grow(into, (size_t)len);
		else if (len < 0 && errno != EINTR)
			r = -errno;
	}
	if (!is_stdin)
		(void)close(fd);
	return r;
}
