#include "config.h"

#include "deliver/dns_message.h"

#include <stdbool.h>

#define HEADER_SIZE   12
#define QUESTION_TAIL 4  /* type, class */
#define RECORD_FIXED  10 /* type, class, ttl, length */
#define SOA_NUMBERS   20 /* serial, refresh, retry, expire, minimum */
#define TYPE_SOA      6

struct reader {
	const unsigned char *message;
	size_t len;
	size_t at;
};

static uint32_t number(const struct reader *reader, size_t at, unsigned size)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value = value << 8 | reader->message[at + i];
	return value;
}

/* RFC 1035 4.1.4: labels, then a zero or a pointer, which ends the name. */
static bool skip_name(struct reader *reader)
{
	while (reader->at < reader->len) {
		unsigned octet = reader->message[reader->at];

		if ((octet & 0xc0) == 0xc0) {
			reader->at += 2;
			return reader->at <= reader->len;
		}
		if (octet & 0xc0)
			return false;
		reader->at += 1 + octet;
		if (octet == 0)
			return true;
	}
	return false;
}

struct record {
	uint32_t type;
	uint32_t ttl_s;
	size_t data;
	size_t data_len;
};

static bool read_record(struct reader *reader, struct record *ret_record)
{
	if (!skip_name(reader) || reader->len - reader->at < RECORD_FIXED)
		return false;
	ret_record->type = number(reader, reader->at, 2);
	ret_record->ttl_s = number(reader, reader->at + 4, 4);
	ret_record->data_len = number(reader, reader->at + 8, 2);
	ret_record->data = reader->at + RECORD_FIXED;
	if (ret_record->data_len > reader->len - ret_record->data)
		return false;
	reader->at = ret_record->data + ret_record->data_len;
	/* RFC 2181 8: the highest bit set means zero. */
	if (ret_record->ttl_s > INT32_MAX)
		ret_record->ttl_s = 0;
	return true;
}

static uint32_t negative_ttl(const struct reader *reader,
                             const struct record *soa)
{
	uint32_t minimum;

	if (soa->data_len < SOA_NUMBERS)
		return 0;
	minimum = number(reader, soa->data + soa->data_len - 4, 4);
	return minimum < soa->ttl_s ? minimum : soa->ttl_s;
}

uint32_t dns_message_ttl(const unsigned char *message, size_t len)
{
	struct reader reader = { message, len, HEADER_SIZE };
	uint32_t questions, answers, authorities, ttl_s = UINT32_MAX;
	struct record record;

	if (len < HEADER_SIZE)
		return 0;
	questions = number(&reader, 4, 2);
	answers = number(&reader, 6, 2);
	authorities = number(&reader, 8, 2);
	while (questions-- > 0) {
		if (!skip_name(&reader) ||
		    reader.len - reader.at < QUESTION_TAIL)
			return 0;
		reader.at += QUESTION_TAIL;
	}
	for (uint32_t i = 0; i < answers; i++) {
		if (!read_record(&reader, &record))
			return 0;
		if (record.ttl_s < ttl_s)
			ttl_s = record.ttl_s;
	}
	if (answers > 0)
		return ttl_s;
	while (authorities-- > 0) {
		if (!read_record(&reader, &record))
			return 0;
		if (record.type == TYPE_SOA)
			return negative_ttl(&reader, &record);
	}
	return 0;
}
