/*
 * fuzz_compose - a submitter's header block on its way to a relay
 *
 * Whatever is in it, and in the values that go into fields of ours, comes out
 * as one header block: what was stored is still there but for the domains added
 * to bare mailboxes, no field is added but ours, and the block ends at its end.
 */
#include "config.h"

#include "deliver/compose.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "header.h"
#include "queue/message.h"
#include "settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* As the receiving side keeps it: fields, each ended by CRLF. */
static char *make_block(const uint8_t *data, size_t len, size_t *ret_len)
{
	struct header_scanner scanner;
	const char *block;
	char *copy = NULL;
	size_t used;

	header_scanner_init(&scanner, 0);
	if (header_scanner_feed(&scanner, (const char *)data, len, &used) < 0 ||
	    header_scanner_finish(&scanner) < 0 ||
	    scanner.state != HEADER_SCAN_DONE)
		goto out;
	block = header_scanner_block_borrow(&scanner, ret_len);
	copy = malloc(*ret_len + 1);
	if (copy) {
		if (*ret_len > 0)
			memcpy(copy, block, *ret_len);
		copy[*ret_len] = '\0';
	}
out:
	header_scanner_done(&scanner);
	return copy;
}

/* Are all octets of `part` in `whole`, in their order? */
static bool is_within(const char *part, size_t part_len, const char *whole,
                      size_t whole_len)
{
	size_t found = 0;

	for (size_t i = 0; i < whole_len && found < part_len; i++)
		if (whole[i] == part[found])
			found++;
	return found == part_len;
}

/* The stored fields and so many of ours: not one more or less. */
static void check(const struct buffer *out, const char *stored,
                  size_t stored_len, unsigned ours)
{
	struct header_walk walk;
	struct header_field field;
	unsigned before = 0, after = 0;

	header_walk_init(&walk, stored, stored_len);
	while (header_walk_next(&walk, &field))
		before++;
	header_walk_init(&walk, out->data, out->len);
	while (header_walk_next(&walk, &field))
		after++;
	assert(after == before + ours);
	assert(walk.next == out->data + out->len - 2);
	assert(is_within(stored, stored_len, out->data, out->len));
}

/*
 * With an identity nothing has to be where it was, but there is one author, and
 * who is replaced keeps to fields of their own.
 */
static void check_identity(const struct buffer *out)
{
	struct header_walk walk;
	struct header_field field;
	unsigned authors = 0, senders = 0;

	header_walk_init(&walk, out->data, out->len);
	while (header_walk_next(&walk, &field)) {
		authors += header_field_is(&field, "From");
		senders += header_field_is(&field, "Sender");
	}
	assert(authors == 1 && senders == 0);
	assert(walk.next == out->data + out->len - 2);
}

static void compose(struct buffer *out, const struct composition *what)
{
	unsigned notes;

	buffer_clear(out);
	assert(compose_header(out, what, &notes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct relay_header header = { (char *)"X-Tag", (char *)"a {tag} b" };
	struct settings settings = {
		.hostname = (char *)"host.example.net",
		.domain = (char *)"example.net",
	};
	struct relay_settings relay = { .headers = &header, .header_count = 1 };
	struct message message = {
		.sender = "sender@example.com",
		.flags = MESSAGE_ADD_FROM | MESSAGE_ADD_DATE,
	};
	struct composition what = {
		.message = &message,
		.settings = &settings,
		.relay = &relay,
	};
	struct header_field field;
	struct buffer out;
	char *block = make_block(data, len, &what.stored_len);

	if (!block)
		return 0;
	what.stored = block;
	relay.name = (char *)"office";
	relay.from.name = block;
	message.helo = block;
	message.tag = block;
	buffer_init(&out, 0);
	if (!header_find(block, what.stored_len, "DKIM-Signature", &field)) {
		compose(&out, &what);
		/* Received, From, Date, X-Tag */
		check(&out, block, what.stored_len, 4);
	}

	relay.from.address = (char *)"noreply@example.com";
	relay.from_apply = RELAY_FROM_ALWAYS;
	relay.keep_author = what.stored_len % 3;
	/* Not written over: every author but the identity's own is. */
	if (header_find(block, what.stored_len, "From", &field)) {
		message.flags = MESSAGE_ADD_DATE;
		relay.from.address = (char *)"nobody.has.this@example.invalid";
	}
	compose(&out, &what);
	check_identity(&out);
	buffer_done(&out);
	free(block);
	return 0;
}
