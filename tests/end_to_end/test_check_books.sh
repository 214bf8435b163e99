#!/usr/bin/env bash
# The checker checked: each kind of fault is planted in the data of a healthy shop, and
# check_books.sh has to name it. A shop that is whole has to pass.
set -euo pipefail

# shellcheck source=tests/end_to_end/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# ---- A small healthy shop at rest -----------------------------------------------------------

# good1 to good3 complete, the third without a product; late1 and late2 are undone as a whole.
run_shop() {
    shop_up "$dir"
    put_definition hasty-order 300 1
    {
        open_account c1 100000
        create_product p1 100
    } | redis >/dev/null
    expect 'the account is open' 100000 redis HGET '{payments}:account:c1' balance
    expect 'the product is there' 100 redis HGET '{catalog}:product:p1' stock
    {
        start_order good1 place-order c1 1000 p1 1
        start_order good2 place-order c1 2000 p1 2
        start_order late1 place-order c1 3000 p1 3 '{"send-shipping-notification":"fail"}'
        start_order late2 hasty-order c1 4000 p1 4 '{"send-shipping-notification":"swallow"}'
        start_order broke place-order c1 999999 p1 1
        printf 'XADD {sagas}:commands * type StartSaga saga good3 definition place-order data %s\n' \
            "'{\"orderId\":\"good3\",\"customerId\":\"c1\",\"amount\":5000}'"
        printf 'XADD {orders}:commands * type Nonsense\n'
    } | redis >/dev/null
    await_rest 6
    printf '%s\n' good1 good2 good3 late1 late2 broke >"$dir/ids.txt"
    # The books stay, nobody works on them any more.
    "$root/scripts/shop.sh" down "$dir" >/dev/null
    "$root/scripts/shop.sh" start redis "$dir" >/dev/null
    keep
}

# The data as it is goes into database 1, from where each test has it again.
keep() {
    redis eval "for _, key in ipairs(redis.call('KEYS', '*')) do redis.call('COPY', key, key, 'DB', 1) end" 0 >/dev/null
}

restore() {
    redis eval "redis.call('FLUSHDB') redis.call('SELECT', 1)
        for _, key in ipairs(redis.call('KEYS', '*')) do redis.call('COPY', key, key, 'DB', 0) end" 0 >/dev/null
}

books() { # OPTIONS
    bash "$here/check_books.sh" --dead orders=1 --starts "$dir/ids.txt" "$@" "$dir"
}

# ---- Planting -------------------------------------------------------------------------------

# Runs commands against the healthy data; the checker has to answer with a line that matches.
plant() { # NAME PATTERN COMMANDS
    local output
    printf '%s\n' "$3" | redis >"$dir/planted.out" 2>&1
    if grep -qE '^(\(error\)|ERR|WRONGTYPE)' "$dir/planted.out"; then
        fault "$1" "planting failed: $(<"$dir/planted.out")"
        return
    fi
    if output=$(books); then
        fault "$1" 'the checker has not seen it'
    elif grep -qE "^FAIL  $2" <<<"$output"; then
        ok "$1"
    else
        fault "$1" "the checker says otherwise: $(grep FAIL <<<"$output")"
    fi
    restore
}

# One more event, as a service would publish it.
event() { # SERVICE TYPE SUBJECT DATA
    printf "XADD {%s}:events * type %s source %s subject %s data '%s'\n" "$1" "$2" "$1" "$3" "$4"
}

# The id of the event of a type about an order.
event_id() { # SERVICE TYPE ORDER
    redis XRANGE "{$1}:events" - + | paste -d ' ' - - - - - - - - - |
        awk -v type="$2" -v order="\"orderId\":\"$3\"" '$3 == type && index($0, order) { print $1 }'
}

saga_event_id() { # TYPE SAGA
    redis XRANGE '{sagas}:events' - + | paste -d ' ' - - - - - - - - - |
        awk -v type="$1" -v saga="$2" '$3 == type && $7 == saga { print $1 }'
}

