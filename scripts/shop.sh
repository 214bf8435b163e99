#!/usr/bin/env bash
# Runs the sample shop in a folder: a private Redis, the coordinator and the sample workers.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${WEIR_BUILD:-$root/build}
bin=$build/bin
coordinator=weir-coordinator
workers=(orders payments catalog notifications views)
servers=(gateway weir-dashboard) # what people reach by HTTP
start_limit=${SHOP_START_LIMIT:-60}
stop_limit=${SHOP_STOP_LIMIT:-15}

usage() {
    cat <<TEXT
Usage: scripts/shop.sh up [DIR]          start the shop; what runs already is left alone
       scripts/shop.sh start NAME [DIR]  start one more process of a worker, the gateway or the dashboard
                                         (NAME as in build/bin), or with NAME redis the server again after it
                                         has died
       scripts/shop.sh status [DIR]      what runs; exit code 0 where all of it does, else 1
       scripts/shop.sh down [DIR]        stop everything; the data stays in DIR

DIR is the folder of the shop: redis.sock, redis.port, the server's append-only file, and
<name>.pid and <name>.log of each process; <name>.metrics, the address at which it serves
/metrics, /healthz and /readyz; gateway.address and dashboard.address; dashboard.token, which the
dashboard wants from who acts. Left out, it is the folder "run" of the project.
A worker that dies is started again within a second, the server is not. A worker that ends in
order (SIGTERM), or with 64, 77 or 78, which no restart can mend, stays down.

Environment:
  REDIS_URL           use this server and start none; redis:// or unix://, no Sentinels
  REDIS_SERVER        the server's program (default: redis-server, else valkey-server)
  SHOP_REDIS_OPTIONS  more settings for the server, such as "--appendfsync always"
  SHOP_WORKER_URL     what the worker that is started calls the server by, such as a proxy before it
  SHOP_WORKER_COMMAND what the worker is started by, such as "env NAME=VALUE"
  SHOP_START_LIMIT    seconds to wait until all is ready (default 60)
  SHOP_STOP_LIMIT     seconds until a worker that does not stop is killed (default 15)
  SHOP_METRICS        where each process serves its metrics (default 127.0.0.1:0, a free port of its
                      own; empty: nowhere)
  WEIR_CLAIM_IDLE     after what time a dead worker's messages are taken over (default 3s here)
  WEIR_LOG_FORMAT     of the logs, which people read: text here unless set, or json
  WEIR_BUILD          the build folder (default: build)
TEXT
}

fail() {
    printf 'shop: %s\n' "$1" >&2
    exit "${2:-1}"
}

# ---- What runs ------------------------------------------------------------------------------

program_of() { # NAME, such as payments-2
    if [[ ! -x $bin/$1 && $1 =~ -[0-9]+$ ]]; then
        printf '%s\n' "${1%-*}"
    else
        printf '%s\n' "$1"
    fi
}

command_line() { # PID; empty for a dead process that nobody has waited for
    tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" || true
}

# The pid in DIR/<name>.pid, where that process is alive. After a restart of the machine the number
# may be another program's, hence the look at its name, of which the system keeps 15 bytes.
living() { # NAME
    local pid program command=
    [[ -r $dir/$1.pid ]] && pid=$(<"$dir/$1.pid") && [[ $pid =~ ^[0-9]+$ ]] || return 1
    program=$(program_of "$1")
    [[ $1 == redis ]] && program='*-server'
    { read -r command <"/proc/$pid/comm"; } 2>/dev/null || return 1
    # shellcheck disable=SC2053 # the server's name is a pattern
    [[ $command == ${program:0:15} && -n $(command_line "$pid") ]] || return 1
    printf '%s\n' "$pid"
}

