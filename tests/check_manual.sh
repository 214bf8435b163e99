#!/usr/bin/env bash
# Checks the pages of the manual: that each program has one, that mandoc and groff find nothing to
# complain of, and that pages refer to pages that are there. Usage: tests/check_manual.sh [BUILD]
set -euo pipefail
export LC_ALL=C.UTF-8
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${1:-$root/build}
cd "$root"
make -s BUILD="$build" CI="${CI:-}" manual
shopt -s nullglob
pages=("$build"/man/*.[1378])
failed=0

fault() {
    printf 'check_manual: %s\n' "$1"
    failed=1
}

page_of() { # PROGRAM
    local page
    for page in "${pages[@]}"; do
        [[ ${page##*/} == "$1".[18] ]] && return
    done
    return 1
}

for program in framework/programs/weir*.c; do
    program=$(basename "$program" .c)
    page_of "$program" || fault "$program has no page"
done
[[ -s $build/man/weir.7 && -s $build/man/weir.h.3 ]] || fault 'weir(7) or weir.h(3) is not there'
for page in "${pages[@]}"; do
    ! grep -n '^@' "$page" || fault "$page: something was not filled in"
    while read -r name section; do
        [[ $name == redis-cli || -e framework/man/$name.$section.in ]] || fault "$page: refers to $name($section)"
    done < <(sed -n 's/^\.Xr \([^ ]*\) \([0-9]\).*/\1 \2/p' "$page")
    if command -v mandoc >/dev/null; then
        said=$(mandoc -Tlint -W warning "$page" 2>&1 | grep -vE 'referenced manual not found|mandoc\.db|makewhatis' || true)
        [[ -z $said ]] || fault "$said"
    fi
    if command -v groff >/dev/null && [[ -e $(echo /usr/share/groff/*/tmac/mdoc.local) || -e $(echo /usr/share/groff/*/tmac/doc.tmac) ]]; then
        said=$(groff -mandoc -K utf8 -Tutf8 -ww -z "$page" 2>&1)
        [[ -z $said ]] || fault "$said"
    fi
done
# Each function that a worker may call stands on its page.
while read -r name; do
    grep -q "$name(" "$build/man/weir.h.3" || fault "weir.h(3) lacks $name"
done < <(grep -oE '\bweir_[a-z_]+\(' framework/weir.h | tr -d '(' | sort -u)
[[ $failed -eq 0 ]] || exit 1
printf 'check_manual: %s pages, all fine\n' "${#pages[@]}"
