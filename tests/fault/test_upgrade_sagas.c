/* Coordinators, services of steps and views of two versions side by side, each with a function
 * library of its own: whoever comes first, the newer library stands, and all of them work with it,
 * together and alone.
 *
 * The library that a process of this program brings is weir's own under a higher number, as many
 * higher as AHEAD says. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis/function_library.h"
#include "coordinator/coordinator.h"
#include "support/balances.h"
#include "support/sagas.h"
#include "support/step_service.h"
#include "support/worker.h"

#define STEPS "steps"
#define AHEAD "WEIR_TEST_LIBRARY_AHEAD"
#define OWN WEIR_FUNCTION_LIBRARY_VERSION
#define SAGAS 20  /* in each load */
#define EVENTS 50 /* in each load */
#define STEP(name)                                                                                 \
    "{'name':'" name "','service':'" STEPS "','command':'Do','compensation':'Undo',"               \
    "'timeoutMs':60000}"

static struct test_server server;
static int loads_sent;

/* ---- The library that this process brings ------------------------------------------------------
 */

static const char own_source[] = ""
#include "function_library_source.h"
    ;

int weir_function_library_version(void)
{
    const char *ahead = getenv(AHEAD);
    return OWN + (ahead ? atoi(ahead) : 0);
}

const char *weir_function_library_source(void)
{
    static char source[sizeof(own_source) + 64];
    char line[64];
    snprintf(line, sizeof(line), "local VERSION = %d\n", OWN);
    const char *number = strstr(own_source, line);
    assert_non_null(number);
    snprintf(source, sizeof(source), "%.*slocal VERSION = %d\n%s", (int)(number - own_source),
             own_source, weir_function_library_version(), number + strlen(line));
    return source;
}

static weir_service *make(const char *name)
{
    if (strcmp(name, "sagas") == 0)
        return weir_coordinator_new();
    return strcmp(name, STEPS) == 0 ? test_step_service(name) : balances_service(name);
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
    unsetenv(AHEAD);
    loads_sent = 0;
    test_do(&server, "FLUSHALL");
    test_do(&server, "FUNCTION FLUSH");
    test_define(&server, "pair", 1, "'steps':[" STEP("a") "," STEP("b") "]");
    return 0;
}

/* ---- One version's processes -------------------------------------------------------------------
 */

struct version {
    struct test_worker coordinator, steps, view;
};

static struct version start_version(const char *name, int ahead)
{
    struct version version;
    char text[8];
    snprintf(text, sizeof(text), "%d", ahead);
    assert_int_equal(setenv(AHEAD, text, 1), 0);
    version.coordinator = test_worker_start(&server, "sagas", name, NULL);
    version.steps = test_worker_start(&server, STEPS, name, NULL);
    version.view = test_worker_start(&server, VIEW, name, NULL);
    unsetenv(AHEAD);
    return version;
}

static void end_version(struct version *version)
{
    test_worker_end_well(&version->coordinator);
    test_worker_end_well(&version->steps);
    test_worker_end_well(&version->view);
}

static int loads_of(const struct version *version)
{
    return test_worker_logged(&version->coordinator, "library.loaded") +
           test_worker_logged(&version->steps, "library.loaded") +
           test_worker_logged(&version->view, "library.loaded");
}

static long long server_version(void)
{
    return test_ask_integer(&server, "FCALL weir_version 0");
}

/* ---- Load --------------------------------------------------------------------------------------
 */

static const char *saga_of(int number)
{
    static char saga[16];
    snprintf(saga, sizeof(saga), "s%d", number);
    return saga;
}

static bool turns_back(int number)
{
    return number % 2 == 1;
}

static void load(void)
{
    for (int i = loads_sent * SAGAS; i < (loads_sent + 1) * SAGAS; i++)
        test_saga_begin(&server, saga_of(i), "pair",
                        turns_back(i) ? "{'defer':20,'how':{'b':'fail'}}" : "{'defer':20}");
    for (int i = 0; i < EVENTS; i++)
        test_do(&server,
                "XADD {s%d}:events * type Moved source s%d data {\"account\":%d,\"amount\":1}",
                i % 2, i % 2, i % 3);
    loads_sent++;
}

static void await_all(void)
{
    AWAIT(test_sagas_in(&server, "completed") + test_sagas_in(&server, "compensated") ==
          loads_sent * SAGAS);
    AWAIT(test_number(&server, "{view}:total", "events") == loads_sent * EVENTS);
    test_sagas_await_rest(&server, 15000);
    test_await_settled(&server, STEPS);
}

static void assert_each_once(void)
{
    for (int i = 0; i < loads_sent * SAGAS; i++) {
        char key[48];
        snprintf(key, sizeof(key), "{" STEPS "}:effects:%s", saga_of(i));
        assert_true(test_saga_is(&server, saga_of(i), turns_back(i) ? "compensated" : "completed"));
        assert_int_equal(test_number(&server, key, "a"), 1);
        assert_int_equal(test_number(&server, key, "a/undo"), turns_back(i));
        assert_int_equal(test_number(&server, key, "b"), !turns_back(i));
        assert_string_equal(test_saga_events(&server, saga_of(i)),
                            turns_back(i) ? "SagaStarted SagaCompensating SagaCompensated "
                                          : "SagaStarted SagaCompleted ");
    }
    assert_int_equal(test_number(&server, "{view}:total", "amount"), loads_sent * EVENTS);
    assert_int_equal(
        test_dead(&server, "sagas") + test_dead(&server, STEPS) + test_dead(&server, VIEW), 0);
}

/* ---- Side by side ------------------------------------------------------------------------------
 */

/* The second version comes while the first works; then each of them works alone. */
static void work_side_by_side(int first_ahead, int second_ahead)
{
    int newer = first_ahead > second_ahead ? first_ahead : second_ahead;
    struct version first = start_version("first", first_ahead);
    load();
    struct version second = start_version("second", second_ahead);
    AWAIT(server_version() == OWN + newer);
    load();
    end_version(&first);
    load();
    await_all();
    first = start_version("again", first_ahead);
    test_do(&server, "CLIENT KILL TYPE normal"); /* all look again */
    load();
    await_all();
    AWAIT(test_worker_logged(&second.view, "link.ready role=commands") > 0);
    end_version(&second);
    load();
    await_all();
    assert_each_once();
    assert_int_equal(server_version(), OWN + newer);
    assert_int_equal(loads_of(&first), 0);
    assert_int_equal(loads_of(&second) > 0, second_ahead == newer);
    end_version(&first);
}

static void a_newer_one_comes_to_an_older_one(void **state)
{
    (void)state;
    work_side_by_side(0, 1);
}

static void an_older_one_comes_to_a_newer_one(void **state)
{
    (void)state;
    work_side_by_side(1, 0);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(a_newer_one_comes_to_an_older_one),
        CASE(an_older_one_comes_to_a_newer_one),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
    return cmocka_run_group_tests(tests, start, stop);
}