# What is still setsid has no command line for a moment when it becomes the supervisor.
supervised() { # NAME
    local pid line
    [[ -r $dir/$1.supervisor ]] && pid=$(<"$dir/$1.supervisor") && [[ $pid =~ ^[0-9]+$ ]] || return 1
    line=$(command_line "$pid")
    [[ $line == *" supervise $1 "* && $line != "setsid "* ]]
}

# The first process of a worker is called like the worker, but is number one to the server.
consumer_of() { # NAME
    [[ $(program_of "$1") == "$1" ]] && printf '%s-1\n' "$1" || printf '%s\n' "$1"
}

service_of() { # PROGRAM
    [[ $1 == "$coordinator" ]] && printf 'sagas\n' || printf '%s\n' "$1"
}

started_names() {
    local file
    for file in "$dir"/*.supervisor; do
        [[ -e $file ]] && basename "$file" .supervisor
    done
    return 0
}

serves() { # NAME
    [[ " ${servers[*]} " == *" $(program_of "$1") "* ]]
}

# A process just begun is for a moment still a copy of this script.
await_program() { # PID CONDITION...
    local pid=$1
    shift
    disown "$pid"
    until "$@" >/dev/null || ! kill -0 "$pid" 2>/dev/null; do
        sleep 0.01
    done
}

anything_runs() {
    local name
    for name in redis $(started_names); do
        if supervised "$name" || living "$name" >/dev/null; then
            return 0
        fi
    done
    return 1
}

# ---- The server -----------------------------------------------------------------------------

# Calls the server of the shop by redis-cli, which knows no unix:// URLs. Passwords go by the
# environment: everybody can read the arguments of a process.
redis() {
    local rest address login cli options
    cli=$(command -v redis-cli || command -v valkey-cli) || fail "redis-cli is not installed"
    rest=${url#*://}
    address=${rest%%\?*}
    if [[ $url == unix://* ]]; then
        options=(-s "$(unescape "/${address#*/}")")
        [[ $rest == *\?db=* ]] && options+=(-n "${rest##*\?db=}")
        login=${address%%/*} # its path may hold anything
    else
        login=$address
        options=(-u "${url%%://*}://${rest##*@}")
    fi
    if [[ $login == *:*@* ]]; then
        login=${login%@*}
        [[ $login == :* ]] || options+=(--user "$(unescape "${login%%:*}")")
        local -x REDISCLI_AUTH
        REDISCLI_AUTH=$(unescape "${login#*:}")
    fi
    timeout 10 "$cli" --no-auth-warning "${options[@]}" "$@"
}

escape() { # TEXT, for the path of a URL
    local LC_ALL=C i c
    for ((i = 0; i < ${#1}; i++)); do
        c=${1:i:1}
        case $c in
        [A-Za-z0-9/._-]) printf '%s' "$c" ;;
        *) printf '%%%02X' "$(($(printf '%d' "'$c") & 255))" ;;
        esac
    done
}

unescape() { # TEXT
    local text=${1//\\/\\\\}
    printf '%b' "${text//%/\\x}"
}

port_is_free() { # PORT
    ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# The port that the folder had before, so that clients find the server again; else one at random
# below those that the system gives to outgoing connections.
choose_port() {
    local port
    if [[ -r $dir/redis.port ]] && port=$(<"$dir/redis.port") && port_is_free "$port"; then
        printf '%s\n' "$port"
    else
        random_port
    fi
}

random_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        port_is_free "$port" && printf '%s\n' "$port" && return
    done
}

# A file that ends within a transaction is mended before the server reads it: Redis 7 would start,
# but leave the open MULTI in the file, and lose at the next start what was written behind it.
mend_append_only_file() {
    local manifest=$dir/appendonlydir/appendonly.aof.manifest check
    [[ -f $manifest ]] || return 0
    check=$(command -v redis-check-aof || command -v valkey-check-aof) || return 0
    "$check" --fix "$manifest" < <(yes 2>/dev/null) >>"$dir/redis.log" 2>&1 ||
        fail_with_log redis "the append-only file in $dir/appendonlydir cannot be mended"
}

launch_server() { # PORT
    local options=() program
    mend_append_only_file
    program=$(command -v "${REDIS_SERVER:-redis-server}" || command -v valkey-server) ||
        fail "neither redis-server nor valkey-server is installed"
    read -ra options <<<"${SHOP_REDIS_OPTIONS:-}"
    setsid "$program" "$root/redis.conf" --port "$1" --unixsocket "$dir/redis.sock" --dir "$dir" \
        "${options[@]}" </dev/null >>"$dir/redis.log" 2>&1 9>&- &
    printf '%s\n' $! >"$dir/redis.pid"
    printf '%s\n' "$1" >"$dir/redis.port"
    await_program $! living redis
}

server_answers() {
    [[ $(redis ping 2>/dev/null) == PONG ]]
}

# Somebody may take the port between our look and the server's; then it ends at once and another
# port is tried.
start_server() {
    local attempt deadline=$((SECONDS + start_limit))
    for attempt in 1 2 3 4 5; do
        launch_server "$(choose_port)"
        while living redis >/dev/null; do
            server_answers && return
            ((SECONDS < deadline)) || fail_with_log redis "the server was not ready in $start_limit s"
            sleep 0.05
        done
        [[ $(tail -n 5 "$dir/redis.log") == *'Address already in use'* ]] || break
        rm -f "$dir/redis.port"
    done
    fail_with_log redis "the server did not start (attempt $attempt)"
}

# ---- Workers --------------------------------------------------------------------------------

# Whole or not at all: others look at any time.
put() { # TEXT FILE
    printf '%s\n' "$1" >"$2.$BASHPID"
    mv -f "$2.$BASHPID" "$2"
}

# Not so any more when the shop goes down, or when its folder was deleted under it and perhaps
# made anew by another.
in_charge() { # NAME
    [[ ! -e $dir/stopping && -r $dir/$1.supervisor && $(<"$dir/$1.supervisor") == "$BASHPID" ]]
}

# Where a process has just said that it serves its metrics: behind so many bytes of its log, in
# either format. It may have been told to log less, or to serve none.
note_metrics() { # NAME PID BYTES
    local address tries
    for ((tries = 0; tries < 100; tries++)); do
        address=$(tail -c "+$(($3 + 1))" "$dir/$1.log" 2>/dev/null |
            sed -n 's/.*metrics\.listening.*address"\{0,1\}[=:]"\{0,1\}\([^" ]*\).*/\1/p') || true
        [[ -z $address ]] || break
        kill -0 "$2" 2>/dev/null || return 0
        sleep 0.05
    done
    [[ -z $address || -e $dir/stopping ]] || put "$address" "$dir/$1.metrics"
}

