"""Fixtures of the integration tests.

Everything runs from the build tree in a private directory under a short path
(a Unix socket's path has at most 107 octets), on free ports, and is gone after
the test. Nothing sleeps for a fixed time: wait_until() waits for a condition.
"""

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import time

import pytest
from _pytest.runner import runtestprotocol

BUILD = pathlib.Path(os.environ.get("RELAIS_BUILD", "build")).resolve()
SOURCE = pathlib.Path(__file__).resolve().parents[2]
PEERS = pathlib.Path(os.environ.get("RELAIS_PEERS", BUILD / "peers"))
PEER_ROOT = SOURCE / "tests" / "support" / "peer-root.sh"
sys.path.insert(0, str(SOURCE / "tests" / "support"))

from abnf import Grammar  # noqa: E402  (needs the path above)
from clocks import Clocks  # noqa: E402  (needs the path above)
from relay import Relay  # noqa: E402
from servers import Unavailable, free_port  # noqa: E402,F401

# Shadow memory and quarantines say nothing about what relais needs.
is_sanitized = b"__sanitizer" in (BUILD / "relaisd").read_bytes()

PATIENCE = 60  # seconds; far beyond what any step takes on a busy machine


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "xdist_group(name): tests that share a costly server")
    config.addinivalue_line("markers", "one_try: a failure is final")


def wait_until(condition, what="the condition", patience=PATIENCE):
    """The first true result of condition(); fails loudly after patience."""
    deadline = time.monotonic() + patience
    pause = 0.001
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            what = what() if callable(what) else what
            raise AssertionError(f"waited {patience} s in vain for {what}")
        time.sleep(pause)  # between two looks at a condition
        pause = min(pause * 1.5, 0.05)


def manual_of_the_log():
    """From relaisd(8): the patterns of a line and of an outcome, and the names
    of the events that it explains."""
    page = (SOURCE / "docs" / "man" / "relaisd.8").read_text()
    about = page[page.index(".Sh DIAGNOSTICS"):]
    events = {name for names in re.findall(r"^\.It Li (.*)$", about, re.M)
              for name in names.split(" , ")}
    block = about[about.index(".Ss Grammar of the log"):].split(".Ed\n")[0]
    grammar = Grammar(block.split(".Bd -literal -offset indent\n")[1]
                      .replace(r"\e", "\\"))
    return grammar.pattern("line"), grammar.pattern("outcome"), events


LINE, OUTCOME, EVENTS = manual_of_the_log()


def check_log(text):
    """Every line that a daemon of ours writes is as the manual says."""
    for line in text.splitlines(keepends=True):
        assert LINE.fullmatch(line), f"not by the grammar: {line}"
        event = re.search(rb"event=(\w+)", line)[1].decode()
        assert event in EVENTS, f"the manual does not know {event}: {line}"
        if b" rcpt=" in line:
            assert OUTCOME.fullmatch(line), f"not by the grammar: {line}"


class UnixSMTP(smtplib.LMTP):
    """SMTP to a Unix socket: the two lines that the README tells."""

    ehlo_msg = "ehlo"


class UnixHTTPConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=PATIENCE):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def to_yaml(value, indent=0):
    """Settings as block YAML, from dicts, lists and scalars."""
    pad = " " * indent
    if isinstance(value, dict):
        lines = []
        for key, item in value.items():
            if isinstance(item, dict) and item:
                lines.append(f"{pad}{key}:\n{to_yaml(item, indent + 2)}")
            elif isinstance(item, list):
                words = ", ".join(scalar(word) for word in item)
                lines.append(f"{pad}{key}: [{words}]\n")
            elif isinstance(item, dict):
                lines.append(f"{pad}{key}: {{}}\n")
            else:
                lines.append(f"{pad}{key}: {scalar(item)}\n")
        return "".join(lines)
    return f"{pad}{scalar(value)}\n"


def scalar(value):
    if value is True:
        return "on"
    if value is False:
        return "off"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, dict):
        return json.dumps(value)
    return json.dumps(str(value))


