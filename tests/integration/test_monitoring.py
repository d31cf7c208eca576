"""Metrics by all three ways, and what docs/monitoring makes of them."""

import json
import re
import socket
import subprocess
import urllib.error
import urllib.request

import pytest

from conftest import SOURCE, UnixHTTPConnection, free_port, wait_until

MONITORING = SOURCE / "docs" / "monitoring"


def metrics(text):
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
            for line in text.splitlines() if line[:1] not in ("", "#")}


def names(text):
    return {name.split("{")[0] for name in metrics(text)}


@pytest.fixture
def exported(daemon):
    daemon.settings["metrics"] = {
        "port": free_port(), "textfile": f"{daemon.directory}/relais.prom"}
    return daemon.start()


def get(relaisd, path="/metrics", method="GET"):
    port = relaisd.settings["metrics"]["port"]
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}",
                                     method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.headers["Content-Type"].startswith(
            "text/plain; version=0.0.4")
        return answer.read().decode()


def first_text(relaisd):
    def ask():
        try:
            return get(relaisd)
        except urllib.error.HTTPError as error:
            assert error.code == 503  # none has been made yet
        except ConnectionError:
            pass  # it has not heard yet that others have gone
    return wait_until(ask, "the first metrics")


def test_a_loopback_port_answers_metrics_and_nothing_else(exported):
    assert "relais_build_info" in names(first_text(exported))
    for path, method in (("/v1/status", "GET"), ("/metrics", "POST")):
        with pytest.raises(urllib.error.HTTPError) as error:
            get(exported, path, method)
        assert error.value.code == 404


def test_clients_that_say_nothing_do_not_shut_others_out_for_ever(exported):
    port = exported.settings["metrics"]["port"]
    first_text(exported)
    silent = [socket.create_connection(("127.0.0.1", port))
              for _ in range(16)]
    late = socket.create_connection(("127.0.0.1", port))
    late.settimeout(60)
    assert late.recv(1) == b""  # there are too many
    for client in silent:
        client.close()
    assert "relais_build_info" in names(first_text(exported))


def test_a_port_that_is_taken_stops_no_mail(daemon):
    with socket.create_server(("127.0.0.1", 0)) as other:
        daemon.settings["metrics"] = {"port": other.getsockname()[1]}
        daemon.start()
        daemon.wait_for_state(daemon.send(), "delivered")
        assert "event=metrics" in daemon.log_text()


def test_a_textfile_is_written_whole(exported):
    path = exported.directory / "relais.prom"
    wait_until(path.exists, "the textfile")
    assert names(path.read_text()) == names(first_text(exported))
    assert path.stat().st_mode & 0o777 == 0o644
    assert not path.with_name("relais.prom.new").exists()


def test_a_textfile_that_cannot_be_written_is_said_once(daemon):
    daemon.settings["metrics"] = {
        "textfile": f"{daemon.directory}/missing/relais.prom"}
    daemon.start()
    wait_until(lambda: "event=metrics" in daemon.log_text(), "the complaint")
    daemon.wait_for_state(daemon.send(), "delivered")
    assert daemon.log_text().count("event=metrics") == 1


def test_dashboard_and_alerts_ask_for_what_there_is(exported):
    known = names(first_text(exported))
    for name in ("alerts.yaml", "dashboard.json"):
        asked = set(re.findall(r"\brelais_[a-z_]+\b",
                               (MONITORING / name).read_text()))
        assert asked and asked <= known, asked - known
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(
        dashboard["panels"])


def tag_counts(relaisd):
    """{(tag, event): number} by the control socket."""
    connection = UnixHTTPConnection(relaisd.control)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return {(tag, event): int(number) for tag, event, number in re.findall(
        r'^relais_tag_recipients_total\{tag="(.*)",event="(\w+)"\} (\d+)$',
        text, re.M)}


def test_tags_are_counted(daemon, relay):
    relay.always("RCPT", lambda line: "550 5.1.1 no" if "bad" in line
                 else None)
    daemon.use_relay(relay)
    daemon.start()
    daemon.wait_for_state(daemon.send(), "delivered")
    queue_id = daemon.send(to=["a@example.net", "bad@example.net"],
                           mail=["XTAG=orders", "XKEY=1"])
    daemon.send(to=["a@example.net", "bad@example.net"],
                mail=["XTAG=orders", "XKEY=1"])  # the same once more
    daemon.wait_for_state(queue_id, "partial")
    wait_until(lambda: tag_counts(daemon)["orders", "failed"], "the count")
    assert {event: number for (tag, event), number in
            tag_counts(daemon).items() if tag == "orders"} == {
        "accepted": 2, "delivered": 1, "failed": 1, "expired": 0}


