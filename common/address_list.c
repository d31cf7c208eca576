#include "config.h"

#include "address_list.h"

#include <errno.h>
#include <string.h>

/* A member's words as they are put together. */
struct member {
	size_t len;
	/* two words with nothing between them that joins them to an address */
	bool has_gap;
	bool is_after_word;
	bool is_too_long;
};

static int take_member(struct address_list *list, const char *start);
static int take_angle(struct address_list *list);
static void collect(struct address_list *list, struct member *member,
                    const char *ends);
static void take_token(struct address_list *list, struct member *member);
static int finish_mailbox(struct address_list *list,
                          const struct member *member);
static void skip_member(struct address_list *list);

void address_list_init(struct address_list *list, const char *text, size_t len,
                       unsigned flags)
{
	list->next = text;
	list->end = len > 0 ? text + len : text;
	list->flags = flags & (ADDRESS_UTF8 | ADDRESS_BARE);
	list->mailbox[0] = '\0';
	list->name = text;
	list->name_len = 0;
}

static bool is_at(const struct address_list *list, const char *set)
{
	return list->next < list->end && *list->next != '\0' &&
	       strchr(set, *list->next);
}

/* RFC 5322 3.2.2: white space and comments, which may hold comments. */
static void skip_cfws(struct address_list *list)
{
	unsigned depth = 0;

	for (; list->next < list->end; list->next++) {
		char c = *list->next;

		if (c == '(') {
			depth++;
		} else if (depth == 0) {
			if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
				return;
		} else if (c == ')') {
			depth--;
		} else if (c == '\\' && list->next + 1 < list->end) {
			list->next++;
		}
	}
}

int address_list_next(struct address_list *list)
{
	for (;;) {
		const char *start;
		int r;

		skip_cfws(list);
		if (list->next == list->end)
			return -ENOENT;
		if (is_at(list, ",;")) {
			list->next++;
			continue;
		}
		start = list->next;
		r = take_member(list, start);
		if (r == -EAGAIN)
			continue;
		if (r < 0)
			skip_member(list);
		return r;
	}
}

/* -EAGAIN: it was the name of a group, whose members follow. */
static int take_member(struct address_list *list, const char *start)
{
	struct member member = { 0 };
	int r;

	list->name = start;
	list->name_len = 0;
	collect(list, &member, "<:,;");
	if (is_at(list, ":")) {
		list->next++;
		return -EAGAIN;
	}
	if (!is_at(list, "<"))
		return finish_mailbox(list, &member);

	list->name_len = (size_t)(list->next - start);
	while (list->name_len > 0 &&
	       strchr(" \t\r\n", start[list->name_len - 1]))
		list->name_len--;
	list->next++;
	r = take_angle(list);
	if (r < 0)
		return r;
	skip_cfws(list);
	return list->next == list->end || is_at(list, ",;") ? 0 : -EINVAL;
}

/* What is between < and >, and the > */
static int take_angle(struct address_list *list)
{
	struct member member = { 0 };

	skip_cfws(list);
	if (is_at(list, "@")) {
		/* RFC 5322 4.4: a route, to be ignored */
		collect(list, &member, ":>");
		if (!is_at(list, ":"))
			return -EINVAL;
		list->next++;
		member = (struct member){ 0 };
	}
	collect(list, &member, ">");
	if (!is_at(list, ">"))
		return -EINVAL;
	list->next++;
	return finish_mailbox(list, &member);
}

static void collect(struct address_list *list, struct member *member,
                    const char *ends)
{
	for (;;) {
		skip_cfws(list);
		if (list->next == list->end || is_at(list, ends))
			return;
		take_token(list, member);
	}
}

/* An atom, a quoted string, a domain literal, or one special character. */
static void take_token(struct address_list *list, struct member *member)
{
	const char *start = list->next;
	char close = *start == '"' ? '"' : *start == '[' ? ']' : '\0';
	bool is_word = *start != '.' && *start != '@';
	size_t len;

	list->next++;
	if (close) {
		while (list->next < list->end && *list->next != close) {
			if (*list->next == '\\' && list->next + 1 < list->end)
				list->next++;
			list->next++;
		}
		if (list->next < list->end)
			list->next++;
	} else if (is_word) {
		while (list->next < list->end &&
		       !is_at(list, " \t\r\n()<>[]:;@\\,.\""))
			list->next++;
	}
	if (is_word && member->is_after_word)
		member->has_gap = true;
	member->is_after_word = is_word;

	len = (size_t)(list->next - start);
	if (len >= ADDRESS_SIZE - member->len) {
		member->is_too_long = true;
		return;
	}
	memcpy(list->mailbox + member->len, start, len);
	member->len += len;
}

static int finish_mailbox(struct address_list *list,
                          const struct member *member)
{
	list->mailbox[member->len] = '\0';
	if (member->has_gap)
		return -EINVAL;
	if (member->is_too_long)
		return -EMSGSIZE;
	return address_check(list->mailbox, member->len, list->flags);
}

static void skip_member(struct address_list *list)
{
	struct member ignored = { 0 };

	collect(list, &ignored, ",;");
}
