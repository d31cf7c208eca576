"""What senders are told, as an independent parser reads it."""

import email
import email.policy
import re

import pytest

from conftest import wait_until


def is_report(message):
    return message.sender.startswith("<> ") or message.sender == "<>"


def reports(relay):
    return [m for m in relay.messages if is_report(m)]


def refuse(relay, text="550 5.1.1 no such user", word="bad"):
    relay.always("RCPT", lambda line: text if word in line else None)


def parse(message):
    return email.message_from_bytes(message.content,
                                    policy=email.policy.default)


def status_blocks(report):
    """The fields about the message, and those of each recipient."""
    for part in report.walk():
        if part.get_content_type() in ("message/delivery-status",
                                       "message/global-delivery-status"):
            return part.get_payload()
    raise AssertionError("no delivery-status in " + report.as_string())


def part_of(report, *types):
    for part in report.walk():
        if part.get_content_type() in types:
            return part
    return None


@pytest.fixture
def bouncing(daemon, relay):
    """A running daemon whose relay refuses recipients with "bad"."""
    refuse(relay)
    daemon.use_relay(relay)
    daemon.settings["bounces"] = {"gather": "1s", "summary": "1s"}
    daemon.settings["retry"] = {"first": "1s", "warn": "1s"}
    return daemon


