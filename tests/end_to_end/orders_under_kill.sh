#!/usr/bin/env bash
# A thousand orders at once while one of three payments processes is killed with kill -9 every
# second: every saga ends as it has to, and the books are whole.
set -euo pipefail

# shellcheck source=tests/end_to_end/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

orders=1000
kills_wanted=4
pause_ms=1000
seed=${TEST_SEED:-$RANDOM}
names=(payments payments-2 payments-3)

while [[ $# -gt 0 ]]; do
    case $1 in
    --orders) orders=${2:?} && shift ;;
    --seed) seed=${2:?} && shift ;;
    --victims) read -ra names <<<"${2:?}" && shift ;;
    --pause-ms) pause_ms=${2:?} && shift ;;
    *)
        printf 'Usage: %s [--orders N] [--seed N] [--victims "NAME..."] [--pause-ms N]\n' "$0" >&2
        exit 64
        ;;
    esac
    shift
done

# ---- The orders -----------------------------------------------------------------------------

# Of each hundred: some refused for lack of funds or of stock, for an unknown customer, by a step
# that fails on demand; some slow, silent or deadly. The rest is good, and a third of it arrives at
# the payments bit by bit, so that there is something to kill at any time.
write_orders() { # INTO starts.txt commands, outcomes.txt "id state"
    awk -v orders="$orders" -v seed="$seed" -v starts="$dir/starts.txt" \
        -v outcomes="$dir/outcomes.txt" '
    function start(id, definition, customer, amount, product, quantity, simulate, state) {
        printf "XADD {sagas}:commands * type StartSaga saga %s definition %s data '\''{\"orderId\":\"%s\",\"customerId\":\"%s\",\"amount\":%d", id, definition, id, customer, amount > starts
        if (product != "")
            printf ",\"productId\":\"%s\",\"quantity\":%d", product, quantity > starts
        if (simulate != "")
            printf ",\"simulate\":{%s}", simulate > starts
        printf "}'\''\n" > starts
        print id, state > outcomes
    }
    function later(step, most) {
        return sprintf("\"%s\":\"slow:%d\"", step, int(rand() * most))
    }
    BEGIN {
        srand(seed)
        for (i = 1; i <= orders; i++) {
            id = "o" i
            customer = "c" int(rand() * 20)
            amount = 100 + int(rand() * 900)
            product = "p" int(rand() * 5)
            quantity = 1 + int(rand() * 3)
            dice = i % 100
            simulate = ""
            state = "completed"
            definition = "place-order"
            if (dice < 4) { customer = "poor"; amount = 100000; state = "compensated" }
            else if (dice < 7) { product = "rare"; state = "compensated" }
            else if (dice < 9) { customer = "nobody"; state = "compensated" }
            else if (dice < 10) { product = "nothing"; state = "compensated" }
            else if (dice < 13) { simulate = "\"send-shipping-notification\":\"fail\""; state = "compensated" }
            else if (dice < 15) { simulate = "\"process-payment\":\"fail\""; state = "compensated" }
            else if (dice < 16) { simulate = "\"process-payment\":\"swallow\""; state = "compensated"; definition = "hasty-order" }
            else if (dice < 17) { simulate = "\"reserve-stock\":\"swallow\""; state = "compensated"; definition = "hasty-order" }
            else if (dice < 19) simulate = later("process-payment", 200)
            else if (dice < 21) simulate = "\"send-shipping-notification\":\"fail\"," later("process-payment/compensate", 200)
            else if (dice < 24) product = ""
            else if (dice < 50) simulate = later("create-order", 4600)
            else if (i == 51 || i == 352) simulate = "\"process-payment\":\"crash\""
            else if (i == 653) simulate = "\"reserve-stock\":\"crash\""
            if (dice >= 19 && dice < 21) state = "compensated"
            start(id, definition, customer, amount, product, quantity, simulate, state)
        }
    }'
}

set_up() {
    local i
    shop_up "$dir"
    "$root/scripts/shop.sh" start payments "$dir" >>"$dir/up.out"
    "$root/scripts/shop.sh" start payments "$dir" >>"$dir/up.out"
    {
        for ((i = 0; i < 20; i++)); do open_account "c$i" 10000000; done
        open_account poor 500
        for ((i = 0; i < 5; i++)); do create_product "p$i" 1000000; done
        create_product rare 0
    } | redis >/dev/null
    put_definition hasty-order 1500 2
    expect 'accounts are open' 20000000 money_in_accounts c0 c19
    expect 'products are there' 0 redis HGET '{catalog}:product:rare' stock
}

money_in_accounts() { # CUSTOMER...
    local sum=0 customer
    for customer in "$@"; do
        sum=$((sum + $(redis HGET "{payments}:account:$customer" balance)))
    done
    printf '%s\n' "$sum"
}

# ---- The killing ----------------------------------------------------------------------------

kill_worker() { # NAME
    local pid
    pid=$(<"$dir/$1.pid") || return 0
    if kill -KILL "$pid" 2>/dev/null; then
        kills=$((kills + 1))
    fi
}

# Every second one of them, in an order that the seed gives, until all is done and enough have
# been killed while there was work.
kill_until_done() {
    local victims=() began
    RANDOM=$seed
    began=$(now_ms)
    kills=0
    while :; do
        [[ ${#victims[@]} -gt 0 ]] || mapfile -t victims < <(shuffle "${names[@]}")
        kill_worker "${victims[0]}"
        victims=("${victims[@]:1}")
        wait_or_rest "$((began + kills * pause_ms))" && return 0
        (($(now_ms) - began < limit * 1000)) || return 0
    done
}

shuffle() { # NAME..., by the seed and how often it was called
    printf '%s\n' "$@" | awk -v seed="$((seed + kills))" '
        BEGIN { srand(seed) } { print rand(), $0 }' | sort -n | cut -d ' ' -f 2
}

# True when all was done before the time for the next kill came.
wait_or_rest() { # UNTIL_MS
    while (($(now_ms) < $1)); do
        at_rest "$orders" && return 0
        sleep 0.05
    done
    return 1
}

# ---- What came of it ------------------------------------------------------------------------

states_as_expected() {
    local wrong
    sed 's/^\([^ ]*\) .*/HGET {sagas}:saga:\1 state/' "$dir/outcomes.txt" | redis >"$dir/states.txt"
    wrong=$(paste -d ' ' "$dir/outcomes.txt" "$dir/states.txt" | awk '$2 != $3')
    [[ -z $wrong ]] || {
        printf '%s sagas ended otherwise (id, expected, is): %s\n' "$(wc -l <<<"$wrong")" \
            "$(head -n 5 <<<"$wrong" | tr '\n' ',')"
        return 1
    }
}

main() {
    local kills=0 began
    printf 'seed %s, %s orders\n' "$seed" "$orders"
    set_up
    write_orders
    began=$(now_ms)
    redis <"$dir/starts.txt" >"$dir/accepted.txt"
    check "$orders starts accepted in $(($(now_ms) - began)) ms" \
        same "$(grep -cE '^[0-9]+-[0-9]+$' "$dir/accepted.txt")" "$orders"
    kill_until_done
    await_rest "$orders"
    printf '      %s orders in %s ms, %s kills: %s\n' "$orders" "$(($(now_ms) - began))" "$kills" \
        "$(sagas_by_state)"
    check "killed $kills times while there was work, $kills_wanted at the least" test "$kills" -ge "$kills_wanted"
    check 'every order ended as it had to' states_as_expected
    cut -d ' ' -f 1 "$dir/outcomes.txt" >"$dir/ids.txt"
    check_books --starts "$dir/ids.txt" --rebuild
}

main
