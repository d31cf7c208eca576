#!/bin/sh
#
# Who may include whom. The layers, lower ones left:
#
#   common < runtime < settings < queue < { receive, deliver, control } < daemon
#   common < client
#
# receive and deliver meet only in the queue; control also hands mail to the
# one and asks the other. Every library has its few includers.
set -u
cd "${srcdir:-.}" || exit 1

# library header      the only files that include it
includers='
lmdb.h                daemon/queue/store[a-z_]*[.][ch]
openssl/              daemon/(deliver/tls[a-z_]*[.][ch]|crypto[.]c)|client/webhook_signature[.]c
yaml.h                daemon/settings_yaml[.]c
ares.h                daemon/deliver/dns(_answer)?[.]c
jansson.h             daemon/control/json[.]c|daemon/deliver/token_answer[.]c|client/json[.]c
curl/                 daemon/deliver/https[.]c|client/webhook_post[.]c
gsasl.h               daemon/deliver/sasl[.]c
gmime/                daemon/control/mime[.]c
'

sources()
{
	find common daemon client include -name '*.[ch]' | sort
}

# report NUMBER NAME COMPLAINTS
report()
{
	[ -n "$3" ] || { echo "ok $1 - $2"; return; }
	printf '%s\n' "$3" | sed 's/^/# /'
	echo "not ok $1 - $2"
}

layers()
{
	sources | xargs awk '
	BEGIN {
		below["public"] = "public"
		below["common"] = "common public"
		below["client"] = "client common public"
		below["runtime"] = "runtime common"
		below["settings"] = "settings " below["runtime"]
		below["queue"] = "queue " below["settings"]
		below["receive"] = "receive " below["queue"]
		below["deliver"] = "deliver " below["queue"]
		below["control"] = "control receive deliver " below["queue"]
		below["daemon"] = "daemon receive deliver control " below["queue"]
	}
	function layer(path) {
		if (path ~ /^include\//) return "public"
		if (path ~ /^(common|client)\//) return substr(path, 1, 6)
		sub(/^daemon\//, "", path)
		if (path ~ /\//) return substr(path, 1, index(path, "/") - 1)
		if (path ~ /^(main|daemon|vital_signs)[.]/) return "daemon"
		return "settings"
	}
	function exists(path,    line, found) {
		found = (getline line < path) > 0
		close(path)
		return found
	}
	function resolve(name, file,    folder) {
		folder = file
		sub(/[^\/]*$/, "", folder)
		if (exists(folder name)) return folder name
		if (exists("common/" name)) return "common/" name
		if (exists("daemon/" name)) return "daemon/" name
		if (exists("client/" name)) return "client/" name
		if (exists("include/" name)) return "include/" name
		return ""
	}
	/^#[ \t]*include[ \t]*"/ {
		split($0, part, "\"")
		if (part[2] == "config.h") next
		target = resolve(part[2], FILENAME)
		if (target == "") {
			print FILENAME ":" FNR ": there is no " part[2]
			next
		}
		from = layer(FILENAME)
		to = layer(target)
		if (index(" " below[from] " ", " " to " ") == 0)
			print FILENAME ":" FNR ": " from " may not include " to \
			    " (" target ")"
	}'
}

single_includers()
{
	printf '%s' "$includers" | while read -r header allowed; do
		[ -n "$header" ] || continue
		sources | xargs grep -n "#include <$header" |
		    grep -Ev "^($allowed):"
	done
}

config_first()
{
	# Helpers of the benchmark are compiled alone, inside other systems.
	# So are these, by tests.
	find common daemon client tests -name '*.c' |
	    grep -v -e '^tests/bench/' -e '^tests/support/clocks\.c' \
	        -e '^tests/support/disk_order\.c' \
	        -e '^tests/support/slow_disk\.c' |
	    sort | xargs awk '
	FNR == 1 { seen = 0 }
	/^#[ \t]*include/ && !seen++ && !/"config.h"/ {
		print FILENAME ":" FNR ": \"config.h\" comes first"
	}'
}

echo 1..3
report 1 "layers include only what is below them" "$(layers)"
report 2 "each library is included where it is wrapped" "$(single_includers)"
report 3 "config.h is included first" "$(config_first)"
