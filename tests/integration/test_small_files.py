"""Files beside the store survive a power cut: each is whole under its name,
and what was answered is there. The contents are synced before the name is
given, the folder before anybody hears of it; so whatever was written when the
power went, the old file or the new one is there."""

import os
import pathlib
import subprocess

import pytest

from clocks import Clocks
from conftest import BUILD
from test_oauth import certificates, log_in, login, relay, service  # noqa: F401

SOURCE = pathlib.Path(__file__).parent.parent / "support" / "disk_order.c"


class Disk:
    """What was asked of it, as far as it was heard."""

    def __init__(self, folder):
        self.log = folder / "disk-order"
        self.library = folder / "disk_order.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", self.library,
                        SOURCE, "-ldl"], check=True)
        self.log.touch()
        self.environment = {"LD_PRELOAD": str(self.library),
                            "DISK_ORDER": str(self.log)}

    def check(self, *names):
        """All that was named or removed so far is so for good, and these files
        are among it; begins anew."""
        unsynced, loose, found = set(), set(), set()
        for line in self.log.read_text().splitlines():
            word, *paths = line.split(" ")
            path = paths[-1]
            if word == "write":
                unsynced.add(path)
            elif word == "sync":
                unsynced.discard(path)
                loose = {p for p in loose if os.path.dirname(p) != path}
            elif word == "rename":
                assert paths[0] not in unsynced, line
                loose = loose - {paths[0]} | {path}
                found.add(path)
            elif word == "unlink" and not path.endswith((".new", ".sock")):
                loose.add(path)
                found.add(path)
        found = {os.path.basename(path) for path in found}
        assert found >= set(names), found
        assert not loose, f"{loose} may come back, or not be there"
        self.log.write_text("")


@pytest.fixture
def disk(daemon):
    obstacle = Clocks.obstacle(BUILD / "relaisd")
    if obstacle:
        pytest.skip(obstacle)
    return Disk(daemon.directory)


def test_a_relay_s_file_is_on_disk_before_it_is_answered(daemon, disk):
    daemon.start(env=disk.environment)
    disk.check()
    order = {"name": "api", "host": "127.0.0.1", "security": "none",
             "authentication": False}
    for method, path, body in (("POST", "/v1/relays", order),
                               ("PUT", "/v1/relays/api", {"port": 2525}),
                               ("DELETE", "/v1/relays/api", None)):
        status, answer = daemon.api(path, method, body)
        assert status in (200, 201), answer
        disk.check("api.yaml")


def test_a_refresh_token_is_on_disk_before_it_is_used(login, service,  # noqa
                                                      relay, disk):  # noqa
    daemon = login(grant="device")
    daemon.start(env=disk.environment)
    disk.check()
    log_in(daemon, service)
    disk.check("office")
    service.access_tokens.clear()  # so that it is renewed, and rotated
    daemon.send(to="user@example.net")
    relay.wait_for_messages(1)
    disk.check("office")


def test_a_backup_is_on_disk_and_so_is_what_comes_of_it(daemon, disk):
    def run(*words):
        done = subprocess.run([str(word) for word in words],
                              env={**daemon.environment(), **disk.environment},
                              capture_output=True, timeout=60)
        assert done.returncode == 0, done

    daemon.start()
    daemon.send()
    run(BUILD / "relaisctl", "backup", daemon.directory / "backup")
    disk.check("backup")
    daemon.stop()
    queue = daemon.directory / "queue"
    queue.rename(daemon.directory / "away")
    queue.mkdir()
    run(BUILD / "relaisd", "--restore", daemon.directory / "backup",
        "--config", daemon.write_settings())
    disk.check("data.mdb")
