#include "config.h"

#include "control/mime.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <gmime/gmime.h>

#include "control/draft.h"
#include "runtime/xalloc.h"

#define LIBRARY "libgmime-3.0.so.0"

/* Whatever is called of the library; GLib's come with it. */
#define FUNCTIONS(X)                                                           \
	X(g_mime_init)                                                         \
	X(g_byte_array_free)                                                   \
	X(g_byte_array_new_take)                                               \
	X(g_mime_content_disposition_get_parameters)                           \
	X(g_mime_content_type_get_parameters)                                  \
	X(g_mime_data_wrapper_new_with_stream)                                 \
	X(g_mime_message_get_addresses)                                        \
	X(g_mime_message_new)                                                  \
	X(g_mime_message_set_mime_part)                                        \
	X(g_mime_message_set_subject)                                          \
	X(g_mime_multipart_add)                                                \
	X(g_mime_multipart_new_with_subtype)                                   \
	X(g_mime_object_append_header)                                         \
	X(g_mime_object_encode)                                                \
	X(g_mime_object_get_content_disposition)                               \
	X(g_mime_object_get_content_type)                                      \
	X(g_mime_object_set_content_id)                                        \
	X(g_mime_object_set_content_type_parameter)                            \
	X(g_mime_object_set_disposition)                                       \
	X(g_mime_object_write_to_stream)                                       \
	X(g_mime_param_list_get_parameter)                                     \
	X(g_mime_param_set_charset)                                            \
	X(g_mime_part_new_with_type)                                           \
	X(g_mime_part_set_content)                                             \
	X(g_mime_part_set_content_encoding)                                    \
	X(g_mime_part_set_filename)                                            \
	X(g_mime_stream_mem_get_byte_array)                                    \
	X(g_mime_stream_mem_new)                                               \
	X(g_mime_stream_mem_new_with_byte_array)                               \
	X(g_mime_stream_mem_set_owner)                                         \
	X(g_object_set_data_full)                                              \
	X(g_object_unref)                                                      \
	X(internet_address_list_add)                                           \
	X(internet_address_mailbox_new)                                        \
	X(internet_address_set_charset)

#define POINTER(name) __typeof__(&name) name;
#define NAME(name)    #name,

static struct {
	FUNCTIONS(POINTER)
} gmime;
static const char *const names[] = { FUNCTIONS(NAME) };
static_assert(sizeof(gmime) == sizeof(names), "pointers and nothing else");
static bool is_ready;

static GMimeObject *make_content(const struct draft *draft);
static GMimeObject *make_words(const struct draft *draft);
static GMimeObject *make_text(const char *subtype, const char *text);
static GMimeObject *make_html(const struct draft *draft);
static GMimeObject *make_file(const struct draft_file *file, bool is_inline);
static void add_addresses(GMimeMessage *message, const struct draft *draft);
static void write_out(GMimeObject *object, char **ret_data, size_t *ret_len);

/*
 * GMime and GLib would make the start of relaisd slower and its memory larger
 * by a third, for something that many hosts never ask for.
 */
int mime_prepare(const char **ret_why)
{
	const size_t count = sizeof(names) / sizeof(names[0]);
	void **functions = (void **)(void *)&gmime;
	void *library;
	size_t i;

	if (is_ready)
		return 0;
	library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	for (i = 0; library != NULL && i < count; i++) {
		functions[i] = dlsym(library, names[i]);
		if (functions[i] == NULL)
			break;
	}
	if (library == NULL || i < count) {
		*ret_why = dlerror();
		if (library != NULL)
			(void)dlclose(library);
		return -ELIBACC;
	}
	gmime.g_mime_init();
	is_ready = true;
	return 0;
}

void mime_build(const struct draft *draft, char **ret_data, size_t *ret_len)
{
	GMimeMessage *message;
	GMimeObject *content;
	size_t i;

	assert(is_ready);
	/* TRUE: the usual fields come first, in the usual order. */
	message = gmime.g_mime_message_new(TRUE);
	add_addresses(message, draft);
	if (draft->subject != NULL)
		gmime.g_mime_message_set_subject(message, draft->subject,
		                                 "utf-8");
	for (i = 0; i < draft->field_count; i++)
		gmime.g_mime_object_append_header(
		    (GMimeObject *)message, draft->fields[i].name,
		    draft->fields[i].value, "utf-8");
	content = make_content(draft);
	gmime.g_mime_message_set_mime_part(message, content);
	gmime.g_object_unref(content);
	/* Text that is not short ASCII lines is encoded as it suits it best. */
	gmime.g_mime_object_encode((GMimeObject *)message,
	                           GMIME_ENCODING_CONSTRAINT_7BIT);
	write_out((GMimeObject *)message, ret_data, ret_len);
	gmime.g_object_unref(message);
}

