/*
 * command_doctor - relaisctl doctor: is this host fit for relaying mail?
 */
#include "config.h"

#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "json.h"

#define CONNECT_MS 5000
#define SPACE_MIN  (UINT64_C(1) << 30)
#define YEAR_2025  1735689600

/* Somebody whose port 25 is open, if ours is not blocked. */
#define PORT_25_HOST "gmail-smtp-in.l.google.com"

enum result {
	FINE,
	DOUBTFUL,
	BAD,
};

struct doctor {
	const struct invocation *invocation;
	struct json *status, *relays;
	unsigned bad;
};

static void check_settings(struct doctor *doctor);
static void check_sockets(struct doctor *doctor);
static void check_sendmail(struct doctor *doctor);
static void check_disk(struct doctor *doctor);
static void check_clock(struct doctor *doctor);
static void check_name(struct doctor *doctor);
static void check_relays(struct doctor *doctor);
static void check_problems(struct doctor *doctor);

int command_doctor(struct invocation *invocation)
{
	struct doctor doctor = { .invocation = invocation };
	int r;

	check_settings(&doctor);
	check_sendmail(&doctor);
	check_clock(&doctor);
	r = ask(invocation, "GET", "/v1/status", NULL, &doctor.status);
	if (r == EXIT_FINE && json_flag(doctor.status, "administrator"))
		r = ask(invocation, "GET", "/v1/relays", NULL, &doctor.relays);
	if (r == EXIT_FINE) {
		check_sockets(&doctor);
		check_name(&doctor);
		check_disk(&doctor);
		check_relays(&doctor);
		check_problems(&doctor);
	}
	json_free(doctor.status);
	json_free(doctor.relays);
	if (r == EXIT_FINE && doctor.bad > 0)
		r = EXIT_NOT_SO;
	return r;
}

/* ------------------------------------------------------------------- words */

/* next: what to do; NULL where nothing is. */
static void __attribute__((format(printf, 5, 6)))
say(struct doctor *doctor, const char *check, enum result result,
    const char *next, const char *format, ...)
{
	static const char *const words[] = { "fine", "doubtful", "bad" };
	static const enum output_style styles[] = { STYLE_GOOD, STYLE_WARNING,
		                                    STYLE_BAD };
	const struct output *output = &doctor->invocation->output;
	struct json *line;
	va_list args;
	char text[1024];

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	doctor->bad += result == BAD;
	if (doctor->invocation->is_json) {
		line = json_make();
		if (!line)
			return;
		json_put_text(line, "check", check);
		json_put_text(line, "result", words[result]);
		json_put_text(line, "detail", text);
		if (next)
			json_put_text(line, "next", next);
		command_print_json(doctor->invocation, line);
		json_free(line);
		return;
	}
	output_format(output, styles[result], "%-9s", words[result]);
	output_format(output, STYLE_PLAIN, " %-9s %s", check, text);
	fputc('\n', output->file);
	if (next) {
		fputs("                    ", output->file);
		output_text(output, STYLE_BOLD, next);
		fputc('\n', output->file);
	}
}

/* ------------------------------------------------------------------- files */

static void check_settings(struct doctor *doctor)
{
	static const char path[] = SYSCONFDIR "/relais";
	struct stat status;

	if (stat(path, &status) < 0)
		say(doctor, "settings", DOUBTFUL, NULL,
		    "%s: %s; the built-in settings hold", path,
		    strerror(errno));
	else if (status.st_mode & 07)
		say(doctor, "settings", BAD, "chmod o= " SYSCONFDIR "/relais",
		    "%s, which may have passwords, is open to everybody", path);
	else
		say(doctor, "settings", FINE, NULL, "%s is closed to others",
		    path);
}

