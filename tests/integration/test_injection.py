"""Injection and smuggling: what comes in by any door, and what a relay says.

Whatever it is: what leaves relais has no bare CR, no bare LF and no NUL, its
content ends where the message does, and its commands are the envelope's.

Which case is tested where; without a name of a file it is below. A slash
stands for a unit test, dialogues/ for a conversation in tests/dialogues.

Content that comes in
  only CRLF.CRLF ends it; LF is a line   test_what_comes_in_leaves_whole,
    end, bare CR and NUL are refused       test_receive, /test_smtp_dot_stuffing
                                           (every short text in every cut),
                                           /test_smtp_server, fuzz_smtp_server
  the same in chunks                     the same by BDAT, fuzz_bdat, dialogues/
                                           server/takes_chunks_cut_anywhere
  the same by relais-sendmail and HTTP   the same, test_sendmail,
                                           test_http_submission
  sendmail -bs with LF or CRLF           test_sendmail, /test_line_translator
  dots, CR and LF cut by buffers         test_dots_survive_every_boundary
  text that was already in the queue     /test_smtp_dot_stuffing (the encoder
                                           lets no bare CR or LF through)
  content that cannot be read to its end dialogues/client/never_ends_content_…
  lines of more than 998 octets stay     test_bytes_survive
  number and size of header fields, hops /test_header, dialogues/server/
                                           keeps_its_limits
Commands that come in
  bare LF, bare CR, NUL, controls        test_refuses_a_command_that_…,
                                           dialogues/server/closes_on_a_…
  envelope parameters as xtext           test_refuses_a_command_that_…,
                                           test_a_parameter_stays_in_its_field
  lines without end, HTTP, pipelining    /test_smtp_server, dialogues/server
  paths: brackets, routes, quoting       /test_address, /test_smtp_command
  plaintext behind our STARTTLS          there is no STARTTLS to ask for
Values that become commands or fields
  addresses, ids, tags: relais-sendmail  test_sendmail_lets_no_option_break_out
  the same of librelais                  /test_envelope_commands
  relaisctl send                         test_relaisctl_lets_no_value_break_out
  JSON and queries over HTTP             test_http_submission, fuzz_submission
  settings of a file or the control API  test_no_setting_breaks_out,
                                           /test_settings_yaml
  templates, HELO names in Received      /test_compose
  display names: specials, other letters /test_headers, test_http_submission
  aliases                                /test_aliases, test_no_setting_…
  user names, passwords, tokens          base64 in AUTH: /test_sasl
  log lines                              the grammar that conftest.py checks
                                           for each daemon's log, /test_log
What a relay says
  NUL, CR, controls, over-long lines     test_a_reply_is_cleaned_wherever_…,
                                           /test_smtp_reply, fuzz_smtp_reply
  endless lines and replies, no SMTP     test_faults, /test_smtp_reply
  lines of differing codes               test_the_last_code_decides_and_…
  answers to what was not asked          test_faults, dialogues/client/
                                           drops_a_server_that_is_out_of_step
  answers behind STARTTLS' 220           test_faults, /test_transport_tls,
                                           dialogues/client/refuses_clear_text_…
  EHLO before TLS is forgotten           dialogues/client/asks_again_for_…
  odd keywords of EHLO, challenges       fuzz_ehlo, fuzz_smtp_client, /test_sasl
"""

import http.client
import json
import re
import socket
import subprocess
import urllib.parse

import pytest

from conftest import BUILD, UnixHTTPConnection

pytestmark = pytest.mark.one_try

APP, USER = "app@example.com", "user@example.net"
HEADER = (b"From: App <app@example.com>\r\nSubject: x\r\n"
          b"Date: Mon, 23 Nov 2026 18:40:01 +0000\r\n"
          b"Message-ID: <fixed@example.com>\r\n\r\n")
SMUGGLED = (b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<x@example.net>\r\n"
            b"DATA\r\nSubject: smuggled\r\n\r\nboo\r\n")

# Between an honest line and the smuggled ones. What has a bare CR or a NUL is
# refused, the rest is text.
TEXT = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r\n", b"\n\n.\n\n",
        b"\r\n..\r\n", b"\r\n...\r\n", b"\r\n. \r\n", b"\n..\n", b"\n.QUIT\n",
        b"\r\n.\r\n.\r\n", b"\n\r\n.\n\r\n"]
