/* All orders of execute and compensate at one service, with the worker killed between every pair of
 * operations: each takes effect once at the most and nothing after the bar, every command is
 * answered once, and the first outcome is repeated. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/proxy.h"
#include "support/step_service.h"
#include "support/worker.h"

#define STEPS "steps"
#define EXECUTE "execute"
#define COMPENSATE "compensate"

static struct test_server server;

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
    test_do(&server, "XGROUP CREATE {steps}:commands steps 0 MKSTREAM");
    return 0;
}

/* ---- Where the worker ends ----------------------------------------------------------------- */

enum point {
    LIVES,
    BEFORE_HANDLER, /* as it asks what has become of the step */
    IN_HANDLER,     /* with the effects queued */
    BEFORE_COMMIT,  /* the commit never leaves */
    AFTER_COMMIT,   /* its answer never arrives */
    KILL_POINTS,
    CUT_BEFORE = KILL_POINTS, /* not the worker: the connection alone */
    CUT_WITHIN,
    CUT_AFTER,
    POINTS
};

static const char *const point_names[] = {
    "lives",
    "killed before the handler",
    "killed in the handler",
    "killed before the commit",
    "killed after the commit",
    "cut before the commit",
    "cut within it",
    "cut after the commit",
};

/* One step's command: which saga it is for, what it does, how it ends. */
struct command {
    const char *saga, *action;
    unsigned number;
    enum point point;
    bool defers, refuses;
    bool was_given_out; /* to a worker that was not there: the first run is the second delivery */
};

static void command_id(const struct command *command, char id[96])
{
    snprintf(id, 96, "%s/a/%s%s", command->saga, command->action, command->number > 1 ? "#2" : "");
}

static void send_command(const struct command *command)
{
    char id[96], data[160];
    bool undo = strcmp(command->action, COMPENSATE) == 0;
    const char *how = command->point != IN_HANDLER ? (command->refuses ? "fail" : "")
                      : command->was_given_out     ? "crash-second"
                                                   : "crash";
    command_id(command, id);
    snprintf(data, sizeof(data), "{\"how\":{\"a%s\":\"%s\"}%s}", undo ? "/undo" : "", how,
             command->defers ? ",\"defer\":3" : "");
    test_do(&server, "XADD {steps}:commands * type %s id %s saga %s step a action %s data %s",
            undo ? "Undo" : "Do", id, command->saga, command->action, data);
}

static struct proxy_trap trap_for(const struct command *command, const char *key)
{
    static const enum proxy_deed deeds[POINTS] = {
        [BEFORE_HANDLER] = PROXY_KILL_BEFORE, [BEFORE_COMMIT] = PROXY_KILL_BEFORE,
        [AFTER_COMMIT] = PROXY_KILL_AFTER,    [CUT_BEFORE] = PROXY_CUT_BEFORE,
        [CUT_WITHIN] = PROXY_CUT_WITHIN,      [CUT_AFTER] = PROXY_CUT_AFTER};
    if (command->point == BEFORE_HANDLER)
        return (struct proxy_trap){"HMGET", key, deeds[command->point]};
    return (struct proxy_trap){"weir_commit", key, deeds[command->point]};
}

static bool kills(enum point point)
{
    return point != LIVES && point < KILL_POINTS;
}

/* ---- Workers ------------------------------------------------------------------------------- */

static const char *const quickly[] = {
    "--retry-base", "5ms", "--max-deliveries", "1000", "--log-level", "debug", NULL};

/* While the server has not seen that a worker is dead, its blocked read still takes a command. */
static void await_no_client(void)
{
    AWAIT(test_ask_integer(&server, "EVAL %s 0",
                           "return tonumber(redis.call('INFO', 'clients'):match("
                           "'connected_clients:(%d+)'))") == 1);
}

/* A worker serves what is there and, if it is to die, does so; then the next one of its name goes
 * on, until all is settled. `more`: a command that is sent while no worker runs. */
