/* A desk: many sagas and commands at once over one connection; each is answered once, truthfully,
 * whatever dies on the way. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "call/desk.h"
#include "support/proxy.h"
#include "support/sagas.h"
#include "support/step_service.h"
#include "support/work_service.h"

#define LONG_MS 15000
#define SHORT_MS 200
#define MANY 300
#define STEPS "'steps':[{'name':'one','service':'steps','command':'Do','compensation':'Undo'}]"

static struct test_server server;
static struct test_worker coordinator, steps, work;
static weir_desk *desk;

/* ---- Answers ------------------------------------------------------------------------------- */

/* What was answered; `times` tells that it came once. */
struct told {
    pthread_mutex_t mutex;
    int times, result;
    struct weir_start_answer start;
    struct weir_call_answer call;
    char data[256], text[256];
};

static void note(struct told *told, int result)
{
    told->result = result;
    told->times++;
}

static void on_start(void *user, enum weir_start_result result,
                     const struct weir_start_answer *answer)
{
    struct told *told = user;
    pthread_mutex_lock(&told->mutex);
    told->start = *answer;
    snprintf(told->data, sizeof(told->data), "%s", answer->data ? answer->data : "");
    note(told, (int)result);
    pthread_mutex_unlock(&told->mutex);
}

static void on_call(void *user, enum weir_call_result result, const struct weir_call_answer *answer)
{
    struct told *told = user;
    pthread_mutex_lock(&told->mutex);
    told->call = *answer;
    note(told, (int)result);
    pthread_mutex_unlock(&told->mutex);
}

static void on_text(struct told *told, int result, const char *text)
{
    pthread_mutex_lock(&told->mutex);
    snprintf(told->text, sizeof(told->text), "%s", text ? text : "");
    note(told, result);
    pthread_mutex_unlock(&told->mutex);
}

static void on_current(void *user, enum weir_query_result result, const char *reason)
{
    on_text(user, (int)result, reason);
}

static void on_laid_down(void *user, const char *text, const char *reason)
{
    on_text(user, text != NULL, text ? text : reason);
}

static int times(struct told *told)
{
    pthread_mutex_lock(&told->mutex);
    int count = told->times;
    pthread_mutex_unlock(&told->mutex);
    return count;
}

#define TOLD                                                                                       \
    {                                                                                              \
        .mutex = PTHREAD_MUTEX_INITIALIZER                                                         \
    }

/* Single quotes count as double ones. */
static json_t *json_of(const char *text)
{
    char copy[512];
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *c = copy; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *made = json_loads(copy, 0, NULL);
    assert_non_null(made);
    return made;
}

static void hand_in_start(struct told *told, const char *saga, const char *definition,
                          const char *data, int64_t limit_ms)
{
    json_t *object = json_of(data);
    struct weir_start start = {
        .definition = definition, .saga = saga, .data = object, .limit_ms = limit_ms};
    assert_true(weir_desk_start(desk, &start, on_start, told));
    json_decref(object);
}

static struct told start(enum weir_start_result wanted, const char *saga, const char *definition,
                         const char *data, int64_t limit_ms)
{
    struct told told = TOLD;
    hand_in_start(&told, saga, definition, data, limit_ms);
    AWAIT(times(&told) == 1);
    if (told.result != (int)wanted)
        fail_msg("saga %s: %d instead of %d: %s", saga, told.result, (int)wanted,
                 told.start.reason);
    assert_string_equal(told.start.saga, saga);
    return told;
}

static struct told look(enum weir_start_result wanted, const char *saga)
{
    struct told told = TOLD;
    assert_true(weir_desk_saga(desk, saga, LONG_MS, on_start, &told));
    AWAIT(times(&told) == 1);
    assert_int_equal(told.result, wanted);
    return told;
}

static struct told call(enum weir_call_result wanted, const char *type, const char *id,
                        const char *data, bool first, int64_t limit_ms)
{
    struct told told = TOLD;
    json_t *object = json_of(data);
    struct weir_command_call command = {.service = "work",
                                        .type = type,
                                        .id = id,
                                        .first = first,
                                        .data = object,
                                        .limit_ms = limit_ms};
    assert_true(weir_desk_call(desk, &command, on_call, &told));
    json_decref(object);
    AWAIT(times(&told) == 1);
    if (told.result != (int)wanted)
        fail_msg("%s: %d instead of %d: %s", type, told.result, (int)wanted, told.call.reason);
    return told;
}

static struct told is_current(enum weir_query_result wanted, const char *projection,
                              int64_t limit_ms)
{
    struct told told = TOLD;
    assert_true(weir_desk_current(desk, "view", projection, limit_ms, on_current, &told));
    AWAIT(times(&told) == 1);
    if (told.result != (int)wanted)
        fail_msg("current: %d instead of %d: %s", told.result, (int)wanted, told.text);
    return told;
}

/* A server that was away a moment ago is not tried at once. */
static void await_desk(void)
{
    struct told told;
    do {
        told = (struct told)TOLD;
        assert_true(weir_desk_saga(desk, "none", LONG_MS, on_start, &told));
        AWAIT(times(&told) == 1);
    } while (told.result == WEIR_START_UNKNOWN);
}

