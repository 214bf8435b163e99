/* Sagas in the metrics: how many are in which state is told by the coordinator, how long they took
 * by whoever has ended them. */
#include "integration/step_moves.h"

#include "support/scrape.h"

#define SERVED OPTIONS("--metrics", "127.0.0.1:0")
#define SAGAS(definition, state) "weir_sagas{definition=\"" definition "\",state=\"" state "\"}"
#define TOOK(part, definition, outcome)                                                            \
    "weir_saga_seconds_" part "{definition=\"" definition "\",outcome=\"" outcome "\"}"
#define ONE "'steps':[" STEP("a", LONG) "]"

static double or_none(double value)
{
    return value < 0 ? 0 : value;
}

/* How many ends with this outcome the process has observed; `took` must not be less than the
 * server's clock says. */
static double observed(const struct test_worker *worker, const char *outcome)
{
    return or_none(strcmp(outcome, "completed") == 0
                       ? test_metric(worker, TOOK("count", "chain", "completed"))
                       : test_metric(worker, TOOK("count", "chain", "compensated")));
}

/* Four that come to a good end and two that do not, slowly. */
static void run_sagas(void)
{
    char saga[16];
    for (int i = 0; i < 6; i++) {
        snprintf(saga, sizeof(saga), "s%d", i);
        test_saga_begin(&server, saga, "chain", i < 4 ? "{'defer':20}" : "{'how':{'b':'fail'}}");
    }
    test_sagas_await_rest(&server, 15000);
}

static void assert_all_observed(const struct test_worker *one, const struct test_worker *other)
{
    assert_true(observed(one, "completed") + observed(other, "completed") ==
                (double)test_sagas_in(&server, "completed"));
    assert_true(observed(one, "compensated") + observed(other, "compensated") ==
                (double)test_sagas_in(&server, "compensated"));
}

static void ends_by_workers_are_observed(void **state)
{
    (void)state;
    struct test_worker steps = test_worker_start(&server, STEPS, "one", SERVED);
    struct test_worker coordinator = test_coordinator_start(&server, "c", SERVED);
    test_define(&server, "chain", 1, CHAIN);
    (void)warm_up("chain");
    run_sagas();
    assert_all_observed(&steps, &coordinator);
    assert_true(observed(&steps, "completed") >= 4);
    assert_true(observed(&steps, "compensated") == 2);
    assert_true(test_metric(&steps, TOOK("sum", "chain", "completed")) >= 4 * 3 * 0.02);
    test_worker_end_well(&coordinator);
    test_worker_end_well(&steps);
}

static void ends_by_the_coordinator_are_observed(void **state)
{
    (void)state;
    struct test_worker replier = test_replier_start(&server, STEPS, "replier", SERVED);
    struct test_worker coordinator = test_coordinator_start(&server, "c", SERVED);
    test_define(&server, "chain", 1, CHAIN);
    run_sagas();
    assert_all_observed(&replier, &coordinator);
    assert_true(observed(&coordinator, "completed") == 4);
    assert_true(observed(&coordinator, "compensated") == 2);
    assert_true(test_metric(&coordinator, SAGAS("chain", "completed")) == 4);
    assert_true(test_metric(&coordinator, SAGAS("chain", "compensated")) == 2);
    assert_true(test_metric(&coordinator, SAGAS("chain", "running")) == -1);
    assert_true(test_metric(&coordinator, "weir_messages_total{service=\"sagas\","
                                          "type=\"StartSaga\",outcome=\"done\"}") == 6);
    test_worker_end_well(&coordinator);
    test_worker_end_well(&replier);
}

/* A late answer is noted in the saga, which has ended before. */
static void an_end_is_observed_once(void **state)
{
    (void)state;
    struct test_worker steps = test_worker_start(&server, STEPS, "one", SERVED);
    struct test_worker coordinator = test_coordinator_start(&server, "c", SERVED);
    test_define(&server, "chain", 1, "'steps':[" STEP("a", "'timeoutMs':100,'attempts':1") "]");
    test_saga_begin(&server, "s", "chain", "{'how':{'a':'swallow'}}");
    AWAIT(test_saga_is(&server, "s", "compensated"));
    AWAIT(observed(&coordinator, "compensated") + observed(&steps, "compensated") == 1);
    long long revision = test_number(&server, "{sagas}:saga:s", "revision");
    test_do(&server, "XADD {sagas}:replies * type StepSucceeded saga s step a action execute id "
                     "s/a/execute data {}");
    AWAIT(test_number(&server, "{sagas}:saga:s", "revision") == revision + 1);
    test_sagas_await_rest(&server, 15000);
    assert_true(observed(&coordinator, "compensated") + observed(&steps, "compensated") == 1);
    test_worker_end_well(&coordinator);
    test_worker_end_well(&steps);
}

