"""Towards relays that others wrote, well-behaved and not.

The promise behind most of it is P6: a fault of the relay is the relay's. The
mail waits, unharmed and uncharged, and goes out when the relay is well again.
"""

import email
import email.policy
import pathlib
import random
import shutil
import ssl
import tempfile

import pytest

from conftest import PEERS, free_port, wait_until
from faults import Fault
from relay import Relay
from servers import (Exim, OpenSMTPD, Postfix, SmtpSink, Unavailable,
                     certificates)

HEADER = (
    b"From: App <app@example.com>\r\n"
    b"To: user@example.net\r\n"
    b"Date: Mon, 23 Nov 2026 18:40:01 +0000\r\n"
    b"Message-ID: <%s@example.com>\r\n"
    b"Subject: bytes\r\n"
)


def twenty_mebibytes():
    dice = random.Random(11)
    lines, total = [], 0
    while total < 1024 * 1024 + 17:
        length = dice.choice((0, 1, 2, 60, 76, 500, 989, 990))
        lines.append(bytes(dice.choices(b".abc XYZ=", k=length)) + b"\r\n")
        total += len(lines[-1])
    return b"".join(lines) * 20


BODIES = {
    "eight_bit": bytes(range(128, 256)) + "Grüße, 你好\r\n".encode(),
    "dots": b".\r\n..\r\n.a\r\n...\r\na.\r\n.\r\n",
    "long_lines": b"x" * 998 + b"\r\n" + b"y" * 900 + b"\r\n",
    "empty": b"",
    "twenty_mebibytes": None,
}


def submit(daemon, name, body):
    content = HEADER % name.encode() + b"\r\n" + body
    return content, daemon.send(content, mail=["BODY=8BITMIME"])


def check_arrived(received, content):
    """Octet for octet, below the trace fields that were put on top."""
    trace, rest = received.split(b"From: App", 1)
    assert trace.startswith(b"Received: ")
    assert b"From: App" + rest == content


def check_unharmed(daemon, queue_id, *states):
    """The breaker is open, and the message neither charged nor bounced."""
    relay = daemon.wait_for_relay(*states or ("open", "held"))
    assert relay["reason"], relay
    message = daemon.wait_for_state(queue_id, "queued")
    (recipient,) = message["recipients"]
    assert recipient["state"] == "waiting"
    assert recipient["attempts"] == 0
    assert recipient["maybe_duplicate"] is False
    # No bounce, no warning: it is the only message there is.
    assert len(daemon.api("/v1/messages")[1]["messages"]) == 1
    return relay


def check_goes_out_later(daemon, queue_id, relay):
    """Once a sound relay is in the faulty one's place."""
    daemon.use_relay(relay)
    daemon.reload()
    wait_until(lambda: daemon.relay_state()["port"] == relay.port,
               "the new relay")
    # What was with the relay when it hung up is set aside for a while.
    daemon.ctl("retry", queue_id)
    message = daemon.wait_for_state(queue_id, "delivered")
    assert message["recipients"][0]["attempts"] == 1
    assert message["recipients"][0]["maybe_duplicate"] is False
    assert len(relay.messages) == 1


# --------------------------------------------------------------------- Postfix


