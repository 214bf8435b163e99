#!/usr/bin/env bash
# The shop over HTTP: every route and every kind of answer; keys; what a GET sees after a POST; slow
# clients, too many, too large; workers, coordinator, server and gateway away and back again.
set -euo pipefail

# shellcheck source=tests/end_to_end/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# ---- Asking ---------------------------------------------------------------------------------

# Sets `status`; body and head are in DIR/body and DIR/head. 000: no answer.
ask() { # METHOD PATH [BODY [OPTION of curl...]]
    local words=(-s -m 20 -o "$dir/body" -D "$dir/head" -w '%{http_code}' -X "$1")
    [[ $1 != HEAD ]] || words+=(--head)
    rm -f "$dir/head"
    : >"$dir/body"
    [[ -z ${3:-} ]] || words+=(-H 'Content-Type: application/json' --data-binary "$3")
    status=$(curl "${words[@]}" "${@:4}" "http://$address$2" 2>>"$dir/curl.err") || true
}

head_field() { # NAME
    [[ ! -e $dir/head ]] || sed -n "s/^$1: \(.*\)\r$/\1/Ip" "$dir/head"
}

# One request, and what is answered: a status, and a part of the body.
answers() { # NAME STATUS PART METHOD PATH [BODY [OPTION...]]
    local name=$1 wanted=$2 part=$3
    shift 3
    ask "$@"
    if [[ $status == "$wanted" && $(<"$dir/body") == *"$part"* ]]; then
        ok "$name"
    else
        fault "$name" "$status instead of $wanted, or no '$part' in: $(<"$dir/body")"
    fi
}

# The same for a problem: its type, and that it is one by all rules.
problem() { # NAME STATUS TYPE METHOD PATH [BODY [OPTION...]]
    local name=$1 wanted=$2 type=$3
    answers "$name" "$wanted" "\"type\":\"/problems/$type\"" "${@:4}"
    check "$name: is a problem" same "$(head_field Content-Type)" application/problem+json
    check "$name: tells its status" grep -q "\"title\":\".*\"status\":$wanted,\"detail\":\"" "$dir/body"
}

has_head() { # NAME FIELD VALUE
    check "$1" same "$(head_field "$2")" "$3"
}

order() { # CUSTOMER AMOUNT [MORE MEMBERS]
    printf '{"customerId":"%s","amount":%s%s}' "$1" "$2" "${3:+,$3}"
}

order_is() { # ID STATUS
    ask GET "/orders/$1"
    [[ $status == 200 && $(<"$dir/body") == *"\"status\":\"$2\""* ]] || {
        printf '%s %s\n' "$status" "$(<"$dir/body")"
        return 1
    }
}

pause_worker() { # NAME
    kill -STOP "$(<"$dir/$1.pid")"
}

resume_worker() { # NAME
    kill -CONT "$(<"$dir/$1.pid")"
}

# A gateway of the test's own; its address is in DIR/NAME.address.
own_gateway() { # NAME OPTION...
    local name=$1
    rm -f "$dir/$name.address"
    "$bin/gateway" --redis "unix://$dir/redis.sock" --listen 127.0.0.1:0 \
        --address-file "$dir/$name.address" --simulate "${@:2}" >>"$dir/$name.log" 2>&1 &
    own_pid=$!
    children+=("$own_pid")
    await test -s "$dir/$name.address" || stop_with "$name does not start: $(<"$dir/$name.log")"
    address=$(<"$dir/$name.address")
}

end_own() {
    kill "$own_pid" 2>/dev/null || true
    wait "$own_pid" || true
    address=$(<"$dir/gateway.address")
}

# ---- Routes ---------------------------------------------------------------------------------

good_answers() {
    answers 'an account: 201' 201 '"balance":100000' POST /accounts '{"customerId":"c1","balance":100000}'
    problem 'the same once more: 409' 409 refused POST /accounts '{"customerId":"c1","balance":1}'
    answers 'a product: 201' 201 '"price":1999' POST /products \
        '{"productId":"p1","name":"Lamp \u00e4","price":1999,"stock":10}'
    has_head 'and where it is' Location /products/p1
    answers 'it is seen: 200' 200 '{"productId":"p1","name":"Lamp ä","price":1999,"stock":10}' GET /products/p1
    answers 'an order: 201' 201 '"status":"shipped"' POST /orders \
        "$(order c1 100 '"orderId":"o1","productId":"p1","quantity":2')"
    has_head 'and where it is' Location /orders/o1
    check 'as JSON' same "$(head_field Content-Type)" application/json
    answers 'it is seen' 200 '{"orderId":"o1","customerId":"c1","amount":100,"status":"shipped"}' GET /orders/o1
    answers 'and its stock' 200 '"stock":8' GET /products/p1
    answers 'by HEAD, too' 200 '' HEAD /orders/o1
    problem 'one that nobody can pay: 409' 409 refused POST /orders "$(order c1 1000000 '"orderId":"o2"')"
    check 'with the reason' grep -q 'insufficient funds: balance 99900, needed 1000000' "$dir/body"
    check 'and the id' grep -q '"orderId":"o2"' "$dir/body"
    answers 'it is cancelled' 200 '"status":"cancelled"' GET /orders/o2
    problem 'out of stock: 409' 409 refused POST /orders "$(order c1 1 '"productId":"p1","quantity":99')"
    answers 'a payment: 201' 201 '"amount":5' POST /payments '{"orderId":"x1","customerId":"c1","amount":5}'
    answers 'it is seen' 200 '"status":"paid"' GET /orders/x1
    problem 'the same once more: 409' 409 refused POST /payments '{"orderId":"x1","customerId":"c1","amount":5}'
    answers 'a notification: 201' 201 x1 POST /notifications '{"orderId":"x1","customerId":"c1"}'
    answers 'it is seen' 200 '"status":"shipped"' GET /orders/x1
    answers 'it lives' 200 alive GET /healthz
    answers 'it is ready' 200 ready GET /readyz
    answers 'problems are explained' 200 'reason of the service' GET /problems/refused
}