address_file() { # NAME
    printf '%s\n' "$dir/${1#weir-}.address"
}

# The address that it had before, so that clients find it again; else a free port, chosen as for the
# server, since one that the system gives may be some client's when it is wanted again.
address_for() { # NAME
    local address='' file
    file=$(address_file "$1")
    [[ -r $file ]] && address=$(<"$file")
    printf '%s\n' "${address:-127.0.0.1:$(random_port)}"
}

# The words of its command line, into `options`.
choose_options() { # NAME
    if ! serves "$1"; then
        options=(--consumer "$(consumer_of "$1")")
        return
    fi
    options=(--listen "$(address_for "$1")" --address-file "$(address_file "$1")")
    if [[ $(program_of "$1") == gateway ]]; then
        options+=(--simulate)
    else
        options+=(--allow-actions --token-file "$dir/dashboard.token")
    fi
}

# Kept, as the address is: who has it open goes on.
make_token() {
    [[ -s $dir/dashboard.token ]] && return
    (umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' ' >"$dir/dashboard.token")
}

# Runs as a process of its own, one for each worker, until the worker ends in order or the shop
# goes down.
supervise() { # NAME
    local name=$1 program code pid said begin=() options=()
    program=$(program_of "$name")
    read -ra begin <<<"${SHOP_WORKER_COMMAND:-}"
    put "$BASHPID" "$dir/$name.supervisor"
    while in_charge "$name"; do
        rm -f "$dir/$name.metrics"
        said=$(stat -c %s "$dir/$name.log" 2>/dev/null || echo 0)
        choose_options "$name"
        REDIS_URL=${SHOP_WORKER_URL:-$url} "${begin[@]}" "$bin/$program" "${options[@]}" \
            </dev/null >>"$dir/$name.log" 2>&1 &
        pid=$!
        put "$pid" "$dir/$name.pid"
        [[ -z ${WEIR_METRICS:-} ]] || note_metrics "$name" "$pid" "$said" &
        code=0
        wait "$pid" || code=$?
        [[ $code -ne 0 ]] || break
        printf '%s supervisor: %s (pid %s) ended with %s\n' "$(date -u +%FT%TZ)" "$name" "$pid" \
            "$code" >>"$dir/$name.log"
        [[ $code != 64 && $code != 77 && $code != 78 ]] || exit "$code"
        [[ $code != 71 ]] || rm -f "$(address_file "$name")" # somebody else has the port
        sleep 0.3
    done
    if in_charge "$name" || [[ -e $dir/stopping ]]; then
        rm -f "$dir/$name.pid" "$dir/$name.metrics" "$dir/$name.supervisor"
    fi
}

