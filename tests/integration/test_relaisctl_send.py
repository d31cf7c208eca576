"""relaisctl send: mail from the command line, for anybody."""

import email
import email.policy
import json
import pathlib

import pytest
from conftest import wait_until
from relay import Relay

WEB = 33  # www-data


def sent(daemon, *words, input=b"the text\n", user=None):
    """Its output, and the mail as it came out."""
    done = daemon.ctl("send", *words, input=input, user=user)
    assert done.returncode == 0, done.stderr
    files = wait_until(daemon.captured, "the mail")
    return done.stdout.decode(), email.message_from_bytes(
        files[-1].read_bytes(), policy=email.policy.default)


def test_sends_what_stdin_says(relaisd):
    output, mail = sent(relaisd, "a@example.net", "--subject", "Grüße",
                        "--from", "App <app@example.com>",
                        input="hällo\n".encode())
    assert output.startswith("Queued as ")
    assert mail["Subject"] == "Grüße"
    assert mail["From"] == "App <app@example.com>"
    assert mail["To"] == "a@example.net"
    assert mail.get_content() == "hällo\n"


def test_the_sender_is_who_calls(relaisd):
    _, mail = sent(relaisd, "--to", "a@example.net", user=WEB)
    assert mail["From"].addresses[0].addr_spec == "www-data@relais.example.com"
    assert mail["Return-Path"] == "<www-data@relais.example.com>"
    assert "(uid 33)" in mail["Received"]


def test_everything_at_once(relaisd, directory):
    page = pathlib.Path(directory) / "page.html"
    page.write_text("<p>hällo</p>")
    report = pathlib.Path(directory) / "Bericht \"März\".pdf"
    report.write_bytes(bytes(range(256)) * 100)
    plain = pathlib.Path(directory) / "data"
    plain.write_bytes(b"no end of line")
    output, mail = sent(
        relaisd, "--from", "app@example.com", "--to", "a@example.net",
        "--to", "B <b@example.net>", "--cc", "c@example.net", "--bcc",
        "d@example.net", "--reply-to", "desk@example.com", "--subject", "s",
        "--text", "plain", "--html-file", page, "--attach", report,
        "--attach", f"{plain}:text/x-log", "--header", "X-One: 1",
        "--header", "X-Two: zwölf", "--tag", "t", "--meta", "m", "--key",
        "k", "--relay", "capture", "--priority", "urgent", "--deadline",
        "1h")
    message = relaisd.show(output.split()[2].rstrip("."))
    assert [r["address"] for r in message["recipients"]] == [
        f"{c}@example.net" for c in "abcd"]
    assert (message["tag"], message["meta"], message["key"],
            message["priority"]) == ("t", "m", "k", "urgent")
    assert message["deadline"]
    assert mail["Cc"] == "c@example.net" and mail["Bcc"] is None
    assert mail["Reply-To"] == "desk@example.com"
    assert mail["X-One"] == "1" and mail["X-Two"] == "zwölf"
    words, *files = mail.iter_parts()
    assert [part.get_content_type() for part in words.iter_parts()] == [
        "text/plain", "text/html"]
    assert [part.get_filename() for part in files] == [report.name, "data"]
    assert [part.get_content_type() for part in files] == [
        "application/pdf", "text/x-log"]
    assert [part.get_payload(decode=True) for part in files] == [
        report.read_bytes(), plain.read_bytes()]


def test_a_key_sends_once(relaisd):
    first, _ = sent(relaisd, "a@example.net", "--key", "k")
    again = relaisd.ctl("send", "a@example.net", "--key", "k", input=b"x")
    assert again.returncode == 0
    assert again.stdout.startswith(b"Was sent before, as ")
    assert first.split()[-1] == again.stdout.decode().split()[-1]
    other = relaisd.ctl("send", "b@example.net", "--key", "k", input=b"x")
    assert other.returncode == 1
    assert first.split()[-1].rstrip(".") in other.stderr.decode()


def test_waits_for_the_outcome(relaisd):
    output, _ = sent(relaisd, "a@example.net", "--wait", "30s")
    assert output.rstrip().endswith("delivered.")
    done = relaisd.ctl("send", "a@example.net", "--wait", "30s", "--json",
                       input=b"x")
    assert json.loads(done.stdout)["outcome"] == "delivered"


def test_says_what_the_relay_refused(daemon):
    with Relay() as relay:
        relay.answer("RCPT", "550 5.1.1 no such user")
        daemon.use_relay(relay)
        daemon.start()
        done = daemon.ctl("send", "a@example.net", "--wait", "30s",
                          input=b"x")
    assert done.returncode == 1
    assert b"no such user" in done.stderr and b"relaisctl show" in done.stderr


def test_a_wait_may_be_in_vain(daemon):
    daemon.settings["relays"] = {"office": {
        "host": "127.0.0.1", "port": 9, "security": "none"}}
    daemon.start()
    done = daemon.ctl("send", "a@example.net", "--wait", "1s", input=b"x")
    assert done.returncode == 1 and b"pending" in done.stdout


def test_sends_later(relaisd):
    done = relaisd.ctl("send", "a@example.net", "--hold-for", "2h",
                       "--json", input=b"x")
    message = relaisd.show(json.loads(done.stdout)["id"])
    assert message["recipients"][0]["next_attempt"] > message["submitted"]
    done = relaisd.ctl("send", "a@example.net", "--at",
                       "2040-01-01T00:00:00Z", input=b"x")
    assert done.returncode == 1 and done.stderr  # beyond what may be held


def test_a_dry_run_sends_nothing(relaisd):
    done = relaisd.ctl("send", "a@example.net", "--dry-run", input=b"x")
    assert done.returncode == 0 and b"would" in done.stdout
    assert relaisd.api("/v1/messages")[1]["messages"] == []


@pytest.mark.parametrize("words,code", [
    ((), 64),
    (("a@example.net", "--text", "x", "--text-file", "/etc/hostname"), 64),
    (("a@example.net", "--at", "noon"), 64),
    (("a@example.net", "--header", "no colon"), 64),
    (("a@example.net", "--limit", "3"), 64),
    (("a@example.net", "--text-file", "/nonexistent"), 1),
    (("a@example.net", "--attach", "/nonexistent"), 1),
    (("no address", "--text", "x"), 1),
    (("a@example.net", "--text", "x", "--header", "From: b"), 1),
    (("a@example.net", "--text", "x", "--priority", "high"), 1),
])
def test_mistakes_are_named(relaisd, words, code):
    done = relaisd.ctl("send", *words, input=b"")
    assert done.returncode == code, (done.stdout, done.stderr)
    assert done.stderr.startswith(b"relaisctl: ")
    assert not relaisd.captured()


def test_text_that_is_none_is_not_sent(relaisd):
    done = relaisd.ctl("send", "a@example.net", input=b"\xff\xfe\0")
    assert done.returncode == 1 and b"--attach" in done.stderr


def test_who_may_not_gets_77(daemon):
    daemon.settings["submitters"] = [
        {"user": WEB, "senders": ["*@web.example.com"]}]
    daemon.start()
    done = daemon.ctl("send", "a@example.net", input=b"x", user=WEB)
    assert done.returncode == 77 and b"submitters" in done.stderr


def test_without_a_daemon_says_so(daemon):
    done = daemon.ctl("send", "a@example.net", input=b"x")
    assert done.returncode == 69


def test_help_speaks_of_a_mail(relaisd):
    text = relaisd.ctl("send", "--help").stdout.decode()
    assert "--attach FILE" in text and "a word to find it by" in text
