"""A relay in trouble: told at once, after a while, and when it is over."""

import json
import socket
import subprocess

import pytest

from conftest import BUILD, wait_until
from relay import Relay


@pytest.fixture
def dead_port():
    """Refuses connections, and nobody else gets it."""
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        yield dead.getsockname()[1]


@pytest.fixture
def hook(directory):
    """A command that keeps what it is told, a line each time."""
    out = directory / "told"
    out.touch()
    program = directory / "hook"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$2" >>"$1"\n')
    program.chmod(0o755)

    class Hook:
        words = [str(program), str(out)]

        @staticmethod
        def told():
            return [json.loads(line) for line in out.read_text().splitlines()]

    return Hook


def test_trouble_that_lasts_is_told_twice_and_its_end_once(
        daemon, relay, dead_port, hook):
    daemon.use_relay(relay, name="backup")
    daemon.settings["relays"]["office"] = {
        "host": "127.0.0.1", "port": dead_port, "security": "none"}
    daemon.settings["default_relay"] = "office"
    daemon.settings["alarms"] = {
        "command": hook.words, "mail": "admin@example.com",
        "first": "1s", "second": "2s"}
    daemon.start()
    queue_id = daemon.send()

    # At once: status and log.
    wait_until(lambda: daemon.relay_state("office")["state"] == "open",
               "the breaker")
    (problem,) = daemon.api("/v1/status")[1]["problems"]
    assert "office does not work" in problem["what"] and problem["since"]
    assert 'state=open' in daemon.log_text()

    # Then the administrator, by every way there is.
    wait_until(lambda: len(hook.told()) == 2, "two calls")
    first = hook.told()[0]
    assert first["event"] == "relay_trouble"
    assert first["relay"] == "office" and first["state"] == "open"
    assert first["waiting"] == 1
    assert first["phase"] == "connect" and "refused" in first["reply"]
    assert first["explain"] and first["next"]
    mails = relay.wait_for_messages(2)
    assert mails[0].recipients[0].startswith("<admin@example.com>")
    text = mails[0].content.decode()
    assert "Subject: relay office has not worked for" in text
    assert "relaisctl relay resume office" in text
    assert daemon.log_text().count("event=relay_trouble") == 2

    # The message it is about has waited, and nobody was bothered.
    assert daemon.show(queue_id)["state"] == "queued"
    daemon.settings["relays"]["office"]["port"] = relay.port
    daemon.reload()
    daemon.wait_for_state(queue_id, "delivered")
    wait_until(lambda: len(hook.told()) == 3, "the end")
    assert hook.told()[2]["event"] == "relay_works"
    wait_until(lambda: any(b"works again" in m.content
                           for m in relay.messages), "the mail about it")


def test_what_was_told_is_remembered_over_a_restart(daemon, dead_port, hook):
    daemon.settings["relays"] = {"office": {
        "host": "127.0.0.1", "port": dead_port, "security": "none"}}
    daemon.settings["alarms"] = {"command": hook.words, "first": "1s",
                                 "second": "1h"}
    daemon.start()
    daemon.send()
    wait_until(lambda: len(hook.told()) == 1, "the call")
    daemon.stop()
    daemon.start()
    # Its own mail would need the relay that is down: none is made.
    wait_until(lambda: daemon.relay_state()["state"] == "open", "the breaker")
    assert len(daemon.api("/v1/messages")[1]["messages"]) == 1
    daemon.stop()
    daemon.settings["alarms"]["second"] = "2s"
    daemon.start()
    wait_until(lambda: len(hook.told()) == 2, "the second call")
    assert hook.told()[0]["since"][:19] == hook.told()[1]["since"][:19]


def test_the_event_is_in_the_stream(daemon, dead_port):
    daemon.settings["relays"] = {"office": {
        "host": "127.0.0.1", "port": dead_port, "security": "none"}}
    daemon.settings["alarms"] = {"first": "1s"}
    daemon.start()
    daemon.send()
    watch = subprocess.Popen(
        [str(BUILD / "relaisctl"), "watch", "--after",
         "0", "--json"], stdout=subprocess.PIPE, env=daemon.environment())
    try:
        for line in watch.stdout:
            event = json.loads(line)
            if event["event"] == "relay_trouble":
                break
        assert event["relay"] == "office"
    finally:
        watch.kill()
        watch.wait()


def test_a_certificate_that_ends_soon_is_named(daemon, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "soon.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "5", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost", "-keyout", str(key), "-out",
         str(certificate)], check=True, capture_output=True)
    with Relay(tls=(certificate, key)) as relay:
        daemon.use_relay(relay, security="starttls",
                         tls={"ca_file": str(certificate)})
        daemon.settings["relays"]["office"]["host"] = "localhost"
        daemon.start()
        daemon.wait_for_state(daemon.send(), "delivered")
        (problem,) = wait_until(
            lambda: daemon.api("/v1/status")[1]["problems"], "the problem")
        assert "certificate of relay office ends on 20" in problem["what"]


def test_a_command_that_fails_is_logged(daemon, dead_port):
    daemon.settings["relays"] = {"office": {
        "host": "127.0.0.1", "port": dead_port, "security": "none"}}
    daemon.settings["alarms"] = {"command": ["/bin/false"], "first": "1s"}
    daemon.start()
    daemon.send()
    wait_until(lambda: "event=alarm_failed" in daemon.log_text(), "the log")
