#!/usr/bin/env bash
# scripts/shop.sh keeps what it promises: up, status, start, down; pid files and logs; a worker that
# dies is there again within a second; two shops side by side; a folder with a blank in its name; a
# server of the user's.
set -euo pipefail

# shellcheck source=tests/end_to_end/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

top=$dir
first="$top/first shop"
second=$top/second
third=$top/third
names=(weir-coordinator orders payments catalog notifications views gateway weir-dashboard)

shop() { # ARGUMENTS of shop.sh
    "$root/scripts/shop.sh" "$@"
}

# The exit code of a command; its output goes to DIR/last.out.
code_of() { # COMMAND...
    local code=0
    "$@" >"$top/last.out" 2>&1 || code=$?
    printf '%s\n' "$code"
}

is_running() { # PROGRAM PID
    [[ $(tr '\0' ' ' 2>/dev/null <"/proc/$2/cmdline") == *"$1"* ]]
}

# Each of the programs runs under the pid in its file, and has a log.
processes_run() { # DIR NAME...
    local folder=$1 name
    shift
    for name in "$@"; do
        [[ -s $folder/$name.pid ]] || { printf 'no %s.pid\n' "$name" && return 1; }
        is_running "/${name%-2}" "$(<"$folder/$name.pid")" || { printf '%s does not run\n' "$name" && return 1; }
        [[ -e $folder/$name.log ]] || { printf 'no %s.log\n' "$name" && return 1; }
    done
}

pids() { # DIR
    local file
    for file in "$1"/*.pid; do
        printf '%s %s\n' "$(basename "$file")" "$(<"$file")"
    done
}

# What has the folder in its command line, or in its server's address, still lives; zombies have
# neither.
left_over() { # DIR
    local process
    for process in /proc/[0-9]*; do
        { tr '\0' ' ' <"$process/cmdline" && tr '\0' '\n' <"$process/environ" | grep '^REDIS_URL=' | tr '\n' ' '; } \
            2>/dev/null | grep -F -- "$1" | grep -vF '/shop_life.sh' || true
    done
}

# Whether no process has the text among its arguments.
nobody_is_called() { # TEXT
    local file
    for file in /proc/[0-9]*/cmdline; do
        { tr '\0' ' ' <"$file"; } 2>/dev/null | grep -F -- "$1" && return 1
    done
    return 0
}

order_completes() { # ID
    open_account "$1" 100 | redis >/dev/null
    expect "account $1 is open" 100 redis HGET "{payments}:account:$1" balance
    printf 'XADD {sagas}:commands * type StartSaga saga %s definition place-order data %s\n' "$1" \
        "'{\"orderId\":\"$1\",\"customerId\":\"$1\",\"amount\":60}'" | redis >/dev/null
    expect "order $1 completes" $'completed\n1' redis HMGET "{sagas}:saga:$1" state version
    check "order $1 is paid" same "$(redis HGET "{payments}:account:$1" balance)" 40
}

# ---- Up and status --------------------------------------------------------------------------

up_and_status() {
    local before
    mkdir "$first"
    check 'status before anything: 1' same "$(code_of shop status "$first")" 1
    check 'down before anything: 0' same "$(code_of shop down "$first")" 0
    shop_up "$first"
    dir=$first
    check 'every process has its pid file and its log' processes_run "$first" "${names[@]}"
    check 'the server, too' is_running redis "$(<"$first/redis.pid")"
    check 'the server answers on its socket' same "$(redis PING)" PONG
    check 'and on the port of redis.port' same "$("$cli" -p "$(<"$first/redis.port")" PING)" PONG
    check 'the definition is loaded' same "$(redis HGET '{sagas}:definition:place-order' latest)" 1
    check 'everyone is ready when up returns' same \
        "$(for name in sagas orders payments catalog notifications views; do redis HLEN "{$name}:workers"; done | sort -u)" 1
    check 'status: 0' same "$(code_of shop status "$first")" 0
    check 'status names all nine' same "$(grep -c 'running, pid' "$top/last.out")" 9
    before=$(pids "$first")
    check 'up once more: 0' same "$(code_of shop up "$first")" 0
    check 'and changes nothing' same "$(pids "$first")" "$before"
    check 'and where the dashboard is' grep -q "http://$(<"$first/dashboard.address")\$" "$first/up.out"
    check 'which shows the shop' shows_a_page "$first"
    check 'its token is for one user alone' same "$(stat -c %a "$first/dashboard.token")" 600
    check 'up told where the gateway is' grep -q "http://$(<"$first/gateway.address")\$" "$first/up.out"
    order_completes one
}

