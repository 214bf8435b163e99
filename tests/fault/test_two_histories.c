/* Two primaries that go on side by side give the same id to different messages. What a worker that
 * follows Sentinels has in hand of the one never ends a message of the other, whichever of its
 * connections has left first; a read model folds the events of one of them alone. */
#include <ev.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/failover.h"
#include "support/worker.h"

#define WORK "work"
#define VIEW "view"
#define COMMANDS "{" WORK "}:commands"
#define EVENTS "{" WORK "}:events"
#define MARKS "{" WORK "}:marks"
#define SEEN "{" VIEW "}:seen"
#define ID "9000000000000-0" /* what both give to a message of theirs */
#define ATTEMPTS 10

static struct test_node old, new;
static struct test_sentinel sentinel;
static struct test_server followed; /* no server: what workers are given, the Sentinel's URL */

/* ---- The services ----------------------------------------------------------------------------
 *
 *   Mark {n, lane}  adds 1 to the field n of "{work}:marks"; those of one lane do it in turn
 *   Hold {n}        defers, and does the same on SIGUSR1
 *
 * Each run leaves a line "test.run" with "n=<n> " in the log, each end of a Hold "test.ends" or
 * "test.too_late". The view notes the n of each event in "{view}:seen". */

static weir_deferral *held;
static char held_n[32];
static ev_signal letting_go;

static const char *n_of(const weir_message *message)
{
    const char *n = json_string_value(json_object_get(weir_message_data(message), "n"));
    return n ? n : "";
}

static enum weir_outcome mark(weir_context *context, const weir_message *message)
{
    weir_note(context, "test.run", "n=%s", n_of(message));
    weir_hincrby(context, "marks", n_of(message), 1);
    return WEIR_DONE;
}

static void let_go(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)loop, (void)watcher, (void)events;
    weir_context *context = held ? weir_deferral_context(held) : NULL;
    if (context) {
        weir_hincrby(context, "marks", held_n, 1);
        weir_note(context, "test.ends", "n=%s", held_n);
    } else {
        fputs("test.too_late\n", stderr);
    }
    if (held)
        weir_finish(held, WEIR_DONE);
    held = NULL;
}

static enum weir_outcome hold(weir_context *context, const weir_message *message)
{
    snprintf(held_n, sizeof(held_n), "%s", n_of(message));
    weir_note(context, "test.run", "n=%s", held_n);
    if (!ev_is_active(&letting_go)) {
        ev_signal_init(&letting_go, let_go, SIGUSR1);
        ev_signal_start(weir_loop(context), &letting_go);
    }
    if (held)
        weir_finish(held, WEIR_DONE); /* of the run before; it comes too late */
    held = weir_defer(context);
    return held ? WEIR_DEFERRED : WEIR_RETRY;
}

static enum weir_outcome note(weir_context *context, const weir_message *message)
{
    weir_hincrby(context, "seen", n_of(message), 1);
    return WEIR_DONE;
}

static weir_service *make(const char *name)
{
    weir_service *service = weir_service_new(name);
    if (strcmp(name, VIEW) == 0) {
        weir_project(service, "notes", WORK, "Noted", note, NULL);
    } else {
        weir_on_command(service, "Mark", mark, "lane:{lane}");
        weir_on_command(service, "Hold", hold, NULL);
    }
    return service;
}

/* ---- Helpers --------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_node_start(&old, "old", NULL);
    test_node_start(&new, "new", NULL);
    test_node_follow(&new, old.port, &old);
    test_sentinel_start(&sentinel, &old);
    strcpy(followed.url, sentinel.url);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_sentinel_stop(&sentinel);
    test_server_stop(&old.server, SIGKILL);
    test_server_stop(&new.server, SIGKILL);
    return 0;
}

static struct test_worker start_worker(const char *service)
{
    /* claims are not what brings a message back here */
    return test_worker_start(&followed, service, "one",
                             OPTIONS("--claim-idle", "60s", "--concurrency", "128"));
}

/* From here on each goes its own way. The Sentinel names the old one still, and forgets the other,
 * which it would make a replica again. */
static void part(void)
{
    test_node_await_level(&new, &old);
    test_node_promote(&new);
    AWAIT(test_node_info(&old, "replication", "connected_slaves:") == 0);
    test_sentinel_turn_to(&sentinel, &old);
}

static void add(struct test_node *node, const char *stream, const char *type, const char *n)
{
    test_do(&node->server, "XADD %s " ID " type %s data {\"n\":\"%s\"}", stream, type, n);
}

