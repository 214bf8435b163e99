/* Answers of a wrong shape to every kind of call that a worker, a coordinator and a view make: none
 * of them ends the process, invents an effect or loses one, and the next message is served. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/balances.h"
#include "support/flaky.h"
#include "support/sagas.h"
#include "support/step_service.h"
#include "support/work_service.h"

#define LINES 16
#define LIMIT_MS 40000
#define WORK "work"
#define QUICK "--claim-idle", "300ms", "--retry-base", "10ms", "--retry-cap", "50ms"

static struct test_server
    servers[LINES]; /* one for each line, so that nobody else takes the work */
static struct test_flaky lines[LINES];
static struct test_worker workers[LINES];

/* In the notation of the line's `replace-answer`: what the callers have to make sense of. */
static const char *const shapes[] = {
    "+OK\\r\\n",
    "+\\r\\n",
    "$-1\\r\\n",
    "*-1\\r\\n",
    "*0\\r\\n",
    ":7\\r\\n",
    ":-1\\r\\n",
    ":9223372036854775807\\r\\n",
    "$3\\r\\nabc\\r\\n",
    "$0\\r\\n\\r\\n",
    "*1\\r\\n$-1\\r\\n",
    "*2\\r\\n*1\\r\\n:1\\r\\n*0\\r\\n",
    "*3\\r\\n$-1\\r\\n$-1\\r\\n$-1\\r\\n",
    "*3\\r\\n$3\\r\\nabc\\r\\n:1\\r\\n*1\\r\\n*1\\r\\n*1\\r\\n:5\\r\\n",
    "*3\\r\\n:-1\\r\\n:-1\\r\\n:-1\\r\\n",
    "*3\\r\\n$3\\r\\n0-0\\r\\n*1\\r\\n*2\\r\\n$3\\r\\n1-1\\r\\n*-1\\r\\n:99\\r\\n",
    "*2\\r\\n*2\\r\\n$3\\r\\nxyz\\r\\n*1\\r\\n*2\\r\\n$3\\r\\n1-1\\r\\n*1\\r\\n$4\\r\\ntype\\r\\n:"
    "5\\r\\n",
    "*1\\r\\n*2\\r\\n$15\\r\\n{work}:commands\\r\\n*2\\r\\n*2\\r\\n$1\\r\\nx\\r\\n$1\\r\\ny\\r\\n*"
    "2\\r\\n"
    "*0\\r\\n*0\\r\\n",
    "*2\\r\\n$6\\r\\nrefuse\\r\\n:4000000000\\r\\n",
    "-ERR odd\\r\\n",
    "-\\r\\n",
    "-WRONGTYPE odd\\r\\n",
    "-LOADING odd\\r\\n",
    "-NOGROUP odd\\r\\n",
};

/* What ends the connection, whoever has asked: the protocol does not know it. */
static const char *const garbage[] = {
    "hello\\r\\n",
    "_\\r\\n",
    "#t\\r\\n",
    ",1.5\\r\\n",
    "%1\\r\\n+a\\r\\n:1\\r\\n",
    "~1\\r\\n:1\\r\\n",
    ">2\\r\\n+message\\r\\n+b\\r\\n",
    "*1\\r\\n*1\\r\\n*1\\r\\n*1\\r\\n*1\\r\\n*1\\r\\n*1\\r\\n*1\\r\\n*1\\r\\n*1\\r\\n:1\\r\\n",
    "*999999999999\\r\\n",
    "$-7\\r\\n",
};
#define SHAPES (sizeof(shapes) / sizeof(*shapes))
#define GARBAGE (sizeof(garbage) / sizeof(*garbage))

