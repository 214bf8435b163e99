# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # it shares run.sh's variables and the peer's
# One measurement: fill the queue, start the workers, and read what they count.
#
# Each process that handles jobs keeps a file "$PEERS_TALLY.<its id>" and appends a line to it some
# ten times a second while anything changes: when it began its first job and when it ended its last
# one, in seconds since 1970, and how many it ended. So the time is taken where the work is done,
# start-up is left out, and several processes add up. shared/ has that in each language.

redis() { # ARGUMENT...
    "$cli" -s "$socket" "$@"
}

# What a program said when it failed.
last_words() {
    grep -i -m 1 error "$log" || tail -n 1 "$log" | grep . || echo "its log is empty"
}

# Each run begins with a file that holds the full queue and nothing else, as a rewrite of it that is
# due for what an earlier run wrote would fall upon another.
settle_server() {
    await_rewrite && redis bgrewriteaof >/dev/null && await_rewrite
}

await_rewrite() {
    local tries=600
    while [[ $(redis info persistence) =~ aof_rewrite_(in_progress|scheduled):1 ]]; do
        ((tries-- > 0)) || return 1
        sleep 0.1
    done
}

# Prints FIRST LAST COUNT over all processes.
read_tallies() {
    local files=("$PEERS_TALLY".*)
    [[ -e ${files[0]} ]] || files=(/dev/null)
    tail -qn 1 "${files[@]}" | awk '
        { count += $3; if (!first || $1 < first) first = $1; if ($2 > last) last = $2 }
        END { printf "%.6f %.6f %d\n", first, last, count }'
}

start_workers() { # PROCESSES ARGUMENT...
    local processes=$1 number
    shift
    workers=()
    for ((number = 0; number < processes; number++)); do
        # In the caller's group, which ends all at once where it has to.
        work "$@" >>"$log" 2>&1 &
        workers+=("$!")
        disown
    done
}

workers_live() {
    local worker
    for worker in "${workers[@]}"; do
        kill -0 "$worker" 2>/dev/null && return
    done
    return 1
}

stop_workers() {
    local worker tries=100
    for worker in "${workers[@]}"; do
        kill -TERM "$worker" 2>/dev/null || true
    done
    while workers_live && ((tries-- > 0)); do
        sleep 0.1
    done
    for worker in "${workers[@]}"; do
        kill -KILL "$worker" 2>/dev/null || true
    done
    workers=()
}

# Waits until N are done or the time is over; start-up has its own minute.
await_tallies() { # N
    local n=$1 begun=$SECONDS first last count
    while read -r first last count < <(read_tallies) && ((count < n)); do
        workers_live || return
        if ((count == 0)); then
            ((SECONDS - begun < 60)) || return
        elif awk -v first="$first" -v now="$EPOCHREALTIME" -v most="$seconds" \
            'BEGIN { exit now - first < most }'; then
            return
        fi
        sleep 0.2
    done
}

# What the workers have done has to be gone from the server's queue, too.
await_empty_queue() {
    local tries=100
    while ((tries-- > 0)); do
        queue_left=$(left 2>>"$log") && [[ $queue_left == 0 ]] && return
        sleep 0.1
    done
    return 1
}

# Whether the run took all of its time, and was not cut short by its workers' end.
time_was_over() { # FIRST LAST
    awk -v first="$1" -v last="$2" -v most="$seconds" 'BEGIN { exit last - first < most * 0.9 }'
}

# Sets failure, or appends to rates, and to remark what is to be said of the run.
measure_run() { # N PROCESSES ARGUMENT...
    local n=$1 processes=$2 first last count
    shift 2
    failure=
    : >"$log"
    rm -f "$PEERS_TALLY".*
    redis flushall >/dev/null
    fill "$n" "$@" >>"$log" 2>&1 || failure="filling the queue failed: $(last_words)"
    [[ -z $failure ]] || return 1
    settle_server || failure="the server does not come to rest"
    [[ -z $failure ]] || return 1
    start_workers "$processes" "$@"
    await_tallies "$n"
    read -r first last count < <(read_tallies)
    if ((count >= n)); then
        await_empty_queue || failure="$count jobs were handled, but $queue_left are left in the queue"
    else
        time_was_over "$first" "$last" || failure="only $count of $n jobs were done: $(last_words)"
    fi
    stop_workers
    awk -v first="$first" -v last="$last" 'BEGIN { exit last - first < 0.01 }' ||
        failure=${failure:-"$n jobs are too few for this setting, which begins them all at once"}
    [[ -z $failure ]] || return 1
    ((count >= n)) || remark="ended after $seconds s with $count of $n done"
    ((count <= n)) || remark="$((count - n)) jobs were handled twice"
    rates+=("$(awk -v n="$count" -v first="$first" -v last="$last" 'BEGIN { printf "%.0f", n / (last - first) }')")
}

# Sets rates and remark, or failure.
measure_setting() { # NAME LABEL PROCESSES ARGUMENTS
    local name=$1 label=$2 processes=$3 run n=$messages arguments
    read -r -a arguments <<<"$4"
    [[ $kind == messages ]] || n=$sagas
    ((n <= ${most:-n})) || n=$most
    export PEERS_TALLY=$place/runs/tally PEERS_JOBS=$n
    rates=()
    remark=
    for ((run = 1; run <= runs; run++)); do
        if ! measure_run "$n" "$processes" "${arguments[@]}"; then
            say "$name, $label: $failure"
            return 1
        fi
        say "$name, $label: run $run of $runs, ${rates[-1]} per second"
    done
}

# Prints how many entries of a stream a group has not acknowledged, or not read.
stream_left() { # STREAM GROUP
    redis xinfo groups "$1" | awk -v group="$2" '
        $0 == "name" { getline; ours = ($0 == group) }
        ours && ($0 == "pending" || $0 == "lag") { getline; left += $0; seen++ }
        END { if (seen != 2) exit 1; print left }'
}
