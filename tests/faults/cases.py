"""What relays do wrong, and what becomes of the mail: a case a row.

    (phase, what the relay says there, what has become of the mail then, more)

Phases and the words in <> are those of tests/support/relay.py. A list is said
one after the other, and then the relay behaves; a text is said every time. To
an address that begins with "good" a relay always says yes.

A message has one recipient unless `to` names others. Every message goes out
in the end: once its case was looked at, the relay becomes an honest one, and
whatever waits has to be delivered once, or to be marked (but for relays that
are too slow for us: they get a message a minute).

What becomes of the mail:

    DELIVERED         at the first attempt, the relay unharmed
    later(...)        the recipient is told to wait: one attempt charged
    FAILED            it bounces, with one attempt
    opens(KIND, ...)  the relay's breaker opens; nobody is charged
    holds(KIND, ...)  it stays so until somebody mends it; nobody is charged
    LOST_IN_BODY      no final dot: the relay cannot have it. The message may
                      be what it stumbled over, and waits as if told to
    UNKNOWN           it may have arrived: marked, and not before 15 minutes

Seconds are those until the next attempt, from one to another because of the
jitter. `with_message`: the connection was lost over this very message's
recipients or content, so that the loss is in its story and it lets others go
first, though uncharged.
"""

import dataclasses
import re

MINUTE = 60
HOUR = 60 * MINUTE


@dataclasses.dataclass(frozen=True)
class Outcome:
    state: str = "queued"        # of the message
    recipient: str = "waiting"   # of the recipient that is not "good"
    attempts: int = 0
    events: tuple = ()           # behind "accepted"
    next_s: tuple = None         # (least, most)
    scope: str = None            # of the last event
    marked: bool = False
    relay: str = "closed"
    kind: str = None             # of the relay's fault
    relay_s: tuple = None


def around(seconds, jitter=0.2):
    return (seconds * (1 - jitter), seconds * (1 + jitter))


def later(scope="message", next_s=(MINUTE, 1.2 * MINUTE), **more):
    return Outcome(attempts=1, events=("deferred",), scope=scope,
                   next_s=next_s, **more)


def opens(kind, seconds=None, with_message=False, **more):
    """Without a wish the first step is 30 seconds."""
    relay_s = (seconds, seconds) if seconds else around(30)
    next_s = tuple(max(MINUTE, s) for s in relay_s)
    # Whoever was too fast with one message gets one a minute.
    is_later = with_message or kind == "rate"
    return Outcome(relay="open", kind=kind, relay_s=relay_s,
                   events=("deferred",) if with_message else (),
                   scope="relay" if with_message else None,
                   next_s=next_s if is_later else relay_s, **more)


def holds(kind, seconds=None, **more):
    """Without a wish the first step is 15 minutes."""
    relay_s = (seconds, seconds) if seconds else around(15 * MINUTE)
    return Outcome(relay="held", kind=kind, relay_s=relay_s, next_s=relay_s,
                   **more)


def failed(scope, **more):
    return Outcome(state="failed", recipient="failed", attempts=1,
                   events=("failed",), scope=scope, **more)


DELIVERED = Outcome(state="delivered", recipient="delivered", attempts=1,
                    events=("delivered",))
FAILED = failed("message")
UNKNOWN = Outcome(attempts=1, events=("unknown",), marked=True,
                  next_s=(15 * MINUTE, 15 * MINUTE))
LOST_IN_BODY = later()
LOST = opens("network", with_message=True)
OUT_OF_STEP = opens("protocol", with_message=True)

PLAIN = {"security": "none"}
TLS = {"security": "tls"}
STARTTLS = {"security": "starttls"}
LOGIN = {"login": True}
# A connection that carries two messages, one after the other.
SECOND = {"messages": 2}
# The silence of some phases takes as long as the time that is granted.
SLOW = {"is_slow": True}
GOOD = {"to": ("bad", "good")}
# More than the buffers between the two hold.
LARGE = {"size": 12 * 1024 * 1024}

