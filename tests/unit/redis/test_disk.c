/* What a server's answers say about its disk. */
#include "redis/disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "replies.h"

#define OLD "# Server\r\nredis_version:7.0.15\r\nredis_git_sha1:0\r\n"
#define VALKEY "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.1\r\n"
#define UNKNOWN_COMMAND "ERR unknown command 'WAITAOF', with args beginning with: '1' '0' '1' "

static redisReply *bulk(const char *text)
{
    char bytes[512];
    int length = snprintf(bytes, sizeof bytes, "$%zu\r\n%s\r\n", strlen(text), text);
    return reply_of(bytes, (size_t)length);
}

static redisReply *settings(const char *appendonly, const char *sync, const char *skip)
{
    char bytes[512];
    int length = snprintf(bytes, sizeof bytes,
                          "*6\r\n+appendfsync\r\n+%s\r\n+no-appendfsync-on-rewrite\r\n+%s\r\n"
                          "+appendonly\r\n+%s\r\n",
                          sync, skip, appendonly);
    return reply_of(bytes, (size_t)length);
}

static void take(struct weir_disk_signs *signs, const char *info, redisReply *waitaof_take,
                 redisReply *settings_take)
{
    redisReply *server = bulk(info);
    memset(signs, 0, sizeof *signs);
    weir_disk_take_server(signs, server);
    weir_disk_take_waitaof(signs, waitaof_take);
    weir_disk_take_settings(signs, settings_take);
    freeReplyObject(server);
    freeReplyObject(waitaof_take);
    freeReplyObject(settings_take);
}

static void expect_not(const char *info, redisReply *waitaof_take, redisReply *settings_take,
                       const char *why)
{
    struct weir_disk_signs signs;
    struct weir_error error = {0};
    take(&signs, info, waitaof_take, settings_take);
    assert_int_equal(weir_disk_judge(&signs, &error), WEIR_DISK_NOT);
    if (strstr(error.text, why) == NULL)
        fail_msg("%s", error.text);
}

static void a_new_server_waits_for_it(void **state)
{
    (void)state;
    struct weir_disk_signs signs;
    struct weir_error error = {0};
    take(&signs, VALKEY, REPLY("*2\r\n:0\r\n:0\r\n"), settings("yes", "everysec", "yes"));
    assert_int_equal(weir_disk_judge(&signs, &error), WEIR_DISK_BY_WAITAOF);
    assert_string_equal(signs.server, "Valkey 8.1.1");
    take(&signs, VALKEY, REPLY("*2\r\n:0\r\n:0\r\n"), REPLY("-NOPERM no\r\n"));
    assert_int_equal(weir_disk_judge(&signs, &error), WEIR_DISK_BY_WAITAOF);
}

static void an_old_server_says_it_by_its_settings(void **state)
{
    (void)state;
    struct weir_disk_signs signs;
    struct weir_error error = {0};
    take(&signs, OLD, REPLY("-" UNKNOWN_COMMAND "\r\n"), settings("yes", "always", "no"));
    assert_int_equal(weir_disk_judge(&signs, &error), WEIR_DISK_BY_SETTINGS);
    assert_string_equal(signs.server, "Redis 7.0.15");
}

static void what_cannot_be_told_is_refused(void **state)
{
    (void)state;
    const char *const everysec = "Redis 7.0.15 has no WAITAOF; use Redis 7.2 or newer, or set "
                                 "appendfsync always (and no-appendfsync-on-rewrite no)";
    expect_not(OLD, REPLY("-" UNKNOWN_COMMAND "\r\n"), settings("yes", "everysec", "no"), everysec);
    expect_not(OLD, REPLY("-" UNKNOWN_COMMAND "\r\n"), settings("yes", "no", "no"), everysec);
    /* while it rewrites its file, it would write nothing to the disk */
    expect_not(OLD, REPLY("-" UNKNOWN_COMMAND "\r\n"), settings("yes", "always", "yes"), everysec);
    expect_not(OLD, REPLY("-" UNKNOWN_COMMAND "\r\n"), settings("no", "always", "no"),
               "Redis 7.0.15 keeps no append-only file");
    expect_not(VALKEY,
               REPLY("-ERR WAITAOF cannot be used when numlocal is set but appendonly is "
                     "disabled.\r\n"),
               settings("no", "everysec", "no"), "Valkey 8.1.1 keeps no append-only file");
    expect_not(OLD, REPLY("-" UNKNOWN_COMMAND "\r\n"), REPLY("-NOPERM no\r\n"),
               "its settings cannot be known because this user may not run CONFIG GET");
    expect_not(VALKEY, REPLY("-NOPERM no permissions to run the 'waitaof' command\r\n"),
               settings("yes", "everysec", "no"), "has refused WAITAOF: NOPERM");
    expect_not("rubbish", REPLY("-" UNKNOWN_COMMAND "\r\n"), settings("yes", "everysec", "no"),
               "the server has no WAITAOF");
}

