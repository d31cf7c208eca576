/*
 * driver - replays a corpus through a fuzz target, for compilers without a
 * fuzzer of their own
 *
 * fuzz_NAME runs every file of tests/fuzz/corpus/NAME and speaks TAP; a crash
 * is the failure. With arguments it runs those files instead.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t len;
	long end;
	int r = -1;

	if (file == NULL || fseek(file, 0, SEEK_END) < 0)
		goto out;
	end = ftell(file);
	if (end < 0)
		goto out;
	/* Exactly as large as the input, so that a sanitizer sees its end. */
	len = (size_t)end;
	data = malloc(len == 0 ? 1 : len);
	rewind(file);
	if (data == NULL || fread(data, 1, len, file) != len)
		goto out;

	(void)LLVMFuzzerTestOneInput(data, len);
	r = 0;
out:
	free(data);
	if (file != NULL)
		(void)fclose(file);
	return r;
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int replay_corpus(const char *name)
{
	const char *top = getenv("srcdir");
	struct dirent **inputs;
	char folder[4096];
	char path[8192];
	int count;
	int i;

	(void)snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/%s",
	               top == NULL ? "." : top, name);
	count = scandir(folder, &inputs, is_input, alphasort);
	if (count < 0) {
		(void)fprintf(stderr, "%s: %s\n", folder, strerror(errno));
		return 1;
	}
	(void)printf("1..%d\n", count);
	for (i = 0; i < count; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder,
		               inputs[i]->d_name);
		(void)fflush(stdout);
		(void)printf("%s %d - %s/%s\n",
		             replay(path) < 0 ? "not ok" : "ok", i + 1, name,
		             inputs[i]->d_name);
		free(inputs[i]);
	}
	free(inputs);
	return 0;
}

int main(int argc, char *argv[])
{
	const char *name = strrchr(argv[0], '/');
	int i;

	name = name == NULL ? argv[0] : name + 1;
	if (argc == 1)
		return replay_corpus(strncmp(name, "fuzz_", 5) == 0 ? name + 5
		                                                    : name);
	for (i = 1; i < argc; i++) {
		if (replay(argv[i]) < 0) {
			(void)fprintf(stderr, "%s: cannot be read\n", argv[i]);
			return 1;
		}
	}
	return 0;
}
