#!/bin/bash
#
# boot_checks.sh - runs in the booted guest of boot.sh; speaks TAP
set -u
captured=/var/lib/relais/captured/new
count=0 failed=0

# check SENTENCE COMMAND...: its output is shown where it fails
check()
{
	local sentence=$1 log
	shift
	count=$((count + 1))
	if log=$("$@" 2>&1 </dev/null); then
		echo "ok $count - $sentence"
	else
		failed=$((failed + 1))
		printf '%s\n' "$log" | tail -n 40 | sed 's/^/# /'
		echo "not ok $count - $sentence"
	fi
}

# until_true SECONDS COMMAND...
until_true()
{
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { "$@"; return 1; }
		read -r -t 0.1 <> <(:) || :
	done
}

property()
{
	systemctl show -p "$1" --value "${2-relaisd}"
}

as_user()
{
	setpriv --reuid=www-data --regid=www-data --init-groups "$@"
}

has_mail()
{
	grep -rqs -- "$1" $captured
}

settings()
{
	cat >/etc/relais/relais.yaml
}

# ------------------------------------------------------------------ install

install_packages()
{
	apt-get install -y -qq -o Dpkg::Use-Pty=0 /root/debs/relais_*.deb \
	    /root/debs/librelais0_*.deb
}

is_up_after_install()
{
	systemctl is-active relaisd relaisd-submit.socket \
	    relaisd-control.socket &&
	systemctl is-enabled relaisd relaisd-submit.socket \
	    relaisd-control.socket
}

is_the_mail_transport_agent()
{
	local name
	for name in /usr/sbin/sendmail /usr/lib/sendmail /usr/bin/mailq \
	    /usr/bin/newaliases; do
		[ -x "$name" ] || { echo "$name is missing"; return 1; }
	done
	dpkg-query -W -f '${Provides}' relais | grep -q mail-transport-agent &&
	mailq && newaliases
}

keeps_its_files_to_itself()
{
	[ "$(stat -c '%a %U %G' /etc/relais)" = "750 root relais" ] &&
	[ "$(stat -c '%a %U %G' /var/lib/relais)" = "700 relais relais" ] &&
	[ "$(stat -c %a /run/relais/submit.sock)" = 666 ] &&
	[ "$(stat -c %a /run/relais/control.sock)" = 666 ] &&
	! as_user cat /etc/relais/relais.yaml
}

is_tightly_boxed()
{
	systemd-analyze security --no-pager --threshold=15 relaisd | tail -n 1
	systemd-analyze security --no-pager --threshold=15 relaisd >/dev/null
}

check "installs by apt" install_packages
[ $failed = 0 ] || { echo "Bail out! not installed"; exit 1; }
check "is up and enabled after the installation" is_up_after_install
check "is the mail transport agent of the host" is_the_mail_transport_agent
check "keeps its files to itself" keeps_its_files_to_itself
check "has an exposure of 1.5 at most" is_tightly_boxed
echo "# $(systemd-analyze security --no-pager relaisd | tail -n 1)"

# ------------------------------------------------------------------- reload

takes_new_settings()
{
	settings <<-END
		hostname: mail1.example.com
		aliases: {root: admin@example.com}
		default_relay: capture
		relays: {capture: {url: "maildir:/var/lib/relais/captured"}}
	END
	local pid
	pid=$(property MainPID)
	relaisd --check && systemctl reload relaisd &&
	until_true 10 eval "relaisctl status | grep -q capture" &&
	[ "$(property MainPID)" = "$pid" ] &&
	[ "$(property ActiveState)" = active ]
}

survives_bad_settings()
{
	local pid
	pid=$(property MainPID)
	cp -p /etc/relais/relais.yaml /root/good.yaml
	echo 'nonsense: 1' >>/etc/relais/relais.yaml
	systemctl reload relaisd
	until_true 10 eval 'property StatusText | grep -q refused' || return 1
	cat /root/good.yaml >/etc/relais/relais.yaml
	systemctl reload relaisd
	until_true 10 eval '! property StatusText | grep -q refused' &&
	[ "$(property MainPID)" = "$pid" ]
}

check "takes new settings by systemctl reload" takes_new_settings
check "goes on with its settings if the new ones are wrong" \
    survives_bad_settings

# ------------------------------------------------------------- applications

cat >/etc/cron.d/relais-check <<'END'
MAILTO=cron@example.org
* * * * * www-data echo from cron
END

php_mail()
{
	as_user php -r 'exit(mail("php@example.org", "from php", "Hello.") ? 0 : 1);' &&
	until_true 10 has_mail "Subject: from php"
}

