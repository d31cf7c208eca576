#!/bin/sh
#
# peers.sh DIRECTORY - fetch the mail programs that the tests talk to
#
# Debian's mail servers conflict with each other and with the user's own, so
# they are downloaded and unpacked below DIRECTORY, never installed, and none
# of their maintainer scripts runs:
#
#   NAME/          the unpacked files of a peer and of the libraries it lacks here
#   bin/COMMAND    runs a peer's command with its own libraries
#   python/        Python modules, for PYTHONPATH
#   NAME.missing   why a peer could not be had; tests that need it are skipped
#
# Running it again fetches only what is missing.
set -eu

# name      packages: the first ones are always unpacked, their dependencies
#           only where the host lacks them
peers='
postfix     postfix
dovecot     dovecot-core
opensmtpd   opensmtpd
exim        exim4-daemon-light
swaks       swaks libnet-ssleay-perl libauthen-sasl-perl libdigest-hmac-perl
msmtp       msmtp
aiosmtpd    python3-aiosmtpd
nsd         nsd
curl        curl
strace      strace
snail       s-nail
mutt        mutt
php         php8.2-cli
prometheus  prometheus
pyte        python3-pyte python3-wcwidth
zsh         zsh zsh-common
fish        fish fish-common
go          golang-go
node        node-nodemailer
ruby        ruby ruby-mail
jdk         openjdk-17-jdk-headless
symfony     php-symfony-mailer
django      python3-django
email       libemail-sender-perl
cron        cron
mdadm       mdadm
logwatch    logwatch
git         git-email libmailtools-perl
'

# command   peer and the file in its tree
commands='
smtp-source postfix   usr/sbin/smtp-source
smtp-sink   postfix   usr/sbin/smtp-sink
smtpd       opensmtpd usr/sbin/smtpd
exim4       exim      usr/sbin/exim4
swaks       swaks     usr/bin/swaks
msmtp       msmtp     usr/bin/msmtp
nsd         nsd       usr/sbin/nsd
curl        curl      usr/bin/curl
strace      strace    usr/bin/strace
s-nail      snail     usr/bin/s-nail
mutt        mutt      usr/bin/mutt
php         php       usr/bin/php8.2
promtool    prometheus usr/bin/promtool
zsh         zsh       bin/zsh
fish        fish      usr/bin/fish
ruby        ruby      usr/bin/ruby3.1
cron        cron      usr/sbin/cron
mdadm       mdadm     sbin/mdadm
'

main()
{
	[ $# -eq 1 ] || { sed -n '3s/^# //p' "$0" >&2; exit 64; }
	mkdir -p "$1/bin" "$1/archives"
	cd "$1"
	here=$(pwd)
	rm -f ./*.missing
	printf '%s' "$peers" | while read -r name packages; do
		[ -z "$name" ] || fetch "$name" "$packages"
	done
	printf '%s' "$commands" | while read -r command name file; do
		[ -z "$command" ] || wrap "$command" "$name" "$file"
	done
	ln -sfn aiosmtpd/usr/lib/python3/dist-packages "$here/python.new"
	mv -T "$here/python.new" "$here/python"
}

# fetch NAME PACKAGES: unpack them into ./NAME, or say in NAME.missing why not
fetch()
{
	[ ! -e "$1/.complete" ] || return 0
	rm -rf "$1"
	if ! command -v apt-get >/dev/null; then
		missing "$1" "it is fetched with apt-get, which is not here"
	elif ! wanted=$(with_dependencies "$2"); then
		missing "$1" "apt-get knows no $2"
	elif ! download "$wanted"; then
		missing "$1" "$2 could not be downloaded"
	else
		unpack "$1" "$wanted"
		touch "$1/.complete"
		echo "peers: $1"
	fi
}

missing()
{
	echo "$2" >"$1.missing"
	echo "peers: $1 is missing: $2"
}

# What installing would bring, without the documentation's fonts and themes.
with_dependencies()
{
	plan=$(apt-get -s install --reinstall --no-install-recommends $1 \
	    2>/dev/null) || return 1
	printf '%s\n' "$plan" | awk '$1 == "Inst" { print $2 }' |
	    grep -Ev '^(fonts-|sphinx-|libjs-|exim4-config$)'
}

download()
{
	for package in $1; do
		ls archives/"${package}"_*.deb >/dev/null 2>&1 || absent=1
	done
	[ -n "${absent:-}" ] || return 0
	(cd archives && apt-get -qq download $1 >download.log 2>&1)
}

unpack()
{
	mkdir "$1"
	for package in $2; do
		dpkg -x "$(ls archives/"${package%%:*}"_*.deb | tail -n 1)" "$1"
	done
}

# wrap COMMAND NAME FILE: a command that finds the libraries it came with
wrap()
{
	rm -f "bin/$1"
	[ -e "$2/.complete" ] || return 0
	arch=$(ls "$2/usr/lib" 2>/dev/null | grep -e '-linux-' | head -n 1) || arch=none
	perl=
	for folder in "$2"/usr/share/perl5 "$2/usr/lib/$arch"/perl5/*; do
		perl=$perl:$here/$folder
	done
	cat >"bin/$1" <<-END
		#!/bin/sh
		tree='$here/$2'
		LD_LIBRARY_PATH=\$tree/usr/lib/$arch:\$tree/lib/$arch:\$tree/usr/lib/$2
		PERL5LIB=${perl#:}
		export LD_LIBRARY_PATH PERL5LIB
		exec "\$tree/$3" "\$@"
	END
	chmod +x "bin/$1"
}

main "$@"