@pytest.fixture(scope="module")
def postfix():
    """A Postfix and, behind it, a server that keeps what comes through."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="relais-", dir="/tmp"))
    try:
        with Relay() as sink:
            try:
                with Postfix(PEERS, folder, sink.port) as server:
                    server.sink = sink
                    yield server
            except Unavailable as reason:
                pytest.skip(f"Postfix: {reason}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def use_postfix(daemon, postfix, **keys):
    daemon.settings["relays"] = {"office": {
        "host": "localhost", "port": postfix.port, "security": "starttls",
        "username": "user", "password": "secret",
        "tls": {"ca_file": str(postfix.ca_file)}, **keys}}


def came_through(postfix, queue_id):
    """The message that Postfix has passed on; its Received has our id."""
    def find():
        return [m for m in postfix.sink.messages
                if queue_id.encode() in m.content.split(b"\r\n\r\n")[0]]

    (message,) = wait_until(find, f"{queue_id} to come out of Postfix")
    return message


@pytest.mark.xdist_group("postfix")
@pytest.mark.parametrize("mechanism", [
    "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
def test_logs_in_to_postfix_behind_starttls(daemon, postfix, mechanism):
    use_postfix(daemon, postfix, authentication=mechanism)
    daemon.start()
    queue_id = daemon.send()
    message = daemon.wait_for_state(queue_id, "delivered")
    assert message["timeline"][-1]["tls"].startswith("TLSv1.3")
    assert came_through(postfix, queue_id)
    log = (postfix.folder / "log").read_text(errors="replace")
    assert f"sasl_method={mechanism}, sasl_username=user" in log
    assert "secret" not in daemon.log_text()


@pytest.mark.xdist_group("postfix")
def test_logs_in_to_postfix_inside_implicit_tls(daemon, postfix):
    use_postfix(daemon, postfix, port=postfix.tls_port, security="tls",
                authentication=True)
    daemon.start()
    queue_id = daemon.send()
    daemon.wait_for_state(queue_id, "delivered")
    assert came_through(postfix, queue_id)


@pytest.mark.xdist_group("postfix")
@pytest.mark.parametrize("name", BODIES)
def test_bytes_survive_postfix(daemon, postfix, name):
    body = twenty_mebibytes() if BODIES[name] is None else BODIES[name]
    use_postfix(daemon, postfix)
    daemon.start()
    content, queue_id = submit(daemon, name, body)
    daemon.wait_for_state(queue_id, "delivered")
    check_arrived(came_through(postfix, queue_id).content, content)


@pytest.mark.xdist_group("postfix")
def test_postfix_takes_a_report_to_the_sender(daemon, postfix, relay):
    relay.always("RCPT", "550 5.1.1 no such user")
    use_postfix(daemon, postfix)
    daemon.settings["relays"]["refusing"] = {
        "host": "127.0.0.1", "port": relay.port, "security": "none"}
    daemon.settings["default_relay"] = "office"
    daemon.settings["routes"] = [{"to": "*@example.net", "relay": "refusing"}]
    daemon.start()
    queue_id = daemon.send("Subject: Grüße\r\n\r\nhello\r\n".encode(),
                           to="bad@example.net")
    daemon.wait_for_state(queue_id, "failed")
    told = wait_until(
        lambda: [e for e in daemon.show(queue_id)["timeline"]
                 if e["event"] == "bounced"], "the report")
    report_id = told[0]["text"].split()[-1]
    daemon.wait_for_state(report_id, "delivered")
    message = came_through(postfix, report_id)
    assert message.sender.startswith("<>")
    assert message.recipients[0].startswith("<app@example.com>")
    report = email.message_from_bytes(message.content,
                                      policy=email.policy.default)
    assert report.get_content_type() == "multipart/report"
    assert not report.defects
    assert report["Subject"] == "Undelivered: Grüße"


@pytest.mark.xdist_group("postfix")
def test_keeps_the_mail_when_postfix_refuses_the_password(daemon, postfix):
    use_postfix(daemon, postfix, password="wrong")
    daemon.start()
    queue_id = daemon.send()
    relay = check_unharmed(daemon, queue_id, "held")
    assert "authentication failed" in relay["reason"], relay
    assert "wrong" not in daemon.log_text()
    use_postfix(daemon, postfix)
    daemon.reload()
    daemon.wait_for_state(queue_id, "delivered")
    assert came_through(postfix, queue_id)


@pytest.mark.xdist_group("postfix")
@pytest.mark.parametrize("security", ["none", "opportunistic"])
def test_keeps_the_mail_when_postfix_wants_a_login(daemon, postfix, security):
    daemon.use_relay(postfix, security=security)
    daemon.start()
    queue_id = daemon.send()
    check_unharmed(daemon, queue_id, "held")


@pytest.mark.xdist_group("postfix")
def test_trusts_no_authority_that_it_was_not_told_of(daemon, postfix):
    use_postfix(daemon, postfix, tls={"verify": True})
    daemon.start()
    queue_id = daemon.send()
    check_unharmed(daemon, queue_id)


@pytest.mark.xdist_group("postfix")
def test_bounces_what_is_too_large_for_postfix_and_says_so(daemon, postfix):
    use_postfix(daemon, postfix)
    daemon.start()
    queue_id = daemon.send(b"Subject: large\r\n\r\n" +
                           (b"x" * 98 + b"\r\n") * 450000)
    message = daemon.wait_for_state(queue_id, "failed")
    assert message["recipients"][0]["reply"]["enhanced"] == "5.3.4", message


# ---------------------------------------------------------- Exim and OpenSMTPD


def test_delivers_to_exim_with_tls_and_login(daemon, serve, relay):
    exim = serve(Exim, relay.port)
    use_postfix(daemon, exim)
    daemon.start()
    queue_id = daemon.send("Subject: by Exim\r\n\r\n.dots\r\n..\r\n")
    message = daemon.wait_for_state(queue_id, "delivered")
    assert message["timeline"][-1]["tls"].startswith("TLSv1.3")
    (arrived,) = relay.wait_for_messages(1)
    assert arrived.content.endswith(b"\r\n\r\n.dots\r\n..\r\n")


def test_understands_what_exim_says_of_recipients(daemon, serve, relay):
    exim = serve(Exim, relay.port)
    use_postfix(daemon, exim, authentication="CRAM-MD5")
    daemon.start()
    queue_id = daemon.send(to=["good@example.net", "nobody@example.net",
                               "later@example.net"])
    wait_until(lambda: daemon.show(queue_id)["recipients"][2]["reply"],
               "the verdicts")
    good, nobody, later = daemon.show(queue_id)["recipients"]
    assert good["state"] == "delivered"
    assert (nobody["state"], nobody["reply"]["code"]) == ("failed", 550)
    assert (later["state"], later["reply"]["code"]) == ("waiting", 451)
    assert later["attempts"] == 1
    assert daemon.relay_state()["state"] == "closed"


def test_understands_what_exim_says_of_content(daemon, serve, relay):
    exim = serve(Exim, relay.port)
    use_postfix(daemon, exim)
    daemon.start()
    spam = daemon.send("Subject: spam\r\n\r\nhello\r\n")
    message = daemon.wait_for_state(spam, "failed")
    assert message["recipients"][0]["reply"]["enhanced"] == "5.7.1"
    later = daemon.send("Subject: tempfail\r\n\r\nhello\r\n")
    wait_until(lambda: daemon.show(later)["recipients"][0]["attempts"] == 1,
               "the refusal for now")
    assert daemon.show(later)["state"] == "queued"
    assert daemon.relay_state()["state"] == "closed"


@pytest.mark.parametrize("name", BODIES)
def test_bytes_survive_opensmtpd(daemon, serve, relay, name):
    body = twenty_mebibytes() if BODIES[name] is None else BODIES[name]
    smtpd = serve(OpenSMTPD, relay.port)
    daemon.use_relay(smtpd)
    daemon.start()
    content, queue_id = submit(daemon, name, body)
    daemon.wait_for_state(queue_id, "delivered")
    (arrived,) = relay.wait_for_messages(1)
    check_arrived(arrived.content, content)


# ------------------------------------------------------------------- smtp-sink


@pytest.mark.parametrize("name", [*BODIES, "very_long_lines"])
def test_bytes_survive_smtp_sink(daemon, serve, name):
    """Other servers cut lines of more than 998 octets themselves."""
    body = BODIES.get(name, b"z" * 70000 + b"\r\nend\r\n")
    if body is None:
        body = twenty_mebibytes()
    sink = serve(SmtpSink)
    daemon.use_relay(sink)
    daemon.start()
    content, queue_id = submit(daemon, name, body)
    daemon.wait_for_state(queue_id, "delivered")
    ((envelope, arrived),) = sink.received()
    check_arrived(arrived, content)
    said = b" BODY=8BITMIME" if name == "eight_bit" else b""
    assert b"X-Mail-Args: <app@example.com>" + said + b"\r\n" in envelope
    assert b"X-Rcpt-Args: <user@example.net>" in envelope


@pytest.mark.parametrize("options", [
    ("-e",), ("-p",), ("-P",), ("-e", "-8", "-p", "-P"), ("-E",), ("-w", "1")],
    ids=" ".join)
def test_gets_on_with_an_old_server(daemon, serve, options):
    """No ESMTP, no 8BITMIME, no PIPELINING, a firewall's banner, slow."""
    sink = serve(SmtpSink, *options)
    daemon.use_relay(sink)
    daemon.start()
    for number in range(2):
        queue_id = daemon.send(f"Subject: {number}\r\n\r\n.hello\r\n")
        message = daemon.wait_for_state(queue_id, "delivered")
        assert message["recipients"][0]["attempts"] == 1
    assert all(arrived.endswith(b"\r\n\r\n.hello\r\n")
               for _, arrived in sink.received())
    assert daemon.relay_state()["state"] == "closed"


