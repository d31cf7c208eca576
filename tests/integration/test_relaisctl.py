"""relaisctl: what people and programs see, and the exit codes."""

import json
import os
import re
import subprocess

import pytest

from conftest import BUILD, PEERS, SOURCE, wait_until


def lines(result, code=0):
    assert result.returncode == code, (result.stdout, result.stderr)
    return result.stdout.decode().splitlines()


def wait_for_attempt(daemon, queue_id):
    wait_until(lambda: daemon.show(queue_id)["recipients"][0]["reply"]
               and daemon.show(queue_id)["state"] == "queued", "an attempt")


@pytest.fixture
def deferring(daemon, relay):
    relay.always("RCPT", "451 4.7.1 come back later")
    daemon.use_relay(relay)
    return daemon.start()


def test_an_empty_queue_says_so(relaisd):
    assert lines(relaisd.ctl("list")) == [
        "Nothing waits. relaisctl list --all shows what was."]
    text = "\n".join(lines(relaisd.ctl("status")))
    assert "relais " in text and "Nothing is wrong." in text
    assert "capture *" in text


def test_lists_what_waits_with_the_reason_below(deferring):
    queue_id = deferring.send(to=["a@example.org", "b@example.org"])
    wait_for_attempt(deferring, queue_id)
    title, row, note = lines(deferring.ctl("list"))
    assert title.split() == ["ID", "STATE", "SUBMITTED", "SIZE", "FROM", "TO",
                             "NEXT"]
    assert row.split()[:2] == [queue_id, "queued"]
    assert "app@example.com" in row and "a@example.org +1" in row
    assert note == "    451 4.7.1 come back later"


def test_json_is_one_object_a_line(deferring):
    ids = [deferring.send() for _ in range(3)]
    objects = [json.loads(line)
               for line in lines(deferring.ctl("list", "--json"))]
    assert [o["id"] for o in objects] == ids[::-1]
    shown = [json.loads(line)
             for line in lines(deferring.ctl("show", "--json", *ids))]
    assert [o["id"] for o in shown] == ids
    assert all(o["timeline"] for o in shown)


def test_lists_page_after_page(deferring):
    ids = [deferring.send() for _ in range(205)]
    listed = lines(deferring.ctl("list", "--json", "--limit", "300"))
    assert [json.loads(line)["id"] for line in listed] == ids[::-1]
    few = lines(deferring.ctl("list", "--limit", "2"))
    assert few[-1] == "There are more: --limit NUMBER"
    assert sum(line.startswith("6") or line[:13] in ids
               for line in few) == 2


def test_show_tells_the_story(deferring):
    queue_id = deferring.send()
    wait_for_attempt(deferring, queue_id)
    text = deferring.ctl("show", queue_id).stdout.decode()
    assert f"Message {queue_id} is queued" in text
    assert "by root" in text
    assert "user@example.net  waiting, 1 attempt, next in " in text
    story = text[text.index("What happened"):]
    assert story.index("accepted") < story.index("deferred")
    assert "deferred for user@example.net by 127.0.0.1:" in story
    assert "at rcpt: 451 4.7.1 come back later" in story


def test_show_says_that_the_relay_is_paused(relaisd):
    lines(relaisd.ctl("relay", "pause", "capture", "--reason", "new disk",
                      "--for", "2h"))
    queue_id = relaisd.send()
    text = relaisd.ctl("show", queue_id).stdout.decode()
    assert "relay       capture, which is paused: " in text
    assert "new disk" in text
    assert "goes on in " in text
    result = relaisd.ctl("relay", "resume", "capture")
    assert "works" in lines(result)[0]
    relaisd.wait_for_state(queue_id, "delivered")


def test_wait_exits_by_the_outcome(daemon, relay):
    daemon.use_relay(relay)
    daemon.start()
    good = daemon.send()
    assert lines(daemon.ctl("wait", good))[0] == f"{good}: delivered"
    relay.answer("RCPT", "550 5.1.1 no such user")
    bad = daemon.send()
    text = "\n".join(lines(daemon.ctl("wait", bad), 1))
    assert f"{bad}: failed" in text
    assert "550 5.1.1 no such user" in text
    relay.always("RCPT", "451 4.7.1 later")
    slow = daemon.send()
    lines(daemon.ctl("wait", "--timeout", "1s", slow), 1)


