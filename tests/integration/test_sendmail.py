"""relais-sendmail, called as real programs call it."""

import datetime
import email
import email.policy
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess

import pytest

from conftest import BUILD, PATIENCE, is_sanitized, wait_until
from fake_relaisd import FakeRelaisd

SENDMAIL = BUILD / "relais-sendmail"
LETTER = b"Subject: hello\n\nhello\n"

(OK, USAGE, DATAERR, NOUSER, UNAVAILABLE, SOFTWARE, CANTCREAT, IOERR, TEMPFAIL,
 PROTOCOL, NOPERM, CONFIG) = (0, 64, 65, 67, 69, 70, 73, 74, 75, 76, 77, 78)


def letters_of(relaisd):
    """What was captured, but for reports, which follow when they are due."""
    return [path for path in relaisd.captured()
            if b"multipart/report" not in path.read_bytes().split(b"\n\n")[0]]


def sent(relaisd, count=1):
    """What was captured, parsed; the envelope is in two fields of it."""
    paths = wait_until(
        lambda: letters_of(relaisd) if len(letters_of(relaisd)) >= count
        else None, f"{count} captured messages")
    assert len(paths) == count
    letters = [email.message_from_bytes(path.read_bytes(),
                                        policy=email.policy.default)
               for path in paths]
    return letters if count > 1 else letters[0]


def body(letter):
    return letter.get_payload(decode=False)


def recipients(letter):
    return sorted(letter.get_all("X-Envelope-To"))


def sender(letter):
    return letter["Return-Path"]


def ok(done):
    assert done.returncode == OK, done
    assert done.stdout == b"" and done.stderr == b"", done
    return done


def complains(done, code):
    """Exactly one line, of the shape: sendmail: what (why; what to do)."""
    assert done.returncode == code, done
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1 and lines[0].startswith("sendmail: "), done
    assert done.stdout == b"", done
    return lines[0]


# --------------------------------------------------------- as others call it


def test_as_debian_cron_calls(relaisd):
    ok(relaisd.sendmail("-i", "-FCronDaemon", "-B8BITMIME", "-oem", "root",
                        input=b"To: root\nSubject: Cron <root@web> true\n\n"
                              b"caf\xc3\xa9\n.\nend\n"))
    letter = sent(relaisd)
    assert recipients(letter) == ["root@relais.example.com"]
    assert letter["From"] == "CronDaemon <root@relais.example.com>"
    assert letter.get_payload().splitlines()[1:] == [".", "end"]


def test_as_cronie_calls(relaisd):
    ok(relaisd.sendmail("-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t",
                        "-f", "root",
                        input=b"From: root (Cron Daemon)\nTo: root\n"
                              b"Subject: Cron\nAuto-Submitted: auto-generated"
                              b"\nX-Cron-Env: <SHELL=/bin/sh>\n\nout\n"))
    letter = sent(relaisd)
    assert recipients(letter) == ["root@relais.example.com"]
    assert letter["X-Cron-Env"] == "<SHELL=/bin/sh>"
    assert letter.get_all("From") and len(letter.get_all("From")) == 1


def test_as_php_calls(relaisd):
    """CRLF from PHP, LF from the script's own headers: mixed line ends."""
    ok(relaisd.sendmail("-t", "-i", "-fapp@example.com",
                        input=b"To: user@example.net\r\nSubject: php\r\n"
                              b"X-Own: 1\nCc: copy@example.net\r\n\r\n"
                              b"line one\r\nline two\n.\r\nend\r\n"))
    letter = sent(relaisd)
    assert recipients(letter) == ["copy@example.net", "user@example.net"]
    assert sender(letter) == "<app@example.com>"
    assert body(letter) == "line one\nline two\n.\nend\n"


def test_as_phpmailer_calls(relaisd):
    ok(relaisd.sendmail("-oi", "-fapp@example.com", "-t",
                        input=b"To: a@example.net\nBcc: b@example.net\n"
                              b"From: App <app@example.com>\n\nx\n"))
    letter = sent(relaisd)
    assert recipients(letter) == ["a@example.net", "b@example.net"]
    assert letter["Bcc"] is None


