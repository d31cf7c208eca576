"""How soon waiting mail goes out once its relay is back, printed.

COUNT messages wait behind a relay that sends everybody away. It comes back; the
administrator says so (`relaisctl relay resume`). Times count from that word to
the first and the last message. The relay is Python and does the most of it.
"""

import os
import pathlib
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "integration"))

from conftest import Relaisd, Relay, UnixSMTP  # noqa: E402

COUNT = int(os.environ.get("COUNT", 10000))


def main():
    folder = tempfile.mkdtemp(prefix="relais-", dir="/tmp")
    daemon = Relaisd(folder)
    with Relay() as relay:
        relay.always("CONNECT", "421 4.3.2 down")
        daemon.use_relay(relay, limits={"connections": 4})
        daemon.start()
        with UnixSMTP(str(daemon.socket)) as client:
            client.ehlo()
            for number in range(COUNT):
                client.mail("app@example.com")
                client.rcpt(f"u{number}@example.net")
                code, text = client.data(b"Subject: recovery\r\n\r\nhello\r\n")
                assert code == 250, text
        daemon.wait_for_relay("open")
        relay.heal()
        start = time.monotonic()
        assert daemon.api("/v1/relays/office/resume", "POST")[0] in (200, 202)
        relay.wait_for_messages(1)
        first = time.monotonic() - start
        relay.wait_for_messages(COUNT, 600)
        last = time.monotonic() - start
    print(f"recovery: the first of {COUNT} after {first * 1000:.1f} ms, "
          f"the last after {last:.2f} s ({COUNT / last:.0f}/s)")
    assert daemon.stop() == 0, daemon.log_text()
    shutil.rmtree(folder)


main()