/* Somebody has the message in hand. */
static void give_to(struct test_node *node, const char *consumer)
{
    test_do(&node->server, "XREADGROUP GROUP " WORK " %s STREAMS " COMMANDS " >", consumer);
}

static bool is_delivered(struct test_node *node)
{
    static const char script[] = "return redis.call('XINFO', 'GROUPS', KEYS[1])[1][8] == ARGV[1] "
                                 "and 1 or 0";
    return test_ask_integer(&node->server, "EVAL %s 1 " COMMANDS " " ID, script) == 1;
}

static long long marks(struct test_node *node, const char *n)
{
    return test_number(&node->server, MARKS, n);
}

/* The line of the worker's connection in the server's list of clients; false: there is none. */
static bool find_client(struct test_node *node, const char *service, const char *role,
                        char line[512])
{
    char name[64];
    bool found = false;
    snprintf(name, sizeof(name), " name=weir:%s:%s ", service, role);
    redisReply *reply = test_ask(&node->server, "CLIENT LIST");
    for (char *rest = reply->str, *at; !found && (at = strsep(&rest, "\n"));)
        if ((found = strstr(at, name)))
            snprintf(line, 512, "%s", at);
    freeReplyObject(reply);
    return found;
}

static bool is_with(struct test_node *node, const char *service, const char *role)
{
    char line[512];
    return find_client(node, service, role, line);
}

/* Its read waits for entries, or its call until it may write. */
static bool is_blocked(struct test_node *node, const char *service, const char *role)
{
    char line[512];
    return find_client(node, service, role, line) && strstr(line, " flags=b ");
}

static void cut(struct test_node *node, const char *service, const char *role)
{
    char line[512];
    long long id;
    if (find_client(node, service, role, line) && sscanf(line, "id=%lld ", &id) == 1)
        test_do(&node->server, "CLIENT KILL ID %lld", id);
}

/* The Sentinel names the new primary, but falls silent when one connection has heard of it: whether
 * the other one has not. */
static bool goes_alone(const struct test_worker *worker, const char *service, const char *first,
                       const char *second)
{
    char silent[64];
    snprintf(silent, sizeof(silent), "sentinel.silent role=%s ", first);
    test_sentinel_turn_to(&sentinel, &new);
    cut(&old, service, first);
    AWAIT(is_with(&new, service, first));
    int before = test_worker_logged(worker, silent);
    kill(sentinel.pid, SIGSTOP);
    AWAIT(test_worker_logged(worker, silent) > before); /* what was said before has come by then */
    return is_with(&old, service, second);
}

/* Both are with the old one again. */
static void come_back(const char *service, const char *first, const char *second)
{
    kill(sentinel.pid, SIGCONT);
    test_sentinel_turn_to(&sentinel, &old);
    AWAIT(is_with(&old, service, first) && is_with(&old, service, second));
}

/* Brings one of the worker's connections to the new primary, and leaves the other with the old one
 * until `follow`. Each asks the Sentinel once a second: that it does not in between may take more
 * than one attempt. */
static void go_alone(const struct test_worker *worker, const char *service, const char *first,
                     const char *second)
{
    int attempts = 0;
    while (!goes_alone(worker, service, first, second)) {
        assert_true(++attempts < ATTEMPTS);
        come_back(service, first, second);
    }
}

static void follow(void)
{
    kill(sentinel.pid, SIGCONT);
}

/* The new primary's message has taken effect, and nothing else. */
static void assert_only_new(struct test_worker *worker)
{
    test_await_settled(&new.server, WORK);
    assert_int_equal(marks(&new, "new"), 1);
    assert_int_equal(test_ask_integer(&new.server, "HLEN " MARKS), 1);
    assert_int_equal(test_dead(&new.server, WORK), 0);
    test_worker_end_well(worker);
}

/* ---- In hand of the old, when the worker has come to the new --------------------------------- */

static void hold_of_the_old(const struct test_worker *worker)
{
    part();
    add(&old, COMMANDS, "Hold", "old");
    test_worker_await_log(worker, "test.run n=old ");
}

static void what_was_held_back_ends_nothing_of_the_new(void **state)
{
    (void)state;
    struct test_worker one = start_worker(WORK);
    hold_of_the_old(&one);
    test_sentinel_turn_to(&sentinel, &new);
    AWAIT(is_with(&new, WORK, "commands") && is_with(&new, WORK, "reader"));
    add(&new, COMMANDS, "Mark", "new");
    AWAIT(is_delivered(&new));
    kill(one.pid, SIGUSR1);
    AWAIT(test_worker_logged(&one, "test.ends") + test_worker_logged(&one, "test.too_late") == 1);
    assert_only_new(&one);
}

