/*
 * service - what a service manager is told, and the sockets it passes
 *
 * sd_notify(3) and sd_listen_fds(3) as far as relaisd needs them, without
 * libsystemd. Without a service manager every call does nothing.
 *
 * Thread: the main thread.
 */
#ifndef RELAIS_SERVICE_H
#define RELAIS_SERVICE_H

#include <stdint.h>

/* Sends assignments such as "READY=1", one a line; best effort. */
void service_notify(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Says that a reload has begun (RELOADING=1 and when). */
void service_notify_reloading(void);

/* How often the watchdog wants a word, in microseconds; 0: it doesn't. */
uint64_t service_watchdog_us(void);

/*
 * The passed socket of this name (FileDescriptorName=), close-on-exec, or -1.
 * Names count, never the order: it differs from boot to boot.
 */
int service_take_socket(const char *name);

/* No child shall take the passed sockets for its own. */
void service_forget_sockets(void);

#endif
