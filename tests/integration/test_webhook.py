"""relais-webhook posts each event: signed, in order, and none is left out,
whatever fails, stalls or is killed."""

import base64
import json
import os
import subprocess
import threading
import time

import pytest

from conftest import BUILD, PATIENCE, SOURCE, wait_until
from servers import certificates
from webhook_server import SECRET, Endpoint, signature


class Webhook:
    def __init__(self, daemon, directory):
        self.daemon = daemon
        self.directory = directory
        self.secret_file = directory / "secret"
        self.secret_file.write_text(SECRET + "\n")
        self.position_file = directory / "position"
        self.log = directory / "webhook.log"
        self.process = None
        self.options = {
            "secret-file": self.secret_file,
            "position-file": self.position_file,
            "retry-first": "20ms",
            "retry-maximum": "100ms",
            "timeout": "5s",
        }

    def words(self):
        words = [str(BUILD / "relais-webhook")]
        for key, value in self.options.items():
            words += [f"--{key}", str(value)]
        return words

    def start(self, endpoint=None, user=None, **options):
        if endpoint is not None:
            self.options["url"] = endpoint.url
        self.options.update(
            {key.replace("_", "-"): value for key, value in options.items()})
        words = self.words()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                words, stderr=log, stdout=log,
                env=self.daemon.environment(), user=user)
        wait_until(lambda: self.position_file.exists() or
                   self.process.poll() is not None,
                   lambda: f"the position: {self.text()}")
        assert self.process.poll() is None, self.text()
        return self

    def text(self):
        return self.log.read_text() if self.log.exists() else ""

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)

    def fails(self, **options):
        """The exit code and what it says; it must not begin."""
        for key, value in options.items():
            self.options[key.replace("_", "-")] = value
        done = subprocess.run(self.words(), capture_output=True, text=True,
                              timeout=PATIENCE,
                              env=self.daemon.environment())
        return done.returncode, done.stderr


@pytest.fixture
def webhook(daemon, directory):
    webhook = Webhook(daemon, directory)
    yield webhook
    if webhook.process and webhook.process.poll() is None:
        webhook.stop()


@pytest.fixture
def endpoint():
    with Endpoint() as endpoint:
        yield endpoint


def wait_for_ends(endpoint, ids):
    def have_ended():
        stories = endpoint.stories()
        return all(stories.get(i, [])[-1:] == ["delivered"] for i in ids)

    wait_until(have_ended, "every event", 120)


def check_story(endpoint, ids):
    """All of them, complete, in the order of each message's story."""
    wait_for_ends(endpoint, ids)
    stories = endpoint.stories()
    for queue_id in ids:
        assert stories[queue_id] == ["accepted", "delivered"]
    # In order as a whole, too: what comes again was not answered before.
    numbers = list(dict.fromkeys(e["sequence"] for e in endpoint.events()))
    assert numbers == sorted(numbers)


def test_posts_each_event_signed(relaisd, webhook, endpoint):
    webhook.start(endpoint)
    queue_id = relaisd.send()
    check_story(endpoint, [queue_id])
    for request in endpoint.requests:
        assert request.path == "/hook"
        assert request.headers["Content-Type"] == "application/json"
        assert request.headers["webhook-signature"] == signature(
            SECRET, request)
        assert abs(time.time() - int(
            request.headers["webhook-timestamp"])) < 60
        assert request.headers["webhook-id"].endswith(
            f"-{request.json['sequence']}")
    event = endpoint.events()[0]
    assert event["event"] == "accepted" and event["sender"]
    assert endpoint.events()[1]["recipients"] == ["user@example.net"]


def test_keys_of_both_kinds_and_two_for_a_change(relaisd, webhook, endpoint):
    other = "whsec_" + "MDEyMzQ1Njc4OWFiY2RlZg=="
    webhook.secret_file.write_text(f"{other}\n{SECRET}\n")
    webhook.start(endpoint)
    check_story(endpoint, [relaisd.send()])
    request = endpoint.requests[0]
    assert request.headers["webhook-signature"].split() == [
        signature(other, request), signature(SECRET, request)]


