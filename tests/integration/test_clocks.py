"""Hours and days in moments: machines that sleep, and what takes long."""

import datetime
import json
import time

import pytest

from clocks import DAY, HOUR
from conftest import wait_until

MINUTE = 60
DOWN = "421 4.3.2 not now"


def seconds(text):
    return datetime.datetime.fromisoformat(
        text.replace("Z", "+00:00")).timestamp()


def until_s(daemon, clock):
    """What a relay in trouble waits for, from now."""
    return (seconds(daemon.relay_state()["until"]) - time.time() - clock.wall)


def alarm_hook(daemon):
    """A command that keeps what it is told; returns what reads that."""
    out, program = daemon.directory / "told", daemon.directory / "hook"
    out.touch()
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$2" >>"$1"\n')
    program.chmod(0o755)
    daemon.settings["alarms"] = {"command": [str(program), str(out)],
                                 "mail": "admin@example.com"}
    return lambda: [json.loads(line) for line in out.read_text().splitlines()]


# ----------------------------------------------------------------------- sleep


def test_what_became_due_in_a_sleep_goes_at_once(daemon, relay, clock):
    """Nobody asks it for anything meanwhile: it finds out by itself."""
    relay.answer(".", "451 4.3.0 not yet")
    daemon.use_relay(relay)
    daemon.settings["retry"] = {"first": "3h", "maximum": "3h"}
    clock.start()
    queue_id = daemon.send()
    wait_until(lambda: "event=deferred" in daemon.log_text(), "the attempt")
    clock.sleep(8 * HOUR)
    relay.wait_for_messages(1, 30)
    message = daemon.wait_for_state(queue_id, "delivered")
    assert [e["event"] for e in message["timeline"]] == [
        "accepted", "deferred", "delivered"]


def test_a_relay_in_trouble_is_asked_once_after_a_sleep(daemon, relay, clock):
    """Neither a stall nor a storm; and what is too old has its last try."""
    relay.always("CONNECT", DOWN)
    daemon.use_relay(relay, limits={"connections": 8})
    daemon.settings["retry"] = {"expire": "5d", "warn": "off"}
    clock.start()
    ids = [daemon.send() for _ in range(100)]
    wait_until(lambda: "state=open" in daemon.log_text(), "the breaker")
    sessions = len(relay.sessions)
    clock.sleep(2 * DAY)
    relay.wait_for(lambda: len(relay.sessions) > sessions, 30)
    daemon.wait_for_relay("open")
    assert len(relay.sessions) == sessions + 1
    relay.heal()
    clock.sleep(4 * DAY)
    relay.wait_for_messages(1, 30)
    for queue_id in ids:
        # All of it is older than five days now, and none was tried too late.
        daemon.wait_for_state(queue_id, "delivered")


@pytest.mark.parametrize("how", ["hold", "release"])
def test_what_waits_for_a_time_goes_after_a_sleep(daemon, relay, clock, how):
    daemon.use_relay(relay)
    if how == "hold":
        relay.answer("RCPT", "451 4.3.0 later")
    clock.start()
    queue_id = daemon.send(
        mail=["HOLDFOR=7200"] if how == "release" else [])
    if how == "hold":
        wait_until(lambda: daemon.show(queue_id)["recipients"][0]["attempts"],
                   "the attempt")
        until = datetime.datetime.now(datetime.timezone.utc) + \
            datetime.timedelta(hours=2)
        done = daemon.ctl("hold", queue_id, "--until",
                          until.strftime("%Y-%m-%dT%H:%M:%SZ"))
        assert done.returncode == 0, done.stderr
        daemon.wait_for_state(queue_id, "held")
    clock.sleep(HOUR)
    assert daemon.relay_state() and relay.messages == []
    clock.sleep(HOUR + 60)
    relay.wait_for_messages(1, 90)
    daemon.wait_for_state(queue_id, "delivered")