/* The answer to its commit is owed by the old one, which hangs. */
static void a_commit_without_answer_is_not_repeated_at_the_new(void **state)
{
    (void)state;
    struct test_worker one = start_worker(WORK);
    hold_of_the_old(&one);
    add(&new, COMMANDS, "Mark", "new");
    give_to(&new, "one");
    test_server_freeze(&old.server);
    kill(one.pid, SIGUSR1);
    test_worker_await_log(&one, "test.ends n=old ");
    test_sentinel_turn_to(&sentinel, &new);
    assert_only_new(&one);
}

/* What both know is done again, from the list of what is pending at the new one, and counts once.
 */
static void what_both_know_is_handled_anew(void **state)
{
    (void)state;
    struct test_worker one = start_worker(WORK);
    add(&old, COMMANDS, "Hold", "new");
    test_worker_await_log(&one, "test.run n=new ");
    part();
    test_sentinel_turn_to(&sentinel, &new);
    AWAIT(test_worker_logged(&one, "test.run n=new ") == 2);
    kill(one.pid, SIGUSR1);
    AWAIT(marks(&new, "new") == 1);
    assert_int_equal(test_ask_integer(&old.server, "EXISTS " MARKS), 0);
    assert_only_new(&one);
}

/* Of many some wait for their turn, for state or the answer to their commits, or for something
 * outside. */
static void whatever_it_is_in_the_midst_of_is_handled_anew(void **state)
{
    (void)state;
    static const char script[] =
        "for i = 1, 10 do redis.call('XADD', KEYS[1], '*', 'type', 'Mark', 'data', "
        "'{\"n\":\"lane' .. i .. '\",\"lane\":\"one\"}') end "
        "for i = 1, 5 do redis.call('XADD', KEYS[1], '*', 'type', 'Mark', 'data', "
        "'{\"n\":\"free' .. i .. '\"}') end "
        "redis.call('XADD', KEYS[1], '*', 'type', 'Hold', 'data', '{\"n\":\"held\"}')";
    struct test_worker one = start_worker(WORK);
    AWAIT(is_blocked(&old, WORK, "reader"));
    kill(one.pid, SIGSTOP);
    test_do(&old.server, "EVAL %s 1 " COMMANDS, script); /* all come in one answer */
    test_do(&old.server, "CLIENT PAUSE 600000 WRITE");
    part();
    kill(one.pid, SIGCONT);
    test_worker_await_log(&one, "test.run n=held ");
    test_sentinel_turn_to(&sentinel, &new);
    test_worker_await_log(&one, "worker.let_go in_hand=16 ");
    AWAIT(test_worker_logged(&one, "test.run n=held ") == 2);
    kill(one.pid, SIGUSR1);
    test_await_settled(&new.server, WORK);
    assert_int_equal(test_ask_integer(&new.server, "HLEN " MARKS), 16);
    assert_int_equal(test_others(&new.server, MARKS, "1"), 0);
    assert_int_equal(test_worker_logged(&one, "worker.let_go"), 1);
    assert_int_equal(test_ask_integer(&old.server, "EXISTS " MARKS), 0);
    test_worker_end_well(&one);
}

/* ---- While the connections are apart --------------------------------------------------------- */

static void what_is_read_of_the_old_behind_the_commands_is_left(void **state)
{
    (void)state;
    struct test_worker one = start_worker(WORK);
    part();
    go_alone(&one, WORK, "commands", "reader");
    add(&new, COMMANDS, "Mark", "new");
    give_to(&new, "one");
    add(&old, COMMANDS, "Mark", "old");
    AWAIT(is_delivered(&old) || !is_blocked(&old, WORK, "reader"));
    follow();
    assert_only_new(&one);
    assert_int_equal(test_worker_logged(&one, "test.run n=old "), 0);
}

static void what_is_read_of_the_new_before_the_commands_waits(void **state)
{
    (void)state;
    struct test_worker one = start_worker(WORK);
    part();
    go_alone(&one, WORK, "reader", "commands");
    add(&old, COMMANDS, "Mark", "old");
    give_to(&old, "another");
    add(&new, COMMANDS, "Mark", "new");
    AWAIT(is_delivered(&new) || !is_blocked(&new, WORK, "reader"));
    follow();
    assert_only_new(&one);
    assert_int_equal(test_pending(&old.server, WORK), 1);
    assert_int_equal(test_ask_integer(&old.server, "EXISTS " MARKS), 0);
}

/* ---- The same history ------------------------------------------------------------------------ */

