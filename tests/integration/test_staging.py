"""Mail of a test system: it goes to one address, to nobody it is not meant for,
and into trouble that is made on purpose."""

import json
import re

from conftest import UnixHTTPConnection, wait_until
from relay import Relay
from test_direct import direct, internet  # noqa: F401  (fixtures)

THREE = ["ada@example.org", "bob@example.net", "eve@example.com"]


def header(message):
    content = message if isinstance(message, bytes) else message.content
    return content.replace(b"\r\n", b"\n").split(b"\n\n")[0].decode()


def originals(message):
    return re.findall(r"^X-Original-To: (.*)$", header(message), re.M)


def problems(daemon):
    return [p["what"] for p in daemon.api("/v1/status")[1]["problems"]]


def last_event(message):
    return message["timeline"][-1]


# --------------------------------------------------------------- redirect

def test_one_address_gets_a_message_once_and_everybody_has_his_outcome(
        daemon, relay):
    daemon.use_relay(relay, limits={"recipients": 2})
    daemon.settings["redirect"] = "dev@example.com"
    daemon.start()
    message = daemon.wait_for_state(daemon.send(to=THREE), "delivered")
    (got,) = relay.wait_for_messages(1)
    assert [r.split()[0] for r in got.recipients] == ["<dev@example.com>"]
    assert originals(got) == THREE
    assert "X-Relais-Redirected: 3 recipients of relay office" in header(got)
    assert [r["address"] for r in message["recipients"]] == THREE
    assert {r["state"] for r in message["recipients"]} == {"delivered"}
    assert "redirected to dev@example.com" in (
        message["recipients"][0]["reply"]["text"])
    assert last_event(message)["scope"] == "staging"
    assert last_event(message)["recipients"] == THREE


def test_what_is_stored_stays_as_it_was_submitted(daemon, relay):
    daemon.use_relay(relay)
    daemon.settings["redirect"] = "dev@example.com"
    daemon.start()
    relay.always("DATA", "451 4.3.0 not now")
    queue_id = daemon.send("Subject: as it was\r\n\r\ntext\r\n", to=THREE)
    wait_until(lambda: daemon.show(queue_id)["recipients"][0]["attempts"],
               "an attempt")
    connection = UnixHTTPConnection(daemon.control)
    connection.request("GET", f"/v1/messages/{queue_id}/content")
    content = connection.getresponse().read()
    connection.close()
    assert b"Subject: as it was" in content
    assert b"dev@example.com" not in content


def test_nobody_can_miss_it(daemon, relay):
    daemon.use_relay(relay)
    daemon.settings["redirect"] = "dev@example.com"
    daemon.start()
    sentence = "staging: all mail goes to dev@example.com"
    assert problems(daemon)[0] == sentence
    for user in (None, 65534):
        shown = daemon.ctl("status", user=user).stdout.decode()
        assert sentence in shown
        assert "take `redirect` out of" in shown
    wait_until(lambda: f'event=staging message="{sentence}'
               in daemon.log_text(), "the line in the log")
    assert sentence in daemon.ctl("doctor").stdout.decode()


def test_the_metrics_count_it(daemon, relay):
    daemon.use_relay(relay, chaos={"delay": "1s"})
    daemon.settings["redirect"] = "dev@example.com"
    daemon.start()
    connection = UnixHTTPConnection(daemon.control)
    connection.request("GET", "/metrics")
    assert b"\nrelais_staging 2\n" in connection.getresponse().read()
    connection.close()


def test_a_reload_turns_it_on_and_off_for_mail_that_waits(daemon, relay):
    daemon.use_relay(relay)
    daemon.settings["retry"] = {"first": "1s", "maximum": "1s"}
    daemon.start()
    relay.always("DATA", "451 4.3.0 not now")
    first = daemon.send(to="ada@example.org")
    wait_until(lambda: daemon.show(first)["recipients"][0]["attempts"],
               "an attempt")
    daemon.settings["redirect"] = "dev@example.com"
    daemon.reload()
    wait_until(lambda: problems(daemon), "the new settings")
    relay.never_mind("DATA")
    daemon.wait_for_state(first, "delivered")
    assert relay.messages[-1].recipients[0].startswith("<dev@example.com>")
    assert originals(relay.messages[-1]) == ["ada@example.org"]
    del daemon.settings["redirect"]
    daemon.reload()
    wait_until(lambda: not problems(daemon), "the settings without it")
    daemon.wait_for_state(daemon.send(to="ada@example.org"), "delivered")
    assert relay.messages[-1].recipients[0].startswith("<ada@example.org>")
    assert originals(relay.messages[-1]) == []


