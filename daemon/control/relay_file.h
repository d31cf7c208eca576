/*
 * relay_file - the files of relays that are made through the API
 *
 * They are in relays/ below queue.directory, 0600, one a relay, beside
 * _default.yaml and _heirs.yaml (no relay has such a name). A change is written
 * and synced beside the old file first; the main loop gives it its name once
 * all is right with it.
 *
 * Promise: a file is there whole, the old one or the new one, whatever happens.
 * Thread:  the control loop, the only writer.
 */
#ifndef RELAIS_CONTROL_RELAY_FILE_H
#define RELAIS_CONTROL_RELAY_FILE_H

#include "settings.h"

struct settings_node;

#define RELAY_FILE_DEFAULT "_default"
#define RELAY_FILE_HEIRS   "_heirs"

/*
 * The relay's keys as its file has them, yours to free. `path` is borrowed
 * while they live. 0; -EINVAL: it isn't as we write them; or what open() says.
 */
int relay_file_read(const char *path, const char *name,
                    struct settings_node **ret_relay);

/* The member `key` of a file, a copy; an empty map without file or member. */
struct settings_node *relay_file_read_map(const char *path, const char *key);

/* Yours to free. */
char *relay_file_path(const struct settings *settings, const char *name);

/*
 * Fills `edit` with a file that will hold the text; relay_file_done() it. 0 or
 * -errno, with nothing to be done then.
 */
int relay_file_write(struct settings_edit *ret_edit,
                     const struct settings *settings, const char *name,
                     const char *text);

/* Fills `edit` with a file that will be gone. */
void relay_file_remove(struct settings_edit *ret_edit,
                       const struct settings *settings, const char *name);

/* Frees an edit; what was written and not given its name is removed. */
void relay_file_done(struct settings_edit *edit);

/* Waits until names that were given or taken are on disk. 0 or -errno. */
int relay_file_sync(const struct settings *settings);

#endif