static long long marks(const char *n)
{
    return test_number(&server, "{work}:marks", n);
}

static void assert_part(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' expected in: %s", part, text);
}

/* ---- Set-up -------------------------------------------------------------------------------- */

static weir_service *make_service(const char *name)
{
    return strcmp(name, "work") == 0 ? test_work_service(name) : test_step_service(name);
}

static int start_server(void **state)
{
    (void)state;
    static const char *const kept[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
    test_server_start(&server, "redis", kept);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

static void open_desk_at(const char *url, size_t most)
{
    char why[256];
    desk = weir_desk_open(url, NULL, most, why, sizeof(why));
    if (!desk)
        fail_msg("%s", why);
}

static void open_desk(size_t most)
{
    open_desk_at(server.url, most);
}

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_do(&server, "FLUSHALL");
    test_define(&server, "steps", 1, STEPS);
    coordinator = test_coordinator_start(&server, "c1", NULL);
    steps = test_worker_start(&server, "steps", "s1", OPTIONS("--claim-idle", "200ms"));
    work = test_worker_start(&server, "work", "w1", NULL);
    open_desk(2 * MANY);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    weir_desk_close(desk);
    desk = NULL;
    test_workers_clear();
    return 0;
}

/* ---- Sagas --------------------------------------------------------------------------------- */

static void a_saga_is_told_by_its_end(void **state)
{
    (void)state;
    struct told told = start(WEIR_START_COMPLETED, "s1", "steps", "{'value':'x'}", LONG_MS);
    assert_string_equal(told.start.state, "completed");
    assert_string_equal(told.start.reason, "");
    assert_string_equal(told.data, "{\"value\":\"x\"}");
    told = start(WEIR_START_COMPENSATED, "s2", "steps", "{'how':{'one':'fail'}}", LONG_MS);
    assert_part(told.start.reason, "one");
    assert_part(told.start.reason, "refused in run");
}

static void a_repeated_start_is_told_the_same(void **state)
{
    (void)state;
    start(WEIR_START_COMPENSATED, "s1", "steps", "{'how':{'one':'fail'}}", LONG_MS);
    start(WEIR_START_COMPENSATED, "s1", "steps", "{'how':{'one':'fail'}}", LONG_MS);
    start(WEIR_START_COMPLETED, "s2", "steps", "{'a':1,'b':[2]}", LONG_MS);
    start(WEIR_START_COMPLETED, "s2", "steps", "{'b':[2],'a':1}", LONG_MS); /* the same data */
    assert_int_equal(test_number(&server, "{steps}:effects:s2", "one"), 1);
    struct told other = start(WEIR_START_OTHER, "s2", "steps", "{'a':1,'b':[3]}", LONG_MS);
    assert_part(other.start.reason, "other data");
    start(WEIR_START_OTHER, "s2", "others", "{'a':1,'b':[2]}", LONG_MS);
}

/* Both are sent before either is there: the truth comes with the end. */
static void two_at_once_with_other_data_are_told_apart(void **state)
{
    (void)state;
    struct told one = TOLD, other = TOLD;
    hand_in_start(&one, "s1", "steps", "{'value':'one','defer':50}", LONG_MS);
    hand_in_start(&other, "s1", "steps", "{'value':'other','defer':50}", LONG_MS);
    AWAIT(times(&one) == 1 && times(&other) == 1);
    assert_int_equal((one.result == WEIR_START_COMPLETED) + (other.result == WEIR_START_COMPLETED),
                     1);
    assert_int_equal((one.result == WEIR_START_OTHER) + (other.result == WEIR_START_OTHER), 1);
}

static void what_cannot_start_is_refused(void **state)
{
    (void)state;
    struct told told = start(WEIR_START_REFUSED, "s1", "nonsense", "{}", LONG_MS);
    assert_part(told.start.reason, "there is none of that name");
    told = start(WEIR_START_REFUSED, "s1", "steps", "{'steps':1}", LONG_MS);
    assert_part(told.start.reason, "the field steps is kept");
    assert_int_equal(test_dead(&server, "sagas"), 2);
    start(WEIR_START_REFUSED, "s 1", "steps", "{}", LONG_MS);
    start(WEIR_START_REFUSED, "s1", "st eps", "{}", LONG_MS);
    start(WEIR_START_REFUSED, "s1", "steps", "[]", LONG_MS);
    assert_int_equal(test_dead(&server, "sagas"), 2);
    look(WEIR_START_ABSENT, "s1");
}

static void one_that_goes_on_is_running(void **state)
{
    (void)state;
    struct told told = start(WEIR_START_RUNNING, "s1", "steps", "{'defer':700}", SHORT_MS);
    told = look(WEIR_START_RUNNING, "s1");
    assert_string_equal(told.start.state, "running");
    assert_string_equal(told.data, "{\"defer\":700}");
    start(WEIR_START_COMPLETED, "s1", "steps", "{'defer':700}", LONG_MS);
    test_worker_end(&coordinator, SIGTERM);
    told = start(WEIR_START_RUNNING, "s2", "steps", "{'value':'y'}", SHORT_MS);
    assert_string_equal(told.start.state, "");
    told = look(WEIR_START_RUNNING, "s2"); /* nobody has come to it yet */
    assert_string_equal(told.start.state, "");
    assert_string_equal(told.data, "{\"value\":\"y\"}");
}

/* Until the last effect is undone, something of it stands. */
static void one_that_is_being_undone_is_running(void **state)
{
    (void)state;
    static const char data[] = "{'how':{'two':'fail','one/undo':'swallow'}}";
    test_define(&server, "undo", 1,
                "'steps':[{'name':'one','service':'steps','command':'Do','compensation':'Undo'},"
                "{'name':'two','service':'steps','command':'Do'}]");
    start(WEIR_START_RUNNING, "s1", "undo", data, SHORT_MS);
    AWAIT(test_saga_is(&server, "s1", "compensating"));
    assert_string_equal(look(WEIR_START_RUNNING, "s1").start.state, "compensating");
    start(WEIR_START_RUNNING, "s1", "undo", data, SHORT_MS);
}

/* As long as starts wait that cannot be looked through, nobody knows. */
static void absent_is_said_of_what_cannot_come_any_more(void **state)
{
    (void)state;
    look(WEIR_START_ABSENT, "s1");
    test_worker_end(&coordinator, SIGTERM);
    look(WEIR_START_ABSENT, "s1");
    for (int i = 0; i < 70; i++)
        test_do(&server, "XADD {sagas}:commands * type StartSaga saga o%d definition steps", i);
    test_do(&server, "XADD {sagas}:commands * type StartSaga saga s1 definition steps");
    struct told told = TOLD;
    assert_true(weir_desk_saga(desk, "s1", SHORT_MS, on_start, &told));
    AWAIT(times(&told) == 1);
    assert_int_equal(told.result, WEIR_START_UNKNOWN);
    assert_part(told.start.reason, "is a coordinator running?");
    struct told later = TOLD;
    assert_true(weir_desk_saga(desk, "s2", LONG_MS, on_start, &later));
    coordinator = test_coordinator_start(&server, "c1", NULL);
    AWAIT(times(&later) == 1);
    assert_int_equal(later.result, WEIR_START_ABSENT);
    AWAIT(test_saga_is(&server, "s1", "completed"));
}

static void a_suspended_one_says_so(void **state)
{
    (void)state;
    test_define(&server, "stuck", 1,
                "'steps':[{'name':'one','service':'steps','command':'Do','compensation':'Undo'},"
                "{'name':'two','service':'steps','command':'Do','kind':'retriable',"
                "'attempts':1}]");
    struct told told =
        start(WEIR_START_SUSPENDED, "s1", "stuck", "{'how':{'two':'fail'}}", LONG_MS);
    assert_part(told.start.reason, "two");
}

static void many_wait_at_once(void **state)
{
    (void)state;
    struct told *all = calloc(MANY, sizeof(*all));
    char saga[32];
    assert_non_null(all);
    for (int i = 0; i < MANY; i++) {
        pthread_mutex_init(&all[i].mutex, NULL);
        snprintf(saga, sizeof(saga), "m%d", i);
        hand_in_start(&all[i], saga, "steps", i % 3 ? "{}" : "{'how':{'one':'fail'}}", LONG_MS);
    }
    for (int i = 0; i < MANY; i++) {
        AWAIT(times(&all[i]) == 1);
        assert_int_equal(all[i].result, i % 3 ? WEIR_START_COMPLETED : WEIR_START_COMPENSATED);
    }
    /* they are heard of, not asked for again and again */
    long long asked = test_calls_of(&server, "hmget");
    if (asked > 6 * MANY)
        fail_msg("%lld questions for %d sagas", asked, MANY);
    free(all);
}

static void no_more_than_wanted_are_taken(void **state)
{
    (void)state;
    struct told told[3] = {TOLD, TOLD, TOLD};
    json_t *data = json_object();
    weir_desk_close(desk);
    open_desk(2);
    test_worker_end(&coordinator, SIGTERM);
    hand_in_start(&told[0], "s1", "steps", "{}", LONG_MS);
    hand_in_start(&told[1], "s2", "steps", "{}", LONG_MS);
    struct weir_start third = {.definition = "steps", .saga = "s3", .data = data, .limit_ms = 1};
    assert_false(weir_desk_start(desk, &third, on_start, &told[2]));
    json_decref(data);
    AWAIT(test_backlog(&server, "sagas") == 2);
    weir_desk_close(desk); /* what is in hand is answered */
    desk = NULL;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(times(&told[i]), 1);
        assert_int_equal(told[i].result, WEIR_START_RUNNING);
    }
    assert_int_equal(times(&told[2]), 0);
}

