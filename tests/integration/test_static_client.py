"""The client alone, in a root directory that has nothing else."""

import os
import shutil
import subprocess

import pytest

from conftest import BUILD, is_sanitized, wait_until

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root"),
    pytest.mark.skipif(is_sanitized, reason="it is not sanitized"),
    pytest.mark.xdist_group("static"),
]


@pytest.fixture(scope="module")
def program():
    done = subprocess.run(["make", "-s", "-C", str(BUILD),
                           "relais-sendmail-static"], capture_output=True)
    if done.returncode != 0:
        pytest.skip(f"no static libc: {done.stderr.decode()[-200:]}")
    return BUILD / "relais-sendmail-static"


def test_submits_from_an_empty_root(relaisd, program):
    shutil.copy(program, relaisd.directory / "sendmail")
    done = subprocess.run(
        ["chroot", str(relaisd.directory), "/sendmail", "-f",
         "app@example.com", "user@example.net"],
        input=b"Subject: from nowhere\n\nHello.\n", capture_output=True,
        env={**os.environ, "RELAIS_SOCKET": "/submit.sock"}, timeout=60)
    assert done.returncode == 0, done.stderr
    wait_until(relaisd.captured, "the delivery")
    assert b"Subject: from nowhere" in relaisd.captured()[0].read_bytes()
    assert program.stat().st_size < 2 * 1024 * 1024
