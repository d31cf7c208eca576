/*
 * fail_nth - makes the n-th call of a kind fail, once or from there on
 *
 * Preloaded into relaisd. $FAULT_CONTROL is a file of struct control that the
 * driver maps, too (check_fault.py has its layout): the driver arms it before
 * each round and sees afterwards how many calls came and how many failed.
 */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <lmdb.h>

#define PUBLIC __attribute__((visibility("default")))

enum kind {
	KIND_NONE,
	KIND_ALLOCATION,
	KIND_WRITE, /* to a file */
	KIND_SYNC,
	KIND_COMMIT,
	KIND_PUT,
	KIND_ACCEPT,
	KIND_DNS,  /* an answer of a name server */
	KIND_SEND, /* to a socket */
	KIND_OPEN,
	KIND_SOCKET,
	KIND_QUOTA, /* a write to a file that a quota has no room for */
};

struct control {
	_Atomic int32_t kind;
	_Atomic int32_t
	    times; /* this many from the n-th on; -1: SIGKILL at it */
	_Atomic int64_t n;
	_Atomic int64_t seen;
	_Atomic int64_t failed;
};

static struct control *control;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static void *next_of(const char *name)
{
	void *next = dlsym(RTLD_NEXT, name);

	if (next == NULL)
		abort();
	return next;
}

#define NEXT(type, name, ...)                                                  \
	static type (*next)(__VA_ARGS__);                                      \
	if (next == NULL)                                                      \
	next = (type(*)(__VA_ARGS__))next_of(name)

static struct sigaction own_action; /* relaisd's, for a crash */

/* Where it crashed: for the log, in addresses that addr2line(1) reads. */
static void on_crash(int number, siginfo_t *info, void *context)
{
	void *frames[32];
	int count;

	control->kind = KIND_NONE;
	count = backtrace(frames, 32);
	backtrace_symbols_fd(frames, count, STDERR_FILENO);
	if (own_action.sa_flags & SA_SIGINFO) {
		own_action.sa_sigaction(number, info, context);
	} else if (own_action.sa_handler != SIG_DFL) {
		own_action.sa_handler(number);
	} else {
		(void)signal(number, SIG_DFL);
		(void)raise(number);
	}
}

/* relaisd's handler of crashes is called by ours. */
PUBLIC int sigaction(int number, const struct sigaction *restrict action,
                     struct sigaction *restrict old)
{
	NEXT(int, "sigaction", int, const struct sigaction *,
	     struct sigaction *);
	struct sigaction ours = { .sa_flags = SA_SIGINFO };

	if (number != SIGSEGV || action == NULL || control == NULL)
		return next(number, action, old);
	own_action = *action;
	ours.sa_sigaction = on_crash;
	ours.sa_mask = action->sa_mask;
	return next(number, &ours, old);
}

__attribute__((constructor)) static void map_control(void)
{
	void *frame;

	const char *path = getenv("FAULT_CONTROL");
	int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map;

	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED,
	           fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return;
	(void)backtrace(&frame, 1); /* it allocates, the first time */
	control = map;
}

static bool must_fail(enum kind kind, int error)
{
	int64_t number, n;

	if (control == NULL || atomic_load(&control->kind) != (int)kind)
		return false;
	number = atomic_fetch_add(&control->seen, 1) + 1;
	n = atomic_load(&control->n);
	if (atomic_load(&control->times) < 0) {
		if (number == n) {
			atomic_fetch_add(&control->failed, 1);
			(void)kill(getpid(), SIGKILL);
		}
		return false;
	}
	if (number < n || number >= n + atomic_load(&control->times))
		return false;
	atomic_fetch_add(&control->failed, 1);
	errno = error;
	return true;
}

/* ------------------------------------------------------------- allocations */

/* Not by __tls_get_addr(), which a sanitizer replaces as it begins. */
static _Thread_local bool is_looking_up
    __attribute__((tls_model("initial-exec")));

static void *look_up(const char *name)
{
	void *found;

	if (is_looking_up)
		return NULL;
	is_looking_up = true;
	found = dlsym(RTLD_NEXT, name);
	is_looking_up = false;
	return found;
}

PUBLIC void *malloc(size_t size)
{
	static void *(*next)(size_t);

	if (next == NULL)
		next = (void *(*)(size_t))look_up("malloc");
	if (next == NULL)
		return __libc_malloc(size);
	return must_fail(KIND_ALLOCATION, ENOMEM) ? NULL : next(size);
}

