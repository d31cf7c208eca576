"""What failed goes out again, while its content is kept."""

import pytest

from conftest import wait_until


@pytest.fixture
def failing(daemon, relay):
    relay.always("RCPT", lambda line: "550 5.1.1 no such user"
                 if "bad" in line else None)
    daemon.use_relay(relay)
    return daemon.start()


def content_of(relay):
    """What was received, below our trace fields."""
    return [m.content.split(b"Subject:", 1)[1] for m in relay.messages
            if not m.sender.startswith("<>")]


def test_sends_again_what_failed_and_only_that(failing, relay):
    # With a Date of its own: one that is added is the new message's.
    body = ("Date: Mon, 23 Nov 2026 18:40:01 +0000\r\nSubject: twice\r\n"
            "Message-ID: <a@example.com>\r\n\r\nhello\r\n")
    queue_id = failing.send(body, to=["good@example.net", "bad1@example.net",
                                      "bad2@example.net"])
    failing.wait_for_state(queue_id, "partial")
    relay.never_mind("RCPT")
    status, new = failing.api(f"/v1/messages/{queue_id}/resend", "POST", {})
    assert status == 200 and new["id"] != queue_id
    assert [r["address"] for r in new["recipients"]] == [
        "bad1@example.net", "bad2@example.net"]
    failing.wait_for_state(new["id"], "delivered")
    first, second = content_of(relay)
    assert first == second
    (resent,) = [e for e in failing.show(queue_id)["timeline"]
                 if e["event"] == "resent"]
    assert new["id"] in resent["text"]


def test_a_large_body_is_not_copied(failing, relay):
    body = "Subject: large\r\n\r\n" + ("x" * 70 + "\r\n") * 50000
    queue_id = failing.send(body, to="bad@example.net")
    failing.wait_for_state(queue_id, "failed")
    used = failing.api("/v1/status")[1]["store"]["bytes_used"]
    relay.never_mind("RCPT")
    words = failing.ctl("resend", queue_id).stdout.decode().split()
    new = failing.wait_for_state(words[-1], "delivered")
    assert new["size"] == failing.show(queue_id)["size"]
    assert content_of(relay)[-1].split(b"\r\n\r\n", 1)[1] == \
        body.split("\r\n\r\n", 1)[1].encode()
    # The first one has it still, and nobody has it twice.
    assert failing.show(queue_id)["has_content"] is True
    assert failing.api("/v1/status")[1]["store"]["bytes_used"] < used + 1e6
    again = failing.ctl("resend", queue_id)
    assert again.returncode == 0


def test_says_why_there_is_nothing_to_send_again(failing, relay):
    queue_id = failing.send()
    failing.wait_for_state(queue_id, "delivered")
    status, answer = failing.api(f"/v1/messages/{queue_id}/resend", "POST",
                                 {})
    assert status == 409
    assert "refused by nobody" in answer["error"]["message"]


def test_sends_many_again_by_a_selection(failing, relay):
    ids = [failing.send(to=f"bad{n}@example.net") for n in range(5)]
    for queue_id in ids:
        failing.wait_for_state(queue_id, "failed")
    relay.never_mind("RCPT")
    out = failing.ctl("resend", "--state", "failed", "--recipient",
                      "@example.net", "--yes")
    assert out.stdout == b"5 messages: sent again.\n"
    wait_until(lambda: len([m for m in relay.messages
                            if not m.sender.startswith("<>")]) == 5, "five")


def test_is_for_administrators(failing):
    queue_id = failing.send(to="bad@example.net")
    failing.wait_for_state(queue_id, "failed")
    out = failing.ctl("resend", queue_id, user=4711)
    assert out.returncode == 77
