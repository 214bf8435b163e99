#!/usr/bin/env bash
# Says whether the books of a shop are whole. Reads the server only; for a shop at rest.
# No test by itself: the tests of this folder run it by `bash check_books.sh`.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
weir=${WEIR_BUILD:-$here/../../build}/bin/weir
many_keys=50000 # of more the books are read from a copy
copy=''         # folder of its server
copy_server=''  # its pid
failed=0

usage() {
    cat <<TEXT
Usage: check_books.sh [OPTION…] DIR

DIR is the folder of a shop (its redis.sock), or the URL of a server.

  --starts FILE     the ids of all sagas that were accepted, one a line: each has to be there
  --may-lose        those that are gone are counted, but are no fault; they have to be gone whole
  --dead SERVICE=N  so many dead letters are expected there (else none); may stand several times
  --explained       any number of dead letters is fine where each is explained by what was sent
  --deaths SERVICE=N  so often processes of it have died or fallen silent with messages in hand (else
                    never): so many --explained letters may have used up their deliveries by it
  --limit N         after so many deliveries a message is given up (default 5)
  --suspended N     so many sagas are expected to be suspended (else none); "any": any number
  --clock-jumped    the server's clock has gone back, so times of different streams tell nothing
  --rebuild         compare the read models with a dry rebuild too; needs a worker of views
  --copy            read from a copy of the server, as is done by itself where there are more than
                    $many_keys keys, so that the server is not held up

Prints one line for each check and at the end "passed" or "failed", and exits accordingly.
TEXT
}

refuse() {
    printf 'check_books: %s\n' "$1" >&2
    usage >&2
    exit 64
}

fault() { # CHECK WHAT
    printf 'FAIL  %s: %s\n' "$1" "$2"
    failed=1
}

clean_up() {
    [[ -z $copy_server ]] || kill "$copy_server" 2>/dev/null || true
    [[ -z $copy ]] || rm -rf "$copy"
}

# ---- The books ------------------------------------------------------------------------------

# A server of our own with the data as they are at this moment. The server that is asked only
# forks for it, as it does for any replica.
open_copy() {
    local program limit=$((SECONDS + 600))
    program=${REDIS_SERVER:-$(command -v redis-server || command -v valkey-server)}
    copy=$(mktemp -d "${TMPDIR:-/tmp}/weir-books.XXXXXX")
    "$cli" "${server[@]}" --rdb "$copy/dump.rdb" >"$copy/transfer.log" 2>&1 || {
        fault books "the server gives no copy: $(tail -n 1 "$copy/transfer.log")"
        return 1
    }
    "$program" --port 0 --unixsocket "$copy/redis.sock" --dir "$copy" --save '' --appendonly no \
        --logfile "$copy/redis.log" &
    copy_server=$!
    books_at=(-s "$copy/redis.sock")
    until [[ $("$cli" "${books_at[@]}" PING 2>/dev/null) == PONG ]]; do
        if ((SECONDS > limit)) || ! kill -0 "$copy_server" 2>/dev/null; then
            fault books "the copy cannot be read: $(tail -n 3 "$copy/redis.log" | tr '\n' ' ')"
            return 1
        fi
        sleep 0.05
    done
}

read_books() {
    local output keys script
    books_at=("${server[@]}")
    keys=$("$cli" "${server[@]}" DBSIZE 2>&1) || true
    if [[ -n $always_copy || ($keys =~ ^[0-9]+$ && $keys -gt $many_keys) ]]; then
        open_copy || return 0
    fi
    script=$(cat "$here"/books/*.lua)
    # As a word of a command line the ids would be too long.
    output=$(if [[ -n $starts ]]; then
        "$cli" -e "${books_at[@]}" -x EVAL "$script" 0 "${arguments[@]}" start <"$starts" 2>&1
    else
        "$cli" -e "${books_at[@]}" EVAL "$script" 0 "${arguments[@]}" 2>&1
    fi) || {
        fault books "$output"
        return 0
    }
    printf '%s\n' "$output"
    [[ $output != *FAIL* && $output == *'ok    types'* ]] || failed=1
}

# ---- What weir says itself ------------------------------------------------------------------

# The library's own comparison of the read models with what the events make of them.
compare_models() {
    local output
    if output=$(REDIS_URL=$url "$weir" projection rebuild shop --dry-run 2>&1); then
        printf 'ok    rebuild: %s\n' "$(tail -n 1 <<<"$output")"
    else
        fault rebuild "${output//$'\n'/; }"
    fi
}

# In a shop at rest nothing may wait, and nothing may be wrong with the server. Dead letters and
# suspended sagas are judged by the books, and nobody has to work any more.
examine() {
    local output code=0 level about text warned=''
    output=$(REDIS_URL=$url "$weir" doctor 2>&1) || code=$?
    if ((code > 2)) || [[ $output != *' problems, '* ]]; then
        fault doctor "exit code $code: ${output//$'\n'/; }"
        return 0
    fi
    while read -r level about text; do
        case $level:$about:$text in
        problem:*) fault doctor "$about $text" ;;
        warning:*"ahead of the server's clock"*)
            [[ " ${arguments[*]} " == *' jumped '* ]] || fault doctor "$about $text"
            warned+=" $about"
            ;;
        warning:*:workers:* | warning:*:dead:* | warning:*:state:suspended:*) warned+=" $about" ;;
        warning:*'}':*) fault doctor "$about $text" ;;
        warning:*) warned+=" $about" ;;
        esac
    done <<<"$output"
    [[ $output == '0 problems'* || $output == *$'\n0 problems'* ]] || return 0
    printf 'ok    doctor: no problem; warned of:%s\n' "${warned:- nothing}"
}

main() {
    local arguments=() server books_at starts='' always_copy='' rebuild='' place='' cli url
    while [[ $# -gt 0 ]]; do
        case $1 in
        --help) usage && return ;;
        --starts) starts=${2:?} && shift ;;
        --may-lose) arguments+=(lost) ;;
        --explained) arguments+=(explained) ;;
        --clock-jumped) arguments+=(jumped) ;;
        --rebuild) rebuild=1 ;;
        --copy) always_copy=1 ;;
        --dead | --deaths)
            [[ ${2:-} =~ ^[a-z]+=[0-9]+$ ]] || refuse "$1 wants SERVICE=N"
            arguments+=("${1#--}" "${2%%=*}" "${2#*=}") && shift
            ;;
        --suspended | --limit)
            [[ ${2:-} =~ ^[0-9]+$ || "$1 ${2:-}" == '--suspended any' ]] || refuse "$1 wants a number"
            arguments+=("${1#--}" "$2") && shift
            ;;
        -*) refuse "unknown option $1" ;;
        *) place=$1 ;;
        esac
        shift
    done
    [[ -n $place ]] || refuse "no folder given"
    [[ -z $starts || -r $starts ]] || refuse "cannot read $starts"
    cli=$(command -v redis-cli || command -v valkey-cli)
    url=$(realpath -m "$place")/redis.sock
    url=${url//%/%25}
    server=(-s "$place/redis.sock") url=unix://${url//\?/%3F}
    [[ $place != *://* ]] || server=(-u "$place") url=$place
    trap clean_up EXIT
    read_books
    examine
    [[ -z $rebuild ]] || compare_models
    if [[ $failed -ne 0 ]]; then
        printf 'failed\n'
        return 1
    fi
    printf 'passed\n'
}

main "$@"
