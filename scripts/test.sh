#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test there is; the last lines name those that
# failed and count all.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export WEIR_BUILD=$PWD/build
logs=$WEIR_BUILD/test-logs
failures=$logs/failures # their names, for the end
chaos_seed=${TEST_SEED:-91} # the same each time: what is found new comes of the change
calm_seed=3                 # the ends of these orders are known
passed=0
failed=0
beside=0
sanitize= # nearly twice the time: always in CI, else by wish
if [[ -n ${CI:-} || ${1:-} == --sanitize ]]; then
    sanitize=1
fi

# One check that prints nothing worth reading unless it fails.
run_check() { # NAME COMMAND...
    local name=$1 log=$logs/${1//[^a-zA-Z0-9._-]/_}.log start=$SECONDS
    shift
    if "$@" </dev/null >"$log" 2>&1; then
        printf '  ok    %s (%s s%s)\n' "$name" $((SECONDS - start)) "$(sed -n 's/^skipped: /, &/p' "$log")"
        return 0
    fi
    printf '  FAIL  %s, output in %s:\n%s\n' "$name" "$log" "$(tail -n 60 "$log")"
    printf 'failed: %s\n' "$name" >>"$failures"
    return 1
}

count() { # COMMAND...
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
}

check() { # NAME COMMAND...
    count run_check "$@"
}

# The same beside the next ones, at most four at a time: they mostly wait.
check_beside() { # NAME COMMAND...
    [[ $beside -lt 4 ]] || await_beside
    run_check "$@" &
    beside=$((beside + 1))
}

await_beside() {
    count wait -n
    beside=$((beside - 1))
}

await_all() {
    while [[ $beside -gt 0 ]]; do
        await_beside
    done
}

# Tests that count themselves in a line "N passed, N failed", as tests/run.sh does.
check_counted() { # NAME COMMAND...
    local name=$1 log=$logs/$1.log counts code
    shift
    printf '%s\n' "$name"
    set +e
    "$@" </dev/null 2>&1 | tee "$log" | grep -Ev ' passed, |^failed: '
    code=${PIPESTATUS[0]}
    set -e
    sed -n "s,^failed: ,failed: $name/,p" "$log" >>"$failures"
    counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1 || true)
    if [[ -z $counts || ($code -ne 0 && $counts == *' 0 failed') ]]; then
        failed=$((failed + 1))
        printf '  FAIL  %s ended with %s\n' "$name" "$code"
        printf 'failed: %s\n' "$name" >>"$failures"
    fi
    [[ $counts =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]] || return 0
    passed=$((passed + BASH_REMATCH[1]))
    failed=$((failed + BASH_REMATCH[2]))
}

finish() {
    cat "$failures"
    printf '%s passed, %s failed\n' "$passed" "$failed"
    [[ $failed -eq 0 && $passed -gt 0 ]]
}

scripts/install_packages.sh --tests
mkdir -p "$logs"
: >"$failures"
check build make CI=1 -j"$(nproc)" all tests bench
if [[ $failed -gt 0 ]]; then
    finish
    exit 1
fi
check floors tests/check_floors.sh build
check events tests/check_events.sh
check units tests/check_units.sh build
check manual tests/check_manual.sh build
check fault-table tests/fault/check_table.sh --complete
if command -v clang-format >/dev/null && clang-format --version | grep -q 'version 14'; then
    check layout make -s layout # versions lay out differently: asked where it is the project's
fi
check_beside model nice tests/model/check.sh build/model
check_counted check make -s CI=1 -j"$(nproc)" check
if [[ $sanitize ]]; then
    check_beside sanitize-build nice make -s CI=1 -j"$(nproc)" sanitize-build
fi
check_beside calm timeout 300 scripts/chaos.sh --seed "$calm_seed" --seconds 10 --orders 300 --faults none
check_beside "chaos --seed $chaos_seed" timeout 600 scripts/chaos.sh --seed "$chaos_seed" --minutes 1 --orders 2000 \
    --faults processes,server
for script in tests/end_to_end/*.sh; do
    if [[ -x $script ]]; then
        check_beside "end_to_end/$(basename "$script" .sh)" timeout 600 "$script"
    fi
done
check_beside crash_sweep timeout 600 tests/fault/crash_sweep.sh --quick
check_beside kill_sweep timeout 600 tests/fault/kill_sweep.sh --quick
check_beside coverage tests/coverage.sh saga 95 90 integration/test_orders integration/test_coordinator_input \
    integration/test_versions integration/test_durable_disk fault/test_durable_sagas
check_beside demo scripts/demo.sh
check_beside bench timeout 300 scripts/bench.sh --smoke # that it works, not how fast it is
await_all
if [[ $sanitize ]]; then
    check_counted sanitize make -s CI=1 -j"$(nproc)" sanitize
fi
finish
