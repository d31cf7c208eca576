/*
 * command_examples - what people type, shown by --help
 */
#include "config.h"

#include "command.h"

#include <string.h>

static const struct {
	const char *command;
	const char *lines;
} examples[] = {
	{ "setup", "relaisctl setup\n"
	           "relaisctl setup office --address noreply@example.com" },
	{ "status", "relaisctl status" },
	{ "list", "relaisctl list --recipient @example.org\n"
	          "relaisctl list --state failed --since 1d --json" },
	{ "show", "relaisctl show 01j9x2k7q4mzt" },
	{ "top", "relaisctl top --interval 5s" },
	{ "watch", "relaisctl watch --json --after 0" },
	{ "wait", "relaisctl wait --timeout 5m 01j9x2k7q4mzt" },
	{ "send", "df | relaisctl send --subject disks admin@example.com\n"
	          "relaisctl send --key order-4711 --wait 30s --subject Hello "
	          "--text Hi a@example.net" },
	{ "retry", "relaisctl retry 01j9x2k7q4mzt\n"
	           "relaisctl retry --recipient @example.org" },
	{ "hold", "relaisctl hold --submitter www-data --for 2h --reason "
	          "'looked into'" },
	{ "release", "relaisctl release --state held --submitter www-data" },
	{ "cancel", "relaisctl cancel --submitter www-data --since 1h "
	            "--dry-run" },
	{ "reschedule", "relaisctl reschedule --at 2026-11-24T08:00:00Z "
	                "01j9x2k7q4mzt\n"
	                "relaisctl reschedule --hold-for 2h 01j9x2k7q4mzt" },
	{ "resend", "relaisctl resend --state failed --relay office" },
	{ "relay list", "relaisctl relay list --filter state=open\n"
	                "relaisctl relay list --sort -queued" },
	{ "relay show", "relaisctl relay show office" },
	{ "relay pause", "relaisctl relay pause --for 2h --reason maintenance "
	                 "office" },
	{ "relay resume", "relaisctl relay resume office" },
	{ "relay add", "relaisctl relay add --provider fastmail --username "
	               "me@example.com office\n"
	               "relaisctl relay add --url smtp://10.0.0.1:25 inside "
	               "limits.rate=30/min" },
	{ "relay set", "relaisctl relay set office limits.connections=4\n"
	               "relaisctl relay set --password office" },
	{ "relay remove", "relaisctl relay remove --move-to backup office" },
	{ "relay enable", "relaisctl relay enable office" },
	{ "relay disable", "relaisctl relay disable office" },
	{ "relay default", "relaisctl relay default office" },
	{ "relay login", "relaisctl relay login office" },
	{ "relay test", "relaisctl relay test --to me@example.net office\n"
	                "relaisctl relay test --url smtps://me@host:465 "
	                "--password" },
	{ "providers", "relaisctl providers google\n"
	               "relaisctl providers me@example.com" },
	{ "route explain", "relaisctl route explain --to a@example.org --tag "
	                   "newsletter" },
	{ "import", "relaisctl import postfix --dry-run\n"
	            "relaisctl import msmtp ~/.msmtprc" },
	{ "backup", "relaisctl backup /var/backups/relais" },
	{ "doctor", "relaisctl doctor" },
	{ "reload", "relaisctl reload" },
};

const char *command_examples(const struct command *command)
{
	size_t i;

	for (i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
		if (strcmp(examples[i].command, command->name) == 0)
			return examples[i].lines;
	return NULL;
}