static void serve(const struct command *command, const struct command *more)
{
    char key[96];
    struct test_proxy proxy = {.pid = 0};
    struct test_worker worker;
    snprintf(key, sizeof(key), "%s/a", command->saga);
    if (command->point == LIVES || command->point == IN_HANDLER) {
        worker = test_worker_launch(server.url, STEPS, "one", quickly);
    } else {
        test_proxy_start(&proxy, &server, trap_for(command, key));
        worker = test_worker_launch(proxy.url, STEPS, "one", quickly);
        test_proxy_await(&proxy);
    }
    if (kills(command->point)) {
        assert_int_equal(test_worker_await_end(&worker), 128 + SIGKILL);
        if (more)
            send_command(more);
        worker = test_worker_launch(server.url, STEPS, "one", quickly);
    }
    test_await_settled(&server, STEPS);
    if (command->point >= KILL_POINTS) /* it is to learn what has become of its commit */
        AWAIT(test_worker_logged(&worker, command->point == CUT_AFTER ? "message.fenced"
                                                                      : "message.handled") == 1);
    assert_int_equal(test_worker_logged(&worker, "unlisted_move"), 0);
    test_worker_end(&worker, SIGKILL); /* it has nothing in hand */
    test_proxy_stop(&proxy);
    await_no_client();
}

/* ---- What came of it ----------------------------------------------------------------------- */

static long long effects(const char *saga, const char *field)
{
    char key[96];
    snprintf(key, sizeof(key), "{steps}:effects:%s", saga);
    return test_number(&server, key, field);
}

static void assert_effects(const char *saga, long long done, long long undone)
{
    assert_int_equal(effects(saga, "a"), done);
    assert_int_equal(effects(saga, "a/undo"), undone);
}

/* The answers to a command: how many, the first one's type and data, whether all are the same. */
struct answers {
    size_t count;
    bool alike;
    char type[32], data[256];
};

static const char *field_of(const redisReply *entry, const char *name)
{
    const redisReply *body = entry->element[1];
    for (size_t i = 0; i + 1 < body->elements; i += 2)
        if (strcmp(body->element[i]->str, name) == 0)
            return body->element[i + 1]->str;
    return "";
}

static struct answers answers_to(const redisReply *all, const struct command *command)
{
    struct answers answers = {.count = 0, .alike = true};
    char id[96];
    command_id(command, id);
    for (size_t i = 0; i < all->elements; i++) {
        const redisReply *entry = all->element[i];
        if (strcmp(field_of(entry, "id"), id) != 0)
            continue;
        assert_string_equal(field_of(entry, "saga"), command->saga);
        assert_string_equal(field_of(entry, "action"), command->action);
        if (answers.count++ == 0) {
            snprintf(answers.type, sizeof(answers.type), "%s", field_of(entry, "type"));
            snprintf(answers.data, sizeof(answers.data), "%s", field_of(entry, "data"));
        }
        answers.alike &= strcmp(answers.type, field_of(entry, "type")) == 0 &&
                         strcmp(answers.data, field_of(entry, "data")) == 0;
    }
    return answers;
}

static struct answers ask_answers(const struct command *command)
{
    redisReply *all = test_ask(&server, "XRANGE {sagas}:replies - +");
    struct answers answers = answers_to(all, command);
    freeReplyObject(all);
    return answers;
}

/* That the command was answered so often, always with the same, of that type and with that text in
 * the data. */
static void assert_answers(const struct command *command, size_t count, const char *type,
                           const char *text)
{
    struct answers answers = ask_answers(command);
    assert_int_equal(answers.count, count);
    assert_string_equal(answers.type, type);
    assert_true(answers.alike);
    if (!strstr(answers.data, text))
        fail_msg("%s was answered %s, not with %s", command->action, answers.data, text);
}

/* ---- One after the other ------------------------------------------------------------------- */

