"""What a submitter may ask for: keys, waiting, times, priority, a relay."""

import calendar
import contextlib
import json
import re
import resource
import socket
import threading
import time

import pytest

from conftest import is_sanitized, wait_until
from relay import Relay


def submit(relaisd, mail=(), to=("user@example.net",), lmtp=False,
           content=b"Subject: wish\r\n\r\nhello\r\n"):
    """(MAIL's reply, [the message's replies]) with these parameters."""
    with contextlib.closing(relaisd.smtp()) as client:
        client.ehlo_msg = "lhlo" if lmtp else "ehlo"
        client.ehlo()
        mail_reply = client.mail("app@example.com", list(mail))
        if mail_reply[0] >= 400:
            return mail_reply, []
        for address in to:
            assert client.rcpt(address)[0] == 250
        client.putcmd("data")
        assert client.getreply()[0] == 354
        client.send(content + b".\r\n")
        count = len(to) if lmtp else 1
        return mail_reply, [client.getreply() for _ in range(count)]


def id_of(reply):
    return reply[1].decode().split("queued as ")[1].split()[0]


def test_announces_the_wishes(relaisd):
    with relaisd.smtp() as client:
        client.ehlo()
        for keyword in ("futurerelease", "deliverby", "mt-priority",
                        "xrelais"):
            assert client.has_extn(keyword), keyword


# ---------------------------------------------------------------------- keys


def test_a_replayed_key_gives_the_same_id_and_queues_nothing(relaisd):
    _, (first,) = submit(relaisd, ["XKEY=order-1"])
    _, (again,) = submit(relaisd, ["XKEY=order-1"])
    assert id_of(first) == id_of(again)
    assert again[1].endswith(b"(duplicate)")
    assert len(relaisd.api("/v1/messages")[1]["messages"]) == 1


def test_a_key_of_another_envelope_is_a_conflict(relaisd):
    _, (first,) = submit(relaisd, ["XKEY=order-1"])
    _, (other,) = submit(relaisd, ["XKEY=order-1"], to=("b@example.net",))
    assert other[0] == 554
    assert id_of(first).encode() in other[1]


def test_a_key_can_be_asked_for(daemon):
    daemon.start()
    _, (reply,) = submit(daemon, ["XKEY=order+201"])
    with daemon.smtp() as client:
        client.ehlo()
        assert client.docmd("XKEY", "order+201")[0] == 250
        assert client.docmd("XKEY", "order+201")[1].decode().split()[-1] == \
            id_of(reply)
        assert client.docmd("XKEY", "other")[0] == 550
    # Also after a crash.
    daemon.kill()
    daemon.start()
    with daemon.smtp() as client:
        client.ehlo()
        assert client.docmd("XKEY", "order+201")[0] == 250


