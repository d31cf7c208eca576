#include "config.h"

#include "receive/intake.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "queue/route.h"
#include "receive/octets.h"
#include "receive/outbox.h"
#include "runtime/xalloc.h"

/* Most messages fit the first chunk; it grows to a whole piece when not. */
#define FIRST_CHUNK 8192
/* One is stored, which takes as much memory once more, while the next gathers:
 * not all of it, or the three would be 4 MiB with what lies between them. */
#define SLICE_PIECES QUEUE_SLICE_PIECES
#define SLICE_BYTES  (SLICE_PIECES * BODY_PIECE_MAX)
#define GATHER_BYTES (SLICE_BYTES / 4 * 3)

/* Outlives its intake while letters are under way. */
struct intake {
	struct intake_owner *owner; /* NULL: the session is gone */
	struct intake_owner terms;  /* its fields, kept when it is gone */
	unsigned letters;

	struct message *message;
	char *header;
	size_t header_len;
	struct body_chunk *first, *last;
	size_t chunk_bytes; /* content in the chunks */
	size_t room_bytes;  /* memory of the chunks */
	uint64_t body_bytes;
	uint64_t declared_bytes;
	size_t line_octets;

	/* what has gone to the store */
	bool is_uploading;
	uint64_t body_id;
	bool is_sliced; /* the header and more has gone to the store */
	uint32_t next_piece;
	int upload_error;
	bool is_abandoned; /* discard what the flying slice brings */
	const struct settings *submit_settings; /* after the flying slice */
	uint32_t submit_relay;
};

struct flying_upload {
	struct upload upload;
	struct intake *intake;
	size_t bytes;
};

struct flying_submission {
	struct submission submission;
	struct intake *intake;
	size_t bytes;
};

static void note_content(struct intake *intake, const char *data, size_t len);
static int chunk_for_more(struct intake *intake);
static void post_slice(struct intake *intake, bool is_all);
static void on_upload_done(struct letter *letter);
static void post_submission(struct intake *intake);
static void on_submission_done(struct letter *letter);
static void discard(struct intake *intake, uint64_t body_id);
static void on_discard_done(struct letter *letter);
static void forget_content(struct intake *intake);
static void release(struct intake *intake);

struct intake *intake_new(struct intake_owner *owner)
{
	struct intake *intake = xcalloc(1, sizeof(*intake));

	intake->owner = owner;
	intake->terms = *owner;
	return intake;
}

void intake_free(struct intake *intake)
{
	if (intake == NULL)
		return;
	intake_abandon(intake);
	intake->owner = NULL;
	release(intake);
}

static void release(struct intake *intake)
{
	if (intake->owner != NULL || intake->letters > 0)
		return;
	free(intake);
}

static void account(struct intake *intake, size_t more, size_t less)
{
	intake->terms.budget->used_bytes += more;
	assert(intake->terms.budget->used_bytes >= less);
	intake->terms.budget->used_bytes -= less;
}

void intake_begin(struct intake *intake, uint64_t declared_bytes)
{
	assert(intake->message == NULL && intake->first == NULL);
	intake->declared_bytes = declared_bytes;
	intake->body_bytes = 0;
	intake->line_octets = 0;
	intake->body_id = 0;
	intake->next_piece = 0;
	intake->is_sliced = false;
	intake->upload_error = 0;
}

void intake_take_header(struct intake *intake, struct message *message,
                        char *header, size_t len)
{
	intake->message = message;
	intake->header = header;
	intake->header_len = len;
	account(intake, len, 0);
}

struct message *intake_message(struct intake *intake)
{
	return intake->message;
}

bool intake_is_crowded(const struct intake *intake)
{
	return intake->is_uploading && intake->chunk_bytes >= GATHER_BYTES;
}

/* What is more than fits one transaction goes in slices from there on. */
static bool has_slice(const struct intake *intake)
{
	return intake->chunk_bytes >
	       (intake->is_sliced ? SLICE_BYTES : QUEUE_SLICE_MAX);
}

int intake_add(struct intake *intake, const char *data, size_t len)
{
	size_t room, part;
	int r;

	if (intake->upload_error != 0)
		return intake->upload_error;
	note_content(intake, data, len);
	while (len > 0) {
		r = chunk_for_more(intake);
		if (r < 0)
			return r;
		room = intake->last->size - intake->last->len;
		part = len < room ? len : room;
		memcpy(intake->last->data + intake->last->len, data, part);
		intake->last->len += (uint32_t)part;
		intake->chunk_bytes += part;
		data += part;
		len -= part;
	}
	if (has_slice(intake) && !intake->is_uploading)
		post_slice(intake, false);
	return 0;
}

