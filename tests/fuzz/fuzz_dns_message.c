/*
 * fuzz_dns_message - what a name server sends, whole and cut short
 */
#include "config.h"

#include "deliver/dns_message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	/* A copy of its exact size, so that one octet too far is noticed. */
	for (size_t cut = len > 64 ? len - 64 : 0; cut <= len; cut++) {
		unsigned char *message = malloc(cut ? cut : 1);

		if (!message)
			return 0;
		memcpy(message, data, cut);
		(void)dns_message_ttl(message, cut);
		free(message);
	}
	return 0;
}
