#!/usr/bin/env bash
# Hundreds of orders with branches side by side while three coordinators are killed in turn with
# kill -9, and operators cancel some of the orders at random moments: every saga ends as it has to,
# and the books are whole.
set -euo pipefail

# shellcheck source=tests/end_to_end/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

orders=600
kills_wanted=10
pause_ms=300
seed=${TEST_SEED:-$RANDOM}
names=(weir-coordinator weir-coordinator-2 weir-coordinator-3)

while [[ $# -gt 0 ]]; do
    case $1 in
    --orders) orders=${2:?} && shift ;;
    --seed) seed=${2:?} && shift ;;
    --pause-ms) pause_ms=${2:?} && shift ;;
    *)
        printf 'Usage: %s [--orders N] [--seed N] [--pause-ms N]\n' "$0" >&2
        exit 64
        ;;
    esac
    shift
done

# ---- The orders -----------------------------------------------------------------------------

# create-order, then reserve-stock and process-payment side by side, then the notification.
put_branching() { # NAME TIMEOUT_MS ATTEMPTS
    local limits="\"timeoutMs\":$2,\"attempts\":$3,\"backoffMs\":50" json
    json="{\"name\":\"$1\",\"version\":1,\"timeoutMs\":60000,\"steps\":["
    json+="{\"name\":\"create-order\",\"service\":\"orders\",\"command\":\"CreateOrder\",\"compensation\":\"CancelOrder\",$limits},"
    json+="{\"name\":\"reserve-stock\",\"service\":\"catalog\",\"command\":\"ReserveStock\",\"compensation\":\"ReleaseStock\",\"after\":[\"create-order\"],$limits},"
    json+="{\"name\":\"process-payment\",\"service\":\"payments\",\"command\":\"ProcessPayment\",\"compensation\":\"RefundPayment\",\"after\":[\"create-order\"],$limits},"
    json+="{\"name\":\"send-shipping-notification\",\"service\":\"notifications\",\"command\":\"SendShippingNotification\",\"compensation\":\"CancelShippingNotification\",\"after\":[\"reserve-stock\",\"process-payment\"],$limits}]}"
    redis HSET "{sagas}:definition:$1" latest 1 1 "$json" >/dev/null
}

# Of each hundred: some refused in one branch or in both, some slow in one of them, some silent.
# Each tenth is cancelled on its way; a slow first step gives time for that.
write_orders() { # INTO starts.txt commands, outcomes.txt "id state", cancels.txt ids
    awk -v orders="$orders" -v seed="$seed" -v starts="$dir/starts.txt" \
        -v outcomes="$dir/outcomes.txt" -v cancels="$dir/cancels.txt" '
    function start(id, definition, customer, amount, product, simulate) {
        printf "XADD {sagas}:commands * type StartSaga saga %s definition %s data '\''{\"orderId\":\"%s\",\"customerId\":\"%s\",\"amount\":%d", id, definition, id, customer, amount > starts
        if (product != "")
            printf ",\"productId\":\"%s\",\"quantity\":%d", product, 1 + int(rand() * 3) > starts
        if (simulate != "")
            printf ",\"simulate\":{%s}", simulate > starts
        printf "}'\''\n" > starts
    }
    function later(step, most) {
        return sprintf("\"%s\":\"slow:%d\"", step, int(rand() * most))
    }
    BEGIN {
        srand(seed)
        printf "" > cancels
        for (i = 1; i <= orders; i++) {
            id = "o" i
            customer = "c" int(rand() * 20)
            product = "p" int(rand() * 5)
            amount = 100 + int(rand() * 900)
            definition = "branching-order"
            dice = i % 100
            simulate = later("create-order", 3000)
            state = "completed"
            if (i % 10 == 0) { simulate = later("create-order", 4000); print id > cancels; state = "any" }
            else if (dice < 4) { customer = "poor"; amount = 100000; state = "compensated" }
            else if (dice < 7) { product = "rare"; state = "compensated" }
            else if (dice < 9) { customer = "nobody"; product = "rare"; state = "compensated" }
            else if (dice < 13) { simulate = "\"send-shipping-notification\":\"fail\"," later("process-payment", 300); state = "compensated" }
            else if (dice < 16) { simulate = "\"process-payment\":\"fail\"," later("reserve-stock", 300); state = "compensated" }
            else if (dice < 19) { simulate = "\"reserve-stock\":\"fail\"," later("process-payment", 300); state = "compensated" }
            else if (dice < 22) { simulate = "\"process-payment\":\"swallow\""; state = "compensated"; definition = "hasty-order" }
            else if (dice < 25) { simulate = "\"reserve-stock\":\"swallow\""; state = "compensated"; definition = "hasty-order" }
            else if (dice < 30) simulate = later("process-payment", 300) "," later("reserve-stock", 300)
            else if (dice < 34) { simulate = "\"send-shipping-notification\":\"fail\"," later("process-payment/compensate", 200); state = "compensated" }
            else if (dice < 38) product = ""
            start(id, definition, customer, amount, product, simulate)
            print id, state > outcomes
        }
    }'
}