DAMAGED = [b"\r.\r", b"\r.\n", b"\r.\r\n", b"\r\n.\r", b"\r\r\n.\r\r\n",
           b"\r\n.\r\r\n", b"\r\n.\0\r\n", b"\r\n\0.\r\n", b"\0",
           b"\r\0\n.\r\n"]


def check_wire(relay, *recipients, sender=APP):
    """What the relay got, octet for octet, whatever it answered. What follows
    an early end of content would be among the commands."""
    to = "|".join(map(re.escape, recipients or [USER]))
    known = re.compile(rf"EHLO relais\.example\.com|DATA|RSET|QUIT"
                       rf"|MAIL FROM:<{re.escape(sender)}>( [!-~]+)*"
                       rf"|RCPT TO:<({to})>( [!-~]+)*")
    with relay.changed:
        for session in relay.sessions:
            octets = bytes(session.octets)
            assert b"\0" not in octets
            assert not re.search(rb"\r(?!\n)|(?<!\r)\n", octets)
            for command in session.commands:
                assert known.fullmatch(command), session.commands


def on_the_wire(text):
    """As content is to arrive: CRLF at every line's end, and at the last."""
    lines = re.sub(rb"\r?\n", b"\r\n", text)
    return lines if lines.endswith(b"\r\n") else lines + b"\r\n"


# ----------------------------------------------------------------- the doors


class Client:
    """Says octets to the submission socket."""

    def __init__(self, daemon, hello=b"EHLO app"):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(daemon.socket))
        self.stream = self.socket.makefile("rb")
        self.reply()
        self.greeted = self.ask(hello)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stream.close()
        self.socket.close()

    def reply(self):
        while True:
            line = self.stream.readline()
            if line[3:4] != b"-":
                return line

    def ask(self, octets, end=b"\r\n"):
        self.socket.sendall(octets + end)
        return self.reply()

    def begin(self):
        assert self.ask(b"MAIL FROM:<app@example.com>").startswith(b"250")
        assert self.ask(b"RCPT TO:<user@example.net>").startswith(b"250")


def by_data(daemon, content):
    with Client(daemon) as client:
        client.begin()
        assert client.ask(b"DATA").startswith(b"354")
        # Only what the RFC calls a line has its dot doubled.
        stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]
        if not stuffed.endswith(b"\r\n"):
            stuffed += b"\r\n"
        answer = client.ask(stuffed + b".\r\n", b"")
        assert client.ask(b"NOOP").startswith(b"250"), "more than one message"
    return answer.startswith(b"250")


def by_bdat(daemon, content):
    half = len(content) // 2
    with Client(daemon) as client:
        client.begin()
        client.ask(b"BDAT %d\r\n" % half + content[:half], b"")
        answer = client.ask(b"BDAT %d LAST\r\n" % (len(content) - half)
                            + content[half:], b"")
        assert client.ask(b"NOOP").startswith(b"250"), "more than one message"
    return answer.startswith(b"250")


def by_sendmail(daemon, content):
    return daemon.sendmail("-i", "-f", APP, USER,
                           input=content).returncode == 0


def by_http(daemon, content):
    connection = UnixHTTPConnection(daemon.control)
    try:
        connection.request("POST", "/v1/messages?" + urllib.parse.urlencode(
            {"from": APP, "to": USER}), content,
            {"Content-Type": "message/rfc822"})
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    return answer.status == http.client.CREATED


DOORS = pytest.mark.parametrize("submit", [by_data, by_bdat, by_sendmail,
                                           by_http])


@DOORS
def test_what_comes_in_leaves_whole(daemon, relay, submit):
    daemon.use_relay(relay)
    daemon.start()
    for damage in DAMAGED:
        assert not submit(daemon, HEADER + b"a" + damage + SMUGGLED), damage
        assert not submit(daemon, HEADER + b"a\r\n" + damage), damage
        assert not submit(daemon, b"X: a" + damage + HEADER + b"b"), damage
    assert daemon.api("/v1/messages")[1]["messages"] == []
    bodies = [body for text in TEXT
              for body in (b"a" + text + SMUGGLED, text + b"end")]
    for count, body in enumerate(bodies, 1):
        assert submit(daemon, HEADER + body), body
        message = relay.wait_for_messages(count)[-1]
        assert message.content.endswith(HEADER + on_the_wire(body)), body
    check_wire(relay)
    assert len(relay.contents) == len(bodies)


