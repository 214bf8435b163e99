#!/usr/bin/env bash
# Measures how fast weir is on this machine, beside a client without a framework and, where asked
# for, beside its peers.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${WEIR_BUILD:-$root/build}

usage() {
    cat <<TEXT
Usage: scripts/bench.sh [OPTION…]

Builds what is missing, starts servers of its own with redis.conf, runs each row several times in
turn with the bare client that is its ceiling, and prints medians with minimum and maximum, the
processor time of server and clients, ratios, and what each should reach. A full run takes some
twenty minutes, the peers about ten more for each run. The last line is "passed", or "failed" where
something did not work or had a wrong outcome. How fast it was decides nothing.

  --quick           smaller counts, fewer runs and rows: about a minute
  --smoke           tiny counts, every row once: only that it works
  --rows LIST       names with commas between: messages, sagas, orders, latency, projection,
                    growth, timers, memory, idle, and, by name alone, soak: whether processes
                    grow under a steady load (an hour; with --quick a minute)
  --runs N          how often each is run (default 5)
  --peers[=LIST]    other frameworks besides, installed into a folder of their own
  --json            a line of JSON for each figure instead of the table
  --keep            keep the folder with logs and data
  --help            print this

Environment: REDIS_SERVER (the server's program), WEIR_BUILD (the build folder), TMPDIR.
TEXT
}

for word in "$@"; do
    case $word in
    -h | --help) usage && exit ;;
    esac
done

make -s -C "$root" BUILD="$build" -j"$(nproc)" bench >&2 || {
    printf 'the build failed\nfailed\n'
    exit 1
}
# Whatever the caller uses: these are the benchmark's own.
unset REDIS_URL "${!WEIR_@}"
cd "$root"
exec "$build/tests/bench/bench" --project "$root" --build "$build" "$@"
