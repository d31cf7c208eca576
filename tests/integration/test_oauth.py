"""OAuth: tokens are fetched, renewed and stored by relaisd itself."""

import base64
import http.client
import json
import os
import re
import stat
import subprocess
import time

import pytest

from conftest import (BUILD, Relay, UnixHTTPConnection, is_sanitized,
                      wait_until)
from servers import certificates as make_certificates
from token_server import TokenServer, drop, error, huge, stall

USER = "app@example.com"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def service(certificates):
    with TokenServer(certificates / "good.pem",
                     certificates / "good.key") as server:
        yield server


@pytest.fixture
def relay(service):
    """It takes every token that the service has given out and not revoked."""
    with Relay(users={USER: service.is_good}, mechanisms="XOAUTH2") as peer:
        yield peer


@pytest.fixture
def login(daemon, service, relay, certificates):
    """A relay by client_credentials, or as the keys say; starts nothing."""
    def configure(**keys):
        keys.setdefault("grant", "client_credentials")
        if keys["grant"] == "client_credentials":
            keys.setdefault("client_secret", "s3cret")
        service.secret = keys.get("client_secret")
        if keys["grant"] == "device":
            keys.setdefault("device_url", service.url("/device"))
        if keys["grant"] == "authorization_code":
            keys.setdefault("authorization_url", service.url("/authorize"))
        daemon.use_relay(relay, username=USER, authentication=True,
                         oauth=service.settings(certificates / "ca.pem",
                                                **keys))
        return daemon
    return configure


def shown(daemon):
    return daemon.api("/v1/relays/office")[1]


def test_a_token_is_fetched_and_used(login, relay, service):
    daemon = login().start()
    daemon.send(to="user@example.net")
    relay.wait_for_messages(1)
    form, = service.forms()
    assert form["grant_type"] == "client_credentials"
    assert form["client_secret"] == "s3cret"
    assert relay.messages[0].session.user == USER


# --------------------------------------------------------------------- logins


class Login:
    """A login through the API: its steps as they come."""

    def __init__(self, daemon, relay="office", **order):
        self.daemon, self.relay = daemon, relay
        self.connection = UnixHTTPConnection(daemon.control)
        self.connection.request("POST", f"/v1/relays/{relay}/login",
                                json.dumps(order))
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()

    def next(self):
        while True:
            line = self.answer.readline()
            assert line, "the stream has ended"
            if line.strip():
                return json.loads(line)

    def hand_over(self, url):
        return self.daemon.api(f"/v1/relays/{self.relay}/login/url", "POST",
                               {"url": url})

    def close(self):
        self.connection.close()


def log_in(daemon, service):
    """By a device's code, which the person enters at once."""
    service.is_device_confirmed = True
    steps = Login(daemon)
    assert steps.next()["step"] == "device"
    assert steps.next()["ok"]
    assert steps.next()["result"] == "logged-in"
    steps.close()


def stored(daemon, relay="office"):
    return daemon.directory / "queue" / "logins" / relay


def account(daemon):
    return shown(daemon)["oauth"]


def wait_for_state(daemon, state):
    wait_until(lambda: account(daemon)["state"] == state,
               lambda: f"{state}: {account(daemon)}")


def test_a_device_logs_in_by_its_code(login, relay, service):
    daemon = login(grant="device").start()
    wait_for_state(daemon, "login-needed")
    assert account(daemon)["next"] == "relaisctl relay login office"
    service.answer("/token", error("authorization_pending"))
    steps = Login(daemon)
    step = steps.next()
    assert step["code"] == "WDJB-MJHT"
    assert step["url"] == service.url("/activate")
    assert 880 < step["expires_in"] <= 900
    service.wait_for(lambda: len(service.forms()) == 1)
    service.is_device_confirmed = True
    step = steps.next()
    assert step["step"] == "token" and step["ok"]
    assert steps.next() == {"result": "logged-in", "relay": "office"}
    poll = service.forms()[-1]
    assert poll["device_code"] == "device-1"
    assert poll["grant_type"] == "urn:ietf:params:oauth:grant-type:device_code"
    assert account(daemon)["state"] == "ready"
    daemon.send(to="user@example.net")
    relay.wait_for_messages(1)


