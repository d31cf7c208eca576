/*
 * fuzz_address - mailboxes, paths and address fields
 *
 * What is a mailbox must have a canonical form that is one too, and whatever a
 * field gives must be a mailbox.
 */
#include "config.h"

#include "address.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "address_list.h"

#define ANY (ADDRESS_UTF8 | ADDRESS_BARE)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_mailbox(const char *text, size_t len)
{
	char canonical[ADDRESS_SIZE];
	char mailbox[ADDRESS_SIZE];
	const char *domain;

	if (address_check(text, len, ANY) < 0)
		return;
	assert(len < sizeof(mailbox));
	memcpy(mailbox, text, len);
	mailbox[len] = '\0';
	assert(strlen(mailbox) == len);
	domain = address_domain(mailbox);
	assert(!domain || domain[-1] == '@');
	address_canonical(mailbox, canonical);
	assert(strlen(canonical) <= len);
	assert(address_check(canonical, strlen(canonical), ANY) == 0);
	assert(address_is_same(mailbox, canonical));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data;
	struct address_list list;
	const char *mailbox;
	size_t mailbox_len;
	size_t used;

	check_mailbox(text, len);
	if (address_parse_path(text, len, ANY | ADDRESS_NULL, &mailbox,
	                       &mailbox_len, &used) == 0) {
		assert(used <= len && text[used - 1] == '>');
		if (mailbox_len > 0)
			check_mailbox(mailbox, mailbox_len);
	}

	address_list_init(&list, text, len, ANY);
	for (size_t members = 0;; members++) {
		int r = address_list_next(&list);

		if (list.next == list.end && r < 0)
			break;
		assert(members <= len);
		if (r == 0)
			check_mailbox(list.mailbox, strlen(list.mailbox));
		assert(list.name >= text &&
		       list.name + list.name_len <= text + len);
	}
	return 0;
}
