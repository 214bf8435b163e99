# shellcheck shell=bash disable=SC2034,SC2154
# Watermill's Redis streams, https://watermill.io/pubsubs/redisstream. A subscriber reads one message
# at a time and waits for its acknowledgement, so several side by side are its concurrency.
kind=messages
settings=(
    "1 subscriber|1|1"
    "10 subscribers|1|10"
    "50 subscribers|1|50"
)
guarantee="at least once by a stream's pending list; effects not atomic with the acknowledgement; state in Redis, where entries stay"
note="also does several consumer groups, middleware for retries, throttling and poison queues, many other brokers"

install() { install_go_program; }
version() { go_version github.com/ThreeDotsLabs/watermill-redisstream; }
fill() { "$place/program" fill "$1"; }
work() { exec "$place/program" work "$@"; }
left() { stream_left jobs workers; }