@pytest.mark.parametrize("trouble", [500, 404, 301, "cut", "stall"])
def test_an_endpoint_that_fails_is_tried_again(
        relaisd, webhook, endpoint, trouble):
    endpoint.behave = lambda request: trouble if request.number < 4 else 200
    webhook.start(endpoint, timeout="300ms")
    ids = [relaisd.send() for _ in range(3)]
    check_story(endpoint, ids)
    first = endpoint.requests[:5]
    assert {r.headers["webhook-id"] for r in first} == {
        first[0].headers["webhook-id"]}
    assert len({r.body for r in first}) == 1
    wait_until(lambda: "works again" in webhook.text(), "the line about it")
    assert webhook.text().count("trying again") == 1


def test_it_waits_as_long_as_the_endpoint_wishes(relaisd, webhook, endpoint):
    times = []

    def behave(request):
        times.append(time.monotonic())
        return (429, {"Retry-After": "1"}) if request.number == 0 else 200

    endpoint.behave = behave
    webhook.start(endpoint)
    check_story(endpoint, [relaisd.send()])
    assert times[1] - times[0] >= 0.99


def test_a_dead_endpoint_costs_mail_nothing_and_no_memory(
        relaisd, webhook, endpoint):
    endpoint.behave = lambda request: 503
    webhook.start(endpoint)
    ids = [relaisd.send() for _ in range(10)]

    def memory():
        for line in open(f"/proc/{webhook.process.pid}/status"):
            if line.startswith("RssAnon:"):
                return int(line.split()[1])

    wait_until(lambda: len(endpoint.requests) > 2, "some tries")
    before = memory()
    with relaisd.smtp() as client:
        client.ehlo_or_helo_if_needed()
        for _ in range(600):
            client.mail("a@example.com")
            client.rcpt("b@example.com")
            ids.append(client.data(b"x")[1].decode().split()[-1])
    wait_until(lambda: relaisd.api("/v1/status")[1]["messages"]["delivered"]
               == 610, "all mail to be delivered")
    tries = len(endpoint.requests)
    wait_until(lambda: len(endpoint.requests) > tries + 2, "some more")
    assert memory() - before < 1024
    endpoint.behave = lambda request: 200
    wait_until(lambda: len(endpoint.events()) == 1220, "all events", 120)
    check_story(endpoint, ids)


@pytest.mark.one_try
def test_nothing_is_left_out_when_it_is_killed_again_and_again(
        relaisd, webhook, endpoint):
    # It has to be killed while it is waiting for the answer, and before.
    endpoint.behave = lambda request: (
        time.sleep(0.002), 500 if request.number % 7 == 3 else 200)[1]
    webhook.start(endpoint)
    ids = []

    def submit():
        for _ in range(300):
            ids.append(relaisd.send())

    sender = threading.Thread(target=submit)
    sender.start()
    kills = 0
    while sender.is_alive() or kills < 20:
        seen = len(endpoint.requests)
        wait_until(lambda: len(endpoint.requests) > seen + 3 or
                   not sender.is_alive(), "some requests")
        webhook.kill()
        webhook.start()
        kills += 1
    sender.join()
    check_story(endpoint, ids)
    assert kills >= 20
    # What came twice has the same id, by which it is known.
    known = {}
    for request in endpoint.requests:
        name = request.headers["webhook-id"]
        number = request.json["sequence"]
        assert known.setdefault(name, number) == number


@pytest.mark.one_try
def test_relaisd_may_be_killed_as_well(relaisd, webhook, endpoint):
    webhook.start(endpoint)
    ids = []
    for _ in range(3):
        ids += [relaisd.send() for _ in range(5)]
        relaisd.kill()
        relaisd.start()
    wait_for_ends(endpoint, ids)


def test_an_orderly_stop_posts_nothing_twice(relaisd, webhook, endpoint):
    webhook.start(endpoint)
    ids = []
    for _ in range(10):
        ids += [relaisd.send() for _ in range(3)]
        webhook.stop()
        webhook.start()
    check_story(endpoint, ids)
    numbers = [event["sequence"] for event in endpoint.events()]
    assert len(numbers) == len(set(numbers)) == 60


def test_it_goes_on_where_it_was(relaisd, webhook, endpoint):
    webhook.start(endpoint)
    first = relaisd.send()
    check_story(endpoint, [first])
    webhook.stop()
    second = relaisd.send()
    relaisd.wait_for_state(second, "delivered")
    webhook.start()
    check_story(endpoint, [first, second])
    position = int(webhook.position_file.read_text())
    wait_until(lambda: int(webhook.position_file.read_text())
               == endpoint.events()[-1]["sequence"], f"more than {position}")


