# shellcheck shell=bash
# A small world for a process that is to die: a server, the shop, and orders of every kind. Sourced
# by the sweeps behind common.sh. Everything is on the server before anybody starts, so that the
# victim meets all of it; whoever dies is started anew at once, and then nothing may be amiss.
# shellcheck disable=SC2034,SC2154 # what is for the sweeps, and what is common.sh's

# As the victim is in a shop, so that nothing but its own recovery brings its work to an end:
#   same   it comes back under its own name, and claims run out after a minute: what it had in hand
#          has to be found by its name
#   other  it comes back under another name, and claims run out at once: that one takes over
modes=(same other)
roles=(payments weir-coordinator views)
lanes=${FAULT_LANES:-4} # worlds at a time; they mostly wait
step_timeout_ms=15000   # never due, so a second attempt of a step is a rescue
shop_programs=(weir-coordinator orders payments catalog notifications views)

group_of() { # PROGRAM
    [[ $1 == weir-coordinator ]] && printf 'sagas\n' || printf '%s\n' "$1"
}

# ---- What is on the server at first ----------------------------------------------------------

definition() { # NAME SAGA_TIMEOUT_MS
    local json
    json=$(sed -E -e "s/\"name\": \"place-order\"/\"name\": \"$1\"/" \
        -e "s/\"timeoutMs\": 60000/\"timeoutMs\": $2/" \
        -e "s/\"timeoutMs\": 5000/\"timeoutMs\": $step_timeout_ms/" "$root/workers/place-order.json" |
        tr -d '\n')
    printf "HSET {sagas}:definition:%s latest 1 1 '%s'\n" "$1" "$json"
}

# One step that nobody answers: from its start on only its timer moves it.
lonely_definition() { # NAME SAGA_TIMEOUT_MS
    printf "HSET {sagas}:definition:%s latest 1 1 '%s'\n" "$1" "{\"name\":\"$1\",\"version\":1,\"timeoutMs\":$2,
        \"steps\":[{\"name\":\"process-payment\",\"service\":\"payments\",\"command\":\"ProcessPayment\",
        \"compensation\":\"RefundPayment\",\"timeoutMs\":$step_timeout_ms,\"attempts\":3}]}" | tr -d '\n'
    printf '\n'
}

# The first entries of a service are with a consumer that has read them and then died.
left_behind() { # GROUP CONSUMER
    printf 'XREADGROUP GROUP %s %s COUNT 1 STREAMS {%s}:commands >\n' "$1" "$2" "$1"
}

# An account or a product that was there before: orders may overtake what would make it.
put_account_and_product() { # CUSTOMER BALANCE PRODUCT STOCK
    printf 'HSET {payments}:account:%s balance %s\n' "$1" "$2"
    printf 'XADD {payments}:events * type AccountOpened source payments subject %s data %s\n' "$1" \
        "'{\"customerId\":\"$1\",\"balance\":$2}'"
    printf "HSET {catalog}:product:%s name Lamp price 1999 stock %s\n" "$3" "$4"
    printf 'XADD {catalog}:events * type ProductCreated source catalog subject %s data %s\n' "$3" \
        "'{\"productId\":\"$3\",\"name\":\"Lamp\",\"price\":1999,\"stock\":$4}'"
}

write_world() { # MODE
    local payer=ghost starter=ghost
    [[ $1 == other ]] || { payer=payments-1 && starter=weir-coordinator-1; }
    definition patient-order 120000
    definition late-order 600
    lonely_definition lonely-order 500
    printf 'XGROUP CREATE {payments}:commands payments 0 MKSTREAM\n'
    printf 'XGROUP CREATE {sagas}:commands sagas 0 MKSTREAM\n'
    put_account_and_product c1 100000 p1 100
    open_account c3 700
    start_order left lonely-order c1 300 p1 1 '{"process-payment":"swallow"}'
    left_behind payments "$payer"
    left_behind sagas "$starter"
    create_product p2 5
    printf 'XADD {payments}:commands * type OpenAccount id later delay 150 data %s\n' \
        "'{\"customerId\":\"c2\",\"balance\":500}'"
    start_order good patient-order c1 100 p1 1
    start_order slow patient-order c1 200 p1 2 '{"process-payment":"slow:350"}'
    start_order refused patient-order c1 400 p1 1 '{"send-shipping-notification":"fail"}'
    start_order late late-order c1 500 p1 1 '{"process-payment":"swallow"}'
}