def test_tags_cannot_make_metrics_grow_without_end(relaisd):
    for number in range(70):
        relaisd.send(mail=[f"XTAG=n{number}"])
    counts = tag_counts(relaisd)
    assert len({tag for tag, _ in counts}) == 65
    assert counts["n0", "accepted"] == 1 and counts["", "accepted"] == 6
    assert ("n64", "accepted") not in counts


def test_odd_tags_are_quoted(relaisd):
    relaisd.send(mail=['XTAG=a"b+5Cc'])
    assert tag_counts(relaisd)[r'a\"b\\c', "accepted"] == 1


def promtool(peers, *arguments, **options):
    done = subprocess.run([peers("promtool"), *map(str, arguments)],
                          capture_output=True, timeout=120, **options)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_nothing_wrong(exported, peers):
    promtool(peers, "check", "metrics", input=first_text(exported).encode())
    promtool(peers, "check", "rules", MONITORING / "alerts.yaml")


STATE = 'relais_relay_state{relay="office",state="%s"}'
DUE = 'relais_relay_oldest_due_seconds{relay="office"}'
QUEUED = 'relais_messages{state="queued"}'
PARKED = 'relais_messages{state="parked"}'
USED, MAXIMUM = "relais_store_used_bytes", "relais_store_maximum_bytes"

# what a host says, how long, and the alerts that follow
CASES = [
    ({"relais_build_info": "1x60"}, 30, []),
    ({"relais_other": "1x60"}, 10, ["RelaisGone"]),
    ({DUE: "0+60x60"}, 10, []),
    ({DUE: "0+60x60"}, 25, ["RelaisMailIsLate"]),
    ({STATE % "open": "1x60"}, 10, []),
    ({STATE % "open": "1x60"}, 16, ["RelaisRelayFails"]),
    ({STATE % "held": "0x60"}, 2, []),
    ({STATE % "held": "1x60"}, 2, ["RelaisRelayNeedsYou"]),
    ({QUEUED: "2000x120"}, 90, []),
    ({QUEUED: "2000+10x120"}, 90, ["RelaisQueueGrows"]),
    ({PARKED: "0x60"}, 6, []),
    ({PARKED: "2x60"}, 6, ["RelaisMailIsParked"]),
    ({USED: "790x60", MAXIMUM: "1000x60"}, 30, []),
    ({USED: "810x60", MAXIMUM: "1000x60"}, 10, []),
    ({USED: "810x60", MAXIMUM: "1000x60"}, 16, ["RelaisStoreFills"]),
    ({"relais_store_full": "1x60"}, 2, ["RelaisTakesNoMail"]),
    ({"relais_store_stalled": "1x60"}, 2, ["RelaisTakesNoMail"]),
    ({"relais_store_stalled": "0x60", "relais_store_full": "0x60"}, 2, []),
    ({"relais_staging": "1x60"}, 12, ["RelaisIsStaging"]),
    ({"relais_staging": "0x60"}, 20, []),
    ({"relais_disk_free_bytes": "2000000000x60"}, 6, []),
    ({"relais_disk_free_bytes": "500000000x60"}, 6, ["RelaisDiskFills"]),
]
RULES = (MONITORING / "alerts.yaml").read_text()
ALERTS = re.findall(r"alert: (\w+)", RULES)


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_not():
    for rule in RULES.split("- alert: ")[1:]:
        name = rule.split()[0]
        numbers = set(re.findall(r"\brelais_[a-z_]+\b", rule))
        about = [expected for series, _, expected in CASES
                 if numbers & {key.split("{")[0] for key in series}]
        assert any(name in expected for expected in about) or \
            name == "RelaisGone", name
        assert any(name not in expected for expected in about), name


def test_alerts_fire_when_they_should(directory, peers):
    """By promtool's own tests of rules; labels are those of the series."""
    tests = []
    for series, minutes, expected in CASES:
        series_list = [{"series": name, "values": values}
                       for name, values in series.items()]
        if "relais_other" not in series:
            series_list.append({"series": "relais_build_info",
                                "values": "1x180"})
        tests.append({
            "interval": "1m", "input_series": series_list,
            "promql_expr_test": [{
                "expr": f'count by (alertname) (ALERTS{{alertname="{alert}",'
                        'alertstate="firing"})',
                "eval_time": f"{minutes}m",
                "exp_samples": [{"labels": f'{{alertname="{alert}"}}',
                                 "value": 1}] if alert in expected else [],
            } for alert in ALERTS]})
    tests_file = f"{directory}/alerts.test.yaml"
    with open(tests_file, "w") as file:
        json.dump({"rule_files": [str(MONITORING / "alerts.yaml")],
                   "evaluation_interval": "1m", "tests": tests}, file)
    promtool(peers, "test", "rules", tests_file)
