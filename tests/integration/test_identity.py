"""As whom mail leaves, by which relay, and where bare names go."""

import json
import os

from conftest import Relay, wait_until

SIGNED = (b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=x;\r\n"
          b"\th=from:to:subject; bh=abc=; b=def=\r\n"
          b"From: Joe <joe@example.org>\r\n"
          b"To: user@example.net\r\n"
          b"Subject: signed\r\n\r\nhello\r\n")


def fields(message):
    head = message.content.split(b"\r\n\r\n")[0].decode()
    return head.replace("\r\n\t", " ").split("\r\n")


def test_mail_leaves_as_the_relays_identity(daemon, relay):
    daemon.use_relay(
        relay, keep_author="reply-to",
        **{"from": {"address": "noreply@example.com", "name": "Example",
                    "apply": "always"}},
        headers={"X-Trace": "{queue_id} {submitter} {relay}"})
    daemon.start()
    queue_id = daemon.send("From: Joe <joe@example.org>\r\n"
                           "Subject: x\r\n\r\nx\r\n", sender="joe@example.org")
    relay.wait_for_messages(1)
    assert relay.messages[0].sender.startswith("<noreply@example.com>")
    lines = fields(relay.messages[0])
    assert "From: Joe <noreply@example.com>" in lines
    assert "Reply-To: Joe <joe@example.org>" in lines
    assert f"X-Trace: {queue_id} {os.getuid()} office" in lines


def test_the_null_sender_stays(daemon, relay):
    daemon.use_relay(relay, **{"from": {"address": "noreply@example.com",
                                        "apply": "always"}})
    daemon.start()
    daemon.send(sender="")
    relay.wait_for_messages(1)
    assert relay.messages[0].sender.startswith("<>")


def test_every_attempt_sends_the_same_octets(daemon, relay):
    daemon.use_relay(
        relay, **{"from": {"address": "noreply@example.com",
                           "apply": "not-allowed"}},
        allowed_from=["@example.com"],
        headers={"X-Trace": "{queue_id} {date}"})
    daemon.settings["retry"] = {"first": "1s", "jitter": "0%"}
    relay.answer(".", "451 4.3.0 later", "451 4.3.0 later")
    daemon.start()
    daemon.send(SIGNED, sender="joe@example.org")
    relay.wait_for(lambda: len(relay.contents) >= 3)
    assert len(set(relay.contents)) == 1


def test_a_broken_signature_is_left_out_and_the_story_says_so(daemon, relay):
    daemon.use_relay(relay, **{"from": {"address": "noreply@example.com",
                                        "apply": "always"}})
    daemon.start()
    queue_id = daemon.send(SIGNED, sender="joe@example.org")
    message = daemon.wait_for_state(queue_id, "delivered")
    assert b"DKIM-Signature" not in relay.messages[0].content
    events = [e["event"] for e in message["timeline"]]
    assert events == ["accepted", "unsigned", "delivered"]
    shown = daemon.ctl("show", queue_id).stdout.decode()
    assert "unsigned" in shown and "DKIM-Signature" in shown


def test_a_signature_that_holds_stays(daemon, relay):
    daemon.use_relay(
        relay, **{"from": {"address": "noreply@example.com",
                           "apply": "not-allowed"}},
        allowed_from=["@example.org"])
    daemon.start()
    queue_id = daemon.send(SIGNED, sender="joe@example.org")
    message = daemon.wait_for_state(queue_id, "delivered")
    assert SIGNED.split(b"\r\n\r\n")[0] in relay.messages[0].content
    assert "unsigned" not in [e["event"] for e in message["timeline"]]


# ------------------------------------------------------------- bare names


def test_mail_of_cron_to_root_arrives(daemon, relay):
    daemon.settings["hostname"] = "web1"
    daemon.settings["aliases"] = {"root": "admin@example.net"}
    daemon.use_relay(relay, **{"from": {"address": "noreply@example.com"}})
    daemon.start()
    result = daemon.sendmail(
        "-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root",
        input=b"From: root (Cron Daemon)\nTo: root\n"
              b"Subject: Cron <root@web1> run-parts\n\nout\n")
    assert result.returncode == 0, result.stderr
    relay.wait_for_messages(1)
    message = relay.messages[0]
    assert message.recipients[0].startswith("<admin@example.net>")
    assert message.sender.startswith("<noreply@example.com>")
    assert "From: Cron Daemon <noreply@example.com>" in fields(message)


