"""relaisctl top, seen through a terminal emulator."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios

import pytest

from conftest import BUILD, PEERS, wait_until

sys.path.append(str(PEERS / "pyte/usr/lib/python3/dist-packages"))
pyte = pytest.importorskip("pyte")


class Terminal:
    """A program on a terminal, and what a person would see of it."""

    def __init__(self, command, env, rows=24, columns=80):
        self.master, slave = pty.openpty()
        self.slave = os.dup(slave)
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.before = termios.tcgetattr(slave)
        self.resize(rows, columns)
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True,
            env={**os.environ, **env, "TERM": "xterm-256color"},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(rows, columns)

    def lines(self):
        while select.select([self.master], [], [], 0)[0]:
            data = os.read(self.master, 65536)
            self.raw += data
            self.stream.feed(data)
        return [line.rstrip() for line in self.screen.display]

    def wait_for(self, text):
        wait_until(lambda: any(text in line for line in self.lines()),
                   lambda: f"{text!r} on\n" + "\n".join(self.lines()))

    def press(self, key):
        os.write(self.master, key)

    def is_as_before(self):
        """The settings of the terminal, and its own screen."""
        self.lines()
        return (termios.tcgetattr(self.slave) == self.before and
                self.raw.count(b"\033[?1049h") == 1 and
                self.raw.rstrip().endswith(b"\033[?1049l"))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def top(relaisd):
    terminals = []

    def start(*options, **size):
        terminals.append(Terminal(
            [str(BUILD / "relaisctl"), "top", *options],
            {"RELAIS_CONTROL_SOCKET": str(relaisd.control)}, **size))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


def test_shows_what_happens_meanwhile(relaisd, top):
    terminal = top("--interval", "1s")
    terminal.wait_for("0 queued")
    terminal.wait_for("capture")
    relaisd.settings["relays"]["office"] = {
        "host": "127.0.0.1", "port": 9, "security": "none"}
    relaisd.settings["default_relay"] = "office"
    relaisd.reload()
    wait_until(lambda: "event=reloaded" in relaisd.log_text(), "the reload")
    relaisd.send()
    terminal.wait_for("1 queued")
    terminal.wait_for("Connection refused")
    terminal.wait_for("relaisctl relay test office")
    terminal.press(b"q")
    assert terminal.process.wait(60) == 0
    assert terminal.is_as_before()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_gives_the_terminal_back_after_a_signal(top, number):
    terminal = top()
    terminal.wait_for("q quits")
    terminal.process.send_signal(number)
    assert terminal.process.wait(60) == 0
    assert terminal.is_as_before()


def test_follows_the_size_of_the_terminal(top):
    terminal = top(rows=6, columns=60)
    terminal.wait_for("q quits")
    assert not any("REFUSED/S" in line for line in terminal.lines())
    terminal.resize(30, 120)
    terminal.process.send_signal(signal.SIGWINCH)
    terminal.wait_for("REFUSED/S")


def test_says_that_relaisd_is_gone(relaisd, top):
    terminal = top("--interval", "1s")
    terminal.wait_for("q quits")
    relaisd.stop()
    assert terminal.process.wait(60) == 69
    terminal.wait_for("relaisd")
    assert termios.tcgetattr(terminal.slave) == terminal.before


def test_is_drawn_once_for_a_pipe(relaisd):
    done = relaisd.ctl("top")
    assert done.returncode == 0 and b"\033" not in done.stdout
    assert b"0 queued" in done.stdout
