"""The brake: a relay that refuses everything bounces three, not thousands."""

import time

import pytest

from conftest import wait_until

REFUSAL = "554 5.7.1 this account may not send, ask for help"


@pytest.fixture
def braking(daemon, relay):
    daemon.use_relay(relay, limits={"connections": 1})
    return daemon


def states(daemon):
    found = [m["state"] for m in daemon.api("/v1/messages")[1]["messages"]
             if not m["bounce"]]
    return {state: found.count(state) for state in set(found)}


def submit_as(daemon, user, sender, count):
    for number in range(count):
        done = daemon.sendmail("-f", sender, "user@example.net",
                               input=b"Subject: %d\n\nhello\n" % number,
                               user=user)
        assert done.returncode == 0, done.stderr


def test_one_submitter_is_held_and_the_others_go_on(braking, relay):
    relay.always("MAIL", lambda line: REFUSAL if "bad" in line else None)
    braking.start()
    submit_as(braking, 4711, "bad@example.com", 8)
    wait_until(lambda: "event=brake" in braking.log_text(), "the brake")
    assert states(braking) == {"failed": 3, "queued": 5}
    submit_as(braking, 4712, "good@example.com", 3)
    wait_until(lambda: states(braking).get("delivered") == 3, "the others")
    assert braking.relay_state()["state"] == "closed"
    problems = braking.api("/v1/status")[1]["problems"]
    assert any("4711" in p["what"] and "relay resume" in p["next"]
               for p in problems), problems

    # Somebody mends it and says so.
    relay.never_mind("MAIL")
    assert braking.ctl("relay", "resume", "office").returncode == 0
    wait_until(lambda: states(braking) == {"failed": 3, "delivered": 8},
               "the rest")


def test_what_is_under_way_with_the_third_is_one_message_a_connection(
        daemon, relay):
    relay.always(".", REFUSAL)
    daemon.use_relay(relay, limits={"connections": 5})
    daemon.start()
    assert daemon.ctl("relay", "pause", "office").returncode == 0
    submit_as(daemon, 4711, "bad@example.com", 40)
    assert daemon.ctl("relay", "resume", "office").returncode == 0
    wait_until(lambda: "event=brake" in daemon.log_text(), "the brake")
    wait_until(lambda: daemon.api("/v1/status")[1]["messages"]["delivering"]
               == 0, "the rest")
    assert 3 <= states(daemon)["failed"] <= 2 + 5


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_submitter_stays_held_over_a_restart(braking, relay, how):
    relay.always("MAIL", lambda line: REFUSAL if "bad" in line else None)
    braking.start()
    submit_as(braking, 4711, "bad@example.com", 8)
    wait_until(lambda: "event=brake" in braking.log_text(), "the brake")
    # Three in a row, or one or two more that were under way with the third.
    wait_until(lambda: braking.api("/v1/status")[1]["messages"]["delivering"]
               == 0, "the rest")
    failed = states(braking)["failed"]
    assert 3 <= failed <= 5
    (before,) = braking.api("/v1/status")[1]["problems"]
    if how == "stop":
        braking.stop()
    else:
        # It is written once a second.
        time.sleep(2)
        braking.kill()
    braking.start()
    submit_as(braking, 4711, "bad@example.com", 1)
    submit_as(braking, 4712, "good@example.com", 1)
    wait_until(lambda: states(braking).get("delivered"), "the other")
    assert states(braking) == {
        "failed": failed, "queued": 9 - failed, "delivered": 1}
    (after,) = braking.api("/v1/status")[1]["problems"]
    assert after["what"] == before["what"]
    assert after["since"][:18] == before["since"][:18]


def test_the_relay_is_held_that_refuses_different_people(braking, relay):
    relay.always(".", REFUSAL)
    braking.start()
    for turn in range(3):
        submit_as(braking, 4711, "one@example.com", 1)
        submit_as(braking, 4712, "two@example.com", 1)
    wait_until(lambda: braking.relay_state()["state"] == "held", "the hold")
    found = states(braking)
    assert found["failed"] == 3 and found["queued"] == 3
    assert "refused in the same words" in braking.relay_state()["reason"]

    # A probe that meets the same again is no end for its message.
    braking.reload()
    wait_until(lambda: len(relay.contents) >= 4, "the probe")
    wait_until(lambda: braking.relay_state()["state"] == "held", "the hold")
    assert states(braking)["failed"] == 3
    relay.never_mind(".")
    braking.reload()
    wait_until(lambda: states(braking) == {"failed": 3, "delivered": 3},
               "the rest")


def test_a_success_between_lets_the_brake_go(braking, relay):
    relay.always("MAIL", lambda line: REFUSAL if "bad" in line else None)
    braking.start()
    for turn in range(3):
        submit_as(braking, 4711, "bad@example.com", 2)
        submit_as(braking, 4711, "good@example.com", 1)
        wait_until(lambda: states(braking).get("delivered") == turn + 1,
                   "the success")
    wait_until(lambda: states(braking) == {"failed": 6, "delivered": 3},
               "the ends")
    assert "event=brake" not in braking.log_text()
