"""The built-in default relay, direct: relais finds each domain's mail exchangers
itself. A real name server has the records; the exchangers have loopback
addresses of their own and one port, so that no test needs port 25.
"""

import contextlib
import json
import socket

import pytest

from conftest import wait_until
from relay import Relay
from servers import Nsd, certificates

RECORDS = """\
one                MX 10 mx1
two                MX 10 mx2
three              MX 10 mx3
preference         MX 20 mx1
preference         MX 10 mx2
equal              MX 10 mx1
equal              MX 10 mx2
fails-over         MX 10 mx3
fails-over         MX 20 mx1
unknown-first      MX 10 no-such-host
unknown-first      MX 20 mx1
broken-first       MX 10 mx.broken.
broken-first       MX 20 mx1
all-unknown        MX 10 no-such-host
implicit           A  127.0.0.11
nothing            TXT "neither MX nor address"
null               MX 0 .
loop               MX 10 relais
backup-of-us       MX 10 mx1
backup-of-us       MX 20 relais
backup-of-us       MX 30 mx2
alias              CNAME one
alias-exchanger    MX 10 mx1-alias
many-addresses     MX 10 both
six                MX 10 mx6
six-dead           MX 10 six-then-four
xn--bcher-kva      MX 10 mx1
mx1                A  127.0.0.11
mx1-alias          CNAME mx1
mx2                A  127.0.0.12
mx3                A  127.0.0.13
both               A  127.0.0.13
both               A  127.0.0.11
mx6                AAAA ::1
six-then-four      AAAA ::1
six-then-four      A  127.0.0.11
relais             A  127.0.0.11
"""


