/*
 * screen - a page of text that is drawn again and again on a terminal
 *
 * The terminal's own contents come back at the end, also after a signal.
 * Everything understands the few sequences that are used; nothing is asked of
 * a database of terminals.
 */
#ifndef RELAIS_SCREEN_H
#define RELAIS_SCREEN_H

#include <stddef.h>

#define SCREEN_QUIT (-1)
#define SCREEN_TIME 0

/* Is there one at stdin and stdout? 0, or -ENOTTY and nothing has changed. */
int screen_open(void);
void screen_close(void);

/* Lines and columns as they are now. */
void screen_size(unsigned *ret_rows, unsigned *ret_columns);

/* The page; lines beyond the screen are left out. */
void screen_draw(const char *text);

/*
 * Waits for a key, at most so long: its character; SCREEN_TIME when the time
 * is over or the size has changed; SCREEN_QUIT for a signal that ends, or the
 * end of the terminal.
 */
int screen_wait(unsigned timeout_ms);

#endif
