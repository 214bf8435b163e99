/* What the server runs out of: memory, disk, time, ids; and settings that are not for weir. Nothing
 * is lost by it, no attempt is counted, and work goes on by itself when there is enough again. */
#define _GNU_SOURCE /* unshare */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/sagas.h"
#include "support/work_service.h"
#include "support/ports.h"

#define WORK "work"
#define QUICK "--claim-idle", "1s", "--retry-base", "10ms"
#define MANY 2000
#define BATCHES 512 /* what may be on its way when the first commit is refused */
#define ROOM "4000" /* more than there is: back-pressure alone would not stop reading */

static struct test_server server;

static const char *const settings[] = {
    "--appendonly", "yes", "--appendfsync", "always", "--busy-reply-threshold", "100", NULL};

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", settings);
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
    test_do(&server, "CONFIG SET maxmemory 0 maxmemory-policy noeviction");
    test_do(&server, "FLUSHALL");
    return 0;
}

/* ---- Helpers --------------------------------------------------------------------------------- */

static struct test_worker start_worker(const struct test_server *at)
{
    return test_worker_start(at, WORK, "one", OPTIONS(QUICK, "--concurrency", ROOM));
}

static void send_batch(int from, int count)
{
    assert_int_equal(test_send_many(&server, WORK, "Mark", "", from, count, NULL), count);
}

static long long marks(struct test_server *at)
{
    return test_ask_integer(at, "HLEN {work}:marks");
}

/* Each has taken effect once, at its first delivery. */
static void assert_each_once(struct test_server *at, long long count)
{
    test_await_settled(at, WORK);
    assert_int_equal(test_dead(at, WORK), 0);
    assert_int_equal(marks(at), count);
    assert_int_equal(test_others(at, "{work}:marks", "1"), 0);
    assert_int_equal(test_others(at, "{work}:deliveries", "1"), 0);
    assert_int_equal(test_ask_integer(at, "XLEN {work}:events"), count);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* What is left in the inbox stays there: the worker does not fill its hands. */
static void reading_stops_while_there_is_no_memory(void **state)
{
    (void)state;
    struct test_worker one = start_worker(&server);
    send_batch(0, 1);
    assert_each_once(&server, 1);
    kill(one.pid, SIGSTOP);
    send_batch(1, MANY);
    test_do(&server, "CONFIG SET maxmemory 1");
    kill(one.pid, SIGCONT);
    test_worker_await_log(&one, "commit.put_off");
    long long calls = test_calls_of(&server, "fcall"), reads = test_calls_of(&server, "xreadgroup");
    AWAIT(test_calls_of(&server, "fcall") > calls + 5); /* it has tried again and again */
    assert_in_range(test_pending(&server, WORK), 1, BATCHES);
    assert_true(test_calls_of(&server, "xreadgroup") <= reads + 1);
    assert_int_equal(marks(&server), 1);
    test_do(&server, "CONFIG SET maxmemory 0");
    assert_each_once(&server, MANY + 1);
    assert_int_equal(test_worker_logged(&one, "commit.put_off"), 1);
    assert_int_equal(test_worker_logged(&one, "commit.resumed"), 1);
    assert_int_equal(test_worker_logged(&one, "link.lost"), 0);
    test_worker_end_well(&one);
}

static void a_server_that_may_evict_is_named_at_the_start(void **state)
{
    (void)state;
    test_do(&server, "CONFIG SET maxmemory-policy allkeys-lru");
    struct test_worker one = start_worker(&server);
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_worker_await_log(&one, "server.evicts maxmemory_policy=allkeys-lru");
    test_worker_await_log(&coordinator, "server.evicts maxmemory_policy=allkeys-lru");
    assert_int_equal(test_worker_logged(&one, "set maxmemory-policy to noeviction"), 1);
    test_do(&server, "CLIENT KILL TYPE normal"); /* it is not said again on a new connection */
    send_batch(0, 10);
    assert_each_once(&server, 10);
    test_do(&server, "CONFIG SET maxmemory-policy noeviction");
    test_do(&server, "CLIENT KILL TYPE normal");
    test_worker_await_log(&one, "server.keeps");
    assert_int_equal(test_worker_logged(&one, "server.evicts"), 1);
    test_worker_end_well(&one);
    test_worker_end_well(&coordinator);
}

/* ---- A script that does not end -------------------------------------------------------------- */

/* A client of its own runs it, and is not waited for. */
static redisContext *run_script(const char *script)
{
    redisContext *client = redisConnectUnix(server.socket);
    assert_non_null(client);
    redisAppendCommand(client, "EVAL %s 1 {other}:key", script);
    for (int done = 0; !done;)
        assert_int_equal(redisBufferWrite(client, &done), REDIS_OK);
    return client;
}

static bool is_busy(void)
{
    redisReply *reply = redisCommand(server.connection, "GET {other}:key");
    bool busy = reply && reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "BUSY", 4) == 0;
    freeReplyObject(reply);
    return busy;
}