/* What passes says nothing of what the server can do: it is to be asked again. */
static void nothing_follows_from_what_passes(void **state)
{
    (void)state;
    static const char *const passing[] = {
        "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN "
        "NOSAVE.\r\n",
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
        "-READONLY You can't write against a read only replica.\r\n",
        "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
    };
    static const struct {
        bool waitaof, settings; /* which is answered so */
        enum weir_disk outcome;
    } cases[] = {
        {true, false, WEIR_DISK_UNASKED},
        {false, true, WEIR_DISK_UNASKED},
        {true, true, WEIR_DISK_UNASKED},
        {false, false, WEIR_DISK_NOT}, /* the same server when it has passed */
    };
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++)
        for (size_t j = 0; j < sizeof cases / sizeof cases[0]; j++) {
            struct weir_disk_signs signs;
            struct weir_error error = {0};
            const char *refusal = passing[i];
            take(&signs, OLD,
                 cases[j].waitaof ? reply_of(refusal, strlen(refusal))
                                  : REPLY("-" UNKNOWN_COMMAND "\r\n"),
                 cases[j].settings ? reply_of(refusal, strlen(refusal))
                                   : settings("yes", "everysec", "no"));
            assert_int_equal(weir_disk_judge(&signs, &error), cases[j].outcome);
            if (cases[j].outcome != WEIR_DISK_UNASKED)
                continue;
            assert_int_equal(error.status, WEIR_UNAVAILABLE);
            assert_non_null(strstr(error.text, "Redis 7.0.15 cannot tell now of its disk: "));
            assert_memory_equal(strstr(error.text, ": ") + 2, refusal + 1, 20);
        }
}

/* A server that waits for its file need not tell its settings. */
static void what_is_settled_needs_no_more(void **state)
{
    (void)state;
    struct weir_disk_signs signs;
    struct weir_error error = {0};
    take(&signs, VALKEY, REPLY("*2\r\n:0\r\n:0\r\n"), REPLY("-BUSY a script\r\n"));
    assert_int_equal(weir_disk_judge(&signs, &error), WEIR_DISK_BY_WAITAOF);
    take(&signs, VALKEY, REPLY("-BUSY a script\r\n"), settings("yes", "always", "no"));
    assert_int_equal(weir_disk_judge(&signs, &error), WEIR_DISK_UNASKED);
}

static void answers_of_other_shapes_promise_nothing(void **state)
{
    (void)state;
    struct weir_disk_signs signs;
    struct weir_error error = {0};
    take(&signs, OLD, REPLY(":1\r\n"), REPLY("*0\r\n"));
    assert_int_equal(weir_disk_judge(&signs, &error), WEIR_DISK_NOT);
    assert_false(signs.settings_known);
    memset(&error, 0, sizeof error);
    memset(&signs, 0, sizeof signs);
    weir_disk_take_server(&signs, NULL);
    weir_disk_take_waitaof(&signs, NULL);
    weir_disk_take_settings(&signs, NULL);
    assert_int_equal(weir_disk_judge(&signs, &error), WEIR_DISK_UNASKED);
    assert_string_equal(error.text, "the server cannot tell now of its disk: no answer came");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_server_waits_for_it),
        cmocka_unit_test(an_old_server_says_it_by_its_settings),
        cmocka_unit_test(what_cannot_be_told_is_refused),
        cmocka_unit_test(nothing_follows_from_what_passes),
        cmocka_unit_test(what_is_settled_needs_no_more),
        cmocka_unit_test(answers_of_other_shapes_promise_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
