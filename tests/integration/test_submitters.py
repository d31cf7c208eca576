"""Who may submit, as whom and how much (promise P7), by real processes of
another user."""

import socket
import subprocess
import sys

import pytest

from conftest import BUILD, PATIENCE, SOURCE, free_port, wait_until

USER = 65534
TEXT = b"From: %s\r\nTo: user@example.net\r\nSubject: hello\r\n\r\nhello\r\n"


@pytest.fixture
def bound(daemon):
    """USER has a rule; daemon.rule may be changed before the start."""
    daemon.rule = {"user": USER, "senders": ["@example.com"]}
    daemon.settings["submitters"] = [daemon.rule]
    return daemon


def send(daemon, author=b"www@example.com", sender="www@example.com",
         to=("user@example.net",), text=b""):
    return daemon.sendmail("-f", sender, *to, input=TEXT % author + text,
                           user=USER)


@pytest.mark.parametrize("author", [
    b"ceo@example.net",
    b"www@example.com, ceo@example.net",
    b'"ceo@example.net" <www@example.com>',
    b"=?utf-8?q?ceo=40example.net?= <www@example.com>",
    b"www@example.com\r\nSender: ceo@example.net",
    b"www@example.com\r\nFrom: www@example.com",
])
def test_refuses_another_author(bound, author):
    bound.start()
    done = send(bound, author)
    assert done.returncode != 0
    assert bound.api("/v1/messages")[1]["messages"] == []
    assert send(bound).returncode == 0


def test_refuses_another_envelope_sender(bound):
    bound.start()
    assert send(bound, sender="ceo@example.net").returncode != 0
    assert send(bound, sender="<>").returncode == 0


def test_holds_a_user_to_size_and_recipients(bound):
    bound.rule.update({"size": "10KiB", "recipients": 2})
    bound.start()
    large = (b"x" * 76 + b"\r\n") * 200
    assert send(bound, text=large).returncode != 0
    many = [f"user{n}@example.net" for n in range(3)]
    assert send(bound, to=many).returncode != 0
    assert bound.api("/v1/messages")[1]["messages"] == []
    assert send(bound, to=many[:2]).returncode == 0
    # Others are not held to it.
    assert bound.sendmail(*many, input=TEXT % b"root@example.com" + large
                          ).returncode == 0


def test_says_what_the_rate_is(bound):
    bound.rule.update({"rate": "2/h", "burst": 2})
    bound.start()
    assert send(bound).returncode == 0
    assert send(bound).returncode == 0
    done = send(bound)
    assert done.returncode != 0
    assert b"may send 2 in 3600 s" in done.stderr, done


def refusal(daemon, **options):
    done = send(daemon, **options)
    assert done.returncode != 0
    assert b"452 4.3.1" in done.stderr, done
    return done.stderr


def hold_all(bound):
    """What is submitted waits: the relay answers nobody."""
    bound.settings["relays"] = {"away": {"url": "lmtp:///nowhere.sock"}}


# Connects as fast as it goes, and says what the last greetings were.
HURRY = """
import collections, socket, sys
said = collections.Counter()
while said["421"] < 10 and sum(said.values()) < 50000:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(sys.argv[1])
        said[client.recv(512)[:3].decode()] += 1
print(said["220"], said["421"])
"""


def test_holds_a_user_to_the_connections_it_may_begin(bound):
    bound.start()
    done = bound.run(sys.executable, "-c", HURRY, bound.socket, user=USER)
    greeted, refused = map(int, done.stdout.split())
    # At once, and what a slow machine refills meanwhile.
    assert greeted >= 3000 and refused == 10, done
    # Nobody else is held to it.
    assert bound.send()


def test_holds_a_user_to_the_messages_that_may_wait(bound):
    bound.rule["queued"] = 2
    hold_all(bound)
    bound.start()
    assert send(bound).returncode == 0
    assert send(bound).returncode == 0
    assert b"uid 65534 may have 2" in refusal(bound)
    # Over a restart; neither root nor anybody else is held to it.
    bound.stop()
    bound.start()
    refusal(bound)
    assert bound.sendmail("user@example.net", input=TEXT % b"root@example.com"
                          ).returncode == 0
    # The log hears of it once, not each time.
    refusal(bound)
    assert bound.log_text().count("above_share") == 2
    # What is cancelled makes room.
    newest = bound.api("/v1/messages")[1]["messages"]
    own = [m["id"] for m in newest if m["submitter"]["uid"] == USER]
    assert len(own) == 2
    assert bound.api(f"/v1/messages/{own[0]}/cancel", "POST", {})[0] == 200
    assert send(bound).returncode == 0
    refusal(bound)