/* ---- Commands ------------------------------------------------------------------------------ */

static void a_command_is_told_by_its_end(void **state)
{
    (void)state;
    struct told told = call(WEIR_CALL_DONE, "Mark", NULL, "{'n':'a'}", false, LONG_MS);
    assert_string_equal(told.call.token.stream, "{work}:events");
    told = call(WEIR_CALL_DONE, "Mark", told.call.id, "{'n':'a'}", false, LONG_MS);
    assert_string_equal(told.call.entry, "");
    assert_int_equal(test_number(&server, "{work}:marks", "a"), 1);
    told = call(WEIR_CALL_REFUSED, "Refuse", "r1", "{'n':'b','outcome':'reject','times':9}", true,
                LONG_MS);
    assert_string_equal(told.call.reason, "wanted: reject");
    told = call(WEIR_CALL_REFUSED, "Mark", "r1", "{'n':'b'}", true, LONG_MS);
    assert_string_equal(told.call.reason, "wanted: reject"); /* the first outcome stands */
    assert_false(told.call.not_taken);
    call(WEIR_CALL_DONE, "Mark", "r1", "{'n':'b'}", false, LONG_MS);
    told = call(WEIR_CALL_REFUSED, "No type", NULL, "{}", false, LONG_MS);
    assert_true(told.call.not_taken);
    call(WEIR_CALL_UNKNOWN, "Refuse", NULL, "{'n':'c','outcome':'discard','times':9}", false,
         SHORT_MS);
}

