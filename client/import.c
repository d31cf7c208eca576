#include "config.h"

#include "import.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "json.h"
#include "relay_order.h"

void import_done(struct import *import)
{
	size_t i;

	for (i = 0; i < import->relay_count; i++)
		json_free(import->relays[i].order);
	for (i = 0; i < import->note_count; i++)
		free(import->notes[i]);
}

struct import_relay *import_relay(struct import *import, const char *name)
{
	struct import_relay *relay;
	size_t i;

	for (i = 0; i < import->relay_count; i++)
		if (strcmp(import->relays[i].name, name) == 0)
			return &import->relays[i];
	if (i == IMPORT_RELAYS_MAX || *name == '\0')
		return NULL;
	relay = &import->relays[import->relay_count];
	relay->order = json_make();
	if (!relay->order)
		return NULL;
	import->relay_count++;
	/* What relais takes for a name: letters, digits, . - and _ */
	for (i = 0; name[i] != '\0' && i < sizeof(relay->name) - 1; i++)
		relay->name[i] =
		    isalnum((unsigned char)name[i]) || strchr(".-_", name[i])
			? name[i]
			: '-';
	return relay;
}

void import_put(struct import_relay *relay, const char *key, const char *value)
{
	if (!relay || !value || *value == '\0')
		return;
	/* A password may look like a list. */
	if (strcmp(key, "password") == 0 || strcmp(key, "username") == 0)
		json_put_text(relay->order, key, value);
	else
		relay_order_put(relay->order, key, value);
}

void import_put_host(struct import_relay *relay, const char *text)
{
	char host[256];
	const char *end, *port = NULL;
	size_t len;

	if (*text == '[') {
		text++;
		end = strchr(text, ']');
		if (!end)
			end = text + strlen(text);
		if (end[0] == ']' && end[1] == ':')
			port = end + 2;
	} else {
		end = text + strcspn(text, ":");
		if (*end == ':')
			port = end + 1 + (end[1] == ':');
	}
	len = (size_t)(end - text);
	if (len >= sizeof(host))
		return;
	memcpy(host, text, len);
	host[len] = '\0';
	import_put(relay, "host", host);
	if (port && strcmp(port, "submission") == 0)
		port = "587";
	else if (port && (strcmp(port, "smtps") == 0 ||
	                  strcmp(port, "submissions") == 0))
		port = "465";
	else if (port && strcmp(port, "smtp") == 0)
		port = "25";
	import_put(relay, "port", port);
}

void import_note(struct import *import, const char *format, ...)
{
	va_list args;
	char text[512];

	if (import->note_count == IMPORT_NOTES_MAX)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	import->notes[import->note_count] = strdup(text);
	if (import->notes[import->note_count])
		import->note_count++;
}

static char *trim(char *line)
{
	char *end;

	while (isspace((unsigned char)*line))
		line++;
	end = line + strlen(line);
	while (end > line && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return line;
}

int import_lines(struct import *import, const char *path,
                 void (*on_line)(void *context, char *line), void *context)
{
	char full[1024];
	char *line = NULL, *text;
	size_t size = 0;
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", import->root ? import->root : "",
	         path);
	file = fopen(full, "re");
	if (!file)
		return -errno;
	while (getline(&line, &size, file) >= 0) {
		text = trim(line);
		if (*text != '\0' && *text != '#')
			on_line(context, text);
	}
	fclose(file);
	if (line)
		explicit_bzero(line, size);
	free(line);
	return 0;
}

/* "double" and 'single' quotes hold a word together. */
char *import_word(char **line)
{
	char *word = *line, *end;

	word += strspn(word, " \t=");
	if (*word == '"' || *word == '\'') {
		end = strchr(word + 1, *word);
		word++;
		if (!end)
			end = word + strlen(word);
	} else {
		end = word + strcspn(word, " \t=");
	}
	*line = *end == '\0' ? end : end + 1;
	*end = '\0';
	return word;
}

bool import_is_on(const char *value)
{
	return strcasecmp(value, "yes") == 0 || strcasecmp(value, "on") == 0 ||
	       strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0;
}
