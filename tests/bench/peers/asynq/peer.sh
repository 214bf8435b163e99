# shellcheck shell=bash disable=SC2034,SC2154
# Asynq, https://github.com/hibiken/asynq. Its README shows concurrency 10; the default is the number
# of cores (asynq.Config).
kind=messages
settings=(
    "concurrency 10|1|10"
    "concurrency 50|1|50"
)
guarantee="at least once by leases; effects not atomic with the acknowledgement; state in Redis"
note="also does retries with backoff, scheduled and periodic tasks, priorities of queues, unique tasks, deadlines, results, a web interface"

install() { install_go_program; }
version() { go_version github.com/hibiken/asynq; }
fill() { "$place/program" fill "$1"; }
work() { exec "$place/program" work "$@"; }
left() { "$place/program" left; }
