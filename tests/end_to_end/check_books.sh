#!/usr/bin/env bash
# Says whether the books of a shop are whole. Reads the server only; for a shop at rest.
# No test by itself: the tests of this folder run it by `bash check_books.sh`.
set -euo pipefail

usage() {
    cat <<TEXT
Usage: check_books.sh [OPTION…] DIR

DIR is the folder of a shop (its redis.sock), or the URL of a server.

  --starts FILE     the ids of all sagas that were accepted, one a line: each has to be there
  --may-lose        those that are gone are counted, but are no fault
  --dead SERVICE=N  so many dead letters are expected there (else none); may stand several times
  --suspended N     so many sagas are expected to be suspended (else none)

Prints one line for each check and at the end "passed" or "failed", and exits accordingly.
TEXT
}

refuse() {
    printf 'check_books: %s\n' "$1" >&2
    usage >&2
    exit 64
}

main() {
    local here arguments=() starts='' place='' output cli
    here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
    while [[ $# -gt 0 ]]; do
        case $1 in
        --help) usage && return ;;
        --starts) starts=${2:?} && shift ;;
        --may-lose) arguments+=(lost) ;;
        --dead)
            [[ ${2:-} =~ ^[a-z]+=[0-9]+$ ]] || refuse "--dead wants SERVICE=N"
            arguments+=(dead "${2%%=*}" "${2#*=}") && shift
            ;;
        --suspended)
            [[ ${2:-} =~ ^[0-9]+$ ]] || refuse "--suspended wants a number"
            arguments+=(suspended "$2") && shift
            ;;
        -*) refuse "unknown option $1" ;;
        *) place=$1 ;;
        esac
        shift
    done
    [[ -n $place ]] || refuse "no folder given"
    if [[ -n $starts ]]; then
        local ids=()
        mapfile -t ids <"$starts"
        arguments+=(start "${ids[@]}")
    fi
    cli=$(command -v redis-cli || command -v valkey-cli)
    if [[ $place == *://* ]]; then
        local server=(-u "$place")
    else
        local server=(-s "$place/redis.sock")
    fi
    output=$("$cli" -e "${server[@]}" EVAL "$(cat "$here"/books/*.lua)" 0 "${arguments[@]}" 2>&1) || {
        printf 'FAIL  books: %s\nfailed\n' "$output"
        return 1
    }
    printf '%s\n' "$output"
    if [[ $output == *FAIL* || $output != *'ok    types'* ]]; then
        printf 'failed\n'
        return 1
    fi
    printf 'passed\n'
}

main "$@"
