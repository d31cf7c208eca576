"""Relays made, changed and removed over the control API."""

import stat

from conftest import wait_until


def add(daemon, relay=None, name="office", **keys):
    body = {"name": name, "host": "127.0.0.1", "security": "none", **keys}
    if relay is not None:
        body["port"] = relay.port
    return daemon.api("/v1/relays", "POST", body)


def files(daemon):
    folder = daemon.directory / "queue" / "relays"
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def without_relays(daemon):
    daemon.settings.pop("relays", None)
    return daemon.start()


def details(answer):
    return "\n".join(answer["error"].get("details", []))


def test_an_added_relay_takes_the_place_of_the_built_in_one(daemon, relay):
    without_relays(daemon)
    built_in, = daemon.api("/v1/relays")[1]["relays"]
    assert built_in["managed"] == "built-in" and built_in["default"]
    status, office = add(daemon, relay, description="Büro \"5\"")
    assert status == 201, office
    assert office["managed"] == "api" and office["default"] is True
    assert office["description"] == "Büro \"5\""
    assert [r["name"] for r in daemon.api("/v1/relays")[1]["relays"]] == [
        "office"]
    daemon.wait_for_state(daemon.send(), "delivered")
    assert len(relay.messages) == 1


def test_a_relay_outlives_the_daemon_in_a_file_of_its_own(daemon, relay):
    without_relays(daemon)
    add(daemon, relay, username="app", password="s3cret:\"x\" ü")
    path = daemon.directory / "queue" / "relays" / "office.yaml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert files(daemon) == ["office.yaml"]
    daemon.stop()
    daemon.start()
    office = daemon.relay_state("office")
    assert office["password"] == {"set": True}
    relay.users = {"app": "s3cret:\"x\" ü"}
    daemon.wait_for_state(daemon.send(), "delivered")
    assert relay.messages[0].session.user == "app"


def test_a_secret_is_neither_shown_nor_logged(daemon, relay):
    without_relays(daemon)
    status, answer = daemon.api("/v1/relays", "POST", {
        "name": "office", "url": f"smtp://app:s3cr3t-4711@127.0.0.1:{relay.port}",
        "security": "none"})
    assert status == 201, answer
    assert "s3cr3t" not in str(answer)
    assert answer["url"] == f"smtp://app@127.0.0.1:{relay.port}"
    daemon.api("/v1/relays/office", "PUT", {"password": "s3cr3t-4712"})
    daemon.api("/v1/relays/office", "PUT", {"password": ["s3cr3t-4713"]})
    assert "s3cr3t" not in str(daemon.api("/v1/relays"))
    assert "s3cr3t" not in daemon.log_text()


def test_a_change_says_who_did_what_in_the_log(daemon, relay):
    without_relays(daemon)
    add(daemon, relay)
    daemon.api("/v1/relays/office", "PUT", {"description": "d"})
    line, = [line for line in daemon.log_text().splitlines()
             if "action=relay-set" in line]
    assert "relay=office" in line and "keys=description" in line
    assert "uid=0" in line and "pid=" in line


def test_the_default_stays_what_it_was_when_another_is_added(daemon, relay):
    without_relays(daemon)
    add(daemon, relay)
    status, second = add(daemon, relay, name="second")
    assert status == 201, second
    assert second["default"] is False
    assert daemon.relay_state("office")["default"] is True
    status, second = daemon.api("/v1/relays/second/default", "POST")
    assert status == 200 and second["default"] is True
    assert daemon.relay_state("office")["default"] is False


def test_keys_that_are_not_given_stay_and_null_removes_them(daemon, relay):
    without_relays(daemon)
    add(daemon, relay, description="d", **{"from": {
        "address": "a@example.com", "name": "A"}})
    status, office = daemon.api("/v1/relays/office", "PUT", {
        "from": {"name": "B"}, "description": None})
    assert status == 200, office
    assert office["from"] == {"address": "a@example.com", "name": "B",
                              "apply": "missing"}
    assert office["description"] is None
    assert office["port"] == relay.port