static void check_sockets(struct doctor *doctor)
{
	const char *path = getenv("RELAIS_SOCKET");
	struct stat status;

	if (!path || *path == '\0')
		path = "/run/relais/submit.sock";
	if (stat(path, &status) < 0)
		say(doctor, "socket", BAD,
		    "systemctl restart relaisd-submit.socket", "%s: %s", path,
		    strerror(errno));
	else if ((status.st_mode & 0666) != 0666)
		say(doctor, "socket", DOUBTFUL, NULL,
		    "not everybody may submit at %s (mode %03o)", path,
		    (unsigned)status.st_mode & 0777);
	else
		say(doctor, "socket", FINE, NULL, "everybody may submit at %s",
		    path);
}

static void check_sendmail(struct doctor *doctor)
{
	static const char path[] = "/usr/sbin/sendmail";
	char real[PATH_MAX];

	if (!realpath(path, real))
		say(doctor, "sendmail", DOUBTFUL,
		    "ln -s \"$(command -v relais-sendmail)\" "
		    "/usr/sbin/sendmail",
		    "%s: %s; cron and PHP call it", path, strerror(errno));
	else if (!strstr(real, "relais-sendmail"))
		say(doctor, "sendmail", DOUBTFUL,
		    "let /usr/sbin/sendmail be a link to relais-sendmail",
		    "%s is %s, of another program", path, real);
	else
		say(doctor, "sendmail", FINE, NULL, "%s is %s", path, real);
}

/* -------------------------------------------------------------------- disk */

static const struct {
	unsigned long magic;
	const char *name;
	enum result result;
	const char *next; /* and why */
} disks[] = {
	{ 0x01021994, "tmpfs", BAD,
	  "set queue.directory to a disk: mail is gone with the next boot" },
	{ 0x858458f6, "ramfs", BAD,
	  "set queue.directory to a disk: mail is gone with the next boot" },
	{ 0x794c7630, "overlayfs", DOUBTFUL,
	  "mount a volume there: mail is gone with the container" },
	{ 0x6969, "NFS", BAD,
	  "set queue.directory to a local disk: locks and syncs of a "
	  "network are not to be trusted" },
	{ 0xff534d42, "CIFS", BAD,
	  "set queue.directory to a local disk: locks and syncs of a "
	  "network are not to be trusted" },
	{ 0x65735546, "FUSE", DOUBTFUL,
	  "make sure that fsync is real there, or use a local disk" },
	{ 0x9123683e, "btrfs", DOUBTFUL,
	  "chattr +C the empty directory: else room cannot be reserved" },
	{ 0x2fc12fc1, "ZFS", DOUBTFUL,
	  "give the dataset a reservation: relais cannot reserve room" },
	{ 0xef53, "ext4", FINE, NULL },
	{ 0x58465342, "XFS", FINE, NULL },
};

static void check_disk(struct doctor *doctor)
{
	const struct json *store = json_member(doctor->status, "store");
	const char *path = json_text(store, "directory");
	char words[OUTPUT_WORDS_SIZE];
	struct statfs status;
	size_t i;

	if (!path || statfs(path, &status) < 0)
		return; /* others may not look */
	for (i = 0; i < sizeof(disks) / sizeof(disks[0]); i++)
		if ((unsigned long)status.f_type == disks[i].magic)
			break;
	if (i == sizeof(disks) / sizeof(disks[0]))
		say(doctor, "disk", DOUBTFUL, NULL,
		    "%s is of a kind that relais does not know (0x%lx)", path,
		    (unsigned long)status.f_type);
	else
		say(doctor, "disk", disks[i].result, disks[i].next, "%s is %s",
		    path, disks[i].name);
	output_size(json_number(store, "disk_free"), words);
	if ((uint64_t)json_number(store, "disk_free") < SPACE_MIN)
		say(doctor, "room", BAD, "free some of that disk",
		    "only %s are free in %s", words, path);
	else
		say(doctor, "room", FINE, NULL, "%s are free", words);
}

/* ---------------------------------------------------------- clock and name */