static void note_content(struct intake *intake, const char *data, size_t len)
{
	struct message *message = intake->message;

	intake->body_bytes += len;
	if ((message->flags & MESSAGE_8BIT) == 0 && octets_have_high(data, len))
		message->flags |= MESSAGE_8BIT;
	if ((message->flags & MESSAGE_LONG_LINES) == 0 &&
	    octets_have_long_line(&intake->line_octets, data, len))
		message->flags |= MESSAGE_LONG_LINES;
}

static uint32_t first_chunk_size(const struct intake *intake)
{
	uint64_t wanted = intake->declared_bytes;

	if (wanted >= BODY_PIECE_MAX)
		return BODY_PIECE_MAX;
	return wanted > FIRST_CHUNK ? (uint32_t)wanted : FIRST_CHUNK;
}

/* All chunks but the last are full: slices need whole pieces. */
static int chunk_for_more(struct intake *intake)
{
	struct body_chunk *last = intake->last, *more;
	uint32_t size = BODY_PIECE_MAX;

	if (last != NULL && last->len < last->size)
		return 0;
	if (last == NULL && !intake->is_sliced)
		size = first_chunk_size(intake);
	more = body_chunk_new(size);
	if (more == NULL)
		return -ENOMEM;
	account(intake, size, 0);
	intake->room_bytes += size;
	if (last != NULL && last->size < BODY_PIECE_MAX) {
		/* Only ever the first: what it has moves to a whole piece. */
		memcpy(more->data, last->data, last->len);
		more->len = last->len;
		account(intake, 0, last->size);
		intake->room_bytes -= last->size;
		body_chunk_free_list(last);
		intake->first = more;
	} else if (last != NULL) {
		last->next = more;
	} else {
		intake->first = more;
	}
	intake->last = more;
	return 0;
}

bool intake_relieve(struct intake *intake)
{
	if (intake->message != NULL && !intake->is_uploading &&
	    intake->submit_settings == NULL && intake->first != NULL &&
	    intake->first->len == BODY_PIECE_MAX)
		post_slice(intake, false);
	return intake->is_uploading;
}

/* Takes up to a slice of full chunks, or also a last one that isn't full. */
static struct body_chunk *take_chunks(struct intake *intake, bool is_all,
                                      size_t *ret_bytes)
{
	struct body_chunk *first = intake->first, **end = &intake->first;
	struct body_chunk *rest;
	unsigned count = 0;

	*ret_bytes = 0;
	while (*end != NULL && count < SLICE_PIECES &&
	       (is_all || (*end)->len == BODY_PIECE_MAX)) {
		*ret_bytes += (*end)->size;
		intake->chunk_bytes -= (*end)->len;
		count++;
		end = &(*end)->next;
	}
	rest = *end;
	*end = NULL;
	if (count == 0)
		first = NULL;
	intake->first = rest;
	if (rest == NULL)
		intake->last = NULL;
	intake->room_bytes -= *ret_bytes;
	return first;
}

static void post_slice(struct intake *intake, bool is_all)
{
	struct flying_upload *flying = xcalloc(1, sizeof(*flying));
	struct upload *upload = &flying->upload;

	upload->job.kind = QUEUE_UPLOAD;
	upload->job.home = intake->terms.home;
	upload->job.on_done = on_upload_done;
	upload->body_id = intake->body_id;
	upload->first_piece = intake->next_piece;
	upload->uid = intake->terms.uid;
	upload->quota = intake->terms.quota;
	upload->chunks = take_chunks(intake, is_all, &flying->bytes);
	if (!intake->is_sliced) {
		intake->is_sliced = true;
		upload->header = intake->header;
		upload->header_len = intake->header_len;
		flying->bytes += intake->header_len;
		intake->header = NULL;
	}
	intake->is_uploading = true;
	intake->letters++;
	flying->intake = intake;
	queue_post_take(intake->terms.queue, &upload->job);
}

static void on_upload_done(struct letter *letter)
{
	struct flying_upload *flying =
	    LETTER_OF(letter, struct flying_upload, upload.job.letter);
	struct intake *intake = flying->intake;
	int result = flying->upload.job.result;
	uint64_t body_id = flying->upload.body_id;
	uint32_t next_piece = flying->upload.next_piece;

	account(intake, 0, flying->bytes);
	free(flying);
	intake->is_uploading = false;
	if (intake->is_abandoned) {
		/* It was of an earlier message than the one that comes now. */
		intake->is_abandoned = false;
		if (body_id != 0)
			discard(intake, body_id);
	} else if (result == 0) {
		intake->body_id = body_id;
		intake->next_piece = next_piece;
	} else {
		intake->upload_error = result;
	}

	if (intake->submit_settings != NULL)
		post_submission(intake);
	else if (intake->upload_error == 0 && has_slice(intake))
		post_slice(intake, false);
	if (intake->owner != NULL)
		intake->owner->on_slice_done(intake->owner);
	intake->letters--;
	release(intake);
}

