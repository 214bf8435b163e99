#!/bin/sh
# Builds the fuzzers with clang's libFuzzer and runs them one after the other, each from its corpus
# with a fixed seed. What is new goes to BUILD/new/<name>, a finding to BUILD/findings/<name>.
# Usage: tests/fuzz/run.sh CLANG BUILD SECONDS [NAME…]; CLANG empty: the one that is found.
set -u

clang=$1 build=$2 seconds=$3
shift 3
for word in clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14; do
    [ -n "$clang" ] || clang=$(command -v "$word")
done
probe=$(mktemp -d) || exit 1
trap 'rm -rf "$probe"' EXIT
echo 'int LLVMFuzzerTestOneInput(const char *at, unsigned long size) { return at == (void *)size; }' \
    >"$probe/probe.c"
if [ -z "$clang" ] || ! "$clang" -fsanitize=fuzzer -o "$probe/probe" "$probe/probe.c" 2>"$probe/why"; then
    cat "$probe/why" 2>/dev/null
    echo "fuzzing needs clang and its libFuzzer (on Debian: clang and libclang-rt-dev)." >&2
    exit 69
fi
if [ $# -eq 0 ]; then
    for source in tests/fuzz/fuzz_*.c; do
        name=${source##*/}
        set -- "$@" "${name%.c}"
    done
fi

make BUILD="$build" CC="$clang" FUZZ_LINK=-fsanitize=fuzzer CI= \
    CFLAGS="-O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined" \
    fuzzers || exit 1
failed=0
for name; do
    mkdir -p "$build/new/$name" "$build/findings/$name" "$build/runs/$name"
    dictionary=tests/fuzz/dictionaries/$name
    [ ! -f "$dictionary" ] || dictionary=-dict=$(realpath "$dictionary")
    case $dictionary in -dict=*) ;; *) dictionary=-verbosity=1 ;; esac
    root=$(pwd)
    echo "$name, $seconds s"
    (cd "$build/runs/$name" && WEIR_BUILD="$root/$build" "$root/$build/tests/fuzz/$name" -seed=1 \
        -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1500 -max_len=4096 -print_final_stats=1 \
        "$dictionary" -artifact_prefix="$root/$build/findings/$name/" \
        "$root/$build/new/$name" "$root/tests/fuzz/corpus/$name") >"$build/runs/$name.log" 2>&1
    code=$?
    grep -E 'SUMMARY|does not hold|stat::number_of_executed_units' "$build/runs/$name.log"
    grep -E '^#[0-9].*(DONE|pulse|REDUCE|NEW)' "$build/runs/$name.log" | tail -n 1
    [ $code -eq 0 ] || { failed=$((failed + 1)) && echo "  a finding: $build/findings/$name"; }
done
echo "$# fuzzers, $failed with a finding"
[ "$failed" -eq 0 ]