def test_a_login_is_a_file_for_relaisd_alone(login, service):
    daemon = login(grant="device").start()
    log_in(daemon, service)
    assert stat.S_IMODE(stored(daemon).stat().st_mode) == 0o600
    assert stat.S_IMODE(stored(daemon).parent.stat().st_mode) == 0o700
    token, = service.refresh_tokens
    assert f"refresh_token {token}\n" in stored(daemon).read_text()


def test_slow_down_is_heeded(login, service):
    daemon = login(grant="device").start()
    service.answer("/token", error("slow_down"), error("access_denied"))
    steps = Login(daemon)
    steps.next()
    began = time.monotonic()
    step = steps.next()
    assert time.monotonic() - began > 6  # 1 s, and 5 s more
    assert not step["ok"] and "access_denied" in step["detail"]
    assert "said no" in step["cause"] and "relay login" in step["next"]
    assert steps.next()["result"] == "failed"


def test_a_code_that_nobody_enters_ends_the_login(login, service):
    daemon = login(grant="device").start()
    _, answer = service.device({})
    service.answer("/device", (200, {**answer, "expires_in": 1,
                                     "interval": 3}))
    steps = Login(daemon)
    steps.next()
    assert "expired_token" in steps.next()["detail"]
    assert steps.next()["result"] == "failed"


def test_a_login_without_a_refresh_token_is_none(login, service):
    daemon = login(grant="device").start()
    service.answer("/token", service.issue(False))
    steps = Login(daemon)
    steps.next()
    step = steps.next()
    assert not step["ok"] and "offline_access" in step["next"]
    assert not stored(daemon).exists()


def test_a_browser_logs_in(login, relay, service):
    daemon = login(grant="authorization_code").start()
    steps = Login(daemon, redirect_port=4711)
    step = steps.next()
    assert step["step"] == "authorize"
    landed = service.visit(step["url"])
    assert landed.startswith("http://127.0.0.1:4711?")
    assert steps.hand_over(landed.replace("state=", "state=x"))[0] == 202
    step = steps.next()
    assert step["step"] == "answer" and not step["ok"]
    steps.hand_over(landed)
    assert steps.next()["ok"]
    assert steps.next()["result"] == "logged-in"
    daemon.send(to="user@example.net")
    relay.wait_for_messages(1)
    text = daemon.log_text()
    assert "action=relay-login " in text and "action=relay-logged-in" in text


def test_a_browser_that_was_refused_ends_the_login(login, service):
    daemon = login(grant="authorization_code").start()
    steps = Login(daemon)
    state = re.search("state=([^&]+)", steps.next()["url"])[1]
    steps.hand_over(f"http://127.0.0.1/?error=access_denied&state={state}")
    step = steps.next()
    assert not step["ok"] and "access_denied" in step["detail"]
    assert steps.next()["result"] == "failed"
    assert steps.hand_over("http://127.0.0.1/")[0] == 404


def test_the_last_login_counts(login):
    daemon = login(grant="authorization_code").start()
    first = Login(daemon)
    first.next()
    second = Login(daemon)
    second.next()
    assert "another login" in first.next()["detail"]
    assert first.next()["result"] == "failed"


def test_only_administrators_log_in(login):
    daemon = login(grant="device").start()
    if os.getuid() != 0:
        pytest.skip("needs root, to be somebody else")
    answer = subprocess.run(
        ["setpriv", "--reuid=65533", "--clear-groups", "curl", "-s",
         "--unix-socket", str(daemon.control), "-X", "POST",
         "http://relais/v1/relays/office/login"],
        capture_output=True, check=True, timeout=60)
    assert json.loads(answer.stdout)["error"]["code"] == (
        "administrators_only")


