/*
 * scratch - a folder of a test's own, and settings written for it
 */
#ifndef RELAIS_TESTS_SCRATCH_H
#define RELAIS_TESTS_SCRATCH_H

struct scratch;
struct settings;

struct scratch *scratch_new(void);
/* Removes the folder. */
void scratch_free(struct scratch *scratch);

/* Its path, without a final slash. */
const char *scratch_path(const struct scratch *scratch);

/*
 * Settings from a text in YAML, `queue.directory` within the folder added. One
 * reference, the caller's. The test fails if they do not load.
 */
const struct settings *scratch_settings(struct scratch *scratch,
                                        const char *yaml);

#endif