def test_changes_one_by_id(deferring, relay):
    queue_id = deferring.send()
    wait_for_attempt(deferring, queue_id)
    assert lines(deferring.ctl("hold", queue_id, "--reason", "wait")) == [
        f"{queue_id} is held"]
    text = deferring.ctl("show", queue_id).stdout.decode()
    assert "held        wait (root)" in text
    lines(deferring.ctl("release", queue_id))
    deferring.wait_for_state(queue_id, "queued")
    wait_for_attempt(deferring, queue_id)
    assert lines(deferring.ctl("cancel", queue_id)) == [
        f"{queue_id} is cancelled"]
    result = deferring.ctl("cancel", queue_id)
    assert result.returncode == 1
    assert b"it is cancelled" in result.stderr


def test_changes_a_selection(deferring):
    for _ in range(3):
        wait_for_attempt(deferring, deferring.send())
    assert lines(deferring.ctl("hold", "--sender", "app@example.com",
                               "--dry-run")) == ["3 messages would be held."]
    assert lines(deferring.ctl("hold", "--all")) == ["3 messages: held."]
    assert lines(deferring.ctl("cancel", "--state", "held")) == [
        "3 messages: cancelled."]
    assert lines(deferring.ctl("release", "--all")) == [
        "There is nothing to release."]


def test_asks_on_a_terminal_before_it_changes_many(deferring):
    queue_id = deferring.send()
    wait_for_attempt(deferring, queue_id)

    def at_terminal(answer):
        import pty
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            [str(BUILD / "relaisctl"), "cancel", "--all"], stdin=follower,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=deferring.environment())
        os.close(follower)
        os.write(leader, answer)
        out, err = process.communicate(timeout=60)
        os.close(leader)
        return process.returncode, out, err

    code, out, err = at_terminal(b"n\n")
    assert code == 1 and b"Cancel 1 message? [y/N]" in err
    assert deferring.show(queue_id)["state"] == "queued"
    code, out, err = at_terminal(b"y\n")
    assert code == 0 and out == b"1 message: cancelled.\n"
    assert deferring.show(queue_id)["state"] == "cancelled"


def test_exit_codes_say_what_kind_of_trouble(relaisd, directory):
    assert relaisd.ctl("show", "0000000000000").returncode == 1
    assert relaisd.ctl("show", "not an id").returncode == 1
    assert relaisd.ctl("relay", "show", "nowhere").returncode == 1
    assert relaisd.ctl("list", "--state", "lost").returncode == 64
    assert relaisd.ctl("cancel").returncode == 64
    assert relaisd.ctl().returncode == 64
    missing = relaisd.ctl("status", "--socket", directory / "none")
    assert missing.returncode == 69
    assert b"systemctl status relaisd" in missing.stderr
    denied = relaisd.ctl("relay", "list", user=33)
    assert denied.returncode == 77
    assert b"administrators" in denied.stderr


def test_users_see_their_own_counts(relaisd):
    text = "\n".join(lines(relaisd.ctl("status", user=33)))
    assert "your own messages" in text
    assert "store" not in text


def test_watch_prints_what_happens(relaisd):
    process = subprocess.Popen(
        [str(BUILD / "relaisctl"), "watch", "--json", "--after", "0"],
        stdout=subprocess.PIPE, env=relaisd.environment())
    queue_id = relaisd.send()
    events = [json.loads(process.stdout.readline()) for _ in range(2)]
    process.kill()
    process.wait()
    assert [e["event"] for e in events] == ["accepted", "delivered"]
    assert {e["id"] for e in events} == {queue_id}


def test_reload_shows_every_error(relaisd):
    assert lines(relaisd.ctl("reload"))[-1] == "The new settings are in use."
    relaisd.settings["retry"] = {"first": "soon"}
    relaisd.settings["colour"] = "red"
    relaisd.write_settings()
    result = relaisd.ctl("reload")
    assert result.returncode == 1
    text = result.stderr.decode()
    assert "first" in text and "colour" in text
    assert "relais.yaml:" in text