shows_a_page() { # DIR
    local address line
    address=$(<"$1/dashboard.address")
    exec 3<>"/dev/tcp/${address%:*}/${address##*:}"
    printf 'GET /api/top HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
    line=$(cat <&3)
    exec 3>&-
    [[ $line == 'HTTP/1.1 200 '*'"service":"payments"'* ]]
}

# ---- Death and return -----------------------------------------------------------------------

killed_workers() {
    local name before began took address
    address=$(<"$first/gateway.address")
    for name in "${names[@]}"; do
        before=$(<"$first/$name.pid")
        began=$(now_ms)
        kill -KILL "$before"
        await is_back "$name" "$before" || fault "$name comes back" "not in $limit s"
        took=$(($(now_ms) - began))
        check "$name is back after $took ms" test "$took" -le 1000
    done
    check 'status is fine again' await shop_is_whole
    kill "$(<"$first/orders.pid")"
    check 'one that was ended stays so' await test ! -e "$first/orders.supervisor"
    check 'which status does not overlook' same "$(code_of shop status "$first")" 1
    check 'but names' grep -q '^orders .*ended' "$top/last.out"
    check 'it is started again' same "$(code_of shop start orders "$first")" 0
    check 'the gateway is where it was' same "$(<"$first/gateway.address")" "$address"
    order_completes two
}

is_back() { # NAME PID_BEFORE
    local pid
    pid=$(<"$first/$1.pid") && [[ $pid != "$2" ]] && is_running "/$1" "$pid"
} 2>/dev/null

shop_is_whole() {
    shop status "$first" >/dev/null
}

killed_server() {
    local port
    port=$(<"$first/redis.port")
    kill -KILL "$(<"$first/redis.pid")"
    await server_silent || fault 'kill -9 of the server' 'it still answers'
    check 'status without a server: 1' same "$(code_of shop status "$first")" 1
    check 'start redis: 0' same "$(code_of shop start redis "$first")" 0
    check 'on the same port' same "$(<"$first/redis.port")" "$port"
    check 'start redis while it runs: refused' test "$(code_of shop start redis "$first")" -ne 0
    order_completes three
    check 'what was there before is there' same "$(redis HGET '{sagas}:saga:one' state)" completed
}

server_silent() {
    ! redis PING >/dev/null 2>&1
}

ended_workers() {
    kill -TERM "$(<"$first/catalog.pid")"
    await no_catalog || fault 'SIGTERM' 'the worker has not ended'
    check 'a worker that was asked to end stays down' no_catalog
    check 'up brings it back' same "$(code_of shop up "$first")" 0
    check 'and all others are there' processes_run "$first" "${names[@]}"
}

no_catalog() {
    [[ ! -e $first/catalog.pid ]]
}

# ---- More of one ----------------------------------------------------------------------------

more_workers() {
    check 'start payments: 0' same "$(code_of shop start payments "$first")" 0
    check 'a second process with its own pid file and log' processes_run "$first" payments payments-2
    check 'known to the server as another' same "$(redis HLEN '{payments}:workers')" 2
    check 'status names ten' same "$(shop status "$first" | grep -c 'running, pid')" 10
    check 'start of an unknown worker: refused' test "$(code_of shop start nonsense "$first")" -ne 0
    check 'start without a shop: refused' test "$(code_of shop start payments "$top/none")" -ne 0
    check 'an unknown command: 64' same "$(code_of shop dance "$first")" 64
    check 'help behind a command: 0' same "$(code_of shop up --help)" 0
    check 'and it is the help' grep -q '^Usage: scripts/shop.sh up' "$top/last.out"
    check 'help in place of a name: 0' same "$(code_of shop start --help)" 0
    check 'an unknown flag: 64' same "$(code_of shop up --now)" 64
    check 'no folder behind --: 64' same "$(code_of shop up --)" 64
    check 'no command: 64' same "$(code_of shop)" 64
}

