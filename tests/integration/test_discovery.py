"""Where an address's mail goes out: presets, SRV records, mail exchangers."""

import json

import pytest

from servers import Nsd

RECORDS = """\
_submissions._tcp.both   SRV 10 5 465 tls.both
_submission._tcp.both    SRV 10 5 587 starttls.both
_submissions._tcp.order  SRV 20 5 465 second.order
_submission._tcp.order   SRV 10 5 587 first.order
_submission._tcp.old     SRV 0 1 587 mail.old
_submissions._tcp.only   SRV 0 0 0 .
_submission._tcp.only    SRV 0 1 2525 mail.only
_submissions._tcp.none   SRV 0 0 0 .
_submission._tcp.none    SRV 0 0 0 .
none                     MX 10 aspmx.l.google.com.
_submissions._tcp.away   SRV 0 1 465 mail.elsewhere.example.
_submissions._tcp.known  SRV 0 1 465 smtp.fastmail.com.
workspace                MX 10 aspmx.l.google.com.
tenant                   MX 0 tenant-test.mail.protection.outlook.com.
own                      MX 10 mx.own
nothing                  TXT "nothing"
_submissions._tcp.xn--bcher-kva SRV 0 1 465 mail.xn--bcher-kva
"""


@pytest.fixture
def asking(daemon, serve):
    names = serve(Nsd, RECORDS)
    daemon.settings["resolver"] = {
        "servers": [names.address], "timeout": "1s", "tries": 1}
    return daemon.start()


def discover(daemon, domain, user="ann"):
    return daemon.api(f"/v1/providers:discover?address={user}@{domain}")


@pytest.mark.parametrize("domain, host, port, security", [
    ("both.test", "tls.both.test", 465, "tls"),
    ("order.test", "first.order.test", 587, "starttls"),
    ("old.test", "mail.old.test", 587, "starttls"),
    ("only.test", "mail.only.test", 2525, "starttls"),
    ("b%C3%BCcher.test", "mail.xn--bcher-kva.test", 465, "tls"),
])
def test_the_domains_own_records_say_where(asking, domain, host, port,
                                           security):
    status, found = discover(asking, domain)
    assert status == 200, found
    assert (found["host"], found["port"], found["security"]) == (
        host, port, security)
    assert found["source"] == "srv" and found["provider"] is None
    assert found["needs_consent"] is False


def test_a_host_elsewhere_needs_consent_unless_it_is_known(asking):
    status, found = discover(asking, "away.test")
    assert found["host"] == "mail.elsewhere.example", found
    assert found["needs_consent"] is True
    status, found = discover(asking, "known.test")
    assert found["provider"]["id"] == "fastmail", found
    assert found["needs_consent"] is False


def test_the_root_as_a_target_means_that_there_is_none(asking):
    status, answer = discover(asking, "none.test")
    assert status == 404, answer
    assert "says that it has no server" in answer["error"]["message"]


@pytest.mark.parametrize("domain, provider", [
    ("workspace.test", "google-workspace"), ("tenant.test", "microsoft365"),
])
def test_the_mail_exchanger_tells_who_keeps_the_mail(asking, domain,
                                                     provider):
    status, found = discover(asking, domain)
    assert status == 200, found
    assert found["source"] == "mx" and found["provider"]["id"] == provider


def test_who_says_nothing_is_not_guessed(asking):
    for domain in ("nothing.test", "no-such-domain.test", "own.test"):
        status, answer = discover(asking, domain)
        assert status == 404, answer
        assert answer["error"]["code"] == "no_server_known"
        assert answer["error"]["next"]
    assert discover(asking, "x.broken")[0] == 503
    assert discover(asking, "")[0] == 400
    assert asking.api("/v1/providers:discover")[0] == 400


def test_a_preset_costs_no_question(daemon):
    daemon.settings["resolver"] = {"servers": ["127.0.0.1:1"]}
    daemon.start()
    status, found = discover(daemon, "gmail.com")
    assert status == 200 and found["source"] == "provider"
    assert found["host"] == "smtp.gmail.com"


def test_relaisctl_tells_it_to_a_person(asking):
    answer = asking.ctl("providers", "ann@both.test")
    assert answer.returncode == 0, answer
    assert b"tls.both.test" in answer.stdout and b"465" in answer.stdout
    answer = asking.ctl("providers", "ann@known.test", "--json")
    assert json.loads(answer.stdout)["provider"]["id"] == "fastmail"
    answer = asking.ctl("providers", "ann@nothing.test")
    assert answer.returncode == 1
    assert b"names no server" in answer.stderr
    answer = asking.ctl("providers", "ann@both.test", user=12345)
    assert answer.returncode == 77, answer
