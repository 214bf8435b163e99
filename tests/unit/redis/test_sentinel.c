/* Asking Sentinels: the words, what answers mean, and what is said when none helps. */
#include "redis/sentinel.h"

#include <stdio.h>
#include <string.h>

#include "replies.h"

static void check(redisReply *reply, enum weir_status status, const char *expected)
{
    struct weir_address address = {0};
    struct weir_error error = {0};
    char shown[WEIR_ADDRESS_SHOWN_MAX];
    assert_int_equal(weir_sentinel_read(reply, "shop", &address, &error), status);
    assert_int_equal(error.status, status);
    const char *said = status == WEIR_OK ? weir_address_show(&address, shown) : error.text;
    if (!strstr(said, expected))
        fail_msg("'%s' is missing in '%s'", expected, said);
    freeReplyObject(reply);
}

static void reads_the_address(void **state)
{
    (void)state;
    check(REPLY("*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n"), WEIR_OK, "127.0.0.1:6379");
    check(REPLY("*2\r\n$3\r\n::1\r\n$5\r\n65535\r\n"), WEIR_OK, "[::1]:65535");
    check(REPLY("*2\r\n$9\r\ndb1.local\r\n$1\r\n1\r\n"), WEIR_OK, "db1.local:1");
}

static void sorts_what_is_no_address(void **state)
{
    (void)state;
    check(REPLY("*-1\r\n"), WEIR_NOT_FOUND, "no master \"shop\"");
    check(REPLY("$-1\r\n"), WEIR_NOT_FOUND, "no master \"shop\"");
    check(REPLY("-NOAUTH Authentication required.\r\n"), WEIR_DENIED, "sentinelPassword=");
    check(REPLY("-NOPERM this user has no permissions\r\n"), WEIR_DENIED, "NOPERM");
    check(REPLY("-ERR unknown command 'SENTINEL', with args beginning with: \r\n"),
          WEIR_UNAVAILABLE, "is no Sentinel");
    check(REPLY("-LOADING x\r\n"), WEIR_UNAVAILABLE, "LOADING");
    check(REPLY("*0\r\n"), WEIR_UNAVAILABLE, "unknown form");
    check(REPLY("*1\r\n$1\r\na\r\n"), WEIR_UNAVAILABLE, "unknown form");
    check(REPLY("*2\r\n$0\r\n\r\n$1\r\n1\r\n"), WEIR_UNAVAILABLE, "unknown form");
    check(REPLY("*2\r\n$3\r\na\0b\r\n$1\r\n1\r\n"), WEIR_UNAVAILABLE, "unknown form");
    check(REPLY("*2\r\n$1\r\na\r\n$1\r\n0\r\n"), WEIR_UNAVAILABLE, "unknown form");
    check(REPLY("*2\r\n$1\r\na\r\n$5\r\n65536\r\n"), WEIR_UNAVAILABLE, "unknown form");
    check(REPLY("*2\r\n$1\r\na\r\n$2\r\n7x\r\n"), WEIR_UNAVAILABLE, "unknown form");
    check(REPLY("*2\r\n:1\r\n$1\r\n7\r\n"), WEIR_UNAVAILABLE, "unknown form");
}

static void refuses_a_host_that_is_too_long(void **state)
{
    (void)state;
    char text[512];
    snprintf(text, sizeof(text), "*2\r\n$255\r\n%0255d\r\n$1\r\n7\r\n", 0);
    check(reply_of(text, strlen(text)), WEIR_OK, ":7");
    snprintf(text, sizeof(text), "*2\r\n$256\r\n%0256d\r\n$1\r\n7\r\n", 0);
    check(reply_of(text, strlen(text)), WEIR_UNAVAILABLE, "unknown form");
}

static void asks_with_its_own_login(void **state)
{
    (void)state;
    struct weir_endpoint endpoint;
    const char *words[WEIR_SENTINEL_WORDS];
    assert_int_equal(
        weir_endpoint_parse("redis-sentinel://a:b@c/shop?sentinelPassword=p", &endpoint, NULL),
        WEIR_OK);
    assert_int_equal(weir_sentinel_login(&endpoint, words), 2);
    assert_string_equal(words[0], "AUTH");
    assert_string_equal(words[1], "p");
    weir_sentinel_question(&endpoint, words);
    assert_string_equal(words[0], "SENTINEL");
    assert_string_equal(words[1], "get-master-addr-by-name");
    assert_string_equal(words[2], "shop");
    weir_endpoint_close(&endpoint);
    assert_int_equal(
        weir_endpoint_parse("redis-sentinel://c/shop?sentinelPassword=p&sentinelUser=u", &endpoint,
                            NULL),
        WEIR_OK);
    assert_int_equal(weir_sentinel_login(&endpoint, words), 3);
    assert_string_equal(words[1], "u");
    assert_string_equal(words[2], "p");
    weir_endpoint_close(&endpoint);
    assert_int_equal(weir_endpoint_parse("redis-sentinel://a:b@c/shop", &endpoint, NULL), WEIR_OK);
    assert_int_equal(weir_sentinel_login(&endpoint, words), 0);
    weir_endpoint_close(&endpoint);
}

static const struct weir_address sentinel = {"s", 26379};

static void note(struct weir_sentinel_round *round, enum weir_status status, const char *text)
{
    struct weir_error error = {0};
    weir_error_set(&error, status, "%s", text);
    weir_sentinel_round_failed(round, &sentinel, &error);
}

static void check_round(const struct weir_sentinel_round *round, enum weir_status status,
                        const char *text)
{
    struct weir_endpoint endpoint = {.master = (char[]){"shop"}};
    struct weir_error error = {0};
    assert_int_equal(weir_sentinel_round_end(round, &endpoint, &error), status);
    assert_string_equal(error.text, text);
}

static void tells_the_most_telling(void **state)
{
    (void)state;
    struct weir_sentinel_round round = {0};
    note(&round, WEIR_UNAVAILABLE, "one");
    note(&round, WEIR_UNAVAILABLE, "two");
    check_round(&round, WEIR_UNAVAILABLE, "no Sentinel says where \"shop\" is; s:26379: one");
    note(&round, WEIR_NOT_FOUND, "three");
    note(&round, WEIR_DENIED, "four");
    assert_int_equal(round.asked, 4);
    check_round(&round, WEIR_UNAVAILABLE, "no Sentinel says where \"shop\" is; s:26379: three");
}

/* One that may yet answer is waited for; where all want another password, nothing will help. */
static void is_denied_by_all_alone(void **state)
{
    (void)state;
    struct weir_sentinel_round round = {0};
    note(&round, WEIR_DENIED, "one");
    note(&round, WEIR_DENIED, "two");
    check_round(&round, WEIR_DENIED, "no Sentinel says where \"shop\" is; s:26379: one");
    note(&round, WEIR_UNAVAILABLE, "three");
    check_round(&round, WEIR_UNAVAILABLE, "no Sentinel says where \"shop\" is; s:26379: one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_address),
        cmocka_unit_test(sorts_what_is_no_address),
        cmocka_unit_test(refuses_a_host_that_is_too_long),
        cmocka_unit_test(asks_with_its_own_login),
        cmocka_unit_test(tells_the_most_telling),
        cmocka_unit_test(is_denied_by_all_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
