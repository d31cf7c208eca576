/*
 * settings_table_lists - the keys of each entry of the lists there are
 */
#include "config.h"

#include "settings_table.h"

#include <stddef.h>

#define DAY_S (24 * 60 * 60)
#define GIB   (UINT64_C(1) << 30)

#define TYPE(name)       .type = &settings_type_##name
#define ROUTE(field)     .offset = offsetof(struct route_rule, field)
#define SUBMITTER(field) .offset = offsetof(struct submitter_rule, field)
#define HINT(field)      .offset = offsetof(struct hint_rule, field)
#define LISTEN(field)    .offset = offsetof(struct settings_listen, field)
#define RANGE(from, to)  .minimum = (from), .maximum = (to)

static const struct settings_choice choices_treat_as[] = {
	{ "retry", HINT_RETRY },
	{ "bounce", HINT_BOUNCE },
	{ "hold-relay", HINT_HOLD_RELAY },
	{ "pause-relay", HINT_PAUSE_RELAY },
	{ "slow-down", HINT_SLOW_DOWN },
	{ "fewer-connections", HINT_FEWER_CONNECTIONS },
	{ NULL, 0 },
};

const struct settings_key settings_keys_route[] = {
	{ "from", TYPE(text), ROUTE(from),
	  .sentence = "The envelope sender, a pattern in which `*` stands for "
	              "anything; `<>` is the null sender, that of bounces." },
	{ "to", TYPE(text), ROUTE(to),
	  .sentence = "The recipient, a pattern." },
	{ "tag", TYPE(text), ROUTE(tag),
	  .sentence = "The message's tag, a pattern." },
	{ "user", TYPE(user), ROUTE(user),
	  .sentence = "Who submitted it, a name or number." },
	{ "group", TYPE(group), ROUTE(group),
	  .sentence = "The group that who submitted it runs as; further ones "
	              "do not count." },
	{ "if_priority", TYPE(choice), ROUTE(if_priority),
	  .choices = settings_choices_priority,
	  .sentence = "Its priority: the one it was submitted with, or that "
	              "an earlier rule gave." },
	{ "relay", TYPE(relay), ROUTE(relay), .sentence = "The relay to use." },
	{ "priority", TYPE(choice), ROUTE(priority),
	  .choices = settings_choices_priority,
	  .sentence = "The priority to give: urgent, normal or bulk." },
	{ 0 },
};

const struct settings_key settings_keys_hint[] = {
	{ "relay", TYPE(relay), HINT(relay),
	  .sentence = "Replies of this relay alone. Default: of any." },
	{ "code", TYPE(text), HINT(code),
	  .sentence = "The reply's code, `x` stands for any digit, and `|` is "
	              "between several: `45x|552`." },
	{ "enhanced", TYPE(text), HINT(enhanced),
	  .sentence = "Its enhanced code, `x` stands for any number: "
	              "`x.7.1`." },
	{ "text", TYPE(text), HINT(text),
	  .sentence = "Words that it has, whatever their case; `*` stands for "
	              "anything, and `|` is between several." },
	{ "treat_as", TYPE(choice), HINT(treat_as), .choices = choices_treat_as,
	  .sentence = "retry or bounce (the recipient or message, never before "
	              "MAIL); hold-relay (until somebody acts), pause-relay "
	              "(for a time), slow-down, fewer-connections. Default: "
	              "as relais takes it." },
	{ "after", TYPE(time), HINT(after_s), RANGE(1, DAY_S),
	  .sentence = "The time to wait, where the reply names none." },
	{ "explain", TYPE(text), HINT(explain),
	  .sentence = "What it means, for people." },
	{ "next", TYPE(text), HINT(next), .sentence = "What to do about it." },
	{ 0 },
};

const struct settings_key settings_keys_submitter[] = {
	{ "user", TYPE(user), SUBMITTER(user),
	  .sentence = "A user name or number. Without user and group the rule "
	              "is for everybody." },
	{ "group", TYPE(group), SUBMITTER(group),
	  .sentence = "A group name or number." },
	{ "administrator", TYPE(boolean), SUBMITTER(administrator),
	  .initial = "off", .sentence = "on: may see and change everything." },
	{ "senders", TYPE(words), SUBMITTER(senders),
	  .sentence = "Sender addresses that may be used: a list of addresses, "
	              "@DOMAIN, or patterns with `*`. Binds the envelope, "
	              "From and Sender, and addresses shown in their display "
	              "names. Default: any." },
	{ "rate", TYPE(rate), SUBMITTER(rate), .initial = "300/min",
	  .sentence = "Messages in a time, over long." },
	{ "burst", TYPE(count), SUBMITTER(burst), .initial = "1000",
	  RANGE(1, 10000000),
	  .sentence = "Messages at once, before the rate holds." },
	{ "queued", TYPE(count), SUBMITTER(queued), .initial = "off",
	  RANGE(0, 100000000),
	  .sentence = "Messages waiting at a time, held ones included." },
	{ "share", TYPE(percent), SUBMITTER(share_percent), .initial = "10%",
	  RANGE(1, 100),
	  .sentence = "How much of queue.maximum may be taken: header and "
	              "body of all mail that waits, is still coming in or is "
	              "kept after a failure, and 1 KiB for each message." },
	{ "size", TYPE(size), SUBMITTER(size_bytes), .initial = "off",
	  RANGE(0, 2 * GIB),
	  .sentence = "The largest message, where it is to be less than "
	              "receive.message_size." },
	{ "recipients", TYPE(count), SUBMITTER(recipients), .initial = "off",
	  RANGE(0, 50000),
	  .sentence = "The most recipients of one message, where they are to "
	              "be fewer than receive.recipients." },
	{ "connections", TYPE(count), SUBMITTER(connections), .initial = "64",
	  RANGE(1, 100000),
	  .sentence = "Connections at a time, at each of the two sockets; "
	              "all but the first four are served when nobody else "
	              "waits. At the submission socket 1,000 may begin in a "
	              "second, and two for each message of the rate." },
	{ "priority", TYPE(choice), SUBMITTER(priority_limit),
	  .initial = "normal", .choices = settings_choices_priority,
	  .sentence = "The best priority that may be asked for." },
	{ "relays", TYPE(submitter_relays), SUBMITTER(relays),
	  .sentence = "Relays that may be asked for by name: a list, or "
	              "`any`. Default: none." },
	{ "header_parameters", TYPE(boolean), SUBMITTER(header_parameters),
	  .initial = "off",
	  .sentence = "on: the fields X-Relais-Key and others of a header are "
	              "honoured; see relais-protocol(7)." },
	{ 0 },
};

const struct settings_key settings_keys_listen[] = {
	{ "address", TYPE(name), LISTEN(address), .initial = "127.0.0.1",
	  .sentence = "A loopback address." },
	{ "port", TYPE(port), LISTEN(port), .sentence = "The port. Needed." },
	{ "user", TYPE(user), LISTEN(user),
	  .sentence = "Who its clients count as. Needed; never root." },
	{ 0 },
};