launch_worker() { # NAME
    rm -f "$dir/$1.pid"
    WEIR_CLAIM_IDLE=${WEIR_CLAIM_IDLE:-3s} WEIR_LOG_FORMAT=${WEIR_LOG_FORMAT:-text} \
        WEIR_METRICS=${SHOP_METRICS-127.0.0.1:0} \
        setsid "$BASH" "${BASH_SOURCE[0]}" supervise "$1" "$dir" </dev/null >/dev/null 2>&1 9>&- &
    put $! "$dir/$1.supervisor"
    await_program $! supervised "$1"
}

# One that serves is ready when it says so itself.
server_ready() { # NAME
    local address line=''
    address=$(cat "$(address_file "$1")" 2>/dev/null) && living "$1" >/dev/null || return 1
    {
        exec 3<>"/dev/tcp/${address%:*}/${address##*:}" || return 1
        printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
        read -r -t 5 line <&3
        exec 3>&-
    } 2>/dev/null
    [[ $line == *' 200 '* ]]
}

# A worker is ready when it has put itself, with its pid, among the live workers of its service.
worker_ready() { # NAME
    local pid key entry
    if serves "$1"; then
        server_ready "$1"
        return
    fi
    pid=$(living "$1") || return 1
    key="${WEIR_NAMESPACE:-}{$(service_of "$(program_of "$1")")}:workers"
    entry=$(redis hget "$key" "$(consumer_of "$1")" 2>/dev/null) || return 1
    [[ $entry =~ \"pid\":\ ?${pid}[^0-9] ]]
}

describe() { # NAME PID
    local address=''
    serves "$1" && address=$(cat "$(address_file "$1")" 2>/dev/null)
    printf '%-18s running, pid %s%s\n' "$1" "$2" "${address:+, http://$address}"
}

wait_ready() { # NAME...
    local name deadline=$((SECONDS + start_limit))
    for name in "$@"; do
        until worker_ready "$name"; do
            supervised "$name" || fail_with_log "$name" "$name ended before it was ready"
            ((SECONDS < deadline)) || fail_with_log "$name" "$name was not ready in $start_limit s"
            sleep 0.05
        done
        describe "$name" "$(<"$dir/$name.pid")"
    done
}

fail_with_log() { # NAME MESSAGE
    printf 'shop: %s; the end of %s:\n' "$2" "$dir/$1.log" >&2
    tail -n 20 "$dir/$1.log" 2>/dev/null | sed 's/^/    /' >&2 || true
    exit 1
}

# ---- Commands -------------------------------------------------------------------------------

build_programs() {
    local name
    for name in weir "$coordinator" "${workers[@]}" "${servers[@]}"; do
        [[ -x $bin/$name ]] && continue
        printf 'building\n'
        make -s -C "$root" BUILD="$build" -j"$(nproc)" >&2 || fail "the build failed"
        return
    done
}

load_definitions() {
    REDIS_URL=$url "$bin/weir" definition load "$root"/workers/*.json >/dev/null ||
        fail "the definitions in $root/workers were not loaded"
}

forget_processes() {
    rm -f "$dir"/*.pid "$dir"/*.metrics "$dir"/*.address "$dir"/*.supervisor "$dir"/redis.sock "$dir"/redis.url "$dir"/stopping
}

# Sets `url`: that of the running shop; else the user's server; else our own.
choose_url() {
    if [[ -r $dir/redis.url ]]; then
        url=$(<"$dir/redis.url")
    else
        url=${REDIS_URL:-unix://$(escape "$dir/redis.sock")}
    fi
    [[ $url != redis-sentinel://* ]] ||
        fail "this script asks by redis-cli, which follows no Sentinels; give the master's redis:// URL" 64
}

own_server() {
    [[ $url == "unix://$(escape "$dir/redis.sock")" ]]
}

check_socket_path() {
    local LC_ALL=C path=$dir/redis.sock
    # sun_path has 108 bytes, the last of which ends it.
    ((${#path} <= 107)) || fail "the path of the socket has ${#path} bytes, 107 are the most that the system takes: $path"
}

command_up() {
    local name
    build_programs
    if ! anything_runs; then
        forget_processes
        trap clean_failure EXIT
    fi
    choose_url
    own_server || [[ $url == "${REDIS_URL:-$url}" ]] || fail "$dir is up with another server"
    (umask 077 && printf '%s\n' "$url" >"$dir/redis.url")
    if own_server; then
        living redis >/dev/null || start_server
        printf '%-18s running, pid %s, port %s, socket %s\n' redis "$(<"$dir/redis.pid")" \
            "$(<"$dir/redis.port")" "$dir/redis.sock"
    else
        server_answers || fail "no server answers at REDIS_URL" 69
    fi
    load_definitions
    make_token
    for name in "$coordinator" "${workers[@]}" "${servers[@]}"; do
        supervised "$name" || launch_worker "$name"
    done
    wait_ready "$coordinator" "${workers[@]}" "${servers[@]}"
    trap - EXIT
}

# An `up` that began with nothing leaves nothing behind but the logs.
clean_failure() {
    local code=$?
    trap - EXIT
    stop_all >/dev/null
    exit "$code"
}

command_start() { # NAME
    local name=$1 number=1
    choose_url
    if [[ $1 == redis ]]; then
        own_server || fail "this shop uses the server of REDIS_URL"
        if living redis >/dev/null; then
            fail "redis runs already"
        fi
        start_server
        printf '%-18s running, pid %s, port %s\n' redis "$(<"$dir/redis.pid")" "$(<"$dir/redis.port")"
        return
    fi
    [[ $1 != */* && $1 != weir && -x $bin/$1 ]] || fail "no worker $1 in $bin" 64
    server_answers || fail "no shop is up in $dir" 69
    while supervised "$name"; do
        number=$((number + 1))
        name=$1-$number
    done
    launch_worker "$name"
    flock -u 9 # while it waits for a server that is down, that may be started
    wait_ready "$name"
}

