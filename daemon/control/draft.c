#include "config.h"

#include "control/draft_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "address.h"
#include "address_list.h"
#include "runtime/xalloc.h"

#define FIELDS_MAX   100
#define FILES_MAX    1000
#define FIELD_MAX    8192
#define NAME_MAX_LEN 512

static const char *const places[DRAFT_PLACES] = {
	[DRAFT_FROM] = "from",
	[DRAFT_TO] = "to",
	[DRAFT_CC] = "cc",
	[DRAFT_BCC] = "bcc",
	[DRAFT_REPLY_TO] = "reply_to",
};

/* What members of their own or the composition make. */
static const char *const own_fields[] = { "From",         "To",
	                                  "Cc",           "Bcc",
	                                  "Reply-To",     "Subject",
	                                  "MIME-Version", "Resent-Bcc" };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int find_place(const struct draft *draft, const char *word);
static int add_list(struct draft *draft, enum draft_place place,
                    const char *value, char error[DRAFT_ERROR_SIZE]);
static int add(struct draft *draft, enum draft_place place, const char *name,
               const char *address, char error[DRAFT_ERROR_SIZE]);

void draft_init(struct draft *draft, bool is_raw, size_t recipients_max)
{
	memset(draft, 0, sizeof(*draft));
	arena_init(&draft->arena, 0);
	draft->is_raw = is_raw;
	draft->recipients_max = recipients_max;
}

void draft_done(struct draft *draft)
{
	size_t i;

	for (i = 0; i < DRAFT_PLACES; i++)
		free(draft->mailboxes[i].list);
	for (i = 0; i < draft->file_count; i++)
		free(draft->files[i].owned);
	free(draft->files);
	free(draft->fields);
	arena_done(&draft->arena);
}

const char *draft_copy(struct draft *draft, const char *text, size_t len)
{
	const char *own = arena_copy(&draft->arena, text, len);

	if (own == NULL)
		abort();
	return own;
}

/* Room for one more in a list that doubles. */
static void *grow(void *list, size_t count, size_t size)
{
	if ((count & (count - 1)) != 0)
		return list;
	return xrealloc(list, (count == 0 ? 1 : 2 * count) * size);
}

int draft_complain(char error[DRAFT_ERROR_SIZE], const char *word,
                   const char *expected)
{
	(void)snprintf(error, DRAFT_ERROR_SIZE, "%.60s: expected %s", word,
	               expected);
	return -EINVAL;
}

int draft_set(struct draft *draft, const char *word, const char *value,
              char error[DRAFT_ERROR_SIZE])
{
	int place = find_place(draft, word);

	if (draft->is_raw && place == DRAFT_FROM)
		return draft_set_word(draft, "sender", value, error);
	if (place >= 0)
		return add_list(draft, (enum draft_place)place, value, error);
	return draft_set_word(draft, word, value, error);
}

/* ------------------------------------------------------------- addresses */

static int find_place(const struct draft *draft, const char *word)
{
	size_t i, most = draft->is_raw ? DRAFT_TO + 1 : DRAFT_PLACES;

	for (i = 0; i < most; i++)
		if (strcmp(places[i], word) == 0)
			return (int)i;
	return -1;
}

/* "Last, First" without its quotes; the text is as the client wrote it. */
static const char *read_name(struct draft *draft, const char *name, size_t len)
{
	char *own;
	size_t used = 0, i;

	if (len == 0)
		return NULL;
	own = arena_allocate(&draft->arena, len + 1);
	if (own == NULL)
		abort();
	for (i = 0; i < len; i++) {
		if (name[i] == '"')
			continue;
		if (name[i] == '\\' && i + 1 < len)
			i++;
		own[used++] = name[i];
	}
	own[used] = '\0';
	return own;
}

static int add_list(struct draft *draft, enum draft_place place,
                    const char *value, char error[DRAFT_ERROR_SIZE])
{
	struct address_list list;
	int r, added;

	if (!address_is_utf8(value, strlen(value)))
		return draft_complain(error, places[place],
		                      "addresses without control characters");
	address_list_init(&list, value, strlen(value),
	                  ADDRESS_UTF8 | ADDRESS_BARE);
	while ((r = address_list_next(&list)) == 0) {
		added = add(draft, place,
		            read_name(draft, list.name, list.name_len),
		            list.mailbox, error);
		if (added < 0)
			return added;
	}
	if (r == -ENOENT)
		return 0;
	(void)snprintf(error, DRAFT_ERROR_SIZE,
	               "%s: `%.120s` is no address, or no list of them",
	               places[place], value);
	return -EINVAL;
}

int draft_add_mailbox(struct draft *draft, const char *word, const char *name,
                      const char *address, char error[DRAFT_ERROR_SIZE])
{
	int place = find_place(draft, word);

	if (place < 0)
		return draft_complain(error, word, "no object");
	if (address == NULL || address_check(address, strlen(address),
	                                     ADDRESS_UTF8 | ADDRESS_BARE) < 0)
		return draft_complain(error, word, "an address");
	if (name != NULL && (strlen(name) > NAME_MAX_LEN ||
	                     !address_is_utf8(name, strlen(name))))
		return draft_complain(error, word,
		                      "a name of one line, at most 512 octets");
	if (name != NULL)
		name = *name != '\0' ? draft_copy(draft, name, strlen(name))
		                     : NULL;
	return add(draft, (enum draft_place)place, name, address, error);
}

