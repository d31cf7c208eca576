"""A relaisd for tests of clients: says what its script says.

    with FakeRelaisd(path, words="KEY WAIT") as server:
        server.on_message = lambda connection, n: ...
        server.transcript  # every line and chunk that came

Speaks just enough SMTP: EHLO, MAIL, RCPT, BDAT, XKEY. `reply` is a dict from
a verb to an answer, or to a function of the command's line; a missing one is
answered well. An answer of None ends the connection without a word.
"""

import os
import socket
import threading


class FakeRelaisd:
    def __init__(self, path, words="KEY TAG META RELAY WAIT", extensions=(),
                 greeting="220 fake ESMTP"):
        self.path = str(path)
        self.words = words
        self.extensions = extensions
        self.greeting = greeting
        self.reply = {}
        self.transcript = []
        self.contents = []
        self.connections = 0
        self.open = []
        self.listener = None

    def __enter__(self):
        self.listen()
        return self

    def listen(self):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(64)
        self.accepting = threading.Thread(
            target=self.accept, args=(self.listener,), daemon=True)
        self.accepting.start()

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Nobody listens any more; open connections live on."""
        if self.listener is None:
            return
        # wakes accept(), which must not get the descriptor's next owner
        self.listener.shutdown(socket.SHUT_RDWR)
        self.accepting.join()
        self.listener.close()
        self.listener = None
        os.unlink(self.path)

    def hang_up(self):
        for peer in self.open:
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def accept(self, listener):
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open.append(peer)
            threading.Thread(target=self.serve, args=(peer,),
                             daemon=True).start()

    def serve(self, peer):
        try:
            with peer, peer.makefile("rwb", buffering=65536) as stream:
                self.say(stream, self.greeting)
                if self.greeting.startswith("220"):
                    self.talk(stream)
        except (OSError, ValueError, EOFError):
            pass

    @staticmethod
    def say(stream, answer):
        stream.write(answer.encode() + b"\r\n")
        stream.flush()

    def hello(self):
        keywords = ["fake", "PIPELINING", "CHUNKING", "8BITMIME", "SMTPUTF8",
                    "DSN", "ENHANCEDSTATUSCODES", "SIZE 1000000",
                    "LIMITS RCPTMAX=3", *self.extensions]
        if self.words is not None:
            keywords.append(f"XRELAIS 1 {self.words}".rstrip())
        lines = [f"250-{word}" for word in keywords] + ["250 HELP"]
        return "\r\n".join(lines)

    def talk(self, stream):
        content = b""
        for line in iter(stream.readline, b""):
            line = line.decode().rstrip("\r\n")
            self.transcript.append(line)
            verb = line.split()[0].upper()
            good = {"EHLO": self.hello(), "MAIL": "250 2.1.0 Ok",
                    "RCPT": "250 2.1.5 Ok", "BDAT": "250 2.0.0 Ok",
                    "XKEY": "550 5.5.4 No message has this key"}[verb]
            if verb == "BDAT":
                size = int(line.split()[1])
                piece = stream.read(size)
                if len(piece) < size:
                    raise EOFError
                content += piece
                if line.endswith("LAST"):
                    self.contents.append(content)
                    content = b""
                    verb = "LAST"
                    good = "250 2.0.0 Ok: queued as 6h15xjeag0000"
            answer = self.reply.get(verb, good)
            if callable(answer):
                answer = answer(line)
            if answer is None:
                return
            if answer is True:
                answer = good
            self.say(stream, answer)
            if answer.startswith("421"):
                return