/* GMime would choose the smallest charset that will do. */
static void add_mailbox(InternetAddressList *list,
                        const struct draft_mailbox *box)
{
	InternetAddress *address =
	    gmime.internet_address_mailbox_new(box->name, box->address);

	gmime.internet_address_set_charset(address, "utf-8");
	gmime.internet_address_list_add(list, address);
	gmime.g_object_unref(address);
}

static void add_addresses(GMimeMessage *message, const struct draft *draft)
{
	static const struct {
		enum draft_place place;
		GMimeAddressType type;
	} fields[] = {
		{ DRAFT_FROM, GMIME_ADDRESS_TYPE_FROM },
		{ DRAFT_REPLY_TO, GMIME_ADDRESS_TYPE_REPLY_TO },
		{ DRAFT_TO, GMIME_ADDRESS_TYPE_TO },
		{ DRAFT_CC, GMIME_ADDRESS_TYPE_CC },
		/* Bcc is nobody's business. */
	};
	size_t i, k;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct draft_mailboxes *boxes =
		    &draft->mailboxes[fields[i].place];

		for (k = 0; k < boxes->count; k++)
			add_mailbox(gmime.g_mime_message_get_addresses(
					message, fields[i].type),
			            &boxes->list[k]);
	}
}

/* ----------------------------------------------------------------- parts */

/* An image that the HTML shows comes with it, if there is HTML. */
static bool is_inline(const struct draft *draft, const struct draft_file *file)
{
	return file->content_id != NULL && draft->html != NULL;
}

static bool has_files(const struct draft *draft, bool are_inline)
{
	size_t i;

	for (i = 0; i < draft->file_count; i++)
		if (is_inline(draft, &draft->files[i]) == are_inline)
			return true;
	return false;
}

static void add(GMimeMultipart *multipart, GMimeObject *part)
{
	gmime.g_mime_multipart_add(multipart, part);
	gmime.g_object_unref(part);
}

static GMimeObject *make_content(const struct draft *draft)
{
	GMimeMultipart *mixed;
	size_t i;

	if (!has_files(draft, false))
		return make_words(draft);
	mixed = gmime.g_mime_multipart_new_with_subtype("mixed");
	if (draft->text != NULL || draft->html != NULL)
		add(mixed, make_words(draft));
	for (i = 0; i < draft->file_count; i++)
		if (!is_inline(draft, &draft->files[i]))
			add(mixed, make_file(&draft->files[i], false));
	return (GMimeObject *)mixed;
}

static GMimeObject *make_words(const struct draft *draft)
{
	GMimeMultipart *alternative;

	if (draft->html == NULL)
		return make_text("plain", draft->text);
	if (draft->text == NULL)
		return make_html(draft);
	/* RFC 2046 5.1.4: the plainest first */
	alternative = gmime.g_mime_multipart_new_with_subtype("alternative");
	add(alternative, make_text("plain", draft->text));
	add(alternative, make_html(draft));
	return (GMimeObject *)alternative;
}

static GMimeObject *make_html(const struct draft *draft)
{
	GMimeMultipart *related;
	size_t i;

	if (!has_files(draft, true))
		return make_text("html", draft->html);
	/* RFC 2387 */
	related = gmime.g_mime_multipart_new_with_subtype("related");
	gmime.g_mime_object_set_content_type_parameter((GMimeObject *)related,
	                                               "type", "text/html");
	add(related, make_text("html", draft->html));
	for (i = 0; i < draft->file_count; i++)
		if (is_inline(draft, &draft->files[i]))
			add(related, make_file(&draft->files[i], true));
	return (GMimeObject *)related;
}

static void forget_borrowed(gpointer bytes)
{
	(void)gmime.g_byte_array_free(bytes, FALSE);
}

