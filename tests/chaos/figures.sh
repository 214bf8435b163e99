# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # shared with chaos.sh
# What a chaos run has met and what came of it: figures from the server, from the logs of the
# processes and from their signs of life.

# ---- Signs of life --------------------------------------------------------------------------

read -r -d '' workers_script <<'LUA' || true
#!lua flags=no-writes
local lines = {}
for _, tag in ipairs({ 'sagas', 'orders', 'payments', 'catalog', 'notifications', 'views' }) do
    for _, text in ipairs(redis.call('HVALS', '{' .. tag .. '}:workers')) do
        lines[#lines + 1] = text
    end
end
return lines
LUA

# A process that is killed takes its counters along, so they are noted again and again.
sample_workers() {
    timeout 5 "$cli" -s "$dir/redis.sock" -e EVAL "$workers_script" 0 >>"$dir/samples" 2>/dev/null || true
}

# Whether every process that lives has given a sign of life since SECONDS of the server's clock.
all_told_since() { # SECONDS
    local line pid
    while read -r line; do
        [[ $line =~ \"pid\":([0-9]+) ]] || continue
        pid=${BASH_REMATCH[1]}
        [[ $line =~ \"heartbeat\":([0-9]+) ]] || continue
        ((BASH_REMATCH[1] >= $1 * 1000)) || ! kill -0 "$pid" 2>/dev/null || return 1
    done < <(redis EVAL "$workers_script" 0)
}

# What has happened since the last sign of life counts as well.
sample_last() {
    local now
    now=$(redis TIME | head -n 1)
    await all_told_since "$now" || printf 'not all have given a sign of life at the end\n'
    sample_workers
}

# The sum of a counter over all processes there were, each by the last that was seen of it.
counted() { # COUNTER
    awk -v counter="$1" '
        match($0, /"pid":[0-9]+/) {
            pid = substr($0, RSTART, RLENGTH)
            if (match($0, "\"" counter "\":[0-9]+")) {
                value = substr($0, RSTART, RLENGTH)
                sub(/.*:/, "", value)
                if (value + 0 > most[pid]) most[pid] = value + 0
            }
        }
        END { for (pid in most) sum += most[pid]; print sum + 0 }' "$dir/samples"
}

# ---- Logs -----------------------------------------------------------------------------------

# Lines of the processes in which the PATTERN stands, an extended regular expression.
logged() { # PATTERN
    cat "$dir"/[a-z]*.log | grep -cE "$1" || true
}

# The same, but for what each process says when the shop starts.
logged_again() { # PATTERN
    printf '%s\n' $(($(logged "$1") - ${first_time[$1]:-0}))
}

# ---- Sagas ----------------------------------------------------------------------------------

# Of some sagas: the steps that succeeded in a second attempt or a later one, those that were undone
# so, and those whose success was told of when they had been given up.
read -r -d '' steps_script <<'LUA' || true
#!lua flags=no-writes
local forward, back, late = 0, 0, 0
for _, id in ipairs(redis.call('ZRANGE', ARGV[1], ARGV[2], ARGV[3])) do
    local flat, saga = redis.call('HGETALL', '{sagas}:saga:' .. id), {}
    for i = 1, #flat, 2 do saga[flat[i]] = flat[i + 1] end
    for field, value in pairs(saga) do
        if field:match('^step:.*:late$') then late = late + 1 end
        local step = field:match('^step:(.*):attempts$')
        if step and tonumber(value) > 1 then
            local state = saga['step:' .. step .. ':state']
            if state == 'succeeded' then forward = forward + 1 end
            if state == 'compensated' then back = back + 1 end
        end
    end
end
return { forward, back, late }
LUA

# Sets forward_retries, back_retries and late_replies.
count_steps() {
    local state from size counts
    forward_retries=0 back_retries=0 late_replies=0
    for state in completed compensated; do
        size=$(redis ZCARD "{sagas}:state:$state")
        for ((from = 0; from < size; from += 2000)); do
            mapfile -t counts < <(redis EVAL "$steps_script" 0 "{sagas}:state:$state" "$from" $((from + 1999)))
            forward_retries=$((forward_retries + ${counts[0]:-0}))
            back_retries=$((back_retries + ${counts[1]:-0}))
            late_replies=$((late_replies + ${counts[2]:-0}))
        done
    done
}

dead_letters() {
    local tag sum=0
    for tag in sagas orders payments catalog notifications views; do
        sum=$((sum + $(redis XLEN "{$tag}:dead")))
    done
    printf '%s\n' "$sum"
}

# ---- All of them ----------------------------------------------------------------------------

figure() { # NAME VALUE
    printf '%-34s %s\n' "$1" "$2"
}

# What must have happened for the run to say anything, by name, and the faults that bring it about;
# "" for what the orders alone do.
declare -A sometimes_by=(
    ['take-overs by another']='kill-worker pause-worker kill-coordinator storm'
    ['fenced commits']='pause-worker pause-coordinator'
    ['duplicates answered']=''
    ['null compensations']=''
    ['late executions barred']=''
    ['stale replies']=''
    ['timeouts won against a reply']=''
    ['replies won against a timeout']='long'
    ['groups made again']='group-destroy'
    ['functions loaded again']='function-flush'
    ['refused for want of memory']='out-of-memory'
    ['dead letters']=''
    ['retries that then succeeded']='long'
)

declare -A sometimes=() first_time=()

remember_first_times() {
    first_time=([' group.made']=$(logged ' group.made')
        [' library.loaded']=$(logged ' library.loaded'))
}

strays_sent() { # KIND
    awk -v kind="$1" '$1 == "stray" && $2 == kind { sent = $3 } END { print sent + 0 }' "$dir/sender.out"
}

# Forged replies, to sagas or steps that are not there or to sagas that have ended, say nothing of the
# shop. A timer that finds its saga completed has lost against the reply; one that was set for a step
# before the one under way has nothing to win.
count_sometimes() {
    local steps='create-order|reserve-stock|process-payment|send-shipping-notification'
    count_steps
    sometimes=(
        ['take-overs by another']=$(logged ' message.taken_over')
        ['fenced commits']=$(counted fenced)
        ['duplicates answered']=$(counted repeated)
        ['null compensations']=$(counted null)
        ['late executions barred']=$(counted barred)
        ['stale replies']=$(($(logged " saga.stale .* type=Step.* step=($steps) ") - $(strays_sent reply-after-end)))
        ['timeouts won against a reply']=$late_replies
        ['replies won against a timeout']=$(logged ' saga.stale state=completed .*type=SagaWake')
        ['groups made again']=$(logged_again ' group.made')
        ['functions loaded again']=$(logged_again ' library.loaded')
        ['refused for want of memory']=$(logged ' (commit.put_off|call.refused) .*OOM')
        ['dead letters']=$(dead_letters)
        ['retries that then succeeded']=$forward_retries
    )
}

print_sometimes() {
    local name
    for name in "${!sometimes[@]}"; do
        figure "$name" "${sometimes[$name]}"
    done | sort
    figure 'conflicts' "$(counted conflicts)"
    figure 'compensations tried again' "$back_retries"
    figure 'processes ended by a signal' "$(logged ' supervisor: .* ended with 137')"
    figure 'connections lost' "$(logged ' link.lost')"
    figure 'noticed that the server went back' "$(counted wentBack)"
}

print_counts() { # TITLE FILE COLUMN
    awk -v column="$3" -v title="$1" '
        { counts[$column]++ } END {
            for (name in counts) printf "%s %-28s %d\n", title, name, counts[name]
        }' "$2" | sort
}