static void what_is_in_hand_outlives_a_lost_connection(void **state)
{
    (void)state;
    struct test_worker one = start_worker(WORK);
    add(&old, COMMANDS, "Hold", "new");
    test_worker_await_log(&one, "test.run n=new ");
    cut(&old, WORK, "commands");
    cut(&old, WORK, "reader");
    AWAIT(test_worker_logged(&one, "link.ready") == 2);
    AWAIT(is_blocked(&old, WORK, "reader"));
    kill(one.pid, SIGUSR1);
    test_worker_await_log(&one, "test.ends n=new ");
    test_await_settled(&old.server, WORK);
    assert_int_equal(marks(&old, "new"), 1);
    assert_int_equal(test_worker_logged(&one, "test.run n=new "), 1);
    test_worker_end_well(&one);
}

/* ---- A read model ---------------------------------------------------------------------------- */

static bool has_seen(struct test_node *node, const char *n)
{
    return test_number(&node->server, SEEN, n) == 1;
}

/* Both checkpoints stand at the same entry when the old one's event comes. */
static void events_of_the_old_do_not_come_into_the_model_of_the_new(void **state)
{
    (void)state;
    struct test_worker one = start_worker(VIEW);
    test_do(&old.server, "XADD " EVENTS " * type Noted data {\"n\":\"both\"}");
    AWAIT(has_seen(&old, "both"));
    part();
    go_alone(&one, VIEW, "commands", "projection");
    add(&new, EVENTS, "Noted", "new");
    add(&old, EVENTS, "Noted", "old");
    AWAIT(!is_blocked(&old, VIEW, "projection") || has_seen(&new, "old"));
    follow();
    AWAIT(is_with(&new, VIEW, "projection"));
    test_do(&new.server, "XADD " EVENTS " * type Noted data {\"n\":\"last\"}");
    AWAIT(has_seen(&new, "last"));
    assert_true(has_seen(&new, "both") && has_seen(&new, "new"));
    assert_int_equal(test_ask_integer(&new.server, "HLEN " SEEN), 3);
    test_worker_end_well(&one);
}

/* Its commit of an event waits at the old one, where its other connection stays: whether that one
 * does. */
static bool moves_before_its_commit(struct test_worker *one, int attempt)
{
    kill(one->pid, SIGSTOP);
    test_do(&old.server, "XADD " EVENTS " 9000000000000-%d type Noted data {\"n\":\"old%d\"}",
            attempt, attempt);
    test_do(&old.server, "CLIENT PAUSE 600000 WRITE");
    kill(one->pid, SIGCONT);
    AWAIT(is_blocked(&old, VIEW, "commands") && !is_blocked(&old, VIEW, "projection"));
    return goes_alone(one, VIEW, "projection", "commands");
}

static void await_commit(int attempt)
{
    char n[16];
    snprintf(n, sizeof(n), "old%d", attempt);
    test_do(&old.server, "CLIENT UNPAUSE");
    AWAIT(has_seen(&old, n));
}

/* It is carried out when the runner has come to the new one, which stands before that event. */
static void a_runner_that_moves_before_its_commit_begins_anew(void **state)
{
    (void)state;
    struct test_worker one = start_worker(VIEW);
    int attempt = 1;
    test_do(&old.server, "XADD " EVENTS " * type Noted data {\"n\":\"both\"}");
    AWAIT(has_seen(&old, "both"));
    part();
    for (; !moves_before_its_commit(&one, attempt); attempt++) {
        assert_true(attempt < ATTEMPTS);
        come_back(VIEW, "projection", "commands");
        await_commit(attempt);
    }
    await_commit(attempt);
    test_do(&new.server, "XADD " EVENTS " * type Noted data {\"n\":\"new\"}");
    follow();
    AWAIT(has_seen(&new, "new"));
    assert_int_equal(test_ask_integer(&new.server, "HLEN " SEEN), 2);
    test_worker_end_well(&one);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_held_back_ends_nothing_of_the_new),
        CASE(a_commit_without_answer_is_not_repeated_at_the_new),
        CASE(what_both_know_is_handled_anew),
        CASE(whatever_it_is_in_the_midst_of_is_handled_anew),
        CASE(what_is_read_of_the_old_behind_the_commands_is_left),
        CASE(what_is_read_of_the_new_before_the_commands_waits),
        CASE(what_is_in_hand_outlives_a_lost_connection),
        CASE(events_of_the_old_do_not_come_into_the_model_of_the_new),
        CASE(a_runner_that_moves_before_its_commit_begins_anew),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
