"""Who may do what over control.sock, and that nobody takes it from others."""

import json
import os
import socket
import threading
import traceback

import pytest

from conftest import PATIENCE, UnixHTTPConnection, wait_until

WEB = 33      # a plain user
OTHER = 34    # another one
UNSTABLE = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0,
                                reason="becomes other users")


def as_user(uid, function):
    """function() in a child process of that uid; its JSON-able result."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            os.write(writer, json.dumps(function()).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    assert os.waitpid(child, 0)[1] == 0, "the child failed"
    return json.loads(text)


@pytest.fixture
def mixed(daemon, relay):
    """Mail of two users that waits; (daemon, id of WEB's, id of OTHER's)."""
    relay.always("RCPT", "451 4.7.1 later")
    daemon.use_relay(relay)
    daemon.start()
    mine = as_user(WEB, daemon.send)
    others = as_user(OTHER, daemon.send)

    def is_idle():
        return all(daemon.show(q)["recipients"][0]["reply"]
                   and daemon.show(q)["state"] == "queued"
                   for q in (mine, others))

    wait_until(is_idle, "both attempts")
    return daemon, mine, others


def test_users_see_their_own_messages_only(mixed):
    daemon, mine, others = mixed
    status, page = as_user(WEB, lambda: daemon.api("/v1/messages"))
    assert status == 200
    assert [m["id"] for m in page["messages"]] == [mine]
    assert page["messages"][0]["submitter"]["uid"] == WEB
    status, page = as_user(
        WEB, lambda: daemon.api(f"/v1/messages?submitter={OTHER}"))
    assert [m["id"] for m in page["messages"]] == [mine]
    assert as_user(WEB, lambda: daemon.api(f"/v1/messages/{mine}"))[0] == 200
    status, page = daemon.api("/v1/messages")
    assert {m["id"] for m in page["messages"]} == {mine, others}


def test_anothers_id_is_as_unknown_as_none(mixed):
    daemon, mine, others = mixed
    for path in ("", "/content"):
        status, foreign = as_user(
            WEB, lambda: daemon.api(f"/v1/messages/{others}{path}"))
        assert status == 404
        unknown = as_user(
            WEB, lambda: daemon.api(f"/v1/messages/0000000000000{path}"))[1]
        assert foreign["error"]["code"] == unknown["error"]["code"]
    status, _ = as_user(
        WEB, lambda: daemon.api(f"/v1/messages/{others}/cancel", "POST"))
    assert status == 404
    assert daemon.show(others)["state"] == "queued"


def test_users_cancel_their_own(mixed):
    daemon, mine, others = mixed
    status, answer = as_user(
        WEB, lambda: daemon.api("/v1/messages:cancel", "POST", {"filter": {}}))
    assert (status, answer["matched"]) == (200, 1)
    assert daemon.show(mine)["state"] == "cancelled"
    assert daemon.show(others)["state"] == "queued"


def test_users_reschedule_their_own(mixed):
    daemon, _, _ = mixed
    mine, others = (as_user(uid, lambda: daemon.send(mail=["HOLDFOR=3600"]))
                    for uid in (WEB, OTHER))
    order = {"at": "2026-01-01T00:00:00Z"}
    for queue_id, status in ((mine, 200), (others, 404)):
        assert as_user(WEB, lambda: daemon.api(
            f"/v1/messages/{queue_id}/reschedule", "POST", order)
        )[0] == status
    wait_until(lambda: daemon.show(mine)["recipients"][0]["reply"],
               "an attempt")
    assert daemon.show(others)["recipients"][0]["reply"] is None


@pytest.mark.parametrize("method,path", [
    ("POST", "/v1/messages/{mine}/hold"),
    ("POST", "/v1/messages/{mine}/release"),
    ("POST", "/v1/messages/{mine}/retry"),
    ("POST", "/v1/messages:hold"),
    ("POST", "/v1/reload"),
    ("GET", "/v1/relays"),
    ("GET", "/v1/relays/office"),
    ("POST", "/v1/relays/office/pause"),
    ("POST", "/v1/relays/office/resume"),
    ("GET", "/metrics"),
])
def test_the_rest_is_for_administrators(mixed, method, path):
    daemon, mine, _ = mixed
    status, answer = as_user(
        WEB, lambda: daemon.api(path.format(mine=mine), method))
    assert status == 403
    assert answer["error"]["code"] == "administrators_only"
    assert answer["error"]["next"]


def test_status_of_a_user_has_own_counts_only(mixed):
    daemon, _, _ = mixed
    status, answer = as_user(WEB, lambda: daemon.api("/v1/status"))
    assert status == 200
    assert answer["administrator"] is False
    assert answer["messages"]["queued"] == 1
    assert "relays" not in answer and "store" not in answer


def test_an_unstable_uid_has_no_own_view_without_a_rule(daemon):
    daemon.start()
    status, answer = as_user(UNSTABLE, lambda: daemon.api("/v1/messages"))
    assert status == 403
    assert answer["error"]["code"] == "no_own_view"
    assert as_user(UNSTABLE, lambda: daemon.api("/v1/status"))[0] == 200
    daemon.settings["control"]["administrators"] = ["www-data"]
    daemon.reload()
    wait_until(lambda: as_user(
        WEB, lambda: daemon.api("/v1/relays"))[0] == 200, "the new settings")


def test_members_of_a_group_may_be_administrators(daemon):
    daemon.settings["control"]["administrators"] = ["@daemon"]
    daemon.start()
    program = [str(part) for part in (
        "setpriv", "--reuid", WEB, "--regid", WEB, "--groups", 1)]
    inside = daemon.run("/usr/bin/setpriv", *program[1:],
                        str(daemon_path("relaisctl")), "relay", "list")
    assert inside.returncode == 0, inside.stderr
    assert daemon.ctl("relay", "list", user=WEB).returncode == 77


def daemon_path(name):
    from conftest import BUILD
    return BUILD / name


def open_and_ask(daemon):
    connection = UnixHTTPConnection(daemon.control)
    connection.request("GET", "/v1/status")
    answer = connection.getresponse()
    answer.read()
    return connection, answer.status


def test_a_user_has_as_many_connections_as_for_submission(daemon):
    daemon.settings["submitters"] = [{"user": WEB, "connections": 8}]
    relaisd = daemon.start()

    def use_them():
        kept = []
        for _ in range(8):
            connection, status = open_and_ask(relaisd)
            assert status == 200
            kept.append(connection)
        ninth, status = open_and_ask(relaisd)
        ninth.close()
        kept.pop().close()
        # A place is free again as soon as the daemon has seen the close.
        wait_until(lambda: open_and_ask(relaisd)[1] == 200, "a free place")
        return status

    assert as_user(WEB, use_them) == 429


def test_many_users_leave_room_for_an_administrator(relaisd):
    limit = 1024 * 3 // 4
    done = os.pipe()
    ready = os.pipe()
    children = []
    for number in range(limit // 64 + 2):
        child = os.fork()
        if child == 0:
            os.setgid(1000 + number)
            os.setuid(1000 + number)
            kept = []
            for _ in range(64):
                one = socket.socket(socket.AF_UNIX)
                one.connect(str(relaisd.control))
                kept.append(one)
            os.write(ready[1], b".")
            os.close(done[1])
            os.read(done[0], 1)
            os._exit(0)
        children.append(child)
    for _ in children:
        os.read(ready[0], 1)
    try:
        connection, status = open_and_ask(relaisd)
        assert status == 200
        connection.close()
    finally:
        for fd in (*done, *ready):
            os.close(fd)
        for child in children:
            os.waitpid(child, 0)


def test_a_client_with_a_long_name_of_its_own_is_served(relaisd, directory):
    connection = UnixHTTPConnection(relaisd.control)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(PATIENCE)
    connection.sock.bind(str(directory / ("x" * 60)))
    connection.sock.connect(str(relaisd.control))
    connection.request("GET", "/v1/status")
    assert connection.getresponse().status == 200


@pytest.mark.parametrize("request_text,status", [
    (b"GARBAGE\r\n\r\n", b"400"),
    (b"GET /v1/status HTTP/1.1\r\nX: " + b"x" * 20000, b"400"),
    (b"POST /v1/reload HTTP/1.1\r\nContent-Length: 70000\r\n\r\n"
     + b"x" * 70000, b"413"),
    (b"POST /v1/reload HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
    (b"BREW /v1/status HTTP/1.1\r\n\r\n", b"501"),
    (b"OPTIONS /v1/status HTTP/1.1\r\n\r\n", b"405"),
    (b"GET /v1/messages/%zz HTTP/1.1\r\n\r\n", b"404"),
    (b"GET //v1/status HTTP/1.1\r\n\r\n", b"404"),
])
def test_malformed_requests_are_refused(relaisd, request_text, status):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(str(relaisd.control))
        client.sendall(request_text)
        assert client.recv(4096).split(b" ")[1] == status
    assert relaisd.api("/v1/status")[0] == 200


def test_clients_that_vanish_harm_nobody(mixed):
    daemon, mine, _ = mixed
    requests = [
        f"POST /v1/messages/{mine}/retry HTTP/1.1\r\n\r\n",
        f"GET /v1/messages/{mine}?wait=60 HTTP/1.1\r\n\r\n",
        f"GET /v1/messages/{mine}/content HTTP/1.1\r\n\r\n",
        "GET /v1/events?since=0 HTTP/1.1\r\n\r\n",
        "GET /v1/messages HTTP/1.1\r\n\r\n",
        "GET /v1/messages HT",
        "POST /v1/messages:retry HTTP/1.1\r\nContent-Length: 13\r\n\r\n"
        '{"filter":{}}',
    ]
    for _ in range(20):
        for text in requests:
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(daemon.control))
            client.sendall(text.encode())
            client.close()
    assert daemon.api("/v1/status")[0] == 200

    def is_free():
        folder = f"/proc/{daemon.process.pid}/fd"
        return len(os.listdir(folder)) < 100

    wait_until(is_free, "the connections to be gone")


def test_pipelined_requests_are_answered_in_order(relaisd):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(str(relaisd.control))
        client.sendall(b"GET /v1/status HTTP/1.1\r\n\r\n"
                       b"GET /v1/none HTTP/1.1\r\nConnection: close\r\n\r\n")
        answer = b""
        while data := client.recv(65536):
            answer += data
    assert answer.count(b"HTTP/1.1 ") == 2
    assert answer.index(b"200 OK") < answer.index(b"404 Not Found")


def test_answers_many_at_once(relaisd):
    statuses = []

    def ask():
        for _ in range(25):
            statuses.append(relaisd.api("/v1/status")[0])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 200