def test_never_sends_eight_bits_to_a_server_without_8bitmime(daemon, serve):
    """Sent on honestly, re-encoded or refused with the reason, but never with
    a lie about what it is."""
    sink = serve(SmtpSink, "-8")
    daemon.use_relay(sink)
    daemon.start()
    _, queue_id = submit(daemon, "eight", "Grüße\r\n".encode())
    message = daemon.wait_for_state(queue_id, "delivered", "failed")
    if message["state"] == "failed":
        assert message["recipients"][0]["reply"]["enhanced"] == "5.6.3"
    else:
        ((envelope, _),) = sink.received()
        assert b"BODY=" not in envelope


def test_speaks_lmtp_to_smtp_sink(daemon, serve):
    sink = serve(SmtpSink, "-L")
    daemon.settings["relays"] = {
        "office": {"url": f"lmtp://127.0.0.1:{sink.port}", "security": "none"}}
    daemon.start()
    queue_id = daemon.send(to=["a@example.net", "b@example.net"])
    daemon.wait_for_state(queue_id, "delivered")
    ((envelope, _),) = sink.received()
    assert b"a@example.net" in envelope and b"b@example.net" in envelope


@pytest.mark.parametrize("options", [
    ("-q", "connect"), ("-q", "ehlo,helo"), ("-q", "mail"), ("-q", "rcpt"),
    ("-q", "data"), ("-Q", "connect"), ("-Q", "mail"), ("-Q", "data"),
    ("-r", "connect"), ("-f", "connect"), ("-f", "ehlo,helo"),
    ("-f", "mail")], ids=" ".join)
