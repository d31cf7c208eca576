"""The submission socket: limits, refusals, memory, reload."""

import contextlib
import fcntl
import pathlib
import select
import socket
import struct
import subprocess
import sys
import termios
import threading

import pytest

from clocks import Clocks
from conftest import BUILD, is_sanitized, wait_until

SUPPORT = pathlib.Path(__file__).parent.parent / "support"


class Raw:
    """Octets to the socket and reply lines back."""

    def __init__(self, relaisd):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(relaisd.socket))
        self.stream = self.socket.makefile("rb")

    def __enter__(self):
        assert self.reply().startswith("220 ")
        return self

    def __exit__(self, *unused):
        self.stream.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def reply(self):
        while True:
            line = self.stream.readline().decode()
            if line[3:4] != "-":
                return line.rstrip("\r\n")

    def ask(self, command):
        self.send(command + "\r\n")
        return self.reply()


def test_answers_a_pipelined_message_in_one_flight(relaisd):
    with Raw(relaisd) as client:
        client.send("EHLO app\r\nMAIL FROM:<a@example.com>\r\n"
                    "RCPT TO:<b@example.net>\r\nDATA\r\n")
        assert [client.reply()[:3] for _ in range(4)] == [
            "250", "250", "250", "354"]
        client.send("Subject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n")
        assert client.reply().startswith("250 2.0.0 Ok: queued as ")
        assert client.reply().startswith("221 ")
        assert client.reply() == ""


def test_answers_a_message_that_comes_at_once_in_one_piece(relaisd):
    with Raw(relaisd) as client:
        client.ask("EHLO app")
        for _ in range(20):
            client.send("MAIL FROM:<a@example.com>\r\n"
                        "RCPT TO:<b@example.net>\r\n"
                        "BDAT 19 LAST\r\nSubject: x\r\n\r\nhello")
            replies = client.socket.recv(4096).decode().splitlines()
            assert [line[:9] for line in replies] == [
                "250 2.1.0", "250 2.1.5", "250 2.0.0"]


def test_no_answer_waits_for_the_next_message(daemon):
    obstacle = Clocks.obstacle(BUILD / "relaisd")
    if obstacle:
        pytest.skip(obstacle)
    library = daemon.directory / "slow_disk.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library,
                    SUPPORT / "slow_disk.c", "-ldl"], check=True)
    daemon.settings["relays"] = {"office": {"host": "127.0.0.1",
                                            "enabled": False}}
    daemon.start(env={"LD_PRELOAD": str(library)})
    with Raw(daemon) as client:
        client.ask("EHLO app")
        client.send(20 * ("MAIL FROM:<a@example.com>\r\n"
                          "RCPT TO:<b@example.net>\r\n"
                          "BDAT 19 LAST\r\nSubject: x\r\n\r\nhello"))
        while "queued as" not in client.reply():
            pass
        assert daemon.api("/v1/status")[1]["messages"]["queued"] < 20


def test_announces_what_the_manual_says(relaisd):
    with relaisd.smtp() as client:
        client.ehlo()
        for keyword in ("pipelining", "chunking", "8bitmime", "smtputf8",
                        "size", "dsn", "enhancedstatuscodes", "limits"):
            assert client.has_extn(keyword), keyword
        for keyword in ("auth", "starttls"):
            assert not client.has_extn(keyword)


def test_refuses_a_command_that_ends_in_a_bare_line_feed(relaisd):
    with Raw(relaisd) as client:
        client.send(b"EHLO app\n")
        assert client.reply().startswith("500 5.5.2")
        assert client.reply() == ""


@pytest.mark.parametrize("content", [b"a\rb\r\n", b"a\0b\r\n", b"a\r\r\n"])
def test_refuses_bare_carriage_returns_and_nul(relaisd, content):
    with Raw(relaisd) as client:
        client.ask("EHLO app")
        client.ask("MAIL FROM:<a@example.com>")
        client.ask("RCPT TO:<b@example.net>")
        client.ask("DATA")
        client.send(b"Subject: x\r\n\r\n" + content + b".\r\n")
        assert client.reply().startswith("550 5.6.0")
        assert client.ask("NOOP").startswith("250")


