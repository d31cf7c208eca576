/*
 * fuzz_settings_yaml - any bytes as relais.yaml, the whole way to settings
 */
#include "config.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "settings.h"
#include "settings_errors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct settings_errors errors = { 0 };
	const struct settings *settings = NULL;
	char folder[] = "/tmp/fuzz-settings-XXXXXX", path[64];
	int fd;

	/* Its own folder, so that there is no relays.d beside it. */
	if (!mkdtemp(folder))
		abort();
	(void)snprintf(path, sizeof(path), "%s/relais.yaml", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		abort();
	(void)close(fd);
	if (settings_load(path, &settings, &errors) == 0) {
		/* What was accepted keeps its promises. */
		if (!settings->default_relay || !settings->hostname ||
		    errors.error_count > 0)
			abort();
		settings_unref(settings);
	} else if (settings || errors.error_count == 0) {
		abort();
	}
	settings_errors_done(&errors);
	(void)unlink(path);
	(void)rmdir(folder);
	return 0;
}