@DOORS
@pytest.mark.parametrize("content", [
    b".\r\n" + SMUGGLED, b".\n" + SMUGGLED, b"\r\n.\r\n" + SMUGGLED,
    b"Subject: x\r\n.\r\n" + SMUGGLED, b"Subject: x\n.\n" + SMUGGLED,
    b"Subject: x\r\n .\r\n.\r\n\r\n" + SMUGGLED, b"Subject: x\r\n.",
    b".: x\r\n\r\n" + SMUGGLED, b".", b".\r\n", b"",
])
def test_a_header_ends_no_content(daemon, relay, submit, content):
    daemon.use_relay(relay)
    daemon.start()
    assert submit(daemon, content)
    relay.wait_for_messages(1)
    daemon.stop()
    check_wire(relay)
    message, = relay.contents
    # As text, without the dots that were only in the way: all of it is there.
    for line in on_the_wire(content).split(b"\r\n")[:-1]:
        assert b"\r\n" + line + b"\r\n" in message, message


@pytest.mark.parametrize("submit", [by_data, by_bdat])
def test_dots_survive_every_boundary(daemon, relay, submit):
    daemon.use_relay(relay)
    daemon.start()
    bodies = [b"x" * shift + b"\r\n" + line * 100_000 + b"end"
              for line in (b".\r\n", b"\r\n", b".\n") for shift in range(3)]
    for count, body in enumerate(bodies, 1):
        assert submit(daemon, HEADER + body)
        message = relay.wait_for_messages(count)[-1]
        assert message.content.endswith(HEADER + on_the_wire(body))
    check_wire(relay)


# ------------------------------------------------------------------ commands


@pytest.mark.parametrize("command", [
    b"EHLO a\rb", b"EHLO a\0b", b"EHLO a\x7f", b"HELO a b\tc",
    b"MAIL FROM:<a\rb@example.com>",
    b"MAIL FROM:<a\0b@example.com>",
    b"MAIL FROM:<a\tb@example.com>",
    b"MAIL FROM:<a b@example.com>",
    b"MAIL FROM:<a@example.com>\rRCPT TO:<x@example.net>",
    b"MAIL FROM:<a@example.com\0>",
    b"MAIL FROM:<\"a\rRCPT TO:<x@example.net>\"@example.com>",
    b"MAIL FROM:<\"a\\\rb\"@example.com>",
    b"MAIL FROM:<\"a\0\"@example.com>",
    b"MAIL FROM:<a@b\xc2\x85c.example> SMTPUTF8",
    b"MAIL FROM:<a@example.com> ENVID=a+0D+0ARSET",
    b"MAIL FROM:<a@example.com> ENVID=a\rb",
    b"MAIL FROM:<a@example.com> ENVID=a+00",
    b"MAIL FROM:<a@example.com> SIZE=1\0",
    b"MAIL FROM:<a@example.com> XKEY=a+0Ab",
    b"MAIL FROM:<a@example.com> XTAG=a+0D+0AX:+20y",
    b"MAIL FROM:<a@example.com> XMETA=a+0Ab",
    b"MAIL FROM:<a@example.com> XRELAY=a+0Ab",
])
def test_refuses_a_command_that_could_be_two(relaisd, command):
    hello = command if command[1:4] in (b"HLO", b"ELO") else b"EHLO app"
    with Client(relaisd, hello) as client:
        answer = (client.greeted if hello == command
                  else client.ask(command))
        assert answer[:1] == b"5" and b"\0" not in answer, answer
    with Client(relaisd) as client:
        client.ask(b"MAIL FROM:<app@example.com>")
        answer = client.ask(command.replace(b"MAIL FROM:", b"RCPT TO:"))
        assert answer[:1] == b"5" and b"\0" not in answer, answer
    with Client(relaisd) as client:
        assert client.ask(command, b"\n").startswith(b"500")
        assert client.stream.read() == b"", "not closed"


