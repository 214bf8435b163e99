/* weir doctor and the server: each thing that can be wrong with it is planted once. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "redis/function_library.h"
#include "support/command_line.h"
#include "support/doctor.h"
#include "support/ports.h"

static struct test_server server;

static int start_server(void **state)
{
    static const char *const arguments[] = {"--appendonly", "yes", "--enable-protected-configs",
                                            "yes", NULL};
    (void)state;
    test_server_start(&server, "redis", arguments);
    use_server(&server);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

/* Settings that the tests change are what they were. */
static int clear(void **state)
{
    (void)state;
    use_server(&server);
    test_do(&server, "REPLICAOF NO ONE");
    test_do(&server,
            "CONFIG SET maxmemory 0 maxmemory-policy noeviction appendonly yes appendfsync "
            "everysec no-appendfsync-on-rewrite no aof-use-rdb-preamble yes");
    test_do(&server, "FLUSHALL");
    expect_weir(0, "function library weir", NULL, WORDS("install", "--force"));
    return 0;
}

/* ---- Settings ------------------------------------------------------------------------------ */

static void finds_nothing_wrong(void **state)
{
    (void)state;
    expect_all_ok();
    expect_finding(0, "ok", "role", "master", "takes writes");
    expect_finding(0, "ok", "memory", "maxmemory-policy", "noeviction");
    expect_finding(0, "ok", "memory", "used_memory", "maxmemory is not set");
    expect_finding(0, "ok", "durability", "appendfsync", "the last two seconds");
    expect_finding(0, "ok", "services", "none", "no service has run");
    expect_finding(0, "ok", "clock", "TIME", "are alike");
    expect_finding(0, "ok", "replicas", "none", "no replica is connected");
    expect_weir(0, "\n0 problems, 0 warnings\n", NULL, WORDS("doctor"));
    test_do(&server, "CONFIG SET appendfsync always");
    expect_finding(0, "ok", "durability", "appendfsync", "survives a crash");
    expect_all_ok();
}

static void finds_a_replica(void **state)
{
    (void)state;
    test_do(&server, "REPLICAOF 127.0.0.1 1");
    expect_finding(2, "problem", "role", "replica", "is a replica of 127.0.0.1:1");
}

static void finds_missing_replicas(void **state)
{
    (void)state;
    test_do(&server, "CONFIG SET min-replicas-to-write 1");
    expect_finding(2, "problem", "role", "min-replicas-to-write", "is 1, and 0 replicas");
    test_do(&server, "CONFIG SET min-replicas-to-write 0");
    expect_nothing_of("role");
}

static void finds_evictions(void **state)
{
    (void)state;
    test_do(&server, "CONFIG SET maxmemory-policy allkeys-lru");
    expect_finding(1, "warning", "memory", "maxmemory-policy", "is allkeys-lru");
    test_do(&server, "CONFIG SET maxmemory 1gb");
    expect_finding(2, "problem", "memory", "maxmemory-policy", "is allkeys-lru");
    test_do(&server, "CONFIG SET maxmemory-policy volatile-ttl");
    expect_finding(2, "problem", "memory", "maxmemory-policy", "set it to noeviction");
}

static void finds_little_memory(void **state)
{
    (void)state;
    char *info = test_ask_text(&server, "INFO memory"), *used = strstr(info, "used_memory:");
    long long bytes = atoll(used + strlen("used_memory:"));
    test_do(&server, "CONFIG SET maxmemory %lld", bytes * 10);
    expect_finding(0, "ok", "memory", "maxmemory", "% of maxmemory");
    test_do(&server, "CONFIG SET maxmemory %lld", bytes * 100 / 87);
    expect_finding(1, "warning", "memory", "maxmemory", "no new work is taken");
    test_do(&server, "CONFIG SET maxmemory %lld", bytes / 2);
    expect_finding(2, "problem", "memory", "maxmemory", "no new work is taken");
    free(info);
}

static void finds_what_is_not_kept(void **state)
{
    (void)state;
    test_do(&server, "CONFIG SET no-appendfsync-on-rewrite yes");
    expect_finding(1, "warning", "durability", "no-appendfsync-on-rewrite", "set it to no");
    test_do(&server, "CONFIG SET aof-use-rdb-preamble no");
    expect_finding(1, "warning", "durability", "aof-use-rdb-preamble", "set it to yes");
    test_do(&server, "CONFIG SET appendfsync no");
    expect_finding(1, "warning", "durability", "appendfsync", "is no");
    test_do(&server, "CONFIG SET appendonly no");
    expect_finding(2, "problem", "durability", "appendonly", "is no");
}