def test_one_key_of_64_submitters_is_one_message(relaisd):
    replies = []

    def run():
        replies.append(submit(relaisd, ["XKEY=race"])[1][0])

    threads = [threading.Thread(target=run) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [code for code, _ in replies] == [250] * 64
    assert len({id_of(reply) for reply in replies}) == 1
    assert sum(not text.endswith(b"(duplicate)") for _, text in replies) == 1
    assert len(relaisd.api("/v1/messages")[1]["messages"]) == 1


# ------------------------------------------------------------------- waiting


def test_waits_for_the_delivery(daemon, relay):
    daemon.use_relay(relay)
    daemon.start()
    _, (reply,) = submit(daemon, ["XWAIT=60"])
    assert reply[0] == 250 and reply[1].endswith(b"(delivered)")
    assert len(relay.messages) == 1


def test_tells_the_relays_refusal(daemon, relay):
    relay.always("RCPT", "550 5.1.1 nobody of that name")
    daemon.use_relay(relay)
    daemon.start()
    _, (reply,) = submit(daemon, ["XWAIT=60"])
    assert reply[0] == 550
    assert reply[1].startswith(b"5.1.1 nobody of that name (failed as ")


def test_who_was_told_gets_no_report(daemon, relay):
    relay.always("RCPT", lambda line: "550 5.1.1 no" if "bad" in line
                 else None)
    daemon.use_relay(relay)
    daemon.settings["bounces"] = {"gather": "1s"}
    daemon.start()
    _, (told,) = submit(daemon, ["XWAIT=60"], to=("bad@example.net",))
    assert told[0] == 550
    # One that waits for nothing is reported, after the one that was told.
    _, (untold,) = submit(daemon, to=("bad@example.net",))
    relay.wait_for_messages(1)
    daemon.wait_for_state(id_of(untold), "failed")
    assert relay.messages[0].sender.startswith("<>")
    bounces = [m for m in daemon.api("/v1/messages")[1]["messages"]
               if m["bounce"]]
    assert len(bounces) == 1
    assert id_of(untold).encode() in relay.messages[0].content


def test_says_pending_when_the_time_is_over(daemon, relay):
    relay.always("RCPT", "451 4.2.1 later")
    daemon.use_relay(relay)
    daemon.start()
    began = time.monotonic()
    _, (reply,) = submit(daemon, ["XWAIT=1"])
    assert time.monotonic() - began >= 0.9
    assert reply[0] == 250 and reply[1].endswith(b"(pending)")


def test_lmtp_tells_each_recipient_its_fate(daemon, relay):
    relay.always("RCPT", lambda line: "550 5.1.1 no" if "bad" in line
                 else None)
    daemon.use_relay(relay)
    daemon.start()
    _, replies = submit(daemon, ["XWAIT=60"], lmtp=True,
                        to=("a@example.net", "bad@example.net",
                            "c@example.net"))
    assert [code for code, _ in replies] == [250, 550, 250]


def test_who_waits_hears_of_the_envelope_at_once(daemon, relay):
    daemon.use_relay(relay)
    gate = relay.hold("MAIL")
    daemon.start()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)  # the gate holds for 60
        client.connect(str(daemon.socket))
        client.sendall(b"EHLO app\r\nMAIL FROM:<a@example.com> XWAIT=60\r\n"
                       b"RCPT TO:<b@example.net>\r\n"
                       b"BDAT 19 LAST\r\nSubject: x\r\n\r\nhello")
        try:
            replies = client.makefile("rb")
            while not replies.readline().startswith(b"250 2.1.5"):
                pass
        finally:
            gate.set()
        assert replies.readline().endswith(b"(delivered)\r\n")


def test_many_wait_at_once(daemon, relay):
    daemon.use_relay(relay)
    gate = relay.hold(".")
    daemon.start()
    replies = []

    def run(number):
        replies.append(submit(daemon, ["XWAIT=60"],
                              to=(f"u{number}@example.net",))[1][0])

    threads = [threading.Thread(target=run, args=(n,)) for n in range(50)]
    for thread in threads:
        thread.start()
    wait_until(lambda: daemon.api("/v1/status")[1]["messages"]["queued"]
               + daemon.api("/v1/status")[1]["messages"]["delivering"] >= 50,
               "50 committed messages")
    assert replies == []
    gate.set()
    for thread in threads:
        thread.join(60)
    assert [r[1].endswith(b"(delivered)") for r in replies] == [True] * 50


WAITING = 2000


