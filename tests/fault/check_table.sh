#!/usr/bin/env bash
# Checks the table in tests/fault/README.md: each row of the failure catalogue stands in it once, and
# every test that it names is there and run; and that the planted defects still fit the sources and
# name such tests. Usage: tests/fault/check_table.sh [--complete], which also wants no row left open.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
table=fault/README.md
complaints=0

complain() {
    printf 'check_table: %s\n' "$1" >&2
    complaints=$((complaints + 1))
}

# The rows as "ID<TAB>fault<TAB>tests".
rows() {
    sed -n 's/^| \([A-Z][0-9]*\) | \(.*\) | \(.*\) |$/\1\t\2\t\3/p' "$table"
}

expected() {
    local group
    for group in A15 B30 N9 T8 I17 S16 R9 U8 G16 P2; do
        seq -f "${group:0:1}%.0f" 1 "${group:1}"
    done
}

check_function() { # ROW PROGRAM FUNCTION
    local file=$2.c
    if ! grep -q "^static void $3(void \*\*state)" "$file"; then
        complain "$1: there is no test $3 in tests/$file"
    elif [[ $(grep -cw "$3" "$file") -lt 2 ]]; then
        complain "$1: $3 is never run by tests/$file"
    fi
}

# "PROGRAM: FUNCTION, …" or a script.
check_test() { # ROW TEST
    local program=${2%%:*} function
    if [[ $program == *.sh ]]; then
        [[ (-x $program || -x ../$program) && $2 == "$program" ]] ||
            complain "$1: there is no script $program"
        return
    fi
    if [[ ! -f $program.c || $2 != *:* ]]; then
        complain "$1: '$2' names no test program and its functions"
        return
    fi
    for function in $(tr ',' ' ' <<<"${2#*:}"); do check_function "$1" "$program" "$function"; done
}

check_row() { # ROW TESTS
    local test
    if [[ $2 == — ]]; then
        open=$((open + 1))
    elif [[ $2 == none:* ]]; then
        [[ ${#2} -ge 30 ]] || complain "$1: gives no reason"
    else
        while read -r test; do check_test "$1" "$test"; done <<<"${2//; /$'\n'}"
    fi
}

# A test's function, or a check of a script by the words that it is told with.
check_named() { # DEFECT PROGRAM NAME
    if [[ $2 != *.sh ]]; then
        check_test "$1" "$2: $3"
    elif [[ ! -x $2 ]] || ! grep -qsF -- "$3" "$2" "${2%.sh}.py"; then
        complain "$1: there is no script $2 with a check '$3'"
    fi
}

# Not by git, which would look for a repository around the tree and skip what is outside.
check_defect() { # PATCH
    local name program function
    name=$(basename "$1" .patch)
    patch -d .. --dry-run -p1 -F0 -f -s <"$1" >/dev/null ||
        complain "$name: the patch does not fit any more"
    while read -r program function; do
        check_named "$name" "$program" "$function"
    done < <(sed -n '/^---/q; s/^Test: //p' "$1")
}

for defect in fault/defects/*.patch; do check_defect "$defect"; done
open=0
while IFS=$'\t' read -r row _ tests; do check_row "$row" "$tests"; done < <(rows)
differences=$(diff <(expected) <(rows | cut -f 1) | grep '^[<>]' || true)
[[ -z $differences ]] ||
    complain "rows that are missing (<), or unknown, twice or out of order (>): ${differences//$'\n'/ }"
[[ $open -eq 0 || ${1:-} != --complete ]] || complain "$open rows are open"
[[ $complaints -eq 0 ]] || exit 1
printf 'check_table: %s rows, %s open\n' "$(rows | wc -l)" "$open"
