/*
 * import - what other mail programs were told of their relays
 *
 * A reader looks at the files of its program, adds relays as orders for the
 * control API, and notes what could not be taken over. Nothing is changed.
 */
#ifndef RELAIS_IMPORT_H
#define RELAIS_IMPORT_H

#include <stdbool.h>
#include <stddef.h>

struct json;

#define IMPORT_RELAYS_MAX 32
#define IMPORT_NOTES_MAX  64

struct import_relay {
	char name[64];
	struct json *order;
	bool is_default;
};

struct import {
	const char *root; /* in front of paths: "" */
	struct import_relay relays[IMPORT_RELAYS_MAX];
	size_t relay_count;
	char *notes[IMPORT_NOTES_MAX];
	size_t note_count;
};

/* One for each program; path NULL: where it usually is. 0 or -errno. */
int import_postfix(struct import *import, const char *path);
int import_msmtp(struct import *import, const char *path);
int import_nullmailer(struct import *import, const char *path);
int import_ssmtp(struct import *import, const char *path);
int import_dma(struct import *import, const char *path);

/* Wipes and frees what was found. */
void import_done(struct import *import);

/* ---------------------------------------------------------- for readers */

/* The relay of this name, made if it is new; NULL: there are too many. */
struct import_relay *import_relay(struct import *import, const char *name);

/* Values of relais.yaml(5). NULL and "" are nothing. */
void import_put(struct import_relay *relay, const char *key, const char *value);

/* "[host]:port", "host:port", "host::port" or "host"; no port: nothing. */
void import_put_host(struct import_relay *relay, const char *text);

void import_note(struct import *import, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Calls back with each line that says something, without comment and spaces
 * around it, to be changed at will. 0, -errno of the file.
 */
int import_lines(struct import *import, const char *path,
                 void (*on_line)(void *context, char *line), void *context);

/* Cuts a word off the line, which "=" and spaces end; "" at its end. */
char *import_word(char **line);

/* yes, true, on and 1 */
bool import_is_on(const char *value);

#endif
