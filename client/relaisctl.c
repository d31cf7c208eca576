/*
 * relaisctl - ask and steer the queue
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char *argv[])
{
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("relaisctl " PACKAGE_VERSION);
		return 0;
	}
	fputs("usage: relaisctl --version\n", stderr);
	return 64;
}