class Relaisd:
    """One daemon with settings of its own; a dict to change before start()."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.socket = self.directory / "submit.sock"
        self.control = self.directory / "control.sock"
        self.maildir = self.directory / "mail"
        self.log = self.directory / "log"
        self.process = None
        self.settings = {
            "hostname": "relais.example.com",
            # Not the host's own.
            "aliases_file": str(self.directory / "aliases"),
            "queue": {"directory": str(self.directory / "queue")},
            "receive": {"socket": str(self.socket)},
            "control": {"socket": str(self.control)},
            "relays": {"capture": {"url": f"maildir:{self.maildir}"}},
        }

    def use_relay(self, relay, name="office", **keys):
        """The only relay from now on is this peer."""
        self.settings["relays"] = {
            name: {
                "host": "127.0.0.1",
                "port": relay.port,
                "security": "none",
                "authentication": False,
                **keys,
            }
        }

    def write_settings(self):
        path = self.directory / "relais.yaml"
        path.write_text(to_yaml(self.settings))
        return path

    def start(self, wait=True, wrapper=(), env=None):
        path = self.write_settings()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*wrapper, str(BUILD / "relaisd"), "--config", str(path)],
                stderr=log,
                stdout=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(env or {})},
            )
        if wait:
            wait_until(self.is_ready, f"relaisd to start: {self.log_text()}")
        return self

    def is_ready(self):
        assert self.process.poll() is None, self.log_text()
        probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            probe.settimeout(PATIENCE)
            probe.connect(str(self.socket))
            return probe.recv(3) == b"220"
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        finally:
            probe.close()

    def stop(self):
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.terminate()
        status = self.process.wait(PATIENCE)
        self.process = None
        return status

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)
        self.process = None

    def reload(self):
        self.write_settings()
        self.process.send_signal(signal.SIGHUP)

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    # ------------------------------------------------------------- clients

    def smtp(self):
        return UnixSMTP(str(self.socket))

    def send(self, content="Subject: hello\r\n\r\nhello\r\n",
             sender="app@example.com", to="user@example.net", **options):
        """Submits by SMTP; returns the queue id."""
        to = [to] if isinstance(to, str) else to
        if isinstance(content, str):
            content = content.encode()
        with self.smtp() as client:
            client.ehlo_or_helo_if_needed()
            code, text = client.mail(sender, options.get("mail", []))
            assert code == 250, (code, text)
            for address in to:
                code, text = client.rcpt(address, options.get("rcpt", []))
                assert code == 250, (code, text)
            code, text = client.data(content)
            assert code == 250, (code, text)
        return text.decode().split()[-1]

    def environment(self):
        return {
            **os.environ,
            "RELAIS_SOCKET": str(self.socket),
            "RELAIS_CONTROL_SOCKET": str(self.control),
        }

    def run(self, program, *arguments, input=None, user=None):
        """Runs one of ours (or any program) with our sockets."""
        program = str(program)
        if "/" not in program:
            program = str(BUILD / program)
        words = [program, *map(str, arguments)]
        if user is not None:
            words = ["setpriv", "--reuid", str(user), "--regid", str(user),
                     "--clear-groups", *words]
        return subprocess.run(
            words,
            input=input,
            capture_output=True,
            env=self.environment(),
            timeout=PATIENCE,
        )

    def ctl(self, *arguments, **options):
        return self.run("relaisctl", *arguments, **options)

    def sendmail(self, *arguments, **options):
        return self.run("relais-sendmail", *arguments, **options)

    def api(self, path, method="GET", body=None):
        """(status, decoded JSON) of the control API."""
        connection = UnixHTTPConnection(self.control)
        try:
            connection.request(
                method,
                path,
                body=None if body is None else json.dumps(body),
                headers={"Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, json.loads(data) if data else None
        finally:
            connection.close()

    def relay_state(self, name=None):
        """What the API shows of a relay; of the only one without a name."""
        relays = self.api("/v1/relays")[1]["relays"]
        return [r for r in relays if name in (None, r["name"])][0]

    def wait_for_relay(self, *states):
        def is_there():
            relay = self.relay_state()
            return relay if relay["state"] in states else None

        return wait_until(is_there, f"the relay to be {states}")

    def show(self, queue_id):
        status, message = self.api(f"/v1/messages/{queue_id}")
        assert status == 200, (status, message)
        return message

    def wait_for_state(self, queue_id, *states, patience=PATIENCE):
        def is_there():
            message = self.show(queue_id)
            return message if message["state"] in states else None

        return wait_until(is_there, lambda: f"{queue_id} to be {states}: "
                                            f"{self.show(queue_id)}",
                          patience)

    def captured(self):
        """The files that the capture relay has delivered."""
        folder = self.maildir / "new"
        return sorted(folder.iterdir()) if folder.exists() else []

    def family(self):
        """Its process, and that of its helper."""
        pids = [str(self.process.pid)]
        for task in pathlib.Path(f"/proc/{pids[0]}/task").iterdir():
            pids += (task / "children").read_text().split()
        return pids

    def memory(self):
        """All that it can write to, region by region; for root only."""
        for pid in self.family():
            maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
            with open(f"/proc/{pid}/mem", "rb", 0) as memory:
                for line in maps.splitlines():
                    span, rights = line.split()[:2]
                    if "w" not in rights:
                        continue
                    start, end = (int(n, 16) for n in span.split("-"))
                    # A thread's end takes its stack away.
                    with contextlib.suppress(OSError):
                        memory.seek(start)
                        yield memory.read(end - start)

    def memory_bytes(self):
        """Resident memory that isn't a page of a mapped file."""
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no RssAnon")