def test_a_relays_fault_harms_no_mail(daemon, serve, relay, options):
    """It hangs up, shuts down, refuses us, or does not know SMTP."""
    sink = serve(SmtpSink, *options)
    daemon.use_relay(sink)
    daemon.start()
    queue_id = daemon.send()
    check_unharmed(daemon, queue_id)
    check_goes_out_later(daemon, queue_id, relay)


@pytest.mark.parametrize("verb", ["mail", "rcpt", "data", "."])
def test_a_refusal_for_now_is_the_messages_and_waits(daemon, serve, verb):
    sink = serve(SmtpSink, "-r", verb)
    daemon.use_relay(sink)
    daemon.start()
    queue_id = daemon.send()
    wait_until(lambda: daemon.show(queue_id)["recipients"][0]["attempts"],
               "the refusal")
    message = daemon.show(queue_id)
    assert message["state"] == "queued"
    assert message["recipients"][0]["reply"]["code"] == 450
    assert message["recipients"][0]["next_attempt"]
    assert message["recipients"][0]["maybe_duplicate"] is False
    assert daemon.relay_state()["state"] == "closed"


@pytest.mark.parametrize("verb,text", [
    ("mail", "550 5.1.8 no such domain"), ("rcpt", "550 5.1.1 nobody here"),
    ("data", "554 5.6.0 not like this"), (".", "554 5.7.1 spam")])
