# shellcheck shell=bash disable=SC2034,SC2154
# moleculer-channels on Redis streams, https://github.com/moleculerjs/moleculer-channels. Its README
# measures throughput with maxInFlight 10 and 100, of which 10 is far slower.
kind=messages
settings=(
    "maxInFlight 100|1|100"
    "maxInFlight 1000|1|1000"
)
guarantee="at least once by a stream's pending list; effects not atomic with the acknowledgement; state in Redis, where entries stay"
note="also does retries, dead letters, several consumer groups, other brokers than Redis, actions and events of moleculer"

install() { install_node_packages; }
version() { node_version @moleculer/channels; }
fill() { (run_node "$home/jobs.js" fill "$1"); }
work() { run_node "$home/jobs.js" work "$@"; }
left() { stream_left jobs workers; }
