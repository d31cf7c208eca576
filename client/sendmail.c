/*
 * sendmail - the sendmail command of relais
 *
 * Also what mailq and newaliases are links to.
 */
#include "config.h"

#include <stdio.h>
#include <sysexits.h>

#include "sendmail_complaint.h"
#include "sendmail_options.h"
#include "sendmail_queue.h"
#include "sendmail_smtp.h"
#include "sendmail_submit.h"
#include "sendmail_verify.h"

/* Nothing is left to be done, but scripts that install packages call it. */
static int say_aliases(void)
{
	puts("relaisd reads the aliases itself, at start and at "
	     "`relaisctl reload`; there is nothing to build.");
	return EX_OK;
}

int main(int argc, char *argv[])
{
	struct sendmail_options options;
	char error[OPTIONS_ERROR_SIZE];

	if (sendmail_options_parse(&options, argc, argv, complain_mildly,
	                           error) < 0) {
		complain("%s", error);
		(void)fputs(sendmail_usage, stderr);
		return EX_USAGE;
	}
	switch (options.mode) {
	case MODE_SUBMIT:
		return sendmail_submit(&options);
	case MODE_SMTP:
		return sendmail_smtp(&options);
	case MODE_LIST:
		return sendmail_list();
	case MODE_ALIASES:
		return say_aliases();
	case MODE_VERIFY:
		return sendmail_verify(&options);
	case MODE_FLUSH:
		return sendmail_flush(&options);
	case MODE_NOTHING:
		if (options.note)
			puts(options.note);
		return EX_OK;
	case MODE_HELP:
		(void)fputs(sendmail_usage, stdout);
		return EX_OK;
	case MODE_VERSION:
		puts("relais-sendmail " PACKAGE_VERSION);
		return EX_OK;
	}
	return EX_SOFTWARE;
}