customers_orders() {
    local i
    for i in 1 2 3 4 5; do
        answers "order $i of c2" 409 'no account' POST /orders "$(order c2 7 "\"orderId\":\"l$i\"")"
    done
    answers 'the newest first' 200 '"orders":[{"orderId":"l5","customerId":"c2","amount":7,"status":"cancelled"},{"orderId":"l4"' \
        GET '/customers/c2/orders?limit=2'
    check 'and where they go on' grep -q '"next":"/customers/c2/orders?from=2&limit=2"' "$dir/body"
    answers 'the second page' 200 '{"orderId":"l3"' GET '/customers/c2/orders?from=2&limit=2'
    answers 'the last page' 200 '[{"orderId":"l1","customerId":"c2","amount":7,"status":"cancelled"}]}' \
        GET '/customers/c2/orders?from=4&limit=2'
    answers 'behind it' 200 '"orders":[]' GET '/customers/c2/orders?from=100'
    problem 'nobody' 404 absent GET /customers/nobody/orders
    problem 'a page that is too large' 400 malformed GET '/customers/c2/orders?limit=101'
    problem 'a place that is none' 400 malformed GET '/customers/c2/orders?from=x'
}

bad_requests() {
    local long
    problem 'no such path' 404 no-such-path GET /nothing
    problem 'no such path to post to' 404 no-such-path POST /nothing '{}'
    problem 'no such order' 404 absent GET /orders/none
    problem 'no such product' 404 absent GET /products/none
    problem 'an id that is none' 404 absent GET '/orders/a%2Fb'
    problem 'another method' 405 method DELETE /orders/o1
    has_head 'and which there are' Allow 'GET, HEAD'
    problem 'another method' 405 method GET /orders
    has_head 'and which there are' Allow POST
    problem 'no JSON' 415 no-json POST /orders '' -H 'Content-Type: text/plain' --data-binary "$(order c1 1)"
    problem 'no type' 415 no-json POST /orders '' -H 'Content-Type:' --data-binary '{}'
    problem 'no body' 400 malformed POST /orders '' -H 'Content-Type: application/json'
    problem 'half a body' 400 malformed POST /orders '{"customerId":"c1"'
    check 'with the place' grep -q 'line 1, column ' "$dir/body"
    problem 'a field that is missing' 400 malformed POST /orders '{"customerId":"c1"}'
    check 'with its name' grep -q '"detail":"amount is missing","field":"amount"' "$dir/body"
    problem 'a field twice' 400 malformed POST /orders '{"customerId":"c1","amount":1,"amount":2}'
    problem 'money in pieces' 400 malformed POST /orders "$(order c1 1.5)"
    problem 'no money' 400 malformed POST /orders "$(order c1 0)"
    problem 'too much money' 400 malformed POST /orders "$(order c1 9007199254740992)"
    problem 'an unknown field' 400 malformed POST /orders "$(order c1 1 '"quantitty":1')"
    problem 'a strange unknown field' 400 malformed POST /orders \
        "$(order c1 1 "\"$(printf '\303\244%.0s' {1..40})\":1")"
    problem 'a quantity of nothing' 400 malformed POST /orders "$(order c1 1 '"quantity":1')"
    problem 'a customer who is none' 400 malformed POST /orders "$(order 'a b' 1)"
    problem 'a key that is none' 400 malformed POST /orders "$(order c1 1)" -H 'Idempotency-Key: a b'
    check 'with its name' grep -q '"field":"Idempotency-Key"' "$dir/body"
    problem 'two keys' 400 malformed POST /orders "$(order c1 1)" -H 'Idempotency-Key: a' -H 'idempotency-key: b'
    check 'with their name' grep -q '"field":"Idempotency-Key"' "$dir/body"
    problem 'a NUL' 400 malformed POST /orders "$(order 'a\u0000' 1)"
    check 'without words of the inside' grep -qF 'may not contain \\u0000"' "$dir/body"
    long=$(printf '%020000d' 0)
    problem 'too large' 413 too-large POST /orders "{\"customerId\":\"$long\",\"amount\":1}"
    problem 'too large, bit by bit' 413 too-large POST /orders "{\"customerId\":\"$long\",\"amount\":1}" \
        -H 'Transfer-Encoding: chunked'
    ask GET /healthz '' -H "X-Long: $long$long"
    check 'a head that is too large: 431' same "$status" 431
    ask GET "/orders/$long$long"
    check 'a path that is too long' test "$status" -eq 414 -o "$status" -eq 404 -o "$status" -eq 431
    answers 'it still lives' 200 alive GET /healthz
}