# -------------------------------------------------------------------- renewal


def test_a_token_that_ends_soon_is_fetched_when_it_is_needed(login, relay,
                                                             service):
    """A service that says one second is not asked each second."""
    service.life = 1
    daemon = login(grant="device").start()
    log_in(daemon, service)
    assert service.forms()[-1]["grant_type"].endswith("device_code")
    for number in range(3):
        # The connection's login is over, and its token too.
        relay.drop_all()
        ended = time.monotonic() + 1.1
        wait_until(lambda: time.monotonic() > ended, "the token's end")
        assert len(service.forms()) == number + 1
        daemon.send(to="user@example.net")
        relay.wait_for_messages(number + 1)
    renewals = [form["refresh_token"] for form in service.forms()[1:]]
    assert len(set(renewals)) == 3  # they rotate


def test_a_token_serves_to_its_end_while_no_other_can_be_had(login, relay,
                                                             service):
    """Between the renewal that fails and the end mail goes on, and the service
    is not asked for each message."""
    service.life = 40
    daemon = login().start()
    wait_for_state(daemon, "ready")
    service.answer("/token", *[(503, "")] * 50)
    wait_for_state(daemon, "failing")
    for number in range(2):
        daemon.send(to=f"user{number}@example.net")
        relay.wait_for_messages(number + 1)
        relay.drop_all()
    assert len(service.forms()) <= 4
    assert shown(daemon)["state"] == "closed"


def test_many_that_ask_cause_one_request(login, relay, service):
    daemon = login().start()
    wait_for_state(daemon, "ready")
    daemon.settings["relays"]["office"]["limits"] = {"connections": 8}
    daemon.reload()
    for number in range(16):
        daemon.send(to=f"user{number}@example.net")
    relay.wait_for_messages(16)
    assert len(service.forms()) == 1


@pytest.mark.one_try
def test_a_kill_behind_the_rotation_loses_no_token(login, relay, service):
    """The answer has rotated the token; whatever comes next, it is stored."""
    daemon = login(grant="device").start()
    log_in(daemon, service)
    for _ in range(6):
        daemon.kill()
        before = len(service.forms())
        daemon.start(wait=False)
        service.wait_for(lambda: len(service.forms()) > before)
        good, = service.refresh_tokens
        wait_until(lambda: good in stored(daemon).read_text(),
                   "the new token on disk")
    daemon.kill()
    daemon.start()
    daemon.send(to="user@example.net")
    relay.wait_for_messages(1)
    assert account(daemon)["state"] == "ready"


def test_a_token_that_cannot_be_stored_is_not_used(login, relay, service):
    """Until there is room; the service is not asked again meanwhile."""
    daemon = login(grant="device").start()
    log_in(daemon, service)
    daemon.stop()
    folder = stored(daemon).parent
    kept = stored(daemon).read_text()
    (folder / ".office.new").mkdir()
    (folder / ".office.new" / "x").touch()
    daemon.start()
    wait_for_state(daemon, "failing")
    assert "cannot be stored" in account(daemon)["problem"]
    daemon.send(to="user@example.net")
    wait_until(lambda: shown(daemon)["state"] == "open", "the breaker")
    assert relay.messages == [] and stored(daemon).read_text() == kept
    requests = len(service.forms())
    (folder / ".office.new" / "x").unlink()
    (folder / ".office.new").rmdir()
    assert daemon.ctl("relay", "test", "office").returncode == 0
    assert len(service.forms()) == requests + 1
    assert daemon.ctl("relay", "resume", "office").returncode == 0
    relay.wait_for_messages(1)
    good, = service.refresh_tokens
    assert good in stored(daemon).read_text()


def test_a_relay_that_was_changed_has_to_log_in_anew(login, relay, service):
    daemon = login(grant="device").start()
    log_in(daemon, service)
    requests = len(service.forms())
    daemon.settings["relays"]["office"]["host"] = "localhost"
    daemon.reload()
    wait_for_state(daemon, "login-needed")
    assert "made for other settings" in daemon.log_text()
    assert len(service.forms()) == requests