def test_as_symfony_calls(relaisd):
    """-bs, with the session kept for a second message."""
    dialogue = [b"EHLO [127.0.0.1]", b"MAIL FROM:<app@example.com>",
                b"RCPT TO:<user@example.net>", b"DATA",
                b"Subject: one\r\n\r\n..dot\r\n.", b"RSET", b"NOOP",
                b"MAIL FROM:<app@example.com>", b"RCPT TO:<user@example.net>",
                b"DATA", b"Subject: two\r\n\r\nx\r\n.", b"QUIT"]
    process = subprocess.Popen(
        [SENDMAIL, "-bs", "-i"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, env=relaisd.environment())

    def reply():
        while True:
            line = process.stdout.readline()
            assert line.endswith(b"\r\n"), line
            if line[3:4] == b" ":
                return int(line[:3])

    assert reply() == 220
    codes = []
    for line in dialogue:
        process.stdin.write(line + b"\r\n")
        process.stdin.flush()
        codes.append(reply())
    assert codes == [250, 250, 250, 354, 250, 250, 250, 250, 250, 354, 250,
                     221]
    assert process.wait(PATIENCE) == OK
    one, two = sent(relaisd, 2)
    assert {one["Subject"], two["Subject"]} == {"one", "two"}
    first = one if one["Subject"] == "one" else two
    assert body(first) == ".dot\n"


def test_as_alpine_calls_with_lf(relaisd):
    done = relaisd.sendmail("-bs", "-odb", "-oem", input=(
        b"EHLO x\nMAIL FROM:<app@example.com>\nRCPT TO:<user@example.net>\n"
        b"DATA\nSubject: lf\n\none\n..two\n.\nQUIT\n"))
    assert done.returncode == OK and done.stderr == b""
    letter = sent(relaisd)
    assert body(letter) == "one\n.two\n"


def test_bs_ends_no_message_of_a_crlf_client_at_lf(relaisd):
    """What would be smuggled in behind LF.LF stays text."""
    done = relaisd.sendmail("-bs", input=(
        b"EHLO x\r\nMAIL FROM:<app@example.com>\r\n"
        b"RCPT TO:<user@example.net>\r\nDATA\r\n"
        b"Subject: crlf\r\n\r\none\n.\nMAIL FROM:<evil@example.com>\r\n.\r\n"
        b"QUIT\r\n"))
    assert done.returncode == OK
    assert "MAIL FROM:<evil@example.com>" in body(sent(relaisd))


def test_bs_takes_chunks_of_a_lf_client(relaisd):
    chunk = b"Subject: chunk\n\nDATA\nBDAT 7\n.\n"
    done = relaisd.sendmail("-bs", input=(
        b"EHLO x\nMAIL FROM:<app@example.com>\nRCPT TO:<user@example.net>\n"
        b"BDAT %d LAST\n%sQUIT\n" % (len(chunk), chunk)))
    assert done.returncode == OK and b"\r\n221 " in done.stdout
    assert body(sent(relaisd)) == "DATA\nBDAT 7\n.\n"


def test_bs_queues_nothing_of_a_client_that_leaves(relaisd):
    done = relaisd.sendmail("-bs", input=(
        b"EHLO x\r\nMAIL FROM:<app@example.com>\r\n"
        b"RCPT TO:<user@example.net>\r\nDATA\r\nSubject: half\r\n"))
    assert done.returncode == OK
    _, page = relaisd.api("/v1/messages")
    assert page["messages"] == []


def test_bs_waits_for_no_greeting_that_does_not_come(directory):
    """Somebody listens, and says nothing."""
    path = directory / "silent.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        done = run(path, "-bs")
    assert done.returncode == UNAVAILABLE
    assert done.stdout.startswith(b"421 ") and b"no greeting" in done.stderr


def test_bs_passes_large_sessions_both_ways(relaisd):
    """More replies than any buffer, from a client that reads late."""
    noops = b"NOOP\r\n" * 100000
    done = relaisd.sendmail("-bs", input=b"EHLO x\r\n" + noops + b"QUIT\r\n")
    assert done.returncode == OK
    assert done.stdout.count(b"250 2.0.0 Ok\r\n") == 100000


def test_as_mutt_calls(relaisd):
    ok(relaisd.sendmail("-oem", "-oi", "-B8BITMIME", "-f", "me@example.com",
                        "-N", "success,failure", "-R", "hdrs", "--",
                        "a@example.net", "b@example.net, c@example.net",
                        input=b"From: Me <me@example.com>\n" + LETTER))
    # The report of success, which -N asks for, comes behind it.
    first = wait_until(relaisd.captured, "the captured message")[0]
    letter = email.message_from_bytes(first.read_bytes())
    assert recipients(letter) == [
        "a@example.net", "b@example.net", "c@example.net"]


def test_as_git_send_email_calls(relaisd):
    ok(relaisd.sendmail("-i", "a@example.net", "List <b@example.net>",
                        input=b"From: Dev <dev@example.com>\nTo: "
                              b"a@example.net\nSubject: [PATCH] x\n\ndiff\n"))
    assert recipients(sent(relaisd)) == ["a@example.net", "b@example.net"]


def test_git_send_email_itself(relaisd, directory):
    git = shutil.which("git")
    where = subprocess.run([git or "false", "--exec-path"],
                           capture_output=True, text=True)
    if not (pathlib.Path(where.stdout.strip()) / "git-send-email").exists():
        pytest.skip("git send-email is not installed")
    patch = directory / "0001-x.patch"
    patch.write_bytes(b"From 0123456789012345678901234567890123456789 Mon Sep"
                      b" 17 00:00:00 2001\nFrom: Dev <dev@example.com>\n"
                      b"Date: Mon, 23 Nov 2026 18:40:01 +0100\n"
                      b"Subject: [PATCH] x\n\nwhy\n---\n x | 1 +\n-- \n2\n")
    done = subprocess.run(
        [git, "send-email", f"--sendmail-cmd={SENDMAIL}", "--quiet",
         "--confirm=never", "--from=Dev <dev@example.com>",
         "--to=a@example.net", "--cc=b@example.net", str(patch)],
        cwd=directory, capture_output=True, timeout=PATIENCE,
        env={**relaisd.environment(), "HOME": str(directory)})
    assert done.returncode == 0, done.stderr
    letter = sent(relaisd)
    # it adds the author as a recipient
    assert recipients(letter) == ["a@example.net", "b@example.net",
                                  "dev@example.com"]
    assert letter["Subject"] == "[PATCH] x"


def test_mutt_itself(relaisd, peers, directory):
    rc = directory / "muttrc"
    rc.write_text(f'set sendmail="{SENDMAIL} -oem -oi"\nset copy=no\n'
                  "set realname=Me\nset from=me@example.com\n"
                  "set use_envelope_from=yes\nset dsn_notify=failure\n")
    done = subprocess.run(
        [peers("mutt"), "-n", "-F", rc, "-s", "caf\u00e9", "-b",
         "hidden@example.net", "--", "a@example.net"],
        input="h\u00e9llo\n.\nend\n".encode(), capture_output=True,
        timeout=PATIENCE, env={**relaisd.environment(), "HOME": str(directory),
                               "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0, done
    letter = sent(relaisd)
    assert recipients(letter) == ["a@example.net", "hidden@example.net"]
    assert sender(letter) == "<me@example.com>"
    assert letter["Subject"] == "caf\u00e9" and letter["Bcc"] is None
    assert letter.get_content() == "h\u00e9llo\n.\nend\n"


def test_s_nail_itself(relaisd, peers, directory):
    done = subprocess.run(
        [peers("s-nail", "snail"), "-:/", "-Ssendwait", f"-Smta={SENDMAIL}",
         "-Sv15-compat", "-s", "hello", "-r", "me@example.com",
         "a@example.net", "b@example.net"], input=b"one\n.dot\n",
        capture_output=True, timeout=PATIENCE,
        env={**relaisd.environment(), "HOME": str(directory)})
    assert done.returncode == 0, done
    letter = sent(relaisd)
    assert recipients(letter) == ["a@example.net", "b@example.net"]
    assert body(letter) == "one\n.dot\n" and letter["Subject"] == "hello"


def php(relaisd, peers, directory, code, **environment):
    script = directory / "script.php"
    script.write_text("<?php " + code)
    return subprocess.run(
        [peers("php"), "-n", "-d", f"sendmail_path={SENDMAIL} -t -i", script],
        capture_output=True, timeout=PATIENCE,
        env={**relaisd.environment(), **environment})


def test_php_itself(relaisd, peers, directory):
    done = php(relaisd, peers, directory, r"""
        exit(mail("A <a@example.net>", "hello", "one\n.\ntwo\r\n",
                  "From: App <app@example.com>\nBcc: b@example.net",
                  "-fbounces@example.com") ? 0 : 1);""")
    assert done.returncode == 0, done
    letter = sent(relaisd)
    assert recipients(letter) == ["a@example.net", "b@example.net"]
    assert sender(letter) == "<bounces@example.com>"
    # it ends the text once more itself
    assert body(letter).splitlines() == ["one", ".", "two", ""]


def test_php_hears_of_a_failure(relaisd, peers, directory):
    done = php(relaisd, peers, directory, r"""
        exit(mail("a@example.net", "hello", "x") ? 0 : 1);""",
               RELAIS_SOCKET="/nonexistent")
    assert done.returncode == 1
    assert b"is relaisd running?" in done.stderr


def test_as_mailx_calls(relaisd):
    ok(relaisd.sendmail("-oem", "-oi", "-froot", "user@example.net",
                        input=LETTER))
    assert sender(sent(relaisd)) == "<root@relais.example.com>"


def test_as_ruby_and_nodemailer_call(relaisd):
    ok(relaisd.sendmail("-i", "-f", "app@example.com", "--",
                        "user@example.net",
                        input=b"Bcc: hidden@example.net\n" + LETTER))
    letter = sent(relaisd)
    assert recipients(letter) == ["user@example.net"]
    assert letter["Bcc"] is None


def test_as_fail2ban_calls(relaisd):
    """Without -i a line that is a dot is the end, and the rest is drained."""
    ok(relaisd.sendmail("-f", "fail2ban", "root",
                        input=b"Subject: ban\n\nbefore\n.\n" +
                              b"behind\n" * 100000))
    letter = sent(relaisd)
    assert sender(letter) == "<fail2ban@relais.example.com>"
    assert body(letter) == "before\n"


def test_as_popen_calls(relaisd):
    """sudo, mdadm, logwatch: sh -c '... -oi -t' with a pipe."""
    done = subprocess.run(
        ["sh", "-c", f"printf 'To: root\\nSubject: x\\n\\nx\\n' | "
                     f"{SENDMAIL} -oi -t"],
        env=relaisd.environment(), capture_output=True, timeout=PATIENCE)
    ok(done)
    assert recipients(sent(relaisd)) == ["root@relais.example.com"]


# ----------------------------------------------------- recipients and sender


def test_t_adds_operands(relaisd):
    ok(relaisd.sendmail("-t", "more@example.net",
                        input=b"To: a@example.net\n\nx\n"))
    assert recipients(sent(relaisd)) == ["a@example.net", "more@example.net"]


def test_t_takes_only_resent_fields_where_there_are_some(relaisd):
    ok(relaisd.sendmail("-t", input=(
        b"Resent-To: new@example.net\nResent-Bcc: hidden@example.net\n"
        b"To: old@example.net\nCc: older@example.net\n\nx\n")))
    letter = sent(relaisd)
    assert recipients(letter) == ["hidden@example.net", "new@example.net"]
    assert letter["Resent-Bcc"] is None and letter["To"] == "old@example.net"


def test_t_reads_what_people_write(relaisd):
    ok(relaisd.sendmail("-t", input=(
        b'To: "Last, First" <a@example.net>, friends: b@example.net (B),\n'
        b"\tC <c@example.net>;, , d@example.net\n\nx\n")))
    assert recipients(sent(relaisd)) == [
        f"{name}@example.net" for name in "abcd"]


def test_t_needs_a_recipient(relaisd):
    line = complains(relaisd.sendmail("-t", input=(
        b"To: undisclosed-recipients:;\n\nx\n")), USAGE)
    assert "names no recipient" in line
    complains(relaisd.sendmail(input=LETTER), USAGE)


def test_t_names_the_bad_address(relaisd):
    line = complains(relaisd.sendmail("-t", input=(
        b"To: ok@example.net\nCc: <no@@example.net>\n\nx\n")), DATAERR)
    assert "Cc: <no@@example.net> is no address" in line


def test_operand_is_a_list(relaisd):
    ok(relaisd.sendmail("a@example.net,b@example.net", "C <c@example.net>",
                        "group: d@example.net;", input=LETTER))
    assert recipients(sent(relaisd)) == [
        f"{name}@example.net" for name in "abcd"]


def test_option_behind_the_addresses_is_no_address(relaisd):
    line = complains(relaisd.sendmail("user@example.net", "-fapp",
                                      input=LETTER), USAGE)
    assert "options go in front" in line
    complains(relaisd.sendmail("--", "-X/tmp/x", input=LETTER), USAGE)


@pytest.mark.parametrize("given, envelope", [
    ("app@example.com", "<app@example.com>"),
    ("<app@example.com>", "<app@example.com>"),
    ("App Name <app@example.com>", "<app@example.com>"),
    ("app", "<app@relais.example.com>"),
    ("<>", "<>"),
    ("", "<>"),
])
@pytest.mark.parametrize("option", ["-f", "-r"])
def test_sender(relaisd, option, given, envelope):
    ok(relaisd.sendmail(option, "first@example.com", option, given,
                        "user@example.net",
                        input=b"From: x@example.com\n" + LETTER))
    assert sender(sent(relaisd)) == envelope


@pytest.mark.parametrize("given", ["a b", "a@b@c", "a@b, c@d",
                                   "a\r\nRCPT TO:<x@example.net>"])
def test_bad_sender(relaisd, given):
    complains(relaisd.sendmail("-f", given, "user@example.net",
                               input=LETTER), DATAERR)


@pytest.mark.parametrize("name, field", [
    ("App", "From: App <app@example.com>"),
    ('A "B" C, D', 'From: "A \\"B\\" C, D" <app@example.com>'),
    ("Jürgen", "From: =?UTF-8?Q?J=C3=BCrgen?= <app@example.com>"),
    ("A\r\nBcc: x@example.net", "From: \"ABcc: x@example.net\" "
                                "<app@example.com>"),
])
def test_full_name(relaisd, name, field):
    ok(relaisd.sendmail("-f", "app@example.com", "-F", name,
                        "user@example.net", input=LETTER))
    wait_until(relaisd.captured, "the message")
    content = relaisd.captured()[0].read_text()
    assert field in content.splitlines()
    assert recipients(sent(relaisd)) == ["user@example.net"]


def test_full_name_of_the_environment(relaisd):
    done = subprocess.run(
        [SENDMAIL, "-f", "app@example.com", "user@example.net"],
        input=LETTER, capture_output=True,
        env={**relaisd.environment(), "NAME": "Env"})
    ok(done)
    assert sent(relaisd)["From"] == "Env <app@example.com>"


def test_full_name_leaves_a_from_field_alone(relaisd):
    ok(relaisd.sendmail("-F", "Other", "user@example.net",
                        input=b"From: Own <own@example.com>\n" + LETTER))
    assert sent(relaisd)["From"] == "Own <own@example.com>"


def test_adds_what_is_missing(relaisd):
    ok(relaisd.sendmail("user@example.net", input=b"only text\nmore\n"))
    letter = sent(relaisd)
    assert letter["From"] and letter["Date"] and letter["Message-ID"]
    assert letter["Received"] and letter["To"] is None
    assert body(letter) == "only text\nmore\n"


# ------------------------------------------------------------------- content


@pytest.mark.parametrize("content, expected", [
    (b"Subject: x\n\none\ntwo\n", "one\ntwo\n"),
    (b"Subject: x\r\n\r\none\r\ntwo\r\n", "one\ntwo\n"),
    (b"Subject: x\r\n\none\r\ntwo", "one\ntwo\n"),
    (b"Subject: x\n\n", ""),
    (b"Subject: x\n", ""),
    (b"Subject: x\n\n..two dots\n. dot\n", "..two dots\n. dot\n"),
    (b"Subject: x\n\nbefore\n.\nbehind\n", "before\n"),
    (b"Subject: x\n\nbefore\r\n.\r\nbehind\r\n", "before\n"),
    (b"Subject: x\n\nbefore\n.", "before\n"),
    (b"From app Mon Nov 23 18:40:01 2026\nSubject: x\n\none\n", "one\n"),
    (b">From app Mon Nov 23 18:40:01 2026\nSubject: x\n\none\n", "one\n"),
])
def test_content(relaisd, content, expected):
    ok(relaisd.sendmail("user@example.net", input=content))
    letter = sent(relaisd)
    assert body(letter) == expected and letter["Subject"] == "x"


@pytest.mark.parametrize("option", ["-i", "-oi", "-oitrue", "-ti"])
def test_dot_is_text(relaisd, option):
    ok(relaisd.sendmail(option, "user@example.net", input=(
        b"To: user@example.net\n\nbefore\n.\nbehind\n")))
    assert body(sent(relaisd)) == "before\n.\nbehind\n"


def test_drops_fields_that_are_not_for_others(relaisd):
    ok(relaisd.sendmail("user@example.net", input=(
        b"Return-Path: <x@example.com>\nContent-Length: 5\n"
        b"Bcc: x@example.net\n" + LETTER)))
    letter = sent(relaisd)
    assert letter["Content-Length"] is None and letter["Bcc"] is None
    assert len(letter.get_all("Return-Path")) == 1


@pytest.mark.parametrize("content", [
    b"Subject: x\n\nnul \0 here\n", b"Subject: \0\n\nx\n",
    b"Subject: x\n\nstray \r here\n", b"Subject: x\n\ntwo \r\r\n",
    b"Subject: x\n\nlast\r",
    pytest.param(b"Subject: x\n\n" + b"y\n" * 200000 + b"\0", id="late"),
])
def test_refuses_what_cannot_be_sent(relaisd, content):
    complains(relaisd.sendmail("-i", "user@example.net", input=content),
              DATAERR)
    _, page = relaisd.api("/v1/messages")
    assert page["messages"] == []


def test_refuses_a_header_without_end(relaisd):
    line = complains(relaisd.sendmail("user@example.net", input=(
        b"X-Long: " + b"y\n " * 200000)), DATAERR)
    assert "header is too large" in line


def test_refuses_what_is_too_large(daemon):
    daemon.settings["receive"]["message_size"] = "1MiB"
    daemon.start()
    for content in (LETTER + b"x" * 77 + b"\n", LETTER):
        ok(daemon.sendmail("user@example.net", input=content))
    line = complains(daemon.sendmail("user@example.net", input=(
        LETTER + (b"x" * 77 + b"\n") * 20000)), DATAERR)
    assert "too large" in line


@pytest.mark.skipif(is_sanitized, reason="a sanitizer needs memory itself")
def test_memory_does_not_grow_with_the_message(relaisd):
    """100 MiB through, under a limit of memory that they would not fit."""
    piece = (b"0123456789abcde\n" * 64 * 1024)[:1024 * 1024]
    relaisd.settings["receive"]["message_size"] = "200MiB"
    relaisd.reload()
    wait_until(lambda: b"SIZE 209715200" in
               (lambda c: (c.ehlo(), c.ehlo_resp, c.quit())[1])(relaisd.smtp()),
               "the new limit")
    process = subprocess.Popen(
        ["sh", "-c", f"ulimit -v 16384; exec {SENDMAIL} -i user@example.net"],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
        env=relaisd.environment())
    try:
        process.stdin.write(LETTER)
        for _ in range(100):
            process.stdin.write(piece)
        process.stdin.close()
    except BrokenPipeError:
        pass
    errors = process.stderr.read()
    process.wait(PATIENCE)
    if b"Sanitizer" in errors or b"loading shared libraries" in errors:
        pytest.skip("the sanitizers need more memory")
    assert process.returncode == OK, errors
    wait_until(relaisd.captured, "the message")


def test_killed_before_the_end_queues_nothing(relaisd):
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def heed_signals():  # who runs the tests may ignore some
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)

    for number in numbers:
        process = subprocess.Popen([SENDMAIL, "-i", "user@example.net"],
                                   stdin=subprocess.PIPE,
                                   preexec_fn=heed_signals,
                                   env=relaisd.environment())
        process.stdin.write(LETTER + b"half a message\n" * 20000)
        process.stdin.flush()
        process.send_signal(number)
        assert process.wait(PATIENCE) == -number
        process.stdin.close()
    _, page = relaisd.api("/v1/messages")
    assert page["messages"] == []


# ------------------------------------------------- the rows of the flag table


@pytest.mark.parametrize("words", [
    ["-odb"], ["-odd"], ["-odf"], ["-odi"], ["-odq"], ["-oem"], ["-oee"],
    ["-oep"], ["-oeq"], ["-oew"], ["-em"], ["-ep"], ["-om"], ["-m"], ["-n"],
    ["-G"], ["-U"], ["-x"], ["-J"], ["-Jx"], ["-E"], ["-Ex"], ["-Am"],
    ["-Ac"], ["-L", "tag"], ["-h", "5"], ["-p", "ESMTP"], ["-d"], ["-d0.1"],
    ["-D", "file"], ["-o7"], ["-o8"], ["-oo"], ["-oAfile"], ["-oMr", ],
    ["-or5m"], ["-os"], ["-oQ/tmp"], ["-O", "QueueDirectory=/tmp"],
    ["-OTimeout=5"], ["-O", "LogFile=/tmp/x"], ["-B", "7BIT"],
    ["-BBINARYMIME"], ["-N", "never"], ["-NSUCCESS,Delay"], ["-R", "full"],
    ["-Rheaders"], ["-V", "id 1"], ["-bm"], ["-b", "m"], ["-odb", "-oem"],
    ["-O", "smtputf8=yes"], ["-O", "requiretls=no"],
    ["-O", "relais.tag=news"], ["-O", "relais.priority=bulk"],
    ["-O", "relais.lane=normal"], ["-O", "relais.tempfail=75"],
])
def test_takes_flag(relaisd, words):
    ok(relaisd.sendmail(*words, "user@example.net", input=LETTER))
    assert recipients(sent(relaisd)) == ["user@example.net"]


@pytest.mark.parametrize("option", ["-C", "-X", "-D", "-O QueueDirectory=",
                                    "-oQ", "-oA"])
def test_never_opens_what_it_is_given(relaisd, directory, option):
    """PHP's fifth parameter must not name files to write or read."""
    path = directory / "victim"
    os.mkfifo(path)  # opening it would block for ever
    words = option.split(" ")
    words[-1] += str(path)
    ok(relaisd.sendmail(*words, "user@example.net", input=LETTER))
    assert stat.S_ISFIFO(path.stat().st_mode)


@pytest.mark.parametrize("words, name", [
    (["-N", "sometimes"], "-N"), (["-N", "never,success"], "-N"),
    (["-R", "half"], "-R"), (["-V", "x" * 101], "-V"), (["-B", "9BIT"], "-B"),
])
def test_warns_and_ignores(relaisd, words, name):
    done = relaisd.sendmail(*words, "user@example.net", input=LETTER)
    assert done.returncode == OK
    assert re.match(rb"sendmail: %s .* is ignored \(" % name.encode(),
                    done.stderr)
    sent(relaisd)


@pytest.mark.parametrize("words", [
    ["-Z"], ["-bz"], ["-bx"], ["-f"], ["-O"], ["--nothing"],
    ["-O", "relais.nothing=1"], ["-O", "relais.wait=900s"],
    ["-O", "relais.hold-for=soon"], ["-O", "relais.at=tomorrow"],
    ["-O", "relais.tempfail=0"], ["-O", "requiretls=perhaps"],
    ["-bd"], ["-bD"], ["-bl"], ["-bt"], ["-Mrm", "id"],
])
def test_refuses_flag(relaisd, words):
    done = relaisd.sendmail(*words, input=LETTER)
    assert done.returncode == USAGE
    assert done.stderr.startswith(b"sendmail: ")
    if words[0] in ("-bd", "-bD", "-bl", "-bt"):
        assert b"systemctl start relaisd" in done.stderr
    _, page = relaisd.api("/v1/messages")
    assert page["messages"] == []


def test_dsn_reaches_the_relay(daemon, relay):
    daemon.use_relay(relay)
    daemon.start()
    ok(daemon.sendmail("-N", "success,delay", "-R", "hdrs", "-V", "id+1",
                       "-f", "app@example.com", "user@example.net",
                       input=LETTER))
    wait_until(lambda: relay.messages, "the message at the relay")
    (message,) = relay.messages
    assert "RET=HDRS" in message.sender and "ENVID=id+2B1" in message.sender
    assert "NOTIFY=SUCCESS,DELAY" in " ".join(message.session.commands)


def test_settings_of_ours_reach_the_record(relaisd):
    done = relaisd.sendmail(
        "--print-id", "-O", "relais.key=once", "-O", "relais.tag=news",
        "-O", "relais.meta=a=1", "-O", "relais.priority=bulk",
        "-O", "relais.deadline=2h", "user@example.net", input=LETTER)
    message = relaisd.show(done.stdout.decode().strip())
    assert message["key"] == "once" and message["tag"] == "news"
    assert message["priority"] == "bulk" and message["meta"] == "a=1"
    assert message["deadline"]
    again = relaisd.sendmail("--print-id", "-O", "relais.key=once",
                             "user@example.net", input=LETTER)
    assert again.stdout == done.stdout


def test_holds_for_a_time(relaisd):
    later = datetime.datetime.now(datetime.timezone.utc) + \
        datetime.timedelta(hours=1)
    for setting in ("relais.hold-for=1h",
                    f"relais.at={later:%Y-%m-%dT%H:%M:%SZ}"):
        done = relaisd.sendmail("--print-id", "-O", setting,
                                "user@example.net", input=LETTER)
        message = relaisd.show(done.stdout.decode().strip())
        assert message["state"] in ("queued", "held"), message
    ok(relaisd.sendmail("-O", "relais.at=2001-01-01T00:00:00Z",
                        "now@example.net", input=LETTER))
    assert recipients(sent(relaisd)) == ["now@example.net"]


def test_holds_no_longer_than_relaisd_does(relaisd):
    complains(relaisd.sendmail("-O", "relais.hold-for=900d",
                               "user@example.net", input=LETTER), DATAERR)


# ---------------------------------------------------------------- what it says


def test_print_id(relaisd):
    done = relaisd.sendmail("--print-id", "user@example.net", input=LETTER)
    queue_id = done.stdout.decode().strip()
    assert relaisd.show(queue_id)["id"] == queue_id


def test_print_id_by_environment(relaisd):
    done = subprocess.run(
        [SENDMAIL, "user@example.net"], input=LETTER, capture_output=True,
        env={**relaisd.environment(), "RELAIS_PRINT_ID": "1"})
    relaisd.show(done.stdout.decode().strip())


def test_id_on_a_descriptor(relaisd):
    reader, writer = os.pipe()
    done = subprocess.run(
        [SENDMAIL, "user@example.net"], input=LETTER, capture_output=True,
        pass_fds=[writer],
        env={**relaisd.environment(), "RELAIS_ID_FD": str(writer)})
    ok(done)
    os.close(writer)
    relaisd.show(os.read(reader, 100).decode().strip())
    os.close(reader)


def test_nobody_reads_the_id(relaisd):
    """It is queued all the same: no SIGPIPE, and success."""
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run([SENDMAIL, "--print-id", "user@example.net"],
                             input=LETTER, stdout=writer,
                             env=relaisd.environment())
    os.close(writer)
    assert process.returncode == OK
    sent(relaisd)


def test_verbose(relaisd):
    done = relaisd.sendmail("-v", "user@example.net", input=LETTER)
    assert done.stdout.startswith(b"Queued as ")
    done = relaisd.sendmail("-v", "-v", "user@example.net", input=LETTER)
    assert b"<<< 220 " in done.stdout and b">>> MAIL FROM:<" in done.stdout


# ----------------------------------------------------------------- exit codes


@pytest.fixture
def fake(directory):
    with FakeRelaisd(directory / "fake.sock") as server:
        yield server


def run(path, *words, **environment):
    return subprocess.run(
        [SENDMAIL, *words], input=LETTER, capture_output=True,
        timeout=PATIENCE, env={**os.environ, "RELAIS_SOCKET": str(path),
                               **environment})


@pytest.mark.parametrize("verb, reply, code, tempfail", [
    ("MAIL", "550 5.7.1 uid 33 may not send as this", NOPERM, NOPERM),
    ("MAIL", "450 4.7.1 Too many messages", NOPERM, TEMPFAIL),
    ("MAIL", "452 4.3.1 The queue is full", CANTCREAT, TEMPFAIL),
    ("MAIL", "552 5.3.4 The message is too large", DATAERR, DATAERR),
    ("MAIL", "421 4.3.2 Shutting down", UNAVAILABLE, TEMPFAIL),
    ("MAIL", "501 5.1.7 Bad sender address", DATAERR, DATAERR),
    ("MAIL", "503 5.5.1 Say EHLO first", SOFTWARE, SOFTWARE),
    ("RCPT", "550 5.7.1 Not to them", NOUSER, NOUSER),
    ("RCPT", "550 5.1.1 Nobody", NOUSER, NOUSER),
    ("RCPT", "452 4.5.3 Too many recipients", DATAERR, TEMPFAIL),
    ("LAST", "451 4.3.0 The queue can't be written", IOERR, TEMPFAIL),
    ("LAST", "550 5.6.0 A stray CR", DATAERR, DATAERR),
    ("LAST", "554 5.5.4 The key belongs to another", DATAERR, DATAERR),
])
def test_exit_code(fake, verb, reply, code, tempfail):
    fake.reply[verb] = reply
    line = complains(run(fake.path, "user@example.net"), code)
    assert reply in line
    complains(run(fake.path, "-O", "relais.tempfail=75", "user@example.net"),
              tempfail)


def test_exit_code_when_nobody_listens(directory):
    path = directory / "none"
    line = complains(run(path, "user@example.net"), UNAVAILABLE)
    assert "is relaisd running?" in line
    complains(run(path, "-Orelais.tempfail=75", "user@example.net"), TEMPFAIL)
    done = run(path, "-bs")
    assert done.returncode == UNAVAILABLE and done.stdout.startswith(b"421 ")


def test_exit_code_for_a_socket_that_may_not_be_used(relaisd):
    if os.geteuid() != 0:
        pytest.skip("only root can become someone else")
    relaisd.socket.chmod(0o600)
    complains(relaisd.sendmail("user@example.net", input=LETTER, user=65534),
              NOPERM)


def test_exit_code_for_a_socket_that_is_none():
    complains(run("/" + "x" * 200, "user@example.net"), CONFIG)


def test_exit_code_of_a_wait(fake):
    fake.reply["LAST"] = "250 2.0.0 Ok: queued as 6h15xjeag0000 (delivered)"
    ok(run(fake.path, "-O", "relais.wait=5s", "user@example.net"))
    fake.reply["LAST"] = "250 2.0.0 Ok: queued as 6h15xjeag0000 (pending)"
    done = run(fake.path, "-O", "relais.wait=5s", "user@example.net")
    assert done.returncode == TEMPFAIL and b"6h15xjeag0000" in done.stderr
    fake.reply["LAST"] = "550 5.1.1 No such user (failed as 6h15xjeag0000)"
    done = run(fake.path, "-O", "relais.wait=5s", "user@example.net")
    assert done.returncode == PROTOCOL and b"6h15xjeag0000" in done.stderr
    assert "XWAIT=5" in " ".join(fake.transcript)


def test_exit_code_for_a_lost_link(directory):
    with FakeRelaisd(directory / "fake.sock", words=None) as fake:
        fake.reply["LAST"] = None
        line = complains(run(fake.path, "user@example.net"), UNAVAILABLE)
        assert "may be queued or not" in line


def test_asks_by_key_after_a_lost_link(fake):
    fake.reply["LAST"] = None
    fake.reply["XKEY"] = "250 2.0.0 6h15xjeam0000"
    done = run(fake.path, "--print-id", "user@example.net")
    assert done.returncode == OK and done.stdout == b"6h15xjeam0000\n"


def test_exit_code_for_input_that_cannot_be_read(relaisd, directory):
    # a directory can be opened, and not read
    fd = os.open(directory, os.O_RDONLY)
    done = subprocess.run([SENDMAIL, "user@example.net"], stdin=fd,
                          capture_output=True, env=relaisd.environment())
    os.close(fd)
    assert "standard input" in complains(done, IOERR)


def test_requiretls_is_not_promised(relaisd):
    complains(relaisd.sendmail("-O", "requiretls=yes", "user@example.net",
                               input=LETTER), UNAVAILABLE)


# ------------------------------------------------------ the queue and the rest


def links(directory):
    for name in ("mailq", "newaliases", "sendmail"):
        (directory / name).symlink_to(SENDMAIL)
    return directory


def test_mailq_is_empty(relaisd, directory):
    for words in ([links(directory) / "mailq"], [SENDMAIL, "-bp"],
                  [directory / "mailq", "-v"], [directory / "mailq", "-Ac"]):
        done = relaisd.run(*words)
        assert done.returncode == OK
        assert done.stdout == b"Mail queue is empty\n"


def test_mailq_lists(daemon, relay):
    relay.answer("RCPT", *["451 4.7.1 Try later"] * 50)
    daemon.use_relay(relay)
    daemon.start()
    for i in range(3):
        ok(daemon.sendmail("-f", f"s{i}@example.com", "a@example.net",
                           "b@example.net", input=LETTER))

    def are_deferred():
        _, page = daemon.api("/v1/messages")
        return all(r["reply"] for m in page["messages"]
                   for r in m["recipients"])

    wait_until(are_deferred, "the relay to have said 451")
    done = daemon.run(SENDMAIL, "-bp")
    text = done.stdout.decode()
    assert done.returncode == OK
    assert text.startswith("--Queue ID---- --Size--")
    assert re.search(r"^[0-9a-z]{13}[ *!] +\d+ +[A-Z][a-z]{2} [A-Z][a-z]{2} "
                     r"[ \d]\d \d\d:\d\d:\d\d s2@example\.com$", text, re.M)
    assert text.count("(451 4.7.1 Try later)") == 6
    assert text.count(" a@example.net\n") == 3
    assert re.search(r"^-- \d+ Kbytes in 3 Requests\.$", text, re.M)


def test_mailq_goes_over_pages(daemon):
    daemon.settings["relays"] = {"down": {"url": "smtp://127.0.0.1:9"}}
    daemon.start()
    with daemon.smtp() as client:
        for _ in range(250):
            client.sendmail("app@example.com", ["user@example.net"], "x: y\r\n")
    text = daemon.run(SENDMAIL, "-bp").stdout.decode()
    assert len(set(re.findall(r"^[0-9a-z]{13}(?=[ *!])", text, re.M))) == 250
    assert "in 250 Requests." in text


def test_mailq_shows_a_user_only_own_mail(daemon):
    if os.geteuid() != 0:
        pytest.skip("only root can become someone else")
    daemon.settings["relays"] = {"down": {"url": "smtp://127.0.0.1:9"}}
    daemon.start()
    ok(daemon.sendmail("-f", "root@example.com", "user@example.net",
                       input=LETTER))
    ok(daemon.sendmail("-f", "own@example.com", "user@example.net",
                       input=LETTER, user=1234))
    text = daemon.run(SENDMAIL, "-bp", user=1234).stdout.decode()
    assert "own@example.com" in text and "root@example.com" not in text
    assert "2 Requests" in daemon.run(SENDMAIL, "-bp").stdout.decode()


def test_mailq_when_nobody_listens(daemon):
    done = daemon.run(SENDMAIL, "-bp")
    assert done.returncode == UNAVAILABLE and b"relaisd running?" in done.stderr


@pytest.mark.parametrize("words", [["-bi"], ["-I"]])
def test_newaliases(relaisd, directory, words):
    for done in (relaisd.sendmail(*words),
                 relaisd.run(links(directory) / "newaliases")):
        assert done.returncode == OK and done.stderr == b""
        assert len(done.stdout.splitlines()) == 1


def test_flush_makes_waiting_mail_due(daemon, relay):
    relay.answer("RCPT", "451 4.7.1 Try later", "451 4.7.1 Try later")
    daemon.use_relay(relay)
    daemon.settings["retry"] = {"first": "1h"}
    daemon.start()
    for name in ("a", "b"):
        ok(daemon.sendmail(f"{name}@example.net", input=LETTER))
    wait_until(lambda: len([m for m in daemon.api("/v1/messages")[1][
        "messages"] if m["recipients"][0]["reply"]]) == 2, "two deferrals")
    ok(daemon.sendmail("-qRa@example.net"))
    wait_until(lambda: len(relay.messages) == 1, "the first message")
    assert "a@example.net" in str(relay.messages[0].recipients)
    ok(daemon.sendmail("-q"))
    wait_until(lambda: len(relay.messages) == 2, "the second message")


@pytest.mark.parametrize("words", [["-q30m"], ["-q1h"], ["-qf"], ["-q"]])
def test_flush_of_an_empty_queue(relaisd, words):
    ok(relaisd.sendmail(*words))


def test_flush_names_something(relaisd):
    complains(relaisd.sendmail("-qInonsense"), DATAERR)
    done = relaisd.sendmail("-qI6h15xjeag0000")
    assert done.returncode == DATAERR and b"404" in done.stderr


def test_verifies_addresses(relaisd):
    done = relaisd.sendmail("-bv", "a@example.net", "root")
    assert done.returncode == OK
    assert done.stdout == (b"a@example.net: relaisd takes mail to it\n"
                           b"root: relaisd takes mail to it\n")
    assert relaisd.sendmail("-bv", "a b@c").returncode == DATAERR
    assert relaisd.sendmail("-bv").returncode == USAGE
    _, page = relaisd.api("/v1/messages")
    assert page["messages"] == []


def test_verify_tells_what_is_refused(fake):
    fake.reply["RCPT"] = "550 5.7.1 Not to them"
    done = run(fake.path, "-bv", "a@example.net")
    assert done.returncode == NOUSER
    assert done.stdout == b"a@example.net: Not to them\n"


@pytest.mark.parametrize("words", [["-bh"], ["-bH"], ["-bP"]])
def test_notes(relaisd, words):
    done = relaisd.sendmail(*words)
    assert done.returncode == OK and done.stdout and not done.stderr


def test_help_and_version(relaisd):
    assert relaisd.sendmail("--help").stdout.startswith(b"usage: sendmail")
    assert relaisd.sendmail("--version").stdout.startswith(b"relais-sendmail ")


def test_links_libc_alone():
    done = subprocess.run(["ldd", SENDMAIL], capture_output=True, text=True)
    names = re.findall(r"lib\w+(?=\.so)", done.stdout)
    if any("san" in name for name in names):
        pytest.skip("built with sanitizers")
    assert set(names) <= {"libc"}, done.stdout
