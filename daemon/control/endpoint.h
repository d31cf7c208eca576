/*
 * endpoint - what can be asked: method, path, who may, and who answers
 */
#ifndef RELAIS_CONTROL_ENDPOINT_H
#define RELAIS_CONTROL_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

struct request;

enum method {
	METHOD_GET = 1 << 0,
	METHOD_POST = 1 << 1,
	METHOD_PUT = 1 << 2,
	METHOD_DELETE = 1 << 3,
};

enum audience {
	FOR_ANYONE,
	FOR_OWNERS, /* who has a view of own messages; and administrators */
	FOR_ADMINISTRATORS,
};

struct endpoint {
	enum method method;
	/* "{id}" and "{name}" stand for one segment. */
	const char *path;
	enum audience audience;
	/* The scheduler is asked first; request->scheduler has its answer. */
	bool asks_scheduler;
	void (*handle)(struct request *request);
	/* What the handler is to do, where it serves several rows. */
	int detail;
};

#define ENDPOINT_PARAMETER_SIZE 256

/*
 * The row for a method and a path as sent. NULL without one; *ret_methods is
 * then the set of methods the path has, 0: there is no such path. `parameter`
 * gets the decoded segment, empty without one.
 */
const struct endpoint *endpoint_find(const struct endpoint *table, size_t count,
                                     enum method method, const char *path,
                                     char parameter[ENDPOINT_PARAMETER_SIZE],
                                     unsigned *ret_methods);

#endif
