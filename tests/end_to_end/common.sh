# shellcheck shell=bash
# What the end-to-end tests share: a folder and a shop of their own, checks, waiting on conditions.
# Sourced first, after `set -euo pipefail`.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cli=$(command -v redis-cli || command -v valkey-cli) || {
    printf 'redis-cli is not installed\n' >&2
    exit 1
}
limit=${TEST_LIMIT:-30} # seconds to wait for anything
# shellcheck disable=SC2034 # for the tests
bin=${WEIR_BUILD:-$root/build}/bin
test_name=$(basename "$0" .sh)
checks_failed=0
shops=()
children=()

# The tests bring their own server, whatever the caller uses.
unset REDIS_URL WEIR_NAMESPACE WEIR_CLAIM_IDLE WEIR_GROUP WEIR_CONSUMER WEIR_LOG_LEVEL \
    WEIR_LOG_FORMAT SHOP_REDIS_OPTIONS

# ---- The folder, and what is left of a test -------------------------------------------------

clean_up() {
    local code=$? child folder
    trap - EXIT
    trap '' INT TERM
    for child in "${children[@]}"; do
        kill "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    done
    for folder in "${shops[@]}"; do
        "$root/scripts/shop.sh" down "$folder" >/dev/null 2>&1 || true
    done
    if [[ $code -eq 0 && $checks_failed -eq 0 ]]; then
        if [[ ${TEST_KEEP:-} ]]; then
            printf '%s: all of it is kept in %s\n' "$test_name" "$dir"
        else
            rm -rf "$dir"
        fi
        printf '%s: %s s\npassed\n' "$test_name" "$SECONDS"
        exit 0
    fi
    printf '%s: %s checks failed, %s s, all of it is kept in %s\nfailed\n' "$test_name" \
        "$checks_failed" "$SECONDS" "$dir"
    exit 1
}