void intake_submit(struct intake *intake, const struct settings *settings,
                   uint32_t relay)
{
	struct message *message = intake->message;

	assert(intake->submit_settings == NULL);
	message->header_len = intake->header_len;
	message->size = intake->header_len + 2 + intake->body_bytes;
	intake->submit_settings = settings_ref(settings);
	intake->submit_relay = relay;
	if (!intake->is_uploading)
		post_submission(intake);
}

/* A release is a time of day; a due is queue time. */
static void set_dues(const struct intake *intake, struct submission *submission)
{
	uint64_t release_ms = submission->message->release_ms;
	uint64_t now_ms = (uint64_t)clock_wall_ms();
	unsigned i;

	if (release_ms <= now_ms)
		return;
	for (i = 0; i < submission->part_count; i++)
		submission->parts[i].due_ms =
		    release_ms - now_ms + queue_time_ms(intake->terms.queue);
}

/* Posts the rest of a sliced body first, and comes again when it is stored. */
static void post_submission(struct intake *intake)
{
	struct flying_submission *flying;
	struct submission *submission;

	if (intake->is_sliced && intake->upload_error == 0 &&
	    intake->first != NULL) {
		post_slice(intake, true);
		return;
	}
	flying = xcalloc(1, sizeof(*flying));
	submission = &flying->submission;
	flying->intake = intake;
	submission->job.kind = QUEUE_SUBMIT;
	submission->job.home = intake->terms.home;
	submission->job.on_done = on_submission_done;
	submission->message = intake->message;
	submission->upload_id = intake->body_id;
	submission->quota = intake->terms.quota;
	route_submission(submission, intake->submit_settings,
	                 intake->submit_relay);
	set_dues(intake, submission);
	settings_unref(intake->submit_settings);
	intake->submit_settings = NULL;
	intake->message = NULL;
	intake->letters++;
	if (intake->upload_error != 0) {
		/* Answered like a commit that failed; nothing is kept. */
		submission->job.result = intake->upload_error;
		submission->job.letter.open = on_submission_done;
		mailbox_post_take(intake->terms.home, &submission->job.letter);
		return;
	}
	flying->bytes = intake->room_bytes;
	if (!intake->is_sliced) {
		submission->header = intake->header;
		submission->header_len = intake->header_len;
		flying->bytes += intake->header_len;
		intake->header = NULL;
	}
	submission->body = intake->first;
	intake->first = NULL;
	intake->last = NULL;
	intake->chunk_bytes = 0;
	intake->room_bytes = 0;
	intake->body_id = 0;
	outbox_add_take(intake->terms.outbox, &submission->job);
}

static void on_submission_done(struct letter *letter)
{
	struct flying_submission *flying =
	    LETTER_OF(letter, struct flying_submission, submission.job.letter);
	struct submission *submission = &flying->submission;
	struct intake *intake = flying->intake;

	account(intake, 0, flying->bytes);
	forget_content(intake);
	/* The store did not take the message, and has its body still. */
	if (submission->job.result != 0 && submission->upload_id != 0)
		discard(intake, submission->upload_id);
	if (intake->owner != NULL)
		intake->owner->on_submitted(intake->owner, submission);
	/* What the queue did not keep. */
	message_free(submission->message);
	free(submission->header);
	body_chunk_free_list(submission->body);
	free(flying);
	intake->letters--;
	release(intake);
}

static void forget_content(struct intake *intake)
{
	account(intake, 0, intake->room_bytes);
	if (intake->header != NULL) {
		account(intake, 0, intake->header_len);
		free(intake->header);
		intake->header = NULL;
	}
	body_chunk_free_list(intake->first);
	intake->first = NULL;
	intake->last = NULL;
	intake->chunk_bytes = 0;
	intake->room_bytes = 0;
	intake->header_len = 0;
	intake->upload_error = 0;
	message_free(intake->message);
	intake->message = NULL;
}

void intake_abandon(struct intake *intake)
{
	/* A submission that the queue has is beyond recall. */
	if (intake->message == NULL)
		return;
	forget_content(intake);
	settings_unref(intake->submit_settings);
	intake->submit_settings = NULL;
	if (intake->is_uploading)
		intake->is_abandoned = true;
	else if (intake->body_id != 0)
		discard(intake, intake->body_id);
	intake->body_id = 0;
	intake->is_sliced = false;
}

static void discard(struct intake *intake, uint64_t body_id)
{
	struct upload *upload = xcalloc(1, sizeof(*upload));

	upload->job.kind = QUEUE_DISCARD;
	upload->job.home = intake->terms.home;
	upload->job.on_done = on_discard_done;
	upload->body_id = body_id;
	upload->uid = intake->terms.uid;
	queue_post_take(intake->terms.queue, &upload->job);
}

static void on_discard_done(struct letter *letter)
{
	free(LETTER_OF(letter, struct upload, job.letter));
}
