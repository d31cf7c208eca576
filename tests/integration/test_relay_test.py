"""The relay test: each step, each cause, and what it never touches."""

import concurrent.futures
import contextlib
import ctypes
import json
import os
import socket
import subprocess

import pytest

from conftest import SOURCE, Relay, wait_until
from servers import Postfix, certificates as make_certificates

CA = "ca.pem"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def tls_relay(certificates, name="good", **options):
    return Relay(tls=(certificates / f"{name}.pem",
                      certificates / f"{name}.key"), **options)


def start(daemon, relay, certificates=None, name="office", **keys):
    """One relay in a file: host localhost, this port, the test authority."""
    port = relay if isinstance(relay, int) else relay.port
    daemon.settings["relays"] = {name: {
        "host": "localhost", "port": port, "security": "none", **keys}}
    if certificates is not None:
        daemon.settings["relays"][name].setdefault(
            "tls", {"ca_file": str(certificates / CA)})
    return daemon.start()


def ask(daemon, *words, relay="office", input=None):
    """(exit code, steps, result) of relaisctl relay test."""
    answer = daemon.ctl("relay", "test", *([relay] if relay else []),
                        "--json", *words, input=input)
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert lines and "result" in lines[-1], answer
    return answer.returncode, lines[:-1], lines[-1]


def names(steps):
    return [step["step"] for step in steps if step["step"] != "try"]


def failed(steps):
    step, = [s for s in steps if not s["ok"] and s["step"] != "try"]
    return step


# ------------------------------------------------------------------ what works


def test_a_relay_that_works_is_reached_without_a_mail(daemon, certificates):
    with tls_relay(certificates, users={"app": "secret"}) as relay:
        start(daemon, relay, certificates, security="starttls",
              username="app", password="secret")
        code, steps, result = ask(daemon)
        relay.wait_for(lambda: "QUIT" in relay.sessions[0].commands)
    assert code == 0 and result["result"] == "reachable", (steps, result)
    assert names(steps) == ["name", "connect", "greeting", "tls", "ehlo",
                            "login", "sender", "recipient"]
    detail = {s["step"]: s["detail"] for s in steps}
    assert "localhost has 127.0.0.1" in detail["name"] or (
        "::1" in detail["name"])
    assert f":{relay.port}" in detail["connect"]
    assert "TLSv1.3" in detail["tls"] and "localhost" in detail["tls"]
    assert "relais test authority" in detail["tls"]
    assert "until 2045-01-01" in detail["tls"]
    assert "PIPELINING" in detail["ehlo"] and "AUTH PLAIN" in detail["ehlo"]
    assert detail["login"].startswith("as app by ")
    assert relay.messages == [] and relay.contents == []
    verbs = [line.split()[0] for line in relay.sessions[0].commands]
    assert "DATA" not in verbs


def test_a_test_mail_is_accepted_and_has_the_relays_identity(daemon,
                                                             certificates):
    with tls_relay(certificates, implicit_tls=True) as relay:
        start(daemon, relay, certificates, security="tls",
              **{"from": {"address": "noreply@example.com",
                          "name": "Example", "apply": "always"},
                 "headers": {"X-Trace": "relais-{relay}"}})
        code, steps, result = ask(daemon, "--to", "me@example.net")
        assert code == 0 and result["result"] == "accepted", (steps, result)
        assert names(steps)[1:4] == ["connect", "tls", "greeting"]
        assert names(steps)[-1] == "message"
        message, = relay.messages
    assert message.sender.startswith("<noreply@example.com>")
    assert message.recipients == ["<me@example.net>"] or (
        "me@example.net" in str(message.recipients))
    text = message.content.decode()
    assert "X-Trace: relais-office" in text
    assert "Subject: Test of relay office on relais.example.com" in text
    assert "noreply@example.com" in text.split("\r\n\r\n")[0]


def test_a_person_sees_the_steps_and_the_result(daemon, relay):
    start(daemon, relay)
    answer = daemon.ctl("relay", "test", "office", "--to", "me@example.net")
    assert answer.returncode == 0, answer
    text = answer.stdout.decode()
    assert text.splitlines()[0].startswith("ok    name")
    assert "was accepted by the relay" in text
    assert "delivered" not in text


