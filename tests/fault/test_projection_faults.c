/* A read model whose runner falls silent with a batch on its way, while another takes its turn and
 * folds the same events; and one that is gone with its events. Each event counts once. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/proxy.h"
#include "support/worker.h"

#define VIEW "view"
#define EVENTS 40
#define QUICK "--claim-idle", "300ms"

static struct test_server server;

static enum weir_outcome fold(weir_context *context, const weir_message *message)
{
    weir_hincrby(context, "total", "events", 1);
    weir_hincrby(context, "entries", weir_message_entry(message), 1);
    return WEIR_DONE;
}

static weir_service *make(const char *name)
{
    weir_service *service = weir_service_new(name);
    weir_project(service, "totals", "s0", "Moved", fold, NULL);
    return service;
}

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_do(&server, "FLUSHALL");
    return 0;
}

static void publish(int count)
{
    for (int i = 0; i < count; i++)
        test_do(&server, "XADD {s0}:events * type Moved source s0 data {}");
}

static void assert_each_once(int count)
{
    AWAIT(test_number(&server, "{view}:total", "events") >= count);
    assert_int_equal(test_number(&server, "{view}:total", "events"), count);
    assert_int_equal(test_ask_integer(&server, "HLEN {view}:entries"), count);
    assert_int_equal(test_others(&server, "{view}:entries", "1"), 0);
}

/* Its batch is held up on the line, and the process is stopped until another has the turn. */
static void a_late_batch_of_a_silent_runner_changes_nothing(void **state)
{
    (void)state;
    struct test_proxy proxy;
    test_proxy_start(&proxy, &server,
                     (struct proxy_trap){"weir_project", "{view}:entries", PROXY_HOLD});
    struct test_worker one = test_worker_launch(proxy.url, VIEW, "one", OPTIONS(QUICK));
    test_worker_await_log(&one, "worker.ready");
    publish(EVENTS);
    test_proxy_await(&proxy);
    kill(one.pid, SIGSTOP);
    assert_int_equal(test_ask_integer(&server, "EXISTS {view}:total"), 0);
    struct test_worker two = test_worker_start(&server, VIEW, "two", OPTIONS(QUICK));
    assert_each_once(EVENTS);
    test_proxy_release(&proxy, PROXY_NONE);
    kill(one.pid, SIGCONT);
    publish(EVENTS);
    assert_each_once(2 * EVENTS);
    test_worker_end_well(&two); /* the other one goes on */
    publish(EVENTS);
    assert_each_once(3 * EVENTS);
    test_worker_end_well(&one);
    test_proxy_stop(&proxy);
}

/* Model, position and events are gone at once: what comes then is folded from nothing. */
static void a_flushed_model_is_folded_anew(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(&server, VIEW, "one", OPTIONS(QUICK));
    for (int i = 1; i <= 3; i++) {
        publish(i * EVENTS);
        assert_each_once(i * EVENTS);
        test_do(&server, "FLUSHALL");
    }
    publish(EVENTS);
    assert_each_once(EVENTS);
    assert_true(test_worker_logged(&one, " error ") + test_worker_logged(&one, " warn") < 20);
    test_worker_end_well(&one);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(a_late_batch_of_a_silent_runner_changes_nothing),
        CASE(a_flushed_model_is_folded_anew),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
    return cmocka_run_group_tests(tests, start, stop);
}
