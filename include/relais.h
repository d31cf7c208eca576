/*
 * relais.h - hand mail to the local relais queue
 */
#ifndef RELAIS_H
#define RELAIS_H

#ifdef __cplusplus
extern "C" {
#endif

#define RELAIS_EXPORT __attribute__((visibility("default")))

/**
 * The version of the library that is running, such as "0.1.0".
 *
 * @return a constant string. Thread: any.
 */
RELAIS_EXPORT const char *relais_version(void);

#ifdef __cplusplus
}
#endif
#endif
