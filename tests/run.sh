#!/bin/sh
# Runs the test programs given, each in a folder and process of its own, twice as many at once as
# there are processors because they mostly wait, the largest first because they take the longest, and
# shows the output of those that fail; they are named once more at the end.
# Usage: tests/run.sh BUILD PROGRAM…
set -u

add_up() {
    awk '{ sum += $1 } END { print sum + 0 }'
}

# One program; prints one line, and what it said where it failed.
run_one() {
    build=$1
    program=$(realpath "$2")
    name=${2#"$build"/}
    name=${name#tests/}
    folder=$build/test-runs/$name
    rm -rf "$folder" && mkdir -p "$folder" || return 1
    begun=$(date +%s)
    WEIR_BUILD=$(realpath "$build")
    export WEIR_BUILD
    if (cd "$folder" && timeout 240 "$program" >output 2>&1); then
        skipped=$(sed -n 's/^\[  SKIPPED \] \([0-9]*\) test(s).*/\1/p' "$folder/output" | add_up)
        [ "$skipped" -eq 0 ] || skips=", $skipped skipped"
        printf '  ok    %s (%s tests%s, %s s)\n' "$name" "$(grep -c '^\[       OK' "$folder/output")" \
            "${skips:-}" $(($(date +%s) - begun))
        return 0
    fi
    printf '  FAIL  %s, output in %s:\n%s\n' "$name" "$folder/output" \
        "$(tail -n 60 "$folder/output")"
    return 1
}

if [ "$1" = --one ]; then
    run_one "$2" "$3"
    exit
fi
build=$1
shift
results=$(mktemp) || exit 1
trap 'rm -f "$results"' EXIT
# shellcheck disable=SC2011 # the names are those of our own sources
ls -S "$@" | xargs -P $((2 * $(nproc))) -n 1 "$0" --one "$build" | tee "$results"
passed=$(grep -c '^  ok    ' "$results")
failed=$(($# - passed))
skipped=$(sed -n 's/.* tests, \([0-9]*\) skipped, .*/\1/p' "$results" | add_up)
[ "$skipped" -eq 0 ] || printf '%s tests were skipped\n' "$skipped"
sed -n 's/^  FAIL  \(.*\), output in .*/failed: \1/p' "$results"
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
