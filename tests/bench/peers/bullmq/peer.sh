# shellcheck shell=bash disable=SC2034,SC2154
# BullMQ, https://docs.bullmq.io. Its page on concurrency shows a factor of 50 and recommends several
# processes (guide/workers/concurrency); jobs are removed when done (guide/queues/auto-removal-of-jobs)
# and added in bulk (guide/queues/adding-bulks).
kind=messages
settings=(
    "concurrency 50|1|50"
    "concurrency 200|1|200"
    "2 processes of concurrency 50|2|50"
    "concurrency 50, with two fields and an event, not atomic|1|50 effects"
    "concurrency 200, with two fields and an event, not atomic|1|200 effects"
)
guarantee="at least once by locks that are renewed; effects not atomic with the acknowledgement; state in Redis"
note="also does retries with backoff, delays, priorities, rate limits, progress, kept results, repeated jobs, parents"

install() { install_node_packages; }
version() { node_version bullmq; }
fill() { (run_node "$home/jobs.js" fill "$1"); }
work() { run_node "$home/jobs.js" work "$@"; }
left() { (run_node "$home/jobs.js" left); }