def test_a_wall_clock_that_jumps_in_trouble_changes_no_pause(
        daemon, relay, clock):
    relay.always("CONNECT", DOWN)
    daemon.use_relay(relay)
    clock.start()
    daemon.send()
    daemon.wait_for_relay("open")
    before = until_s(daemon, clock)
    for days in (1, -1, 400):
        clock.shift(wall=days * DAY)
        assert abs(until_s(daemon, clock) - before) < 20
        since = seconds(daemon.relay_state()["since"])
        assert abs(since - time.time() - clock.wall) < 60
    assert len(relay.sessions) == 1


def test_a_clock_that_is_years_ahead_at_boot_ends_no_mail(
        daemon, relay, clock):
    """Until the time service has set it; nor is it told any later."""
    relay.always("CONNECT", DOWN)
    daemon.use_relay(relay)
    clock.start()
    ids = [daemon.send(), daemon.send(mail=["BY=36000;R"])]
    daemon.wait_for_relay("open")
    for wall, boot in ((3650 * DAY, 0), (3 * HOUR, 3 * HOUR)):
        sessions = len(relay.sessions)
        if boot == 0:
            clock.restart(wall)
        else:
            clock.shift(wall, boot)
        relay.wait_for(lambda: len(relay.sessions) > sessions)
        daemon.wait_for_relay("open")
    relay.heal()
    clock.sleep(HOUR)
    for queue_id in ids:
        message = daemon.wait_for_state(queue_id, "delivered")
        assert {e["event"] for e in message["timeline"]} <= {
            "accepted", "deferred", "delivered"}


# -------------------------------------------------------------------- patience


@pytest.mark.parametrize("reply,pauses", [
    (DOWN, [30, 60, 120, 300, 600, 900, 900]),
    ("554 5.7.1 Client host blocked using example", [3600, 3600, 3600]),
    ("521 5.3.2 this host takes no mail", [3600, 3600, 3600, 3600, 3600,
                                           21600, 21600]),
])
def test_each_pause_of_a_relay_is_its_step(daemon, relay, clock, reply,
                                           pauses):
    relay.always("CONNECT", reply)
    daemon.use_relay(relay, limits={"connections": 1})
    clock.start()
    for _ in range(20):
        daemon.send()
    for number, pause in enumerate(pauses, start=1):
        relay.wait_for(lambda: len(relay.sessions) == number)
        daemon.wait_for_relay("open", "held")
        left = until_s(daemon, clock)
        assert 0.8 * pause - 5 <= left <= 1.2 * pause + 5, (number, left)
        clock.sleep(left - 3)
        assert daemon.relay_state()["state"] in ("open", "held")
        assert len(relay.sessions) == number
        clock.sleep(4)
        wait_until(lambda: daemon.relay_state() and
                   len(relay.sessions) > number, "the probe")
    assert len(daemon.api("/v1/messages?state=queued")[1]["messages"]) == 20


def test_a_login_that_fails_is_asked_ever_less(daemon, relay, clock):
    """Accounts are locked for more."""
    relay.users = {"user": "other"}
    daemon.use_relay(relay, username="user", password="secret",
                     authentication=True)
    clock.start()
    daemon.send()
    for number, pause in enumerate(
            [900, 3600, 3600, 3600, 3600, 21600, 21600], start=1):
        relay.wait_for(lambda: len(relay.sessions) == number)
        daemon.wait_for_relay("held")
        left = until_s(daemon, clock)
        assert 0.8 * pause - 5 <= left <= 1.2 * pause + 5, (number, left)
        clock.sleep(left + 1)
        wait_until(lambda: daemon.relay_state() and
                   len(relay.sessions) > number, "the probe")


def test_a_quota_waits_for_the_window_that_the_reply_names(
        daemon, relay, clock):
    relay.answer("MAIL", "550 5.4.5 Daily user sending limit exceeded, try "
                 "again in 7200 seconds")
    daemon.use_relay(relay)
    clock.start()
    queue_id = daemon.send()
    daemon.wait_for_relay("open")
    assert 7190 <= until_s(daemon, clock) <= 7201
    clock.sleep(7190)
    assert daemon.relay_state()["state"] == "open"
    clock.sleep(12)
    daemon.wait_for_state(queue_id, "delivered")