/* Two commands of one step, the second sent when the first is answered, and what is then true. */
static const struct order {
    const char *name, *before; /* an action that has been carried out before; NULL: none */
    const char *actions[2];
    bool first_refuses, second_is_new, second_runs;
    long long done, undone;
    const char *types[2], *texts[2];
} orders[] = {
    {.name = "execute, compensate",
     .actions = {EXECUTE, COMPENSATE},
     .second_runs = true,
     .done = 1,
     .undone = 1,
     .types = {"StepSucceeded", "StepSucceeded"},
     .texts = {"\"run\"", "\"run\""}},
    {.name = "compensate, execute",
     .actions = {COMPENSATE, EXECUTE},
     .types = {"StepSucceeded", "StepFailed"},
     .texts = {"{}", "barred"}},
    {.name = "execute twice",
     .actions = {EXECUTE, EXECUTE},
     .done = 1,
     .types = {"StepSucceeded", "StepSucceeded"},
     .texts = {"\"run\"", "\"run\""}},
    {.name = "compensate twice",
     .before = EXECUTE,
     .actions = {COMPENSATE, COMPENSATE},
     .done = 1,
     .undone = 1,
     .types = {"StepSucceeded", "StepSucceeded"},
     .texts = {"\"run\"", "\"run\""}},
    {.name = "compensate twice what never happened",
     .actions = {COMPENSATE, COMPENSATE},
     .types = {"StepSucceeded", "StepSucceeded"},
     .texts = {"{}", "{}"}},
    {.name = "execute twice, refused",
     .actions = {EXECUTE, EXECUTE},
     .first_refuses = true,
     .types = {"StepFailed", "StepFailed"},
     .texts = {"refused in run", "refused in run"}},
    {.name = "execute, refused, compensate",
     .actions = {EXECUTE, COMPENSATE},
     .first_refuses = true,
     .types = {"StepFailed", "StepSucceeded"},
     .texts = {"refused in run", "{}"}},
    {.name = "compensate, refused, compensate #2",
     .before = EXECUTE,
     .actions = {COMPENSATE, COMPENSATE},
     .first_refuses = true,
     .second_is_new = true,
     .second_runs = true,
     .done = 1,
     .undone = 1,
     .types = {"StepFailed", "StepSucceeded"},
     .texts = {"refused in run", "\"run\""}},
};
#define ORDERS (sizeof(orders) / sizeof(*orders))

static const char *next_saga(void)
{
    static char saga[16];
    static unsigned last;
    snprintf(saga, sizeof(saga), "s%u", ++last);
    return saga;
}

/* Whether the handler of the first command is called at all. */
static bool first_runs(const struct order *order)
{
    return strcmp(order->actions[0], EXECUTE) == 0 || order->before;
}

static bool same_command(const struct order *order)
{
    return strcmp(order->actions[0], order->actions[1]) == 0 && !order->second_is_new;
}

static void check(const struct order *order, const struct command commands[2])
{
    assert_effects(commands[0].saga, order->done, order->undone);
    for (size_t i = 0; i < 2; i++)
        assert_answers(&commands[i], same_command(order) ? 2 : 1, order->types[i], order->texts[i]);
}

static void run(const struct order *order, enum point first, enum point second, bool defers)
{
    const char *saga = next_saga();
    struct command before = {saga, order->before, 1, LIVES, defers, false, false};
    struct command commands[2] = {
        {saga, order->actions[0], 1, first, defers, order->first_refuses, false},
        {saga, order->actions[1], order->second_is_new ? 2 : 1, second, defers, false, false},
    };
    if (order->before) {
        send_command(&before);
        serve(&before, NULL);
    }
    for (size_t i = 0; i < 2; i++) {
        send_command(&commands[i]);
        serve(&commands[i], NULL);
    }
    check(order, commands);
}

/* Where there is no handler to be killed in, or it would refuse instead, the point is left out. */
static bool has_point(const struct order *order, enum point first, enum point second)
{
    return (first != IN_HANDLER || (first_runs(order) && !order->first_refuses)) &&
           (second != IN_HANDLER || order->second_runs);
}

static unsigned run_order(const struct order *order, bool defers)
{
    unsigned runs = 0;
    for (enum point first = LIVES; first < KILL_POINTS; first++)
        for (enum point second = LIVES; second < KILL_POINTS; second++) {
            if (!has_point(order, first, second))
                continue;
            print_message("%s, %s: %s; %s\n", order->name, defers ? "later" : "at once",
                          point_names[first], point_names[second]);
            run(order, first, second, defers);
            runs++;
        }
    return runs;
}

static void killed_anywhere_answering_at_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < ORDERS; i++)
        assert_true(run_order(&orders[i], false) >= 16);
}

static void killed_anywhere_answering_later(void **state)
{
    (void)state;
    for (size_t i = 0; i < ORDERS; i++)
        assert_true(run_order(&orders[i], true) >= 16);
}

/* The worker lives and does not know whether its commit was carried out: of the first command or
 * of the second, in turn. */
