#!/usr/bin/env bash
# Shows that the tests notice: plants the defects of tests/fault/defects/ one at a time in a copy of
# the tree, builds there, and runs the tests that each patch names in its head ("Test: PROGRAM
# FUNCTION", or the words of a script's check). Every one of them has to fail by that very function,
# and to pass without the patch.
# The last line is `passed` or `failed`. Usage: tests/fault/planted_defects.sh [DEFECT…]
set -euo pipefail
export LC_ALL=C

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
defects=$PWD/tests/fault/defects
test_seconds=${TEST_SECONDS:-120}
failures=0

fail() {
    printf 'planted_defects: %s\n' "$1" >&2
    printf 'failed\n'
    exit 1
}

# "PROGRAM FUNCTION" for each test that has to catch the defect.
tests_of() { # DEFECT
    sed -n '/^---/q; s/^Test: //p' "$defects/$1.patch"
}

programs_of() { # DEFECT…
    local defect
    for defect in "$@"; do tests_of "$defect"; done | cut -d' ' -f1 | sort -u
}

# The files as they are now, committed or not.
copy_tree() {
    git ls-files -z -co --exclude-standard | while IFS= read -r -d '' file; do
        if [[ -e $file ]]; then printf '%s\0' "$file"; fi
    done | tar -c --null -T - | tar -x -C "$tree"
}

# Where they are in the tree.
paths_of() { # PROGRAM…
    local program
    for program in "$@"; do
        if [[ $program == *.sh ]]; then
            printf 'tests/%s\n' "$program"
        else
            printf 'build/tests/%s\n' "$program"
        fi
    done
}

# The programs that tests start are built along with them.
build() { # PROGRAM…
    local targets
    mapfile -t targets < <(paths_of "$@" | grep -v '\.sh$')
    nice make -s -C "$tree" -j"$(nproc)" CFLAGS='-O1 -g' all "${targets[@]}" \
        >"$work/build.log" 2>&1 </dev/null && return
    tail -n 30 "$work/build.log" >&2
    return 1
}

has_failed() { # OUTPUT FUNCTION
    grep -qxF "[  FAILED  ] $2" "$1" 2>/dev/null || grep -qF "FAIL  $2: " "$1" 2>/dev/null
}

has_passed() { # OUTPUT FUNCTION
    grep -qxF -e "[       OK ] $2" -e "ok    $2" "$1" 2>/dev/null
}

# Runs a test program until it ends or the function has failed, which it notes in `caught`.
run_until_it_fails() { # PROGRAM FUNCTION
    local folder=$tree/build/test-runs/$1 end=$((SECONDS + test_seconds)) pid program signal=KILL
    program=$tree/$(paths_of "$1")
    [[ $1 != *.sh ]] || signal=TERM # it has to clean up
    (cd "$folder" && WEIR_BUILD=$tree/build exec setsid "$program" >output 2>&1 </dev/null) &
    pid=$!
    while kill -0 "$pid" 2>/dev/null && [[ $SECONDS -lt $end ]]; do
        ! has_failed "$folder/output" "$2" || break
        sleep 0.1
    done
    ! has_failed "$folder/output" "$2" || : >"$folder/caught"
    kill "-$signal" -- "-$pid" 2>/dev/null || true # its servers and workers die with it
    wait "$pid" 2>/dev/null || true
}

# What the function said when it failed, on one line: the place and the words.
assertion() { # OUTPUT FUNCTION
    if grep -F -m 1 "FAIL  $2: " "$1" | cut -c 1-200; then return; fi
    sed -n "/^\[ RUN      \] $2\$/,/^\[  FAILED  \] $2\$/p" "$1" | awk '
        sub(/^ERROR: /, "") { words = $0 }
        /^\[  ERROR   \] --- / && !/LINE/ && words == "" { words = substr($0, 18) }
        /\[   LINE   \] --- / && place == "" {
            place = $0; sub(/.*--- /, "", place); sub(/: error.*/, "", place) }
        END { print substr(place ": " words, 1, 200) }'
}

report() { # DEFECT PROGRAM FUNCTION
    local folder=$tree/build/test-runs/$2
    if [[ -e $folder/caught ]]; then
        printf '  caught      %s by %s, %s\n                %s\n' "$1" "$2" "$3" \
            "$(assertion "$folder/output" "$3")"
    else
        printf '  NOT CAUGHT  %s by %s, %s\n' "$1" "$2" "$3"
        failures=$((failures + 1))
    fi
}

plant() { # DEFECT
    local defect=$1 program function
    git -C "$tree" apply "$defects/$defect.patch" 2>"$work/apply.log" ||
        fail "$defect.patch does not fit the tree any more: $(head -n 1 "$work/apply.log")"
    mapfile -t programs < <(programs_of "$defect")
    build "${programs[@]}" || fail "the tree does not build with $defect.patch"
    rm -rf "$tree/build/test-runs"
    while read -r program function; do
        mkdir -p "$tree/build/test-runs/$program"
        run_until_it_fails "$program" "$function" &
    done < <(tests_of "$defect")
    wait
    while read -r program function; do
        report "$defect" "$program" "$function"
    done < <(tests_of "$defect")
    git -C "$tree" apply -R "$defects/$defect.patch"
}

# Without a defect all of them pass: else a failure would show nothing.
check_sound() { # DEFECT…
    local program function defect
    mapfile -t programs < <(programs_of "$@")
    build "${programs[@]}" || fail 'the tree does not build'
    mapfile -t paths < <(paths_of "${programs[@]}")
    (cd "$tree" && tests/run.sh build "${paths[@]}") >"$work/sound.log" 2>&1 || {
        cat "$work/sound.log" >&2
        fail 'these tests fail without any defect'
    }
    for defect in "$@"; do
        while read -r program function; do
            has_passed "$tree/build/test-runs/$program/output" "$function" ||
                fail "$defect.patch names a test that is not there: $program, $function"
        done < <(tests_of "$defect")
    done
    printf '  sound       %s\n' "without a defect ${#programs[@]} test programs pass"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
mkdir "$tree"
chosen=("$@")
[[ $# -gt 0 ]] || mapfile -t chosen < <(cd "$defects" && printf '%s\n' *.patch | sed 's/\.patch$//')
for defect in "${chosen[@]}"; do
    [[ -r $defects/$defect.patch ]] || fail "there is no defect $defect in tests/fault/defects"
    [[ -n $(tests_of "$defect") ]] || fail "$defect.patch names no test"
done
copy_tree
check_sound "${chosen[@]}"
for defect in "${chosen[@]}"; do plant "$defect"; done
printf '%s defects, %s not caught, %s s\n' "${#chosen[@]}" "$failures" "$SECONDS"
if [[ $failures -gt 0 ]]; then
    printf 'failed\n'
    exit 1
fi
printf 'passed\n'
