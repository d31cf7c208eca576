"""What docs/clients tells people to write, run as it stands there.

The code is taken from that page, and run in a root where relais is installed
(support/peer-root.sh): what is tested is what is told, paths included.
"""

import re
import shutil

import pytest

from conftest import PEERS, SOURCE, wait_until

PAGE = (SOURCE / "docs" / "clients").read_text()


def chapter(title):
    """The indented blocks below a heading, without their indent."""
    text = re.search(rf"^{title}\n-+\n(.*?)(?=^\S[^\n]*\n---|\Z)", PAGE,
                     re.M | re.S).group(1)
    return [re.sub(r"^    ", "", block, flags=re.M) for block in
            re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.M)]


def line_of(program):
    """What the table of mail programs says behind a name."""
    return re.search(rf"^{program}[^:\n]*: +(.*(?:\n {{20,}}.*)*)", PAGE,
                     re.M).group(1)


def captured(relaisd, count=1):
    wait_until(lambda: len(relaisd.captured()) == count, f"{count} messages")
    return [path.read_bytes() for path in relaisd.captured()]


def host_has(command):
    if shutil.which(command) is None:
        pytest.skip(f"{command} is not installed")


# ------------------------------------------------------------------ languages


def test_shell(relaisd, installed, script):
    script("message.eml", "To: a@example.net\n\nx\n")
    installed(["sh", "-e", script("recipe.sh", *chapter("Shell"))])
    assert len(captured(relaisd, 3)) == 3


def test_php_mail(relaisd, installed, script):
    settings = script("php.ini", chapter("PHP")[0])
    code = script("recipe.php", "<?php exit(mail('a@example.net', 'php', "
                  "'x') ? 0 : 1);")
    installed(["php8.2", "-n", "-c", settings, "-f", code], "php")
    assert b"Subject: php" in captured(relaisd)[0]


SYMFONY = r"""<?php
require 'Symfony/Component/Mailer/autoload.php';
use Symfony\Component\Mailer\{Mailer, Transport};
use Symfony\Component\Mime\Email;
$mailer = new Mailer(Transport::fromDsn(getenv('MAILER_DSN')));
foreach (['one', 'two'] as $subject)
    $mailer->send((new Email())->from('app@example.com')
        ->to('a@example.net')->subject($subject)->text("x\n.\n"));
"""


def test_symfony(relaisd, installed, script):
    dsn = re.search('MAILER_DSN="(.*)"', chapter("PHP")[1])[1]
    extensions = ["-d", "extension=ctype", "-d", "extension=mbstring", "-d",
                  "extension=iconv", "-d", "extension=tokenizer"]
    installed(["php8.2", "-n", *extensions, "-f",
               script("recipe.php", SYMFONY)],
              "php", "symfony", env={"MAILER_DSN": dsn})
    letters = captured(relaisd, 2)
    assert {s for m in letters for s in re.findall(b"Subject: (.*)\n", m)} == {
        b"one", b"two"}
    assert all(b"\nx\n.\n" in m for m in letters)


def test_python(relaisd, installed, script):
    first, second = chapter("Python")[:2]
    code = script("recipe.py", first,
                  'with UnixSMTP("/run/relais/submit.sock") as smtp:\n    ',
                  second.strip(), "\n")
    installed(["/usr/bin/python3", code])
    assert all(b"Subject: Your order" in m for m in captured(relaisd, 2))
    _, page = relaisd.api("/v1/messages")
    assert {m["key"] for m in page["messages"]} == {
        None, "order-4711-shipped"}


DJANGO = """
from django.conf import settings
settings.configure(EMAIL_BACKEND='relais_backend.EmailBackend')
from django.core.mail import send_mail
assert send_mail('django', 'x', 'app@example.com',
                 ['a@example.net', 'b@example.net']) == 1
"""


def test_django(relaisd, installed, script):
    backend, = [b for b in chapter("Django") if "class EmailBackend" in b]
    script("relais_backend.py", backend)
    installed(["/usr/bin/python3", script("recipe.py", DJANGO)], "django")
    assert b"Subject: django" in captured(relaisd)[0]


NODE = """
transport.sendMail({from: "app@example.com", to: "a@example.net",
                    subject: "node", text: "x"}, (error) => {
    if (error) {
        console.error(error);
        process.exit(1);
    }
    transport.close();
});
"""


@pytest.mark.parametrize("number", (0, 1))
def test_node(relaisd, installed, script, number):
    host_has("node")
    code = script("recipe.js", 'const nodemailer = require("nodemailer");\n',
                  chapter("Node")[number], NODE)
    installed(["node", code], "node",
              env={"NODE_PATH": "/usr/share/nodejs"})
    assert b"Subject: node" in captured(relaisd)[0]


GO = """package main
import ("log"; "net"; "net/smtp")
var message = []byte("Subject: go\\r\\n\\r\\nx\\r\\n")
func send() error {
%s}
func main() {
    if err := send(); err != nil {
        log.Fatal(err)
    }
}
"""


def test_go(relaisd, installed, script):
    code = script("recipe.go", GO % chapter("Go")[0])
    installed(["go", "run", code], "go")
    assert b"Subject: go" in captured(relaisd)[0]


RUBY = """
Mail.deliver do
  from "app@example.com"
  to "a@example.net"
  subject "ruby"
  body "x"
end
"""