def test_of_two_relays_only_one_redirects(daemon, relay):
    with Relay() as other:
        daemon.use_relay(relay, redirect="dev@example.com")
        daemon.settings["relays"]["real"] = {
            "host": "127.0.0.1", "port": other.port, "security": "none"}
        daemon.settings["default_relay"] = "office"
        daemon.settings["routes"] = [{"to": "*@example.net", "relay": "real"}]
        daemon.start()
        assert problems(daemon) == [
            "staging: all mail of relay office goes to dev@example.com"]
        daemon.wait_for_state(daemon.send(to=THREE), "delivered")
        assert originals(relay.wait_for_messages(1)[0]) == [
            "ada@example.org", "eve@example.com"]
        (real,) = other.wait_for_messages(1)
        assert real.recipients[0].startswith("<bob@example.net>")
        assert originals(real) == []


def test_a_fallback_that_would_let_mail_escape_is_refused(daemon, relay):
    daemon.use_relay(relay, redirect="dev@example.com", fallback=["backup"])
    daemon.settings["relays"]["backup"] = {
        "host": "127.0.0.1", "port": relay.port, "security": "none"}
    daemon.settings["default_relay"] = "office"
    path = daemon.write_settings()
    result = daemon.run("relaisd", "--check", path)
    assert result.returncode != 0
    assert b"backup has no redirect" in result.stdout + result.stderr


def test_what_the_address_is_refused_for_is_said_of_everybody(daemon, relay):
    daemon.use_relay(relay, redirect="dev@example.com")
    daemon.settings["bounces"] = {"to": "postmaster@example.com"}
    daemon.start()
    relay.answer("RCPT", "550 5.1.1 no dev here")
    message = daemon.wait_for_state(daemon.send(to=THREE), "failed")
    assert {r["reply"]["text"] for r in message["recipients"]} == {
        "redirected to dev@example.com: no dev here"}


def test_direct_mail_goes_to_the_hosts_of_the_one_address(
        direct, internet):  # noqa: F811
    direct.settings["redirect"] = "dev@two.test"
    direct.start()
    message = direct.wait_for_state(
        direct.send(to=["ada@one.test", "bob@no-such.test", "eve@null.test"]),
        "delivered")
    assert {r["state"] for r in message["recipients"]} == {"delivered"}
    (got,) = internet.mx2.wait_for_messages(1)
    assert got.recipients[0].startswith("<dev@two.test>")
    assert len(originals(got)) == 3
    assert not internet.mx1.messages


def test_direct_mail_that_waits_moves_to_the_one_address(
        direct, internet):  # noqa: F811
    direct.start()
    internet.mx1.always("RCPT", "451 4.3.0 not now")
    queue_id = direct.send(to=["ada@one.test", "bob@equal.test"])
    wait_until(lambda: all(r["attempts"] for r in
                           direct.show(queue_id)["recipients"]) or
               internet.mx2.messages, "an attempt")
    direct.settings["redirect"] = "dev@two.test"
    direct.reload()
    wait_until(lambda: problems(direct), "the new settings")
    direct.ctl("retry", queue_id)
    direct.wait_for_state(queue_id, "delivered")
    assert originals(internet.mx2.messages[-1])[0] == "ada@one.test"


def test_the_capture_relay_keeps_each_delivery(daemon):
    daemon.settings["redirect"] = "dev@example.com"
    daemon.settings["relays"]["capture"]["chaos"] = {
        "defer": "50%", "seed": 1}
    daemon.settings["retry"] = {"first": "1s", "maximum": "1s"}
    daemon.start()
    to = [f"user{n}@example.org" for n in range(20)]
    daemon.wait_for_state(daemon.send(to=to), "delivered")
    files = daemon.captured()
    assert len(files) > 1
    named = [name for path in files for name in originals(path.read_bytes())]
    assert sorted(named) == sorted(to)
    for path in files:
        assert "X-Envelope-To: dev@example.com" in header(path.read_bytes())


def test_a_long_list_of_recipients_is_cut_short_in_the_header(daemon, relay):
    daemon.use_relay(relay, redirect="dev@example.com")
    daemon.start()
    to = [f"user{n}@example.org" for n in range(150)]
    message = daemon.wait_for_state(daemon.send(to=to), "delivered")
    assert len(message["recipients"]) == 150
    (got,) = relay.wait_for_messages(1)
    assert originals(got) == to[:100]
    assert "X-Relais-Redirected: 150 recipients" in header(got)