def may_try_again(item):
    """Not where mail could be lost or doubled: once is too often there."""
    return ("RELAIS_ONE_TRY" not in os.environ
            and item.get_closest_marker("one_try") is None)


def pytest_runtest_protocol(item, nextitem):
    """What fails is tried once more, and the warnings of the summary name it:
    a shared machine may stand still for a moment. RELAIS_ONE_TRY=1 forbids
    it, and so does the mark one_try."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid,
                                       location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    failed = [report for report in reports if report.failed]
    if failed and may_try_again(item):
        item.warn(pytest.PytestWarning(
            f"{item.nodeid} failed at first: "
            f"{failed[0].longreprtext.splitlines()[-1]}"))
        item._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid,
                                        location=item.location)
    return True


@pytest.fixture
def directory():
    path = tempfile.mkdtemp(prefix="relais-", dir="/tmp")
    os.chmod(path, 0o755)
    yield pathlib.Path(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def daemon(directory):
    """A daemon that isn't running yet, with the capture relay."""
    relaisd = Relaisd(directory)
    yield relaisd
    if relaisd.process is not None:
        status = relaisd.stop()
        text = relaisd.log_text()
        assert status == 0, f"relaisd ended with {status}: {text}"
        assert "ERROR: AddressSanitizer" not in text, text
        assert "runtime error:" not in text, text
        assert "WARNING: ThreadSanitizer" not in text, text
        check_log(relaisd.log.read_bytes())


@pytest.fixture
def relaisd(daemon):
    """A running daemon with the capture relay."""
    return daemon.start()


@pytest.fixture
def relay():
    """A scripted relay of our own; see tests/support/relay.py."""
    with Relay() as peer:
        yield peer


@pytest.fixture
def peers():
    """Finds a fetched peer's command, or skips with the reason."""

    def find(command, peer=None):
        path = PEERS / "bin" / command
        if path.exists():
            return str(path)
        missing = PEERS / f"{peer or command}.missing"
        reason = missing.read_text() if missing.exists() else "not fetched"
        pytest.skip(f"{command}: {reason.strip()}")

    return find


@pytest.fixture
def serve(directory):
    """Starts a real server for this test (see tests/support/servers.py), or
    skips with the reason."""
    with contextlib.ExitStack() as stack:

        def start(kind, *arguments, **options):
            folder = directory / f"peer{start.count}"
            start.count += 1
            try:
                return stack.enter_context(
                    kind(PEERS, folder, *arguments, **options))
            except Unavailable as reason:
                pytest.skip(f"{kind.__name__}: {reason}")

        start.count = 0
        yield start


@pytest.fixture
def clock(daemon):
    """The clocks of a daemon that isn't running yet; see clocks.py."""
    obstacle = Clocks.obstacle(BUILD / "relaisd")
    if obstacle:
        pytest.skip(obstacle)
    return Clocks(daemon)


@pytest.fixture
def dead_port():
    """A port that refuses and that nobody else gets: bound, not listening."""
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        yield dead.getsockname()[1]


@pytest.fixture
def installed(directory):
    """Runs a command where relais and these peers are installed."""

    def run(words, *names, **options):
        for name in names:
            missing = PEERS / f"{name}.missing"
            if not (PEERS / name / ".complete").exists():
                pytest.skip(f"{name}: " + (missing.read_text().strip() if
                            missing.exists() else "not fetched"))
        environment = {**os.environ, "PROGRAMS": str(BUILD),
                       "SOCKETS": str(directory), "HOME": str(directory),
                       "LC_ALL": "C.UTF-8", "PYTHONPATH": "",
                       "GOCACHE": str(PEERS / "go-cache"),
                       "CGO_ENABLED": "0",
                       **options.pop("env", {})}
        done = subprocess.run(
            [str(w) for w in (PEER_ROOT, PEERS, *names, "--", *words)],
            capture_output=True, timeout=PATIENCE, cwd=directory,
            env=environment, **options)
        if done.returncode == 77:
            pytest.skip(done.stderr.decode().strip())
        assert done.returncode == 0, done
        return done

    return run


@pytest.fixture
def script(directory):
    def write(name, *text):
        path = directory / name
        path.write_text("".join(text))
        return path

    return write
