#!/bin/sh
# Installs the Debian packages that are missing, and nothing else: no upgrade, no recommended package, no service
# started. Usage: deps.sh build|check|lint|fuzz|deb
set -eu

build='gcc make pkg-config libc6-dev libevent-dev libsodium-dev libc-ares-dev libxxhash-dev libssl-dev
    libseccomp-dev libpcre2-dev libdb5.3-dev zlib1g-dev libidn2-dev libbsd-dev libmicrohttpd-dev libjansson-dev python3'
check="$build libcmocka-dev libopendkim11 openssl python3-dkim swaks mandoc e2fsprogs xfsprogs strace procps dpkg-dev binutils xz-utils
    chromium chromium-driver python3-selenium zsh fish"
lint="$check clang clang-tidy clang-format cppcheck shellcheck"
deb="$build dpkg-dev binutils xz-utils"
fuzz="$build clang libclang-rt-dev"

case ${1:-build} in
build) wanted=$build ;;
check) wanted=$check ;;
lint) wanted=$lint ;;
fuzz) wanted=$fuzz ;;
deb) wanted=$deb ;;
*)
	echo "usage: deps.sh build|check|lint|fuzz|deb" >&2
	exit 2
	;;
esac

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | head -c 9)" = installed ]
}

missing=
for package in $wanted; do
	is_installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
	sudo=
elif sudo -n true 2>/dev/null; then
	sudo='sudo -n'
else
	echo "These Debian packages are missing and may not be installed by this user:$missing" >&2
	echo "As root: apt-get install --no-install-recommends$missing" >&2
	exit 1
fi

# As long as this file is there, no package may start a service.
guard=/usr/sbin/policy-rc.d
if [ ! -e "$guard" ]; then
	trap '$sudo rm -f "$guard"' EXIT
	trap 'exit 1' HUP INT TERM
	printf '#!/bin/sh\nexit 101\n' | $sudo tee "$guard" >/dev/null
	$sudo chmod 755 "$guard"
fi

echo "installing:$missing"
install() {
	# shellcheck disable=SC2086
	$sudo env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get install -y -q --no-install-recommends \
	    --no-upgrade -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=120 $missing >"$log" 2>&1
}
log=$(mktemp)
if ! install; then
	$sudo apt-get update -q >>"$log" 2>&1 || true
	install || {
		tail -n 20 "$log" >&2
		echo "could not install:$missing" >&2
		rm -f "$log"
		exit 1
	}
fi
rm -f "$log"
