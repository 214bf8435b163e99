#!/usr/bin/env bash
# The checker checked: each kind of fault is planted in the data of a healthy shop, and
# check_books.sh has to name it. A shop that is whole has to pass.
set -euo pipefail

# shellcheck source=tests/end_to_end/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/end_to_end/odd_shop.sh
source "$here/odd_shop.sh"

# ---- The checker ----------------------------------------------------------------------------

options=(--explained --suspended 1) # of the healthy shop

books() { # OPTIONS
    bash "$here/check_books.sh" "${options[@]}" --starts "$dir/ids.txt" "$@" "$dir"
}

# ---- Planting -------------------------------------------------------------------------------

# Runs commands against the healthy data; the checker has to answer with a line that matches.
plant() { # NAME PATTERN COMMANDS
    local output
    printf '%s\n' "$3" | redis >"$dir/planted.out" 2>&1
    if grep -qE '^(\(error\)|ERR|WRONGTYPE)' "$dir/planted.out"; then
        fault "$1" "planting failed: $(<"$dir/planted.out")"
        restore
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
    plant 'a saga suspended' 'sagas: 2 sagas are suspended, 1 expected' \
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
    plant 'a timer of a saga that has ended' \
        'sagas: saga good1 has ended and its step process-payment has dueAt 5' \
        'HSET {sagas}:saga:good1 step:process-payment:dueAt 5'
    plant 'a saga in no set' 'saga index: saga good1 is listed in no state' \
        'ZREM {sagas}:state:completed good1'
    plant 'a saga in two sets' 'saga index: saga good1 is listed as .* and as' \
        'ZADD {sagas}:state:running 1 good1'
    plant 'a saga in its set since another time' 'saga index: saga good1 is completed since 1 and ended at' \
        'ZADD {sagas}:state:completed 1 good1'
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

plant_revisions() {
    plant 'a saga that has moved too often' 'saga events: saga good1 has revision 90, between 5 and' \
        'HSET {sagas}:saga:good1 revision 90'
    plant 'a saga that has moved without being counted' 'saga events: saga good1 has revision 3, between 5 and' \
        'HSET {sagas}:saga:good1 revision 3'
    plant 'a saga event before the saga has got there' \
        'saga events: saga stuck has SagaCompleted when it is suspended' \
        "$(event sagas SagaCompleted stuck '{"saga":"stuck","definition":"hasty-order","version":1,"state":"completed"}')"
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
    plant 'paid by another' 'completed: order good1 was paid by c9' \
        "XDEL {payments}:events $(event_id payments PaymentProcessed good1)
$(event payments PaymentProcessed good1 '{"orderId":"good1","customerId":"c9","amount":1000}')"
    plant 'another number reserved' 'completed: order good1 reserved 5 instead of 1' \
        "XDEL {catalog}:events $(event_id catalog StockReserved good1)
$(event catalog StockReserved p1 '{"orderId":"good1","productId":"p1","quantity":5}')"
    plant 'an order completed twice' 'completed: order good1 completed in 2 sagas' \
        'COPY {sagas}:saga:good1 {sagas}:saga:again'
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

# Events of the saga are published once more, so that they come later than they should.
saga_event_again() { # TYPE STATE SAGA
    printf 'XDEL {sagas}:events %s\n' "$(saga_event_id "$1" "$3")"
    event sagas "$1" "$3" "{\"saga\":\"$3\",\"definition\":\"place-order\",\"version\":1,\"state\":\"$2\"}"
}

plant_sequence() {
    plant 'an effect before its saga' 'sequence: order good1: create-order was done before its saga started' \
        "$(saga_event_again SagaStarted running good1)
$(saga_event_again SagaCompleted completed good1)"
    plant 'an effect behind its saga' \
        'sequence: order good1: send-shipping-notification was done after its saga had ended' \
        "XDEL {notifications}:events $(event_id notifications ShippingNotificationSent good1)
$(event notifications ShippingNotificationSent good1 '{"orderId":"good1","customerId":"c1"}')"
    plant 'undone too early' 'sequence: order late1: process-payment was undone before its saga compensated' \
        "$(saga_event_again SagaCompensating compensating late1)
$(saga_event_again SagaCompensated compensated late1)"
}

# The record of a step goes: as it is where the worker has moved the saga itself.
unrecord() { # SAGA
    printf 'DEL {payments}:step:%s/process-payment\nZREM {payments}:steps %s/process-payment\n' "$1" "$1"
}

# With these outcomes; the second for the compensation.
record() { # SAGA EXECUTE [COMPENSATE]
    unrecord "$1"
    printf "HSET {payments}:step:%s/process-payment execute '%s'\n" "$1" "$2"
    [[ -z ${3:-} ]] || printf "HSET {payments}:step:%s/process-payment compensate '%s'\n" "$1" "$3"
    printf 'ZADD {payments}:steps 1 %s/process-payment\n' "$1"
}

fine() { # NAME COMMANDS
    printf '%s\n' "$2" | redis >/dev/null
    check "$1" books
    restore
}

plant_records() {
    local at='step:process-payment'
    plant 'a step without a record' 'records: {payments}:steps lists good1/process-payment, which has no record' \
        'DEL {payments}:step:good1/process-payment
ZADD {payments}:steps 1 good1/process-payment'
    plant 'a record that would stay' 'records: {payments}:step:good1/process-payment would never be forgotten' \
        "$(record good1 '1 succeeded {}')
ZREM {payments}:steps good1/process-payment"
    plant 'a record of no saga' 'records: {payments}:step:ghost/process-payment is of a saga that is not there' \
        "$(record ghost '1 failed {}')"
    fine 'steps that their sagas tell alone are fine' "$(unrecord good1 && unrecord late1 && unrecord broke)"
    fine 'records beside the sagas are fine' \
        "$(record good1 '1 succeeded {}' && record late1 '1 succeeded {}' '1 succeeded {}')"
    fine 'a refusal before the success is fine' "$(record good1 '1 failed {}')
HSET {sagas}:saga:good1 $at:number 2"
    plant_outcomes "$at"
    plant_undoing "$at"
}

plant_outcomes() { # FIELDS
    plant 'an effect that nobody knows' \
        'records: saga good1: process-payment is known as nothing and its effect is there' \
        "$(unrecord good1)
HDEL {sagas}:saga:good1 $1:result"
    plant 'an effect undone that nobody knows' \
        'records: saga late1: process-payment is known as nothing and its effect is there' \
        "$(unrecord late1)
HDEL {sagas}:saga:late1 $1:result"
    plant 'an effect that was refused' \
        'records: saga late1: process-payment is known as failed and its effect is there' \
        "$(unrecord late1)
HSET {sagas}:saga:late1 $1:state failed
HDEL {sagas}:saga:late1 $1:result"
    plant 'an effect that is recorded as refused' \
        'records: saga good1: process-payment is known as failed and its effect is there' \
        "$(record good1 '1 failed {}')
HDEL {sagas}:saga:good1 $1:result"
    plant 'a step that counts and was refused' \
        'records: saga good1: process-payment counts as succeeded and is recorded as failed' \
        "$(record good1 '1 failed {}')"
    plant 'a recorded outcome without an effect' \
        'records: saga broke: process-payment is known as succeeded and its effect is not there' \
        "$(record broke '1 succeeded {}')"
    plant 'a success in the saga without an effect' \
        'records: saga broke: process-payment is known as succeeded and its effect is not there' \
        "$(unrecord broke)
HSET {sagas}:saga:broke $1:state compensated $1:result {}"
    plant 'a success whose effect is gone' \
        'records: saga good1: process-payment is known as succeeded and its effect is not there' \
        "$(unrecord good1)
XDEL {payments}:events $(event_id payments PaymentProcessed good1)"
}

plant_undoing() { # FIELDS
    plant 'undone without a record' \
        'records: saga late1: process-payment was undone, and its compensation is known as nothing' \
        "$(record late1 '1 succeeded {}')
HSET {sagas}:saga:late1 $1:state succeeded"
    plant 'undone without its saga' \
        'records: saga late1: process-payment was undone, and its compensation is known as nothing' \
        "$(unrecord late1)
HSET {sagas}:saga:late1 $1:state succeeded"
    plant 'undone and recorded as refused' \
        'records: saga late1: process-payment counts as compensated and is recorded as failed' \
        "$(record late1 '1 succeeded {}' '1 failed {}')"
    plant 'told as undone' 'records: saga good1: process-payment is known as compensated and stands' \
        "$(unrecord good1)
HSET {sagas}:saga:good1 $1:state compensated"
    plant 'recorded as undone' 'records: saga good1: process-payment is known as compensated and stands' \
        "$(record good1 '1 succeeded {}' '1 succeeded {}')"
}

plant_keys() {
    plant 'a key of nobody' 'keys: stray should not be there' 'SET stray 1'
    plant 'a key of a strange service' 'keys: {greetings}:commands should not be there' \
        'XADD {greetings}:commands * type Greet'
    plant 'a strange key of a service' 'keys: {payments}:lock:c1 should not be there' 'SET {payments}:lock:c1 1'
    plant 'a record in the wrong place' 'keys: {views}:payment:good1 should not be there' \
        'COPY {payments}:payment:good1 {views}:payment:good1'
    plant 'what a rebuild has left' 'keys: {views}:rebuild-keys:shop should not be there' \
        'SADD {views}:rebuild-keys:shop order:good1'
    plant 'an ended saga that stays' 'keys: {sagas}:saga:good1 stays for ever' 'PERSIST {sagas}:saga:good1'
    plant 'a mark that stays' 'keys: {payments}:seen:again-c9 stays for ever' 'PERSIST {payments}:seen:again-c9'
    plant 'a note that stays' 'keys: {payments}:note:abc stays for ever' 'SET {payments}:note:abc 1'
    plant 'a note that is no text' 'types: {payments}:note:abc is a list' 'RPUSH {payments}:note:abc 1'
    redis SET '{payments}:note:abc' 1 EX 60 >/dev/null
    check 'a note of a wait under way is known' books
    restore
    plant 'a suspended saga that goes' 'keys: {sagas}:saga:stuck goes by itself' 'EXPIRE {sagas}:saga:stuck 1000'
    plant 'money that goes' 'keys: {payments}:account:c1 goes by itself' 'EXPIRE {payments}:account:c1 1000'
}

plant_state() {
    plant 'an order in another state' 'state: order late1 is created, by its events cancelled' \
        'HSET {orders}:order:late1 state created'
    plant 'an order of nobody' 'state: order stray is created, by its events nothing' \
        'HSET {orders}:order:stray state created'
    plant 'an order that is not there' 'state: order good1 is not there' 'DEL {orders}:order:good1'
    plant 'a payment of another amount' 'state: payment good1 has amount 7, by its event 1000' \
        'HSET {payments}:payment:good1 amount 7'
    plant 'a reservation of another number' 'state: reservation good2 has quantity 7, by its event 2' \
        'HSET {catalog}:reservation:good2 quantity 7'
    plant 'a reservation in another state' 'state: reservation late1 is reserved, by its events released' \
        'HSET {catalog}:reservation:late1 state reserved'
    plant 'a notification in another state' 'state: notification good1 is cancelled, by its events sent' \
        'HSET {notifications}:notification:good1 state cancelled'
    plant 'money out of nothing' 'money: account c1 has balance 92001' \
        'HINCRBY {payments}:account:c1 balance 1'
    plant 'an overdrawn account' 'money: account c1 has balance -1' 'HSET {payments}:account:c1 balance -1'
    plant 'an account that nobody opened' 'money: account c2 was never opened' \
        'HSET {payments}:account:c2 balance 0'
    plant 'money taken back twice' 'money: account c1 has balance 95000' \
        'HINCRBY {payments}:account:c1 balance 3000'
    plant 'money of nobody spent' 'money: account c7 was never opened and is spent from' \
        'HSET {payments}:payment:good1 customerId c7'
    plant 'a sum that is not what it was' 'money: in all 110000 at first, [0-9]+ left and [0-9]+ spent' \
        'HINCRBY {payments}:account:c1 balance 1'
    plant 'stock gone' 'stock: product p1 has stock 96' 'HINCRBY {catalog}:product:p1 stock -1'
}

plant_views() {
    plant 'a view with another status' 'views: order good1 has status paid, by the events shipped' \
        'HSET {views}:order:good1 status paid'
    plant 'a view with another amount' 'views: order good1 has amount 1, by the events 1000' \
        'HSET {views}:order:good1 amount 1'
    plant 'a view that is not there' 'views: order good1 has status nothing' 'DEL {views}:order:good1'
    plant 'a view with a field more' 'views: order good1 has the field colour' \
        'HSET {views}:order:good1 colour red'
    plant 'a view of nothing' 'views: order stray is about nothing' 'HSET {views}:order:stray status paid'
    plant 'an order counted twice' 'views: sales in all has orders 11, by the events 10' \
        'HINCRBY {views}:sales orders 1'
    plant 'revenue of nothing' 'views: sales in all has revenue 8061, by the events 8060' \
        'HINCRBY {views}:sales revenue 1'
    plant 'a product with other stock' 'views: product p1 has stock 98, by the events 97' \
        'HINCRBY {views}:product:p1 stock 1'
    plant 'an order that its customer lacks' 'views: customer c1 has good1 nothing' \
        'ZREM {views}:customer:c1 good1'
    plant 'an order listed at another time' 'views: customer c1 has good1 1, by the events [0-9]+' \
        'ZADD {views}:customer:c1 1 good1'
    plant 'a projection that is stopped' 'checkpoint: shop is stopped at 1-1 of {orders}:events: because' \
        'HSET {views}:projection:shop state stopped reason because stream {orders}:events entry 1-1'
    plant 'a rebuild under way' 'checkpoint: a rebuild of shop is under way: building' \
        'HSET {views}:projection:shop phase building'
    plant 'an event passed over' 'checkpoint: shop has passed over events' 'SADD {views}:skipped:shop x'
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
    plant 'an event pending' 'queues: {orders}:events has [0-9]+ pending for group notifications' \
        'XGROUP SETID {orders}:events notifications 0
XREADGROUP GROUP notifications somebody STREAMS {orders}:events >'
    plant 'an event that a subscriber has not read' \
        'queues: {orders}:events: group notifications has not read to the end' \
        'XGROUP SETID {orders}:events notifications 1-1'
    plant 'a message scheduled' 'queues: {sagas}:scheduled has 1 messages' 'ZADD {sagas}:scheduled 1 x'
    plant 'a start held back' 'queues: {sagas}:held has 1 entries left' 'XADD {sagas}:held * type StartSaga'
    plant 'a dead letter without a reason' 'dead letters: dead letter [0-9-]+ of orders has no reason' \
        'XADD {orders}:dead * deliveries 1 stream s entry 1-1'
    plant 'a key of another type' 'types: {payments}:account:c3 is a string' \
        'SET {payments}:account:c3 5'
}

# One more dead letter. All of these were healthy.
letter() { # SERVICE STREAM ENTRY DELIVERIES REASON FIELDS
    printf "XADD {%s}:dead * %s reason '%s' deliveries %s stream %s entry %s\n" "$1" "$6" "$5" "$4" "$2" "$3"
}

payment_step() { # SAGA
    printf "type ProcessPayment saga %s step process-payment action execute id %s/process-payment/execute data '%s'" \
        "$1" "$1" "{\"orderId\":\"$1\",\"customerId\":\"c1\",\"amount\":1000}"
}

died() { # DELIVERIES; what is said of one whose workers died
    printf 'delivered %s times without an outcome: its worker crashed or hung' "$1"
}

plant_letters() {
    local inbox='{payments}:commands' not='is not explained by what was sent'
    plant 'a healthy command that died' "dead letters: dead letter [0-9-]+ of payments, a OpenAccount, $not: why" \
        "$(letter payments "$inbox" 1-1 1 why "type OpenAccount data '{\"customerId\":\"c3\",\"balance\":5}'")"
    plant 'a healthy event that died' "dead letters: dead letter [0-9-]+ of notifications, a OrderCreated, $not" \
        "$(letter notifications '{orders}:events' 1-1 1 why "type OrderCreated data '{\"orderId\":\"good1\"}'")"
    plant 'a healthy step that died' "dead letters: dead letter [0-9-]+ of payments, a ProcessPayment, $not" \
        "$(letter payments "$inbox" 1-1 1 why "$(payment_step late1)")"
    plant 'a healthy start that died' "dead letters: dead letter [0-9-]+ of sagas, a StartSaga, $not" \
        "$(letter sagas '{sagas}:commands' 1-1 1 why 'type StartSaga saga z definition place-order data {}')"
    plant 'a healthy reply that died' "dead letters: dead letter [0-9-]+ of sagas, a StepSucceeded, $not" \
        "$(letter sagas '{sagas}:replies' 1-1 1 why 'type StepSucceeded saga good1 step create-order action execute data {}')"
    plant 'a command given up too early' "dead letters: dead letter [0-9-]+ of payments, a ProcessPayment, $not" \
        "$(letter payments "$inbox" 1-1 4 "$(died 4)" "$(payment_step late1)")"
    plant 'a healthy command with 5 deliveries' \
        'dead letters: 1 messages of payments were given up without being at fault: the 0 deaths' \
        "$(letter payments "$inbox" 1-1 5 "$(died 5)" "$(payment_step late1)")"
    plant 'a healthy start with 5 deliveries' \
        'dead letters: 1 messages of sagas were given up without being at fault: the 0 deaths' \
        "$(letter sagas '{sagas}:commands' 1-1 5 "$(died 5)" 'type StartSaga saga z definition place-order data {}')"
    plant 'a server that could not be written to, counted 5 times' \
        "dead letters: dead letter [0-9-]+ of payments, a ProcessPayment, $not: gave up after" \
        "$(letter payments "$inbox" 1-1 5 'gave up after 5 deliveries: OOM' "$(payment_step late1)")"
    plant 'a slow command with 5 deliveries' \
        'dead letters: 1 slow messages of payments were given up, and its processes died 0 times' \
        "$(letter payments "$inbox" 1-1 5 "$(died 5)" "$(payment_step late1 | sed 's/}/,"simulate":{"process-payment":"slow:5"}}/')")"
    plant 'a command that somebody has deleted' "dead letters: dead letter [0-9-]+ of payments, a nothing, $not" \
        'XADD {payments}:dead * reason "the entry was deleted before it was handled" deliveries 1 stream s entry 1-1'
    plant 'a step given up that counts' 'dead letters: saga good1: step process-payment was given up and counts' \
        "$(letter payments "$inbox" 1-1 5 "$(died 5)" "$(payment_step good1)")"
    plant 'a step given up of no saga' 'dead letters: dead letter of payments is of saga gone, which is not there' \
        "$(letter payments "$inbox" 1-1 5 "$(died 5)" "$(payment_step gone)")"
    plant 'a dead letter twice' 'dead letters: dead letter [0-9-]+ of payments is there twice: {payments}:commands 1-1' \
        "$(letter payments "$inbox" 1-1 1 why 'type Nonsense')
$(letter payments "$inbox" 1-1 2 why 'type Nonsense')"
    {
        letter payments "$inbox" 1-1 2 why 'type Nonsense'
        letter payments "$inbox" 1-1 2 why 'type Nonsense'
    } | redis >/dev/null
    check 'a copy of one that was put off is not the same' books
    restore
    letter payments "$inbox" 1-1 5 "$(died 5)" "$(payment_step late1)" | redis >/dev/null
    check 'a step given up and undone is explained by deaths' books --deaths payments=3
    check 'too few deaths do not explain it' \
        grep -q '^FAIL  dead letters: 1 messages of payments were given up .* the 2 deaths' <(books --deaths payments=2)
    check 'nor do those of another service' \
        grep -q '^FAIL  dead letters: 1 messages of payments were given up' <(books --deaths orders=30)
    restore
}

count_letters() {
    local service counts=()
    for service in orders payments catalog sagas; do
        counts+=(--dead "$service=$(redis XLEN "{$service}:dead")")
    done
    options=(--suspended 1 "${counts[@]}")
    check 'as many dead letters as expected' books
    plant 'a dead letter too many' 'dead letters: {notifications}:dead has 1 dead letters, 0 expected; the last: why' \
        'XADD {notifications}:dead * reason why deliveries 1 stream s entry 1-1'
    plant 'a dead letter too few' 'dead letters: {orders}:dead has 0 dead letters, [1-9] expected' \
        'DEL {orders}:dead'
    options=(--explained --suspended 1)
}

# While the workers run: weir's own comparison agrees, or does not.
plant_rebuild() {
    local output
    check 'the healthy shop passes, and weir agrees' books --rebuild
    redis HSET '{views}:order:good1' amount 999 >/dev/null
    output=$(books --rebuild) || true
    check 'the fold sees another amount' grep -q '^FAIL  views: order good1 has amount 999' <<<"$output"
    check 'weir sees it too' grep -q '^FAIL  rebuild: .*order:good1: differs in amount' <<<"$output"
    redis HSET '{views}:order:good1' amount 1000 >/dev/null
}

plant_doctor() {
    plant 'a server that evicts' 'doctor: maxmemory-policy is allkeys-lru' \
        'CONFIG SET maxmemory 4gb maxmemory-policy allkeys-lru'
    redis CONFIG SET maxmemory 0 maxmemory-policy noeviction >/dev/null
    plant 'a server that keeps nothing' 'doctor: appendonly is no' 'CONFIG SET appendonly no'
    redis CONFIG SET appendonly yes >/dev/null
    plant 'a stream that is full' 'doctor: {payments}:events has come to the greatest id' \
        'XADD {payments}:events 18446744073709551615-0 type T'
    plant 'a stream ahead of the clock' "doctor: {payments}:events has ids .* ahead of the server's clock" \
        "XADD {payments}:events $(($(now_ms) + 3600000))-0 type T"
    plant 'a service that nobody works for' 'doctor: {payments}:commands 1 wait, .* no worker is alive' \
        'DEL {payments}:commands
XADD {payments}:commands 1-1 type T'
    plant 'a reader left behind' 'doctor: {payments}:events others has not read for a day' \
        'DEL {payments}:events
XADD {payments}:events 1-1 type T
XGROUP CREATE {payments}:events others 0'
}

# Ids of an hour ahead: the clock has gone back, so the steps' order cannot be told.
jump() {
    redis XADD '{notifications}:events' "$(($(now_ms) + 3600000))-0" type ShippingNotificationSent source notifications \
        subject good1 data '{"orderId":"good1","customerId":"c1"}' >/dev/null
    redis XDEL '{notifications}:events' "$(event_id notifications ShippingNotificationSent good1 | head -n 1)" >/dev/null
    check 'a clock that went back is noticed' \
        grep -q '^ok    sequence: not to be told' <(books)
    check 'and can be expected' grep -q '^ok    doctor: .*{notifications}:events' <(books --clock-jumped)
    restore
}

# Of the sagas accepted one is gone whole, or only in part.
lose() {
    local ids=$dir/many.txt
    { cat "$dir/ids.txt" && seq -f 'never-%.0f' 200000; } >"$ids"
    check 'any number of starts may be gone' \
        grep -q '^ok    starts: 200010 accepted, 200000 of them gone' <(books --may-lose --starts "$ids")
    check 'and that is no fault' books --may-lose --starts "$ids"
    redis DEL '{sagas}:saga:good1' >/dev/null
    check 'what is gone in part is one' \
        grep -q '^FAIL  sagas: saga good1 has events and no hash' <(books --may-lose)
    restore
}

main() {
    local plain
    run_shop
    plant_rebuild
    stop_workers
    check 'the healthy shop passes' books
    plain=$(books)
    check 'read from a copy it is the same' same "$(books --copy)" "$plain"
    plant_sagas
    plant_saga_events
    plant_revisions
    plant_effects
    plant_sequence
    plant_state
    plant_records
    plant_views
    plant_queues
    plant_letters
    plant_keys
    plant_doctor
    count_letters
    jump
    lose
    check 'the shop passes again' books
    check 'what weir warns of is listed' \
        grep -q '^ok    doctor: no problem; warned of: .*{orders}:dead' <(books)
    check 'no server is a failure' same "$(bash "$here/check_books.sh" "$dir/none" | tail -n 1)" failed
}

main
