"""What an administrator reads of ten troubles: what is wrong, since when, and
which command helps."""

import re

import pytest

from conftest import wait_until

LOGIN = {"username": "user", "password": "secret", "authentication": True}


def texts(daemon, queue_id):
    """status and show, as people see them."""
    both = [daemon.ctl("status"), daemon.ctl("show", queue_id)]
    for done in both:
        assert done.returncode == 0, done.stderr
    return [done.stdout.decode() for done in both]


# The relay's settings and replies, and what both texts say.
TROUBLES = {
    "nobody listens": (
        {"port": 1}, {}, ["cannot connect to 127.0.0.1:1", "refused",
                          "tried again in", "relaisctl relay test office"]),
    "no such name": (
        {"host": "smtp.nowhere.invalid"}, {},
        ["smtp.nowhere.invalid", "is held until someone acts",
         "relaisctl relay resume office"]),
    "wrong password": (
        LOGIN, {"AUTH": "535 5.7.8 bad credentials"},
        ["535 5.7.8 bad credentials (at auth)", "is held until someone acts",
         "relaisctl relay resume office"]),
    "quota": (
        {}, {"MAIL": "550 5.4.5 Daily user sending limit exceeded"},
        ["550 5.4.5 Daily user sending limit exceeded (at mail)",
         "does not work", "relaisctl relay test office"]),
    "no encryption": (
        {"security": "starttls"}, {},
        ["STARTTLS is required here and was not offered",
         "relaisctl relay test office"]),
    "service closed": (
        {}, {"CONNECT": "554 5.7.1 no service"},
        ["554 5.7.1 no service (at greeting)", "does not work"]),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_a_relay_in_trouble_tells_what_helps(daemon, relay, name):
    settings, replies, words = TROUBLES[name]
    for verb, reply in replies.items():
        relay.always(verb, reply)
    if "username" in settings:
        relay.users = {"user": "other"}
    daemon.use_relay(relay, **settings)
    daemon.start()
    queue_id = daemon.send()
    daemon.wait_for_relay("open", "held")
    for text in texts(daemon, queue_id):
        for word in words:
            assert word in text, (word, text)
        assert re.search(r"(now|\d+ s ago)\)", text), text
    shown = texts(daemon, queue_id)[1]
    assert re.search(r"^ +since 20[^?]*\)$", shown, re.M), shown
    assert re.search(r"^ +relaisctl relay \w+ office$", shown, re.M), shown
    # The cause and the next step in plain words, where they are known.
    fault = daemon.relay_state()["fault"]
    if fault["explain"]:
        assert fault["explain"] in shown
        assert fault["next"] in shown


def test_a_relay_that_is_disabled_or_paused_says_so(daemon, relay):
    relay.always("RCPT", "451 4.3.0 later")
    daemon.use_relay(relay)
    daemon.start()
    queue_id = daemon.send()
    wait_until(lambda: daemon.show(queue_id)["recipients"][0]["attempts"],
               "the attempt")
    assert daemon.ctl("relay", "pause", "office").returncode == 0
    daemon.wait_for_relay("paused")
    for text in texts(daemon, queue_id):
        assert "is paused" in text
        assert "relaisctl relay resume office" in text
    assert daemon.ctl("relay", "resume", "office").returncode == 0
    daemon.wait_for_relay("closed")
    daemon.settings["relays"]["office"]["enabled"] = False
    daemon.reload()
    wait_until(lambda: not daemon.relay_state()["enabled"], "the reload")
    for text in texts(daemon, queue_id):
        assert "is disabled" in text
        assert "relaisctl relay enable office" in text
        assert "Nothing is wrong" not in text
    assert daemon.show(queue_id)["recipients"][0]["next_attempt"] is None


def test_mail_that_the_brake_holds_says_so(daemon, relay):
    relay.always("MAIL", "554 5.7.1 this account may not send")
    daemon.use_relay(relay, limits={"connections": 1})
    daemon.start()
    queue_id = [daemon.send() for _ in range(6)][-1]
    wait_until(lambda: "event=brake" in daemon.log_text(), "the brake")
    for text in texts(daemon, queue_id):
        assert "all mail was refused in the same words" in text
        assert "554 5.7.1 this account may not send" in text
    message = daemon.show(queue_id)
    assert message["state"] == "queued" and message["hold"]["until"]
    assert message["recipients"][0]["next_attempt"] == \
        message["hold"]["until"]


def test_an_unknown_outcome_is_explained(daemon, relay):
    relay.answer(".", "DROP")
    daemon.use_relay(relay)
    daemon.start()
    queue_id = daemon.send()
    wait_until(lambda: daemon.show(queue_id)["recipients"][0]["attempts"],
               "the attempt")
    shown = texts(daemon, queue_id)[1]
    assert "may or may not have taken the message" in shown
    assert "may have arrived already" in shown
    assert "next in 1" in shown
    assert daemon.ctl("retry", queue_id).returncode == 0
    daemon.wait_for_state(queue_id, "delivered")
    assert "delivered, 2 attempts, maybe twice" in texts(daemon, queue_id)[1]


def test_a_rate_that_is_used_up_says_when_it_goes_on(daemon, relay):
    daemon.use_relay(relay, limits={"rate": "2/h"})
    daemon.start()
    queue_id = [daemon.send() for _ in range(4)][-1]
    relay.wait_for_messages(2)
    wait_until(lambda: daemon.api("/v1/status")[1]["messages"]["delivering"]
               == 0, "the rest")
    shown = texts(daemon, queue_id)[1]
    assert "has had as much as its rate allows; goes on in" in shown, shown
