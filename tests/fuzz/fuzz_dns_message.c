/*
 * fuzz_dns_message - what a name server sends, whole and cut short
 *
 * An answer without a record is none; and what was found has records, each with
 * the name that its type has.
 */
#include "config.h"

#include "deliver/dns_message.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/dns_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void read_as(enum dns_type type, const unsigned char *message,
                    size_t len)
{
	struct dns_answer *answer =
	    dns_answer_parse(type, 0 /* found */, message, (int)len);

	assert((answer->status == DNS_FOUND) == (answer->count > 0));
	assert((answer->status == DNS_FAILED) == (answer->problem != NULL));
	for (unsigned i = 0; i < answer->count; i++)
		assert((answer->records[i].exchange != NULL) ==
		       (type == DNS_MX || type == DNS_SRV));
	dns_answer_free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	/* A copy of its exact size, so that one octet too far is noticed. */
	for (size_t cut = len > 64 ? len - 16 : 0; cut <= len; cut++) {
		unsigned char *message = malloc(cut ? cut : 1);

		if (!message)
			return 0;
		memcpy(message, data, cut);
		(void)dns_message_ttl(message, cut);
		read_as(DNS_A, message, cut);
		read_as(DNS_AAAA, message, cut);
		read_as(DNS_MX, message, cut);
		read_as(DNS_SRV, message, cut);
		free(message);
	}
	return 0;
}
