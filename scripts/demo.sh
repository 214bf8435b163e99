#!/usr/bin/env bash
# Shows the whole system on a fresh machine: orders that complete, fail, hang and survive a crash,
# driven by nothing but redis-cli. Every expectation is checked, so this is a test as well.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
limit=${DEMO_LIMIT:-30} # seconds to wait for anything
began=$SECONDS
checks=0

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' dim='' green='' red='' plain=''
fi

# ---- Showing and checking -------------------------------------------------------------------

title() {
    printf '\n%s== %s%s\n' "$bold" "$1" "$plain"
}

say() {
    printf '%s%s%s\n' "$dim" "$1" "$plain"
}

quote() { # TEXT, for a shell
    printf '%q' "$1"
}

# Prints a command and runs it, exactly as it may be pasted into a shell.
run() { # COMMAND
    printf '%s$ %s%s\n' "$bold" "$1" "$plain"
    eval "$1"
}

stop_with() { # MESSAGE
    printf '%sdemo failed: %s%s\n' "$red" "$1" "$plain" >&2
    exit 1
}

# Prints a command and repeats it until what it prints is as expected.
expect() { # COMMAND PATTERN, an extended regular expression for all of the output
    local output='' deadline=$((SECONDS + limit))
    printf '%s$ %s%s\n' "$bold" "$1" "$plain"
    until output=$(eval "$1" 2>&1) && [[ $output =~ ^($2)$ ]]; do
        if ((SECONDS >= deadline)); then
            stop_with "in $limit seconds this did not become $2, but stayed ${output:-empty}"
        fi
        sleep 0.05
    done
    printf '%s\n' "$output"
    checks=$((checks + 1))
}

# ---- The scenes -----------------------------------------------------------------------------

start_order() { # SAGA DEFINITION DATA
    run "$cli XADD {sagas}:commands '*' type StartSaga saga $1 definition $2 data '$3'"
}

expect_saga() { # SAGA STATE
    expect "$cli HGET {sagas}:saga:$1 state" "$2"
}

expect_balance() { # CENTS
    expect "$cli HGET {payments}:account:c7 balance" "$1"
}

expect_stock() { # NUMBER
    expect "$cli HGET {views}:product:p1 stock" "$1"
}

# What has been undone is undone everywhere: in the services and in the read model.
expect_undone() { # ORDER
    expect "$cli HGET {orders}:order:$1 state" cancelled
    expect "$cli HGET {views}:order:$1 status" cancelled
    expect_balance 8001
    expect "$cli HGET {catalog}:product:p1 stock" 9
    expect_stock 9
}

show_product() {
    title 'A product, written by a command and read from its read model'
    run "$cli XADD {catalog}:commands '*' type CreateProduct data '{\"productId\":\"p1\",\"name\":\"Lamp\",\"price\":1999,\"stock\":10}'"
    expect "$cli HMGET {views}:product:p1 name price stock" $'Lamp\n1999\n10'
}

show_account() {
    title 'An account with 100.00'
    run "$cli XADD {payments}:commands '*' type OpenAccount data '{\"customerId\":\"c7\",\"balance\":10000}'"
    expect_balance 10000
}

show_completed() {
    title 'An order that completes'
    start_order s1 place-order '{"orderId":"o1","customerId":"c7","amount":1999,"productId":"p1","quantity":1}'
    expect_saga s1 completed
    expect "$cli HMGET {views}:order:o1 customerId amount status" $'c7\n1999\nshipped'
    expect_balance 8001
    expect_stock 9
}

show_refused() {
    title 'An order that the account cannot pay: what was done is undone'
    start_order s2 place-order '{"orderId":"o2","customerId":"c7","amount":50000,"productId":"p1","quantity":2}'
    expect_saga s2 compensated
    expect "$cli HGET {sagas}:saga:s2 reason" '.*insufficient funds: balance 8001, needed 50000.*'
    expect_undone o2
}

show_timed_out() {
    title 'An order whose payment never answers: the time limit undoes it'
    say 'A definition of our own, less patient than the shop, put by hand:'
    run "$cli HSET {sagas}:definition:impatient-order latest 1 1 '$(impatient_definition)'"
    start_order s3 impatient-order '{"orderId":"o3","customerId":"c7","amount":500,"productId":"p1","quantity":1,"simulate":{"process-payment":"swallow"}}'
    expect_saga s3 compensated
    expect "$cli HMGET {sagas}:saga:s3 step:process-payment:attempts step:process-payment:state" $'2\n(compensated|timed-out)'
    expect_undone o3
}