@pytest.mark.parametrize("since, expected", [("now", 0), ("oldest", 2)])
def test_the_first_time_it_begins_where_it_is_told(
        relaisd, webhook, endpoint, since, expected):
    queue_id = relaisd.send()
    relaisd.wait_for_state(queue_id, "delivered")
    webhook.options["from"] = since
    webhook.start(endpoint)
    later = relaisd.send()
    check_story(endpoint, [later])
    assert len(endpoint.stories().get(queue_id, [])) == expected


def test_a_ring_that_is_another_one_is_told(relaisd, webhook, endpoint):
    webhook.position_file.write_text("123456\n")
    webhook.start(endpoint)
    wait_until(lambda: endpoint.requests, "the first request")
    assert endpoint.requests[0].json == {
        "event": "events_lost", "after": 123456, "oldest": 1}
    assert "events after 123456 are gone" in webhook.text()
    taken = endpoint.taken[0]
    endpoint.taken.remove(taken)
    check_story(endpoint, [relaisd.send()])


def test_batches_hold_what_has_gathered(relaisd, webhook, endpoint):
    gate = threading.Event()
    endpoint.behave = lambda request: (gate.wait(PATIENCE), 200)[1]
    webhook.start(endpoint, batch=50, linger="20ms")
    ids = [relaisd.send() for _ in range(60)]
    for queue_id in ids:
        relaisd.wait_for_state(queue_id, "delivered")
    gate.set()
    check_story(endpoint, ids)
    sizes = [len(request.json) for request in endpoint.taken]
    assert max(sizes) == 50 and len(sizes) < 20
    for request in endpoint.taken:
        assert request.headers["webhook-signature"] == signature(
            SECRET, request)


def test_only_what_is_wanted_is_posted(daemon, webhook, endpoint):
    daemon.settings["submitters"] = [
        {"user": os.getuid(), "header_parameters": True}]
    daemon.start()
    webhook.start(endpoint, events="delivered, failed", tag="shop-*")
    for tag in ("shop-1", "news", "shop-2"):
        daemon.send(mail=[f"XTAG={tag}"])
    daemon.send()
    wait_until(lambda: len(endpoint.events()) == 2, "two events")
    assert [(e["event"], e["tag"]) for e in endpoint.events()] == [
        ("delivered", "shop-1"), ("delivered", "shop-2")]


def test_https_is_verified(relaisd, webhook, directory, tmp_path):
    folder = tmp_path / "certificates"
    folder.mkdir()
    certificates(folder)
    with Endpoint(tls=(folder / "good.pem", folder / "good.key")) as endpoint:
        webhook.start(endpoint, ca_file=folder / "ca.pem")
        queue_id = relaisd.send()
        check_story(endpoint, [queue_id])
        webhook.stop()
        del webhook.options["ca-file"]
        webhook.start()
        relaisd.send()
        wait_until(lambda: "certificate" in webhook.text(), "the refusal")
        assert len(endpoint.events()) == 2


def test_a_user_sees_his_own_mail_and_is_told_so(
        relaisd, webhook, endpoint, directory):
    directory.chmod(0o777)
    webhook.secret_file.chmod(0o644)
    if webhook.log.exists():
        webhook.log.unlink()
    webhook.start(endpoint, user=4711)
    wait_until(lambda: "relaisd tells uid 4711 of its own mail alone"
               in webhook.text(), "the warning")
    relaisd.send()
    relaisd.run("relais-sendmail", "-f", "a@example.com", "b@example.com",
                input=b"Subject: mine\n\n", user=4711)
    wait_until(lambda: len(endpoint.events()) == 2, "two events")
    assert {e["uid"] for e in endpoint.events()} == {4711}


def test_two_of_them_do_not_share_a_position(relaisd, webhook, endpoint):
    webhook.start(endpoint)
    code, said = webhook.fails()
    assert code == 75
    assert "another relais-webhook" in said and "position_file" in said


def test_a_password_in_the_url_is_not_shown(relaisd, webhook, endpoint):
    endpoint.behave = lambda request: 500
    webhook.start(url=endpoint.url.replace("//", "//user:geheim@"))
    relaisd.send()
    wait_until(lambda: "it answers 500" in webhook.text(), "the failure")
    assert "geheim" not in webhook.text()


