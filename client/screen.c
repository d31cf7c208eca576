#include "config.h"

#include "screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* The other screen, without a cursor, and lines that end at the margin. */
#define BEGIN    "\033[?1049h\033[?25l\033[?7l"
#define END      "\033[?7h\033[?25h\033[?1049l"
#define TOP      "\033[H"
#define LINE_END "\033[K"
#define REST     "\033[J"

static struct termios before;
static volatile sig_atomic_t is_ending;

static void on_end(int number)
{
	(void)number;
	is_ending = 1;
}

/* Only to interrupt the wait. */
static void on_resize(int number)
{
	(void)number;
}

static void catch (int number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };

	(void)sigaction(number, &action, NULL);
}

int screen_open(void)
{
	struct termios raw;

	if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) < 0)
		return -ENOTTY;
	raw = before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		return -ENOTTY;
	catch (SIGINT, on_end);
	catch (SIGTERM, on_end);
	catch (SIGHUP, on_end);
	catch (SIGWINCH, on_resize);
	fputs(BEGIN, stdout);
	return 0;
}

void screen_close(void)
{
	fputs(END, stdout);
	(void)fflush(stdout);
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

void screen_size(unsigned *ret_rows, unsigned *ret_columns)
{
	struct winsize size;

	*ret_rows = 24;
	*ret_columns = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 ||
	    size.ws_col == 0)
		return;
	*ret_rows = size.ws_row;
	*ret_columns = size.ws_col;
}

/* Drawn over the last page, so that nothing flickers. */
void screen_draw(const char *text)
{
	unsigned rows, columns, row;
	size_t len;

	screen_size(&rows, &columns);
	fputs(TOP, stdout);
	for (row = 0; row < rows && *text != '\0'; row++) {
		len = strcspn(text, "\n");
		(void)fwrite(text, 1, len, stdout);
		fputs(row + 1 < rows ? LINE_END "\n" : LINE_END, stdout);
		text += len + (text[len] == '\n');
	}
	fputs(REST, stdout);
	(void)fflush(stdout);
}

int screen_wait(unsigned timeout_ms)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	unsigned char key;
	int count;

	if (is_ending)
		return SCREEN_QUIT;
	count = poll(&input, 1, (int)timeout_ms);
	if (is_ending)
		return SCREEN_QUIT;
	if (count <= 0)
		return SCREEN_TIME;
	if (read(STDIN_FILENO, &key, 1) != 1)
		return SCREEN_QUIT;
	return key;
}
