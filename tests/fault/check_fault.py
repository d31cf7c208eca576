#!/usr/bin/env python3
"""Fails the n-th call of each kind in a working relaisd, for n = 1, 2, 3 …

A round: some clients submit messages of several sizes, which are relayed; the
n-th allocation (write, sync, …) meanwhile fails, once or from there on. relaisd
may refuse mail, and it may end as it ends without memory; never crash, hang, or
lose what it has acknowledged. A kind is over when a round came to its end
before the n-th call. Then every acknowledged message has to be delivered, and
twice only where it is marked; one that the relay refused has one report.

The same with a SIGKILL in front of the n-th call, which is at each step of a
message's life: before its commit, between that and the reply, at each command
to the relay and at the dot, before the verdict is on disk, around the report.

FAULT_ALL=1 tries every n, else a few. Speaks TAP; comments are counts.
"""

import ctypes
import http.client
import mmap
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))
os.environ.setdefault("RELAIS_BUILD", os.environ.get("builddir", "build"))

from conftest import BUILD, Relaisd, UnixSMTP, wait_until  # noqa: E402
from relay import Relay  # noqa: E402

KINDS = ["allocation", "write", "sync", "commit", "put", "accept", "dns",
         "send", "open", "socket", "quota"]  # in the order of enum kind
IS_WHOLE = bool(os.environ.get("FAULT_ALL"))
SHIM = BUILD / "tests/fault/.libs/fail_nth.so"
BAD_WORDS = ("Assertion", "AddressSanitizer", "runtime error:", "free():",
             "malloc():", "double free", "corrupted")
KILLED_AT = ("put", "commit", "sync", "write", "send")
SIZES = (100, 20000, 300000)
REFUSED = "refused@example.net"
LARGE = 1600000  # more than one transaction takes


class Control(ctypes.Structure):
    """struct control of fail_nth.c, shared with relaisd."""

    _fields_ = [("kind", ctypes.c_int32), ("times", ctypes.c_int32),
                ("n", ctypes.c_int64), ("seen", ctypes.c_int64),
                ("failed", ctypes.c_int64)]

    @classmethod
    def in_file(cls, path):
        path.write_bytes(bytes(4096))
        with open(path, "r+b") as file:
            return cls.from_buffer(mmap.mmap(file.fileno(), 4096))

    def arm(self, kind, n, times):
        self.kind = 0
        self.n, self.times = n, times
        self.seen = self.failed = 0
        self.kind = kind

    def disarm(self):
        self.kind = 0


