# shellcheck shell=bash disable=SC2034,SC2154
# BullMQ's flows, https://docs.bullmq.io/guide/flows: a parent waits for its children, so a chain of
# three is the third step with the second as its child and the first as the second's
# (guide/flows/adding-flows-in-bulk; its pattern "flows" has one queue or several alike).
kind=sagas
settings=(
    "one queue, concurrency 50|1|50"
    "one queue, concurrency 200|1|200"
    "one queue, 2 processes of concurrency 50|2|50"
)
guarantee="at least once for each step; no compensation and no timer of the whole; the chain is kept in Redis and is fixed when it is added"
note="also does what BullMQ does for jobs, trees of any form, results of the children for the parent"

install() { install_node_packages; }
version() { node_version bullmq; }
fill() { (run_node "$home/chains.js" fill "$1"); }
work() { run_node "$home/chains.js" work "$@"; }
left() { (run_node "$home/chains.js" left); }