plant_sagas() {
    plant 'a saga that is gone' 'starts: saga good1 was accepted and is gone' \
        'DEL {sagas}:saga:good1'
    plant 'a saga that nobody started' 'starts: saga ghost was never started' \
        'COPY {sagas}:saga:good1 {sagas}:saga:ghost'
    plant 'a saga that runs for ever' 'sagas: saga good1 has not ended, it is running' \
        'HSET {sagas}:saga:good1 state running'
    plant 'a saga suspended' 'sagas: 1 sagas are suspended, 0 expected' \
        'HSET {sagas}:saga:late1 state suspended'
    plant 'a completed saga with a failed step' \
        'sagas: saga good1 is completed, its step process-payment is failed' \
        'HSET {sagas}:saga:good1 step:process-payment:state failed'
    plant 'a compensated saga with a step left' \
        'sagas: saga late1 is compensated, its step create-order is succeeded' \
        'HSET {sagas}:saga:late1 step:create-order:state succeeded'
    plant 'a saga without an end' 'sagas: saga good1 is completed with startedAt [0-9]+, endedAt nothing' \
        'HDEL {sagas}:saga:good1 endedAt'
    plant 'a saga without data' 'sagas: saga good1 has no data' 'HSET {sagas}:saga:good1 data nonsense'
    plant 'a saga in no set' 'saga index: saga good1 is listed in no state' \
        'ZREM {sagas}:state:completed good1'
    plant 'a saga in two sets' 'saga index: saga good1 is listed as .* and as' \
        'ZADD {sagas}:state:running 1 good1'
}

plant_saga_events() {
    plant 'a saga event twice' 'saga events: saga good1 has SagaCompleted when it is completed' \
        "$(event sagas SagaCompleted good1 '{"saga":"good1","definition":"place-order","version":1,"state":"completed"}')"
    plant 'a saga event missing' 'saga events: saga good1 is completed, its events end with running' \
        "XDEL {sagas}:events $(saga_event_id SagaCompleted good1)"
    plant 'a saga event left out in the middle' \
        'saga events: saga late1 has SagaCompensated when it is running' \
        "XDEL {sagas}:events $(saga_event_id SagaCompensating late1)"
    plant 'a saga event about another state' 'saga events: saga good1 has SagaStarted with other data' \
        "XDEL {sagas}:events $(saga_event_id SagaStarted good1) $(saga_event_id SagaCompleted good1)
$(event sagas SagaStarted good1 '{"saga":"good1","definition":"place-order","version":1,"state":"completed"}')"
}

plant_effects() {
    local paid='{"orderId":"good1","customerId":"c1","amount":1000}'
    plant 'an event twice' 'events: order good1 has 2 times PaymentProcessed' \
        "$(event payments PaymentProcessed good1 "$paid")"
    plant 'an event under another name' 'events: PaymentProcessed about good9 has source payments, subject good8' \
        "$(event payments PaymentProcessed good8 '{"orderId":"good9","customerId":"c1","amount":1}')"
    plant 'an effect missing' 'completed: completed order good1 has 0 times PaymentProcessed instead of 1' \
        "XDEL {payments}:events $(event_id payments PaymentProcessed good1)"
    plant 'a completed order undone' 'completed: completed order good1 has PaymentRefunded' \
        "$(event payments PaymentRefunded good1 "$paid")"
    plant 'an effect that nobody asked for' \
        'completed: completed order good3 has 1 times StockReserved instead of 0' \
        "$(event catalog StockReserved p1 '{"orderId":"good3","productId":"p1","quantity":1}')"
    plant 'another amount paid' 'completed: order good1 paid 1001 instead of 1000' \
        "XDEL {payments}:events $(event_id payments PaymentProcessed good1)
$(event payments PaymentProcessed good1 '{"orderId":"good1","customerId":"c1","amount":1001}')"
    plant 'an effect not undone' 'undone: order late1 has StockReserved and it was not undone' \
        "XDEL {catalog}:events $(event_id catalog StockReleased late1)"
    plant 'an effect undone that never was' 'undone: order broke has PaymentRefunded without PaymentProcessed' \
        "$(event payments PaymentRefunded broke '{"orderId":"broke","customerId":"c1","amount":999999}')"
    plant 'undone before it was done' 'undone: order late1 has PaymentRefunded before PaymentProcessed' \
        "XDEL {payments}:events $(event_id payments PaymentProcessed late1)
$(event payments PaymentProcessed late1 '{"orderId":"late1","customerId":"c1","amount":3000}')"
    plant 'an order of no saga' 'undone: order stray has effects and no saga' \
        "$(event orders OrderCreated stray '{"orderId":"stray","customerId":"c1","amount":1}')"
    plant 'steps in the wrong order' 'sequence: order good1: send-shipping-notification took effect before reserve-stock' \
        "XDEL {catalog}:events $(event_id catalog StockReserved good1)
$(event catalog StockReserved p1 '{"orderId":"good1","productId":"p1","quantity":1}')"
    plant 'undone in the wrong order' 'sequence: order late1: create-order was undone before process-payment' \
        "XDEL {payments}:events $(event_id payments PaymentRefunded late1)
$(event payments PaymentRefunded late1 '{"orderId":"late1","customerId":"c1","amount":3000}')"
}

