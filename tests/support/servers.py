"""Real servers for tests, from the peers that peers.sh has fetched.

Each is a context manager that is up when it is entered and gone when it is
left. What cannot run here raises Unavailable with the reason.

    with SmtpSink(peers, folder, "-q", ".") as sink:
        daemon.use_relay(sink)
"""

import os
import pathlib
import socket
import subprocess
import time

SUPPORT = pathlib.Path(__file__).resolve().parent
PATIENCE = 60


class Unavailable(Exception):
    """The reason why a server cannot run here."""


def free_port():
    """A port that was free a moment ago, both of TCP and of UDP, for programs
    that want a number."""
    while True:
        with socket.socket() as tcp, \
                socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return tcp.getsockname()[1]


def certificates(folder):
    """An authority and certificates of every kind; see certificates.sh."""
    subprocess.run([SUPPORT / "certificates.sh", folder], check=True,
                   capture_output=True)
    for path in folder.iterdir():
        path.chmod(0o644)
    return folder


class Server:
    """A process, or a tree of them that ends with it."""

    name = None  # the peer it is of
    environment = {}

    def __init__(self, peers, folder):
        self.peers = pathlib.Path(peers)
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self.log = self.folder / "log"
        self.process = None
        self.port = free_port()

    def words(self):
        """The command; called when the port is known."""
        raise NotImplementedError

    def is_up(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as s:
                return s.recv(3) == b"220"
        except OSError:
            return False

    def __enter__(self):
        missing = self.peers / f"{self.name}.missing"
        if missing.exists():
            raise Unavailable(missing.read_text().strip())
        if not (self.peers / self.name / ".complete").exists():
            raise Unavailable(f"{self.name} was not fetched")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in self.words()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **self.environment})
        try:
            self._await()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _await(self):
        deadline = time.monotonic() + PATIENCE
        while not self.is_up():
            status = self.process.poll()
            if status == 77:
                raise Unavailable(self.log_text().strip())
            if status is not None or time.monotonic() > deadline:
                raise AssertionError(f"{self.name} does not start: "
                                     f"{self.log_text()}")
            time.sleep(0.02)  # between two looks

    def __exit__(self, *unused):
        self.process.kill()
        self.process.wait(PATIENCE)

    def log_text(self):
        return self.log.read_text(errors="replace")

    def in_root(self, *command):
        """The command as if its peer were installed; see peer-root.sh."""
        return [SUPPORT / "peer-root.sh", self.peers, self.name, "--",
                "sh", "-c", *command]


class SmtpSink(Server):
    """Postfix's smtp-sink, with its options for misbehaving."""

    name = "postfix"

    def __init__(self, peers, folder, *options):
        super().__init__(peers, folder)
        self.options = options
        self.dumps = self.folder / "dumps"
        self.dumps.mkdir()

    def words(self):
        return [self.peers / "bin" / "smtp-sink", "-u", "root",
                "-d", self.dumps / "m.", *self.options,
                f"127.0.0.1:{self.port}", "128"]

    def is_up(self):
        """Without a look at its greeting, which an option may forbid."""
        try:
            socket.create_connection(("127.0.0.1", self.port), 5).close()
        except OSError:
            return False
        return True

    def received(self):
        """Of each message (envelope lines, content), octet for octet."""
        result = []
        for path in sorted(self.dumps.iterdir()):
            # Line ends are written as LF, its own Received comes first, and
            # an empty line last.
            text = path.read_bytes().replace(b"\n", b"\r\n")
            envelope, content = text.split(b"Received: from ", 1)
            content = content.split(b"\r\n", 3)[3]
            assert content.endswith(b"\r\n\r\n")
            result.append((envelope, content[:-2]))
        return result