/* Ended sagas by hand, `first` of them of "a", the others of "b", whose last one has no hash. */
static void put_sagas(const char *in, int count, int first)
{
    static const char script[] = "for i = 1, tonumber(ARGV[2]) do"
                                 "  local id = ARGV[1] .. i"
                                 "  redis.call('ZADD', '{sagas}:state:' .. ARGV[1], i, id)"
                                 "  if i < tonumber(ARGV[2]) then"
                                 "    redis.call('HSET', '{sagas}:saga:' .. id, 'definition',"
                                 "               i <= tonumber(ARGV[3]) and 'a' or 'b')"
                                 "  end "
                                 "end";
    test_do(&server, "EVAL %s 0 %s %d %d", script, in, count, first);
}

static void states_are_exact_and_definitions_by_a_sample(void **state)
{
    (void)state;
    put_sagas("completed", 3001, 2000);
    put_sagas("suspended", 1000, 10);
    put_sagas("compensated", 3, 1);
    struct test_worker coordinator = test_coordinator_start(
        &server, "c", OPTIONS("--metrics", "127.0.0.1:0", "--log-level", "debug"));
    double a = test_metric(&coordinator, SAGAS("a", "completed"));
    double b = test_metric(&coordinator, SAGAS("b", "completed"));
    double other = or_none(test_metric(&coordinator, SAGAS("other", "completed")));
    assert_true(a + b + other == 3001); /* though no share of it is whole */
    /* Six deviations of the sample's 45 on either side. */
    assert_true(a > 1730 && a < 2270);
    assert_true(other <= 3);
    assert_true(test_metric(&coordinator, SAGAS("a", "suspended")) == 10);
    assert_true(test_metric(&coordinator, SAGAS("b", "suspended")) == 989);
    assert_true(test_metric(&coordinator, SAGAS("other", "suspended")) == 1);
    assert_true(test_metric(&coordinator, SAGAS("a", "compensated")) == 1);
    assert_true(test_metric(&coordinator, SAGAS("b", "compensated")) == 1);
    assert_true(test_metric(&coordinator, SAGAS("other", "compensated")) == 1);
    test_worker_end_well(&coordinator);
}

/* A key of another kind cannot be told, and nor can its state. */
static void a_state_that_cannot_be_told_is_left_out(void **state)
{
    (void)state;
    put_sagas("completed", 5, 5);
    put_sagas("suspended", 5, 5);
    test_do(&server, "DEL {sagas}:saga:completed2");
    test_do(&server, "SET {sagas}:saga:completed2 text");
    struct test_worker coordinator = test_coordinator_start(&server, "c", SERVED);
    assert_true(test_metric(&coordinator, SAGAS("a", "suspended")) == 4);
    assert_true(test_metric(&coordinator, SAGAS("a", "completed")) == -1);
    test_worker_end_well(&coordinator);
}

/* Definitions come from outside: beyond a hundred they count as one. */
static void definitions_are_bounded(void **state)
{
    static const char script[] =
        "for i = 1, 300 do"
        "  redis.call('ZADD', '{sagas}:state:completed', i, 's' .. i)"
        "  redis.call('HSET', '{sagas}:saga:s' .. i, 'definition', 'd' .. i)"
        "end "
        "redis.call('ZADD', '{sagas}:state:running', 1, 'r')"
        "redis.call('HSET', '{sagas}:saga:r', 'definition', '\"}\\n evil')";
    (void)state;
    test_do(&server, "EVAL %s 0", script);
    struct test_worker coordinator = test_coordinator_start(&server, "c", SERVED);
    assert_true(test_metric(&coordinator, SAGAS("d1", "completed")) == 1);
    assert_true(test_metric(&coordinator, SAGAS("other", "completed")) == 200);
    assert_true(test_metric(&coordinator, SAGAS("other", "running")) == 1);
    assert_false(test_page_is(&coordinator, "/metrics", 200, "evil"));
    test_worker_end_well(&coordinator);
}

#define TEST(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(ends_by_workers_are_observed),
        TEST(ends_by_the_coordinator_are_observed),
        TEST(an_end_is_observed_once),
        TEST(states_are_exact_and_definitions_by_a_sample),
        TEST(a_state_that_cannot_be_told_is_left_out),
        TEST(definitions_are_bounded),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_step_service);
    return cmocka_run_group_tests(tests, start, stop);
}