class NameServer(threading.Thread):
    """Every name has the address 127.0.0.1, for no time."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def run(self):
        while True:
            query, client = self.socket.recvfrom(4096)
            end = query.index(b"\0", 12) + 5
            is_a = query[end - 4:end - 2] == b"\0\1"
            head = query[:2] + b"\x81\x80" + struct.pack(
                ">HHHH", 1, is_a, 0, 0)
            answer = (b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) +
                      bytes([127, 0, 0, 1])) if is_a else b""
            self.socket.sendto(head + query[12:end] + answer, client)


def subject_of(message):
    header = message.content.split(b"\r\n\r\n", 1)[0]
    return header.split(b"Subject: ", 1)[1].split(b"\r\n")[0].decode()


def times_of(kind):
    """For ever; but nobody is answered before he is accepted."""
    return 5 if KINDS[kind - 1] == "accept" else 1000000


class Trial:
    def __init__(self, folder):
        self.relay = Relay()
        self.relay.__enter__()
        self.names = NameServer()
        self.names.start()
        self.daemon = Relaisd(folder)
        self.daemon.use_relay(self.relay)
        office = self.daemon.settings["relays"]["office"]
        office["host"] = "relay.test"
        office["limits"] = {"messages_per_connection": 1}
        self.daemon.settings["retry"] = {
            "first": "1s", "maximum": "2s", "factor": 1}
        self.daemon.settings["bounces"] = {"gather": "1s"}
        self.relay.always("RCPT", lambda line: "550 5.1.1 nobody"
                          if REFUSED in line else None)
        self.daemon.settings["resolver"] = {
            "servers": [f"127.0.0.1:{self.names.port}"],
            "timeout": "1s", "tries": 1}
        self.control = Control.in_file(folder / "control")
        self.environment = {
            "LD_PRELOAD": str(SHIM),
            "FAULT_CONTROL": str(folder / "control"),
            # The shim has to be in front of a sanitizer.
            "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0:"
                            "allocator_may_return_null=1"}
        self.number = 0
        self.acknowledged = {}  # subject: id, of this kind
        self.refused_count = 0  # acknowledged, of all kinds: have a report each
        self.is_killing = False
        self.faults = self.rounds = self.deaths = self.refused = 0
        self.delivered = 0
        self.resumed = self.looked = 0
        self.findings = []

    # ------------------------------------------------------------- one round

    def start(self):
        self.control.disarm()
        self.daemon.start(env=self.environment)

    def submit(self, size, to="user@example.net"):
        self.number += 1
        subject = f"fault-{self.number}"
        text = (f"Subject: {subject}\r\n\r\n" +
                ("x" * 76 + "\r\n") * (size // 78))
        with UnixSMTP(str(self.daemon.socket)) as client:
            client.sock.settimeout(60)
            client.ehlo()
            client.mail("app@example.com", [f"XKEY={subject}"])
            client.rcpt(to)
            code, answer = client.data(text.encode())
        queue_id = answer.decode().split()[-1]
        if code == 250 and to == REFUSED:
            self.refused_count += 1
        elif code == 250:
            self.acknowledged[subject] = queue_id
        else:
            raise RuntimeError(f"{code} {answer}")

    def submit_some(self):
        work = [(size,) for size in SIZES]
        if self.rounds % 8 == 0:
            work.append((LARGE,))
        if self.is_killing:
            work.insert(0, (100, REFUSED))
        for what in work:
            try:
                self.submit(*what)
            except socket.timeout:
                self.findings.append("a client was never answered")
            except Exception as error:
                # Refused, or cut: nothing was promised.
                self.refused += 1
                if (self.control.kind == KINDS.index("quota") + 1 and
                        isinstance(error, RuntimeError) and
                        not str(error).startswith("452 b'4.3.1")):
                    self.findings.append(f"over quota, and told {error}")
                # What hit another thread may end relaisd a moment later.
                has_gone = isinstance(error, (ConnectionRefusedError,
                                              FileNotFoundError))
                if not self.control.failed and not has_gone:
                    self.findings.append(f"refused without a fault: {error}")

    def is_clean(self):
        """All of the round was relayed, and nothing has failed."""
        if self.control.failed > 0:
            return True
        self.resume()
        if self.is_killing and (self.count_to("app@example.com") <
                                self.count_to(REFUSED)):
            return False
        done = {subject_of(m) for m in self.relay.messages[-20:]}
        return all(subject in done
                   for subject in list(self.acknowledged)[-len(SIZES):])

    def is_over(self):
        """Seldom asked where the answers are calls that count."""
        if self.daemon.process.poll() is not None:
            return True
        if self.is_killing and time.monotonic() < self.looked + 0.4:
            return False
        self.looked = time.monotonic()
        try:
            return self.is_clean()
        except (OSError, ValueError, http.client.HTTPException):
            return False  # it has just ended

    def look_whether_alive(self):
        process = self.daemon.process
        if process.poll() is None and self.is_up():
            return
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            self.findings.append("relaisd neither serves nor ends")
            process.kill()
            process.wait()
        text = self.daemon.log_text()
        if process.returncode not in ((-9,) if self.is_killing else
                                      (-6, 1, 69, 70, 78)):
            self.findings.append(
                f"relaisd ended with {process.returncode}: {text[-3000:]}")
        self.deaths += 1
        self.daemon.process = None

    def one(self, kind, n, is_persistent):
        """True where n was beyond the round's last call."""
        if self.daemon.process is None:
            self.start()
        self.rounds += 1
        self.control.arm(kind, n, -1 if self.is_killing else
                         times_of(kind) if is_persistent else 1)
        self.submit_some()
        if self.daemon.process.poll() is None and not self.control.failed:
            wait_until(self.is_over, "a round")
        failed = self.control.failed
        self.control.disarm()
        self.faults += failed
        self.look_whether_alive()
        if failed and self.daemon.process is not None:
            self.resume()
        if failed and is_persistent and self.daemon.process is not None:
            self.drain()
        return failed == 0

    def drain(self):
        """What waits would be the next round's work, more with each."""
        def is_over():
            self.resume()
            try:
                return (self.daemon.process.poll() is not None or
                        not self.find("queued") and
                        not self.find("delivering"))
            except (OSError, ValueError, http.client.HTTPException):
                return False  # it has just ended

        wait_until(is_over, "a round's mail to be delivered")
        self.look_whether_alive()

    def resume(self):
        """The relay's pause after a fault is not what is tried here."""
        if time.monotonic() < self.resumed + 0.1:
            return
        self.resumed = time.monotonic()
        try:
            self.daemon.api("/v1/relays/office/resume", "POST", {})
        except (OSError, ValueError, http.client.HTTPException):
            pass  # the fault may hit this, too

    # ------------------------------------------------------------ afterwards

    def find(self, state):
        found = self.daemon.api(f"/v1/messages?state={state}&limit=10")[1]
        return [m for m in found["messages"] if state != "parked" or
                "crash" in m["hold"]["reason"]]

    def settle(self):
        """What was acknowledged is delivered, whatever has failed."""
        if self.daemon.process is None:
            self.start()

        def is_over():
            self.resume()
            self.look_whether_alive()
            if self.daemon.process is None:
                self.start()
            # Those that relaisd has ended with again and again wait for a
            # human: here he says that the messages are not why.
            for message in self.find("parked"):
                self.daemon.ctl("release", message["id"])
            return not self.find("queued") and not self.find("delivering")

        wait_until(is_over, "all mail to be delivered")
        counts = {}
        for message in self.relay.messages:
            subject = subject_of(message)
            counts[subject] = counts.get(subject, 0) + 1
        for subject, queue_id in self.acknowledged.items():
            message = self.daemon.show(queue_id)
            count = counts.get(subject, 0)
            recipient = message["recipients"][0]
            if count == 0 or message["state"] != "delivered":
                self.findings.append(
                    f"{subject} is {message['state']}, came {count} times: "
                    f"{message}")
            if count > 1 and not recipient["maybe_duplicate"]:
                self.findings.append(f"{subject} came {count} times, and is "
                                     f"not marked: {message}")
        self.look_at_reports()
        text = self.daemon.log_text()
        self.findings += [f"the log has {word}: {text[-3000:]}"
                          for word in BAD_WORDS if word in text]
        self.delivered += len(self.acknowledged)
        self.acknowledged = {}
        self.relay.messages.clear()
        self.relay.contents.clear()
        self.relay.sessions.clear()

    def count_to(self, address):
        count, cursor = 0, ""
        while cursor is not None:
            page = self.daemon.api(f"/v1/messages?recipient={address}"
                                   f"&limit=500{cursor}")[1]
            count += len(page["messages"])
            cursor = page["next"] and f"&cursor={page['next']}"
        return count

    def look_at_reports(self):
        """One of each; some were queued, but their client does not know."""
        refused = self.count_to(REFUSED)
        if refused < self.refused_count:
            self.findings.append(f"{refused} of {self.refused_count} are there")
        try:
            wait_until(lambda: self.count_to("app@example.com") >= refused,
                       "reports")
        except AssertionError as error:
            self.findings.append(str(error))
        reports = self.count_to("app@example.com")
        if reports != refused:
            self.findings.append(f"{reports} reports of {refused} refusals")

    def try_kind(self, kind, is_persistent, is_killing=False):
        n, tried = 1, 0
        self.is_killing = is_killing
        self.faults = self.rounds = self.deaths = self.refused = 0
        while not self.one(kind, n, is_persistent):
            tried += 1
            n = n + 1 if IS_WHOLE else n * 4
        if IS_WHOLE or is_killing:
            self.settle()
        return (f"n up to {n - 1 if IS_WHOLE else n // 4}: {self.faults} "
                f"faults in {self.rounds} rounds, {self.deaths} ends, "
                f"{self.refused} refused")

    # --------------------------------------------------------------- start-up

    def try_starts(self, kind):
        """Each call of a start fails: it starts, or says why not and ends."""
        queue_id = None
        if self.daemon.process is not None:
            self.daemon.stop()
        n, tried, ended = 1, 0, 0
        while True:
            self.control.arm(kind, n, 1)
            self.daemon.start(wait=False, env=self.environment)
            process = self.daemon.process
            wait_until(lambda: process.poll() is not None or
                       self.is_up(), "a start or an end")
            failed = self.control.failed
            self.control.disarm()
            if process.poll() is None:
                self.daemon.stop()
            else:
                ended += 1
                self.look_whether_alive()
            if not failed:
                break
            tried += 1
            n = n + 1 if IS_WHOLE and kind != 1 else n * 3 // 2 + 1
        return f"{tried} starts with a fault, {ended} of them ended"

    def is_up(self):
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(10)
                probe.connect(str(self.daemon.socket))
                return probe.recv(3) == b"220"
        except OSError:
            return False


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="relais-", dir="/tmp"))
    only = sys.argv[1:] or KINDS
    trial = Trial(folder)
    plans = [(name, mode) for name in only for mode in (False, True)]
    if not IS_WHOLE:  # half of the combinations are enough to see a mistake
        plans = [(name, i % 2 == 1) for i, name in enumerate(only)]
    starts = only if IS_WHOLE else [n for n in only if n in ("sync", "open")]
    kills = [n for n in KILLED_AT if n in only] if IS_WHOLE else ["send"]
    print(f"1..{len(plans) + len(kills) + len(starts) + 1}", flush=True)
    done = 0
    started = time.monotonic()
    total = killed = 0
    try:
        for name, is_persistent in plans:
            done += 1
            how = "from the n-th on" if is_persistent else "once"
            report(done, f"{name} fails {how}", trial,
                   lambda: trial.try_kind(KINDS.index(name) + 1,
                                          is_persistent))
            total += trial.faults
        for name in kills:
            done += 1
            report(done, f"a kill at a {name}", trial,
                   lambda: trial.try_kind(KINDS.index(name) + 1, False, True))
            killed += trial.faults
        trial.is_killing = False
        for name in starts:
            done += 1
            report(done, f"{name} fails during a start", trial,
                   lambda: trial.try_starts(KINDS.index(name) + 1))
        report(done + 1, "what was acknowledged is delivered", trial,
               lambda: trial.settle())
    finally:
        if trial.daemon.process is not None:
            trial.daemon.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"# {total} faults injected into rounds, {killed} kills, "
          f"{trial.delivered} messages acknowledged and delivered, "
          f"{trial.refused_count} refused and reported, "
          f"{time.monotonic() - started:.0f} s")


def report(number, name, trial, work):
    trial.findings = []
    started = time.monotonic()
    try:
        result = work()
        if result:
            print(f"# {name}: {result}, {time.monotonic() - started:.1f} s")
    except Exception as error:
        trial.findings.append(f"{type(error).__name__}: {error}")
    for finding in trial.findings[:3]:
        print("\n".join(f"# {line}" for line in finding.splitlines()))
    print(f"{'not ' if trial.findings else ''}ok {number} - {name}",
          flush=True)


if __name__ == "__main__":
    main()
