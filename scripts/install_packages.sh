#!/usr/bin/env bash
# Installs the Debian packages that weir is built and run with, where any is missing; with --tests
# those of the tests, too, a browser and Prometheus among them.
set -euo pipefail

fail() {
    printf 'install_packages: %s\n' "$1" >&2
    exit 1
}

has_header() { # HEADER
    printf '#include <stddef.h>\n#include <stdarg.h>\n#include <stdint.h>\n#include <setjmp.h>\n#include <%s>\n' "$1" |
        gcc -E -o /dev/null - 2>/dev/null
}

has_server() {
    { command -v redis-server || command -v valkey-server; } >/dev/null &&
        { command -v redis-cli || command -v valkey-cli; } >/dev/null
}

# Asks for the thing itself and not for its package, so that one built by hand counts as well.
missing_packages() {
    command -v gcc >/dev/null || echo gcc
    command -v make >/dev/null || echo make
    command -v pkg-config >/dev/null || echo pkg-config
    has_header stdlib.h || echo libc6-dev
    has_header hiredis/hiredis.h || echo libhiredis-dev
    has_header jansson.h || echo libjansson-dev
    has_header ev.h || echo libev-dev
    has_header microhttpd.h || echo libmicrohttpd-dev
    has_header uthash.h || echo uthash-dev
    has_server || echo redis-server
    [[ -z $tests ]] || missing_for_tests
}

missing_for_tests() {
    has_header cmocka.h || echo libcmocka-dev
    command -v spin >/dev/null || echo spin
    command -v patch >/dev/null || echo patch
    command -v strace >/dev/null || echo strace
    command -v curl >/dev/null || echo curl
    command -v python3 >/dev/null || echo python3
    command -v prometheus >/dev/null && command -v promtool >/dev/null || echo prometheus
    [[ -x /usr/bin/chromium ]] || echo chromium
    command -v chromedriver >/dev/null || echo chromium-driver
    # Debian's own, whichever python3 comes first.
    /usr/bin/python3 -c 'import selenium' 2>/dev/null || echo python3-selenium
    command -v mandoc >/dev/null || echo mandoc
}

as_root() {
    if [[ $(id -u) -eq 0 ]]; then
        "$@"
    else
        sudo "$@"
    fi
}

quietly() { # COMMAND...; the log is shown only where it fails
    local log=$folder/log
    as_root env DEBIAN_FRONTEND=noninteractive "$@" </dev/null >"$log" 2>&1 && return
    tail -n 20 "$log" >&2
    fail "failed: $*"
}

# A server's package would start a service of its own, which nobody here has asked for. Debian's
# own way to forbid that is this file; one that is there already is the administrator's.
forbid_services() {
    [[ -e $policy ]] && return
    printf '#!/bin/sh\nexit 101\n' >"$folder/policy"
    as_root install -m 755 "$folder/policy" "$policy"
    policy_is_ours=1
}

clean_up() {
    [[ -z $policy_is_ours ]] || as_root rm -f "$policy"
    rm -rf "$folder"
}

has_candidate() { # PACKAGE
    [[ $(apt-cache policy "$1" 2>/dev/null) =~ Candidate:\ [^\(] ]]
}

install_missing() { # PACKAGE...
    local packages=("$@") services=()
    quietly apt-get -qq update
    if [[ " $* " == *" redis-server "* ]] && ! has_candidate redis-server; then
        packages=("${packages[@]/redis-server/valkey-server}" valkey-tools)
    fi
    mapfile -t services < <(printf '%s\n' "${packages[@]}" | grep -xE 'redis-server|valkey-server|prometheus')
    [[ ${#services[@]} -eq 0 ]] || forbid_services
    quietly apt-get -qq install -y --no-install-recommends -o DPkg::Lock::Timeout=120 "${packages[@]}"
    # Nor at the next start of the machine.
    if [[ ${#services[@]} -gt 0 ]] && command -v systemctl >/dev/null; then
        as_root systemctl --quiet disable "${services[@]}" >/dev/null 2>&1 || true
    fi
}

tests=
case ${1:-} in
'') ;;
--tests) tests=1 ;;
*) fail "only --tests is known, not '$1'" ;;
esac
policy=/usr/sbin/policy-rc.d
policy_is_ours=
mapfile -t missing < <(missing_packages)
[[ ${#missing[@]} -gt 0 ]] || exit 0
printf 'installing %s\n' "${missing[*]}"
command -v apt-get >/dev/null || fail "no apt-get here; these are needed, by their Debian names: ${missing[*]}"
[[ $(id -u) -eq 0 ]] || command -v sudo >/dev/null || fail "this needs root or sudo"
folder=$(mktemp -d)
trap clean_up EXIT
install_missing "${missing[@]}"
mapfile -t missing < <(missing_packages)
[[ ${#missing[@]} -eq 0 ]] || fail "still missing after the installation: ${missing[*]}"