static bool writes(struct test_server *at)
{
    redisReply *reply = redisCommand(at->connection, "PING"); /* refused as writes are */
    bool fine = reply && reply->type != REDIS_REPLY_ERROR;
    freeReplyObject(reply);
    return fine;
}

static struct test_worker worker_with_commits_under_way(int from, int count)
{
    struct test_worker one = test_worker_start(&server, WORK, "one", OPTIONS(QUICK));
    assert_int_equal(test_send_many(&server, WORK, "Defer", ",\"ms\":300", from, count, NULL),
                     count);
    AWAIT(test_worker_logged(&one, "test.run") == count);
    return one;
}

static void a_busy_script_costs_nothing(void **state)
{
    (void)state;
    struct test_worker one = worker_with_commits_under_way(0, 50);
    redisContext *client = run_script("while true do end");
    AWAIT(is_busy());
    AWAIT(test_worker_logged(&one, "BUSY") > 0);
    freeReplyObject(redisCommand(server.connection, "SCRIPT KILL"));
    AWAIT(!is_busy());
    redisFree(client);
    test_await_settled(&server, WORK);
    assert_int_equal(marks(&server), 50);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    assert_int_equal(test_others(&server, "{work}:deliveries", "1"), 0);
    assert_int_equal(test_dead(&server, WORK), 0);
    assert_true(test_worker_logged(&one, " error ") + test_worker_logged(&one, " warn") < 10);
    test_worker_end_well(&one);
}

/* One that has written cannot be killed: the server has to go, and what it wrote was never there.
 */
static void a_busy_script_that_writes_ends_with_the_server(void **state)
{
    (void)state;
    struct test_worker one = worker_with_commits_under_way(0, 50);
    redisContext *client = run_script("redis.call('SET', KEYS[1], 1) while true do end");
    AWAIT(is_busy());
    redisReply *refused = redisCommand(server.connection, "SCRIPT KILL");
    assert_int_equal(strncmp(refused->str, "UNKILLABLE", 10), 0);
    freeReplyObject(refused);
    freeReplyObject(redisCommand(server.connection, "SHUTDOWN NOSAVE"));
    test_server_restart(&server, 0);
    redisFree(client);
    assert_int_equal(test_ask_integer(&server, "EXISTS {other}:key"), 0);
    test_await_settled(&server, WORK);
    assert_int_equal(marks(&server), 50);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    assert_int_equal(test_dead(&server, WORK), 0);
    test_worker_end_well(&one);
}

/* ---- Ids ------------------------------------------------------------------------------------- */

/* Somebody has appended an entry with the greatest id. It is said, by name; what cannot be done
 * ends among the dead letters with the reason; and the way back that the README gives is one. */