def test_one_that_is_not_saved_is_tested_and_not_saved(daemon, relay):
    daemon.start()
    code, steps, result = ask(
        daemon, "--yaml", "-", relay=None,
        input=f"host: 127.0.0.1\nport: {relay.port}\n".encode())
    assert code == 0 and result["result"] == "reachable", (steps, result)
    code, steps, result = ask(daemon, "--host", "127.0.0.1", "--port",
                              str(relay.port), relay=None)
    assert code == 0
    assert [r["name"] for r in daemon.api("/v1/relays")[1]["relays"]] == [
        "capture"]
    answer = daemon.ctl("relay", "test", "--yaml", "-", input=b"hots: x\n")
    assert answer.returncode == 1 and b"did you mean `host`" in answer.stderr


def test_a_disabled_relay_is_tested_all_the_same(daemon, relay):
    start(daemon, relay, enabled=False)
    assert ask(daemon)[0] == 0


def test_the_capture_relay_is_tested(relaisd):
    code, steps, result = ask(relaisd, "--to", "me@example.net",
                              relay="capture")
    assert code == 0 and result["result"] == "accepted", steps
    assert len(relaisd.captured()) == 1


def test_the_built_in_relay_wants_an_address(daemon):
    daemon.settings.pop("relays")
    daemon.start()
    code, steps, result = ask(daemon, relay="built-in")
    assert code == 1 and "--to" in result["next"]


# ---------------------------------------------------------------- what doesn't


def test_a_dead_port_names_itself(daemon, dead_port):
    start(daemon, dead_port, host="127.0.0.1")
    code, steps, result = ask(daemon)
    step = failed(steps)
    assert code == 1 and result["result"] == "failed"
    assert step["step"] == "connect" and "refused" in step["detail"]
    assert "Nothing listens" in step["cause"]
    assert result["cause"] == step["cause"] and step["next"]


def test_an_unknown_name_names_itself(daemon):
    daemon.settings["resolver"] = {"servers": ["127.0.0.1:1"], "tries": 1,
                                   "timeout": "1s"}
    start(daemon, 25, host="no-such-host.invalid")
    code, steps, result = ask(daemon)
    assert code == 1 and failed(steps)["step"] == "name"
    assert "does not resolve" in result["cause"]


@pytest.mark.parametrize("name, words, cause", [
    ("expired", "has expired", "out of date"),
    ("wrong", "other.test", "for another name"),
    ("self", "signed by itself", "not signed by a known authority"),
])
@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_bad_certificate_names_itself(daemon, certificates, security, name,
                                        words, cause):
    with tls_relay(certificates, name,
                   implicit_tls=security == "tls") as relay:
        start(daemon, relay, certificates, security=security)
        code, steps, result = ask(daemon)
    step = failed(steps)
    assert code == 1 and step["step"] == "tls"
    assert words in step["detail"], step
    assert cause in step["cause"], step
    assert result["works_with"] is None


@pytest.mark.parametrize("is_set, is_spoken", [
    ("tls", "none"), ("tls", "starttls"), ("starttls", "tls"),
    ("none", "tls"), ("starttls", "none"),
])
def test_the_wrong_mode_says_which_one_works(daemon, certificates, is_set,
                                             is_spoken):
    options = {} if is_spoken == "none" else {
        "tls": (certificates / "good.pem", certificates / "good.key"),
        "implicit_tls": is_spoken == "tls"}
    with Relay(**options) as relay:
        start(daemon, relay, certificates, security=is_set)
        code, steps, result = ask(daemon)
    assert code == 1 and result["result"] == "failed"
    assert failed(steps)["step"] in ("tls", "greeting")
    assert result["works_with"] == {"security": is_spoken,
                                    "port": relay.port}, steps
    assert "security setting is wrong" in result["cause"]


def test_no_password_is_shown_to_a_port_without_tls(daemon):
    with Relay(users={"app": "secret"}) as relay:
        start(daemon, relay, security="starttls", username="app",
              password="secret")
        code, steps, result = ask(daemon)
        assert code == 1
        assert result["works_with"] is None
        lines = [line for s in relay.sessions for line in s.commands]
    assert not any(line.startswith("AUTH") for line in lines)


