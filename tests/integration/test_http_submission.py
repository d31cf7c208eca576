"""Mail over HTTP: POST /v1/messages, with stock clients."""

import base64
import datetime
import email
import email.policy
import json
import pathlib
import select
import subprocess
import threading

import pytest
from conftest import (
    PATIENCE, UnixHTTPConnection, is_sanitized, wait_until)
from relay import Relay

WEB = 33  # www-data
RAW = {"Content-Type": "message/rfc822"}
HELLO = b"Subject: hello\r\n\r\nhello\r\n"
TOMORROW = (datetime.datetime.now(datetime.timezone.utc)
            + datetime.timedelta(days=1))
ADDRESSES = {"from": "app@example.com", "to": "user@example.net"}


def post(daemon, body, query="", headers=None):
    """(status, decoded answer, head)."""
    connection = UnixHTTPConnection(daemon.control)
    if not isinstance(body, (bytes, str)):
        body = json.dumps(body)
        headers = {"Content-Type": "application/json", **(headers or {})}
    try:
        connection.request("POST", "/v1/messages" + query, body, headers or {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), answer.headers
    finally:
        connection.close()


def post_raw(daemon, content=HELLO, query="", headers=None):
    return post(daemon, content, "?from=app@example.com&to=user@example.net"
                + query, {**RAW, **(headers or {})})


def as_user(uid, function):
    """Its JSON-able result, of a child that has this uid."""
    import os
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            result = json.dumps(function())
        except BaseException as error:  # noqa: B902 (told to the parent)
            result = json.dumps({"error": repr(error)})
        os.write(writer, result.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text)


def delivered(daemon, count=1):
    files = wait_until(
        lambda: len(daemon.captured()) >= count and daemon.captured(),
        f"{count} messages")
    assert len(files) == count
    return [email.message_from_bytes(path.read_bytes(),
                                     policy=email.policy.default)
            for path in files]


def written(daemon, **members):
    """What a message of these members looks like at its recipient."""
    status, answer, _ = post(daemon, {**ADDRESSES, **members})
    assert status == 201, answer
    return delivered(daemon)[0]


# ------------------------------------------------------------- raw messages

def test_takes_a_message_as_it_is(relaisd):
    status, answer, head = post_raw(relaisd, query="&to=other@example.net"
                                    "&tag=news&meta=x%20y&priority=urgent")
    assert status == 201 and answer["duplicate"] is False
    assert head["Location"] == f"/v1/messages/{answer['id']}"
    message = relaisd.wait_for_state(answer["id"], "delivered")
    assert message["sender"] == "app@example.com"
    assert message["tag"] == "news" and message["meta"] == "x y"
    assert message["priority"] == "urgent"
    assert [r["address"] for r in message["recipients"]] == [
        "user@example.net", "other@example.net"]
    mail = delivered(relaisd)[0]
    assert mail["Subject"] == "hello"
    assert "with HTTP" in " ".join(mail["Received"].split())
    assert mail["Date"] and mail["Message-ID"]


def test_content_is_judged_as_at_the_submission_socket(relaisd):
    status, answer, _ = post_raw(relaisd, b"Subject: a\n\nlf\n.\nlone dot\n")
    assert status == 201
    relaisd.wait_for_state(answer["id"], "delivered")
    assert relaisd.captured()[0].read_bytes().endswith(
        b"\n\nlf\n.\nlone dot\n")
    status, answer, _ = post_raw(relaisd, b"Subject: a\r\n\r\nbare\rcr\r\n")
    assert status == 422
    assert answer["error"]["reply"] == {"code": 550, "enhanced": "5.6.0"}


def test_the_null_sender_is_an_empty_one(relaisd):
    status, answer, _ = post(relaisd, HELLO, "?from=&to=user@example.net",
                             RAW)
    assert status == 201
    assert relaisd.show(answer["id"])["sender"] == ""


@pytest.mark.parametrize("query", [
    "?to=user@example.net",
    "?from=app@example.com",
    "?from=app@example.com&to=user@example.net%0d%0aRCPT",
    "?from=app@example.com%3e&to=user@example.net",
    "?from=app@example.com&to=user@example.net&wait=301",
    "?from=app@example.com&to=user@example.net&wait=soon",
    "?from=app@example.com&to=user@example.net&priority=high",
    "?from=app@example.com&to=user@example.net&key=",
    "?from=app@example.com&to=user@example.net&key=a%0ab",
    "?from=app@example.com&to=user@example.net&tag=" + "x" * 129,
    "?from=app@example.com&to=user@example.net&at=tomorrow",
    "?from=app@example.com&to=user@example.net&hold_until=tomorrow",
    "?from=app@example.com&to=user@example.net&deadline=0",
    "?from=app@example.com&to=user@example.net&notify=never,delay",
    "?from=app@example.com&to=user@example.net&ret=half",
    "?from=app@example.com&to=user@example.net&subject=x",
    "?from=app@example.com&to=user@example.net&to=a@@b",
])
def test_words_that_make_no_sense_are_refused(relaisd, query):
    status, answer, _ = post(relaisd, HELLO, query, RAW)
    assert status == 422, answer
    assert answer["error"]["code"] == "bad_message"
    assert answer["error"]["message"] and answer["error"]["next"]
    assert relaisd.api("/v1/status")[1]["messages"]["delivered"] == 0


def test_wishes_are_those_of_the_submission_socket(relaisd):
    status, answer, _ = post_raw(
        relaisd, query="&hold_for=2h&deadline=1d&envid=E1&ret=headers"
        "&notify=success,delay&relay=capture&key=a%20key")
    assert status == 201, answer
    message = relaisd.show(answer["id"])
    assert message["state"] == "queued"
    assert message["deadline"] and message["envelope_id"] == "E1"
    assert message["recipients"][0]["next_attempt"] > message["submitted"]
    assert message["key"] == "a key"
    for word in "at", "hold_until":
        status, answer, _ = post_raw(
            relaisd, query=f"&{word}={TOMORROW:%Y-%m-%dT%H:%M:%SZ}")
        assert status == 201, answer
        assert relaisd.show(answer["id"])["not_before"][:19] == (
            f"{TOMORROW:%Y-%m-%dT%H:%M:%S}")


def test_another_type_of_content_is_told_what_there_is(relaisd):
    status, answer, _ = post(relaisd, "x", headers={
        "Content-Type": "text/plain"})
    assert status == 415 and "message/rfc822" in answer["error"]["next"]


# ---------------------------------------------------------- written messages

def test_writes_a_plain_text(relaisd):
    mail = written(relaisd, subject="Hello", text="one\ntwo\n",
                   cc="c@example.net", reply_to="desk@example.com")
    assert mail["From"] == "app@example.com"
    assert mail["To"] == "user@example.net"
    assert mail["Cc"] == "c@example.net"
    assert mail["Reply-To"] == "desk@example.com"
    assert mail["Subject"] == "Hello"
    assert mail["MIME-Version"] == "1.0"
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content() == "one\ntwo\n"


def test_writes_html_alone(relaisd):
    mail = written(relaisd, html="<p>hällo</p>")
    assert mail.get_content_type() == "text/html"
    assert mail.get_content() == "<p>hällo</p>\n"


def test_writes_both_with_the_plainer_first(relaisd):
    mail = written(relaisd, text="plain", html="<b>rich</b>")
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == [
        "text/plain", "text/html"]


def test_names_and_subjects_may_have_any_letters(relaisd):
    subject = "Grüße, 世界 — " + "sehr lang " * 30 + "ok"
    mail = written(
        relaisd, subject=subject, text="x",
        to=[{"name": "Müller, \"Zoë\"", "address": "z@example.net"},
            "\"Last, First\" <f@example.net>", "plain@example.net"])
    assert mail["Subject"] == subject
    people = mail["To"].addresses
    assert [p.display_name for p in people] == [
        "Müller, \"Zoë\"", "Last, First", ""]
    assert [p.addr_spec for p in people] == [
        "z@example.net", "f@example.net", "plain@example.net"]


def test_bcc_is_in_the_envelope_and_nowhere_else(relaisd):
    mail = written(relaisd, text="x", bcc=["hidden@example.net"])
    assert "hidden@example.net" in mail.get_all("X-Envelope-To")
    del mail["X-Envelope-To"]
    assert "hidden" not in mail.as_string()


def test_who_is_named_twice_gets_one_copy(relaisd):
    status, answer, _ = post(relaisd, {
        "from": "app@example.com", "text": "x", "to": "a@example.net",
        "cc": "a@example.net, b@example.net", "bcc": "b@example.net"})
    assert status == 201
    assert [r["address"] for r in relaisd.show(answer["id"])["recipients"]] \
        == ["a@example.net", "b@example.net"]


def test_long_lines_and_odd_text_arrive_as_they_were(relaisd):
    text = "x" * 5000 + "\nFrom here\n.\n..\n trailing \nüml " + "ä" * 2000
    mail = written(relaisd, text=text)
    assert mail.get_content() == text + "\n"
    raw = relaisd.captured()[0].read_bytes()
    assert max(map(len, raw.split(b"\n"))) <= 998


def test_attaches_files(relaisd):
    data = bytes(range(256)) * 300
    mail = written(relaisd, text="see there", attachments=[
        {"filename": "größe 世界.pdf", "type": "application/pdf",
         "content": base64.encodebytes(data).decode()},
        {"filename": "a \"b\".txt", "type": "text/plain",
         "content": base64.b64encode(b"no end of line").decode()},
        {"content": ""}])
    assert mail.get_content_type() == "multipart/mixed"
    files = list(mail.iter_attachments())
    assert [part.get_filename() for part in files] == [
        "größe 世界.pdf", "a \"b\".txt", None]
    assert files[0].get_content_type() == "application/pdf"
    assert files[0].get_payload(decode=True) == data
    assert files[1].get_payload(decode=True) == b"no end of line"
    assert files[2].get_content_type() == "application/octet-stream"


def test_an_image_that_the_html_shows_comes_with_it(relaisd):
    mail = written(relaisd, text="plain", html="<img src='cid:logo@x'>",
                   attachments=[
        {"filename": "logo.png", "type": "image/png", "content_id": "logo@x",
         "content": base64.b64encode(b"png").decode()}])
    assert mail.get_content_type() == "multipart/alternative"
    related = list(mail.iter_parts())[1]
    assert related.get_content_type() == "multipart/related"
    image = list(related.iter_parts())[1]
    assert image["Content-ID"] == "<logo@x>"
    assert image.get_content_disposition() == "inline"


def test_an_attached_message_stays_one(relaisd):
    inner = b"Subject: inner\n\nbody\n"
    mail = written(relaisd, text="x", attachments=[
        {"filename": "m.eml", "type": "message/rfc822",
         "content": base64.b64encode(inner).decode()}])
    part = list(mail.iter_attachments())[0]
    assert part.get_content_type() == "message/rfc822"
    assert part.get_content()["Subject"] == "inner"


def test_header_fields_of_ones_own(relaisd):
    mail = written(relaisd, text="x", headers={
        "X-Campaign": "Frühling", "List-Unsubscribe": "<https://x.example/>",
        "Keywords": ["a", "b"], "Message-ID": "<mine@example.com>"})
    assert mail["X-Campaign"] == "Frühling"
    assert mail["List-Unsubscribe"] == "<https://x.example/>"
    assert mail.get_all("Keywords") == ["a", "b"]
    assert mail["Message-ID"] == "<mine@example.com>"


@pytest.mark.parametrize("members", [
    {"subject": "a\r\nBcc: evil@example.org"},
    {"subject": "a\nX: y"},
    {"from": "app@example.com\r\nX: y"},
    {"from": {"name": "a\nb", "address": "app@example.com"}},
    {"from": {"name": "a", "address": "app@example.com>\r\nX: y"}},
    {"from": "a@example.com, b@example.com"},
    {"to": ["a@example.net\nX: y"]},
    {"to": "no address"},
    {"to": []},
    {"to": 5},
    {"cc": {"name": "nobody"}},
    {"headers": {"X-A": "b\r\nc: d"}},
    {"headers": {"X-A\r\nB": "c"}},
    {"headers": {"X A": "c"}},
    {"headers": {"": "c"}},
    {"headers": {"From": "c"}},
    {"headers": {"bcc": "c"}},
    {"headers": {"Content-Type": "text/x"}},
    {"headers": "X: y"},
    {"attachments": [{"filename": "a\r\nb", "content": ""}]},
    {"attachments": [{"type": "text/plain\r\nX: y", "content": ""}]},
    {"attachments": [{"type": "multipart/mixed", "content": ""}]},
    {"attachments": [{"content": "no base64!"}]},
    {"attachments": [{"filename": "a"}]},
    {"attachments": [{"content": "", "content_id": "a>\r\nb"}]},
    {"attachments": "a"},
    {"text": 5},
    {"text": ["a"]},
    {"html": {"a": "b"}},
    {"wait": "x"},
    {"priority": "high"},
    {"key": "a\nb"},
    {"colour": "red"},
    {"subject": {}},
])
def test_nothing_can_be_smuggled_in(relaisd, members):
    status, answer, _ = post(relaisd, {**ADDRESSES, "text": "x", **members})
    assert status == 422, answer
    assert answer["error"]["code"] == "bad_message"
    assert not relaisd.captured()
    assert relaisd.api("/v1/messages?limit=1&state=waiting,delivered")[1][
        "messages"] == []


@pytest.mark.parametrize("body,status,code", [
    (b"", 400, "bad_json"),
    (b"{", 400, "bad_json"),
    (b'"text"', 400, "bad_json"),
    (b"[1]", 422, "bad_message"),
    (b"[]", 422, "bad_message"),
    (b'{"from":"a@b","from":"a@b"}', 400, "bad_json"),
    (b'{"text":"a\\u0000b"}', 400, "bad_json"),
    (b"[" * 3000, 400, "bad_json"),
    (b"\xff\xfe", 400, "bad_json"),
    # A path like that of the message itself would end it twice.
    (b'{"from":"a@b","to":"c@d","text":"x","":{}}', 422, "bad_message"),
    (b'{"":{"from":"a@b","to":"c@d","text":"x"}}', 422, "bad_message"),
    (b'[{"":{"from":"a@b","to":"c@d","text":"x"}}]', 422, "bad_message"),
    (b'[{"from":"a@b","to":"c@d","":{"":{}}}]', 422, "bad_message"),
])
def test_a_body_that_is_no_message_is_refused(relaisd, body, status, code):
    got, answer, _ = post(relaisd, body)
    assert (got, answer["error"]["code"]) == (status, code), answer
    assert post_raw(relaisd)[0] == 201


# --------------------------------------------------------------------- forms

def curl(daemon, *words, user=None, check=True):
    """Status and answer of the stock client."""
    done = daemon.run("/usr/bin/curl", "-sS", "--unix-socket",
                      daemon.control, "-w", "\n%{http_code}", *words,
                      user=user)
    assert done.returncode == 0, done.stderr
    body, status = done.stdout.decode().rsplit("\n", 1)
    return int(status), json.loads(body)


def test_curl_sends_a_form_with_files(relaisd, directory):
    path = pathlib.Path(directory) / "größe.bin"
    path.write_bytes(bytes(range(256)))
    status, answer = curl(
        relaisd, "-F", "from=App <app@example.com>", "-F",
        "to=a@example.net", "-F", "to=b@example.net", "-F", "subject=Grüße",
        "-F", "text=the text", "-F", f"file=@{path};type=image/png",
        "http://relais/v1/messages?tag=form")
    assert status == 201, answer
    mail = delivered(relaisd)[0]
    assert mail["Subject"] == "Grüße"
    assert len(mail["To"].addresses) == 2
    part = list(mail.iter_attachments())[0]
    assert part.get_filename() == "größe.bin"
    assert part.get_content_type() == "image/png"
    assert part.get_payload(decode=True) == bytes(range(256))
    assert relaisd.show(answer["id"])["tag"] == "form"


def test_curl_sends_json_with_files_as_parts(relaisd, directory):
    path = pathlib.Path(directory) / "a.txt"
    path.write_text("a file")
    message = json.dumps({**ADDRESSES, "text": "x"})
    status, answer = curl(
        relaisd, "-F", f"message={message};type=application/json",
        "-F", f"file=@{path}", "http://relais/v1/messages")
    assert status == 201, answer
    part = list(delivered(relaisd)[0].iter_attachments())[0]
    assert part.get_filename() == "a.txt"


def test_curl_sends_a_file_as_it_is(relaisd, directory):
    path = pathlib.Path(directory) / "message"
    path.write_bytes(HELLO)
    status, answer = curl(
        relaisd, "-H", "Content-Type: message/rfc822", "--data-binary",
        f"@{path}", "-H", "Idempotency-Key: \"a-key\"",
        "http://relais/v1/messages?from=app@example.com&to=user@example.net",
        user=WEB)
    assert status == 201, answer
    message = relaisd.show(answer["id"])
    assert message["submitter"]["uid"] == WEB
    assert message["key"] == "a-key"


@pytest.mark.parametrize("body", [
    b"",
    b"--b\r\n\r\n",
    b"--b\r\nContent-Disposition: form-data; name=from\r\n\r\na@b",
    b"--b\r\nX: y\r\n\r\nz\r\n--b--\r\n",
    b"--b\r\nContent-Disposition: form-data; name=text\r\n\r\na\0b\r\n--b--",
    b"--b\r\nContent-Disposition: form-data; name=message\r\n\r\n[]\r\n--b--",
    # Each of an array would have all of the form's files.
    b"--b\r\nContent-Disposition: form-data; name=message\r\n\r\n"
    b'[{"from":"a@b","to":"c@d"}]\r\n'
    b"--b\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n"
    b"x\r\n--b--",
    b"--c\r\n",
])
def test_a_broken_form_is_refused(relaisd, body):
    status, answer, _ = post(relaisd, body, headers={
        "Content-Type": "multipart/form-data; boundary=b"})
    assert status == 422, answer


# ------------------------------------------------------------------- policy

def test_who_may_not_send_as_somebody_is_told_so(daemon):
    daemon.settings["submitters"] = [
        {"user": WEB, "senders": ["*@web.example.com"], "priority": "normal"}]
    daemon.start()
    status, answer, _ = as_user(WEB, lambda: (
        *post_raw(daemon)[:2], None))
    assert status == 403 and answer["error"]["code"] == "not_allowed"
    assert answer["error"]["reply"] == {"code": 550, "enhanced": "5.7.1"}
    # Neither in the header alone.
    status, answer, _ = as_user(WEB, lambda: (*post(daemon, {
        "sender": "me@web.example.com", "from": "boss@example.com",
        "to": "user@example.net", "text": "x"})[:2], None))
    assert status == 403, answer
    status, answer, _ = as_user(WEB, lambda: (*post(daemon, {
        "from": "me@web.example.com", "to": "user@example.net", "text": "x",
        "priority": "urgent"})[:2], None))
    assert status == 201 and "lower" in answer["note"]
    assert daemon.show(answer["id"])["priority"] == "normal"
    status, answer, _ = as_user(WEB, lambda: (*post(daemon, {
        "from": "me@web.example.com", "to": "user@example.net", "text": "x",
        "relay": "capture"})[:2], None))
    assert status == 403, answer


def test_the_rate_of_a_submitter_is_one_for_both_sockets(daemon):
    daemon.settings["submitters"] = [
        {"user": WEB, "rate": "3/d", "burst": 3}]
    daemon.start()
    answers = as_user(WEB, lambda: [
        [status, head["Retry-After"]] for status, _, head in
        (post_raw(daemon) for _ in range(4))])
    assert [status for status, _ in answers] == [201, 201, 201, 429]
    assert int(answers[3][1]) > 0


def test_the_queue_share_of_a_submitter_is_one_for_both_sockets(daemon):
    daemon.settings["relays"] = {"away": {"url": "lmtp:///nowhere.sock"}}
    daemon.settings["queue"]["maximum"] = "1GiB"  # the share: 10 MiB
    daemon.settings["submitters"] = [
        {"user": WEB, "share": "1%"}, {"user": 65534, "queued": 2}]
    daemon.start()
    large = HELLO + (b"x" * 76 + b"\r\n") * (6 * 1024 * 1024 // 78)

    def submit(uid, content):
        return as_user(uid, lambda: post_raw(daemon, content)[:2])

    assert submit(WEB, large)[0] == 201
    status, answer = submit(WEB, large)
    assert status == 503, answer
    assert "may have 10 MiB, 1 % of the queue" in answer["error"]["message"]
    assert submit(WEB, HELLO)[0] == 201
    # Messages that wait, whichever way they came.
    assert submit(65534, HELLO)[0] == 201
    assert daemon.sendmail("user@example.net", input=HELLO,
                           user=65534).returncode == 0
    status, answer = submit(65534, HELLO)
    assert status == 503, answer
    assert "uid 65534 may have 2" in answer["error"]["message"]
    messages = [{**ADDRESSES, "text": "x"}] * 2
    answer = as_user(65534, lambda: post(daemon, messages)[1])
    assert [each["status"] for each in answer] == [503, 503]


def test_a_recipient_that_means_nothing_is_named(daemon):
    daemon.settings["relays"] = {"office": {
        "host": "127.0.0.1", "port": 9, "security": "none"}}
    daemon.start()
    status, answer, _ = post(daemon, {
        "from": "app@example.com", "to": ["a@example.net", "nobody@localhost"],
        "text": "x"})
    assert status == 422 and answer["error"]["code"] == "bad_address"
    assert answer["error"]["recipient"] == "nobody@localhost"
    assert "alias" in answer["error"]["message"]
    # All or nobody.
    assert daemon.api("/v1/messages")[1]["messages"] == []


def test_unstable_users_may_send_though_they_see_nothing(relaisd):
    status, answer, _ = as_user(65534, lambda: (*post_raw(relaisd)[:2], None))
    assert status == 201 and answer["id"]


def test_too_many_recipients_are_refused(daemon):
    daemon.settings["receive"]["recipients"] = 100
    daemon.settings["submitters"] = [{"user": WEB, "recipients": 10}]
    daemon.start()
    body = {**ADDRESSES, "text": "x",
            "bcc": [f"u{i}@example.net" for i in range(100)]}
    status, answer, _ = post(daemon, body)
    assert status == 422 and "100 recipients" in answer["error"]["message"]
    body["bcc"] = body["bcc"][:10]
    status, answer, _ = as_user(WEB, lambda: (*post(daemon, body)[:2], None))
    assert status == 422 and answer["error"]["code"] == "too_many_recipients"
    assert answer["error"]["recipient"] == "u9@example.net"
    assert post(daemon, body)[0] == 201


def test_the_size_of_a_message_is_limited_before_it_is_read(daemon):
    daemon.settings["receive"]["message_size"] = "1MiB"
    daemon.start()
    query = "?from=app@example.com&to=user@example.net"
    status, answer, _ = post(daemon, HELLO + b"x\r\n" * 300000, query, RAW)
    assert status == 201
    status, answer, _ = post(daemon, HELLO + b"x\r\n" * 400000, query, RAW)
    assert status == 413 and answer["error"]["code"] == "too_large"
    # Described by the head alone: nothing of it is waited for.
    connection = UnixHTTPConnection(daemon.control)
    connection.putrequest("POST", "/v1/messages" + query)
    connection.putheader("Content-Type", "message/rfc822")
    connection.putheader("Content-Length", str(1 << 40))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["error"]["next"]
    connection.close()
    # What only turns out to be too large when it is written.
    status, answer, _ = post(daemon, {**ADDRESSES, "text": "ä" * 450000})
    assert status == 413, answer
    assert answer["error"]["reply"]["code"] == 552


def test_bodies_in_chunks_are_taken(relaisd):
    connection = UnixHTTPConnection(relaisd.control)
    connection.request(
        "POST", "/v1/messages?from=app@example.com&to=user@example.net",
        iter([b"Subject: a\r\n", b"\r\n" + b"line\r\n" * 50000]),
        {**RAW, "Transfer-Encoding": "chunked"}, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == 201, answer.read()
    connection.close()


LARGE = HELLO + (b"x" * 78 + b"\r\n") * (1 << 14)  # 1.25 MiB


def begin_large(daemon, length=1 << 20, query=""):
    """A body that is announced, and of which little has come."""
    connection = UnixHTTPConnection(daemon.control)
    connection.putrequest("POST", "/v1/messages?from=app@example.com"
                                  "&to=user@example.net" + query)
    connection.putheader("Content-Type", "message/rfc822")
    connection.putheader("Content-Length", str(length))
    connection.endheaders(HELLO)
    return connection


def test_nobody_keeps_the_large_mail_of_others_out(daemon):
    daemon.settings["receive"]["memory"] = "8MiB"
    daemon.start()
    held = [begin_large(daemon) for _ in range(8)]
    # The eighth has its place when the ninth does not get one.
    ninth = begin_large(daemon)
    assert ninth.getresponse().status == 503
    ninth.close()
    # What another one sends goes before what is half there.
    assert as_user(WEB, lambda: post_raw(daemon, LARGE)[0]) == 201
    # As much as was needed, and with a word.
    held[-1].send(b"x\r\n")
    answers = [connection.sock for connection in held]
    told = select.select(answers, [], [], PATIENCE)[0]
    assert len(told) == 2
    for connection in held:
        if connection.sock in told:
            answer = connection.getresponse()
            assert answer.status == 503 and answer.headers["Retry-After"]
        connection.close()


def test_who_waits_for_the_outcome_holds_no_memory(daemon):
    daemon.settings["receive"]["memory"] = "4MiB"
    daemon.settings["relays"]["capture"]["enabled"] = False
    daemon.start()
    content = LARGE + LARGE[len(HELLO):]
    waiting = begin_large(daemon, len(content), "&wait=300")
    waiting.send(content[len(HELLO):])
    wait_until(lambda: post_raw(daemon, content)[0] == 201,
               "the memory to be free")
    waiting.close()


def test_refuses_heads_of_very_many_fields(relaisd):
    status, answer, _ = post_raw(
        relaisd, headers={f"X-{i}": "y" for i in range(200)})
    assert (status, answer["error"]["code"]) == (431, "too_many_fields")
    assert post_raw(relaisd, headers={f"X-{i}": "y" for i in range(80)}
                    )[0] == 201


def test_large_bodies_share_the_memory_of_receive(daemon):
    daemon.settings["receive"]["memory"] = "8MiB"
    daemon.start()
    query = "?from=app@example.com&to=user@example.net"

    def begin():
        connection = UnixHTTPConnection(daemon.control)
        connection.putrequest("POST", "/v1/messages" + query)
        connection.putheader("Content-Type", "message/rfc822")
        connection.putheader("Content-Length", str(5 << 20))
        connection.endheaders(HELLO)
        return connection

    first = begin()
    second = begin()
    answer = second.getresponse()
    assert answer.status == 503 and answer.headers["Retry-After"]
    second.close()
    # Small ones are always welcome.
    assert post_raw(daemon)[0] == 201
    first.send(b"x" * 78 + b"\r\n")
    first.send((b"x" * 78 + b"\r\n") * (((5 << 20) - len(HELLO) - 80) // 80))
    first.send(b"y" * (((5 << 20) - len(HELLO) - 80) % 80))
    assert first.getresponse().status == 201
    first.close()
    # Its place is free again, also for a client that goes away.
    third = begin()
    third.close()
    fourth = wait_until(
        lambda: post(daemon, HELLO + b"x\r\n" * (5 << 18), query, RAW)[0]
        == 201, "the memory to be free")
    assert fourth
    assert is_sanitized or daemon.memory_bytes() < 40 << 20


def test_a_second_content_type_does_not_make_a_body_cheaper(daemon):
    daemon.settings["receive"]["memory"] = "8MiB"
    daemon.start()
    connection = UnixHTTPConnection(daemon.control)
    connection.putrequest("POST", "/v1/messages")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Type", "message/rfc822")
    connection.putheader("Content-Length", str(5 << 20))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_an_array_is_about_as_large_as_what_was_posted(relaisd):
    status, answer, _ = post(relaisd, [ADDRESSES] * 1000,
                             "?text=" + "x" * 12000)
    assert status == 200
    bad = [each for each in answer if each["status"] == 422]
    assert 800 < len(bad) < 1000
    assert "far larger" in bad[0]["error"]["message"]


@pytest.mark.parametrize("piece", [b"{}", b"[]", b'{"a":1}', b"1", b'""'])
def test_many_small_pieces_of_json_take_no_memory(relaisd, piece):
    count = (15 << 20) // (len(piece) + 1)
    status, answer, _ = post(relaisd, b"[" + b",".join([piece] * count) + b"]")
    assert status == 422
    assert "too many pieces" in answer["error"]["message"]
    # A bracket in a text is none.
    text = "{[,:" * (1 << 20) + '"\\'
    assert post(relaisd, {**ADDRESSES, "text": text})[0] == 201
    assert is_sanitized or relaisd.memory_bytes() < 100 << 20


def test_a_full_queue_says_so(daemon):
    daemon.settings["queue"]["maximum"] = "64MiB"
    daemon.settings["receive"]["message_size"] = "16MiB"
    daemon.settings["relays"] = {"office": {
        "host": "127.0.0.1", "port": 9, "security": "none"}}
    daemon.start()

    def fill():
        status, answer, head = post_raw(daemon, HELLO + b"x\r\n" * 2000000)
        return (status, answer, head) if status != 201 else None

    status, answer, head = wait_until(fill, "the queue to be full")
    assert status == 503 and answer["error"]["code"] == "store_full"
    assert int(head["Retry-After"]) > 0
    assert answer["error"]["reply"]["code"] == 452


# --------------------------------------------------------------------- keys

def test_a_key_stands_for_one_message(relaisd):
    first = post_raw(relaisd, headers={"Idempotency-Key": "k"})
    again = post_raw(relaisd, headers={"Idempotency-Key": "k"})
    assert first[0] == 201 and again[0] == 200
    assert again[1]["duplicate"] is True
    assert again[1]["id"] == first[1]["id"]
    # The same words everywhere.
    with relaisd.smtp() as client:
        client.ehlo()
        client.mail("app@example.com", ["XKEY=k"])
        client.rcpt("user@example.net")
        assert first[1]["id"].encode() in client.data(HELLO)[1]
    status, answer, head = post_raw(relaisd, query="&to=x@example.net&key=k")
    assert status == 409 and answer["error"]["code"] == "key_conflict"
    assert answer["id"] == first[1]["id"]
    assert head["Location"].endswith(first[1]["id"])
    wait_until(lambda: relaisd.captured(), "the message")
    assert len(relaisd.captured()) == 1


@pytest.mark.one_try
def test_64_posts_of_one_key_make_one_message(relaisd):
    start = threading.Barrier(64)
    answers = []

    def submit():
        start.wait()
        answers.append(post(relaisd, {**ADDRESSES, "text": "x"},
                            headers={"Idempotency-Key": "one"}))

    threads = [threading.Thread(target=submit) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(status for status, _, _ in answers) == [200] * 63 + [201]
    ids = {answer["id"] for _, answer, _ in answers}
    assert len(ids) == 1
    relaisd.wait_for_state(ids.pop(), "delivered")
    assert len(relaisd.captured()) == 1


@pytest.mark.one_try
def test_what_was_answered_with_201_survives_a_kill(daemon):
    daemon.settings["relays"] = {"office": {
        "host": "127.0.0.1", "port": 9, "security": "none"}}
    daemon.start()
    ids = []
    lost = []

    def submit():
        for _ in range(200):
            try:
                status, answer, _ = post_raw(daemon)
            except OSError:
                return
            except Exception as error:  # noqa: B902 (half an answer)
                lost.append(error)
                return
            assert status == 201
            ids.append(answer["id"])

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(ids) > 40, "some messages")
    daemon.kill()
    for thread in threads:
        thread.join(PATIENCE)
    daemon.start()
    assert len(set(ids)) == len(ids)
    for queue_id in ids:
        assert daemon.show(queue_id)["id"] == queue_id


# ------------------------------------------------------------------- arrays

def test_an_array_is_answered_message_by_message(relaisd):
    good = {**ADDRESSES, "text": "x"}
    status, answer, _ = post(relaisd, [
        {**good, "tag": "1"}, {"from": "app@example.com", "text": "x"},
        {**good, "tag": "3"}, {**good, "priority": "x"}, {**good, "tag": "5"}])
    assert status == 200
    assert [one["status"] for one in answer] == [201, 422, 201, 422, 201]
    assert [relaisd.show(one["id"])["tag"] for one in answer
            if one["id"]] == ["1", "3", "5"]
    assert "recipient" in answer[1]["error"]["message"]


def test_a_key_for_an_array_makes_one_for_each(relaisd):
    body = [{**ADDRESSES, "text": str(i)} for i in range(5)]
    head = {"Idempotency-Key": "batch"}
    first = post(relaisd, body, headers=head)[1]
    again = post(relaisd, body, headers=head)[1]
    assert [one["id"] for one in first] == [one["id"] for one in again]
    assert all(one["duplicate"] for one in again)
    assert relaisd.show(first[3]["id"])["key"] == "batch/3"


def test_the_messages_of_an_array_share_commits(daemon):
    daemon.settings["relays"] = {"office": {
        "host": "127.0.0.1", "port": 9, "security": "none"}}
    daemon.start()
    before = daemon.api("/v1/status")[1]["store"]["commits"]
    status, answer, _ = post(daemon, [
        {**ADDRESSES, "text": "x" * 200} for _ in range(200)])
    assert status == 200
    assert {one["status"] for one in answer} == {201}
    assert len({one["id"] for one in answer}) == 200
    after = daemon.api("/v1/status")[1]["store"]["commits"]
    assert after - before < 100


def test_an_array_has_its_bounds(relaisd):
    status, answer, _ = post(relaisd, [
        {**ADDRESSES, "text": "x"} for _ in range(1001)])
    assert status == 422 and "1000" in answer["error"]["message"]
    assert relaisd.api("/v1/messages")[1]["messages"] == []


# --------------------------------------------------------------------- wait

def test_waits_until_it_is_delivered(relaisd):
    status, answer, _ = post_raw(relaisd, query="&wait=30s")
    assert status == 201 and answer["outcome"] == "delivered"


def test_waits_no_longer_than_asked(daemon):
    daemon.settings["relays"] = {"office": {
        "host": "127.0.0.1", "port": 9, "security": "none"}}
    daemon.start()
    status, answer, _ = post(daemon, {**ADDRESSES, "text": "x", "wait": 1})
    assert status == 202 and answer["outcome"] == "pending"
    assert daemon.show(answer["id"])["state"] in ("queued", "delivering")


def test_hears_of_a_refusal_by_the_relay(daemon):
    with Relay() as relay:
        relay.answer("RCPT", "550 5.1.1 no such user")
        daemon.use_relay(relay)
        daemon.start()
        status, answer, _ = post_raw(daemon, query="&wait=30")
        assert status == 422, answer
        assert answer["error"]["code"] == "not_delivered"
        assert answer["error"]["reply"] == {"code": 550, "enhanced": "5.1.1"}
        assert daemon.show(answer["id"])["state"] == "failed"


def test_many_wait_at_once_for_no_threads(daemon):
    daemon.settings["relays"] = {"office": {
        "host": "127.0.0.1", "port": 9, "security": "none"}}
    daemon.start()
    threads = len(list(pathlib.Path(
        f"/proc/{daemon.process.pid}/task").iterdir()))
    answers = []

    def submit():
        answers.append(post(daemon, [
            {**ADDRESSES, "text": "x", "wait": 60} for _ in range(1000)]))

    asking = threading.Thread(target=submit)
    asking.start()
    wait_until(lambda: daemon.api("/v1/status")[1]["waiting_parts"] == 1000,
               "all to wait")
    assert len(list(pathlib.Path(
        f"/proc/{daemon.process.pid}/task").iterdir())) == threads
    assert not answers
    assert is_sanitized or daemon.memory_bytes() < 40 << 20
    assert daemon.api("/v1/messages:cancel", "POST",
                      {"filter": {}})[0] == 200
    asking.join(PATIENCE)
    assert {one["status"] for one in answers[0][1]} == {422}


def test_a_stop_answers_those_who_wait(daemon):
    daemon.settings["relays"] = {"office": {
        "host": "127.0.0.1", "port": 9, "security": "none"}}
    daemon.start()
    answers = []
    asking = threading.Thread(target=lambda: answers.append(
        post_raw(daemon, query="&wait=300")))
    asking.start()
    wait_until(lambda: daemon.api("/v1/status")[1]["waiting_parts"] == 1,
               "it to wait")
    assert daemon.stop() == 0
    asking.join(PATIENCE)
    assert answers[0][0] == 202


def test_a_dry_run_queues_nothing(relaisd):
    status, answer, _ = post_raw(relaisd, query="&dry_run=true")
    assert status == 200 and answer["id"] is None
    assert relaisd.api("/v1/messages")[1]["messages"] == []
    status, answer, _ = post(relaisd, HELLO,
                             "?from=a@example.com&to=&dry_run=true", RAW)
    assert status == 422


def test_a_client_that_goes_away_has_sent_its_mail(relaisd):
    connection = UnixHTTPConnection(relaisd.control)
    connection.request("POST", "/v1/messages?from=a@example.com"
                       "&to=b@example.net&wait=60", HELLO, RAW)
    connection.close()
    wait_until(relaisd.captured, "the message")
    assert relaisd.api("/v1/status")[0] == 200


def test_without_gmime_messages_are_taken_but_not_written(daemon, directory):
    broken = pathlib.Path(directory) / "libgmime-3.0.so.0"
    broken.write_bytes(b"")
    daemon.start(env={"LD_LIBRARY_PATH": directory})
    status, answer, _ = post(daemon, {**ADDRESSES, "text": "x"})
    assert status == 503 and answer["error"]["code"] == "no_mime"
    assert "libgmime-3.0-0" in answer["error"]["next"]
    assert post_raw(daemon)[0] == 201
