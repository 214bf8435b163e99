#!/usr/bin/env bash
# The server dies with the end of its append-only file unwritten, as everysec allows: what the
# others had already read or answered has then never been. Here at the worst moment of each: nothing
# of the lost time may show up afterwards, and the same work done again goes through.
set -euo pipefail

# shellcheck source=tests/end_to_end/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

file_size() {
    stat -c %s "$dir"/appendonlydir/*.incr.aof
}

# The file, cut to the size that it had; whole transactions, since nothing was under way then.
die_and_forget() { # SIZE
    local pid
    pid=$(<"$dir/redis.pid")
    kill -KILL "$pid"
    await server_gone "$pid" || stop_with 'the server did not die'
    truncate -s "$1" "$dir"/appendonlydir/*.incr.aof
    "$root/scripts/shop.sh" start redis "$dir" >>"$dir/up.out"
}

server_gone() { # PID
    [[ -z $(tr -d '\0' 2>/dev/null <"/proc/$1/cmdline") ]]
}

# Reads go through and writes wait: who reads something now has it in hand when the server dies.
hold_writes() {
    redis CLIENT PAUSE 60000 WRITE >/dev/null
}

held() { # CONNECTION, by the name that it has given itself: its write waits
    redis CLIENT LIST | grep -q "name=weir:$1 .*flags=b.*cmd=fcall"
}

quiet() {
    expect "$1" 1 at_rest_word
}

at_rest_word() {
    at_rest 0 && printf '1\n'
}

has_called() { # CONNECTION COMMAND, as its last one
    redis CLIENT LIST | grep -q "name=weir:$1 .*cmd=$2"
}

# A projection has read an event and its write is on the way.
event_in_the_hands_of_a_projection() {
    local size
    quiet 'all at rest'
    size=$(file_size)
    kill -STOP "$(<"$dir/views.pid")"
    create_product lost 7 | redis >/dev/null
    expect 'an event that will be lost' 7 redis HGET '{catalog}:product:lost' stock
    await inbox_empty || stop_with 'the command was not acknowledged'
    hold_writes
    kill -CONT "$(<"$dir/views.pid")"
    await has_called views:projection hgetall || stop_with 'the projection has not read'
    await held views:commands || stop_with 'the projection has not tried to write'
    die_and_forget "$size"
    check 'the product has never been' same "$(redis EXISTS '{catalog}:product:lost')" 0
    create_product kept 5 | redis >/dev/null
    expect 'the projection goes on' 5 redis HGET '{views}:product:kept' stock
    check 'the lost event is in no read model' same "$(redis EXISTS '{views}:product:lost')" 0
}

inbox_empty() {
    [[ $(redis XLEN '{catalog}:commands') == 0 ]]
}

# A worker has handled a command and its commit is on the way; the command is lost.
command_in_the_hands_of_a_worker() {
    local size
    quiet 'all at rest'
    size=$(file_size)
    kill -STOP "$(<"$dir/payments.pid")"
    open_account lost 100 | redis >/dev/null
    # Its read is answered by a write of the group's state, so it has to come before the pause.
    await delivered || stop_with 'the command was not delivered'
    hold_writes
    kill -CONT "$(<"$dir/payments.pid")"
    # Its reads of state go the same way as its writes, and before them.
    await held payments:commands || stop_with 'the worker has not tried to commit'
    die_and_forget "$size"
    open_account kept 100 | redis >/dev/null
    expect 'the worker goes on' 100 redis HGET '{payments}:account:kept' balance
    check 'the lost command has no effect' same "$(redis EXISTS '{payments}:account:lost')" 0
}

# The blocked read of a stopped process is answered by the server all the same.
delivered() {
    [[ $(redis XPENDING '{payments}:commands' payments | head -n 1) == 1 ]]
}

# A saga that the coordinator has started, and the command of its first step, are lost; the start
# is sent again.
start_again() {
    local size
    create_product p1 10 | redis >/dev/null
    quiet 'all at rest'
    size=$(file_size)
    start_order again place-order kept 40 p1 1 | redis >/dev/null
    expect 'an order completes' completed redis HGET '{sagas}:saga:again' state
    quiet 'all at rest'
    die_and_forget "$size"
    check 'the order has never been' same "$(redis EXISTS '{sagas}:saga:again' '{orders}:order:again')" 0
    start_order again place-order kept 40 p1 1 | redis >/dev/null
    expect 'started again it completes' completed redis HGET '{sagas}:saga:again' state
    expect 'and is paid once' 60 redis HGET '{payments}:account:kept' balance
    expect 'and shipped in the views' shipped redis HGET '{views}:order:again' status
}

main() {
    shop_up "$dir"
    create_product p0 10 | redis >/dev/null
    expect 'a product' 10 redis HGET '{views}:product:p0' stock
    event_in_the_hands_of_a_projection
    command_in_the_hands_of_a_worker
    start_again
    await_rest 1
    check_books "$@"
}

main "$@"
