"""Long work shows how far it is on a terminal, and nothing elsewhere."""

import os
import pty
import re
import subprocess

import pytest

from conftest import BUILD, PATIENCE

MESSAGES = 1000


@pytest.fixture
def full(daemon, peers):
    """A queue with much held back."""
    daemon.settings["relays"]["capture"]["enabled"] = False
    daemon.start()
    done = subprocess.run(
        [peers("smtp-source", "postfix"), "-s", "8", "-m", str(MESSAGES), "-d",
         "-f", "app@example.com", "-t", "user@example.net",
         f"unix:{daemon.socket}"], capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return daemon


def on_terminal(daemon, *words):
    """(exit status, stdout, what the terminal got by stderr)."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [str(BUILD / "relaisctl"), *map(str, words)], stderr=slave,
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
        env=daemon.environment())
    os.close(slave)
    shown = b""
    while True:
        try:
            shown += os.read(master, 65536)
        except OSError:  # nobody has the other end any more
            break
    out = process.stdout.read().decode()
    process.stdout.close()
    os.close(master)
    return process.wait(PATIENCE), out, shown.decode()


def is_gone(shown):
    return shown.endswith("\r\x1b[K")


def test_bulk_changes_say_how_far_they_are(full):
    status, out, shown = on_terminal(full, "hold", "--all", "--yes")
    assert status == 0 and out == "1,000 messages: held.\n"
    assert re.search(r"\r[0-9,]+ messages\x1b\[K", shown) and is_gone(shown)
    done = full.ctl("release", "--all", "--yes")
    assert done.returncode == 0 and done.stderr == b""
    assert done.stdout == b"1,000 messages: released.\n"


def test_a_backup_says_how_far_it_is(full, directory):
    path = directory / "backup"
    status, out, shown = on_terminal(full, "backup", path)
    assert status == 0 and "has the queue" in out and path.exists()
    assert re.search(r"\r\[#* *\] +\d+%  [\d.]+ [KM]iB\x1b\[K", shown)
    assert is_gone(shown)
    done = full.ctl("backup", directory / "another")
    assert done.returncode == 0 and done.stderr == b""


def test_programs_are_shown_no_progress(full):
    status, out, shown = on_terminal(full, "hold", "--all", "--yes", "--json")
    assert status == 0 and '"changed":1000' in out.replace(" ", "")
    assert shown == ""


def test_an_import_says_how_far_it_is(daemon, directory):
    daemon.start()
    path = directory / "msmtprc"
    path.write_text("".join(
        f"account a{n}\nhost relay{n}.example.com\nport 25\nauth off\n"
        for n in range(3)))
    status, out, shown = on_terminal(daemon, "import", "--yes", "msmtp", path)
    assert status == 0 and out.count("is there now") == 3, (out, shown)
    assert re.search(r"\r\[ *\] +0%  a0\x1b\[K", shown) and is_gone(shown)