# ---- Keys -----------------------------------------------------------------------------------

keys() {
    local id charged
    answers 'an order with a key: 201' 201 shipped POST /orders "$(order c1 10)" -H 'Idempotency-Key: "k 1"'
    id=$(head_field Location)
    charged=$(redis HGET '{payments}:account:c1' balance)
    answers 'again: the same' 201 shipped POST /orders '{"amount":10, "customerId":"c1"}' -H 'Idempotency-Key: "k 1"'
    has_head 'and the same order' Location "$id"
    check 'which was paid once' same "$(redis HGET '{payments}:account:c1' balance)" "$charged"
    problem 'with another body: 422' 422 other-body POST /orders "$(order c1 11)" -H 'Idempotency-Key: "k 1"'
    problem 'with an id as well' 422 other-body POST /orders "$(order c1 10 '"orderId":"k1"')" \
        -H 'Idempotency-Key: "k 1"'
    answers 'on another route it is another key' 201 '' POST /payments \
        '{"orderId":"k1","customerId":"c1","amount":1}' -H 'Idempotency-Key: "k 1"'
    answers 'a payment again: the same' 201 '' POST /payments \
        '{"orderId":"k1","customerId":"c1","amount":1}' -H 'Idempotency-Key: "k 1"'
    problem 'one that was refused' 409 refused POST /payments \
        '{"orderId":"k2","customerId":"c3","amount":1}' -H 'Idempotency-Key: k2'
    answers 'its account' 201 '' POST /accounts '{"customerId":"c3","balance":100}'
    problem 'again: its first outcome' 409 refused POST /payments \
        '{"orderId":"k2","customerId":"c3","amount":1}' -H 'Idempotency-Key: k2'
    answers 'another key: done' 201 '' POST /payments \
        '{"orderId":"k2","customerId":"c3","amount":1}' -H 'Idempotency-Key: k3'
    answers 'an id of the own is a key' 201 shipped POST /orders "$(order c1 10 '"orderId":"k4"')"
    answers 'again: the same' 201 shipped POST /orders "$(order c1 10 '"orderId":"k4"')"
    problem 'with other contents: 409' 409 other-order POST /orders "$(order c1 12 '"orderId":"k4"')"
    problem 'also under a key of its own' 409 other-order POST /orders "$(order c1 12 '"orderId":"k4"')" \
        -H 'Idempotency-Key: k4'
    check 'it was paid once' same "$(redis HGET '{payments}:payment:k4' amount)" 10
    check 'keys go by themselves' test "$(redis PTTL '{gateway}:key:orders:k 1')" -gt 0
}

# Sends a POST from beside; its status and body will be in DIR/NAME and DIR/NAME.body.
post_beside() { # NAME ADDRESS PATH KEY BODY
    curl -s -m 20 -o "$dir/$1.body" -w '%{http_code}\n' -H 'Content-Type: application/json' \
        -H "Idempotency-Key: $4" -d "$5" "http://$2$3" >"$dir/$1" &
    children+=($!)
}

# Twenty, to both gateways in turn; fails unless all are told the same and that.
twenty_are_told() { # STATUS PATH KEY BODY
    local i at=("$address" "$(<"$dir/gateway.address")") pids
    for ((i = 0; i < 20; i++)); do
        post_beside "crowd.$3.$i" "${at[i % 2]}" "$2" "$3" "$4"
    done
    pids=("${children[@]: -20}")
    children=("${children[@]:0:$((${#children[@]} - 20))}")
    wait "${pids[@]}"
    same "$(cat "$dir"/crowd."$3".{0..19} | sort | uniq -c | tr -s ' ')" " 20 $1" &&
        same "$(sha256sum "$dir"/crowd."$3".{0..19}.body | cut -d ' ' -f 1 | sort -u | wc -l)" 1
}

# Many at once under one key, to two gateways: one effect and one answer.
same_key_at_once() {
    local orders balance
    orders=$(redis ZCARD '{views}:customer:c1')
    own_gateway twin
    balance=$(redis HGET '{payments}:account:c1' balance)
    check 'twenty orders at once under one key, to two gateways: all are told the same' \
        twenty_are_told 201 /orders crowd "$(order c1 3)"
    check 'and there is one' same "$(redis ZCARD '{views}:customer:c1')" $((orders + 1))
    check 'twenty payments: all are told the same' \
        twenty_are_told 201 /payments paying '{"orderId":"t0","customerId":"c1","amount":4}'
    check 'twenty of an account that is there: all are told the same' \
        twenty_are_told 409 /accounts opening '{"customerId":"c1","balance":4}'
    check 'and all was done once' same "$(redis HGET '{payments}:account:c1' balance)" $((balance - 7))
    first_outcome_is_final
    end_own
}

