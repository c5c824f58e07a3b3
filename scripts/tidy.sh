#!/bin/sh
# tidy.sh BUILD FILE…: clang-tidy over these files of C. What was found clean is remembered under BUILD/lint, by all that
# the compiler sees of it, comments too, the checks and the tool, so that a run that was broken off goes on where it was.
# Ends with 1 when there is a finding, or a file that cannot be read.
set -u

build=$1
shift
checks=scripts/clang-tidy.yaml
failed=0

flags() {
	echo "-std=c11 -D_GNU_SOURCE -I. -I$build/gen -isystem /usr/include/bsd -DLIBBSD_OVERLAY"
}

# shellcheck disable=SC2046
seen() {
	clang-tidy --version
	cat "$checks"
	cc -E -C -P $(flags) "$1" || echo "$1 $$"
}

mkdir -p "$build/lint"
for f; do
	stamp=$build/lint/$(seen "$f" 2>/dev/null | sha256sum | cut -d' ' -f1)
	[ ! -e "$stamp" ] || continue
	# shellcheck disable=SC2046
	if clang-tidy --quiet --config-file="$checks" "$f" -- $(flags); then
		: >"$stamp"
	else
		failed=1
	fi
done
exit $failed
