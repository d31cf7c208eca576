"""container.py DIRECTORY PROGRAM [WORD …]

Runs a program the way a container with a bind-mounted socket does: as root of
a user namespace whose ids from 0 on are 100000 and up outside, with DIRECTORY
mounted at a path of its own, where $RELAIS_SOCKET and $RELAIS_CONTROL_SOCKET
point. Exits with 99 and the reason where the kernel does not let us.
"""

import ctypes
import os
import sys
import tempfile

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_BIND, MS_PRIVATE, MS_REC = 4096, 1 << 18, 16384
FIRST, COUNT = 100000, 65536

libc = ctypes.CDLL(None, use_errno=True)


def call(result, what):
    if result != 0:
        print(what, os.strerror(ctypes.get_errno()), file=sys.stderr)
        sys.stderr.flush()
        os._exit(99)


def bind(directory, place):
    call(libc.unshare(CLONE_NEWNS), "unshare of mounts:")
    call(libc.mount(b"none", b"/", None, MS_PRIVATE | MS_REC, None), "mount:")
    call(libc.mount(os.fsencode(directory), os.fsencode(place), None, MS_BIND,
                    None), "bind mount:")


def become_root_of_a_namespace():
    """The parent, which stays outside, maps the ids."""
    to_parent, from_child = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        call(libc.unshare(CLONE_NEWUSER), "unshare of users:")
        os.write(from_child[1], b"x")
        os.read(to_parent[0], 1)
        os.setgroups([])
        os.setgid(0)
        os.setuid(0)
        return
    os.close(from_child[1])  # whoever is refused leaves the end of it
    if os.read(from_child[0], 1) == b"x":
        for kind in "gid", "uid":
            with open(f"/proc/{pid}/{kind}_map", "w") as ids:
                ids.write(f"0 {FIRST} {COUNT}\n")
        os.write(to_parent[1], b"x")
    os.close(to_parent[1])
    os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def main():
    place = tempfile.mkdtemp(prefix="relais-box-", dir="/tmp")
    try:
        if os.fork() == 0:
            bind(sys.argv[1], place)
            os.environ["RELAIS_SOCKET"] = place + "/submit.sock"
            os.environ["RELAIS_CONTROL_SOCKET"] = place + "/control.sock"
            become_root_of_a_namespace()
            os.execv(sys.argv[2], sys.argv[2:])
        sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
    finally:
        os.rmdir(place)


if __name__ == "__main__":
    main()
