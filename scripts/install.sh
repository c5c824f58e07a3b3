#!/bin/sh
# install.sh BUILD DESTDIR PREFIX: copies what was built. An existing configuration is kept.
set -eu

build=$1
dest=$2
prefix=$3

install -d "$dest$prefix/sbin" "$dest$prefix/libexec/posthaste" "$dest$prefix/share/man" "$dest/etc/pmta" \
    "$dest/lib/systemd/system"
for program in "$build"/sbin/posthaste "$build"/sbin/pmtactl; do
	install -m 755 "$program" "$dest$prefix/sbin/"
done
ln -sf pmtactl "$dest$prefix/sbin/pmta"
install -m 755 "$build"/libexec/posthaste/* "$dest$prefix/libexec/posthaste/"
for page in man/*.[1-8] "$build"/man/*.[1-8]; do
	[ -e "$page" ] || continue
	section=${page##*.}
	install -d "$dest$prefix/share/man/man$section"
	install -m 644 "$page" "$dest$prefix/share/man/man$section/"
done
install -d "$dest$prefix/share/posthaste"
install -m 644 conf/bounce/rules "$dest$prefix/share/posthaste/bounce.rules"
install -m 644 conf/sample.conf "$dest/etc/pmta/config.sample"
if [ -e "$dest/etc/pmta/config" ]; then
	echo "kept: $dest/etc/pmta/config"
else
	install -m 644 conf/sample.conf "$dest/etc/pmta/config"
fi
sed "s|@PREFIX@|$prefix|g" conf/posthaste.service >"$dest/lib/systemd/system/posthaste.service"
chmod 644 "$dest/lib/systemd/system/posthaste.service"
if [ -z "$dest" ]; then
	scripts/users.sh
	[ "$(id -u)" != 0 ] || install -d -g pmta -m 2770 /var/spool/pmta /var/log/pmta
fi
echo "installed under ${dest:-/}"
