"""Clocks that jump, for one program: clocks.c, preloaded."""

import pathlib
import shutil
import struct
import subprocess

HOUR = 3600
DAY = 24 * HOUR


class Clocks:
    """What a daemon sees of the wall clock and of the time since boot."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.file = daemon.directory / "clocks"
        self.library = daemon.directory / "clocks.so"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", "-o", self.library,
             pathlib.Path(__file__).with_name("clocks.c"), "-ldl"], check=True)
        self.wall = self.boot = 0
        self.file.write_bytes(bytes(16))

    @staticmethod
    def obstacle(program):
        """Why it cannot be, or None."""
        if shutil.which("cc") is None:
            return "no C compiler"
        if b"__sanitizer" in pathlib.Path(program).read_bytes():
            return "a sanitizer wants to be loaded first"
        return None

    def shift(self, wall=0, boot=0):
        """Seconds more, or less, than the real clocks, from now on."""
        self.wall, self.boot = wall, boot
        with open(self.file, "r+b", buffering=0) as file:
            file.write(struct.pack("=qq", int(wall * 10**9),
                                   int(boot * 10**9)))

    def sleep(self, seconds):
        """The machine sleeps: for it, no time passes at all."""
        self.shift(self.wall + seconds, self.boot + seconds)

    def start(self):
        self.daemon.start(env={"LD_PRELOAD": str(self.library),
                               "RELAIS_CLOCKS": str(self.file)})
        return self.daemon

    def restart(self, wall=0):
        self.daemon.stop()
        self.shift(wall)
        self.start()
