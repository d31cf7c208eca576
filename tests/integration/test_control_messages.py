"""The control API: messages are listed, shown, held, retried, cancelled."""

import re
import socket
import threading

import pytest

from conftest import PATIENCE, UnixHTTPConnection, wait_until


@pytest.fixture
def deferring(daemon, relay):
    """A daemon whose relay puts every recipient off."""
    relay.always("RCPT", "451 4.7.1 come back later")
    daemon.use_relay(relay)
    return daemon.start()


def wait_for_attempt(daemon, queue_id):
    """The message once its first attempt is over."""
    def is_over():
        message = daemon.show(queue_id)
        return message["recipients"][0]["reply"] and message["state"] != (
            "delivering") and message

    return wait_until(is_over, "an attempt")


def test_shows_the_documented_shape(deferring):
    queue_id = deferring.send(to=["a@example.org"])
    message = wait_for_attempt(deferring, queue_id)
    assert message["id"] == queue_id
    assert message["state"] == "queued"
    assert message["submitter"] == {"uid": 0, "user": "root"}
    assert message["sender"] == "app@example.com"
    assert message["priority"] == "normal"
    assert message["relay"] == "office"
    assert message["message_id"].startswith("<")
    assert message["hold"] is None and message["tag"] is None
    assert message["has_content"] is True
    recipient, = message["recipients"]
    assert recipient["address"] == "a@example.org"
    assert recipient["state"] == "waiting"
    assert recipient["attempts"] == 1
    assert recipient["next_attempt"].endswith("Z")
    assert recipient["maybe_duplicate"] is False
    assert recipient["reply"]["code"] == 451
    assert recipient["reply"]["enhanced"] == "4.7.1"
    assert recipient["reply"]["text"] == "come back later"
    accepted, deferred = message["timeline"]
    assert accepted["event"] == "accepted"
    assert deferred["event"] == "deferred"
    assert deferred["recipients"] == ["a@example.org"]
    assert deferred["phase"] == "rcpt"
    assert deferred["scope"] == "recipient"
    assert deferred["charged"] is True
    assert deferred["relay"] == "office"
    assert deferred["host"].startswith("127.0.0.1:")


