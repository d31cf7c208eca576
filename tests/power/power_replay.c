/*
 * power_replay - cuts the power at many points of a record, and looks
 *
 *   power_replay LOG DIRECTORY POINTS [SEED]
 *
 * At a point, the disk has all that was written before the last sync that had
 * returned, and of what came later any set of blocks, for they may have been
 * written in any order: all, none, or a random part. The queue is opened on
 * what is left, as relaisd would. Then
 *   each promised message is there, its content is whole, it waits where its
 *   recipients wait, and each promised end is what it was;
 *   nothing else is broken: every message there is whole, all tables agree.
 * At some points the power is cut again while the queue recovers.
 *
 * With $POWER_IGNORE_SYNCS no sync holds: the look must find faults then.
 *
 * DIRECTORY should be on a memory file system. Each point is a process.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/consistency.h"
#include "content.h"
#include "queue/queue.h"
#include "queue/queue_private.h"
#include "queue_id.h"
#include "recorder.h"
#include "settings.h"

#define BLOCK    4096
#define SECTOR   512
#define ENDS_MAX 64
#define KEPT_MS                                                                \
	(23 * 3600 * 1000ull) /* a day, and the last id may be older           \
	                       */
#define AT_ONCE 2

struct event {
	struct recorded record;
	const unsigned char *data;
};

struct history {
	struct event *events;
	size_t count;
	uint64_t size_max;
	unsigned syncs;
};

/* What a disk has for sure. */
struct disk {
	unsigned char *bytes;
	uint64_t size; /* of the file */
	uint64_t size_max;
	bool is_made;  /* it has its name, perhaps; */
	bool is_named; /* for sure */
	size_t at;     /* events below are on disk, or do not matter any more */
};

struct promise {
	uint64_t id;
	bool is_queued;
	unsigned char ends[ENDS_MAX]; /* recipient state; 0: none promised */
};

struct promises {
	struct promise *list;
	size_t count;
};

static uint64_t random_state;
static bool is_lying; /* a disk on which no sync does anything */

static unsigned pick(unsigned below)
{
	random_state =
	    random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(random_state >> 33) % below;
}

