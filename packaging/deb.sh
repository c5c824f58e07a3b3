#!/bin/sh
# deb.sh BUILD [VERSION]: the Debian package BUILD/posthaste_VERSION_ARCH.deb from what was built, with what `make
# install` installs. Needs no root and no network. What dpkg runs is in postinst, prerm and postrm beside this file.
# DEB_COMPRESSION=none makes it quickly, for tests.
set -eu

build=$1
version=${2:-$(sed -n 's/^#define PH_VERSION "\(.*\)"/\1/p' lib/base/base.h)}
arch=$(dpkg --print-architecture)
here=packaging
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
trap 'exit 1' HUP INT TERM
# the same sources give the same package
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || date +%s)}"
export SOURCE_DATE_EPOCH

scripts/install.sh "$build" "$root/pkg" /usr >/dev/null
pkg=$root/pkg
# an administrator's file from the first day: postinst makes it where there is none, dpkg never touches it
rm "$pkg/etc/pmta/config"
find "$pkg/usr/sbin" "$pkg/usr/libexec" -type f -exec strip --strip-unneeded {} +
find "$pkg/usr/share/man" -type f -exec gzip -9n {} +
ln -s pmtactl.8.gz "$pkg/usr/share/man/man8/pmta.8.gz"
rm "$pkg/usr/share/man/man8/pmta.8"

install -d "$pkg/DEBIAN"
(cd "$pkg" && find etc -type f | sort | sed 's|^|/|') >"$pkg/DEBIAN/conffiles"
for script in postinst prerm postrm; do
	install -m 755 "$here/$script" "$pkg/DEBIAN/$script"
done

# the shared libraries, as the programs name them
mkdir "$root/debian"
printf 'Source: posthaste\n\nPackage: posthaste\nArchitecture: %s\n' "$arch" >"$root/debian/control"
programs=$(find "$pkg/usr/sbin" "$pkg/usr/libexec" -type f)
# shellcheck disable=SC2086
libs=$(cd "$root" && dpkg-shlibdeps -O --ignore-missing-info $programs 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
[ -n "$libs" ] || {
	echo "deb.sh: dpkg-shlibdeps found no libraries" >&2
	exit 1
}
sed -e "s|@VERSION@|$version|; s|@ARCH@|$arch|; s|@LIBS@|$libs|" \
    -e "s|@SIZE@|$(du -sk "$pkg/usr" | cut -f 1)|" "$here/control.in" >"$pkg/DEBIAN/control"
(cd "$pkg" && find usr etc lib -type f -exec md5sum {} +) >"$pkg/DEBIAN/md5sums"

deb=$build/posthaste_${version}_$arch.deb
dpkg-deb --root-owner-group "-Z${DEB_COMPRESSION:-xz}" --build "$pkg" "$deb" >/dev/null
echo "$deb"
