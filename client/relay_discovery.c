#include "config.h"

#include "relay_discovery.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "command.h"
#include "json.h"

int relay_discover(const struct invocation *invocation, const char *address,
                   struct json **ret_found)
{
	struct buffer target;
	char *path = NULL;
	int r;

	buffer_init(&target, 0);
	r = buffer_append_string(&target, "/v1/providers:discover");
	if (r == 0)
		r = ask_add_query(&target, "address", address);
	if (r == 0)
		r = buffer_take(&target, &path, NULL);
	buffer_done(&target);
	r = r < 0 ? ask_complain(invocation, r)
	          : ask(invocation, "GET", path, NULL, ret_found);
	free(path);
	return r;
}

static const char *words_for(const char *source)
{
	if (source && strcmp(source, "srv") == 0)
		return ", as the domain's SRV records say";
	if (source && strcmp(source, "mx") == 0)
		return ", a guess by the host its mail comes in at";
	return "";
}

void relay_discovery_print(const struct output *output,
                           const struct json *found)
{
	const char *name = json_text(json_member(found, "provider"), "name");

	output_format(
	    output, STYLE_PLAIN, "%s%s%s, port %" PRId64 ", security %s%s",
	    name ? name : "", name ? ": " : "", json_text(found, "host"),
	    json_number(found, "port"), json_text(found, "security"),
	    words_for(json_text(found, "source")));
	fputc('\n', output->file);
}
