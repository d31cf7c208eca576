/*
 * daemon - every long-lived object, made in order and taken down in order
 *
 * The wiring diagram in code: which thread owns what, and who knows whom.
 *
 * Thread: the main thread, which becomes the main loop's.
 */
#ifndef RELAIS_DAEMON_H
#define RELAIS_DAEMON_H

struct command_helper;
struct settings;
struct settings_errors;

/*
 * Runs until it is told to stop. settings_path is loaded again at each reload
 * (NULL: the default path); what was odd about it is logged first. Takes the
 * reference to the settings, whose secrets go with them, and the helper, which
 * was forked before they were read. A program's exit status.
 */
int daemon_run_take(const struct settings *settings_ref,
                    const char *settings_path,
                    const struct settings_errors *warnings,
                    struct command_helper *helper);

#endif
