#!/bin/sh
# install.sh BUILD DESTDIR PREFIX: copies what was built. An existing configuration is kept.
set -eu

build=$1
dest=$2
prefix=$3

share=$dest$prefix/share
install -d "$dest$prefix/sbin" "$dest$prefix/libexec/posthaste" "$share/man" "$share/posthaste" \
    "$share/doc/posthaste/guides" "$dest$prefix/lib/tmpfiles.d" "$dest/etc/pmta/providers" "$dest/lib/systemd/system"
for program in "$build"/sbin/posthaste "$build"/sbin/pmtactl; do
	install -m 755 "$program" "$dest$prefix/sbin/"
done
ln -sf pmtactl "$dest$prefix/sbin/pmta"
install -m 755 "$build"/libexec/posthaste/* "$dest$prefix/libexec/posthaste/"
for page in man/*.[1-8] "$build"/man/*.[1-8]; do
	[ -e "$page" ] || continue
	section=${page##*.}
	install -d "$share/man/man$section"
	install -m 644 "$page" "$share/man/man$section/"
done
install -d "$share/bash-completion/completions"
"$build/sbin/pmtactl" completion bash >"$share/bash-completion/completions/pmtactl"
ln -sf pmtactl "$share/bash-completion/completions/pmta"
# zsh looks for those of the system and for those of others in different folders
case $prefix in
/usr) zsh=$share/zsh/vendor-completions ;;
*) zsh=$share/zsh/site-functions ;;
esac
install -d "$zsh" "$share/fish/vendor_completions.d"
"$build/sbin/pmtactl" completion zsh >"$zsh/_pmtactl"
"$build/sbin/pmtactl" completion fish >"$share/fish/vendor_completions.d/pmtactl.fish"
ln -sf pmtactl.fish "$share/fish/vendor_completions.d/pmta.fish"
ln -sf pmtactl.8 "$share/man/man8/pmta.8"
install -m 644 conf/bounce/rules "$share/posthaste/bounce.rules"
install -m 644 conf/sample.conf "$share/posthaste/config.sample"
install -m 755 scripts/users.sh "$share/posthaste/users.sh"
install -m 644 docs/*.md "$share/doc/posthaste/"
sed 's|(docs/|(|g' README.md >"$share/doc/posthaste/README.md"
install -d "$share/posthaste/monitoring"
install -m 644 conf/monitoring/* "$share/posthaste/monitoring/"
install -m 644 docs/guides/* "$share/doc/posthaste/guides/"
install -m 644 packaging/tmpfiles.conf "$dest$prefix/lib/tmpfiles.d/posthaste.conf"
for policy in conf/providers/*; do
	kept=$dest/etc/pmta/providers/${policy##*/}
	[ -e "$kept" ] || install -m 644 "$policy" "$kept"
done
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