static void a_stream_without_further_ids_is_named(void **state)
{
    (void)state;
    static const char greatest[] = "18446744073709551615-18446744073709551615";
    struct test_worker one = start_worker(&server);
    send_batch(0, 5);
    assert_each_once(&server, 5);
    redisReply *last = test_ask(&server, "XREVRANGE {work}:events + - COUNT 1");
    const char *newest = last->element[0]->element[0]->str;
    test_do(&server, "XADD {work}:events %s type Bad", greatest);
    send_batch(5, 5);
    AWAIT(test_dead(&server, WORK) == 5);
    assert_non_null(strstr(test_newest(&server, "{work}:dead", "reason"),
                           "{work}:events: it takes no further entries"));
    test_worker_await_log(&one, "stream.exhausted stream={work}:events");
    assert_int_equal(marks(&server), 5);
    test_do(&server, "XDEL {work}:events %s", greatest);
    test_do(&server, "XSETID {work}:events %s", newest);
    test_do(&server, "DEL {work}:dead");
    send_batch(10, 5);
    assert_each_once(&server, 10);
    assert_int_equal(test_worker_logged(&one, "stream.exhausted"), 1);
    freeReplyObject(last);
    test_worker_end_well(&one);
}

/* ---- Settings -------------------------------------------------------------------------------- */

static void a_cluster_is_named_at_the_start(void **state)
{
    (void)state;
    char port[8]; /* the usual one is the same for all servers without a TCP port */
    const char *const cluster[] = {"--cluster-enabled", "yes", "--cluster-port", port, NULL};
    struct test_server other;
    snprintf(port, sizeof(port), "%d", test_free_port());
    test_server_start(&other, "cluster", cluster);
    test_do(&other, "CLUSTER ADDSLOTSRANGE 0 16383");
    struct test_worker one = start_worker(&other);
    test_worker_await_log(&one, "server.cluster");
    assert_int_equal(test_worker_logged(&one, "CROSSSLOT"), 1);
    test_worker_end_well(&one);
    test_server_stop(&other, SIGTERM);
}

static void a_database_that_is_not_there_is_named(void **state)
{
    (void)state;
    char url[TEST_PATH_MAX + 32];
    snprintf(url, sizeof(url), "%s?db=99", server.url);
    struct test_worker one = test_worker_launch(url, WORK, "one", OPTIONS(QUICK));
    test_worker_await_log(&one, "DB index is out of range");
    assert_int_equal(test_worker_logged(&one, "worker.ready"), 0);
    assert_int_equal(test_worker_end(&one, SIGTERM), 0);
}

/* ---- Disk ------------------------------------------------------------------------------------ */

#define DISK "disk"
#define LITTLE "size=3m"
#define ENOUGH "size=60m"

static void write_text(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, text, strlen(text)) != (ssize_t)strlen(text))
        fail_msg("cannot write %s: %s", path, strerror(errno));
    close(file);
}

/* Without the right to mount, the process takes a user namespace in which it has it. */
static bool may_mount(void)
{
    char map[64];
    unsigned user = getuid(), group = getgid();
    if (unshare(CLONE_NEWNS) == 0)
        return true;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return false;
    write_text("/proc/self/setgroups", "deny");
    snprintf(map, sizeof(map), "0 %u 1", user);
    write_text("/proc/self/uid_map", map);
    snprintf(map, sizeof(map), "0 %u 1", group);
    write_text("/proc/self/gid_map", map);
    return true;
}

/* A little disk of this process and its children alone, which goes with them. */
static void mount_disk(void)
{
    static bool is_own;
    if (!is_own && !may_mount()) {
        puts("skipped: there is no right to mount a file system, nor to take a namespace");
        skip();
    }
    is_own = true;
    assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    (void)mkdir(DISK, 0700);
    assert_int_equal(mount("weir-test", DISK, "tmpfs", 0, LITTLE), 0);
}

static void enlarge_disk(void)
{
    assert_int_equal(mount("weir-test", DISK, "tmpfs", MS_REMOUNT, ENOUGH), 0);
}

