"""Time and wishes: back-off, expiry, what people change meanwhile, restarts in
every state, the drain at a stop, retention, and clocks that jump."""

import datetime
import socket

import pytest

from clocks import DAY, HOUR
from conftest import wait_until

LATER = "451 4.3.0 not yet"


def seconds(text):
    return datetime.datetime.fromisoformat(
        text.replace("Z", "+00:00")).timestamp()


def the_recipient(daemon, queue_id):
    (recipient,) = daemon.show(queue_id)["recipients"]
    return recipient


def wait_for_attempts(daemon, queue_id, count):
    """The message once it waits again after so many attempts."""
    def has_been_tried():
        message = daemon.show(queue_id)
        (recipient,) = message["recipients"]
        return (message["state"] in ("queued", "held") and
                recipient["attempts"] >= count and message)

    return wait_until(has_been_tried,
                      lambda: f"attempt {count}: {daemon.show(queue_id)}")


def events(message):
    return [entry["event"] for entry in message["timeline"]]


def delay_of(message):
    """From its last attempt to its next one, in seconds."""
    tried = [e for e in message["timeline"]
             if e["event"] in ("deferred", "unknown")][-1]
    return (seconds(message["recipients"][0]["next_attempt"]) -
            seconds(tried["time"]) - tried.get("ms", 0) / 1000)


# -------------------------------------------------------------------- back-off


def test_each_delay_is_longer_up_to_the_longest(daemon, relay):
    """10, 20, 40, 60, 60 seconds, give or take a fifth, never under 10."""
    relay.always(".", LATER)
    daemon.use_relay(relay)
    daemon.settings["retry"] = {
        "first": "10s", "factor": 2, "maximum": "60s", "jitter": "20%"}
    daemon.start()
    queue_id = daemon.send()
    for attempt, middle in enumerate((10, 20, 40, 60, 60), start=1):
        message = wait_for_attempts(daemon, queue_id, attempt)
        assert message["recipients"][0]["attempts"] == attempt
        assert max(middle * 0.8, 10) - 0.5 <= delay_of(message)
        assert delay_of(message) <= middle * 1.2 + 0.5
        assert daemon.ctl("retry", queue_id).returncode == 0


def test_delays_are_spread(daemon, relay):
    """What was refused together doesn't come back together."""
    relay.always(".", LATER)
    daemon.use_relay(relay)
    daemon.settings["retry"] = {"first": "100s", "jitter": "50%"}
    daemon.start()
    delays = [delay_of(wait_for_attempts(daemon, daemon.send(), 1))
              for _ in range(24)]
    assert all(99 <= delay <= 151 for delay in delays), delays
    assert max(delays) - min(delays) > 1, delays
    assert any(delay > 101 for delay in delays), delays


def test_greylisting_is_waited_out(daemon, relay):
    """Most greylisters let nobody pass before five minutes are over."""
    relay.always("RCPT", "451 4.7.1 Greylisted, come back later")
    daemon.use_relay(relay)
    daemon.settings["retry"] = {"first": "1s"}
    daemon.start()
    message = wait_for_attempts(daemon, daemon.send(), 1)
    assert 299 <= delay_of(message) <= 361


def test_comes_back_by_itself(daemon, relay):
    relay.answer(".", LATER, LATER)
    daemon.use_relay(relay)
    daemon.settings["retry"] = {"first": "1s", "factor": 1, "jitter": "0%"}
    daemon.start()
    message = daemon.wait_for_state(daemon.send(), "delivered")
    assert events(message) == ["accepted", "deferred", "deferred",
                               "delivered"]
    times = [seconds(entry["time"]) for entry in message["timeline"]]
    assert times[2] - times[1] >= 0.99 and times[3] - times[2] >= 0.99
    assert message["recipients"][0]["attempts"] == 3
    assert message["recipients"][0]["maybe_duplicate"] is False


# ---------------------------------------------------------------------- wishes


def change(daemon, verb, queue_id, status=0):
    done = daemon.ctl(verb, queue_id)
    assert done.returncode == status, (done.stdout, done.stderr)


