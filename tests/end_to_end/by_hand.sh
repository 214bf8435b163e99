#!/usr/bin/env bash
# The whole of the shop by hand: XADD to ask for something, HGETALL to see what came of it. Orders
# that complete, fail, hang and crash as "simulate" wants it, a definition put by HSET, starts that
# are repeated or unknown.
set -euo pipefail

# shellcheck source=tests/end_to_end/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

started=0 # sagas
suspended=0

# The values of some fields of a hash, by HGETALL, separated by blanks; "-" for what is not there.
fields() { # KEY FIELD...
    local key=$1
    shift
    redis HGETALL "$key" | paste - - | awk -F '\t' -v wanted="$*" '
        { value[$1] = $2 }
        END {
            count = split(wanted, names, " ")
            for (i = 1; i <= count; i++)
                printf "%s%s", (i > 1 ? " " : ""), (names[i] in value ? value[names[i]] : "-")
            printf "\n"
        }'
}

# One account for each order, so that no payment waits for another.
accounts() { # CUSTOMER...
    local customer
    for customer in "$@"; do open_account "$customer" 10000; done | redis >/dev/null
    for customer in "$@"; do
        expect "account $customer is open" 10000 fields "{payments}:account:$customer" balance
    done
}

# An order of the customer of the same name: 1000 cents for one lamp.
order() { # ID DEFINITION [SIMULATE]
    started=$((started + 1))
    start_order "$1" "$2" "$1" 1000 p1 1 ${3:+"$3"} | redis >/dev/null
}

expect_completed() { # ID WHAT
    expect "$2: completed" completed fields "{sagas}:saga:$1" state
    expect "$2: in effect once" '9000 processed created sent shipped' state_of "$1"
}

expect_undone() { # ID WHAT EFFECTS
    expect "$2: compensated" compensated fields "{sagas}:saga:$1" state
    expect "$2: undone" "10000 $3" state_of "$1"
}

# Balance, payment, order, notification, and the status in the read model.
state_of() { # ID
    printf '%s %s %s %s %s\n' "$(fields "{payments}:account:$1" balance)" \
        "$(fields "{payments}:payment:$1" state)" "$(fields "{orders}:order:$1" state)" \
        "$(fields "{notifications}:notification:$1" state)" "$(fields "{views}:order:$1" status)"
}

# ---- The scenes -----------------------------------------------------------------------------

products_and_accounts() {
    redis XADD '{catalog}:commands' '*' type CreateProduct \
        data '{"productId":"p1","name":"Desk lamp","price":1999,"stock":100}' >/dev/null
    expect 'a product' 'Desk lamp 1999 100' fields '{catalog}:product:p1' name price stock
    expect 'its read model' 'Desk lamp 1999 100' fields '{views}:product:p1' name price stock
    redis XADD '{payments}:commands' '*' type OpenAccount id open-1 data '{"customerId":"c7","balance":5000}' >/dev/null
    expect 'an account' 5000 fields '{payments}:account:c7' balance
    redis XADD '{payments}:commands' '*' type OpenAccount id open-1 data '{"customerId":"c8","balance":1}' >/dev/null
    redis XADD '{payments}:commands' '*' type OpenAccount delay 300 data '{"customerId":"c9","balance":9}' >/dev/null
    check 'a message with a delay waits' same "$(fields '{payments}:account:c9' balance)" -
    expect 'and is handled later' 9 fields '{payments}:account:c9' balance
    check 'a message of the same id is a repetition' same "$(fields '{payments}:account:c8' balance)" -
}

