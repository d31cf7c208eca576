"""What a relay gets is what was submitted, byte for byte, plus the header
changes that are documented (docs/architecture, section 6)."""

import random

import pytest

pytestmark = pytest.mark.one_try

HEADER = (
    b"From: App <app@example.com>\r\n"
    b"To: user@example.net\r\n"
    b"Date: Mon, 23 Nov 2026 18:40:01 +0000\r\n"
    b"Message-ID: <fixed@example.com>\r\n"
    b"Subject: bytes\r\n"
)


def twenty_mebibytes():
    """Lines of every length up to the limit, dots in every place."""
    dice = random.Random(7)
    lines, total = [], 0
    while total < 20 * 1024 * 1024:
        length = dice.choice((0, 1, 2, 60, 76, 500, 997, 998))
        line = bytes(dice.choices(b".abc XYZ=", k=length))
        lines.append(line + b"\r\n")
        total += len(line) + 2
    return b"".join(lines)


BODIES = {
    "short": b"hello\r\n",
    "empty": b"",
    "one_empty_line": b"\r\n",
    "dots": b".\r\n..\r\n.a\r\n...\r\na.\r\n.\r\n",
    "eight_bit": "Grüße, 你好\r\n".encode() + bytes(range(128, 256)) + b"\r\n",
    "line_of_998": b"x" * 998 + b"\r\n",
    "line_of_20000": b"y" * 20000 + b"\r\nend\r\n",
    "looks_like_commands": b"QUIT\r\nRSET\r\nMAIL FROM:<a@b>\r\n",
    "twenty_mebibytes": None,
}


def submit(relaisd, content):
    with relaisd.smtp() as client:
        client.ehlo()
        assert client.mail("app@example.com", ["BODY=8BITMIME"])[0] == 250
        assert client.rcpt("user@example.net")[0] == 250
        code, text = client.data(content)
        assert code == 250, text
    return text.decode().split()[-1]


@pytest.mark.parametrize("name", BODIES)
def test_relay_gets_the_submitted_bytes(daemon, relay, name):
    body = twenty_mebibytes() if BODIES[name] is None else BODIES[name]
    daemon.use_relay(relay)
    daemon.start()
    queue_id = submit(daemon, HEADER + b"\r\n" + body)
    daemon.wait_for_state(queue_id, "delivered")
    content = relay.messages[0].content

    received, rest = content.split(b"From: App", 1)
    assert received.startswith(b"Received: ")
    assert queue_id.encode() in received
    # One field on top, folded, and nothing else is changed.
    assert all(line[:1] in b" \t"
               for line in received.split(b"\r\n")[1:] if line)
    assert b"From: App" + rest == HEADER + b"\r\n" + body


def test_a_header_larger_than_a_piece_of_the_store_arrives_whole(
        daemon, relay):
    """It is put together of several, whatever their size is."""
    header = HEADER + b"".join(b"X-Field-%d: %s\r\n" % (i, b"x" * 900)
                               for i in range(200))
    daemon.use_relay(relay)
    daemon.start()
    queue_id = submit(daemon, header + b"\r\nhello\r\n")
    daemon.wait_for_state(queue_id, "delivered")
    content = relay.messages[0].content
    assert content.endswith(header + b"\r\nhello\r\n")


def test_content_without_a_final_newline_gets_one(daemon, relay):
    daemon.use_relay(relay)
    daemon.start()
    queue_id = submit(daemon, HEADER + b"\r\nno end")
    daemon.wait_for_state(queue_id, "delivered")
    assert relay.messages[0].content.endswith(b"\r\n\r\nno end\r\n")


def test_bare_line_feeds_become_line_ends(daemon, relay):
    import socket

    daemon.use_relay(relay)
    daemon.start()
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(daemon.socket))
    stream = client.makefile("rwb")
    stream.readline()
    for command in (b"HELO app", b"MAIL FROM:<app@example.com>",
                    b"RCPT TO:<user@example.net>", b"DATA"):
        stream.write(command + b"\r\n")
        stream.flush()
        assert stream.readline()[:1] in b"23"
    stream.write(HEADER.replace(b"\r\n", b"\n") + b"\nline\n.\n.two\r\n.\r\n")
    stream.flush()
    answer = stream.readline()
    assert answer.startswith(b"250"), answer
    stream.close()
    client.close()
    daemon.wait_for_state(answer.decode().split()[-1], "delivered")
    # LF.LF ends nothing: the dot is a line of its own.
    assert relay.messages[0].content.endswith(
        b"Subject: bytes\r\n\r\nline\r\n.\r\n.two\r\n")


def test_missing_fields_are_added_and_bcc_is_removed(daemon, relay):
    daemon.use_relay(relay)
    daemon.start()
    queue_id = submit(
        daemon,
        b"To: user@example.net\r\nBcc: secret@example.net\r\n"
        b"Subject: bare\r\nX-Relais-Key: k\r\n\r\nhello\r\n")
    daemon.wait_for_state(queue_id, "delivered")
    header, body = relay.messages[0].content.split(b"\r\n\r\n", 1)
    assert body == b"hello\r\n"
    assert b"\r\nDate: " in header
    assert b"\r\nMessage-ID: <" in header
    assert b"app@example.com" in header.split(b"\r\nFrom:")[1].split(b"\r\n")[0]
    assert b"secret" not in header
    assert b"X-Relais-Key" not in header


def test_every_attempt_sends_the_same_bytes(daemon, relay):
    daemon.use_relay(relay)
    daemon.settings["retry"] = {"first": "1s"}
    daemon.start()
    relay.answer(".", "451 4.3.0 not yet", "451 4.3.0 not yet")
    queue_id = submit(daemon, b"Subject: thrice\r\n\r\nhello\r\n")
    message = daemon.wait_for_state(queue_id, "delivered")
    assert message["recipients"][0]["attempts"] == 3
    first, second, third = relay.contents
    assert first == second == third
    assert b"\r\nMessage-ID: <" in first and b"\r\nDate: " in first