PUBLIC void *calloc(size_t count, size_t size)
{
	static void *(*next)(size_t, size_t);

	if (next == NULL)
		next = (void *(*)(size_t, size_t))look_up("calloc");
	if (next == NULL)
		return __libc_calloc(count, size);
	return must_fail(KIND_ALLOCATION, ENOMEM) ? NULL : next(count, size);
}

PUBLIC void *realloc(void *old, size_t size)
{
	static void *(*next)(void *, size_t);

	if (next == NULL)
		next = (void *(*)(void *, size_t))look_up("realloc");
	if (next == NULL)
		return __libc_realloc(old, size);
	return must_fail(KIND_ALLOCATION, ENOMEM) ? NULL : next(old, size);
}

/* ------------------------------------------------------------------- files */

static bool is_file(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

static bool is_socket(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

static bool is_failing_write(int fd)
{
	enum kind kind = control == NULL ? KIND_NONE : (enum kind)control->kind;

	if (fd == STDERR_FILENO)
		return false;
	if (kind == KIND_WRITE && is_file(fd))
		return must_fail(KIND_WRITE, EIO);
	if (kind == KIND_QUOTA && is_file(fd))
		return must_fail(KIND_QUOTA, EDQUOT);
	return kind == KIND_SEND && is_socket(fd) &&
	       must_fail(KIND_SEND, ECONNRESET);
}

PUBLIC ssize_t write(int fd, const void *data, size_t len)
{
	NEXT(ssize_t, "write", int, const void *, size_t);

	return is_failing_write(fd) ? -1 : next(fd, data, len);
}

PUBLIC ssize_t writev(int fd, const struct iovec *parts, int count)
{
	NEXT(ssize_t, "writev", int, const struct iovec *, int);

	return is_failing_write(fd) ? -1 : next(fd, parts, count);
}

PUBLIC ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
	NEXT(ssize_t, "pwrite", int, const void *, size_t, off_t);

	return is_failing_write(fd) ? -1 : next(fd, data, len, offset);
}

PUBLIC ssize_t send(int fd, const void *data, size_t len, int flags)
{
	NEXT(ssize_t, "send", int, const void *, size_t, int);

	return is_failing_write(fd) ? -1 : next(fd, data, len, flags);
}

PUBLIC int fdatasync(int fd)
{
	NEXT(int, "fdatasync", int);

	return must_fail(KIND_SYNC, EIO) ? -1 : next(fd);
}

PUBLIC int fsync(int fd)
{
	NEXT(int, "fsync", int);

	return must_fail(KIND_SYNC, EIO) ? -1 : next(fd);
}

PUBLIC int open(const char *path, int flags, ...)
{
	NEXT(int, "open", const char *, int, ...);
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	return must_fail(KIND_OPEN, EMFILE) ? -1 : next(path, flags, mode);
}

/* ----------------------------------------------------------------- network */

PUBLIC int accept4(int fd, struct sockaddr *restrict address,
                   socklen_t *restrict len, int flags)
{
	NEXT(int, "accept4", int, struct sockaddr *, socklen_t *, int);

	return must_fail(KIND_ACCEPT, EMFILE) ? -1
	                                      : next(fd, address, len, flags);
}

PUBLIC int socket(int domain, int type, int protocol)
{
	NEXT(int, "socket", int, int, int);

	return must_fail(KIND_SOCKET, EMFILE) ? -1
	                                      : next(domain, type, protocol);
}

PUBLIC ssize_t recvfrom(int fd, void *restrict data, size_t len, int flags,
                        struct sockaddr *restrict address,
                        socklen_t *restrict address_len)
{
	NEXT(ssize_t, "recvfrom", int, void *, size_t, int, struct sockaddr *,
	     socklen_t *);

	if (must_fail(KIND_DNS, ECONNREFUSED))
		return -1;
	return next(fd, data, len, flags, address, address_len);
}

/* -------------------------------------------------------------------- LMDB */

PUBLIC int mdb_txn_commit(MDB_txn *txn)
{
	NEXT(int, "mdb_txn_commit", MDB_txn *);

	if (!must_fail(KIND_COMMIT, ENOSPC))
		return next(txn);
	mdb_txn_abort(txn);
	return ENOSPC;
}

PUBLIC int mdb_put(MDB_txn *txn, MDB_dbi table, MDB_val *key, MDB_val *value,
                   unsigned flags)
{
	NEXT(int, "mdb_put", MDB_txn *, MDB_dbi, MDB_val *, MDB_val *,
	     unsigned);

	if (must_fail(KIND_PUT, ENOSPC))
		return MDB_MAP_FULL;
	return next(txn, table, key, value, flags);
}
