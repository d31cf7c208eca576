#!/bin/bash
#
# container.sh TARBALL
#
# Does what docs/container/Containerfile says, line by line, in throw-away roots
# made from this machine's package archive (an image registry is not needed),
# starts what comes out as its ENTRYPOINT and USER say, and sends mail to it from
# a second root that has nothing of relais but the static client. Speaks TAP;
# skipped without root, mmdebstrap, or an archive.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tarball=$(realpath "${1:?release tarball}")
. "$here/root.sh"

[ "$(id -u)" = 0 ] || skip "needs root"
scratches= daemon= count=0 failed=0 context=$(mktemp -d)
trap 'end_daemon; drop_all; rm -rf "$context"' EXIT
tar -xf "$tarball" -C "$context" --strip-components=1
recipe=$context/docs/container/Containerfile
base_root ca-certificates minbase

check() # SENTENCE COMMAND...
{
	local sentence=$1 log
	shift
	count=$((count + 1))
	if log=$("$@" 2>&1 </dev/null); then
		echo "ok $count - $sentence"
		return
	fi
	failed=$((failed + 1))
	printf '%s\n' "$log" | tail -n 30 | sed 's/^/# /'
	echo "not ok $count - $sentence"
	return 1
}

new_root() # sets $root
{
	scratch_root
	scratches="$scratches $scratch"
	mount -t proc proc "$root/proc"
	mount --rbind /dev "$root/dev"
}

drop_all()
{
	for scratch in $scratches; do
		umount -l "$scratch/root/dev" "$scratch/root/proc" \
		    "$scratch/root/run/relais" 2>/dev/null
		drop_scratch
	done
}

end_daemon()
{
	[ -z "$daemon" ] || kill -KILL "$daemon" 2>/dev/null
}

# ------------------------------------------------------------------ the recipe

user=root entrypoint= build=

# One instruction, its lines joined, without the comments between.
instructions()
{
	sed -e '/^#/d' -e '/^$/d' "$recipe" | sed -e ':a' -e '/\\$/{N;s/\\\n//;ba}'
}

in_root()
{
	chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	    HOME=/root DEBIAN_FRONTEND=noninteractive \
	    ${http_proxy+http_proxy="$http_proxy"} /bin/sh -ec "$1"
}

copy() # SOURCE DESTINATION, as COPY understands them
{
	if [ -d "$1" ]; then
		mkdir -p "$2" && cp -a "$1/." "$2/"
	else
		mkdir -p "$(dirname "$2")" && cp -a "$1" "$2"
	fi
}

do_copy()
{
	case $1 in
	--from=build) copy "$build$2" "$root$3" ;;
	--*) echo "COPY $1 is not known here"; return 1 ;;
	*) copy "$context/$1" "$root$2" ;;
	esac
}

follow() # VERB REST
{
	case $1 in
	FROM)
		build=${root-}
		new_root ;;
	RUN) check "RUN ${2:0:60}" in_root "$2" ;;
	COPY) check "COPY $2" do_copy $2 ;;
	USER) user=$2 ;;
	ENTRYPOINT) entrypoint=$(printf '%s' "$2" | tr -d '[]"') ;;
	VOLUME | STOPSIGNAL) ;;
	*) echo "$1 is not known here"; return 1 ;;
	esac
}

while read -r verb rest; do
	follow "$verb" "$rest" || { echo "Bail out! $verb $rest"; exit 1; }
done < <(instructions)

# --------------------------------------------------------------- what it makes

image=$root
cat >"$image/etc/relais/relais.yaml" <<-'END'
	hostname: mail1.example.com
	relays: {capture: {url: "maildir:/var/lib/relais/captured"}}
END
chroot "$image" chown root:relais /etc/relais/relais.yaml
chroot --userspec="$user" "$image" $entrypoint 2>"$context/log" &
daemon=$!

until_true() # COMMAND...
{
	local end=$((SECONDS + 30))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { "$@"; cat "$context/log"; return 1; }
		read -r -t 0.1 <> <(:) || :
	done
}

is_served()
{
	until_true test -S "$image/run/relais/submit.sock"
}

status_is_shown()
{
	chroot "$image" relaisctl status
}

application_sends()
{
	printf 'Subject: from a container\n\nhello\n' |
	    chroot --userspec=33:33 "$root" /usr/sbin/sendmail -i a@example.org &&
	until_true grep -rq 'Subject: from a container' \
	    "$image/var/lib/relais/captured/new"
}

ends_when_told()
{
	kill -TERM "$daemon" && wait "$daemon"
}

check "the daemon of the image runs as $user" is_served
check "relaisctl of the image asks it" status_is_shown
new_root
mkdir "$root/run/relais"
mount --bind "$image/run/relais" "$root/run/relais"
cp "$image/usr/lib/relais/sendmail" "$root/usr/sbin/sendmail"
check "an application with the static client alone sends mail" \
    application_sends
# In this shell: the daemon is its child.
count=$((count + 1))
if ends_when_told; then
	echo "ok $count - it ends when it is told to"
else
	failed=$((failed + 1))
	echo "not ok $count - it ends when it is told to"
fi
daemon=
echo "1..$count"
exit $((failed > 0))