impatient_definition() {
    tr -d '\n' <<'JSON'
{"name":"impatient-order","version":1,"timeoutMs":20000,"steps":[
{"name":"create-order","service":"orders","command":"CreateOrder","compensation":"CancelOrder"},
{"name":"reserve-stock","service":"catalog","command":"ReserveStock","compensation":"ReleaseStock"},
{"name":"process-payment","service":"payments","command":"ProcessPayment","compensation":"RefundPayment",
"timeoutMs":500,"attempts":2,"backoffMs":100}]}
JSON
}

show_killed() {
    local before
    title 'A worker killed in the middle of a payment: the order completes all the same'
    start_order s4 place-order '{"orderId":"o4","customerId":"c7","amount":1000,"productId":"p1","quantity":1,"simulate":{"process-payment":"slow:1500"}}'
    say 'The payment is now in the hands of the worker, which takes its time:'
    expect "$cli XPENDING {payments}:commands payments - + 10 | grep -c payments" 1
    expect "$cli HGET {payments}:payment:o4 state" ''
    before=$(<"$dir/payments.pid")
    run "kill -9 \$(cat $(quote "$dir/payments.pid"))"
    expect_saga s4 completed
    expect "$cli HGET {payments}:payment:o4 state" processed
    say 'Paid once and not twice, by a new process:'
    expect_balance 7001
    expect "cat $(quote "$dir/payments.pid")" '[0-9]+'
    [[ $(<"$dir/payments.pid") != "$before" ]] || stop_with "the worker killed is still there"
}

show_subscriptions() {
    local log
    log=$(quote "$dir/notifications.log")
    title 'Two subscriptions of the notifications service have seen it all'
    expect "grep -c ' product.created ' $log" 1
    expect "grep ' product.created ' $log" '.*subject=p1.*'
    expect "grep -c ' order.created ' $log" 4
    run "grep ' order.created ' $log"
}

show_books() {
    title 'The books'
    expect "$cli HMGET {views}:sales orders cancelled revenue" $'4\n2\n2999'
    expect "$cli ZRANGE {views}:customer:c7 0 -1" $'o1\no2\no3\no4'
    expect_stock 8
    say 'Nothing was left over and nothing was given up:'
    expect "$cli XLEN {payments}:commands" 0
    expect "$cli EXISTS {sagas}:dead {orders}:dead {payments}:dead {catalog}:dead {notifications}:dead" 0
}

# ---- Setting up and taking down -------------------------------------------------------------

take_down() {
    local code=$?
    trap - EXIT
    trap '' INT TERM
    "$root/scripts/shop.sh" down "$dir" >/dev/null 2>&1 || true
    if [[ $code -eq 0 || $code -eq 130 ]]; then
        rm -rf "$dir"
    else
        printf 'the logs are in %s\n' "$dir" >&2
    fi
    exit "$code"
}

set_up() {
    "$root/scripts/install_packages.sh"
    # Which prints its progress, as a first build takes a while.
    [[ -d $root/build/bin ]] || printf 'building\n'
    make -s -C "$root" -j"$(nproc)"
    dir=$(mktemp -d "${TMPDIR:-/tmp}/weir-demo.XXXXXX")
    trap take_down EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    cli="$(basename "$(command -v redis-cli || command -v valkey-cli)") -s $(quote "$dir/redis.sock")"
    title 'A shop: a private Redis, the coordinator, and five workers'
    run "$(quote "$root/scripts/shop.sh") up $(quote "$dir")"
}

main() {
    # The demo brings its own server, whatever the caller uses.
    unset REDIS_URL WEIR_BUILD WEIR_NAMESPACE WEIR_CLAIM_IDLE
    set_up
    show_product
    show_account
    show_completed
    show_refused
    show_timed_out
    show_killed
    show_subscriptions
    show_books
    title 'Summary'
    printf '%sAll %d expectations held, in %d seconds.%s\n' "$green" "$checks" $((SECONDS - began)) "$plain"
    say 'Orders: o1 completed, o2 refused and undone, o3 timed out and undone, o4 completed in spite of kill -9.'
}

main "$@"
