#!/bin/sh
# Checks that dependencies between rooms run downward only, by framework/FLOORS: first what files
# include, then what the compiled objects really use. Usage: tests/check_floors.sh BUILD
set -u
build=${1:-build}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

grep -v '^#' framework/FLOORS >"$work/floors"

# room<TAB>room it includes<TAB>file
for file in framework/*/*.[ch]; do
    room=${file#framework/}
    room=${room%%/*}
    sed -n 's/^#include "\([a-z_]*\)\/.*/\1/p' "$file" | sed "s|.*|$room\t&\t$file includes &/|"
done >"$work/uses"

# symbol<TAB>room for all that is defined, then the same relation for what is undefined
for object in "$build"/framework/*/*.o; do
    room=${object#"$build"/framework/}
    room=${room%%/*}
    nm -g "$object" | awk -v room="$room" -v object="$object" \
        'NF == 3 { print $3 "\tdefines\t" room "\t" object } $1 == "U" { print $2 "\tuses\t" room "\t" object }'
done >"$work/symbols"
[ -s "$work/symbols" ] || { echo "check_floors: no objects in $build, run make first" >&2; exit 1; }
awk -F'\t' '$2 == "defines" && $1 ~ /^weir_/ { home[$1] = $3 }
    $2 == "uses" { user[NR] = $3; what[NR] = $1; by[NR] = $4 }
    END { for (i in user) if (what[i] in home && home[what[i]] != user[i])
        print user[i] "\t" home[what[i]] "\t" by[i] " links to " what[i] }' \
    "$work/symbols" >>"$work/uses"

# A room may use lower floors and itself; rooms of one floor do not know each other.
awk -F'\t' -v floors="$work/floors" '
    BEGIN { while ((getline line < floors) > 0) { split(line, part, " "); floor[part[2]] = part[1] } }
    !($1 in floor) { print "unknown room: " $3; bad = 1; next }
    !($2 in floor) { print "unknown room: " $3; bad = 1; next }
    $1 != $2 && floor[$2] >= floor[$1] {
        print "runs upward: " $3 " (" $1 " is floor " floor[$1] ", " $2 " floor " floor[$2] ")"; bad = 1 }
    END { exit bad }' "$work/uses" || { echo "check_floors: failed" >&2; exit 1; }
echo "check_floors: $(wc -l <"$work/uses") uses, all downward"
