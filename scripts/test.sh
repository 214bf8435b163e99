#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test there is; the last line counts them.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export WEIR_BUILD=$PWD/build
logs=$WEIR_BUILD/test-logs
passed=0
failed=0

# One check that prints nothing worth reading unless it fails.
check() { # NAME COMMAND...
    local name=$1 log=$logs/${1//\//_}.log start=$SECONDS
    shift
    if "$@" </dev/null >"$log" 2>&1; then
        passed=$((passed + 1))
        printf '  ok    %s (%s s)\n' "$name" $((SECONDS - start))
    else
        failed=$((failed + 1))
        printf '  FAIL  %s, output in %s:\n' "$name" "$log"
        tail -n 60 "$log"
    fi
}

# Tests that count themselves in a line "N passed, N failed", as tests/run.sh does.
check_counted() { # NAME COMMAND...
    local name=$1 log=$logs/$1.log counts code
    shift
    printf '%s\n' "$name"
    set +e
    "$@" </dev/null 2>&1 | tee "$log" | grep -v ' passed, '
    code=${PIPESTATUS[0]}
    set -e
    counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1 || true)
    if [[ -z $counts || ($code -ne 0 && $counts == *' 0 failed') ]]; then
        failed=$((failed + 1))
        printf '  FAIL  %s ended with %s\n' "$name" "$code"
    fi
    [[ $counts =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]] || return 0
    passed=$((passed + BASH_REMATCH[1]))
    failed=$((failed + BASH_REMATCH[2]))
}

finish() {
    printf '%s passed, %s failed\n' "$passed" "$failed"
    [[ $failed -eq 0 && $passed -gt 0 ]]
}

model_found() {
    wait "$model" && return
    tail -n 60 "$logs/model-search.log"
    return 1
}

scripts/install_packages.sh
mkdir -p "$logs"
check build make CI=1 -j"$(nproc)" all tests
if [[ $failed -gt 0 ]]; then
    finish
    exit 1
fi
# The model is searched beside the tests, which mostly wait.
nice tests/model/check.sh build/model >"$logs/model-search.log" 2>&1 </dev/null &
model=$!
check floors tests/check_floors.sh build
if command -v clang-format >/dev/null && clang-format --version | grep -q 'version 14'; then
    check layout make -s layout # versions lay out differently: asked where it is the project's
fi
check_counted check make -s CI=1 -j"$(nproc)" check
for script in tests/end_to_end/*.sh; do
    if [[ -x $script ]]; then
        check "end_to_end/$(basename "$script" .sh)" timeout 600 "$script"
    fi
done
check demo scripts/demo.sh
check coverage tests/coverage.sh saga 95 90 test_orders test_coordinator_input test_versions
check model model_found
if [[ -n ${CI:-} || ${1:-} == --sanitize ]]; then # twice the time: always in CI, else by wish
    check_counted sanitize make -s CI=1 -j"$(nproc)" sanitize
fi
finish
