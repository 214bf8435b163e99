#!/bin/sh
# Runs the test programs given, each in a folder and process of its own, and shows the output of
# those that fail. Usage: tests/run.sh BUILD PROGRAM…
set -u
build=$1
shift
passed=0 failed=0
for program in "$@"; do
    name=${program#"$build"/tests/}
    folder=$build/test-runs/$name
    rm -rf "$folder" && mkdir -p "$folder" || exit 1
    program=$(realpath "$program")
    if (cd "$folder" && WEIR_BUILD=$(realpath "$OLDPWD/$build") timeout 240 "$program" >output 2>&1); then
        passed=$((passed + 1))
        printf '  ok    %s (%s tests)\n' "$name" "$(grep -c '^\[       OK' "$folder/output")"
    else
        failed=$((failed + 1))
        printf '  FAIL  %s, output in %s:\n' "$name" "$folder/output"
        tail -n 60 "$folder/output"
    fi
done
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
