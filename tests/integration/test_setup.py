"""relaisctl setup, and relay add and set with questions, at a terminal."""

import json
import os

import pytest

from conftest import BUILD, Relay
from person import Person
from servers import Nsd, certificates as make_certificates


@pytest.fixture
def fresh(daemon):
    """A host where nothing is set up yet."""
    daemon.settings.pop("relays")
    daemon.settings["aliases_file"] = str(daemon.directory / "aliases")
    return daemon.start()


def at_terminal(daemon, *words):
    return Person([BUILD / "relaisctl", *words], daemon.environment())


def relays(daemon):
    return {relay["name"]: relay
            for relay in daemon.api("/v1/relays")[1]["relays"]}


def aliases(daemon):
    path = daemon.directory / "aliases"
    return path.read_text() if path.exists() else ""


# ------------------------------------------------------------------ setup


def answer_place(person, relay, login="app", password="secret",
                 sender="app@example.com"):
    person.answer("Your mail address, the provider, or the host",
                  "127.0.0.1")
    person.answer("Port", str(relay.port))
    person.answer("Security", "none")
    person.answer("Login", login)
    person.answer_secretly("Password", password)
    person.answer("Mail leaves as", sender)


def test_a_newcomer_answers_a_few_questions_and_gets_a_mail(fresh):
    with Relay(users={"app": "secret"}) as relay:
        with at_terminal(fresh, "setup") as person:
            answer_place(person, relay)
            person.answer("Where does mail to root go", "me@example.net")
            person.read_to("would take mail")
            assert "main" not in relays(fresh) and not aliases(fresh)
            person.read_to("Mail to root will go to me@example.net")
            person.answer("Is that right?", "y")
            person.read_to("The first mail")
            assert person.end() == 0, person.text
            assert "secret" not in person.text
        message, = relay.messages
    made = relays(fresh)["main"]
    assert made["default"] and made["managed"] == "api"
    assert made["from"]["address"] == "app@example.com"
    assert made["from"]["apply"] == "not-allowed"
    assert made["allowed_from"] == ["@example.com"]
    assert aliases(fresh) == "root: me@example.net\n"
    assert message.recipients == ["<me@example.net>"] or (
        "me@example.net" in message.recipients[0])
    assert message.sender.startswith("<app@example.com>")
    assert b"Subject: The first mail of " in message.content
    assert message.session.user == "app"


def test_nothing_is_saved_without_a_yes(fresh, relay):
    with at_terminal(fresh, "setup", "--host", "127.0.0.1", "--port",
                     relay.port, "--security", "none") as person:
        person.answer("Login", "-")
        person.answer("Mail leaves as", "-")
        person.answer("Where does mail to root go", "me@example.net")
        person.answer("Is that right?", "n")
        assert person.end() == 1
        assert "Nothing was saved." in person.text
    assert list(relays(fresh)) == ["built-in"] and not aliases(fresh)
    assert not relay.messages


def test_who_goes_away_saves_nothing(fresh, relay):
    with at_terminal(fresh, "setup") as person:
        person.answer("Your mail address", "127.0.0.1")
        person.read_to("Port")
        os.write(person.leader, b"\x04")
        assert person.end() == 1
    assert list(relays(fresh)) == ["built-in"]


def test_takes_the_setting_that_works(fresh, tmp_path):
    folder = make_certificates(tmp_path)
    tls = (folder / "good.pem", folder / "good.key")
    with Relay(tls=tls, implicit_tls=True) as relay:
        with at_terminal(fresh, "setup", "tls.verify=off", "--to",
                         "me@example.net") as person:
            person.answer("Your mail address", "localhost")
            person.answer("Port", str(relay.port))
            person.answer("Security", "starttls")
            person.answer("Login", "-")
            person.answer("Mail leaves as", "-")
            person.answer("Where does mail to root go", "-")
            person.read_to("does not work")
            person.answer("Use what works?")
            person.read_to("would take mail")
            person.answer("Is that right?")
            assert person.end() == 0, person.text
        assert len(relay.messages) == 1
    assert relays(fresh)["main"]["security"] == "tls"


def test_answers_can_be_given_again_after_a_failure(fresh):
    with Relay(users={"app": "secret"}) as relay:
        with at_terminal(fresh, "setup") as person:
            answer_place(person, relay, password="wrong")
            person.answer("Where does mail to root go", "me@example.net")
            person.read_to("user name or password")
            person.answer("Answer the questions again?", "y")
            answer_place(person, relay, sender="-")
            person.read_to("would take mail")
            person.answer("Is that right?", "y")
            assert person.end() == 0, person.text
        assert len(relay.messages) == 1


def test_what_does_not_work_is_saved_only_if_one_insists(fresh, dead_port):
    words = ("setup", "--host", "127.0.0.1", "--port", dead_port,
             "--security", "none")
    for answer, code in (("n", 1), ("y", 1)):
        with at_terminal(fresh, *words) as person:
            person.answer("Login", "-")
            person.answer("Mail leaves as", "-")
            person.answer("Where does mail to root go", "-")
            person.answer("Answer the questions again?", "n")
            person.answer("Save it all the same?", answer)
            if answer == "y":
                person.answer("Is that right?", "y")
            person.end()
        assert ("main" in relays(fresh)) is (answer == "y")