declare -A outcomes=([left]=compensated [good]=completed [slow]=completed [refused]=compensated
    [late]=compensated [last]=completed)
world_ids=(left good slow refused late)

# ---- Processes -------------------------------------------------------------------------------

launch() { # CONSUMER-NUMBER PROGRAM [PREFIX...]; sets `launched`
    local number=$1 program=$2
    shift 2
    REDIS_URL=unix://$dir/redis.sock WEIR_CLAIM_IDLE=$claim_idle WEIR_LOG_FORMAT=text setsid "$@" "$bin/$program" \
        --consumer "$program-$number" </dev/null >>"$dir/$program.log" 2>&1 &
    launched=$!
    world_pids+=("$launched")
}

# Each is the leader of a group of its own: strace and whom it traces end together.
end_world() {
    local pid
    for pid in "${world_pids[@]}"; do
        kill -KILL -- "-$pid" 2>/dev/null || true
    done
    wait "${world_pids[@]}" 2>/dev/null || true
    world_pids=()
}

start_world_server() {
    setsid "${server_program:=$(command -v redis-server || command -v valkey-server)}" "$root/redis.conf" \
        --port 0 --unixsocket "$dir/redis.sock" --dir "$dir" </dev/null >"$dir/redis.log" 2>&1 &
    world_pids+=($!)
    await server_is_up
}

# Who comes first loads it: the victim, or the one that comes behind it.
library_there() {
    revive
    [[ -n $(redis FUNCTION LIST LIBRARYNAME weir) ]]
}

server_is_up() {
    [[ $(redis PING 2>/dev/null) == PONG ]]
}

# When the victim has died it comes back; `killed` tells.
revive() {
    local code=0
    [[ -n $killed ]] || kill -0 "$victim" 2>/dev/null && return
    [[ -z $killed ]] || return 0
    wait "$victim" || code=$?
    killed=$code
    launch "$([[ $mode == same ]] && echo 1 || echo 2)" "$role"
    victim=$launched
}

# ---- A scenario ------------------------------------------------------------------------------

# Over on the server, and for the process that has brought it there, where that one lives on.
rebuilt() {
    [[ -z $(redis HGET '{views}:projection:shop' phase) ]] || return 1
    [[ -n $killed || ! -e $dir/rebuild.log ]] || grep -q projection.rebuild_ended "$dir/views.log"
}

at_rest_now() {
    revive
    at_rest "$1" && rebuilt
}

# Twice, as the victim may have died by the very end of its work.
rest_of() { # NUMBER OF SAGAS
    { await at_rest_now "$1" && await at_rest_now "$1"; } || {
        problem="not at rest in $limit s: $(show_unrest | tr -s ' \n' ' ')"
        return 1
    }
}

rebuild_begun() {
    revive
    "$bin/weir" projection rebuild shop --detach --redis "unix://$dir/redis.sock" >>"$dir/rebuild.log" 2>&1
}

ended_in_order() {
    ! kill -0 "$victim" 2>/dev/null
}

