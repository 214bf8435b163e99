#!/usr/bin/env bash
# Attacks the sample shop while it works: random orders, random faults, and then the books.
set -euo pipefail

usage() {
    cat <<TEXT
Usage: scripts/chaos.sh [OPTION…]

Starts the shop with several processes of each worker and two coordinators, sends a random mix of
orders, injects faults, stops the faults, waits until all is quiet, and checks the books. Builds
what is missing. The last line is "passed" or "failed", with the exit code to it; the figures stand
above it. What failed is kept in a folder, which is named.

  --seed N          of the orders and of the faults: the same seed gives the same plan (default:
                    a random one, which is printed)
  --orders N        how many orders are sent (default 2000)
  --minutes N       the time over which they are spread (default 1)
  --seconds N       the same in seconds, for a short run
  --faults LIST     names with commas between: all (the default), none, processes, server, network,
                    time, or of these
                      $(fold_names "${process_faults[@]}")
                      $(fold_names "${server_faults[@]}")
                      $(fold_names "${network_faults[@]}" "${time_faults[@]}")
  --fsync MODE      always (the default): nothing that was accepted may be lost; or everysec: what
                    is lost by a death of the server is counted (power-failure is of this
                    mode alone: it takes away the end of the server's file)
  --log-level NAME  of the processes (default info)
  --plan            print the plan of the faults and do nothing
  --keep            keep the folder in any case
  --help            print this

Not among the faults, and shown by tests of their own (tests/fault/README.md): the promotion of a
replica, FLUSHALL, a step of the server's clock, want of memory or of descriptors in a process, and
programs of different versions side by side (rolling-restart stops and starts one version).
disk-full needs the right to mount, so it is left out, and said to be, unless root runs this.

A run counts only if all orders were sent, if enough of those that can complete did, and if what
the faults are to bring about was met: in a run of five minutes or more with all faults everything
that is counted, in others what the faults chosen must lead to.
TEXT
}

fold_names() { # NAME...
    printf '%s ' "$@" | fold -s -w 76 | sed -e '2,$s/^/                      /' -e 's/ $//'
}

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tests/chaos/plan.sh
source "$project/tests/chaos/plan.sh"

seed=$((RANDOM * 32768 + RANDOM))
orders=2000
length_s=60
faults=all
fsync=always
log_level=info
plan_only=
keep=

refuse() { # WHY
    printf 'chaos: %s\n' "$1" >&2
    exit 64
}

number() { # OPTION VALUE
    [[ $2 =~ ^[0-9]{1,9}$ ]] || refuse "$1 wants a whole number"
}

leave_out() { # FAULT [WHY]
    local kept=() name
    [[ -z ${2:-} ]] || printf '%s is left out: %s\n' "$1" "$2"
    for name in "${chosen[@]}"; do
        [[ $name == "$1" ]] || kept+=("$name")
    done
    chosen=("${kept[@]}")
}

while [[ $# -gt 0 ]]; do
    case $1 in
    -h | --help) usage && exit ;;
    --plan) plan_only=1 ;;
    --keep) keep=1 ;;
    --seed | --orders)
        number "$1" "${2:-}"
        declare "${1#--}=$((10#$2))"
        shift
        ;;
    --minutes | --seconds)
        number "$1" "${2:-}"
        length_s=$((10#$2))
        [[ $1 == --seconds ]] || length_s=$((length_s * 60))
        shift
        ;;
    --faults) faults=${2:?} && shift ;;
    --fsync)
        [[ ${2:-} == always || ${2:-} == everysec ]] || refuse '--fsync wants always or everysec'
        fsync=$2 && shift
        ;;
    --log-level)
        [[ ${2:-} =~ ^(debug|info|warning|error)$ ]] || refuse '--log-level wants debug, info, warning or error'
        log_level=$2 && shift
        ;;
    *) refuse "unknown option $1, see --help" ;;
    esac
    shift