def test_a_bare_name_that_leads_nowhere_is_refused(daemon, relay):
    daemon.settings["hostname"] = "web1"
    daemon.settings["aliases_file"] = "/dev/null"
    daemon.use_relay(relay)
    daemon.start()
    with daemon.smtp() as client:
        client.ehlo()
        client.mail("app@example.com")
        code, text = client.rcpt("jane")
        assert (code, text[:5]) == (550, b"5.1.1")
        assert b"`jane: you@example.com` to /dev/null" in text
        assert client.rcpt("jane@localhost")[0] == 550
        assert client.rcpt("jane@example.net")[0] == 250


def test_a_bare_name_gets_the_domain(daemon, relay):
    daemon.settings["hostname"] = "web1"
    daemon.settings["domain"] = "example.com"
    daemon.settings["aliases_file"] = "/dev/null"
    daemon.use_relay(relay)
    daemon.start()
    daemon.send(to="jane", sender="root")
    relay.wait_for_messages(1)
    assert relay.messages[0].recipients[0].startswith("<jane@example.com>")
    assert "root@example.com" in relay.messages[0].sender


# ------------------------------------------------------------------ routes


def several(daemon, *peers, **keys):
    daemon.settings["relays"] = {
        name: {"host": "127.0.0.1", "port": peer.port, "security": "none",
               "authentication": False, **keys.get(name, {})}
        for name, peer in peers}


def test_routes_choose_by_sender_recipient_tag_user_and_priority(
        daemon, relay):
    with Relay() as other:
        several(daemon, ("office", relay), ("bulk", other))
        daemon.settings["default_relay"] = "office"
        daemon.settings["routes"] = [
            {"from": "@news.example.com", "relay": "bulk"},
            {"to": "@bulk.example.net", "relay": "bulk"},
            {"tag": "campaign-*", "relay": "bulk"},
            {"if_priority": "bulk", "relay": "bulk"},
            {"user": "daemon", "relay": "bulk"},
        ]
        daemon.settings["submitters"] = [
            {"user": "root", "administrator": True}]
        daemon.start()
        daemon.send(sender="a@news.example.com")
        daemon.send(to="a@bulk.example.net")
        daemon.send(mail=["XTAG=campaign-7"])
        daemon.send(mail=["MT-PRIORITY=-4"])
        other.wait_for_messages(4)
        daemon.send()
        relay.wait_for_messages(1)
        assert len(other.messages) == 4


def test_route_explain_says_which_relay_as_whom_and_why(daemon, relay):
    with Relay() as other:
        several(daemon, ("office", relay), ("bulk", other),
                office={"from": {"address": "noreply@example.com",
                                 "apply": "always"},
                        "fallback": ["bulk"]})
        daemon.settings["default_relay"] = "office"
        daemon.settings["aliases"] = {"root": "admin@example.net"}
        daemon.settings["routes"] = [
            {"from": "@news.example.com", "priority": "bulk",
             "relay": "bulk"}]
        daemon.start()
        status, answer = daemon.api(
            "/v1/routes:explain?to=root&from=joe@example.org")
        assert status == 200
        (way,) = answer["recipients"]
        assert way["address"] == "admin@example.net"
        assert (way["relay"], way["is_default"]) == ("office", True)
        assert way["fallback"] == ["bulk"]
        assert way["identity"]["sender"] == "noreply@example.com"
        assert "always" in way["identity"]["because"]

        result = daemon.ctl("route", "explain", "--to", "a@example.net",
                            "--from", "x@news.example.com")
        text = result.stdout.decode()
        assert result.returncode == 0, result.stderr
        assert "a@example.net goes to bulk" in text
        assert "rule 1 of routes, from @news.example.com" in text
        assert daemon.api("/v1/routes:explain")[0] == 400
        assert daemon.api("/v1/routes:explain?to=a@b.c&user=no-such-user")[
            0] == 422
        assert not relay.messages and not other.messages


def test_route_explain_names_the_alias_that_is_missing(daemon, relay):
    daemon.settings["hostname"] = "web1"
    daemon.settings["aliases_file"] = "/dev/null"
    daemon.use_relay(relay)
    daemon.start()
    result = daemon.ctl("route", "explain", "--to", "jane")
    assert result.returncode == 1
    assert b"jane: you@example.com" in result.stdout
    answer = json.loads(
        daemon.ctl("route", "explain", "--to", "jane", "--json").stdout)
    assert answer["needs_alias"] == "jane"
    assert daemon.ctl("route", "explain").returncode == 64


# ---------------------------------------------------------------- fallback


