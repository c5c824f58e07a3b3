#!/bin/sh
# fuzz.sh BUILD SECONDS: each fuzz target for that long, from its seeds; what was found stays under BUILD/found.
set -eu

build=$1
seconds=$2
failed=0
for target in "$build"/tests/fuzz/*_fuzz; do
	[ -x "$target" ] || continue
	name=$(basename "$target" _fuzz)
	found=$build/found/$name
	mkdir -p "$found/corpus"
	seeds=tests/fuzz/seeds/$name
	set -- "$found/corpus"
	[ ! -d "$seeds" ] || set -- "$@" "$seeds"
	[ ! -e "tests/fuzz/$name.dict" ] || set -- -dict="tests/fuzz/$name.dict" "$@"
	if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
	    -artifact_prefix="$found/" "$@" >"$found/log" 2>&1; then
		echo "ok $name $(sed -n 's/^stat::number_of_executed_units: *//p' "$found/log") runs"
	else
		echo "not ok $name: see $found/log"
		failed=$((failed + 1))
	fi
done
[ "$failed" = 0 ]