def test_a_refusal_for_good_is_final(daemon, serve, verb, text):
    sink = serve(SmtpSink, "-f", verb, "-B", text)
    daemon.use_relay(sink)
    daemon.start()
    queue_id = daemon.send()
    message = daemon.wait_for_state(queue_id, "failed")
    (recipient,) = message["recipients"]
    assert recipient["attempts"] == 1
    assert recipient["reply"]["code"] == int(text[:3])
    assert recipient["reply"]["enhanced"] == text.split(" ")[1]
    assert daemon.relay_state()["state"] == "closed"


def test_quota_in_a_refusal_for_good_is_the_relays(daemon, serve, relay):
    sink = serve(SmtpSink, "-f", "rcpt", "-B",
                 "550 5.4.5 Daily user sending limit exceeded")
    daemon.use_relay(sink)
    daemon.start()
    queue_id = daemon.send()
    check_unharmed(daemon, queue_id, "open")
    check_goes_out_later(daemon, queue_id, relay)


def test_marks_what_smtp_sink_may_have(daemon, serve):
    """-q . takes the whole message and hangs up."""
    sink = serve(SmtpSink, "-q", ".")
    daemon.use_relay(sink)
    daemon.start()
    check_is_marked(daemon, daemon.send())


def check_is_marked(daemon, queue_id):
    """Its outcome is unknown: charged, marked, tried again later."""
    wait_until(lambda: daemon.show(queue_id)["recipients"][0]["attempts"],
               "the lost reply")
    message = daemon.show(queue_id)
    (recipient,) = message["recipients"]
    assert (message["state"], recipient["state"]) == ("queued", "waiting")
    assert recipient["attempts"] == 1
    assert recipient["maybe_duplicate"] is True
    assert recipient["next_attempt"]
    assert len(daemon.api("/v1/messages")[1]["messages"]) == 1


# -------------------------------------------------------------------- aiosmtpd


class Aiosmtpd:
    """aiosmtpd inside TLS, with a login, in this process."""

    def __init__(self, tls):
        controller = pytest.importorskip(
            "aiosmtpd.controller", reason="python3-aiosmtpd was not fetched")
        smtp = pytest.importorskip("aiosmtpd.smtp")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls / "good.pem", tls / "good.key")
        self.envelopes = []

        def check(server, session, envelope, mechanism, data):
            return smtp.AuthResult(
                success=data.login == b"user" and data.password == b"secret")

        self.controller = controller.Controller(
            self, hostname="127.0.0.1", port=free_port(),
            ssl_context=context, authenticator=check, auth_required=True,
            auth_require_tls=False)

    async def handle_DATA(self, server, session, envelope):
        self.envelopes.append(envelope)
        return "250 2.0.0 taken"

    def __enter__(self):
        self.controller.start()
        self.port = self.controller.port
        return self

    def __exit__(self, *unused):
        self.controller.stop()


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # of aiosmtpd itself
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_delivers_to_aiosmtpd_inside_implicit_tls(
        daemon, directory, mechanism):
    tls = certificates(directory / "tls")
    with Aiosmtpd(tls) as server:
        daemon.settings["relays"] = {"aio": {
            "host": "localhost", "port": server.port, "security": "tls",
            "username": "user", "password": "secret",
            "authentication": mechanism,
            "tls": {"ca_file": str(tls / "ca.pem")}}}
        daemon.start()
        content, queue_id = submit(
            daemon, "aio", BODIES["dots"] + BODIES["eight_bit"])
        message = daemon.wait_for_state(queue_id, "delivered")
        assert message["timeline"][-1]["tls"].startswith("TLSv1.3")
        (envelope,) = server.envelopes
        assert envelope.mail_from == "app@example.com"
        check_arrived(envelope.content, content)


# ---------------------------------------------------------------------- faults


