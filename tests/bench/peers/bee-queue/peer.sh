# shellcheck shell=bash disable=SC2034,SC2154
# bee-queue, https://github.com/bee-queue/bee-queue. Its README names the settings to switch off where
# they are not needed ("Optimizing Redis Connections", "Settings") and saveAll for many jobs at once.
kind=messages
settings=(
    "concurrency 50|1|50"
    "concurrency 200|1|200"
    "2 processes of concurrency 200|2|200"
)
guarantee="at least once by a sweep for stalled jobs; effects not atomic with the acknowledgement; state in Redis"
note="also does retries with backoff, delays, progress, results that come back by events"

install() { install_node_packages; }
version() { node_version bee-queue; }
fill() { (run_node "$home/jobs.js" fill "$1"); }
work() { run_node "$home/jobs.js" work "$@"; }
left() { (run_node "$home/jobs.js" left); }
