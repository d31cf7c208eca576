#include "config.h"

#include "sendmail_recipients.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address_list.h"
#include "header.h"
#include "smtp/reply.h"

static const char *const plain_fields[] = { "To", "Cc", "Bcc", NULL };
static const char *const resent_fields[] = { "Resent-To", "Resent-Cc",
	                                     "Resent-Bcc", NULL };

static int add_list(struct sendmail_recipients *recipients, const char *text,
                    size_t len, const char *where, size_t where_len);
static int add(struct sendmail_recipients *recipients, const char *address);

void sendmail_recipients_init(struct sendmail_recipients *recipients)
{
	*recipients = (struct sendmail_recipients){ 0 };
	arena_init(&recipients->arena, 0);
}

void sendmail_recipients_done(struct sendmail_recipients *recipients)
{
	free(recipients->list);
	arena_done(&recipients->arena);
}

int sendmail_recipients_add_operand(struct sendmail_recipients *recipients,
                                    const char *operand)
{
	/* No address begins so; an option behind the addresses does, and
	   whoever wrote it wants anything but mail to it. */
	if (operand[0] == '-') {
		(void)snprintf(
		    recipients->error, sizeof(recipients->error),
		    "%.40s stands behind the first address (options go in "
		    "front of the addresses)",
		    operand);
		return -EINVAL;
	}
	if (strpbrk(operand, "\r\n")) {
		(void)snprintf(recipients->error, sizeof(recipients->error),
		               "an address has a line end in it");
		return -EINVAL;
	}
	return add_list(recipients, operand, strlen(operand), "address", 7);
}

int sendmail_recipients_add_header(struct sendmail_recipients *recipients,
                                   const char *header, size_t len)
{
	const char *const *names = plain_fields;
	struct header_field field;
	struct header_walk walk;
	int r = 0;

	header_walk_init(&walk, header, len);
	while (header_walk_next(&walk, &field)) {
		if (header_field_is_any(&field, resent_fields))
			names = resent_fields;
	}
	header_walk_init(&walk, header, len);
	while (r == 0 && header_walk_next(&walk, &field)) {
		if (header_field_is_any(&field, names))
			r = add_list(recipients, field.body, field.body_len,
			             field.name, field.name_len);
	}
	return r;
}

static int add_list(struct sendmail_recipients *recipients, const char *text,
                    size_t len, const char *where, size_t where_len)
{
	struct address_list list;
	char shown[80];
	int r;

	address_list_init(&list, text, len, ADDRESS_UTF8 | ADDRESS_BARE);
	for (;;) {
		const char *start = list.next;

		r = address_list_next(&list);
		if (r == -ENOENT)
			return 0;
		if (r < 0) {
			while (start < list.next && strchr(", \t\r\n", *start))
				start++;
			smtp_text_clean(shown, sizeof(shown), start,
			                (size_t)(list.next - start));
			(void)snprintf(
			    recipients->error, sizeof(recipients->error),
			    "%.*s: %s is no address",
			    where_len < 40 ? (int)where_len : 40, where, shown);
			return -EINVAL;
		}
		r = add(recipients, list.mailbox);
		if (r < 0)
			return r;
	}
}

static int add(struct sendmail_recipients *recipients, const char *address)
{
	char *copy;

	if (recipients->count == recipients->room) {
		size_t room = recipients->room ? 2 * recipients->room : 16;
		const char **list =
		    reallocarray(recipients->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		recipients->list = list;
		recipients->room = room;
	}
	copy = arena_copy(&recipients->arena, address, strlen(address));
	if (!copy)
		return -ENOMEM;
	recipients->list[recipients->count++] = copy;
	return 0;
}

int sendmail_recipients_parse_sender(struct sendmail_recipients *recipients,
                                     const char *text, const char **ret_sender)
{
	const char *angle = strrchr(text, '<');
	struct address_list list;
	char *copy;

	*ret_sender = "";
	if (*text == '\0' || (angle && strcmp(angle, "<>") == 0))
		return 0;
	/* In a header they would fold; on a command line they are a trick. */
	if (strpbrk(text, "\r\n"))
		goto bad;
	address_list_init(&list, text, strlen(text),
	                  ADDRESS_UTF8 | ADDRESS_BARE);
	if (address_list_next(&list) < 0)
		goto bad;
	copy =
	    arena_copy(&recipients->arena, list.mailbox, strlen(list.mailbox));
	if (!copy)
		return -ENOMEM;
	if (address_list_next(&list) != -ENOENT)
		goto bad;
	*ret_sender = copy;
	return 0;
bad:
	(void)snprintf(recipients->error, sizeof(recipients->error),
	               "-f %.80s is no address", text);
	return -EINVAL;
}