def test_a_change_in_error_changes_nothing_and_says_what_is_wrong(daemon,
                                                                  relay):
    without_relays(daemon)
    add(daemon, relay)
    before = files(daemon)
    status, answer = daemon.api("/v1/relays/office", "PUT", {"prot": 25})
    assert status == 422
    assert "relays.office.prot" in details(answer), answer
    assert "did you mean `port`" in details(answer), answer
    assert "/queue/relays/" not in details(answer), answer
    status, answer = add(daemon, name="b", fallback=["nobody"])
    assert status == 422 and "nobody" in details(answer), answer
    assert files(daemon) == before
    assert daemon.relay_state()["port"] == relay.port


def test_yaml_is_taken_as_well_as_json(daemon, relay, peers):
    without_relays(daemon)
    text = f"name: office\nhost: 127.0.0.1\nport: {relay.port}\n"
    result = daemon.run(
        peers("curl"), "-s", "--unix-socket", daemon.control,
        "-H", "Content-Type: application/yaml", "--data-binary", "@-",
        "http://relais/v1/relays", input=text.encode())
    assert b'"managed":"api"' in result.stdout, result
    result = daemon.run(
        peers("curl"), "-s", "--unix-socket", daemon.control, "-X", "PUT",
        "-H", "Content-Type: application/yaml", "--data-binary", "@-",
        "http://relais/v1/relays/office", input=b"port: 1\nport: 2\n")
    assert b"request:2:1" in result.stdout, result


def test_the_secret_goes_with_what_it_was_given_for(daemon, relay):
    without_relays(daemon)
    add(daemon, relay, username="app", password="x")
    for change in ({"host": "localhost"}, {"port": 2525},
                   {"security": "starttls"}, {"tls": {"verify": False}},
                   {"username": "b"}, {"authentication": "PLAIN"}):
        status, answer = daemon.api("/v1/relays/office", "PUT", change)
        assert status == 422, (change, answer)
        key, = change
        assert f"again: {key}" in answer["error"]["next"], answer
        assert daemon.relay_state("office")["password"] == {"set": True}
    same = {"port": relay.port, "host": "127.0.0.1", "description": "d"}
    status, office = daemon.api("/v1/relays/office", "PUT", same)
    assert status == 200 and office["password"] == {"set": True}, office
    status, office = daemon.api("/v1/relays/office", "PUT",
                                {"port": 2525, "password": "y"})
    assert status == 200 and office["port"] == 2525, office
    status, office = daemon.api("/v1/relays/office", "PUT",
                                {"username": None})
    assert status == 200 and office["password"] == {"set": False}, office


def test_what_is_roots_alone_names_the_file_for_it(daemon):
    without_relays(daemon)
    for keys in ({"password_command": ["/bin/echo", "x"]},
                 {"password_file": "/etc/shadow"}, {"url": "maildir:/tmp/x"},
                 {"url": "lmtp:///run/x"}, {"tls": {"ca_file": "/x"}}):
        status, answer = daemon.api("/v1/relays", "POST",
                                    {"name": "office", **keys})
        assert status == 403, (keys, answer)
        assert answer["error"]["code"] == "only_in_files"
        assert f"{daemon.directory}/relays.d/office.yaml" in (
            answer["error"]["next"])
    assert files(daemon) == []


def test_relays_of_files_and_the_built_in_one_are_not_ours(daemon, relaisd):
    for method, path in (("PUT", "capture"), ("DELETE", "capture"),
                         ("POST", "capture/disable")):
        status, answer = relaisd.api(f"/v1/relays/{path}", method)
        assert status == 409, answer
        assert str(relaisd.directory / "relais.yaml") in (
            answer["error"]["message"])
    status, answer = add(relaisd, name="capture")
    assert status == 409 and answer["error"]["code"] == "relay_exists"
    status, answer = add(relaisd, name="built-in")
    assert status == 422 and answer["error"]["code"] == "bad_name"
    status, answer = add(relaisd, name="../x")
    assert status == 422 and answer["error"]["code"] == "bad_name"


def test_the_default_of_a_file_is_not_ours(daemon, relay):
    daemon.settings["default_relay"] = "capture"
    daemon.start()
    add(daemon, relay)
    status, answer = daemon.api("/v1/relays/office/default", "POST")
    assert status == 409 and "relais.yaml" in answer["error"]["message"]