def bound(address, port):
    """Bound and not listening: refuses whoever connects."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    one = socket.socket(family)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((address, port))
    except OSError:
        one.close()
        raise
    return one


class Internet:
    """Exchangers at 127.0.0.11, .12 and ::1, a dead one at 127.0.0.13."""

    def __init__(self, stack):
        self.stack = stack
        sockets = self._bind()
        self.port = sockets["127.0.0.11"].getsockname()[1]
        self.dead = sockets["127.0.0.13"]
        self.six_socket = sockets.get("::1")
        self.mx1 = self._open(sockets["127.0.0.11"])
        self.mx2 = self._open(sockets["127.0.0.12"])

    def _bind(self):
        """All have the same port, whichever is free everywhere."""
        addresses = ["127.0.0.11", "127.0.0.12", "127.0.0.13"]
        if socket.has_ipv6:
            with contextlib.suppress(OSError):
                bound("::1", 0).close()
                addresses.append("::1")
        while True:
            sockets = {}
            try:
                port = 0
                for address in addresses:
                    sockets[address] = bound(address, port)
                    port = sockets[address].getsockname()[1]
            except OSError:
                for one in sockets.values():
                    one.close()
                continue
            for one in sockets.values():
                self.stack.callback(one.close)
            return sockets

    def _open(self, one, **options):
        one.listen(128)
        return self.stack.enter_context(Relay(listener=one, **options))

    def open_six(self):
        if self.six_socket is None:
            pytest.skip("there is no IPv6 loopback here")
        return self._open(self.six_socket)

    def open_dead(self):
        return self._open(self.dead)


@pytest.fixture
def internet():
    with contextlib.ExitStack() as stack:
        yield Internet(stack)


@pytest.fixture
def direct(daemon, internet, serve):
    """The daemon, not yet running, with the direct relay."""
    names = serve(Nsd, RECORDS)
    daemon.settings["hostname"] = "relais.test"
    daemon.settings["resolver"] = {
        "servers": [names.address], "timeout": "1s", "tries": 1}
    daemon.settings["relays"] = {
        "out": {"url": "direct:", "port": internet.port}}
    return daemon


def delivered(direct, to, **options):
    """Sends to this address; the message once it is delivered, uncharged but
    for the attempt that did it."""
    if direct.process is None:
        direct.start()
    message = direct.wait_for_state(
        direct.send(to=to, **options), "delivered")
    assert message["recipients"][0]["attempts"] == 1, message
    return message


def failed(direct, to):
    direct.start()
    message = direct.wait_for_state(direct.send(to=to), "failed", "delivered")
    assert message["state"] == "failed", message
    return message["recipients"][0]["reply"]


def waiting(direct, to):
    """Sends, and waits until it was tried in vain."""
    if direct.process is None:
        direct.start()
    queue_id = direct.send(to=to)

    def is_put_off():
        message = direct.show(queue_id)
        recipient = message["recipients"][0]
        return (message["state"] == "queued" and recipient["reply"] and
                message)

    message = wait_until(is_put_off, "the attempt in vain")
    assert message["recipients"][0]["state"] == "waiting"
    return message


# ----------------------------------------------------------------------- names


def test_takes_the_exchanger_with_the_best_preference(direct, internet):
    message = delivered(direct, "user@preference.test")
    assert message["timeline"][-1]["host"].startswith("mx2.test")
    assert len(internet.mx2.messages) == 1
    assert internet.mx1.sessions == []


def test_shares_the_mail_out_among_equal_exchangers(direct, internet):
    direct.settings["relays"]["out"]["limits"] = {
        "messages_per_connection": 1}
    direct.start()
    for number in range(30):
        delivered(direct, f"user{number}@equal.test")
    assert internet.mx1.messages and internet.mx2.messages


@pytest.mark.parametrize("domain", [
    "implicit", "alias", "alias-exchanger", "ALIAS", "unknown-first",
    "broken-first", "backup-of-us"])
def test_finds_the_exchanger(direct, internet, domain):
    """No MX record; aliases; names that lead nowhere before one that does; as
    a backup of its own, only to those who are preferred to it."""
    delivered(direct, f"user@{domain}.test")
    (message,) = internet.mx1.messages
    assert message.recipients == [f"<user@{domain}.test>"]
    assert internet.mx2.sessions == []


def test_finds_the_exchanger_of_an_international_domain(direct, internet):
    delivered(direct, "user@xn--bcher-kva.test")
    with direct.smtp() as client:
        client.ehlo()
        client.command_encoding = "utf-8"
        assert client.mail("app@example.com", ["SMTPUTF8"])[0] == 250
        assert client.rcpt("user@bücher.test")[0] == 250
        code, text = client.data(b"Subject: x\r\n\r\nhello\r\n")
        assert code == 250
    direct.wait_for_state(text.decode().split()[-1], "delivered")
    assert len(internet.mx1.messages) == 2


def test_delivers_to_an_address_literal(direct, internet):
    delivered(direct, "user@[127.0.0.12]")
    assert len(internet.mx2.messages) == 1


@pytest.mark.parametrize("domain,enhanced", [
    ("null.test", "5.1.10"), ("no-such-domain.test", "5.1.2"),
    ("nothing.test", "5.4.4"), ("all-unknown.test", "5.4.4"),
    ("loop.test", "5.4.6")])
def test_fails_at_once_where_no_mail_can_go(
        direct, internet, domain, enhanced):
    """Null MX (RFC 7505), no such domain, no address, our own mail."""
    reply = failed(direct, f"user@{domain}")
    assert reply["enhanced"] == enhanced, reply
    assert domain in reply["text"], reply
    assert internet.mx1.sessions == []


def test_waits_while_the_name_server_fails(direct, internet):
    """SERVFAIL is nobody's fault for good: it waits, uncharged."""
    message = waiting(direct, "user@some.broken")
    assert message["recipients"][0]["attempts"] == 0
    assert message["recipients"][0]["reply"]["enhanced"] == "4.4.3"
    # And holds up nobody else.
    delivered(direct, "user@one.test")


def test_waits_while_the_name_server_is_silent(direct, internet):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{silent.getsockname()[1]}"
        good = direct.settings["resolver"]["servers"]
        direct.settings["resolver"]["servers"] = [nowhere]
        message = waiting(direct, "user@one.test")
        assert message["recipients"][0]["attempts"] == 0
        assert message["recipients"][0]["reply"]["enhanced"] == "4.4.3"
        # A second server is asked where the first one is silent.
        direct.settings["resolver"]["servers"] = [nowhere, *good]
        direct.reload()
        wait_until(lambda: delivered(direct, "user@two.test"), "the reload")
        assert direct.ctl("retry", message["id"]).returncode == 0
        direct.wait_for_state(message["id"], "delivered")