plant_state() {
    plant 'an order in another state' 'state: order late1 is created, by its events cancelled' \
        'HSET {orders}:order:late1 state created'
    plant 'an order of nobody' 'state: order stray is created, by its events nothing' \
        'HSET {orders}:order:stray state created'
    plant 'an order that is not there' 'state: order good1 is not there' 'DEL {orders}:order:good1'
    plant 'a payment of another amount' 'state: payment good1 has amount 7, by its event 1000' \
        'HSET {payments}:payment:good1 amount 7'
    plant 'a notification in another state' 'state: notification good1 is cancelled, by its events sent' \
        'HSET {notifications}:notification:good1 state cancelled'
    plant 'money out of nothing' 'money: account c1 has balance 92001' \
        'HINCRBY {payments}:account:c1 balance 1'
    plant 'an overdrawn account' 'money: account c1 has balance -1' 'HSET {payments}:account:c1 balance -1'
    plant 'an account that nobody opened' 'money: account c2 was never opened' \
        'HSET {payments}:account:c2 balance 0'
    plant 'money taken back twice' 'money: account c1 has balance 95000' \
        'HINCRBY {payments}:account:c1 balance 3000'
    plant 'stock gone' 'stock: product p1 has stock 96' 'HINCRBY {catalog}:product:p1 stock -1'
}

plant_views() {
    plant 'a view with another status' 'views: order good1 has status paid, by the events shipped' \
        'HSET {views}:order:good1 status paid'
    plant 'a view with another amount' 'views: order good1 has amount 1, by the events 1000' \
        'HSET {views}:order:good1 amount 1'
    plant 'a view that is not there' 'views: order good1 has status nothing' 'DEL {views}:order:good1'
    plant 'a view of nothing' 'views: order stray is about nothing' 'HSET {views}:order:stray status paid'
    plant 'an order counted twice' 'views: sales in all has orders 7, by the events 6' \
        'HINCRBY {views}:sales orders 1'
    plant 'revenue of nothing' 'views: sales in all has revenue 8001, by the events 8000' \
        'HINCRBY {views}:sales revenue 1'
    plant 'a product with other stock' 'views: product p1 has stock 98, by the events 97' \
        'HINCRBY {views}:product:p1 stock 1'
    plant 'an order that its customer lacks' 'views: customer c1 has good1 nothing' \
        'ZREM {views}:customer:c1 good1'
    plant 'a projection that lags' 'checkpoint: shop stands at 1-0 of {orders}:events' \
        'HSET {views}:checkpoint:shop {orders}:events 1-0'
}

plant_queues() {
    plant 'a command left over' 'queues: {payments}:commands has 1 entries left' \
        'XADD {payments}:commands * type RefundPayment'
    plant 'a reply left over' 'queues: {sagas}:replies has 1 entries left' \
        'XADD {sagas}:replies * type StepSucceeded'
    plant 'a command pending' 'queues: {payments}:commands has 1 pending for group payments' \
        'XADD {payments}:commands * type RefundPayment
XREADGROUP GROUP payments somebody STREAMS {payments}:commands >'
    plant 'an event pending' 'queues: {orders}:events has [1-9] pending for group notifications' \
        'XGROUP SETID {orders}:events notifications 0
XREADGROUP GROUP notifications somebody STREAMS {orders}:events >'
    plant 'an event that a subscriber has not read' \
        'queues: {orders}:events: group notifications has not read to the end' \
        'XGROUP SETID {orders}:events notifications 1-1'
    plant 'a message scheduled' 'queues: {sagas}:scheduled has 1 messages' 'ZADD {sagas}:scheduled 1 x'
    plant 'a dead letter too many' 'dead letters: {payments}:dead has 1 dead letters, 0 expected; the last: why' \
        'XADD {payments}:dead * reason why deliveries 1 stream s entry 1-1'
    plant 'a dead letter too few' 'dead letters: {orders}:dead has 0 dead letters, 1 expected' \
        'DEL {orders}:dead'
    plant 'a dead letter without a reason' 'dead letters: dead letter [0-9-]+ of orders has no reason' \
        'DEL {orders}:dead
XADD {orders}:dead * deliveries 1 stream s entry 1-1'
    plant 'a key of another type' 'types: {payments}:account:c3 is a string' \
        'SET {payments}:account:c3 5'
}

main() {
    run_shop
    check 'the healthy shop passes' books
    plant_sagas
    plant_saga_events
    plant_effects
    plant_state
    plant_views
    plant_queues
    restore
    redis DEL '{sagas}:saga:good1' >/dev/null
    check 'starts that are gone may be counted only' \
        grep -q '^ok    starts: 6 accepted, 1 of them gone' <(books --may-lose)
    restore
    check 'the shop passes again' books
    check 'no server is a failure' same "$(bash "$here/check_books.sh" "$dir/none" | tail -n 1)" failed
}

main
