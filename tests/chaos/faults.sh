# shellcheck shell=bash
# The faults of a chaos run. Each returns when it is over, or goes on in the background for a time
# of its own; all of them heal by themselves, and heal_all makes sure of it.

# shellcheck disable=SC2154 # the variables of common.sh and chaos.sh
server_limit=60 # seconds for a server to be there again

say() { # TEXT; the timeline
    local now
    now=$(($(now_ms) - began))
    printf '%6d.%d s  %s\n' $((now / 1000)) $((now % 1000 / 100)) "$1" | tee -a "$dir/timeline"
}

# Calls the server until it takes the command.
insist() { # COMMAND...
    local answer deadline=$((SECONDS + server_limit))
    until answer=$(timeout 5 "$cli" -s "$dir/redis.sock" -e "$@" 2>&1); do
        if ((SECONDS >= deadline)); then
            say "the server did not take $1 $2: ${answer:0:100}"
            return 1
        fi
        sleep 0.05
    done
    printf '%s\n' "$answer"
}

pid_of() { # NAME
    local pid
    { pid=$(<"$dir/$1.pid"); } 2>/dev/null && [[ $pid =~ ^[0-9]+$ ]] && printf '%s\n' "$pid"
}

signal() { # SIGNAL NAME
    local pid
    pid=$(pid_of "$2") && kill "-$1" "$pid" 2>/dev/null
}

pause_process() { # NAME MS
    local pid
    pid=$(pid_of "$1") && kill -STOP "$pid" 2>/dev/null || return 0
    sleep "$(seconds "$2")"
    kill -CONT "$pid" 2>/dev/null || true
}

seconds() { # MS
    printf '%d.%03d\n' $(($1 / 1000)) $(($1 % 1000))
}

# ---- Processes ------------------------------------------------------------------------------

program_of() { # NAME
    [[ $1 =~ ^(.*)-[0-9]+$ ]] && printf '%s\n' "${BASH_REMATCH[1]}" || printf '%s\n' "$1"
}

behind_proxy() { # NAME
    [[ $1 =~ -([0-9]+)$ ]] && ((BASH_REMATCH[1] % 2 == 0))
}

is_down() { # NAME
    [[ ! -e $dir/$1.supervisor ]]
}

# What started as NAME goes by that name again, unless another took it meanwhile.
start_process() { # NAME
    local deadline=$((SECONDS + server_limit)) url='' by=''
    if behind_proxy "$1"; then
        url=unix://$dir/proxy.sock
        [[ ! -e $dir/clock ]] || by="env LD_PRELOAD=$clock_shim WEIR_TEST_CLOCK=$dir/clock"
    fi
    until SHOP_WORKER_URL=$url SHOP_WORKER_COMMAND=$by "$root/scripts/shop.sh" start "$(program_of "$1")" "$dir" \
        >>"$dir/start.out" 2>&1 8>&-; do
        is_down "$1" || return 0 # begun, and ready when it can be
        if ((SECONDS >= deadline)); then
            say "$1 did not start again: $(tail -n 1 "$dir/start.out")"
            return 1
        fi
        sleep 0.1
    done
}

# One at a time, so that each finds the name free that it has made free. What does not stop in time
# (a dead server keeps it waiting) is killed, and started again by its supervisor. What still waits
# for its turn when the faults are over is left out. The lock is closed for what is started.
restart_process() { # NAME
    (
        flock 8
        [[ ! -e $dir/over ]] && signal TERM "$1" || exit 0
        if await is_down "$1"; then
            start_process "$1"
        else
            signal KILL "$1" || true
        fi
    ) 8>"$dir/restarts"
}

inject_kill_worker() { # NAME
    signal KILL "$1" || true
}

inject_kill_coordinator() { # NAME
    signal KILL "$1" || true
}

inject_pause_worker() { # NAME MS
    pause_process "$1" "$2" &
}

inject_pause_coordinator() { # NAME MS
    pause_process "$1" "$2" &
}

inject_stop_worker() { # NAME
    restart_process "$1" &
}

inject_rolling_restart() {
    local name
    for name in "${coordinators[@]}" "${workers[@]}"; do
        restart_process "$name" || exit 1
    done &
}

# Half of all processes die at once, then the other half, and so on; two new ones come and go.
inject_storm() { # WAVES
    local wave name i
    {
        start_and_stop payments &
        start_and_stop weir-coordinator &
        for ((wave = 0; wave < $1; wave++)); do
            i=0
            for name in "${coordinators[@]}" "${workers[@]}"; do
                if (((i++ + wave) % 2 == 0)); then
                    signal KILL "$name" || true
                fi
            done
            sleep 0.4
        done
        wait
    } &
}

