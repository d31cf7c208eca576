"""relaisctl import: the settings of other programs become relays."""

import textwrap

import pytest

# program, its files (the first one is named on the command line), and what
# has to be shown
CASES = {
    "postfix with a login": ("postfix", {"main.cf": """\
        # a comment
        myhostname = web1.example.com
        relayhost = [smtp.example.com]:submission
        smtp_sasl_auth_enable = yes
        smtp_sasl_password_maps = hash:{here}/sasl_passwd
        smtp_tls_security_level = encrypt
        smtp_generic_maps = hash:/etc/postfix/generic
        """, "sasl_passwd": """\
        [other.example.com] nobody:wrong
        [smtp.example.com]:submission   web1@example.com:s:cret
        """}, """\
        relay relayhost, the default
            host: smtp.example.com
            port: 587
            security: starttls
            username: web1@example.com
            password: (taken over)
            hostname: web1.example.com
        note: smtp_generic_maps""", "s:cret"),
    "postfix without a relay": ("postfix", {"main.cf": "relayhost =\n"},
                                "note: there is no relayhost", None),
    "postfix with TLS from the first byte": ("postfix", {"main.cf": """\
        relayhost = smtp.example.com:465
        smtp_tls_wrappermode = yes
        smtp_tls_security_level = verify
        """}, """\
            port: 465
            security: tls
        """, None),
    "msmtp": ("msmtp", {"msmtprc": """\
        defaults
        auth on
        tls on
        logfile /var/log/msmtp
        account office
        host smtp.example.com
        port 587
        user noreply
        password "two words"
        from noreply@example.com
        account bulk : office
        host bulk.example.com
        tls_starttls off
        port 465
        account default : office
        """}, """\
        relay office, the default
            host: smtp.example.com
            port: 587
            security: starttls
            username: noreply
            password: (taken over)
            address: noreply@example.com
        relay bulk
            host: bulk.example.com
            port: 465
            security: tls
            username: noreply
        """, "two words"),
    "nullmailer": ("nullmailer", {"remotes": """\
        smtp.example.com smtp --port=465 --ssl --user=web1 --pass=a=b
        backup.example.com smtp
        other.example.com qmqp
        """}, """\
        relay smtp.example.com, the default
            host: smtp.example.com
            port: 465
            security: tls
            username: web1
            password: (taken over)
        relay backup.example.com
            host: backup.example.com
            security: none
        note: other.example.com: protocol qmqp is not taken over
        note: to use backup.example.com when smtp.example.com fails""", "a=b"),
    "ssmtp": ("ssmtp", {"ssmtp.conf": """\
        root=admin@example.com
        mailhub=smtp.example.com:587
        UseSTARTTLS=YES
        AuthUser=web1
        AuthPass=p=ss
        """}, """\
        relay mailhub, the default
            host: smtp.example.com
            port: 587
            security: starttls
            username: web1
            password: (taken over)
        note: mail to root: add aliases: {root: admin@example.com}""", "p=ss"),
    "dma": ("dma", {"dma.conf": """\
        SMARTHOST smtp.example.com
        PORT 587
        AUTHPATH {here}/auth.conf
        SECURETRANSFER
        STARTTLS
        """, "auth.conf": """\
        nobody|other.example.com:wrong
        web1|smtp.example.com:s|cr:et
        """}, """\
        relay smarthost, the default
            host: smtp.example.com
            port: 587
            security: starttls
            username: web1
            password: (taken over)
        """, "s|cr:et"),
}


def write(directory, files):
    for name, text in files.items():
        (directory / name).write_text(
            textwrap.dedent(text).replace("{here}", str(directory)))
    return directory / next(iter(files))


@pytest.mark.parametrize("case", CASES)
def test_shows_what_it_finds(relaisd, case):
    program, files, expected, secret = CASES[case]
    path = write(relaisd.directory, files)
    done = relaisd.ctl("import", program, path, "--dry-run")
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode()
    for line in textwrap.dedent(expected).splitlines():
        assert line.strip() in shown, shown
    assert "wrong" not in shown
    assert secret is None or secret not in shown
    assert {r["name"] for r in relaisd.api("/v1/relays")[1]["relays"]} == {
        "capture"}


def test_makes_the_relays(relaisd):
    path = write(relaisd.directory, CASES["msmtp"][1])
    done = relaisd.ctl("import", "msmtp", path, "--yes")
    assert done.returncode == 0, done.stderr
    relays = {r["name"]: r for r in relaisd.api("/v1/relays")[1]["relays"]}
    assert relays["office"]["password"] == {"set": True}
    assert relays["bulk"]["host"] == "bulk.example.com"
    assert relays["office"]["port"] == 587


def test_asks_first(relaisd):
    path = write(relaisd.directory, CASES["ssmtp"][1])
    done = relaisd.ctl("import", "ssmtp", path, input=b"")
    assert done.returncode == 1
    assert len(relaisd.api("/v1/relays")[1]["relays"]) == 1


def test_says_what_it_cannot_read(relaisd):
    done = relaisd.ctl("import", "postfix", "/nonexistent/main.cf")
    assert done.returncode == 1 and b"No such file" in done.stderr
    done = relaisd.ctl("import", "sendmail")
    assert done.returncode == 64 and b"msmtp" in done.stderr