@pytest.mark.parametrize("reply, words, provider", [
    ("535 5.7.8 Error: authentication failed", "user name or password", None),
    ("534 5.7.9 Application-specific password required.", "app password",
     "gmail"),
    ("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is "
     "disabled for the Tenant.", "", "microsoft365"),
])
def test_a_refused_login_names_itself(daemon, certificates, reply, words,
                                      provider):
    with tls_relay(certificates, users={"app@example.com": "secret"}) as relay:
        relay.always("AUTH", reply)
        keys = {"provider": provider} if provider else {}
        start(daemon, relay, certificates, security="starttls",
              username="app@example.com", password="wrong", **keys)
        code, steps, result = ask(daemon)
    step = failed(steps)
    assert code == 1 and step["step"] == "login"
    assert reply.split()[0] in step["detail"]
    assert step["cause"] and words.lower() in (
        step["cause"] + step["next"]).lower()
    assert "wrong" not in step["detail"]


@pytest.mark.parametrize("verb, reply, step_name, words", [
    ("MAIL", "553 5.7.1 <x@y>: Sender address rejected: not owned by user app",
     "sender", "sender"),
    ("RCPT", "550 5.4.5 Daily user sending limit exceeded", "recipient",
     "24 hours"),
    (".", "554 5.7.1 Message rejected: email address is not verified",
     "message", "verified"),
])
def test_a_refused_mail_names_itself(daemon, relay, verb, reply, step_name,
                                     words):
    relay.always(verb, reply)
    start(daemon, relay)
    code, steps, result = ask(daemon, "--to", "me@example.net")
    step = failed(steps)
    assert code == 1 and step["step"] == step_name
    assert step["cause"] and step["next"], step
    assert words in (step["cause"] + step["next"]).lower(), step


@pytest.fixture
def lonely():
    """Words that run a program where there is loopback and nothing else."""
    words = ["unshare", "--net", "sh", "-c",
             'ip link set lo up && exec "$@"', "sh"]
    try:
        tried = subprocess.run([*words, "true"], capture_output=True,
                               timeout=60)
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    if tried.returncode != 0:
        pytest.skip(f"no network of its own: {tried.stderr.decode()}")
    return words


def test_a_host_without_a_route_names_itself(daemon, lonely):
    daemon.settings["relays"] = {"office": {
        "host": "192.0.2.1", "port": 587, "security": "none"}}
    daemon.start(wrapper=lonely)
    code, steps, result = ask(daemon)
    step = failed(steps)
    assert code == 1 and step["step"] == "connect"
    assert "unreachable" in step["detail"], step
    assert "no way to the host" in step["cause"], step
    assert "ip route" in step["next"] and result["works_with"] is None


def listen_there(daemon, port):
    """A listener where that daemon is, though its relay is run from here."""
    def listen():
        # The namespace of a thread, which ends with this call.
        libc = ctypes.CDLL(None, use_errno=True)
        there = os.open(f"/proc/{daemon.process.pid}/ns/net", os.O_RDONLY)
        try:
            if libc.setns(there, 0) < 0:
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(there)
        return socket.create_server(("127.0.0.1", port))

    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(listen).result()


@pytest.mark.parametrize("port, security", [
    (465, "tls"), (587, "starttls"), (25, "starttls")])
def test_another_port_is_found_where_that_alone_works(
        daemon, certificates, lonely, port, security):
    daemon.settings["relays"] = {"office": {
        "host": "localhost", "port": 2525, "security": "none",
        "tls": {"ca_file": str(certificates / CA)}}}
    daemon.start(wrapper=lonely)
    with tls_relay(certificates, implicit_tls=security == "tls",
                   listener=listen_there(daemon, port)) as relay:
        code, steps, result = ask(daemon, "--to", "me@example.net")
        assert code == 1 and failed(steps)["step"] == "connect", steps
        assert result["works_with"] == {"security": security,
                                        "port": port}, steps
        assert "port is wrong, or blocked" in result["cause"]
        tried = [s for s in steps if s["step"] == "try"]
        assert [s["ok"] for s in tried][-1:] == [True]
        assert f"port: {port}: works" in tried[-1]["detail"], tried
        lines = [line for s in relay.sessions for line in s.commands]
    assert not any(line.startswith(("MAIL", "AUTH")) for line in lines), lines