def test_wishes_for_what_waits(daemon, relay):
    relay.always(".", LATER)
    daemon.use_relay(relay)
    daemon.start()
    queue_id = daemon.send()
    wait_for_attempts(daemon, queue_id, 1)
    change(daemon, "release", queue_id, 1)   # it isn't held
    change(daemon, "retry", queue_id)
    wait_for_attempts(daemon, queue_id, 2)
    change(daemon, "hold", queue_id)
    daemon.wait_for_state(queue_id, "held")
    change(daemon, "retry", queue_id, 1)     # a hold stays
    assert daemon.show(queue_id)["state"] == "held"
    relay.never_mind(".")
    change(daemon, "release", queue_id)
    message = daemon.wait_for_state(queue_id, "delivered")
    for verb in ("retry", "hold", "release", "cancel"):
        change(daemon, verb, queue_id, 1)    # it has ended
    assert events(message) == ["accepted", "deferred", "retried", "deferred",
                               "held", "released", "delivered"]


@pytest.mark.parametrize("state", ["queued", "held"])
def test_cancels_what_waits(daemon, relay, state):
    relay.always(".", LATER)
    daemon.use_relay(relay)
    daemon.start()
    queue_id = daemon.send()
    wait_for_attempts(daemon, queue_id, 1)
    if state == "held":
        change(daemon, "hold", queue_id)
    change(daemon, "cancel", queue_id)
    message = daemon.wait_for_state(queue_id, "cancelled")
    assert message["recipients"][0]["state"] == "cancelled"
    assert len(daemon.api("/v1/messages")[1]["messages"]) == 1


def test_cancels_only_those_who_still_wait(daemon, relay):
    relay.always("RCPT", lambda line: LATER if "later" in line else None)
    daemon.use_relay(relay)
    daemon.start()
    queue_id = daemon.send(to=["good@example.net", "later@example.net"])
    wait_until(lambda: daemon.show(queue_id)["recipients"][1]["attempts"],
               "the verdicts")
    change(daemon, "cancel", queue_id)
    message = daemon.wait_for_state(queue_id, "partial")
    assert [r["state"] for r in message["recipients"]] == [
        "delivered", "cancelled"]


class Moment:
    """A delivery that stands still at a verb, until it is let go."""

    def __init__(self, daemon, relay, verb):
        # Behind a group of commands the later verb's reply would not matter.
        relay.extensions.remove("PIPELINING")
        self.gate = relay.hold(verb)
        daemon.use_relay(relay)
        daemon.start()
        self.daemon = daemon
        self.queue_id = daemon.send()
        relay.wait_for(lambda: any(
            command.startswith(verb) for session in relay.sessions
            for command in session.commands) or
            (verb == "." and relay.contents) or
            (verb == "CONNECT" and relay.sessions))
        daemon.wait_for_state(self.queue_id, "delivering")

    def ask(self, verb):
        status, _ = self.daemon.api(
            f"/v1/messages/{self.queue_id}/{verb}", "POST")
        return status


