#!/bin/sh
# Runs tests on a build of its own that counts, and checks how much of a room they reach: the share
# of its lines and branches, in per cent. Without further words these are the unit tests and the
# room's files that need no server; with the names of integration tests, those too, and all files.
# Usage: tests/coverage.sh ROOM LINES BRANCHES [FOLDER/TEST…], such as
#        tests/coverage.sh saga 95 90 integration/test_orders integration/test_coordinators
set -u
room=${1:?which room} lines=${2:?per cent of lines} branches=${3:?per cent of branches}
shift 3
build=build/coverage

units=
for source in tests/unit/"$room"/test_*.c; do
    units="$units unit/$room/$(basename "$source" .c)"
done

mkdir -p "$build"
find "$build" -name '*.gcda' -delete 
# shellcheck disable=SC2086 # names of tests have no blanks
for test in $units "$@"; do
    printf '%s\n' "$build/tests/$test"
done >"$build.tests"
# shellcheck disable=SC2046
if ! { make -s -j"$(nproc)" BUILD="$build" CFLAGS='-O0 -g --coverage' LDFLAGS=--coverage \
    "$build/bin/weir" "$build/bin/weir-coordinator" $(cat "$build.tests") &&
    tests/run.sh "$build" $(cat "$build.tests"); } >"$build.log" 2>&1; then
    tail -n 40 "$build.log"
    echo "coverage: the tests fail" >&2
    exit 1
fi

# A file needs a server if it is compiled with any header of the rooms that speak to one.
for object in "$build/framework/$room"/*.o; do
    stem=${object%.o}
    [ $# -gt 0 ] || ! grep -q 'framework/\(redis\|stream\|service\)/' "$stem.d" || continue
    gcov --stdout --branch-probabilities --branch-counts "$object" 2>/dev/null |
        awk -v source="framework/$room/$(basename "$stem").c" '
            $1 == "-:" && /0:Source:/ { sub(/.*Source:/, ""); counted = $0 == source; next }
            !counted { next }
            /^ *[0-9]+\*?:/ { all++; reached++ }
            /^ *[#=]+:/ { all++; print source ": line not reached:" substr($0, index($0, ":") + 1) }
            /^branch/ { branches++; if ($3 == "taken" && $4 > 0) taken++ }
            END { printf "count %s %d %d %d %d\n", source, reached, all, taken, branches }'
done >"$build.txt"

grep -v '^count' "$build.txt"
awk -v lines="$lines" -v branches="$branches" '
    function share(part, whole) { return whole > 0 ? 100 * part / whole : 100 }
    $1 == "count" {
        printf "  %5.1f %% of %4d lines, %5.1f %% of %4d branches  %s\n", share($3, $4), $4,
            share($5, $6), $6, $2
        l += $3; la += $4; b += $5; ba += $6
    }
    END {
        printf "coverage: %.1f %% of lines (%s needed), %.1f %% of branches (%s needed)\n",
            share(l, la), lines, share(b, ba), branches
        exit !(la > 0 && share(l, la) >= lines && share(b, ba) >= branches)
    }' "$build.txt"