# Between two copies somebody opens the account for want of which the first was refused.
first_outcome_is_final() {
    local payment='{"orderId":"t1","customerId":"c8","amount":1}'
    pause_worker payments
    post_beside copy.1 "$address" /payments t1 "$payment"
    check 'a payment is on its way' await waiting_at payments 1
    redis XADD '{payments}:commands' '*' type OpenAccount data '{"customerId":"c8","balance":9}' >/dev/null
    post_beside copy.2 "$(<"$dir/gateway.address")" /payments t1 "$payment"
    check 'so is a copy of it, by another gateway' await waiting_at payments 3
    resume_worker payments
    wait "${children[@]: -2}"
    check 'a copy that would be taken now is refused like the first' \
        same "$(cat "$dir"/copy.[12] | tr '\n' ' ')" '409 409 '
    check 'for the same reason' cmp "$dir/copy.1.body" "$dir/copy.2.body"
    expect 'the account is there' 9 redis HGET '{payments}:account:c8' balance
    problem 'later, too' 409 refused POST /payments "$payment" -H 'Idempotency-Key: t1'
    answers 'another key is another request' 201 '' POST /payments "$payment" -H 'Idempotency-Key: t2'
}

waiting_at() { # SERVICE NUMBER
    [[ $(redis XLEN "{$1}:commands") == "$2" ]]
}

# ---- Workers away ---------------------------------------------------------------------------

payments_away() {
    pause_worker payments
    answers 'payments away: 202' 202 '"status":"pending"' POST /orders "$(order c1 10 '"orderId":"w1"')"
    has_head 'and where it will be' Location /orders/w1
    check 'it is on its way' order_is w1 created
    answers 'a payment: 202' 202 pending POST /payments '{"orderId":"w2","customerId":"c1","amount":1}' \
        -H 'Idempotency-Key: w2'
    answers 'others are not held up' 201 '' POST /products '{"productId":"p2","name":"x","price":1,"stock":1}'
    resume_worker payments
    check 'back again: the order ends' await order_is w1 shipped
    answers 'and is told so' 201 shipped POST /orders "$(order c1 10 '"orderId":"w1"')"
    answers 'the payment, too' 201 '' POST /payments '{"orderId":"w2","customerId":"c1","amount":1}' \
        -H 'Idempotency-Key: w2'
    check 'which was made once' same "$(redis HGET '{payments}:payment:w2' amount)" 1
}

coordinator_away() {
    pause_worker weir-coordinator
    answers 'coordinator away: 202' 202 '"status":"pending"' POST /orders "$(order c1 10 '"orderId":"w3"')"
    answers 'the order is not absent' 200 '"status":"pending"' GET /orders/w3
    resume_worker weir-coordinator
    check 'back again: it ends' await order_is w3 shipped
}

views_away() {
    pause_worker views
    answers 'views away: 201 all the same' 201 shipped POST /orders "$(order c1 10 '"orderId":"w4"')"
    answers 'the saga tells of the order' 200 '"status":"shipped"' GET /orders/w4
    problem 'that one is absent nobody knows' 503 behind GET /orders/none
    answers 'a product' 201 '' POST /products '{"productId":"p3","name":"x","price":1,"stock":1}'
    problem 'is not called absent' 503 behind GET /products/p3
    has_head 'but to be asked for again' Retry-After 1
    resume_worker views
    answers 'back again: it is seen' 200 '"productId":"p3"' GET /products/p3
    check 'and the order by its model' await order_is w4 shipped
}

suspended() {
    answers 'a suspended order: 202' 202 '"status":"suspended"' POST /orders "$(order c1 10 \
        '"orderId":"w5","simulate":{"send-shipping-notification":"fail","process-payment/compensate":"fail"}')"
    check 'and why' grep -q '"detail":"[^"]' "$dir/body"
    redis XADD '{sagas}:commands' '*' type ResumeSaga saga w5 step process-payment decision skip >/dev/null
    expect 'skipped, it ends' compensated redis HGET '{sagas}:saga:w5' state
}

# ---- Clients that misbehave -----------------------------------------------------------------

# Each sends a byte now and then and never comes to an end, half of them that of a body.
slow_clients() {
    local i ends=('' '\r\n')
    own_gateway slow --request-limit 2s
    for ((i = 0; i < 100; i++)); do
        {
            exec 7<>"/dev/tcp/${address%:*}/${address##*:}"
            printf 'POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n%b' "${ends[i % 2]}" >&7
            while printf 'X' >&7; do
                read -r -t 0.2 -u 7 || true # nothing comes: a pause without a process
            done
        } 2>/dev/null &
        children+=($!)
        slow[i]=$!
    done
    for ((i = 0; i < 20; i++)); do
        answers "a hundred slow ones hold up nobody ($i)" 200 alive GET /healthz
    done
    check 'all of them are cut off' await all_ended "${slow[@]}"
    end_own
}

