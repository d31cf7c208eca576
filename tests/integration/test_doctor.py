"""relaisctl doctor: what it finds, and what to do about it."""

import json
import os
import socket
import subprocess

import pytest

from conftest import free_port


def findings(relaisd, *options):
    done = relaisd.ctl("doctor", "--json", *options)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, lines


def of(lines, check):
    return [line for line in lines if line["check"] == check]


def test_tries_each_relay(daemon):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        daemon.settings["relays"] = {
            "well": {"host": "127.0.0.1", "port": listener.getsockname()[1],
                     "security": "none"},
            "gone": {"host": "127.0.0.1", "port": free_port(),
                     "security": "none"},
            "nameless": {"host": "relay.invalid", "port": 25,
                         "security": "none"},
        }
        daemon.settings["default_relay"] = "well"
        daemon.start()
        status, lines = findings(daemon)
    assert status == 1
    results = {line["detail"].split(":")[0]: line
               for line in of(lines, "relay")}
    assert results["well"]["result"] == "fine"
    assert "refused" in results["gone"]["detail"]
    assert results["gone"]["next"] == "relaisctl relay test gone"
    assert "no address" in results["nameless"]["detail"]


def test_direct_delivery_needs_port_25(daemon):
    del daemon.settings["relays"]
    daemon.start()
    _, lines = findings(daemon, "--host", "127.0.0.1")
    (line,) = of(lines, "relay")
    assert "port 25" in line["detail"]
    assert line["result"] == "fine" or "465" in line["next"]


def test_looks_at_host_and_sockets(relaisd):
    _, lines = findings(relaisd)
    assert of(lines, "socket")[0]["result"] == "fine"
    assert of(lines, "name")[0]["result"] == "fine"
    assert of(lines, "room") and of(lines, "clock") and of(lines, "sendmail")
    os.chmod(relaisd.socket, 0o600)
    assert of(findings(relaisd)[1], "socket")[0]["result"] == "doubtful"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
def test_a_queue_in_memory_is_no_queue(daemon):
    folder = daemon.directory / "memory"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder],
                      capture_output=True).returncode != 0:
        pytest.skip("no mounts here")
    try:
        daemon.settings["queue"] = {"directory": str(folder)}
        daemon.start()
        status, lines = findings(daemon)
        (disk,) = of(lines, "disk")
        assert status == 1 and disk["result"] == "bad"
        assert "tmpfs" in disk["detail"] and "queue.directory" in disk["next"]
        daemon.stop()
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_is_readable_without_json(relaisd):
    done = relaisd.ctl("doctor")
    assert b"fine" in done.stdout and b"submit at" in done.stdout


def test_says_that_relaisd_does_not_answer(relaisd):
    relaisd.stop()
    done = relaisd.ctl("doctor")
    assert done.returncode == 69 and b"relaisd" in done.stderr