def test_pages_are_whole_and_in_order(deferring):
    ids = [deferring.send(to=f"u{n}@example.org") for n in range(7)]
    seen = []
    cursor = ""
    for _ in range(10):
        status, page = deferring.api(f"/v1/messages?limit=3{cursor}")
        assert status == 200
        assert len(page["messages"]) <= 3
        assert all("timeline" not in m for m in page["messages"])
        seen += [m["id"] for m in page["messages"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == ids[::-1]


def test_filters_narrow_the_list(deferring):
    first = deferring.send(sender="a@one.example", to="x@example.org")
    second = deferring.send(sender="b@two.example", to="y@example.net")
    wait_for_attempt(deferring, first)
    wait_for_attempt(deferring, second)

    def listed(query):
        status, page = deferring.api(f"/v1/messages?{query}")
        assert status == 200, page
        return {m["id"] for m in page["messages"]}

    assert listed("sender=a@one.example") == {first}
    assert listed("sender=@two.example") == {second}
    assert listed("recipient=y@example.net") == {second}
    assert listed("recipient=@example.org") == {first}
    assert listed("relay=office") == {first, second}
    assert listed("relay=elsewhere") == set()
    assert listed("submitter=root") == {first, second}
    assert listed("submitter=33") == set()
    assert listed("state=queued") == {first, second}
    assert listed("state=held") == set()
    assert listed("state=held,queued") == {first, second}
    assert listed("state=waiting") == {first, second}
    assert listed("since=2026-01-01T00:00:00Z") == {first, second}
    assert listed("since=2999-01-01T00:00:00Z") == set()
    assert listed("tag=none") == set()


@pytest.mark.parametrize("query", [
    "state=lost", "limit=0", "limit=501", "limit=x", "cursor=x",
    "since=yesterday", "colour=red", "submitter=nobody-has-this-name",
])
def test_bad_queries_say_what_was_expected(relaisd, query):
    status, answer = relaisd.api(f"/v1/messages?{query}")
    assert status == 400
    assert answer["error"]["code"] == "bad_query"
    assert query.split("=")[0] in answer["error"]["message"]


def test_delivering_is_shown_while_it_lasts(daemon, relay):
    gate = relay.hold(".")
    daemon.use_relay(relay)
    daemon.start()
    queue_id = daemon.send()
    daemon.wait_for_state(queue_id, "delivering")
    assert [m["id"] for m in daemon.api("/v1/messages?state=delivering")[1][
        "messages"]] == [queue_id]
    assert daemon.api("/v1/messages?state=queued")[1]["messages"] == []
    assert daemon.api("/v1/status")[1]["messages"]["delivering"] == 1
    gate.set()
    daemon.wait_for_state(queue_id, "delivered")
    assert daemon.api("/v1/messages?state=delivering")[1]["messages"] == []


def test_unknown_ids_and_paths_are_404(relaisd):
    for path in ["/v1/messages/0000000000000", "/v1/messages/nonsense",
                 "/v1/nothing", "/"]:
        status, answer = relaisd.api(path)
        assert status == 404, path
        assert answer["error"]["message"]
    status, answer = relaisd.api("/v1/status", method="DELETE")
    assert status == 405
    assert answer["error"]["code"] == "no_such_method"


def test_content_is_what_was_submitted(deferring):
    body = "".join(f"line {n}\r\n" for n in range(30000))
    content = ("Subject: big\r\nFrom: a@example.com\r\nMessage-ID: <1@x>\r\n"
               "Date: Mon, 23 Nov 2026 18:40:01 +0000\r\n\r\n" + body)
    queue_id = deferring.send(content)
    connection = UnixHTTPConnection(deferring.control)
    connection.request("GET", f"/v1/messages/{queue_id}/content")
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.getheader("Content-Type") == "message/rfc822"
    assert answer.read().decode() == content
    # The connection lives on behind a long answer.
    connection.request("GET", "/v1/status")
    assert connection.getresponse().status == 200
    connection.close()
    wait_until(lambda: f"action=read_content id={queue_id} uid=0" in
               deferring.log_text(), "the audit event")


def test_content_of_delivered_mail_is_gone(relaisd):
    queue_id = relaisd.send()
    relaisd.wait_for_state(queue_id, "delivered")
    status, answer = relaisd.api(f"/v1/messages/{queue_id}/content")
    assert status == 410
    assert answer["error"]["code"] == "content_gone"


def test_hold_and_release(deferring, relay):
    queue_id = deferring.send()
    wait_for_attempt(deferring, queue_id)
    status, message = deferring.api(f"/v1/messages/{queue_id}/hold", "POST", {
        "reason": "wait for the lawyers", "until": "2999-01-01T00:00:00Z"})
    assert status == 200, message
    assert message["state"] == "held"
    assert message["hold"]["until"] == "2999-01-01T00:00:00.000Z"
    assert message["hold"]["reason"] == "wait for the lawyers (root)"
    assert message["recipients"][0]["next_attempt"] is None
    assert message["timeline"][-1]["event"] == "held"
    status, answer = deferring.api(f"/v1/messages/{queue_id}/retry", "POST")
    assert status in (200, 409)

    relay.never_mind("RCPT")
    status, message = deferring.api(f"/v1/messages/{queue_id}/release", "POST")
    assert status in (200, 202), message
    message = deferring.wait_for_state(queue_id, "delivered")
    assert "released" in [e["event"] for e in message["timeline"]]


def test_retry_makes_it_due_now(deferring, relay):
    queue_id = deferring.send()
    wait_for_attempt(deferring, queue_id)
    relay.never_mind("RCPT")
    status, _ = deferring.api(f"/v1/messages/{queue_id}/retry", "POST")
    assert status in (200, 202)
    deferring.wait_for_state(queue_id, "delivered")


def test_cancel_ends_what_waits(deferring):
    queue_id = deferring.send(to=["a@example.org", "b@example.org"])
    wait_for_attempt(deferring, queue_id)
    status, message = deferring.api(f"/v1/messages/{queue_id}/cancel", "POST",
                                    {"reason": "sent by mistake"})
    assert status == 200
    assert message["state"] == "cancelled"
    assert {r["state"] for r in message["recipients"]} == {"cancelled"}
    assert "sent by mistake" in message["timeline"][-1]["text"]
    status, answer = deferring.api(f"/v1/messages/{queue_id}/cancel", "POST")
    assert status == 409
    assert "cancelled" in answer["error"]["message"]


def test_the_verdict_wins_over_a_late_cancel(daemon, relay):
    gate = relay.hold(".")
    daemon.use_relay(relay)
    daemon.start()
    queue_id = daemon.send()
    daemon.wait_for_state(queue_id, "delivering")
    relay.wait_for(lambda: relay.contents)
    status, message = daemon.api(f"/v1/messages/{queue_id}/cancel", "POST")
    assert status == 202
    assert message["state"] == "delivering"
    gate.set()
    message = daemon.wait_for_state(queue_id, "delivered")
    assert len(relay.messages) == 1


def test_cancel_while_delivering_holds_if_the_attempt_fails(daemon, relay):
    gate = relay.hold("RCPT")
    relay.always("RCPT", "451 4.7.1 later")
    daemon.use_relay(relay)
    daemon.start()
    queue_id = daemon.send()
    daemon.wait_for_state(queue_id, "delivering")
    status, _ = daemon.api(f"/v1/messages/{queue_id}/cancel", "POST")
    assert status == 202
    gate.set()
    daemon.wait_for_state(queue_id, "cancelled")


def test_bad_orders_are_422(deferring):
    queue_id = deferring.send()
    for order in [{"colour": "red"}, {"until": "yesterday"}, {"reason": 1}]:
        status, answer = deferring.api(f"/v1/messages/{queue_id}/hold", "POST",
                                       order)
        assert status == 422, order
        assert answer["error"]["code"] == "bad_order"
    assert deferring.show(queue_id)["state"] != "held"


def test_bulk_changes_what_the_filter_says(deferring):
    ids = [deferring.send(sender=f"s{n % 2}@example.com") for n in range(230)]
    odd = {q for n, q in enumerate(ids) if n % 2}
    for queue_id in ids:
        wait_for_attempt(deferring, queue_id)
    order = {"filter": {"sender": "s1@example.com"}, "dry_run": True}
    status, answer = deferring.api("/v1/messages:hold", "POST", order)
    assert status == 200
    assert answer["matched"] == 115 and answer["changed"] == 0
    assert deferring.api("/v1/status")[1]["messages"]["held"] == 0

    order["dry_run"] = False
    status, answer = deferring.api("/v1/messages:hold", "POST", order)
    assert (answer["matched"], answer["failed"]) == (115, 0)
    assert answer["changed"] + answer["accepted"] == 115
    assert deferring.api("/v1/status")[1]["messages"]["held"] == 115

    status, answer = deferring.api("/v1/messages:cancel", "POST",
                                   {"filter": {"state": "held"}})
    assert answer["changed"] == 115
    states = {q: deferring.show(q)["state"] for q in ids}
    assert {q for q in ids if states[q] == "cancelled"} == odd

    status, answer = deferring.api("/v1/messages:release", "POST",
                                   {"filter": {}})
    assert (status, answer["matched"]) == (200, 0)


def test_bulk_stops_when_its_client_leaves(relaisd):
    assert relaisd.api("/v1/relays/capture/pause", "POST")[0] == 200
    total = 3200

    def submit():
        with relaisd.smtp() as client:
            client.ehlo_or_helo_if_needed()
            for _ in range(total // 32):
                client.mail("a@example.com")
                client.rcpt("b@example.com")
                client.data(b"x")

    threads = [threading.Thread(target=submit) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert relaisd.api("/v1/status")[1]["messages"]["queued"] == total
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(str(relaisd.control))
        client.sendall(b"POST /v1/messages:cancel HTTP/1.1\r\n"
                       b"Content-Length: 14\r\n\r\n"
                       b'{"filter": {}}')
        # More than one page: the answer begins before all is done.
        assert client.recv(1) == b"H"

    def audit_line():
        return re.search(r"action=cancel messages=(\d+) uid=0",
                         relaisd.log_text())

    done = int(wait_until(audit_line, "the end of the change").group(1))
    counts = relaisd.api("/v1/status")[1]["messages"]
    assert 0 < done < total
    assert counts["cancelled"] == done
    assert counts["queued"] == total - done


def test_bulk_needs_a_filter(deferring):
    queue_id = deferring.send()
    status, answer = deferring.api("/v1/messages:cancel", "POST", {})
    assert status == 422
    assert answer["error"]["code"] == "no_filter"
    assert deferring.show(queue_id)["state"] != "cancelled"


def test_wait_answers_when_the_message_ends(daemon, relay):
    gate = relay.hold(".")
    daemon.use_relay(relay)
    daemon.start()
    queue_id = daemon.send()
    daemon.wait_for_state(queue_id, "delivering")
    answers = []
    waiter = threading.Thread(target=lambda: answers.append(
        daemon.api(f"/v1/messages/{queue_id}?wait=60")))
    waiter.start()
    gate.set()
    waiter.join(60)
    status, message = answers[0]
    assert status == 200
    assert message["state"] == "delivered"


def test_wait_gives_up_in_time(deferring):
    queue_id = deferring.send()
    status, message = deferring.api(f"/v1/messages/{queue_id}?wait=1")
    assert status == 200
    assert message["recipients"][0]["state"] == "waiting"
    status, _ = deferring.api(f"/v1/messages/{queue_id}?wait=301")
    assert status == 400


def test_foreign_octets_are_still_json(daemon, relay):
    relay.always("RCPT", "451 4.7.1 sp\u00e4ter")
    relay.always("RCPT", lambda line: "451 4.7.1 \ufffd\u00e4 \x1b[2J")
    daemon.use_relay(relay)
    daemon.start()
    queue_id = daemon.send(to="odd\"quote'@example.org".replace('"', ""))
    message = wait_for_attempt(daemon, queue_id)
    text = message["recipients"][0]["reply"]["text"]
    assert "\u00e4" in text and "\x1b" not in text
