#!/usr/bin/env bash
# Two hundred HTTP clients at once, while a payments worker is killed with kill -9 every five seconds:
# every answer is right, none is lost, no order is there twice, and the books are whole.
set -euo pipefail

# shellcheck source=tests/end_to_end/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

clients=200
seconds=10
pause_s=5
seed=${TEST_SEED:-7}

while [[ $# -gt 0 ]]; do
    case $1 in
    --clients) clients=${2:?} && shift ;;
    --seconds) seconds=${2:?} && shift ;;
    --pause) pause_s=${2:?} && shift ;;
    --seed) seed=${2:?} && shift ;;
    *)
        printf 'Usage: %s [--clients N] [--seconds N] [--pause SECONDS] [--seed N]\n' "$0" >&2
        exit 64
        ;;
    esac
    shift
done

set_up() {
    local i
    make -s -C "$root" BUILD="${WEIR_BUILD:-$root/build}" "${WEIR_BUILD:-$root/build}/tests/gateway/clients"
    shop_up
    {
        for ((i = 0; i < 20; i++)); do
            open_account "c$i" 100000000000
            open_account "poor$i" 50
        done
        for ((i = 0; i < 5; i++)); do
            create_product "p$i" 100000000
            create_product "rare$i" 0
        done
    } | redis >/dev/null
    expect 'accounts are open' 50 redis HGET '{payments}:account:poor19' balance
    expect 'products are there' 0 redis HGET '{catalog}:product:rare4' stock
}

# The supervisor starts it again.
kill_now_and_then() {
    local next pid
    next=$(($(now_ms) + pause_s * 500)) # the first one soon, so that a short run has some
    kills=0
    while kill -0 "$load" 2>/dev/null; do
        if (($(now_ms) >= next)); then
            pid=$(<"$dir/payments.pid") && kill -KILL "$pid" 2>/dev/null && kills=$((kills + 1))
            next=$((next + pause_s * 1000))
        fi
        sleep 0.05
    done
}

# ---- What came of it ------------------------------------------------------------------------

# Beside each answer the saga's state: "id wanted status repetitions seen state".
join_states() {
    cut -d ' ' -f 1 "$dir/answers.txt" | sed 's/^/HGET {sagas}:saga:/; s/$/ state/' | redis >"$dir/states.txt"
    paste -d ' ' "$dir/answers.txt" "$dir/states.txt" >"$dir/joined.txt"
}

# Lines for which the awk condition holds are wrong.
none_is() { # CONDITION
    local wrong
    wrong=$(awk "$1" "$dir/joined.txt")
    [[ -z $wrong ]] || {
        printf '%s are wrong (id, wanted, status, repetitions, seen, state): %s\n' \
            "$(wc -l <<<"$wrong")" "$(head -n 5 <<<"$wrong" | tr '\n' ',')"
        return 1
    }
}

figure_is() { # NAME VALUE
    same "$(sed -n "s/.*$1 \([0-9]*\).*/\1/p" "$dir/clients.out")" "$2"
}

# The conditions are awk's.
# shellcheck disable=SC2016
judge() {
    local orders
    orders=$(wc -l <"$dir/answers.txt")
    join_states
    check "all $orders orders were answered" none_is '$3 == 0'
    check 'and by nothing but 201, 202 and 409' none_is '$3 != 201 && $3 != 202 && $3 != 409'
    check '201: the order is completed' none_is '$3 == 201 && $6 != "completed"'
    check '409: all is undone' none_is '$3 == 409 && $6 != "compensated"'
    check '202: it has ended one way or the other' \
        none_is '$3 == 202 && $6 != "completed" && $6 != "compensated"'
    check 'no good order was refused' none_is '$2 == "good" && $3 == 409'
    check 'no bad order was taken' none_is '$2 == "bad" && ($3 == 201 || $6 == "completed")'
    check 'no order is there twice, and none is lost' same \
        "$(($(redis ZCARD '{sagas}:state:completed') + $(redis ZCARD '{sagas}:state:compensated')))" "$orders"
    check 'every client got an answer in the end' figure_is 'given up' 0
    check 'after 201 the order was seen, shipped' figure_is 'not seen' 0
    check 'a repetition was told the first outcome' figure_is 'other outcome' 0
}

main() {
    local address load kills
    printf 'seed %s, %s clients, %s s\n' "$seed" "$clients" "$seconds"
    set_up
    address=$(<"$dir/gateway.address")
    "${WEIR_BUILD:-$root/build}/tests/gateway/clients" --address "$address" --clients "$clients" \
        --seconds "$seconds" --seed "$seed" --mix orders --out "$dir/answers.txt" >"$dir/clients.out" 2>&1 &
    load=$!
    children+=("$load")
    kill_now_and_then
    check 'the clients have come to their end' wait "$load"
    sed 's/^/      /' "$dir/clients.out"
    printf '      %s kills; %s\n' "$kills" "$(cut -d ' ' -f 2,3 "$dir/answers.txt" | sort | uniq -c | tr -s ' \n' ' ')"
    check "a payments worker was killed $kills times, and came back" \
        test "$kills" -gt 0 -a "$(grep -c ' supervisor: .* ended with 137' "$dir/payments.log")" -eq "$kills"
    await_rest "$(wc -l <"$dir/answers.txt")"
    judge
    cut -d ' ' -f 1 "$dir/answers.txt" >"$dir/ids.txt"
    check_books --starts "$dir/ids.txt" --explained
    check 'the gateway was there all the time' same "$(grep -c gateway.started "$dir/gateway.log")" 1
}

main
