#!/usr/bin/env bash
# Runs the units under a systemd of their own, installed as the README says: active only when ready,
# ended and started again as promised, whole in the journal. Skipped where no systemd can be started.
set -euo pipefail

# shellcheck source=tests/end_to_end/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/end_to_end/machine.sh
source "$here/machine.sh"

workers=(orders payments catalog notifications views)
units=("${workers[@]/#/weir-worker@}" weir-coordinator weir-dashboard weir-gateway)
watched=(weir-worker@payments weir-coordinator weir-dashboard weir-gateway)
killed=(weir-worker@orders weir-worker@views)
socket=/run/redis/redis-server.sock
server=$(command -v redis-server || command -v valkey-server)

# The code block behind "<!-- systemd: install -->".
readme_block() {
    awk '$0 == "<!-- systemd: install -->" { found = 1; next }
        found && /^```/ { if (inside) exit; inside = 1; next }
        found && inside' "$root/README.md"
}

# shellcheck disable=SC2016 # for the shell inside
write() { # FILE LINE...
    in_machine bash -c 'mkdir -p "${1%/*}"; umask 077; printf "%s\n" "${@:2}" >"$1"' - "$@"
}

shown() { # UNIT PROPERTY...
    local unit=$1 property
    for property in "${@:2}"; do
        in_machine systemctl show -P "$property" "$unit"
    done | paste -sd ' '
}

states() { # UNIT...
    in_machine systemctl show -P ActiveState "$@" | sed '/^$/d' | sort -u | paste -sd ' '
}

weir() { # WORDS
    in_machine env REDIS_URL="unix://$socket" weir "$@"
}

redis() {
    in_machine "$cli" -s "$socket" "$@"
}

user_of() { # UNIT
    in_machine stat -c %u "/proc/$(shown "$1" MainPID)"
}

status_of() { # URL [OPTIONS OF CURL]
    in_machine curl -s -o /dev/null -w '%{http_code}' "${@:2}" "$1"
}

order() { # ID SIMULATE
    printf '{"orderId":"%s","customerId":"c1","amount":1999,"productId":"p1","quantity":1,"simulate":%s}' "$1" "$2"
}

manage() { # WORDS OF systemctl
    in_machine systemctl "$@" >>"$dir/systemctl.log" 2>&1 || stop_with "systemctl $*: $(tail -n 3 "$dir/systemctl.log")"
}

# A start that comes to nothing, and is left at that: a unit that will be started again is not failed.
expect_failed() { # NAME UNIT EXIT_CODE
    in_machine systemctl restart "$2" >>"$dir/refused.log" 2>&1 || true
    expect "$1" "failed $3 0" shown "$2" ActiveState ExecMainStatus NRestarts
}

# What one line is told as, and what it says of itself; what comes before there is a log is an error.
told_as() { # PRIORITY LEVEL
    local lines before='^(orders|gateway|weir-dashboard): --|^orders: WEIR_'
    [[ $2 == error ]] || before='^$'
    lines=$(in_machine journalctl -o cat -p "$1..$1" -u 'weir-*' _TRANSPORT=stdout | grep -Ev "$before")
    [[ $lines ]] || { printf 'no line of priority %s\n' "$1" && return 1; }
    ! grep -v "^{\"ts\":.*\"level\":\"$2\".*}$" <<<"$lines"
}

machine_start

# ---- As the README says ---------------------------------------------------------------------

write /etc/systemd/system/redis-server.service '[Service]' Type=exec Group=redis RuntimeDirectory=redis \
    "ExecStart=$server $root/redis.conf --port 6380 --dir /run/redis --unixsocket $socket --unixsocketperm 770"
manage daemon-reload
manage start redis-server
block=$(readme_block)
[[ $block ]] || stop_with 'the README does not say how to install'
patience=240 in_machine bash -ec "cd '$root'; $block" >"$dir/install.log" 2>&1 || stop_with "as the README says: $(tail -n 3 "$dir/install.log")"
check 'all are active when they have been started' same "$(states weir.target "${units[@]}")" active
expect 'a worker says what it does' "connected to unix://$socket, 0 in hand" shown weir-worker@orders StatusText

in_machine bash -c "cd '$root' && REDIS_URL=unix://$socket weir definition load workers/place-order.json" >/dev/null
weir send payments OpenAccount --data '{"customerId":"c1","balance":100000}' --wait >/dev/null
weir send catalog CreateProduct --data '{"productId":"p1","name":"Lamp","price":1999,"stock":50}' --wait >/dev/null
check 'an order goes through' weir start place-order --id o1 --data "$(order o1 '{}')" --wait
expect 'and one over HTTP' 201 status_of 127.0.0.1:8080/orders -H 'Content-Type: application/json' \
    -d '{"customerId":"c1","amount":1999,"productId":"p1","quantity":1}'
check 'the dashboard serves' same 200 "$(status_of 127.0.0.1:8420/)"

# ---- Settings -------------------------------------------------------------------------------

redis ACL SETUSER till on '>secret' '~*' '&*' '+@all' >/dev/null
write /etc/weir/payments.env "REDIS_URL=unix://till:secret@$socket" # root's alone, as it is written
write /etc/weir/views.env REDIS_URL=redis://server:6380 WEIR_METRICS=127.0.0.1:9100
write /etc/weir/dashboard.token 0123456789abcdef0123456789abcdef
write /etc/systemd/system/weir-dashboard.service.d/token.conf '[Service]' \
    LoadCredential=weir-dashboard-token:/etc/weir/dashboard.token Environment=WEIR_DASHBOARD_ALLOW_ACTIONS=yes
manage daemon-reload
manage restart weir-worker@{payments,views} weir-dashboard
expect 'a password in a file of root' "connected to unix://till@$socket, 0 in hand" shown weir-worker@payments StatusText
check 'workers are users of their own' test "$(user_of weir-worker@payments)" -ne "$(user_of weir-worker@orders)"
expect 'a server by its name' 'connected to redis://server:6380, 0 in hand' shown weir-worker@views StatusText
check 'metrics' same 200 "$(status_of 127.0.0.1:9100/metrics)"
cancel=(127.0.0.1:8420/api/cancel/o1 -H 'Content-Type: application/json' -d '{}')
check 'no action without the token' same 401 "$(status_of "${cancel[@]}")"
check 'the token is a credential' same 409 "$(status_of "${cancel[@]}" -H 'Authorization: Bearer 0123456789abcdef0123456789abcdef')"

# ---- Deaths ---------------------------------------------------------------------------------

for unit in "${watched[@]}"; do
    write "/etc/systemd/system/$unit.service.d/watchdog.conf" '[Service]' WatchdogSec=2s
done
manage daemon-reload
manage restart "${watched[@]}"
for unit in "${watched[@]}"; do
    manage kill -s STOP "$unit"
done
for unit in "${killed[@]}"; do
    manage kill -s KILL "$unit"
done
for unit in "${killed[@]}" "${watched[@]}"; do
    expect "$unit is there again" 'active running [1-9]' shown "$unit" ActiveState SubState NRestarts
done
for unit in "${watched[@]}"; do
    check "the watchdog has ended $unit" grep -q 'Watchdog timeout' <<<"$(in_machine journalctl -o cat -u "$unit" _PID=1)"
    in_machine rm "/etc/systemd/system/$unit.service.d/watchdog.conf"
done
manage daemon-reload
expect 'orders go through' 'o2.completed.*' weir start place-order --id o2 --data "$(order o2 '{}')" --wait

# ---- What does not get better by trying again -----------------------------------------------

write /etc/weir/orders.env WEIR_CONCURRENCY=0
expect_failed 'a bad option' weir-worker@orders 64
check 'why is an error in the journal' grep -q '^orders: WEIR_CONCURRENCY: ' \
    <<<"$(in_machine journalctl -o cat -p err -u weir-worker@orders)"
write /etc/weir/orders.env "REDIS_URL=unix://till:wrong@$socket"
expect_failed 'a wrong password' weir-worker@orders 77
expect_failed 'a program that is not there' weir-worker@nobody 203
write /etc/weir/gateway.env GATEWAY_LISTEN=nowhere
expect_failed 'a gateway with a bad address' weir-gateway 64
check 'and why, of a gateway' grep -q '^gateway: --listen: ' \
    <<<"$(in_machine journalctl -o cat -p err -u weir-gateway)"
write /etc/weir/weir-dashboard.env WEIR_DASHBOARD_LISTEN=nowhere
expect_failed 'a dashboard with a bad address' weir-dashboard 64
in_machine rm /etc/weir/{orders,gateway,weir-dashboard}.env
manage restart weir-worker@orders weir-gateway weir-dashboard

# ---- Stopping -------------------------------------------------------------------------------

weir start place-order --id o3 --data "$(order o3 '{"process-payment":"slow:3000"}')" >/dev/null
expect 'an order is in hand' '1[[:space:]].*' redis XPENDING '{payments}:commands' payments
manage stop weir-worker@payments
check 'a worker is asked to stop and stops' same "$(shown weir-worker@payments ActiveState Result ExecMainStatus)" 'inactive success 0'
expect 'what it had in hand is done' 'completed' redis HGET '{sagas}:saga:o3' state
manage stop weir.target
expect 'the target stops all' inactive states "${units[@]}"

# ---- A boot without the server --------------------------------------------------------------

in_machine rm /etc/weir/payments.env # a server that begins anew does not know that user
manage stop redis-server multi-user.target
manage start --no-block multi-user.target
expect 'the machine is up' active states multi-user.target
expect 'all wait that need the server' activating states "${workers[@]/#/weir-worker@}" weir-coordinator weir-gateway
expect 'and say for what' "waiting for unix://$socket since .*" shown weir-worker@orders StatusText
manage start redis-server
expect 'all are active once it is there' active states weir.target "${units[@]}"
manage restart redis-server
expect 'a server that came back' "connected to unix://$socket, 0 in hand" shown weir-worker@orders StatusText
check 'ended nobody' same "$(in_machine systemctl show -P NRestarts "${units[@]}" | sed '/^$/d' | sort -u)" 0

before=$(in_machine systemctl show -P InvocationID "${units[@]}")
manage restart weir.target
check 'the target starts all again' same "$(states weir.target "${units[@]}")" active
check 'each of them' same "$(in_machine systemctl show -P InvocationID "${units[@]}" | sed '/^$/d' | grep -cvxF "$before")" ${#units[@]}

# ---- The journal ----------------------------------------------------------------------------

check 'errors are errors in the journal' told_as 3 error
check 'warnings are warnings' told_as 4 warning
check 'and the rest is information' told_as 6 info