a_whole_order() {
    redis XADD '{sagas}:commands' '*' type StartSaga saga s1 definition place-order \
        data '{"orderId":"o1","customerId":"c7","amount":1500,"productId":"p1","quantity":2}' >/dev/null
    started=$((started + 1))
    expect 'an order completes' 'completed place-order 1' fields '{sagas}:saga:s1' state definition version
    expect 'its steps have succeeded' 'succeeded succeeded succeeded succeeded' fields '{sagas}:saga:s1' \
        step:create-order:state step:reserve-stock:state step:process-payment:state \
        step:send-shipping-notification:state
    expect 'at the first attempt' '1 1 1 1' fields '{sagas}:saga:s1' step:create-order:attempts \
        step:reserve-stock:attempts step:process-payment:attempts step:send-shipping-notification:attempts
    expect 'with times' '([0-9]{13} ?){8}' fields '{sagas}:saga:s1' startedAt updatedAt endedAt deadline \
        step:create-order:sentAt step:create-order:endedAt step:process-payment:sentAt step:process-payment:endedAt
    expect 'revision and data' '[1-9][0-9]* .*"orderId":"o1".*' fields '{sagas}:saga:s1' revision data
    expect 'a result' '.*"orderId":"o1".*' fields '{sagas}:saga:s1' step:create-order:result
    expect 'the order' 'c7 1500 created' fields '{orders}:order:o1' customerId amount state
    expect 'the payment' 'c7 1500 processed' fields '{payments}:payment:o1' customerId amount state
    expect 'the balance' 3500 fields '{payments}:account:c7' balance
    expect 'the stock' 98 fields '{catalog}:product:p1' stock
    expect 'the notification' sent fields '{notifications}:notification:o1' state
    expect 'the order in the views' 'c7 1500 shipped' fields '{views}:order:o1' customerId amount status
    expect 'the product in the views' 98 fields '{views}:product:p1' stock
    expect 'the sales' '1 0 1500' fields '{views}:sales' orders cancelled revenue
    expect "the customer's orders" o1 redis ZRANGE '{views}:customer:c7' 0 -1
    expect 'the product in the log of the subscriber' 1 grep -c 'product.created.*subject=p1' "$dir/notifications.log"
    expect 'the order in the log of the subscriber' 1 grep -c 'order.created.*subject=o1' "$dir/notifications.log"
}

other_orders() {
    local id
    redis XADD '{sagas}:commands' '*' type StartSaga saga s2 definition place-order \
        data '{"orderId":"o2","customerId":"c7","amount":3501,"productId":"p1","quantity":1}' >/dev/null
    id=$(redis XADD '{sagas}:commands' '*' type StartSaga definition place-order \
        data '{"orderId":"o3","customerId":"c7","amount":500}')
    started=$((started + 2))
    expect 'an order without funds is undone' compensated fields '{sagas}:saga:s2' state
    expect 'and says why' '.*insufficient funds.*' fields '{sagas}:saga:s2' reason
    expect 'its steps say how' 'compensated compensated failed skipped' fields '{sagas}:saga:s2' \
        step:create-order:state step:reserve-stock:state step:process-payment:state \
        step:send-shipping-notification:state
    expect 'in the views, too' cancelled fields '{views}:order:o2' status
    expect 'a start without id has that of its entry' completed fields "{sagas}:saga:$id" state
    expect 'an order without product is paid' processed fields '{payments}:payment:o3' state
    expect 'and reserves none' 98 fields '{catalog}:product:p1' stock
}

