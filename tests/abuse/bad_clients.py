"""What bad clients do: each function is a process of its own, of another user.

It gets the sockets of a daemon, says ready() when it is at it, and goes on until
it is killed. What it tried and what became of it stands in `counts`, which the
judge shares.
"""

import contextlib
import select
import signal
import socket
import time

TINY = (b"MAIL FROM:<bad@example.com>\r\nRCPT TO:<user@example.net>\r\n"
        b"BDAT 5 LAST\r\n\r\nx\r\n")
BATCH = 50
BEGINNING = (b"EHLO bad\r\nMAIL FROM:<bad@example.com>\r\n"
             b"RCPT TO:<user@example.net>\r\nDATA\r\n")


class Place:
    """Where the bad ones work, and what they count."""

    def __init__(self, daemon, size, counts):
        self.submission = str(daemon.socket)
        self.control = str(daemon.control)
        self.connections, self.messages, self.wait_s = size
        self.counts = counts

    def count(self, what, number=1):
        self.counts[what] += number

    def connect(self, path):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(60)
        client.connect(path)
        self.count("connections")
        return client

    def begin(self, text=b""):
        client = self.connect(self.submission)
        client.sendall(BEGINNING + text)
        return client


def hold(clients):
    signal.pause()
    return clients


def connect_many(place, path, text=b""):
    clients = []
    for _ in range(place.connections):
        try:
            clients.append(place.connect(path))
            clients[-1].sendall(text)
        except OSError:
            place.count("cut")
    return clients


def drip(place, ready, clients):
    """An octet a second to each, for ever."""
    ready()
    while True:
        for client in clients:
            try:
                client.send(b"x")
                place.count("octets")
            except OSError:
                place.count("cut")
        time.sleep(1)


def pour(place, ready, start, piece, path=None, number=20):
    """As fast as it goes, over connections that are made again when cut."""
    clients = []
    ready()
    while True:
        while len(clients) < number:
            client = place.connect(path or place.submission)
            with contextlib.suppress(OSError):
                client.sendall(start)
            client.setblocking(False)
            clients.append(client)
        _, writable, _ = select.select([], clients, [], 1)
        for client in writable:
            try:
                place.count("octets", client.send(piece))
            except BlockingIOError:
                pass
            except OSError:
                place.count("cut")
                client.close()
                clients.remove(client)


# ------------------------------------------------- at the submission socket


def silent(place, ready):
    """says nothing on very many connections"""
    clients = connect_many(place, place.submission)
    ready()
    hold(clients)


def comes_and_goes(place, ready):
    """connects and leaves, as fast as it goes"""
    ready()
    while True:
        clients = connect_many_now(place, place.submission, 200)
        for client in clients:
            client.close()


def connect_many_now(place, path, number):
    """Without a wait for anything."""
    clients = []
    for _ in range(number):
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        try:
            client.connect(path)
            place.count("connections")
        except OSError:
            place.count("cut")
        clients.append(client)
    return clients


def slow(place, ready):
    """an octet a second in each of its messages"""
    drip(place, ready,
         [place.begin(b"Subject: slow\r\n\r\n") for _ in range(60)])


def huge_lines(place, ready):
    """bodies without a line end, as fast as they go"""
    pour(place, ready, BEGINNING + b"Subject: long\r\n\r\n", b"x" * 65536)


def endless_headers(place, ready):
    """header fields without end, as fast as they go"""
    pour(place, ready, BEGINNING, b"X-More: y\r\n" * 5000)


def held_headers(place, ready):
    """headers and bodies that stop short of every limit, and are held"""
    clients = [place.begin(b"X-More: y\r\n" * 5000) for _ in range(30)]
    clients += [place.begin(b"Subject: held\r\n\r\n" + b"x" * 60000)
                for _ in range(30)]
    ready()
    hold(clients)


def huge_commands(place, ready):
    """command lines without end"""
    pour(place, ready, b"", b"x" * 65536)


def vanish(place, ready):
    """leaves before the reply, and comes again"""
    ready()
    while True:
        try:
            client = place.begin(b"Subject: gone\r\n\r\nhello\r\n.\r\n")
        except OSError:
            place.count("cut")
            continue
        place.count("messages")
        client.close()