def open_and_wait(daemon, number):
    """A client that has handed over a message and waits; its socket."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(60)
    client.connect(str(daemon.socket))
    client.sendall(b"EHLO app\r\nMAIL FROM:<app@example.com> XWAIT=300\r\n"
                   b"RCPT TO:<u%d@example.net>\r\nDATA\r\n" % number)
    client.sendall(b"Subject: wait\r\n\r\nhello\r\n.\r\n")
    return client


def last_reply(client):
    with client, client.makefile("rb") as replies:
        for line in replies:
            if line.startswith(b"354"):
                return replies.readline()
    return b""


@pytest.mark.skipif(is_sanitized, reason="a sanitizer changes memory")
def test_thousands_wait_for_the_cost_of_their_sockets(daemon, relay):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * WAITING:
        pytest.skip(f"{hard} descriptors are too few")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    daemon.use_relay(relay, limits={"connections": 20})
    daemon.settings["receive"]["connections"] = WAITING + 100
    gate = relay.hold("MAIL")
    daemon.start()
    clients = []
    try:
        clients += [open_and_wait(daemon, n) for n in range(100)]
        idle = daemon.memory_bytes()
        clients += [open_and_wait(daemon, n) for n in range(100, WAITING)]
        wait_until(lambda: sum(daemon.api("/v1/status")[1]["messages"][state]
                               for state in ("queued", "delivering"))
                   >= WAITING, "the commits")
        each = (daemon.memory_bytes() - idle) / (WAITING - 100)
        assert each < 24576, f"{each:.0f} octets for each that waits"
        # Nobody else is kept from submitting meanwhile.
        assert daemon.send()
        gate.set()
        assert all(last_reply(client).endswith(b"(delivered)\r\n")
                   for client in clients)
    finally:
        gate.set()
        for client in clients:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_stop_lets_those_who_wait_go(daemon, relay):
    relay.always("RCPT", "451 4.2.1 later")
    daemon.use_relay(relay)
    daemon.start()
    replies = []
    thread = threading.Thread(
        target=lambda: replies.append(submit(daemon, ["XWAIT=300"])[1][0]))
    thread.start()
    wait_until(lambda: daemon.api("/v1/status")[1]["messages"]["queued"] == 1,
               "the message")
    assert daemon.stop() == 0
    thread.join(60)
    assert replies[0][1].endswith(b"(pending)")


# --------------------------------------------------------------------- times


def test_holds_until_the_time_has_come(daemon, relay):
    daemon.use_relay(relay)
    daemon.start()
    began = time.monotonic()
    _, (reply,) = submit(daemon, ["HOLDFOR=2"])
    message = daemon.show(id_of(reply))
    assert message["state"] == "queued"
    assert message["recipients"][0]["next_attempt"] is not None
    daemon.wait_for_state(id_of(reply), "delivered")
    assert time.monotonic() - began >= 1.9


def test_what_is_scheduled_survives_a_kill_and_can_be_cancelled(daemon, relay):
    daemon.use_relay(relay)
    daemon.start()
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    _, (reply,) = submit(daemon, [f"HOLDUNTIL={soon}"])
    far = submit(daemon, ["HOLDUNTIL=2037-01-01T00:00:00Z"])[0]
    assert far[0] == 501 and far[1].startswith(b"5.5.4")
    _, (near,) = submit(daemon, ["HOLDFOR=86400"])
    daemon.kill()
    daemon.start()
    assert daemon.show(id_of(near))["state"] == "queued"
    assert daemon.ctl("cancel", id_of(near)).returncode == 0
    assert daemon.show(id_of(near))["state"] == "cancelled"
    assert daemon.show(id_of(reply))["state"] == "queued"
    assert relay.messages == []


def not_before(relaisd, queue_id):
    text = relaisd.show(queue_id)["not_before"]
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


@pytest.mark.one_try
def test_a_scheduled_time_can_be_changed(daemon, relay):
    daemon.use_relay(relay)
    daemon.start()
    queue_id = id_of(submit(daemon, ["HOLDFOR=86400"])[1][0])
    for hours in (12, 36):
        assert daemon.ctl("reschedule", "--hold-for", f"{hours}h",
                          queue_id).returncode == 0
        ahead = not_before(daemon, queue_id) - time.time()
        assert hours * 3600 - 60 < ahead <= hours * 3600
        daemon.kill()
        daemon.start()
        message = daemon.show(queue_id)
        assert message["state"] == "queued"
        assert message["recipients"][0]["next_attempt"][:19] == \
            message["not_before"][:19]
    assert relay.messages == []
    assert daemon.ctl("reschedule", "--at", "2026-01-01T00:00:00Z",
                      queue_id).returncode == 0
    message = daemon.wait_for_state(queue_id, "delivered")
    assert len(relay.messages) == 1
    assert [entry["event"] for entry in message["timeline"]] == [
        "accepted", *["rescheduled"] * 3, "delivered"]


def test_what_was_tried_or_would_be_too_late_is_not_rescheduled(daemon, relay):
    relay.always("MAIL", "451 4.3.0 later")
    daemon.use_relay(relay)
    daemon.start()
    tried = daemon.send()
    wait_until(lambda: daemon.show(tried)["recipients"][0]["attempts"],
               "an attempt")
    daemon.wait_for_state(tried, "queued")
    late = id_of(submit(daemon, ["HOLDFOR=3600", "BY=7200;R"])[1][0])
    for queue_id, options, why in (
            (tried, ("--hold-for", "1h"), b"on its way already"),
            (late, ("--hold-for", "3h"), b"deadline"),
            (late, ("--hold-for", "61d"), b"within 60 days")):
        done = daemon.ctl("reschedule", *options, queue_id)
        assert done.returncode == 1 and why in done.stderr, done
    assert daemon.ctl("reschedule", late).returncode == 64
    assert not_before(daemon, late) < time.time() + 3601


def test_is_not_relayed_after_its_deadline(daemon, relay):
    relay.always("MAIL", "451 4.3.0 later")
    daemon.use_relay(relay)
    daemon.settings["retry"] = {"first": "1s"}
    daemon.start()
    _, (reply,) = submit(daemon, ["BY=2;R"])
    message = daemon.wait_for_state(id_of(reply), "expired")
    assert message["recipients"][0]["state"] == "expired"


# ------------------------------------------------------------ priority, relay


def test_priority_is_kept_and_lowered_by_the_rule(daemon, relay):
    daemon.use_relay(relay)
    daemon.settings["submitters"] = {}
    del daemon.settings["submitters"]
    daemon.start()
    reply, (answer,) = submit(daemon, ["MT-PRIORITY=6"])
    assert reply[1].startswith(b"2.1.0")  # root may
    assert daemon.show(id_of(answer))["priority"] == "urgent"
    _, (bulk,) = submit(daemon, ["MT-PRIORITY=-5"])
    assert daemon.show(id_of(bulk))["priority"] == "bulk"
    done = daemon.run("/usr/bin/python3", "-c", NOBODY, daemon.socket,
                      user=65534)
    mail, by_rcpt, relay_mail = done.stdout.splitlines()
    # RFC 6710 9: the new priority comes first.
    assert b"250, b'2.3.6 0 is the new priority" in mail, done
    assert b"250, b'2.3.6 0 is the new priority" in by_rcpt, done
    assert b"550" in relay_mail, done


NOBODY = """
import smtplib, sys
class UnixSMTP(smtplib.LMTP):
    ehlo_msg = "ehlo"