def test_a_login_goes_with_its_relay(login, relay, service, certificates):
    daemon = login()
    daemon.settings["relays"] = {
        "capture": {"url": f"maildir:{daemon.maildir}"}}
    daemon.start()
    # The test authority is trusted only where a file of root's says so.
    _, answer = daemon.api("/v1/relays", "POST", {
        "name": "office", "host": "localhost", "port": relay.port,
        "security": "none", "username": USER,
        "oauth": {"client_id": "c", "grant": "device",
                  "device_url": service.url("/device"),
                  "token_url": service.url("/token")}})
    assert answer["oauth"]["grant"] == "device", answer
    stored(daemon).parent.mkdir(mode=0o700)
    stored(daemon).write_text("a login")
    assert daemon.api("/v1/relays/office", "DELETE")[0] == 200
    wait_until(lambda: not stored(daemon).exists(), "the login to go")


# --------------------------------------------------------------------- faults


def hold_by(daemon, state):
    """Sends a mail that finds the relay so; what it shows then."""
    daemon.send(to="user@example.net")
    wait_until(lambda: shown(daemon)["state"] == state,
               lambda: f"{state}: {shown(daemon)}")
    return shown(daemon)


def waits_uncharged(daemon):
    page = daemon.api("/v1/messages?state=waiting")[1]["messages"]
    return [r["attempts"] for m in page for r in m["recipients"]] == [0]


def test_a_login_that_was_revoked_holds_the_relay(login, relay, service):
    daemon = login(grant="device").start()
    log_in(daemon, service)
    daemon.stop()
    service.refresh_tokens.clear()
    daemon.start()
    seen = hold_by(daemon, "held")
    assert "invalid_grant" in seen["reason"]
    assert "relaisctl relay login office" in seen["reason"]
    assert "Log in again" in seen["fault"]["next"]
    assert waits_uncharged(daemon)
    problem, = [p for p in daemon.api("/v1/status")[1]["problems"]
                if "office" in p["what"]]
    assert problem["next"] == "relaisctl relay login office"
    requests = len(service.forms())
    daemon.ctl("relay", "resume", "office")
    daemon.send(to="other@example.net")
    wait_until(lambda: shown(daemon)["state"] == "held", "held again")
    assert len(service.forms()) == requests  # it would not help
    log_in(daemon, service)
    relay.wait_for_messages(2)
    assert shown(daemon)["state"] == "closed"


