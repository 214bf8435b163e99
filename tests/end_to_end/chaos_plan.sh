#!/usr/bin/env bash
# The plan of a chaos run: the same seed gives the same faults, another one others; a minute meets
# every kind; each fault of the plan can be carried out; what cannot be understood is refused.
set -euo pipefail

# shellcheck source=tests/end_to_end/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

plan() { # OPTION...
    "$root/scripts/chaos.sh" --plan "$@"
}

# shellcheck source=tests/chaos/plan.sh
source "$root/tests/chaos/plan.sh"
# shellcheck source=tests/chaos/faults.sh
source "$root/tests/chaos/faults.sh"

differs() { # ONE OTHER
    [[ $1 != "$2" ]]
}

all_kinds_met() { # SEED
    same "$(plan --seed "$1" --faults all --fsync everysec | cut -d ' ' -f 2 | sort -u)" "$(faults_of all | sort)"
}

times_rise() { # SEED
    plan --seed "$1" --minutes 5 | awk '
        $1 <= before || $1 >= 300000 { print "line " NR ": " $0; bad = 1 } { before = $1 } END { exit bad }'
}

each_can_be_injected() {
    local name
    for name in $(faults_of all); do
        [[ $(type -t "inject_${name//-/_}") == function ]] || {
            printf '%s is not known to do anything\n' "$name"
            return 1
        }
    done
}

refused() { # OPTION...
    local code=0
    "$root/scripts/chaos.sh" "$@" >/dev/null 2>&1 || code=$?
    same "$code" 64
}

main() {
    local seed
    check 'the same seed, the same plan' same "$(plan --seed 7 --minutes 3)" "$(plan --seed 7 --minutes 3)"
    check 'another seed, another plan' differs "$(plan --seed 7)" "$(plan --seed 8)"
    for seed in 0 1 4711 999999999; do
        check "seed $seed: a minute meets every fault" all_kinds_met "$seed"
        check "seed $seed: times rise and end with the run" times_rise "$seed"
    done
    check 'only what was chosen' same "$(plan --seed 3 --faults busy,cut | cut -d ' ' -f 2 | sort -u | tr '\n' ' ')" 'busy cut '
    check 'no faults, no plan' same "$(plan --seed 3 --faults none)" ''
    check 'each fault is known' each_can_be_injected
    check 'an unknown fault is refused' refused --faults earthquake
    check 'an unknown option is refused' refused --quick
    check 'a length of nothing is refused' refused --minutes 0
}

main