def test_holds_a_user_to_its_share_of_the_room(bound):
    bound.rule["share"] = "1%"
    bound.settings["queue"]["maximum"] = "1GiB"  # the share: 10 MiB
    hold_all(bound)
    bound.start()
    large = (b"x" * 76 + b"\r\n") * (3 * 1024 * 1024 // 78)
    for _ in range(3):
        assert send(bound, text=large).returncode == 0
    assert b"may have 10 MiB, 1 % of the queue" in refusal(bound, text=large)
    # Nothing of it is left, and what fits is taken still.
    assert send(bound).returncode == 0
    bound.stop()
    bound.start()
    assert "half-received" not in bound.log_text()
    refusal(bound, text=large)
    assert bound.sendmail("user@example.net", input=TEXT % b"root@example.com"
                          + large).returncode == 0


def test_counts_what_is_still_coming_in(bound):
    bound.rule["share"] = "1%"
    bound.settings["queue"]["maximum"] = "1GiB"
    bound.settings["receive"]["listen"] = [
        {"port": free_port(), "user": USER}]
    hold_all(bound)
    bound.start()
    line = b"x" * 76 + b"\r\n"
    slow = socket.create_connection(
        ("127.0.0.1", bound.settings["receive"]["listen"][0]["port"]))
    slow.settimeout(PATIENCE)
    answers = slow.makefile("rb")
    slow.sendall(b"EHLO me\r\nMAIL FROM:<www@example.com>\r\n"
                 b"RCPT TO:<user@example.net>\r\nDATA\r\n")
    while not answers.readline().startswith(b"354"):
        pass
    slow.sendall(TEXT % b"www@example.com" + line * (9 * 1024 * 1024 // 78))
    # The last slice may still gather.
    wait_until(lambda: bound.api("/v1/status")[1]["store"]["bytes_used"] >
               8 * 1024 * 1024, "the slices to be stored")
    two = line * (3 * 1024 * 1024 // 78)
    refusal(bound, text=two)
    # The client vanishes, and its share with it.
    slow.close()
    answers.close()
    wait_until(lambda: send(bound, text=two).returncode == 0)


def test_leaves_nothing_of_a_large_message_that_is_refused(bound):
    hold_all(bound)
    bound.start()
    large = "Subject: hello\r\n\r\n" + ("x" * 76 + "\r\n") * 30000
    bound.send(large, to="one@example.net", mail=["XKEY=abc"])
    with pytest.raises(AssertionError, match="belongs to another message"):
        bound.send(large, to="two@example.net", mail=["XKEY=abc"])
    bound.stop()
    bound.start()
    assert "half-received" not in bound.log_text()


@pytest.mark.parametrize("groups, is_bound", [("4242", True), ("4343", False)])
def test_counts_supplementary_groups(daemon, groups, is_bound):
    daemon.settings["submitters"] = [
        {"group": 4242, "senders": ["@example.com"]}]
    daemon.start()
    done = subprocess.run(
        ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--groups",
         groups, str(BUILD / "relais-sendmail"), "-f", "ceo@example.net",
         "user@example.net"],
        input=TEXT % b"ceo@example.net", capture_output=True,
        env=daemon.environment(), timeout=PATIENCE)
    assert (done.returncode != 0) == is_bound, done


def in_container(daemon, *words, **options):
    """Runs words as root of a user namespace whose root is uid 100000, with
    the sockets' directory mounted elsewhere."""
    done = subprocess.run(
        [sys.executable, SOURCE / "tests/support/container.py",
         daemon.directory, *map(str, words)],
        capture_output=True, timeout=PATIENCE, **options)
    if done.returncode == 99:
        pytest.skip(done.stderr.decode())
    return done


def test_tells_a_container_by_the_uid_its_root_maps_to(daemon):
    daemon.settings["submitters"] = [
        {"user": 100000, "senders": ["@shop.example.com"]}]
    daemon.start()
    secret = daemon.send()
    sendmail = [BUILD / "relais-sendmail", "-f"]
    done = in_container(daemon, *sendmail, "root@example.com",
                        "user@example.net", input=TEXT % b"root@example.com")
    assert done.returncode != 0
    assert b"may not send as this address" in done.stderr, done
    done = in_container(daemon, *sendmail, "www@shop.example.com",
                        "user@example.net",
                        input=TEXT % b"www@shop.example.com")
    assert done.returncode == 0, done
    newest = daemon.api("/v1/messages")[1]["messages"][0]
    assert newest["submitter"]["uid"] == 100000
    # Root in there is nobody's administrator out here.
    done = in_container(daemon, BUILD / "relaisctl", "show", secret)
    assert done.returncode == 1, done
    done = in_container(daemon, BUILD / "relaisctl", "reload")
    assert done.returncode == 77, done
