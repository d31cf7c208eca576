#!/bin/sh
#
# deb.sh TARBALL VERSION MAINTAINER
#
# Builds Debian packages from a release tarball; they end up in ./deb, beside
# what lintian says of them, where it is installed.
set -eu
tarball=$(realpath "$1") version=$2 maintainer=$3

for tool in dpkg-buildpackage dh; do
	command -v "$tool" >/dev/null || {
		echo "$tool is missing: apt-get install debhelper" >&2
		exit 1
	}
done

rm -rf deb
mkdir deb
cd deb
tar -xf "$tarball"
cd "relais-$version"
cp -r docs/packaging/debian debian
sed -i "s|@MAINTAINER@|$maintainer|" debian/control
# The day of the newest file, so that the same tarball gives the same package.
day=$(tar -tvf "$tarball" --full-time | awk '{ print $4 "T" $5 }' | sort |
    tail -n 1)
cat >debian/changelog <<END
relais ($version) unstable; urgency=medium

  * See /usr/share/doc/relais/CHANGES.

 -- $maintainer  $(date -u -R -d "${day}Z")
END
DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS-} nocheck parallel=$(nproc)" \
    dpkg-buildpackage -us -uc -b >../build.log 2>&1 || {
	tail -n 50 ../build.log >&2
	exit 1
}
cd ..
rm -rf "relais-$version"
if command -v lintian >/dev/null; then
	lintian --fail-on error ./*.changes
fi
ls -l ./*.deb