def test_a_second_run_has_the_first_ones_answers(fresh):
    with Relay(users={"app": "secret"}) as relay:
        with at_terminal(fresh, "setup") as person:
            answer_place(person, relay)
            person.answer("Where does mail to root go", "me@example.net")
            person.answer("Is that right?")
            assert person.end() == 0, person.text
        with at_terminal(fresh, "setup") as person:
            person.answer("or the host [127.0.0.1]")
            person.answer(f"Port [{relay.port}]")
            person.answer("[none]")
            person.answer("Login (- for none) [app]")
            person.answer_secretly("Password (empty: the one that is saved)",
                                   "")
            person.answer("[app@example.com]")
            person.answer("[me@example.net]", "you@example.net")
            person.answer("Is that right?")
            assert person.end() == 0, person.text
        assert len(relay.messages) == 2
        assert "you@example.net" in relay.messages[1].recipients[0]
    assert aliases(fresh) == "root: you@example.net\n"
    assert list(relays(fresh)) == ["main"]


def test_an_address_tells_the_provider(fresh):
    with at_terminal(fresh, "setup") as person:
        person.answer("Your mail address", "ann@gmail.com")
        person.read_to("Gmail (personal): smtp.gmail.com, port 465")
        person.answer("Use that?")
        person.answer("Login (- for none) [ann@gmail.com]")
        person.read_to("app password")
        person.answer_secretly("Password", "")
        person.answer_secretly("Password", "")
        person.answer_secretly("Password", "")
        assert person.end() == 1
    assert list(relays(fresh)) == ["built-in"]


def test_an_address_tells_the_server_by_its_domain(daemon, serve):
    with Relay(users={"ann@own.test": "secret"}) as relay:
        names = serve(Nsd, "_submission._tcp.own SRV 0 1 %d mail.own\n"
                           "mail.own A 127.0.0.1" % relay.port)
        daemon.settings.pop("relays")
        daemon.settings["aliases_file"] = str(daemon.directory / "aliases")
        daemon.settings["resolver"] = {
            "servers": [names.address], "timeout": "1s", "tries": 1}
        daemon.start()
        with at_terminal(daemon, "setup", "--security", "none") as person:
            person.answer("Your mail address", "ann@own.test")
            person.read_to("mail.own.test, port %d" % relay.port)
            person.answer("Use that?")
            person.answer("Login (- for none) [ann@own.test]")
            person.answer_secretly("Password", "secret")
            person.answer("Mail leaves as (- : as each mail says) "
                          "[ann@own.test]")
            person.answer("Where does mail to root go (- : leave it) "
                          "[ann@own.test]")
            person.answer("Is that right?")
            assert person.end() == 0, person.text
        message, = relay.messages
    assert message.sender.startswith("<ann@own.test>")
    made = relays(daemon)["main"]
    assert made["host"] == "mail.own.test"
    assert made["from"] == {"address": "ann@own.test", "name": None,
                            "apply": "always"}


def test_runs_without_a_terminal_by_options(fresh):
    with Relay(users={"ann@example.com": "secret"}) as relay:
        answer = fresh.ctl(
            "setup", "--yes", "--address", "ann@example.com", "--host",
            "127.0.0.1", "--port", relay.port, "--security", "none",
            "--password-file", "-", "--root", "me@example.net", "--json",
            input=b"secret\n")
        assert answer.returncode == 0, answer
        assert len(relay.messages) == 1
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert lines[0]["step"] == "name" or lines[0]["step"] == "connect"
    assert lines[-1]["relay"] == "main"
    assert lines[-1]["root"] == "me@example.net"
    assert lines[-1]["state"] == "delivered"
    assert fresh.show(lines[-1]["message"])["state"] == "delivered"
    assert aliases(fresh) == "root: me@example.net\n"
    made = relays(fresh)["main"]
    assert made["username"] == "ann@example.com"
    assert made["from"]["apply"] == "always"


def test_without_a_terminal_it_says_what_is_missing(fresh, dead_port):
    answer = fresh.ctl("setup")
    assert answer.returncode == 64 and b"--yes" in answer.stderr
    answer = fresh.ctl("setup", "--yes")
    assert answer.returncode == 64 and b"--provider" in answer.stderr
    answer = fresh.ctl("setup", "--yes", "--host", "127.0.0.1", "--port",
                       dead_port, "--security", "none", "--root", "a@b.cd")
    assert answer.returncode == 1 and b"nothing was saved" in answer.stderr
    assert list(relays(fresh)) == ["built-in"] and not aliases(fresh)
    answer = fresh.ctl("setup", "--yes", "--host", "x.example", "--root", "x")
    assert answer.returncode == 64


