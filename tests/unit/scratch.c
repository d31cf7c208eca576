#include "config.h"

#include "scratch.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "settings.h"
#include "settings_errors.h"

struct scratch {
	char path[64];
};

struct scratch *scratch_new(void)
{
	struct scratch *scratch = calloc(1, sizeof(*scratch));

	assert_non_null(scratch);
	(void)snprintf(scratch->path, sizeof(scratch->path),
	               "/tmp/relais-unit-XXXXXX");
	assert_non_null(mkdtemp(scratch->path));
	return scratch;
}

static int remove_one(const char *path, const struct stat *about, int kind,
                      struct FTW *place)
{
	(void)about;
	(void)kind;
	(void)place;
	return remove(path);
}

void scratch_free(struct scratch *scratch)
{
	if (!scratch)
		return;
	(void)nftw(scratch->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(scratch);
}

const char *scratch_path(const struct scratch *scratch)
{
	return scratch->path;
}

const struct settings *scratch_settings(struct scratch *scratch,
                                        const char *yaml)
{
	struct settings_errors errors = { 0 };
	const struct settings *settings = NULL;
	char file[128];
	FILE *stream;

	(void)snprintf(file, sizeof(file), "%s/relais.yaml", scratch->path);
	stream = fopen(file, "w");
	assert_non_null(stream);
	assert_true(fprintf(stream, "queue: {directory: %s/queue}\n%s",
	                    scratch->path, yaml) > 0);
	assert_int_equal(fclose(stream), 0);
	if (settings_load(file, &settings, &errors) < 0)
		fail_msg("%s", errors.count ? errors.entries[0].text : "?");
	settings_errors_done(&errors);
	return settings;
}
