"""What is full refuses new mail, and nothing else: no room on the disk, in the
queue, for files, for descriptors, for memory. Deliveries, cancels and results
go on, nothing acknowledged is lost, and it takes mail again by itself."""

import contextlib
import smtplib
import socket
import subprocess

import pytest
from conftest import is_sanitized, UnixSMTP, wait_until

pytestmark = pytest.mark.one_try

MIB = 1 << 20


@pytest.fixture
def small_disk(request, directory):
    """A file system of 64 MiB for the queue; tmpfs or ext4."""
    folder = directory / "queue"
    folder.mkdir()
    image = directory / "image"
    if request.param == "ext4":
        with open(image, "wb") as file:
            file.truncate(80 * MIB)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
        words = ["-o", "loop", str(image)]
    else:
        words = ["-t", "tmpfs", "-o", "size=64m", "none"]
    done = subprocess.run(["mount", *words, str(folder)],
                          capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot mount: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def refusal(daemon, size=1000):
    """What a message is refused with; None if it is accepted."""
    with daemon.smtp() as client:
        try:
            client.sendmail("app@example.com", ["user@example.net"],
                            "Subject: more\r\n\r\n" +
                            ("x" * 76 + "\r\n") * (size // 78))
        except smtplib.SMTPResponseException as error:
            return code_of(error)
    return None


def code_of(error):
    return error.smtp_code, error.smtp_error


def fill(path):
    with open(path, "wb", buffering=0) as file:
        for size in (MIB, 4096):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))


def is_full(answer):
    return answer is not None and answer[0] == 452 and b"4.3.1" in answer[1]


@pytest.fixture
def waiting(daemon, relay):
    """relay.gate holds back what is accepted, until it is set."""
    daemon.use_relay(relay, limits={"connections": 4})
    daemon.settings["retry"] = {"first": "1s", "maximum": "1s", "factor": 1}
    # Of the least maximum a quarter is kept for results and deletes.
    daemon.settings["queue"]["maximum"] = "64MiB"
    daemon.settings["receive"]["message_size"] = "16MiB"
    relay.gate = relay.hold("MAIL")
    return daemon


def subjects(relay):
    return [m.content.split(b"Subject: ")[1].split(b"\r\n")[0].decode()
            for m in relay.messages]


def finish(relay, count):
    """Messages 0 … are delivered, once; their records may give way to mail."""
    relay.gate.set()
    wanted = {str(n) for n in range(count)}
    wait_until(lambda: wanted <= set(subjects(relay)), "all deliveries")
    numbered = [s for s in subjects(relay) if s in wanted]
    assert len(numbered) == count


@pytest.mark.parametrize("small_disk", ["tmpfs", "ext4"], indirect=True)
def test_goes_on_when_the_disk_is_full(small_disk, waiting, relay):
    waiting.start()
    for n in range(150):
        waiting.send(f"Subject: {n}\r\n\r\n" + "x" * 900 + "\r\n")
    held = waiting.send("Subject: held\r\n\r\nhello\r\n")
    assert waiting.ctl("hold", held).returncode == 0
    fill(small_disk / "filler")
    wait_until(lambda: is_full(refusal(waiting)), "452 4.3.1")
    wait_until(lambda: "event=store_full" in waiting.log_text(), "a line")
    assert waiting.api("/v1/status")[0] == 200
    assert waiting.ctl("cancel", held).returncode == 0
    finish(relay, 150)
    assert "held" not in subjects(relay)
    assert is_full(refusal(waiting))

    (small_disk / "filler").unlink()
    wait_until(lambda: refusal(waiting) is None, "mail to be taken again")
    wait_until(lambda: "event=store_has_room" in waiting.log_text(), "a line")


@pytest.mark.parametrize("small_disk", ["ext4"], indirect=True)
def test_loses_nothing_when_killed_on_a_full_disk(small_disk, waiting, relay):
    waiting.start()
    for n in range(50):
        waiting.send(f"Subject: {n}\r\n\r\nhello\r\n")
    fill(small_disk / "filler")
    wait_until(lambda: is_full(refusal(waiting)), "452 4.3.1")
    waiting.kill()
    waiting.start()
    wait_until(lambda: is_full(refusal(waiting)), "452 4.3.1")
    finish(relay, 50)


def test_refuses_mail_when_the_queue_is_full(waiting, relay):
    waiting.start()
    count = 0
    held = waiting.send("Subject: held\r\n\r\nhello\r\n")
    assert waiting.ctl("hold", held).returncode == 0
    text = ("x" * 76 + "\r\n") * 13000
    with waiting.smtp() as client:
        with pytest.raises(smtplib.SMTPResponseException) as refused:
            for n in range(100):
                client.ehlo_or_helo_if_needed()
                client.sendmail("app@example.com", ["user@example.net"],
                                f"Subject: {n}\r\n\r\n{text}")
                count += 1
    assert is_full(code_of(refused.value))
    assert count > 30
    wait_until(lambda: "event=mail_refused" in waiting.log_text(), "a line")
    assert waiting.ctl("cancel", held).returncode == 0
    finish(relay, count)
    wait_until(lambda: refusal(waiting) is None, "mail to be taken again")


def test_goes_on_at_the_limit_of_a_file_s_size(waiting, relay):
    waiting.start()
    for n in range(50):
        waiting.send(f"Subject: {n}\r\n\r\nhello\r\n")
    data = waiting.directory / "queue" / "data.mdb"
    limit(waiting, "fsize", f"{data.stat().st_size + MIB}:unlimited")
    answer = wait_until(lambda: refusal(waiting, 200000), "a refusal")
    assert is_full(answer), answer
    wait_until(lambda: "event=store_failed" in waiting.log_text(), "a line")
    finish(relay, 50)
    assert waiting.process.poll() is None
    limit(waiting, "fsize", "unlimited")
    wait_until(lambda: refusal(waiting) is None, "mail to be taken again")


def limit(daemon, what, value):
    subprocess.run(["prlimit", f"--{what}={value}", "--pid",
                    str(daemon.process.pid)], check=True)


def test_delivers_when_descriptors_run_out(waiting, relay):
    waiting.settings["retry"] = {"first": "1s", "maximum": "1s", "factor": 1}
    waiting.start(wrapper=["prlimit", "--nofile=100:100"])
    for n in range(20):
        waiting.send(f"Subject: {n}\r\n\r\nhello\r\n")
    silent, refused = [], None
    while refused is None and len(silent) < 200:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(60)
        client.connect(str(waiting.socket))
        answer = client.recv(200)
        if answer.startswith(b"421"):
            refused = answer
        silent.append(client)
    assert refused is not None and b"4.3.2 Out of descriptors" in refused
    wait_until(lambda: "event=mail_refused" in waiting.log_text(), "a line")
    # What goes out and who asks has descriptors yet.
    assert waiting.api("/v1/status")[0] == 200
    finish(relay, 20)
    for client in silent:
        client.close()
    wait_until(lambda: can_send(waiting), "mail to be taken again")


def can_send(daemon):
    try:
        return refusal(daemon) is None
    except (smtplib.SMTPConnectError, smtplib.SMTPServerDisconnected):
        return False


@pytest.mark.skipif(is_sanitized, reason="a sanitizer needs memory itself")
def test_loses_nothing_when_memory_runs_out(waiting, relay):
    """Many large messages in little memory: some may be refused, and relaisd
    may end as it does without memory; what it acknowledged is there."""
    waiting.settings["queue"]["maximum"] = "4GiB"
    waiting.start(wrapper=["prlimit", f"--data={96 * MIB}"])
    line = b"x" * 76 + b"\r\n"
    clients, accepted = {}, [str(n) for n in range(100, 110)]
    for subject in accepted:
        waiting.send(f"Subject: {subject}\r\n\r\nhello\r\n")
    for n in range(40):
        with contextlib.suppress(OSError, smtplib.SMTPException):
            client = UnixSMTP(str(waiting.socket))
            client.ehlo()
            client.mail("app@example.com")
            client.rcpt("user@example.net")
            client.docmd("DATA")
            client.sock.sendall(f"Subject: {n}\r\n\r\n".encode())
            clients[n] = client
    for client in clients.values():
        client.sock.settimeout(5)
        with contextlib.suppress(OSError):
            client.sock.sendall(line * 20000)
    for n, client in clients.items():
        with contextlib.suppress(OSError, smtplib.SMTPException):
            client.sock.settimeout(60)
            client.sock.sendall(b".\r\n")
            if client.getreply()[0] == 250:
                accepted.append(str(n))
    for client in clients.values():
        client.close()
    relay.gate.set()

    def has_delivered():
        if waiting.process.poll() is not None:
            assert "event=out_of_memory" in waiting.log_text()
            waiting.process = None
            waiting.start()  # as its service manager would
        return set(accepted) <= set(subjects(relay))

    wait_until(has_delivered, "what was accepted to be delivered")