# A process of PROGRAM more than there were, which ends as soon as it works.
start_and_stop() { # PROGRAM
    (
        local started name
        flock 8
        [[ ! -e $dir/over ]] || exit 0
        started=$(SHOP_WORKER_URL='' "$root/scripts/shop.sh" start "$1" "$dir" 2>>"$dir/start.out" 8>&-) || exit 0
        name=${started%% *}
        signal TERM "$name" || true
        await is_down "$name" || signal KILL "$name" || true
    ) 8>"$dir/restarts"
}

# ---- The server -----------------------------------------------------------------------------

# A dead process that nobody has waited for has no command line.
server_gone() { # PID
    [[ -z $(tr -d '\0' 2>/dev/null <"/proc/$1/cmdline") ]]
}

start_server() { # OPTIONS
    SHOP_START_LIMIT=$server_limit SHOP_REDIS_OPTIONS="$server_options $1" \
        "$root/scripts/shop.sh" start redis "$dir" >>"$dir/start.out" 2>&1 || {
        say "the server did not start again: $(tail -n 1 "$dir/start.out")"
        return 1
    }
}

stop_server_hard() {
    local pid
    pid=$(pid_of redis) && kill -KILL "$pid" 2>/dev/null || return 1
    await server_gone "$pid"
}

inject_kill_server() {
    stop_server_hard && start_server ''
}

# What a power failure does under `everysec`: the end of the file was never written.
inject_power_failure() { # BYTES
    local file
    stop_server_hard || return 1
    file=$(find "$dir/appendonlydir/" -name '*.incr.aof' | sort -V | tail -n 1)
    truncate -s "-$(($1 < $(stat -c %s "$file") ? $1 : 0))" "$file"
    start_server ''
}

# Loading takes a second or two longer than it has to: by a pause at each of the commands that the
# file holds, about, or at every so many of them.
inject_restart_server_loading() {
    local commands=$(($(du -sb "$dir/appendonlydir/" | cut -f 1) / 200 + 1)) delay
    delay=$((1000000 / commands - 60))
    ((delay > 0)) || delay=-$((commands / 15000 + 1))
    stop_server_hard && start_server "--key-load-delay $delay"
}

inject_pause_server() { # MS
    pause_process redis "$1"
}

inject_client_kill() {
    insist CLIENT KILL TYPE normal >/dev/null
}

inject_client_pause() { # MODE MS
    insist CLIENT PAUSE "$2" "$1" >/dev/null
    sleep "$(seconds "$2")"
}

inject_busy() { # MS
    local script deadline=$((SECONDS + server_limit))
    timeout "$server_limit" "$cli" -s "$dir/redis.sock" EVAL 'while true do end' 0 >/dev/null 2>&1 &
    script=$!
    sleep "$(seconds "$1")"
    while kill -0 "$script" 2>/dev/null && ((SECONDS < deadline)); do
        timeout 5 "$cli" -s "$dir/redis.sock" SCRIPT KILL >/dev/null 2>&1 || true
        sleep 0.05
    done
    stop_script
}

script_runs() {
    [[ $(timeout 5 "$cli" -s "$dir/redis.sock" PING 2>&1) == *BUSY* ]]
}

stop_script() {
    local deadline=$((SECONDS + server_limit))
    while script_runs && ((SECONDS < deadline)); do
        timeout 5 "$cli" -s "$dir/redis.sock" SCRIPT KILL >/dev/null 2>&1 || true
        sleep 0.05
    done
}

inject_out_of_memory() { # MS
    local used
    used=$(insist INFO memory | tr -d '\r' | sed -n 's/^used_memory://p')
    insist CONFIG SET maxmemory $((used - 1000)) >/dev/null
    sleep "$(seconds "$1")"
    insist CONFIG SET maxmemory 0 >/dev/null
}

inject_function_flush() {
    insist FUNCTION FLUSH >/dev/null
}

inject_group_destroy() { # STREAM GROUP
    insist XGROUP DESTROY "$1" "$2" >/dev/null
}

# ---- The disk -------------------------------------------------------------------------------

disk_size=90% # of the memory, as long as it is not to be full

# A disk of its own for what the server writes, in a folder of the shop's: Redis moves files between
# its folder and that of the append-only file, so that both have to be there. The link is for those
# who look for the file where it usually is.
make_disk() {
    [[ $(id -u) == 0 ]] && mkdir "$dir/data" || return 1
    mount -t tmpfs -o "size=$disk_size,mode=755" tmpfs "$dir/data" 2>/dev/null || return 1
    ln -s data/appendonlydir "$dir/appendonlydir"
    server_options+=' --dir data'
}

disk_is_full() { # PID of the server
    server_gone "$1" || [[ $(timeout 5 "$cli" -s "$dir/redis.sock" PING 2>&1) == *MISCONF* ]]
}

# As large as what is in it and a little more, which others may be filling at this moment.
shrink_disk() {
    local used
    used=$(df -B 1 --output=used "$dir/data" | tail -n 1)
    mount -o "remount,size=$((used + 131072))" "$dir/data" 2>>"$dir/start.out"
}