# The victim is asked to stop with work in hand; the next one finds what it has left.
stop_the_victim() {
    local code=0
    start_order last patient-order c1 100 p1 1 | redis >/dev/null
    kill -TERM "$victim" 2>/dev/null || true
    await ended_in_order || { problem='does not stop' && return 1; }
    wait "$victim" || code=$?
    [[ $code -eq 0 ]] || killed=$code
    launch 3 "$role"
    victim=$launched
    world_ids+=(last)
    rest_of ${#world_ids[@]}
}

# How often a step was sent again because no answer had come.
read -r -d '' rescues_script <<'LUA' || true
#!lua flags=no-writes
local rescues = 0
for _, key in ipairs(redis.call('KEYS', '{sagas}:saga:*')) do
    local fields = redis.call('HGETALL', key)
    for i = 1, #fields, 2 do
        local attempts = tonumber(fields[i + 1])
        if fields[i]:match('^step:.*ttempts$') and attempts > 1 then
            rescues = rescues + attempts - 1
        end
    end
end
return rescues
LUA

check_world() {
    local id state output
    [[ $rescues == 0 ]] || problem="$rescues steps were sent again by a timeout"
    for id in "${world_ids[@]}"; do
        state=$(redis HGET "{sagas}:saga:$id" state)
        [[ $state == "${outcomes[$id]}" ]] || problem="saga $id is $state"
    done
    output=$(bash "$here/check_books.sh" "$dir" 2>&1) || problem=$(grep FAIL <<<"$output" | tr '\n' ';')
    [[ $(redis HGET '{payments}:account:c2' balance) == 500 ]] || problem='the delayed message is not done'
    [[ $(redis HGET '{payments}:account:c3' balance) == 700 ]] || problem='what was left behind is not done'
    [[ -z $killed || $killed -eq 137 ]] || problem="the victim ended with $killed"
    ! grep -lE 'unlisted_move|Sanitizer' "$dir"/*.log >"$dir/bad_logs" || problem="see $(<"$dir/bad_logs")"
}

live_through() { # PHASES
    rest_of ${#world_ids[@]} || return
    if [[ $1 == *rebuild* ]]; then
        await rebuild_begun && rest_of ${#world_ids[@]} || return
    fi
    [[ $1 != *stop* || -n $killed ]] || stop_the_victim
}

# Runs the scenario in $dir with the victim started by a prefix. Sets `killed` ("" or how the
# victim ended), `rescues`, `took` (ms) and `problem` ("": none). `phases` may hold rebuild and stop.
run_world() { # ROLE MODE PHASES [PREFIX...]
    local role=$1 mode=$2 phases=$3 program victim launched claim_idle=60s begun
    shift 3
    begun=$(now_ms)
    killed='' problem='' rescues=0 world_pids=()
    world_ids=(left good slow refused late)
    [[ $mode == same ]] || claim_idle=300ms
    start_world_server || { problem='no server' && return; }
    write_world "$mode" | redis >"$dir/filled.txt"
    ! grep -iE '^\(?(ERR|NOGROUP|WRONG)' "$dir/filled.txt" || problem='the world could not be made'
    launch 1 "$role" "$@"
    victim=$launched
    await library_there || problem='no function library'
    for program in "${shop_programs[@]}"; do
        [[ $program == "$role" ]] || launch 1 "$program"
    done
    live_through "$phases" || problem=${problem:-the rebuild did not begin}
    rescues=$(redis EVAL "$rescues_script" 0)
    [[ -n $problem ]] || check_world
    end_world
    took=$(($(now_ms) - begun))
}

# ---- Many worlds -----------------------------------------------------------------------------

# Runs every job of the file, some at a time: `run_job WORDS...` prints one line for each. Each lane
# stops when it has seen three failures.
run_lanes() { # JOBS RESULTS
    local lane lane_pids=()
    for ((lane = 0; lane < lanes; lane++)); do
        # the shell tells of every death there
        run_lane "$lane" "$1" >"$2.$lane" 2>"$2.errors.$lane" &
        lane_pids+=($!)
        children+=($!)
    done
    wait "${lane_pids[@]}" || true
    children=()
    cat "$2".[0-9]* >"$2"
}

run_lane() { # LANE JOBS
    local number=0 failures=0 line words base=$dir name
    name=$(basename "$2")
    world_pids=()
    trap end_world EXIT
    trap 'exit 143' TERM
    while read -r line; do
        number=$((number + 1))
        ((number % lanes == $1)) || continue
        read -ra words <<<"$line"
        dir=$base/$name-$number
        mkdir "$dir"
        run_job "${words[@]}"
        if [[ -n $problem ]]; then
            failures=$((failures + 1))
            ((failures < 3)) || break
        else
            rm -rf "$dir"
        fi
    done <"$2"
}
