/* The disk: reached where the server can tell, refused in one sentence where it cannot. A server
 * with WAITAOF waits for it; without, its settings decide. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/command_line.h"
#include "support/proxy.h"
#include "support/replica.h"
#include "support/sagas.h"
#include "support/step_service.h"

#define STEPS "steps"
#define ORDER                                                                                      \
    "'steps':[{'name':'a','service':'steps','command':'Do','compensation':'Undo',"                 \
    "'durability':{'disk':true}}]"
#define FILE_TEXT                                                                                  \
    "{\"name\":\"order\",\"version\":1,\"steps\":[{\"name\":\"a\",\"service\":\"steps\","          \
    "\"command\":\"Do\",\"durability\":{\"disk\":true}}]}"

static struct test_server server;

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    use_server(&server);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

static bool rewrites(void)
{
    char *info = test_ask_text(&server, "INFO persistence");
    bool busy = strstr(info, "aof_rewrite_in_progress:1") != NULL ||
                strstr(info, "aof_rewrite_scheduled:1") != NULL;
    free(info);
    return busy;
}

static void settings(const char *appendonly, const char *sync)
{
    test_do(&server, "CONFIG SET appendfsync %s", sync);
    test_do(&server, "CONFIG SET appendonly %s", appendonly);
    AWAIT(!rewrites()); /* a server that is writing its first file does not end */
}

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_do(&server, "ACL SETUSER default +@all");
    test_do(&server, "FLUSHALL");
    settings("no", "everysec");
    return 0;
}

