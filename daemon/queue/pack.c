#include "config.h"

#include "queue/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/bigendian.h"
#include "queue/hash.h"

#define CHECK_SIZE 4

static bool make_room(struct packer *packer, size_t more);
static uint32_t check_sum(const void *bytes, size_t len);
static bool remember_text(struct unpacker *unpacker, const char *text);

void record_done(struct record *record)
{
	free(record->bytes);
	memset(record, 0, sizeof(*record));
}

void pack_begin(struct packer *packer, struct record *into)
{
	packer->into = into;
	packer->error = 0;
	packer->text_count = 0;
	into->len = 0;
}

void pack_number(struct packer *packer, uint64_t value)
{
	struct record *into = packer->into;

	if (!make_room(packer, 10))
		return;
	for (; value >= 0x80; value >>= 7)
		into->bytes[into->len++] = (unsigned char)(value | 0x80);
	into->bytes[into->len++] = (unsigned char)value;
}

/* Small numbers of both signs stay short: 0, -1, 1, -2 … */
void pack_signed(struct packer *packer, int64_t value)
{
	uint64_t bits = (uint64_t)value;

	pack_number(packer, value < 0 ? ~bits << 1 | 1 : bits << 1);
}

void pack_bytes(struct packer *packer, const void *bytes, size_t len)
{
	if (len == 0 || !make_room(packer, len))
		return;
	memcpy(packer->into->bytes + packer->into->len, bytes, len);
	packer->into->len += len;
}

void pack_text(struct packer *packer, const char *text)
{
	size_t len;
	unsigned first;

	if (text == NULL) {
		pack_number(packer, 0);
		return;
	}
	len = strlen(text);
	first = packer->text_count > PACK_WINDOW
	            ? packer->text_count - PACK_WINDOW
	            : 0;
	for (unsigned i = first; i < packer->text_count; i++) {
		unsigned slot = i % PACK_WINDOW;

		if (packer->lens[slot] != len ||
		    memcmp(packer->texts[slot], text, len) != 0)
			continue;
		pack_number(packer, 2 * (uint64_t)i + 2);
		return;
	}
	packer->texts[packer->text_count % PACK_WINDOW] = text;
	packer->lens[packer->text_count % PACK_WINDOW] = len;
	packer->text_count++;
	pack_number(packer, 2 * (uint64_t)len + 1);
	pack_bytes(packer, text, len + 1);
}

int pack_end(struct packer *packer)
{
	struct record *into = packer->into;

	if (make_room(packer, CHECK_SIZE)) {
		be32_put(into->bytes + into->len,
		         check_sum(into->bytes, into->len));
		into->len += CHECK_SIZE;
	}
	return packer->error;
}

static bool make_room(struct packer *packer, size_t more)
{
	struct record *into = packer->into;
	size_t size = into->size > 0 ? into->size : 1024;
	unsigned char *bytes;

	if (packer->error < 0)
		return false;
	if (into->size - into->len >= more)
		return true;
	while (size - into->len < more)
		size *= 2;
	bytes = realloc(into->bytes, size);
	if (bytes == NULL) {
		packer->error = -ENOMEM;
		return false;
	}
	into->bytes = bytes;
	into->size = size;
	return true;
}

static uint32_t check_sum(const void *bytes, size_t len)
{
	return (uint32_t)hash_bytes(bytes, len);
}

int unpack_begin(struct unpacker *unpacker, const void *bytes, size_t len)
{
	memset(unpacker, 0, sizeof(*unpacker));
	if (len < CHECK_SIZE)
		return -EBADMSG;
	unpacker->at = bytes;
	unpacker->end = unpacker->at + len - CHECK_SIZE;
	if (be32_get(unpacker->end) != check_sum(bytes, len - CHECK_SIZE))
		return -EBADMSG;
	return 0;
}

uint64_t unpack_number(struct unpacker *unpacker, uint64_t max)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && !unpacker->is_bad; shift += 7) {
		uint64_t octet;

		if (unpacker->at == unpacker->end)
			break;
		octet = *unpacker->at++;
		/* Bits beyond the 64th, or zeros that say nothing. */
		if ((shift == 63 && octet > 1) || (shift > 0 && octet == 0))
			break;
		value |= (octet & 0x7f) << shift;
		if ((octet & 0x80) != 0)
			continue;
		if (value > max)
			break;
		return value;
	}
	unpacker->is_bad = true;
	return 0;
}

int64_t unpack_signed(struct unpacker *unpacker)
{
	uint64_t bits = unpack_number(unpacker, UINT64_MAX);

	return (int64_t)((bits & 1) != 0 ? ~(bits >> 1) : bits >> 1);
}

void unpack_bytes(struct unpacker *unpacker, void *into, size_t len)
{
	if (unpacker->is_bad || unpack_left(unpacker) < len) {
		unpacker->is_bad = true;
		memset(into, 0, len);
		return;
	}
	memcpy(into, unpacker->at, len);
	unpacker->at += len;
}

const char *unpack_text(struct unpacker *unpacker)
{
	uint64_t word = unpack_number(unpacker, UINT64_MAX);
	const char *text;
	size_t len;

	if (word == 0)
		return NULL;
	if ((word & 1) == 0) {
		if (word / 2 - 1 < unpacker->text_count)
			return unpacker->texts[word / 2 - 1];
		unpacker->is_bad = true;
		return NULL;
	}
	if (word / 2 >= unpack_left(unpacker)) {
		unpacker->is_bad = true;
		return NULL;
	}
	len = word / 2;
	text = (const char *)unpacker->at;
	if (strnlen(text, len + 1) != len || !remember_text(unpacker, text)) {
		unpacker->is_bad = true;
		return NULL;
	}
	unpacker->at += len + 1;
	return text;
}

static bool remember_text(struct unpacker *unpacker, const char *text)
{
	if (unpacker->text_count == unpacker->text_size) {
		size_t size =
		    unpacker->text_size > 0 ? 2 * unpacker->text_size : 32;
		const char **texts =
		    realloc(unpacker->texts, size * sizeof(*texts));

		if (texts == NULL) {
			unpacker->is_out_of_memory = true;
			return false;
		}
		unpacker->texts = texts;
		unpacker->text_size = size;
	}
	unpacker->texts[unpacker->text_count++] = text;
	return true;
}

size_t unpack_left(const struct unpacker *unpacker)
{
	return (size_t)(unpacker->end - unpacker->at);
}

int unpack_end(struct unpacker *unpacker, bool is_all_read)
{
	free(unpacker->texts);
	unpacker->texts = NULL;
	if (unpacker->is_out_of_memory)
		return -ENOMEM;
	if (unpacker->is_bad)
		return -EBADMSG;
	if (is_all_read && unpacker->at != unpacker->end)
		return -EBADMSG;
	return 0;
}
