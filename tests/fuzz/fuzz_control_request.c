/* A request as clients of the control API may send it: path, then an order. */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/endpoint.h"
#include "control/order.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void find(const char *path)
{
	static const struct endpoint table[] = {
		{ METHOD_GET, "/v1/messages/{id}/content", FOR_ANYONE, false,
		  NULL, 0 },
		{ METHOD_GET, "/v1/relays/{name}", FOR_ANYONE, false, NULL, 0 },
	};
	char parameter[ENDPOINT_PARAMETER_SIZE];
	unsigned methods;

	if (endpoint_find(table, 2, METHOD_GET, path, parameter, &methods))
		assert(parameter[0] && strlen(parameter) < sizeof(parameter));
}

static void take(const char *text, size_t len)
{
	char error[JSON_ERROR_SIZE] = "";
	struct order order;
	int r;

	order_init(&order,
	           ORDER_REASON | ORDER_UNTIL | ORDER_DRY_RUN | ORDER_FILTER);
	r = order_read(&order, text, len, error);
	assert(r == 0 || error[0]);
	assert(strlen(order.reason) < sizeof(order.reason));
	order_done(&order);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t len = end ? (size_t)(end - data) : size;
	char *path = malloc(len + 1);

	if (!path)
		return 0;
	if (len)
		memcpy(path, data, len);
	path[len] = '\0';
	find(path);
	free(path);
	if (end)
		take((const char *)end + 1, size - len - 1);
	return 0;
}
