/*
 * settings_load - reads all files, fills in what is left out, checks the whole
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aliases.h"
#include "host_name.h"
#include "runtime/xalloc.h"
#include "settings_hints.h"
#include "settings_relay.h"
#include "settings_value.h"
#include "staging.h"

#define DEFAULT_PATH SYSCONFDIR "/relais/" SETTINGS_DEFAULT_FILE
#define WORKERS_MAX  64

static void read_main(struct settings_reader *reader, const char *path);
static void read_relay_files(struct settings_reader *reader,
                             const char *directory, enum relay_managed managed);
static const struct settings_edit *
find_edit(const struct settings_reader *reader, const char *path);
static int is_settings_file(const struct dirent *entry);
static void read_file(struct settings_reader *reader,
                      const struct settings_key *keys, const char *path,
                      const char *from);
static int read_bytes(const char *path, char **ret_bytes, size_t *ret_len,
                      struct stat *ret_status);
static void check_permissions(struct settings_reader *reader, const char *path,
                              const struct stat *status);
static const char *keep_name(struct settings_reader *reader, const char *path);
static char *folder_of(const char *path);
static void complete(struct settings_reader *reader);
static void complete_names(struct settings *settings);
static void complete_administrators(struct settings_reader *reader);
static void complete_aliases(struct settings_reader *reader);
static void complete_submitters(struct settings_reader *reader);
static void check_references(struct settings_reader *reader);
static void choose_default_relay(struct settings_reader *reader);
static void check_whole(struct settings_reader *reader);
static void check_fallbacks(struct settings_reader *reader,
                            const struct relay_settings *relay);
static void reader_done(struct settings_reader *reader);

int settings_load(const char *path, const struct settings **ret_settings,
                  struct settings_errors *errors)
{
	return settings_load_edited(path, NULL, 0, ret_settings, errors);
}

int settings_load_edited(const char *path, const struct settings_edit *edits,
                         size_t edit_count,
                         const struct settings **ret_settings,
                         struct settings_errors *errors)
{
	struct settings_main whole = { 0 };
	struct settings_reader reader = { .errors = errors,
		                          .main = &whole,
		                          .edits = edits,
		                          .edit_count = edit_count };
	size_t errors_before = errors->error_count;
	char *generated;

	settings_reader_set_defaults(&reader, settings_keys_main, &whole);
	read_main(&reader, path);
	generated = xasprintf("%s/relays", whole.settings.queue.directory);
	read_relay_files(&reader, generated, RELAY_MANAGED_API);
	free(generated);
	complete(&reader);
	check_references(&reader);
	choose_default_relay(&reader);
	check_whole(&reader);
	staging_check(&whole.settings, errors);

	if (errors->error_count == errors_before)
		*ret_settings = settings_new_take(&whole.settings);
	settings_done(&whole.settings);
	free(whole.default_relay);
	settings_words_done(&whole.administrators);
	reader_done(&reader);
	return errors->error_count == errors_before ? 0 : -EINVAL;
}

/* The main file, and relays.d/ beside it. */
static void read_main(struct settings_reader *reader, const char *path)
{
	const char *file = path ? path : DEFAULT_PATH;
	char *folder = folder_of(file), *relays;

	reader->managed = RELAY_MANAGED_FILE;
	if (path || access(file, F_OK) == 0 || errno != ENOENT) {
		read_file(reader, settings_keys_main, file, file);
		reader->main->settings.file = xstrdup(file);
	}
	relays = xasprintf("%s/relays.d", folder);
	read_relay_files(reader, relays, RELAY_MANAGED_FILE);
	free(relays);
	free(folder);
}

