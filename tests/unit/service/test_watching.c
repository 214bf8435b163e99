/* What a worker says of the server's settings and of streams that come to the end of their ids. */
#include <ev.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/watching.h"

#define NOW_MS 1700000000000LL

static struct weir_log log_sink;
static struct weir_runtime runtime;
static struct weir_watching watching;
static int ends[2]; /* of the pipe that the log is written to */

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(pipe(ends), 0);
    weir_log_init(&log_sink, "orders");
    log_sink.descriptor = ends[1];
    log_sink.colour = false;
    runtime = (struct weir_runtime){.loop = ev_default_loop(0), .log = &log_sink};
    weir_watching_init(&watching, &runtime);
    weir_watching_add(&watching, "{orders}:events");
    watching.server_ms = NOW_MS;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    weir_watching_stop(&watching);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

/* What has been logged since it was asked last. */
static const char *logged(void)
{
    static char text[4096];
    assert_int_equal(write(ends[1], "\n", 1), 1); /* so that there is something to read */
    ssize_t length = read(ends[0], text, sizeof text - 1);
    assert_true(length > 0);
    text[length] = '\0';
    return text;
}

static void expect_line(const char *level, const char *text)
{
    const char *line = logged();
    if (strstr(line, level) == NULL || strstr(line, text) == NULL)
        fail_msg("'%s' instead of %s … %s", line, level, text);
}

static void expect_silence(void)
{
    assert_string_equal(logged(), "\n");
}

static void info(const char *text)
{
    weir_watching_info(&watching, weir_slice_of(text));
}

static void last_id(const char *text)
{
    weir_watching_last_id(&watching.streams[0], weir_slice_of(text));
}

static void a_server_that_evicts_is_told_of_once(void **state)
{
    (void)state;
    info("# Memory\r\nused_memory:1\r\nmaxmemory_policy:noeviction\r\n");
    expect_silence();
    info("maxmemory_policy:allkeys-lru");
    expect_line("error", "server.evicts maxmemory_policy=allkeys-lru");
    info("# Memory\r\nmaxmemory_policy:allkeys-lru\r\nmem_allocator:x\r\n");
    expect_silence();
    info("maxmemory_policy:volatile-ttl\r\n");
    expect_line("error", "maxmemory_policy=volatile-ttl");
    info("maxmemory_policy:noeviction\r\n");
    expect_line("info", "server.keeps");
    info("maxmemory_policy:noeviction\r\n");
    expect_silence();
}

static void other_answers_say_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "maxmemory_policy",
                                        "\n",
                                        "xmaxmemory_policy:a\n",
                                        "cluster_enabled:0\r\n",
                                        "cluster_enabled:"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        info(texts[i]);
    expect_silence();
    last_id("");
    last_id("5");
    last_id("x-y");
    last_id("18446744073709551616-0"); /* beyond what a server can hold */
    expect_silence();
}

static void a_cluster_is_told_of_once(void **state)
{
    (void)state;
    info("# Cluster\r\ncluster_enabled:1\r\n");
    expect_line("error", "server.cluster");
    info("# Cluster\r\ncluster_enabled:1\r\n");
    expect_silence();
}

static void ids_ahead_of_the_time_are_told_of(void **state)
{
    (void)state;
    last_id("1700000000000-1");
    last_id("1700000060000-0"); /* clocks are never quite alike */
    expect_silence();
    last_id("1700000060001-0");
    expect_line("error", "stream.ids_ahead stream={orders}:events last_id=1700000060001-0 "
                         "ahead_ms=60001");
    last_id("1700000070000-0");
    expect_silence();
    watching.server_ms = 0; /* not known: what is known stays */
    last_id("1700000000000-0");
    expect_silence();
    watching.server_ms = NOW_MS;
    last_id("1700000000000-0");
    expect_line("info", "stream.ids_fine stream={orders}:events");
}

static void a_stream_at_its_end_is_told_of(void **state)
{
    (void)state;
    watching.server_ms = 0;
    last_id("18446744073709551615-18446744073709551615");
    expect_line("error", "stream.exhausted stream={orders}:events");
    last_id("18446744073709551615-18446744073709551615");
    expect_silence();
    last_id("1700000000000-0");
    expect_line("info", "stream.ids_fine");
}

static void it_watches_no_more_than_it_has_room_for(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * WEIR_WATCHED_MAX; i++)
        weir_watching_add(&watching, "{orders}:more");
    assert_int_equal(watching.stream_count, WEIR_WATCHED_MAX);
}

/* However often something goes wrong, the server is asked at most once a second. */
static void it_looks_earlier_but_not_all_the_time(void **state)
{
    (void)state;
    static struct weir_link closed;
    runtime.link = &closed;
    weir_watching_hasten(&watching);
    assert_false(ev_is_active(&watching.timer)); /* not started */
    weir_watching_start(&watching);
    int64_t first = watching.looked_at;
    assert_true(first > 0);
    assert_true(ev_timer_remaining(runtime.loop, &watching.timer) > 30.);
    weir_watching_hasten(&watching);
    double rest = ev_timer_remaining(runtime.loop, &watching.timer);
    assert_true(rest <= 1.);
    watching.looked_at -= 2000;
    weir_watching_hasten(&watching); /* it is on its way already */
    assert_true(ev_timer_remaining(runtime.loop, &watching.timer) == rest);
    ev_run(runtime.loop, EVRUN_ONCE);
    assert_true(watching.looked_at >= first);
    assert_true(ev_timer_remaining(runtime.loop, &watching.timer) > 30.);
    watching.owed = 1; /* what is wrong now may have been fine when it was asked about */
    weir_watching_hasten(&watching);
    assert_true(watching.hastened);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_server_that_evicts_is_told_of_once),
        CASE(other_answers_say_nothing),
        CASE(a_cluster_is_told_of_once),
        CASE(ids_ahead_of_the_time_are_told_of),
        CASE(a_stream_at_its_end_is_told_of),
        CASE(it_looks_earlier_but_not_all_the_time),
        CASE(it_watches_no_more_than_it_has_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