static void load_number(const char *number)
{
    char library[256];
    snprintf(library, sizeof(library),
             "#!lua name=weir\nredis.register_function{function_name='weir_version', "
             "callback=function() return %s end, flags={'no-writes'}}",
             number);
    test_do(&server, "FUNCTION LOAD REPLACE %s", library);
}

static void finds_other_libraries(void **state)
{
    (void)state;
    test_do(&server, "FUNCTION FLUSH");
    expect_finding(2, "problem", "library", "weir", "is not loaded");
    load_number("1");
    expect_finding(2, "problem", "library", "weir", "version 1, older than");
    load_number("99");
    expect_finding(0, "ok", "library", "weir", "version 99, newer than");
}

/* ---- Servers that do not serve ------------------------------------------------------------- */

static bool snapshot_has_failed(struct test_server *full)
{
    char *info = test_ask_text(full, "INFO persistence");
    bool failed = strstr(info, "rdb_last_bgsave_status:err") != NULL;
    free(info);
    return failed;
}

/* The folder that the snapshot goes to is not there any more, as if its disk were full. */
static void finds_a_full_disk(void **state)
{
    static const char *const arguments[] = {"--enable-protected-configs", "yes", NULL};
    struct test_server full;
    char gone[TEST_PATH_MAX + 8];
    (void)state;
    test_server_start(&full, "full", arguments);
    use_server(&full);
    snprintf(gone, sizeof(gone), "%s/gone", full.folder);
    assert_int_equal(mkdir(gone, 0700), 0);
    test_do(&full, "CONFIG SET save %s", "3600 1");
    test_do(&full, "CONFIG SET dir %s", gone);
    assert_int_equal(rmdir(gone), 0);
    test_do(&full, "BGSAVE");
    for (long long end = test_now() + 20000; !snapshot_has_failed(&full); test_pause())
        assert_true(test_now() < end);
    expect_finding(2, "problem", "server", "MISCONF", "MISCONF");
    test_server_stop(&full, SIGKILL);
}

static void finds_a_cluster(void **state)
{
    char port[8]; /* the usual one is the same for all servers without a TCP port */
    const char *const arguments[] = {"--cluster-enabled", "yes", "--cluster-port", port, NULL};
    struct test_server cluster;
    (void)state;
    snprintf(port, sizeof(port), "%d", test_free_port());
    test_server_start(&cluster, "cluster", arguments);
    use_server(&cluster);
    expect_finding(2, "problem", "role", "cluster-enabled", "use a server of its own");
    test_server_stop(&cluster, SIGTERM);
}

static void finds_no_server(void **state)
{
    (void)state;
    expect_weir(69, NULL, "cannot reach", WORDS("doctor", "--redis", "unix:///nowhere"));
    expect_weir(64, NULL, "one word too many", WORDS("doctor", "orders"));
    expect_weir(0, "by 2 where there is a\n", NULL, WORDS("doctor", "--help"));
}

static void is_not_let_in(void **state)
{
    char url[TEST_PATH_MAX + 32];
    (void)state;
    snprintf(url, sizeof(url), "unix://nobody:wrong@%s", server.socket);
    setenv("REDIS_URL", url, 1);
    expect_finding(2, "problem", "rights", "login", "does not know this user and password");
    snprintf(url, sizeof(url), "unix://%s?db=99", server.socket);
    setenv("REDIS_URL", url, 1);
    expect_finding(2, "problem", "rights", "login", "refused SELECT");
    test_do(&server, "CONFIG SET requirepass secret");
    use_server(&server);
    expect_finding(2, "problem", "rights", "login", "wants a password");
    test_do(&server, "AUTH secret");
    test_do(&server, "CONFIG SET requirepass %s", "");
}

