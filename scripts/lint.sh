#!/bin/sh
# lint.sh BUILD short|full: the short part needs no compiler tools (limits, layers, manual pages); the full one adds
# clang-format, clang-tidy, cppcheck and shellcheck. Prints ok or not ok for each, all its findings below it, and ends
# with 1 if there was any.
set -u

build=$1
mode=${2:-full}
failed=0
log=$(mktemp)
notes=$(mktemp)
trap 'rm -f "$log" "$notes"' EXIT

try() {
	name=$1
	shift
	if "$@" >"$log" 2>&1; then
		echo "ok $name"
	else
		echo "not ok $name"
		sed 's/^/  /' "$log"
		failed=1
	fi
}

# shellcheck disable=SC2317
manual_pages() {
	found=0
	for page in man/*.[1-8] "$build"/man/*.[1-8]; do
		[ -e "$page" ] || continue
		mandoc -T lint -W warning "$page" || found=1
	done
	return "$found"
}

# shellcheck disable=SC2317
sources() {
	git ls-files -co --exclude-standard '*.c' | while read -r f; do [ ! -e "$f" ] || echo "$f"; done
}

# shellcheck disable=SC2317
formatted() {
	git ls-files -co --exclude-standard '*.c' '*.h' | while read -r f; do [ ! -e "$f" ] || echo "$f"; done |
	    xargs clang-format --dry-run --Werror
}

# What it counts as left out goes to the side and is shown only with findings.
# shellcheck disable=SC2317
tidy() {
	sources | xargs -P "$(nproc)" -n 4 scripts/tidy.sh "$build" 2>"$notes" && return
	grep -v '^[0-9]* warnings\{0,1\} generated' "$notes"
	return 1
}

# shellcheck disable=SC2317
check_c() {
	sources | cppcheck --quiet --inline-suppr --enable=warning,performance,portability --error-exitcode=1 -j "$(nproc)" \
	    --suppressions-list=scripts/cppcheck.suppress -D_GNU_SOURCE -I. -I"$build/gen" --include=/usr/include/bsd/sys/queue.h --include=/usr/include/bsd/sys/tree.h --std=c11 \
	    --file-list=-
}

# shellcheck disable=SC2317
shell_scripts() {
	shellcheck scripts/*.sh .ci/run packaging/deb.sh packaging/postinst packaging/prerm packaging/postrm
}

try "functions, files, folders and words keep to the limits" /usr/bin/python3 scripts/limits.py
if command -v mandoc >/dev/null; then
	try "the manual pages are clean" manual_pages
fi
if [ "$mode" = full ]; then
	try "the scripts are clean (shellcheck)" shell_scripts
	try "the sources are formatted" formatted
	try "cppcheck finds nothing" check_c
	try "clang-tidy finds nothing" tidy
fi
exit $failed
