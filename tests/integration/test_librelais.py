"""librelais, through a program that uses nothing but relais.h."""

import collections
import os
import signal
import socket as socketlib
import subprocess
import threading
import time
import uuid

import pytest

from conftest import BUILD, PATIENCE, wait_until
from fake_relaisd import FakeRelaisd

CLIENT = BUILD / "tests" / "support" / "librelais_client"
LETTER = b"Subject: hello\n\nhello\n"

(OK, PENDING, FAILED, PARTIAL) = range(4)
(REJECTED, TRY_LATER, UNAVAILABLE, UNKNOWN, UNSUPPORTED, INVALID,
 BODY_UNREADABLE, NO_MEMORY, NO_SUCH_MESSAGE, TIMED_OUT) = range(16, 26)
STATE_QUEUED, STATE_DELIVERED, STATE_FAILED = 1, 16, 17

Answer = collections.namedtuple(
    "Answer", "result code error id recipient duplicate text")


def parse(line):
    words = line.decode().rstrip("\n").split(" ", 6)
    result, code, error, queue_id, recipient, duplicate, text = words
    return Answer(int(result), int(code), int(error), queue_id,
                  int(recipient), int(duplicate), text)


@pytest.fixture
def letter(directory):
    path = directory / "letter"
    path.write_bytes(LETTER)
    return path


class Client:
    """Runs the program with a socket; each call gives the answers."""

    def __init__(self, socket):
        self.environment = {**os.environ, "RELAIS_SOCKET": str(socket)}

    def words(self, how, path, *more, count=1, timeout=60000,
              sender="app@example.com"):
        more = more or ("user@example.net",)
        return [str(CLIENT), how, str(path), str(count), str(timeout), sender,
                *more]

    def start(self, *arguments, **options):
        return subprocess.Popen(self.words(*arguments, **options),
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                env=self.environment)

    def __call__(self, *arguments, **options):
        done = subprocess.run(self.words(*arguments, **options),
                              stdin=subprocess.DEVNULL, capture_output=True,
                              env=self.environment, timeout=PATIENCE)
        assert done.returncode == 0, done
        return [parse(line) for line in done.stdout.splitlines()
                if b" " in line]


@pytest.fixture
def socket(directory):
    return directory / "fake.sock"


@pytest.fixture
def fake(socket):
    with FakeRelaisd(socket) as server:
        yield server


@pytest.fixture
def client(socket):
    return Client(socket)


# ------------------------------------------------------- with a real relaisd


