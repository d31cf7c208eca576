#!/bin/sh
#
# From a clone to a build:
#
#   ./autogen.sh          generate ./configure
#   ./autogen.sh demo     build relais and watch it relay mail to a directory
#   ./autogen.sh check    build relais and run every test
#   ./autogen.sh deps     install what the build and the tests need
#
# demo, check and deps name the packages that are missing and ask before they
# install them; without a terminal, or with --yes, they do not ask.
set -eu
cd "$(dirname "$0")"
top=$(pwd)

# What for, its package in Debian and Ubuntu, Fedora, Alpine and Arch, and why.
packages='
build autoconf             autoconf               autoconf        autoconf             generates configure
build automake             automake               automake        automake             generates the Makefile
build libtool              libtool                libtool         libtool              builds the client library
build pkg-config           pkgconf-pkg-config     pkgconf         pkgconf              finds libraries
build make                 make                   make            make                 builds
build gcc                  gcc                    gcc             gcc                  compiles
build libc6-dev            glibc-devel            musl-dev        glibc                the C library
build libevent-dev         libevent-devel         libevent-dev    libevent             event loops, HTTP on the control socket
build libssl-dev           openssl-devel          openssl-dev     openssl              TLS to relays
build liblmdb-dev          lmdb-devel             lmdb-dev        lmdb                 the queue on disk
build libyaml-dev          libyaml-devel          yaml-dev        libyaml              reads relais.yaml
build libjansson-dev       jansson-devel          jansson-dev     jansson              JSON on the control socket
build libc-ares-dev        c-ares-devel           c-ares-dev      c-ares               DNS
build libcurl4-openssl-dev libcurl-devel          curl-dev        curl                 fetches OAuth tokens
build libgsasl-dev         libgsasl-devel         gsasl-dev       gsasl                logs in to relays
build libgmime-3.0-dev     gmime30-devel          gmime-dev       gmime3               writes messages that come as JSON
check curl                 curl                   curl            curl                 a stock HTTP client in the tests
demo  python3              python3                python3         python               the stock client of the demo
check libcmocka-dev        libcmocka-devel        cmocka-dev      cmocka               unit tests
check python3-pytest       python3-pytest         py3-pytest      python-pytest        integration tests
check python3-pytest-xdist python3-pytest-xdist   py3-pytest-xdist python-pytest-xdist runs them in parallel
check openssl              openssl                openssl         openssl              certificates for the tests
check mandoc               mandoc                 mandoc          mandoc               checks the manual pages
check codespell              codespell              codespell       codespell            checks the spelling
check valgrind             valgrind               valgrind        valgrind             counts what a message costs
check xz-utils             xz                     xz              xz                   make distcheck
'

usage()
{
	sed -n '3,11s/^# \{0,1\}//p' "$0"
}

main()
{
	command=${1-} yes=
	shift $(($# > 0))
	for option in "$@"; do
		[ "$option" = --yes ] || { usage >&2; exit 64; }
		yes=1
	done
	case $command in
	'')
		generate ;;
	demo)
		dependencies build demo
		build
		demo ;;
	check)
		dependencies build demo check
		check ;;
	deps)
		dependencies build demo check ;;
	-h | --help)
		usage ;;
	*)
		usage >&2
		exit 64 ;;
	esac
}

say()
{
	printf '\n==> %s\n' "$*"
}

die()
{
	printf 'autogen.sh: %s\n' "$*" >&2
	exit 1
}

# --- Building ----------------------------------------------------------------

generate()
{
	command -v autoreconf >/dev/null ||
	    die "there is no autoreconf; ./autogen.sh deps installs what is missing"
	mkdir -p m4
	autoreconf --install --force
}

generate_quietly()
{
	log=$(generate 2>&1) || { printf '%s\n' "$log" >&2; exit 1; }
}

