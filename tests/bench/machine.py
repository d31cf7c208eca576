"""What the rows of the benchmark share: programs that are started, asked and
ended, the peers' harness, and medians.

Nothing here survives the benchmark: every process belongs to a `with`, every
file to one temporary directory.
"""

import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
PATIENCE = 180  # seconds for any one step


class Skipped(Exception):
    """This machine can't do it; the text says why."""


def wait_until(condition, what, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {patience} s in vain for {what}")
        time.sleep(0.001)


def parse_pairs(line):
    """key=value words as a dict, numbers as numbers."""
    pairs = {}
    for key, value in re.findall(r"(\w+)=(\S+)", line):
        try:
            pairs[key] = float(value)
        except ValueError:
            pairs[key] = value
    return pairs


def spread(samples):
    """Median, smallest and largest."""
    return (statistics.median(samples), min(samples), max(samples))


class Bench:
    """Where things are, and how to run them."""

    def __init__(self, build, peers, directory, runs):
        self.build = pathlib.Path(build).resolve()
        self.peers = pathlib.Path(peers).resolve()
        self.directory = pathlib.Path(directory)
        self.runs = runs
        self.memory = {}

    def once(self, key, make):
        """The result of make(), made by the first row that wants it."""
        if key not in self.memory:
            self.memory[key] = make()
        return self.memory[key]

    def rounds(self, **makers):
        """Samples of each, taken in turns: what disturbs, disturbs all."""
        samples = {name: [] for name in makers}
        for _ in range(self.runs):
            for name, make in makers.items():
                samples[name].append(make())
        return samples

    def program(self, name, *words, environment=None):
        """Runs one of ours to its end; its last line as pairs."""
        path = self.build / "tests" / "bench" / name
        done = subprocess.run([str(path), *map(str, words)], text=True,
                              capture_output=True, timeout=PATIENCE,
                              env={**os.environ, **(environment or {})})
        if done.returncode != 0:
            raise RuntimeError(f"{name}: {done.stderr.strip()[-300:]}")
        return parse_pairs(done.stdout.strip().splitlines()[-1])

    def harness(self, script, peer, *words, **settings):
        """One script of peers/; the pairs of each line that it prints."""
        self.need_harness(peer)
        environment = {**os.environ, "PEERS": str(self.peers),
                       "RELAIS": str(self.build), "RUNS": "1",
                       "LOCK_HOLD": "0",
                       **{key: str(value) for key, value in settings.items()}}
        done = subprocess.run(
            ["bash", str(HERE / "peers" / script), peer, *words], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
            timeout=PATIENCE, start_new_session=True)
        lines = [parse_pairs(line) for line in done.stdout.splitlines()
                 if line.startswith("test=")]
        if not lines:
            raise RuntimeError(f"{script} {peer}: {done.stderr[-300:]}")
        if any("rc" in line for line in lines):
            raise RuntimeError(f"{script} {peer}: {done.stdout[-300:]}")
        return lines

    def need_harness(self, peer):
        if os.geteuid() != 0:
            raise Skipped("the peers need root (namespaces and chroots)")
        needed = {"tools", peer} - {"relais", "null"}
        for name in sorted(needed):
            if not (self.peers / name / ".prepared").exists():
                raise Skipped(f"no peer {name} in {self.peers}: run "
                              "tests/bench/peers/prepare-roots.sh "
                              f"{name}, or say PEERS=DIRECTORY")


class Relaisd:
    """One daemon in a directory of its own. `relays` as in relais.yaml."""

    def __init__(self, bench, relays, queue=None, **settings):
        self.bench = bench
        number = len(list(bench.directory.glob("d*")))
        self.directory = bench.directory / f"d{number}"
        self.directory.mkdir()
        self.socket = self.directory / "s"
        self.control = self.directory / "c"
        self.queue = queue or self.directory / "queue"
        self.process = None
        self.wrapper = []  # a program that runs it
        self.settings = {
            "hostname": "bench.test",
            "queue": {"directory": str(self.queue)},
            "receive": {"socket": str(self.socket), "connections": 2000},
            "control": {"socket": str(self.control)},
            "relays": relays,
            **settings,
        }

    def write_settings(self):
        path = self.directory / "relais.yaml"
        path.write_text(json.dumps(self.settings, indent=1))
        return path

    def start(self):
        """Returns the milliseconds until it greeted."""
        path = self.write_settings()
        start = time.monotonic()
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, str(self.bench.build / "relaisd"), "--config",
                 str(path)], stderr=log, stdout=log, stdin=subprocess.DEVNULL)
        wait_until(self.is_ready, "relaisd")
        return (time.monotonic() - start) * 1000

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError((self.directory / "log").read_text()[-300:])
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.settimeout(PATIENCE)
                probe.connect(str(self.socket))
                return probe.recv(3) == b"220"
            except OSError:
                return False

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, number=signal.SIGTERM):
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def reload(self):
        self.write_settings()
        self.process.send_signal(signal.SIGHUP)

    def status_field(self, name):
        """A number of /proc/PID/status (KiB) or /proc/PID/io (bytes)."""
        folder = pathlib.Path(f"/proc/{self.process.pid}")
        for file in ("status", "io"):
            for line in (folder / file).read_text().splitlines():
                if line.startswith(f"{name}:"):
                    return int(line.split()[1])
        raise RuntimeError(f"no {name} in /proc")

    def ctl(self, *words):
        done = subprocess.run(
            [str(self.bench.build / "relaisctl"), *words], text=True,
            capture_output=True, timeout=PATIENCE,
            env={**os.environ, "RELAIS_CONTROL_SOCKET": str(self.control)})
        if done.returncode != 0:
            raise RuntimeError(f"relaisctl {words}: {done.stderr}")
        return done.stdout

    def time_ctl(self, *words, times=15):
        """Milliseconds of each call, the first two (cold) left out."""
        taken = []
        for _ in range(times + 2):
            start = time.monotonic()
            self.ctl(*words)
            taken.append((time.monotonic() - start) * 1000)
        return taken[2:]

    def status(self):
        return json.loads(self.ctl("status", "--json"))

    def relay_state(self, name):
        return json.loads(self.ctl("relay", "show", name, "--json"))["state"]


class Sink:
    """bench_sink as a relay; `with`, then wait() for its report."""

    def __init__(self, bench, count, port=0, certificate=None):
        words = ["-n", str(count), str(port)]
        if certificate:
            words = ["-c", certificate[0], "-k", certificate[1], *words]
        self.process = subprocess.Popen(
            [str(bench.build / "tests" / "bench" / "bench_sink"), *words],
            stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def wait(self):
        """Until all have come; when each tenth did."""
        self.process.wait(PATIENCE)
        return parse_pairs(self.process.stdout.read())


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def relay_at(port, **keys):
    """A relay on this machine, in the words of relais.yaml."""
    return {"host": "127.0.0.1", "port": port, "security": "none",
            "authentication": "off", "limits": {"connections": 50}, **keys}


def make_certificate(bench):
    """A self-signed certificate and its key."""
    folder = bench.directory
    paths = (str(folder / "certificate.pem"), str(folder / "key.pem"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "2", "-subj", "/CN=localhost", "-out", paths[0], "-keyout",
         paths[1]], check=True, capture_output=True)
    return paths


def fill(bench, name, count, *words):
    """A store with so many waiting messages; kept for other rows."""
    def make():
        path = bench.directory / name
        bench.program("fill_queue", "-n", count, *words, path)
        return path
    return bench.once(("store", name), make)