static void lacks_rights(void **state)
{
    char url[TEST_PATH_MAX + 32];
    (void)state;
    test_do(&server, "ACL SETUSER reader on >secret ~* +@all -config -info");
    snprintf(url, sizeof(url), "unix://reader:secret@%s", server.socket);
    setenv("REDIS_URL", url, 1);
    expect_finding(1, "warning", "rights", "INFO", "this user may not");
    expect_finding(1, "warning", "rights", "CONFIG", "this user may not");
    expect_finding(1, "ok", "library", "weir", "version");
    test_do(&server, "ACL SETUSER reader -time");
    expect_finding(1, "warning", "rights", "TIME", "that of this machine");
    expect_finding(1, "ok", "library", "weir", "version");
    test_do(&server, "ACL SETUSER reader -hgetall");
    expect_finding(1, "warning", "rights", "services", "was not looked at");
    struct test_run run = run_weir(1, WORDS("doctor"), NULL);
    assert_null(strstr(run.out, "no service has run"));
    test_run_close(&run);
    test_do(&server, "ACL SETUSER reader +hgetall -scan -fcall");
    expect_finding(1, "warning", "rights", "SCAN", "this user may not");
    expect_finding(1, "warning", "rights", "weir", "this user may not");
}

/* ---- Versions ------------------------------------------------------------------------------ */

static char own_port[16];

/* A server of another version, as far as the doctor can see: a process that answers as that would.
 */
static void answer_as(int connection, const char *info)
{
    char input[4096], output[1024];
    ssize_t length;
    while ((length = read(connection, input, sizeof(input) - 1)) > 0) {
        input[length] = '\0';
        if (strstr(input, "PING"))
            snprintf(output, sizeof(output), "+PONG\r\n");
        else if (strstr(input, "TIME"))
            snprintf(output, sizeof(output), "*2\r\n$10\r\n1800000000\r\n$1\r\n0\r\n");
        else if (strstr(input, "INFO"))
            snprintf(output, sizeof(output), "$%zu\r\n%s\r\n", strlen(info), info);
        else if (strstr(input, "CONFIG"))
            snprintf(output, sizeof(output),
                     "*4\r\n$17\r\nmaxmemory-clients\r\n$3\r\n100\r\n"
                     "$21\r\nmin-replicas-to-write\r\n$1\r\n0\r\n");
        else if (strstr(input, "SENTINEL")) /* it is both, and knows of itself */
            snprintf(output, sizeof(output), "*2\r\n$9\r\n127.0.0.1\r\n$%zu\r\n%s\r\n",
                     strlen(own_port), own_port);
        else if (strstr(input, "SCAN"))
            snprintf(output, sizeof(output), "*2\r\n$1\r\n0\r\n*0\r\n");
        else
            snprintf(output, sizeof(output), "%s%d\r\n", strstr(input, "HGETALL") ? "*" : ":",
                     strstr(input, "HGETALL") ? 0 : weir_function_library_version());
        if (write(connection, output, strlen(output)) < 0)
            break;
    }
    close(connection);
}

static pid_t serve(int listener, const char *info)
{
    pid_t child = fork();
    if (child == 0) {
        for (int connection; (connection = accept(listener, NULL, NULL)) >= 0;)
            answer_as(connection, info);
        _exit(0);
    }
    close(listener);
    return child;
}

/* The one that is asked from now on. */
static pid_t pretend(const char *info)
{
    char folder[TEST_PATH_MAX / 2], url[TEST_PATH_MAX];
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "version.sock"};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    unlink(address.sun_path);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 4), 0);
    pid_t child = serve(listener, info);
    assert_non_null(getcwd(folder, sizeof(folder)));
    snprintf(url, sizeof(url), "unix://%s/%s", folder, address.sun_path);
    setenv("REDIS_URL", url, 1);
    return child;
}

static void expect_version(int code, const char *lines, const char *level, const char *version,
                           const char *text)
{
    char info[256];
    snprintf(info, sizeof(info),
             "role:master\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n%s\r\n", lines);
    pid_t child = pretend(info);
    expect_finding(code, level, "version", version, text);
    if (strcmp(level, "ok") == 0)
        expect_nothing_of("version");
    assert_int_equal(test_end(child, SIGKILL, 5000), 128 + SIGKILL);
}

static void knows_versions(void **state)
{
    (void)state;
    expect_version(2, "redis_version:6.2.14", "problem", "6.2.14", "is too old");
    expect_version(1, "redis_version:7.0.4", "warning", "7.0.4", "CVE-2022-35951");
    expect_version(0, "redis_version:7.0.5", "ok", "7.0.5", "Redis, new enough");
    expect_version(1, "redis_version:7.2.0", "warning", "7.2.0", "maxmemory-clients to 0");
    expect_version(1, "redis_version:8.2.2", "warning", "8.2.2", "CVE-2025-62507");
    expect_version(1, "redis_version:7.0.3", "warning", "7.0.3", "CVE-2022-31144");
    expect_version(1, "redis_version:8.2.6", "warning", "8.2.6", "redis#14656");
    expect_version(1, "redis_version:8.4.3", "warning", "8.4.3", "redis#14656");
    expect_version(1, "redis_version:8.4.5", "warning", "8.4.5", "redis#15478");
    expect_version(1, "redis_version:8.6.3", "warning", "8.6.3", "redis#14963");
    expect_version(0, "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0", "ok",
                   "8.1.0", "Valkey, new enough");
    expect_version(1, "redis_version:new", "warning", "new", "no version that is known");
}

