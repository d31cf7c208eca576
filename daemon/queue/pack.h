/*
 * pack - integers and texts to bytes and back, never beyond their end
 *
 * Both sides keep the first error: after it, writing does nothing and reading
 * gives zeros, so a caller asks once, at the end.
 *
 * Thread: none; plain values.
 */
#ifndef RELAIS_QUEUE_PACK_H
#define RELAIS_QUEUE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/record.h"

/* Texts that a later one may repeat: the last so many new ones. */
#define PACK_WINDOW 64

struct packer {
	struct record *into;
	int error;
	unsigned text_count;
	const char *texts[PACK_WINDOW];
	size_t lens[PACK_WINDOW];
};

void pack_begin(struct packer *packer, struct record *into);
void pack_number(struct packer *packer, uint64_t value);
void pack_signed(struct packer *packer, int64_t value);
void pack_bytes(struct packer *packer, const void *bytes, size_t len);
void pack_text(struct packer *packer, const char *text);
/* Adds the check sum. 0 or -ENOMEM. */
int pack_end(struct packer *packer);

struct unpacker {
	const unsigned char *at;
	const unsigned char *end;
	bool is_bad;
	bool is_out_of_memory;
	const char **texts;
	size_t text_count;
	size_t text_size;
};

/* Checks the sum; -EBADMSG. Texts point into the bytes. */
int unpack_begin(struct unpacker *unpacker, const void *bytes, size_t len);
/* At most `max`, else the whole is bad. */
uint64_t unpack_number(struct unpacker *unpacker, uint64_t max);
int64_t unpack_signed(struct unpacker *unpacker);
void unpack_bytes(struct unpacker *unpacker, void *into, size_t len);
const char *unpack_text(struct unpacker *unpacker);
/* Octets not read yet: a bound for counts. */
size_t unpack_left(const struct unpacker *unpacker);
/* Frees; 0 where all was read and good, else -EBADMSG or -ENOMEM. */
int unpack_end(struct unpacker *unpacker, bool is_all_read);

#endif