static int add(struct draft *draft, enum draft_place place, const char *name,
               const char *address, char error[DRAFT_ERROR_SIZE])
{
	struct draft_mailboxes *boxes = &draft->mailboxes[place];

	if (place == DRAFT_FROM && boxes->count > 0)
		return draft_complain(error, "from", "one address");
	if (place >= DRAFT_TO && place <= DRAFT_BCC &&
	    ++draft->recipient_count > draft->recipients_max &&
	    draft->recipients_max != 0) {
		(void)snprintf(error, DRAFT_ERROR_SIZE,
		               "%s: a message may have %zu recipients",
		               places[place], draft->recipients_max);
		return -EINVAL;
	}
	boxes->list = grow(boxes->list, boxes->count, sizeof(*boxes->list));
	boxes->list[boxes->count++] =
	    (struct draft_mailbox){ name, draft_copy(draft, address,
		                                     strlen(address)) };
	return 0;
}

/* --------------------------------------------------------------- content */

static bool is_own_field(const char *name)
{
	size_t i;

	for (i = 0; i < COUNT(own_fields); i++)
		if (strcasecmp(own_fields[i], name) == 0)
			return true;
	return strncasecmp(name, "Content-", 8) == 0;
}

int draft_add_field(struct draft *draft, const char *name, const char *value,
                    char error[DRAFT_ERROR_SIZE])
{
	size_t i, len = strlen(name);

	if (len == 0 || len > 76)
		return draft_complain(error, "headers",
		                      "field names of 1 to 76 "
		                      "characters");
	for (i = 0; i < len; i++)
		/* RFC 5322 3.6.8 */
		if (name[i] <= ' ' || name[i] > '~' || name[i] == ':')
			return draft_complain(
			    error, "headers",
			    "field names of ASCII characters without spaces "
			    "and colons");
	if (is_own_field(name)) {
		(void)snprintf(
		    error, DRAFT_ERROR_SIZE,
		    "headers: %s is not set here, but by a member of its own "
		    "or by relais",
		    name);
		return -EINVAL;
	}
	if (strlen(value) > FIELD_MAX || !address_is_utf8(value, strlen(value)))
		return draft_complain(
		    error, name, "a value of one line, at most 8192 octets");
	if (draft->field_count == FIELDS_MAX)
		return draft_complain(error, "headers", "at most 100 fields");
	draft->fields =
	    grow(draft->fields, draft->field_count, sizeof(*draft->fields));
	draft->fields[draft->field_count++] =
	    (struct draft_field){ draft_copy(draft, name, len),
		                  draft_copy(draft, value, strlen(value)) };
	return 0;
}

/* "type/subtype" of token characters (RFC 2045 5.1), without parameters */
static bool is_media_type(const char *type)
{
	const char *slash = strchr(type, '/');
	const char *at;

	if (slash == NULL || slash == type || slash[1] == '\0' ||
	    strlen(type) > 127)
		return false;
	for (at = type; *at != '\0'; at++)
		if (*at <= ' ' || *at > '~' ||
		    (at != slash && strchr("()<>@,;:\\\"/[]?=", *at)))
			return false;
	return strncasecmp(type, "multipart/", 10) != 0;
}

static const char *copy_line(struct draft *draft, const char *text)
{
	if (text == NULL || *text == '\0')
		return NULL;
	return draft_copy(draft, text, strlen(text));
}

int draft_add_file(struct draft *draft, const struct draft_file *file,
                   char error[DRAFT_ERROR_SIZE])
{
	struct draft_file *own;

	draft->files =
	    grow(draft->files, draft->file_count, sizeof(*draft->files));
	own = &draft->files[draft->file_count];
	*own = *file;
	own->name = copy_line(draft, file->name);
	own->type = copy_line(draft, file->type);
	own->content_id = copy_line(draft, file->content_id);
	draft->file_count++;
	if (own->name != NULL &&
	    (strlen(own->name) > NAME_MAX_LEN ||
	     !address_is_utf8(own->name, strlen(own->name))))
		return draft_complain(error, "filename",
		                      "a name of one line, at most 512 octets");
	if (own->type != NULL && !is_media_type(own->type))
		return draft_complain(
		    error, "type",
		    "a media type such as application/pdf, and no multipart");
	if (own->content_id != NULL &&
	    (strlen(own->content_id) > NAME_MAX_LEN ||
	     strcspn(own->content_id, " <>()\\\"") != strlen(own->content_id) ||
	     !address_is_utf8(own->content_id, strlen(own->content_id))))
		return draft_complain(error, "content_id",
		                      "a word such as logo@example.com");
	if (draft->file_count > FILES_MAX)
		return draft_complain(error, "attachments", "at most 1000");
	return 0;
}

int draft_check(const struct draft *draft, char error[DRAFT_ERROR_SIZE])
{
	if (draft->sender == NULL && draft->mailboxes[DRAFT_FROM].count == 0)
		return draft_complain(error, "from", "an address");
	if (draft->mailboxes[DRAFT_TO].count +
	        draft->mailboxes[DRAFT_CC].count +
	        draft->mailboxes[DRAFT_BCC].count ==
	    0)
		return draft_complain(error, "to", "at least one recipient");
	if (!draft->is_raw && draft->text == NULL && draft->html == NULL &&
	    draft->file_count == 0)
		return draft_complain(error, "text",
		                      "this, html or attachments");
	if (draft->hold_for_s != 0 && draft->hold_until != NULL)
		return draft_complain(error, "at", "this or hold_for");
	return 0;
}