definitions_by_hand() {
    local json='"timeoutMs":20000,"steps":[{"name":"create-order","service":"orders","command":"CreateOrder","compensation":"CancelOrder"}'
    redis HSET '{sagas}:definition:by-hand' latest 1 1 "{\"name\":\"by-hand\",\"version\":1,$json]}" >/dev/null
    accounts h1 h2 h3
    order h1 by-hand
    expect 'a definition put by hand is used' 'completed 1' fields '{sagas}:saga:h1' state version
    check 'with its one step' same "$(state_of h1 | cut -d ' ' -f 1-4)" '10000 - created -'
    order h2 by-hand '{"create-order":"slow:600"}'
    expect 'one that is under way' 'running 1' fields '{sagas}:saga:h2' state version
    redis HSET '{sagas}:definition:by-hand' latest 2 2 "{\"name\":\"by-hand\",\"version\":2,$json,
        {\"name\":\"process-payment\",\"service\":\"payments\",\"command\":\"ProcessPayment\",\"compensation\":\"RefundPayment\"}]}" >/dev/null
    order h3 by-hand
    expect 'the next start takes the new version' 'completed 2' fields '{sagas}:saga:h3' state version
    expect 'with its two steps' '9000 processed created - paid' state_of h3
    expect 'the one under way keeps its own' 'completed 1' fields '{sagas}:saga:h2' state version
    check 'and pays nothing' same "$(fields '{payments}:payment:h2' state)" -
}

starts_again() {
    local before
    before=$(redis HGETALL '{sagas}:saga:s1')
    redis XADD '{sagas}:commands' '*' type StartSaga saga s1 definition place-order \
        data '{"orderId":"o9","customerId":"c7","amount":1}' >/dev/null
    redis XADD '{sagas}:commands' '*' type StartSaga saga s9 definition no-such data '{}' >/dev/null
    expect 'an unknown saga is a dead letter with the reason' '.*no-such.*' \
        dead_reason sagas
    check 'a second start of the same id changes nothing' same "$(redis HGETALL '{sagas}:saga:s1')" "$before"
    check 'and does nothing' same "$(fields '{orders}:order:o9' state)" -
}

dead_reason() { # SERVICE
    redis XRANGE "{$1}:dead" - + | awk 'found { print; exit } $0 == "reason" { found = 1 }'
}

# All at once, each with an account of its own. An attempt has 700 ms, a step has two of them.
steps_that_misbehave() {
    put_definition hasty-order 700 2
    accounts fail swallow short longer late early cfail cswallow cshort clonger odd
    order fail hasty-order '{"process-payment":"fail"}'
    order swallow hasty-order '{"process-payment":"swallow"}'
    order short hasty-order '{"process-payment":"slow:200"}'
    order longer hasty-order '{"process-payment":"slow:1000"}'
    order late hasty-order '{"process-payment":"slow:2500"}'
    order early hasty-order '{"create-order":"slow:2500"}'
    local refused='"send-shipping-notification":"fail"'
    order cfail hasty-order "{$refused,\"process-payment/compensate\":\"fail\"}"
    order cswallow hasty-order "{$refused,\"process-payment/compensate\":\"swallow\"}"
    order cshort hasty-order "{$refused,\"process-payment/compensate\":\"slow:200\"}"
    order clonger hasty-order "{$refused,\"process-payment/compensate\":\"slow:1000\"}"
    order odd hasty-order '{"process-payment":"dance"}'

    expect_undone fail 'fail' '- cancelled - cancelled'
    expect 'fail: after one attempt' '1 failed' fields '{sagas}:saga:fail' \
        step:process-payment:attempts step:process-payment:state
    expect_undone swallow 'swallow' '- cancelled - cancelled'
    expect 'swallow: after two attempts' '2 .*no answer.*' fields '{sagas}:saga:swallow' \
        step:process-payment:attempts reason
    expect_completed short 'slow, but in time'
    expect_completed longer 'slow, in the second attempt'
    expect 'slow, in the second attempt: there were two' 2 fields '{sagas}:saga:longer' step:process-payment:attempts
    expect_undone late 'too slow: barred by its compensation' '- cancelled - cancelled'
    expect_undone early 'too slow: undone after its late effect' '- (cancelled - cancelled|- - -)'
    expect_undone odd 'a word that simulate does not know' '- cancelled - cancelled'
    expect_undone cshort 'slow compensation, in time' 'refunded cancelled - cancelled'
    expect_undone clonger 'slow compensation, in the second attempt' 'refunded cancelled - cancelled'
    suspended=2
    expect 'a compensation that fails: suspended' 'suspended .*process-payment.*' fields '{sagas}:saga:cfail' state reason
    expect 'a compensation that is silent: suspended' 'suspended .*process-payment.*no answer.*' \
        fields '{sagas}:saga:cswallow' state reason
    expect 'suspended: what was not undone stands' '9000 processed created - paid' state_of cfail
    expect 'suspended: after its two attempts' '2' fields '{sagas}:saga:cfail' step:process-payment:compensationAttempts
}

# Each kills the worker, so they come one after the other.
steps_that_crash() {
    local before
    accounts crash ccrash killed
    before=$(<"$dir/payments.pid")
    order crash place-order '{"process-payment":"crash"}'
    expect_completed crash 'crash of a step'
    check 'crash of a step: by another process' test "$(<"$dir/payments.pid")" != "$before"
    before=$(<"$dir/payments.pid")
    order ccrash place-order '{"send-shipping-notification":"fail","process-payment/compensate":"crash"}'
    expect_undone ccrash 'crash of a compensation' 'refunded cancelled - cancelled'
    check 'crash of a compensation: by another process' test "$(<"$dir/payments.pid")" != "$before"

    order killed place-order '{"process-payment":"slow:700"}'
    expect 'a payment in the hands of a worker' 1 pending_payments
    kill -KILL "$(<"$dir/payments.pid")"
    expect_completed killed 'killed with kill -9 in the middle'
}

pending_payments() {
    redis XPENDING '{payments}:commands' payments | head -n 1
}

main() {
    shop_up "$dir"
    products_and_accounts
    a_whole_order
    other_orders
    definitions_by_hand
    starts_again
    steps_that_misbehave
    steps_that_crash
    await_rest "$started"
    check_books --dead sagas=1 --suspended "$suspended"
}

main