def test_a_full_disk_is_no_success(relaisd):
    with open("/dev/full", "w") as full:
        result = subprocess.run([str(BUILD / "relaisctl"), "status"],
                                stdout=full, stderr=subprocess.PIPE,
                                env=relaisd.environment())
    assert result.returncode == 69


def documented():
    """Each command and its options, as relaisctl itself tells them."""
    def say(*words):
        return subprocess.run([str(BUILD / "relaisctl"), *words, "--help"],
                              capture_output=True, check=True,
                              text=True).stdout

    names = re.findall(r"^  ((?:relay |route )?[a-z]+)", say(), re.MULTILINE)
    return {name: set(re.findall(r"^  (--[a-z-]+)", say(*name.split()),
                                 re.MULTILINE)) for name in names}


def complete(*words, env=os.environ):
    script = BUILD / "client" / "relaisctl.bash"
    result = subprocess.run(
        ["bash", "-c", 'source "$1"; shift; COMP_WORDS=("$@"); '
         "COMP_CWORD=$(($# - 1)); _relaisctl; "
         'printf "%s\\n" "${COMPREPLY[@]}"', "bash", str(script),
         "relaisctl", *words],
        capture_output=True, text=True, check=True,
        env={**env, "PATH": f"{BUILD}:{os.environ['PATH']}"})
    return set(result.stdout.split())


def test_completion_offers_every_command_and_option():
    for name, options in documented().items():
        words = name.split()
        assert words[-1] in complete(*words[:-1], ""), name
        assert options <= complete(*words, "--"), name
    assert complete("list", "--state", "de") == {"delivering", "delivered"}
    assert complete("relay", "add", "--authentication", "X") == {"XOAUTH2"}
    assert "state=held" in complete("relay", "list", "--filter", "state")


def test_completion_offers_relays_providers_and_ids(deferring):
    env = deferring.environment()
    assert complete("relay", "pause", "off", env=env) == {"office"}
    assert complete("relay", "add", "--provider", "gma", env=env) == {"gmail"}
    queue_id = deferring.send()
    assert queue_id in complete("show", "", env=env)


def test_fish_is_offered_every_command_and_option(peers, directory):
    def offered(line):
        fish = peers("fish")
        script = BUILD / "client" / "relaisctl.fish"
        functions = PEERS / "fish/usr/share/fish/functions"
        done = subprocess.run(
            [fish, "--no-config", "-c",
             f"set -g fish_function_path {functions}; source {script}; "
             f"complete -C '{line}'"],
            capture_output=True, text=True, check=True,
            env={**os.environ, "HOME": str(directory),
                 "PATH": f"{BUILD}:{os.environ['PATH']}"})
        assert done.stderr == ""
        return {line.split("\t")[0] for line in done.stdout.splitlines()}

    for name, options in documented().items():
        words = name.split()
        before = " ".join(["relaisctl", *words[:-1], ""])
        assert words[-1] in offered(before), name
        assert options <= offered(f"relaisctl {name} --"), name


def test_zsh_is_offered_every_command_and_option(peers):
    script = BUILD / "client" / "_relaisctl"
    subprocess.run([peers("zsh"), "-n", script], check=True)
    text = script.read_text()
    for name, options in documented().items():
        assert f"'{name.split()[-1]}:" in text, name
        here = text.split(f"\t'{name}')\n")[1].split(";;")[0]
        for option in options:
            assert f"'{option}=[" in here or f"'{option}[" in here, name


def test_every_help_has_examples_that_make_sense():
    for name, options in documented().items():
        said = subprocess.run(
            [str(BUILD / "relaisctl"), *name.split(), "--help"],
            capture_output=True, check=True, text=True).stdout
        lines = said.split("For example:\n")[1].splitlines()
        assert lines, name
        for line in lines:
            assert f"relaisctl {name}" in line, line
            given = set(re.findall(r" (--[a-z-]+)", line))
            assert given <= options, (name, given - options)


def test_the_manual_has_every_command_and_option():
    page = (SOURCE / "docs" / "man" / "relaisctl.8").read_text()
    for name, options in documented().items():
        assert f".It Cm {name}" in page, name
        for option in options:
            assert f"Fl -{option[2:]}" in page, option
