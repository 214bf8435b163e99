# shellcheck shell=bash disable=SC2154 # dir, root and the rest come from common.sh
# A small shop at rest that is healthy, with everything in it that is odd and legal: for the test of
# the checker. Sourced behind common.sh.

# good1 to good3 complete, the third without a product; late1 and late2 are undone as a whole. What
# is odd and legal is of another customer and product.
run_shop() {
    shop_up "$dir"
    put_definition hasty-order 300 1
    {
        open_account c1 100000
        open_account c9 10000
        create_product p1 100
        create_product p9 100
    } | redis >/dev/null
    expect 'the accounts are open' 10000 redis HGET '{payments}:account:c9' balance
    expect 'the products are there' 100 redis HGET '{catalog}:product:p9' stock
    {
        start_order good1 place-order c1 1000 p1 1
        start_order good2 place-order c1 2000 p1 2
        start_order late1 place-order c1 3000 p1 3 '{"send-shipping-notification":"fail"}'
        start_order late2 hasty-order c1 4000 p1 4 '{"send-shipping-notification":"swallow"}'
        start_order broke place-order c1 999999 p1 1
        printf 'XADD {sagas}:commands * type StartSaga saga good3 definition place-order data %s\n' \
            "'{\"orderId\":\"good3\",\"customerId\":\"c1\",\"amount\":5000}'"
        odd_sagas
        odd_messages
    } | redis >/dev/null
    expect 'a step waits' running redis HGET '{sagas}:saga:ended' step:send-shipping-notification:state
    redis XADD '{sagas}:commands' '*' type CancelSaga saga ended data '{"reason":"by hand"}' >/dev/null
    await_rest 10
    ghosts | redis >/dev/null
    await_rest 10
    printf '%s\n' good1 good2 good3 late1 late2 broke ended stuck mended killed >"$dir/ids.txt"
}

# Cancelled, suspended, suspended and resumed, given up as it kills its workers.
odd_sagas() {
    start_order ended place-order c9 10 p9 1 '{"send-shipping-notification":"slow:300"}'
    start_order stuck hasty-order c9 20 p9 1 \
        '{"send-shipping-notification":"fail","process-payment/compensate":"fail"}'
    start_order mended hasty-order c9 30 p9 1 \
        '{"send-shipping-notification":"fail","create-order/compensate":"fail"}'
    start_order killed place-order c9 40 p9 1 '{"process-payment":"crash"}'
}

# One for each reason that a dead letter may have, and what is sent twice.
odd_messages() {
    local bad
    printf "XADD {payments}:commands * type OpenAccount id again-c9 data '%s'\n" \
        '{"customerId":"c9","balance":5}' '{"customerId":"c9","balance":6}'
    create_product p9 5
    open_account c1 -5
    start_order good1 place-order c1 7 p1 7
    printf 'XADD {orders}:commands * type Nonsense\n'
    printf 'XADD {orders}:commands * data {}\n'
    printf 'XADD {orders}:commands * type CreateOrder type CreateOrder\n'
    printf 'XADD {orders}:commands * type CreateOrder id "a b"\n'
    printf 'XADD {orders}:commands * type CreateOrder delay soon\n'
    for bad in '{' '[1]' '{"a":1,"a":2}' '{"a":9223372036854775808}' '{"a":1} {}' '{"a":"\\u0000"}' '{"a":01}'; do
        printf "XADD {payments}:commands * type ProcessPayment data '%s'\n" "$bad"
    done
    printf 'XADD {payments}:commands * type ProcessPayment data "{\\"a\\":\\"\\xff\\"}"\n'
    printf 'XADD {payments}:commands * type ProcessPayment data %s\n' "'$(nested 65)'"
    printf "XADD {payments}:commands * type ProcessPayment data '%s'\n" \
        '{"orderId":"x1","customerId":"nobody","amount":1}' '{"orderId":"x2","customerId":"c9","amount":999999}' \
        '{"orderId":"x3","customerId":"c9","amount":1e3}' '{"orderId":"x/4","customerId":"c9","amount":1}'
    printf "XADD {catalog}:commands * type ReserveStock data '%s'\n" \
        '{"orderId":"x1","productId":"none","quantity":1}' '{"orderId":"x2","productId":"p9","quantity":101}'
    printf 'XADD {sagas}:commands * type StartSaga saga x1 definition no-such data {}\n'
    printf 'XADD {sagas}:commands * type StartSaga saga x2 data {}\n'
    printf "XADD {sagas}:commands * type StartSaga saga x3 definition place-order data '%s'\n" '{"steps":{}}'
    printf 'XADD {sagas}:commands * type StartSaga saga "x 4" definition place-order\n'
    printf 'XADD {sagas}:commands * type CancelSaga saga nobody\n'
    printf 'XADD {sagas}:commands * type CancelSaga\n'
    printf 'XADD {sagas}:replies * type StepSucceeded saga good1 step create-order\n'
}

nested() { # DEPTH
    printf '{"a":'
    printf '[%.0s' $(seq 2 "$1")
    printf ']%.0s' $(seq 2 "$1")
    printf '}'
}

# Replies that nobody waits for, an order that comes too late, a step's command once more.
ghosts() {
    printf 'XADD {sagas}:replies * type StepSucceeded saga nowhere step create-order action execute data {}\n'
    printf 'XADD {sagas}:replies * type StepFailed saga good1 step process-payment action execute data {}\n'
    printf 'XADD {sagas}:commands * type CancelSaga saga good1\n'
    printf 'XADD {sagas}:commands * type ResumeSaga saga mended step create-order decision skip\n'
    printf 'XADD {payments}:commands * type ProcessPayment saga good1 step process-payment action execute id good1/process-payment/execute data %s\n' \
        "'{\"orderId\":\"good1\",\"customerId\":\"c1\",\"amount\":1000}'"
}

# The books stay, nobody works on them any more.
stop_workers() {
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