/* Sends until the server refuses, or dies; marks what it has acknowledged. */
static int fill_disk(struct test_server *at, char *acknowledged, int count)
{
    static char pad[8192];
    int done = 0;
    memset(pad, 'x', sizeof(pad) - 1);
    for (int i = 0; i < count; i++) {
        redisReply *reply = redisCommand(
            at->connection, "XADD {work}:commands * type Mark data {\"n\":\"n%d\",\"pad\":\"%s\"}",
            i, pad);
        acknowledged[i] = reply && reply->type == REDIS_REPLY_STRING;
        done += acknowledged[i];
        bool refused = !acknowledged[i];
        if (reply)
            freeReplyObject(reply);
        if (refused)
            break;
    }
    return done;
}

static void assert_acknowledged_once(struct test_server *at, const char *acknowledged, int count)
{
    char n[16];
    for (int i = 0; i < count; i++) {
        snprintf(n, sizeof(n), "n%d", i);
        long long times = test_number(at, "{work}:marks", n);
        if (times > 1 || (acknowledged[i] && times != 1))
            fail_msg("message %d, %s, has taken effect %lld times", i,
                     acknowledged[i] ? "acknowledged" : "not acknowledged", times);
    }
}

static void a_full_disk_holds_work_up(void **state)
{
    (void)state;
    static const char *const everysec[] = {"--appendonly",
                                           "yes",
                                           "--appendfsync",
                                           "everysec",
                                           "--auto-aof-rewrite-percentage",
                                           "0",
                                           NULL};
    static char acknowledged[MANY];
    struct test_server full;
    mount_disk();
    test_server_start(&full, DISK "/redis", everysec);
    struct test_worker one = start_worker(&full);
    int done = fill_disk(&full, acknowledged, MANY);
    assert_in_range(done, 1, MANY - 1);
    enlarge_disk();
    AWAIT(writes(&full));
    test_await_settled(&full, WORK);
    assert_acknowledged_once(&full, acknowledged, MANY);
    assert_int_equal(test_dead(&full, WORK), 0);
    assert_int_equal(test_others(&full, "{work}:deliveries", "1"), 0);
    printf("%d of %d acknowledged before the disk was full\n", done, MANY);
    test_worker_end_well(&one);
    test_server_stop(&full, SIGTERM);
    assert_int_equal(umount2(DISK, MNT_DETACH), 0);
}

/* With `always` the server ends rather than forget what it has promised. */
static void a_full_disk_ends_a_server_that_promises_more(void **state)
{
    (void)state;
    static const char *const always[] = {"--appendonly",
                                         "yes",
                                         "--appendfsync",
                                         "always",
                                         "--auto-aof-rewrite-percentage",
                                         "0",
                                         NULL};
    static char acknowledged[MANY];
    struct test_server full;
    mount_disk();
    test_server_start(&full, DISK "/redis", always);
    struct test_worker one = start_worker(&full);
    int done = fill_disk(&full, acknowledged, MANY);
    assert_in_range(done, 1, MANY - 1);
    test_server_stop(&full, 0); /* it ends by itself */
    test_worker_await_log(&one, "link.lost");
    enlarge_disk();
    test_server_restart(&full, 0);
    test_await_settled(&full, WORK);
    assert_acknowledged_once(&full, acknowledged, MANY);
    assert_int_equal(test_dead(&full, WORK), 0);
    printf("%d of %d acknowledged before the disk was full\n", done, MANY);
    test_worker_end_well(&one);
    test_server_stop(&full, SIGTERM);
    assert_int_equal(umount2(DISK, MNT_DETACH), 0);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(reading_stops_while_there_is_no_memory),
        CASE(a_server_that_may_evict_is_named_at_the_start),
        CASE(a_busy_script_costs_nothing),
        CASE(a_busy_script_that_writes_ends_with_the_server),
        CASE(a_stream_without_further_ids_is_named),
        CASE(a_cluster_is_named_at_the_start),
        CASE(a_database_that_is_not_there_is_named),
        CASE(a_full_disk_holds_work_up),
        CASE(a_full_disk_ends_a_server_that_promises_more),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_work_service);
    return cmocka_run_group_tests(tests, start, stop);
}