static void read_relay_files(struct settings_reader *reader,
                             const char *directory, enum relay_managed managed)
{
	struct dirent **entries = NULL;
	size_t edit;
	int count, i;

	count = scandir(directory, &entries, is_settings_file, alphasort);
	if (count < 0 && errno != ENOENT)
		settings_errors_add(reader->errors,
		                    &(struct settings_place){
					.file = keep_name(reader, directory) },
		                    "%s", strerror(errno));
	reader->managed = managed;
	for (i = 0; i < count; i++) {
		char *path = xasprintf("%s/%s", directory, entries[i]->d_name);

		if (!find_edit(reader, path))
			read_file(reader, settings_keys_relays, path, path);
		free(path);
		free(entries[i]);
	}
	free(entries);
	for (edit = 0;
	     managed == RELAY_MANAGED_API && edit < reader->edit_count; edit++)
		if (reader->edits[edit].new_path)
			read_file(reader, settings_keys_relays,
			          reader->edits[edit].path,
			          reader->edits[edit].new_path);
}

static const struct settings_edit *
find_edit(const struct settings_reader *reader, const char *path)
{
	for (size_t i = 0; i < reader->edit_count; i++)
		if (strcmp(reader->edits[i].path, path) == 0)
			return &reader->edits[i];
	return NULL;
}

/* Not those that editors and package managers leave behind. */
static int is_settings_file(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 &&
	       strcmp(entry->d_name + len - 5, ".yaml") == 0;
}

/* Places name `path`, whatever file it is read from. */
static void read_file(struct settings_reader *reader,
                      const struct settings_key *keys, const char *path,
                      const char *from)
{
	struct settings_place place = { .file = keep_name(reader, path) };
	struct settings_node *root = NULL;
	struct stat status = { 0 };
	char *bytes = NULL;
	size_t len = 0;
	int r;

	free(reader->directory);
	reader->directory = folder_of(path);
	reader->has_secret = false;
	r = read_bytes(from, &bytes, &len, &status);
	if (r == -EFBIG)
		settings_errors_add(reader->errors, &place,
		                    "is larger than %d KiB",
		                    SETTINGS_YAML_SIZE_MAX / 1024);
	else if (r < 0)
		settings_errors_add(reader->errors, &place, "%s", strerror(-r));
	else
		r = settings_yaml_parse(&root, place.file, bytes, len,
		                        reader->errors);
	if (r == 0) {
		settings_reader_read(reader, keys, root, reader->main);
		check_permissions(reader, place.file, &status);
	}
	settings_node_free(root);
	if (bytes)
		explicit_bzero(bytes, len);
	free(bytes);
}

