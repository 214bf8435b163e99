#!/usr/bin/env bash
# Compares the log events in the source with the table that documents them: each stands in both, with
# the levels that the source gives it. Usage: tests/check_events.sh [FOLDER [TABLE]]
set -euo pipefail
export LC_ALL=C
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
sources=${1:-$root/framework}
table=${2:-$root/framework/man/events.txt}
failed=0

# "<event> <level>" for each level that a call gives it; "<event>" where the call takes its name from
# a variable. A name is a string that is nothing else than two words with a dot. The commands log
# nothing.
in_source() {
    find "$sources" -name commands -prune -o -name '*.c' -exec cat {} + | tr '\n' ' ' | sed -E 's/weir_log_/\n&/g' |
        awk '{
            call = $0; rest = $0; first = 1
            sub(/;.*/, "", call)
            while (match(rest, /"[a-z]+\.[a-z_]+"/)) {
                name = substr(rest, RSTART + 1, RLENGTH - 2)
                at = length($0) - length(rest) + RSTART
                rest = substr(rest, RSTART + RLENGTH)
                if (name ~ /\.(h|c|lua|sock)$/) continue
                print name
                if (at > length(call)) continue
                level = $0
                if (match(level, /^weir_log_(debug|info|warning|error)\(/))
                    print name, substr(level, 10, RLENGTH - 10)
                head = substr(call, 1, at)
                while (match(head, /WEIR_LOG_[A-Z]+/)) {
                    print name, tolower(substr(head, RSTART + 9, RLENGTH - 9))
                    head = substr(head, RSTART + RLENGTH)
                }
            }
        }' | sort -u
}

# The same form, from the table.
in_table() {
    awk -F ' [|] ' '!/^#/ {
        if (NF != 4 || $3 == "" || $4 == "") { print "malformed: " $0 >"/dev/stderr"; exit 1 }
        print $1
        n = split($2, levels, ", ")
        for (i = 1; i <= n; i++) print $1, levels[i]
    }' "$table" | sort -u
}

complain() { # SENTENCE, names from the standard input
    local name
    while read -r name; do
        printf 'check_events: %s: %s\n' "$1" "$name"
        failed=1
    done
}

source_rows=$(in_source)
table_rows=$(in_table)
names() { grep -v ' ' <<<"$1" || true; }
complain 'not in the table' < <(comm -23 <(names "$source_rows") <(names "$table_rows"))
complain 'not in the source' < <(comm -13 <(names "$source_rows") <(names "$table_rows"))
complain 'not with that level in the table' \
    < <(comm -23 <(grep ' ' <<<"$source_rows") <(grep ' ' <<<"$table_rows"))
# Names that reach the log by a variable have no level in the source to compare with.
while read -r name level; do
    if grep -qE "^$name " <<<"$source_rows" && ! grep -qx "$name $level" <<<"$source_rows"; then
        complain 'not with that level in the source' <<<"$name $level"
    fi
done < <(grep ' ' <<<"$table_rows")
[[ $(awk -F ' [|] ' '!/^#/ { print $1 }' "$table") == $(awk -F ' [|] ' '!/^#/ { print $1 }' "$table" | sort) ]] ||
    complain 'not in the order of names' <<<"$table"
[[ $failed -eq 0 ]] || exit 1
printf 'check_events: %s events, all of them documented\n' "$(names "$table_rows" | wc -l)"