/* ---- Copies of one command ------------------------------------------------------------------ */

static weir_desk *other_desk(void)
{
    char why[256];
    weir_desk *other = weir_desk_open(server.url, NULL, MANY, why, sizeof(why));
    assert_non_null(other);
    return other;
}

static void hand_in_copy(weir_desk *to, struct told *told, const char *type, const char *id,
                         const char *data)
{
    json_t *object = json_of(data);
    struct weir_command_call command = {.service = "work",
                                        .type = type,
                                        .id = id,
                                        .first = true,
                                        .data = object,
                                        .limit_ms = LONG_MS};
    assert_true(weir_desk_call(to, &command, on_call, told));
    json_decref(object);
}

/* The second would be done, but it stands for the same request as the first. */
static void a_refusal_is_for_every_copy(void **state)
{
    (void)state;
    struct told one = TOLD, two = TOLD;
    weir_desk *other = other_desk();
    kill(work.pid, SIGSTOP);
    hand_in_copy(desk, &one, "Refuse", "k1", "{'n':'a','outcome':'reject','times':9}");
    AWAIT(test_backlog(&server, "work") == 1);
    hand_in_copy(other, &two, "Mark", "k1", "{'n':'a'}");
    AWAIT(test_backlog(&server, "work") == 2);
    kill(work.pid, SIGCONT);
    AWAIT(times(&one) == 1 && times(&two) == 1);
    test_await_settled(&server, "work");
    assert_int_equal(one.result, WEIR_CALL_REFUSED);
    assert_int_equal(two.result, WEIR_CALL_REFUSED);
    assert_string_equal(two.call.reason, one.call.reason);
    assert_int_equal(marks("a"), 0);
    assert_int_equal(test_dead(&server, "work"), 1);
    weir_desk_close(other);
}

/* Whichever of the two workers is first. */
static void copies_that_race_are_told_the_same(void **state)
{
    (void)state;
    static struct told one[MANY], two[MANY];
    struct test_worker rival = test_worker_start(&server, "work", "w2", NULL);
    weir_desk *other = other_desk();
    char id[16], data[80];
    long long done = 0;
    for (int i = 0; i < MANY; i++) {
        one[i] = two[i] = (struct told)TOLD;
        snprintf(id, sizeof(id), "k%d", i);
        snprintf(data, sizeof(data), "{'n':'%d','outcome':'reject','times':9}", i);
        hand_in_copy(desk, &one[i], "Refuse", id, data);
        hand_in_copy(other, &two[i], "Mark", id, data);
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof(id), "%d", i);
        AWAIT(times(&one[i]) == 1 && times(&two[i]) == 1);
        assert_int_equal(one[i].result, two[i].result);
        done += one[i].result == WEIR_CALL_DONE;
    }
    test_await_settled(&server, "work");
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof(id), "%d", i);
        assert_int_equal(marks(id), one[i].result == WEIR_CALL_DONE);
    }
    assert_int_equal(test_dead(&server, "work"), MANY - done);
    weir_desk_close(other);
    test_worker_end_well(&rival);
}