@pytest.mark.parametrize("verb", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
def test_cancels_before_the_content_has_begun(daemon, relay, verb):
    moment = Moment(daemon, relay, verb)
    assert moment.ask("cancel") == 202
    moment.gate.set()
    message = daemon.wait_for_state(moment.queue_id, "cancelled", "delivered")
    assert message["state"] == "cancelled"
    assert relay.messages == []
    assert message["recipients"][0]["maybe_duplicate"] is False


def test_the_verdict_wins_once_the_content_is_out(daemon, relay):
    moment = Moment(daemon, relay, ".")
    assert moment.ask("cancel") == 202
    moment.gate.set()
    message = daemon.wait_for_state(moment.queue_id, "cancelled", "delivered")
    assert message["state"] == "delivered"
    assert len(relay.messages) == 1


def test_cancels_when_the_verdict_is_not_now(daemon, relay):
    relay.answer(".", LATER)
    moment = Moment(daemon, relay, ".")
    assert moment.ask("cancel") == 202
    moment.gate.set()
    daemon.wait_for_state(moment.queue_id, "cancelled")


def test_says_that_a_cancelled_message_may_be_there(daemon, relay):
    relay.answer(".", "DROP")
    moment = Moment(daemon, relay, ".")
    assert moment.ask("cancel") == 202
    moment.gate.set()
    message = daemon.wait_for_state(moment.queue_id, "cancelled")
    assert message["recipients"][0]["maybe_duplicate"] is True


@pytest.mark.parametrize("verb", ["MAIL", "."])
def test_holds_after_the_attempt_that_runs(daemon, relay, verb):
    relay.answer(".", LATER)
    moment = Moment(daemon, relay, verb)
    assert moment.ask("hold") == 202
    moment.gate.set()
    message = daemon.wait_for_state(moment.queue_id, "held")
    assert message["recipients"][0]["attempts"] == 1
    assert moment.ask("release") == 200
    daemon.wait_for_state(moment.queue_id, "delivered")


def test_a_retry_while_it_is_tried_is_one_attempt_more(daemon, relay):
    relay.answer(".", LATER)
    moment = Moment(daemon, relay, ".")
    assert moment.ask("retry") == 202
    moment.gate.set()
    message = daemon.wait_for_state(moment.queue_id, "delivered")
    assert message["recipients"][0]["attempts"] == 2


# ------------------------------------------------------------------ duplicates


@pytest.mark.parametrize("verb", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
def test_marks_nothing_when_killed_before_the_final_dot(daemon, relay, verb):
    moment = Moment(daemon, relay, verb)
    daemon.kill()
    moment.gate.set()
    daemon.start()
    message = daemon.wait_for_state(moment.queue_id, "delivered")
    assert message["recipients"][0]["maybe_duplicate"] is False


def test_a_mark_stays_to_the_end(daemon, relay):
    relay.answer(".", "DROP")
    daemon.use_relay(relay)
    daemon.start()
    queue_id = daemon.send()
    message = wait_for_attempts(daemon, queue_id, 1)
    # RFC 1047: a filter that is slow may still be at work.
    assert delay_of(message) >= 15 * 60 - 1
    change(daemon, "retry", queue_id)
    message = daemon.wait_for_state(queue_id, "delivered")
    assert message["recipients"][0]["maybe_duplicate"] is True
    assert message["recipients"][0]["attempts"] == 2
    assert len(relay.messages) == 2


# -------------------------------------------------------------------- restarts


def check_same(message, before):
    """Shown dues are queue time told by the wall clock: a millisecond's play."""
    for now, then in zip(message["recipients"], before["recipients"]):
        due, was_due = now.pop("next_attempt"), then.pop("next_attempt")
        assert (due is None) == (was_due is None)
        assert due is None or abs(seconds(due) - seconds(was_due)) < 0.5
    assert message == before


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_restart_changes_no_state(daemon, relay, how):
    """Each state there is, with its story, before and after."""
    def verdict(line):
        if "later@" in line:
            return LATER
        return "550 5.1.1 nobody" if "failed@" in line else None

    relay.always("RCPT", verdict)
    daemon.use_relay(relay)
    daemon.settings["retry"] = {"first": "1h"}
    daemon.start()
    ids = {}
    for state, to in (
            ("delivered", ["good@a.test"]), ("failed", ["failed@a.test"]),
            ("partial", ["good@a.test", "failed@a.test"]),
            ("queued", ["later@a.test"]), ("held", ["later@a.test"]),
            ("cancelled", ["later@a.test"]),
            ("mixed", ["good@a.test", "failed@a.test", "later@a.test"])):
        # A report of a failure would be told in the story, at some time.
        ids[state] = daemon.send(to=to, rcpt=["NOTIFY=NEVER"])
        wait_until(
            lambda: all(r["attempts"] == 1 for r in
                        daemon.show(ids[state])["recipients"]) and
            daemon.show(ids[state])["state"] != "delivering", "the verdicts")
    change(daemon, "hold", ids["held"])
    change(daemon, "cancel", ids["cancelled"])
    before = {state: daemon.show(i) for state, i in ids.items()}
    for state, message in before.items():
        assert message["state"] == ("queued" if state == "mixed" else state)
    daemon.kill() if how == "kill" else daemon.stop()
    daemon.start()
    for state, queue_id in ids.items():
        check_same(daemon.show(queue_id), before[state])
    assert daemon.send(to="good@a.test") > max(ids.values())
    # Nobody is tried again before the time.
    daemon.wait_for_state(daemon.send(to="good@a.test"), "delivered")
    assert daemon.show(ids["queued"])["recipients"][0]["attempts"] == 1
    relay.never_mind("RCPT")
    change(daemon, "release", ids["held"])
    change(daemon, "retry", ids["queued"])
    change(daemon, "retry", ids["mixed"])
    daemon.wait_for_state(ids["held"], "delivered")
    daemon.wait_for_state(ids["queued"], "delivered")
    daemon.wait_for_state(ids["mixed"], "partial")


def test_an_open_breaker_survives_a_restart(daemon, relay, dead_port):
    """Neither does a restart hammer at a relay that is down."""
    relay.port, live = dead_port, relay.port
    daemon.use_relay(relay)
    daemon.start()
    queue_id = daemon.send()
    before = daemon.wait_for_relay("open")
    daemon.stop()
    daemon.start()
    message = daemon.wait_for_state(queue_id, "queued")
    assert message["recipients"][0]["attempts"] == 0
    after = daemon.wait_for_relay("open")
    assert after["reason"] == before["reason"]
    assert abs(seconds(after["until"]) - seconds(before["until"])) < 0.1
    relay.port = live
    daemon.use_relay(relay)
    daemon.reload()
    daemon.wait_for_state(queue_id, "delivered")


# ----------------------------------------------------------------------- drain


def test_a_stop_lets_the_attempt_that_runs_end(daemon, relay):
    moment = Moment(daemon, relay, ".")
    daemon.process.terminate()

    def takes_no_more():
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(60)
                client.connect(str(daemon.socket))
                return client.recv(3) != b"220"
        except OSError:
            return True

    wait_until(takes_no_more, "the socket to close")
    assert daemon.process.poll() is None
    moment.gate.set()
    assert daemon.process.wait(60) == 0
    daemon.start()
    message = daemon.wait_for_state(moment.queue_id, "delivered")
    assert message["recipients"][0]["attempts"] == 1
    assert message["recipients"][0]["maybe_duplicate"] is False
    assert len(relay.messages) == 1


@pytest.mark.parametrize("verb,is_marked", [("RCPT", False), (".", True)])
def test_a_stop_cuts_what_takes_too_long(daemon, relay, verb, is_marked):
    daemon.settings["delivery"] = {"drain": "1s"}
    moment = Moment(daemon, relay, verb)
    assert daemon.stop() == 0
    moment.gate.set()
    daemon.start()
    assert daemon.relay_state()["state"] == "closed"
    if is_marked:
        change(daemon, "retry", moment.queue_id)  # or wait 15 minutes
    message = daemon.wait_for_state(moment.queue_id, "delivered")
    assert message["recipients"][0]["maybe_duplicate"] is is_marked


def test_a_second_signal_does_not_wait(daemon, relay):
    moment = Moment(daemon, relay, "RCPT")
    daemon.process.terminate()
    wait_until(lambda: "event=stopping" in daemon.log_text(), "the stop")
    assert daemon.stop() == 0
    moment.gate.set()


# ---------------------------------------------------------------------- clocks


def test_expires_with_the_whole_story(daemon, relay, clock):
    relay.always(".", LATER)
    daemon.use_relay(relay)
    daemon.settings["retry"] = {
        "expire": "2h", "first": "30m", "warn": "1h"}
    clock.start()
    queue_id = daemon.send()
    wait_for_attempts(daemon, queue_id, 1)
    clock.restart(wall=HOUR)
    wait_for_attempts(daemon, queue_id, 2)
    clock.restart(wall=3 * HOUR)
    # Not without a last attempt.
    message = daemon.wait_for_state(queue_id, "expired")
    (recipient,) = message["recipients"]
    assert (recipient["state"], recipient["attempts"]) == ("expired", 3)
    assert recipient["reply"]["enhanced"] == "5.4.7"
    assert "451 4.3.0 not yet" in recipient["reply"]["text"]
    # Reports come in between, when they are due.
    assert [event for event in events(message) if event != "bounced"] == [
        "accepted", "deferred", "deferred", "expired"]
    assert len([c for c in relay.contents if b"delivery-status" not in c]) == 3
    shown = daemon.ctl("show", queue_id).stdout.decode()
    assert "expired" in shown and "not yet" in shown


def test_a_relays_fault_ends_mail_only_at_its_expiry(
        daemon, relay, clock, dead_port):
    """P6: uncharged for all that time, and only then at an end."""
    relay.port, live = dead_port, relay.port
    daemon.use_relay(relay)
    daemon.settings["retry"] = {"expire": "2h", "warn": "1h"}
    clock.start()
    old = daemon.send()
    daemon.wait_for_relay("open")
    clock.restart(wall=HOUR)
    daemon.wait_for_relay("open")
    young = daemon.send()
    message = daemon.wait_for_state(old, "queued")
    assert message["recipients"][0]["attempts"] == 0
    clock.restart(wall=2.5 * HOUR)
    message = daemon.wait_for_state(old, "expired")
    assert message["recipients"][0]["attempts"] == 0
    assert message["recipients"][0]["reply"]["text"], message
    message = daemon.wait_for_state(young, "queued")
    assert message["recipients"][0]["attempts"] == 0
    relay.port = live
    daemon.use_relay(relay)
    daemon.reload()
    daemon.wait_for_state(young, "delivered")


def test_a_wall_clock_that_jumps_ahead_changes_nothing(daemon, relay, clock):
    """Ten days in a moment: nothing is due, nothing expires."""
    relay.answer(".", LATER, LATER, LATER)
    daemon.use_relay(relay)
    daemon.settings["retry"] = {"first": "1h", "expire": "5d"}
    clock.start()
    queue_id = daemon.send()
    wait_for_attempts(daemon, queue_id, 1)
    clock.shift(wall=10 * DAY)
    other = daemon.send()
    wait_for_attempts(daemon, other, 1)
    assert the_recipient(daemon, queue_id)["attempts"] == 1
    # It is tried because somebody asks, and still is not too old.
    change(daemon, "retry", queue_id)
    message = wait_until(
        lambda: daemon.show(queue_id)["recipients"][0]["attempts"] == 2 and
        daemon.show(queue_id), "the second attempt")
    assert message["state"] == "queued", message


@pytest.mark.parametrize("days", [1, 4000])
def test_a_wall_clock_that_jumps_back_holds_up_nothing(
        daemon, relay, clock, days):
    relay.answer(".", LATER, LATER, LATER)
    daemon.use_relay(relay)
    daemon.settings["retry"] = {"first": "1s", "factor": 1}
    clock.start()
    first = daemon.send()
    wait_for_attempts(daemon, first, 1)
    clock.shift(wall=-days * DAY)
    second = daemon.send()
    assert second > first
    daemon.wait_for_state(first, "delivered")
    daemon.wait_for_state(second, "delivered")


def test_ids_ascend_and_dues_hold_when_it_starts_in_the_past(
        daemon, relay, clock):
    relay.answer(".", LATER)
    daemon.use_relay(relay)
    daemon.settings["retry"] = {"first": "2s", "factor": 1}
    clock.start()
    first = daemon.send()
    wait_for_attempts(daemon, first, 1)
    clock.restart(wall=-30 * DAY)
    second = daemon.send()
    assert second > first
    daemon.wait_for_state(first, "delivered")
    daemon.wait_for_state(second, "delivered")


# ------------------------------------------------------------------- retention


def test_forgets_what_ended_long_ago_and_nothing_else(daemon, relay, clock):
    def verdict(line):
        if "later@" in line:
            return LATER
        return "550 5.1.1 nobody" if "failed@" in line else None

    relay.always("RCPT", verdict)
    daemon.use_relay(relay)
    daemon.settings["queue"].update(
        {"keep_finished": "3d", "keep_failed_bodies": "1h"})
    daemon.settings["retry"] = {"expire": "30d"}
    clock.start()
    # A report would need the failed body, and keep it until it is written.
    good, bad, held, waits = (
        daemon.send(to=f"{name}@example.net", rcpt=["NOTIFY=NEVER"])
        for name in ("good", "failed", "later", "later"))
    daemon.wait_for_state(good, "delivered")
    daemon.wait_for_state(bad, "failed")
    for queue_id in (held, waits):
        wait_for_attempts(daemon, queue_id, 1)
    change(daemon, "hold", held)
    assert content_status(daemon, good) == 410  # gone at the end
    assert content_status(daemon, bad) == 200
    clock.restart(wall=2 * HOUR)
    wait_until(lambda: content_status(daemon, bad) == 410,
               "the failed body to go")
    assert daemon.show(bad)["state"] == "failed"
    clock.restart(wall=4 * DAY)
    clock.sleep(2 * HOUR)  # a clock that leapt is not believed at once
    for queue_id in (good, bad):
        wait_until(lambda: daemon.api(f"/v1/messages/{queue_id}")[0] == 404,
                   "its story to go")
    assert daemon.show(held)["state"] == "held"
    assert content_status(daemon, held) == 200
    daemon.wait_for_state(waits, "queued")
    assert content_status(daemon, waits) == 200
    relay.never_mind("RCPT")
    change(daemon, "release", held)
    daemon.wait_for_state(held, "delivered")


def content_status(daemon, queue_id):
    from conftest import UnixHTTPConnection

    connection = UnixHTTPConnection(daemon.control)
    try:
        connection.request("GET", f"/v1/messages/{queue_id}/content")
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()
