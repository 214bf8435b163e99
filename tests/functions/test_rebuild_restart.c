/* weir_rebuild_step: what is looked for among all keys is found although the server is restarted
 * meanwhile, which lays them out otherwise. */
#include "read_models.h"

#define KEYS_COUNT 20000

static int start_lasting(void **state)
{
    (void)state;
    static const char *const lasting[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
    test_server_start(&server, "redis", lasting);
    test_do(&server, "FUNCTION LOAD %s", weir_function_library_source());
    return 0;
}

static void make_keys(void)
{
    for (int i = 0; i < KEYS_COUNT; i += 1000)
        test_do(&server, "EVAL %s 0 %d",
                "for i = ARGV[1], ARGV[1] + 999 do "
                "  redis.call('SET', '{v}:row:' .. string.format('%.0f', i), '1') "
                "end",
                i);
}

/* A third of them in one life of the server, the others in the next. */
static void sweep_over_a_restart(void)
{
    expect("[sweeping]", STEP);
    while (test_ask_integer(&server, "DBSIZE") > KEYS_COUNT * 2 / 3)
        expect("[sweeping]", STEP);
    test_server_restart(&server, SIGTERM);
    step_to_the_end(KEYS_COUNT);
}

static void a_restart_hides_no_key_from_the_sweep(void **state)
{
    (void)state;
    make_keys();
    set_phase("sweeping");
    sweep_over_a_restart();
    redisReply *left = test_ask(&server, "KEYS {v}:row:*");
    size_t count = left->elements;
    freeReplyObject(left);
    if (count > 0)
        fail_msg("%zu keys of the old model are left", count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_restart_hides_no_key_from_the_sweep, begin_rebuild),
    };
    return cmocka_run_group_tests_name("rebuild restart", tests, start_lasting, stop_functions);
}
