"""Every way in which a relay can fail, at every phase: tests/faults/cases.py.

Each case has a relay of its own, and many cases share a daemon: their mail is
submitted at once, so that what has to wait waits together. Then each is looked
at: what became of its recipients, what they were charged, when they are tried
again, what the relay's breaker does, the story, and that nobody was told of a
failure that is none. Last, the relay is mended, and all mail has to arrive.
"""

import contextlib
import datetime
import pathlib
import shutil
import socket
import sys
import tempfile
import threading

import pytest

from conftest import PATIENCE, SOURCE, Relaisd, wait_until
from relay import Relay
from servers import certificates

sys.path.insert(0, str(SOURCE / "tests" / "faults"))

from cases import CASES  # noqa: E402  (needs the path above)

GROUPS = 3


def group_of(case):
    """Daemons with short time limits have only what waits for these."""
    return "slow" if case.is_slow else str(CASES.index(case) % GROUPS)


def seconds(text):
    return datetime.datetime.fromisoformat(
        text.replace("Z", "+00:00")).timestamp()


class Scene:
    """One case: its relay and its messages."""

    def __init__(self, case, folder):
        self.case = case
        self.sender = f"app@{case.name}.test"
        self.to = [f"{name}@example.net" for name in case.to]
        self.ids = []
        self.seen = None  # (message, relay)
        self.is_settled = False
        self.listener = socket.socket(
            socket.AF_UNIX if case.is_lmtp else socket.AF_INET)
        self.path = folder / f"{CASES.index(case)}.lmtp"
        self.listener.bind(str(self.path) if case.is_lmtp
                           else ("127.0.0.1", 0))
        users = {"user": "secret"} if case.has_login else None
        good, bad = (
            tuple(str(folder / f"{name}.{kind}") for kind in ("pem", "key"))
            for name in ("good", case.says if case.phase == "certificate"
                         else "good"))
        self.relay = Relay(
            listener=self.listener, users=users,
            tls=None if case.security == "none" else bad,
            implicit_tls=case.security == "tls")
        self.good = good
        self.stack = contextlib.ExitStack()
        self.set_up()

    def set_up(self):
        case, relay = self.case, self.relay
        if case.size:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                     65536)
        if case.phase == "refused":
            return
        if case.phase == "black hole":
            # With a full backlog whoever comes is neither let in nor told.
            self.listener.listen(0)
            for _ in range(2):
                filler = self.stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(self.listener.getsockname())
            return
        self.listener.listen(64)
        if case.phase != "certificate":
            if isinstance(case.says, list):
                relay.answer(case.phase, *case.says)
            else:
                relay.always(case.phase, self.say)
        self.stack.enter_context(relay)

    def say(self, line):
        return None if "<good@" in line else self.case.says

    def settings(self):
        case = self.case
        if case.is_lmtp:
            return {"url": f"lmtp://{self.path}"}
        settings = {"host": "127.0.0.1", "port": self.relay.port,
                    "security": case.security, "authentication": False}
        if case.security != "none":
            settings["tls"] = {"ca_file": self.good[0].replace("good", "ca")}
        if case.has_login:
            settings.update(username="user", password="secret",
                            authentication=True)
        return {**settings, "limits": {"connections": 1}}

    def submit(self, daemon):
        body = b"Subject: fault\r\n\r\n" + (b"x" * 98 + b"\r\n") * (
            self.case.size // 100)
        for number in range(self.case.messages):
            if number:
                daemon.wait_for_state(self.ids[-1], "delivered")
            self.ids.append(daemon.send(body, sender=self.sender, to=self.to))

    def mend(self):
        self.relay.heal()
        self.relay.tls = self.relay.tls and self.good
        if self.case.phase in ("refused", "black hole"):
            self.stack.close()
            self.listener.listen(64)
            self.stack.enter_context(self.relay)


class Stage:
    """A daemon and the scenes that are played on it."""

    def __init__(self, cases, is_slow):
        self.folder = pathlib.Path(
            tempfile.mkdtemp(prefix="relais-", dir="/tmp"))
        self.daemon = Relaisd(self.folder)
        self.scenes = {}
        self.problem = None
        try:
            self.begin(cases, is_slow)
        except Exception as problem:
            self.problem = problem  # of each of its cases, not tried again

    def begin(self, cases, is_slow):
        certificates(self.folder)
        self.scenes = {case.name: Scene(case, self.folder) for case in cases}
        self.daemon.settings["relays"].update(
            {scene.case.name: scene.settings()
             for scene in self.scenes.values()})
        self.daemon.settings["routes"] = [
            {"from": f"*@{name}.test", "relay": name} for name in self.scenes]
        self.daemon.settings["default_relay"] = "capture"
        if is_slow:
            self.daemon.settings["delivery"] = {"timeouts": "1%"}
        self.daemon.start()
        threads = [threading.Thread(target=scene.submit, args=(self.daemon,))
                   for scene in self.scenes.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.watch()

    def watch(self):
        """Each case as it was when all that was waited for was so. Later the
        relays in trouble will be tried again."""
        def has_seen_all():
            relays = {relay["name"]: relay for relay in
                      self.daemon.api("/v1/relays")[1]["relays"]}
            for name, scene in self.scenes.items():
                if not scene.is_settled and scene.ids:
                    scene.seen = (self.daemon.show(scene.ids[-1]),
                                  relays[name])
                    scene.is_settled = (
                        len(scene.ids) == scene.case.messages and
                        essence(*scene.seen) == expected(scene.case))
            return all(scene.is_settled for scene in self.scenes.values())

        with contextlib.suppress(AssertionError):  # told by the case's test
            wait_until(has_seen_all)

    def close(self):
        status = self.daemon.stop() or 0
        text = self.daemon.log_text()
        for scene in self.scenes.values():
            scene.relay.close()
            scene.stack.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        assert status == 0, text
        assert "ERROR: AddressSanitizer" not in text, text
        assert "runtime error:" not in text, text
        assert "WARNING: ThreadSanitizer" not in text, text


@pytest.fixture(scope="session")
def stages(request):
    """The stage of a case's group, set up when its first case is played."""
    made = {}

    def stage(group):
        if group not in made:
            cases = [item.callspec.params["case"]
                     for item in request.session.items
                     if getattr(item, "originalname", "") == NAME]
            made[group] = Stage([c for c in cases if group_of(c) == group],
                                group == "slow")
        return made[group]

    yield stage
    for one in made.values():
        one.close()


def the_bad_one(message):
    return [r for r in message["recipients"] if r["address"][:3] == "bad"][0]


def essence(message, relay):
    """What has to be reached, and what is waited for."""
    recipient = the_bad_one(message)
    return {
        "state": message["state"],
        "recipient": recipient["state"],
        "attempts": recipient["attempts"],
        "marked": recipient["maybe_duplicate"],
        "relay": relay["state"],
        "kind": relay["fault"] and relay["fault"]["kind"],
        "events": tuple(
            entry["event"] for entry in message["timeline"][1:]
            if entry["event"] != "bounced" and any(
                address.startswith("bad") for address in
                entry.get("recipients", ["bad"]))),
    }


def expected(case):
    outcome = case.outcome
    return {"state": case.state, "recipient": outcome.recipient,
            "attempts": outcome.attempts, "marked": outcome.marked,
            "relay": outcome.relay, "kind": outcome.kind,
            "events": outcome.events}


def unlike(wanted, message, relay):
    found = essence(message, relay)
    unlike = {key: (value, found[key]) for key, value in wanted.items()
              if found[key] != value}
    return f"(wanted, found) {unlike}: {message['timeline']} {relay['reason']}"


def last_event(message, outcome):
    """Of the bad one; a good one's may be beside it."""
    return [entry for entry in message["timeline"]
            if entry["event"] == outcome.events[-1]][-1]


def is_within(moment, since, span, slack=1.5):
    least, most = span
    return since + least - slack <= moment <= since + most + slack


def check_times(message, relay, outcome):
    """From the last event, or for the relay from the moment it opened."""
    if outcome.relay_s:
        since = seconds(relay["since"])
        assert is_within(seconds(relay["until"]), since, outcome.relay_s), (
            seconds(relay["until"]) - since)
    if outcome.next_s:
        since = seconds(last_event(message, outcome)["time"]
                        if outcome.events else relay["since"])
        due = seconds(the_bad_one(message)["next_attempt"])
        assert is_within(due, since, outcome.next_s), due - since


def bounces_to(daemon, scene):
    status, page = daemon.api(f"/v1/messages?recipient={scene.sender}")
    assert status == 200
    return page["messages"]


def check_story(message, case):
    """The last event tells whom it hurts, and what was said."""
    outcome = case.outcome
    if not outcome.events:
        return
    last = last_event(message, outcome)
    if outcome.scope:
        assert last["scope"] == outcome.scope, last
        assert last["charged"] == (outcome.attempts > 0)
        assert last["text"], last


def check_arrives(daemon, scene):
    """Once, or marked; and to whom it was refused for good, never."""
    case = scene.case
    scene.mend()
    name, queue_id = case.name, scene.ids[-1]
    if case.outcome.recipient == "waiting":
        assert daemon.api(f"/v1/relays/{name}/resume", "POST")[0] in (200, 202)
        if case.outcome.kind == "rate":
            # Its pace is one a minute now: nothing to wait for here.
            return
        status, answer = daemon.api(f"/v1/messages/{queue_id}/retry", "POST")
        assert status in (200, 202) or "is delivered" in str(answer), answer
        message = daemon.wait_for_state(queue_id, "delivered",
                                        patience=PATIENCE / 4)
        assert daemon.api(f"/v1/relays/{name}")[1]["state"] == "closed"
    else:
        message = daemon.show(queue_id)
    for recipient in message["recipients"]:
        copies = scene.relay.copies_for(recipient["address"])
        copies -= case.messages - 1
        is_there = recipient["state"] == "delivered"
        if recipient["maybe_duplicate"]:
            assert 1 <= copies <= 2
        else:
            assert copies == int(is_there), (recipient, copies)


@pytest.mark.parametrize("case", [
    pytest.param(case, id=case.name, marks=pytest.mark.xdist_group(
        "faults-" + group_of(case))) for case in CASES])
def test_a_fault_harms_whom_it_should(stages, case):
    stage = stages(group_of(case))
    assert stage.problem is None, stage.problem
    daemon, scene = stage.daemon, stage.scenes[case.name]
    message, relay = scene.seen
    assert scene.is_settled, unlike(expected(case), message, relay)
    check_times(message, relay, case.outcome)
    check_story(message, case)
    if case.outcome.recipient == "failed":
        wait_until(lambda: bounces_to(daemon, scene), "the bounce")
    assert len(bounces_to(daemon, scene)) == int(
        case.outcome.recipient == "failed")
    check_arrives(daemon, scene)


NAME = "test_a_fault_harms_whom_it_should"