# --------------------------------------------------------------- patterns

def test_the_host_refuses_recipients_by_pattern_at_rcpt(daemon, relay):
    daemon.use_relay(relay)
    daemon.settings["recipients"] = {
        "allow": ["*@example.org", "root@*"], "refuse": ["ada@*"]}
    daemon.settings["aliases"] = {"root": "admin@example.net",
                                  "team": "bob@example.org"}
    daemon.start()
    with daemon.smtp() as client:
        client.ehlo_or_helo_if_needed()
        client.mail("app@example.com")
        assert client.rcpt("bob@example.org")[0] == 250
        assert client.rcpt("team")[0] == 250
        code, text = client.rcpt("ada@example.org")
        assert code == 550 and b"5.7.1" in text
        assert b"recipients.refuse of this host has ada@*" in text
        code, text = client.rcpt("eve@example.com")
        assert code == 550
        assert b"recipients.allow of this host does not have eve@" in text
        code, text = client.rcpt("root")
        assert code == 550 and b"admin@example.net" in text


def test_mail_that_waits_is_judged_by_the_new_patterns(daemon, relay):
    daemon.use_relay(relay)
    daemon.settings["retry"] = {"first": "1s", "maximum": "1s"}
    daemon.settings["bounces"] = {"to": "postmaster@example.org"}
    daemon.start()
    relay.always("DATA", "451 4.3.0 not now")
    queue_id = daemon.send(to=THREE)
    wait_until(lambda: daemon.show(queue_id)["recipients"][0]["attempts"],
               "an attempt")
    daemon.settings["recipients"] = {"allow": ["*@example.org"]}
    daemon.reload()
    relay.never_mind("DATA")
    message = daemon.wait_for_state(queue_id, "partial")
    states = [r["state"] for r in message["recipients"]]
    assert states == ["delivered", "failed", "failed"]
    reply = message["recipients"][1]["reply"]
    assert reply["enhanced"] == "5.7.1"
    assert "recipients.allow of this host does not have bob@" in reply["text"]
    assert all("bob@" not in r and "eve@" not in r
               for m in relay.messages[-2:] for r in m.recipients
               if m.recipients[0].startswith("<ada"))


def test_a_relay_refuses_recipients_at_the_attempt(daemon, relay):
    daemon.use_relay(relay, recipients={"refuse": "*@example.net"})
    daemon.settings["bounces"] = {"to": "postmaster@example.org"}
    daemon.start()
    message = daemon.wait_for_state(daemon.send(to=THREE), "partial")
    assert [r["state"] for r in message["recipients"]] == [
        "delivered", "failed", "delivered"]
    failed, = [e for e in message["timeline"] if e["event"] == "failed"]
    assert failed["recipients"] == ["bob@example.net"]
    assert failed["scope"] == "staging"
    assert failed["text"] == (
        "staging: recipients.refuse of office has *@example.net")
    got = relay.wait_for_messages(1)[0]
    assert [r.split()[0] for r in got.recipients] == [
        "<ada@example.org>", "<eve@example.com>"]


def test_many_refusals_do_not_stop_the_relay(daemon, relay):
    """The brake is for relays, not for what we do to ourselves."""
    daemon.use_relay(relay, chaos={"refuse": "100%"})
    daemon.settings["bounces"] = {"to": "postmaster@example.org"}
    daemon.start()
    ids = [daemon.send() for _ in range(12)]
    for queue_id in ids:
        daemon.wait_for_state(queue_id, "failed")
    assert daemon.relay_state()["state"] == "closed"
    assert not any("held" in problem for problem in problems(daemon))


# ------------------------------------------------------------------ chaos

def outcomes(daemon, count):
    """Fates of so many messages, sent one after the other."""
    fates = []
    for _ in range(count):
        queue_id = daemon.send()
        message = wait_until(
            lambda: (lambda m: m if len(m["timeline"]) > 1 else None)(
                daemon.show(queue_id)), "an outcome")
        fates.append(message["timeline"][1]["event"])
    return fates


def test_the_same_seed_makes_the_same_trouble(daemon):
    daemon.settings["chaos"] = {
        "refuse": "0%", "defer": "30%", "cut": "20%", "seed": 7}
    daemon.settings["retry"] = {"first": "1h", "maximum": "1h"}
    runs = []
    for _ in range(2):
        daemon.start()
        runs.append(outcomes(daemon, 40))
        daemon.stop()
    assert runs[0] == runs[1]
    assert {"delivered", "deferred", "unknown"} == set(runs[0])
    daemon.settings["chaos"]["seed"] = 8
    daemon.start()
    assert outcomes(daemon, 40) != runs[0]


