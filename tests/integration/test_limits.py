"""What a relay may get, whoever submits, and over restarts."""

import datetime
import time

import pytest

from conftest import wait_until


def seconds(text):
    return datetime.datetime.fromisoformat(
        text.replace("Z", "+00:00")).timestamp()


def submit(daemon, count, **options):
    return [daemon.send(**options) for _ in range(count)]


def has_rested(daemon):
    """Nothing is under way at the relay, and what may not go waits."""
    status = daemon.api("/v1/status")[1]
    return status["messages"]["delivering"] == 0


def test_a_rate_holds_for_all_submitters_together(daemon, relay):
    daemon.use_relay(relay, limits={"rate": "5/h"})
    daemon.start()
    for user in (4711, 4712, 4713):
        for number in range(4):
            done = daemon.sendmail("user@example.net", user=user,
                                   input=b"Subject: %d\n\nhello\n" % number)
            assert done.returncode == 0, done.stderr
    relay.wait_for_messages(5)
    wait_until(lambda: has_rested(daemon), "the rest")
    assert len(relay.messages) == 5
    # They wait for the window to move on, and it shows.
    waiting = daemon.api("/v1/messages?state=queued")[1]["messages"]
    assert len(waiting) == 7


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_what_was_used_of_a_rate_survives(daemon, relay, how):
    """At once: no time for anything that is not written with the mail."""
    daemon.use_relay(relay, limits={"rate": "3/h", "connections": 1})
    daemon.start()
    submit(daemon, 6)
    relay.wait_for_messages(3)
    daemon.kill() if how == "kill" else daemon.stop()
    for _ in range(2):
        daemon.start()
        wait_until(lambda: daemon.api("/v1/status")[0] == 200, "the start")
        wait_until(lambda: has_rested(daemon), "the rest")
        submit(daemon, 1)
        wait_until(lambda: has_rested(daemon), "the rest")
        daemon.kill() if how == "kill" else daemon.stop()
    assert len(relay.messages) == 3


def test_a_connection_carries_so_many_messages(daemon, relay):
    gate = relay.hold("CONNECT")
    daemon.use_relay(relay, limits={"messages_per_connection": 3,
                                    "connections": 1})
    daemon.start()
    submit(daemon, 10)
    gate.set()
    relay.wait_for_messages(10)
    numbers = [message.session.number for message in relay.messages]
    assert max(numbers.count(n) for n in set(numbers)) == 3
    assert relay.most_at_once == 1


def test_connections_are_never_more_than_the_limit(daemon, relay):
    daemon.use_relay(relay, limits={"connections": 2})
    gate = relay.hold("MAIL")
    daemon.start()
    for user in (4711, 4712):
        for number in range(20):
            daemon.sendmail("user@example.net", user=user,
                            input=b"Subject: %d\n\nhello\n" % number)
    relay.wait_for(lambda: len(relay.sessions) == 2)
    assert daemon.relay_state()["connections"] == 2
    gate.set()
    relay.wait_for_messages(40)
    assert len(relay.sessions) == 2


def test_a_transaction_has_so_many_recipients(daemon, relay):
    daemon.use_relay(relay, limits={"recipients": 10})
    daemon.start()
    queue_id = daemon.send(to=[f"u{n}@example.net" for n in range(35)])
    daemon.wait_for_state(queue_id, "delivered")
    counts = sorted(len(message.recipients) for message in relay.messages)
    assert counts == [5, 10, 10, 10]


def test_limits_that_the_relay_announces_are_kept(daemon, relay):
    relay.extensions.append("LIMITS RCPTMAX=4 MAILMAX=2")
    gate = relay.hold("CONNECT")
    daemon.use_relay(relay, limits={"connections": 1})
    daemon.start()
    daemon.send(to=[f"u{n}@example.net" for n in range(10)])
    submit(daemon, 3)
    gate.set()
    relay.wait_for_messages(6)
    assert max(len(message.recipients) for message in relay.messages) == 4
    numbers = [message.session.number for message in relay.messages]
    assert max(numbers.count(n) for n in set(numbers)) == 2


def test_a_size_is_known_before_connecting_once_it_was_told(daemon, relay):
    relay.extensions.remove("SIZE 0")
    relay.extensions.append("SIZE 20000")
    daemon.use_relay(relay)
    daemon.start()
    daemon.wait_for_state(daemon.send(), "delivered")
    wait_until(lambda: daemon.relay_state()["connections"] == 0, "the end")
    sessions = len(relay.sessions)
    queue_id = daemon.send("Subject: large\r\n\r\n" + "x" * 70 * 400,
                           rcpt=["NOTIFY=NEVER"])
    message = daemon.wait_for_state(queue_id, "failed")
    reply = message["recipients"][0]["reply"]
    assert reply["enhanced"] == "5.3.4" and "20000" in reply["text"]
    assert len(relay.sessions) == sessions


def test_a_relay_that_says_too_fast_gets_half(daemon, relay):
    """And what waits says when it goes."""
    daemon.use_relay(relay, limits={"connections": 1})
    daemon.start()
    submit(daemon, 20)
    relay.wait_for_messages(20)
    relay.answer(".", "450 4.7.1 too many messages, slow down")
    late = submit(daemon, 30)[-1]
    daemon.wait_for_relay("open")
    assert daemon.ctl("retry", late).returncode == 0
    wait_until(lambda: daemon.relay_state()["state"] == "closed" and
               has_rested(daemon), "the rest")
    # Half of what had gone in the minute before, and these have gone.
    assert len(relay.messages) < 45
    (recipient,) = daemon.show(late)["recipients"]
    assert seconds(recipient["next_attempt"]) > time.time() + 1
    (problem,) = daemon.api("/v1/status")[1]["problems"]
    assert "messages a minute now" in problem["what"], problem
    assert "relaisctl relay resume office" in problem["next"]
    # Somebody knows better.
    assert daemon.ctl("relay", "resume", "office").returncode == 0
    relay.wait_for_messages(50)


def test_too_many_connections_are_fewer_from_then_on(daemon, relay):
    fine = 3 * ["220 relay.test ESMTP"]
    relay.answer("CONNECT", *fine, "421 4.7.0 Too many concurrent connections")
    daemon.use_relay(relay, limits={"connections": 4})
    gate = relay.hold("MAIL")
    daemon.start()
    submit(daemon, 12)
    relay.wait_for(lambda: len(relay.sessions) == 4)
    wait_until(lambda: daemon.relay_state()["connections"] == 3, "the three")
    submit(daemon, 12)
    gate.set()
    relay.wait_for_messages(24)
    assert daemon.relay_state()["state"] == "closed"
    assert len(relay.sessions) == 4
