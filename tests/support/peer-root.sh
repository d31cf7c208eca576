#!/bin/sh
#
# peer-root.sh PEERS NAME... -- COMMAND [ARGUMENT...]
#
# Run COMMAND as if the unpacked peers NAME... (see peers.sh) were installed:
# their files lie over /usr and /etc and their users exist, in mount and process
# namespaces that end with the command. Everything else, the network included,
# is the host's. To stop it kill this process with SIGKILL: all that it started
# goes with it. The clients of relais in the folder $PROGRAMS are installed there,
# too, and the sockets in $SOCKETS are where relaisd's are. Needs root; exits 77 where that or the kernel's help is missing.
set -eu

main()
{
	peers=$(cd "$1" && pwd)
	shift
	usr= etc=
	while [ "$1" != -- ]; do
		[ -e "$peers/$1/.complete" ] || skip "the peer $1 is missing"
		usr=$usr$peers/$1/usr:
		[ ! -d "$peers/$1/etc" ] || etc=$etc$peers/$1/etc:
		shift
	done
	shift
	[ "$(id -u)" = 0 ] || skip "a mail server needs root to change users"
	unshare --mount true 2>/dev/null ||
	    skip "mount namespaces are not allowed here"
	USR=$usr ETC=$etc exec unshare --mount --pid --fork --kill-child \
	    --mount-proc -- "$0" --inside "$@"
}

skip()
{
	echo "$1" >&2
	exit 77
}

inside()
{
	mount --make-rprivate /
	mount -t tmpfs -o mode=755 tmpfs /mnt
	mkdir -p /mnt/etc /mnt/work /mnt/own/bin /mnt/own/sbin /mnt/own/lib
	[ -z "${PROGRAMS-}" ] || install_clients /mnt/own
	mount -t overlay -o "lowerdir=/mnt/own:$USR/usr" overlay /usr &&
	    mount -t overlay -o "lowerdir=$ETC/etc,upperdir=/mnt/etc,workdir=/mnt/work" \
	        overlay /etc || skip "overlay file systems are not allowed here"
	mount -t tmpfs -o mode=755 tmpfs /run
	mount -t tmpfs -o mode=755 tmpfs /var/spool
	mount -t tmpfs -o mode=755 tmpfs /var/lib
	# One id a name, far from those of real users.
	id=64900
	for name in postfix postdrop dovecot dovenull opensmtpd opensmtpq \
	    Debian-exim; do
		add_user "$name" $id
		id=$((id + 1))
	done
	if [ -n "${SOCKETS-}" ]; then
		mkdir /run/relais
		mount --bind "$SOCKETS" /run/relais
	fi
	mkdir -p /var/lib/opensmtpd/empty /run/opensmtpd /var/spool/smtpd
	exec "$@"
}

install_clients()
{
	cp "$PROGRAMS/relais-sendmail" "$PROGRAMS/relaisctl" "$1/bin/"
	ln -s ../bin/relais-sendmail "$1/sbin/sendmail"
	ln -s ../bin/relais-sendmail "$1/lib/sendmail"
}

add_user()
{
	grep -q "^$1:" /etc/group || echo "$1:x:$2:" >>/etc/group
	grep -q "^$1:" /etc/passwd ||
	    echo "$1:x:$2:$2::/nonexistent:/usr/sbin/nologin" >>/etc/passwd
}

if [ "$1" = --inside ]; then
	shift
	inside "$@"
else
	main "$@"
fi