/* Done, but it counts only once it is as durable as its service asks. */
static void durability_is_waited_for_beside(void **state)
{
    (void)state;
    struct told slow = TOLD;
    json_t *data = json_of("{'n':'b'}");
    test_worker_end(&work, SIGTERM);
    test_do(&server, "CONFIG SET appendfsync always");
    work = test_worker_start(&server, "work", "w1", OPTIONS("--durable-disk"));
    struct told told = call(WEIR_CALL_DONE, "Mark", "d1", "{'n':'a'}", false, LONG_MS);
    assert_string_equal(told.call.token.stream, "{work}:events");
    assert_string_not_equal(told.call.entry, "");
    test_worker_end(&work, SIGTERM);
    work = test_worker_start(&server, "work", "w1", OPTIONS("--replicas", "1"));
    struct weir_command_call command = {
        .service = "work", .type = "Mark", .data = data, .limit_ms = 1000};
    assert_true(weir_desk_call(desk, &command, on_call, &slow));
    AWAIT(marks("b") == 1);
    start(WEIR_START_COMPLETED, "s1", "steps", "{}", LONG_MS); /* it holds up nobody */
    assert_int_equal(times(&slow), 0);
    AWAIT(times(&slow) == 1);
    assert_int_equal(slow.result, WEIR_CALL_UNKNOWN);
    assert_part(slow.call.reason, "replica");
    command.limit_ms = SHORT_MS;
    struct told closed = TOLD;
    assert_true(weir_desk_call(desk, &command, on_call, &closed));
    AWAIT(marks("b") == 2);
    weir_desk_close(desk); /* waits for it */
    desk = NULL;
    assert_int_equal(times(&closed), 1);
    test_do(&server, "CONFIG SET appendfsync everysec");
    json_decref(data);
}

/* A call that waits for durability has not come to its end, and keeps its place. */
static void what_waits_for_durability_is_in_hand(void **state)
{
    (void)state;
    char why[256];
    struct weir_tally tally;
    struct told waits = TOLD, other = TOLD;
    weir_desk *narrow = weir_desk_open(server.url, NULL, 1, why, sizeof(why));
    json_t *data = json_of("{'n':'c'}");
    struct weir_command_call command = {
        .service = "work", .type = "Mark", .data = data, .limit_ms = 2000};
    assert_non_null(narrow);
    test_worker_end(&work, SIGTERM);
    work = test_worker_start(&server, "work", "w1", OPTIONS("--replicas", "1"));
    long long before = test_calls_of(&server, "wait");
    assert_true(weir_desk_call(narrow, &command, on_call, &waits));
    AWAIT(test_calls_of(&server, "wait") > before);
    assert_false(weir_desk_call(narrow, &command, on_call, &other));
    assert_int_equal(weir_desk_count(narrow, &tally), 1);
    assert_int_equal(tally.ends[WEIR_COUNTS_SENDING][WEIR_ERRAND_ANSWERED], 0);
    AWAIT(times(&waits) == 1);
    assert_int_equal(waits.result, WEIR_CALL_UNKNOWN);
    AWAIT(weir_desk_count(narrow, &tally) == 0);
    assert_int_equal(tally.ends[WEIR_COUNTS_SENDING][WEIR_ERRAND_TIMED_OUT], 1);
    assert_true(tally.took[WEIR_COUNTS_SENDING].sum_ns >= 1900000000u); /* all of it */
    weir_desk_close(narrow);
    json_decref(data);
}

static atomic_int looks;

static void on_look(void *user, enum weir_look found, const char *why)
{
    (void)user, (void)found, (void)why;
    looks++;
}

/* Those of a monitor are no user's: they take no place from anybody. */
static void looks_take_no_place(void **state)
{
    (void)state;
    char why[256];
    struct weir_tally tally;
    struct told told = TOLD;
    const struct weir_command_call command = {.service = "work", .type = "Mark", .limit_ms = 100};
    weir_desk *narrow = weir_desk_open(server.url, NULL, 1, why, sizeof(why));
    assert_non_null(narrow);
    test_server_freeze(&server);
    looks = 0;
    assert_true(weir_desk_look(narrow, LONG_MS, on_look, NULL));
    assert_int_equal(weir_desk_count(narrow, &tally), 0);
    assert_true(weir_desk_call(narrow, &command, on_call, &told));
    assert_int_equal(weir_desk_count(narrow, &tally), 1);
    assert_true(weir_desk_look(narrow, LONG_MS, on_look, NULL));
    assert_int_equal(looks, 0);
    AWAIT(times(&told) == 1);
    test_server_thaw(&server);
    AWAIT(looks == 2);
    AWAIT(weir_desk_count(narrow, &tally) == 0);
    test_server_freeze(&server);
    assert_true(weir_desk_look(narrow, LONG_MS, on_look, NULL));
    weir_desk_close(narrow); /* it is answered all the same */
    test_server_thaw(&server);
    assert_int_equal(looks, 3);
}

static weir_desk *narrow_desk;

static void on_laid_down_once(void *user, const char *text, const char *reason)
{
    struct told *told = user;
    bool taken =
        weir_desk_lay_down(narrow_desk, "door", "k", "text", 1000, LONG_MS, on_laid_down, &told[1]);
    (void)text, (void)reason;
    pthread_mutex_lock(&told->mutex);
    note(told, taken);
    pthread_mutex_unlock(&told->mutex);
}

/* Who has an answer has no place any more. */
static void an_answer_makes_room(void **state)
{
    (void)state;
    char why[256];
    struct told told[2] = {TOLD, TOLD};
    narrow_desk = weir_desk_open(server.url, NULL, 1, why, sizeof(why));
    assert_non_null(narrow_desk);
    assert_true(weir_desk_lay_down(narrow_desk, "door", "k", "text", 1000, LONG_MS,
                                   on_laid_down_once, told));
    AWAIT(times(told) == 1);
    assert_true(told->result);
    AWAIT(times(&told[1]) == 1);
    weir_desk_close(narrow_desk);
}

