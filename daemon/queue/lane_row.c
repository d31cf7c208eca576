#include "config.h"

#include "queue/lane_row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/pack.h"
#include "runtime/xalloc.h"

#define ROW_VERSION 1

struct lane *lane_new(uint32_t id, const struct lane_key *key)
{
	size_t size = strlen(key->domain) + 1;
	struct lane *lane = xcalloc(1, sizeof(*lane) + size);

	memcpy(lane->domain, key->domain, size);
	lane->id = id;
	lane->key = *key;
	lane->key.domain = lane->domain;
	lane->wake_ms = lane->wake_row_ms = LANE_NEVER;
	return lane;
}

int lane_to_row(struct record *into, const struct lane *lane)
{
	struct packer packer;

	pack_begin(&packer, into);
	pack_number(&packer, ROW_VERSION);
	pack_number(&packer, lane->key.relay);
	pack_number(&packer, lane->key.priority);
	pack_number(&packer, lane->key.submitter_class);
	pack_text(&packer, lane->domain);
	pack_number(&packer, lane->generation);
	pack_number(&packer, lane->waiting);
	pack_number(&packer, lane->waiting_bytes);
	pack_number(&packer, lane->held);
	pack_number(&packer, lane->idle_since_ms);
	pack_number(&packer, lane->wake_row_ms);
	pack_number(&packer, lane->fresh);
	pack_number(&packer, lane->key.is_large);
	return pack_end(&packer);
}

/* All fields; the domain points into the row. */
static bool read_fields(struct lane *fields, const struct store_bytes *row)
{
	struct unpacker unpacker;
	const char *domain;

	if (unpack_begin(&unpacker, row->data, row->len) < 0)
		return false;
	if (unpack_number(&unpacker, UINT64_MAX) != ROW_VERSION)
		unpacker.is_bad = true;
	fields->key.relay = (uint32_t)unpack_number(&unpacker, UINT32_MAX);
	fields->key.priority =
	    (enum priority)unpack_number(&unpacker, PRIORITY_BULK);
	fields->key.submitter_class =
	    (uint32_t)unpack_number(&unpacker, UINT32_MAX);
	domain = unpack_text(&unpacker);
	fields->generation = (uint32_t)unpack_number(&unpacker, UINT32_MAX);
	fields->waiting = unpack_number(&unpacker, UINT64_MAX);
	fields->waiting_bytes = unpack_number(&unpacker, UINT64_MAX);
	fields->held = unpack_number(&unpacker, UINT64_MAX);
	fields->idle_since_ms = unpack_number(&unpacker, UINT64_MAX);
	fields->wake_ms = unpack_number(&unpacker, UINT64_MAX);
	fields->wake_row_ms = fields->wake_ms;
	/* Rows of the first days have neither. */
	if (unpack_left(&unpacker) > 0) {
		fields->fresh = unpack_number(&unpacker, UINT64_MAX);
		fields->key.is_large = unpack_number(&unpacker, 1) == 1;
	}
	fields->key.domain = domain;
	return unpack_end(&unpacker, true) == 0 && domain != NULL &&
	       strlen(domain) < LANE_DOMAIN_MAX;
}

struct lane *lane_from_row(uint32_t id, const struct store_bytes *row)
{
	struct lane fields = { .id = id };
	struct lane *lane;
	const char *domain;

	if (!read_fields(&fields, row))
		return NULL;
	lane = lane_new(id, &fields.key);
	domain = lane->key.domain;
	*lane = fields;
	lane->key.domain = domain;
	return lane;
}

int lane_row_parse(struct lane_info *ret_info, uint32_t id,
                   const struct store_bytes *row)
{
	struct lane fields = { .id = id };

	if (!read_fields(&fields, row))
		return -EBADMSG;
	ret_info->id = id;
	ret_info->key = fields.key;
	strcpy(ret_info->domain, fields.key.domain);
	ret_info->key.domain = ret_info->domain;
	ret_info->waiting = fields.waiting;
	ret_info->waiting_bytes = fields.waiting_bytes;
	return 0;
}
