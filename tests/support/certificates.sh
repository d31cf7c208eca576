#!/bin/sh
#
# certificates.sh DIRECTORY - a test authority and certificates of every kind
#
#   ca.pem                    the authority
#   good.pem      good.key    for localhost, relay.test, 127.0.0.1 and ::1
#   expired.pem   expired.key the same names, ended in 2021
#   wrong.pem     wrong.key   good, but for other.test
#   self.pem      self.key    for localhost, signed by itself
#   NAME.all                  key and certificate in one file
set -eu

mkdir -p "$1"
cd "$1"
[ ! -e self.all ] || exit 0

new_key()
{
	openssl genpkey -quiet -algorithm EC \
	    -pkeyopt ec_paramgen_curve:prime256v1 -out "$1.key"
}

# sign NAME ALTERNATIVE-NAMES START END
sign()
{
	new_key "$1"
	openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
	printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\n' "$2" >"$1.ext"
	printf 'extendedKeyUsage=serverAuth\n' >>"$1.ext"
	openssl ca -batch -notext -config ca.cnf -extfile "$1.ext" \
	    -startdate "$3" -enddate "$4" -in "$1.csr" -out "$1.pem" 2>ca.log
	cat "$1.key" "$1.pem" >"$1.all"
}

cat >ca.cnf <<END
[ca]
default_ca = authority
[authority]
database = index.txt
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = names
unique_subject = no
[names]
commonName = supplied
END
: >index.txt
openssl rand -hex 8 >serial
new_key ca
openssl req -x509 -new -key ca.key -subj '/CN=relais test authority' \
    -days 3650 -addext basicConstraints=critical,CA:TRUE \
    -addext keyUsage=critical,keyCertSign,cRLSign -out ca.pem
here=DNS:localhost,DNS:relay.test,IP:127.0.0.1,IP:::1
sign good "$here" 20250101000000Z 20450101000000Z
sign expired "$here" 20200101000000Z 20210101000000Z
sign wrong DNS:other.test 20250101000000Z 20450101000000Z
new_key self
openssl req -x509 -new -key self.key -subj /CN=localhost -days 3650 \
    -addext "subjectAltName=$here" -out self.pem
cat self.key self.pem >self.all
