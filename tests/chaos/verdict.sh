# shellcheck shell=bash
# What is asked of a chaos run when all is quiet, and what is kept where the answer is no.
# shellcheck disable=SC2154,SC2034 # shared with chaos.sh

# Kept, so that the histories of those complained of can be looked up; never too many to go on.
fault() { # NAME WHY
    checks_failed=$((checks_failed + 1))
    printf 'FAIL  %s: %s\n' "$1" "${2:0:600}" | tee -a "$dir/complaints"
}

# ---- Orders against the journal -------------------------------------------------------------

# Writes "<id> <kind> <allowed> <state>" for every saga; "gone" where the server has none.
read_states() {
    grep '^saga ' "$dir/journal" | sed -E 's/^saga ([^ ]+) .*/HGET {sagas}:saga:\1 state/' |
        redis >"$dir/states.raw"
    grep '^saga ' "$dir/journal" | cut -d ' ' -f 2-4 | paste -d ' ' - "$dir/states.raw" |
        awk 'NF < 4 { $4 = "gone" } { print }' >"$dir/states"
}

# The ids of starts that died on the way, each delivered as often as is allowed, and the marks of
# what nobody could understand.
read -r -d '' dead_script <<'LUA' || true
#!lua flags=no-writes
local lines = {}
for _, tag in ipairs({ 'sagas', 'orders', 'payments', 'catalog', 'notifications', 'views' }) do
    local from = '-'
    repeat
        local entries = redis.call('XRANGE', '{' .. tag .. '}:dead', from, '+', 'COUNT', 100)
        for _, entry in ipairs(entries) do
            local fields = {}
            for i = 1, #entry[2], 2 do fields[entry[2][i]] = entry[2][i + 1] end
            lines[#lines + 1] = table.concat({ tag, fields.type or '-', fields.saga or '-',
                fields.subject or '-', fields.deliveries or '-', fields.reason or '-' }, '\t')
            from = '(' .. entry[1]
        end
    until #entries < 100
end
return lines
LUA

read_dead() {
    redis EVAL "$dead_script" 0 >"$dir/dead"
}

states_allowed() {
    local wrong
    wrong=$(awk '$4 != "gone" && index("," $3 ",", "," $4 ",") == 0' "$dir/states")
    [[ -z $wrong ]] || {
        printf '%s ended otherwise (id, kind, allowed, is): %s\n' "$(wc -l <<<"$wrong")" \
            "$(head -n 5 <<<"$wrong" | tr '\n' ';')"
        return 1
    }
}

# While faults are about many are undone for lack of time, but a shop that refuses everything shows
# nothing: so many of 100 have to be completed. Without faults the journal allows one end to each.
declare -A least_completed=([good]=30 [without-product]=30 [twice]=30 [slow]=30 [crashing]=10)
enough_to_judge=20 # of a kind