client = UnixSMTP(sys.argv[1])
client.ehlo()
print(client.mail("a@example.com", ["MT-PRIORITY=9"]))
client.rset()
client.mail("a@example.com")
print(client.rcpt("b@example.net", ["MT-PRIORITY=9"]))
client.rset()
print(client.mail("a@example.com", ["XRELAY=second"]))
"""


def test_priority_is_told_to_a_relay_that_knows_it(daemon, relay):
    relay.extensions += ["MT-PRIORITY"]
    daemon.use_relay(relay)
    daemon.start()
    for level, told in (6, " MT-PRIORITY=4"), (0, ""), (-5, " MT-PRIORITY=-4"):
        _, (reply,) = submit(daemon, [f"MT-PRIORITY={level}"])
        daemon.wait_for_state(id_of(reply), "delivered")
        mail = [command for session in relay.sessions
                for command in session.commands if command.startswith("MAIL")]
        assert re.sub("MAIL FROM:<.*> SIZE=[0-9]+", "", mail[-1]) == told


def test_what_rcpt_says_of_time_and_priority_counts(daemon, relay):
    """Some clients say it there."""
    relay.hold("MAIL")
    daemon.use_relay(relay)
    daemon.start()
    with daemon.smtp() as client:
        client.ehlo()
        client.mail("app@example.com")
        assert client.rcpt("a@example.net", ["BY=0;R"])[0] == 501
        assert client.rcpt("a@example.net",
                           ["BY=600;R", "MT-PRIORITY=-9"])[0] == 250
        message = daemon.show(id_of(client.data(b"\r\n")))
    assert message["priority"] == "bulk" and message["deadline"] is not None
    relay.heal()


FIELDS = {"Key": "k-1", "Tag": "invoices", "Meta": "order=17; a b",
          "Wait": "20s", "Priority": "urgent", "Deadline": "2h"}


def with_fields(fields):
    return "".join(f"X-Relais-{name}: {value}\r\n" for name, value
                   in fields.items()).encode() + b"Subject: x\r\n\r\nhi\r\n"


def test_header_fields_say_the_same(daemon, relay):
    daemon.use_relay(relay)
    daemon.start()
    _, (reply,) = submit(daemon, content=with_fields(FIELDS))
    assert reply[1].endswith(b"(delivered)")
    message = daemon.show(id_of(reply))
    assert message["key"] == "k-1" and message["tag"] == "invoices"
    assert message["meta"] == "order=17; a b"
    assert message["priority"] == "urgent"
    assert message["deadline"] is not None
    _, (again,) = submit(daemon, content=with_fields(FIELDS))
    assert id_of(again) == id_of(reply)
    for name, value in (("At", "2m"), ("Hold-For", "1h")):
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 99))
        _, (later,) = submit(daemon, content=with_fields(
            {name: at if name == "At" else value}))
        assert daemon.show(id_of(later))["not_before"] is not None
        daemon.ctl("reschedule", "--hold-for", "1s", id_of(later))
        daemon.wait_for_state(id_of(later), "delivered")
    assert all(b"X-Relais" not in m.content for m in relay.messages)


def test_mail_goes_before_header_fields(relaisd):
    content = with_fields({"Tag": "field", "Priority": "urgent",
                           "Deadline": "1d", "Wait": "1s"})
    _, (reply,) = submit(relaisd, ["XTAG=mail", "MT-PRIORITY=-4", "BY=60;R",
                                   "XWAIT=20"], content=content)
    message = relaisd.show(id_of(reply))
    assert message["tag"] == "mail" and message["priority"] == "bulk"
    left = calendar.timegm(time.strptime(message["deadline"][:19],
                                         "%Y-%m-%dT%H:%M:%S")) - time.time()
    assert left <= 60


@pytest.mark.parametrize("fields", [
    {"At": "tomorrow"}, {"At": "2099-01-01T00:00:00Z"}, {"Hold-For": "61d"},
    {"Hold-For": "0s"}, {"Wait": "301"}, {"Wait": "abc"},
    {"Priority": "high"}, {"Deadline": "never"}, {"Key": ""},
    {"Tag": "t" * 129}, {"Key": "a\r\nX-Relais-Key: b"}])
def test_header_fields_that_make_no_sense_are_named(relaisd, fields):
    _, (reply,) = submit(relaisd, content=with_fields(fields))
    name = next(iter(fields))
    assert reply[0] == 550
    assert reply[1].startswith(b"5.6.0 X-Relais-%s: expected once"
                               % name.encode())
    _, (reply,) = submit(relaisd, content=b"Received: by a; now\r\n"
                         + with_fields(fields))
    assert reply[0] == 250  # of no concern here


def test_header_fields_count_where_the_rule_says_so(daemon):
    """Nobody's do; they are removed all the same."""
    daemon.start()
    message = b"To: a@example.net\n" + with_fields({**FIELDS, "At": "never"})
    done = daemon.sendmail("-t", "-i", "--print-id", "-f", "a@example.com",
                           input=message, user=65534)
    assert done.returncode == 0, done
    shown = daemon.wait_for_state(done.stdout.decode().strip(), "delivered")
    assert shown["tag"] is None and shown["priority"] == "normal"
    assert b"X-Relais" not in daemon.captured()[0].read_bytes()


def test_a_relay_can_be_asked_for(daemon, relay):
    with Relay() as second:
        daemon.use_relay(relay)
        daemon.settings["relays"]["second"] = {
            **daemon.settings["relays"]["office"], "port": second.port}
        daemon.settings["default_relay"] = "office"
        daemon.start()
        _, (reply,) = submit(daemon, ["XRELAY=second"])
        daemon.wait_for_state(id_of(reply), "delivered")
        assert len(second.messages) == 1 and relay.messages == []
        assert submit(daemon, ["XRELAY=third"])[0][0] == 550


def test_tag_and_metadata_are_echoed(relaisd):
    _, (reply,) = submit(relaisd, ["XTAG=invoices", "XMETA=order+3D17"])
    message = relaisd.show(id_of(reply))
    assert message["tag"] == "invoices"
    assert message["meta"] == "order=17"
    submit(relaisd, ["XTAG=other"])
    done = relaisd.ctl("list", "--all", "--tag", "invoices", "--json")
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [
        id_of(reply)]
