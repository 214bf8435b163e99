/* Commands as they go over the wire: byte for byte as hiredis lays them out. */
#include "redis/command_bytes.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/backoff.h"

#define ROUNDS 2000
#define COUNT_MAX 12

static void check_same(struct weir_command_bytes *bytes, int count, const char **arguments,
                       const size_t *lengths)
{
    char *wanted;
    int length = (int)redisFormatCommandArgv(&wanted, count, arguments, lengths);
    assert_true(length > 0);
    assert_true(weir_command_lay(bytes, count, arguments, lengths));
    assert_int_equal(bytes->length, length);
    assert_memory_equal(bytes->at, wanted, (size_t)length);
    redisFreeCommand(wanted);
}

static void lays_texts(void **state)
{
    (void)state;
    struct weir_command_bytes bytes = {0};
    check_same(&bytes, 1, (const char *[]){"PING"}, NULL);
    check_same(&bytes, 3, (const char *[]){"SET", "", "0123456789"}, NULL);
    check_same(&bytes, 2, (const char *[]){"A", NULL}, (const size_t[]){1, 0});
    weir_command_close(&bytes);
}

static void lays_any_bytes_like_hiredis(void **state)
{
    (void)state;
    struct weir_command_bytes bytes = {0};
    struct weir_random random;
    char *text = malloc(2048);
    assert_non_null(text);
    weir_random_init(&random, 20261128);
    for (int i = 0; i < 2048; i++)
        text[i] = (char)weir_random_below(&random, 256);
    for (int round = 0; round < ROUNDS; round++) {
        const char *arguments[COUNT_MAX];
        size_t lengths[COUNT_MAX], count = 1 + weir_random_below(&random, COUNT_MAX);
        for (size_t i = 0; i < count; i++) {
            size_t limit = weir_random_below(&random, 10) == 0 ? 1024 : 12;
            arguments[i] = text + weir_random_below(&random, 1024);
            lengths[i] = weir_random_below(&random, limit);
        }
        check_same(&bytes, (int)count, arguments, lengths);
    }
    weir_command_close(&bytes);
    free(text);
}

static void keeps_no_large_room(void **state)
{
    (void)state;
    struct weir_command_bytes bytes = {0};
    size_t length = 200000;
    char *text = calloc(1, length);
    assert_non_null(text);
    assert_true(weir_command_lay(&bytes, 1, (const char *[]){"PING"}, NULL));
    weir_command_shrink(&bytes);
    assert_true(bytes.capacity > 0);
    check_same(&bytes, 1, (const char *[]){text}, &length);
    weir_command_shrink(&bytes);
    assert_int_equal(bytes.capacity, 0);
    check_same(&bytes, 1, (const char *[]){"PING"}, NULL);
    weir_command_close(&bytes);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lays_texts),
        cmocka_unit_test(lays_any_bytes_like_hiredis),
        cmocka_unit_test(keeps_no_large_room),
    };
    return cmocka_run_group_tests_name("command_bytes", tests, NULL, NULL);
}