def test_mistakes_are_named(relaisd, webhook, directory):
    conf = directory / "webhook.conf"
    conf.write_text("# ours\nurl: https://example.com/hook\n\nurll: x\n")
    code, said = webhook.fails(config=conf)
    assert code == 78
    assert f"{conf}:4: urll: there is no such setting" in said
    conf.write_text("batch: 0\n")
    assert "url: expected" in webhook.fails()[1]
    conf.write_text('url: "https://example.com/hook"\nbatch: 0\n')
    assert "batch: expected 1 to 1000, not 0" in webhook.fails()[1]
    conf.write_text("url: https://example.com/hook\n")
    webhook.secret_file.write_text("short\n")
    assert "expected at least 16 octets" in webhook.fails()[1]
    webhook.secret_file.write_text("")
    assert "the file has none" in webhook.fails()[1]
    del webhook.options["secret-file"]
    assert "secret_file: is needed" in webhook.fails()[1]
    assert "--secret: " not in webhook.fails(secret="x")[1]
    assert "secret: there is no such setting" in webhook.fails()[1]


def page_code(begin):
    """The code of docs/webhooks that begins so, as it stands there."""
    page = (SOURCE / "docs" / "webhooks").read_text()
    lines = page[page.index(f"    {begin}"):].splitlines()
    end = next(n for n, line in enumerate(lines)
               if line and not line.startswith("    "))
    return "".join(line[4:] + "\n" for line in lines[:end])


@pytest.fixture
def cases(relaisd, webhook, endpoint):
    """A request that came, with what is to be thought of it if it is as it
    came, by another secret, with another body, or from long ago."""
    webhook.start(endpoint)
    check_story(endpoint, [relaisd.send()])
    request = endpoint.requests[0]
    headers = {name: request.headers[f"webhook-{name}"]
               for name in ("id", "timestamp", "signature")}
    whsec = "whsec_" + base64.b64encode(SECRET.encode()).decode()
    old = {**headers, "timestamp": "1700000000"}
    two = {**headers, "signature": "v1,AAAA " + headers["signature"]}
    return [(SECRET, headers, request.body, True),
            (whsec, headers, request.body, True),
            (SECRET, two, request.body, True),
            ("another secret!!", headers, request.body, False),
            (SECRET, headers, request.body + b" ", False),
            (SECRET, old, request.body, False)]


def test_the_verification_in_python(cases):
    scope = {}
    exec(page_code("import base64"), scope)
    for secret, headers, body, expected in cases:
        named = {f"webhook-{name}": value for name, value in headers.items()}
        assert scope["verify"](secret, named, body) is expected


def test_the_verification_in_php(cases, installed, script):
    calls = "".join(
        "echo verify(%s, %s, base64_decode('%s')) ? 'y' : 'n';\n" % (
            json.dumps(secret),
            "[" + ", ".join(f"'HTTP_WEBHOOK_{name.upper()}' => '{value}'"
                            for name, value in headers.items()) + "]",
            base64.b64encode(body).decode())
        for secret, headers, body, _ in cases)
    code = script("verify.php", "<?php\n", page_code("function verify"), calls)
    done = installed(["php8.2", "-n", code], "php")
    assert done.stdout.decode() == "".join(
        "y" if expected else "n" for *_, expected in cases)


GO = """package main

import ("crypto/hmac"; "crypto/sha256"; "encoding/base64"; "fmt"; "math"
        "net/http"; "strconv"; "strings"; "time")

%s
func main() {
%s}
"""


def test_the_verification_in_go(cases, installed, script):
    calls = ""
    for secret, headers, body, _ in cases:
        calls += "\t{h := http.Header{}\n"
        for name, value in headers.items():
            calls += f'\th.Set("webhook-{name}", "{value}")\n'
        calls += (f"\tfmt.Print(verify({json.dumps(secret)}, h, "
                  f"[]byte({json.dumps(body.decode())})), \" \")}}\n")
    code = script("verify.go", GO % (page_code("func verify"), calls))
    done = installed(["go", "run", code], "go")
    assert done.stdout.decode().split() == [
        "true" if expected else "false" for *_, expected in cases]


def test_the_page_names_every_setting():
    page = (SOURCE / "docs" / "man" / "relais-webhook.8").read_text()
    told = subprocess.run([str(BUILD / "relais-webhook"), "--help"],
                          capture_output=True, text=True, timeout=PATIENCE)
    keys = [line.split()[0] for line in told.stdout.splitlines()
            if line.startswith("  ")]
    assert len(keys) == 13
    for key in keys:
        assert f".It Cm {key}" in page, key