static void write_definition(void)
{
    FILE *file = fopen("order.json", "w");
    assert_non_null(file);
    assert_true(fputs(FILE_TEXT, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static long long calls_of(const char *command)
{
    char name[64];
    long long calls = 0;
    char *stats = test_ask_text(&server, "INFO commandstats");
    snprintf(name, sizeof name, "cmdstat_%s:calls=", command);
    const char *found = strstr(stats, name);
    if (found != NULL)
        (void)sscanf(found + strlen(name), "%lld", &calls);
    free(stats);
    return calls;
}

/* ---- Refusals ---------------------------------------------------------------------------- */

static void expect_refused(const char *why)
{
    struct test_worker worker =
        test_worker_launch(server.url, STEPS, "one", OPTIONS("--durable-disk"));
    struct test_worker coordinator;
    assert_int_equal(test_worker_await_end(&worker), 78);
    assert_int_equal(test_worker_logged(&worker, "durability.refused asked_by=--durable-disk"), 1);
    assert_int_equal(test_worker_logged(&worker, why), 1);
    assert_int_equal(test_worker_logged(&worker, "worker.ready"), 0);
    assert_int_equal(test_ask_integer(&server, "EXISTS {steps}:commands"), 0);
    write_definition();
    expect_weir(65, NULL, why, WORDS("definition", "load", "order.json"));
    assert_int_equal(test_ask_integer(&server, "EXISTS {sagas}:definition:order"), 0);
    expect_weir(0, "fine", NULL, WORDS("definition", "check", "order.json"));

    test_define(&server, "order", 1, ORDER);
    coordinator = test_coordinator_start(&server, "coordinator", NULL);
    test_saga_begin(&server, "s1", "order", "{}");
    AWAIT(test_dead(&server, "sagas") == 1);
    const char *reason = test_newest(&server, "{sagas}:dead", "reason");
    if (strstr(reason, "definition order: step \"a\": durability: disk: ") == NULL ||
        strstr(reason, why) == NULL)
        fail_msg("%s", reason);
    assert_int_equal(test_ask_integer(&server, "EXISTS {sagas}:saga:s1 {steps}:commands"), 0);
    test_worker_end_well(&coordinator);
    assert_int_equal(test_worker_logged(&coordinator, "durability.refused"), 0);
}

/* A worker that has not come to know the server yet can be stopped all the same. */
static void it_can_be_stopped_before_there_is_a_server(void **state)
{
    (void)state;
    struct test_worker worker =
        test_worker_launch("unix:///nowhere/redis.sock", STEPS, "one", OPTIONS("--durable-disk"));
    test_worker_await_log(&worker, "link.lost role=durability");
    test_worker_end_well(&worker);
}

static void without_a_file_it_is_refused(void **state)
{
    (void)state;
    expect_refused("keeps no append-only file");
}

static void what_an_old_server_cannot_tell_is_refused(void **state)
{
    (void)state;
    if (test_server_has_waitaof(&server))
        return; /* it can */
    settings("yes", "everysec");
    expect_refused("has no WAITAOF; use Redis 7.2 or newer, or set appendfsync always");
    set_up(NULL);
    settings("yes", "always");
    test_do(&server, "ACL SETUSER default -config|get");
    expect_refused("its settings cannot be known because this user may not run CONFIG GET");
}

/* A newer server says by itself what it does not allow. */
static void a_right_that_is_missing_is_named(void **state)
{
    (void)state;
    if (!test_server_has_waitaof(&server))
        return; /* there is no such command to allow */
    settings("yes", "everysec");
    test_do(&server, "ACL SETUSER default -waitaof");
    expect_refused("has refused WAITAOF: NOPERM");
}

/* ---- A server that does not serve now ------------------------------------------------------ */

static redisContext *run_endless_script(void)
{
    redisContext *client = redisConnectUnix(server.socket);
    assert_non_null(client);
    redisAppendCommand(client, "EVAL %s 0", "while true do end");
    for (int done = 0; !done;)
        assert_int_equal(redisBufferWrite(client, &done), REDIS_OK);
    return client;
}

static bool is_busy(void)
{
    redisReply *reply = redisCommand(server.connection, "GET key");
    bool busy = reply && reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "BUSY", 4) == 0;
    freeReplyObject(reply);
    return busy;
}

/* Just when the server is asked for its disk, a script holds it up: that is no inability. */
static void what_passes_ends_no_worker(void **state)
{
    (void)state;
    struct test_proxy proxy;
    settings("yes", "always");
    test_do(&server, "CONFIG SET busy-reply-threshold 50");
    test_proxy_start(&proxy, &server, (struct proxy_trap){"WAITAOF", "1", PROXY_HOLD});
    struct test_worker worker =
        test_worker_launch(proxy.url, STEPS, "one", OPTIONS("--durable-disk"));
    test_proxy_await(&proxy);
    redisContext *script = run_endless_script();
    AWAIT(is_busy());
    test_proxy_release(&proxy, PROXY_NONE);
    test_worker_await_log(&worker, "durability.unknown reason=");
    assert_false(test_worker_ended(&worker));
    freeReplyObject(redisCommand(server.connection, "SCRIPT KILL"));
    AWAIT(!is_busy());
    redisFree(script);
    test_worker_await_log(&worker, "worker.ready");
    assert_int_equal(test_worker_logged(&worker, "durability.refused"), 0);
    assert_int_equal(test_worker_logged(&worker, "cannot tell now of its disk: BUSY"), 1);
    test_worker_end_well(&worker);
    test_proxy_stop(&proxy);
    test_do(&server, "CONFIG SET busy-reply-threshold 5000");
}

/* ---- Where it can ------------------------------------------------------------------------ */

static void expect_served(void)
{
    struct test_worker worker = test_worker_start(&server, STEPS, "one", OPTIONS("--durable-disk"));
    struct test_worker coordinator = test_coordinator_start(&server, "coordinator", NULL);
    write_definition();
    expect_weir(0, "order version 1 loaded", NULL, WORDS("definition", "load", "order.json"));
    for (int i = 0; i < 5; i++) {
        char saga[16];
        snprintf(saga, sizeof saga, "s%d", i);
        test_saga_begin(&server, saga, "order", "{}");
    }
    AWAIT(test_sagas_in(&server, "completed") == 5);
    for (int i = 0; i < 5; i++) {
        char saga[16];
        snprintf(saga, sizeof saga, "s%d", i);
        assert_string_equal(test_saga_field(&server, saga, "step:a:attempts"), "1");
    }
    test_await_settled(&server, "sagas");
    test_worker_end_well(&worker);
    test_worker_end_well(&coordinator);
}

static void a_server_that_syncs_before_it_answers_is_served(void **state)
{
    (void)state;
    settings("yes", "always");
    expect_served();
}

static void a_server_that_waits_for_its_file_is_served(void **state)
{
    (void)state;
    if (!test_server_has_waitaof(&server))
        return; /* refused, see above */
    settings("yes", "everysec");
    expect_served();
}

/* A server that loses the ability under a worker that has begun: that goes on, and says so; what
 * waits for the disk is not told that it was reached. */
static void an_ability_that_is_lost_later_is_named(void **state)
{
    (void)state;
    settings("yes", "always");
    struct test_worker worker = test_worker_start(&server, STEPS, "one", OPTIONS("--durable-disk"));
    settings("no", "always");
    test_do(&server, "CLIENT KILL TYPE normal SKIPME yes");
    test_worker_await_log(&worker, "durability.refused");
    assert_false(test_worker_ended(&worker));
    settings("yes", "always");
    test_worker_end_well(&worker);
}

/* Settings are changed under sagas: what is under way stands still and says why, once; what is new
 * does not begin; and all goes on when they are back. */
static void settings_that_change_are_noticed(void **state)
{
    (void)state;
    bool waits = test_server_has_waitaof(&server);
    const char *why = waits ? "keeps no append-only file"
                            : "has no WAITAOF; use Redis 7.2 or newer, or set appendfsync always";
    settings("yes", "always");
    test_define(&server, "order", 1, ORDER);
    struct test_worker coordinator = test_coordinator_start(&server, "coordinator", NULL), worker;
    test_saga_begin(&server, "s1", "order", "{}");
    AWAIT(test_saga_is(&server, "s1", "running"));
    settings(waits ? "no" : "yes", "everysec");
    worker = test_worker_start(&server, STEPS, "one", NULL);
    AWAIT(strcmp(test_saga_field(&server, "s1", "step:a:awaits"), "the disk") == 0);
    AWAIT(test_worker_logged_of(&coordinator, "durability.refused", " saga=s1 ") == 1);
    assert_int_equal(test_worker_logged(&coordinator, why), 1);

    test_saga_begin(&server, "s2", "order", "{}");
    AWAIT(test_dead(&server, "sagas") == 1);
    assert_non_null(strstr(test_newest(&server, "{sagas}:dead", "reason"), why));
    assert_int_equal(test_ask_integer(&server, "EXISTS {sagas}:saga:s2"), 0);

    test_do(&server, "CONFIG RESETSTAT"); /* it is asked again, and no more is said of it */
    AWAIT(calls_of("config|get") >= 2);
    assert_int_equal(test_worker_logged(&coordinator, "durability.refused"), 1);
    assert_true(test_saga_is(&server, "s1", "running"));
    assert_int_equal(test_worker_logged(&coordinator, "link.lost"), 0);

    settings("yes", "always");
    AWAIT(test_saga_is(&server, "s1", "completed"));
    assert_string_equal(test_saga_field(&server, "s1", "step:a:attempts"), "1");
    test_saga_begin(&server, "s3", "order", "{}");
    AWAIT(test_saga_is(&server, "s3", "completed"));
    test_worker_end_well(&worker);
    test_worker_end_well(&coordinator);
}

int main(int argc, char **argv)
{
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_step_service);
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(it_can_be_stopped_before_there_is_a_server),
        TEST(without_a_file_it_is_refused),
        TEST(what_an_old_server_cannot_tell_is_refused),
        TEST(a_right_that_is_missing_is_named),
        TEST(what_passes_ends_no_worker),
        TEST(a_server_that_syncs_before_it_answers_is_served),
        TEST(a_server_that_waits_for_its_file_is_served),
        TEST(an_ability_that_is_lost_later_is_named),
        TEST(settings_that_change_are_noticed),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