@pytest.mark.parametrize("signals", [1, 2])
def test_stops_while_the_name_server_is_silent(direct, internet, signals):
    """Its answer is waited for by nobody any more."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        direct.settings["resolver"] = {
            "servers": [f"127.0.0.1:{silent.getsockname()[1]}"],
            "timeout": "60s"}
        direct.settings["delivery"] = {"drain": "1s"}
        direct.start()
        queue_id = direct.send(to=["a@one.test", "b@two.test", "c@three.test"])
        silent.settimeout(60)
        silent.recv(512)
        if signals == 2:
            direct.process.terminate()
            wait_until(lambda: "event=stopping" in direct.log_text(),
                       "the stop")
        assert direct.stop() == 0, direct.log_text()
    direct.start()
    message = direct.wait_for_state(queue_id, "delivering", "queued")
    assert all(r["maybe_duplicate"] is False and r["attempts"] == 0
               for r in message["recipients"])
    direct.kill()


# ----------------------------------------------------------------------- hosts


def test_takes_the_second_host_when_the_first_is_dead(direct, internet):
    message = delivered(direct, "user@fails-over.test")
    assert message["timeline"][-1]["host"].startswith("mx1.test")
    assert [e["event"] for e in message["timeline"]] == [
        "accepted", "delivered"]


def test_tries_every_address_of_a_host(direct, internet):
    """Whichever the name server names first, one of the two is dead."""
    for number in range(6):
        delivered(direct, f"user{number}@many-addresses.test")


def test_delivers_over_ipv6(direct, internet):
    six = internet.open_six()
    delivered(direct, "user@six.test")
    assert len(six.messages) == 1


def test_takes_the_ipv4_address_when_the_ipv6_one_is_dead(direct, internet):
    if internet.six_socket is None:
        pytest.skip("there is no IPv6 loopback here")
    delivered(direct, "user@six-dead.test")
    assert len(internet.mx1.messages) == 1


@pytest.mark.parametrize("verb,reply", [
    ("CONNECT", "421 4.3.2 not now"), ("CONNECT", "554 5.7.1 go away"),
    ("CONNECT", "DROP"), ("EHLO", "421 4.3.2 not now"),
    ("MAIL", "451 4.3.0 not now"), ("RCPT", "450 4.2.0 not now"),
    ("RCPT", "DROP")])
def test_asks_the_next_host_when_one_says_not_now(
        direct, internet, verb, reply):
    first = internet.open_dead()
    first.always(verb, reply)
    delivered(direct, "user@fails-over.test")
    assert first.sessions and first.messages == []
    assert len(internet.mx1.messages) == 1


def test_takes_a_refusal_for_good_as_final(direct, internet):
    """Of one host, for all of them (RFC 5321 5.1)."""
    first = internet.open_dead()
    first.always("RCPT", "550 5.1.1 nobody here")
    reply = failed(direct, "user@fails-over.test")
    assert (reply["code"], reply["enhanced"]) == (550, "5.1.1")
    assert internet.mx1.sessions == []


def test_asks_no_other_host_when_the_outcome_is_unknown(direct, internet):
    first = internet.open_dead()
    first.answer(".", "DROP")
    message = waiting(direct, "user@fails-over.test")
    assert message["recipients"][0]["maybe_duplicate"] is True
    assert message["recipients"][0]["attempts"] == 1
    assert internet.mx1.sessions == []


def test_asks_the_next_host_only_for_those_who_must_wait(direct, internet):
    first = internet.open_dead()
    first.always("RCPT", lambda line: "450 4.2.1 busy" if "later" in line
                 else "550 5.1.1 none" if "nobody" in line else None)
    direct.start()
    queue_id = direct.send(to=["good@fails-over.test",
                               "nobody@fails-over.test",
                               "later@fails-over.test"])
    message = direct.wait_for_state(queue_id, "partial")
    assert [r["state"] for r in message["recipients"]] == [
        "delivered", "failed", "delivered"]
    assert first.messages[0].recipients == ["<good@fails-over.test>"]
    assert internet.mx1.messages[0].recipients == ["<later@fails-over.test>"]


# ------------------------------------------------------------------------- TLS


@pytest.mark.parametrize("name", ["good", "self", "expired", "wrong"])
def test_upgrades_whatever_the_certificate(direct, internet, directory, name):
    """A stranger's certificate proves nothing; it is still better than none."""
    tls = certificates(directory / "tls")
    internet.mx1.tls = (tls / f"{name}.pem", tls / f"{name}.key")
    message = delivered(direct, "user@one.test")
    assert internet.mx1.messages[0].session.tls == "TLSv1.3"
    assert message["timeline"][-1]["tls"].startswith("TLSv1.3")