/* The data is borrowed if it is not the stream's own. */
static void set_content(GMimePart *part, char *data, size_t len, bool is_own)
{
	GByteArray *bytes = gmime.g_byte_array_new_take((guint8 *)data, len);
	GMimeStream *stream =
	    gmime.g_mime_stream_mem_new_with_byte_array(bytes);
	GMimeDataWrapper *wrapper;

	gmime.g_mime_stream_mem_set_owner((GMimeStreamMem *)stream, is_own);
	if (!is_own)
		gmime.g_object_set_data_full((GObject *)stream, "bytes", bytes,
		                             forget_borrowed);
	wrapper = gmime.g_mime_data_wrapper_new_with_stream(
	    stream, GMIME_CONTENT_ENCODING_DEFAULT);
	gmime.g_mime_part_set_content(part, wrapper);
	gmime.g_object_unref(wrapper);
	gmime.g_object_unref(stream);
}

/* Line ends as LF, whatever they were: an encoded CR would stay one. */
static char *normalise(const char *text, size_t *ret_len)
{
	char *out = xmalloc(strlen(text) + 2);
	size_t used = 0;

	for (; *text != '\0'; text++) {
		if (*text == '\r' && text[1] == '\n')
			continue;
		out[used++] = *text == '\r' ? '\n' : *text;
	}
	if (used > 0 && out[used - 1] != '\n')
		out[used++] = '\n';
	*ret_len = used;
	return out;
}

static GMimeObject *make_text(const char *subtype, const char *text)
{
	GMimePart *part = gmime.g_mime_part_new_with_type("text", subtype);
	size_t len;
	char *own = normalise(text, &len);

	gmime.g_mime_object_set_content_type_parameter((GMimeObject *)part,
	                                               "charset", "utf-8");
	set_content(part, own, len, true);
	return (GMimeObject *)part;
}

/* RFC 2231, in UTF-8, at both places where readers look. */
static void set_name(GMimePart *part, const char *name)
{
	GMimeObject *object = (GMimeObject *)part;
	GMimeParamList *lists[] = {
		gmime.g_mime_content_disposition_get_parameters(
		    gmime.g_mime_object_get_content_disposition(object)),
		gmime.g_mime_content_type_get_parameters(
		    gmime.g_mime_object_get_content_type(object)),
	};
	size_t i;

	gmime.g_mime_part_set_filename(part, name);
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		GMimeParam *param = gmime.g_mime_param_list_get_parameter(
		    lists[i], i == 0 ? "filename" : "name");

		if (param != NULL)
			gmime.g_mime_param_set_charset(param, "utf-8");
	}
}

static GMimeObject *make_file(const struct draft_file *file, bool is_inline)
{
	const char *type =
	    file->type != NULL ? file->type : "application/octet-stream";
	const char *slash = strchr(type, '/');
	char *main_type = xasprintf("%.*s", (int)(slash - type), type);
	GMimePart *part = gmime.g_mime_part_new_with_type(main_type, slash + 1);
	/* RFC 2046 5.2.1: a message is never encoded again. */
	bool is_message = strcasecmp(main_type, "message") == 0;

	free(main_type);
	set_content(part, (char *)(uintptr_t)file->data, file->len, false);
	gmime.g_mime_part_set_content_encoding(
	    part, is_message ? GMIME_CONTENT_ENCODING_8BIT
			     : GMIME_CONTENT_ENCODING_BASE64);
	gmime.g_mime_object_set_disposition(
	    (GMimeObject *)part, is_inline ? GMIME_DISPOSITION_INLINE
					   : GMIME_DISPOSITION_ATTACHMENT);
	if (file->name != NULL)
		set_name(part, file->name);
	if (file->content_id != NULL)
		gmime.g_mime_object_set_content_id((GMimeObject *)part,
		                                   file->content_id);
	return (GMimeObject *)part;
}

/* ---------------------------------------------------------------- output */

static void write_out(GMimeObject *object, char **ret_data, size_t *ret_len)
{
	GMimeStream *stream = gmime.g_mime_stream_mem_new();
	GByteArray *bytes;

	if (gmime.g_mime_object_write_to_stream(object, NULL, stream) < 0)
		abort();
	bytes =
	    gmime.g_mime_stream_mem_get_byte_array((GMimeStreamMem *)stream);
	gmime.g_mime_stream_mem_set_owner((GMimeStreamMem *)stream, FALSE);
	gmime.g_object_unref(stream);
	*ret_len = bytes->len;
	/* GLib's memory has been malloc's for long. */
	*ret_data = (char *)gmime.g_byte_array_free(bytes, FALSE);
}