HOSTILE = ("550-5.1.1 a\rRCPT TO:<x@example.net>\0b\x1b[2Jc\x7f\r\n"
           "550-5.1.1 " + "y" * 1500 + "\r\n"
           "550-5.1.1\r\n"
           "550-5.1.1 .\r\n"
           "550 5.1.1 \u2028X-Evil: \x85\u202e\r\r\n")


def check_clean(text):
    """CR, LF and tabs; nothing else that a terminal obeys."""
    assert not re.search(r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f"
                         "\u2028\u2029\u202a-\u202e]", text), text


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
def test_a_reply_is_cleaned_wherever_it_goes(daemon, relay, verb):
    daemon.use_relay(relay)
    daemon.start()
    relay.answer(verb, "<octets> " + HOSTILE)
    queue_id = daemon.send(mail=["ENVID=an+20id"],
                           rcpt=["ORCPT=rfc822;a+0D+0AX-Evil:+20b"])
    message = daemon.wait_for_state(queue_id, "failed")
    for entry in message["timeline"]:
        check_clean(entry.get("text") or "")
    check_clean(daemon.ctl("show", queue_id).stdout.decode())
    # The report of it goes to the sender, over the same relay.
    relay.wait_for(lambda: any(m.sender.startswith("<>")
                                for m in relay.messages))
    report = relay.messages[-1]
    check_clean(report.content.decode())
    lines = report.content.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert not any(line.startswith((b"X-Evil", b"RCPT")) for line in lines)
    assert b"Original-Envelope-Id: an id" in lines
    with relay.changed:
        for session in relay.sessions:
            octets = bytes(session.octets)
            assert not re.search(rb"\0|\r(?!\n)|(?<!\r)\n", octets)
            assert "x@example.net" not in str(session.commands)


def test_a_parameter_stays_in_its_field(daemon, relay):
    daemon.use_relay(relay)
    daemon.start()
    daemon.send(mail=["ENVID=an+20id"],
                rcpt=["ORCPT=rfc822;a+0D+0ARSET+0D+0Ab"])
    relay.wait_for_messages(1)
    check_wire(relay)
    commands = relay.sessions[0].commands
    assert any(line.endswith("ORCPT=rfc822;a+0D+0ARSET+0D+0Ab")
               for line in commands), commands
    assert any("ENVID=an+20id" in line for line in commands), commands


@pytest.mark.parametrize("reply, state", [
    ("250-2.0.0 taken\r\n550 5.6.0 or not", "failed"),
    ("550-5.6.0 no\r\n250 2.0.0 or taken", "delivered"),
    ("354-more\r\n451-4.3.0 later\r\n250 2.0.0 taken", "delivered"),
])
def test_the_last_code_decides_and_the_connection_ends(daemon, relay, reply,
                                                       state):
    daemon.use_relay(relay)
    daemon.start()
    relay.answer(".", reply)
    daemon.wait_for_state(daemon.send(sender=""), state)
    daemon.wait_for_state(daemon.send(sender=""), "delivered")
    check_wire(relay, sender="")
    assert [sum(c.startswith("MAIL") for c in session.commands)
            for session in relay.sessions] == [1, 1]


# -------------------------------------------- values of programs and settings


BREAKS = "a\r\nRCPT TO:<x@example.net>"


@pytest.mark.parametrize("words", [
    ("-f", APP + "\r\nRCPT TO:<x@example.net>", USER),
    ("-f", APP, USER + "\r\nRCPT TO:<x@example.net>"),
    ("-f", APP, USER + "\nDATA"),
    ("-f", APP, "<user@example.net>\rQUIT"),
    ("-f", APP, '"a\r\nQUIT"@example.net'),
    ("-f", APP, "-V", BREAKS, USER),
    ("-f", APP, "-O", "relais.key=" + BREAKS, USER),
    ("-f", APP, "-O", "relais.tag=" + BREAKS, USER),
    ("-f", APP, "-O", "relais.meta=" + BREAKS, USER),
    ("-f", APP, "-O", "relais.relay=" + BREAKS, USER),
    ("-f", APP, "-N", "never\r\nRSET", USER),
    ("-f", APP, "-R", "hdrs\r\nRSET", USER),
])
def test_sendmail_lets_no_option_break_out(daemon, relay, words):
    daemon.use_relay(relay)
    daemon.start()
    done = daemon.sendmail(*words, input=b"Subject: x\n\nx\n")
    if done.returncode == 0:  # what means nothing to it, it ignores
        assert done.stderr.startswith(b"sendmail: "), done
        relay.wait_for_messages(1)
    messages = daemon.api("/v1/messages?state=waiting,delivered")[1]["messages"]
    assert len(messages) == int(done.returncode == 0)
    check_wire(relay)
    assert "x@example.net" not in str([s.commands for s in relay.sessions])