static void cut_off_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < ORDERS; i++)
        for (enum point point = CUT_BEFORE; point < POINTS; point++) {
            bool first = (i + point) % 2 == 0;
            print_message("%s: %s, %s\n", orders[i].name, first ? "first" : "second",
                          point_names[point]);
            run(&orders[i], first ? point : LIVES, first ? LIVES : point, i % 4 < 2);
        }
}

/* ---- The second beside the redelivery of the first ----------------------------------------- */

/* Whichever comes first: what both answers say fits what has happened. */
static void check_pair(const char *saga, const struct command *execute,
                       const struct command *compensate)
{
    struct answers executed = ask_answers(execute), compensated = ask_answers(compensate);
    long long done = effects(saga, "a"), undone = effects(saga, "a/undo");
    bool barred = strcmp(executed.type, "StepFailed") == 0;
    assert_true(executed.alike && compensated.alike);
    assert_string_equal(compensated.type, "StepSucceeded");
    assert_in_range(done, 0, 1);
    assert_int_equal(done, undone);
    assert_int_equal(done, barred ? 0 : 1);
    assert_non_null(strstr(executed.data, barred ? "barred" : "\"run\""));
    if (barred)
        assert_string_equal(compensated.data, "{}");
    else
        assert_non_null(strstr(compensated.data, "\"run\""));
}

static void the_second_arrives_while_nobody_is_there(void **state)
{
    (void)state;
    for (int defers = 0; defers < 2; defers++)
        for (enum point point = BEFORE_HANDLER; point < KILL_POINTS; point++)
            for (int turn = 0; turn < 2; turn++) {
                const char *saga = next_saga();
                bool first_executes = turn == 0;
                struct command execute = {saga, EXECUTE, 1, LIVES, defers, false, false};
                struct command compensate = {saga, COMPENSATE, 1, LIVES, defers, false, false};
                struct command *first = first_executes ? &execute : &compensate;
                if (!first_executes && point == IN_HANDLER)
                    continue;
                first->point = point;
                send_command(first);
                serve(first, first_executes ? &compensate : &execute);
                check_pair(saga, &execute, &compensate);
                assert_int_equal(ask_answers(&execute).count, 1);
                assert_int_equal(ask_answers(&compensate).count, 1);
            }
}

/* ---- Both at the same time in two processes ------------------------------------------------ */

/* Gives the newest command to a consumer, which finds it when it starts. */
static void assign_to(const char *consumer)
{
    test_do(&server, "XREADGROUP GROUP steps %s COUNT 1 STREAMS {steps}:commands >", consumer);
}

struct process {
    struct test_worker worker;
    struct test_proxy proxy;
    const char *consumer;
};

static void launch(struct process *process, const char *consumer, struct proxy_trap trap)
{
    process->consumer = consumer;
    test_proxy_start(&process->proxy, &server, trap);
    process->worker = test_worker_launch(process->proxy.url, STEPS, consumer, quickly);
}

static void launch_again(struct process *process)
{
    assert_int_equal(test_worker_await_end(&process->worker), 128 + SIGKILL);
    process->worker = test_worker_launch(server.url, STEPS, process->consumer, quickly);
}

static void end(struct process *process)
{
    test_worker_end(&process->worker, SIGKILL);
    test_proxy_stop(&process->proxy);
}

/* The one's commit is on its way when the other's whole life passes; then it arrives (LIVES), or
 * its worker dies before or after that. */
static void race(struct command held, struct command other, enum point fate)
{
    struct process one, two;
    char key[96];
    snprintf(key, sizeof(key), "%s/a", held.saga);
    send_command(&held);
    assign_to("one");
    send_command(&other);
    assign_to("two");
    launch(&one, "one", (struct proxy_trap){"weir_commit", key, PROXY_HOLD});
    test_proxy_await(&one.proxy);
    launch(&two, "two", trap_for(&other, key));
    if (kills(other.point))
        launch_again(&two);
    AWAIT(ask_answers(&other).count == 1);
    test_proxy_release(&one.proxy, fate == LIVES           ? PROXY_NONE
                                   : fate == BEFORE_COMMIT ? PROXY_KILL_BEFORE
                                                           : PROXY_KILL_AFTER);
    if (kills(fate))
        launch_again(&one);
    test_await_settled(&server, STEPS);
    end(&one);
    end(&two);
}