static int start(void **state)
{
    (void)state;
    for (size_t i = 0; i < LINES; i++) {
        char folder[16];
        snprintf(folder, sizeof(folder), "s%zu", i);
        test_server_start(&servers[i], folder, NULL);
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    for (size_t i = 0; i < LINES; i++)
        test_server_stop(&servers[i], SIGTERM);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    for (size_t i = 0; i < LINES; i++) {
        test_do(&servers[i], "FLUSHALL");
        test_flaky_start(&lines[i], &servers[i]);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < LINES; i++)
        test_flaky_stop(&lines[i]);
    return 0;
}

static weir_service *make_service(const char *name)
{
    if (strcmp(name, VIEW) == 0)
        return balances_service(name);
    return strcmp(name, "steps") == 0 ? test_step_service(name) : test_work_service(name);
}

/* ---- The way through words and shapes ------------------------------------------------------ */

#define WORDS(words) (sizeof(words) / sizeof(*(words)))

/* What one kind of process asks, and how a test makes it work and sees that it has. */
struct asker {
    const char *const *words; /* of its requests */
    size_t count;
    /* Sends what is to be done by the line's process in its round, if there is anything. */
    void (*send)(size_t line, size_t round);
    /* Whether that is done. */
    bool (*done)(size_t line, size_t round);
};

struct walk {
    size_t round; /* a word and a shape; those that leave the same rest as the line's number */
    enum { TO_ARM, TO_MEET, TO_SERVE } state;
    long long met; /* how many traps before */
};

/* Each word with each shape, and the first with garbage, too. */
static size_t rounds_of(const struct asker *asker)
{
    return asker->count * SHAPES + GARBAGE;
}

static const char *word_of(const struct asker *asker, size_t round)
{
    return asker->words[round < asker->count * SHAPES ? round / SHAPES : 0];
}

static const char *shape_of(const struct asker *asker, size_t round)
{
    size_t sane = asker->count * SHAPES;
    return round < sane ? shapes[round % SHAPES] : garbage[round - sane];
}

static void assert_alive(size_t line, const struct asker *asker, size_t round)
{
    if (test_worker_ended(&workers[line]))
        fail_msg("ended by '%s' to %s, see %s", shape_of(asker, round), word_of(asker, round),
                 workers[line].log);
}

/* A cut makes it ask anew whatever it asks from time to time. */
static void take_step(const struct asker *asker, struct walk *walk, size_t line)
{
    if (walk->state == TO_ARM) {
        /* before it is armed: it may be met at once, by what comes back late from the last round */
        walk->met = test_flaky_count(&lines[line], "replaced");
        test_flaky_say(&lines[line], "replace-answer %s %s", word_of(asker, walk->round),
                       shape_of(asker, walk->round));
        test_flaky_say(&lines[line], "cut");
        asker->send(line, walk->round);
        walk->state = TO_MEET;
    } else if (walk->state == TO_MEET) {
        if (test_flaky_count(&lines[line], "replaced") > walk->met)
            walk->state = TO_SERVE;
    } else if (asker->done(line, walk->round)) {
        walk->round += LINES;
        walk->state = TO_ARM;
    }
}

static void walk_through(const struct asker *asker)
{
    size_t rounds = rounds_of(asker), left = 1;
    struct walk walks[LINES];
    long long began = test_now();
    for (size_t i = 0; i < LINES; i++)
        walks[i] = (struct walk){.round = i};
    for (long long end = test_now() + LIMIT_MS; left > 0; test_pause()) {
        left = 0;
        for (size_t i = 0; i < LINES; i++) {
            if (walks[i].round >= rounds)
                continue;
            left++;
            assert_alive(i, asker, walks[i].round);
            take_step(asker, &walks[i], i);
            if (test_now() > end)
                fail_msg("stuck at '%s' to %s, state %d, see %s", shape_of(asker, walks[i].round),
                         word_of(asker, walks[i].round), walks[i].state, workers[i].log);
        }
    }
    print_message("%zu wrong answers in %lld ms\n", rounds, test_now() - began);
}

static void await_ready(void)
{
    for (size_t i = 0; i < LINES; i++)
        test_worker_await_log(&workers[i], "worker.ready");
}

static void end_all(void)
{
    for (size_t i = 0; i < LINES; i++) {
        test_flaky_say(&lines[i], "pass");
        test_worker_end_well(&workers[i]);
    }
}

/* ---- Workers ------------------------------------------------------------------------------- */

static const char *const of_workers[] = {
    "weir_commit", "weir_version", "XGROUP",       "XREADGROUP", "weir_recover",
    "weir_claim",  "HGETALL",      "weir_promote", "weir_alive", "weir_trim",
    "weir_due",    "weir_refresh", "SETNAME",
};

static bool is_refreshed(size_t round)
{
    size_t word = round / SHAPES;
    return word < WORDS(of_workers) && strcmp(of_workers[word], "weir_refresh") == 0;
}

static void send_work(size_t line, size_t round)
{
    if (is_refreshed(round)) /* long enough for its claim to be renewed */
        test_send(&servers[line], WORK, "Defer", "{\"n\":\"n%zu\",\"ms\":250}", round);
    else
        test_send(&servers[line], WORK, "Count", "{\"n\":\"n%zu\",\"counter\":\"c\"}", round);
}

static bool work_is_done(size_t line, size_t round)
{
    (void)round;
    return test_settled(&servers[line], WORK);
}

static const struct asker working = {of_workers, WORDS(of_workers), send_work, work_is_done};

/* Each message has been counted, or lies with the dead for what the server has seemed to say. */
static void assert_work(size_t line, size_t rounds)
{
    struct test_server *server = &servers[line];
    long long marks = test_ask_integer(server, "HLEN {work}:marks");
    long long dead = test_dead(server, WORK), sent = 0, deferred = 0;
    for (size_t round = line; round < rounds; round += LINES) {
        sent++;
        deferred += is_refreshed(round);
    }
    assert_int_equal(marks + dead, sent);
    assert_in_range(dead, 0, 3);
    assert_int_equal(test_others(server, "{work}:marks", "1"), 0);
    assert_int_equal(test_number(server, "{work}:counter:c", "value"), marks - deferred);
}

static void workers_bear_any_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < LINES; i++)
        workers[i] = test_worker_launch(lines[i].url, WORK, "w", OPTIONS(QUICK));
    await_ready();
    walk_through(&working);
    for (size_t i = 0; i < LINES; i++)
        assert_work(i, rounds_of(&working));
    end_all();
}