@pytest.mark.parametrize("how", ["memory", "fd", "stream"])
@pytest.mark.parametrize("size", [0, 1, 70, 65535, 65536, 65537, 3000000])
def test_queues_every_octet(relaisd, directory, how, size):
    line = b"0123456789abcdef" * 4 + b"\r\n"
    body = (line * (size // len(line) + 1))[:max(size - 2, 0)] + b"\r\n"
    body = body if size else b""
    path = directory / "letter"
    path.write_bytes(b"Subject: octets\r\n\r\n" + body)
    (answer,) = Client(relaisd.socket)(how, path)
    assert answer.result == OK and answer.code == 250, answer
    relaisd.wait_for_state(answer.id, "delivered")
    (captured,) = relaisd.captured()
    head, _, content = captured.read_bytes().partition(b"\n\n")
    assert content == body.replace(b"\r\n", b"\n"), head


@pytest.mark.parametrize("how", ["memory", "fd", "stream"])
def test_uses_one_session_for_many(relaisd, letter, how):
    answers = Client(relaisd.socket)(how, letter, count=20)
    assert [a.result for a in answers] == [OK] * 20
    assert sorted({a.id for a in answers}) == [a.id for a in answers]


def test_submits_a_batch_over_many_connections(relaisd, letter):
    answers = Client(relaisd.socket)("batch", letter, count=500)
    assert [a.result for a in answers] == [OK] * 500
    assert len({a.id for a in answers}) == 500
    wait_until(lambda: len(relaisd.captured()) == 500, "500 messages")


def test_batch_takes_no_time_out_for_an_excuse(daemon, letter):
    """Fewer connections than it would like to have."""
    daemon.settings["receive"]["connections"] = 3
    daemon.start()
    answers = Client(daemon.socket)("batch", letter, count=50)
    assert [a.result for a in answers] == [OK] * 50


def test_waits_for_the_outcome(relaisd, letter):
    (answer,) = Client(relaisd.socket)("memory", letter, "wait=60",
                                       "user@example.net")
    assert answer.result == OK and "delivered" in answer.text
    assert relaisd.show(answer.id)["state"] == "delivered"


def test_tells_what_the_relay_refused(daemon, relay, letter):
    relay.answer("RCPT", "550 5.1.1 No such user")
    daemon.use_relay(relay)
    daemon.start()
    (answer,) = Client(daemon.socket)("memory", letter, "wait=60",
                                      "user@example.net")
    assert (answer.result, answer.code) == (FAILED, 550), answer
    assert daemon.show(answer.id)["state"] == "failed"


def test_passes_all_of_the_envelope(daemon, relay, letter):
    daemon.use_relay(relay)
    daemon.start()
    (answer,) = Client(daemon.socket)(
        "memory", letter, "tag=news", "key=k 1", "envid=e=1", "notify=6",
        "return=full", "priority=-5", "user@example.net", "b@example.net")
    assert answer.result == OK
    message = daemon.wait_for_state(answer.id, "delivered")
    assert message["tag"] == "news" and message["key"] == "k 1"
    assert message["priority"] == "bulk"
    (received,) = relay.messages
    assert "RET=FULL" in received.sender and "ENVID=e+3D1" in received.sender
    assert all("NOTIFY=SUCCESS,FAILURE" in line
               for line in received.session.commands if "RCPT" in line)


def test_same_key_is_the_same_message(relaisd, letter):
    client = Client(relaisd.socket)
    (first,) = client("memory", letter, "key=once", "user@example.net")
    (again,) = client("memory", letter, "key=once", "user@example.net")
    (other,) = client("memory", letter, "key=once", "else@example.net")
    assert (first.result, again.result) == (OK, OK)
    assert again.id == first.id
    assert (first.duplicate, again.duplicate) == (0, 1)
    assert other.result == REJECTED and other.code == 554


def test_reads_from_a_pipe(relaisd, directory):
    path = directory / "pipe"
    os.mkfifo(path)
    process = Client(relaisd.socket).start("fd", path)
    with open(path, "wb") as pipe:
        for octet in LETTER:
            pipe.write(bytes([octet]))
            pipe.flush()
    out, _ = process.communicate(timeout=PATIENCE)
    assert parse(out).result == OK


def test_relaisd_killed_at_any_time_loses_and_doubles_nothing(daemon, letter):
    """What is OK is there, and once; keys make second tries harmless."""
    daemon.settings["queue"]["keep_finished"] = "1d"
    daemon.settings["relays"] = {"down": {"url": "smtp://127.0.0.1:9"}}
    daemon.start()
    process = Client(daemon.socket).start("memory", letter, count=300)
    answers = []
    for i, line in enumerate(process.stdout):
        answers.append(parse(line))
        if i % 60 == 30:
            daemon.kill()
            daemon.start()
    process.wait(PATIENCE)
    assert len(answers) == 300
    good = [a.id for a in answers if a.result == OK]
    assert {a.result for a in answers} <= {OK, UNAVAILABLE}
    listed = []
    cursor = ""
    while cursor is not None:
        _, page = daemon.api(f"/v1/messages?limit=100{cursor}")
        listed += [m["id"] for m in page["messages"]]
        cursor = page["next"] and f"&cursor={page['next']}"
    assert sorted(listed) == sorted(good)


def test_the_example_of_the_manual_works(relaisd):
    example = BUILD / "docs" / "librelais_example"
    ids = []
    for _ in range(2):
        done = subprocess.run(
            [example], capture_output=True, timeout=PATIENCE,
            env={**os.environ, "RELAIS_SOCKET": str(relaisd.socket),
                 "RELAIS_CONTROL_SOCKET": str(relaisd.control)})
        assert done.returncode == 0, done
        queued, status = done.stdout.splitlines()
        assert status.startswith(b"user@example.net: delivered (1 attempts; ")
        ids.append(queued.split()[-1])
    assert ids[0] == ids[1]  # it has a key
    done = subprocess.run([example], capture_output=True, timeout=PATIENCE,
                          env={**os.environ, "RELAIS_SOCKET": "/nonexistent"})
    assert done.returncode == 1 and done.stderr.startswith(b"not queued: ")


# ----------------------------------------------------------------- status


Recipient = collections.namedtuple(
    "Recipient", "address state attempts next_attempt_ms code status text")


def ask_status(control, queue_id, wait=0, timeout=60000, user=None):
    """(answer, (state, submitted_ms, ended_ms), recipients)"""
    done = subprocess.run(
        [CLIENT, "status", queue_id, str(wait), str(timeout)],
        capture_output=True, timeout=PATIENCE, user=user,
        env={**os.environ, "RELAIS_CONTROL_SOCKET": str(control)})
    assert done.returncode == 0, done
    first, *rest = done.stdout.splitlines()
    answer = parse(first)
    if not rest:
        return answer, None, []
    found, *numbers = rest[0].decode().split()
    assert found == answer.id == queue_id
    recipients = []
    for line in rest[1:]:
        words = line.decode().split(" ", 6)
        words[1:5] = map(int, words[1:5])
        recipients.append(Recipient(*words))
    return answer, tuple(map(int, numbers)), recipients


def test_status_of_what_was_delivered(relaisd):
    before = time.time() * 1000 - 1
    queue_id = relaisd.send(to=["a@example.net", "b@example.net"])
    answer, message, recipients = ask_status(relaisd.control, queue_id, 60)
    assert (answer.result, answer.code) == (OK, 200)
    state, submitted_ms, ended_ms = message
    assert state == STATE_DELIVERED
    assert before <= submitted_ms <= ended_ms <= time.time() * 1000 + 1
    assert [r.address for r in recipients] == ["a@example.net",
                                               "b@example.net"]
    for recipient in recipients:
        assert recipient.state == STATE_DELIVERED
        assert (recipient.attempts, recipient.next_attempt_ms) == (1, 0)


def test_status_of_what_waits_has_the_reply(daemon, relay):
    relay.answer("RCPT", "451 4.7.1 greylisted, come back")
    relay.answer("RCPT", "550 5.1.1 no such user")
    daemon.use_relay(relay)
    daemon.start()
    queue_id = daemon.send(to=["a@example.net", "b@example.net"])
    wait_until(lambda: all(r["reply"] for r in
                           daemon.show(queue_id)["recipients"])
               and daemon.show(queue_id)["state"] == "queued", "the attempt")
    answer, message, recipients = ask_status(daemon.control, queue_id)
    assert (answer.result, message[0], message[2]) == (OK, STATE_QUEUED, 0)
    later, never = recipients
    assert (later.state, later.attempts, later.code, later.status) == (
        STATE_QUEUED, 1, 451, "4.7.1")
    assert "greylisted, come back" in later.text
    assert later.next_attempt_ms > message[1]
    assert (never.state, never.code, never.status) == (
        STATE_FAILED, 550, "5.1.1")
    assert never.next_attempt_ms == 0
    # It isn't over: after the wait comes what is known.
    start = time.monotonic()
    answer, message, _ = ask_status(daemon.control, queue_id, wait=1)
    assert (answer.result, message[0]) == (OK, STATE_QUEUED)
    assert time.monotonic() - start >= 1
    # A time-out below the wait is one, however relaisd keeps in touch.
    start = time.monotonic()
    answer, message, _ = ask_status(daemon.control, queue_id, 60, 300)
    assert (answer.result, message) == (TIMED_OUT, None)
    assert 0.3 <= time.monotonic() - start < 10


def test_status_of_an_unknown_id(relaisd):
    answer, message, _ = ask_status(relaisd.control, "0000000000000")
    assert (answer.result, answer.code, answer.id) == (
        NO_SUCH_MESSAGE, 404, "-")
    assert message is None and answer.text


@pytest.mark.parametrize("queue_id, wait", [
    ("", 0), ("..", 0), ("0000000000000/content", 0), ("0000000000000", 301)])
def test_status_asks_for_ids_only(client, socket, queue_id, wait):
    answer, message, _ = ask_status(socket, queue_id, wait)
    assert (answer.result, message) == (INVALID, None)


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_status_of_anothers_message_is_unknown(relaisd):
    queue_id = relaisd.send()
    answer, message, _ = ask_status(relaisd.control, queue_id, user=33)
    assert (answer.result, message) == (NO_SUCH_MESSAGE, None)
    assert ask_status(relaisd.control, queue_id)[0].result == OK


def test_status_without_relaisd(directory):
    answer, message, _ = ask_status(directory / "none", "0000000000000")
    assert (answer.result, answer.code, message) == (UNAVAILABLE, 0, None)
    assert "No such file" in answer.text


def test_status_of_a_silent_relaisd_times_out(directory):
    path = directory / "silent"
    with socketlib.socket(socketlib.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        start = time.monotonic()
        answer, message, _ = ask_status(path, "0000000000000", 0, 300)
        assert (answer.result, message) == (TIMED_OUT, None)
        assert 0.3 <= time.monotonic() - start < 10


# ---------------------------------------------------- with a scripted server


def test_leaves_in_two_writes(fake, client, letter, directory, peers):
    trace = directory / "trace"
    done = subprocess.run(
        [peers("strace"), "-f", "-o", trace, *client.words("memory", letter)],
        env=client.environment, capture_output=True, timeout=PATIENCE)
    if done.returncode:
        pytest.skip(f"strace cannot trace here: {done.stderr[:200]}")
    calls = [line for line in trace.read_text().splitlines()
             if "sendmsg(" in line]
    assert len(calls) == 2, calls
    assert "EHLO" in calls[0] and "MAIL FROM" in calls[1]


def test_sends_a_key_where_keys_are_taken(fake, client, letter):
    client("memory", letter, count=2)
    mails = [line for line in fake.transcript if line.startswith("MAIL")]
    keys = [line.split("XKEY=")[1].split()[0] for line in mails]
    assert len(set(keys)) == 2
    assert [uuid.UUID(key).version for key in keys] == [7, 7]


def test_sends_no_key_where_none_are_taken(socket, client, letter):
    with FakeRelaisd(socket, words=None) as fake:
        (answer,) = client("memory", letter)
        assert answer.result == OK
        assert not any("XKEY" in line for line in fake.transcript)


def test_asks_by_key_after_a_lost_link(fake, client, letter):
    fake.reply["LAST"] = None
    fake.reply["XKEY"] = "250 2.0.0 6h15xjeam0000"
    (answer,) = client("memory", letter)
    assert (answer.result, answer.id) == (OK, "6h15xjeam0000")
    (mail,) = [line for line in fake.transcript if line.startswith("MAIL")]
    key = mail.split("XKEY=")[1].split()[0]
    assert fake.transcript[-1] == f"XKEY {key}"


def test_sends_again_what_relaisd_does_not_know(fake, client, letter):
    answers = iter([None, True])
    fake.reply["LAST"] = lambda line: next(answers)
    (answer,) = client("memory", letter)
    assert answer.result == OK
    assert fake.contents == [LETTER, LETTER]


def test_says_what_streamed_mail_was_lost(fake, client, directory):
    path = directory / "letter"
    path.write_bytes(LETTER + b"line\n" * 20000)
    fake.reply["LAST"] = None
    (answer,) = client("fd", path)
    assert answer.result == UNAVAILABLE
    assert fake.transcript[-1].startswith("XKEY")


def test_waits_for_relaisd_to_come_back_and_asks(fake, client, letter):
    gone = threading.Event()

    def vanish(line):
        fake.close()
        gone.set()
        return None

    fake.reply["LAST"] = vanish
    fake.reply["XKEY"] = "250 2.0.0 6h15xjeam0000"
    process = client.start("memory", letter)
    assert gone.wait(PATIENCE)
    fake.listen()
    out, _ = process.communicate(timeout=PATIENCE)
    assert parse(out).result == OK


def test_does_not_know_without_keys(socket, client, letter):
    with FakeRelaisd(socket, words=None) as fake:
        fake.reply["LAST"] = None
        (answer,) = client("memory", letter)
        assert answer.result == UNKNOWN and fake.connections == 1


def test_replaces_a_link_that_was_closed_meanwhile(fake, client, letter):
    process = client.start("again", letter, count=2)
    assert parse(process.stdout.readline()).result == OK
    fake.hang_up()
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert parse(process.stdout.readline()).result == OK
    process.stdin.close()
    process.wait(PATIENCE)
    assert fake.connections == 2


def test_replaces_a_link_that_is_told_to_go(fake, client, letter):
    answers = iter([True, "421 4.4.2 You were silent", True])
    fake.reply["MAIL"] = lambda line: next(answers)
    answers = client("memory", letter, count=2)
    assert [a.result for a in answers] == [OK, OK]
    assert fake.connections == 2


def test_queues_for_all_or_none(fake, client, letter):
    fake.reply["RCPT"] = lambda line: \
        "550 5.7.1 Not to b" if "b@" in line else True
    (answer,) = client("memory", letter, "a@example.net", "b@example.net")
    assert (answer.result, answer.recipient) == (REJECTED, 1)
    assert not any("LAST" in line for line in fake.transcript)


@pytest.mark.parametrize("verb, reply, result", [
    ("MAIL", "452 4.3.1 The queue is full", TRY_LATER),
    ("MAIL", "550 5.7.1 You may not", REJECTED),
    ("RCPT", "550 5.1.3 Bad", REJECTED),
    ("LAST", "451 4.3.0 The queue can't be written", TRY_LATER),
    ("LAST", "550 5.6.0 A stray CR", REJECTED),
])
def test_gives_the_first_refusal(fake, client, letter, verb, reply, result):
    fake.reply[verb] = reply
    (answer,) = client("memory", letter)
    assert answer.result == result
    assert answer.code == int(reply[:3]) and answer.text == reply[10:]


def test_hears_a_refusal_of_the_greeting(socket, client, letter):
    with FakeRelaisd(socket, greeting="421 4.7.0 Too many"):
        (answer,) = client("memory", letter)
    assert (answer.result, answer.code) == (TRY_LATER, 421)


def test_stops_sending_what_was_refused(fake, client, directory):
    path = directory / "letter"
    path.write_bytes(LETTER + b"line\n" * 4000000)
    fake.reply["BDAT"] = "452 4.3.1 The queue is full"
    for how in ("fd", "stream"):
        (answer,) = client(how, path)
        # known too large beforehand, by the size of the file
        assert answer.result == (REJECTED if how == "fd" else TRY_LATER)


def test_keeps_to_its_deadline(fake, client, letter):
    release = threading.Event()
    fake.reply["LAST"] = lambda line: release.wait(PATIENCE) and None
    start = time.monotonic()
    (answer,) = client("memory", letter, timeout=300)
    took = time.monotonic() - start
    release.set()
    assert answer.result == UNKNOWN and 0.3 <= took < 10, (answer, took)


def test_knows_when_nobody_listens(client, letter):
    (answer,) = client("memory", letter)
    assert (answer.result, answer.code) == (UNAVAILABLE, 0)
    assert "No such file" in answer.text


def test_cannot_wait_is_pending(socket, client, letter):
    with FakeRelaisd(socket, words="KEY") as fake:
        (answer,) = client("memory", letter, "wait=5", "user@example.net")
        assert answer.result == PENDING
        assert not any("XWAIT" in line for line in fake.transcript)


@pytest.mark.parametrize("words", [("hold=60",), ("key=k",)])
def test_does_not_make_another_message_of_it(socket, client, letter, words):
    with FakeRelaisd(socket, words=None) as fake:
        (answer,) = client("memory", letter, *words, "user@example.net")
        assert answer.result == UNSUPPORTED
        assert not any("MAIL" in line for line in fake.transcript)


@pytest.mark.parametrize("sender, recipients", [
    ("a b", ["user@example.net"]),
    ("app@example.com", ["user@example.net> NOTIFY=NEVER"]),
    ("app@example.com", ["a@example.net\r\nRCPT TO:<b@example.net>"]),
    ("app@example.com", ["ok@example.net", ""]),
    ("app@example.com", ["tag=", "user@example.net"]),
])
def test_sends_nothing_that_is_no_address(fake, client, letter, sender,
                                          recipients):
    (answer,) = client("memory", letter, *recipients, sender=sender)
    assert answer.result == INVALID
    assert fake.transcript == []


def test_has_more_recipients_than_relaisd_takes(fake, client, letter):
    (answer,) = client("memory", letter,
                       *(f"{i}@example.net" for i in range(4)))
    assert answer.result == REJECTED and "4 recipients" in answer.text


def test_null_sender_and_utf8(fake, client, letter):
    client("memory", letter, "jürgen@example.net", sender="")
    mail = fake.transcript[1]
    assert mail.startswith("MAIL FROM:<> ") and " SMTPUTF8" in mail
    assert fake.transcript[2] == "RCPT TO:<jürgen@example.net>"


def test_says_why_it_cannot_read(fake, client, letter, directory):
    (answer,) = client("closed", letter)
    assert answer.result == BODY_UNREADABLE
    assert "reading the message" in answer.text and answer.error
    assert fake.contents == []


def test_batch_survives_refusals(fake, client, letter):
    count = [0]

    def refuse_some(line):
        count[0] += 1
        return "452 4.3.1 Full" if count[0] % 5 == 0 else True

    fake.reply["LAST"] = refuse_some
    answers = client("batch", letter, count=40)
    assert collections.Counter(a.result for a in answers) == {
        OK: 32, TRY_LATER: 8}


def test_killed_before_the_end_queues_nothing(relaisd, directory):
    path = directory / "pipe"
    os.mkfifo(path)
    process = Client(relaisd.socket).start("fd", path)
    with open(path, "wb") as pipe:
        pipe.write(LETTER * 10000)
        pipe.flush()
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    status, page = relaisd.api("/v1/messages")
    assert status == 200 and page["messages"] == []
