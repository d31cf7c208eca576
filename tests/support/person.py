"""A person at a terminal: reads what a program asks, and types answers."""

import os
import pty
import select
import subprocess
import termios
import time

PATIENCE = 60


class Person:
    """stdin, stdout and stderr of the program are one terminal.

        with Person([...], env) as person:
            person.answer("Login", "app")
            person.end()
    """

    def __init__(self, command, env):
        self.leader, follower = pty.openpty()
        self.text = ""     # all that was shown so far
        self.at = 0        # how far the person has read
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=follower, stdout=follower,
            stderr=follower, env={**env, "TERM": "dumb"},
            start_new_session=True)
        os.close(follower)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.leader)

    def _read(self, deadline):
        left = deadline - time.monotonic()
        assert left > 0, f"waited in vain; was shown:\n{self.text}"
        if not select.select([self.leader], [], [], left)[0]:
            return True
        try:
            data = os.read(self.leader, 65536)
        except OSError:  # the program has gone
            return False
        self.text += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)

    def read_to(self, words):
        deadline = time.monotonic() + PATIENCE
        while words not in self.text[self.at:]:
            assert self._read(deadline), (
                f"it ended before {words!r}:\n{self.text}")
        self.at = self.text.index(words, self.at) + len(words)

    def answer(self, question, answer=""):
        """Types it once the question's line stands there and waits."""
        self.read_to(question)
        deadline = time.monotonic() + PATIENCE
        while not self.text.endswith((": ", "] ")):
            assert self._read(deadline), self.text
        self.at = len(self.text)
        os.write(self.leader, answer.encode() + b"\n")

    def echoes(self):
        return bool(termios.tcgetattr(self.leader)[3] & termios.ECHO)

    def answer_secretly(self, question, secret):
        """The same where nothing that is typed may be seen."""
        self.read_to(question)
        deadline = time.monotonic() + PATIENCE
        while self.echoes():
            assert time.monotonic() < deadline, "the terminal echoes"
        os.write(self.leader, secret.encode() + b"\n")

    def end(self):
        """The exit code, once all is read."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return self.process.wait(PATIENCE)
