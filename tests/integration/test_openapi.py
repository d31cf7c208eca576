"""docs/openapi.json says what the daemon does: every path, every shape."""

import json
import re

from conftest import SOURCE

API = json.loads((SOURCE / "docs" / "openapi.json").read_text())


def test_has_the_daemons_paths_and_no_others():
    table = (SOURCE / "daemon" / "control" / "control.c").read_text()
    served = {(method.lower(), path) for method, path in re.findall(
        r'\{ METHOD_([A-Z]+),\s+"([^"]+)"', table)}
    described = {(method, path) for path, item in API["paths"].items()
                 for method in item}
    assert served == described


def resolve(schema):
    while "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        schema = {**API["components"]["schemas"][name],
                  "nullable": schema.get("nullable", False)}
    return schema


KINDS = {"string": str, "integer": int, "boolean": bool, "array": list,
         "object": dict}


def check(value, schema, where="answer"):
    """Strict: a member that is not described is an error."""
    schema = resolve(schema)
    if "oneOf" in schema:
        kinds = [resolve(one) for one in schema["oneOf"]]
        schema = next(kind for kind in kinds
                      if type(value) is KINDS[kind["type"]])
    if value is None:
        assert schema.get("nullable"), f"{where} is null"
        return
    assert type(value) is KINDS[schema["type"]], f"{where}: {value!r}"
    if "enum" in schema:
        assert value in schema["enum"], f"{where}: {value}"
    if "pattern" in schema:
        assert re.search(schema["pattern"], value), f"{where}: {value}"
    if schema.get("format") == "date-time":
        assert re.fullmatch(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value), where
    for item in value if schema["type"] == "array" else ():
        check(item, schema["items"], where + "[]")
    if schema["type"] != "object" or "properties" not in schema:
        return
    for name in schema.get("required", ()):
        assert name in value, f"{where} has no {name}"
    for name, member in value.items():
        if name in schema["properties"]:
            check(member, schema["properties"][name], f"{where}.{name}")
        else:
            assert schema.get("additionalProperties"), f"{where}.{name}?"


def ask(relaisd, path, method="get", body=None, **values):
    operation = API["paths"][path][method]
    query = values.pop("query", "")
    status, answer = relaisd.api(path.format(**values) + query,
                                 method.upper(), body)
    described = operation["responses"].get(
        str(status), operation["responses"]["default"])
    if status >= 400:
        described = operation["responses"]["default"]
    check(answer, described["content"]["application/json"]["schema"],
          f"{method} {path}")
    return status, answer


def test_answers_have_the_described_shapes(daemon):
    daemon.settings["relays"]["office"] = {
        "host": "127.0.0.1", "port": 9, "security": "none"}
    daemon.settings["default_relay"] = "capture"
    daemon.settings["routes"] = [{"to": "*@example.org", "relay": "office"}]
    daemon.start()
    sent = daemon.send(to=["a@example.net"])
    waits = daemon.send(to=["b@example.org", "c@example.org"])
    daemon.wait_for_state(sent, "delivered")

    assert ask(daemon, "/v1/status")[0] == 200
    assert ask(daemon, "/v1/relays")[0] == 200
    assert ask(daemon, "/v1/relays/{name}", name="office")[0] == 200
    assert ask(daemon, "/v1/relays/{name}", name="none")[0] == 404
    assert ask(daemon, "/v1/providers:discover",
               query="?address=ann@gmail.com")[0] == 200
    _, page = ask(daemon, "/v1/messages",
                  query="?state=queued,delivered,delivering&limit=1")
    assert page["next"]
    draft = {"from": "app@example.com", "to": "a@example.net", "text": "x"}
    for body in (draft, {**draft, "key": "k"}, {**draft, "key": "k"},
                 {**draft, "wait": 30}, [draft, {"text": "x"}]):
        assert ask(daemon, "/v1/messages", "post", body)[0] in (200, 201)
    assert ask(daemon, "/v1/messages", "post", {
        **draft, "to": "b@example.org", "wait": 1})[0] == 202
    for body in ({**draft, "key": "k", "cc": "b@example.net"}, {},
                 {**draft, "to": ["a@example.net", "a@@b"]}):
        assert ask(daemon, "/v1/messages", "post", body)[0] in (409, 422)
    for queue_id in (sent, waits):
        assert ask(daemon, "/v1/messages/{id}", id=queue_id)[0] == 200
    assert ask(daemon, "/v1/messages/{id}", id="0000000000000")[0] == 404
    for verb in ("hold", "release", "retry", "cancel"):
        status, _ = ask(daemon, "/v1/messages/{id}/" + verb, "post",
                        {"reason": "a test"}, id=waits)
        assert status in (200, 202), verb
    assert ask(daemon, "/v1/messages/{id}/retry", "post", {},
               id=sent)[0] == 409
    later = daemon.send(mail=["HOLDFOR=3600"])
    for queue_id, order, expected in (
            (later, {"at": "2026-01-01T00:00:00Z", "reason": "why not"}, 200),
            (later, {}, 422), (sent, {"at": "2026-01-01T00:00:00Z"}, 409)):
        assert ask(daemon, "/v1/messages/{id}/reschedule", "post", order,
                   id=queue_id)[0] == expected
    assert ask(daemon, "/v1/messages:cancel", "post",
               {"filter": {"state": "held"}, "dry_run": True})[0] == 200
    for verb in ("pause", "resume"):
        assert ask(daemon, "/v1/relays/{name}/" + verb, "post", {},
                   name="office")[0] == 200
    assert ask(daemon, "/v1/reload", "post", {})[0] == 200