set_up() {
    local i
    shop_up "$dir"
    for ((i = 1; i < ${#names[@]}; i++)); do
        "$root/scripts/shop.sh" start weir-coordinator "$dir" >>"$dir/up.out"
    done
    {
        for ((i = 0; i < 20; i++)); do open_account "c$i" 10000000; done
        open_account poor 500
        for ((i = 0; i < 5; i++)); do create_product "p$i" 1000000; done
        create_product rare 0
    } | redis >/dev/null
    put_branching branching-order 10000 5
    put_branching hasty-order 1000 2
    expect 'accounts are open' 500 redis HGET '{payments}:account:poor' balance
    expect 'products are there' 0 redis HGET '{catalog}:product:rare' stock
}

# ---- Killing and cancelling -----------------------------------------------------------------

kill_coordinator() { # NAME
    local pid
    pid=$(<"$dir/$1.pid") 2>/dev/null || return 0
    if kill -KILL "$pid" 2>/dev/null; then
        kills=$((kills + 1))
    fi
}

# Some of those to be cancelled, at a moment that depends on chance and not on their state.
cancel_some() {
    local id
    for id in "${to_cancel[@]:cancelled:$1}"; do
        printf 'XADD {sagas}:commands * type CancelSaga saga %s data %s\n' "$id" \
            "'{\"reason\":\"changed their mind\"}'"
        cancelled=$((cancelled + 1))
    done > >(redis >/dev/null)
    wait $!
}

all_cancelled() {
    ((cancelled >= ${#to_cancel[@]}))
}

# In turn, each after the pause, until all is done.
kill_until_done() {
    local began turn=0
    RANDOM=$seed
    began=$(now_ms)
    while :; do
        kill_coordinator "${names[turn % ${#names[@]}]}"
        turn=$((turn + 1))
        all_cancelled || cancel_some $((1 + RANDOM % 10))
        while (($(now_ms) < began + turn * pause_ms)); do
            all_cancelled && at_rest "$orders" && return 0
            sleep 0.05
        done
        (($(now_ms) - began < limit * 1000)) || return 0
    done
}

# ---- What came of it ------------------------------------------------------------------------

states_as_expected() {
    local wrong
    sed 's/^\([^ ]*\) .*/HGET {sagas}:saga:\1 state/' "$dir/outcomes.txt" | redis >"$dir/states.txt"
    wrong=$(paste -d ' ' "$dir/outcomes.txt" "$dir/states.txt" |
        awk '$2 == "any" ? $3 !~ /^comp/ : $2 != $3')
    [[ -z $wrong ]] || {
        printf '%s sagas ended otherwise (id, expected, is): %s\n' "$(wc -l <<<"$wrong")" \
            "$(head -n 5 <<<"$wrong" | tr '\n' ',')"
        return 1
    }
}

# Completed before they heard of it, or cancelled and undone; both have to occur.
cancelled_as_told() {
    local reasons
    reasons=$(sed 's/.*/HGET {sagas}:saga:& reason/' "$dir/cancels.txt" | redis)
    undone=$(grep -c '^cancelled: changed their mind' <<<"$reasons" || true)
    printf '%s of %s were cancelled in time\n' "$undone" "${#to_cancel[@]}"
    ((undone >= ${#to_cancel[@]} / 10))
}

# An order to cancel what has ended is refused, and says why; nothing else is dead.
dead_letters_are_refused_cancels() {
    local others
    others=$(redis --json XRANGE '{sagas}:dead' - + | grep -c '"type"' || true)
    same "$others" "$(redis --json XRANGE '{sagas}:dead' - + | grep -c '"CancelSaga"' || true)"
}

main() {
    local kills=0 cancelled=0 to_cancel=() undone=0 began
    printf 'seed %s, %s orders\n' "$seed" "$orders"
    set_up
    write_orders
    mapfile -t to_cancel <"$dir/cancels.txt"
    began=$(now_ms)
    redis <"$dir/starts.txt" >"$dir/accepted.txt"
    check "$orders starts accepted" same "$(grep -cE '^[0-9]+-[0-9]+$' "$dir/accepted.txt")" "$orders"
    kill_until_done
    await_rest "$orders"
    printf '      %s orders in %s ms, %s kills: %s\n' "$orders" "$(($(now_ms) - began))" "$kills" \
        "$(sagas_by_state)"
    check "killed $kills times, $kills_wanted at the least" test "$kills" -ge "$kills_wanted"
    check 'every order ended as it had to' states_as_expected
    check 'cancelled orders are undone' cancelled_as_told
    check 'only late cancels are dead letters' dead_letters_are_refused_cancels
    cut -d ' ' -f 1 "$dir/outcomes.txt" >"$dir/ids.txt"
    check_books --starts "$dir/ids.txt" --explained
}

main