def test_ruby(relaisd, installed, script):
    code = script("recipe.rb", 'require "mail"\n', chapter("Ruby")[0], RUBY)
    installed(["ruby", code], "ruby")
    assert b"Subject: ruby" in captured(relaisd)[0]


def test_perl(relaisd, installed, script):
    installed(["perl", script("recipe.pl", chapter("Perl")[0])])
    assert b"Subject: hello" in captured(relaisd)[0]


EMAIL_SENDER = """
use strict;
use Email::Sender::Simple qw(sendmail);
use Email::Sender::Transport::Sendmail;
use Email::Simple;
sendmail(Email::Simple->new("To: a\\@example.net\\nFrom: app\\@example.com\\n"
                            . "Subject: sender\\n\\nx\\n"),
         { transport => %s });
"""


def test_perl_email_sender(relaisd, installed, script):
    code = script("recipe.pl", EMAIL_SENDER % chapter("Perl")[1].strip())
    installed(["perl", code], "email")
    assert b"Subject: sender" in captured(relaisd)[0]


JAVA = """import java.io.*;
public class Recipe {
    static class Message {
        void writeTo(OutputStream out) throws IOException {
            out.write("To: a@example.net\\nSubject: java\\n\\nx\\n".getBytes());
        }
    }
    public static void main(String[] a) throws Exception {
        Message message = new Message();
%s}}
"""


def test_java(relaisd, installed, script):
    host_has("java")
    code = script("Recipe.java", JAVA % chapter("Java")[0])
    installed(["java", code], "jdk")
    assert b"Subject: java" in captured(relaisd)[0]


# ---------------------------------------------------------- what a host runs


def test_cron(relaisd, installed):
    installed(["sh", "-ec", """
        mkdir -p /var/spool/cron/crontabs
        printf 'MAILTO=ops@example.com\\n@reboot root echo from cron\\n' \
            >/etc/cron.d/relais
        cron -f & cron=$!
        until relaisctl list --all --json | grep -q ops@example.com; do
            read -r -t 0.1 x </dev/zero || :
        done
        kill $cron"""], "cron")
    assert b"from cron" in captured(relaisd)[0]


def test_mdadm(relaisd, installed):
    installed([PEERS / "bin" / "mdadm", "--monitor", "--test", "--oneshot",
               "--mail=ops@example.com", "/dev/md0"], "mdadm")
    letter, = captured(relaisd)
    assert b"Subject: TestMessage event on /dev/md0" in letter
    assert b"X-Envelope-To: ops@example.com" in letter


def test_logwatch(relaisd, installed):
    installed(["sh", "-ec", """
        mkdir -p /var/cache/logwatch
        logwatch --output mail --mailto ops@example.com --range all --detail high \
            --service zz-disk_space"""], "logwatch")
    assert b"Subject: Logwatch for " in captured(relaisd)[0]


# -------------------------------------------------------------- mail programs


def test_mutt(relaisd, installed, script):
    rc = script("muttrc", line_of("mutt"), "\nset copy=no\n")
    installed(["mutt", "-n", "-F", rc, "-s", "mutt", "--", "a@example.net"],
              "mutt", input=b"x\n")
    assert b"Subject: mutt" in captured(relaisd)[0]


def test_s_nail(relaisd, installed, script):
    rc = script("mailrc", line_of("s-nail"), "\nset sendwait v15-compat\n")
    installed(["s-nail", "-:u", "-s", "nail", "a@example.net"], "snail",
              input=b"x\n", env={"MAILRC": str(rc)})
    assert b"Subject: nail" in captured(relaisd)[0]


PATCH = """From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001
From: Dev <dev@example.com>
Date: Mon, 23 Nov 2026 18:40:01 +0100
Subject: [PATCH] git

why
---
 x | 1 +
--
2
"""


def test_git_send_email(relaisd, installed, script):
    host_has("git")
    script("0001-x.patch", PATCH)
    installed(["sh", "-ec", f"""
        git init -q .
        {line_of("git send-email")}
        git send-email --quiet --confirm=never --from=dev@example.com \
            --to=a@example.net 0001-x.patch"""], "git",
              env={"EMAIL": "dev@example.com"})
    assert b"Subject: [PATCH] git" in captured(relaisd)[0]


def test_msmtp(relaisd, installed, script):
    rc = script("msmtprc", line_of("msmtp"), "\n")
    rc.chmod(0o600)
    installed(["msmtp", "-C", rc, "-a", "relais", "--from=app@example.com",
               "a@example.net"], "msmtp", input=b"Subject: msmtp\n\nx\n")
    assert b"Subject: msmtp" in captured(relaisd)[0]


def test_swaks(relaisd, installed):
    words = line_of("swaks").replace("...", "a@example.net").split()
    installed([*words, "--from", "app@example.com"], "swaks")
    assert b"X-Envelope-To: a@example.net" in captured(relaisd)[0]


def test_every_chapter_has_a_recipe():
    for title in ("Shell", "cron, mdadm, logwatch", "PHP", "Python", "Django",
                  "Node", "Go", "Ruby", "Perl", "Java", "Mail programs",
                  "Containers"):
        assert "relais" in PAGE.split(f"\n{title}\n--")[1], title
