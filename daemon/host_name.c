/*
 * host_name - what this host calls itself, found without asking the network
 *
 * The daemon starts before the network is up, and getaddrinfo() would hold it
 * there for seconds; /etc/hosts is where distributions put the full name.
 */
#include "config.h"

#include "host_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "runtime/xalloc.h"
#include "settings_value.h"

#define NAME_SIZE 256

static char *find_in_line(char *line, const char *short_name);

char *host_name_find(const char *hosts_file)
{
	char name[NAME_SIZE] = "", line[1024];
	char *full = NULL;
	FILE *file;

	if (gethostname(name, sizeof(name) - 1) < 0 ||
	    !settings_value_is_ehlo_name(name))
		strcpy(name, "localhost");
	if (host_name_is_full(name))
		return xstrdup(name);
	file = fopen(hosts_file, "re");
	while (file && !full && fgets(line, sizeof(line), file))
		full = find_in_line(line, name);
	if (file)
		fclose(file);
	return full ? full : xstrdup(name);
}

static char *find_in_line(char *line, const char *short_name)
{
	const char *full = NULL;
	bool has_short = false;
	char *word, *rest = NULL;

	line[strcspn(line, "#\r\n")] = '\0';
	word = strtok_r(line, " \t", &rest); /* the address */
	while (word && (word = strtok_r(NULL, " \t", &rest))) {
		if (strcasecmp(word, short_name) == 0)
			has_short = true;
		else if (!full && host_name_is_full(word))
			full = word;
	}
	return has_short && full ? xstrdup(full) : NULL;
}

bool host_name_is_full(const char *name)
{
	static const char *const private[] = {
		".local",        ".localdomain",  ".localhost", ".internal",
		".lan",          ".home.arpa",    ".test",      ".invalid",
		".localdomain4", ".localdomain6", NULL
	};
	size_t len = strlen(name), end_len, i;

	if (name[0] == '[' || !strchr(name, '.') ||
	    !settings_value_is_ehlo_name(name))
		return false;
	for (i = 0; private[i]; i++) {
		end_len = strlen(private[i]);
		if (len > end_len &&
		    strcasecmp(name + len - end_len, private[i]) == 0)
			return false;
	}
	return true;
}
