#include "config.h"

#include "sendmail_complaint.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <syslog.h>

#include "smtp/reply.h"

#define LINE_SIZE 1024

static void format_line(char line[LINE_SIZE], const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static int code_of_refusal(const struct relais_answer *answer);
static const char *advice(const struct relais_answer *answer);

void complain(const char *format, ...)
{
	char line[LINE_SIZE];
	va_list args;

	va_start(args, format);
	format_line(line, format, args);
	va_end(args);
	(void)fprintf(stderr, "sendmail: %s\n", line);
	openlog("relais-sendmail", LOG_PID, LOG_MAIL);
	syslog(LOG_ERR, "%s", line);
}

void complain_mildly(const char *format, ...)
{
	char line[LINE_SIZE];
	va_list args;

	va_start(args, format);
	format_line(line, format, args);
	va_end(args);
	(void)fprintf(stderr, "sendmail: %s\n", line);
}

static void format_line(char line[LINE_SIZE], const char *format, va_list args)
{
	char raw[LINE_SIZE];
	int len = vsnprintf(raw, sizeof(raw), format, args);

	if (len < 0)
		len = 0;
	if ((size_t)len >= sizeof(raw))
		len = sizeof(raw) - 1;
	smtp_text_clean(line, LINE_SIZE, raw, (size_t)len);
}

int complain_of_answer(const struct sendmail_options *options,
                       const struct relais_answer *answer,
                       const char *const *recipients)
{
	int code = sendmail_exit_code(options, answer);
	const char *recipient =
	    answer->recipient >= 0 ? recipients[answer->recipient] : "";
	char reply[RELAIS_STATUS_SIZE + RELAIS_TEXT_SIZE + 16];

	if (answer->code)
		(void)snprintf(reply, sizeof(reply), "%d %s%s%s", answer->code,
		               answer->status, answer->status[0] ? " " : "",
		               answer->text);
	else
		(void)snprintf(reply, sizeof(reply), "%s", answer->text);
	if (answer->result == RELAIS_OK)
		return code;
	if (answer->result == RELAIS_PENDING)
		complain_mildly("%s is queued, and its outcome not known yet "
		                "(relaisctl show %s)",
		                answer->id, answer->id);
	else if (answer->result == RELAIS_FAILED)
		complain("%s was refused by the relay (%s; relaisctl show %s)",
		         answer->id, reply, answer->id);
	else if (answer->result == RELAIS_PARTIAL)
		complain("%s was refused for some of its recipients "
		         "(relaisctl show %s)",
		         answer->id, answer->id);
	else if (answer->result == RELAIS_UNKNOWN)
		complain("the message may be queued or not (%s; relaisctl list "
		         "shows it if it is)",
		         reply);
	else
		complain("the message was not queued%s%s (%s; %s)",
		         *recipient ? " for " : "", recipient, reply,
		         advice(answer));
	return code;
}

/* What to do about it. */
static const char *advice(const struct relais_answer *answer)
{
	switch (answer->error) {
	case ENOENT:
	case ECONNREFUSED:
		return "is relaisd running? systemctl status relaisd";
	case EACCES:
	case EPERM:
		return "this user may not use the socket; ask the "
		       "administrator";
	case ENAMETOOLONG:
		return "see RELAIS_SOCKET";
	default:
		break;
	}
	switch (sendmail_exit_code(NULL, answer)) {
	case EX_NOUSER:
		return "correct the address";
	case EX_DATAERR:
		return "correct the message";
	case EX_NOPERM:
		return "see `submitters` in relais.yaml(5)";
	case EX_CANTCREAT:
		return "try again later; relaisctl status tells more";
	default:
		return "try again later";
	}
}

int sendmail_exit_code(const struct sendmail_options *options,
                       const struct relais_answer *answer)
{
	bool is_temporary = false;
	int code = EX_SOFTWARE;

	switch (answer->result) {
	case RELAIS_OK:
		return EX_OK;
	case RELAIS_PENDING:
		return EX_TEMPFAIL;
	case RELAIS_FAILED:
	case RELAIS_PARTIAL:
		return EX_PROTOCOL;
	case RELAIS_REJECTED:
		return code_of_refusal(answer);
	case RELAIS_TRY_LATER:
		is_temporary = true;
		code = code_of_refusal(answer);
		break;
	case RELAIS_UNAVAILABLE:
		is_temporary = answer->error != ENAMETOOLONG;
		code = EX_UNAVAILABLE;
		if (answer->error == EACCES || answer->error == EPERM)
			code = EX_NOPERM;
		else if (answer->error == ENAMETOOLONG)
			code = EX_CONFIG;
		break;
	case RELAIS_UNKNOWN:
		is_temporary = true;
		code = EX_UNAVAILABLE;
		break;
	case RELAIS_UNSUPPORTED:
		return EX_UNAVAILABLE;
	case RELAIS_INVALID:
		return EX_DATAERR;
	case RELAIS_BODY_UNREADABLE:
		return EX_IOERR;
	case RELAIS_NO_MEMORY:
		is_temporary = true;
		code = EX_OSERR;
		break;
	case RELAIS_NO_SUCH_MESSAGE:
	case RELAIS_TIMED_OUT:
		break; /* not of a submission */
	}
	if (is_temporary && options && options->tempfail_code)
		return options->tempfail_code;
	return code;
}

/* By the subject and detail of the enhanced code (RFC 3463 3). */
static int code_of_refusal(const struct relais_answer *answer)
{
	const char *subject = strchr(answer->status, '.');
	bool is_final = answer->result == RELAIS_REJECTED;

	if (answer->error != 0)
		return EX_DATAERR;
	switch (subject ? subject[1] : '0') {
	case '7':
		/* policy: who may send, as whom, how fast */
		return answer->recipient >= 0 && is_final ? EX_NOUSER
		                                          : EX_NOPERM;
	case '3':
		/* the mail system: full, slow, or the message too large */
		if (is_final)
			return EX_DATAERR;
		if (answer->code == 421)
			return EX_UNAVAILABLE;
		return answer->code == 452 ? EX_CANTCREAT : EX_IOERR;
	case '1':
		return answer->recipient >= 0 ? EX_NOUSER : EX_DATAERR;
	case '6':
		return EX_DATAERR;
	case '5':
		/* 5.5.3: too many recipients; else we were misunderstood */
		if (strcmp(subject, ".5.3") == 0 ||
		    strcmp(subject, ".5.4") == 0)
			return EX_DATAERR;
		return EX_SOFTWARE;
	default:
		return is_final ? EX_DATAERR : EX_UNAVAILABLE;
	}
}
