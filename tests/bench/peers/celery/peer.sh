# shellcheck shell=bash disable=SC2034,SC2154
# Celery, https://docs.celeryq.dev. Its guide on Optimizing gives the prefetch: 1 for long tasks, 64
# or 128 for many short ones; that on Tasks says to ignore results that nobody reads; that on
# Concurrency one process per core. Gossip, mingle and heartbeat are for other brokers or for several
# workers (guide on Workers, which asks for a name for each process, too).
kind=messages
most=20000
settings=(
    "solo, prefetch 128|1|solo 1 128"
    "2 processes of solo, prefetch 128|2|solo 1 128"
    "10 threads, prefetch 128|1|threads 10 128"
    "prefork 2, prefetch 1|1|prefork 2 1"
    "prefork 2, prefetch 128|1|prefork 2 128"
)
guarantee="at most once, acknowledged before it runs, as is the default (at least once with acks_late); state in Redis"
note="also does retries, countdowns, priorities, rate limits, results, chains, groups and chords, periodic tasks, other brokers"

install() {
    need_command python3 python3 || return
    [[ -x $place/venv/bin/celery ]] && cmp -s "$home/requirements.txt" "$place/requirements.txt" && return
    if ! python3 -m venv "$place/venv" >&2; then
        install_packages python3-venv || echo "its Debian package python3-venv could not be installed"
        python3 -m venv "$place/venv" >&2 || return
    fi
    nice "$place/venv/bin/pip" install --quiet -r "$home/requirements.txt" >&2 || return
    cp "$home/requirements.txt" "$place/"
}

run_python() { # COMMAND...
    PYTHONPATH=$home:$home/../shared PYTHONDONTWRITEBYTECODE=1 exec "$@"
}

version() { "$place/venv/bin/pip" list --format=freeze 2>/dev/null | sed -n 's/^celery==//p'; }
fill() { (run_python "$place/venv/bin/python" "$home/jobs.py" "$1"); }
work() { # POOL CONCURRENCY PREFETCH
    run_python "$place/venv/bin/celery" -A jobs worker --hostname "worker$BASHPID@%h" --pool "$1" --concurrency "$2" \
        --prefetch-multiplier "$3" --without-gossip --without-mingle --without-heartbeat --loglevel WARNING
}
left() { echo $(($(redis llen celery) + $(redis hlen unacked))); }
