"""A relay for tests: an SMTP server that does what it is told.

Independent of relais: it keeps every octet that arrives, so that a test can
compare what was received with what was submitted. One thread a connection.

    with Relay() as relay:
        relay.answer("RCPT", "451 4.7.1 later", "250 2.1.5 now")
        ...
        relay.messages[0].content

A reply is a text (several lines with \\r\\n between them), or a word that makes
trouble, with what it says behind it:

    DROP             closes without an answer
    <reset>          the same with a reset
    <silence>        says nothing until the other side has gone
    <stall>          neither reads nor writes any more
    <half> TEXT      these octets without a line end, then closes
    <last> TEXT      an answer, then closes
    <twice> TEXT     the same answer twice
    <early> TEXT     as if it answered what has not been asked yet: the answer
                     that is due, and this one behind it
    <octets> TEXT    these octets and nothing behind them; goes on
    <drip> TEXT      octet by octet
    <trickle> TEXT   the same, too slow and without end
    <flood> TEXT     this line again and again

The verbs are those of SMTP, and more: ACCEPT is the connection itself, TLS a
handshake, CONNECT the greeting, BODY the beginning of the content, "." the
final dot, IDLE the moment after a message was taken.
"""

import base64
import hashlib
import hmac
import re
import socket
import ssl
import struct
import threading

TCP_ESTABLISHED = 1  # <netinet/tcp.h>


