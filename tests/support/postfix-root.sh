#!/bin/sh
#
# postfix-root.sh start PEERS DIRECTORY SUBMISSION-PORT SMTPS-PORT SINK-PORT
# postfix-root.sh stop DIRECTORY
#
# A stock Postfix with Dovecot's SASL on 127.0.0.1, from the unpacked peers (see
# peers.sh), in namespaces of its own. SUBMISSION-PORT requires STARTTLS and a
# login, SMTPS-PORT is the same with TLS from the start; user `user`, password
# `secret`, all of PLAIN, LOGIN, CRAM-MD5 and SCRAM-SHA-256. What it accepts it
# sends to 127.0.0.1:SINK-PORT, so nothing leaves the host.
#
# `start` returns when the ports answer; DIRECTORY then has log, pid and
# tls/ca.pem. DIRECTORY must be outside /run, /etc and /var/spool. Exits 77 with
# the reason where this cannot run.
set -eu
support=$(cd "$(dirname "$0")" && pwd)

main()
{
	case ${1-} in
	start)
		shift
		start "$@" ;;
	stop)
		stop "$2" ;;
	*)
		sed -n '3,4s/^# //p' "$0" >&2
		exit 64 ;;
	esac
}

start()
{
	mkdir -p "$2"
	home=$(cd "$2" && pwd)
	peers=$1 submission=$3 smtps=$4 sink=$5
	"$support/certificates.sh" "$home/tls"
	mkdir -p "$home/etc" "$home/spool" "$home/data" "$home/run"
	configure_postfix
	configure_dovecot
	"$support/peer-root.sh" "$peers" postfix dovecot -- \
	    sh -c "$(commands)" </dev/null >"$home/log" 2>&1 &
	echo $! >"$home/pid"
	await_port "$submission" && await_port "$smtps" || give_up
}

# What runs inside.
commands()
{
	cat <<END
chown postfix '$home/data'
chmod 755 '$home' '$home/run'
dovecot -c '$home/dovecot.conf' &&
postfix -c '$home/etc' start-fg
END
}

configure_postfix()
{
	cat >"$home/etc/main.cf" <<END
compatibility_level = 3.6
queue_directory = $home/spool
data_directory = $home/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = /dev/stdout
myhostname = relay.test
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
default_transport = smtp:[127.0.0.1]:$sink
smtp_tls_security_level = none
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_sasl_type = dovecot
smtpd_sasl_path = $home/run/auth
smtpd_sasl_auth_enable = yes
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = $home/tls/good.pem
smtpd_tls_key_file = $home/tls/good.key
message_size_limit = 41943040
END
	cat >"$home/etc/master.cf" <<END
$submission inet n - n - - smtpd -o smtpd_tls_security_level=encrypt
$smtps inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
showq unix n - n - - showq
postlog unix-dgram n - n - 1 postlogd
END
}

configure_dovecot()
{
	echo 'user:{PLAIN}secret' >"$home/users"
	cat >"$home/dovecot.conf" <<END
base_dir = $home/run/dovecot
log_path = /dev/stderr
protocols =
ssl = no
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = plain login cram-md5 scram-sha-256
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u $home/users
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}
service auth {
  unix_listener $home/run/auth {
    mode = 0666
  }
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
END
}

await_port()
{
	tries=0
	until port_answers "$1"; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] && kill -0 "$(cat "$home/pid")" 2>/dev/null ||
		    return 1
		sleep 0.1
	done
}

port_answers()
{
	/usr/bin/python3 -c 'import socket, sys
socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1)' \
	    "$1" 2>/dev/null
}

give_up()
{
	cat "$home/log" >&2
	code=1
	kill -0 "$(cat "$home/pid")" 2>/dev/null ||
	    { wait "$(cat "$home/pid")" || code=$?; }
	stop "$home"
	[ $code = 77 ] && exit 77
	exit 1
}

# All processes of Postfix and Dovecot live in one pid namespace and end with it.
stop()
{
	[ -e "$1/pid" ] || return 0
	kill -9 "$(cat "$1/pid")" 2>/dev/null || :
	rm -f "$1/pid"
}

main "$@"
