#!/usr/bin/env bash
# What is not understood gets its defined answer and stops nothing: sent by redis-cli to every
# service, to the coordinator and as replies; a good order goes through afterwards, by the same
# processes.
set -euo pipefail

# shellcheck source=tests/end_to_end/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

services=(orders payments catalog notifications)
declare -A command_of=([orders]=CreateOrder [payments]=ProcessPayment [catalog]=ReserveStock
    [notifications]=SendShippingNotification [sagas]=StartSaga)
declare -A dead=() # how many dead letters each service should have by now
inputs=0
started=0 # sagas

# ---- Dead letters ---------------------------------------------------------------------------

# The dead letter of an entry: its reason; nothing where there is none. It has to carry the fields
# of the contract, and `deliveries` has to be a number.
reason_of() { # SERVICE ENTRY
    redis eval "
        for _, letter in ipairs(redis.call('XRANGE', '{' .. ARGV[1] .. '}:dead', ARGV[2], '+')) do
            local fields = {}
            for i = 1, #letter[2], 2 do fields[letter[2][i]] = letter[2][i + 1] end
            if fields.entry == ARGV[2] then
                if not tonumber(fields.deliveries) or not (fields.stream or ''):find(ARGV[1], 1, true) then
                    return 'without deliveries or stream'
                end
                return fields.reason
            end
        end" 0 "$1" "$2"
}

expect_dead() { # NAME SERVICE ENTRY PATTERN
    if [[ ! $3 =~ ^[0-9]+-[0-9]+$ ]]; then
        fault "$1" "not accepted by the server: $3"
        return
    fi
    dead[$2]=$((${dead[$2]:-0} + 1))
    inputs=$((inputs + 1))
    expect "$1" "$4" reason_of "$2" "$3"
}

# ---- Data that is no data -------------------------------------------------------------------

# Writes each kind to a file of its own: not JSON, no object, too deep, too long, no UTF-8, NUL.
write_bad_data() {
    mkdir -p "$dir/data"
    cd "$dir/data"
    printf '{"orderId":"b1"' >not-json
    printf '' >empty
    printf '[1,2]' >array
    printf '5' >number
    printf 'null' >null
    printf '{"a":%s1%s}' "$(repeat 1000 '[')" "$(repeat 1000 ']')" >nested
    { printf '{"orderId":"' && head -c 2097152 /dev/zero | tr '\0' x && printf '"}'; } >long
    printf '{"orderId":"b\xff\xfe1"}' >utf8
    printf '{"orderId":"b\xed\xa0\x801"}' >surrogate
    printf '{"orderId":"b\0001"}' >nul
    printf '{"orderId":"b\\u00001"}' >escaped-nul
    printf '{"orderId":"b1","orderId":"b2"}' >twice
    printf '{"orderId":"b1"} {}' >behind
    printf '{"orderId":"b1","customerId":"c1","amount":9223372036854775808}' >overflow
    cd "$root"
}

repeat() { # TIMES TEXT
    printf "%.0s$2" $(seq "$1")
}

send_file() { # FILE ARGUMENTS of XADD, up to the name of the last field
    local file=$1
    shift
    redis -x XADD "$@" <"$dir/data/$file"
}

