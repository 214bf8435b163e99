# shellcheck shell=bash disable=SC2034,SC2154
# DTM with its Redis store, https://en.dtm.pub. Its benchmark (helper/bench/test-redis.sh there) waits
# for the result of each saga, ten at a time, and its steps have no address, so that nothing is called;
# here are the same with three steps, and three that are called by HTTP. A saga runs as soon as it is
# submitted, so none can wait: the submissions are part of the time.
kind=sagas
settings=(
    "10 at a time, three HTTP actions|1|10 call"
    "50 at a time, three HTTP actions|1|50 call"
    "10 at a time, three steps without a call|1|10 empty"
    "50 at a time, three steps without a call|1|50 empty"
)
guarantee="at least once for each step; compensation in reverse order; time limit of the whole; state of the saga in Redis, that of the services wherever they keep it"
note="also does TCC, XA and messages in two phases, barriers against repeats for several databases, gRPC, other stores, an administrator's pages; it reaches its server by TCP"
dtm_version=1.19.0

install() {
    install_go_program || return
    [[ -x $folder/go/bin/dtm ]] && return
    if ! with_go install "github.com/dtm-labs/dtm@v$dtm_version" >&2; then
        echo "go cannot install it: $(tail -n 1 "$log" | sed 's/^[[:space:]]*//')"
        return 1
    fi
}

version() { echo "$dtm_version"; }
fill() { true; }
work() { exec "$place/program" "$folder/go/bin/dtm" "$PEERS_JOBS" "$@"; }
left() { redis zcard '{a}_u'; }
