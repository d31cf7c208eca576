#include "config.h"

#include "queue/inflight.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue/queue.h"

#define FILE_NAME  "inflight"
#define FILE_MAGIC 0x72656c6179696e01ull

/* Only this machine reads it, and only until it boots again. */
struct slot {
	_Atomic uint64_t id; /* 0: free */
	_Atomic uint32_t part;
	uint32_t reserved;
};

struct file {
	uint64_t magic;
	unsigned char owner[INFLIGHT_OWNER_SIZE];
	unsigned char reserved[40];
	struct slot slots[INFLIGHT_SLOTS];
	/* Messages that a thread had in hand when it crashed; 0: free. */
	_Atomic uint64_t blamed[INFLIGHT_BLAMED];
};
static_assert(sizeof(struct slot) == 16, "slots do not straddle lines");
static_assert(sizeof(struct file) ==
                  64 + 16 * INFLIGHT_SLOTS + 8 * INFLIGHT_BLAMED,
              "file layout");

struct inflight {
	struct file *file;
	_Atomic bool is_taken[INFLIGHT_SLOTS];
	_Atomic unsigned next;
};

int inflight_open(struct inflight **ret_inflight, const char *directory)
{
	struct inflight *inflight = calloc(1, sizeof(*inflight));
	char path[4096];
	void *map;
	int len, fd = -1;
	int r = 0;

	if (inflight == NULL)
		return -ENOMEM;
	len = snprintf(path, sizeof(path), "%s/" FILE_NAME, directory);
	if (len < 0 || (size_t)len >= sizeof(path)) {
		r = -ENAMETOOLONG;
		goto out;
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		r = -errno;
		goto out;
	}
	/* Its blocks are there from the start: no SIGBUS on a full disk. */
	r = -posix_fallocate(fd, 0, sizeof(struct file));
	if (r < 0)
		goto out;
	map = mmap(NULL, sizeof(struct file), PROT_READ | PROT_WRITE,
	           MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		r = -errno;
		goto out;
	}
	inflight->file = map;
	*ret_inflight = inflight;
	inflight = NULL;
out:
	if (fd >= 0)
		(void)close(fd);
	inflight_close(inflight);
	return r;
}

void inflight_close(struct inflight *inflight)
{
	if (inflight == NULL)
		return;
	if (inflight->file != NULL)
		(void)munmap(inflight->file, sizeof(*inflight->file));
	free(inflight);
}

bool inflight_is_of(const struct inflight *inflight,
                    const unsigned char owner[INFLIGHT_OWNER_SIZE])
{
	return inflight->file->magic == FILE_MAGIC &&
	       memcmp(inflight->file->owner, owner, INFLIGHT_OWNER_SIZE) == 0;
}

unsigned inflight_list(const struct inflight *inflight,
                       struct inflight_mark *marks)
{
	unsigned count = 0;

	for (unsigned i = 0; i < INFLIGHT_SLOTS; i++) {
		struct slot *slot = &inflight->file->slots[i];
		uint64_t id = atomic_load(&slot->id);

		if (id == 0)
			continue;
		marks[count++] = (struct inflight_mark){
			.id = id,
			.part = (uint16_t)atomic_load(&slot->part),
		};
	}
	return count;
}

void inflight_reset(struct inflight *inflight,
                    const unsigned char owner[INFLIGHT_OWNER_SIZE])
{
	for (unsigned i = 0; i < INFLIGHT_SLOTS; i++) {
		atomic_store(&inflight->file->slots[i].id, 0);
		atomic_store(&inflight->is_taken[i], false);
	}
	for (unsigned i = 0; i < INFLIGHT_BLAMED; i++)
		atomic_store(&inflight->file->blamed[i], 0);
	memcpy(inflight->file->owner, owner, INFLIGHT_OWNER_SIZE);
	inflight->file->magic = FILE_MAGIC;
}

unsigned inflight_slot_fill(struct inflight *inflight, uint64_t id,
                            uint16_t part)
{
	for (unsigned tried = 0; tried < INFLIGHT_SLOTS; tried++) {
		unsigned i =
		    atomic_fetch_add(&inflight->next, 1) % INFLIGHT_SLOTS;
		struct slot *slot = &inflight->file->slots[i];

		if (atomic_exchange(&inflight->is_taken[i], true))
			continue;
		/* The id makes the mark valid, so it comes last. */
		atomic_store(&slot->part, part);
		atomic_store(&slot->id, id);
		return i;
	}
	return INFLIGHT_NONE;
}

void inflight_slot_clear(struct inflight *inflight, unsigned slot)
{
	if (slot == INFLIGHT_NONE)
		return;
	assert(slot < INFLIGHT_SLOTS);
	atomic_store(&inflight->file->slots[slot].id, 0);
	atomic_store(&inflight->is_taken[slot], false);
}

void inflight_blame(struct inflight *inflight, uint64_t id)
{
	for (unsigned i = 0; i < INFLIGHT_BLAMED; i++) {
		uint64_t nobody = 0;

		if (atomic_compare_exchange_strong(&inflight->file->blamed[i],
		                                   &nobody, id))
			return;
	}
}

unsigned inflight_list_blamed(const struct inflight *inflight,
                              uint64_t ids[INFLIGHT_BLAMED])
{
	unsigned count = 0;

	for (unsigned i = 0; i < INFLIGHT_BLAMED; i++) {
		uint64_t id = atomic_load(&inflight->file->blamed[i]);

		if (id != 0)
			ids[count++] = id;
	}
	return count;
}
