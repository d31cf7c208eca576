/*
 * daemon - every long-lived object, made in order and taken down in order
 *
 * The wiring diagram in code: which thread owns what, and who knows whom.
 *
 * Thread: the main thread, which becomes the main loop's.
 */
#ifndef RELAIS_DAEMON_H
#define RELAIS_DAEMON_H

struct settings;

/*
 * Runs until it is told to stop. settings_path is loaded again at each reload
 * (NULL: the default path). A program's exit status.
 */
int daemon_run(const struct settings *settings, const char *settings_path);

#endif
