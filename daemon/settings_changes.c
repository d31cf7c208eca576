/*
 * settings_changes - which changes a running daemon cannot take over
 */
#include "config.h"

#include <assert.h>
#include <string.h>

#include "settings_table.h"

static bool is_same(const struct settings_key *key, const struct settings *a,
                    const struct settings *b);
static bool is_same_listen(const struct settings_receive *a,
                           const struct settings_receive *b);

/* Keys outside struct settings can always be taken over. */
static_assert(offsetof(struct settings_main, settings) == 0,
              "the table's offsets are those of struct settings");

size_t settings_needing_restart(const struct settings *old_settings,
                                const struct settings *new_settings,
                                const char **ret_paths, size_t max)
{
	const struct settings_key *key;
	size_t count = 0;

	for (key = settings_keys_main; key->path && count < max; key++)
		if (key->needs_restart &&
		    !is_same(key, old_settings, new_settings))
			ret_paths[count++] = key->path;
	return count;
}

static bool is_same(const struct settings_key *key, const struct settings *a,
                    const struct settings *b)
{
	const void *left = (const char *)a + key->offset;
	const void *right = (const char *)b + key->offset;

	if (key->type == &settings_type_path)
		return strcmp(*(char *const *)left, *(char *const *)right) == 0;
	if (key->type == &settings_type_size)
		return memcmp(left, right, sizeof(uint64_t)) == 0;
	if (key->type == &settings_type_count)
		return memcmp(left, right, sizeof(uint32_t)) == 0;
	if (key->type == &settings_type_port)
		return memcmp(left, right, sizeof(uint16_t)) == 0;
	if (key->type == &settings_type_mode)
		return memcmp(left, right, sizeof(mode_t)) == 0;
	assert(key->type == &settings_type_listen);
	return is_same_listen(&a->receive, &b->receive);
}

static bool is_same_listen(const struct settings_receive *a,
                           const struct settings_receive *b)
{
	size_t i;

	if (a->listen_count != b->listen_count)
		return false;
	for (i = 0; i < a->listen_count; i++)
		if (strcmp(a->listen[i].address, b->listen[i].address) != 0 ||
		    a->listen[i].port != b->listen[i].port ||
		    a->listen[i].user != b->listen[i].user)
			return false;
	return true;
}
