"""Towards one relay: security, login, verdicts, retries, reuse."""

import pathlib
import socket
import subprocess

import pytest

from conftest import SOURCE, wait_until
from relay import Relay


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A test CA, a good certificate for localhost, and bad ones."""
    folder = tmp_path_factory.mktemp("certificates")
    subprocess.run([str(SOURCE / "tests" / "support" / "certificates.sh"),
                    str(folder)], check=True, capture_output=True)
    return pathlib.Path(folder)


def tls_relay(certificates, name="good", **options):
    return Relay(tls=(certificates / f"{name}.pem",
                      certificates / f"{name}.key"), **options)


def use_tls(daemon, relay, certificates, security, **keys):
    daemon.use_relay(relay, security=security, **keys)
    daemon.settings["relays"]["office"]["host"] = "localhost"
    daemon.settings["relays"]["office"]["tls"] = {
        "ca_file": str(certificates / "ca.pem")}


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_delivers_over_verified_tls(daemon, certificates, security):
    with tls_relay(certificates, implicit_tls=security == "tls") as relay:
        use_tls(daemon, relay, certificates, security)
        daemon.start()
        queue_id = daemon.send()
        message = daemon.wait_for_state(queue_id, "delivered")
        assert relay.messages[0].session.tls == "TLSv1.3"
        assert message["timeline"][-1]["tls"].startswith("TLSv1.3")


@pytest.mark.parametrize("name", ["expired", "wrong", "self"])
def test_never_delivers_to_a_bad_certificate(daemon, certificates, name):
    with tls_relay(certificates, name, implicit_tls=True) as relay:
        use_tls(daemon, relay, certificates, "tls")
        daemon.start()
        queue_id = daemon.send()

        def reason():
            relays = daemon.api("/v1/relays")[1]["relays"]
            return relays[0]["state"] != "closed" and relays[0]

        state = wait_until(reason, "the breaker to open")
        assert state["reason"], state
        message = daemon.show(queue_id)
        assert message["state"] == "queued"
        assert message["recipients"][0]["attempts"] == 0
        assert relay.messages == []


def test_does_not_fall_back_to_clear_text_without_starttls(daemon, relay):
    daemon.use_relay(relay, security="starttls")
    daemon.start()
    daemon.send()
    wait_until(lambda: daemon.api("/v1/relays")[1]["relays"][0]["state"]
               != "closed", "the breaker to open")
    assert all(not c.upper().startswith("MAIL")
               for s in relay.sessions for c in s.commands)


def test_upgrades_when_it_can_and_goes_on_when_it_cannot(
        daemon, certificates, relay):
    daemon.use_relay(relay, security="opportunistic")
    daemon.start()
    daemon.wait_for_state(daemon.send(), "delivered")
    daemon.stop()
    with tls_relay(certificates) as second:
        daemon.use_relay(second, security="opportunistic")
        daemon.start()
        daemon.wait_for_state(daemon.send(), "delivered")
        assert second.messages[0].session.tls


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_logs_in(daemon, certificates, mechanism):
    with tls_relay(certificates, users={"app": "s3cret word"},
                   mechanisms=mechanism) as relay:
        use_tls(daemon, relay, certificates, "starttls", username="app",
                password="s3cret word", authentication=True)
        daemon.start()
        daemon.wait_for_state(daemon.send(), "delivered")
        assert relay.messages[0].session.user == "app"
    assert "s3cret" not in daemon.log_text()


def test_logs_in_with_a_token_of_a_command(daemon, certificates, directory):
    with tls_relay(certificates, users={"app": "token-1"},
                   mechanisms="XOAUTH2 PLAIN") as relay:
        use_tls(daemon, relay, certificates, "starttls", username="app",
                token_command=["/bin/echo", "token-1"],
                authentication="xoauth2")
        daemon.start()
        daemon.wait_for_state(daemon.send(), "delivered")
        assert relay.messages[0].session.user == "app"


def test_a_refused_login_holds_the_relay_and_bounces_nothing(daemon, relay):
    relay.users = {"app": "right"}
    daemon.use_relay(relay, authentication=True, username="app",
                     password="wrong")
    daemon.start()
    queue_id = daemon.send()
    wait_until(lambda: daemon.api("/v1/relays")[1]["relays"][0]["state"]
               == "held", "the relay to be held")
    message = daemon.show(queue_id)
    assert message["state"] == "queued"
    assert message["recipients"][0]["attempts"] == 0
    # A right password frees it at once.
    daemon.settings["relays"]["office"]["password"] = "right"
    daemon.reload()
    daemon.wait_for_state(queue_id, "delivered")
    assert "wrong" not in daemon.log_text()


def test_each_recipient_has_its_own_verdict(daemon, relay):
    def verdict(line):
        if "bad@" in line:
            return "550 5.1.1 no such user"
        if "later@" in line and len(relay.messages) == 0:
            return "451 4.2.1 busy"
        return None

    relay.always("RCPT", verdict)
    daemon.use_relay(relay)
    daemon.settings["retry"] = {"first": "1s"}
    daemon.start()
    queue_id = daemon.send(to=["good@example.net", "bad@example.net",
                               "later@example.net"])
    message = daemon.wait_for_state(queue_id, "partial")
    states = {r["address"]: r for r in message["recipients"]}
    assert states["good@example.net"]["state"] == "delivered"
    assert states["good@example.net"]["attempts"] == 1
    assert states["bad@example.net"]["state"] == "failed"
    assert states["bad@example.net"]["reply"]["code"] == 550
    assert states["bad@example.net"]["reply"]["enhanced"] == "5.1.1"
    assert states["later@example.net"]["state"] == "delivered"
    assert states["later@example.net"]["attempts"] == 2
    # and what the sender is told about the refused one
    handed_over = [m for m in relay.messages if not m.sender.startswith("<>")]
    assert len(handed_over) == 2


def test_a_relay_that_is_down_is_charged_and_the_mail_waits(daemon, relay):
    with socket.socket() as dead:
        # Bound, but not listening: refuses, and nobody else gets the port.
        dead.bind(("127.0.0.1", 0))
        relay.port, live_port = dead.getsockname()[1], relay.port
        daemon.use_relay(relay)
        daemon.start()
        queue_id = daemon.send()
        check_refused(daemon, queue_id)
        relay.port = live_port
        daemon.use_relay(relay)
        daemon.reload()
        daemon.wait_for_state(queue_id, "delivered")


def check_refused(daemon, queue_id):
    wait_until(lambda: daemon.api("/v1/relays")[1]["relays"][0]["state"]
               == "open", "the breaker to open")
    message = daemon.show(queue_id)
    assert message["state"] == "queued"
    assert message["recipients"][0]["attempts"] == 0


def test_reuses_its_connection(daemon, relay):
    daemon.use_relay(relay, limits={"connections": 1})
    daemon.start()
    for _ in range(20):
        daemon.wait_for_state(daemon.send(), "delivered")
    assert len(relay.sessions) == 1


def test_a_dead_reused_connection_is_a_free_reconnect(daemon, relay):
    daemon.use_relay(relay, limits={"connections": 1})
    daemon.start()
    daemon.wait_for_state(daemon.send(), "delivered")
    relay.answer("MAIL", "DROP")
    message = daemon.wait_for_state(daemon.send(), "delivered")
    assert message["recipients"][0]["attempts"] == 1
    assert [e["event"] for e in message["timeline"]] == [
        "accepted", "delivered"]
    assert daemon.api("/v1/relays")[1]["relays"][0]["state"] == "closed"


def test_a_lost_final_reply_is_marked_and_waits(daemon, relay):
    daemon.use_relay(relay)
    daemon.start()
    relay.answer(".", "DROP")
    queue_id = daemon.send()

    def is_marked():
        recipient = daemon.show(queue_id)["recipients"][0]
        return recipient["maybe_duplicate"] and recipient

    recipient = wait_until(is_marked, "the mark")
    assert recipient["state"] == "waiting"
    assert recipient["attempts"] == 1


def test_delivers_many_at_once_over_few_connections(daemon, relay):
    # One that is closed may look open to the relay for a moment longer.
    daemon.use_relay(relay, limits={"connections": 3,
                                    "messages_per_connection": 1000})
    daemon.start()
    with daemon.smtp() as client:
        client.ehlo()
        for number in range(300):
            client.sendmail("app@example.com", [f"u{number}@example.net"],
                            f"Subject: {number}\r\n\r\nhello\r\n")
    relay.wait_for_messages(300)
    assert relay.most_at_once <= 3
    subjects = {m.content.split(b"Subject: ")[1].split(b"\r\n")[0]
                for m in relay.messages}
    assert len(subjects) == 300


def test_a_thousand_recipients_end_right(daemon, relay):
    def verdict(line):
        number = int(line.split("<u")[1].split("@")[0])
        return "550 5.1.1 none" if number % 10 == 3 else None

    relay.always("RCPT", verdict)
    daemon.use_relay(relay, limits={"recipients": 100})
    daemon.start()
    queue_id = daemon.send(to=[f"u{n}@example.net" for n in range(1000)])
    message = daemon.wait_for_state(queue_id, "partial")
    for number, recipient in enumerate(message["recipients"]):
        wanted = "failed" if number % 10 == 3 else "delivered"
        assert recipient["state"] == wanted, recipient
    got = [r for m in relay.messages for r in m.recipients]
    assert len(got) == 900 == len(set(got))
    assert max(len(m.recipients) for m in relay.messages) <= 100
