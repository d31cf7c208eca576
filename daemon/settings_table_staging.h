/*
 * settings_table_staging - the rows of redirect, recipients and chaos
 *
 * Thread: constant data.
 */
#ifndef RELAIS_SETTINGS_TABLE_STAGING_H
#define RELAIS_SETTINGS_TABLE_STAGING_H

/* The same words for all mail, and for that of one relay. */
#define STAGING(SCOPE)                                                         \
	{ "redirect", TYPE(address), SCOPE(staging.redirect),                  \
	  .sentence = "For tests: the address that gets all mail instead of "  \
		      "its recipients, who are named in X-Original-To "        \
		      "fields. Default: off." },                               \
	    { "recipients.allow", TYPE(words), SCOPE(staging.allow),           \
	      .sentence =                                                      \
		  "For tests: the only recipients there are, a list of "       \
		  "addresses, @DOMAIN, or patterns with `*`; others are "      \
		  "refused. Default: everybody." },                            \
	    { "recipients.refuse", TYPE(words), SCOPE(staging.refuse),         \
	      .sentence = "For tests: recipients who are refused, whatever "   \
		          "recipients.allow says." },                          \
	    { "chaos.refuse", TYPE(percent),                                   \
	      SCOPE(staging.chaos.refuse_percent), RANGE(0, 100),              \
	      .sentence =                                                      \
		  "For tests: how many recipients are refused for good, "      \
		  "at random, as a relay would." },                            \
	    { "chaos.defer", TYPE(percent),                                    \
	      SCOPE(staging.chaos.defer_percent), RANGE(0, 100),               \
	      .sentence = "For tests: how many are put off." },                \
	    { "chaos.cut", TYPE(percent), SCOPE(staging.chaos.cut_percent),    \
	      RANGE(0, 100),                                                   \
	      .sentence =                                                      \
		  "For tests: how many messages are sent and lose the "        \
		  "relay's answer: their outcome is unknown, and they "        \
		  "are sent twice." },                                         \
	    { "chaos.delay", TYPE(time), SCOPE(staging.chaos.delay_s),         \
	      RANGE(0, 300),                                                   \
	      .sentence = "For tests: a wait before each message is sent." },  \
	{                                                                      \
		"chaos.seed", TYPE(count), SCOPE(staging.chaos.seed),          \
		    RANGE(0, 4294967295),                                      \
		    .sentence =                                                \
			"For tests: with the same number the same trouble "    \
			"comes in the same order after each start. Default: "  \
			"no start is like another."                            \
	}

#endif