@pytest.mark.parametrize("answer, state, words", [
    (error("invalid_client", 401), "held", "invalid_client"),
    (error("invalid_scope"), "held", "invalid_scope"),
    (error("server_error", 500), "open", "server_error"),
    ((503, "<html>busy</html>"), "open", "HTTP 503"),
    ((200, "garbage"), "open", "is this a token service?"),
    ((200, {"access_token": "with space", "expires_in": 60}), "open",
     "holds no token"),
    ((200, {"access_token": "x", "token_type": "mac"}), "held", "type mac"),
    ((302, "", {"Location": "https://localhost/"}), "open", "HTTP 302"),
    (drop, "open", "localhost"),
    (huge, "open", "too large"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_a_fault_of_the_service_is_the_relays(login, service, answer, state,
                                              words):
    if isinstance(answer, tuple) and len(answer) == 3:
        status, text, headers = answer
        answer = lambda h: h.say(status, text, **headers)  # noqa: E731
    service.answer("/token", *[answer] * 5)
    daemon = login().start()
    wait_until(lambda: account(daemon)["problem"], "the first answer")
    seen = hold_by(daemon, state)
    assert words in seen["reason"], seen["reason"]
    assert "s3cret" not in daemon.log_text()
    assert waits_uncharged(daemon)


def test_a_service_that_mends_is_asked_again(login, relay, service):
    service.answer("/token", (503, ""))
    daemon = login().start()
    wait_for_state(daemon, "failing")
    wait_for_state(daemon, "ready")
    assert daemon.ctl("relay", "test", "office").returncode == 0


def test_a_service_that_stalls_holds_up_nothing_else(login, service, relay):
    """Its relay's mail waits; names are looked up and mail goes elsewhere."""
    service.answer("/token", *[stall] * 4)
    daemon = login()
    with Relay() as other:
        daemon.settings["relays"]["other"] = {
            "host": "localhost", "port": other.port, "security": "none"}
        daemon.settings["routes"] = [{"to": "*@example.org",
                                      "relay": "other"}]
        daemon.settings["default_relay"] = "office"
        daemon.start()
        service.wait_for(lambda: service.forms())
        daemon.send(to="user@example.net")
        daemon.send(to="user@example.org")
        other.wait_for_messages(1)
    assert shown(daemon)["state"] == "closed"


def test_a_certificate_of_another_authority_is_refused(login, service):
    daemon = login()
    del daemon.settings["relays"]["office"]["oauth"]["ca_file"]
    daemon.start()
    wait_for_state(daemon, "failing")
    assert "certificate" in account(daemon)["problem"]
    assert service.forms() == []


# -------------------------------------------------- what the relay says to it


def test_a_token_that_the_relay_refuses_is_renewed_once(login, relay, service):
    daemon = login().start()
    wait_for_state(daemon, "ready")
    service.access_tokens.clear()
    daemon.send(to="user@example.net")
    relay.wait_for_messages(1)
    assert len(service.forms()) == 2
    refused, taken = relay.sessions[-2:]
    assert refused.answers == [b""]  # to the challenge with the reason
    assert taken.user == USER
    assert shown(daemon)["state"] == "closed"


def test_a_fresh_token_that_is_refused_counts(login, relay, service):
    daemon = login().start()
    wait_for_state(daemon, "ready")
    relay.users[USER] = "never"
    seen = hold_by(daemon, "held")
    assert seen["fault"]["code"] == 535
    assert '{"status":"401"}' in seen["reason"]
    assert "refused the OAuth access token" in seen["fault"]["explain"]
    assert len(service.forms()) == 2
    assert waits_uncharged(daemon)


def test_oauthbearer_names_host_and_port(login, relay, service):
    relay.mechanisms = "OAUTHBEARER"
    daemon = login().start()
    daemon.send(to="user@example.net")
    relay.wait_for_messages(1)
    line, = [c for c in relay.messages[0].session.commands
             if c.startswith("AUTH ")]
    text = base64.b64decode(line.split()[2]).decode()
    assert text.startswith(f"n,a={USER},\1host=127.0.0.1\1"
                           f"port={relay.port}\1auth=Bearer access-")
    service.access_tokens.clear()
    relay.users[USER] = "never"
    relay.drop_all()
    hold_by(daemon, "held")
    assert relay.sessions[-1].answers == [b"\1"]  # RFC 7628 3.2.3


# ---------------------------------------------------------- service accounts


def make_key(folder, *options):
    path = folder / "key.pem"
    subprocess.run(["openssl", "genpkey", "-out", path, *options], check=True,
                   capture_output=True, timeout=60)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("options, algorithm", [
    (("-algorithm", "RSA"), "RS256"),
    (("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"), "ES256"),
], ids=["rsa", "p256"])
def test_a_service_account_signs_for_itself(login, relay, service, options,
                                            algorithm, tmp_path):
    key = make_key(tmp_path, *options)
    daemon = login(grant="jwt_bearer", key_file=str(key), key_id="k1",
                   scopes=["mail"]).start()
    daemon.send(to="user@example.net")
    relay.wait_for_messages(1)
    form = service.forms()[0]
    parts = form["assertion"].split(".")
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "=="))
                      for part in parts[:2])
    assert header == {"alg": algorithm, "typ": "JWT", "kid": "k1"}
    assert claims["iss"] == "relais-test" and claims["sub"] == USER
    assert claims["aud"] == service.url("/token")
    assert claims["scope"] == "mail"
    assert claims["iat"] <= time.time() < claims["exp"] < time.time() + 3600
    if algorithm == "RS256":
        public = tmp_path / "public.pem"
        signature = tmp_path / "signature"
        subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out",
                        public], check=True, timeout=60)
        signature.write_bytes(base64.urlsafe_b64decode(parts[2] + "=="))
        subprocess.run(["openssl", "dgst", "-sha256", "-verify", public,
                        "-signature", signature],
                       input=f"{parts[0]}.{parts[1]}".encode(), check=True,
                       capture_output=True, timeout=60)