ROWS = [
    # --- no connection ---------------------------------------------------
    ("refused", "", opens("network")),
    ("black hole", "", opens("network"), SLOW),
    ("ACCEPT", "DROP", opens("network")),
    ("ACCEPT", "<reset>", opens("network")),

    # --- TLS from the start ----------------------------------------------
    ("TLS", "DROP", opens("tls"), TLS),
    ("TLS", "<reset>", opens("tls"), TLS),
    ("TLS", "<silence>", opens("network"), TLS, SLOW),
    ("TLS", "<octets> 220 relay.test ESMTP\r\n", holds("config"), TLS),
    ("TLS", "<octets> \x16\x03\x01\x00\x05\x02\x00\x00\x00\x00",
     opens("tls"), TLS),
    ("certificate", "expired", opens("tls"), TLS),
    ("certificate", "wrong", opens("tls"), TLS),
    ("certificate", "self", opens("tls"), TLS),

    # --- greeting: "not now" or "not you", never the mail's fault ---------
    ("CONNECT", "DROP", opens("network")),
    ("CONNECT", "<reset>", opens("network")),
    ("CONNECT", "<silence>", opens("network"), SLOW),
    ("CONNECT", "<trickle> 220-relay.test\r\n", opens("network"), SLOW),
    ("CONNECT", "<half> 220 relay.te", opens("network")),
    ("CONNECT", "<drip> 220 relay.test ESMTP", DELIVERED),
    ("CONNECT", "<flood> 220-and more\r\n", opens("protocol")),
    ("CONNECT", "<flood> 220 and more ", opens("protocol")),
    ("CONNECT", "<octets> \x00\x01\x02\x03\r\n", opens("protocol")),
    ("CONNECT", "<octets> HTTP/1.1 400 Bad Request\r\n\r\n",
     opens("protocol")),
    ("CONNECT", "220 Gr\udcfc\udcdfe ESMTP", DELIVERED),
    ("CONNECT", "220", DELIVERED),
    ("CONNECT", "220 ****************************", DELIVERED),
    ("CONNECT", "220-please wait\r\n220 relay.test", DELIVERED),
    ("CONNECT", "421 4.3.2 Service shutting down", opens("other")),
    ("CONNECT", "421 Too many concurrent SMTP connections",
     opens("concurrency")),
    ("CONNECT", "450 4.7.1 not now", opens("other")),
    ("CONNECT", "421 4.7.0 Rate limit exceeded", opens("rate", 15 * MINUTE)),
    ("CONNECT", "421 4.7.0 try again in 300 seconds",
     opens("other", 5 * MINUTE)),
    ("CONNECT", "554 5.7.1 no SMTP service here", opens("other")),
    ("CONNECT", "554 5.7.1 blocked using zen.spamhaus.org", holds("config", HOUR)),
    ("CONNECT", "521 5.3.2 this host takes no mail", holds("config", HOUR)),
    ("CONNECT", "354 go", opens("protocol")),

    # --- EHLO --------------------------------------------------------------
    ("EHLO", "DROP", opens("network")),
    ("EHLO", "<reset>", opens("network")),
    ("EHLO", "<silence>", opens("network"), SLOW),
    ("EHLO", "<trickle> 250-x\r\n", opens("network"), SLOW),
    ("EHLO", "<half> 250-relay.test\r\n250-PIPEL", opens("network")),
    ("EHLO", "<drip> 250-relay.test\r\n250 PIPELINING", DELIVERED),
    ("EHLO", "<flood> 250-more and more\r\n", opens("protocol")),
    ("EHLO", "<octets> what?\r\n", opens("protocol")),
    ("EHLO", "<octets> 2\r\n", opens("protocol")),
    ("EHLO", "250-relay.test\r\n250-\udcff\udcfe\r\n250-8 BITMIME\r\n250 DSN",
     DELIVERED),
    ("EHLO", "250-relay.test\r\n451 SIZE", opens("other")),
    ("EHLO", "<early> 250 2.1.0 ok", opens("protocol")),
    ("EHLO", "<early> 421 4.7.0 Too many connections", opens("concurrency")),
    ("EHLO", "<early> 554 5.7.1 go away", opens("other")),
    ("EHLO", "354 go", opens("protocol")),
    ("EHLO", "421 4.3.2 Service shutting down", opens("other")),
    ("EHLO", "451 4.3.0 Local error", opens("other")),
    ("EHLO", "502 5.5.1 unknown", DELIVERED),
    ("EHLO", "550 5.5.1 unknown", DELIVERED),
    ("EHLO", "502 5.5.1 unknown", holds("config"), LOGIN),
    ("EHLO", "554 5.5.2 need a fully-qualified hostname", holds("config")),
    ("EHLO", "550 5.7.1 cannot find your reverse DNS", holds("config", HOUR), LOGIN),

    # --- STARTTLS: never in the clear instead ------------------------------
    ("EHLO", "250 relay.test", opens("tls"), STARTTLS),
    ("STARTTLS", "DROP", opens("network"), STARTTLS),
    ("STARTTLS", "<reset>", opens("network"), STARTTLS),
    ("STARTTLS", "<silence>", opens("network"), STARTTLS, SLOW),
    ("STARTTLS", "454 4.3.0 TLS not available",
     opens("tls", 5 * MINUTE), STARTTLS),
    ("STARTTLS", "421 4.3.2 shutting down", opens("other"), STARTTLS),
    ("STARTTLS", "502 5.5.1 no such command", holds("config"), STARTTLS),
    ("STARTTLS", "250 2.0.0 go", opens("protocol"), STARTTLS),
    ("STARTTLS", "<early> 250 injected", opens("protocol"), STARTTLS),
    ("STARTTLS", "<octets> garbage\r\n", opens("protocol"), STARTTLS),
    ("TLS", "DROP", opens("tls"), STARTTLS),
    ("TLS", "<silence>", opens("network"), STARTTLS, SLOW),
    ("certificate", "expired", opens("tls"), STARTTLS),
    ("certificate", "wrong", opens("tls"), STARTTLS),

    # --- login: the mail is innocent ---------------------------------------
    ("EHLO", "250 relay.test", holds("config"), LOGIN),
    ("AUTH", "DROP", opens("network"), LOGIN),
    ("AUTH", "<reset>", opens("network"), LOGIN),
    ("AUTH", "<silence>", opens("network"), LOGIN, SLOW),
    ("AUTH", "<half> 235 2.7", opens("network"), LOGIN),
    ("AUTH", "<octets> garbage\r\n", opens("protocol"), LOGIN),
    ("AUTH", "334 !!!", holds("auth"), LOGIN),
    ("AUTH", "235", DELIVERED, LOGIN),
    ("AUTH", "421 4.7.0 Try again later", holds("auth", 30 * MINUTE), LOGIN),
    ("AUTH", "421 4.3.2 shutting down", opens("other", 5 * MINUTE), LOGIN),
    ("AUTH", "432 4.7.12 A password transition is needed", holds("auth"),
     LOGIN),
    ("AUTH", "451 4.3.0 Temporary local problem",
     opens("other", 5 * MINUTE), LOGIN),
    ("AUTH", "451 Authentication failed", holds("auth"), LOGIN),
    ("AUTH", "451 Authentication failed: Maximum credits exceeded",
     opens("quota", HOUR), LOGIN),
    ("AUTH", "454 4.7.0 Temporary authentication failure",
     opens("other", 5 * MINUTE), LOGIN),
    ("AUTH", "454 4.7.0 Too many login attempts, please try again later.",
     holds("auth", 30 * MINUTE), LOGIN),
    ("AUTH", "500 5.5.6 line too long", holds("config"), LOGIN),
    ("AUTH", "503 5.5.1 authentication not enabled", holds("config"), LOGIN),
    ("AUTH", "504 5.5.4 mechanism not supported", holds("config"), LOGIN),
    ("AUTH", "530 5.7.0 Must issue a STARTTLS command first",
     holds("config"), LOGIN),
    ("AUTH", "534 5.7.9 Application-specific password required",
     holds("auth"), LOGIN),
    ("AUTH", "535 5.7.8 Username and Password not accepted", holds("auth"),
     LOGIN),
    ("AUTH", "535 5.7.139 Authentication unsuccessful, basic authentication "
     "is disabled", holds("auth"), LOGIN),
    ("AUTH", "535 5.7.0 Too many connections per account",
     opens("concurrency"), LOGIN),
    ("AUTH", "535 5.7.0 Monthly messages limit reached",
     opens("quota", HOUR), LOGIN),
    ("AUTH", "538 5.7.11 Encryption required", holds("config"), LOGIN),
    ("AUTH", "550 5.7.1 account suspended", holds("auth"), LOGIN),

    # --- MAIL --------------------------------------------------------------
    ("MAIL", "DROP", opens("network")),
    ("MAIL", "<reset>", opens("network")),
    ("MAIL", "<silence>", opens("network"), SLOW),
    ("MAIL", "<trickle> 250-x\r\n", opens("network"), SLOW),
    ("MAIL", "<half> 250 2.1", opens("network")),
    ("MAIL", "<drip> 250 2.1.0 ok", DELIVERED),
    ("MAIL", "<flood> 250-more\r\n", opens("protocol")),
    ("MAIL", "<octets> garbage\r\n", opens("protocol")),
    ("MAIL", "250 \udcff\udcfe ok", DELIVERED),
    ("MAIL", "354 go", opens("protocol")),
    ("MAIL", "421 4.3.2 shutting down", opens("other")),
    ("MAIL", "421 4.7.0 Max message per connection reached", opens("other")),
    ("MAIL", "421 Domain x is not allowed to send: Please activate your "
     "account", holds("config")),
    ("MAIL", "432 4.3.2 Concurrent connections limit exceeded",
     opens("concurrency")),
    ("MAIL", "450 4.3.0 not yet", later()),
    ("MAIL", "450 4.1.8 Sender address rejected: Domain not found",
     later("sender")),
    ("MAIL", "450 Requested mail action not taken: mailbox unavailable Mail "
     "send limit exceeded", opens("quota", HOUR)),
    ("MAIL", "450 4.7.1 Error: too much mail from 192.0.2.1", opens("rate")),
    ("MAIL", "451 4.7.1 try again in 600 seconds",
     later(next_s=(10 * MINUTE, 10 * MINUTE))),
    ("MAIL", "451 4.7.500 Server busy. Please try again later", opens("rate")),
    ("MAIL", "451 5.7.3 STARTTLS is required to send mail", holds("config")),
    ("MAIL", "452 4.3.1 Insufficient system storage",
     opens("other", 15 * MINUTE)),
    ("MAIL", "454 Throttling failure: Maximum sending rate exceeded.",
     opens("rate")),
    ("MAIL", "454 Throttling failure: Daily message quota exceeded.",
     opens("quota", HOUR)),
    ("MAIL", "500 5.5.2 what", opens("protocol")),
    ("MAIL", "503 5.5.1 EHLO first", opens("protocol")),
    ("MAIL", ["555 5.5.4 unknown parameter"], DELIVERED),
    ("MAIL", "530 5.7.0 Authentication required", holds("auth")),
    ("MAIL", "530 5.7.57 Client not authenticated to send mail",
     holds("auth")),
    ("MAIL", "550 5.1.90 You've reached your daily limit",
     opens("quota", HOUR)),
    ("MAIL", "550 5.4.5 Daily user sending limit exceeded",
     opens("quota", HOUR)),
    ("MAIL", "550 5.7.1 no", FAILED),
    ("MAIL", "552 5.3.4 Message size exceeds fixed limit", FAILED),
    ("MAIL", "553 5.7.1 Sender address rejected: not owned by user",
     failed("sender")),
    ("MAIL", "554 5.2.2 mailbox full; STOREDRV.Submission.Exception:"
     "QuotaExceededException", holds("config")),
    ("MAIL", "554 5.7.1 Client host blocked using zen.spamhaus.org",
     holds("config", HOUR)),
    ("MAIL", "550 5.7.705 Access denied, tenant has exceeded threshold",
     holds("config")),

    # --- RCPT --------------------------------------------------------------
    ("RCPT", "DROP", LOST),
    ("RCPT", "<reset>", LOST),
    ("RCPT", "<silence>", LOST, SLOW),
    ("RCPT", "<half> 250 2.1", LOST),
    ("RCPT", "<drip> 250 2.1.5 ok", DELIVERED),
    ("RCPT", "<flood> 250-more\r\n", OUT_OF_STEP),
    ("RCPT", "<octets> garbage\r\n", OUT_OF_STEP),
    ("RCPT", "354 go", OUT_OF_STEP),
    ("RCPT", "250 \udcff\udcfe ok", DELIVERED),
    ("RCPT", "251 2.1.5 will forward", DELIVERED),
    ("RCPT", "252 2.1.5 cannot verify", DELIVERED),
    ("RCPT", "254 Suppression for that address", failed("recipient")),
    ("RCPT", "421 4.3.2 shutting down", opens("other", with_message=True)),
    ("RCPT", "450 4.2.0 not yet", later("recipient")),
    ("RCPT", "450 4.2.1 The user you are trying to contact is receiving mail "
     "at a rate that prevents additional messages", later("recipient")),
    ("RCPT", "450 4.7.1 Greylisted",
     later("recipient", (5 * MINUTE, 6 * MINUTE))),
    ("RCPT", "450 4.7.1 too many messages, slow down", opens("rate")),
    ("RCPT", "451 4.3.0 Local error", later("recipient")),
    ("RCPT", "452 4.2.2 mailbox full",
     later("recipient", (4 * HOUR, 4 * HOUR))),
    ("RCPT", "452 4.5.3 too many recipients", later("recipient")),
    ("RCPT", "454 4.7.1 Relay access denied", holds("config")),
    ("RCPT", "500 5.5.2 what", OUT_OF_STEP),
    ("RCPT", "503 5.5.1 MAIL first", OUT_OF_STEP),
    ("RCPT", "550 5.1.1 User unknown", failed("recipient")),
    ("RCPT", "550 5.4.1 Recipient address rejected: Access denied",
     failed("recipient")),
    ("RCPT", "550 5.4.5 Daily sending quota exceeded", opens("quota", HOUR)),
    ("RCPT", "550 5.7.1 Relaying denied", holds("config")),
    ("RCPT", "504 5.5.2 <localhost>: Helo command rejected: need "
     "fully-qualified hostname", holds("config", HOUR)),
    ("RCPT", "550 5.1.8 Access denied, bad outbound sender",
     holds("config")),
    ("RCPT", "552 5.2.2 mailbox is over quota",
     later("recipient", (4 * HOUR, 4 * HOUR))),
    ("RCPT", "553 5.1.3 bad syntax", failed("recipient")),
    ("RCPT", "554 5.7.1 Relay access denied", holds("config")),
    # Another recipient is accepted: each has a verdict of its own.
    ("RCPT", "450 4.2.0 not yet", later("recipient"), GOOD),
    ("RCPT", "550 5.1.1 User unknown",
     failed("recipient", ), {**GOOD, "state": "partial"}),
    ("RCPT", "554 5.7.1 Relay access denied", failed("recipient"),
     {**GOOD, "state": "partial"}),
    ("RCPT", "254 Suppression for that address", failed("recipient"),
     {**GOOD, "state": "partial"}),
    ("RCPT", [None, "452 4.5.3 too many recipients"], DELIVERED,
     {"to": ("good", "bad")}),
    ("RCPT", [None, "552 too many recipients"], DELIVERED,
     {"to": ("good", "bad")}),
    ("RCPT", "452 4.5.3 too many recipients", later("recipient"),
     {"to": ("good", "bad")}),

    # --- DATA --------------------------------------------------------------
    ("DATA", "DROP", LOST),
    ("DATA", "<reset>", LOST),
    ("DATA", "<silence>", LOST, SLOW),
    ("DATA", "<half> 354 g", LOST),
    ("DATA", "<drip> 354 go", DELIVERED),
    ("DATA", "<flood> 354-more\r\n", OUT_OF_STEP),
    ("DATA", "<octets> garbage\r\n", OUT_OF_STEP),
    ("DATA", "250 2.0.0 ok", OUT_OF_STEP),
    ("DATA", "<early> 250 2.0.0 taken", OUT_OF_STEP),
    ("DATA", "354", DELIVERED),
    ("DATA", "421 4.3.2 shutting down", opens("other", with_message=True)),
    ("DATA", "451 4.3.0 Local error", later()),
    ("DATA", "452 4.3.1 Out of disk",
     opens("other", 15 * MINUTE, with_message=True)),
    ("DATA", "451 4.7.0 Rate limit exceeded", opens("rate")),
    ("DATA", "503 5.5.1 RCPT first", OUT_OF_STEP),
    ("DATA", "550 5.7.1 no", FAILED),
    ("DATA", "550 5.4.5 Daily user sending limit exceeded",
     opens("quota", HOUR)),
    ("DATA", "554 5.5.1 no valid recipients", FAILED),

    # --- the content: no dot was written, the relay cannot have it ----------
    ("BODY", "DROP", LOST_IN_BODY, LARGE),
    ("BODY", "<reset>", LOST_IN_BODY, LARGE),
    ("BODY", "<stall>", LOST_IN_BODY, LARGE, SLOW),
    ("BODY", "<octets> garbage\r\n", LOST_IN_BODY, LARGE),
    ("BODY", "<last> 451 4.3.0 enough", later(), LARGE),
    ("BODY", "<last> 421 4.3.2 shutting down", later(), LARGE),
    ("BODY", "<last> 552 5.3.4 too large", FAILED, LARGE),
    ("BODY", "<last> 250 2.0.0 taken", opens("protocol", with_message=True),
     LARGE),

    # --- the final dot ------------------------------------------------------
    (".", "DROP", UNKNOWN),
    (".", "<reset>", UNKNOWN),
    (".", "<silence>", UNKNOWN, SLOW),
    (".", "<trickle> 250-x\r\n", UNKNOWN, SLOW),
    (".", "<half> 250-2.0.0 tak", UNKNOWN),
    (".", "<half> 250 2.0.0 taken", UNKNOWN),
    (".", "<half> 451 4.3.0 not", UNKNOWN),
    (".", "<drip> 250 2.0.0 taken", DELIVERED),
    (".", "<flood> 250-more\r\n", UNKNOWN),
    (".", "<flood> 250 more ", UNKNOWN),
    (".", "<octets> garbage\r\n", UNKNOWN),
    (".", "<octets> 999 taken\r\n", UNKNOWN),
    (".", "<octets> taken 250\r\n", UNKNOWN),
    (".", "354 go", UNKNOWN),
    (".", "<twice> 250 2.0.0 taken", DELIVERED),
    (".", "<last> 250 2.0.0 taken", DELIVERED),
    (".", "250", DELIVERED),
    (".", "250 2.0.0 gen\udcfcgend", DELIVERED),
    (".", "250-2.0.0 part of\r\n250 2.0.0 the answer", DELIVERED),
    (".", "250-2.0.0 yes\r\n451 4.3.0 no", later()),
    (".", "421 4.3.2 shutting down", later()),
    (".", "421 4.7.0 Rate limit exceeded", opens("rate")),
    (".", "421 4.7.28 unusual rate of mail", opens("rate")),
    (".", "432 4.3.2 Concurrent connections limit exceeded",
     opens("concurrency")),
    (".", "450 The given data was invalid.", FAILED),
    (".", "451 4.3.0 not yet", later()),
    (".", "451 4.7.1 Greylisted", later(next_s=(5 * MINUTE, 6 * MINUTE))),
    (".", "452 4.3.1 Insufficient system storage",
     opens("other", 15 * MINUTE, with_message=True)),
    (".", "454 Throttling failure: Daily message quota exceeded.",
     opens("quota", HOUR)),
    (".", "550 5.4.5 Daily user sending limit exceeded", opens("quota", HOUR)),
    (".", "550 5.7.0 Requested action not taken: too many emails per second",
     opens("rate")),
    (".", "550 Failure sending mail. Try again later", opens("quota", HOUR)),
    (".", "550 5.7.1 looks like spam", FAILED),
    (".", "550 5.7.26 This mail is unauthenticated, the sender must "
     "authenticate with SPF or DKIM", FAILED),
    (".", "550 5.7.30 Basic authentication is not supported", holds("auth")),
    (".", "552 5.2.3 too large", FAILED),
    (".", "554 5.2.0 STOREDRV.Submission.Exception:"
     "SubmissionQuotaExceededException", opens("quota", HOUR)),
    (".", "554 5.2.252 SendAsDenied; not allowed to send as that",
     failed("sender")),
    (".", "554 Message rejected: Email address is not verified.",
     failed("sender")),
    (".", "554 Sending paused for this account", holds("config")),
    (".", "554 5.6.0 no", FAILED),

    # --- between two messages: a new connection, free of charge --------------
    ("QUIT", "DROP", DELIVERED),
    ("QUIT", "<octets> garbage\r\n", DELIVERED),
    ("IDLE", "DROP", DELIVERED, SECOND),
    ("IDLE", "<reset>", DELIVERED, SECOND),
    ("IDLE", "421 4.4.2 idle for too long", DELIVERED, SECOND),
    ("IDLE", "<octets> 250 2.0.0 by the way\r\n", DELIVERED, SECOND),
    ("IDLE", "<octets> garbage\r\n", DELIVERED, SECOND),
    ("MAIL", [None, "DROP"], DELIVERED, SECOND),
    ("MAIL", [None, "<reset>"], DELIVERED, SECOND),
    ("MAIL", [None, "<silence>"], DELIVERED, SECOND, SLOW),
    ("MAIL", [None, "<half> 250 2"], DELIVERED, SECOND),
    ("MAIL", [None, "421 4.7.0 Max message per connection reached"],
     DELIVERED, SECOND),
    ("MAIL", [None, "450 4.7.1 too many messages for this session"],
     DELIVERED, SECOND),
    ("MAIL", [None, "452 4.3.0 later"], DELIVERED, SECOND),
    ("RCPT", [None, "DROP"], DELIVERED, SECOND),
    ("DATA", [None, "DROP"], DELIVERED, SECOND),
    (".", [None, "DROP"], UNKNOWN, SECOND),

    # --- LMTP: a reply for each recipient behind the dot ---------------------
    ("LMTP .", "451 4.3.0 not yet", later(), GOOD),
    ("LMTP .", "552 5.2.2 mailbox full (over quota)",
     later("recipient", (4 * HOUR, 4 * HOUR)), GOOD),
    ("LMTP .", "550 5.2.1 no", FAILED, {**GOOD, "state": "partial"}),
    ("LMTP .", "<half> 250 2", UNKNOWN, {"to": ("good", "bad")}),
    ("LMTP .", "DROP", UNKNOWN, {"to": ("good", "bad")}),
    ("LMTP RCPT", "550 5.1.1 nobody", failed("recipient"),
     {**GOOD, "state": "partial"}),
]


class Case:
    def __init__(self, row):
        phase, self.says, self.outcome, *more = row
        options = {key: value for part in more for key, value in part.items()}
        self.is_lmtp = phase.startswith("LMTP ")
        self.phase = phase.removeprefix("LMTP ")
        self.to = options.get("to", ("bad",))
        self.messages = options.get("messages", 1)
        self.size = options.get("size", 0)
        self.security = options.get("security", "none")
        self.has_login = options.get("login", False)
        self.is_slow = options.get("is_slow", False)
        self.state = options.get("state", self.outcome.state)
        says = self.says if isinstance(self.says, str) else str(self.says)
        words = [phase.replace(".", "dot"), *(w for w in (
            self.security if self.security != "none" else "",
            "login" if self.has_login else "",
            "to " + " ".join(self.to) if len(self.to) > 1 else "") if w),
            says]
        self.name = re.sub("[^a-z0-9]+", "-", " ".join(words).lower())
        self.name = self.name.strip("-")[:60].rstrip("-")


CASES = [Case(row) for row in ROWS]
for number, case in enumerate(CASES):
    earlier = sum(case.name == other.name for other in CASES[:number])
    if earlier:
        case.name += f"-again-{earlier}"
