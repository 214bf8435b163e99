# shellcheck shell=bash disable=SC2034,SC2154
# @moleculer/workflows on Redis, https://github.com/moleculerjs/workflows. Its README has a workflow
# call actions by ctx.call, which are journaled, and its options concurrency and removeOnCompleted.
kind=sagas
settings=(
    "concurrency 10|1|10"
    "concurrency 50|1|50"
)
guarantee="at least once for each step, by a journal in Redis that is replayed; compensation by hand in the handler; timers of a workflow and of a signal"
note="also does signals, delays, repeated jobs, state that others can read, results; its steps were called in the same process; 'work in progress', says its README"

install() { install_node_packages; }
version() { node_version @moleculer/workflows; }
fill() { (run_node "$home/sagas.js" fill "$1"); }
work() { run_node "$home/sagas.js" work "$@"; }
left() { echo $(($(redis llen molwf:workflows:saga.run:waiting) + $(redis llen molwf:workflows:saga.run:active))); }