show() { # NAME; false where it does not run
    local pid
    if pid=$(living "$1"); then
        describe "$1" "$pid"
    elif supervised "$1"; then
        printf '%-18s restarting\n' "$1"
        return 1
    elif [[ ! -e $dir/$1.supervisor ]]; then
        printf '%-18s ended, see %s; scripts/shop.sh start %s starts it\n' "$1" "$dir/$1.log" "$1"
        return 1
    else
        printf '%-18s dead, see %s\n' "$1" "$dir/$1.log"
        return 1
    fi
}

command_status() {
    local name code=0
    if [[ ! -e $dir/redis.url ]]; then
        printf 'nothing runs in %s\n' "$dir"
        return 1
    fi
    choose_url
    if own_server; then
        show redis || code=1
    fi
    while read -r name; do
        show "$name" || code=1
    done < <({ printf '%s\n' "$coordinator" "${workers[@]}" "${servers[@]}" && started_names; } | sort -u)
    return "$code"
}

# Ends the workers: by SIGTERM, once each, since a second one would cut short what they finish; by
# SIGKILL where they do not listen. The marker keeps the supervisors from starting others.
stop_workers() {
    local name pid left deadline=$((SECONDS + stop_limit))
    local -A asked=()
    : >"$dir/stopping"
    while :; do
        left=0
        for name in $(started_names); do
            if pid=$(living "$name"); then
                left=1
                if ((SECONDS >= deadline)); then
                    kill -KILL "$pid" 2>/dev/null || true
                elif [[ -z ${asked[$pid]:-} ]]; then
                    asked[$pid]=1
                    kill -TERM "$pid" 2>/dev/null || true
                fi
            elif supervised "$name"; then
                left=1
            fi
        done
        ((left)) || return 0
        sleep 0.05
    done
}

