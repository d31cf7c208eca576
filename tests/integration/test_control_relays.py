"""Relays over the control API, metrics and reload."""

import json
import re

from conftest import SOURCE, free_port, wait_until


def test_lists_relays_without_their_secrets(daemon, relay):
    daemon.use_relay(relay, username="app", password="secret-4711")
    daemon.settings["relays"]["office"].pop("authentication")
    daemon.settings["relays"]["office"]["description"] = "the office's"
    daemon.start()
    status, answer = daemon.api("/v1/relays")
    assert status == 200
    office, = answer["relays"]
    assert office["name"] == "office"
    assert office["description"] == "the office's"
    assert office["managed"] == "file"
    assert office["file"].endswith("relais.yaml")
    assert office["enabled"] is True and office["default"] is True
    assert office["state"] == "closed" and office["reason"] is None
    assert office["host"] == "127.0.0.1" and office["port"] == relay.port
    assert office["username"] == "app"
    assert office["password"] == {"set": True}
    assert office["queued"] == 0 and office["delivered_24h"] == 0
    assert "secret-4711" not in str(answer)
    assert "secret-4711" not in daemon.log_text()


def every_key():
    """Of a relay, by the manual."""
    page = (SOURCE / "docs" / "man" / "relais.yaml.5").read_text()
    text = page.split(".Ss A relay\n")[1].split("\n.Ss ")[0]
    return set(re.findall(r"^\.It Cm (\S+) :", text, re.M))


SECRETS = {"password_file", "password_command", "credential",
           "token_command"}  # shown as password and token


def test_relay_show_has_every_key_and_no_secret(daemon, relay):
    (daemon.directory / "token").write_text("t0ken")
    daemon.use_relay(
        relay, description="Of the office", username="app",
        authentication="PLAIN", password="s3cret", hostname="h.example.com",
        allowed_from=["@example.com", "a@b.example"], keep_author="reply-to",
        limits={"rate": ["30/min", "7/h"], "size": "25MiB", "lifetime": "5m",
                "idle": "off"},
        headers={"X-Trace": "{queue_id}"}, tls={"minimum": "1.3"},
        **{"from": {"address": "a@example.com", "name": "A",
                    "apply": "always"}})
    daemon.start()
    text = daemon.ctl("relay", "show", "office").stdout.decode()
    shown = dict(re.findall(r"^  (\S+)\s+(.*)$", text, re.M))
    missing = {key for key in every_key() - SECRETS - set(shown)
               if not any(name.startswith(key + ".") for name in shown)
               and not key.startswith("oauth.")}
    assert not missing and len(every_key()) > 30, missing
    assert "s3cret" not in text and shown["password"] == "(set)"
    for key, value in {
            "limits.rate": "30/min, 7/h", "limits.size": "25.0 MiB",
            "limits.lifetime": "5 min", "limits.idle": "off",
            "allowed_from": "@example.com, a@b.example",
            "keep_author": "reply-to", "from.apply": "always",
            "headers.X-Trace": "{queue_id}", "tls.minimum": "1.3",
            "tls.verify": "on", "hostname": "h.example.com",
            "reply_to.address": "-", "oauth": "-", "authentication": "PLAIN"}.items():
        assert shown[key] == value, (key, shown)
    shown = json.loads(daemon.ctl("relay", "show", "office", "--json").stdout)
    assert shown["tls"]["minimum"] == "1.3"
    assert shown["from"]["apply"] == "always"
    assert shown["limits"]["lifetime_s"] == 300
    assert shown["keep_author"] == "reply-to"
    assert "s3cret" not in str(shown)


def test_an_unknown_relay_is_404(relaisd):
    for method, path in [("GET", "x"), ("POST", "x/pause"),
                         ("POST", "x/resume")]:
        assert relaisd.api(f"/v1/relays/{path}", method)[0] == 404


def test_a_paused_relay_keeps_its_mail_until_resumed(relaisd):
    status, capture = relaisd.api("/v1/relays/capture/pause", "POST",
                                  {"reason": "maintenance"})
    assert status == 200
    assert capture["state"] == "paused"
    assert capture["until"] is None
    queue_id = relaisd.send()
    status, page = relaisd.api("/v1/status")
    assert page["relays"][0]["state"] == "paused"
    assert any("paused" in p["what"] for p in page["problems"])
    wait_until(lambda: relaisd.api("/v1/relays/capture")[1]["queued"] == 1,
               "the message to wait")
    message = relaisd.show(queue_id)
    assert message["state"] == "queued"
    assert message["recipients"][0]["next_attempt"] is None
    assert relaisd.captured() == []
    status, capture = relaisd.api("/v1/relays/capture/resume", "POST")
    assert status == 200
    assert capture["state"] == "closed"
    relaisd.wait_for_state(queue_id, "delivered")


def test_a_relay_that_is_down_says_why_and_until_when(daemon, relay):
    relay.port = free_port()
    daemon.use_relay(relay)
    daemon.start()
    queue_id = daemon.send()

    def is_open():
        office = daemon.api("/v1/relays/office")[1]
        return office["state"] == "open" and office

    office = wait_until(is_open, "the breaker to open")
    assert office["reason"]
    assert office["fault"]["phase"] == "connect"
    assert office["until"]
    message = daemon.show(queue_id)
    assert message["state"] == "queued"
    assert message["recipients"][0]["next_attempt"] >= office["until"][:19]
    problem, = daemon.api("/v1/status")[1]["problems"]
    assert "office" in problem["what"]
    assert problem["next"].startswith("relaisctl relay test office")


def test_metrics_are_prometheus_text(relaisd, peers):
    queue_id = relaisd.send()
    relaisd.wait_for_state(queue_id, "delivered")
    result = relaisd.run(peers("curl"), "-sf", "--unix-socket",
                         relaisd.control, "http://relais/metrics")
    assert result.returncode == 0, result.stderr
    text = result.stdout.decode()
    values = {}
    typed = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            typed.add(line.split()[2])
        elif not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            values[name] = float(value)
            assert name.split("{")[0] in typed, line
    assert values['relais_messages{state="delivered"}'] == 1
    assert values['relais_relay_delivered_total{relay="capture"}'] == 1
    assert values['relais_relay_state{relay="capture",state="closed"}'] == 1
    assert values["relais_store_full"] == 0


def test_reload_uses_new_settings_or_keeps_the_old(relaisd):
    relaisd.settings["relays"]["second"] = {
        "url": f"maildir:{relaisd.directory}/second"}
    relaisd.settings["default_relay"] = "second"
    relaisd.write_settings()
    status, answer = relaisd.api("/v1/reload", "POST")
    assert status == 200, answer
    assert answer["result"] == "reloaded"
    names = {r["name"] for r in relaisd.api("/v1/relays")[1]["relays"]}
    assert names == {"capture", "second"}

    relaisd.settings["default_relay"] = "third"
    relaisd.write_settings()
    status, answer = relaisd.api("/v1/reload", "POST")
    assert status == 422
    assert answer["error"]["code"] == "bad_settings"
    assert any("third" in line for line in answer["error"]["details"])
    assert {r["name"] for r in relaisd.api("/v1/relays")[1]["relays"]} == names
    queue_id = relaisd.send()
    assert relaisd.wait_for_state(queue_id, "delivered")["relay"] == "second"
