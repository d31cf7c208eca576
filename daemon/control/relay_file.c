#include "config.h"

#include "control/relay_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_sync.h"
#include "runtime/xalloc.h"
#include "settings_tree.h"

static int read_tree(const char *path, struct settings_node **ret_root);
static int read_bytes(const char *path, char **ret_bytes, size_t *ret_len);

char *relay_file_path(const struct settings *settings, const char *name)
{
	return xasprintf("%s/relays/%s.yaml", settings->queue.directory, name);
}

int relay_file_read(const char *path, const char *name,
                    struct settings_node **ret_relay)
{
	struct settings_node *root = NULL, *relays = NULL, *relay = NULL;
	int r;

	r = read_tree(path, &root);
	if (r < 0)
		return r;
	relays = settings_node_remove(root, "relays");
	if (relays && relays->kind == SETTINGS_NODE_MAPPING)
		relay = settings_node_remove(relays, name);
	if (relay && relay->kind == SETTINGS_NODE_MAPPING) {
		*ret_relay = relay;
		relay = NULL;
	} else {
		r = -EINVAL;
	}
	settings_node_free(relay);
	settings_node_free(relays);
	settings_node_free(root);
	return r;
}

struct settings_node *relay_file_read_map(const char *path, const char *key)
{
	static const struct settings_place nowhere = { "request", 0, 0 };
	struct settings_node *root = NULL, *map = NULL;

	if (read_tree(path, &root) == 0)
		map = settings_node_remove(root, key);
	settings_node_free(root);
	if (map && map->kind == SETTINGS_NODE_MAPPING)
		return map;
	settings_node_free(map);
	return settings_node_new(SETTINGS_NODE_MAPPING, NULL, &nowhere);
}

static int read_tree(const char *path, struct settings_node **ret_root)
{
	struct settings_errors errors;
	char *bytes = NULL;
	size_t len = 0;
	int r;

	r = read_bytes(path, &bytes, &len);
	if (r < 0)
		return r;
	assert(bytes != NULL);
	settings_errors_init(&errors);
	r = settings_yaml_parse(ret_root, path, bytes, len, &errors);
	settings_errors_done(&errors);
	explicit_bzero(bytes, len);
	free(bytes);
	return r;
}

static int read_bytes(const char *path, char **ret_bytes, size_t *ret_len)
{
	size_t size = SETTINGS_YAML_SIZE_MAX, len = 0;
	char *bytes;
	ssize_t n = 1;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	bytes = xmalloc(size);
	while (n > 0 && len < size) {
		n = read(fd, bytes + len, size - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (n < 0) {
		int r = -errno;

		explicit_bzero(bytes, len);
		free(bytes);
		(void)close(fd);
		return r;
	}
	(void)close(fd);
	*ret_bytes = bytes;
	*ret_len = len;
	return 0;
}

/* Names with a dot in front are no settings. */
int relay_file_write(struct settings_edit *ret_edit,
                     const struct settings *settings, const char *name,
                     const char *text)
{
	const char *directory = settings->queue.directory;
	char *folder = xasprintf("%s/relays", directory);
	char *new_path = xasprintf("%s/.%s.new", folder, name);
	int r = 0;

	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		r = -errno;
	if (r == 0)
		r = file_create_synced(AT_FDCWD, new_path, text);
	free(folder);
	if (r < 0) {
		(void)unlink(new_path);
		free(new_path);
		return r;
	}
	*ret_edit = (struct settings_edit){
		.path = relay_file_path(settings, name),
		.new_path = new_path,
	};
	return 0;
}

void relay_file_remove(struct settings_edit *ret_edit,
                       const struct settings *settings, const char *name)
{
	*ret_edit =
	    (struct settings_edit){ relay_file_path(settings, name), NULL };
}

void relay_file_done(struct settings_edit *edit)
{
	if (edit->new_path)
		(void)unlink(edit->new_path);
	free(edit->path);
	free(edit->new_path);
	*edit = (struct settings_edit){ NULL, NULL };
}

/* relays/ itself may be new. */
int relay_file_sync(const struct settings *settings)
{
	char *paths[] = { xasprintf("%s/relays", settings->queue.directory),
		          xstrdup(settings->queue.directory) };
	int r = 0;
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int fd = open(paths[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if ((fd < 0 || fsync(fd) < 0) && r == 0)
			r = -errno;
		if (fd >= 0)
			(void)close(fd);
		free(paths[i]);
	}
	return r;
}
