"""relaisctl backup and relaisd --restore."""

import shutil
import socket
import threading

import pytest

from conftest import UnixHTTPConnection, wait_until


@pytest.fixture
def full(daemon):
    """Thirty messages that wait, the last ones large."""
    daemon.settings["relays"]["office"] = {
        "host": "127.0.0.1", "port": 9, "security": "none"}
    daemon.settings["default_relay"] = "office"
    daemon.start()
    body = "x" * 70 + "\r\n"
    ids = [daemon.send(f"Subject: {i}\r\n\r\n" + body * (i * 500))
           for i in range(30)]
    return daemon, ids


def restore(daemon, backup):
    return daemon.run("relaisd", "--config", daemon.directory / "relais.yaml",
                      "--restore", backup)


def test_a_backup_under_load_is_a_queue(full):
    daemon, ids = full
    backup = daemon.directory / "backup"
    is_over = threading.Event()
    meanwhile = []

    def submit():
        while not is_over.is_set():
            meanwhile.append(daemon.send())

    submitter = threading.Thread(target=submit)
    submitter.start()
    try:
        wait_until(lambda: len(meanwhile) > 5, "some messages")
        done = daemon.ctl("backup", backup)
    finally:
        is_over.set()
        submitter.join()
    assert done.returncode == 0, done.stderr
    assert backup.stat().st_mode & 0o777 == 0o600
    before = {i: daemon.show(i) for i in ids + meanwhile[:5]}
    daemon.stop()

    refused = restore(daemon, backup)
    assert refused.returncode == 69 and b"move it away" in refused.stderr
    shutil.move(daemon.directory / "queue", daemon.directory / "old")
    (daemon.directory / "queue").mkdir()
    done = restore(daemon, backup)
    assert done.returncode == 0, done.stderr

    daemon.settings["default_relay"] = "capture"
    daemon.start()
    for queue_id, message in before.items():
        now = daemon.wait_for_state(queue_id, "delivered")
        assert now["size"] == message["size"]
    assert len(daemon.captured()) >= len(before)


@pytest.mark.parametrize("length", [0, 100, 8192, -4096])
def test_what_is_no_whole_backup_is_refused(full, length):
    daemon, _ = full
    backup = daemon.directory / "backup"
    assert daemon.ctl("backup", backup).returncode == 0
    daemon.stop()
    data = backup.read_bytes()
    backup.write_bytes(data[:length])
    shutil.move(daemon.directory / "queue", daemon.directory / "old")
    (daemon.directory / "queue").mkdir()
    done = restore(daemon, backup)
    assert done.returncode == 69 and b"no whole backup" in done.stderr
    assert not list((daemon.directory / "queue").iterdir())


def test_one_backup_at_a_time_and_a_lost_client_ends_it(full):
    daemon, _ = full
    first = UnixHTTPConnection(daemon.control)
    first.connect()
    first.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    first.request("GET", "/v1/backup")
    answer = first.getresponse()
    assert answer.status == 200 and answer.read(1)
    second = daemon.ctl("backup", daemon.directory / "second")
    assert second.returncode != 0 and b"under way" in second.stderr
    first.sock.shutdown(socket.SHUT_RDWR)
    answer.close()
    first.close()
    wait_until(lambda: daemon.ctl(
        "backup", daemon.directory / "third").returncode == 0, "a backup")


def test_a_stop_ends_a_backup(full):
    daemon, _ = full
    client = UnixHTTPConnection(daemon.control)
    client.request("GET", "/v1/backup")
    answer = client.getresponse()
    assert answer.read(1)
    assert daemon.stop() == 0
    client.close()


def test_users_get_no_backup(relaisd):
    done = relaisd.run("relaisctl", "backup", relaisd.directory / "b",
                       user=65533)
    assert done.returncode == 77