# build [FOLDER [CONFIGURE-OPTION...]]: configure once, then make
build()
{
	folder=${1-build}
	[ $# -eq 0 ] || shift
	say "building in ./$folder"
	[ -x configure ] || generate_quietly
	mkdir -p "$folder"
	if [ ! -e "$folder/Makefile" ]; then
		(cd "$folder" && "$top/configure" --quiet "$@") || configure_failed
	fi
	make -s --no-print-directory -C "$folder" -j"$(processors)"
}

processors()
{
	getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2
}

configure_failed()
{
	has_apt || list_for_others
	die "./configure failed; its log is ./$folder/config.log"
}

# --- Dependencies ------------------------------------------------------------

# dependencies KIND...: install the packages of these kinds that are missing
dependencies()
{
	has_apt || return 0
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0
	echo "These packages are missing:"
	for package in $missing; do
		why "$package"
	done
	confirm || die "nothing was installed"
	install_packages $missing
}

# Elsewhere the packages can be named, but not installed from here.
has_apt()
{
	command -v apt-get >/dev/null && command -v dpkg-query >/dev/null
}

missing_packages()
{
	for kind in "$@"; do
		printf '%s' "$packages" | awk -v kind="$kind" '$1 == kind { print $2 }'
	done | while read -r package; do
		dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null |
		    grep -qx installed || echo "$package"
	done
}

why()
{
	printf '%s' "$packages" | awk -v package="$1" '$2 == package {
		printf "    %-22s", $2
		for (i = 6; i <= NF; i++)
			printf "%s%s", $i, i < NF ? " " : "\n"
	}'
}

confirm()
{
	[ -z "$yes" ] && [ -t 0 ] && [ -t 1 ] || return 0
	printf 'Install them with apt-get? [Y/n] '
	read -r answer
	case $answer in
	'' | [Yy]*) return 0 ;;
	*) return 1 ;;
	esac
}

install_packages()
{
	root=
	if [ "$(id -u)" != 0 ]; then
		root=sudo
		command -v sudo >/dev/null ||
		    die "not root and no sudo; as root: apt-get install $*"
	fi
	say "installing"
	$root apt-get -qq update
	$root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
	    -o Dpkg::Use-Pty=0 --no-install-recommends "$@"
}

list_for_others()
{
	echo "relais needs the development files of some libraries. They are:"
	for system in "dnf install:3" "apk add:4" "pacman -S:5"; do
		printf '\n    %s' "${system%:*}"
		printf '%s' "$packages" | awk -v column="${system#*:}" \
		    'NF { printf " %s", $column } END { print "" }'
	done >&2
}

# --- Tests -------------------------------------------------------------------

check()
{
	strict=
	[ -z "${CI-}" ] || strict=--enable-werror
	build build $strict
	say "fetching the mail programs that the tests talk to"
	tests/support/peers.sh build/peers
	rm -rf build/results
	mkdir build/results
	suite "unit tests, dialogues and rules" make_in build check
	suite "integration tests" make_in build check-integration
	suite "what a message costs" make_in build check-cost
	build build-asan --enable-sanitizers=address,undefined
	suite "unit tests under AddressSanitizer" make_in build-asan check \
	    TESTS='$(unit_tests) $(fuzz_tests)'
	suite "integration tests under AddressSanitizer" make_in build-asan \
	    check-integration RELAIS_PEERS="$top/build/peers"
	total
}

make_in()
{
	VERBOSE=1 make --no-print-directory -C "$@"
}

# suite TITLE COMMAND...: run it, show and keep its output
suite()
{
	say "$1"
	log=$top/build/results/$(printf '%s' "$1" | tr -c 'A-Za-z' -)
	shift
	{ "$@" 2>&1 || echo "suite failed"; } | tee "$log"
}

