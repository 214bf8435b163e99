/* What a worker does to the server's function library when others load theirs at the same moment,
 * and when the connection is lost in between. The server is one of the test's own making, which
 * gives the answers of a script. */
#include "redis/library_loader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "redis/function_library.h"
#include "support/fake_server.h"
#include "support/server.h"

#define LIMIT_MS 20000
#define MISSING "-ERR Function not found\r\n"
#define EXISTS "-ERR Library 'weir' already exists\r\n"
#define OLDER ":1\r\n"
#define OWN ":1000000\r\n"
#define LOADED "$4\r\nweir\r\n"
#define LOSES NULL /* the server closes the connection, and answers nothing */

enum request { NONE, VERSION, LOAD, REPLACE };

/* What is asked for in turn, and what the server makes of it. */
struct step {
    enum request request;
    const char *answer;
};

static struct fake_server fake;
static struct ev_loop *loop;
static struct weir_log logger;
static struct weir_endpoint endpoint;
static struct weir_link the_link;
static struct weir_library_loader loader;
static const struct step *steps;
static int step, done, refused;

static enum request request_of(const char *command)
{
    if (!strstr(command, "\r\nFUNCTION\r\n"))
        return VERSION;
    return strncmp(command, "*4", 2) == 0 ? REPLACE : LOAD; /* one word more */
}

static const char *next_answer(struct fake_server *server, const char *command)
{
    const struct step *now = &steps[step];
    if (now->request != request_of(command))
        fail_msg("request %d of the script is of kind %d instead of %d", step,
                 (int)request_of(command), (int)now->request);
    step++;
    server->ending = now->answer == LOSES ? FAKE_CLOSES : FAKE_STAYS;
    return now->answer;
}

static void on_done(void *user, const struct weir_error *error)
{
    (void)user;
    done++;
    refused += error != NULL;
}

static void on_ready(void *user)
{
    (void)user;
    weir_library_loader_ensure(&loader);
}

static void on_lost(void *user, const struct weir_error *error)
{
    (void)user, (void)error;
    weir_library_loader_lost(&loader);
}

static int start(void **state)
{
    (void)state;
    loop = ev_loop_new(EVFLAG_AUTO);
    fake_server_start(&fake, loop);
    fake.choose = next_answer;
    weir_log_init(&logger, "test");
    assert_int_equal(weir_endpoint_parse(fake.url, &endpoint, NULL), WEIR_OK);
    weir_link_init(&the_link, &(struct weir_link_settings){.loop = loop,
                                                           .endpoint = &endpoint,
                                                           .log = &logger,
                                                           .role = "test",
                                                           .client_name = "test",
                                                           .silence_limit_ms = 60000,
                                                           .ready = on_ready,
                                                           .lost = on_lost});
    loader = (struct weir_library_loader){.link = &the_link, .log = &logger, .done = on_done};
    step = done = refused = 0;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    weir_link_close(&the_link);
    weir_endpoint_close(&endpoint);
    fake_server_stop(&fake);
    ev_loop_destroy(loop);
    return 0;
}

static void run_until_done(int times)
{
    for (long long end = test_now() + LIMIT_MS; done < times; test_pause()) {
        ev_run(loop, EVRUN_NOWAIT);
        if (test_now() > end)
            fail_msg("not done; %d requests have come", step);
    }
}

/* Plays the script, which ends with NONE, to its end. */
static void play(const struct step *script)
{
    int count = 0;
    while (script[count].request != NONE)
        count++;
    steps = script;
    weir_link_open(&the_link);
    run_until_done(1);
    assert_int_equal(step, count);
    assert_int_equal(refused, 0);
    assert_false(loader.under_way);
}

static void replaces_what_it_has_seen_to_be_older(void **state)
{
    (void)state;
    play((const struct step[]){{VERSION, OLDER}, {REPLACE, LOADED}, {NONE, NULL}});
}

static void loads_into_an_empty_server_without_replacing(void **state)
{
    (void)state;
    play((const struct step[]){{VERSION, MISSING}, {LOAD, LOADED}, {NONE, NULL}});
}

/* One of that name that has no function of weir's. */
static void replaces_what_is_no_library_of_weirs(void **state)
{
    (void)state;
    play((const struct step[]){
        {VERSION, MISSING}, {LOAD, EXISTS}, {VERSION, MISSING}, {REPLACE, LOADED}, {NONE, NULL}});
}

/* The server may be another by then, and whoever is found there may bring a newer one. */
static void replaces_nothing_by_what_it_saw_before_a_loss(void **state)
{
    (void)state;
    play((const struct step[]){{VERSION, MISSING},
                               {LOAD, EXISTS},
                               {VERSION, LOSES},
                               {VERSION, MISSING},
                               {LOAD, LOADED},
                               {NONE, NULL}});
}

static void replaces_nothing_after_a_load_of_unknown_end(void **state)
{
    (void)state;
    play((const struct step[]){{VERSION, MISSING},
                               {LOAD, EXISTS},
                               {VERSION, OLDER},
                               {REPLACE, LOSES},
                               {VERSION, MISSING},
                               {LOAD, LOADED},
                               {NONE, NULL}});
}

/* A sign of life tells it: of two that have loaded at the same moment the older one came last. */
static void replaces_what_it_has_heard_to_be_older(void **state)
{
    (void)state;
    steps = (const struct step[]){{VERSION, OWN}, {REPLACE, LOADED}, {NONE, NULL}};
    weir_link_open(&the_link);
    run_until_done(1);
    weir_library_loader_heard(&loader, weir_function_library_version());
    weir_library_loader_heard(&loader, weir_function_library_version() + 1);
    assert_false(loader.under_way);
    weir_library_loader_heard(&loader, weir_function_library_version() - 1);
    assert_true(loader.under_way);
    weir_library_loader_heard(&loader, 1); /* it is about it already */
    run_until_done(2);
    assert_int_equal(step, 2);
    assert_int_equal(refused, 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(replaces_what_it_has_seen_to_be_older),
        CASE(loads_into_an_empty_server_without_replacing),
        CASE(replaces_what_is_no_library_of_weirs),
        CASE(replaces_nothing_by_what_it_saw_before_a_loss),
        CASE(replaces_what_it_has_heard_to_be_older),
        CASE(replaces_nothing_after_a_load_of_unknown_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