@pytest.mark.parametrize("ending", [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r"])
def test_ends_a_message_only_at_its_end(relaisd, ending):
    """SMTP smuggling: nothing but CRLF.CRLF ends the data."""
    smuggled = (b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<x@example.net>\r\n"
                b"DATA\r\nSubject: smuggled\r\n\r\nboo\r\n")
    with Raw(relaisd) as client:
        client.ask("EHLO app")
        client.ask("MAIL FROM:<a@example.com>")
        client.ask("RCPT TO:<b@example.net>")
        client.ask("DATA")
        client.send(b"Subject: x\r\n\r\nhello" + ending + smuggled
                    + b".\r\n")
        answer = client.reply()
        assert client.ask("NOOP").startswith("250 ")
    accepted = relaisd.api("/v1/messages")[1]["messages"]
    if answer.startswith("250"):
        assert len(accepted) == 1
        assert accepted[0]["sender"] == "a@example.com"
    else:
        assert answer.startswith("550 5.6.0"), answer
        assert accepted == []


def test_too_many_recipients_are_put_off(daemon):
    daemon.settings["receive"]["recipients"] = 100
    daemon.start()
    with Raw(daemon) as client:
        client.ask("EHLO app")
        client.ask("MAIL FROM:<a@example.com>")
        answers = [client.ask(f"RCPT TO:<u{n}@example.net>") for n in range(101)]
        assert [a[:3] for a in answers] == ["250"] * 100 + ["452"]
        assert answers[100].startswith("452 4.5.3")
        client.ask("DATA")
        client.send("Subject: x\r\n\r\nhello\r\n.\r\n")
        assert client.reply().startswith("250")


def test_too_large_a_message_is_refused_early_and_late(daemon):
    daemon.settings["receive"]["message_size"] = "1MiB"
    daemon.start()
    with Raw(daemon) as client:
        client.ask("EHLO app")
        assert client.ask("MAIL FROM:<a@example.com> SIZE=2000000") \
            .startswith("552 5.3.4")
        client.ask("MAIL FROM:<a@example.com>")
        client.ask("RCPT TO:<b@example.net>")
        client.ask("DATA")
        client.send(b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n")
        client.send((b"y" * 70 + b"\r\n") * 30000 + b".\r\n")
        assert client.reply().startswith("552 5.3.4")
        assert client.ask("NOOP").startswith("250")
    assert daemon.api("/v1/messages")[1]["messages"] == []


def test_too_large_a_header_is_refused(daemon):
    daemon.settings["receive"]["header_size"] = "16KiB"
    daemon.start()
    with Raw(daemon) as client:
        client.ask("EHLO app")
        client.ask("MAIL FROM:<a@example.com>")
        client.ask("RCPT TO:<b@example.net>")
        client.ask("DATA")
        client.send(b"X-Long: " + b"a" * 900 + b"\r\n"
                    + (b" " + b"b" * 900 + b"\r\n") * 30 + b"\r\nx\r\n.\r\n")
        assert client.reply()[:1] == "5"
        assert client.ask("NOOP").startswith("250")


def test_a_silent_client_is_left(daemon):
    daemon.settings["receive"]["timeout"] = "1s"
    daemon.start()
    with Raw(daemon) as client:
        assert client.reply().startswith("421 4.4.2")
        assert client.reply() == ""


def test_a_client_that_never_comes_to_the_end_is_left(daemon):
    """A byte now and then is no silence; the message has a time of its own."""
    daemon.settings["receive"]["deadline"] = "1s"
    daemon.start()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(daemon.socket))
        client.sendall(b"EHLO app\r\nMAIL FROM:<app@example.com>\r\n"
                       b"RCPT TO:<user@example.net>\r\nDATA\r\n")
        heard = b""
        while b"421" not in heard:
            client.sendall(b"x")
            readable, _, _ = select.select([client], [], [], 0.1)
            if readable:
                heard += client.recv(65536)
        assert b"421 4.4.2" in heard


def test_too_many_connections_are_told_so(daemon):
    daemon.settings["receive"]["connections"] = 3
    daemon.start()

    def greetings():
        """Of four clients; one of before may still be counted at first."""
        clients = [Raw(daemon) for _ in range(4)]
        codes = sorted(client.reply()[:3] for client in clients)
        for client in clients:
            client.__exit__()
        return codes

    wait_until(lambda: greetings() == ["220", "220", "220", "421"],
               "three sessions and a refusal")


@pytest.mark.skipif(is_sanitized, reason="a sanitizer needs memory itself")
def test_a_large_message_costs_little_memory(daemon):
    """A message of 100 MiB: at most 4 MiB above idle."""
    daemon.settings["receive"]["message_size"] = "200MiB"
    daemon.start()
    daemon.wait_for_state(daemon.send(), "delivered")  # what is made once
    idle = daemon.memory_bytes()
    peak = [idle]
    line = b"x" * 98 + b"\r\n"
    block = line * 10486  # a little over 1 MiB
    with Raw(daemon) as client:
        client.ask("EHLO app")
        client.ask("MAIL FROM:<a@example.com>")
        client.ask("RCPT TO:<b@example.net>")
        client.ask("DATA")
        client.send("Subject: large\r\n\r\n")
        for _ in range(100):
            client.send(block)
            peak.append(daemon.memory_bytes())
        client.send(".\r\n")
        answer = client.reply()
        assert answer.startswith("250"), answer
        peak.append(daemon.memory_bytes())
    assert max(peak) - idle < 4 * 1024 * 1024, (idle, max(peak))
    daemon.wait_for_state(answer.split()[-1], "delivered")
    sizes = [path.stat().st_size for path in daemon.captured()]
    assert max(sizes) > 100 * (len(block) - 10486), sizes


def test_many_large_messages_share_the_budget(daemon):
    daemon.settings["receive"]["memory"] = "4MiB"
    daemon.start()
    block = b"x" * 98 + b"\r\n"
    answers = []

    def submit():
        with Raw(daemon) as client:
            client.ask("EHLO app")
            client.ask("MAIL FROM:<a@example.com>")
            client.ask("RCPT TO:<b@example.net>")
            client.ask("DATA")
            client.send(b"Subject: x\r\n\r\n" + block * 40000 + b".\r\n")
            answers.append(client.reply())

    threads = [threading.Thread(target=submit) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [a[:3] for a in answers] == ["250"] * 12


def unread(client):
    """Octets that the other side has not taken yet."""
    answer = fcntl.ioctl(client.socket, termios.TIOCOUTQ, bytes(4))
    return struct.unpack("=i", answer)[0]


def test_many_that_have_barely_begun_wait_for_no_one(daemon):
    """None has enough for the store to take some of it off."""
    daemon.settings["receive"]["memory"] = "4MiB"
    daemon.start()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Raw(daemon)) for _ in range(90)]
        for client in clients:
            client.send("EHLO app\r\nMAIL FROM:<a@example.com>\r\n"
                        "RCPT TO:<b@example.net>\r\nDATA\r\n")
            assert [client.reply()[:3] for _ in range(4)] == [
                "250", "250", "250", "354"]
        for part in (b"Subject: x\r\n\r\n" + b"x" * 98 + b"\r\n",
                     b"y" * 20000 + b"\r\n", b"z\r\n", b".\r\n"):
            for client in clients:
                client.send(part)
            for client in clients:
                wait_until(lambda: unread(client) == 0, "the reader")
        for client in clients:
            assert client.reply().startswith("250 ")


def test_reload_drops_no_session_and_a_bad_file_changes_nothing(daemon):
    daemon.start()
    with Raw(daemon) as client:
        client.ask("EHLO app")
        daemon.settings["receive"]["message_size"] = "1MiB"
        daemon.reload()

        def is_new():
            with Raw(daemon) as other:
                other.ask("EHLO app")
                return other.ask("MAIL FROM:<a@example.com> SIZE=2000000") \
                    .startswith("552")

        wait_until(is_new, "the new settings")
        daemon.settings["receive"]["message_size"] = "huge"
        daemon.reload()
        wait_until(lambda: "reload_refused" in daemon.log_text(),
                   "the refusal")
        assert "relais.yaml:" in daemon.log_text()
        assert is_new()
        # The old session goes on by the settings it began with.
        assert client.ask("MAIL FROM:<a@example.com> SIZE=2000000") \
            .startswith("250")
        client.ask("RCPT TO:<b@example.net>")
        client.ask("DATA")
        client.send("Subject: x\r\n\r\nhello\r\n.\r\n")
        assert client.reply().startswith("250 2.0.0 Ok: queued as ")


def test_group_commit_answers_many_submitters_with_few_syncs(daemon):
    daemon.start()
    count, each = 32, 20

    def submit():
        with daemon.smtp() as client:
            client.ehlo()
            for _ in range(each):
                client.sendmail("a@example.com", ["b@example.net"],
                                b"Subject: x\r\n\r\nhello\r\n")

    threads = [threading.Thread(target=submit) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    store = daemon.api("/v1/status")[1]["store"]
    # Verdicts are commits' jobs as well: two a message.
    assert store["committed_jobs"] >= count * each
    assert store["commits"] * 2 < store["committed_jobs"], store


def test_a_stop_lets_clients_end_their_messages(relaisd):
    """Whoever has a message under way, or has just come, hands it over."""
    fresh, busy, served = (relaisd.smtp() for _ in range(3))
    served.sendmail("app@example.com", ["user@example.net"],
                    "Subject: before\r\n\r\nhello\r\n")
    busy.ehlo()
    assert busy.docmd("MAIL FROM:<app@example.com>")[0] == 250
    relaisd.process.terminate()

    # The served one is told at once, which shows that the stop has begun.
    assert served.getreply()[0] == 421
    assert busy.docmd("RCPT TO:<user@example.net>")[0] == 250
    code, text = busy.data("Subject: meanwhile\r\n\r\nhello\r\n")
    assert code == 250 and b"queued as" in text
    assert busy.getreply()[0] == 421
    fresh.sendmail("app@example.com", ["user@example.net"],
                   "Subject: just come\r\n\r\nhello\r\n")
    assert relaisd.stop() == 0

    relaisd.start()
    wait_until(lambda: len(relaisd.captured()) == 3, "all three to be delivered")


# What systemd does before it runs relaisd, in a few lines.
SERVICE_MANAGER = """
import os, socket, sys
listening = [socket.socket(socket.AF_UNIX) for _ in range(2)]
for number, (one, path) in enumerate(zip(listening, sys.argv[1:3])):
    one.bind(path)
    one.listen()
    os.dup2(one.fileno(), 10 + number)
for number in range(2):
    os.dup2(10 + number, 3 + number)
    os.close(10 + number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2",
                  LISTEN_FDNAMES="submit:control",
                  WATCHDOG_PID=str(os.getpid()))
os.execv(sys.argv[3], sys.argv[3:])
"""


def test_takes_the_sockets_of_a_service_manager_and_tells_it_how_it_is(
        daemon, directory):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(str(directory / "notify"))
        notices.settimeout(60)

        def wait_for(line):
            while True:
                told = notices.recv(4096).decode().split("\n")
                if line in told:
                    return told

        daemon.start(
            wrapper=[sys.executable, "-c", SERVICE_MANAGER, daemon.socket,
                     daemon.control],
            env={"NOTIFY_SOCKET": str(directory / "notify"),
                 "WATCHDOG_USEC": "200000"})
        wait_for("READY=1")
        queue_id = daemon.send()
        daemon.wait_for_state(queue_id, "delivered")
        wait_for("WATCHDOG=1")
        daemon.reload()
        assert any(line.startswith("MONOTONIC_USEC=")
                   for line in wait_for("RELOADING=1"))
        wait_for("READY=1")
        daemon.stop()
        wait_for("STOPPING=1")
    # They are not its own.
    assert daemon.socket.exists() and daemon.control.exists()
