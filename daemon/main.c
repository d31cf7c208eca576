/*
 * relaisd - the mail submission queue: argv, settings, exit status
 */
#include "config.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "command_helper.h"
#include "crypto.h"
#include "daemon.h"
#include "queue/restore.h"
#include "runtime/xalloc.h"
#include "secret.h"
#include "settings.h"
#include "settings_errors.h"

static const char usage[] =
    "usage: relaisd [--config FILE]\n"
    "       relaisd --check [FILE]\n"
    "       relaisd --restore BACKUP [--config FILE]\n"
    "\n"
    "Takes mail on a Unix socket, keeps it on disk, and relays it. Stays in\n"
    "the foreground and logs to stderr.\n"
    "\n"
    "  -c, --config FILE  settings instead of " SYSCONFDIR
    "/relais/relais.yaml\n"
    "      --check        only check the settings: 0 if they are right, 78 if\n"
    "                     not, and then file:line:column for each error\n"
    "      --restore FILE make the queue from what `relaisctl backup` wrote\n"
    "  -V, --version      print the version\n"
    "  -h, --help         print this\n"
    "\n"
    "SIGHUP loads the settings again, SIGTERM stops. See relaisd(8),\n"
    "relais.yaml(5), and relaisctl(8) for what becomes of mail.\n";

enum {
	OPTION_CHECK = 256,
	OPTION_RESTORE,
};

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check", no_argument, NULL, OPTION_CHECK },
	{ "restore", required_argument, NULL, OPTION_RESTORE },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int run(const char *path);
static int look(const char *path, bool is_check_only, const char *backup);
static int restore(const struct settings *settings, const char *backup);

int main(int argc, char *argv[])
{
	const char *path = NULL;
	const char *backup = NULL;
	bool is_check_only = false;
	int option;

	xalloc_begin();
	while ((option = getopt_long(argc, argv, "c:Vh", options, NULL)) !=
	       -1) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case OPTION_CHECK:
			is_check_only = true;
			break;
		case OPTION_RESTORE:
			backup = optarg;
			break;
		case 'V':
			puts("relaisd " PACKAGE_VERSION);
			return EX_OK;
		case 'h':
			fputs(usage, stdout);
			return EX_OK;
		default:
			fputs(usage, stderr);
			return EX_USAGE;
		}
	}
	if (is_check_only && optind < argc && path == NULL)
		path = argv[optind++];
	if (optind < argc) {
		fprintf(stderr, "relaisd: %s: no such argument\n%s",
		        argv[optind], usage);
		return EX_USAGE;
	}
	secret_forbid_dumps();
	crypto_prepare();
	return is_check_only || backup != NULL
	           ? look(path, is_check_only, backup)
	           : run(path);
}

/* The helper is forked before there is a secret for it to inherit. */
static int run(const char *path)
{
	const struct settings *settings = NULL;
	struct command_helper *helper = NULL;
	struct settings_errors errors;
	int r;

	r = command_helper_new(&helper);
	if (r < 0) {
		fprintf(stderr, "relaisd: not started: %s\n", strerror(-r));
		return EX_OSERR;
	}
	settings_errors_init(&errors);
	r = settings_load(path, &settings, &errors);
	if (r == 0) {
		r = daemon_run_take(settings, path, &errors, helper);
	} else {
		settings_errors_print(&errors, stderr);
		fputs("relaisd: not started: the settings have errors\n",
		      stderr);
		command_helper_free(helper);
		r = EX_CONFIG;
	}
	settings_errors_done(&errors);
	return r;
}

/* What needs no daemon: --check and --restore. */
static int look(const char *path, bool is_check_only, const char *backup)
{
	const struct settings *settings = NULL;
	struct settings_errors errors;
	int r;

	settings_errors_init(&errors);
	r = settings_load(path, &settings, &errors);
	settings_errors_print(&errors, stderr);
	if (r < 0) {
		fputs(is_check_only
		          ? "relaisd: the settings have errors\n"
		          : "relaisd: not started: the settings have errors\n",
		      stderr);
		r = EX_CONFIG;
	} else if (is_check_only) {
		puts("relaisd: the settings are right");
	} else {
		r = restore(settings, backup);
	}
	settings_errors_done(&errors);
	settings_unref(settings);
	return r;
}

static int restore(const struct settings *settings, const char *backup)
{
	char *error = NULL;

	if (queue_restore(settings->queue.directory, backup, &error) < 0) {
		fprintf(stderr, "relaisd: %s\n", error);
		free(error);
		return EX_UNAVAILABLE;
	}
	printf("relaisd: %s has the queue again. What was delivered since the "
	       "backup is sent again.\n",
	       settings->queue.directory);
	return EX_OK;
}
