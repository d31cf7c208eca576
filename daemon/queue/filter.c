#include "config.h"

#include "queue/filter.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/bigendian.h"
#include "queue/hash.h"
#include "queue/lane_row.h"
#include "queue/message_rows.h"
#include "runtime/xalloc.h"
#include "settings.h"

#define PRINT_NONE 0
#define PRINT_ANY  UINT16_MAX
#define KEY_SIZE   9 /* field, last id of the block */
#define TEXT_MAX   1024

struct filter_entry {
	uint64_t id;
	uint16_t prints[FILTER_FIELDS]; /* that of FILTER_ID is not used */
};

struct filter {
	struct filter_entry *entries;
	size_t count;
	size_t size;
	size_t kept;    /* of these the messages are on disk */
	size_t closing; /* of these the block is being written */
};

static struct filter_entry *add_entry(struct filter *filter,
                                      const struct message *message);
static int load_message(struct filter *filter, struct store_txn *txn,
                        const struct message *message);
static int relay_of_part(struct store_txn *txn, const struct message *message,
                         uint16_t number, uint32_t *ret_relay);
static size_t block_length(const struct filter_entry *entries, size_t count);
static int write_block(struct store_txn *txn,
                       const struct filter_entry *entries, size_t count);
static int widen_closed(struct store_txn *txn, uint64_t id);
static void key_put(unsigned char key[KEY_SIZE], enum filter_field field,
                    uint64_t last_id);

struct filter *filter_new(void)
{
	return xcalloc(1, sizeof(struct filter));
}

void filter_free(struct filter *filter)
{
	if (filter == NULL)
		return;
	free(filter->entries);
	free(filter);
}

static void key_put(unsigned char key[KEY_SIZE], enum filter_field field,
                    uint64_t last_id)
{
	key[0] = (unsigned char)field;
	be64_put(key + 1, last_id);
}

/* --------------------------------------------------------- fingerprints */

uint16_t filter_print_text(const char *text)
{
	char folded[TEXT_MAX];
	size_t len = 0;

	if (text == NULL)
		return PRINT_NONE;
	for (; text[len] != '\0' && len < sizeof(folded); len++)
		folded[len] = (char)tolower((unsigned char)text[len]);
	return (uint16_t)(hash_bytes(folded, len) % (PRINT_ANY - 1) + 1);
}

uint16_t filter_print_address(const char *address)
{
	return filter_print_text(address);
}

uint16_t filter_print_domain(const char *address)
{
	const char *at = address != NULL ? strrchr(address, '@') : NULL;

	return at != NULL ? filter_print_text(at + 1) : PRINT_NONE;
}

uint16_t filter_print_number(uint32_t number)
{
	unsigned char bytes[4];

	be32_put(bytes, number);
	return (uint16_t)(hash_bytes(bytes, 4) % (PRINT_ANY - 1) + 1);
}

bool filter_print_matches(uint16_t in_column, uint16_t wanted)
{
	return in_column == wanted || in_column == PRINT_ANY;
}

/* ------------------------------------------------------ the open block */

void filter_add(struct filter *filter, const struct message *message,
                const uint32_t *recipient_relays)
{
	bool is_many = message->recipient_count > FILTER_RECIPIENTS_MAX;
	unsigned count = is_many ? 1 : message->recipient_count;

	for (unsigned i = 0; i < count; i++) {
		struct filter_entry *entry = add_entry(filter, message);
		const char *address = message->recipients[i].address;

		entry->prints[FILTER_RECIPIENT] =
		    is_many ? PRINT_ANY : filter_print_address(address);
		entry->prints[FILTER_RECIPIENT_DOMAIN] =
		    is_many ? PRINT_ANY : filter_print_domain(address);
		entry->prints[FILTER_RELAY] =
		    is_many ? PRINT_ANY
			    : filter_print_number(recipient_relays[i]);
	}
}

static struct filter_entry *add_entry(struct filter *filter,
                                      const struct message *message)
{
	struct filter_entry *entry;

	if (filter->count == filter->size) {
		filter->size = filter->size > 0 ? 2 * filter->size
		                                : FILTER_BLOCK_ENTRIES + 512;
		filter->entries = xrealloc(
		    filter->entries, filter->size * sizeof(*filter->entries));
	}
	entry = &filter->entries[filter->count++];
	*entry = (struct filter_entry){ .id = message->id };
	entry->prints[FILTER_SENDER] = filter_print_address(message->sender);
	entry->prints[FILTER_SENDER_DOMAIN] =
	    filter_print_domain(message->sender);
	entry->prints[FILTER_SUBMITTER] = filter_print_number(message->uid);
	entry->prints[FILTER_TAG] = filter_print_text(message->tag);
	return entry;
}

