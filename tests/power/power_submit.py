#!/usr/bin/env python3
"""Runs relaisd under the recorder with clients that submit mail to it.

power_submit.py RELAISD RECORDER DIRECTORY LOG MESSAGES

Content is that of content.h, so that power_replay can tell whether it is
whole. Half of the mail is delivered (to a directory) while more comes in.
"""

import os
import random
import smtplib
import subprocess
import sys
import threading
import time

LINE = 78
CLIENTS = 4
LINES = (1, 5, 40, 300, 2000, 16000)

SETTINGS = """
hostname: relais.example.com
queue: {{directory: {0}/queue}}
receive: {{socket: {0}/submit.sock}}
control: {{socket: {0}/control.sock}}
default_relay: capture
relays:
  capture: {{url: "maildir:{0}/mail"}}
  nowhere: {{host: 127.0.0.1, port: 1, security: none, authentication: off}}
routes:
  - {{to: "*@nowhere.example.com", relay: nowhere}}
"""


class UnixSMTP(smtplib.LMTP):
    ehlo_msg = "ehlo"


def content(seed, lines):
    body = []
    for number in range(lines):
        start = f"{seed} {number} "
        body.append(start.ljust(LINE - 2, chr(97 + (seed + number) % 26)))
    return f"Subject: power {seed} {lines}\r\n\r\n" + "".join(
        line + "\r\n" for line in body)


def submit(path, count, choices, failures):
    try:
        with UnixSMTP(path) as client:
            for _ in range(count):
                seed = choices.randrange(1000000)
                host = choices.choice(["example.net", "nowhere.example.com"])
                client.sendmail("app@example.com", [f"user@{host}"],
                                content(seed, choices.choice(LINES)))
    except Exception as error:
        failures.append(error)


def main():
    relaisd, recorder, directory, log, messages = sys.argv[1:]
    os.makedirs(directory)
    settings = os.path.join(directory, "relais.yaml")
    with open(settings, "w") as file:
        file.write(SETTINGS.format(directory))
    daemon = subprocess.Popen(
        [relaisd, "--config", settings],
        stderr=open(os.path.join(directory, "log"), "w"),
        env={**os.environ, "LD_PRELOAD": recorder, "POWER_LOG": log})
    path = os.path.join(directory, "submit.sock")
    deadline = time.monotonic() + 60
    while not os.path.exists(path) and time.monotonic() < deadline:
        if daemon.poll() is not None:
            sys.exit("relaisd ended: " + open(daemon_log(directory)).read())
        time.sleep(0.01)  # between two looks
    failures = []
    clients = [
        threading.Thread(target=submit, args=(
            path, int(messages) // CLIENTS, random.Random(n), failures))
        for n in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    daemon.terminate()
    status = daemon.wait(60)
    if failures or status != 0:
        sys.exit(f"{failures} {status} {open(daemon_log(directory)).read()}")


def daemon_log(directory):
    return os.path.join(directory, "log")


if __name__ == "__main__":
    main()
