#!/usr/bin/env python3
"""boot_load.py STOP-FILE [DONE-FILE]

Submits messages one after another, as several kinds of program would, until
STOP-FILE exists, and prints what was acknowledged and every refusal.
"""
import os
import smtplib
import subprocess
import sys
import threading

SOCKET = "/run/relais/submit.sock"


class UnixSMTP(smtplib.LMTP):
    ehlo_msg = "ehlo"


def by_smtplib(name, number):
    with UnixSMTP(SOCKET) as smtp:
        smtp.sendmail("app@example.com", ["user@example.org"],
                      f"Subject: {name} {number}\r\n\r\nHello.\r\n")


def by_sendmail(name, number):
    text = f"Subject: {name} {number}\n\nHello.\n"
    subprocess.run(["/usr/sbin/sendmail", "user@example.org"],
                   input=text.encode(), check=True, capture_output=True)


class Load(threading.Thread):
    def __init__(self, name, send, stop):
        super().__init__()
        self.name, self.send, self.stop = name, send, stop
        self.sent, self.failures = 0, []

    def run(self):
        while not os.path.exists(self.stop):
            try:
                self.send(self.name, self.sent)
                self.sent += 1
            except (OSError, smtplib.SMTPException,
                    subprocess.CalledProcessError) as error:
                text = getattr(error, "stderr", None) or error
                self.failures.append(f"{self.name} {self.sent}: {text!r}")


def main():
    loads = [Load(f"{kind.__name__}-{i}", kind, sys.argv[1])
             for kind in (by_smtplib, by_sendmail) for i in range(3)]
    for load in loads:
        load.start()
    for load in loads:
        load.join()
    for load in loads:
        for failure in load.failures:
            print("failed", failure)
    print("sent", sum(load.sent for load in loads))
    return any(load.failures for load in loads)


sys.exit(main())
