"""What the administrator says that replies mean."""

from conftest import wait_until


def test_a_hint_decides_and_explains(daemon, relay):
    relay.always("RCPT", "550 5.7.1 Come back on Monday 4711")
    daemon.use_relay(relay)
    daemon.settings["retry"] = {"first": "1h"}
    daemon.settings["hints"] = [{
        "code": "55x", "text": "COME BACK * monday", "treat_as": "retry",
        "after": "2h", "explain": "The far side has a day off.",
        "next": "Wait until Monday."}]
    daemon.start()
    queue_id = daemon.send()

    def deferred():
        entry = daemon.show(queue_id)["timeline"][-1]
        return entry if entry["event"] == "deferred" else None

    entry = wait_until(deferred, "the attempt")
    assert entry["explain"] == "The far side has a day off."
    assert entry["next"] == "Wait until Monday."
    assert daemon.show(queue_id)["recipients"][0]["state"] == "waiting"
    shown = daemon.ctl("show", queue_id).stdout.decode()
    assert "The far side has a day off." in shown


def test_a_hint_is_for_the_relay_it_names(daemon, relay):
    relay.always("RCPT", "550 5.7.1 Come back on Monday")
    daemon.use_relay(relay)
    daemon.settings["relays"]["other"] = {"url": "maildir:/nowhere"}
    daemon.settings["default_relay"] = "office"
    daemon.settings["hints"] = [
        {"relay": "other", "text": "monday", "treat_as": "retry"},
        {"relay": "office", "enhanced": "x.7.1", "treat_as": "hold-relay"}]
    daemon.start()
    queue_id = daemon.send()
    wait_until(lambda: daemon.relay_state("office")["state"] == "held",
               "the hold")
    assert daemon.show(queue_id)["state"] == "queued"
    assert daemon.show(queue_id)["recipients"][0]["attempts"] == 0


def test_no_hint_bounces_what_was_said_before_mail(daemon, relay):
    relay.always("CONNECT", "554 5.7.1 Come back on Monday")
    daemon.use_relay(relay)
    daemon.settings["hints"] = [{"text": "monday", "treat_as": "bounce"}]
    daemon.start()
    queue_id = daemon.send()
    wait_until(lambda: daemon.relay_state()["state"] != "closed",
               "the breaker")
    assert daemon.show(queue_id)["state"] == "queued"


def test_a_hint_explains_a_bounce(daemon, relay):
    relay.always("RCPT", "550 5.1.1 gone fishing")
    daemon.use_relay(relay)
    daemon.settings["hints"] = [{
        "text": "gone fishing", "explain": "Grüße vom See.",
        "next": "Call him."}]
    daemon.start()
    queue_id = daemon.send()
    daemon.wait_for_state(queue_id, "failed")
    relay.never_mind("RCPT")
    (message,) = relay.wait_for_messages(1)
    assert b"Call him." in message.content
    assert b"Gr=C3=BC=C3=9Fe vom See." in message.content