static int read_bytes(const char *path, char **ret_bytes, size_t *ret_len,
                      struct stat *ret_status)
{
	char *bytes = NULL;
	size_t size, len = 0;
	ssize_t n = 1;
	int fd, r = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, ret_status) < 0)
		r = -errno;
	else if (S_ISDIR(ret_status->st_mode))
		r = -EISDIR;
	else if (ret_status->st_size > SETTINGS_YAML_SIZE_MAX)
		r = -EFBIG;
	if (r < 0)
		goto out;
	/* Pipes have no size, and a file may grow while it is read. */
	size = SETTINGS_YAML_SIZE_MAX + 1;
	bytes = xmalloc(size);
	while (n != 0 && len < size) {
		n = read(fd, bytes + len, size - len);
		if (n < 0 && errno != EINTR) {
			r = -errno;
			goto out;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	if (len == size) {
		r = -EFBIG;
		goto out;
	}
	*ret_bytes = bytes;
	*ret_len = len;
	bytes = NULL;
out:
	if (bytes)
		explicit_bzero(bytes, len);
	free(bytes);
	(void)close(fd);
	return r;
}

/* Only a file with a secret in it has to be kept from others. */
static void check_permissions(struct settings_reader *reader, const char *path,
                              const struct stat *status)
{
	const char *who = NULL;

	if (!reader->has_secret || !S_ISREG(status->st_mode))
		return;
	if (status->st_mode & S_IROTH)
		who = "everybody";
	else if ((status->st_mode & S_IRGRP) && status->st_gid != 0 &&
	         status->st_gid != getegid())
		who = "a group other than that of relais";
	if (who)
		settings_errors_warn(
		    reader->errors, &(struct settings_place){ .file = path },
		    "holds a password and can be read by %s; expected "
		    "`chown root:relais` and `chmod 0640`",
		    who);
}

/* Places point to the name until the end of the load. */
static const char *keep_name(struct settings_reader *reader, const char *path)
{
	reader->files = xrealloc(reader->files, (reader->file_count + 1) *
	                                            sizeof(*reader->files));
	reader->files[reader->file_count] = xstrdup(path);
	return reader->files[reader->file_count++];
}

static char *folder_of(const char *path)
{
	char *copy = xstrdup(path), *folder = xstrdup(dirname(copy));

	free(copy);
	return folder;
}

static void complete(struct settings_reader *reader)
{
	struct settings *settings = &reader->main->settings;
	long processors;

	complete_names(settings);
	complete_administrators(reader);
	complete_aliases(reader);
	complete_submitters(reader);
	if (settings->relay_count == 0)
		settings_relay_add_built_in(reader, DEFAULT_RELAY_URL);
	settings_hints_complete(settings);
	staging_complete(settings);
	if (settings->delivery.workers == 0) {
		processors = sysconf(_SC_NPROCESSORS_ONLN);
		if (processors < 2)
			processors = 2;
		if (processors > WORKERS_MAX)
			processors = WORKERS_MAX;
		settings->delivery.workers = (uint32_t)processors;
	}
}

/* A name that was written down is believed, if it has a dot at all. */
static void complete_names(struct settings *settings)
{
	if (settings->hostname) {
		settings->has_full_hostname = strchr(settings->hostname, '.') ||
		                              settings->hostname[0] == '[';
	} else {
		settings->hostname = host_name_find("/etc/hosts");
		settings->has_full_hostname =
		    host_name_is_full(settings->hostname);
	}
	if (settings->domain) {
		settings->has_full_domain = strchr(settings->domain, '.');
	} else {
		settings->domain = xstrdup(settings->hostname);
		settings->has_full_domain = settings->has_full_hostname;
	}
}

static void complete_administrators(struct settings_reader *reader)
{
	struct settings_control *control = &reader->main->settings.control;
	const struct settings_words *words = &reader->main->administrators;
	struct settings_key key = { .path = "control.administrators" };
	struct settings_node node = { .kind = SETTINGS_NODE_SCALAR,
		                      .place = { reader->main->settings.file, 0,
		                                 0 } };
	uid_t user;
	gid_t group;
	size_t i;

	control->users = xcalloc(words->count + 1, sizeof(*control->users));
	control->groups = xcalloc(words->count + 1, sizeof(*control->groups));
	for (i = 0; i < words->count; i++) {
		bool is_group = words->word[i][0] == '@';

		/* The group is made when relais is installed, if at all. */
		reader->is_default =
		    strcmp(words->word[i], "@relais-admin") == 0;
		node.text = words->word[i] + is_group;
		user = (uid_t)-1;
		group = (gid_t)-1;
		if (is_group)
			settings_type_group.read(reader, &key, &node, &group);
		else
			settings_type_user.read(reader, &key, &node, &user);
		if (group != (gid_t)-1)
			control->groups[control->group_count++] = group;
		if (user != (uid_t)-1)
			control->users[control->user_count++] = user;
		reader->is_default = false;
	}
}

static void complete_aliases(struct settings_reader *reader)
{
	const char *path = reader->main->settings.aliases_file;
	int r;

	if (!path)
		return;
	r = aliases_read_file(&reader->main->settings, path, reader->errors);
	if (r < 0 && r != -ENOENT)
		settings_errors_warn(reader->errors,
		                     &(struct settings_place){ .file = path },
		                     "is not used: %s", strerror(-r));
}

/* The last rule is for everybody whom no other fits. */
static void complete_submitters(struct settings_reader *reader)
{
	struct settings *settings = &reader->main->settings;
	struct submitter_rule *last;

	settings->submitters =
	    xrealloc(settings->submitters, (settings->submitter_count + 1) *
	                                       sizeof(*settings->submitters));
	last = &settings->submitters[settings->submitter_count++];
	memset(last, 0, sizeof(*last));
	settings_reader_set_defaults(reader, settings_keys_submitter, last);
}

static void check_references(struct settings_reader *reader)
{
	const struct settings *settings = &reader->main->settings;
	const char **names = xcalloc(settings->relay_count + 1, sizeof(*names));
	size_t i;

	for (i = 0; i < settings->relay_count; i++)
		names[i] = settings->relays[i].name;
	for (i = 0; i < reader->reference_count; i++) {
		const struct settings_reference *reference =
		    &reader->references[i];
		const char *nearest;

		if (settings_find_relay_by_name(settings, reference->relay))
			continue;
		nearest = settings_nearest_word(reference->relay, names);
		settings_errors_add(
		    reader->errors, &reference->place,
		    "%s: there is no relay `%.80s`%s%s%s", reference->path,
		    reference->relay, nearest ? "; did you mean `" : "",
		    nearest ? nearest : "", nearest ? "`?" : "");
	}
	free(names);
}

static void choose_default_relay(struct settings_reader *reader)
{
	struct settings *settings = &reader->main->settings;
	const char *name = reader->main->default_relay;

	if (name)
		settings->default_relay =
		    settings_find_relay_by_name(settings, name);
	else if (settings->relay_count == 1)
		settings->default_relay = &settings->relays[0];
	else if (settings->relay_count > 1)
		settings_errors_add(
		    reader->errors,
		    &(struct settings_place){ .file = settings->file },
		    "default_relay: is needed, since there are %zu relays",
		    settings->relay_count);
}

static void check_whole(struct settings_reader *reader)
{
	const struct settings *settings = &reader->main->settings;
	const struct settings_place place = { .file = settings->file };
	size_t i;

	if (settings->receive.header_size_bytes >
	    settings->receive.message_size_bytes)
		settings_errors_add(
		    reader->errors, &place,
		    "receive.header_size: is larger than message_size");
	if (settings->receive.message_size_bytes >
	    settings->queue.maximum_bytes / 4)
		settings_errors_add(
		    reader->errors, &place,
		    "receive.message_size: is more than a quarter of "
		    "queue.maximum");
	if (settings->retry.first_s > settings->retry.maximum_s)
		settings_errors_add(
		    reader->errors, &place,
		    "retry.first: is longer than retry.maximum");
	if (settings->retry.warn_s >= settings->retry.expire_s)
		settings_errors_add(
		    reader->errors, &place,
		    "retry.warn: is not shorter than retry.expire");
	if (strcmp(settings->receive.socket, settings->control.socket) == 0)
		settings_errors_add(reader->errors, &place,
		                    "control.socket: is receive.socket, too");
	for (i = 0; i < settings->relay_count; i++)
		check_fallbacks(reader, &settings->relays[i]);
}

/* Mail of direct waits by domain, that of other relays doesn't. */
static void check_fallbacks(struct settings_reader *reader,
                            const struct relay_settings *relay)
{
	const struct settings *settings = &reader->main->settings;
	const struct settings_place place = { .file = settings->file };
	const struct relay_settings *other;
	size_t i;

	for (i = 0; i < relay->fallback_count; i++) {
		other = settings_find_relay(settings, relay->fallback[i]);
		if (other == relay)
			settings_errors_add(reader->errors, &place,
			                    "relays.%s.fallback: names itself",
			                    relay->name);
		else if (relay->kind == RELAY_DIRECT)
			settings_errors_add(
			    reader->errors, &place,
			    "relays.%s.fallback: does not fit to direct:, "
			    "which tries each domain's hosts in turn",
			    relay->name);
		else if (other && other->kind == RELAY_DIRECT)
			settings_errors_add(
			    reader->errors, &place,
			    "relays.%s.fallback: %s is direct:, which carries "
			    "no other relay's mail",
			    relay->name, other->name);
	}
}

static void reader_done(struct settings_reader *reader)
{
	size_t i;

	for (i = 0; i < reader->reference_count; i++) {
		free(reader->references[i].path);
		free(reader->references[i].relay);
	}
	free(reader->references);
	for (i = 0; i < reader->file_count; i++)
		free(reader->files[i]);
	free(reader->files);
	free(reader->directory);
}