def test_a_rate_goes_on_when_its_window_does(daemon, relay, clock):
    daemon.use_relay(relay, limits={"rate": "5/h"})
    clock.start()
    late = [daemon.send() for _ in range(12)][-1]
    relay.wait_for_messages(5)
    for count in (10, 12):
        (recipient,) = daemon.show(late)["recipients"]
        due = seconds(recipient["next_attempt"]) - time.time() - clock.wall
        assert HOUR - 60 < due < HOUR + 60
        clock.sleep(HOUR - 90)
        assert daemon.relay_state() and len(relay.messages) == count - (
            5 if count == 10 else 2)
        clock.sleep(120)
        wait_until(lambda: daemon.relay_state() and
                   len(relay.messages) == count, "the next ones")


# ---------------------------------------------------------------------- alarms


def test_the_administrator_hears_after_4_and_24_hours(
        daemon, relay, clock, dead_port):
    """As the settings are if nobody sets them."""
    told = alarm_hook(daemon)
    daemon.use_relay(relay, name="backup")
    daemon.settings["relays"]["office"] = {
        "host": "127.0.0.1", "port": dead_port, "security": "none"}
    daemon.settings["default_relay"] = "office"
    clock.start()
    queue_id = daemon.send()
    wait_until(lambda: daemon.relay_state("office")["state"] == "open",
               "the breaker")
    clock.sleep(4 * HOUR - 60)
    assert daemon.relay_state("office") and told() == []
    clock.sleep(90)
    wait_until(lambda: daemon.relay_state("office") and len(told()) == 1,
               "the first word")
    clock.sleep(19 * HOUR)
    assert daemon.relay_state("office") and len(told()) == 1
    clock.sleep(HOUR + 60)
    wait_until(lambda: daemon.relay_state("office") and len(told()) == 2,
               "the second word")
    clock.sleep(2 * DAY)
    wait_until(lambda: daemon.relay_state("office")["state"] == "open",
               "the relay")
    assert len(told()) == 2
    mails = relay.wait_for_messages(2)
    assert all(b"relay office has not worked" in m.content for m in mails)
    assert daemon.log_text().count("event=relay_trouble") == 2
    daemon.wait_for_state(queue_id, "queued")  # a probe may have it in hand


# --------------------------------------------------------------------- summary


def test_an_outage_is_one_summary_a_submitter_and_not_a_bounce_each(
        daemon, relay, clock):
    relay.always("CONNECT", DOWN)
    daemon.use_relay(relay)
    daemon.settings["retry"] = {"expire": "1d", "warn": "off"}
    clock.start()
    for user, sender, count in ((4711, "shop@example.com", 30),
                                (4712, "cron@example.com", 20),
                                (4712, "news@example.com", 1)):
        for number in range(count):
            done = daemon.sendmail(
                "-f", sender, f"u{number}@example.net", user=user,
                input=b"Subject: number %d\n\nhello\n" % number)
            assert done.returncode == 0, done.stderr
    wait_until(lambda: daemon.relay_state()["state"] == "open", "the breaker")
    clock.sleep(DAY + HOUR)
    wait_until(lambda: daemon.relay_state() and daemon.api("/v1/status")[1]
               ["messages"]["expired"] == 51, "the expiry")
    relay.heal()
    clock.sleep(HOUR)
    wait_until(lambda: daemon.api("/v1/relays/office/resume", "POST") and
               len(relay.messages) == 3, "the summaries")
    told = {m.recipients[0].split("<")[1].split(">")[0]: m.content.decode()
            for m in relay.messages}
    assert set(told) == {"shop@example.com", "cron@example.com",
                         "news@example.com"}
    assert "30 messages" in told["shop@example.com"]
    assert "20 messages" in told["cron@example.com"]
    assert "not now" in told["shop@example.com"]
    # One alone is told like any other.
    assert "report-type=delivery-status" in told["news@example.com"]
    wait_until(lambda: daemon.api("/v1/status")[1]["messages"]["queued"] == 0,
               "the end")
    assert len(relay.messages) == 3
