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
struct settings_errors;

/*
 * Runs until it is told to stop. settings_path is loaded again at each reload
 * (NULL: the default path); what was odd about it is logged first. A program's
 * exit status.
 */
int daemon_run(const struct settings *settings, const char *settings_path,
               const struct settings_errors *warnings);

#endif
