/*
 * relais-sendmail - the sendmail command of relais
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char *argv[])
{
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("relais-sendmail " PACKAGE_VERSION);
		return 0;
	}
	fputs("usage: relais-sendmail --version\n", stderr);
	return 64;
}
