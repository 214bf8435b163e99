#!/usr/bin/env bash
# Follows the README's "Your first worker" and "The shop over HTTP" word for word in a copy of the
# sources: saves the program that stands there, runs the commands that stand there, and looks at what
# they say.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
cleanup() {
    local code=$?
    set +e
    [ -z "${worker:-}" ] || kill "$worker" 2>/dev/null
    [ ! -d "$work/clone/run" ] || (cd "$work/clone" && scripts/shop.sh down >/dev/null 2>&1)
    if [ "$code" -eq 0 ]; then
        rm -rf "$work"
        echo passed
    else
        echo "failed, everything is in $work"
    fi
}
trap cleanup EXIT

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

# The code block behind "<!-- TOPIC: NAME -->", the Nth of that name.
block() { # NAME N [TOPIC]
    awk -v mark="<!-- ${3:-first-worker}: $1 -->" -v wanted="$2" '
        $0 == mark && ++seen == wanted { found = 1; next }
        found && /^```/ { if (inside) exit; inside = 1; next }
        found && inside' "$root/README.md"
}

# Repeats a command of the README until its output holds a text, as a reader would look twice.
look() { # N TEXT
    local deadline=$((SECONDS + 10)) commands output=
    commands=$(block look "$1")
    [ -n "$commands" ] || fail "the README has no block 'look' number $1"
    until output=$(bash -c "$commands") && grep -qF -- "$2" <<<"$output"; do
        [ "$SECONDS" -lt "$deadline" ] || fail "looked for '$2' in: $output"
        read -rt 0.1 <> <(:) || true
    done
    echo "ok: $2"
}

mkdir "$work/clone"
tar -C "$root" --exclude=./build --exclude=./run --exclude=./.git -cf - . | tar -C "$work/clone" -xf -
cd "$work/clone"
# The build is the same sources': taking it over spares the time, `make` still checks it.
cp -a "$root/build" build

program=$(block greetings.c 1)
printf '%s\n' "$program" >greetings.c
grep -q weir_main greetings.c || fail "the README has no program"

worker=
run_block=$(block run 1)
[ -n "$run_block" ] || fail "the README has no commands"
# The last command of the block puts the worker into the background of this very shell.
eval "$run_block"
worker=$!
eval "$(block run 2)"
look 1 greeted
look 1 Greeted
eval "$(block run 3)"
look 2 name
kill -9 "$worker"
wait "$worker" 2>/dev/null || true
for _ in $(seq 1 1000); do
    printf 'XADD {greetings}:commands * type Greet data "{\\"name\\":\\"eve\\"}"\n'
done | redis-cli -s run/redis.sock >/dev/null
./greetings >/dev/null 2>&1 &
worker=$!
kill -9 "$worker"
WEIR_CLAIM_IDLE=500ms ./greetings >/dev/null 2>&1 &
worker=$!
deadline=$((SECONDS + 20))
until [ "$(redis-cli -s run/redis.sock HGET '{greetings}:person:eve' greeted)" = 1000 ]; do
    [ "$SECONDS" -lt "$deadline" ] ||
        fail "greeted $(redis-cli -s run/redis.sock HGET '{greetings}:person:eve' greeted) of 1000 times"
    read -rt 0.1 <> <(:) || true
done
echo "ok: a thousand commands counted once, through a kill -9"

statuses=$(bash -c "$(block try 1 gateway)" 2>/dev/null | grep -o 'HTTP/[0-9.]* [0-9]*' |
    sed 's/.* //' | xargs)
[ "$statuses" = '201 201 201 409 200' ] || fail "the gateway answered $statuses"
echo "ok: the gateway's answers"