def test_a_login_tests_what_needs_none(login, service):
    daemon = login().start()
    steps = Login(daemon)
    assert steps.next()["ok"]
    assert steps.next()["result"] == "logged-in"
    service.answer("/token", error("invalid_client", 401))
    steps = Login(daemon)
    step = steps.next()
    assert not step["ok"] and "Client id or secret" in step["cause"]


# ------------------------------------------------------------------- the test


def test_the_relay_test_tells_of_the_token(login, service):
    daemon = login().start()
    answer = daemon.ctl("relay", "test", "office", "--json")
    assert answer.returncode == 0, answer
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    names = [line["step"] for line in lines[:-1]]
    assert names[:3] == ["name", "token", "connect"]
    assert "good for" in lines[1]["detail"]
    assert service.url("/token") in lines[1]["detail"]


def test_the_relay_test_says_what_to_do_without_a_login(login):
    daemon = login(grant="device").start()
    answer = daemon.ctl("relay", "test", "office", "--json")
    assert answer.returncode == 1
    step = json.loads(answer.stdout.splitlines()[-2])
    assert step["step"] == "token" and not step["ok"]
    assert "relaisctl relay login office" in step["detail"]
    assert "Log in once" in step["next"]
    assert shown(daemon)["state"] == "closed"


def test_no_secret_is_shown_or_logged(login, relay, service):
    daemon = login(grant="device", client_secret="s3cret")
    daemon.settings["log"] = {"level": "debug"}
    daemon.start()
    log_in(daemon, service)
    daemon.send(to="user@example.net")
    relay.wait_for_messages(1)
    told = daemon.log_text() + json.dumps(shown(daemon))
    for secret in ("s3cret", *service.refresh_tokens, *service.access_tokens,
                   "device-1"):
        assert secret not in told
    assert account(daemon)["client_secret"] == {"set": True}


# ------------------------------------------------------------------ relaisctl


