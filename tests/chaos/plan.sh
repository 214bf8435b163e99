# shellcheck shell=bash
# The plan of a chaos run: which fault strikes whom and when, by the seed alone.

process_faults=(kill-worker kill-coordinator pause-worker pause-coordinator stop-worker
    rolling-restart storm)
server_faults=(kill-server restart-server-loading pause-server client-kill client-pause busy
    out-of-memory disk-full function-flush group-destroy power-failure)
network_faults=(cut refuse blackhole half-open stall lose-answers cut-answer cut-request rate delay
    slice)
time_faults=(clock)
# Those that hold up everything for seconds: in long runs, with much data, they come less often.
heavy_faults=(kill-server restart-server-loading power-failure disk-full rolling-restart storm)
heavy_every=1 # rounds

# The processes beside the server. Those with an even number are behind the proxy.
coordinators=(weir-coordinator weir-coordinator-2)
workers=(orders orders-2 payments payments-2 payments-3 catalog catalog-2 notifications
    notifications-2 views views-2)
groups=('{orders}:commands orders' '{payments}:commands payments' '{catalog}:commands catalog'
    '{notifications}:commands notifications' '{sagas}:commands sagas' '{sagas}:replies sagas')

# Writes the names that LIST stands for, one a line; false for one that is unknown.
faults_of() { # LIST, with commas between
    local word words=()
    IFS=, read -ra words <<<"$1"
    for word in "${words[@]}"; do
        case $word in
        all) printf '%s\n' "${process_faults[@]}" "${server_faults[@]}" "${network_faults[@]}" \
            "${time_faults[@]}" ;;
        processes) printf '%s\n' "${process_faults[@]}" ;;
        server) printf '%s\n' "${server_faults[@]}" ;;
        time) printf '%s\n' "${time_faults[@]}" ;;
        network) printf '%s\n' "${network_faults[@]}" ;;
        none) ;;
        *)
            known_fault "$word" || {
                printf 'no fault is called %s\n' "$word" >&2
                return 1
            }
            printf '%s\n' "$word"
            ;;
        esac
    done | awk '!seen[$0]++'
    return "${PIPESTATUS[0]}"
}

known_fault() { # NAME
    [[ " ${process_faults[*]} ${server_faults[*]} ${network_faults[*]} ${time_faults[*]} " == *" $1 "* ]]
}

# ---- Chance ---------------------------------------------------------------------------------

chance=0

# Sets `dice` to a number from 0 to LIMIT - 1. The upper bits are the random ones.
roll() { # LIMIT
    chance=$(((chance * 1103515245 + 12345) & 0x7fffffff))
    dice=$(((chance >> 8) % $1))
}

pick() { # NAME...; sets `picked`
    roll $#
    shift "$dice"
    picked=$1
}

# Sets `bag` to the NAMEs in another order.
shuffle() { # NAME...
    local i kept
    bag=("$@")
    for ((i = ${#bag[@]} - 1; i > 0; i--)); do
        roll $((i + 1))
        kept=${bag[i]}
        bag[i]=${bag[dice]}
        bag[dice]=$kept
    done
}

# ---- The plan -------------------------------------------------------------------------------

# Sets `detail` to what the fault needs to know: whom it strikes, and for how many ms or how much.
choose_detail() { # FAULT
    local ms
    roll 1000
    ms=$dice
    case $1 in
    kill-worker | stop-worker) pick "${workers[@]}" && detail=$picked ;;
    kill-coordinator) pick "${coordinators[@]}" && detail=$picked ;;
    # past the claim, and every third past the whole patience of a step
    pause-worker)
        pick "${workers[@]}"
        roll 3
        detail="$picked $((dice == 0 ? 4000 + ms * 2 : 1300 + ms))"
        ;;
    pause-coordinator) pick "${coordinators[@]}" && detail="$picked $((1300 + ms))" ;;
    storm) detail=$((2 + ms % 3)) ;;
    power-failure) detail=$((ms * 64)) ;; # bytes
    pause-server) detail=$((1000 + 2 * ms)) ;;
    client-pause) pick WRITE ALL && detail="$picked $((500 + ms))" ;;
    busy) detail=$((400 + ms)) ;;
    out-of-memory) detail=$((700 + ms)) ;;
    group-destroy) pick "${groups[@]}" && detail=$picked ;;
    blackhole | half-open) detail=$((1500 + 3 * ms)) ;;
    stall | rate | delay | slice | refuse) detail=$((500 + 2 * ms)) ;;
    lose-answers) detail=$((1 + ms % 5)) ;;
    cut-answer | cut-request) detail=$((1 + ms * 3)) ;;
    clock) pick -86400 -10800 -7 5 3600 90000 && detail="$picked $((1500 + 3 * ms))" ;; # seconds
    *) detail= ;;
    esac
}

# About how long nothing else is done to the server, in ms.
length_of() { # FAULT DETAIL
    case $1 in
    pause-server | busy | out-of-memory | client-pause) printf '%s\n' "${2##* }" ;;
    kill-server | power-failure) printf '500\n' ;;
    restart-server-loading | disk-full) printf '2000\n' ;;
    *) printf '0\n' ;;
    esac
}

is_heavy() { # FAULT
    [[ " ${heavy_faults[*]} " == *" $1 "* ]]
}

# Writes lines "<ms since the begin> <fault> <detail>". Every fault comes once in a round, each
# round in another order, so that even a short run has met all of them.
write_plan() { # SEED LENGTH_MS FAULT...
    local at=500 until=$2 round=0 name kinds
    chance=$(($1 * 7919 & 0x7fffffff))
    shift 2
    kinds=("$@")
    [[ ${#kinds[@]} -gt 0 ]] || return 0
    while :; do
        shuffle "${kinds[@]}"
        for name in "${bag[@]}"; do
            if ((round % heavy_every != 0)) && is_heavy "$name"; then
                continue
            fi
            roll 1400
            at=$((at + 200 + dice))
            ((at < until)) || return 0
            choose_detail "$name"
            printf '%s %s %s\n' "$at" "$name" "$detail"
            at=$((at + $(length_of "$name" "$detail")))
        done
        round=$((round + 1))
    done
}