/* ---- Coordinators -------------------------------------------------------------------------- */

static const char *const of_coordinators[] = {"XREADGROUP", "weir_recover", "weir_claim",
                                              "weir_commit", "weir_count"};

static const char *saga_of(size_t round)
{
    static char saga[24];
    snprintf(saga, sizeof(saga), "saga%zu", round);
    return saga;
}

static void send_saga(size_t line, size_t round)
{
    test_saga_begin(&servers[line], saga_of(round), "one", "{}");
}

static bool saga_is_done(size_t line, size_t round)
{
    return test_saga_is(&servers[line], saga_of(round), "completed") ||
           test_saga_is(&servers[line], saga_of(round), "compensated") ||
           test_dead(&servers[line], "sagas") > 0;
}

static const struct asker coordinating = {of_coordinators, WORDS(of_coordinators), send_saga,
                                          saga_is_done};

static void assert_sagas(size_t line, size_t rounds)
{
    test_sagas_await_rest(&servers[line], LIMIT_MS);
    for (size_t round = line; round < rounds; round += LINES) {
        char key[64];
        snprintf(key, sizeof(key), "{steps}:effects:%s", saga_of(round));
        assert_string_equal(test_saga_field(&servers[line], saga_of(round), "state"), "completed");
        assert_int_equal(test_number(&servers[line], key, "a"), 1);
        assert_int_equal(test_number(&servers[line], key, "a/undo"), 0);
    }
}

static void coordinators_bear_any_answer(void **state)
{
    (void)state;
    struct test_worker steps[LINES];
    for (size_t i = 0; i < LINES; i++) {
        struct test_server other = servers[i];
        snprintf(other.url, sizeof(other.url), "%.*s", TEST_PATH_MAX, lines[i].url);
        test_define(&servers[i], "one", 1,
                    "'steps':[{'name':'a','service':'steps','command':'Do','compensation':'Undo',"
                    "'timeoutMs':30000}]");
        steps[i] = test_worker_start(&servers[i], "steps", "s", NULL);
        workers[i] = test_coordinator_launch(&other, "c", OPTIONS(QUICK));
    }
    await_ready();
    walk_through(&coordinating);
    for (size_t i = 0; i < LINES; i++) {
        assert_sagas(i, rounds_of(&coordinating));
        test_worker_end_well(&steps[i]);
    }
    end_all();
}

/* ---- Views --------------------------------------------------------------------------------- */

static const char *const of_views[] = {"XREAD", "HMGET", "HGETALL", "weir_turn", "weir_project"};

static void send_event(size_t line, size_t round)
{
    test_do(&servers[line],
            "XADD {s0}:events * type Moved source s0 data {\"account\":%d,\"amount\":1}",
            (int)round % 3);
}

static bool event_is_folded(size_t line, size_t round)
{
    return test_number(&servers[line], "{view}:total", "events") == (long long)(round / LINES + 1);
}

static const struct asker viewing = {of_views, WORDS(of_views), send_event, event_is_folded};

static void views_bear_any_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < LINES; i++)
        workers[i] = test_worker_launch(lines[i].url, VIEW, "v", OPTIONS(QUICK));
    await_ready();
    walk_through(&viewing);
    for (size_t i = 0; i < LINES; i++)
        assert_int_equal(test_number(&servers[i], "{view}:total", "amount"),
                         test_ask_integer(&servers[i], "XLEN {s0}:events"));
    end_all();
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(workers_bear_any_answer),
        CASE(coordinators_bear_any_answer),
        CASE(views_bear_any_answer),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
    return cmocka_run_group_tests(tests, start, stop);
}