@pytest.mark.parametrize("how", ["refused", "broken"])
def test_goes_on_in_the_clear_when_tls_does_not_work(direct, internet, how):
    if how == "refused":
        internet.mx1.extensions.append("STARTTLS")
        internet.mx1.always("STARTTLS", "454 4.7.0 not available")
    else:
        internet.mx1.tls = ("/nonexistent", "/nonexistent")  # hangs up
    message = delivered(direct, "user@one.test")
    assert "tls" not in message["timeline"][-1]
    assert internet.mx1.messages[0].session.tls is None


# --------------------------------------------------------------------- domains


def test_one_domains_trouble_is_no_other_domains(direct, internet):
    """One part a domain: two are delivered while the third waits."""
    direct.start()
    queue_id = direct.send(to=["a@one.test", "b@one.test", "c@two.test",
                               "d@three.test"])

    def have_all_been_tried():
        recipients = direct.show(queue_id)["recipients"]
        return all(r["state"] == "delivered" or r["reply"]
                   for r in recipients) and recipients

    a, b, c, d = wait_until(have_all_been_tried, "three attempts")
    assert [r["state"] for r in (a, b, c)] == ["delivered"] * 3
    assert (d["state"], d["attempts"]) == ("waiting", 0)
    assert d["reply"]["host"].startswith("mx3.test")
    (message,) = internet.mx1.messages
    assert message.recipients == ["<a@one.test>", "<b@one.test>"]
    assert direct.relay_state()["state"] == "closed"
    # When the host is back and somebody asks, the rest goes out.
    three = internet.open_dead()
    assert direct.ctl("retry", queue_id).returncode == 0
    direct.wait_for_state(queue_id, "delivered")
    assert three.messages[0].recipients == ["<d@three.test>"]


def test_a_login_that_a_stranger_wants_fails_the_mail_only(direct, internet):
    internet.mx1.always("MAIL", "530 5.7.0 Authentication required")
    message_to_one = failed(direct, "user@one.test")
    assert message_to_one["code"] == 530
    assert direct.relay_state()["state"] == "closed"
    delivered(direct, "user@two.test")


# ------------------------------------------------------------------------ held


def check_held(direct, sender="app@example.com"):
    direct.start()
    queue_id = direct.send(to="user@one.test", sender=sender)
    message = direct.wait_for_state(queue_id, "held")
    assert "relaisctl release" in message["hold"]["reason"], message
    shown = direct.ctl("show", queue_id).stdout.decode()
    assert "relaisctl release" in shown, shown
    return queue_id, message["hold"]["reason"]


def test_holds_the_mail_of_a_host_without_a_full_name(direct, internet):
    direct.settings["hostname"] = "web1"
    queue_id, reason = check_held(direct)
    assert "hostname: in relais.yaml" in reason
    # As it says: a name, a reload, a release.
    direct.settings["hostname"] = "web1.example.com"
    direct.reload()
    wait_until(lambda: b"event=reloaded" in direct.log.read_bytes(),
               "the reload")
    assert direct.ctl("release", queue_id).returncode == 0
    direct.wait_for_state(queue_id, "delivered")
    assert internet.mx1.sessions[0].commands[0] == "EHLO web1.example.com"