@pytest.mark.parametrize("option, value", [
    ("--subject", "x\r\nBcc: x@example.net"),
    ("--subject", "x\nBcc: x@example.net"),
    ("--from", "app@example.com\r\nBcc: x@example.net"),
    ("--from", "A\r\nB <app@example.com>"),
    ("--to", "user@example.net\r\nRCPT TO:<x@example.net>"),
    ("--cc", "user@example.net>\r\nX: y"),
    ("--reply-to", "a@example.com\r\nBcc: x@example.net"),
    ("--header", "X-A: b\r\nBcc: x@example.net"),
    ("--header", "X-A\r\nBcc: x@example.net"),
    ("--tag", BREAKS), ("--key", BREAKS), ("--meta", BREAKS),
    ("--relay", BREAKS),
])
def test_relaisctl_lets_no_value_break_out(relaisd, option, value):
    done = relaisd.ctl("send", USER, option, value, "--text", "x")
    assert done.returncode in (1, 64), done
    assert done.stderr.startswith(b"relaisctl: "), done
    assert relaisd.api("/v1/messages")[1]["messages"] == []


RELAY_KEYS = [
    {"headers": {"X-A": "b\r\nBcc: x@example.net"}},
    {"headers": {"X-A": "b\nBcc: x@example.net"}},
    {"headers": {"X-A\r\nBcc": "x@example.net"}},
    {"headers": {"X-A: b": "c"}},
    {"from": {"address": "a@example.com\r\nX: y"}},
    {"from": {"address": "a@example.com", "name": "A\r\nX: y"}},
    {"reply_to": {"address": "a@example.com>\r\nX: y"}},
    {"reply_to": {"address": "a@example.com", "name": "A\nX: y"}},
    {"hostname": "relais.example.com\r\nRSET"},
    {"hostname": "relais example"},
    {"domain": "example.com\r\nRSET"},
    {"username": "app\r\nRSET", "password": "secret"},
    {"username": "app", "password": "secret\r\nRSET"},
    {"username": "app\x01", "password": "secret"},
    {"host": "127.0.0.1\r\nRSET"},
]


@pytest.mark.parametrize("keys", RELAY_KEYS)
def test_no_setting_of_a_relay_breaks_out(daemon, keys):
    body = {"name": "office", "host": "127.0.0.1", "port": 9,
            "security": "none", "authentication": "username" in keys, **keys}
    daemon.start()
    status, answer = daemon.api("/v1/relays", "POST", body)
    assert status == 422, answer
    for line in [answer["error"]["message"], *answer["error"]["details"]]:
        check_clean(line)
        assert "\n" not in line
    del body["name"]
    daemon.settings["relays"] = {"office": body}
    check_file(daemon)


@pytest.mark.parametrize("keys", [
    {"hostname": "relais.example.com\r\nRSET"},
    {"domain": "example.com\r\nX: y"},
    {"aliases": {"root": "a@example.com\r\nRCPT TO:<x@example.net>"}},
])
def test_no_setting_breaks_out(daemon, keys):
    daemon.settings.update(keys)
    check_file(daemon)


def check_file(daemon):
    """Refused, at a place that is told in one line."""
    path = daemon.directory / "bad.yaml"
    path.write_text(json.dumps(daemon.settings))  # it is YAML, too
    done = subprocess.run([BUILD / "relaisd", "--check", path],
                          capture_output=True, timeout=60)
    assert done.returncode == 78, done
    *errors, last = done.stderr.decode().split("\n")[:-1]
    assert last == "relaisd: the settings have errors"
    assert errors and all("bad.yaml" in line for line in errors), done
    check_clean(done.stderr.decode())
