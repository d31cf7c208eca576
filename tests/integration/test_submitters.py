"""Who may submit, as whom and how much (promise P7), by real processes of
another user."""

import pytest

USER = 65534
TEXT = b"From: %s\r\nTo: user@example.net\r\nSubject: hello\r\n\r\nhello\r\n"


@pytest.fixture
def bound(daemon):
    """USER has a rule; daemon.rule may be changed before the start."""
    daemon.rule = {"user": USER, "senders": ["@example.com"]}
    daemon.settings["submitters"] = [daemon.rule]
    return daemon


def send(daemon, author=b"www@example.com", sender="www@example.com",
         to=("user@example.net",), text=b""):
    return daemon.sendmail("-f", sender, *to, input=TEXT % author + text,
                           user=USER)


@pytest.mark.parametrize("author", [
    b"ceo@example.net",
    b"www@example.com, ceo@example.net",
    b'"ceo@example.net" <www@example.com>',
    b"=?utf-8?q?ceo=40example.net?= <www@example.com>",
    b"www@example.com\r\nSender: ceo@example.net",
    b"www@example.com\r\nFrom: www@example.com",
])
def test_refuses_another_author(bound, author):
    bound.start()
    done = send(bound, author)
    assert done.returncode != 0
    assert bound.api("/v1/messages")[1]["messages"] == []
    assert send(bound).returncode == 0


def test_refuses_another_envelope_sender(bound):
    bound.start()
    assert send(bound, sender="ceo@example.net").returncode != 0
    assert send(bound, sender="<>").returncode == 0


def test_holds_a_user_to_size_and_recipients(bound):
    bound.rule.update({"size": "10KiB", "recipients": 2})
    bound.start()
    large = (b"x" * 76 + b"\r\n") * 200
    assert send(bound, text=large).returncode != 0
    many = [f"user{n}@example.net" for n in range(3)]
    assert send(bound, to=many).returncode != 0
    assert bound.api("/v1/messages")[1]["messages"] == []
    assert send(bound, to=many[:2]).returncode == 0
    # Others are not held to it.
    assert bound.sendmail(*many, input=TEXT % b"root@example.com" + large
                          ).returncode == 0


def test_says_what_the_rate_is(bound):
    bound.rule.update({"rate": "2/h", "burst": 2})
    bound.start()
    assert send(bound).returncode == 0
    assert send(bound).returncode == 0
    done = send(bound)
    assert done.returncode != 0
    assert b"may send 2 in 3600 s" in done.stderr, done