@pytest.mark.parametrize("fault", ["dripped_greeting", "three_then_421"])
def test_gets_on_with_a_peculiar_server(daemon, fault):
    with Fault(fault) as peer:
        daemon.use_relay(peer, limits={"connections": 1})
        daemon.start()
        for number in range(7):
            message = daemon.wait_for_state(
                daemon.send(to=f"u{number}@example.net"), "delivered")
            assert message["recipients"][0]["attempts"] == 1
        assert peer.verbs().count(".") == 7
        assert peer.sessions == (3 if fault == "three_then_421" else 1)
        assert daemon.relay_state()["state"] == "closed"


@pytest.mark.parametrize("fault", [
    "endless_greeting", "endless_line", "no_service", "hangs_up", "binary",
    "replies_twice"])
def test_a_mad_server_harms_no_mail(daemon, relay, fault):
    with Fault(fault) as peer:
        daemon.use_relay(peer)
        daemon.start()
        queue_id = daemon.send()
        check_unharmed(daemon, queue_id)
        assert daemon.memory_bytes() < 64 * 1024 * 1024
        check_goes_out_later(daemon, queue_id, relay)


def test_a_reset_in_the_middle_of_the_content_is_not_unknown(daemon, relay):
    """No final dot was written: the relay cannot have it. But the content may
    be what it stumbled over, so that it is the message's and waits longer."""
    with Fault("reset_in_data") as peer:
        daemon.use_relay(peer)
        daemon.start()
        queue_id = daemon.send(b"Subject: large\r\n\r\n" +
                               (b"x" * 98 + b"\r\n") * 160000)
        wait_until(lambda: daemon.show(queue_id)["recipients"][0]["reply"],
                   "the loss")
        message = daemon.show(queue_id)
        assert message["state"] == "queued"
        assert message["recipients"][0]["maybe_duplicate"] is False
        assert message["timeline"][-1]["phase"] == "body"
    daemon.use_relay(relay)
    daemon.reload()
    wait_until(lambda: daemon.relay_state()["port"] == relay.port,
               "the new relay")
    assert daemon.ctl("retry", queue_id).returncode == 0
    message = daemon.wait_for_state(queue_id, "delivered")
    assert message["recipients"][0]["maybe_duplicate"] is False


def test_does_not_believe_what_was_injected_before_tls(daemon, relay):
    with Fault("starttls_injection") as peer:
        daemon.use_relay(peer, security="starttls", username="user",
                         password="secret", authentication=True)
        daemon.start()
        queue_id = daemon.send()
        check_unharmed(daemon, queue_id)
        # It hung up at once: no word in the clear behind STARTTLS.
        peer.wait_for(lambda: "<gone>" in peer.verbs() or
                      "<GONE>" in peer.verbs())
        verbs = peer.verbs()
        assert set(verbs) == {"EHLO", "STARTTLS", "<GONE>"}, verbs
        check_goes_out_later(daemon, queue_id, relay)


@pytest.mark.parametrize("fault", [
    "half_reply", "drop_after_dot", "reset_after_dot"])
def test_marks_what_may_have_arrived(daemon, fault):
    with Fault(fault) as peer:
        daemon.use_relay(peer)
        daemon.start()
        queue_id = daemon.send()
        check_is_marked(daemon, queue_id)
        assert peer.verbs().count(".") == 1


def test_waits_for_a_silent_server_without_holding_up_another(
        daemon, relay):
    """P5: mail of the other relay goes out meanwhile."""
    with Fault("silent") as peer:
        daemon.use_relay(peer)
        daemon.settings["relays"]["other"] = {
            "host": "127.0.0.1", "port": relay.port, "security": "none",
            "authentication": False}
        daemon.settings["default_relay"] = "office"
        daemon.settings["delivery"] = {"drain": "1s"}
        daemon.settings["routes"] = [
            {"to": "*@quick.example", "relay": "other"}]
        daemon.start()
        slow = daemon.send()
        wait_until(lambda: peer.sessions, "the silent server to be asked")
        for number in range(20):
            daemon.wait_for_state(
                daemon.send(to=f"u{number}@quick.example"), "delivered")
        message = daemon.show(slow)
        assert message["state"] == "delivering"
        assert message["recipients"][0]["attempts"] == 0
