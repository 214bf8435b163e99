#!/usr/bin/env bash
# Follows the README's "When something is stuck" word for word: a suspended saga is found, understood
# and resumed, a dead letter mended and replayed once. Then what stands there in words alone: many at
# once, an editor, dropping, and who has done it.
set -euo pipefail

# shellcheck source=tests/end_to_end/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# The code block behind "<!-- stuck: NAME -->", without the indentation of its list.
block() { # NAME
    awk -v mark="<!-- stuck: $1 -->" '
        index($0, mark) { found = 1; next }
        found && /^ *```/ { if (inside) exit; inside = 1; next }
        found && inside { sub(/^   /, ""); print }' "$root/README.md"
}

# Runs a block as a reader would; what it says is kept, its exit code in $code.
follow() { # NAME [LETTER]
    local commands
    commands=$(block "$1")
    [[ $commands ]] || stop_with "the README has no block '$1'"
    bash -c "${commands//LETTER/${2:-}}" >"$dir/said" 2>&1 && code=0 || code=$?
}

says() { # TEXT
    [[ $(<"$dir/said") == *"$1"* ]] || {
        printf '"%s" is not in: %s\n' "$1" "$(<"$dir/said")"
        return 1
    }
}

fails_with() { # CODE COMMAND...
    local wanted=$1 given=0
    shift
    "$@" >"$dir/said" 2>&1 || given=$?
    same "$given" "$wanted"
}

letter_of() { # ID OF THE MESSAGE
    redis XRANGE '{payments}:dead' - + | awk -v id="$1" '
        /^[0-9]+-[0-9]+$/ { entry = $0 }
        $0 == id { print entry; exit }'
}

has_letter() { # ID
    [[ $(letter_of "$1") ]]
}

balance() { # CUSTOMER
    redis HGET "{payments}:account:$1" balance
}

bury() { # ID CUSTOMER
    weir send payments OpenAccount --id "$1" --data "{\"customerId\":\"$2\",\"balance\":\"much\"}" >/dev/null
    await has_letter "$1"
}

cd "$dir"
mkdir run
shop_up "$dir/run"
redis() {
    "$cli" -s "$dir/run/redis.sock" "$@"
}
export REDIS_URL=unix://$dir/run/redis.sock PATH=$bin:$PATH WEIR_OPERATOR=night-shift

# ---- As the README has it -------------------------------------------------------------------

follow start
check 'the order is suspended' says 'suspended: compensation of create-order: simulated refusal'
check 'and the exit code says so' same "$code" 4

follow look
check 'it is listed' says $'o7\tplace-order\t1\tsuspended'
check 'what it waits for is told' says 'until an operator resumes it with retry or skip'
check 'and the error of its step' says $'create-order\tcompensating\t1\t3'

follow mend
check 'it ends as undone' says 'compensated: send-shipping-notification: simulated refusal'
check 'and the exit code says so' same "$code" 3
expect 'the payment is given back' 5000 balance c7
expect 'and the read model knows' cancelled redis HGET '{views}:order:o7' status

follow many
check 'nothing else is stuck' says 'no saga fits'

follow bury
check 'a letter comes of it' await has_letter open-c9
follow letters
check 'its reason is counted' says $'1\t'
check 'and it is listed' says "$(letter_of open-c9)"
letter=$(letter_of open-c9)
follow replay "$letter"
check 'it is shown' says '"balance": "much"'
check 'and replayed' says 'OpenAccount: replayed, it is '
expect 'it takes effect' 500 balance c9
follow replay "$letter"
check 'once' same "$code" 1
check 'and who did it is told' says 'it was replayed by night-shift at '

# ---- What it says in words ------------------------------------------------------------------

bury open-c10 c10
check 'an editor mends a letter' script -qec \
    "EDITOR='sed -i s/.much./77/' weir dead payments replay $(letter_of open-c10) --edit" /dev/null
expect 'which takes effect' 77 balance c10

bury open-c11 c11
bury open-c12 c12
check 'a run over many wants --yes' fails_with 64 weir dead payments drop --reason balance
check 'or shows what it would do' fails_with 0 weir dead payments drop --reason balance --dry-run
check 'and does nothing' same "$(redis XLEN '{payments}:dead')" 2
check 'letters are dropped' fails_with 0 weir dead payments drop --reason balance --yes
check 'and gone' same "$(redis XLEN '{payments}:dead')" 0

for i in 1 2 3; do
    start_order "m$i" place-order c7 10 '' 0 \
        '{"send-shipping-notification":"fail","create-order/compensate":"fail"}' |
        sed 's/,"productId":"","quantity":0//' | redis >/dev/null
done
expect 'three are stuck' 3 redis ZCARD '{sagas}:state:suspended'
check 'a filter names them first' fails_with 0 weir resume --skip --definition place-order \
    --matching create-order --dry-run
check 'all three' says '3 of 3 sagas would be'
check 'and changes nothing' same "$(redis ZCARD '{sagas}:state:suspended')" 3
for i in 1 2 3; do weir send orders CancelOrder --data "{\"orderId\":\"m$i\"}" --wait >/dev/null; done
check 'they are resumed together' fails_with 3 weir resume --skip --definition place-order \
    --matching create-order --yes --wait
check 'which is told' says '3 of 3 sagas resumed'
check 'and done' same "$(redis ZCARD '{sagas}:state:compensated')" 4

actions=$(weir actions --who night-shift)
check 'what was done is recorded' grep -qP '\tresume\to7\tdone\t' <<<"$actions"
check 'and what was done to many' grep -qP '\tresume\t3 sagas\t3 of 3 sagas resumed\t' <<<"$actions"
check 'replays, too' grep -qP "\\tdead replay\\tpayments $letter\\tdone\\t" <<<"$actions"
