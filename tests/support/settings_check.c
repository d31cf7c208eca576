/*
 * settings_check - is this a valid relais.yaml? What is wrong goes to stdout
 */
#include "config.h"

#include <stdio.h>

#include "settings.h"
#include "settings_errors.h"

int main(int argc, char *argv[])
{
	struct settings_errors errors = { 0 };
	const struct settings *settings = NULL;
	int r;

	if (argc != 2) {
		fputs("usage: settings_check FILE\n", stderr);
		return 64;
	}
	r = settings_load(argv[1], &settings, &errors);
	settings_errors_print(&errors, stdout);
	settings_errors_done(&errors);
	settings_unref(settings);
	return r < 0;
}