#define WELL                                                                                       \
    "redis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n"

static void expect_of(const char *info, int code, const char *level, const char *check,
                      const char *about, const char *text)
{
    pid_t child = pretend(info);
    expect_finding(code, level, check, about, text);
    assert_int_equal(test_end(child, SIGKILL, 5000), 128 + SIGKILL);
}

static void knows_what_could_not_be_written(void **state)
{
    (void)state;
    expect_of(WELL "aof_last_bgrewrite_status:err\r\n", 1, "warning", "durability",
              "aof_last_bgrewrite_status", "and grows");
    expect_of(WELL "aof_last_write_status:err\r\n", 2, "problem", "durability",
              "aof_last_write_status", "make room");
    expect_of(WELL "rdb_last_bgsave_status:err\r\n", 1, "warning", "durability",
              "rdb_last_bgsave_status", "redis-cli BGSAVE");
}

static void knows_replicas(void **state)
{
    static const char info[] =
        WELL "connected_slaves:3\r\n"
             "slave0:ip=10.0.0.1,port=6379,state=online,offset=7,lag=1\r\n"
             "slave1:ip=10.0.0.2,port=6379,state=online,offset=7,lag=30\r\n"
             "slave2:ip=10.0.0.3,port=6380,state=wait_bgsave,offset=0,lag=0\r\n";
    (void)state;
    expect_of(info, 1, "ok", "replicas", "10.0.0.1:6379", "follows");
    expect_of(info, 1, "warning", "replicas", "10.0.0.2:6379", "not been heard of for 30 s");
    expect_of(info, 1, "warning", "replicas", "10.0.0.3:6380", "in state wait_bgsave");
}

static void wants_a_cut_off_master_to_stop(void **state)
{
    char url[64];
    int port = 0, listener = test_listen(&port);
    (void)state;
    snprintf(own_port, sizeof(own_port), "%d", port);
    pid_t child = serve(listener, WELL "connected_slaves:0\r\n");
    snprintf(url, sizeof(url), "redis-sentinel://127.0.0.1:%d/shop", port);
    setenv("REDIS_URL", url, 1);
    expect_finding(1, "warning", "replicas", "min-replicas-to-write", "is 0 while Sentinels watch");
    snprintf(url, sizeof(url), "redis://127.0.0.1:%d", port); /* nobody takes its place */
    setenv("REDIS_URL", url, 1);
    expect_nothing_of("replicas");
    assert_int_equal(test_end(child, SIGKILL, 5000), 128 + SIGKILL);
}

/* The server that pretends is in the year 2027: whether this machine is, nobody knows. */
static void remarks_on_clocks(void **state)
{
    (void)state;
    expect_of(WELL, 0, "ok", "clock", "TIME", "weir goes by the server's");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(finds_nothing_wrong, clear),
        cmocka_unit_test_setup(finds_a_replica, clear),
        cmocka_unit_test_setup(finds_missing_replicas, clear),
        cmocka_unit_test_setup(finds_evictions, clear),
        cmocka_unit_test_setup(finds_little_memory, clear),
        cmocka_unit_test_setup(finds_what_is_not_kept, clear),
        cmocka_unit_test_setup(finds_other_libraries, clear),
        cmocka_unit_test_setup(finds_a_full_disk, clear),
        cmocka_unit_test_setup(finds_a_cluster, clear),
        cmocka_unit_test_setup(finds_no_server, clear),
        cmocka_unit_test_setup(is_not_let_in, clear),
        cmocka_unit_test_setup(lacks_rights, clear),
        cmocka_unit_test(knows_versions),
        cmocka_unit_test(knows_what_could_not_be_written),
        cmocka_unit_test(knows_replicas),
        cmocka_unit_test(wants_a_cut_off_master_to_stop),
        cmocka_unit_test(remarks_on_clocks),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
