#!/usr/bin/env bash
# A worker, a coordinator and a read model's process are killed at each single send to the server
# and receipt from it, by strace: entering a send, what was to be said is not; entering a receipt,
# the server has done what it was told and nobody hears of it. They come back, and nothing may be
# lost, doubled or rescued by a timeout.
set -euo pipefail

# shellcheck source=tests/end_to_end/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../end_to_end/common.sh"
# shellcheck source=tests/fault/world.sh
source "$root/tests/fault/world.sh"

quick_points=${KILL_SWEEP_POINTS:-5} # of each role and call
quick=1
seed=${TEST_SEED:-$RANDOM}
allow_skip=''
while [[ $# -gt 0 ]]; do
    case $1 in
    --quick) quick=1 ;;
    --full) quick='' ;;
    --seed) seed=${2:?} && shift ;;
    --roles) read -ra roles <<<"${2:?}" && shift ;;
    --allow-skip) allow_skip=1 ;;
    *)
        printf 'Usage: %s [--quick | --full] [--seed N] [--roles "NAME..."] [--allow-skip]\n' "$0" >&2
        printf 'quick, the default: %s calls of each kind for each role, by the seed; full: all of them\n' \
            "$quick_points" >&2
        exit 64
        ;;
    esac
    shift
done
limit=${TEST_LIMIT:-60}

# ---- strace ----------------------------------------------------------------------------------

may_trace() {
    command -v strace >/dev/null && strace -f -qq -o "$dir/may_trace" true 2>>"$dir/may_trace.errors"
}

require_strace() {
    may_trace && return
    printf 'strace cannot trace a process here: %s\n' "$(tail -n 1 "$dir/may_trace.errors" 2>/dev/null || true)"
    [[ -z $allow_skip ]] || exit 0
    stop_with 'without ptrace nothing is shown (--allow-skip passes over it)'
}

# hiredis 1 sends and receives by the calls for sockets, older ones by those for files.
calls=(sendto recvfrom)

# ---- Jobs ------------------------------------------------------------------------------------

# count ROLE MODE, or CALL ROLE MODE N
run_job() {
    if [[ $1 == count ]]; then
        run_world "$2" "$3" '' strace -f -qq -o "$counts/$2.$3" -e trace=connect,sendto,recvfrom,read,write
    else
        run_world "$2" "$3" '' strace -f -qq -o /dev/null -e trace="$1" -e inject="$1:signal=SIGKILL:when=$4"
    fi
    printf '%s %s killed=%s rescues=%s problem=%s\n' "$*" "$dir" "${killed:-no}" "$rescues" "$problem"
}

times_called() { # ROLE MODE CALL
    grep -cE "^([0-9]+ +)?$3\(" "$counts/$1.$2" || true
}

# Those before it, such as reading its libraries, are no business of the server's.
called_before_connecting() { # ROLE MODE CALL
    sed '/connect(/q' "$counts/$1.$2" | grep -cE "^([0-9]+ +)?$3\(" || true
}

# One scenario without a death for each role tells how many calls there are to be killed at.
count_calls() {
    local role mode
    for role in "${roles[@]}"; do
        for mode in "${modes[@]}"; do
            printf 'count %s %s\n' "$role" "$mode"
        done
    done >"$dir/first_jobs"
    run_lanes "$dir/first_jobs" "$dir/first_results"
    check 'without a kill all is well' no_problem "$dir/first_results"
    ((checks_failed == 0)) || exit 1 # the rest would only say so again
    [[ $(times_called "${roles[0]}" same sendto) -gt 0 ]] || calls=(write read)
    [[ $(times_called "${roles[0]}" same "${calls[0]}") -gt 0 ]] || stop_with 'no call that sends was found'
}

no_problem() { # RESULTS
    ! grep -v 'problem=$' "$1"
}

# Of the calls FIRST to LAST all, or some by the seed, spread evenly.
points() { # FIRST LAST
    awk -v first="$1" -v count="$(($2 - $1 + 1))" -v wanted="${quick:+$quick_points}" -v seed="$seed$role$call" 'BEGIN {
        srand(seed % 100000 + length(seed))
        if (wanted == "" || wanted >= count) { for (n = 0; n < count; n++) print first + n; exit }
        for (i = 0; i < wanted; i++) print first + int((i + rand()) * count / wanted) }'
}

# The mode changes from one to the next; a whole sweep goes through each.
write_jobs() {
    local role call mode n turn=0
    for role in "${roles[@]}"; do
        for call in "${calls[@]}"; do
            for mode in "${modes[@]}"; do
                for n in $(points $(($(called_before_connecting "$role" "$mode" "$call") + 1)) \
                    "$(times_called "$role" "$mode" "$call")"); do
                    turn=$((turn + 1))
                    [[ -n $quick && $mode != "${modes[turn % 2]}" ]] || printf '%s %s %s %s\n' "$call" "$role" "$mode" "$n"
                done
            done
        done
    done
}

report() {
    local role call
    for role in "${roles[@]}"; do
        for call in "${calls[@]}"; do
            grep "^$call $role " "$dir/results" | awk -v role="$role" -v call="$call" '
                { points++; killed += /killed=137/; failures += !/problem=$/
                  match($0, /rescues=[0-9]+/); rescues += substr($0, RSTART + 8, RLENGTH - 8) }
                END { printf "      %-16s %-8s  points %d, killed %d, rescues %d, failures %d\n",
                      role, call, points, killed, rescues, failures }'
        done
    done
    check 'nothing is lost, doubled or rescued' no_problem "$dir/results"
    # A run that has less to say than the counted one ends before its last calls.
    check 'nearly every kill came about' test "$(($(grep -c 'killed=137' "$dir/results") * 10))" -ge \
        "$(($(wc -l <"$dir/results") * 7))"
}

main() {
    counts=$dir/counts
    mkdir "$counts"
    printf 'seed %s\n' "$seed"
    require_strace
    count_calls
    write_jobs >"$dir/jobs"
    run_lanes "$dir/jobs" "$dir/results"
    report
}

main
