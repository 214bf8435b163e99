/* What a server is, by the answers to ROLE that servers really give. */
#include "redis/role.h"

#include <string.h>

#include "replies.h"

static void check(redisReply *reply, enum weir_role role, const char *text)
{
    struct weir_error error = {0};
    assert_int_equal(weir_role_read(reply, &error), role);
    if (!strstr(error.text, text))
        fail_msg("'%s' is missing in '%s'", text, error.text);
    assert_int_equal(error.status != WEIR_OK, role != WEIR_ROLE_MASTER);
    if (role == WEIR_ROLE_OTHER) /* wait and try again, for it may be promoted */
        assert_int_equal(error.status, WEIR_UNAVAILABLE);
    freeReplyObject(reply);
}

static void knows_masters(void **state)
{
    (void)state;
    check(REPLY("*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"), WEIR_ROLE_MASTER, "");
    check(REPLY("*3\r\n$6\r\nmaster\r\n:3129659\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n9001\r\n$7"
                "\r\n3129242\r\n"),
          WEIR_ROLE_MASTER, "");
}

static void knows_all_else(void **state)
{
    (void)state;
    check(REPLY("*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:9000\r\n$9\r\nconnected\r\n:3167038\r\n"),
          WEIR_ROLE_OTHER, "is a replica of 127.0.0.1:9000 ");
    check(REPLY("*2\r\n$8\r\nsentinel\r\n*1\r\n$8\r\nmymaster\r\n"), WEIR_ROLE_OTHER,
          "is a Sentinel");
    check(REPLY("*1\r\n$5\r\nslave\r\n"), WEIR_ROLE_OTHER, "is a replica");
    check(REPLY("*1\r\n$5\r\nmaste\r\n"), WEIR_ROLE_OTHER, "no master but \"maste\"");
}

static void takes_no_word_for_unknown(void **state)
{
    (void)state;
    check(REPLY("-NOPERM this user has no permissions to run the 'role' command\r\n"),
          WEIR_ROLE_UNKNOWN, "NOPERM");
    check(REPLY("-ERR unknown command 'ROLE', with args beginning with: \r\n"), WEIR_ROLE_UNKNOWN,
          "unknown command");
    check(REPLY("+OK\r\n"), WEIR_ROLE_UNKNOWN, "unknown form");
    check(REPLY("*0\r\n"), WEIR_ROLE_UNKNOWN, "unknown form");
    check(REPLY("*1\r\n:1\r\n"), WEIR_ROLE_UNKNOWN, "unknown form");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_masters),
        cmocka_unit_test(knows_all_else),
        cmocka_unit_test(takes_no_word_for_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