enough_completed() {
    local kind share poor=''
    for kind in "${!least_completed[@]}"; do
        share=$(awk -v kind="$kind" -v enough="$enough_to_judge" '
            $2 == kind && $4 != "gone" { all++; done += ($4 == "completed") }
            END { print (all >= enough ? int(100 * done / all) : 100) }' "$dir/states")
        ((share >= ${least_completed[$kind]})) ||
            poor+="only $share % of the $kind orders were completed, ${least_completed[$kind]} % at the least are to be; "
    done
    [[ -z $poor ]] || {
        printf '%s\n' "${poor%; }"
        return 1
    }
}

# Sets `lost`: accepted, not there, and not among the dead letters either.
count_lost() {
    awk '$4 == "gone" { print $1 }' "$dir/states" | sort >"$dir/gone"
    awk -F '\t' '$2 == "StartSaga" { print $3 }' "$dir/dead" | sort -u | comm -12 - "$dir/gone" >"$dir/dead-starts"
    comm -23 "$dir/gone" "$dir/dead-starts" >"$dir/lost"
    lost=$(wc -l <"$dir/lost")
}

none_lost() {
    ((lost == 0)) || {
        printf '%s accepted and gone: %s\n' "$lost" "$(head -n 5 "$dir/lost" | tr '\n' ' ')"
        return 1
    }
}

# What the server lost it cannot bury.
nonsense_buried() {
    local missing
    missing=$(awk -F '\t' 'NR == FNR { dead[$4] = 1; next }
        { split($0, word, " ") } word[1] == "dead" && !(word[2] in dead) { print word[2], word[3] }' \
        "$dir/dead" "$dir/journal")
    [[ -z $missing ]] || {
        printf '%s are not among the dead letters: %s\n' "$(wc -l <<<"$missing")" \
            "$(head -n 5 <<<"$missing" | tr '\n' ';')"
        return 1
    }
}

accounts_opened() {
    local missing
    grep '^once ' "$dir/journal" | cut -d ' ' -f 2 >"$dir/once" || true
    missing=$(sed 's/.*/EXISTS {payments}:account:&/' "$dir/once" | redis | paste -d ' ' "$dir/once" - |
        awk '$2 != 1')
    [[ -z $missing ]] || {
        printf '%s are not open: %s\n' "$(wc -l <<<"$missing")" "$(head -n 5 <<<"$missing" | tr '\n' ';')"
        return 1
    }
}

# ---- Processes ------------------------------------------------------------------------------

# 137 is what kill -9 leaves, and what a crash on demand does.
none_fell_by_itself() {
    local fallen
    fallen=$(cat "$dir"/[a-z]*.log | grep ' supervisor: ' | grep -v ' ended with 137$') || return 0
    printf '%s\n' "$fallen" | head -n 3
    return 1
}

nothing_unlisted() {
    local lines
    lines=$(cat "$dir"/[a-z]*.log | grep -E 'unlisted_move|runtime error|AddressSanitizer') || return 0
    printf '%s\n' "$lines" | head -n 3
    return 1
}

# ---- The verdict ----------------------------------------------------------------------------

# How often processes of a service were killed, by a fault or by a crash that was asked for, or paused
# for longer than their claims last. Starts that died are letters of the sagas, so this bounds them too.
deaths_of() { # SERVICE
    local program=$1
    [[ $1 != sagas ]] || program=weir-coordinator
    awk -v program="$program" '
        { name = $3; sub(/-[0-9]+$/, "", name) }
        name == program && (/ supervisor: .* ended with 137$/ || $2 ~ /^pause-/) { count++ }
        END { print count + 0 }' "$dir"/[a-z]*.log "$dir/plan"
}

books_options() {
    local tag
    options=(--starts "$dir/started" --rebuild --explained)
    [[ $fsync == always ]] || options+=(--may-lose)
    for tag in sagas orders payments catalog notifications views; do
        options+=(--deaths "$tag=$(deaths_of "$tag")")
    done
}

# Starts without an id of their own are known by their entry, so only the journal's are listed.
check_run() {
    local options=()
    read_states
    read_dead
    count_lost
    count_sometimes
    check "the load was reached: $(head -n 1 "$dir/sender.out")" test -n "$sent_all"
    check 'every fault of the plan was injected' no_failed_injection
    check 'every saga ended as it may' states_allowed
    check 'the shop completed what it can complete' enough_completed
    [[ $fsync == everysec ]] || {
        check 'no accepted start is lost' none_lost
        check 'all nonsense is among the dead letters' nonsense_buried
        check 'what was sent twice under one id was done' accounts_opened
    }
    awk '{ print $1 }' "$dir/states" | sort | comm -23 - "$dir/dead-starts" >"$dir/started"
    books_options
    check_books "${options[@]}" >"$dir/books"
    cat "$dir/books"
    grep '^FAIL' "$dir/books" >>"$dir/complaints" || true
    check 'all processes run' "$root/scripts/shop.sh" status "$dir"
    check 'no process fell by itself' none_fell_by_itself
    check 'no process did what it must not' nothing_unlisted
    check_sometimes
}

no_failed_injection() {
    [[ ! -s $dir/not-injected ]] || {
        head -n 5 "$dir/not-injected"
        return 1
    }
}

# In a long run with all faults everything; else what the faults chosen must bring about.
check_sometimes() {
    local name
    for name in "${!sometimes_by[@]}"; do
        if must_have_happened "$name" && ((${sometimes[$name]} <= 0)); then
            fault 'the run says nothing' "there were no $name"
        fi
    done
}

must_have_happened() { # NAME
    local fault
    [[ $faults == all && $length_s -ge 300 ]] && return 0
    [[ -n ${sometimes_by[$1]} ]] || return 0
    for fault in ${sometimes_by[$1]}; do
        wants "$fault" && grep -q " $fault\( \|$\)" "$dir/plan" && return 0
    done
    return 1
}

# ---- Figures and evidence -------------------------------------------------------------------

print_figures() {
    printf -- '-- orders: kind and end\n'
    awk '{ kinds[$2 " " $4]++ } END { for (kind in kinds) printf "order %-40s %d\n", kind, kinds[kind] }' \
        "$dir/states" | sort
    print_counts nonsense <(grep '^dead ' "$dir/journal") 3
    sed -n 's/^stray /stray /p' "$dir/sender.out"
    printf -- '-- faults: %s\n' "$(wc -l <"$dir/injected")"
    print_counts fault "$dir/injected" 1
    printf -- '-- what came of them\n'
    print_sometimes
    figure 'sagas resumed by an operator' "$resumed"
    figure 'starts in dead letters' "$(wc -l <"$dir/dead-starts")"
    figure 'accepted starts lost' "$lost"
    figure 'time to quiet, ms' "$quiet_ms"
}

read -r -d '' history_script <<'LUA' || true
#!lua flags=no-writes
local lines = {}
for _, tag in ipairs({ 'sagas', 'orders', 'payments', 'catalog', 'notifications' }) do
    local key, from = '{' .. tag .. '}:events', '-'
    repeat
        local entries = redis.call('XRANGE', key, from, '+', 'COUNT', 1000)
        for _, entry in ipairs(entries) do
            local text = table.concat(entry[2], ' ')
            for _, id in ipairs(ARGV) do
                if text:find(id, 1, true) and (text .. ' '):find('[^%w]' .. id .. '[^%w]') then
                    lines[#lines + 1] = key .. ' ' .. entry[1] .. ' ' .. text
                end
            end
            from = '(' .. entry[1]
        end
    until #entries < 1000
end
return lines
LUA

# The histories of the sagas that the complaints name.
keep_evidence() {
    local ids=() id
    mapfile -t ids < <(grep -oE '\bo[0-9]+\b' "$dir/complaints" | sort -u | head -n 20)
    mkdir -p "$dir/histories"
    ((${#ids[@]})) || return 0
    for id in "${ids[@]}"; do
        "$bin/weir" saga "$id" --json --redis "unix://$dir/redis.sock" >"$dir/histories/$id.json" 2>&1 || true
        grep -hE "\b$id\b" "$dir"/[a-z]*.log | sort >"$dir/histories/$id.log" || true
    done
    redis EVAL "$history_script" 0 "${ids[@]}" >"$dir/histories/events"
}