# Under `always` the server ends when it cannot write, under `everysec` it refuses writes until it
# can.
inject_disk_full() {
    local pid
    # shellcheck disable=SC2034 # of await
    local limit=10
    pid=$(pid_of redis)
    await shrink_disk || return 1
    await disk_is_full "$pid" || say 'disk-full was over before the disk was full'
    sleep 0.5
    mount -o "remount,size=$disk_size" "$dir/data"
    if server_gone "$pid"; then
        start_server ''
    fi
}

# ---- The network ----------------------------------------------------------------------------

proxy=${WEIR_BUILD:-$root/build}/tests/fault/flaky_proxy

start_proxy() {
    "$proxy" --listen "$dir/proxy.sock" --server "$dir/redis.sock" --control "$dir/proxy.control" \
        >>"$dir/proxy.log" 2>&1 &
    children+=("$!")
    tell_proxy status
}

tell_proxy() { # WORD...
    local answer
    answer=$("$proxy" --control "$dir/proxy.control" "$@" 2>&1) || {
        say "the proxy did not take $*: $answer"
        return 1
    }
}

# A state of the line for a time.
line_is() { # MS WORD...
    local ms=$1
    shift
    (
        flock 7
        tell_proxy "$@" && sleep "$(seconds "$ms")" && tell_proxy pass
    ) 7>"$dir/line" &
}

inject_cut() { tell_proxy cut; }
inject_refuse() { line_is "$1" refuse; }       # MS
inject_blackhole() { line_is "$1" blackhole; } # MS
inject_half_open() { line_is "$1" half-open; } # MS
inject_stall() { line_is "$1" stall; }         # MS
inject_lose_answers() { tell_proxy lose-answers "$1"; }
inject_cut_answer() { tell_proxy cut-answer "$1"; }
inject_cut_request() { tell_proxy cut-request "$1"; }

inject_rate() { # MS
    slow_line "$1" rate 20000
}

inject_delay() { # MS
    slow_line "$1" delay 30
}

inject_slice() { # MS
    slow_line "$1" slice 7
}

slow_line() { # MS WORD NUMBER
    (
        flock 7
        tell_proxy "$2" "$3" && sleep "$(seconds "$1")" && tell_proxy "$2" 0
    ) 7>"$dir/line" &
}

# ---- Time -----------------------------------------------------------------------------------

clock_shim=${WEIR_BUILD:-$root/build}/tests/fault/clock_shim.so

make_clock() {
    [[ -e $clock_shim ]] && set_clock 0
}

# By how many ms those behind the proxy are ahead of the time: 8 bytes, the lowest first, which they
# have mapped into their memory.
set_clock() { # MS
    local i bytes=
    for ((i = 0; i < 64; i += 8)); do
        bytes+=$(printf '\\x%02x' $((($1 >> i) & 255)))
    done
    # shellcheck disable=SC2059 # the bytes are the format
    printf "$bytes" 1<>"$dir/clock"
}

inject_clock() { # SECONDS MS
    (
        flock 6
        set_clock $(($1 * 1000)) && sleep "$(seconds "$2")" && set_clock 0
    ) 6>"$dir/clock-lock" &
}

# ---- All of them ----------------------------------------------------------------------------

# Carries out the plan. What did not work is written down: then the run says nothing.
inject_all() { # PLAN
    local at name detail wait arguments
    while read -r at name detail; do
        wait=$((began + at - $(now_ms)))
        ((wait <= 0)) || sleep "$(seconds "$wait")"
        say "$name${detail:+ $detail}"
        printf '%s\n' "$name" >>"$dir/injected"
        read -ra arguments <<<"$detail"
        "inject_${name//-/_}" "${arguments[@]}" || printf '%s %s\n' "$name" "$detail" >>"$dir/not-injected"
    done <"$1"
    : >"$dir/over"
    wait
}

# Whatever a fault has left, or what was interrupted in it.
heal_all() {
    local file
    for file in "$dir"/*.pid; do
        if [[ -e $file ]]; then
            kill -CONT "$(<"$file")" 2>/dev/null || true
        fi
    done
    [[ ! -S $dir/proxy.control ]] || {
        "$proxy" --control "$dir/proxy.control" rate 0
        "$proxy" --control "$dir/proxy.control" delay 0
        "$proxy" --control "$dir/proxy.control" slice 0
        "$proxy" --control "$dir/proxy.control" pass
    } >/dev/null 2>&1 || true
    if mountpoint -q "$dir/data" 2>/dev/null; then
        mount -o "remount,size=$disk_size" "$dir/data"
    fi
    [[ ! -e $dir/clock ]] || set_clock 0
    stop_script
    timeout 5 "$cli" -s "$dir/redis.sock" CONFIG SET maxmemory 0 >/dev/null 2>&1 || true
    timeout 5 "$cli" -s "$dir/redis.sock" CLIENT UNPAUSE >/dev/null 2>&1 || true
}
