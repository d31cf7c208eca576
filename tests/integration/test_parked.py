"""What crashes relaisd is set aside, and the rest of the mail goes on."""

import shutil
import subprocess

import pytest

from conftest import BUILD, wait_until

# Stands for a bug of ours: whoever sends this text dies of it.
BUG = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

ssize_t send(int fd, const void *data, size_t len, int flags)
{
	ssize_t (*real)(int, const void *, size_t, int) =
	    (ssize_t (*)(int, const void *, size_t, int))dlsym(RTLD_NEXT,
	    "send");

	if (memmem(data, len, "deadly@", 7) != NULL)
		abort();
	return real(fd, data, len, flags);
}
"""


@pytest.fixture
def bug(directory):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    source, library = directory / "bug.c", directory / "bug.so"
    source.write_text(BUG)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"],
                   check=True)
    return {"LD_PRELOAD": str(library)}


def crash(daemon, env):
    daemon.start(wait=False, env=env)
    wait_until(lambda: daemon.process.poll() is not None, "the crash")
    assert daemon.process.wait() != 0
    daemon.process = None


def test_a_message_that_crashes_it_is_parked_and_the_rest_goes_on(
        daemon, relay, bug):
    nm = shutil.which("nm")
    if nm and b"san_init" in subprocess.run(
            [nm, str(BUILD / "relaisd")], capture_output=True).stdout:
        pytest.skip("a sanitizer has the signals")
    gate = relay.hold("CONNECT")
    daemon.use_relay(relay, limits={"connections": 1})
    daemon.start()
    others = [daemon.send() for _ in range(3)]
    deadly = daemon.send(to="deadly@example.net")
    others += [daemon.send() for _ in range(3)]
    daemon.kill()
    gate.set()
    for _ in range(3):
        crash(daemon, bug)
    daemon.start(env=bug)
    for queue_id in others:
        daemon.wait_for_state(queue_id, "delivered")
    message = daemon.wait_for_state(deadly, "parked")
    assert "crashed three times" in message["hold"]["reason"]

    # It is the first that is shown, with what can be done about it.
    assert daemon.ctl("list").stdout.decode().splitlines()[1].startswith(
        deadly)
    problem = daemon.api("/v1/status")[1]["problems"][0]
    assert "parked" in problem["what"]
    assert problem["next"] == "relaisctl list --state parked"

    # The bug is mended.
    daemon.stop()
    daemon.start()
    assert daemon.ctl("release", deadly).returncode == 0
    daemon.wait_for_state(deadly, "delivered")


def test_a_record_that_cannot_be_read_is_parked_and_leaves_nothing(
        daemon, relay):
    gate = relay.hold("CONNECT")
    daemon.use_relay(relay, limits={"connections": 1})
    daemon.start()
    first, bad, last = (daemon.send(f"Subject: {word}\r\n\r\n{word}\r\n",
                                    sender=f"{word}@example.com")
                        for word in ("first", "bad", "last"))
    daemon.kill()
    gate.set()
    # Its record, not its header: the sender is in both, the record has a NUL.
    store = daemon.directory / "queue" / "data.mdb"
    octets = store.read_bytes()
    assert b"bad@example.com\0" in octets
    store.write_bytes(octets.replace(b"bad@example.com\0",
                                     b"bad@exAmple.com\0"))
    daemon.start()
    for queue_id in (first, last):
        daemon.wait_for_state(queue_id, "delivered")
    wait_until(lambda: daemon.api("/v1/status")[1]["messages"]["parked"],
               "the parked one")
    problem = daemon.api("/v1/status")[1]["problems"][0]
    assert "parked" in problem["what"]
    shown = daemon.ctl("list", "--state", "parked").stdout.decode()
    assert bad in shown
    shown = daemon.ctl("show", bad)
    assert "damaged" in (shown.stdout + shown.stderr).decode(), shown
    assert daemon.ctl("cancel", bad).returncode == 0
    assert daemon.stop() == 0
    rows = subprocess.run([str(BUILD / "tests/faults/store_rows"),
                           str(store.parent)], capture_output=True, text=True)
    assert rows.returncode == 0, rows.stderr
    assert "msg 2\nbody 0\n" in rows.stdout, rows.stdout