def is_established(connection):
    """Has the other side not closed it, whether that was read or not?"""
    try:
        return connection.family == socket.AF_UNIX or connection.getsockopt(
            socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_ESTABLISHED
    except OSError:
        return False


class Message:
    def __init__(self, sender, recipients, content, session):
        self.sender = sender          # as in MAIL, with its parameters
        self.recipients = recipients  # the accepted ones
        self.content = content        # octets, dots removed, up to the dot
        self.session = session


class Session:
    def __init__(self, number):
        self.number = number
        self.commands = []   # every line that came
        self.octets = bytearray()  # all that came, as it came
        self.tls = None
        self.user = None
        self.answers = []    # to challenges that tell of a refusal


class Relay:
    """Listens on a free loopback port from the start."""

    def __init__(self, extensions=("PIPELINING", "8BITMIME", "SMTPUTF8",
                                   "SIZE 0", "DSN", "ENHANCEDSTATUSCODES"),
                 tls=None, implicit_tls=False, users=None,
                 mechanisms="PLAIN LOGIN", require_tls=False,
                 listener=None):
        self.extensions = list(extensions)
        self.tls = tls                  # (certificate, key), or None
        self.implicit_tls = implicit_tls
        self.users = users or {}
        self.mechanisms = mechanisms
        self.require_tls = require_tls
        self.messages = []   # those that were accepted
        self.contents = []   # of every DATA, refused ones too
        self.sessions = []
        self.changed = threading.Condition()
        self._answers = {}
        self._hooks = {}
        self._open = set()
        self.most_at_once = 0
        self._gates = {}
        self.listener = listener or socket.create_server(
            ("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self._is_closed = False
        self._thread = None
        self._is_open = threading.Event()
        self._is_open.set()
        self.closing = threading.Event()

    def __enter__(self):
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        """Nobody can connect any more, and who is connected is cut."""
        self._is_closed = True
        self.closing.set()
        self._is_open.set()
        self._stop_accepting()
        for gate in self._gates.values():
            gate.set()
        self.drop_all()

    def _stop_accepting(self):
        """The thread first: it might accept for whoever has the descriptor
        next."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # refuse() has done it
        if self._thread:
            self._thread.join()
        self.listener.close()

    def drop_all(self):
        with self.changed:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    # ------------------------------------------------------------- scripting

    def answer(self, verb, *replies):
        """The next replies to this verb ("." is the final dot, "CONNECT" the
        greeting). "DROP" closes instead of answering."""
        with self.changed:
            self._answers.setdefault(verb, []).extend(replies)

    def always(self, verb, reply):
        """Each reply to this verb: a text, or a function of the line."""
        self._hooks[verb] = reply if callable(reply) else lambda line: reply

    def never_mind(self, verb):
        self._hooks.pop(verb, None)

    def refuse(self):
        """Who comes is sent away by the kernel, until welcome(). For a listener
        that was bound to a port by its number."""
        self._is_open.clear()
        self.listener.shutdown(socket.SHUT_RDWR)

    def stand_still(self):
        """Who comes is neither let in nor told, until welcome()."""
        self._is_open.clear()
        self.listener.listen(0)

    def welcome(self):
        self.listener.listen(512)
        self._is_open.set()

    def hold(self, verb):
        """Replies to this verb wait until the returned event is set."""
        gate = threading.Event()
        self._gates[verb] = gate
        return gate

    def wait_for(self, condition, patience=60):
        with self.changed:
            assert self.changed.wait_for(condition, patience), (
                [m.recipients for m in self.messages],
                [s.commands for s in self.sessions][-5:],
            )

    def wait_for_messages(self, count, patience=60):
        self.wait_for(lambda: len(self.messages) >= count, patience)
        return self.messages

    # --------------------------------------------------------------- serving

    def _accept(self):
        while not self._is_closed:
            self._is_open.wait()
            try:
                connection, _ = self.listener.accept()
            except OSError:
                if self._is_open.is_set():
                    return
                continue
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    def _serve(self, connection):
        with self.changed:
            session = Session(len(self.sessions))
            self.sessions.append(session)
            self._open.add(connection)
            self.most_at_once = max(self.most_at_once,
                                    sum(map(is_established, self._open)))
            self.changed.notify_all()
        try:
            if connection.family != socket.AF_UNIX:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY,
                                      1)
            _Dialogue(self, connection, session).run()
        except (OSError, ssl.SSLError, EOFError):
            pass
        finally:
            with self.changed:
                self._open.discard(connection)
            connection.close()

    def heal(self):
        """From now on it does nothing but what it should."""
        with self.changed:
            self._answers.clear()
            self._hooks.clear()
            gates = list(self._gates.values())
            self._gates.clear()
        for gate in gates:
            gate.set()

    def copies_for(self, address):
        """How often it has said, or tried to say, that it has the message."""
        with self.changed:
            return sum(any(f"<{address}>" in line for line in m.recipients)
                       for m in self.messages)

    def reply_to(self, verb, line, otherwise):
        gate = self._gates.get(verb)
        with self.changed:
            waiting = self._answers.get(verb)
            reply = waiting.pop(0) if waiting else None
            self.changed.notify_all()
        if gate is not None:
            gate.wait(60)
        if reply is None and verb in self._hooks:
            reply = self._hooks[verb](line)
        return otherwise if reply is None else reply

    def record(self, message):
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()


class _Dialogue:
    def __init__(self, relay, connection, session):
        self.relay = relay
        self.connection = connection
        self.session = session
        self.buffer = b""
        self.is_lmtp = False

    def run(self):
        self._trouble("ACCEPT")
        if self.relay.implicit_tls:
            self._start_tls()
        self._say(self.relay.reply_to("CONNECT", "", "220 relay.test ESMTP"),
                  "220 relay.test ESMTP")
        self._reset()
        while True:
            line = self._line()
            with self.relay.changed:
                self.session.commands.append(line)
            verb = line.split(" ", 1)[0].upper()
            handler = getattr(self, "_on_" + verb.lower(), None)
            if handler is None:
                self._say("500 5.5.2 what")
            elif handler(line) == "end":
                return

    def _reset(self):
        self.sender = None
        self.recipients = []

    def _fill(self):
        data = self.connection.recv(65536)
        if not data:
            raise EOFError
        self.buffer += data
        self.session.octets += data

    def _line(self):
        while b"\r\n" not in self.buffer:
            self._fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("utf-8", "surrogateescape")

    def _say(self, reply, due="250 2.0.0 ok"):
        """due: what an honest server would say here."""
        if reply == "DROP":
            raise EOFError
        if reply.startswith("<"):
            word, _, text = reply[1:].partition(">")
            getattr(self, "_say_" + word)(text.removeprefix(" "), due)
            return
        self._send(reply + "\r\n")
        if reply.startswith("421"):
            raise EOFError

    def _send(self, text):
        self.connection.sendall(text.encode("utf-8", "surrogateescape"))

    def _say_reset(self, _text, _due):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", 1, 0))
        raise EOFError

    def _say_silence(self, _text, _due):
        while self.connection.recv(65536):
            pass
        raise EOFError

    def _say_stall(self, _text, _due):
        self.relay.closing.wait(60)
        raise EOFError

    def _say_half(self, text, _due):
        self._send(text)
        raise EOFError

    def _say_last(self, text, _due):
        self._send(text + "\r\n")
        raise EOFError

    def _say_twice(self, text, _due):
        self._send(2 * (text + "\r\n"))

    def _say_early(self, text, due):
        self._send(due + "\r\n" + text + "\r\n")

    def _say_octets(self, text, _due):
        self._send(text)

    def _say_drip(self, text, _due, pause=0.002, is_endless=False):
        while True:
            for octet in text + ("" if is_endless else "\r\n"):
                self._send(octet)
                if self.relay.closing.wait(pause):
                    raise EOFError
            if not is_endless:
                return

    def _say_trickle(self, text, due):
        self._say_drip(text, due, 0.05, True)

    def _say_flood(self, text, _due):
        while True:
            self._send(100 * text)

    def _trouble(self, verb):
        """Where no reply is due, but something may go wrong."""
        reply = self.relay.reply_to(verb, "", None)
        if reply is not None:
            self._say(reply)

    def _start_tls(self):
        # Sooner, a reset would be met by connect() itself.
        self.connection.recv(1, socket.MSG_PEEK)
        self._trouble("TLS")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.relay.tls)
        plain = self.connection
        self.connection = context.wrap_socket(plain, server_side=True)
        with self.relay.changed:
            self.relay._open.discard(plain)
            self.relay._open.add(self.connection)
        self.session.tls = self.connection.version()

    def _on_ehlo(self, line):
        words = ["relay.test", *self.relay.extensions]
        if self.relay.tls and self.session.tls is None:
            words.append("STARTTLS")
        if self.relay.users and (self.session.tls or not self.relay.tls):
            words.append("AUTH " + self.relay.mechanisms)
        lines = ["250-" + word for word in words[:-1]] + ["250 " + words[-1]]
        due = "\r\n".join(lines)
        self._say(self.relay.reply_to("EHLO", line, due), due)
        self._reset()

    def _on_helo(self, line):
        self._say(self.relay.reply_to("HELO", line, "250 relay.test"))

    def _on_lhlo(self, line):
        self.is_lmtp = True
        self._on_ehlo(line)

    def _on_starttls(self, line):
        reply = self.relay.reply_to("STARTTLS", line, "220 2.0.0 go")
        self._say(reply, "220 2.0.0 go")
        if reply.startswith("220"):
            self._start_tls()

    def _on_auth(self, line):
        words = line.split(" ")
        reply = self.relay.reply_to("AUTH", line, None)
        if reply is not None:
            if reply.startswith("235"):
                self.session.user = line
            self._say(reply, "235 2.7.0 welcome")
            return
        method = getattr(self, "_auth_" + words[1].lower().replace("-", "_"),
                         None)
        if method is None:
            self._say("504 5.5.4 unknown mechanism")
            return
        user = method(words[2] if len(words) > 2 else None)
        if user is None:
            self._say("535 5.7.8 bad credentials")
            return
        self.session.user = user
        self._say("235 2.7.0 welcome")

    def _challenge(self, text=""):
        self._say("334 " + base64.b64encode(text.encode()).decode())
        return base64.b64decode(self._line())

    def _check(self, user, password):
        """A user has a password, or a function that says whether it is one."""
        good = self.relay.users.get(user)
        is_good = good(password) if callable(good) else good == password
        return user if is_good else None

    def _auth_plain(self, initial):
        data = base64.b64decode(initial) if initial else self._challenge()
        _, user, password = data.decode().split("\0")
        return self._check(user, password)

    def _auth_login(self, initial):
        user = (base64.b64decode(initial) if initial
                else self._challenge("Username:")).decode()
        return self._check(user, self._challenge("Password:").decode())

    def _auth_cram_md5(self, _initial):
        challenge = "<1896.697170952@relay.test>"
        user, digest = self._challenge(challenge).decode().rsplit(" ", 1)
        key = self.relay.users.get(user, "").encode()
        good = hmac.new(key, challenge.encode(), hashlib.md5).hexdigest()
        return user if hmac.compare_digest(good, digest) else None

    def _auth_xoauth2(self, initial):
        data = base64.b64decode(initial).decode()
        match = re.fullmatch("user=(.*)\1auth=Bearer (.*)\1\1", data)
        if match and self._check(*match.groups()):
            return match.group(1)
        self.session.answers.append(self._challenge('{"status":"401"}'))
        return None

    def _auth_oauthbearer(self, initial):
        """RFC 7628 3.1"""
        data = base64.b64decode(initial).decode()
        match = re.fullmatch("n,a=(.*),\1host=(.*)\1port=([0-9]+)\1"
                             "auth=Bearer (.*)\1\1", data)
        if match and self._check(match[1], match[4]):
            return match[1]
        self.session.answers.append(self._challenge(
            '{"status":"invalid_token","scope":"mail"}'))
        return None

    def _on_mail(self, line):
        if self.relay.require_tls and self.session.tls is None:
            self._say("530 5.7.0 Must issue a STARTTLS command first")
            return
        if self.relay.users and self.session.user is None:
            self._say("530 5.7.0 Authentication required")
            return
        reply = self.relay.reply_to("MAIL", line, "250 2.1.0 ok")
        if not re.match("(<[a-z]+> )?[345]", reply):
            self._reset()
            self.sender = line[len("MAIL FROM:"):]
        self._say(reply, "250 2.1.0 ok")

    def _on_rcpt(self, line):
        if self.sender is None:
            self._say("503 5.5.1 MAIL first")
            return
        reply = self.relay.reply_to("RCPT", line, "250 2.1.5 ok")
        if not re.match("(<[a-z]+> )?[345]|254", reply):
            self.recipients.append(line[len("RCPT TO:"):])
        self._say(reply, "250 2.1.5 ok")

    def _on_data(self, line):
        if not self.recipients:
            self._say("554 5.5.1 no valid recipients")
            return
        reply = self.relay.reply_to("DATA", line, "354 go")
        self._say(reply, "354 go")
        if not reply.startswith(("354", "<drip>", "<early>")):
            return
        self._trouble("BODY")
        content = self._content()
        with self.relay.changed:
            self.relay.contents.append(content)
        if self.is_lmtp:
            for recipient in self.recipients:
                self._end_of_content(recipient, [recipient], content)
        else:
            self._end_of_content("", self.recipients, content)
        self._reset()
        self._trouble("IDLE")

    def _end_of_content(self, line, recipients, content):
        """What was not refused counts as taken, whatever the client hears.
        The last line of a reply decides."""
        due = "250 2.0.0 taken"
        reply = self.relay.reply_to(".", line, due)
        if not re.match("(<[a-z]+> )?[345]", reply.split("\r\n")[-1]):
            self.relay.record(Message(self.sender, recipients, content,
                                      self.session))
        self._say(reply, due)

    def _content(self):
        """Up to CRLF.CRLF; nothing else ends it."""
        data = b""
        while True:
            if self.buffer.startswith(b".\r\n") and not data:
                end = 0
                break
            at = (data[-4:] + self.buffer).find(b"\r\n.\r\n")
            if at >= 0:
                end = at + 2 - len(data[-4:])
                break
            # what may be the beginning of the end stays in the buffer
            keep = min(len(self.buffer), 4)
            data += self.buffer[:len(self.buffer) - keep]
            self.buffer = self.buffer[len(self.buffer) - keep:]
            self._fill()
        data += self.buffer[:end]
        self.buffer = self.buffer[end + 3:]
        if data.startswith(b"."):
            data = data[1:]
        return data.replace(b"\r\n.", b"\r\n")

    def _on_rset(self, line):
        self._reset()
        self._say(self.relay.reply_to("RSET", line, "250 2.0.0 ok"))

    def _on_noop(self, line):
        self._say(self.relay.reply_to("NOOP", line, "250 2.0.0 ok"))

    def _on_quit(self, line):
        self._say(self.relay.reply_to("QUIT", line, "221 2.0.0 bye"),
                  "221 2.0.0 bye")
        return "end"