/* ---- Read models --------------------------------------------------------------------------- */

static void current_is_all_that_was_published(void **state)
{
    (void)state;
    struct told told = is_current(WEIR_QUERY_WAITED, NULL, SHORT_MS);
    assert_part(told.text, "view: no projection");
    struct told early = TOLD; /* a shop that has just begun */
    assert_true(weir_desk_current(desk, "view", NULL, LONG_MS, on_current, &early));
    test_do(&server, "HSET {weir}:projections view/p %s", "work others");
    test_do(&server, "HSET {weir}:projections views/p %s", "elsewhere");
    AWAIT(times(&early) == 1);
    assert_int_equal(early.result, WEIR_QUERY_FOUND); /* nothing has been published */
    test_do(&server, "XADD {work}:events 5-1 type Marked");
    told = is_current(WEIR_QUERY_WAITED, NULL, SHORT_MS);
    assert_part(told.text, "work");
    test_do(&server, "HSET {view}:checkpoint:p {work}:events 5-0");
    is_current(WEIR_QUERY_WAITED, "p", SHORT_MS);
    struct told waits[8];
    for (int i = 0; i < 8; i++) {
        waits[i] = (struct told)TOLD;
        assert_true(weir_desk_current(desk, "view", NULL, LONG_MS, on_current, &waits[i]));
    }
    test_do(&server, "HSET {view}:checkpoint:p {work}:events 5-1");
    for (int i = 0; i < 8; i++) {
        AWAIT(times(&waits[i]) == 1);
        assert_int_equal(waits[i].result, WEIR_QUERY_FOUND);
    }
    is_current(WEIR_QUERY_WAITED, "q", SHORT_MS);
    is_current(WEIR_QUERY_FAILED, "q}", SHORT_MS);
}

/* One who has asked already waits for less. */
static void who_comes_later_waits_for_what_came_later(void **state)
{
    (void)state;
    struct told early = TOLD, late = TOLD;
    test_workers_clear(); /* so that nobody but the desk asks */
    test_do(&server, "HSET {weir}:projections view/p %s", "work");
    test_do(&server, "HSET {view}:checkpoint:p {work}:events 5-0");
    test_do(&server, "XADD {work}:events 5-1 type Marked");
    long long before = test_calls_of(&server, "hmget");
    assert_true(weir_desk_current(desk, "view", NULL, LONG_MS, on_current, &early));
    AWAIT(test_calls_of(&server, "hmget") > before); /* for the position: it knows the end */
    test_do(&server, "XADD {work}:events 6-1 type Marked");
    assert_true(weir_desk_current(desk, "view", NULL, LONG_MS, on_current, &late));
    test_do(&server, "HSET {view}:checkpoint:p {work}:events 5-1");
    AWAIT(times(&early) == 1);
    assert_int_equal(early.result, WEIR_QUERY_FOUND);
    look(WEIR_START_ABSENT, "s1"); /* a turn later */
    assert_int_equal(times(&late), 0);
    test_do(&server, "HSET {view}:checkpoint:p {work}:events 6-1");
    AWAIT(times(&late) == 1);
    assert_int_equal(late.result, WEIR_QUERY_FOUND);
}

/* Those who have asked the same together have had a place each. They ask for longer than the test
 * waits for a place: none comes free by an end of patience. */
static void all_places_are_free_again(void **state)
{
    (void)state;
    static struct told waits[8]; /* told, too, at the end of a test that has failed */
    weir_desk_close(desk);
    open_desk(8);
    for (int round = 0; round < 3; round++) {
        test_do(&server, "DEL {weir}:projections"); /* so that none is answered yet */
        for (int i = 0; i < 8; i++) {
            waits[i] = (struct told)TOLD;
            AWAIT(weir_desk_current(desk, "view", NULL, 10 * LONG_MS, on_current, &waits[i]));
        }
        test_do(&server, "HSET {weir}:projections view/p %s", "work");
        for (int i = 0; i < 8; i++) {
            AWAIT(times(&waits[i]) == 1);
            assert_int_equal(waits[i].result, WEIR_QUERY_FOUND);
        }
    }
}

/* ---- What stands there --------------------------------------------------------------------- */

static void lay_down(const char *wanted, const char *key, const char *text)
{
    struct told told = TOLD;
    assert_true(weir_desk_lay_down(desk, "door", key, text, 60000, LONG_MS, on_laid_down, &told));
    AWAIT(times(&told) == 1);
    assert_int_equal(told.result, wanted != NULL);
    if (wanted)
        assert_string_equal(told.text, wanted);
}

static void the_first_text_stands(void **state)
{
    (void)state;
    lay_down("one", "key:a", "one");
    lay_down("one", "key:a", "two");
    lay_down("two", "key:b", "two");
    assert_in_range(test_ask_integer(&server, "PTTL {door}:key:a"), 1, 60000);
    test_do(&server, "HSET {door}:key:c a b");
    lay_down(NULL, "key:c", "x");
    lay_down(NULL, "", "x");
}

/* ---- Reading ------------------------------------------------------------------------------- */

