#!/usr/bin/env bash
# Checks the systemd units as they are installed: that systemd understands all of them, that they end
# on no exit code in a circle, and that little is left for the processes to do on the machine.
# tests/end_to_end/units.sh runs them.
# Usage: tests/check_units.sh [BUILD]
set -euo pipefail
export LC_ALL=C
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$(realpath "${1:-$root/build}")
exposure_max=20 # of systemd-analyze's 100 (it shows 2.0 of 10)
failed=0

fault() {
    printf 'check_units: %s\n' "$1"
    failed=1
}

command -v systemd-analyze >/dev/null || {
    printf 'skipped: there is no systemd-analyze\n'
    exit 0
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
make -s -C "$root" BUILD="$build" DESTDIR="$work" PREFIX=/usr install-units
units=$work/usr/lib/systemd/system
services=(weir-worker@.service weir-coordinator.service weir-dashboard.service weir-gateway.service)
for name in "${services[@]}" weir.target; do
    [[ -s $units/$name ]] || fault "$name is not installed"
done
! grep -rn '@[a-z]*@' "$units" || fault 'something was not filled in'

# A flag would beat the environment files.
said=$(grep -H '^ExecStart=.* -' "$units"/*.service) && fault "settings are for the environment files: $said"

# The programs have to be where the units say for systemd to take them: those of this build are.
mkdir -p "$work/bin"
for program in weir-coordinator weir-dashboard gateway payments; do
    grep -q "^ExecStart=/usr/bin/\(%i\|$program\)\( \|$\)" "$units"/*.service || fault "no unit starts $program"
    ln -s /bin/true "$work/bin/$program"
done
sed -i "s|^ExecStart=/usr/bin/|ExecStart=$work/bin/|" "$units"/*.service
cp "$units/weir-worker@.service" "$units/weir-worker@payments.service"
for name in "${services[@]/@/@payments}" weir.target; do
    said=$(SYSTEMD_UNIT_PATH=$units:/lib/systemd/system systemd-analyze verify --man=no "$units/$name" 2>&1 |
        grep -F weir || true)
    [[ -z $said ]] || fault "$name: $said"
    [[ $name == *.service ]] || continue
    said=$(systemd-analyze security --no-pager --offline=true --threshold="$exposure_max" "$units/$name" 2>&1) ||
        fault "$name: exposed more than $exposure_max: $(tail -n 1 <<<"$said")"
    printf '%s\n' "$said" | tail -n 1
    for setting in Restart=on-failure 'RestartPreventExitStatus=64 77 78 203' KillSignal=SIGTERM DynamicUser=yes \
        PartOf=weir.target Before=weir.target StartLimitIntervalSec=5min; do
        grep -qxF "$setting" "$units/$name" || fault "$name: lacks $setting"
    done
done
# Without the first all of a machine's boot would wait for a server that is away.
grep -qx DefaultDependencies=no "$units/weir.target" || fault 'weir.target: multi-user.target waits for it'

setting_of() { # UNIT NAME: of numbers, in seconds or without a unit
    sed -n "s/^$2=\\([0-9]*\\)s\\{0,1\\}$/\\1/p" "$units/$1"
}

# A start that fails at once comes to an end; ten messages that kill a worker (--max-deliveries) end nobody.
deliveries=$(sed -n '/"max-deliveries"/,/}/s/.*\.initial = "\([0-9]*\)".*/\1/p' "$root/framework/service/main.c")
for name in "${services[@]}"; do
    starts=$(setting_of "$name" StartLimitBurst)
    ((starts * $(setting_of "$name" RestartSec) < 300)) || fault "$name: starts for ever what fails at once"
    ((starts > 10 * ${deliveries:?})) || fault "$name: is given up after $starts deaths"
done

# Each is given longer to stop than it takes by itself.
stops_in() { # UNIT MS
    local stop
    stop=$(setting_of "$1" TimeoutStopSec)
    ((${stop:-0} * 1000 > $2 + 10000)) || fault "$1: stops after ${stop:-?} s, its program after $2 ms"
}
grace=$(sed -n 's/^#define GRACE_MS \([0-9]*\)$/\1/p' "$root/framework/service/stopping.c")
for name in weir-worker@.service weir-coordinator.service; do
    stops_in "$name" "${grace:?}"
done
for name in weir-worker@.service weir-coordinator.service weir-gateway.service; do
    grep -qx 'TimeoutStartSec=infinity' "$units/$name" || fault "$name: a server that is away ends it"
done
wait_max=$(grep -o 'AT(wait_ms), 1, [0-9]*' "$root/workers/gateway/settings.c" | sed 's/.* //')
slack=$(sed -n 's/^#define DRAIN_SLACK_MS \([0-9]*\)$/\1/p' "$root/workers/gateway/main.c")
stops_in weir-gateway.service $((${wait_max:?} + ${slack:?}))
[[ $failed -eq 0 ]] || exit 1
printf 'check_units: all fine\n'