def test_a_disabled_relay_keeps_its_mail_until_enabled(daemon, relay):
    without_relays(daemon)
    add(daemon, relay)
    status, office = daemon.api("/v1/relays/office/disable", "POST")
    assert status == 200 and office["enabled"] is False
    queue_id = daemon.send()
    wait_until(lambda: daemon.relay_state("office")["queued"] == 1,
               "the message to wait")
    assert relay.messages == []
    status, office = daemon.api("/v1/relays/office/enable", "POST")
    assert status == 200 and office["enabled"] is True
    daemon.wait_for_state(queue_id, "delivered")


def test_removing_the_default_needs_another(daemon, relay):
    without_relays(daemon)
    add(daemon, relay)
    add(daemon, relay, name="second")
    status, answer = daemon.api("/v1/relays/office", "DELETE")
    assert status == 409 and answer["error"]["code"] == "is_default"
    status, answer = daemon.api("/v1/relays/second", "DELETE")
    assert status == 200, answer
    status, answer = daemon.api("/v1/relays/office", "DELETE")
    assert status == 200, answer
    assert daemon.relay_state()["managed"] == "built-in"
    assert not set(files(daemon)) - {"_heirs.yaml"}


def test_the_last_relay_stays_while_mail_waits_for_it(daemon, dead_port):
    without_relays(daemon)
    add(daemon, port=dead_port)
    daemon.send()
    daemon.wait_for_relay("open")
    status, answer = daemon.api("/v1/relays/office", "DELETE")
    assert status == 409 and answer["error"]["code"] == "has_mail"
    assert "--move-to" in answer["error"]["next"]
    status, answer = daemon.api("/v1/relays/office?move_to=x", "DELETE")
    assert status == 422 and answer["error"]["code"] == "bad_heir"