static void on_read(void *user, enum weir_query_result result, const json_t *value,
                    const char *reason)
{
    (void)value;
    on_text(user, (int)result, reason);
}

static void what_is_of_another_type_is_told_apart(void **state)
{
    (void)state;
    struct told hash = TOLD, range = TOLD;
    test_do(&server, "SET {view}:k x");
    assert_true(weir_desk_hash(desk, "view", "k", LONG_MS, on_read, &hash));
    assert_true(weir_desk_range(desk, "view", "k", 0, 1, false, LONG_MS, on_read, &range));
    AWAIT(times(&hash) == 1 && times(&range) == 1);
    assert_int_equal(hash.result, WEIR_QUERY_OTHER);
    assert_int_equal(range.result, WEIR_QUERY_OTHER);
    assert_part(hash.text, "WRONGTYPE");
}

/* ---- The server ---------------------------------------------------------------------------- */

static void a_server_that_is_away_is_told_at_once(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    long long began = test_now();
    struct told told = start(WEIR_START_UNKNOWN, "s1", "steps", "{}", LONG_MS);
    assert_part(told.start.reason, server.url);
    assert_true(told.start.not_taken);
    told = call(WEIR_CALL_UNKNOWN, "Mark", "m1", "{'n':'a'}", false, LONG_MS);
    assert_true(told.call.not_taken);
    lay_down(NULL, "key:a", "one");
    assert_true(test_now() - began < LONG_MS); /* none has waited for its limit */
    test_server_restart(&server, 0);
    await_desk();
    start(WEIR_START_COMPLETED, "s1", "steps", "{}", LONG_MS);
    call(WEIR_CALL_DONE, "Mark", "m1", "{'n':'a'}", false, LONG_MS);
}

/* Started, and then the server dies and comes back, with it or without it: it is found, or started
 * again, and takes effect once. */
static void what_was_sent_outlives_the_server(void **state)
{
    (void)state;
    struct told kept = TOLD, gone = TOLD, command = TOLD;
    json_t *data = json_of("{'n':'a','ms':400}");
    hand_in_start(&kept, "s1", "steps", "{'defer':400}", LONG_MS);
    AWAIT(test_saga_is(&server, "s1", "running"));
    hand_in_start(&gone, "s2", "steps", "{'defer':400}", LONG_MS);
    struct weir_command_call defer = {
        .service = "work", .type = "Defer", .id = "d1", .data = data, .limit_ms = LONG_MS};
    assert_true(weir_desk_call(desk, &defer, on_call, &command));
    json_decref(data);
    AWAIT(test_saga_is(&server, "s2", "running") && test_pending(&server, "work") == 1);
    test_do(&server, "DEL {sagas}:saga:s2 {work}:commands"); /* as if it had never come */
    test_server_restart(&server, SIGKILL);
    AWAIT(times(&kept) == 1 && times(&gone) == 1 && times(&command) == 1);
    assert_int_equal(kept.result, WEIR_START_COMPLETED);
    assert_int_equal(gone.result, WEIR_START_COMPLETED);
    assert_int_equal(command.result, WEIR_CALL_DONE);
    assert_int_equal(test_number(&server, "{steps}:effects:s1", "one"), 1);
    assert_int_equal(test_number(&server, "{work}:marks", "a"), 1);
}

static void a_silent_server_ends_the_wait(void **state)
{
    (void)state;
    struct told told = TOLD;
    look(WEIR_START_ABSENT, "s1"); /* so that there is a connection */
    test_server_freeze(&server);
    hand_in_start(&told, "s1", "steps", "{}", SHORT_MS);
    AWAIT(times(&told) == 1);
    test_server_thaw(&server);
    assert_int_equal(told.result, WEIR_START_UNKNOWN);
    assert_true(told.start.not_taken); /* it has only been looked for */
    start(WEIR_START_COMPLETED, "s1", "steps", "{}", LONG_MS);
}

/* What has been sent may have been taken, whatever comes after. */
static void what_was_sent_may_have_been_taken(void **state)
{
    (void)state;
    struct told told = TOLD, other = TOLD;
    struct weir_start begun = {
        .definition = "steps", .saga = "s1", .fresh = true, .limit_ms = SHORT_MS};
    struct weir_command_call command = {
        .service = "work", .type = "Mark", .fresh = true, .limit_ms = SHORT_MS};
    look(WEIR_START_ABSENT, "s1"); /* so that there is a connection */
    test_server_freeze(&server);
    assert_true(weir_desk_start(desk, &begun, on_start, &told));
    AWAIT(times(&told) == 1);
    test_server_thaw(&server);
    assert_int_equal(told.result, WEIR_START_UNKNOWN);
    assert_false(told.start.not_taken);
    start(WEIR_START_COMPLETED, "s1", "steps", "{}", LONG_MS);
    test_server_freeze(&server);
    assert_true(weir_desk_call(desk, &command, on_call, &other));
    AWAIT(times(&other) == 1);
    test_server_thaw(&server);
    assert_int_equal(other.result, WEIR_CALL_UNKNOWN);
    assert_false(other.call.not_taken);
    await_desk();
}