static void check_clock(struct doctor *doctor)
{
	struct timex state = { 0 };

	if (time(NULL) < YEAR_2025)
		say(doctor, "clock", BAD, "set the clock",
		    "the clock is wrong: certificates will seem invalid");
	else if (adjtimex(&state) < 0 || (state.status & STA_UNSYNC))
		say(doctor, "clock", DOUBTFUL, "timedatectl set-ntp true",
		    "nobody keeps the clock right, or says so");
	else
		say(doctor, "clock", FINE, NULL, "the clock is kept right");
}

static void check_name(struct doctor *doctor)
{
	const char *name = json_text(doctor->status, "hostname");

	if (name && strchr(name, '.'))
		say(doctor, "name", FINE, NULL, "this host is %s", name);
	else
		say(doctor, "name", DOUBTFUL, "set hostname in relais.yaml",
		    "%s is no full name; servers want one", name ? name : "?");
}

/* ------------------------------------------------------------------ relays */

/* 0 or -errno. */
static int connect_within(const struct addrinfo *address, int timeout_ms)
{
	struct pollfd wait = { .events = POLLOUT };
	socklen_t len = sizeof(int);
	int error = 0;
	int r = 0;

	wait.fd = socket(address->ai_family,
	                 SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (wait.fd < 0)
		return -errno;
	if (connect(wait.fd, address->ai_addr, address->ai_addrlen) < 0)
		r = -errno;
	if (r == -EINPROGRESS) {
		if (poll(&wait, 1, timeout_ms) != 1)
			r = -ETIMEDOUT;
		else if (getsockopt(wait.fd, SOL_SOCKET, SO_ERROR, &error,
		                    &len) < 0)
			r = -errno;
		else
			r = -error;
	}
	(void)close(wait.fd);
	return r;
}

static void try_host(struct doctor *doctor, const char *relay, const char *host,
                     const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *addresses = NULL, *address;
	char next[256];
	int r;

	r = getaddrinfo(host, port, &hints, &addresses);
	if (r != 0) {
		say(doctor, "relay", BAD,
		    "look at the name and at /etc/resolv.conf",
		    "%s: %s has no address: %s", relay, host, gai_strerror(r));
		return;
	}
	r = -ENOENT;
	for (address = addresses; address && r != 0; address = address->ai_next)
		r = connect_within(address, CONNECT_MS);
	freeaddrinfo(addresses);
	if (r == 0) {
		say(doctor, "relay", FINE, NULL, "%s: %s port %s answers",
		    relay, host, port);
		return;
	}
	snprintf(
	    next, sizeof(next),
	    strcmp(port, "25") == 0
		? "many networks block port 25: use a relay at port 465 or 587"
		: "relaisctl relay test %s",
	    relay);
	say(doctor, "relay", BAD, next, "%s: %s port %s: %s", relay, host, port,
	    strerror(-r));
}

static void check_relay(struct doctor *doctor, const struct json *relay)
{
	const char *name = json_text(relay, "name");
	const char *host = json_text(relay, "host");
	const char *url = json_text(relay, "url");
	char port[16];

	if (!name || !json_flag(relay, "enabled"))
		return;
	snprintf(port, sizeof(port), "%lld",
	         (long long)json_number(relay, "port"));
	if (host && *host != '\0' && json_number(relay, "port") > 0)
		try_host(doctor, name, host, port);
	else if (url && strncmp(url, "direct:", 7) == 0)
		try_host(doctor, name,
		         doctor->invocation->values[OPTION_HOST]
		             ? doctor->invocation->values[OPTION_HOST]
		             : PORT_25_HOST,
		         "25");
}

static void check_relays(struct doctor *doctor)
{
	const struct json *relays = json_member(doctor->relays, "relays");
	size_t i;

	for (i = 0; i < json_count(relays); i++)
		check_relay(doctor, json_item(relays, i));
}

static void check_problems(struct doctor *doctor)
{
	const struct json *problems = json_member(doctor->status, "problems");
	size_t i;

	for (i = 0; i < json_count(problems); i++)
		say(doctor, "status", BAD,
		    json_text(json_item(problems, i), "next"), "%s",
		    json_text(json_item(problems, i), "what"));
}
