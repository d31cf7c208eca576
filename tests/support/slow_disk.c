/*
 * slow_disk - a preloaded library: each fdatasync lasts a tenth of a second
 * more
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>

int fdatasync(int fd)
{
	int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");

	usleep(100000);
	return next(fd);
}
