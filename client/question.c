#include "config.h"

#include "question.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

bool question_is_possible(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

/* Without its line end; NULL at the end, with errno 0. */
static char *read_line(FILE *file)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	errno = 0;
	len = getline(&line, &size, file);
	if (len < 0) {
		free(line);
		return NULL;
	}
	while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		line[--len] = '\0';
	return line;
}

static char *trim(char *line)
{
	size_t len = strlen(line);
	size_t skip = 0;

	while (len > 0 && isspace((unsigned char)line[len - 1]))
		line[--len] = '\0';
	while (isspace((unsigned char)line[skip]))
		skip++;
	memmove(line, line + skip, len - skip + 1);
	return line;
}

char *question_line(const char *question, const char *usual)
{
	char *line;

	if (usual && *usual)
		fprintf(stderr, "%s [%s]: ", question, usual);
	else
		fprintf(stderr, "%s: ", question);
	line = read_line(stdin);
	if (!line) {
		fputc('\n', stderr);
		return NULL;
	}
	trim(line);
	if (*line == '\0' && usual) {
		free(line);
		line = strdup(usual);
	}
	return line;
}

char *question_secret(const char *question)
{
	struct termios before, silent;
	bool is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
	char *line;

	fprintf(stderr, "%s: ", question);
	if (is_terminal) {
		silent = before;
		silent.c_lflag &= ~(tcflag_t)ECHO;
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	}
	line = read_line(stdin);
	if (is_terminal)
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	fputc('\n', stderr);
	return line;
}

bool question_is_yes(const char *question, bool usual)
{
	bool is_yes = usual;
	char *line;

	fprintf(stderr, "%s [%s] ", question, usual ? "Y/n" : "y/N");
	line = read_line(stdin);
	if (!line)
		fputc('\n', stderr);
	if (!line || *trim(line) == 'n' || *line == 'N')
		is_yes = false;
	else if (*line == 'y' || *line == 'Y')
		is_yes = true;
	free(line);
	return is_yes;
}

char *question_file(const char *path)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char *line;
	int error;

	if (!file)
		return NULL;
	line = read_line(file);
	error = errno;
	if (file != stdin)
		(void)fclose(file);
	errno = error ? error : ENODATA;
	return line;
}

char *question_command(const char *command)
{
	FILE *file = popen(command, "re");
	char *line;
	int status;

	if (!file)
		return NULL;
	line = read_line(file);
	status = pclose(file);
	if (line && status != 0) {
		question_wipe(line);
		line = NULL;
	}
	errno = EIO;
	return line;
}

void question_wipe(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}
