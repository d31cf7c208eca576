"""The event stream: what happens, in order, with nothing left out."""

import json
import socket

import pytest

from conftest import PATIENCE, UnixHTTPConnection, wait_until
from test_control_access import WEB, as_user


class Events:
    """A stream that has begun."""

    def __init__(self, daemon, query="", headers=None):
        self.connection = UnixHTTPConnection(daemon.control)
        self.connection.request("GET", f"/v1/events{query}",
                                headers=headers or {})
        self.answer = self.connection.getresponse()
        if self.answer.status == 200:
            assert self.answer.getheader("Content-Type") == (
                "text/event-stream")
            assert self.answer.readline().startswith(b": events after ")
            assert self.answer.readline() == b"\n"

    def __iter__(self):
        return self

    def __next__(self):
        """The next event as (number, word, data)."""
        event = {}
        while True:
            line = self.answer.readline().decode().rstrip("\n")
            if line == "" and "data" in event:
                return (int(event["id"]), event["event"],
                        json.loads(event["data"]))
            name, _, value = line.partition(": ")
            if name:
                event[name] = value

    def close(self):
        self.connection.close()


def test_tells_of_each_message_as_it_happens(relaisd):
    events = Events(relaisd)
    queue_id = relaisd.send(to="a@example.org")
    number, word, accepted = next(events)
    assert word == accepted["event"] == "accepted"
    assert accepted["id"] == queue_id
    assert accepted["sender"] == "app@example.com"
    assert accepted["sequence"] == number
    after, word, delivered = next(events)
    assert word == "delivered"
    assert after > number
    assert delivered["recipients"] == ["a@example.org"]
    assert delivered["relay"] == "capture"
    events.close()


def test_resumes_after_a_number(relaisd):
    ids = [relaisd.send() for _ in range(3)]
    for queue_id in ids:
        relaisd.wait_for_state(queue_id, "delivered")
    events = Events(relaisd, "?since=0")
    first = [next(events) for _ in range(6)]
    events.close()
    numbers = [number for number, _, _ in first]
    assert numbers == sorted(set(numbers))
    assert [d["id"] for _, word, d in first if word == "accepted"] == ids
    again = Events(relaisd, headers={"Last-Event-ID": str(numbers[3])})
    assert next(again)[0] == numbers[4]
    again.close()


def test_a_number_from_elsewhere_is_410(relaisd):
    status, answer = relaisd.api("/v1/events?since=1000000")
    assert status == 410
    assert answer["error"]["code"] == "events_gone"
    assert relaisd.api("/v1/events?since=x")[0] == 400


def test_replays_a_thousand_without_a_gap(relaisd):
    sent = set()
    with relaisd.smtp() as client:
        client.ehlo_or_helo_if_needed()
        for _ in range(1000):
            client.mail("a@example.com")
            client.rcpt("b@example.com")
            sent.add(client.data(b"x")[1].decode().split()[-1])
    events = Events(relaisd, "?since=0")
    accepted = []
    last = 0
    delivered = set()
    while len(delivered) < 1000:
        number, word, data = next(events)
        assert number > last
        last = number
        if word == "accepted":
            accepted.append(data["id"])
        else:
            delivered.add(data["id"])
    events.close()
    assert accepted == sorted(sent)
    assert delivered == sent


def test_a_reader_that_sleeps_costs_no_memory(relaisd):
    """It is sent what its socket holds, and gets the rest when it wakes."""
    sleeper = socket.socket(socket.AF_UNIX)
    sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sleeper.settimeout(PATIENCE)
    sleeper.connect(str(relaisd.control))
    sleeper.sendall(b"GET /v1/events HTTP/1.1\r\n\r\n")
    assert sleeper.recv(1) == b"H"
    with relaisd.smtp() as client:
        client.ehlo_or_helo_if_needed()
        for _ in range(2000):
            client.mail("a@example.com")
            client.rcpt("b@example.com")
            last = client.data(b"x")[1].decode().split()[-1]
    relaisd.wait_for_state(last, "delivered")
    assert relaisd.api("/v1/status")[0] == 200
    text = b""
    while text.count(b"event: delivered") < 2000:
        data = sleeper.recv(1 << 20)
        assert data
        text += data
    sleeper.close()


def test_users_hear_of_their_own_and_have_one_stream(relaisd):
    relaisd.send()

    def listen():
        events = Events(relaisd)
        second = Events(relaisd)
        queue_id = relaisd.send()
        number, word, data = next(events)
        events.close()
        return [second.answer.status, queue_id, data["id"], word]

    status, sent, heard, word = as_user(WEB, listen)
    assert status == 429
    assert heard == sent
    assert word == "accepted"

    def replay():
        events = Events(relaisd, "?since=0")
        return [next(events)[2]["id"] for _ in range(2)]

    wait_until(lambda: relaisd.show(sent)["state"] == "delivered", "it")
    assert as_user(WEB, replay) == [sent, sent]