def test_changes_at_once_are_made_one_after_the_other(daemon, relay):
    import threading
    without_relays(daemon)
    answers = []

    def one(number):
        answers.append(add(daemon, relay, name=f"relay{number}")[0])

    threads = [threading.Thread(target=one, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [201] * 12
    relays = daemon.api("/v1/relays")[1]["relays"]
    assert len(relays) == 12
    assert sum(r["default"] for r in relays) == 1


def test_others_than_administrators_change_nothing(daemon, relay, peers):
    without_relays(daemon)
    result = daemon.run(
        peers("curl"), "-s", "--unix-socket", daemon.control, "-X", "POST",
        "--data", '{"name": "x", "host": "127.0.0.1"}',
        "http://relais/v1/relays", user=1000)
    assert b"administrators_only" in result.stdout, result
    assert files(daemon) == []


def test_waiting_mail_follows_a_new_default(daemon, relay, dead_port):
    without_relays(daemon)
    add(daemon, port=dead_port)
    ids = [daemon.send(to=f"user{n}@example.net") for n in range(20)]
    daemon.wait_for_relay("open")
    add(daemon, relay, name="second")
    status, _ = daemon.api("/v1/relays/second/default", "POST")
    assert status == 200
    for queue_id in ids:
        message = daemon.wait_for_state(queue_id, "delivered")
        assert message["relay"] == "second"
    events = [e["event"] for e in message["timeline"]]
    assert "rerouted" in events
    moved, = [e for e in message["timeline"] if e["event"] == "rerouted"]
    assert moved["text"] == "to second"
    wait_until(lambda: daemon.api("/v1/status")[1]["routing"] == {
        "state": "settled", "looked_at": 20, "of": 20, "moved": 20},
        lambda: str(daemon.api("/v1/status")[1]["routing"]))


def test_waiting_mail_follows_the_rules(daemon, relay, dead_port):
    daemon.settings["relays"] = {
        "office": {"host": "127.0.0.1", "port": dead_port,
                   "security": "none"},
        "bulk": {"host": "127.0.0.1", "port": relay.port, "security": "none"},
    }
    daemon.settings["default_relay"] = "office"
    daemon.start()
    news = daemon.send(sender="a@news.example.com")
    other = daemon.send()
    wait_until(lambda: daemon.relay_state("office")["state"] == "open",
               "the relay to fail")
    daemon.settings["routes"] = [{"from": "*@news.example.com",
                                  "relay": "bulk"}]
    daemon.reload()
    assert daemon.wait_for_state(news, "delivered")["relay"] == "bulk"
    assert daemon.show(other)["state"] == "queued"
    assert daemon.show(other)["relay"] == "office"

    def is_settled():
        return daemon.api("/v1/status")[1]["routing"]["state"] == "settled"

    wait_until(is_settled, "the round to end")
    assert daemon.api("/v1/status")[1]["routing"]["moved"] == 1


def test_rules_changed_while_relaisd_was_down_count(daemon, relay, dead_port):
    daemon.settings["relays"] = {
        "office": {"host": "127.0.0.1", "port": dead_port,
                   "security": "none"},
        "bulk": {"host": "127.0.0.1", "port": relay.port, "security": "none"},
    }
    daemon.settings["default_relay"] = "office"
    daemon.start()
    queue_id = daemon.send()
    wait_until(lambda: daemon.relay_state("office")["state"] == "open",
               "the relay to fail")
    daemon.stop()
    daemon.settings["default_relay"] = "bulk"
    daemon.start()
    assert daemon.wait_for_state(queue_id, "delivered")["relay"] == "bulk"


def test_mail_for_a_relay_that_was_asked_for_stays_there(daemon, relay,
                                                         dead_port):
    daemon.settings["relays"] = {
        name: {"host": "127.0.0.1", "port": port, "security": "none"}
        for name, port in (("office", relay.port), ("asked", dead_port),
                           ("third", relay.port))}
    daemon.settings["default_relay"] = "office"
    daemon.start()
    queue_id = daemon.send(mail=["XRELAY=asked"])
    wait_until(lambda: daemon.relay_state("asked")["state"] == "open",
               "the relay to fail")
    daemon.settings["default_relay"] = "third"
    daemon.reload()
    daemon.wait_for_state(daemon.send(), "delivered")
    assert daemon.show(queue_id)["relay"] == "asked"
    assert daemon.show(queue_id)["state"] == "queued"


def test_the_heir_of_a_removed_relay_has_its_mail(daemon, relay, dead_port):
    without_relays(daemon)
    other = dead_port
    add(daemon, port=other)
    add(daemon, port=other, name="going")
    add(daemon, relay, name="heir")
    daemon.api("/v1/relays/going/default", "POST")
    queue_id = daemon.send()
    asked = daemon.send(mail=["XRELAY=going"])
    wait_until(lambda: daemon.relay_state("going")["state"] == "open",
               "the relay to fail")
    daemon.api("/v1/relays/office/default", "POST")
    wait_until(lambda: daemon.show(queue_id)["relay"] == "office",
               "the mail to move")
    status, answer = daemon.api("/v1/relays/going?move_to=heir", "DELETE")
    assert status == 200, answer
    assert daemon.wait_for_state(asked, "delivered")["relay"] == "heir"
    assert daemon.show(queue_id)["state"] == "queued"
    status, answer = daemon.api("/v1/relays/office?move_to=heir", "DELETE")
    assert status == 200, answer
    assert daemon.wait_for_state(queue_id, "delivered")["relay"] == "heir"


def test_a_relay_that_is_gone_is_not_spoken_of(daemon, relay, dead_port,
                                               peers):
    without_relays(daemon)
    add(daemon, relay)
    for name in "one", "two":
        add(daemon, port=dead_port, name=name)
        queue_id = daemon.send(mail=[f"XRELAY={name}"])
        wait_until(lambda: daemon.relay_state(name)["state"] == "open",
                   "the relay to fail")
        assert daemon.api(f"/v1/relays/{name}", "DELETE")[0] == 200
        daemon.wait_for_state(queue_id, "delivered")

    def is_forgotten():
        status = daemon.api("/v1/status")[1]
        return ([relay["name"] for relay in status["relays"]] == ["office"]
                and not status["problems"])

    wait_until(is_forgotten, lambda: str(daemon.api("/v1/status")[1]))
    text = daemon.run(peers("curl"), "-sf", "--unix-socket", daemon.control,
                      "http://relais/metrics").stdout.decode()
    series = [line.rsplit(" ", 1)[0] for line in text.splitlines()]
    assert len(set(series)) == len(series) > 1, text


# -------------------------------------------------------------------- relaisctl


def lines_of(result):
    return [line.split() for line in result.stdout.decode().splitlines()]


def test_relaisctl_makes_and_changes_a_relay(daemon, relay):
    without_relays(daemon)
    result = daemon.ctl(
        "relay", "add", "office", "--host", "127.0.0.1", "--port", relay.port,
        "--security", "none", "--username", "app", "--password-file", "-",
        "--from", "noreply@example.com", "--from-name", "Example",
        "limits.rate=30/min,500/h", "recipients.refuse=@a.test,@b.test",
        "allowed_from=@example.com", "headers.X-Trace={queue_id}", input=b"s3cr3t\n")
    assert result.returncode == 0, result.stderr
    assert result.stdout == b"Relay office is there now, the default.\n"
    office = daemon.relay_state("office")
    assert office["username"] == "app" and office["password"]["set"]
    assert office["from"]["address"] == "noreply@example.com"
    assert office["allowed_from"] == ["@example.com"]
    assert office["headers"] == {"X-Trace": "{queue_id}"}
    assert office["limits"]["rates"] == [{"count": 30, "period_s": 60},
                                         {"count": 500, "period_s": 3600}]
    assert office["recipients"]["refuse"] == ["@a.test", "@b.test"]
    result = daemon.ctl("relay", "set", "office", "description=Büro")
    assert result.returncode == 0, result.stderr
    result = daemon.ctl("relay", "set", "office", "port=2525")
    assert result.returncode == 1
    assert b"give the password again: port changes" in result.stderr
    result = daemon.ctl("relay", "set", "office", "port=2525",
                        "--password-command", "echo other")
    assert result.returncode == 0, result.stderr
    assert daemon.relay_state("office")["port"] == 2525
    assert daemon.relay_state("office")["description"] == "Büro"
    assert b"s3cr3t" not in daemon.ctl("relay", "show", "office").stdout


def test_relaisctl_takes_a_relay_from_yaml(daemon, relay):
    without_relays(daemon)
    result = daemon.ctl("relay", "add", "office", "--yaml", "-", input=(
        f"host: 127.0.0.1\nport: {relay.port}\nsecurity: none\n".encode()))
    assert result.returncode == 0, result.stderr
    result = daemon.ctl("relay", "set", "office", "--yaml", "-",
                        "limits.connections=3", input=b"description: x\n")
    assert result.returncode == 64 and b"with --yaml" in result.stderr
    result = daemon.ctl("relay", "set", "office", "--yaml", "-",
                        input=b"headers: {X-Id: '{id} {queue_id}'}\n")
    assert result.returncode == 0, result.stderr
    assert b"headers.X-Id: `{id}` is not replaced" in result.stdout
    result = daemon.ctl("relay", "add", "second", "--yaml", "-",
                        input=b"hots: 127.0.0.1\n")
    assert result.returncode == 1
    assert b"did you mean `host`" in result.stderr


def test_relaisctl_finds_filters_and_sorts_relays(daemon, relay):
    without_relays(daemon)
    for name, provider in (("a", None), ("b", "gmail"), ("c", "fastmail")):
        keys = {"provider": provider, "username": "x@example.com",
                "password": "x"} if provider else {"host": "127.0.0.1"}
        status, answer = daemon.api("/v1/relays", "POST",
                                    {"name": name, **keys})
        assert status == 201, answer
    daemon.api("/v1/relays/c/disable", "POST")
    names = lambda *words: [  # noqa: E731
        line[0] for line in lines_of(daemon.ctl("relay", "list", *words))[1:]]
    assert names() == ["a", "b", "c"]
    assert names("gmail") == ["b"]
    assert names("--filter", "enabled=off") == ["c"]
    assert names("--filter", "provider=gmail,state=works") == ["b"]
    assert names("--filter", "enabled=false,default=false") == ["c"]
    assert names("--filter", "state=closed") == ["a", "b"]
    assert names("--sort=-name") == ["c", "b", "a"]
    assert names("--sort", "port") == ["a", "b", "c"]
    result = daemon.ctl("relay", "list", "--json", "--filter", "state=disabled")
    assert '"name":"c"' in result.stdout.decode()
    found = lambda query: [  # noqa: E731
        relay["name"] for relay in daemon.api("/v1/relays?" + query)[1]["relays"]]
    assert found("word=GMAIL") == ["b"]
    assert found("enabled=false") == ["c"]
    assert found("provider=gmail&state=closed&enabled=true") == ["b"]
    assert found("state=held") == []
    for query in "state=works", "enabled=yes":
        assert daemon.api("/v1/relays?" + query)[0] == 400
    assert daemon.ctl("relay", "list", "nothing").returncode == 1
    assert daemon.ctl("relay", "list", "--sort", "x").returncode == 64
    result = daemon.ctl("relay", "list", "--filter", "state=broken")
    assert result.returncode == 64 and b"half-open" in result.stderr
    heads = lines_of(daemon.ctl("relay", "list"))[0]
    assert heads == ["RELAY", "PROVIDER", "HOST", "PORT", "SECURITY", "LOGIN",
                     "SENDER", "STATE", "QUEUED", "24", "H"]


def test_relaisctl_shows_the_built_in_relay_as_such(daemon):
    without_relays(daemon)
    assert lines_of(daemon.ctl("relay", "list"))[1][:2] == ["(built-in)", "*"]
    result = daemon.ctl("relay", "disable", "built-in")
    assert result.returncode == 1 and b"built-in" in result.stderr


def test_relaisctl_removes_disables_and_chooses_the_default(daemon, relay):
    without_relays(daemon)
    add(daemon, relay)
    add(daemon, relay, name="second")
    result = daemon.ctl("relay", "remove", "office")
    assert result.returncode == 1 and b"is the default" in result.stderr
    assert daemon.ctl("relay", "default", "second").returncode == 0
    assert daemon.ctl("relay", "disable", "office").returncode == 0
    assert not daemon.relay_state("office")["enabled"]
    assert daemon.ctl("relay", "enable", "office").returncode == 0
    result = daemon.ctl("relay", "remove", "second", "--move-to", "office")
    assert result.returncode == 0, result.stderr
    assert daemon.relay_state()["name"] == "office"
    assert daemon.relay_state()["default"]


# -------------------------------------------------------------------- providers


def test_providers_are_listed_with_limits_and_notes(relaisd):
    status, answer = relaisd.api("/v1/providers?address=me@gmail.com")
    gmail, = answer["providers"]
    assert gmail["id"] == "gmail" and gmail["host"] == "smtp.gmail.com"
    assert gmail["limits"]["rates"] and "app password" in gmail["hint"]
    everyone = relaisd.api("/v1/providers")[1]["providers"]
    assert len(everyone) > 50
    assert relaisd.api("/v1/providers?address=me@x.test")[1] == {
        "providers": []}
    result = relaisd.ctl("providers", "gmail", "personal")
    assert result.returncode == 0
    assert b"smtp.gmail.com" in result.stdout
    assert b"app password" in result.stdout
    assert len(relaisd.ctl("providers", "--json").stdout.splitlines()) == len(
        everyone)
    assert relaisd.ctl("providers", "no-such-provider").returncode == 1


def test_a_preset_and_a_login_suffice(daemon):
    without_relays(daemon)
    result = daemon.ctl("relay", "add", "g", "--provider", "gmail",
                        "--username", "me@gmail.com", "--password-file", "-",
                        input=b"abcd efgh ijkl mnop")
    assert result.returncode == 0, result.stderr
    relay = daemon.relay_state("g")
    assert (relay["host"], relay["port"], relay["security"]) == (
        "smtp.gmail.com", 465, "tls")
    assert relay["limits"]["connections"] == 2
    assert relay["limits"]["rates"][0] == {"count": 20, "period_s": 60}
    assert daemon.ctl("relay", "set", "g",
                      "limits.connections=1").returncode == 0
    assert daemon.relay_state("g")["limits"]["connections"] == 1
