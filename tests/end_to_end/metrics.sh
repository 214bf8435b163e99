#!/usr/bin/env bash
# Prometheus scrapes a running shop that has orders of every outcome: each name has a value, the text
# is clean by promtool, and every expression of the dashboard and of the alert rules is answered.
set -euo pipefail
# shellcheck source=tests/end_to_end/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

export WEIR_CLAIM_IDLE=1s
processes=(weir-coordinator orders payments catalog notifications views gateway)
names=(weir_messages_total weir_handler_seconds_count weir_commit_seconds_count weir_backlog
    weir_pending weir_oldest_seconds weir_dead_letters weir_retries_total weir_claimed_total
    weir_fenced_total weir_sagas weir_saga_seconds_count weir_scheduled weir_projection_lag
    weir_projection_events_total weir_reconnects_total weir_build_info weir_calls_total
    weir_call_seconds_count weir_calls_in_hand gateway_requests_total gateway_request_seconds_count)

place_order() { # ORDER CUSTOMER [SIMULATE]
    "$bin/weir" start place-order --redis "unix://$dir/redis.sock" --id "$1" --data \
        "{\"orderId\":\"$1\",\"customerId\":\"$2\",\"amount\":100,\"productId\":\"p1\",\"quantity\":1${3:+,\"simulate\":$3}}" >/dev/null
}

shop_over_http() { # NUMBER ORDER...: of the orders as many are there
    local order found=0
    for order in "${@:2}"; do
        ! curl -sf -m 10 "http://$(<"$dir/gateway.address")/orders/$order" >/dev/null || found=$((found + 1))
    done
    same "$found" "$1"
}

saga_state() { # ID
    redis hget "{sagas}:saga:$1" state
}

get() { # PROCESS PATH
    local address reply
    address=$(<"$dir/$1.metrics")
    exec 5<>"/dev/tcp/${address%:*}/${address##*:}"
    printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$2" "$address" >&5
    reply=$(tr -d '\r' <&5)
    exec 5>&-
    [[ $reply == 'HTTP/1.1 200 '* ]] || {
        printf '%s\n' "$reply"
        return 1
    }
    printf '%s\n' "${reply#*$'\n\n'}"
}

metrics_clean() { # PROCESS
    get "$1" /metrics >"$dir/$1.txt"
    promtool check metrics <"$dir/$1.txt"
}

# ---- Prometheus -------------------------------------------------------------------------------

write_config() {
    local process
    {
        printf 'global: {scrape_interval: 1s, evaluation_interval: 1s}\n'
        printf 'rule_files: ["%s"]\n' "$root/scripts/alerts.yml"
        printf 'scrape_configs:\n  - job_name: weir\n    static_configs:\n      - targets:\n'
        for process in "${processes[@]}"; do
            printf '          - %s\n' "$(<"$dir/$process.metrics")"
        done
    } >"$dir/prometheus.yml"
}

# The port may be taken between the look and the start: then another one.
start_prometheus() {
    local pid
    write_config
    for _ in 1 2 3 4 5; do
        port=$((20000 + RANDOM % 12000))
        prometheus --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/tsdb" \
            --web.listen-address="127.0.0.1:$port" >"$dir/prometheus.log" 2>&1 &
        pid=$!
        children+=("$pid")
        await prometheus_up "$pid" || continue
        kill -0 "$pid" 2>/dev/null && return
    done
    stop_with "prometheus did not start: $(tail -n 3 "$dir/prometheus.log")"
}

prometheus_up() { # PID
    kill -0 "$1" 2>/dev/null || return 0
    grep -q 'Server is ready' "$dir/prometheus.log"
}

asks() { # WHAT...
    python3 "$here/ask_prometheus.py" "http://127.0.0.1:$port" "$@"
}

# ---- The test ---------------------------------------------------------------------------------

check 'promtool takes the alert rules' promtool check rules "$root/scripts/alerts.yml"
check 'and the sample configuration' promtool check config "$root/scripts/prometheus.yml"
check 'each alert fires on what it is for' promtool test rules "$here/alerts_test.yml"

shop_up
{
    open_account c1 100000
    create_product p1 1000
    printf 'XADD {orders}:commands * type Nonsense data {}\n'
} | redis >/dev/null
for process in "${processes[@]}"; do
    await test -s "$dir/$process.metrics" || stop_with "$process does not say where its metrics are"
done
start_prometheus
for ((i = 0; i < 20; i++)); do
    place_order "good-$i" c1
done
place_order poor nobody
place_order crashes c1 '{"process-payment":"crash"}'
place_order stuck c1 '{"send-shipping-notification":"fail","process-payment/compensate":"fail"}'
expect 'a good order' completed saga_state good-19
expect 'one that is undone' compensated saga_state poor
expect 'one whose worker died' completed saga_state crashes
expect 'one that needs an operator' suspended saga_state stuck
check 'the gateway is asked for them' shop_over_http 2 good-1 good-19
await test -s "$dir/payments.metrics" || stop_with 'payments was not started again'

for process in "${processes[@]}"; do
    check "promtool takes the metrics of $process" metrics_clean "$process"
    check "$process is alive" same "$(get "$process" /healthz)" ok
    check "$process is ready" same "$(get "$process" /readyz)" ok
done
write_config # payments has another port now
kill -HUP "${children[0]}"
for name in "${names[@]}"; do
    expect "Prometheus has $name" '[1-9][0-9]*' asks series "$name"
done
expect 'the orders are counted' '2[0-9]' asks value \
    'sum(weir_messages_total{service="orders",type="CreateOrder",outcome="done"})'
expect 'so is what the gateway was asked for' '[2-9]|[1-9][0-9]+' asks value \
    'sum(gateway_requests_total{path="/orders/{id}",status="2xx"})'
expect 'so are the dead letters' 1 asks value 'max(weir_dead_letters{service="orders"})'
expect 'so is the saga that needs an operator' 1 asks value \
    'max(weir_sagas{definition="place-order",state="suspended"})'
expect 'the read model is not behind' 0 asks value 'max(weir_projection_lag)'
check 'all expressions of the dashboard show something' await asks grafana "$root/scripts/grafana.json"
check 'all expressions of the alert rules are answered' asks rules