class Relaisctl:
    """relaisctl relay login, as a person has it: lines out, a line in."""

    def __init__(self, daemon, *words):
        self.process = subprocess.Popen(
            [BUILD / "relaisctl", "--socket", daemon.control, "relay",
             "login", "office", *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        self.said = ""

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.communicate()

    def wait_for(self, pattern):
        """The first group of what fits; reads as far as that."""
        while not (found := re.search(pattern, self.said)):
            line = self.process.stdout.readline()
            assert line, self.said
            self.said += line
        return found[1]

    def end(self):
        rest, _ = self.process.communicate(timeout=60)
        self.said += rest
        return self.process.returncode


def test_relaisctl_shows_a_devices_code(login, service):
    daemon = login(grant="device").start()
    with Relaisctl(daemon) as person:
        url = person.wait_for(r"(https://\S+)")
        assert url == service.url("/activate")
        assert person.wait_for(r"the code  (\S+)") == "WDJB-MJHT"
        service.is_device_confirmed = True
        assert person.end() == 0, person.said
        assert "Relay office is logged in." in person.said
    assert account(daemon)["state"] == "ready"


def test_relaisctl_takes_what_a_browser_here_brings(login, service):
    daemon = login(grant="authorization_code").start()
    with Relaisctl(daemon) as person:
        landed = service.visit(person.wait_for(r"(https://\S+)"))
        port = int(re.match(r"http://127.0.0.1:(\d+)\?", landed)[1])
        browser = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        browser.request("GET", "/favicon.ico")
        assert browser.getresponse().status == 404
        browser.close()
        browser.request("GET", "/" + landed[landed.index("?"):])
        page = browser.getresponse()
        assert page.status == 200 and b"close this page" in page.read()
        assert person.end() == 0, person.said
    assert account(daemon)["state"] == "ready"


def test_relaisctl_takes_a_pasted_address(login, service):
    daemon = login(grant="authorization_code").start()
    with Relaisctl(daemon) as person:
        landed = service.visit(person.wait_for(r"(https://\S+)"))
        person.process.stdin.write("http://127.0.0.1/?state=x&code=y\n")
        person.process.stdin.flush()
        person.wait_for("(this is not where)")
        person.process.stdin.write(f"\n  {landed}\n".replace("  ", ""))
        person.process.stdin.flush()
        assert person.end() == 0, person.said
    assert account(daemon)["state"] == "ready"


def test_relaisctl_says_why_there_is_no_login(login, service):
    daemon = login(grant="authorization_code").start()
    with Relaisctl(daemon) as person:
        url = person.wait_for(r"(https://\S+)")
        state = re.search("state=([^&]+)", url)[1]
        person.process.stdin.write(
            f"http://localhost/?state={state}&error=unheard_of\n")
        assert person.end() == 1, person.said
    assert "unheard_of" in person.said
    assert "Relay office is not logged in." in person.said


def test_relaisctl_tests_what_needs_no_login(login, service):
    daemon = login().start()
    answer = daemon.ctl("relay", "login", "office", "--json")
    assert answer.returncode == 0
    assert json.loads(answer.stdout.splitlines()[-1])["result"] == "logged-in"
    service.answer("/token", error("invalid_client", 401))
    answer = daemon.ctl("relay", "login", "office")
    assert answer.returncode == 1
    assert b"Create a new client secret" in answer.stdout


def test_relaisctl_refuses_a_relay_without_oauth(relaisd):
    answer = relaisd.ctl("relay", "login", "capture")
    assert answer.returncode == 1 and b"no oauth" in answer.stderr
    answer = relaisd.ctl("relay", "login", "nothing")
    assert answer.returncode == 1 and b"no relay nothing" in answer.stderr


def test_a_person_sees_what_the_login_lacks(login):
    daemon = login(grant="device").start()
    wait_for_state(daemon, "login-needed")
    command = "relaisctl relay login office"
    for words in (("relay", "show", "office"), ("relay", "list"),
                  ("status",)):
        answer = daemon.ctl(*words)
        assert command in " ".join(answer.stdout.decode().split()), answer
    text = daemon.ctl("relay", "show", "office").stdout.decode()
    assert re.search(r"oauth.state +login-needed", text), text
    assert "null" not in text


@pytest.mark.skipif(os.getuid() != 0 or is_sanitized,
                    reason="needs root, and no freed memory that is kept")
def test_tokens_are_forgotten_with_their_relay(login, relay, service):
    """The client's secret, the refresh token and the access token."""
    secret = "Ge2eim-und-Sicher-8841"
    daemon = login(grant="device", client_secret=secret).start()
    log_in(daemon, service)
    daemon.send(to="user@example.net")
    relay.wait_for_messages(1)
    tokens = {*service.access_tokens, *service.refresh_tokens, secret}

    def remembered():
        regions = list(daemon.memory())
        return {token for token in tokens
                if any(token.encode() in region for region in regions)}

    assert remembered() == tokens, "the look finds what is there"
    daemon.settings["relays"] = {"capture": {"url": f"maildir:{daemon.maildir}"}}
    daemon.reload()
    wait_until(lambda: not remembered(),
               lambda: f"{remembered()} to be forgotten")