def test_a_fallback_carries_the_mail_of_a_relay_in_trouble(
        daemon, relay, dead_port):
    several(daemon, ("office", relay), ("backup", relay),
            office={"port": dead_port, "fallback": ["backup"]},
            backup={"from": {"address": "backup@example.com",
                             "apply": "always"}})
    daemon.settings["default_relay"] = "office"
    daemon.start()
    ids = [daemon.send() for _ in range(10)]
    relay.wait_for_messages(10)
    for queue_id in ids:
        message = daemon.wait_for_state(queue_id, "delivered")
        assert message["recipients"][0]["reply"]["relay"] == "backup"
    assert all(m.sender.startswith("<backup@example.com>")
               for m in relay.messages)
    state = daemon.relay_state("office")
    assert (state["state"], state["carried_by"]) == ("open", "backup")
    assert b"its mail goes by backup" in daemon.ctl(
        "relay", "show", "office").stdout


def test_no_fallback_for_what_a_message_is_refused_for(daemon, relay):
    with Relay() as other:
        several(daemon, ("office", relay), ("backup", other),
                office={"fallback": ["backup"]})
        daemon.settings["default_relay"] = "office"
        relay.always("RCPT", "550 5.1.1 no such user")
        daemon.start()
        queue_id = daemon.send()
        daemon.wait_for_state(queue_id, "failed")
        assert not other.messages or all(
            "<>" in m.sender for m in other.messages)


def send_with_unknown_outcome(daemon, office):
    """The reply to the dot is lost, and then the relay is."""
    daemon.settings["default_relay"] = "office"
    daemon.settings["retry"] = {"first": "1s", "jitter": "0%"}
    daemon.start()
    greetings = iter(["220 relay.test"])
    office.always("CONNECT", lambda line: next(greetings, "421 4.3.2 down"))
    office.answer(".", "DROP")
    queue_id = daemon.send()
    wait_until(lambda: daemon.show(queue_id)["recipients"][0][
        "maybe_duplicate"], "the outcome to be unknown")
    return queue_id


def test_a_fallback_after_an_unknown_outcome_where_that_is_set(daemon, relay):
    with Relay() as other:
        several(daemon, ("office", relay), ("backup", other),
                office={"fallback": ["backup"],
                        "fallback_after_unknown": True})
        queue_id = send_with_unknown_outcome(daemon, relay)
        daemon.api(f"/v1/messages/{queue_id}/retry", "POST")
        message = daemon.wait_for_state(queue_id, "delivered")
        assert message["recipients"][0]["reply"]["relay"] == "backup"
        assert message["recipients"][0]["maybe_duplicate"]
        assert len(other.messages) == 1


def test_no_fallback_after_an_unknown_outcome(daemon, relay):
    with Relay() as other:
        several(daemon, ("office", relay), ("backup", other),
                office={"fallback": ["backup"]})
        queue_id = send_with_unknown_outcome(daemon, relay)
        # What comes later goes by the fallback, also once that one is due.
        daemon.api(f"/v1/messages/{queue_id}/retry", "POST")
        for number in range(5):
            later = daemon.send(sender=f"{number}@example.com")
            daemon.wait_for_state(later, "delivered")
        assert len(other.messages) == 5
        assert daemon.relay_state("office")["carried_by"] == "backup"
        assert daemon.show(queue_id)["recipients"][0]["state"] == "waiting"
        # Its own relay has it when it works again.
        relay.never_mind("CONNECT")
        daemon.api("/v1/relays/office/resume", "POST")
        daemon.api(f"/v1/messages/{queue_id}/retry", "POST")
        daemon.wait_for_state(queue_id, "delivered")
        assert len(other.messages) == 5


def test_two_logins_at_one_host_never_share_a_connection(daemon):
    logins = ("anna", "bert")
    users = {name: "secret" for name in logins}
    with Relay(users=users, mechanisms="PLAIN") as peer:
        daemon.settings["relays"] = {
            name: {"host": "127.0.0.1", "port": peer.port,
                   "security": "none", "username": name,
                   "password": "secret"} for name in logins}
        daemon.settings["default_relay"] = logins[0]
        daemon.settings["routes"] = [
            {"from": f"*@{name}.example.com", "relay": name}
            for name in logins]
        daemon.start()
        for number in range(10):
            for name in logins:
                daemon.send(sender=f"{number}@{name}.example.com")
        peer.wait_for_messages(20)
        for message in peer.messages:
            name = message.sender.split("@")[1].split(".")[0]
            assert message.session.user == name