python_mail()
{
	as_user python3 - <<-'END' || return 1
		import smtplib
		class UnixSMTP(smtplib.LMTP):
		    ehlo_msg = "ehlo"
		with UnixSMTP("/run/relais/submit.sock") as smtp:
		    smtp.sendmail("app@example.com", ["python@example.org"],
		        "Subject: from python\r\n\r\nHello.\r\n")
	END
	until_true 10 has_mail "Subject: from python"
}

check "relays PHP's mail()" php_mail
check "relays what Python's smtplib sends" python_mail

# ------------------------------------------------------------------ journal

has_fields()
{
	local id
	id=$(relaisctl list --all --json | sed -n \
	    's/^{"id": *"\([0-9a-z]*\)".*/\1/p' | head -n 1)
	[ -n "$id" ] || return 1
	until_true 10 eval "journalctl -q -o json RELAIS_QUEUE_ID=$id |
	    grep -q RELAIS_EVENT" || return 1
	journalctl -q -o json RELAIS_QUEUE_ID="$id" RELAIS_EVENT=delivered \
	    PRIORITY=6 SYSLOG_IDENTIFIER=relaisd | grep -q RELAIS_RELAY
}

says_how_it_is()
{
	until_true 15 eval "property StatusText | grep -q '0 queued'"
}

check "puts fields beside the text in the journal" has_fields
check "tells systemd how deep the queue is" says_how_it_is
echo "# status: $(property StatusText)"

# -------------------------------------------------------------- credentials

uses_a_credential()
{
	printf 'secret-of-systemd\n' >/etc/relais/office.secret
	chmod 600 /etc/relais/office.secret
	mkdir -p /etc/systemd/system/relaisd.service.d
	cat >/etc/systemd/system/relaisd.service.d/credential.conf <<-END
		[Service]
		LoadCredential=office:/etc/relais/office.secret
	END
	cat >/root/relay.py <<-'END'
		import base64, socketserver
		class Relay(socketserver.StreamRequestHandler):
		    def handle(self):
		        say = lambda text: self.wfile.write(text.encode() + b"\r\n")
		        say("220 relay ESMTP")
		        in_data = False
		        for line in self.rfile:
		            word = line[:4].upper()
		            if in_data:
		                if line == b".\r\n":
		                    in_data = False
		                    say("250 ok")
		            elif word == b"EHLO":
		                say("250-relay\r\n250 AUTH PLAIN")
		            elif word == b"AUTH":
		                words = base64.b64decode(line.split()[2]).split(b"\0")
		                open("/root/login", "wb").write(b" ".join(words[1:]))
		                say("235 ok")
		            elif word == b"DATA":
		                in_data = True
		                say("354 go on")
		            else:
		                say("250 ok")
		socketserver.TCPServer.allow_reuse_address = True
		socketserver.TCPServer(("127.0.0.1", 2525), Relay).serve_forever()
	END
	python3 /root/relay.py &
	local relay=$!
	settings <<-END
		hostname: mail1.example.com
		aliases: {root: admin@example.com}
		relays:
		  office:
		    host: 127.0.0.1
		    port: 2525
		    security: none
		    username: web1
		    credential: office
		    authentication: plain
	END
	relaisd --check
	systemctl daemon-reload && systemctl restart relaisd &&
	printf 'Subject: login\n\nHello.\n' | sendmail user@example.org &&
	until_true 15 grep -q "web1 secret-of-systemd" /root/login
	local r=$?
	[ $r = 0 ] || { relaisctl list; relaisctl status; journalctl -u relaisd -n 20; }
	kill $relay
	rm /etc/systemd/system/relaisd.service.d/credential.conf
	cat /root/good.yaml >/etc/relais/relais.yaml
	systemctl daemon-reload && systemctl restart relaisd
	return $r
}

check "logs in with a credential of systemd's" uses_a_credential

# ----------------------------------------------------------------- restarts

is_all_delivered()
{
	until_true 60 eval '[ "$(relaisctl list --json | wc -l)" = 0 ]'
}

# under_load COMMAND...: 0 if it succeeds and no submission fails meanwhile
under_load()
{
	rm -f /root/stop
	python3 /root/boot_load.py /root/stop >/root/load.log 2>&1 &
	local load=$! r
	"$@"
	r=$?
	touch /root/stop
	wait $load || r=1
	cat /root/load.log
	return $r
}

restart_20_times()
{
	local i
	for ((i = 0; i < 20; i++)); do
		systemctl restart relaisd || return 1
	done
}

