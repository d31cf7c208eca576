/*
 * fuzz_name - names of hosts, relays and messages: domains, URLs, /etc/hosts,
 * queue ids
 *
 * The input is one name. What goes to a name server is ASCII and stays as it
 * is; a host name that counts as full may stand in EHLO; a URL has a host or a
 * path, without anything that would end a line.
 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "deliver/idna.h"
#include "host_name.h"
#include "queue_id.h"
#include "relay_url.h"
#include "settings_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void take_domain(const char *text)
{
	char ascii[IDNA_SIZE], again[IDNA_SIZE];

	if (idna_to_ascii(text, ascii) < 0)
		return;
	assert(strlen(ascii) < IDNA_SIZE);
	for (const char *at = ascii; *at != '\0'; at++)
		assert((unsigned char)*at < 0x80);
	assert(idna_to_ascii(ascii, again) == 0);
	assert(strcmp(ascii, again) == 0);
}

static void take_url(const char *text)
{
	const char *problem = NULL;
	struct relay_url url;

	if (relay_url_parse(&url, text, &problem) < 0) {
		assert(problem != NULL && *problem != '\0');
		return;
	}
	assert(url.host == NULL || *url.host != '\0');
	assert(url.path == NULL || *url.path == '/');
	relay_url_done(&url);
}

/* As /etc/hosts. */
static void take_hosts(const char *text)
{
	int fd = memfd_create("hosts", MFD_CLOEXEC);
	char path[64], *name;

	assert(fd >= 0);
	assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	name = host_name_find(path);
	assert(settings_value_is_ehlo_name(name));
	free(name);
	(void)close(fd);
}

static void take_id(const char *text)
{
	char printed[QUEUE_ID_SIZE];
	uint64_t id;

	if (queue_id_parse(text, &id) < 0)
		return;
	queue_id_format(id, printed);
	assert(strcmp(printed, text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = strndup((const char *)data, len);

	assert(text != NULL);
	take_domain(text);
	if (host_name_is_full(text))
		assert(settings_value_is_ehlo_name(text));
	take_url(text);
	take_hosts(text);
	take_id(text);
	free(text);
	return 0;
}