def test_keeps_the_rest_of_the_aliases(fresh, relay):
    path = fresh.directory / "aliases"
    path.write_text("# names\npostmaster: root\nRoot : old@example.net,\n"
                    "  other@example.net\nweb: ann@example.net")
    path.chmod(0o640)
    fresh.ctl("reload")
    answer = fresh.ctl("setup", "--yes", "--host", "127.0.0.1", "--port",
                       relay.port, "--security", "none", "--root",
                       "me@example.net")
    assert answer.returncode == 0, answer
    assert path.read_text() == (
        "# names\npostmaster: root\nroot: me@example.net\n"
        "web: ann@example.net\n")
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in fresh.directory.glob("aliases*")) == [
        "aliases"]
    assert "me@example.net" in relay.messages[0].recipients[0]


def test_who_may_not_write_the_aliases_is_told_the_line(daemon, relay):
    daemon.settings.pop("relays")
    daemon.settings["aliases_file"] = str(daemon.directory / "aliases")
    daemon.settings["control"]["administrators"] = ["root", "1"]
    daemon.start()
    answer = daemon.ctl("setup", "--yes", "--host", "127.0.0.1", "--port",
                        relay.port, "--security", "none", "--root",
                        "me@example.net", user=1)
    assert answer.returncode == 0, answer
    assert b"  root: me@example.net" in answer.stderr
    assert not aliases(daemon)
    assert "me@example.net" in relay.messages[0].recipients[0]


def test_a_relay_of_a_file_is_only_tried(daemon, relay):
    daemon.use_relay(relay)
    daemon.settings["aliases_file"] = str(daemon.directory / "aliases")
    daemon.start()
    with at_terminal(daemon, "setup") as person:
        person.read_to("so it is only tried")
        person.answer("Where does mail to root go", "me@example.net")
        person.answer("Is that right?")
        assert person.end() == 0, person.text
    assert len(relay.messages) == 1
    assert aliases(daemon) == "root: me@example.net\n"
    answer = daemon.ctl("setup", "office", "--yes", "--host", "x.example")
    assert answer.returncode == 1 and b"relais.yaml" in answer.stderr


# ------------------------------------------------------------ relay add, set


def test_relay_add_asks_for_all(fresh):
    with Relay(users={"app": "secret"}) as relay:
        with at_terminal(fresh, "relay", "add", "office") as person:
            answer_place(person, relay)
            assert person.end() == 0, person.text
            assert "Relay office is there now" in person.text
            assert "secret" not in person.text
        fresh.wait_for_state(fresh.send(), "delivered")
        assert relay.messages[0].session.user == "app"


def test_relay_add_takes_a_provider_by_name(fresh):
    with at_terminal(fresh, "relay", "add", "mail") as person:
        person.answer("Your mail address", "nobody-knows")
        person.read_to("no single provider")
        person.answer("Your mail address", "icloud")
        person.answer("Login", "ann@icloud.com")
        person.answer_secretly("Password", "abcd")
        person.answer("Mail leaves as", "ann@icloud.com")
        assert person.end() == 0, person.text
    made = relays(fresh)["mail"]
    assert made["provider"] == "icloud" and made["port"] == 587
    assert made["from"]["apply"] == "always"


def test_relay_add_asks_only_for_the_password_where_the_rest_is_said(fresh):
    with at_terminal(fresh, "relay", "add", "mail", "--provider", "gmail",
                     "--username", "ann@gmail.com") as person:
        person.answer_secretly("Password", "abcd")
        assert person.end() == 0, person.text
    assert relays(fresh)["mail"]["password"] == {"set": True}


def test_relay_set_shows_what_is_and_changes_what_is_answered(fresh, relay):
    fresh.api("/v1/relays", "POST", {
        "name": "office", "host": "127.0.0.1", "port": relay.port,
        "security": "none", "username": "app", "password": "secret"})
    with at_terminal(fresh, "relay", "set", "office") as person:
        for question in ("[127.0.0.1]", f"[{relay.port}]", "[none]", "[app]"):
            person.answer(question)
        person.answer_secretly("Password (empty", "")
        person.answer("Mail leaves as", "ann@example.com")
        assert person.end() == 0, person.text
    office = relays(fresh)["office"]
    assert office["from"]["address"] == "ann@example.com"
    assert office["password"] == {"set": True}
    with at_terminal(fresh, "relay", "set", "office") as person:
        person.answer("[127.0.0.1]")
        person.answer("Port", "2525")
        person.answer("Security", "none")
        person.answer("Login", "other")
        person.answer_secretly("Password (it is not shown)", "new")
        person.answer("Mail leaves as")
        assert person.end() == 0, person.text
    office = relays(fresh)["office"]
    assert (office["port"], office["username"]) == (2525, "other")
    with at_terminal(fresh, "relay", "set", "office") as person:
        for question in ("[127.0.0.1]", "[2525]", "[none]", "[other]"):
            person.answer(question)
        person.answer_secretly("Password", "")
        person.answer("Mail leaves as")
        assert person.end() == 0, person.text
        assert "Nothing is changed." in person.text


def test_relay_set_asks_nothing_about_a_relay_of_a_file(relaisd):
    with at_terminal(relaisd, "relay", "set", "capture") as person:
        assert person.end() == 1
        assert "change it there" in person.text
