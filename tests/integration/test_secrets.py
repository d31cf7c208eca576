"""Secrets stay where they are needed: not in logs, answers, arguments, files
that others may read, nor core dumps."""

import base64
import os
import pathlib
import shutil
import stat
import subprocess

import pytest

from conftest import is_sanitized, UnixHTTPConnection, wait_until

WORDS = {
    "text": "Tief1nDerSee-4711",
    "file": "Hoch0ben-0815",
    "command": "M1tten.drin-9921",
    "api": "Ganz-W0anders-3377",
}


def forms(secret):
    """As it is, and as logins write it."""
    yield secret.encode()
    yield base64.b64encode(secret.encode()).rstrip(b"=")
    yield base64.b64encode(b"\0app\0" + secret.encode()).rstrip(b"=")


def expect_nothing_in(data, where):
    for name, secret in WORDS.items():
        for form in forms(secret):
            assert form not in data, f"the {name} secret is in {where}"


@pytest.fixture
def logged_in(daemon, relay):
    """Relays whose secrets come in every way; each has sent a message."""
    relay.users = {"app": None}
    relay.mechanisms = "PLAIN LOGIN"
    secret_file = daemon.directory / "office.secret"
    secret_file.write_text(WORDS["file"] + "\n")
    secret_file.chmod(0o600)
    program = daemon.directory / "tell"
    program.write_text(f"#!/bin/sh\necho {WORDS['command']}\n")
    program.chmod(0o700)
    how = {"text": {"password": WORDS["text"]},
           "file": {"password_file": str(secret_file)},
           "command": {"password_command": [str(program)]}}
    daemon.settings["log"] = {"level": "debug"}
    daemon.settings["submitters"] = [{"user": 0, "relays": "any"}]
    daemon.settings["relays"] = {
        name: {"host": "127.0.0.1", "port": relay.port, "security": "none",
               "authentication": "PLAIN", "username": "app", **keys}
        for name, keys in how.items()}
    daemon.settings["default_relay"] = "text"
    return daemon


def use(daemon, relay, name):
    """A message by way of it; the relay says whether the secret came."""
    relay.users["app"] = WORDS[name]
    queue_id = daemon.send(mail=[f"XRELAY={name}"])
    daemon.wait_for_state(queue_id, "delivered")
    return queue_id


def add_by_api(daemon, relay):
    status, answer = daemon.api("/v1/relays", "POST", {
        "name": "api", "host": "127.0.0.1", "port": relay.port,
        "security": "none", "authentication": "LOGIN", "username": "app",
        "password": WORDS["api"]})
    assert status in (200, 201), answer


def test_no_secret_is_told_to_anybody(logged_in, relay):
    daemon = logged_in.start()
    add_by_api(daemon, relay)
    ids = [use(daemon, relay, name) for name in WORDS]
    # A login that is refused leads to words in the log and the status.
    relay.users["app"] = "another one"
    done = daemon.ctl("relay", "test", "text")
    assert done.returncode == 1, done
    expect_nothing_in(done.stdout + done.stderr, "a test that failed")
    paths = ["/v1/status", "/v1/relays", "/v1/messages", "/metrics"]
    paths += [f"/v1/relays/{name}" for name in WORDS]
    paths += [f"/v1/messages/{queue_id}" for queue_id in ids]
    for path in paths:
        connection = UnixHTTPConnection(daemon.control)
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200, path
        expect_nothing_in(answer.read(), path)
        connection.close()
    for words in (["relay", "test", "text"], ["relay", "show", "api"],
                  ["--json", "relay", "list"], ["doctor"], ["status"]):
        done = daemon.ctl(*words)
        expect_nothing_in(done.stdout + done.stderr, words)
    daemon.stop()
    expect_nothing_in(daemon.log.read_bytes(), "the log")


def test_no_secret_is_in_arguments_environment_or_readable_files(logged_in,
                                                                relay):
    daemon = logged_in.start()
    add_by_api(daemon, relay)
    for name in WORDS:
        use(daemon, relay, name)
    for pid in daemon.family():
        for name in ("cmdline", "environ", "comm"):
            expect_nothing_in(pathlib.Path(f"/proc/{pid}/{name}").read_bytes(),
                              f"{name} of {pid}")
    for path in (daemon.directory / "queue").rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode) and mode & (stat.S_IRGRP | stat.S_IROTH):
            expect_nothing_in(path.read_bytes(), path)
    (written,) = (daemon.directory / "queue" / "relays").iterdir()
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert stat.S_IMODE(written.parent.stat().st_mode) == 0o700


def test_dies_without_a_core(logged_in):
    daemon = logged_in.start()
    limits = pathlib.Path(f"/proc/{daemon.process.pid}/limits").read_text()
    (core,) = [line for line in limits.splitlines() if "core file" in line]
    assert core.split()[4:6] == ["0", "0"], core


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"),
                    reason="needs root and setpriv")
def test_its_own_user_may_not_look_into_it(daemon):
    os.chown(daemon.directory, 65534, 65534)
    daemon.settings["queue"]["directory"] = str(daemon.directory / "q")
    daemon.start(wrapper=["setpriv", "--reuid", "65534", "--regid", "65534",
                          "--clear-groups"])
    done = subprocess.run(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
         "cat", f"/proc/{daemon.process.pid}/environ"],
        capture_output=True, timeout=60)
    assert done.returncode != 0 and b"ermission" in done.stderr, done


def remembered(daemon, *names):
    """Which of these secrets are in its memory, in any form."""
    regions = list(daemon.memory())
    return {name for name in names or WORDS for form in forms(WORDS[name])
            if any(form in region for region in regions)}


@pytest.mark.skipif(os.getuid() != 0 or is_sanitized,
                    reason="needs root, and no freed memory that is kept")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_a_secret_is_forgotten_with_its_relay(logged_in, relay, mechanism):
    """Each relay keeps an idle connection, which knows what it logged in
    with; the one with the command has it at hand for the next login, too."""
    daemon = logged_in
    relay.mechanisms = mechanism
    for keys in daemon.settings["relays"].values():
        keys["authentication"] = mechanism
    relays = dict(daemon.settings["relays"])
    daemon.settings["relays"]["capture"] = {"url": f"maildir:{daemon.maildir}"}
    daemon.settings["default_relay"] = "capture"
    daemon.start()
    status, answer = daemon.api("/v1/relays", "POST", {
        "name": "api", "host": "127.0.0.1", "port": relay.port,
        "security": "none", "authentication": mechanism, "username": "app",
        "password": WORDS["api"], "description": "x" * 600})
    assert status == 201, answer
    for name in WORDS:
        use(daemon, relay, name)
    assert remembered(daemon) == set(WORDS), "the look finds what is there"

    WORDS["new"] = "Ne1n-Danach-6608"
    try:
        assert daemon.api("/v1/relays/api", "PUT",
                          {"password": WORDS["new"]})[0] == 200
        wait_until(lambda: remembered(daemon, "api", "new") == {"new"},
                   "the old password to be forgotten")
        assert daemon.api("/v1/relays/api", "DELETE")[0] == 200
        for name in relays:
            del daemon.settings["relays"][name]
        daemon.reload()
        wait_until(lambda: not remembered(daemon),
                   lambda: f"{remembered(daemon)} to be forgotten")
    finally:
        del WORDS["new"]
