# root.sh - throw-away Debian roots for the tests of this folder (sourced)
#
# A base root is made once by mmdebstrap and kept in $RELAIS_ROOTS; every run
# works in an overlay above it, which is gone afterwards. Needs root, apt and
# a package archive.

RELAIS_ROOTS=${RELAIS_ROOTS:-/var/tmp/relais-roots}
SUITE=${SUITE:-bookworm}

skip()
{
	echo "1..0 # SKIP $*"
	exit 77
}

note()
{
	echo "# $*" >&2
}

need_tool() # COMMAND PACKAGE
{
	command -v "$1" >/dev/null || skip "$1 is missing: apt-get install $2"
}

# The archives that this machine's own apt uses.
archives()
{
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
	    sort -u
}

archive_lines()
{
	key=/usr/share/keyrings/debian-archive-keyring.gpg
	archives | while read -r uri; do
		case $uri in
		*security*) echo "deb [signed-by=$key] $uri $SUITE-security main" ;;
		*) echo "deb [signed-by=$key] $uri $SUITE main"
		    echo "deb [signed-by=$key] $uri $SUITE-updates main" ;;
		esac
	done
}

# base_root PACKAGE,... [VARIANT]: sets $base, a root that has these packages
base_root()
{
	need_tool mmdebstrap mmdebstrap
	base=$RELAIS_ROOTS/system-$SUITE-$(printf %s "$*" | cksum | cut -d' ' -f1)
	mkdir -p "$RELAIS_ROOTS"
	exec 8>"$RELAIS_ROOTS/.system-lock"
	flock 8
	if [ ! -e "$base.ready" ]; then
		note "making $base (once)"
		rm -rf "$base" "$base.tar"
		archive_lines | mmdebstrap --quiet --variant="${2-important}" \
		    --include="$1" --aptopt='Acquire::Check-Valid-Until "false"' \
		    "$SUITE" "$base.tar" - >&2 || skip "mmdebstrap failed"
		mkdir "$base"
		tar -xpf "$base.tar" --xattrs --numeric-owner -C "$base"
		rm -f "$base.tar"
		: >"$base/etc/machine-id"
		echo mail1.example.com >"$base/etc/hostname"
		printf '127.0.0.1 localhost\n127.0.1.1 mail1.example.com mail1\n' \
		    >"$base/etc/hosts"
		touch "$base.ready"
	fi
	flock -u 8
}

# scratch_root: sets $scratch and $root, a mounted overlay above $base
scratch_root()
{
	scratch=$(mktemp -d "$RELAIS_ROOTS/run-XXXXXX")
	chmod 755 "$scratch"
	mkdir -m 755 "$scratch/up" "$scratch/work" "$scratch/root"
	root=$scratch/root
	mount -t overlay overlay -o \
	    "lowerdir=$base,upperdir=$scratch/up,workdir=$scratch/work" \
	    "$root" || skip "no overlay mounts here"
	cp -L /etc/resolv.conf "$root/etc/resolv.conf"
}

drop_scratch()
{
	[ -n "${scratch-}" ] || return 0
	umount -l "$scratch/root" 2>/dev/null || :
	rm -rf "$scratch"
	scratch=
}
