"""What docs/developers tells application developers, run as it stands there."""

import re
from concurrent import futures

import pytest

from conftest import SOURCE, wait_until

PAGE = (SOURCE / "docs" / "developers").read_text()
MESSAGE = ("From: Shop <shop@example.com>\nTo: user@example.net\n"
           "Subject: Your order\n\nis on its way.\n")
LANGUAGES = {
    "Shell": (["sh"], "main.sh", ()),
    "Python": (["/usr/bin/python3"], "main.py", ()),
    "PHP": (["php8.2", "-n"], "main.php", ("php",)),
    "Go": (["go", "run", "relais.go"], "main.go", ("go",)),
}


def code_of(chapter, language):
    """The block behind `LANGUAGE:` or `LANGUAGE, FILE:` of a chapter."""
    text = PAGE.split(f"\n{chapter}\n---")[1]
    block = re.search(rf"^{language}(?:, .*)?:\n\n((?:    .*\n|\n)+)", text,
                      re.M).group(1)
    return re.sub(r"^    ", "", block, flags=re.M)


@pytest.fixture(params=LANGUAGES)
def example(request, installed, script):
    """Runs a chapter's example in a language; what it prints."""
    command, name, peers = LANGUAGES[request.param]
    script("message.eml", MESSAGE)
    for language in ("Python", "PHP", "Go"):
        suffix = LANGUAGES[language][1].split(".")[1]
        script(f"relais.{suffix}", code_of("The beginning", language))

    def run(chapter, change=lambda code: code):
        script(name, change(code_of(chapter, request.param)))
        return installed([*command, name], *peers).stdout.decode()

    return run


def messages(relaisd):
    return relaisd.api("/v1/messages")[1]["messages"]


@pytest.mark.one_try
def test_send_exactly_once(relaisd, example):
    for _ in range(2):
        example("Send exactly once")
    (message,) = messages(relaisd)
    assert message["key"] == "order-4711-shipped"
    relaisd.wait_for_state(message["id"], "delivered")
    (letter,) = relaisd.captured()
    assert b"Subject: Your order" in letter.read_bytes()


def test_send_and_know_that_it_was_delivered(relaisd, example):
    assert example("Send and know").startswith("delivered ")
    assert len(relaisd.captured()) == 1


def test_send_and_know_that_it_was_refused(daemon, relay, example):
    relay.always("RCPT", "550 5.1.1 nobody of that name")
    daemon.use_relay(relay)
    daemon.start()
    assert example("Send and know").startswith("refused ")
    (message,) = messages(daemon)
    assert message["state"] == "failed"


def test_send_and_know_that_it_waits(daemon, relay, example):
    relay.always("RCPT", "451 4.2.1 later")
    daemon.use_relay(relay)
    daemon.start()
    said = example("Send and know", lambda code: re.sub(
        r"(?i)(wait=)30", r"\g<1>1", code))
    (message,) = messages(daemon)
    assert said.startswith("pending ") and message["id"] in said


def test_send_later(relaisd, example):
    example("Send later")
    (message,) = messages(relaisd)
    assert message["state"] == "cancelled" and message["not_before"]
    assert [entry["event"] for entry in relaisd.show(message["id"])[
        "timeline"]] == ["accepted", "rescheduled", "cancelled"]
    assert relaisd.captured() == []


def test_send_first(relaisd, example):
    example("Send first")
    (message,) = messages(relaisd)
    assert message["priority"] == "urgent" and message["deadline"]
    assert message["tag"] == "password"
    wait_until(relaisd.captured, "the captured message")


@pytest.mark.one_try
def test_exactly_once_outlives_a_restart_of_relaisd(daemon, example):
    """Begun while nobody listens, the example waits for relaisd."""
    with futures.ThreadPoolExecutor() as pool:
        first = pool.submit(example, "Send exactly once")
        daemon.start()
        first.result()
    daemon.kill()
    daemon.start()
    example("Send exactly once")
    (message,) = messages(daemon)
    daemon.wait_for_state(message["id"], "delivered")
    assert len(daemon.captured()) == 1
