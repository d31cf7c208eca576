"""Peers that do what no mail server does on demand, one fault each.

    with Fault("half_reply") as peer:
        daemon.use_relay(peer)

A fault is a function of a Session; the ones here cut, drip, flood and lie.
"""

import socket
import struct
import threading

EHLO = ("250-fault.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
        "250 ENHANCEDSTATUSCODES\r\n")


class Session:
    """One client: lines in, octets out."""

    def __init__(self, peer, connection):
        self.peer = peer
        self.connection = connection
        self.stream = connection.makefile("rb")

    def say(self, text):
        self.connection.sendall(text.encode())

    def line(self):
        line = self.stream.readline()
        if not line:
            raise EOFError
        text = line.decode(errors="replace").rstrip("\r\n")
        self.peer.note(text)
        return text

    def until(self, verb):
        """Says yes to everything up to this verb, which is left unanswered."""
        while True:
            line = self.line()
            word = line.split(" ")[0].upper()
            if word == verb:
                return line
            if word in ("EHLO", "HELO"):
                self.say(EHLO)
            elif word == "QUIT":
                self.say("221 bye\r\n")
                raise EOFError
            else:
                self.say("250 2.0.0 ok\r\n")

    def until_dot(self):
        """Takes a message; its final dot is left unanswered."""
        self.until("DATA")
        self.say("354 go\r\n")
        while self.stream.readline() != b".\r\n":
            pass
        self.peer.note(".")

    def is_gone(self):
        """Waits until the client hangs up."""
        while self.connection.recv(65536):
            pass
        self.peer.note("<gone>")


class Fault:
    """Listens on a free loopback port from the start."""

    def __init__(self, fault):
        self.act = globals()[fault]
        self.seen = []  # lines of all sessions
        self.sessions = 0
        self.changed = threading.Condition()
        self.ending = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *unused):
        self.ending.set()
        # The thread first: another may have the descriptor next.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def note(self, text):
        with self.changed:
            self.seen.append(text)
            self.changed.notify_all()

    def wait_for(self, condition, patience=60):
        with self.changed:
            assert self.changed.wait_for(condition, patience), self.seen

    def verbs(self):
        return [line.split(" ")[0].upper() for line in self.seen]

    def _accept(self):
        while not self.ending.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.sessions += 1
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    def _serve(self, connection):
        with connection:
            try:
                self.act(Session(self, connection))
            except (OSError, EOFError):
                self.note("<gone>")


# ------------------------------------------------------------------ the faults


def dripped_greeting(session):
    """Octet by octet, then all is well."""
    for octet in "220 fault.test ESMTP\r\n":
        session.say(octet)
        session.peer.ending.wait(0.01)
    good(session)


def good(session):
    """No fault: takes every message."""
    while True:
        session.until_dot()
        session.say("250 2.0.0 taken\r\n")


def endless_greeting(session):
    """A reply that never has a last line."""
    while True:
        session.say("220-and more\r\n" * 100)


def endless_line(session):
    """A line that never ends."""
    while True:
        session.say("220 " + "x" * 8192)


def no_service(session):
    session.say("554 5.7.1 no service for you\r\n")
    session.until("QUIT")


def silent(session):
    session.is_gone()


def hangs_up(session):
    """At once, without a word."""


def binary(session):
    session.say("\x00\x01\x02\x03\r\n")
    session.is_gone()


def starttls_injection(session):
    """What is said in the clear behind the go-ahead is for inside TLS."""
    session.say("220 fault.test ESMTP\r\n")
    while session.line().split(" ")[0].upper() != "STARTTLS":
        session.say("250-fault.test\r\n250 STARTTLS\r\n")
    session.say("220 go\r\n250-evil.test\r\n250 AUTH PLAIN\r\n")
    session.is_gone()


def half_reply(session):
    """The reply to the message breaks off before its last line."""
    session.say("220 fault.test ESMTP\r\n")
    session.until_dot()
    session.say("250-2.0.0 accep")


def drop_after_dot(session):
    session.say("220 fault.test ESMTP\r\n")
    session.until_dot()


def reset_after_dot(session):
    session.say("220 fault.test ESMTP\r\n")
    session.until_dot()
    reset(session)


def reset(session):
    session.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                  struct.pack("ii", 1, 0))


def reset_in_data(session):
    """Before the content has been read."""
    session.say("220 fault.test ESMTP\r\n")
    session.until("DATA")
    session.say("354 go\r\n")
    session.connection.recv(1)
    reset(session)


def replies_twice(session):
    """One reply too many, which belongs to no command."""
    session.say("220 fault.test ESMTP\r\n")
    session.until("MAIL")
    session.say("250 2.1.0 ok\r\n250 2.1.0 ok again\r\n")
    session.until_dot()
    session.say("250 2.0.0 taken\r\n")


def three_then_421(session):
    """Takes three messages a connection, says so behind the third."""
    session.say("220 fault.test ESMTP\r\n")
    for count in (1, 2, 3):
        session.until_dot()
        session.say("250 2.0.0 taken\r\n")
    session.say("421 4.7.0 that is enough for one connection\r\n")
