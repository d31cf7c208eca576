#!/bin/bash
#
# boot.sh DIRECTORY-OF-PACKAGES
#
# Boots a fresh Debian with systemd as its first process, and runs
# boot_checks.sh in it, which installs the packages and looks whether relais is
# at home there. Speaks TAP; without root, systemd-nspawn or a package archive
# it is skipped. Leaves nothing behind but the cached base root.
set -u
here=$(cd "$(dirname "$0")" && pwd)
debs=$(realpath "${1:?directory of packages}")
limit_s=${LIMIT_S:-900}
. "$here/root.sh"

[ "$(id -u)" = 0 ] || skip "needs root"
need_tool systemd-nspawn systemd-container
guest=
trap 'stop_guest; drop_scratch' EXIT

stop_guest()
{
	[ -n "$guest" ] || return 0
	kill -TERM "$guest" 2>/dev/null
	timeout 10 tail -f /dev/null --pid="$guest" 2>/dev/null
	kill -KILL "$guest" 2>/dev/null
	wait "$guest" 2>/dev/null
}

# What relais needs comes with the base root, so that runs are quick; that the
# package names all of it is seen by apt, which installs it for real.
packages=systemd-sysv,dbus,libpam-systemd,libnss-systemd,procps,iproute2
packages=$packages,ca-certificates,cron,python3,php-cli,libevent-2.1-7
packages=$packages,libevent-extra-2.1-7,libevent-pthreads-2.1-7,liblmdb0
packages=$packages,libyaml-0-2,libjansson4,libc-ares2,libcurl4,libgsasl18
base_root "$packages"
scratch_root

cp "$here"/boot_checks.sh "$here"/boot_load.py "$root/root/"
mkdir "$root/root/debs" "$root/results"
cp "$debs"/*.deb "$root/root/debs/"
mkdir -p "$scratch/results"
: >"$scratch/results/output"
cat >"$root/etc/systemd/system/checks.service" <<'UNIT'
[Unit]
Description=the checks
After=multi-user.target
[Service]
Type=exec
WorkingDirectory=/root
Environment=HOME=/root USER=root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive
StandardOutput=append:/results/output
StandardError=append:/results/output
TimeoutStartSec=infinity
ExecStart=/bin/bash -c 'systemctl is-system-running --wait >/dev/null 2>&1; /bin/bash /root/boot_checks.sh; echo $? >/results/status; sync; systemctl --no-block --force poweroff'
[Install]
WantedBy=graphical.target
UNIT
mkdir -p "$root/etc/systemd/system/graphical.target.wants"
ln -s ../checks.service "$root/etc/systemd/system/graphical.target.wants/"
for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer \
    console-getty.service networking.service; do
	ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
rm -f "$root/usr/sbin/policy-rc.d"

SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_SECCOMP=0 \
systemd-nspawn --quiet --register=no --keep-unit --machine="relais-$$" \
    --directory="$root" --bind="$scratch/results:/results" \
    --resolv-conf=copy-host --kill-signal=SIGRTMIN+3 --capability=all \
    --console=pipe --boot </dev/null >"$scratch/console" 2>&1 8>&- &
guest=$!
tail -s 0.1 -n +1 -f "$scratch/results/output" --pid="$guest" 2>/dev/null &
tail=$!
end=$((SECONDS + limit_s))
while kill -0 "$guest" 2>/dev/null && [ ! -s "$scratch/results/status" ] &&
    [ $SECONDS -lt $end ]; do
	read -r -t 0.2 <> <(:) || :
done
status=$(cat "$scratch/results/status" 2>/dev/null)
timeout 10 tail -f /dev/null --pid="$guest"
kill "$tail" 2>/dev/null
wait "$tail" 2>/dev/null
if [ -z "$status" ]; then
	echo "Bail out! the checks did not end"
	tail -n 50 "$scratch/console" >&2
	exit 99
fi
exit "$status"