done
((length_s > 0 && orders > 0)) || refuse '--minutes, --seconds and --orders want more than 0'
[[ ,$faults, != *,power-failure,* || $fsync == everysec ]] || refuse 'power-failure is of --fsync everysec alone'
chosen_text=$(faults_of "$faults") || exit 64
mapfile -t chosen < <(printf '%s' "$chosen_text")
((length_s < 300)) || heavy_every=3
[[ $fsync == everysec ]] || leave_out power-failure

if [[ -n $plan_only ]]; then
    write_plan "$seed" $((length_s * 1000)) "${chosen[@]}"
    exit
fi

export TEST_KEEP=$keep
# shellcheck source=tests/end_to_end/common.sh
source "$project/tests/end_to_end/common.sh"
# shellcheck source=tests/chaos/faults.sh
source "$project/tests/chaos/faults.sh"
# shellcheck source=tests/chaos/figures.sh
source "$project/tests/chaos/figures.sh"
# shellcheck source=tests/chaos/verdict.sh
source "$project/tests/chaos/verdict.sh"

sender_program=${WEIR_BUILD:-$root/build}/tests/chaos/orders
server_options="--appendfsync $fsync --busy-reply-threshold 200"
run_limit=150 # seconds that a run may take beyond its time, for what the faults have held up
injector=
sender=
export WEIR_CLAIM_IDLE=1s WEIR_RETRY_CAP=2s WEIR_LOG_LEVEL=$log_level
export SHOP_STOP_LIMIT=15

# ---- Beginning and end ----------------------------------------------------------------------

