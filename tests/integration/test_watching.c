/* What becomes wrong with a server while nothing else is asked of it is seen by the next look. */
#include "service/watching.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/server.h"

#define LIMIT_MS 20000
#define EVENTS "{orders}:events"
#define LAST "18446744073709551615-0"

static struct test_server server;
static struct ev_loop *loop;
static struct weir_endpoint endpoint;
static struct weir_log logger;
static struct weir_link line;
static struct weir_runtime runtime;
static struct weir_watching watching;

static void on_ready(void *user)
{
    (void)user;
}

static void on_lost(void *user, const struct weir_error *error)
{
    (void)user;
    (void)error;
}

/* Runs the loop until the condition holds. */
#define RUN_UNTIL(condition)                                                                       \
    do {                                                                                           \
        long long run_end = test_now() + LIMIT_MS;                                                 \
        while (!(condition)) {                                                                     \
            if (test_now() > run_end)                                                              \
                fail_msg("has not come true: %s", #condition);                                     \
            ev_run(loop, EVRUN_NOWAIT);                                                            \
            test_pause();                                                                          \
        }                                                                                          \
    } while (0)

static int start(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    test_server_start(&server, "redis", NULL);
    assert_int_equal(weir_endpoint_parse(server.url, &endpoint, NULL), WEIR_OK);
    weir_log_init(&logger, "orders");
    logger.descriptor = open("watching.log", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    logger.colour = false;
    assert_true(logger.descriptor >= 0);
    loop = ev_loop_new(EVFLAG_AUTO);
    struct weir_link_settings settings = {.loop = loop,
                                          .endpoint = &endpoint,
                                          .log = &logger,
                                          .role = "commands",
                                          .client_name = "s",
                                          .silence_limit_ms = 10000,
                                          .ready = on_ready,
                                          .lost = on_lost};
    weir_link_init(&line, &settings);
    weir_link_open(&line);
    RUN_UNTIL(line.state == WEIR_LINK_READY);
    runtime = (struct weir_runtime){.loop = loop, .log = &logger, .link = &line};
    weir_watching_init(&watching, &runtime);
    weir_watching_add(&watching, EVENTS);
    watching.every_ms = 20;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    weir_watching_stop(&watching);
    weir_link_close(&line);
    ev_loop_destroy(loop);
    close(logger.descriptor);
    weir_endpoint_close(&endpoint);
    test_server_stop(&server, SIGTERM);
    return 0;
}

static bool has_said(const char *text)
{
    static char said[16384];
    FILE *file = fopen("watching.log", "re");
    assert_non_null(file);
    said[fread(said, 1, sizeof said - 1, file)] = '\0';
    fclose(file);
    return strstr(said, text) != NULL;
}

static void it_looks_again_and_again(void **state)
{
    (void)state;
    weir_watching_start(&watching);
    RUN_UNTIL(watching.owed == 0);
    test_do(&server, "XADD " EVENTS " " LAST " type Odd");
    RUN_UNTIL(has_said("stream.exhausted stream=" EVENTS " last_id=" LAST));
    test_do(&server, "XDEL " EVENTS " " LAST);
    test_do(&server, "XSETID " EVENTS " 1-1");
    RUN_UNTIL(has_said("stream.ids_fine stream=" EVENTS));
    test_do(&server, "CONFIG SET maxmemory-policy allkeys-lru");
    RUN_UNTIL(has_said("server.evicts maxmemory_policy=allkeys-lru"));
    test_do(&server, "CONFIG SET maxmemory-policy noeviction");
    RUN_UNTIL(has_said("server.keeps"));
    assert_int_equal(line.reconnections, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_looks_again_and_again),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