/* A copy that is refused says nothing of the one before, of which no answer came. */
static void an_earlier_copy_may_have_been_taken(void **state)
{
    (void)state;
    static const char *const words[] = {"StartSaga", "Mark"};
    test_workers_clear(); /* so that nothing comes of them */
    for (size_t i = 0; i < 2; i++) {
        struct test_proxy proxy;
        test_proxy_start(&proxy, &server, (struct proxy_trap){"XADD", words[i], PROXY_CUT_BEFORE});
        weir_desk_close(desk);
        open_desk_at(proxy.url, 1);
        test_do(&server, "CONFIG SET maxmemory 1");
        struct told told = i == 0
                               ? start(WEIR_START_UNKNOWN, "s1", "steps", "{}", LONG_MS)
                               : call(WEIR_CALL_UNKNOWN, "Mark", "m1", "{'n':'a'}", false, LONG_MS);
        test_do(&server, "CONFIG SET maxmemory 0");
        test_proxy_await(&proxy);
        assert_false(i == 0 ? told.start.not_taken : told.call.not_taken);
        test_proxy_stop(&proxy);
    }
}

static void a_server_without_memory_is_no_refusal(void **state)
{
    (void)state;
    test_do(&server, "CONFIG SET maxmemory 1");
    struct told told = start(WEIR_START_UNKNOWN, "s1", "steps", "{}", LONG_MS);
    struct told other = call(WEIR_CALL_UNKNOWN, "Mark", "m1", "{'n':'a'}", false, LONG_MS);
    test_do(&server, "CONFIG SET maxmemory 0");
    assert_part(told.start.reason, "OOM");
    assert_true(told.start.not_taken);
    assert_true(other.call.not_taken);
    start(WEIR_START_COMPLETED, "s1", "steps", "{}", LONG_MS);
}

/* ---- One after the other ------------------------------------------------------------------- */

static void a_caller_does_the_same(void **state)
{
    (void)state;
    char why[256];
    struct weir_start_answer answer;
    json_t *data = json_of("{'how':{'one':'fail'}}");
    weir_caller *caller = weir_caller_open(server.url, NULL, why, sizeof(why));
    assert_non_null(caller);
    struct weir_start start = {.definition = "steps", .saga = "s1", .limit_ms = LONG_MS};
    assert_int_equal(weir_start(caller, &start, &answer), WEIR_START_COMPLETED);
    assert_string_equal(answer.saga, "s1");
    assert_null(answer.data);
    start.data = data;
    assert_int_equal(weir_start(caller, &start, &answer), WEIR_START_OTHER);
    start.saga = "s2";
    assert_int_equal(weir_start(caller, &start, &answer), WEIR_START_COMPENSATED);
    assert_int_equal(weir_current(caller, "view", NULL, 0, why), WEIR_QUERY_WAITED);
    test_do(&server, "HSET {weir}:projections view/p steps");
    assert_int_equal(weir_current(caller, "view", NULL, SHORT_MS, why), WEIR_QUERY_WAITED);
    assert_part(why, "steps");
    weir_caller_close(caller);
    json_decref(data);
}

static void a_malformed_address_opens_no_desk(void **state)
{
    (void)state;
    char why[256];
    assert_null(weir_desk_open("http://x", NULL, 1, why, sizeof(why)));
    assert_part(why, "redis://");
    assert_null(weir_desk_open(server.url, "a{b", 1, why, sizeof(why)));
    assert_part(why, "prefix");
    weir_desk_close(NULL);
}

int main(int argc, char **argv)
{
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_saga_is_told_by_its_end),
        CASE(a_repeated_start_is_told_the_same),
        CASE(two_at_once_with_other_data_are_told_apart),
        CASE(what_cannot_start_is_refused),
        CASE(one_that_goes_on_is_running),
        CASE(one_that_is_being_undone_is_running),
        CASE(absent_is_said_of_what_cannot_come_any_more),
        CASE(a_suspended_one_says_so),
        CASE(many_wait_at_once),
        CASE(no_more_than_wanted_are_taken),
        CASE(a_command_is_told_by_its_end),
        CASE(a_refusal_is_for_every_copy),
        CASE(copies_that_race_are_told_the_same),
        CASE(durability_is_waited_for_beside),
        CASE(what_waits_for_durability_is_in_hand),
        CASE(looks_take_no_place),
        CASE(an_answer_makes_room),
        CASE(current_is_all_that_was_published),
        CASE(who_comes_later_waits_for_what_came_later),
        CASE(all_places_are_free_again),
        CASE(the_first_text_stands),
        CASE(a_server_that_is_away_is_told_at_once),
        CASE(what_was_sent_outlives_the_server),
        CASE(a_silent_server_ends_the_wait),
        CASE(what_was_sent_may_have_been_taken),
        CASE(an_earlier_copy_may_have_been_taken),
        CASE(what_is_of_another_type_is_told_apart),
        CASE(a_server_without_memory_is_no_refusal),
        CASE(a_caller_does_the_same),
        cmocka_unit_test(a_malformed_address_opens_no_desk),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