def test_a_port_without_a_login_is_none_that_works(daemon, certificates,
                                                   lonely):
    daemon.settings["relays"] = {"office": {
        "host": "localhost", "port": 2525, "security": "starttls",
        "username": "app", "password": "secret",
        "tls": {"ca_file": str(certificates / CA)}}}
    daemon.start(wrapper=lonely)
    with contextlib.ExitStack() as stack:
        # Port 25 takes mail of strangers: nothing for who has a login.
        relays = [stack.enter_context(tls_relay(
            certificates, implicit_tls=port == 465,
            users={"app": "secret"} if port == 587 else None,
            listener=listen_there(daemon, port))) for port in (465, 587, 25)]
        code, steps, result = ask(daemon)
        assert code == 1
        assert result["works_with"] == {"security": "starttls", "port": 587}
        details = [s["detail"] for s in steps if s["step"] == "try"]
        assert "no login there" in details[0] and "works" in details[1]
        lines = [line for relay in relays for s in relay.sessions
                 for line in s.commands]
        assert not any(line.startswith(("MAIL", "AUTH")) for line in lines)
        assert not relays[2].sessions


@pytest.fixture
def blocked_port():
    """Nothing comes back from it, as where a firewall drops what is sent: it
    listens, but its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_a_blocked_port_names_itself(daemon, blocked_port):
    start(daemon, blocked_port, host="127.0.0.1")
    code, steps, result = ask(daemon)
    step = failed(steps)
    assert code == 1 and step["step"] == "connect"
    assert "timed out" in step["detail"], step
    assert "firewall" in step["cause"] and "587" in step["next"], step


def test_a_silent_port_does_not_take_for_ever(daemon):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start(daemon, silent.getsockname()[1], host="127.0.0.1")
        code, steps, result = ask(daemon)
    assert code == 1 and failed(steps)["step"] == "greeting"


def test_the_test_leaves_breaker_and_queue_alone(daemon, dead_port):
    start(daemon, dead_port, host="127.0.0.1")
    for _ in range(3):
        assert ask(daemon)[0] == 1
    office = daemon.relay_state("office")
    assert office["state"] == "closed" and office["faults"] == 0
    queue_id = daemon.send()
    daemon.wait_for_relay("open")
    before = daemon.show(queue_id)
    assert ask(daemon)[0] == 1
    after = daemon.show(queue_id)
    for message in (before, after):  # a due is shown to a millisecond or so
        assert message["recipients"][0].pop("next_attempt")
    assert after == before
    assert daemon.api("/v1/messages")[1]["messages"][0]["id"] == queue_id


def test_an_unknown_relay_and_a_bad_address_are_refused(relaisd):
    assert relaisd.ctl("relay", "test", "nobody").returncode == 1
    assert relaisd.ctl("relay", "test", "capture", "--to", "x").returncode == 1
    status, answer = relaisd.api("/v1/relays/nobody/test", "POST")
    assert status == 404
    status, answer = relaisd.api("/v1/relays:test", "POST",
                                 {"password_command": ["/bin/id"]})
    assert status == 403, answer


def test_who_goes_away_ends_the_test(daemon):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start(daemon, silent.getsockname()[1], host="127.0.0.1")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(daemon.control))
            client.sendall(b"POST /v1/relays/office/test HTTP/1.1\r\n"
                           b"Host: relais\r\nContent-Length: 0\r\n\r\n")
            peer, _ = silent.accept()
            client.recv(1)
        peer.settimeout(10)
        assert peer.recv(1) == b""
        peer.close()
    assert "action=relay-test" in daemon.log_text()


def test_a_real_postfix_with_tls_and_login(daemon, relay, serve):
    server = serve(Postfix, relay.port)
    keys = {"security": "starttls", "username": "user",
            "tls": {"ca_file": str(server.ca_file)}}
    start(daemon, server.port, password="secret", **keys)
    code, steps, result = ask(daemon, "--to", "me@example.net")
    assert code == 0, steps
    relay.wait_for_messages(1)
    daemon.stop()
    start(daemon, server.port, password="wrong", **keys)
    code, steps, result = ask(daemon)
    assert code == 1 and failed(steps)["step"] == "login", steps
    assert failed(steps)["detail"].startswith("535 5.7.8")
    daemon.stop()
    start(daemon, server.tls_port, password="secret", **keys)
    code, steps, result = ask(daemon)
    assert result["works_with"] == {"security": "tls",
                                    "port": server.tls_port}, steps