bad_data_to_services() {
    local service file
    for service in "${services[@]}"; do
        for file in "$dir"/data/*; do
            file=$(basename "$file")
            expect_dead "$service: data $file" "$service" \
                "$(send_file "$file" "{$service}:commands" '*' type "${command_of[$service]}" data)" \
                'data: .*'
        done
    done
}

bad_data_to_the_coordinator() {
    local file
    for file in "$dir"/data/*; do
        file=$(basename "$file")
        expect_dead "start with data $file" sagas \
            "$(send_file "$file" '{sagas}:commands' '*' type StartSaga saga never definition place-order data)" \
            'data: .*'
        expect_dead "reply with data $file" sagas \
            "$(send_file "$file" '{sagas}:replies' '*' type StepSucceeded saga waits step wait action execute data)" \
            'data: .*'
    done
    check 'no saga has come of it' same "$(redis EXISTS '{sagas}:saga:never')" 0
}

# ---- Other fields ---------------------------------------------------------------------------

bad_fields() {
    local service long
    long=$(repeat 129 x)
    for service in "${services[@]}" views sagas; do
        local inbox="{$service}:commands" good=${command_of[$service]:-Anything}
        expect_dead "$service: no type" "$service" "$(redis XADD "$inbox" '*' data '{}')" 'type: .*'
        expect_dead "$service: unknown type" "$service" "$(redis XADD "$inbox" '*' type Nonsense)" 'type: .*'
        expect_dead "$service: type empty" "$service" "$(redis XADD "$inbox" '*' type '')" 'type: .*'
        expect_dead "$service: type out of grammar" "$service" "$(redis XADD "$inbox" '*' type '1 x')" 'type: .*'
        expect_dead "$service: type too long" "$service" "$(redis XADD "$inbox" '*' type "$long")" 'type: .*'
        expect_dead "$service: type twice" "$service" "$(redis XADD "$inbox" '*' type "$good" type "$good")" 'type: .*'
        expect_dead "$service: delay no number" "$service" "$(redis XADD "$inbox" '*' type "$good" delay soon)" 'delay: .*'
        expect_dead "$service: delay negative" "$service" "$(redis XADD "$inbox" '*' type "$good" delay -1)" 'delay: .*'
        expect_dead "$service: id with a blank" "$service" "$(redis XADD "$inbox" '*' type "$good" id 'a b')" 'id: .*'
    done
    expect_dead 'reply without type' sagas "$(redis XADD '{sagas}:replies' '*' saga waits)" 'type: .*'
    expect_dead 'reply of unknown type' sagas "$(redis XADD '{sagas}:replies' '*' type StepDone)" 'type: .*'
    expect_dead 'reply without saga' sagas \
        "$(redis XADD '{sagas}:replies' '*' type StepFailed step wait action execute)" 'saga: .*'
    expect_dead 'reply without step' sagas \
        "$(redis XADD '{sagas}:replies' '*' type StepFailed saga waits action execute)" 'step: .*'
    expect_dead 'reply without action' sagas \
        "$(redis XADD '{sagas}:replies' '*' type StepFailed saga waits step wait)" 'action: .*'
    expect_dead 'reply with another action' sagas \
        "$(redis XADD '{sagas}:replies' '*' type StepFailed saga waits step wait action undo)" 'action: .*'
}

# ---- Amounts --------------------------------------------------------------------------------

amounts=(-1 0 1.5 1e3 '"100"' null true 9223372036854775807 '{}')

bad_amounts() {
    local amount number=0
    for amount in "${amounts[@]}"; do
        number=$((number + 1))
        expect_dead "orders: amount $amount" orders "$(redis XADD '{orders}:commands' '*' type CreateOrder \
            data "{\"orderId\":\"a$number\",\"customerId\":\"c1\",\"amount\":$amount}")" '.*amount.*'
        expect_dead "payments: amount $amount" payments "$(redis XADD '{payments}:commands' '*' type ProcessPayment \
            data "{\"orderId\":\"a$number\",\"customerId\":\"c1\",\"amount\":$amount}")" '.*amount.*'
        start_order "amount$number" place-order c1 "$amount" p1 1 | redis >/dev/null
        started=$((started + 1))
        expect "a saga with amount $amount is refused" $'compensated\n.*amount.*' \
            redis HMGET "{sagas}:saga:amount$number" state reason
    done
    expect_dead 'orders: no amount' orders \
        "$(redis XADD '{orders}:commands' '*' type CreateOrder data '{"orderId":"a0","customerId":"c1"}')" '.*amount.*'
    expect_dead 'orders: no orderId' orders \
        "$(redis XADD '{orders}:commands' '*' type CreateOrder data '{"customerId":"c1","amount":1}')" '.*orderId.*'
    expect_dead 'orders: orderId is a number of an object' orders \
        "$(redis XADD '{orders}:commands' '*' type CreateOrder data '{"orderId":{"a":1},"customerId":"c1","amount":1}')" '.*orderId.*'
    expect_dead 'payments: negative balance' payments \
        "$(redis XADD '{payments}:commands' '*' type OpenAccount data '{"customerId":"c2","balance":-1}')" '.*balance.*'
    expect_dead 'catalog: fractional stock' catalog \
        "$(redis XADD '{catalog}:commands' '*' type CreateProduct data '{"productId":"p2","name":"x","price":1,"stock":0.5}')" '.*stock.*'
    check 'none of it took effect' same "$(redis EXISTS '{orders}:order:a1' '{orders}:order:a9' \
        '{payments}:payment:a1' '{payments}:account:c2' '{catalog}:product:p2')" 0
}

# ---- Malformed commands of a saga -----------------------------------------------------------

# A saga whose step nobody serves, so that we can send the step's command ourselves; `then` is never
# reached.
put_waiting_definition() {
    redis HSET '{sagas}:definition:waiting' latest 1 1 '{"name":"waiting","version":1,"timeoutMs":120000,"steps":[
        {"name":"wait","service":"nobody","command":"Wait","timeoutMs":120000},
        {"name":"then","service":"nobody","command":"Then"}]}' >/dev/null
}

start_waiting() { # ID
    redis XADD '{sagas}:commands' '*' type StartSaga saga "$1" definition waiting data '{}' >/dev/null
    started=$((started + 1))
    expect "saga $1 waits" running redis HGET "{sagas}:saga:$1" step:wait:state
}

step_command() { # SAGA; the fields of a command of its step
    step_fields=(saga "$1" step wait action execute id "$1/wait/execute")
}

malformed_steps() {
    local file id step_fields=()
    for file in not-json array nested long utf8 nul overflow; do
        id=step-$file
        start_waiting "$id"
        step_command "$id"
        expect_dead "payments: a step with data $file" payments "$(send_file "$file" '{payments}:commands' '*' \
            type ProcessPayment "${step_fields[@]}" data)" 'data: .*'
        expect "its answer is StepFailed, with the reason" $'compensated\n.*data.*\nfailed' \
            redis HMGET "{sagas}:saga:$id" state reason step:wait:state
    done
    start_waiting step-type
    step_command step-type
    expect_dead 'payments: a step of unknown type' payments \
        "$(redis XADD '{payments}:commands' '*' type Nonsense "${step_fields[@]}")" 'type: .*'
    expect 'its answer is StepFailed, with the reason' $'compensated\n.*type.*' \
        redis HMGET '{sagas}:saga:step-type' state reason
}

# ---- Starts ---------------------------------------------------------------------------------

bad_starts() {
    local before
    expect_dead 'start of an unknown saga' sagas \
        "$(redis XADD '{sagas}:commands' '*' type StartSaga saga u1 definition no-such data '{}')" '.*definition no-such.*'
    expect_dead 'start without a definition' sagas \
        "$(redis XADD '{sagas}:commands' '*' type StartSaga saga u2 data '{}')" 'definition.*'
    redis HSET '{sagas}:definition:broken' latest 1 1 '{"name":"broken","version":1,"steps":[{"name":"only"}]}' >/dev/null
    expect_dead 'start of a malformed definition' sagas \
        "$(redis XADD '{sagas}:commands' '*' type StartSaga saga u3 definition broken data '{}')" '.*definition broken.*(step|only).*'
    redis HSET '{sagas}:definition:torn' latest 2 1 '{}' >/dev/null
    expect_dead 'start of a version that is not there' sagas \
        "$(redis XADD '{sagas}:commands' '*' type StartSaga saga u4 definition torn data '{}')" '.*definition torn.*'
    expect_dead 'start with an id out of grammar' sagas \
        "$(redis XADD '{sagas}:commands' '*' type StartSaga saga 'u/5' definition place-order data '{}')" 'saga: .*'
    check 'no saga has come of it' same "$(redis EXISTS '{sagas}:saga:u1' '{sagas}:saga:u2' '{sagas}:saga:u3' \
        '{sagas}:saga:u4' '{sagas}:saga:u/5')" 0
    redis XADD '{sagas}:commands' '*' type StartSaga saga bare definition place-order >/dev/null
    started=$((started + 1))
    expect 'a start without data is refused by the first step' $'compensated\n.*orderId.*' \
        redis HMGET '{sagas}:saga:bare' state reason
    inputs=$((inputs + 1))

    start_order first place-order c1 100 p1 1 | redis >/dev/null
    started=$((started + 1))
    expect 'an order completes' completed redis HGET '{sagas}:saga:first' state
    before=$(saga_as_it_is first)
    start_order first place-order c1 999 p1 5 | redis >/dev/null
    start_order first no-such c1 999 p1 5 | redis >/dev/null
    inputs=$((inputs + 2))
    await inbox_handled commands || fault 'second starts' 'they were not handled'
    check 'a second start of the same id changes nothing' same "$(saga_as_it_is first)" "$before"
}

saga_as_it_is() { # ID
    redis HGETALL "{sagas}:saga:$1" | paste - - | sort
    redis XRANGE '{sagas}:events' - + | grep -cx "$1"
}

# ---- Replies --------------------------------------------------------------------------------

# Sends a reply and waits until it was handled.
reply() { # TYPE SAGA STEP ACTION [FIELD VALUE...]
    local type=$1 saga=$2 step=$3 action=$4
    shift 4
    redis XADD '{sagas}:replies' '*' type "$type" saga "$saga" step "$step" action "$action" "$@" >/dev/null
    inputs=$((inputs + 1))
    await inbox_handled replies || fault "reply to $saga" 'it was not handled'
}

inbox_handled() { # commands or replies
    [[ $(redis XLEN "{sagas}:$1") == 0 ]]
}

stray_replies() {
    local before
    reply StepSucceeded nowhere create-order execute data '{}'
    reply StepFailed nowhere create-order compensate data '{"reason":"x"}'
    check 'replies for an unknown saga make none' same "$(redis EXISTS '{sagas}:saga:nowhere')" 0

    before=$(saga_as_it_is first)
    reply StepFailed first process-payment execute data '{"reason":"late"}'
    reply StepSucceeded first process-payment compensate data '{}'
    reply StepSucceeded first create-order execute id first/create-order/execute data '{"orderId":"x"}'
    check 'replies for an ended saga change nothing' same "$(saga_as_it_is first)" "$before"

    before=$(saga_as_it_is waits)
    reply StepSucceeded waits 'then' execute data '{}'
    reply StepFailed waits 'then' execute data '{"reason":"early"}'
    reply StepFailed waits wait compensate data '{"reason":"early"}'
    reply StepSucceeded waits no-such execute data '{}'
    reply StepSucceeded waits wait execute id other/wait/execute data '{}'
    reply StepSucceeded waits wait execute id 'waits/wait/execute#7' data '{}'
    check 'replies for what was never sent change nothing' same "$(saga_as_it_is waits)" "$before"

    reply StepFailed waits wait execute id waits/wait/execute
    expect 'the reply that is awaited ends it, without a reason too' compensated \
        redis HGET '{sagas}:saga:waits' state
}

# ---- Keys of the wrong type -----------------------------------------------------------------

wrong_types() {
    redis SET '{payments}:account:odd' text >/dev/null
    start_order odd1 place-order odd 100 p1 1 | redis >/dev/null
    started=$((started + 1)) dead[payments]=$((${dead[payments]:-0} + 1))
    expect 'an account that is a string: refused, the reason names the key' \
        $'compensated\n.*[{]payments[}]:account:odd.*' redis HMGET '{sagas}:saga:odd1' state reason
    check 'nothing is half applied' same "$(redis EXISTS '{payments}:payment:odd1')$(redis GET '{payments}:account:odd')" 0text
    expect_dead 'payments: OpenAccount over a string' payments \
        "$(redis XADD '{payments}:commands' '*' type OpenAccount data '{"customerId":"odd","balance":5}')" \
        '.*[{]payments[}]:account:odd.*'
    redis DEL '{payments}:account:odd' >/dev/null

    redis LPUSH '{orders}:order:odd2' x >/dev/null
    start_order odd2 place-order c1 100 p1 1 | redis >/dev/null
    started=$((started + 1)) dead[orders]=$((${dead[orders]:-0} + 1))
    expect 'an order that is a list: refused, the reason names the key' \
        $'compensated\n.*[{]orders[}]:order:odd2.*' redis HMGET '{sagas}:saga:odd2' state reason
    redis DEL '{orders}:order:odd2' >/dev/null

    redis SET '{sagas}:saga:odd3' text >/dev/null
    expect_dead 'a saga that is a string' sagas \
        "$(redis XADD '{sagas}:commands' '*' type StartSaga saga odd3 definition place-order data '{}')" \
        '.*[{]sagas[}]:saga:odd3.*'
    redis DEL '{sagas}:saga:odd3' >/dev/null
    inputs=$((inputs + 5))
}

# A commit that the server refuses after the handler has run: nothing of it may be there.
refused_commits() {
    redis RENAME '{payments}:events' '{payments}:aside' >/dev/null
    redis SET '{payments}:events' text >/dev/null
    start_order odd4 place-order c1 100 p1 1 | redis >/dev/null
    started=$((started + 1)) dead[payments]=$((dead[payments] + 1))
    expect 'events that are a string: the whole commit is refused, the reason names the key' \
        '(compensating|compensated)
.*[{]payments[}]:events.*' redis HMGET '{sagas}:saga:odd4' state reason
    check 'nothing is half applied' same \
        "$(redis EXISTS '{payments}:payment:odd4')$(redis HGET '{payments}:account:c1' balance)" 0999900
    redis DEL '{payments}:events' >/dev/null
    redis RENAME '{payments}:aside' '{payments}:events' >/dev/null
    expect 'the order is undone' compensated redis HGET '{sagas}:saga:odd4' state

    start_order odd5 place-order c3 100 p1 1 '{"send-shipping-notification":"slow:1000","send-shipping-notification/compensate":"slow:1"}' | redis >/dev/null
    inputs=$((inputs + 2))
    started=$((started + 1)) dead[payments]=$((dead[payments] + 3)) dead[notifications]=$((${dead[notifications]:-0} + 1))
    expect 'an order that is paid' processed redis HGET '{payments}:payment:odd5' state
    redis SET '{notifications}:notification:odd5' text >/dev/null
    redis RENAME '{payments}:account:c3' '{payments}:aside' >/dev/null
    redis SET '{payments}:account:c3' text >/dev/null
    expect 'a refund onto a string is refused three times: suspended, the reason names the key' \
        $'suspended\n.*[{]payments[}]:account:c3.*' redis HMGET '{sagas}:saga:odd5' state reason
    check 'nothing is half applied' same "$(redis HGET '{payments}:payment:odd5' state)" processed
    redis DEL '{notifications}:notification:odd5' '{payments}:account:c3' >/dev/null
    redis RENAME '{payments}:aside' '{payments}:account:c3' >/dev/null
}

# ---- All of it ------------------------------------------------------------------------------

pids() {
    local file
    for file in "$dir"/*.pid; do
        printf '%s %s\n' "$(basename "$file")" "$(<"$file")"
    done
}

logs_are_short() {
    local lines longest
    lines=$(cat "$dir"/[a-z]*.log | wc -l)
    longest=$(awk '{ if (length($0) > longest) longest = length($0) } END { print longest }' "$dir"/[a-z]*.log)
    printf '%s lines of logs for %s inputs, the longest of %s bytes\n' "$lines" "$inputs" "$longest"
    ((lines <= 4 * inputs + 200 && longest <= 2000))
}

main() {
    local before service dead_options=()
    shop_up "$dir"
    { open_account c1 1000000 && open_account c3 1000 && create_product p1 100; } | redis >/dev/null
    expect 'the account is open' 1000000 redis HGET '{payments}:account:c1' balance
    put_waiting_definition
    write_bad_data
    before=$(pids)
    start_waiting waits
    bad_data_to_services
    bad_data_to_the_coordinator
    bad_fields
    bad_amounts
    malformed_steps
    bad_starts
    stray_replies
    redis DEL '{nobody}:commands' >/dev/null
    await_rest "$started"
    check_books --explained
    wrong_types
    refused_commits
    start_order good place-order c1 100 p1 1 | redis >/dev/null
    started=$((started + 1))
    expect 'a good order completes afterwards' completed redis HGET '{sagas}:saga:good' state
    check 'by the same processes' same "$(pids)" "$before"
    check 'without a flood of logs' logs_are_short
    printf '      %s\n' "$(logs_are_short)"
    await_rest "$started"
    for service in "${!dead[@]}"; do dead_options+=(--dead "$service=${dead[$service]}"); done
    check_books "${dead_options[@]}" --suspended 1
}

main