stop_server() {
    local pid deadline=$((SECONDS + stop_limit))
    # A server that writes no snapshots still brings its append-only file to the disk here.
    if living redis >/dev/null; then
        redis shutdown >/dev/null 2>&1 || true
    fi
    while pid=$(living redis); do
        ((SECONDS < deadline)) || kill -KILL "$pid" 2>/dev/null || true
        sleep 0.05
    done
}

stop_all() {
    choose_url
    stop_workers
    own_server && stop_server
    forget_processes
}

command_down() {
    anything_runs || { printf 'nothing runs in %s\n' "$dir" && return; }
    stop_all
    printf 'stopped, the data stays in %s\n' "$dir"
}

enter_folder() { # DIR
    mkdir -p "$1" || fail "no folder $1"
    dir=$(cd "$1" && pwd -P)
    check_socket_path
}

# One command at a time changes what runs in the folder.
# What the caller has open, such as the lock of a script that starts a shop, is not for processes that
# outlive it. (255 is this script.)
close_inherited() {
    local open
    for open in /proc/"$BASHPID"/fd/*; do
        open=${open##*/}
        [[ ! $open =~ ^[0-9]+$ || $open -le 2 || $open -eq 255 ]] || eval "exec $open>&-"
    done
}

lock_folder() {
    exec 9>"$dir/lock"
    flock 9
}

main() {
    local command=${1:-} name='' word
    for word in "${@:2}"; do
        [[ $word != -h && $word != --help ]] || { usage && return; }
        [[ $word != -* ]] || { usage >&2 && exit 64; }
    done
    case $command in
    -h | --help | help) usage && return ;;
    up | status | down) shift ;;
    start | supervise)
        [[ $# -ge 2 ]] || { usage >&2 && exit 64; }
        name=$2
        shift 2
        ;;
    *) usage >&2 && exit 64 ;;
    esac
    [[ $# -le 1 ]] || { usage >&2 && exit 64; }
    close_inherited
    if [[ $command == supervise ]]; then
        dir=$1
        choose_url
        supervise "$name"
    elif [[ ! -d ${1:-$root/run} && $command != up ]]; then
        fail "nothing runs in ${1:-$root/run}"
    else
        enter_folder "${1:-$root/run}"
        [[ $command == status ]] || lock_folder
        "command_$command" ${name:+"$name"}
    fi
}

main "$@"
