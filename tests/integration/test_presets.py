"""The limits of a provider are kept, each kind, and give way to the settings."""

import pytest

from conftest import Relay, wait_until


def preset(daemon, relay, provider, **keys):
    """Its limits, at our own peer."""
    daemon.use_relay(relay, provider=provider, **keys)
    return daemon.start()


@pytest.mark.parametrize("limits, most", [({}, 1), ({"connections": 3}, 3)])
def test_connections(daemon, relay, limits, most):
    gate = relay.hold(".")
    preset(daemon, relay, "outlook-com", limits={"rate": "1000/s", **limits})
    ids = [daemon.send() for _ in range(6)]
    relay.wait_for(lambda: relay.most_at_once == most)
    gate.set()
    for queue_id in ids:
        daemon.wait_for_state(queue_id, "delivered")
    assert relay.most_at_once == most


@pytest.mark.parametrize("limits, most", [
    ({}, 5), ({"messages_per_connection": 8}, 8)])
def test_messages_per_connection(daemon, relay, limits, most):
    preset(daemon, relay, "icloud",
           limits={"rate": "1000/s", "connections": 1, **limits})
    for _ in range(11):
        daemon.send()
    relay.wait_for_messages(11)
    counts = [sum(m.session is session for m in relay.messages)
              for session in relay.sessions]
    assert max(counts) == most, counts


@pytest.mark.parametrize("limits, first", [({}, 5), ({"rate": "7/h"}, 7)])
def test_rate(daemon, relay, limits, first):
    preset(daemon, relay, "ionos", limits=limits)
    ids = [daemon.send() for _ in range(9)]
    relay.wait_for_messages(first)

    def reason():
        return daemon.relay_state("office")["queued"] == 9 - first

    wait_until(reason, "the rest to wait")
    states = [daemon.show(queue_id)["state"] for queue_id in ids]
    assert states.count("delivered") == first, states
    assert len(relay.messages) == first


@pytest.mark.parametrize("limits, most", [({}, 50), ({"recipients": 60}, 60)])
def test_recipients(daemon, relay, limits, most):
    preset(daemon, relay, "amazon-ses",
           limits={"rate": "1000/s", **limits})
    queue_id = daemon.send(to=[f"u{n}@example.net" for n in range(60)])
    daemon.wait_for_state(queue_id, "delivered")
    assert max(len(m.recipients) for m in relay.messages) == most
    assert sum(len(m.recipients) for m in relay.messages) == 60


LARGE = "Subject: large\r\n\r\n" + ("x" * 76 + "\r\n") * 30000  # 2.2 MiB


@pytest.mark.parametrize("announced, limits, is_taken", [
    ("SIZE 0", {}, False),                  # oracle-oci takes 2 MiB
    ("SIZE", {}, False),
    ("SIZE 10000000", {}, True),            # what the relay says counts
    ("SIZE 0", {"size": "3MiB"}, True),
    ("SIZE 0", {"size": "off"}, True),
    ("SIZE 10000000", {"size": "1MiB"}, False),
])
def test_size(daemon, announced, limits, is_taken):
    with Relay(extensions=["8BITMIME", announced]) as relay:
        preset(daemon, relay, "oracle-oci", limits=limits)
        queue_id = daemon.send(LARGE)
        if is_taken:
            daemon.wait_for_state(queue_id, "delivered")
            return
        message = daemon.wait_for_state(queue_id, "failed")
        reply = message["recipients"][0]["reply"]
        assert reply["enhanced"] == "5.3.4" and "octets" in reply["text"]
        assert not relay.contents
