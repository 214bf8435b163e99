/* A view of balances for the tests of `weir projection`. */
#include "support/balances.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/command_line.h"

#define ACCOUNTS 50
#define GATE "gate"

struct test_server balances_server;
long long balances_published;

/* ---- The view ---------------------------------------------------------------------------- */

static enum weir_outcome fold(weir_context *context, const weir_message *message)
{
    const json_t *data = weir_message_data(message);
    const char *pause = getenv("FOLD_US");
    int64_t amount = json_integer_value(json_object_get(data, "amount"));
    if (pause)
        nanosleep(&(struct timespec){.tv_nsec = atol(pause) * 1000}, NULL);
    if (json_object_get(data, "gated") && access(GATE, F_OK) == 0) {
        weir_reason(context, "the gate is shut");
        return WEIR_REJECT;
    }
    weir_hincrby(context, NULL, "balance", amount);
    weir_hincrby(context, "total", "amount", amount);
    weir_hincrby(context, "total", "events", 1);
    return WEIR_DONE;
}

static enum weir_outcome count_events(weir_context *context, const weir_message *message)
{
    (void)message;
    weir_hincrby(context, "other", "events", 1);
    return WEIR_DONE;
}

weir_service *balances_service(const char *name)
{
    weir_service *service = weir_service_new(name);
    weir_project(service, "balances", "s0", "Moved", fold, "account:{account}");
    weir_project(service, "balances", "s1", "Moved", fold, "account:{account}");
    weir_project(service, "other", "s0", "Moved", count_events, NULL);
    return service;
}

/* ---- The program ------------------------------------------------------------------------- */

int balances_start(void **state)
{
    (void)state;
    test_server_start(&balances_server, "redis", NULL);
    use_server(&balances_server);
    return 0;
}

int balances_stop(void **state)
{
    (void)state;
    test_server_stop(&balances_server, SIGTERM);
    return 0;
}

int balances_set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_do(&balances_server, "FLUSHALL");
    (void)unlink(GATE);
    unsetenv("FOLD_US");
    balances_published = 0;
    return 0;
}

/* ---- Events ------------------------------------------------------------------------------ */

void balances_publish(int count)
{
    for (int i = 0; i < count; i++)
        redisAppendCommand(balances_server.connection,
                           "XADD {s%d}:events * type Moved source s%d data "
                           "{\"account\":%d,\"amount\":%d}",
                           i % 2, i % 2, i % ACCOUNTS, i % 7);
    for (int i = 0; i < count; i++) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(balances_server.connection, (void **)&reply), REDIS_OK);
        assert_int_equal(reply->type, REDIS_REPLY_STRING);
        freeReplyObject(reply);
    }
    balances_published += count;
}

char *balances_publish_gated(void)
{
    balances_published++;
    return test_ask_text(&balances_server,
                         "XADD {s0}:events * type Moved source s0 data " BALANCES_GATED_DATA);
}

bool balances_caught_up(void)
{
    return test_number(&balances_server, "{view}:total", "events") == balances_published;
}

void balances_shut_gate(void)
{
    FILE *file = fopen(GATE, "we");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
}

void balances_open_gate(void)
{
    assert_int_equal(unlink(GATE), 0);
}

/* ---- Workers ----------------------------------------------------------------------------- */

bool balances_is_in(const char *field, const char *value)
{
    return strcmp(test_text(&balances_server, BALANCES, field), value) == 0;
}

struct test_worker balances_view_start(const char *batch)
{
    return test_worker_start(&balances_server, VIEW, "one",
                             OPTIONS("--projection-batch", batch, "--claim-idle", "1s"));
}

struct test_worker balances_view_caught_up(int count)
{
    balances_publish(count);
    struct test_worker view = balances_view_start("256");
    AWAIT(balances_caught_up() && balances_is_in("state", "running"));
    return view;
}

void balances_register(void)
{
    test_do(&balances_server, "HSET {weir}:projections view/balances %s view/other s0", "s0 s1");
}