def test_a_failure_is_told_to_the_sender(bouncing, relay):
    bouncing.start()
    queue_id = bouncing.send(
        "From: App <app@example.com>\r\nTo: bad@example.net\r\n"
        "Subject: Your invoice\r\nMessage-ID: <one@example.com>\r\n\r\n"
        "Dear Bob,\r\n.\r\nbye\r\n", to="bad@example.net")
    message = relay.wait_for_messages(1)[0]
    assert is_report(message)
    assert message.recipients[0].startswith("<app@example.com>")
    report = parse(message)
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    assert report["Subject"] == "Undelivered: Your invoice"
    assert report["Auto-Submitted"] == "auto-replied"
    assert report["In-Reply-To"] == "<one@example.com>"
    assert report["To"] == "app@example.com"
    assert "MAILER-DAEMON@" in report["From"]
    assert report["Message-ID"] and report["Date"]
    assert not report.defects

    text = report.get_payload(0).get_content()
    assert "bad@example.net" in text
    assert "550 5.1.1 no such user" in text
    assert "What it means:" in text and "What to do:" in text
    assert queue_id in text

    about, bob = status_blocks(report)
    assert about["Reporting-MTA"] == "dns; relais.example.com"
    assert about["Arrival-Date"]
    assert about["X-Relais-Queue-Id"] == queue_id
    assert bob["Final-Recipient"] == "rfc822; bad@example.net"
    assert bob["Action"] == "failed"
    assert bob["Status"] == "5.1.1"
    assert bob["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"
    assert bob["Remote-MTA"] == "dns; [127.0.0.1]"
    assert bob["Last-Attempt-Date"]

    original = part_of(report, "message/rfc822").get_payload(0)
    assert original["Subject"] == "Your invoice"
    assert original.get_payload() == "Dear Bob,\r\n.\r\nbye\r\n"

    story = [e["event"] for e in bouncing.show(queue_id)["timeline"]]
    assert story == ["accepted", "failed", "bounced"]
    told = bouncing.show(queue_id)["timeline"][-1]["text"]
    report_id = re.search("by message (.*)", told).group(1)
    shown = bouncing.wait_for_state(report_id, "delivered")
    assert shown["bounce"] is True and shown["sender"] == ""


def test_one_report_lists_all_that_failed(bouncing, relay):
    bouncing.start()
    bouncing.send(to=["bad1@example.net", "good@example.net",
                      "bad2@example.net", "bad3@example.net"])
    relay.wait_for_messages(2)
    report = parse(reports(relay)[0])
    failed = [b["Final-Recipient"] for b in status_blocks(report)[1:]]
    assert failed == [f"rfc822; bad{n}@example.net" for n in (1, 2, 3)]


def test_transactions_of_one_message_are_told_together(bouncing, relay):
    bouncing.use_relay(relay, limits={"recipients": 10, "connections": 1})
    bouncing.start()
    queue_id = bouncing.send(to=[f"bad{n}@example.net" for n in range(30)])
    bouncing.wait_for_state(queue_id, "failed")
    relay.wait_for_messages(1)
    bouncing.wait_for_state(bouncing.send(), "delivered")
    assert len(reports(relay)) == 1
    assert len(status_blocks(parse(reports(relay)[0]))) == 31


def test_nobody_is_told_about_a_report(bouncing, relay):
    bouncing.start()
    queue_id = bouncing.send(sender="bad-sender@example.com",
                             to="bad@example.net")
    bouncing.wait_for_state(queue_id, "failed")
    messages = wait_until(
        lambda: [m for m in bouncing.api("/v1/messages")[1]["messages"]
                 if m["bounce"] and m["state"] == "failed"], "the report")
    assert len(messages) == 1
    bouncing.wait_for_state(bouncing.send(), "delivered")
    assert len(bouncing.api("/v1/messages")[1]["messages"]) == 3
    assert reports(relay) == []


def test_the_null_sender_is_told_nothing(bouncing, relay):
    bouncing.start()
    queue_id = bouncing.send(sender="", to="bad@example.net")
    bouncing.wait_for_state(queue_id, "failed")
    bouncing.wait_for_state(bouncing.send(), "delivered")
    assert len(bouncing.api("/v1/messages")[1]["messages"]) == 2


@pytest.mark.parametrize("wish, told", [
    ("NEVER", False), ("SUCCESS", False), ("DELAY", False),
    ("FAILURE", True), ("SUCCESS,FAILURE", True)])
def test_notify_decides_about_failures(bouncing, relay, wish, told):
    bouncing.start()
    queue_id = bouncing.send(to="bad@example.net", rcpt=[f"NOTIFY={wish}"])
    bouncing.wait_for_state(queue_id, "failed")
    bouncing.wait_for_state(bouncing.send(), "delivered")
    if told:
        wait_until(lambda: reports(relay), "the report")
    events = [e["event"] for e in bouncing.show(queue_id)["timeline"]]
    assert ("bounced" in events) == told


def test_ret_and_envid_and_orcpt_are_honoured(bouncing, relay):
    bouncing.start()
    bouncing.send("Subject: secret plans\r\n\r\nthe body\r\n",
                  to="bad@example.net", mail=["RET=HDRS", "ENVID=QQ+2B1"],
                  rcpt=["NOTIFY=FAILURE", "ORCPT=rfc822;Bob+40example.org"])
    report = parse(relay.wait_for_messages(1)[0])
    about, bob = status_blocks(report)
    assert about["Original-Envelope-Id"] == "QQ+1"
    assert bob["Original-Recipient"] == "rfc822; Bob@example.org"
    header = part_of(report, "text/rfc822-headers").get_content()
    assert "Subject: secret plans" in header
    assert "the body" not in report.as_string()


def test_a_large_message_is_returned_without_its_body(bouncing, relay):
    bouncing.start()
    bouncing.send("Subject: large\r\n\r\n" + "x" * 60 + "\r\n"
                  + "y" * 70 * 1024, to="bad@example.net")
    report = parse(relay.wait_for_messages(1)[0])
    assert part_of(report, "message/rfc822") is None
    assert part_of(report, "text/rfc822-headers")


def test_eight_bit_mail_is_returned_whole(bouncing, relay):
    bouncing.start()
    bouncing.send("Subject: hello\r\nMIME-Version: 1.0\r\n"
                  "Content-Type: text/plain; charset=utf-8\r\n"
                  "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n",
                  to="bad@example.net", mail=["BODY=8BITMIME"])
    message = relay.wait_for_messages(1)[0]
    assert "BODY=8BITMIME" in message.sender
    original = part_of(parse(message), "message/rfc822").get_payload(0)
    assert original.get_content() == "Grüße\r\n"


def test_an_utf8_sender_gets_a_report_in_utf8(bouncing, relay):
    bouncing.start()
    with bouncing.smtp() as client:
        client.ehlo()
        client.command_encoding = "utf-8"
        assert client.mail("jürgen@example.com", ["SMTPUTF8"])[0] == 250
        assert client.rcpt("bad-büro@example.net")[0] == 250
        assert client.data("Subject: Grüße\r\n\r\nhi\r\n".encode())[0] == 250
    message = relay.wait_for_messages(1)[0]
    assert "SMTPUTF8" in message.sender
    report = parse(message)
    assert report.get_param("report-type") == "global-delivery-status"
    raw = message.content.decode()
    assert "Final-Recipient: utf-8; bad-büro@example.net" in raw
    assert part_of(report, "message/global")


def test_an_ascii_sender_gets_a_report_in_ascii(bouncing, relay):
    bouncing.start()
    with bouncing.smtp() as client:
        client.ehlo()
        client.command_encoding = "utf-8"
        assert client.mail("app@example.com", ["SMTPUTF8"])[0] == 250
        assert client.rcpt("bad-büro@example.net")[0] == 250
        assert client.data("Subject: Grüße\r\n\r\nhi\r\n".encode())[0] == 250
    message = relay.wait_for_messages(1)[0]
    assert "SMTPUTF8" not in message.sender
    report = parse(message)
    message.content.decode("ascii")
    bob = status_blocks(report)[1]
    assert bob["Final-Recipient"] == "utf-8; bad-b\\x{FC}ro@example.net"
    assert report["Subject"] == "Undelivered: Grüße"
    assert "bad-büro@example.net" in report.get_payload(0).get_content()


def test_a_delay_is_told_once(bouncing, relay):
    refuse(relay, "450 4.2.0 mailbox busy", "slow")
    bouncing.start()
    queue_id = bouncing.send(to="slow@example.net")
    report = parse(relay.wait_for_messages(1)[0])
    assert report["Subject"] == "Delayed: hello"
    about, slow = status_blocks(report)
    assert slow["Action"] == "delayed"
    assert slow["Status"].startswith("4.")
    assert slow["Will-Retry-Until"]
    # It goes on being tried, and nothing more is said.
    attempts = bouncing.show(queue_id)["recipients"][0]["attempts"]
    wait_until(lambda: bouncing.show(queue_id)["recipients"][0]["attempts"]
               >= attempts + 2, "two more attempts")
    assert len(reports(relay)) == 1
    relay.never_mind("RCPT")
    bouncing.ctl("retry", queue_id)
    bouncing.wait_for_state(queue_id, "delivered")


def test_a_delay_is_told_when_the_sender_asked_for_it(bouncing, relay):
    """RFC 2852 4: BY with N ends nothing."""
    refuse(relay, "450 4.2.0 mailbox busy", "slow")
    bouncing.settings["retry"] = {"first": "5m", "warn": "4h"}
    bouncing.start()
    queue_id = bouncing.send(to="slow@example.net", mail=["BY=1;N"])
    report = parse(relay.wait_for_messages(1)[0])
    assert status_blocks(report)[1]["Action"] == "delayed"
    message = bouncing.show(queue_id)
    assert message["state"] == "queued" and message["deadline"] is None


@pytest.mark.parametrize("field", [
    "Precedence: bulk", "List-Id: <all.example.com>",
    "Auto-Submitted: auto-generated"])
def test_bulk_and_automatic_mail_hears_of_no_delay(bouncing, relay, field):
    refuse(relay, "450 4.2.0 mailbox busy", "slow")
    bouncing.start()
    queue_id = bouncing.send(f"{field}\r\nSubject: x\r\n\r\nx\r\n",
                             to="slow@example.net")
    wait_until(lambda: bouncing.show(queue_id)["recipients"][0]["attempts"]
               >= 4, "some attempts")
    bouncing.wait_for_state(bouncing.send(), "delivered")
    assert reports(relay) == []


def test_success_is_told_where_the_relay_does_not(bouncing, relay):
    relay.extensions.remove("DSN")
    bouncing.start()
    queue_id = bouncing.send(rcpt=["NOTIFY=SUCCESS"])
    relay.wait_for_messages(2)
    report = parse(reports(relay)[0])
    assert report["Subject"] == "Delivered: hello"
    user = status_blocks(report)[1]
    assert user["Action"] == "relayed"
    assert user["Status"] == "2.0.0"
    assert part_of(report, "message/rfc822") is None
    shown = wait_until(lambda: [m for m in [bouncing.show(queue_id)]
                                if not m["has_content"]], "its body to go")
    assert shown[0]["state"] == "delivered"


def test_success_is_left_to_a_relay_that_tells_it(bouncing, relay):
    bouncing.start()
    queue_id = bouncing.send(rcpt=["NOTIFY=SUCCESS"])
    bouncing.wait_for_state(queue_id, "delivered")
    bouncing.wait_for_state(bouncing.send(), "delivered")
    assert "NOTIFY=SUCCESS" in relay.messages[0].recipients[0]
    assert reports(relay) == []


def test_reports_go_where_the_settings_say(bouncing, relay):
    bouncing.settings["bounces"]["to"] = "admin@example.com"
    bouncing.settings["bounces"]["from"] = "bounces@example.com"
    bouncing.start()
    bouncing.send("Subject: private\r\n\r\nthe words\r\n",
                  to="bad@example.net")
    message = relay.wait_for_messages(1)[0]
    assert message.sender.startswith("<bounces@example.com>")
    assert message.recipients[0].startswith("<admin@example.com>")
    report = parse(message)
    assert report["From"] == \
        "Mail Delivery System <bounces@example.com>"
    assert "the words" not in report.as_string()
    # What comes back to that address is not answered.
    queue_id = bouncing.send(sender="bounces@example.com",
                             to="bad@example.net")
    bouncing.wait_for_state(queue_id, "failed")
    bouncing.wait_for_state(bouncing.send(), "delivered")
    assert len(relay.messages) == 2


def refuse_null_sender(relay):
    relay.always("MAIL", lambda line: "553 5.7.1 the null sender is not "
                 "allowed here" if "<>" in line else None)


@pytest.mark.parametrize("keys", [
    {"from": {"address": "noreply@example.com", "apply": "missing"}},
    {"username": "noreply@example.com"}])
def test_a_report_goes_as_the_relays_own_where_null_is_refused(
        bouncing, relay, keys):
    bouncing.settings["relays"]["office"].update(keys)
    refuse_null_sender(relay)
    bouncing.start()
    queue_id = bouncing.send(to="bad@example.net")
    message = relay.wait_for_messages(1)[0]
    assert message.sender.startswith("<noreply@example.com>")
    assert message.recipients[0].startswith("<app@example.com>")
    assert parse(message)["Auto-Submitted"] == "auto-replied"
    bouncing.wait_for_state(queue_id, "failed")
    (report,) = [m for m in bouncing.api("/v1/messages")[1]["messages"]
                 if m["bounce"]]
    shown = bouncing.wait_for_state(report["id"], "delivered")
    assert [e["event"] for e in shown["timeline"]] == [
        "accepted", "deferred", "delivered"]
    assert shown["recipients"][0]["attempts"] == 1
    assert bouncing.relay_state()["state"] == "closed"


def test_no_loop_begins_with_a_stand_in(bouncing, relay):
    """Its own mail is told of, a report that went as it is not."""
    bouncing.settings["relays"]["office"]["from"] = {
        "address": "bad-noreply@example.com"}
    refuse_null_sender(relay)
    bouncing.start()
    queue_id = bouncing.send(sender="bad-noreply@example.com",
                             to="bad@example.net")
    bouncing.wait_for_state(queue_id, "failed")
    wait_until(lambda: [m for m in bouncing.api("/v1/messages")[1]["messages"]
                        if m["bounce"] and m["state"] == "failed"],
               "the report to fail")
    bouncing.wait_for_state(bouncing.send(), "delivered")
    assert len(bouncing.api("/v1/messages")[1]["messages"]) == 3
    assert len(relay.messages) == 1


def test_a_report_that_nobody_may_send_says_what_helps(bouncing, relay):
    refuse_null_sender(relay)
    bouncing.start()
    bouncing.send(to="bad@example.net")
    (report,) = wait_until(
        lambda: [m for m in bouncing.api("/v1/messages")[1]["messages"]
                 if m["bounce"] and m["state"] == "failed"], "the failure")
    shown = bouncing.ctl("show", report["id"]).stdout.decode()
    assert "bounces.from" in shown, shown


def test_a_report_that_is_owed_survives_kill(bouncing, relay):
    # Due much later than the kill.
    bouncing.settings["bounces"]["gather"] = "1h"
    relay.always("RCPT", lambda line: "550 5.1.1 no" if "bad" in line
                 else "450 4.2.0 busy" if "slow" in line else None)
    bouncing.settings["retry"] = {"first": "1h"}
    bouncing.start()
    queue_id = bouncing.send(to=["bad@example.net", "slow@example.net"])
    wait_until(lambda: bouncing.show(queue_id)["recipients"][0]["state"]
               == "failed", "the failure")
    assert relay.messages == []
    bouncing.kill()
    relay.never_mind("RCPT")
    bouncing.start()
    # Nothing more is undecided then: it is told at once.
    bouncing.ctl("retry", queue_id)
    relay.wait_for_messages(2)
    report = parse(reports(relay)[0])
    assert len(status_blocks(report)) == 2
    wait_until(lambda: all(
        m["state"] in ("delivered", "partial")
        for m in bouncing.api("/v1/messages")[1]["messages"]), "the ends")
    bouncing.kill()
    bouncing.start()
    bouncing.wait_for_state(bouncing.send(), "delivered")
    assert len(reports(relay)) == 1
