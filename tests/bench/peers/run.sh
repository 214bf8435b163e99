#!/usr/bin/env bash
# Measures the peers of weir on a server that runs already; one line of JSON per peer and setting.
# shellcheck disable=SC2034,SC2154 # measure.sh and each peer.sh share variables with this
set -euo pipefail

peers=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/bench/peers/install.sh
source "$peers/install.sh"
# shellcheck source=tests/bench/peers/measure.sh
source "$peers/measure.sh"

# Those of messages, then those of sagas.
known=(bullmq bee-queue moleculer-channels sidekiq celery asynq watermill
    dtm bullmq-flows moleculer-workflows)

usage() {
    cat <<TEXT
Usage: tests/bench/peers/run.sh --folder DIR --socket PATH --port PORT [OPTION…]

Installs the peers into DIR, unless they are there, and measures each on the server at PATH and
127.0.0.1:PORT, which is emptied before each run. Prints one line of JSON for each peer and setting,
and what happens to the standard error output. The README beside this file has the rest.

  --messages N    that wait in the queue before the worker starts (default 200000)
  --sagas N       the same (default 20000)
  --runs N        of each setting (default 3)
  --seconds N     after which a run ends with what was done (default 120)
  --only LIST     names with commas between, of
                    ${known[*]}
  --install       install and do not measure
  --help          print this
TEXT
}

folder=
socket=
port=
messages=200000
sagas=20000
runs=3
seconds=120
chosen=("${known[@]}")
install_only=

refuse() { # WHY
    printf 'peers: %s\n' "$1" >&2
    exit 2
}

say() { # TEXT
    printf 'peers: %s\n' "$1" >&2
}

choose() { # LIST
    local name
    IFS=, read -r -a chosen <<<"$1"
    for name in "${chosen[@]}"; do
        [[ " ${known[*]} " == *" $name "* ]] || refuse "there is no peer $name"
    done
}

parse_options() { # ARGUMENT...
    while [[ $# -gt 0 ]]; do
        case $1 in
        --help) usage && exit 0 ;;
        --install) install_only=1 && shift && continue ;;
        esac
        [[ $# -ge 2 ]] || refuse "no such option, or none without a value: $1"
        case $1 in
        --folder) folder=$2 ;;
        --socket) socket=$2 ;;
        --port) port=$2 ;;
        --messages) messages=$2 ;;
        --sagas) sagas=$2 ;;
        --runs) runs=$2 ;;
        --seconds) seconds=$2 ;;
        --only) choose "$2" ;;
        *) refuse "no such option: $1" ;;
        esac
        shift 2
    done
}

check_options() {
    local name numbers=(messages sagas runs seconds)
    [[ -n $folder ]] || refuse "--folder is needed"
    [[ -n $install_only || -S $socket ]] || refuse "--socket needs the socket of a running server"
    [[ -n $install_only ]] || numbers+=(port)
    cli=$(command -v redis-cli || command -v valkey-cli) || refuse "redis-cli is missing"
    for name in "${numbers[@]}"; do
        [[ ${!name} =~ ^[1-9][0-9]*$ ]] || refuse "--$name needs a number"
    done
}

json_string() { # TEXT
    local text=${1//[[:cntrl:]]/ }
    text=${text//\\/\\\\}
    printf '"%s"' "${text//\"/\\\"}"
}

print_unavailable() { # NAME SETTING REASON
    printf '{"peer":%s,"kind":"%s",' "$(json_string "$1")" "$kind"
    [[ -z $2 ]] || printf '"setting":%s,' "$(json_string "$2")"
    printf '"unavailable":%s}\n' "$(json_string "$3")"
}

print_rates() { # NAME SETTING RATE...
    local name=$1 setting=$2 rates
    shift 2
    rates=$(IFS=, && echo "$*")
    printf '{"peer":%s,"version":%s,"kind":"%s","setting":%s,"rate":[%s],"guarantee":%s,"note":%s}\n' \
        "$(json_string "$name")" "$(json_string "$(version)")" "$kind" "$(json_string "$setting")" "$rates" \
        "$(json_string "$guarantee")" "$(json_string "$note${remark:+; $remark}")"
}

# Called in a shell of its own, so that nothing of one peer is left for the next.
measure_peer() { # NAME
    home=$peers/$1
    place=$folder/$1
    log=$place/log
    workers=()
    trap stop_workers EXIT
    mkdir -p "$place/runs"
    # shellcheck source=/dev/null
    source "$home/peer.sh"
    say "$1: installing"
    if ! reason=$(install 2>"$log"); then
        print_unavailable "$1" "" "${reason:-the installation failed: $(tail -n 1 "$log")}"
        return
    fi
    [[ -z $install_only ]] || return 0
    for setting in "${settings[@]}"; do
        IFS='|' read -r label processes arguments <<<"$setting"
        if measure_setting "$1" "$label" "$processes" "$arguments"; then
            print_rates "$1" "$label" "${rates[@]}"
        else
            print_unavailable "$1" "$label" "$failure"
        fi
    done
}

parse_options "$@"
check_options
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
export PEERS_SOCKET=$socket PEERS_PORT=$port
# In the background, so that a signal is heard at once; that shell stops its workers as it ends.
trap 'kill "$current" 2>/dev/null; wait; exit 1' INT TERM
for name in "${chosen[@]}"; do
    measure_peer "$name" &
    current=$!
    wait "$current"
done