def test_holds_the_mail_of_a_bare_sender(direct, internet, relay):
    queue_id, reason = check_held(direct, sender="root@web1")
    assert "domain:" in reason
    # As it says: another relay, a release.
    direct.use_relay(relay)
    direct.reload()
    wait_until(lambda: direct.relay_state()["name"] == "office", "the reload")
    assert direct.ctl("release", queue_id).returncode == 0
    direct.wait_for_state(queue_id, "delivered")
    assert len(relay.messages) == 1 and internet.mx1.sessions == []


def test_lets_the_null_sender_of_a_named_host_pass(direct, internet):
    delivered(direct, "user@one.test", sender="")
    assert internet.mx1.messages[0].sender.startswith("<>")


# ------------------------------------------------------------------ its test


def relay_test(direct, address, relay="out"):
    """(exit code, steps by name, result) of relaisctl relay test --to."""
    answer = direct.ctl("relay", "test", relay, "--to", address, "--json")
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert lines and "result" in lines[-1], answer
    return (answer.returncode, {line["step"]: line for line in lines[:-1]},
            lines[-1])


def test_a_test_mail_goes_to_the_domains_exchanger(direct, internet):
    direct.start()
    code, steps, result = relay_test(direct, "user@one.test")
    assert code == 0 and result["result"] == "accepted", steps
    assert "mx1.test has 127.0.0.11" in steps["name"]["detail"]
    assert "relais" in internet.mx1.messages[0].content.decode()
    code, steps, result = relay_test(direct, "user@fails-over.test")
    assert code == 0 and result["result"] == "accepted", steps


@pytest.mark.parametrize("domain, words", [
    ("null", "null MX"), ("no-such-domain", "does not exist"),
    ("nothing", "neither a mail exchanger nor"),
])
def test_a_test_without_an_exchanger_names_itself(direct, domain, words):
    direct.start()
    code, steps, result = relay_test(direct, f"user@{domain}.test")
    assert code == 1 and not steps["name"]["ok"], steps
    assert words in steps["name"]["detail"]
    assert "host name" not in result["cause"], result


def test_the_sender_hears_of_a_domain_that_does_not_work(direct, internet):
    direct.settings["retry"] = {"warn": "1s"}
    direct.settings["bounces"] = {"gather": "1s"}
    direct.start()
    queue_id = direct.send(sender="app@one.test", to="user@three.test")

    def try_again():
        direct.api("/v1/relays/out/resume", "POST")
        direct.api(f"/v1/messages/{queue_id}/retry", "POST")

    def is_told():
        try_again()
        return internet.mx1.messages

    report = wait_until(is_told, "the report")[0].content.decode()
    assert "Action: delayed" in report and "user@three.test" in report
    recipient, = direct.show(queue_id)["recipients"]
    assert (recipient["state"], recipient["attempts"]) == ("waiting", 0)
    internet.open_dead()

    def is_delivered():
        try_again()
        return direct.show(queue_id)["state"] == "delivered"

    wait_until(is_delivered, "the mail to go")
    assert len(internet.mx1.messages) == 1


# ------------------------------------------------------------- nothing configured


def test_serves_where_no_relay_is_configured(daemon, serve):
    """No `relays:` at all: the compiled-in direct:, on port 25, which nothing
    here may listen to; null MX and a host without a name show that it works."""
    names = serve(Nsd, RECORDS)
    daemon.settings["resolver"] = {"servers": [names.address]}
    del daemon.settings["relays"]
    reply = failed(daemon, "user@null.test")
    assert reply["enhanced"] == "5.1.10"
    relay = daemon.relay_state()
    assert (relay["managed"], relay["url"]) == ("built-in", "direct:")
    assert relay["port"] == 25
    code, steps, result = relay_test(daemon, "user@one.test", "built-in")
    assert code == 1 and steps["name"]["ok"], steps
    assert steps["connect"]["detail"].endswith(":25: Connection refused"), (
        steps)
    daemon.stop()
    daemon.settings["hostname"] = "web1"
    daemon.start()
    message = daemon.show(daemon.send(to="user@null.test"))
    assert message["state"] == "held"
