/*
 * fuzz_aliases - any bytes as /etc/aliases, read by relaisd, changed by
 * relaisctl
 *
 * Whoever a name stands for has an address that may be mailed to; and what
 * relaisctl writes for root is what relaisd then reads, all else as it was.
 */
#include "config.h"

#include "aliases.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../client/alias_file.h"
#include "address.h"
#include "settings.h"
#include "settings_errors.h"
#include "settings_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char host[] = "h.example.com", domain[] = "example.com";

static int on_address(void *context, const char *address)
{
	unsigned *count = context;

	assert(strchr(address, '@') != NULL);
	assert(address_check(address, strlen(address), ADDRESS_UTF8) == 0);
	(*count)++;
	return 0;
}

static void read_file(struct settings *settings, const char *path)
{
	struct settings_errors errors = { 0 };

	memset(settings, 0, sizeof(*settings));
	assert(aliases_read_file(settings, path, &errors) == 0);
	assert(errors.error_count == 0);
	settings->hostname = host;
	settings->domain = domain;
	settings_errors_done(&errors);
}

static void done(struct settings *settings)
{
	settings->hostname = settings->domain = NULL;
	settings_done(settings);
}

static bool has(const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->alias_count; i++)
		if (strcmp(settings->aliases[i].name, name) == 0)
			return true;
	return false;
}

static void expand(const struct settings *settings)
{
	unsigned count = 0;

	for (size_t i = 0; i < settings->alias_count && i < 100; i++) {
		const char *name = settings->aliases[i].name;

		if (address_check(name, strlen(name),
		                  ADDRESS_UTF8 | ADDRESS_BARE) == 0)
			(void)aliases_expand(settings, name, on_address,
			                     &count);
	}
	count = 0;
	assert(aliases_expand(settings, "nobody@example.net", on_address,
	                      &count) == 0);
	assert(count == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char folder[] = "/tmp/fuzz-aliases-XXXXXX", path[64];
	struct settings before, after;
	FILE *file;

	assert(mkdtemp(folder) != NULL);
	(void)snprintf(path, sizeof(path), "%s/aliases", folder);
	file = fopen(path, "w");
	assert(file != NULL);
	assert(fwrite(data, 1, len, file) == len && fclose(file) == 0);

	read_file(&before, path);
	expand(&before);
	assert(alias_file_set(path, "root", "me@example.org") == 0);
	read_file(&after, path);
	assert(has(&after, "root"));
	for (size_t i = 0; i < before.alias_count; i++)
		assert(has(&after, before.aliases[i].name));
	done(&after);
	done(&before);
	(void)unlink(path);
	(void)rmdir(folder);
	return 0;
}
