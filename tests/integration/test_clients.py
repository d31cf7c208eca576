"""Stock clients submit over the socket; stock relays take the mail."""

import email
import smtplib
import subprocess
import sys

import pytest

from conftest import SOURCE, UnixSMTP, free_port, wait_until


def run(words, **options):
    return subprocess.run([str(w) for w in words], capture_output=True,
                          timeout=60, **options)


# ---------------------------------------------------------------- submitting


def test_smtp_source_submits_in_parallel(relaisd, peers):
    source = peers("smtp-source", "postfix")
    done = run([source, "-s", "16", "-m", "400", "-l", "4096",
                "-f", "app@example.com", "-t", "user@example.net",
                f"unix:{relaisd.socket}"])
    assert done.returncode == 0, done.stderr
    wait_until(lambda: len(relaisd.captured()) == 400, "400 captured messages")


def test_swaks_submits(relaisd, peers):
    done = run([peers("swaks"), "--socket", relaisd.socket, "--pipeline",
                "--from", "app@example.com", "--to", "user@example.net",
                "--header", "Subject: from swaks"])
    assert done.returncode == 0, done.stdout
    wait_until(relaisd.captured, "the captured message")
    assert b"Subject: from swaks" in relaisd.captured()[0].read_bytes()


def test_msmtp_submits(relaisd, peers):
    done = run([peers("msmtp"), f"--socket={relaisd.socket}",
                "--host=localhost", "--from=app@example.com", "--auth=off",
                "--tls=off", "user@example.net"],
               input=b"Subject: from msmtp\n\n.dot\nhello\n")
    assert done.returncode == 0, done.stderr
    wait_until(relaisd.captured, "the captured message")
    content = relaisd.captured()[0].read_bytes()
    assert b"Subject: from msmtp" in content and b"\n.dot\nhello" in content


def test_curl_submits(relaisd, peers, directory):
    letter = directory / "letter"
    letter.write_bytes(b"Subject: from curl\r\n\r\nhello\r\n")
    done = run([peers("curl"), "--silent", "--show-error",
                "--unix-socket", relaisd.socket, "smtp://localhost",
                "--mail-from", "app@example.com",
                "--mail-rcpt", "user@example.net", "--upload-file", letter])
    assert done.returncode == 0, done.stderr
    wait_until(relaisd.captured, "the captured message")
    assert b"Subject: from curl" in relaisd.captured()[0].read_bytes()


def test_python_submits_by_smtp_and_by_stock_lmtp(relaisd):
    with UnixSMTP(str(relaisd.socket)) as client:
        client.sendmail("app@example.com",
                        ["a@example.net", "b@example.net"],
                        "Subject: smtp\r\n\r\nhello\r\n")
    with smtplib.LMTP(str(relaisd.socket)) as client:
        client.sendmail("app@example.com", ["c@example.net"],
                        "Subject: lmtp\r\n\r\nhello\r\n")
    wait_until(lambda: len(relaisd.captured()) == 2, "two captured messages")


def test_lmtp_answers_once_a_recipient(relaisd):
    with smtplib.LMTP(str(relaisd.socket)) as client:
        client.lhlo() if hasattr(client, "lhlo") else client.ehlo("app")
        client.mail("app@example.com")
        for name in "abc":
            client.rcpt(f"{name}@example.net")
        client.putcmd("data")
        assert client.getreply()[0] == 354
        client.send(b"Subject: x\r\n\r\nhello\r\n.\r\n")
        answers = [client.getreply() for _ in range(3)]
    assert {code for code, _ in answers} == {250}
    assert len({text.split()[-1] for _, text in answers}) == 1


def test_chunking_submits(relaisd):
    with relaisd.smtp() as client:
        client.ehlo()
        assert client.has_extn("chunking")
        client.mail("app@example.com")
        client.rcpt("user@example.net")
        for chunk, last in ((b"Subject: chunks\r\n\r", ""), (b"\n.", ""),
                            (b"\r\nend\r\n", " LAST")):
            client.putcmd(f"BDAT {len(chunk)}{last}")
            client.send(chunk)
            assert client.getreply()[0] == 250
    wait_until(relaisd.captured, "the captured message")
    assert relaisd.captured()[0].read_bytes().endswith(b"\n\n.\nend\n")


# -------------------------------------------------------------------- relays


def test_delivers_to_smtp_sink(daemon, peers, directory):
    port = free_port()
    dump = directory / "dump"
    dump.mkdir(mode=0o777)
    sink = subprocess.Popen([peers("smtp-sink", "postfix"), "-u", "root",
                             "-D", str(dump / "all"), f"127.0.0.1:{port}",
                             "64"])
    try:
        daemon.settings["relays"] = {"sink": {
            "host": "127.0.0.1", "port": port, "security": "none",
            "authentication": False, "limits": {"connections": 8}}}
        daemon.start()
        source = peers("smtp-source", "postfix")
        done = run([source, "-s", "8", "-m", "300", "-l", "2000",
                    f"unix:{daemon.socket}"])
        assert done.returncode == 0, done.stderr

        def all_delivered():
            status = daemon.api("/v1/status")[1]
            return status["messages"]["delivered"] == 300

        wait_until(all_delivered, "300 deliveries")
    finally:
        sink.kill()
        sink.wait()


AIOSMTPD = """
import ssl, sys
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
class Handler:
    async def handle_DATA(self, server, session, envelope):
        with open(sys.argv[4], "ab") as out:
            out.write(envelope.content + b"\\0")
        return "250 2.0.0 taken"
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
def check(server, session, envelope, mechanism, data):
    good = data.login == b"app" and data.password == b"secret"
    return AuthResult(success=good)
class TheController(Controller):
    def factory(self):
        return SMTP(self.handler, tls_context=context, require_starttls=True,
                    auth_required=True, authenticator=check)
controller = TheController(Handler(), hostname="127.0.0.1",
                           port=int(sys.argv[1]))
controller.start()
print("ready", flush=True)
sys.stdin.read()
"""


def test_delivers_to_aiosmtpd_with_tls_and_login(daemon, directory):
    aiosmtpd = pytest.importorskip(
        "aiosmtpd", reason="python3-aiosmtpd was not fetched")
    assert aiosmtpd
    folder = directory / "tls"
    run([SOURCE / "tests" / "support" / "certificates.sh", folder])
    port = free_port()
    out = directory / "out"
    server = subprocess.Popen(
        [sys.executable, "-c", AIOSMTPD, str(port), str(folder / "good.pem"),
         str(folder / "good.key"), str(out)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert server.stdout.readline() == b"ready\n"
        daemon.settings["relays"] = {"aio": {
            "host": "localhost", "port": port, "security": "starttls",
            "username": "app", "password": "secret",
            "tls": {"ca_file": str(folder / "ca.pem")}}}
        daemon.start()
        daemon.wait_for_state(daemon.send(), "delivered")
        assert b"Subject: hello" in out.read_bytes()
    finally:
        server.stdin.close()
        server.wait()


def test_captures_into_a_maildir(relaisd):
    queue_id = relaisd.send("Subject: captured\r\n\r\nhello\r\n")
    relaisd.wait_for_state(queue_id, "delivered")
    (path,) = relaisd.captured()
    letter = email.message_from_bytes(path.read_bytes())
    assert letter["Subject"] == "captured"
    assert list((relaisd.maildir / "tmp").iterdir()) == []