# ---- Two shops ------------------------------------------------------------------------------

two_shops() {
    mkdir "$second"
    shop_up "$second"
    check 'two gateways have two addresses' test "$(<"$first/gateway.address")" != "$(<"$second/gateway.address")"
    check 'two shops have two ports' test "$(<"$first/redis.port")" -ne "$(<"$second/redis.port")"
    dir=$second
    order_completes four
    dir=$first
    check 'the one knows nothing of the other' same "$(redis EXISTS '{sagas}:saga:four')" 0
    order_completes five
}

# ---- Down -----------------------------------------------------------------------------------

down_and_up() {
    check 'down: 0' same "$(code_of shop down "$first")" 0
    check 'no pid file is left' same "$(find "$first" -name '*.pid' -o -name '*.sock' -o -name '*.supervisor' -o -name '*.address')" ''
    check 'no process is left' same "$(left_over "$first")" ''
    check 'the logs are left' test -s "$first/payments-2.log"
    check 'status: 1' same "$(code_of shop status "$first")" 1
    check 'the other shop runs on' same "$(code_of shop status "$second")" 0
    # What the caller has open is not for processes that outlive it.
    exec 8>"$top/held"
    flock 8
    check 'up again: 0' same "$(code_of shop up "$first")" 0
    exec 8>&-
    check 'nothing of the shop holds what its caller held' flock -n "$top/held" true
    dir=$first
    check 'with the data of before' same "$(redis HMGET '{sagas}:saga:five' state version | tr '\n' ' ')" 'completed 1 '
    order_completes six
    check 'down again: 0' same "$(code_of shop down "$first")" 0
    check 'down of the other: 0' same "$(code_of shop down "$second")" 0
    check 'no process is left' same "$(left_over "$top")" ''
}

# ---- A server of the user's -----------------------------------------------------------------

users_server() {
    local server program
    program=$(command -v redis-server || command -v valkey-server)
    mkdir "$third" "$top/users"
    "$program" --port 0 --unixsocket "$top/users/redis.sock" --dir "$top/users" --save '' \
        --requirepass 'pass word' >"$top/users/redis.log" 2>&1 &
    server=$!
    children+=("$server")
    export REDISCLI_AUTH='pass word'
    dir=$top/users
    await server_answers || stop_with 'the server of the test did not start'
    export REDIS_URL="unix://:pass%20word@$top/users/redis.sock"
    check 'up with REDIS_URL: 0' same "$(code_of shop up "$third")" 0
    shops+=("$third")
    check 'starts no server' test ! -e "$third/redis.pid" -a ! -e "$third/redis.sock"
    check 'but all workers' processes_run "$third" "${names[@]}"
    check 'no process tells the password by its arguments' nobody_is_called 'pass%20word'
    check 'shows no password to others' test "$(stat -c %a "$third"/redis.url 2>/dev/null || echo 600)" -eq 600
    order_completes seven
    unset REDIS_URL
    check 'status needs no REDIS_URL' same "$(code_of shop status "$third")" 0
    check 'start redis: refused' test "$(code_of shop start redis "$third")" -ne 0
    check 'down: 0' same "$(code_of shop down "$third")" 0
    check "the user's server runs on" same "$(redis PING)" PONG
    check 'the workers have left it' same "$(redis HLEN '{payments}:workers')" 0
    kill "$server"
    wait "$server" || true
    check 'no server at REDIS_URL: 69' same "$(REDIS_URL="unix://$top/users/none.sock" code_of shop up "$third")" 69
    check 'Sentinels: 64' same "$(REDIS_URL=redis-sentinel://:hush@127.0.0.1/shop code_of shop up "$third")" 64
    check 'and says what to give' grep -q "give the master's redis:// URL" "$top/last.out"
    check 'no process is left' same "$(left_over "$top")" ''
}

server_answers() {
    [[ $(redis PING 2>/dev/null) == PONG ]]
}

main() {
    up_and_status
    killed_workers
    killed_server
    ended_workers
    more_workers
    two_shops
    down_and_up
    users_server
    dir=$top
}

main