def very_many(place, ready):
    """tiny messages without end, pipelined on 60 connections"""
    lines_left = {}
    clients, sent = {}, 0
    poll = select.epoll()
    is_ready = False
    while sent < place.messages or any(lines_left.values()):
        while len(clients) < min(60, (place.messages + 49) // 50):
            try:
                client = place.connect(place.submission)
                client.sendall(b"EHLO bad\r\n")
                greeting = client.recv(65536)
                while b"250 " not in greeting:
                    greeting += client.recv(65536)
            except OSError:
                place.count("cut")
                continue
            clients[client.fileno()] = client
            lines_left[client.fileno()] = 0
            poll.register(client, select.EPOLLIN)
        if not is_ready:
            ready()
            is_ready = True
        for fd, client in list(clients.items()):
            if lines_left[fd] < BATCH * 3 and sent < place.messages:
                with contextlib.suppress(OSError):  # recv() tells
                    client.sendall(TINY * BATCH)
                lines_left[fd] += BATCH * 3
                sent += BATCH
        for fd, _ in poll.poll(1):
            data = b""
            with contextlib.suppress(OSError):
                data = clients[fd].recv(65536)
            place.count("messages", data.count(b"queued as"))
            place.count("refusals", data.count(b"\r\n45")
                        + data.startswith(b"45"))
            lines_left[fd] -= data.count(b"\n")
            if not data:
                place.count("cut")
                clients.pop(fd).close()
                del lines_left[fd]
    ready()
    signal.pause()


# ------------------------------------------------------ at the control socket


def control_silent(place, ready):
    """says nothing on very many control connections"""
    clients = connect_many(place, place.control)
    ready()
    hold(clients)


def control_comes_and_goes(place, ready):
    """connects to the control socket and leaves, as fast as it goes"""
    ready()
    while True:
        for client in connect_many_now(place, place.control, 200):
            client.close()


def control_slow_head(place, ready):
    """an octet a second of the head of its requests"""
    clients = [place.connect(place.control) for _ in range(60)]
    for client in clients:
        client.sendall(b"GET /v1/status HTTP/1.1\r\nX-")
    drip(place, ready, clients)


def control_endless_head(place, ready):
    """header fields of requests without end, as fast as they go"""
    pour(place, ready, b"GET /v1/status HTTP/1.1\r\n", b"X-More: y\r\n" * 5000,
         place.control)


def post(length, query=""):
    return (f"POST /v1/messages?from=bad@example.com&to=user@example.net{query}"
            " HTTP/1.1\r\nHost: localhost\r\nContent-Type: message/rfc822\r\n"
            f"Content-Length: {length}\r\n\r\nSubject: bad\r\n\r\n").encode()


def control_slow_body(place, ready):
    """mail over HTTP that reserves all the memory, an octet a second of it"""
    clients = []
    for length in [8 << 20] + [1 << 20] * 20 + [100 << 10] * 39:
        clients.append(place.connect(place.control))
        clients[-1].sendall(post(length))
    drip(place, ready, clients)


def control_waits(place, ready):
    """mail over HTTP whose answer is long in coming"""
    clients = []
    size = 400 << 10
    for _ in range(60):
        clients.append(place.connect(place.control))
        head = post(size, f"&wait={place.wait_s}")
        end = head.index(b"\r\n\r\n") + 4
        body = head[end:] + b"x" * 70 + b"\r\n"
        body += b"y" * (size - len(body))
        with contextlib.suppress(OSError):
            clients[-1].sendall(head[:end] + body)
            place.count("octets", len(body))
    ready()
    hold(clients)


def control_unread(place, ready):
    """asks for event streams and long lists, and never reads"""
    addresses = b"".join(b"RCPT TO:<%050d@example.net>\r\n" % i
                         for i in range(1000))
    client = place.connect(place.submission)
    client.sendall(b"EHLO bad\r\n")
    for _ in range(20):
        client.sendall(b"MAIL FROM:<bad@example.com>\r\n" + addresses +
                       b"BDAT 5 LAST\r\n\r\nx\r\n")
        answer = b""
        while b"queued as" not in answer:
            data = client.recv(1 << 20)
            if not data:
                raise OSError("closed")
            answer = answer[-100:] + data
        place.count("messages")
    clients = []
    for i in range(60):
        clients.append(place.connect(place.control))
        path = b"/v1/events?since=0" if i < 2 else b"/v1/messages?limit=500"
        clients[-1].sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)
        place.count("requests")
    ready()
    hold(clients)


def control_pipelined(place, ready):
    """asks without waiting, on 60 connections, and reads as fast as it goes"""
    text = b"GET /v1/messages?limit=100 HTTP/1.1\r\nHost: x\r\n\r\n" * 100
    clients = [place.connect(place.control) for _ in range(60)]
    for client in clients:
        client.setblocking(False)
    ready()
    while True:
        readable, writable, _ = select.select(clients, clients, [], 1)
        for client in writable:
            with contextlib.suppress(OSError):
                place.count("octets", client.send(text))
        for client in readable:
            with contextlib.suppress(OSError):
                place.count("answers", client.recv(1 << 20).count(b"HTTP/1.1"))
