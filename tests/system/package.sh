#!/bin/bash
#
# package.sh DIRECTORY-OF-PACKAGES
#
# Installs, uses, removes and purges the packages in a throw-away root where no
# systemd runs, as in a container or under another init. Speaks TAP; skipped
# without root, mmdebstrap, or a package archive.
set -u
here=$(cd "$(dirname "$0")" && pwd)
debs=$(realpath "${1:?directory of packages}")
. "$here/root.sh"

[ "$(id -u)" = 0 ] || skip "needs root"
count=0 failed=0 scratch=
trap 'umount -l "$root/proc" "$root/dev" 2>/dev/null; drop_scratch' EXIT
base_root ca-certificates minbase
scratch_root
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mkdir "$root/root/debs"
cp "$debs"/relais_*.deb "$debs"/librelais0_*.deb "$root/root/debs/"

inside() # COMMAND, as the shell of the root takes it
{
	chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	    HOME=/root DEBIAN_FRONTEND=noninteractive \
	    ${http_proxy+http_proxy="$http_proxy"} /bin/sh -ec "$1"
}

check() # SENTENCE COMMAND
{
	local log
	count=$((count + 1))
	if log=$(inside "$2" 2>&1 </dev/null); then
		echo "ok $count - $1"
		return
	fi
	failed=$((failed + 1))
	printf '%s\n' "$log" | tail -n 30 | sed 's/^/# /'
	echo "not ok $count - $1"
}

# All that is there but what apt and dpkg keep for themselves.
files()
{
	find "$root"/etc "$root"/usr "$root"/var "$root"/run "$root"/lib \
	    -xdev \( -path '*/var/lib/dpkg' -o -path '*/var/lib/apt' -o \
	    -path '*/var/cache' -o -path '*/var/log' \) -prune -o -print |
	    sed "s|^$root||" | sort
}

packages=$(sed -n 's/^Depends: //p' <(dpkg-deb -I "$debs"/relais_*.deb |
    sed 's/^ //') | tr ',' '\n' | sed 's/(.*//; s/|.*//' | tr '\n' ' ')
check "what the packages need is installed" \
    "apt-get -qq update && apt-get install -y -qq $packages"
files >"$scratch/before"
check "installs without systemd" \
    'apt-get install -y -qq --no-install-recommends /root/debs/*.deb
    getent passwd relais && getent group relais-admin'
check "takes mail, as the sendmail of the system" '
    cat >/etc/relais/relais.yaml <<END
hostname: mail1.example.com
relays: {capture: {url: "maildir:/var/lib/relais/captured"}}
END
    install -d -o relais -g relais /run/relais
    install -d -o relais -g relais -m 0700 /var/lib/relais
    setpriv --reuid=relais --regid=relais --init-groups relaisd 2>/root/log &
    pid=$!
    for i in $(seq 300); do
        [ ! -S /run/relais/submit.sock ] || break
        timeout 0.1 tail -f /dev/null || :
    done
    [ -S /run/relais/submit.sock ] || cat /root/log
    echo hello | /usr/lib/sendmail -i user@example.org
    kill $pid && wait $pid
    grep -r hello /var/lib/relais/captured/new'
check "a removal keeps settings and queue" '
    apt-get remove -y -qq relais
    [ -e /etc/relais/relais.yaml ] && [ -d /var/lib/relais/captured ]
    [ ! -e /usr/sbin/relaisd ] && [ ! -e /usr/sbin/sendmail ]'
check "can be installed again with them" '
    apt-get install -y -qq --no-install-recommends /root/debs/*.deb
    grep -q maildir /etc/relais/relais.yaml'
check "purges" 'apt-get purge -y -qq relais librelais0'

count=$((count + 1))
files >"$scratch/after"
left=$(comm -13 "$scratch/before" "$scratch/after" |
    grep -vE '^/etc/(passwd|group|shadow|gshadow)-?$|^/run/lock')
if [ -z "$left" ]; then
	echo "ok $count - nothing is left behind"
else
	printf '%s\n' "$left" | sed 's/^/# /'
	failed=$((failed + 1))
	echo "not ok $count - nothing is left behind"
fi
echo "1..$count"
exit $((failed > 0))
