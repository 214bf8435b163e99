#!/bin/sh
# Checks the model of the saga protocol: that its properties hold in every reachable state, and that
# each buggy twin is found. Usage: tests/model/check.sh [BUILD], BUILD being a folder to work in.
set -u
here=$(cd "${0%/*}" && pwd) || exit 1
build=${1:-build/model}
for tool in spin gcc; do
    command -v "$tool" >/dev/null || {
        echo "check.sh: $tool is missing; on Debian: apt-get install $tool" >&2
        exit 69
    }
done
mkdir -p "$build" && cd "$build" || exit 1
passed=0 failed=0 began=$(date +%s)

# Makes ./NAME/pan, the verifier for a shape of the model and its switches.
make_verifier() { # NAME MODEL_FLAGS COMPILER_FLAGS
    rm -rf "$1" && mkdir -p "$1" || exit 1
    # shellcheck disable=SC2086 # flags are lists
    (cd "$1" && spin $2 -a "$here/saga.pml" && gcc -w $3 -DMEMLIM=900 -o pan pan.c) >"$1/make.log" 2>&1 ||
        { cat "$1/make.log" >&2; echo "check.sh: no verifier could be made for $1" >&2; exit 1; }
}

# Says one line. A search that was cut short proves nothing: only "errors: 0" of a complete one
# holds, and only an error of the property itself, not of the search, is a find.
report() { # NAME CLAIM WANTED(holds|found)
    log=$1/$2.log got=neither
    if grep -q 'errors: 0' "$log" && ! grep -Eq 'Search not completed|too small|MEMLIM' "$log"; then
        got=holds
    elif grep -Eq '^pan(:[0-9]+)?: (assertion violated|acceptance cycle)' "$log"; then
        got=found
    fi
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$log" | head -n 1)
    seconds=$(sed -n 's/.*elapsed time \([0-9.e-]*\) seconds.*/\1/p' "$log")
    if [ "$got" = "$3" ]; then
        passed=$((passed + 1)) verdict=ok
    else
        failed=$((failed + 1)) verdict=FAIL
    fi
    printf '  %-4s  %-24s %-12s %-7s %8s states %6s s\n' \
        "$verdict" "$1" "$2" "$got" "${states:-?}" "${seconds:-?}"
    [ "$verdict" = ok ] || printf '        see %s/%s\n' "$build" "$log"
}

verify() { # NAME CLAIM WANTED PAN_FLAGS…
    name=$1 claim=$2 wanted=$3
    shift 3
    (cd "$name" && timeout 300 ./pan -N "$claim" -m200000 -w22 "$@") >"$name/$claim.log" 2>&1
    report "$name" "$claim" "$wanted"
}

# What has few states is checked in less time than gcc needs to optimise it.
optimise() { # NAME
    case $1 in chain | fork | chain-ends | fork-ends | two-attempts) echo -O1 ;; *) echo -O0 ;; esac
}

safety() { # NAME MODEL_FLAGS CLAIM…
    make_verifier "$1" "$2" "$(optimise "$1") -DSAFETY"
    shape=$1
    shift 2
    for each in "$@"; do verify "$shape" "$each" holds; done
}

# -a -f: for endless runs in which no process that could act is passed over for ever.
liveness() { # NAME MODEL_FLAGS CLAIM [WANTED]
    make_verifier "$1" "-DFINITE_CRASHES=1 $2" "$(optimise "$1") -DNFAIR=3"
    verify "$1" "$3" "${4:-holds}" -a -f
}

# Breadth first, so that the history found is a shortest one; `./pan -r saga.pml.trail` tells it.
twin() { # SWITCH SHAPE CLAIM
    make_verifier "$1" "-D$2 -D$1" "-O0 -DSAFETY -DBFS"
    verify "$1" "$3" found
}

echo "Properties: hold in every state, or on every fair run"
claims="once barred final completed compensated cause order one_end one_move"
# shellcheck disable=SC2086 # a list
safety chain "-DCHAIN -DATTEMPTS=1" $claims
# shellcheck disable=SC2086
safety pivot -DPIVOT $claims no_return
safety two-attempts -DCHAIN safe
safety fork "-DFORK -DATTEMPTS=1" safe
safety replies "-DCHAIN -DNO_RIGHTS" safe
safety reads "-DCHAIN -DREAD_RIGHTS" safe
safety records "-DCHAIN -DRECORDS" safe
liveness chain-ends "-DCHAIN -DATTEMPTS=1" ends
liveness fork-ends "-DFORK -DATTEMPTS=1 -DMOVES" ends
liveness pivot-ends -DPIVOT ends
liveness replies-ends "-DCHAIN -DNO_RIGHTS" ends
liveness silent-ends "-DCHAIN -DSILENT" ends
liveness chain-recovers "-DCHAIN -DPATIENT" recovers

echo "Buggy twins: found"
twin NO_BAR CHAIN barred
twin NO_FENCE CHAIN once
twin NO_CAS CHAIN one_move
twin NO_EXPECTATION CHAIN once
twin NO_DEDUPLICATION CHAIN once
twin REPLY_WITHOUT_STEP CHAIN completed
twin ANY_REPLY CHAIN completed
twin FORWARD_ORDER CHAIN order
twin NO_BAR_BY_SAGA CHAIN barred
twin SUCCESS_FORGOTTEN CHAIN once
twin RECORD_OUTWEIGHS CHAIN once
twin MOVE_WITHOUT_REVISION CHAIN one_move
twin MOVE_WITHOUT_RECORD CHAIN compensated
twin REPLY_BESIDE_MOVE CHAIN barred
twin STATE_ALONE CHAIN final
twin MIXED_RIGHTS CHAIN barred
twin OUTRUN_UNDECIDED CHAIN barred
twin STALE_NULL CHAIN compensated
twin TIMED_OUT_IS_FAILED CHAIN compensated
twin UNKNOWN_IS_FAILED CHAIN compensated
twin DEADLINE_BEHIND_PIVOT PIVOT no_return
liveness NO_TIMER "-DCHAIN -DSILENT -DNO_TIMER" ends found

echo "took $(($(date +%s) - began)) s"
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
