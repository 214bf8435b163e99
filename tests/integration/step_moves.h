/* What the tests of moves by workers share: their server, one service of any steps, and what can be
 * seen of its moves. */
#ifndef WEIR_TESTS_INTEGRATION_STEP_MOVES_H
#define WEIR_TESTS_INTEGRATION_STEP_MOVES_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/sagas.h"
#include "support/step_service.h"

#define STEPS "steps"
#define STEP(name, more)                                                                           \
    "{'name':'" name "','service':'steps','command':'Do','compensation':'Undo'," more "}"
#define LONG "'timeoutMs':20000,'backoffMs':10,'attempts':5"
#define CHAIN "'steps':[" STEP("a", LONG) "," STEP("b", LONG) "," STEP("c", LONG) "]"

static struct test_server server;

static inline int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    return 0;
}

static inline int stop(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

static inline int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_do(&server, "FLUSHALL");
    return 0;
}

/* ---- What there is to see -------------------------------------------------------------------- */

/* How many replies there have ever been, those included that have been worked off. */
static inline long long replies_ever(void)
{
    static const char script[] = "local about = redis.pcall('XINFO', 'STREAM', KEYS[1]) "
                                 "if about.err then return 0 end "
                                 "for i = 1, #about, 2 do "
                                 "  if about[i] == 'entries-added' then return about[i + 1] end "
                                 "end";
    return test_ask_integer(&server, "EVAL %s 1 {sagas}:replies", script);
}

static inline long long effects(const char *saga, const char *part)
{
    char key[96];
    snprintf(key, sizeof(key), "{steps}:effects:%s", saga);
    return test_number(&server, key, part);
}

static inline void assert_effects(const char *saga, const char *step, long long done,
                                  long long undone)
{
    char undo[32];
    snprintf(undo, sizeof(undo), "%s/undo", step);
    assert_int_equal(effects(saga, step), done);
    assert_int_equal(effects(saga, undo), undone);
}

static inline bool recorded(const char *saga, const char *step)
{
    bool there = test_ask_integer(&server, "EXISTS {steps}:step:%s/%s", saga, step) == 1;
    char member[96];
    snprintf(member, sizeof(member), "%s/%s", saga, step);
    char *place = test_ask_text(&server, "ZSCORE {steps}:steps %s", member);
    assert_int_equal(there, place != NULL);
    free(place);
    return there;
}

static inline void assert_records(const char *saga, bool there)
{
    static const char *const steps[] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(recorded(saga, steps[i]), there);
}

static inline void assert_nothing_left(void)
{
    test_sagas_await_rest(&server, 15000);
    test_await_settled(&server, STEPS);
    assert_int_equal(test_dead(&server, STEPS), 0);
    assert_int_equal(test_dead(&server, "sagas"), 0);
}

static inline const char *in_minutes(int minutes)
{
    static char text[24];
    static const char script[] = "return tonumber(redis.call('TIME')[1])";
    snprintf(text, sizeof(text), "%lld",
             1000 * (test_ask_integer(&server, "EVAL %s 0", script) + 60 * minutes));
    return text;
}

/* When a command expires before its saga's hash would go. */
static inline const char *in_an_hour(void)
{
    return in_minutes(60);
}

/* ---- Who works ------------------------------------------------------------------------------- */

static inline struct test_worker start_service(const char *consumer)
{
    return test_worker_start(&server, STEPS, consumer, NULL);
}

/* Sagas are begun until the workers have the definition at hand: each fetches it when it first
 * meets it, and replies until then. Returns the number of replies so far. */
static inline long long warm_up_by(const char *definition, const char *data)
{
    static unsigned warmed;
    long long before = -1;
    char saga[32];
    for (long long end = test_now() + 15000; before != replies_ever();) {
        assert_true(test_now() < end);
        before = replies_ever();
        snprintf(saga, sizeof(saga), "warm%u", warmed++);
        test_saga_begin(&server, saga, definition, data);
        AWAIT(test_saga_is(&server, saga, "completed"));
    }
    return before;
}

static inline long long warm_up(const char *definition)
{
    return warm_up_by(definition, "{}");
}

static inline void end_all(struct test_worker *workers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        test_worker_end_well(&workers[i]);
}

#endif