void filter_keep(struct filter *filter)
{
	if (filter->closing > 0)
		memmove(filter->entries, filter->entries + filter->closing,
		        (filter->count - filter->closing) *
		            sizeof(*filter->entries));
	filter->count -= filter->closing;
	filter->closing = 0;
	filter->kept = filter->count;
}

void filter_drop(struct filter *filter)
{
	filter->count = filter->kept;
	filter->closing = 0;
}

int filter_load(struct filter *filter, struct store_txn *txn)
{
	struct store_cursor *cursor = NULL;
	struct store_bytes key, value;
	unsigned char after[8];
	uint64_t end;
	int r;

	r = filter_end(txn, &end);
	if (r < 0)
		return r;
	r = store_cursor_open(txn, TABLE_MSG, &cursor);
	if (r < 0)
		return r;
	be64_put(after, end + 1);
	r = store_cursor_seek(cursor, after, sizeof(after), &key, &value);
	while (r == 0) {
		struct message *message = NULL;

		r = message_rows_decode(&message, txn, be64_get(key.data),
		                        &value, false);
		if (r == 0)
			r = load_message(filter, txn, message);
		message_free(message);
		/* A damaged record is nobody's find. */
		if (r < 0 && r != -EBADMSG)
			break;
		r = store_cursor_next(cursor, &key, &value);
	}
	store_cursor_close(cursor);
	filter_keep(filter);
	return r == -ENOENT ? 0 : r;
}

/* With the relay a recipient waits for and the one it was last tried at. */
static int load_message(struct filter *filter, struct store_txn *txn,
                        const struct message *message)
{
	size_t first = filter->count;
	uint32_t *relays = xcalloc(message->recipient_count, sizeof(*relays));
	bool *are_wide = xcalloc(message->recipient_count, sizeof(*are_wide));
	int r = 0;

	for (unsigned i = 0; i < message->recipient_count && r == 0; i++) {
		const struct message_recipient *recipient =
		    &message->recipients[i];
		const char *tried = recipient->reply.relay;
		uint32_t tried_id =
		    tried != NULL ? settings_relay_id(tried) : 0;

		if (recipient->state != RECIPIENT_WAITING) {
			relays[i] = tried_id;
			are_wide[i] = tried == NULL;
			continue;
		}
		r = relay_of_part(txn, message, recipient->part, &relays[i]);
		are_wide[i] = tried != NULL && tried_id != relays[i];
		if (r == -ENOENT || r == -EBADMSG) {
			are_wide[i] = true;
			r = 0;
		}
	}
	if (r == 0)
		filter_add(filter, message, relays);
	for (size_t i = first; i < filter->count; i++)
		if (are_wide[i - first])
			filter->entries[i].prints[FILTER_RELAY] = PRINT_ANY;
	free(relays);
	free(are_wide);
	return r;
}

static int relay_of_part(struct store_txn *txn, const struct message *message,
                         uint16_t number, uint32_t *ret_relay)
{
	for (unsigned i = 0; i < message->part_count; i++) {
		struct lane_info info;
		struct store_bytes row;
		unsigned char key[4];
		int r;

		if (message->parts[i].number != number)
			continue;
		be32_put(key, message->parts[i].lane);
		r = store_get(txn, TABLE_LANE, key, sizeof(key), &row);
		if (r == 0)
			r = lane_row_parse(&info, message->parts[i].lane, &row);
		if (r == 0)
			*ret_relay = info.key.relay;
		return r;
	}
	return -ENOENT;
}

/* ------------------------------------------------------ closed blocks */

int filter_write(struct filter *filter, struct store_txn *txn)
{
	while (filter->kept - filter->closing >= FILTER_BLOCK_ENTRIES) {
		const struct filter_entry *first =
		    filter->entries + filter->closing;
		size_t length =
		    block_length(first, filter->kept - filter->closing);
		int r = write_block(txn, first, length);

		if (r < 0)
			return r;
		filter->closing += length;
	}
	return 0;
}

/* As many whole messages as a block takes. */
static size_t block_length(const struct filter_entry *entries, size_t count)
{
	size_t length = FILTER_BLOCK_ENTRIES;

	if (count == length)
		return length;
	while (entries[length - 1].id == entries[length].id)
		length--;
	return length;
}

