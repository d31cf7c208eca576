#!/usr/bin/env python3
"""make.py BUILD - draw docs/pictures from real runs of what BUILD has

Starts relaisd in a temporary directory with a relay that works and one that
does not, submits mail, runs relaisctl on a pseudo terminal, and writes what a
person would see as SVG. Needs python3-pyte.
"""
import html
import os
import pathlib
import pty
import select
import subprocess
import sys
import tempfile
import time

import pyte

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]
                       / "tests" / "support"))

from relay import Relay  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
COLOURS = {"default": "#d8dee9", "red": "#e06c75", "green": "#98c379",
           "brown": "#e5c07b", "yellow": "#e5c07b", "blue": "#61afef",
           "magenta": "#c678dd", "cyan": "#56b6c2", "white": "#ffffff"}
CELL, LINE, PAD = 8.4, 19, 14


def run(command, columns, env, keys=None, patience=8, answers=()):
    """The screen that the command leaves, or shows when keys are pressed.
    answers: pairs of what is asked and what is typed then."""
    answers = list(answers)
    child, master = pty.fork()
    if child == 0:
        os.environ.update(env)
        os.execvp(command[0], command)
    subprocess.run(["stty", "rows", "60", "cols", str(columns)],
                   stdin=master, check=True)
    screen = pyte.Screen(columns, 60)
    stream = pyte.ByteStream(screen)
    end = time.monotonic() + patience
    shown = None
    while time.monotonic() < end:
        if not select.select([master], [], [], 0.1)[0]:
            continue
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if b"\033[?1049l" in data:  # the other screen goes with its contents
            break
        stream.feed(data)
        if answers and answers[0][0] in "\n".join(screen.display):
            os.write(master, answers.pop(0)[1].encode() + b"\n")
        if keys and time.monotonic() > end - patience + 5:
            shown = [dict(screen.buffer[row]) for row in range(60)]
            os.write(master, keys)
            keys = None
    os.close(master)
    os.waitpid(child, 0)
    return shown or [dict(screen.buffer[row]) for row in range(60)]


def svg(title, rows, columns):
    while rows and not any(cell.data.strip() for cell in rows[-1].values()):
        rows.pop()
    width = columns * CELL + 2 * PAD
    height = (len(rows) + 1) * LINE + 2 * PAD
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" '
           f'height="{height:.0f}" font-family="monospace" font-size="14">',
           f"<title>{html.escape(title)}</title>",
           '<rect width="100%" height="100%" rx="6" fill="#1e222a"/>',
           f'<text x="{PAD}" y="{PAD + 12}" fill="#7f8694">$ '
           f"{html.escape(title)}</text>"]
    for number, row in enumerate(rows):
        y = PAD + 12 + (number + 1) * LINE
        for column, cell in sorted(row.items()):
            if not cell.data.strip():
                continue
            colour = COLOURS.get(cell.fg, COLOURS["default"])
            weight = ' font-weight="bold"' if cell.bold else ""
            out.append(f'<text x="{PAD + column * CELL:.1f}" y="{y}" '
                       f'fill="{colour}"{weight}>{html.escape(cell.data)}'
                       "</text>")
    return "\n".join([*out, "</svg>\n"])


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    serve(build, draw, """\
default_relay: office
relays:
  office: {url: "maildir:FOLDER/office"}
  newsletter: {host: 127.0.0.1, port: 9, security: none}
routes: [{to: "*@example.org", relay: newsletter, priority: bulk}]
""")
    serve(build, draw_setup, "aliases_file: FOLDER/aliases\n")


def serve(build, draw, more):
    """Draws while a relaisd with these settings runs."""
    with tempfile.TemporaryDirectory(prefix="relais-") as folder:
        settings = pathlib.Path(folder, "relais.yaml")
        settings.write_text(more.replace("FOLDER", folder) + f"""\
hostname: web1.example.com
queue: {{directory: {folder}/queue}}
receive: {{socket: {folder}/submit.sock}}
control: {{socket: {folder}/control.sock}}
""")
        env = {"RELAIS_SOCKET": f"{folder}/submit.sock",
               "RELAIS_CONTROL_SOCKET": f"{folder}/control.sock",
               "TERM": "xterm-256color",
               "PATH": f"{build}:{os.environ['PATH']}"}
        daemon = subprocess.Popen([build / "relaisd", "--config", settings],
                                  stderr=subprocess.DEVNULL)
        try:
            while not os.path.exists(f"{folder}/control.sock"):
                time.sleep(0.05)
            draw(env)
        finally:
            daemon.terminate()
            daemon.wait()


def send(env, sender, to, subject):
    done = subprocess.run(
        ["relais-sendmail", "--print-id", "-i", "-f", sender, to],
        input=f"Subject: {subject}\n\nHello.\n".encode(), check=True,
        capture_output=True, env={**os.environ, **env})
    return done.stdout.decode().split()[-1]


def draw(env):
    for number in range(3):
        send(env, "shop@example.com", f"customer{number}@example.net",
             f"Your order {number}")
    ids = [send(env, "news@example.com", f"reader{number}@example.org",
                "News") for number in range(4)]
    time.sleep(1)
    for name, command, keys in (
            ("status", ["status"], None),
            ("list", ["list", "--all"], None),
            ("show", ["show", ids[0]], None),
            ("relay-test", ["relay", "test", "newsletter"], None),
            ("top", ["top", "--interval", "1s"], b"q")):
        rows = run(["relaisctl", *command], 100, env, keys)
        (HERE / f"{name}.svg").write_text(
            svg(" ".join(["relaisctl", *command]), rows, 100))


def draw_setup(env):
    """A newcomer's, at a relay of the tests."""
    with Relay(users={"shop@example.com": "secret"}) as relay:
        rows = run(["relaisctl", "setup", "shop"], 100, env, answers=(
            ("mail address, the provider", "127.0.0.1"),
            ("Port [", str(relay.port)),
            ("Security:", "none"),
            ("Login (", "shop@example.com"),
            ("Password (", "secret"),
            ("Mail leaves as", ""),
            ("Where does mail to root go", "admin@example.com"),
            ("Is that right?", "y")), patience=20)
    (HERE / "setup.svg").write_text(svg("relaisctl setup shop", rows, 100))


main()
