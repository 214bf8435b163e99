/* A connection that is cut at every byte of a commit and of its answer, and answers that are lost
 * once the server has carried the request out: each effect once, by the same delivery, and nothing
 * needs a timeout. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/flaky.h"
#include "support/load.h"
#include "support/sagas.h"
#include "support/step_service.h"
#include "support/work_service.h"

#define LINES 8
#define LINKS 2 /* of a worker: reader and commands */
#define LIMIT_MS 60000
#define IN_FLIGHT 8
/* Longer than the test: whoever waits for these is not done in time. */
#define NO_RESCUE "--claim-idle", "300s"
#define STEP(name)                                                                                 \
    "{'name':'" name "','service':'steps','command':'Do','compensation':'Undo',"                   \
    "'timeoutMs':300000,'attempts':5}"

static struct test_server server;
static struct test_flaky lines[LINES];
static struct test_worker workers[LINES];

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
    for (size_t i = 0; i < LINES; i++)
        test_flaky_start(&lines[i], &server);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < LINES; i++)
        test_flaky_stop(&lines[i]);
    return 0;
}

/* "work0" … for workers that do not share their messages. */
static const char *service_of(size_t line)
{
    static char names[LINES][16];
    snprintf(names[line], sizeof(names[line]), "work%zu", line);
    return names[line];
}

static weir_service *make_service(const char *name)
{
    return strcmp(name, "steps") == 0 ? test_step_service(name) : test_work_service(name);
}

/* ---- One commit, byte by byte -------------------------------------------------------------- */

static void start_workers(const char *service)
{
    for (size_t i = 0; i < LINES; i++) {
        char consumer[16];
        snprintf(consumer, sizeof(consumer), "w%zu", i);
        workers[i] = test_worker_launch(lines[i].url, service ? service : service_of(i), consumer,
                                        OPTIONS(NO_RESCUE));
    }
    for (size_t i = 0; i < LINES; i++)
        test_worker_await_log(&workers[i], "worker.ready");
}

static void end_workers(void)
{
    for (size_t i = 0; i < LINES; i++) {
        test_worker_end_well(&workers[i]);
        assert_int_equal(test_worker_logged(&workers[i], "message.taken_over"), 0);
    }
}

/* A line's way through the offsets: those that leave the same rest as its own number. */
struct sweep {
    size_t offset;
    bool waits, over;
};

static void arm(struct sweep *sweep, size_t line, const char *what)
{
    test_flaky_say(&lines[line], "%s %zu weir_commit", what, sweep->offset);
    test_send(&server, service_of(line), "Mark", "{\"n\":\"%s-%zu\"}", what, sweep->offset);
    sweep->waits = true;
}

/* Whether the message of this offset has had its effect, and the trap has been met. */
static bool has_come_through(const struct sweep *sweep, size_t line, const char *what)
{
    char key[160], n[160];
    snprintf(key, sizeof(key), "{%s}:marks", service_of(line));
    snprintf(n, sizeof(n), "%s-%zu", what, sweep->offset);
    return test_number(&server, key, n) > 0 && test_flaky_count(&lines[line], "armed") == 0;
}

static void go_on(struct sweep *sweep, size_t line, const char *what)
{
    if (sweep->over)
        return;
    if (!sweep->waits) {
        if (test_flaky_count(&lines[line], "present") < LINKS)
            return; /* the worker has not come back from the cut before */
        arm(sweep, line, what);
    } else if (has_come_through(sweep, line, what) && test_settled(&server, service_of(line))) {
        sweep->over = test_flaky_count(&lines[line], "passed") > 0;
        sweep->offset += LINES;
        sweep->waits = false;
    }
}

static void run_sweep(struct sweep *sweeps, const char *what)
{
    long long end = test_now() + LIMIT_MS;
    for (size_t over = 0; over < LINES; test_pause()) {
        over = 0;
        for (size_t i = 0; i < LINES; i++) {
            go_on(&sweeps[i], i, what);
            over += sweeps[i].over;
        }
        if (test_now() > end)
            fail_msg("%s: only %zu of %d lines are through", what, over, LINES);
    }
}

/* Each message has been marked by its first delivery, once; none is left or buried. */
static void assert_swept(size_t line, const struct sweep *sweep)
{
    char marks[160], deliveries[160];
    const char *service = service_of(line);
    snprintf(marks, sizeof(marks), "{%s}:marks", service);
    snprintf(deliveries, sizeof(deliveries), "{%s}:deliveries", service);
    assert_int_equal(test_ask_integer(&server, "HLEN %s", marks), (sweep->offset - line) / LINES);
    assert_int_equal(test_others(&server, marks, "1"), 0);
    assert_int_equal(test_others(&server, deliveries, "1"), 0);
    assert_int_equal(test_ask_integer(&server, "XLEN {%s}:events", service),
                     (sweep->offset - line) / LINES);
    assert_int_equal(test_dead(&server, service), 0);
    assert_true(test_settled(&server, service));
}

static void cut_everywhere(const char *what, long long cuts_at_least)
{
    struct sweep sweeps[LINES];
    long long cuts = 0;
    for (size_t i = 0; i < LINES; i++)
        sweeps[i] = (struct sweep){.offset = i};
    start_workers(NULL);
    run_sweep(sweeps, what);
    for (size_t i = 0; i < LINES; i++) {
        assert_swept(i, &sweeps[i]);
        cuts += test_flaky_count(&lines[i], "cuts");
    }
    print_message("%s: %lld cuts\n", what, cuts);
    assert_true(cuts >= cuts_at_least);
    end_workers();
}

static void a_commit_is_cut_at_every_byte(void **state)
{
    (void)state;
    cut_everywhere("cut-request", 100);
}