static int write_block(struct store_txn *txn,
                       const struct filter_entry *entries, size_t count)
{
	unsigned char *column = xmalloc(count * 8);
	unsigned char key[KEY_SIZE];
	uint64_t last_id = entries[count - 1].id;
	int r;

	for (size_t i = 0; i < count; i++)
		be64_put(column + 8 * i, entries[i].id);
	key_put(key, FILTER_ID, last_id);
	r = store_put(txn, TABLE_FILTER, key, sizeof(key), column, 8 * count);
	for (int field = FILTER_ID + 1; field < FILTER_FIELDS && r == 0;
	     field++) {
		for (size_t i = 0; i < count; i++)
			be16_put(column + 2 * i, entries[i].prints[field]);
		key_put(key, (enum filter_field)field, last_id);
		r = store_put(txn, TABLE_FILTER, key, sizeof(key), column,
		              2 * count);
	}
	free(column);
	return r;
}

int filter_end(struct store_txn *txn, uint64_t *ret_id)
{
	struct store_cursor *cursor = NULL;
	unsigned char below[KEY_SIZE];
	struct store_bytes key;
	int r;

	*ret_id = 0;
	r = store_cursor_open(txn, TABLE_FILTER, &cursor);
	if (r < 0)
		return r;
	key_put(below, FILTER_ID + 1, 0);
	r = store_cursor_seek_below(cursor, below, sizeof(below), &key, NULL);
	if (r == 0 && key.len == KEY_SIZE && key.data[0] == FILTER_ID)
		*ret_id = be64_get(key.data + 1);
	store_cursor_close(cursor);
	return r == -ENOENT ? 0 : r;
}

int filter_widen_relay(struct filter *filter, struct store_txn *txn,
                       uint64_t id)
{
	bool is_open = false;

	for (size_t i = filter->count; i > 0; i--) {
		struct filter_entry *entry = &filter->entries[i - 1];

		if (entry->id < id)
			break;
		if (entry->id == id) {
			entry->prints[FILTER_RELAY] = PRINT_ANY;
			is_open = true;
		}
	}
	return is_open ? 0 : widen_closed(txn, id);
}

static int widen_closed(struct store_txn *txn, uint64_t id)
{
	struct store_cursor *cursor = NULL;
	struct store_bytes name, ids, prints;
	unsigned char key[KEY_SIZE];
	unsigned char *column;
	bool is_changed = false;
	int r;

	r = store_cursor_open(txn, TABLE_FILTER, &cursor);
	if (r < 0)
		return r;
	key_put(key, FILTER_ID, id);
	r = store_cursor_seek(cursor, key, sizeof(key), &name, &ids);
	store_cursor_close(cursor);
	if (r < 0 || name.data[0] != FILTER_ID)
		return r < 0 && r != -ENOENT ? r : 0;
	key_put(key, FILTER_RELAY, be64_get(name.data + 1));
	r = store_get(txn, TABLE_FILTER, key, sizeof(key), &prints);
	if (r < 0 || prints.len * 4 != ids.len)
		return r < 0 && r != -ENOENT ? r : 0;
	column = xmalloc(prints.len);
	memcpy(column, prints.data, prints.len);
	for (size_t i = 0; i < ids.len / 8; i++) {
		if (be64_get(ids.data + 8 * i) != id ||
		    be16_get(column + 2 * i) == PRINT_ANY)
			continue;
		be16_put(column + 2 * i, PRINT_ANY);
		is_changed = true;
	}
	if (is_changed)
		r = store_put(txn, TABLE_FILTER, key, sizeof(key), column,
		              prints.len);
	free(column);
	return r;
}

int filter_purge(struct store_txn *txn, unsigned max)
{
	struct store_cursor *cursor = NULL;
	struct store_bytes key;
	uint64_t first_id = UINT64_MAX;
	int r;

	r = store_cursor_open(txn, TABLE_MSG, &cursor);
	if (r < 0)
		return r;
	r = store_cursor_first(cursor, &key, NULL);
	if (r == 0)
		first_id = be64_get(key.data);
	store_cursor_close(cursor);
	if (r < 0 && r != -ENOENT)
		return r;
	while (max-- > 0) {
		unsigned char row[KEY_SIZE];
		uint64_t last_id;

		r = store_cursor_open(txn, TABLE_FILTER, &cursor);
		if (r < 0)
			return r;
		r = store_cursor_first(cursor, &key, NULL);
		last_id = r == 0 ? be64_get(key.data + 1) : 0;
		if (r == 0 && (key.data[0] != FILTER_ID || last_id >= first_id))
			r = -ENOENT;
		store_cursor_close(cursor);
		for (int field = 0; field < FILTER_FIELDS && r == 0; field++) {
			key_put(row, (enum filter_field)field, last_id);
			r = store_delete(txn, TABLE_FILTER, row, sizeof(row));
		}
		if (r < 0)
			return r == -ENOENT ? 0 : r;
	}
	return 0;
}