def test_what_is_put_off_is_tried_again(daemon, relay):
    daemon.use_relay(relay, chaos={"defer": "100%"})
    daemon.settings["retry"] = {"first": "1s", "maximum": "1s"}
    daemon.start()
    queue_id = daemon.send()
    message = wait_until(
        lambda: (lambda m: m if m["recipients"][0]["attempts"] else None)(
            daemon.show(queue_id)), "an attempt")
    reply = message["recipients"][0]["reply"]
    assert reply["code"] == 451 and reply["enhanced"] == "4.3.0"
    assert reply["text"].startswith("chaos: put off on purpose")
    assert last_event(message)["event"] == "deferred"
    assert last_event(message)["scope"] == "staging"
    wait_until(lambda: "chaos: put off on purpose" in daemon.log_text(),
               "the line in the log")
    assert not relay.messages
    daemon.settings["relays"]["office"]["chaos"] = {"defer": "0%"}
    daemon.reload()
    daemon.wait_for_state(queue_id, "delivered")


def test_a_cut_leaves_the_outcome_unknown_and_the_mail_doubled(daemon, relay):
    daemon.use_relay(relay, chaos={"cut": "100%"})
    daemon.start()
    queue_id = daemon.send()
    message = wait_until(
        lambda: (lambda m: m if len(m["timeline"]) > 1 else None)(
            daemon.show(queue_id)), "an outcome")
    assert last_event(message)["event"] == "unknown"
    assert last_event(message)["scope"] == "staging"
    assert message["recipients"][0]["maybe_duplicate"]
    assert len(relay.wait_for_messages(1)) == 1
    daemon.settings["relays"]["office"]["chaos"] = {"cut": "0%"}
    daemon.reload()
    wait_until(lambda: not problems(daemon), "the new settings")
    assert daemon.ctl("retry", queue_id).returncode == 0
    message = daemon.wait_for_state(queue_id, "delivered")
    assert message["recipients"][0]["maybe_duplicate"]
    assert relay.copies_for("user@example.net") == 2


def test_a_delay_comes_before_each_message(daemon, relay):
    daemon.use_relay(relay, chaos={"delay": "1s"})
    daemon.start()
    message = daemon.wait_for_state(daemon.send(), "delivered")
    # Timers are a little coarse.
    assert last_event(message)["ms"] >= 900
    assert problems(daemon) == ["staging: trouble is made on purpose for mail "
                                "of relay office: 1 s late"]


def test_more_than_everything_is_an_error(daemon):
    daemon.settings["chaos"] = {"refuse": "60%", "defer": "50%"}
    result = daemon.run("relaisd", "--check", daemon.write_settings())
    assert result.returncode != 0
    assert b"refuse and defer are more than 100% together" in (
        result.stdout + result.stderr)


def test_the_api_shows_and_sets_it(daemon, relay):
    daemon.start()
    assert daemon.ctl(
        "relay", "add", "test", f"url=smtp://127.0.0.1:{relay.port}",
        "security=none", "redirect=dev@example.com",
        "recipients.refuse=[ada@*]", "chaos.defer=5%").returncode == 0
    state = daemon.relay_state("test")
    assert state["redirect"] == "dev@example.com"
    assert state["recipients"] == {"allow": [], "refuse": ["ada@*"]}
    assert state["chaos"]["defer_percent"] == 5
    shown = json.loads(daemon.ctl("status", "--json").stdout)["problems"]
    assert shown[0]["next"] == (
        "to end it: relaisctl relay set test redirect=")
    for key in ("redirect", "recipients", "chaos"):
        assert daemon.ctl(
            "relay", "set", "test", f"{key}=").returncode == 0
    assert problems(daemon) == []


def test_route_explain_says_where_mail_really_goes(daemon, relay):
    daemon.use_relay(relay, redirect="dev@example.com",
                     recipients={"refuse": ["eve@*"]})
    daemon.start()
    told = daemon.ctl("route", "explain", "--to", "ada@example.org")
    assert b"redirected to  dev@example.com" in told.stdout
    assert b"refused" not in told.stdout
    told = daemon.ctl("route", "explain", "--to", "eve@example.org")
    assert b"recipients.refuse of office has eve@*" in told.stdout
