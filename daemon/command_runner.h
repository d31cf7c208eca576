/*
 * command_runner - the process that runs commands for command_helper
 *
 * Packets over one SOCK_SEQPACKET socket: requests in, results out.
 */
#ifndef RELAIS_COMMAND_RUNNER_H
#define RELAIS_COMMAND_RUNNER_H

#include <stdint.h>

#include "command_helper.h"
#include "secret.h"

#define COMMANDS_AT_A_TIME 16

struct command_request {
	uint32_t id;
	uint32_t time_limit_ms;
	uint32_t length; /* of the words, each with its NUL */
	uint32_t input_length;
	char bytes[COMMAND_WORDS_MAX + COMMAND_INPUT_MAX]; /* both */
};

enum command_end {
	COMMAND_PRINTED, /* `text` is the first line */
	COMMAND_PRINTED_NOTHING,
	COMMAND_PRINTED_TOO_MUCH,
	COMMAND_TIMED_OUT,
	COMMAND_FAILED,      /* number: exit status */
	COMMAND_KILLED,      /* number: signal */
	COMMAND_NOT_STARTED, /* number: errno */
};

struct command_result {
	uint32_t id;
	uint32_t end;
	int32_t number;
	char text[SECRET_SIZE_MAX];
};

/* Serves the socket until its other end is closed, then ends the process. */
_Noreturn void command_runner_main(int fd);

#endif