# As many as the HTTP library takes at once, and then nobody else: none may be forgotten until the
# next one comes.
crowd_at_once() {
    local i fd fds=() line answered=0
    own_gateway crowded
    for ((i = 0; i < 128; i++)); do
        exec {fd}<>"/dev/tcp/${address%:*}/${address##*:}"
        fds+=("$fd")
        printf 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n' >&"$fd"
        while read -r -t 10 line <&"$fd" && [[ $line != $'\r' ]]; do :; done
        read -r -t 10 -N 18 line <&"$fd" || true
    done
    check 'a crowd is there' same "$line" '{"status":"alive"}'
    kill -STOP "$own_pid"
    await stopped || fault 'a crowd' 'the gateway does not stop'
    for fd in "${fds[@]}"; do
        printf 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n' >&"$fd"
    done
    kill -CONT "$own_pid"
    for fd in "${fds[@]}"; do
        read -r -t 3 line <&"$fd" || break
        [[ $line != *' 200 '* ]] || answered=$((answered + 1))
    done
    check 'and each of it is answered' same "$answered" 128
    for fd in "${fds[@]}"; do
        exec {fd}>&-
    done
    end_own
}

stopped() {
    [[ $(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$own_pid/status") == T ]]
}

all_ended() { # PID...
    local pid
    for pid in "$@"; do
        ! kill -0 "$pid" 2>/dev/null || return 1
    done
}

# As many as may be, of which one has a request in hand and the others send none.
too_many_connections() {
    local i fd fds=()
    own_gateway narrow --connections 4 --metrics 127.0.0.1:0 --wait 10s --request-limit 10m
    pause_worker payments
    curl -s -m 20 -o /dev/null -w '%{http_code}\n' -H 'Content-Type: application/json' \
        -d "$(order c1 1 '"orderId":"n1"')" "http://$address/orders" >"$dir/narrow.order" &
    children+=($!)
    check 'an order is in hand' await begun n1
    for ((i = 0; i < 40; i++)); do
        exec {fd}<>"/dev/tcp/${address%:*}/${address##*:}"
        fds+=("$fd")
    done
    answers 'forty who send nothing keep nobody out' 200 alive GET /healthz
    check 'the first of them was closed' timeout 10 cat <&"${fds[0]}"
    check 'it is counted' await told "$(metrics_of narrow)" /metrics \
        'gateway_connections_closed_total{which="idle"} 38'
    check 'and said once' same "$(grep 'connection\.closed' "$dir/narrow.log" | grep -vc repeated)" 1
    resume_worker payments
    wait "${children[-1]}" || true
    check 'what was in hand is answered' grep -qE '^20[12]$' "$dir/narrow.order"
    for fd in "${fds[@]}"; do
        exec {fd}>&-
    done
    end_own
}

# All that may be have a request in hand.
no_room_at_all() {
    own_gateway full --connections 1 --metrics 127.0.0.1:0 --wait 10s
    pause_worker payments
    curl -s -m 20 -o /dev/null -w '%{http_code}\n' -H 'Content-Type: application/json' \
        -d "$(order c1 1 '"orderId":"n2"')" "http://$address/orders" >"$dir/full.order" &
    children+=($!)
    check 'an order is in hand' await begun n2
    check 'a newcomer is sent away at once' sent_away
    check 'it is counted' await told "$(metrics_of full)" /metrics \
        'gateway_connections_closed_total{which="newest"} 1'
    resume_worker payments
    wait "${children[-1]}" || true
    check 'what was in hand is answered' grep -qE '^20[12]$' "$dir/full.order"
    answers 'there is room again' 200 alive GET /healthz
    end_own
}

# It sends nothing, so that no reset overtakes the answer.
sent_away() {
    local fd line
    exec {fd}<>"/dev/tcp/${address%:*}/${address##*:}"
    read -r -t 10 line <&"$fd"
    exec {fd}>&-
    same "${line%$'\r'}" 'HTTP/1.1 503 Service Unavailable'
}

too_many() {
    local i first
    own_gateway few --requests 2
    pause_worker payments
    for i in 1 2; do
        curl -s -m 20 -o /dev/null -w '%{http_code}\n' -H 'Content-Type: application/json' \
            -d "$(order c1 1 "\"orderId\":\"m$i\"")" "http://$address/orders" >"$dir/many.$i" &
        children+=($!)
        first=$!
    done
    check 'two are in hand' await in_hand 2
    problem 'the third: 503' 503 busy POST /orders "$(order c1 1 '"orderId":"m3"')"
    has_head 'and when to come again' Retry-After 1
    resume_worker payments
    wait "$first" || true
    check 'back again: it takes more' await has_room
    expect 'those that were in hand end' 'completed' redis HGET '{sagas}:saga:m2' state
    check 'the third has left nothing' same "$(redis EXISTS '{sagas}:saga:m3')" 0
    end_own
}

in_hand() { # NUMBER of orders that have begun
    [[ $(redis EXISTS '{sagas}:saga:m1' '{sagas}:saga:m2') == "$1" ]]
}

has_room() {
    ask GET /orders/o1
    [[ $status == 200 ]]
}

no_simulation() {
    local pid
    "$bin/gateway" --redis "unix://$dir/redis.sock" --listen 127.0.0.1:0 \
        --address-file "$dir/plain.address" >>"$dir/plain.log" 2>&1 &
    pid=$!
    children+=("$pid")
    await test -s "$dir/plain.address" || stop_with 'the gateway does not start'
    address=$(<"$dir/plain.address")
    problem 'without --simulate it is not known' 400 malformed POST /orders "$(order c1 1 '"simulate":{}')"
    kill "$pid"
    wait "$pid"
    address=$(<"$dir/gateway.address")
}

# ---- Those who look after it ----------------------------------------------------------------

# Where a gateway of the test's own serves its metrics.
metrics_of() { # NAME
    sed -n 's/.*metrics\.listening.*address"\{0,1\}[=:]"\{0,1\}\([^" ]*\).*/\1/p' "$dir/$1.log"
}

told() { # ADDRESS PATH PART: whether it is in what is answered there
    grep -qF -- "$3" < <(curl -s -m 20 "http://$1$2")
}

figures() {
    local at line
    own_gateway counting --metrics 127.0.0.1:0
    at=$(metrics_of counting)
    check 'it is ready' await told "$at" /readyz ok
    check 'and alive' told "$at" /healthz ok
    answers 'an order' 201 shipped POST /orders "$(order c1 1)"
    problem 'one that is absent' 404 absent GET /orders/none
    problem 'one that none can pay' 409 refused POST /orders "$(order nobody 1)"
    problem 'no such path' 404 no-such-path GET /nothing
    problem 'too large' 413 too-large POST /orders '' -H 'Content-Length: 99999' -H 'Expect:' --data-binary x
    for line in 'gateway_requests_total{path="/orders",status="2xx"} 1' \
        'gateway_requests_total{path="/orders",status="4xx"} 2' \
        'gateway_requests_total{path="/orders/{id}",status="4xx"} 1' \
        'gateway_requests_total{path="none",status="4xx"} 1' \
        'gateway_request_seconds_count{path="/orders"} 2' \
        'gateway_requests_in_hand 0' \
        'weir_calls_total{service="gateway",kind="start",outcome="answered"} 2' \
        'weir_build_info{service="gateway",version='; do
        check "it tells $line" await told "$at" /metrics "$line"
    done
    end_own
}

# Takes what a program tells the one that has started it, a line for each message.
listen_as_manager() { # SOCKET FILE
    python3 -c 'import socket, sys
heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
heard.bind(sys.argv[1])
with open(sys.argv[2], "w", buffering=1) as file:
    while True:
        print(heard.recv(4096).decode(), file=file)' "$1" "$2" &
    children+=($!)
    await test -S "$1" || stop_with 'nobody listens'
}

service_manager() {
    listen_as_manager "$dir/notify" "$dir/heard"
    NOTIFY_SOCKET=$dir/notify WATCHDOG_USEC=2000000 own_gateway managed
    check 'the service manager is told that it is ready' await grep -qx 'READY=1' "$dir/heard"
    check 'and that it lives' await grep -qx 'WATCHDOG=1' "$dir/heard"
    check 'and how it stands' await grep -q '^STATUS=connected to unix://' "$dir/heard"
    end_own
    check 'and that it stops' await grep -qx 'STOPPING=1' "$dir/heard"
}

# ---- Server and gateway away ----------------------------------------------------------------

server_away() {
    kill -KILL "$(<"$dir/redis.pid")"
    problem 'server away: 503' 503 no-server POST /orders "$(order c1 10)" -H 'Idempotency-Key: s1'
    has_head 'and when to come again' Retry-After 1
    problem 'without a key as well' 503 no-server POST /orders "$(order c1 10 '"orderId":"s2"')"
    problem 'a command, too' 503 no-server POST /payments '{"orderId":"s2","customerId":"c1","amount":1}'
    check 'with the reason in the log' failed_for "$dir/redis.sock" /payments
    check 'and for nobody else' discreet
    problem 'reading: 503' 503 no-server GET /orders/o1
    check 'with the reason in the log' failed_for "$dir/redis.sock" '/orders/{id}'
    check 'and for nobody else' discreet
    problem 'not ready' 503 no-server GET /readyz
    check 'nor to those who look at its metrics' \
        await told "$(<"$dir/gateway.metrics")" /readyz 'no connection to unix://'
    answers 'but alive' 200 alive GET /healthz
    "$root/scripts/shop.sh" start redis "$dir" >>"$dir/up.out"
    await is_ready || fault 'ready again' "not in $limit s"
    answers 'back again: 201' 201 shipped POST /orders "$(order c1 10)" -H 'Idempotency-Key: s1'
    answers 'the other, too' 201 shipped POST /orders "$(order c1 10 '"orderId":"s2"')"
}

login_refused() {
    redis ACL SETUSER shop on '>right' '~*' '+@all' >/dev/null
    own_gateway stranger --redis "unix://shop:wrong@$dir/redis.sock"
    check 'a wrong password is an error in the log' await denied_once stranger
    problem 'and a problem' 503 no-server GET /readyz
    redis ACL SETUSER shop '>wrong' >/dev/null
    check 'mended: it is ready' await is_ready
    check 'the error was said once' denied_once stranger
    end_own
    redis ACL DELUSER shop >/dev/null
    "$(command -v redis-server || command -v valkey-server)" --port 0 --unixsocket "$dir/locked.sock" \
        --requirepass word --save '' >/dev/null &
    children+=($!)
    check 'a server that wants a password' await test -S "$dir/locked.sock"
    own_gateway nameless --redis "unix://$dir/locked.sock"
    check 'no password is an error in the log' await denied_once nameless
    problem 'and a problem, too' 503 no-server GET /readyz
    end_own
}

denied_once() { # NAME
    same "$(grep -c '"level":"error".*"link\.denied"' "$dir/$1.log")" 1
}

# The log of the gateway has a warning that names it.
failed_for() { # REASON PATH [PROBLEM]
    local line=" warning gateway request.failed problem=${3:-no-server} path=$2 status=503 "
    grep -qF -- "$1" < <(grep -F "$line" "$dir/gateway.log")
}

# The answer names nothing of the server's inside.
discreet() {
    ! grep -E "$dir|redis|unix:|OOM|READONLY|replica|refused" "$dir/body"
}

# What the server may have taken is told apart from what it has surely not taken.
server_hangs() {
    local id
    kill -STOP "$(<"$dir/redis.pid")"
    problem 'the server hangs: 503' 503 outcome-unknown POST /orders "$(order c1 10)"
    check 'with the reason in the log' failed_for 'not answered' /orders outcome-unknown
    check 'and for nobody else' discreet
    id=$(sed -n 's/.*"orderId":"\([^"]*\)".*/\1/p' "$dir/body")
    kill -CONT "$(<"$dir/redis.pid")"
    check 'it was taken, under the id that was told' await order_is "$id" shipped
}

server_full() {
    redis CONFIG SET maxmemory 1 >/dev/null
    problem 'the server is full: 503' 503 no-server POST /orders "$(order c1 10)"
    check 'with the reason in the log' failed_for OOM /orders
    check 'and for nobody else' discreet
    problem 'for commands, too' 503 no-server POST /accounts '{"customerId":"c9","balance":1}'
    redis CONFIG SET maxmemory 0 >/dev/null
    check 'and none was opened' same "$(redis EXISTS '{payments}:account:c9')" 0
}

server_replica() {
    redis REPLICAOF 127.0.0.1 1 >/dev/null
    problem 'the server is a replica: 503' 503 no-server POST /orders "$(order c1 10)"
    problem 'again' 503 no-server POST /orders "$(order c1 10)" -H 'Idempotency-Key: r1'
    check 'with the reason in the log' failed_for replica /orders
    check 'and for nobody else' discreet
    redis REPLICAOF NO ONE >/dev/null
    check 'a master again: it takes orders' await told_201 r1
}

# Something else stands where the read model should.
views_broken() {
    redis MSET '{views}:order:b1' x '{views}:product:b1' x '{views}:customer:b1' x >/dev/null
    problem 'an order that is none: 500' 500 broken-view GET /orders/b1
    problem 'a product' 500 broken-view GET /products/b1
    problem 'a list of orders' 500 broken-view GET /customers/b1/orders
    check 'with the reason' grep -q WRONGTYPE "$dir/body"
    redis DEL '{views}:order:b1' '{views}:product:b1' '{views}:customer:b1' >/dev/null
}

# Put there by hand: it is in no read model, but not lost either.
malformed_event() {
    redis XADD '{orders}:events' '*' type OrderCreated source orders \
        data '{"orderId":"b2","customerId":"c1","amount":-5}' >/dev/null
    expect 'an event that is malformed is a dead letter' '.*amount[^a-z]* must be a whole number.*' \
        redis XREVRANGE '{views}:dead' + - COUNT 1
    problem 'and in no read model' 404 absent GET /orders/b2
}

is_ready() {
    ask GET /readyz
    [[ $status == 200 ]]
}

# The order has been begun when server and gateway go.
server_dies_in_between() {
    pause_worker payments
    curl -s -m 20 -o "$dir/between.body" -w '%{http_code}\n' -H 'Content-Type: application/json' \
        -H 'Idempotency-Key: s3' -d "$(order c1 10)" "http://$address/orders" >"$dir/between" &
    children+=($!)
    check 'an order is on its way' await begun_under_key s3
    kill -KILL "$(<"$dir/redis.pid")"
    wait "${children[-1]}" || true
    check 'the server dies: 202 or 503' grep -qE '^(202|503)$' "$dir/between"
    "$root/scripts/shop.sh" start redis "$dir" >>"$dir/up.out"
    resume_worker payments
    await is_ready || fault 'ready again' "not in $limit s"
    check 'asked for again: it ends' await told_201 s3
    check 'and there is one order' one_saga_under_key s3
}

begun_under_key() { # KEY
    local record
    record=$(redis GET "{gateway}:key:orders:$1")
    [[ $(redis HGET "{sagas}:saga:${record%% *}" state) == running ]]
}

one_saga_under_key() { # KEY
    local record
    record=$(redis GET "{gateway}:key:orders:$1")
    same "$(redis HMGET "{sagas}:saga:${record%% *}" state version | tr '\n' ' ')" 'completed 1 '
}

told_201() { # KEY
    ask POST /orders "$(order c1 10)" -H "Idempotency-Key: $1"
    [[ $status == 201 ]]
}

gateway_dies_in_between() {
    local pid
    pause_worker payments
    curl -s -m 20 -o /dev/null -H 'Content-Type: application/json' -H 'Idempotency-Key: s4' \
        -d "$(order c1 10)" "http://$address/orders" &
    children+=($!)
    check 'an order is on its way' await begun_under_key s4
    pid=$(<"$dir/gateway.pid")
    kill -KILL "$pid"
    own_gateway second
    resume_worker payments
    check 'another gateway knows it' await told_201 s4
    end_own
    check 'the killed one comes back where it was' await is_ready
    check 'and there is one order' one_saga_under_key s4
}

stop_in_order() {
    local code=0 line
    own_gateway ending --wait 10s --metrics 127.0.0.1:0
    pause_worker payments
    curl -s -m 20 -o /dev/null -w '%{http_code}\n' -H 'Content-Type: application/json' \
        -d "$(order c1 10 '"orderId":"e1"')" "http://$address/orders" >"$dir/ending" &
    children+=($!)
    check 'an order is in hand' await begun e1
    exec 8<>"/dev/tcp/${address%:*}/${address##*:}"
    printf 'GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n' >&8
    while read -r -t 10 line <&8 && [[ $line != $'\r' ]]; do :; done
    read -r -t 10 -N 18 line <&8 || true
    check 'and somebody is connected' same "$line" '{"status":"alive"}'
    kill -TERM "$own_pid"
    check 'no new connections are taken' await refuses_connections
    check 'and it tells how much is in hand' await told "$(metrics_of ending)" /metrics 'gateway_requests_in_hand 1'
    printf 'GET /products/p1 HTTP/1.1\r\nHost: shop\r\n\r\n' >&8
    check 'who is connected is told to go elsewhere' grep -q 'problems/stopping' <&8
    exec 8>&-
    resume_worker payments
    wait "${children[-1]}" || true
    check 'what is in hand is answered' grep -qE '^20[12]$' "$dir/ending"
    wait "$own_pid" || code=$?
    check 'it ends by 0' same "$code" 0
    address=$(<"$dir/gateway.address")
}

asked_twice_to_stop() {
    local code=0 signal
    for signal in TERM INT; do
        own_gateway "hurried.$signal" --wait 60s
        pause_worker payments
        curl -s -m 60 -o /dev/null -H 'Content-Type: application/json' \
            -d "$(order c1 10 "\"orderId\":\"h$signal\"")" "http://$address/orders" &
        children+=($!)
        check 'an order is in hand' await begun "h$signal"
        kill -TERM "$own_pid"
        check 'it is asked to stop' await refuses_connections
        kill -"$signal" "$own_pid"
        check "and again, by $signal: it ends at once" await all_ended "$own_pid"
        resume_worker payments
        wait "$own_pid" || code=$?
        check 'by 0' same "$code" 0
        check 'the order goes on' await is_completed "h$signal"
    done
    address=$(<"$dir/gateway.address")
}

is_completed() { # ORDER
    [[ $(redis HGET "{sagas}:saga:$1" state) == completed ]]
}

begun() { # ORDER
    [[ $(redis EXISTS "{sagas}:saga:$1") == 1 ]]
}

refuses_connections() {
    ! (exec 7<>"/dev/tcp/${address%:*}/${address##*:}") 2>/dev/null
}

# ---- The command line -----------------------------------------------------------------------

exits() { # NAME CODE PART OPTION...
    local code=0 output
    output=$(timeout 10 "$bin/gateway" "${@:4}" 2>&1 </dev/null) || code=$?
    check "$1: $2" same "$code" "$2"
    check "$1: says '$3'" grep -qF -- "$3" <<<"$output"
}

command_line() {
    exits help 0 '--address-file FILE' --help
    exits version 0 'gateway (weir ' --version
    exits 'an unknown option' 64 nonsense --nonsense
    exits 'no value' 64 '--wait: a value is missing' --wait
    exits 'an operand' 64 "gateway: 'operand': it takes no operands" operand
    exits 'no address' 64 'must be an address and a port' --listen here
    exits 'no port' 64 'must be an address and a port' --listen 127.0.0.1:99999
    exits 'no time' 64 'must be a time' --wait never
    exits 'no number' 64 'must be a number from 1' --requests 0
    exits 'no URL' 64 'redis://' --listen 127.0.0.1:0 --redis http://x
    exits 'no level' 64 'must be debug' --listen 127.0.0.1:0 --log-level loud
    exits 'no place for the address' 70 "its file $dir/none/address: No such file" --listen 127.0.0.1:0 \
        --address-file "$dir/none/address"
    exits 'a port that is taken' 71 'cannot listen' --listen "$address"
    exits 'no address for metrics' 64 'must be an address and a port' --listen 127.0.0.1:0 --metrics here
    exits 'one for metrics that is taken' 71 '--metrics' --listen 127.0.0.1:0 --metrics "$address"
}

main() {
    local address status own_pid slow=()
    shop_up
    address=$(<"$dir/gateway.address")
    good_answers
    customers_orders
    bad_requests
    keys
    same_key_at_once
    payments_away
    coordinator_away
    views_away
    suspended
    slow_clients
    crowd_at_once
    too_many_connections
    no_room_at_all
    too_many
    no_simulation
    figures
    service_manager
    views_broken
    malformed_event
    server_full
    server_replica
    login_refused
    server_hangs
    server_away
    server_dies_in_between
    gateway_dies_in_between
    stop_in_order
    asked_twice_to_stop
    command_line
}

main