static void an_answer_is_cut_at_every_byte(void **state)
{
    (void)state;
    cut_everywhere("cut-answer", 5); /* ":1\r\n" and its end */
}

/* ---- Commits of all kinds ------------------------------------------------------------------ */

static void begin_one(const char *what, size_t number)
{
    char saga[32];
    snprintf(saga, sizeof(saga), "%s%zu", what, number);
    test_saga_begin(&server, saga, number % 3 == 2 ? "brief" : "pair",
                    number % 3 == 1 ? "{'how':{'b':'fail'}}" : "{'how':{}}");
}

/* Sets the trap again on the lines where it has been met; returns on how many it has not. */
static size_t arm_lines(const char *what, size_t *next, size_t last, size_t stride)
{
    size_t waiting = 0;
    for (size_t i = 0; i < LINES; i++) {
        bool armed = test_flaky_count(&lines[i], "armed") != 0;
        if (!armed && *next <= last) {
            test_flaky_say(&lines[i], "%s %zu weir_commit", what, *next);
            *next += stride;
            armed = true;
        }
        waiting += armed;
    }
    return waiting;
}

/* The coordinators are cut in turn at ever more bytes of whatever they commit next. */
static void sweep_coordinators(const char *what, size_t last, size_t stride)
{
    size_t next = 0, begun = 0, done = 0, before = 0, waiting = 1;
    long long end = test_now() + LIMIT_MS;
    before = (size_t)(test_sagas_in(&server, "completed") + test_sagas_in(&server, "compensated"));
    for (; waiting > 0 || done < begun; test_pause()) {
        waiting = arm_lines(what, &next, last, stride);
        done =
            (size_t)(test_sagas_in(&server, "completed") + test_sagas_in(&server, "compensated")) -
            before;
        while (waiting > 0 && begun < done + IN_FLIGHT)
            begin_one(what, begun++);
        if (test_now() > end)
            fail_msg("%s: byte %zu, %zu of %zu sagas have ended", what, next, done, begun);
    }
    test_sagas_await_rest(&server, LIMIT_MS);
    print_message("%s: %zu sagas\n", what, begun);
}

static void assert_saga(const char *saga, bool refused, const char *last)
{
    char key[64];
    snprintf(key, sizeof(key), "{steps}:effects:%s", saga);
    assert_string_equal(test_saga_field(&server, saga, "state"),
                        refused ? "compensated" : "completed");
    assert_string_equal(test_saga_events(&server, saga),
                        refused ? "SagaStarted SagaCompensating SagaCompensated "
                                : "SagaStarted SagaCompleted ");
    assert_int_equal(test_number(&server, key, "a"), 1);
    assert_int_equal(test_number(&server, key, "a/undo"), refused);
    assert_int_equal(test_number(&server, key, last), !refused);
    assert_string_equal(test_saga_field(&server, saga, "step:a:attempts"), "1");
}

static void assert_sagas(const char *what)
{
    for (size_t i = 0;; i++) {
        char saga[32];
        snprintf(saga, sizeof(saga), "%s%zu", what, i);
        if (*test_saga_field(&server, saga, "state") == '\0') {
            assert_true(i >= IN_FLIGHT);
            return;
        }
        assert_saga(saga, i % 3 == 1, i % 3 == 2 ? "a" : "b");
    }
}

static void coordinators_are_cut_anywhere(void **state)
{
    (void)state;
    test_define(&server, "pair", 1, "'steps':[" STEP("a") "," STEP("b") "]");
    test_define(&server, "brief", 1, "'steps':[" STEP("a") "]");
    struct test_worker steps = test_worker_start(&server, "steps", "s", OPTIONS(NO_RESCUE));
    for (size_t i = 0; i < LINES; i++) {
        struct test_server other = server;
        char consumer[16];
        snprintf(consumer, sizeof(consumer), "c%zu", i);
        snprintf(other.url, sizeof(other.url), "%.*s", TEST_PATH_MAX, lines[i].url);
        workers[i] = test_coordinator_start(&other, consumer, OPTIONS(NO_RESCUE));
    }
    sweep_coordinators("cut-request", 1200, 2);
    sweep_coordinators("cut-answer", 24, 1);
    assert_sagas("cut-request");
    assert_sagas("cut-answer");
    assert_int_equal(test_dead(&server, "sagas"), 0);
    assert_true(test_settled(&server, "steps"));
    end_workers();
    test_worker_end_well(&steps);
}

/* ---- Answers that are lost ----------------------------------------------------------------- */

/* Whatever is answered next goes lost, reads as well as commits, while more comes in. */
static void answers_are_lost_under_load(void **state)
{
    (void)state;
    enum { EACH = 50, LOSSES = 60 };
    start_workers("work");
    for (int i = 0; i < LOSSES; i++) {
        struct test_flaky *line = &lines[test_random(LINES)];
        long long lost = test_flaky_count(line, "lost");
        AWAIT(test_flaky_count(line, "present") == LINKS);
        test_flaky_say(line, "lose-answers 1");
        test_send_many(&server, "work", "Mark", "", i * EACH, EACH, NULL);
        AWAIT(test_flaky_count(line, "lost") > lost);
    }
    test_await_settled(&server, "work");
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), LOSSES * EACH);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    assert_int_equal(test_ask_integer(&server, "XLEN {work}:events"), LOSSES * EACH);
    assert_int_equal(test_dead(&server, "work"), 0);
    end_workers();
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(a_commit_is_cut_at_every_byte),
        CASE(an_answer_is_cut_at_every_byte),
        CASE(coordinators_are_cut_anywhere),
        CASE(answers_are_lost_under_load),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
    return cmocka_run_group_tests(tests, start, stop);
}
