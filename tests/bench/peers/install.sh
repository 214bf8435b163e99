# shellcheck shell=bash
# shellcheck disable=SC2154 # it shares run.sh's variables
# What the peers' install functions share. Each prints a sentence to the standard output and fails
# where its peer cannot be had; the log goes to the standard error output. All but Debian's packages
# goes into the folder that the caller names, and is left as it is where it is there already.

as_root() {
    if [[ $(id -u) -eq 0 ]]; then
        "$@"
    else
        sudo "$@"
    fi
}

install_packages() { # PACKAGE...
    as_root apt-get -qq update >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
        -o DPkg::Lock::Timeout=120 "$@" </dev/null >&2
}

need_command() { # COMMAND PACKAGE...
    local command=$1
    shift
    command -v "$command" >/dev/null && return
    install_packages "$@" && command -v "$command" >/dev/null && return
    echo "$command is missing, and its Debian package could not be installed"
    return 1
}

# By the manifest beside the peer, whose copy stands where it was installed.
install_node_packages() {
    need_command node nodejs npm && need_command npm npm || return
    [[ -d $place/node_modules ]] && cmp -s "$home/package.json" "$place/package.json" && return
    rm -rf "$place/node_modules"
    cp "$home/package.json" "$place/"
    if ! (cd "$place" && nice npm install --no-audit --no-fund --loglevel=error) >&2; then
        rm -f "$place/package.json"
        echo "npm cannot install it: $(grep -m 1 -E 'npm error (404|[a-zA-Z]+) [A-Z]' "$log" || tail -n 1 "$log")"
        return 1
    fi
}

run_node() { # SCRIPT ARGUMENT...
    NODE_ENV=production NODE_PATH=$place/node_modules exec node "$@"
}

node_version() { # PACKAGE
    sed -n 's/^ *"version": "\(.*\)",*$/\1/p' "$place/node_modules/$1/package.json"
}

# A program of the peer's folder, by its own go.mod and go.sum; modules, build cache and all else of
# Go go into the folder as well.
install_go_program() {
    need_command go golang-go || return
    [[ -x $place/program ]] && cmp -s <(cat "$home"/* "$home"/../shared/tally/*) "$place/sources" && return
    if ! (cd "$home" && with_go build -mod=readonly -o "$place/program" .) >&2; then
        echo "go cannot build it: $(tail -n 1 "$log")"
        return 1
    fi
    cat "$home"/* "$home"/../shared/tally/* >"$place/sources"
}

with_go() { # ARGUMENT...
    env GOPATH="$folder/go" GOMODCACHE="$folder/go/pkg/mod" GOCACHE="$folder/go/cache" GOBIN="$folder/go/bin" \
        GOFLAGS=-modcacherw nice go "$@"
}

go_version() { # MODULE
    sed -n "s#^.*$1 v\([^ ]*\).*#\1#p" "$home/go.mod" | head -n 1
}