static void race_at(bool execute_is_held, enum point fate, enum point other, bool defers)
{
    const char *saga = next_saga();
    enum point of_execute = execute_is_held ? LIVES : other;
    enum point of_compensate = execute_is_held ? other : LIVES;
    struct command execute = {saga, EXECUTE, 1, of_execute, defers, false, true};
    struct command compensate = {saga, COMPENSATE, 1, of_compensate, defers, false, true};
    if (execute_is_held)
        race(execute, compensate, fate);
    else
        race(compensate, execute, fate);
    assert_effects(saga, execute_is_held ? 0 : 1, execute_is_held ? 0 : 1);
    check_pair(saga, &execute, &compensate);
    assert_int_equal(ask_answers(&execute).count, 1);
    assert_int_equal(ask_answers(&compensate).count, 1);
}

static void in_two_processes_at_once(void **state)
{
    (void)state;
    static const enum point fates[] = {LIVES, BEFORE_COMMIT, AFTER_COMMIT};
    for (int held = 0; held < 2; held++)
        for (size_t fate = 0; fate < 3; fate++)
            for (enum point other = LIVES; other < KILL_POINTS; other++) {
                if (other == IN_HANDLER && held)
                    continue; /* the compensation of what has not happened has no handler */
                print_message("%s held, %s; the other %s\n", held ? EXECUTE : COMPENSATE,
                              point_names[fates[fate]], point_names[other]);
                race_at(held, fates[fate], other, false);
                race_at(held, fates[fate], other, true);
            }
}

/* ---- All of it at random ------------------------------------------------------------------- */

#define MANY 200

static void send_shuffled(int from, int to)
{
    for (int left = (to - from) * 4, sent[MANY] = {0}; left > 0;) {
        char saga[24];
        int pick = from + (int)test_random((unsigned)(to - from));
        static const char *const actions[4] = {EXECUTE, COMPENSATE, EXECUTE, COMPENSATE};
        unsigned first = (unsigned)pick % 2; /* which of the two comes first */
        if (sent[pick] == 4)
            continue;
        snprintf(saga, sizeof(saga), "m%d", pick);
        const char *action = actions[(first + (unsigned)sent[pick]) % 4];
        struct command command = {saga, action, 1, LIVES, test_random(2) == 0, false, false};
        send_command(&command);
        sent[pick]++;
        left--;
    }
}

static void under_random_kill(void **state)
{
    (void)state;
    const char *const *options =
        OPTIONS("--claim-idle", "150ms", "--retry-base", "5ms", "--max-deliveries", "1000");
    struct test_worker workers[2] = {test_worker_start(&server, STEPS, "w0", options),
                                     test_worker_start(&server, STEPS, "w1", options)};
    for (int i = 0; i < 10; i++) {
        char consumer[32];
        struct test_worker *victim = &workers[test_random(2)];
        send_shuffled(i * MANY / 10, (i + 1) * MANY / 10);
        for (long long until = test_now() + test_random(25); test_now() < until;)
            test_pause();
        assert_int_equal(test_worker_end(victim, SIGKILL), 128 + SIGKILL);
        snprintf(consumer, sizeof(consumer), "again%d", i);
        *victim = test_worker_start(&server, STEPS, consumer, options);
    }
    test_await_settled(&server, STEPS);
    assert_int_equal(test_ask_integer(&server, "XLEN {sagas}:replies"), 4 * MANY);
    for (int i = 0; i < MANY; i++) {
        char saga[24];
        snprintf(saga, sizeof(saga), "m%d", i);
        struct command execute = {saga, EXECUTE, 1, LIVES, false, false, false};
        struct command compensate = {saga, COMPENSATE, 1, LIVES, false, false, false};
        check_pair(saga, &execute, &compensate);
        assert_int_equal(ask_answers(&execute).count, 2);
        assert_int_equal(ask_answers(&compensate).count, 2);
    }
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(test_worker_end(&workers[i], SIGTERM), 0);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(killed_anywhere_answering_at_once),
        CASE(killed_anywhere_answering_later),
        CASE(cut_off_anywhere),
        CASE(the_second_arrives_while_nobody_is_there),
        CASE(in_two_processes_at_once),
        CASE(under_random_kill),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_step_service);
    return cmocka_run_group_tests(tests, start, stop);
}