# Add up Automake's summaries (# PASS: 9) and pytest's (9 passed, 1 skipped in 2s).
total()
{
	cat build/results/* | awk '
	/^Testsuite summary/                { summary = 1 }
	summary && /^# (PASS|XFAIL): /      { passed += $3 }
	summary && /^# SKIP: /              { skipped += $3 }
	summary && /^# (FAIL|XPASS|ERROR):/ { failed += $3 }
	/^# ERROR:/                         { summary = 0 }
	/^[0-9]+ [a-z]+(, [0-9]+ [a-z]+)* in [0-9.]+s/ {
		for (i = 2; i <= NF; i++) {
			if ($i ~ /^(passed|xfailed)/) passed += $(i - 1)
			if ($i ~ /^skipped/) skipped += $(i - 1)
			if ($i ~ /^(failed|xpassed|error)/) failed += $(i - 1)
		}
	}
	/^suite failed$/           { broken++ }
	END {
		# A suite that failed without a failed test did not run at all.
		if (broken && !failed)
			failed = broken
		printf "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped
		exit failed > 0
	}'
}

# --- The demonstration -------------------------------------------------------

demo()
{
	home=$(mktemp -d "${TMPDIR:-/tmp}/relais-demo.XXXXXX")
	daemon=
	trap demo_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	RELAIS_SOCKET=$home/submit.sock
	RELAIS_CONTROL_SOCKET=$home/control.sock
	PATH=$top/build:$PATH
	export RELAIS_SOCKET RELAIS_CONTROL_SOCKET PATH
	demo_settings >"$home/relais.yaml"
	demo_start
	demo_sendmail
	demo_stock_client
	demo_show
	demo_next
}

demo_end()
{
	status=$?
	trap - EXIT
	if [ -n "$daemon" ]; then
		kill "$daemon" 2>/dev/null || :
		wait "$daemon" || :
	fi
	[ $status = 0 ] || [ ! -s "$home/log" ] || tail -n 20 "$home/log" >&2
	rm -rf "$home"
	exit $status
}

demo_settings()
{
	cat <<END
hostname: demo.example.com
default_relay: capture
relays:
  capture: {url: "maildir:$home/captured"}
queue: {directory: $home/queue}
receive: {socket: $RELAIS_SOCKET}
control: {socket: $RELAIS_CONTROL_SOCKET}
END
}

demo_start()
{
	say "starting relaisd with these settings; mail goes to a directory"
	sed 's/^/    /' "$home/relais.yaml"
	relaisd --config "$home/relais.yaml" >"$home/log" 2>&1 &
	daemon=$!
	until [ -S "$RELAIS_CONTROL_SOCKET" ] && [ -S "$RELAIS_SOCKET" ]; do
		kill -0 "$daemon" 2>/dev/null || die "relaisd did not start"
		sleep 0.1
	done
}

demo_sendmail()
{
	say "a message by the sendmail command: relais-sendmail -t"
	relais-sendmail -t <<-END
		From: Shop <shop@demo.example.com>
		To: customer@example.org, Archive <archive@example.net>
		Bcc: secret@example.net
		Subject: Your order

		It is on its way.
	END
}

demo_stock_client()
{
	say "a message by a stock client: Python's smtplib, two lines for the socket"
	/usr/bin/env python3 - <<-'END'
		import os, smtplib

		class UnixSMTP(smtplib.LMTP):
		    ehlo_msg = "ehlo"

		with UnixSMTP(os.environ["RELAIS_SOCKET"]) as smtp:
		    smtp.sendmail("app@demo.example.com", ["user@example.org"],
		        "From: app@demo.example.com\r\nTo: user@example.org\r\n"
		        "Subject: Welcome\r\n\r\nHello from Python.\r\n")
	END
}

demo_show()
{
	ids=$(relaisctl list --all --json | sed -n 's/.*"id": *"\([0-9a-z]*\)".*/\1/p')
	relaisctl wait $ids >/dev/null
	say "relaisctl list --all"
	relaisctl list --all
	for id in $ids; do
		say "relaisctl show $id"
		relaisctl show "$id"
	done
	say "what the relay received"
	for file in "$home"/captured/new/*; do
		sed 's/^/    /' "$file"
		echo
	done
}

demo_next()
{
	if [ -t 0 ] && [ -t 1 ] && [ -z "$yes" ]; then
		say "it runs until you press Enter; try in another terminal"
		cat <<-END
			    export PATH=$top/build:\$PATH
			    export RELAIS_SOCKET=$RELAIS_SOCKET
			    export RELAIS_CONTROL_SOCKET=$RELAIS_CONTROL_SOCKET
			    echo "Subject: hello" | relais-sendmail you@example.com
			    relaisctl status
			    relaisctl watch
		END
		read -r answer
	fi
	say "next"
	cat <<-END
		    less README                          what relais does, a real configuration
		    ./autogen.sh check                   run every test
		    sudo make -C build install           install what was just built
	END
}

main "$@"