dir=$(mktemp -d "${TMPDIR:-/tmp}/weir-$test_name.XXXXXX")
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Starts a shop in DIR (default: the test's own folder), which ends with the test.
# shellcheck disable=SC2120 # the folder may be left out
shop_up() { # [DIR]
    shops+=("${1:-$dir}")
    "$root/scripts/shop.sh" up "${1:-$dir}" >"${1:-$dir}/up.out" 2>&1 || {
        cat "${1:-$dir}/up.out"
        stop_with "the shop did not start"
    }
}

redis() {
    "$cli" -s "$dir/redis.sock" "$@"
}

# ---- Checks ---------------------------------------------------------------------------------

ok() { # NAME
    printf 'ok    %s\n' "$1"
}

fault() { # NAME WHY
    checks_failed=$((checks_failed + 1))
    printf 'FAIL  %s: %s\n' "$1" "${2:0:600}"
    if ((checks_failed >= 20)); then
        printf 'too many to go on\n'
        exit 1
    fi
}

stop_with() { # WHY
    fault "$test_name" "$1"
    exit 1
}

now_ms() {
    local seconds=${EPOCHREALTIME/[.,]/}
    printf '%s\n' "${seconds%???}"
}

# Repeats a command until it succeeds; false when the limit is over.
await() { # COMMAND...
    local deadline=$(($(now_ms) + limit * 1000))
    until "$@"; do
        (($(now_ms) < deadline)) || return 1
        sleep 0.02
    done
}

# Repeats a command until it prints what is expected. After a first wait in vain the others are short.
expect() { # NAME PATTERN COMMAND...: an extended regular expression for all of the output
    local name=$1 pattern="^($2)$" deadline=$(($(now_ms) + limit * 1000)) output
    shift 2
    while :; do
        output=$("$@" 2>&1) || true
        if [[ $output =~ $pattern ]]; then
            ok "$name"
            return 0
        fi
        if (($(now_ms) >= deadline)); then
            fault "$name" "in $limit s this did not become ${pattern:0:200}, but stayed ${output:-empty}"
            limit=2
            return 0
        fi
        sleep 0.02
    done
}

# What has to hold now and needs no waiting.
check() { # NAME COMMAND...
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then
        ok "$name"
    else
        fault "$name" "${output:-it does not hold}"
    fi
}

same() { # ONE OTHER
    [[ $1 == "$2" ]] || {
        printf '%s instead of %s\n' "$1" "$2"
        return 1
    }
}

# ---- Orders ---------------------------------------------------------------------------------

open_account() { # CUSTOMER CENTS
    printf 'XADD {payments}:commands * type OpenAccount data %s\n' \
        "'{\"customerId\":\"$1\",\"balance\":$2}'"
}

create_product() { # PRODUCT STOCK
    printf 'XADD {catalog}:commands * type CreateProduct data %s\n' \
        "'{\"productId\":\"$1\",\"name\":\"Lamp $1\",\"price\":1999,\"stock\":$2}'"
}

# Saga and order have the same id.
start_order() { # ID DEFINITION CUSTOMER AMOUNT PRODUCT QUANTITY [SIMULATE]
    printf 'XADD {sagas}:commands * type StartSaga saga %s definition %s data %s\n' "$1" "$2" \
        "'{\"orderId\":\"$1\",\"customerId\":\"$3\",\"amount\":$4,\"productId\":\"$5\",\"quantity\":$6${7:+,\"simulate\":$7}}'"
}

# The shop's definition under another NAME, with other limits for each step. It is put by hand, as
# the contract allows.
put_definition() { # NAME TIMEOUT_MS ATTEMPTS
    local json
    json=$(sed -E -e "s/\"name\": \"place-order\"/\"name\": \"$1\"/" \
        -e "s/\"timeoutMs\": 5000, \"attempts\": 3, \"backoffMs\": 200/\"timeoutMs\": $2, \"attempts\": $3, \"backoffMs\": 50/" \
        "$root/workers/place-order.json" | tr -d '\n')
    [[ $json == *"\"timeoutMs\": $2, \"attempts\": $3,"* ]] || stop_with "workers/place-order.json has other limits"
    redis HSET "{sagas}:definition:$1" latest 1 1 "$json" >/dev/null
}

# ---- Rest -----------------------------------------------------------------------------------

# True when no saga and no message is on its way any more, and the read models have seen it all.
at_rest() { # NUMBER OF SAGAS THAT HAVE ENDED OR ARE SUSPENDED, at the least
    local answer
    answer=$(redis eval "$rest_script" 0 "${1:-0}" 2>/dev/null) && [[ $answer == 1 ]]
}

read -r -d '' rest_script <<'LUA' || true
#!lua flags=no-writes
local ended = 0
for _, state in ipairs({ 'completed', 'compensated', 'suspended' }) do
    ended = ended + redis.call('ZCARD', '{sagas}:state:' .. state)
end
if ended < tonumber(ARGV[1]) then return 0 end
for _, state in ipairs({ 'running', 'compensating' }) do
    if redis.call('EXISTS', '{sagas}:state:' .. state) == 1 then return 0 end
end
local last = {}
for _, tag in ipairs({ 'sagas', 'orders', 'payments', 'catalog', 'notifications' }) do
    for _, name in ipairs({ ':commands', ':replies' }) do
        if redis.call('XLEN', '{' .. tag .. '}' .. name) > 0 then return 0 end
    end
    if redis.call('EXISTS', '{' .. tag .. '}:scheduled') == 1 then return 0 end
    local key = '{' .. tag .. '}:events'
    local entry = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
    last[key] = entry and entry[1]
    if entry then
        for _, group in ipairs(redis.call('XINFO', 'GROUPS', key)) do
            for i = 1, #group, 2 do
                if group[i] == 'pending' and group[i + 1] > 0 then return 0 end
                if group[i] == 'last-delivered-id' and group[i + 1] < entry[1] then return 0 end
            end
        end
    end
end
last['{sagas}:events'] = nil
for key, id in pairs(last) do
    if redis.call('HGET', '{views}:checkpoint:shop', key) ~= id then return 0 end
end
return 1
LUA

# What is still on its way, for a test that waits in vain.
show_unrest() {
    local state tag
    for state in running compensating suspended completed compensated; do
        printf '      %s: %s\n' "$state" "$(redis ZCARD "{sagas}:state:$state" 2>&1)"
    done
    for tag in sagas orders payments catalog notifications; do
        printf '      %s: commands %s, scheduled %s, dead %s\n' "$tag" \
            "$(redis XLEN "{$tag}:commands" 2>&1)" "$(redis ZCARD "{$tag}:scheduled" 2>&1)" \
            "$(redis XLEN "{$tag}:dead" 2>&1)"
    done
    printf '      replies %s\n' "$(redis XLEN '{sagas}:replies' 2>&1)"
}

await_rest() { # NUMBER OF SAGAS
    if await at_rest "$1"; then
        ok "all at rest after ${SECONDS} s"
    else
        fault 'all at rest' "not in $limit s:"
        show_unrest
    fi
}

# The books, as one check each.
check_books() { # OPTIONS of check_books.sh
    local output
    output=$(bash "$here/check_books.sh" "$@" "$dir" 2>&1) || true
    printf '%s\n' "$output" | sed -e '$d' -e 's/^\(ok  \|FAIL\)  /\1  books: /'
    checks_failed=$((checks_failed + $(grep -c '^FAIL' <<<"$output" || true)))
    [[ ${output##*$'\n'} == passed || $output == *FAIL* ]] || fault books "${output##*$'\n'}"
}

sagas_by_state() {
    local state
    for state in running compensating completed compensated suspended; do
        printf '%s %s  ' "$state" "$(redis ZCARD "{sagas}:state:$state")"
    done
}
