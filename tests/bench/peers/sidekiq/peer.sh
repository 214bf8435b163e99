# shellcheck shell=bash disable=SC2034,SC2154
# Sidekiq, https://github.com/sidekiq/sidekiq. Its wiki on Advanced Options gives the concurrency: at
# most 50, and several processes for several cores; that on Problems and Troubleshooting the arenas
# of malloc; that on Bulk Queueing push_bulk.
kind=messages
settings=(
    "concurrency 10|1|10"
    "concurrency 25|1|25"
    "concurrency 50|1|50"
    "2 processes of concurrency 10|2|10"
)
guarantee="at most once where a process dies (the Pro version: at least once); state in Redis"
note="also does retries with backoff for weeks, scheduled jobs, a web interface, middleware"

# RubyGems first, then Debian's package, which is older.
install() {
    local gem_version
    need_command ruby ruby && need_command gem ruby || return
    gem_version=$(sed -n "s/^gem 'sidekiq', '\(.*\)'$/\1/p" "$home/Gemfile")
    [[ -e $place/gems/bin/sidekiq ]] && return
    GEM_HOME=$place/gems nice gem install --no-document sidekiq -v "$gem_version" >&2 && return
    rm -rf "$place/gems"
    need_command sidekiq ruby-sidekiq ||
        { echo "RubyGems cannot be reached, and there is no package of Debian" && return 1; }
}

with_gems() { # COMMAND...
    if [[ -d $place/gems ]]; then
        export GEM_HOME=$place/gems PATH=$place/gems/bin:$PATH
    fi
    MALLOC_ARENA_MAX=2 exec "$@"
}

version() {
    (with_gems ruby -e 'require "sidekiq"; print Sidekiq::VERSION')
    [[ -d $place/gems ]] || printf ", Debian's package"
}
fill() { (with_gems ruby "$home/fill.rb" "$1"); }
work() { with_gems sidekiq -q jobs -r "$home/job.rb" -c "$1"; }
left() { echo $(($(redis llen queue:jobs) + $(redis zcard retry) + $(redis zcard schedule))); }