static void fail(const char *what)
{
	fprintf(stderr, "power_replay: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ----------------------------------------------------------------- the log */

static unsigned char *read_file(const char *path, size_t *ret_len)
{
	FILE *file = fopen(path, "rb");
	struct stat status;
	unsigned char *bytes;

	if (file == NULL || fstat(fileno(file), &status) < 0)
		fail(path);
	bytes = malloc((size_t)status.st_size + 1);
	if (bytes == NULL)
		fail("malloc");
	*ret_len = fread(bytes, 1, (size_t)status.st_size, file);
	fclose(file);
	return bytes;
}

static struct history load(const char *path)
{
	struct history history = { 0 };
	size_t len, at = 0;
	unsigned char *bytes = read_file(path, &len);

	while (len - at >= sizeof(struct recorded)) {
		struct event event;
		uint64_t end;

		memcpy(&event.record, bytes + at, sizeof(event.record));
		event.data = bytes + at + sizeof(event.record);
		at += sizeof(event.record) + event.record.len;
		if (at > len)
			break;
		if ((history.count & (history.count + 1)) == 0)
			history.events =
			    realloc(history.events,
			            2 * (history.count + 1) * sizeof(event));
		if (history.events == NULL)
			fail("realloc");
		history.events[history.count++] = event;
		end = event.record.offset + event.record.len;
		if (end > history.size_max)
			history.size_max = end;
		history.syncs += event.record.kind == RECORD_SYNC ||
		                 event.record.kind == RECORD_SYNCED_WRITE;
	}
	return history;
}

/* --------------------------------------------------------------- promises */

static struct promise *promise_of(struct promises *promises, uint64_t id)
{
	/* Ids ascend, and most words are of late ones. */
	for (size_t i = promises->count; i > 0; i--)
		if (promises->list[i - 1].id == id)
			return &promises->list[i - 1];
	promises->list = realloc(promises->list, (promises->count + 1) *
	                                             sizeof(*promises->list));
	if (promises->list == NULL)
		fail("realloc");
	memset(&promises->list[promises->count], 0, sizeof(*promises->list));
	promises->list[promises->count].id = id;
	return &promises->list[promises->count++];
}

static void take_word(struct promises *promises, const struct event *event)
{
	char word[80], id_text[40];
	unsigned index, state;
	uint64_t id;

	snprintf(word, sizeof(word), "%.*s", (int)event->record.len,
	         (const char *)event->data);
	if (sscanf(word, "queued %39s", id_text) == 1 &&
	    queue_id_parse(id_text, &id) == 0)
		promise_of(promises, id)->is_queued = true;
	else if (sscanf(word, "ended %39s %u %u", id_text, &index, &state) ==
	             3 &&
	         queue_id_parse(id_text, &id) == 0 && index < ENDS_MAX)
		promise_of(promises, id)->ends[index] = (unsigned char)state;
	else
		fail(word);
}

/* ---------------------------------------------------------------- the disk */

static void put(struct disk *disk, uint64_t offset, const void *data,
                size_t len)
{
	if (offset + len > disk->size_max)
		fail("a write beyond the record's own end");
	memcpy(disk->bytes + offset, data, len);
	if (offset + len > disk->size)
		disk->size = offset + len;
}

static void apply(struct disk *disk, const struct event *event)
{
	switch ((enum recorded_kind)event->record.kind) {
	case RECORD_WRITE:
	case RECORD_SYNCED_WRITE:
		put(disk, event->record.offset, event->data, event->record.len);
		break;
	case RECORD_CUT:
		disk->size = event->record.offset;
		break;
	case RECORD_MADE:
	case RECORD_NAMED:
	case RECORD_SYNC:
	case RECORD_WORD:
		break;
	}
}

static void note_name(struct disk *disk, uint32_t kind)
{
	if (kind == RECORD_MADE)
		disk->is_made = true;
	if (kind == RECORD_NAMED)
		disk->is_named = disk->is_made;
}

/* All before the last sync that had returned at this point is there. */
static void advance(struct disk *disk, const struct history *history,
                    size_t point)
{
	size_t sync = point;

	for (size_t i = disk->at; i < point; i++)
		note_name(disk, history->events[i].record.kind);
	if (is_lying)
		return;
	while (sync > disk->at &&
	       history->events[sync - 1].record.kind != RECORD_SYNC)
		sync--;
	for (; disk->at < sync; disk->at++)
		apply(disk, &history->events[disk->at]);
}

static void put_some(struct disk *disk, const struct event *event,
                     unsigned percent)
{
	/* Pages reach the disk whole; the meta page is one sector's worth. */
	uint32_t step = event->record.len >= BLOCK ? BLOCK : SECTOR;

	for (uint32_t at = 0; at < event->record.len; at += step) {
		uint32_t left = event->record.len - at;

		if (pick(100) < percent)
			put(disk, event->record.offset + at, event->data + at,
			    left < step ? left : step);
	}
}

/* What came after: a write by O_DSYNC that had returned is there for sure, the
 * one under way (at the point itself) and all others perhaps. */
static void scatter(struct disk *disk, const struct history *history,
                    size_t point)
{
	static const unsigned shares[] = { 0, 25, 50, 75, 100 };
	unsigned percent = shares[pick(5)];

	for (size_t i = disk->at; i <= point && i < history->count; i++) {
		const struct event *event = &history->events[i];
		uint32_t kind = event->record.kind;

		if (kind == RECORD_SYNCED_WRITE && i < point)
			apply(disk, event);
		else if (kind == RECORD_WRITE || kind == RECORD_SYNCED_WRITE)
			put_some(disk, event, percent);
	}
}

static void write_disk(const struct disk *disk, const char *directory)
{
	char path[512];
	uint64_t done = 0;
	int fd;

	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		fail(directory);
	/* The name may be lost, until its directory was synced. */
	if (!disk->is_made || (!disk->is_named && pick(2) == 0))
		return;
	snprintf(path, sizeof(path), "%s/data.mdb", directory);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		fail(path);
	while (done < disk->size) {
		ssize_t n = write(fd, disk->bytes + done, disk->size - done);

		if (n <= 0)
			fail(path);
		done += (uint64_t)n;
	}
	close(fd);
}

/* --------------------------------------------------------------- the look */

static unsigned faults;

static void blame(uint64_t id, const char *what)
{
	char text[QUEUE_ID_SIZE];

	queue_id_format(id, text);
	if (faults++ < 5)
		fprintf(stderr, "  %s %s\n", text, what);
}

static char *read_body(struct queue_reader *reader, uint64_t body_id,
                       size_t size, size_t *ret_len)
{
	char *bytes = malloc(size + BODY_PIECE_MAX);
	size_t at = 0, len;

	for (uint32_t piece = 0; at <= size; piece++) {
		if (queue_read_piece(reader, body_id, piece, bytes + at, &len) <
		    0)
			break;
		at += len;
	}
	*ret_len = at;
	return bytes;
}

static bool is_whole(struct queue_reader *reader, const struct message *m)
{
	char line[CONTENT_LINE];
	unsigned number, lines, i;
	size_t len;
	char *bytes = read_body(reader, m->body_id, m->size, &len);
	bool is_right = len + 2 == m->size &&
	                content_parse(bytes, m->header_len, &number, &lines) &&
	                len == m->header_len + (size_t)lines * CONTENT_LINE;

	for (i = 0; is_right && i < lines; i++) {
		content_line(line, number, i);
		is_right =
		    memcmp(bytes + m->header_len + (size_t)i * CONTENT_LINE,
		           line, CONTENT_LINE) == 0;
	}
	free(bytes);
	return is_right;
}

static bool is_waiting(const struct message *m)
{
	for (unsigned i = 0; i < m->recipient_count; i++)
		if (m->recipients[i].state == RECIPIENT_WAITING)
			return true;
	return false;
}

/* Every end was promised and is long ago: retention may have taken it. */
static bool may_be_purged(const struct promise *promise, uint64_t last_id)
{
	return promise->ends[0] != 0 &&
	       (last_id >> 22) > (promise->id >> 22) + KEPT_MS;
}

static void look_at_promise(struct queue_reader *reader,
                            const struct promise *promise, uint64_t last_id)
{
	struct message *m = NULL;
	int r = queue_read_message(reader, promise->id, &m);

	if (r == -ENOENT && may_be_purged(promise, last_id))
		return;
	if (r < 0) {
		blame(promise->id, "was promised and is lost");
		return;
	}
	for (unsigned i = 0; i < m->recipient_count && i < ENDS_MAX; i++)
		if (promise->ends[i] != 0 &&
		    m->recipients[i].state != promise->ends[i])
			blame(promise->id, "has lost a promised end");
	if (is_waiting(m) && m->body_id == 0)
		blame(promise->id, "waits without a body");
	message_free(m);
}

static void look_at_all(struct queue_reader *reader)
{
	const struct queue_filter everything = { 0 };
	struct message *found[64];
	uint64_t before = 0, last;
	int count;

	do {
		last = before;
		count =
		    queue_list(reader, &everything, before, found, 64, &before);
		if (count < 0)
			blame(0, "the list can't be read");
		if (count < 0 || (last != 0 && before >= last)) {
			blame(0, "the list has no end");
			before = 0;
		}
		for (int i = 0; i < count; i++) {
			if (found[i]->body_id != 0 &&
			    !is_whole(reader, found[i]))
				blame(found[i]->id, "is not whole");
			message_free(found[i]);
		}
	} while (before != 0);
}

static unsigned look(const char *directory, const struct promises *promises,
                     const char *recovery_log)
{
	struct settings settings = {
		.queue = { .maximum_bytes = 1ull << 30,
		           .keep_finished_s = 86400,
		           .keep_failed_bodies_s = 3600 },
	};
	struct queue_reader *reader;
	struct queue *queue = NULL;
	uint64_t last_id;
	char *error = NULL;
	char path[512];

	snprintf(path, sizeof(path), "%s", directory);
	settings.queue.directory = path;
	recorder_start(recovery_log);
	if (queue_open(&queue, &settings, &error) < 0) {
		fprintf(stderr, "  does not open: %s\n", error);
		return ++faults;
	}
	recorder_start(NULL);
	if (queue_reader_new(&reader, queue) < 0)
		fail("reader");
	last_id = queue->ledger.totals.last_id;
	for (size_t i = 0; i < promises->count; i++)
		if (promises->list[i].is_queued)
			look_at_promise(reader, &promises->list[i], last_id);
	look_at_all(reader);
	if (!consistency_is_kept(queue))
		faults++;
	queue_reader_free(reader);
	queue_free(queue);
	return faults;
}

/* --------------------------------------------------------------- one point */

static int remove_one(const char *path, const struct stat *status, int flag,
                      struct FTW *ftw)
{
	(void)status;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void remove_all(const char *directory)
{
	(void)nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* The power fails again while the queue recovers. */
static void cut_again(const struct disk *before, const char *log,
                      const char *directory, const struct promises *promises)
{
	struct history history = load(log);
	struct disk disk = *before;
	size_t point;

	if (history.count == 0)
		return;
	disk.size_max = history.size_max > before->size_max ? history.size_max
	                                                    : before->size_max;
	disk.bytes = calloc(1, disk.size_max + BLOCK);
	if (disk.bytes == NULL)
		fail("calloc");
	memcpy(disk.bytes, before->bytes, before->size_max);
	disk.at = 0;
	point = pick((unsigned)history.count);
	advance(&disk, &history, point);
	scatter(&disk, &history, point);
	remove_all(directory);
	write_disk(&disk, directory);
	(void)look(directory, promises, NULL);
}

static int try_point(struct disk *disk, const struct history *history,
                     const struct promises *promises, size_t point,
                     const char *directory)
{
	bool is_cut_again = pick(4) == 0;
	char log[512];

	snprintf(log, sizeof(log), "%s.log", directory);
	remove_all(directory);
	scatter(disk, history, point);
	write_disk(disk, directory);
	(void)look(directory, promises, is_cut_again ? log : NULL);
	if (is_cut_again && faults == 0 && disk->is_named)
		cut_again(disk, log, directory, promises);
	(void)unlink(log);
	remove_all(directory);
	return faults > 0 ? 1 : is_cut_again ? 10 : 0;
}

/* ------------------------------------------------------------- many points */

struct tally {
	unsigned points, faulty, cut_again;
};

static void count_one(struct tally *tally)
{
	int status;

	if (wait(&status) < 0)
		fail("wait");
	tally->points++;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 10)
		tally->cut_again++;
	else if (status != 0)
		tally->faulty++;
}

static int compare(const void *a, const void *b)
{
	const size_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

static size_t *pick_points(const struct history *history, unsigned count)
{
	size_t *points = calloc(count, sizeof(*points));

	if (points == NULL || history->count == 0)
		fail("an empty record");
	for (unsigned i = 0; i < count; i++)
		points[i] = pick((unsigned)history->count);
	/* The end, where all that was promised must be there. */
	points[0] = history->count;
	qsort(points, count, sizeof(*points), compare);
	return points;
}

static void try_points(const struct history *history, const char *directory,
                       unsigned count, struct tally *tally,
                       struct promises *promises)
{
	size_t *points = pick_points(history, count), told = 0;
	struct disk disk = { .size_max = history->size_max };
	uint64_t seed = random_state;

	disk.bytes = calloc(1, history->size_max + BLOCK);
	if (disk.bytes == NULL)
		fail("calloc");
	for (unsigned i = 0; i < count; i++) {
		char mine[256];

		for (; told < points[i]; told++)
			if (history->events[told].record.kind == RECORD_WORD)
				take_word(promises, &history->events[told]);
		advance(&disk, history, points[i]);
		if (i >= AT_ONCE)
			count_one(tally);
		snprintf(mine, sizeof(mine), "%s/%u", directory, i);
		fflush(stdout);
		random_state = seed + i;
		switch (fork()) {
		case -1:
			fail("fork");
			break;
		case 0:
			_exit(try_point(&disk, history, promises, points[i],
			                mine));
		}
	}
	while (tally->points < count)
		count_one(tally);
	free(points);
	free(disk.bytes);
}

int main(int argc, char **argv)
{
	struct promises promises = { 0 };
	struct tally tally = { 0 };
	struct history history;

	if (argc < 4) {
		fprintf(stderr,
		        "usage: power_replay LOG DIRECTORY POINTS [SEED]\n");
		return 64;
	}
	random_state = argc > 4 ? strtoull(argv[4], NULL, 10) : 1;
	is_lying = getenv("POWER_IGNORE_SYNCS") != NULL;
	history = load(argv[1]);
	try_points(&history, argv[2], (unsigned)atoi(argv[3]), &tally,
	           &promises);
	printf("# %zu events on disk, %u barriers, %zu messages promised\n",
	       history.count, history.syncs, promises.count);
	printf("# %u crash points, %u of them cut again during recovery: "
	       "%u faulty\n",
	       tally.points, tally.cut_again, tally.faulty);
	return tally.faulty > 0 || promises.count == 0;
}