class Postfix(Server):
    """Requires STARTTLS (or TLS, on .tls_port) and a login, user/secret; sends
    what it takes on to 127.0.0.1:sink_port."""

    name = "postfix"

    def __init__(self, peers, folder, sink_port):
        super().__init__(peers, folder)
        self.tls_port = free_port()
        self.sink_port = sink_port
        self.ca_file = self.folder / "tls" / "ca.pem"

    def __enter__(self):
        done = subprocess.run(
            [SUPPORT / "postfix-root.sh", "start", self.peers, self.folder,
             str(self.port), str(self.tls_port), str(self.sink_port)],
            capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode == 77:
            raise Unavailable(done.stderr.strip().splitlines()[-1])
        assert done.returncode == 0, done.stderr
        return self

    def __exit__(self, *unused):
        subprocess.run([SUPPORT / "postfix-root.sh", "stop", self.folder],
                       check=True, timeout=PATIENCE)


class OpenSMTPD(Server):
    """Takes everything in the clear (in Debian 12 its TLS does not work) and
    sends it on to 127.0.0.1:sink_port."""

    name = "opensmtpd"

    def __init__(self, peers, folder, sink_port):
        super().__init__(peers, folder)
        self.sink_port = sink_port

    def words(self):
        settings = self.folder / "smtpd.conf"
        settings.write_text(f"""\
smtp max-message-size "64M"
listen on 127.0.0.1 port {self.port} hostname osmtpd.test
action "sink" relay host smtp://127.0.0.1:{self.sink_port}
match from any for any action "sink"
""")
        settings.chmod(0o600)
        return self.in_root("chmod 711 /var/spool/smtpd && "
                            f"exec smtpd -d -f '{settings}'")


class Exim(Server):
    """Offers STARTTLS and requires a login behind it, user/secret; says no in
    its own words: 450 to later@, 550 to nobody@, 421 to drop@."""

    name = "exim"

    def __init__(self, peers, folder, sink_port):
        super().__init__(peers, folder)
        self.sink_port = sink_port
        self.tls = certificates(self.folder / "tls")
        self.ca_file = self.tls / "ca.pem"

    def words(self):
        settings = self.folder / "exim.conf"
        settings.write_text(EXIM % {
            "port": self.port, "sink": self.sink_port, "tls": self.tls})
        return self.in_root(
            "mkdir -p /var/spool/exim4 && "
            "chown Debian-exim /var/spool/exim4 && "
            f"exec exim4 -C '{settings}' -bdf -q10m -oP /run/exim.pid")


EXIM = """\
exim_user = Debian-exim
exim_group = Debian-exim
exim_path = /usr/sbin/exim4
primary_hostname = exim.test
spool_directory = /var/spool/exim4
log_file_path = /var/spool/exim4/%%slog
keep_environment =
daemon_smtp_ports = %(port)d
local_interfaces = 127.0.0.1
tls_certificate = %(tls)s/good.pem
tls_privatekey = %(tls)s/good.key
tls_advertise_hosts = *
pipelining_connect_advertise_hosts =
message_size_limit = 64M
never_users = root
acl_smtp_rcpt = rcpt
acl_smtp_data = data
begin acl
rcpt:
  defer  message = 4.2.1 mailbox busy
         local_parts = later
  deny   message = 5.1.1 no such user
         local_parts = nobody
  drop   message = 5.7.1 go away
         local_parts = drop
  accept authenticated = *
  deny   message = relay not permitted
data:
  defer  condition = ${if match{$h_subject:}{tempfail}}
         message = 4.7.0 try later
  deny   condition = ${if match{$h_subject:}{spam}}
         message = 5.7.1 message content rejected as spam
  accept
begin routers
sink:
  driver = manualroute
  domains = *
  transport = sink
  route_list = * 127.0.0.1
  self = send
begin transports
sink:
  driver = smtp
  port = %(sink)d
  allow_localhost
  hosts_avoid_tls = *
begin retry
* * F,1h,1m
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{user}}{eq{$auth3}{secret}}}}
  server_set_id = $auth2
  server_advertise_condition = ${if def:tls_in_cipher}
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${if and{{eq{$auth1}{user}}{eq{$auth2}{secret}}}}
  server_set_id = $auth1
  server_advertise_condition = ${if def:tls_in_cipher}
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${if eq{$auth1}{user}{secret}fail}
  server_set_id = $auth1
"""


class Nsd(Server):
    """An authoritative name server for "test.", with the records it is given.

    A name below test. that has none does not exist; everything below broken.
    is answered with SERVFAIL, for its zone cannot be loaded.
    """

    name = "nsd"

    def __init__(self, peers, folder, records):
        super().__init__(peers, folder)
        self.records = records

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def words(self):
        (self.folder / "test.zone").write_text(
            "$ORIGIN test.\n$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n"
            "ns A 127.0.0.1\n" + self.records + "\n")
        settings = self.folder / "nsd.conf"
        settings.write_text(NSD % {"folder": self.folder, "port": self.port})
        return [self.peers / "bin" / "nsd", "-d", "-c", settings]

    def is_up(self):
        question = (b"\0\1\1\0\0\1\0\0\0\0\0\0" b"\4test\0" b"\0\6\0\1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(1)
            try:
                s.connect(("127.0.0.1", self.port))
                s.send(question)
                return s.recv(512)[3] & 15 == 0
            except OSError:
                return False

    def __exit__(self, *unused):
        self.process.terminate()  # its children go when it goes in order
        self.process.wait(PATIENCE)


NSD = """\
server:
  ip-address: 127.0.0.1@%(port)d
  username: ""
  zonesdir: "%(folder)s"
  database: ""
  pidfile: ""
  xfrdfile: ""
  zonelistfile: "%(folder)s/zones"
  server-count: 1
remote-control:
  control-enable: no
zone:
  name: "test"
  zonefile: "test.zone"
zone:
  name: "broken"
  zonefile: "there-is-none.zone"
"""