none_is_lost()
{
	local sent
	sent=$(sed -n 's/^sent //p' /root/load.log)
	is_all_delivered || return 1
	local there
	there=$(grep -rh '^Subject: by_' $captured | sort -u | wc -l)
	echo "$sent acknowledged, $there in the maildir"
	[ "$there" -ge "$sent" ] && [ "$sent" -gt 0 ]
}

check "20 restarts under load fail no submission" under_load restart_20_times
echo "# $(tail -n 1 /root/load.log) messages meanwhile"
check "20 restarts lose nothing" none_is_lost

# -------------------------------------------------------------------- crash

comes_back()
{
	local pid
	pid=$(property MainPID)
	kill -9 "$pid"
	# The socket is still there: this waits for the new process.
	printf 'Subject: after the crash\n\nHello.\n' | sendmail a@example.org &&
	until_true 20 has_mail "Subject: after the crash" &&
	[ "$(property MainPID)" != "$pid" ]
}

starts_when_asked()
{
	systemctl stop relaisd
	[ "$(property ActiveState)" = inactive ] || return 1
	printf 'Subject: wake up\n\nHello.\n' | sendmail a@example.org &&
	[ "$(property ActiveState)" = active ] &&
	until_true 10 has_mail "Subject: wake up"
}

ends_a_hung_process()
{
	mkdir -p /run/systemd/system/relaisd.service.d
	printf '[Service]\nWatchdogSec=2\n' \
	    >/run/systemd/system/relaisd.service.d/watchdog.conf
	systemctl daemon-reload && systemctl restart relaisd
	local pid
	pid=$(property MainPID)
	kill -STOP "$pid"
	until_true 20 eval "[ \"\$(property MainPID)\" != $pid ]" &&
	until_true 20 eval '[ "$(property MainPID)" != 0 ]' &&
	journalctl -q -u relaisd | grep -q 'Watchdog timeout'
	local r=$?
	rm -r /run/systemd/system/relaisd.service.d
	systemctl daemon-reload && systemctl restart relaisd
	return $r
}

check "comes back from a crash, and mail waits for it" comes_back
check "is started by the first client" starts_when_asked
check "is ended by the watchdog when it hangs" ends_a_hung_process

# ------------------------------------------------------------------ upgrade

# The same package with a later version.
make_later_package()
{
	dpkg-deb -R /root/debs/relais_*.deb /root/later &&
	sed -i 's/^Version: .*/&+later/' /root/later/DEBIAN/control &&
	dpkg-deb -b /root/later /root/relais-later.deb
}

upgrade()
{
	apt-get install -y -qq -o Dpkg::Use-Pty=0 /root/relais-later.deb
}

keeps_the_queue()
{
	relaisctl relay pause capture
	printf 'Subject: held over the upgrade\n\nHello.\n' |
	    sendmail held@example.org
	local socket
	socket=$(stat -c %i /run/relais/submit.sock)
	under_load upgrade || return 1
	[ "$(stat -c %i /run/relais/submit.sock)" = "$socket" ] || {
		echo "the socket was made anew"
		return 1
	}
	dpkg-query -W -f '${Version}' relais | grep -q later &&
	grep -q capture /etc/relais/relais.yaml &&
	relaisctl list --recipient held@example.org --state waiting --json |
	    grep -q held@example.org &&
	relaisctl relay resume capture &&
	until_true 10 has_mail "Subject: held over the upgrade"
}

check "the package can be made with a later version" make_later_package
check "an upgrade fails no submission and keeps the queue" keeps_the_queue
echo "# $(tail -n 1 /root/load.log) messages meanwhile"

check "relays what cron has to say" until_true 70 \
    has_mail "X-Envelope-To:.*cron@example.org"

# ----------------------------------------------------------- journal, purge

has_no_errors()
{
	local lines
	lines=$(journalctl -q -u relaisd -p err --no-pager -o cat |
	    grep -v 'Watchdog\|settings\|Killing process\|code=killed')
	echo "$lines"
	[ -z "$lines" ]
}

purges_clean()
{
	apt-get purge -y -qq -o Dpkg::Use-Pty=0 relais || return 1
	local left
	left=$(find /etc /run /usr /lib /var/lib/systemd /var/lib/relais \
	    -xdev -name '*relais*' ! -path '/usr/share/doc/*' \
	    ! -path '/usr/lib/*/librelais.so*' ! -path '/etc/cron.d/*' \
	    ! -path '/run/systemd/*' ! -path '/run/log/*' 2>/dev/null)
	echo "$left"
	[ -z "$left" ] && [ ! -e /usr/sbin/sendmail ]
}

check "logs no error in all this" has_no_errors
rm -f /etc/relais/office.secret
check "purges clean" purges_clean

echo "1..$count"
exit $((failed > 0))
