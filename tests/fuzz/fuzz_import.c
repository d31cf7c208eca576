/*
 * fuzz_import - any bytes as the settings of other mail programs
 *
 * Read as those of each program in turn. What comes out is an order that is
 * JSON, for a relay with a name that relaisd takes.
 */
#include "config.h"

#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "import.h"
#include "json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(const struct import *import)
{
	for (size_t i = 0; i < import->relay_count; i++) {
		const struct import_relay *relay = &import->relays[i];
		char *order = json_print(relay->order);
		struct json *again;

		assert(*relay->name != '\0');
		for (const char *at = relay->name; *at != '\0'; at++)
			assert(isalnum((unsigned char)*at) ||
			       strchr(".-_", *at) != NULL);
		assert(order != NULL);
		again = json_parse(order, strlen(order));
		assert(again != NULL);
		json_free(again);
		free(order);
	}
	for (size_t i = 0; i < import->note_count; i++)
		assert(*import->notes[i] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static int (*const programs[])(struct import *, const char *) = {
		import_postfix, import_msmtp, import_nullmailer,
		import_ssmtp,   import_dma,
	};
	int fd = memfd_create("settings", MFD_CLOEXEC);
	char path[64];

	assert(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		struct import *import = calloc(1, sizeof(*import));

		assert(import != NULL);
		/* Another file that the input names is not there. */
		(void)programs[i](import, path);
		check(import);
		import_done(import);
		free(import);
	}
	(void)close(fd);
	return 0;
}