# Also on Ctrl-C: nothing that was started may stay.
end_chaos() {
    local code=$?
    trap - EXIT
    trap '' INT TERM
    show_progress_line ''
    end_child "$injector"
    end_child "$sender"
    if ((${#shops[@]})); then
        heal_all
        "$root/scripts/shop.sh" down "$dir" >/dev/null 2>&1 || true
    fi
    take_back_disk "$code"
    set +e
    (exit "$code")
    clean_up
}

# With what it has started in the background; it is a group of its own.
end_child() { # PID
    [[ -z $1 ]] || kill -TERM -- "-$1" 2>/dev/null || true
}

# Onto the disk that outlasts the run.
take_back_disk() { # EXIT CODE
    mountpoint -q "$dir/data" 2>/dev/null || return 0
    mkdir "$dir/data.kept"
    [[ $1 -eq 0 && $checks_failed -eq 0 && -z $keep ]] || cp -a "$dir/data/." "$dir/data.kept" || true
    umount -l "$dir/data" && rmdir "$dir/data" && mv "$dir/data.kept" "$dir/data"
}

build_missing() {
    make -s -C "$root" BUILD="${WEIR_BUILD:-$root/build}" -j"$(nproc)" chaos >"$dir/build.out" 2>&1 || {
        tail -n 20 "$dir/build.out"
        stop_with 'the build failed'
    }
}

wants() { # FAULT
    [[ " ${chosen[*]} " == *" $1 "* ]]
}

# The disk has to be there before the server, the clock before the workers.
prepare_faults() {
    if wants disk-full && ! make_disk; then
        leave_out disk-full 'it needs the right to mount'
    fi
    if wants clock && ! make_clock; then
        leave_out clock "there is no $clock_shim"
    fi
}

start_shop() {
    local name
    SHOP_REDIS_OPTIONS=$server_options shop_up "$dir"
    start_proxy
    for name in "${coordinators[@]}" "${workers[@]}"; do
        [[ $name != *-[0-9] ]] || start_process "$name" || stop_with "$name did not start"
    done
}

# Patience of a second and a half, twice: so that slow ones are late and pauses outlast it.
open_shop() {
    local i
    {
        for ((i = 0; i < 20; i++)); do open_account "c$i" 1000000000; done
        open_account poor 500
        for ((i = 0; i < 5; i++)); do create_product "p$i" 100000000; done
        create_product rare 0
    } | redis >/dev/null
    put_definition chaos-order 1500 2
    await shop_is_open || stop_with 'the accounts were not opened'
}

shop_is_open() {
    [[ $(redis HGET '{payments}:account:poor' balance) == 500 && $(redis HGET '{catalog}:product:rare' stock) == 0 ]]
}

# ---- The run --------------------------------------------------------------------------------

start_sender() {
    local mode=()
    [[ $fsync == always ]] || mode=(lossy)
    ((${#chosen[@]})) || mode=(calm)
    set -m
    "$sender_program" "$dir/redis.sock" "$seed" "$orders" $length_s "$dir/journal" \
        "$dir/progress" "${mode[@]}" >"$dir/sender.out" 2>&1 &
    sender=$!
    inject_all "$dir/plan" &
    injector=$!
    set +m
}

show_progress_line() { # TEXT
    [[ ! -t 2 ]] || printf '\r\033[K%s' "$1" >&2
}

# On a terminal a line that stays in its place, else one each ten seconds.
show_progress() {
    local sent refused unknown text
    { read -r sent refused unknown <"$dir/progress"; } 2>/dev/null || return 0
    text="$(($(now_ms) / 1000 - began / 1000)) s, $sent of $orders orders sent ($refused refused, $unknown unanswered so far), $(wc -l <"$dir/injected") faults"
    if [[ -t 2 ]]; then
        show_progress_line "$text"
    elif ((SECONDS >= next_line)); then
        next_line=$((SECONDS + 10))
        printf '%s\n' "$text"
    fi
}

run_all() {
    local next_line=0
    began=$(now_ms)
    : >"$dir/timeline"
    : >"$dir/injected"
    start_sender
    while kill -0 "$sender" 2>/dev/null || kill -0 "$injector" 2>/dev/null; do
        (($(now_ms) < began + length_s * 1000 + run_limit * 1000)) || break
        show_progress
        sample_workers
        sleep 1
    done
    end_child "$sender"
    end_child "$injector"
    wait "$sender" && sent_all=1 || sent_all=
    wait "$injector" || printf 'the injector did not come to its end\n' >>"$dir/not-injected"
    show_progress_line ''
    heal_all
    healed=$(now_ms)
}

# Sagas whose compensation has used up its attempts wait for an operator: here he is.
resume_suspended() {
    local id
    for id in $(redis ZRANGE '{sagas}:state:suspended' 0 99 2>/dev/null); do
        resumed=$((resumed + $(redis EVAL "$resume_script" 0 "$id" 2>/dev/null || printf '0\n')))
    done
}

read -r -d '' resume_script <<'LUA' || true
local flat, count = redis.call('HGETALL', '{sagas}:saga:' .. ARGV[1]), 0
for i = 1, #flat, 2 do
    local step = flat[i]:match('^step:(.*):state$')
    if step and flat[i + 1] == 'compensating' then
        redis.call('XADD', '{sagas}:commands', '*', 'type', 'ResumeSaga', 'saga', ARGV[1],
            'step', step, 'decision', 'retry')
        count = count + 1
    end
end
return count
LUA

is_quiet() {
    resume_suspended
    sample_workers
    [[ $(redis EXISTS '{sagas}:state:suspended' 2>/dev/null) == 0 ]] && at_rest 1
}

await_quiet() {
    limit=$((60 + orders / 500))
    resumed=0
    if await is_quiet; then
        quiet_ms=$(($(now_ms) - healed))
        ok "all is quiet $quiet_ms ms after the last fault"
    else
        quiet_ms=never
        fault 'all is quiet' "not within $limit s after the last fault"
        show_unrest
    fi
    limit=30
}

main() {
    trap end_chaos EXIT
    printf 'seed %s, %s orders in %s s, appendfsync %s, faults: %s\n' "$seed" "$orders" "$length_s" \
        "$fsync" "${chosen[*]:-none}"
    build_missing
    prepare_faults
    start_shop
    open_shop
    remember_first_times
    write_plan "$seed" $((length_s * 1000)) "${chosen[@]}" >"$dir/plan"
    run_all
    await_quiet
    sample_last
    check_run
    print_figures
    if ((checks_failed > 0)); then
        keep_evidence
        printf -- '-- what failed, in short\n'
        cat "$dir/complaints"
    fi
}

main
