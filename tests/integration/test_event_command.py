"""events.command: a program of the administrator is told each event."""

import json

import pytest

from conftest import wait_until


class Hook:
    """A program that keeps what it reads, and does what its script says."""

    def __init__(self, directory):
        self.out = directory / "told"
        self.out.touch()
        self.runs = directory / "runs"
        self.runs.touch()
        self.program = directory / "hook"
        self.words = [str(self.program), str(self.out), str(self.runs)]
        self.write()

    def write(self, more=""):
        new = self.program.with_suffix(".new")
        new.write_text(
            f'#!/bin/sh\n{more}\ncat >>"$1"\necho run >>"$2"\nenv >"$1.env"\n')
        new.chmod(0o755)
        new.rename(self.program)

    def events(self):
        return [json.loads(line)
                for line in self.out.read_text().splitlines()]

    def run_count(self):
        return len(self.runs.read_text().splitlines())


@pytest.fixture
def hook(daemon, directory):
    hook = Hook(directory)
    daemon.settings["events"] = {"command": hook.words}
    return hook


def status(daemon):
    return daemon.api("/v1/status")[1]["event_command"]


def test_each_event_is_told_in_order(daemon, hook):
    daemon.start()
    ids = [daemon.send() for _ in range(20)]
    wait_until(lambda: len(hook.events()) == 40, "the events")
    events = hook.events()
    numbers = [event["sequence"] for event in events]
    assert numbers == sorted(numbers) and len(set(numbers)) == 40
    for queue_id in ids:
        assert [e["event"] for e in events if e["id"] == queue_id] == [
            "accepted", "delivered"]
    assert events[0]["sender"] == "app@example.com"
    assert hook.run_count() <= 40
    wait_until(lambda: status(daemon)["given"] == 40, "the count")
    assert status(daemon) == {"given": 40, "failed": 0, "dropped": 0,
                              "behind": 0, "problem": None}


def test_it_has_no_environment_and_no_shell(daemon, hook):
    hook.words.append("$(touch /tmp/nothing) ; *")
    daemon.settings["events"]["command"] = hook.words
    hook.write('test "$3" = "\\$(touch /tmp/nothing) ; *" || exit 3')
    daemon.start()
    daemon.send()
    wait_until(lambda: hook.events(), "an event")
    wait_until(lambda: (hook.out.parent / "told.env").exists(), "its end")
    assert status(daemon)["failed"] == 0
    assert "RELAIS" not in (hook.out.parent / "told.env").read_text()


def test_one_that_fails_is_counted_and_shown(daemon, hook):
    hook.write("exit 7")
    daemon.start()
    daemon.send()
    problem = wait_until(lambda: daemon.api("/v1/status")[1]["problems"],
                         "the problem")[0]
    assert "events.command fails:" in problem["what"]
    assert "ended with status 7" in problem["what"]
    wait_until(lambda: "event=event_hook" in daemon.log_text(), "the line")
    hook.write()
    queue_id = daemon.send()
    wait_until(lambda: [e for e in hook.events() if e["id"] == queue_id],
               "the next events")
    wait_until(lambda: not daemon.api("/v1/status")[1]["problems"],
               "the end of the problem")
    assert status(daemon)["failed"] >= 1
    wait_until(lambda: "events.command works again" in daemon.log_text(),
               "the line about it")


def test_one_that_hangs_holds_up_no_mail(daemon, hook, directory):
    gate = directory / "gate"
    hook.write(f'while [ ! -e "{gate}" ]; do sleep 0.05; done')
    daemon.start()
    ids = [daemon.send() for _ in range(100)]
    for queue_id in ids:
        daemon.wait_for_state(queue_id, "delivered")
    assert hook.events() == []
    assert status(daemon)["behind"] > 0
    gate.touch()
    wait_until(lambda: len(hook.events()) == 200, "all of them")
    assert status(daemon)["dropped"] == 0
    # Many in one run, since they had to wait.
    assert hook.run_count() < 100


def test_one_that_is_too_slow_misses_the_oldest(daemon, hook, directory):
    gate = directory / "gate"
    hook.write(f'while [ ! -e "{gate}" ]; do sleep 0.05; done')
    daemon.start()
    with daemon.smtp() as client:
        client.ehlo_or_helo_if_needed()
        for _ in range(5600):
            client.mail("a@example.com")
            client.rcpt("user@example.net")
            client.data(b"x")
    wait_until(lambda: daemon.api("/v1/status")[1]["messages"]["delivered"]
               == 5600, "all mail to be delivered")
    assert status(daemon)["behind"] > 10000
    gate.touch()
    wait_until(lambda: status(daemon)["behind"] == 0, "the end")
    dropped = status(daemon)["dropped"]
    assert dropped >= 1000
    # The last one that was told has ended, too.
    wait_until(lambda: len(hook.events()) == 11200 - dropped, "the rest")
    assert any("has missed" in p["what"]
               for p in daemon.api("/v1/status")[1]["problems"])


def test_it_can_be_set_by_a_reload(daemon, directory):
    daemon.start()
    daemon.wait_for_state(daemon.send(), "delivered")
    assert status(daemon) is None
    hook = Hook(directory)
    daemon.settings["events"] = {"command": hook.words}
    daemon.reload()
    wait_until(lambda: status(daemon), "the new settings")
    queue_id = daemon.send()
    wait_until(lambda: len(hook.events()) == 2, "its events")
    assert {e["id"] for e in hook.events()} == {queue_id}


def test_a_stop_does_not_wait_for_it(daemon, hook):
    hook.write("sleep 20")
    daemon.start()
    daemon.wait_for_state(daemon.send(), "delivered")
    assert daemon.stop() == 0


def test_its_program_has_a_full_path(daemon):
    result = daemon.run("relaisd", "--check", "/dev/stdin",
                        input=b"events: {command: [relative]}\n")
    assert result.returncode != 0
    assert b"events.command" in result.stdout + result.stderr
