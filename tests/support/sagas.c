/* Coordinators as processes, and what a test asks about sagas. */
#include "support/sagas.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORDS_MAX 32
#define READY_MS 15000

/* ---- Coordinators -------------------------------------------------------------------------- */

struct test_worker test_coordinator_launch(const struct test_server *server, const char *consumer,
                                           const char *const *options)
{
    static unsigned started;
    struct test_worker worker;
    const char *words[WORDS_MAX + 1] = {test_program("weir-coordinator"), "--redis", server->url,
                                        "--consumer", consumer};
    size_t count = 5;
    while (options && *options && count < WORDS_MAX)
        words[count++] = *options++;
    snprintf(worker.consumer, sizeof(worker.consumer), "%s", consumer);
    snprintf(worker.log, sizeof(worker.log), "%s.c%u.log", consumer, ++started);
    worker.pid = test_spawn(words, worker.log);
    test_worker_remember(&worker);
    return worker;
}

struct test_worker test_coordinator_start(const struct test_server *server, const char *consumer,
                                          const char *const *options)
{
    struct test_worker worker = test_coordinator_launch(server, consumer, options);
    test_await_text(worker.log, "worker.ready", READY_MS);
    return worker;
}

struct test_worker test_replier_start(struct test_server *server, const char *service,
                                      const char *consumer, const char *const *options)
{
    char url[TEST_PATH_MAX + 64], own[64];
    snprintf(own, sizeof(own), "~{%s}:*", service);
    test_do(server, "ACL SETUSER replier reset on >hush +@all &* %s ~{sagas}:replies", own);
    snprintf(url, sizeof(url), "unix://replier:hush@%s", server->socket);
    struct test_worker worker = test_worker_launch(url, service, consumer, options);
    test_worker_await_log(&worker, "worker.ready");
    return worker;
}

/* ---- Definitions and starts ---------------------------------------------------------------- */

/* JSON from a text with single quotes; to be freed. */
static char *json_of(const char *text)
{
    char *json = strdup(text);
    assert_non_null(json);
    for (char *at = json; (at = strchr(at, '\'')) != NULL;)
        *at = '"';
    return json;
}

void test_define(struct test_server *server, const char *name, int version, const char *rest)
{
    char *tail = json_of(rest), json[4096];
    int length =
        snprintf(json, sizeof(json), "{\"name\":\"%s\",\"version\":%d,%s}", name, version, tail);
    assert_in_range(length, 1, sizeof(json) - 1);
    test_do(server, "HSET {sagas}:definition:%s latest %d %d %s", name, version, version, json);
    free(tail);
}

void test_saga_begin(struct test_server *server, const char *saga, const char *definition,
                     const char *data)
{
    char *json = json_of(data);
    test_do(server, "XADD {sagas}:commands * type StartSaga saga %s definition %s data %s", saga,
            definition, json);
    free(json);
}

/* ---- Questions ----------------------------------------------------------------------------- */

const char *test_saga_field(struct test_server *server, const char *saga, const char *field)
{
    char key[160];
    snprintf(key, sizeof(key), "{sagas}:saga:%s", saga);
    return test_text(server, key, field);
}

bool test_saga_is(struct test_server *server, const char *saga, const char *state)
{
    return strcmp(test_saga_field(server, saga, "state"), state) == 0;
}

long long test_sagas_in(struct test_server *server, const char *state)
{
    return test_ask_integer(server, "ZCARD {sagas}:state:%s", state);
}

const char *test_saga_events(struct test_server *server, const char *saga)
{
    static const char script[] =
        "local text = '' "
        "for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do "
        "  local event = {} "
        "  for i = 1, #entry[2], 2 do event[entry[2][i]] = entry[2][i + 1] end "
        "  if event.subject == ARGV[1] then text = text .. event.type .. ' ' end "
        "end return text";
    static char events[1024];
    char *text = test_ask_text(server, "EVAL %s 1 {sagas}:events %s", script, saga);
    snprintf(events, sizeof(events), "%s", text ? text : "");
    free(text);
    return events;
}

static bool at_rest(struct test_server *server)
{
    static const char script[] =
        "local left = 0 "
        "for i = 1, 2 do left = left + redis.call('ZCARD', KEYS[i]) end "
        "for i = 3, 4 do left = left + redis.call('XLEN', KEYS[i]) "
        "  local pending = redis.pcall('XPENDING', KEYS[i], 'sagas') "
        "  left = left + (pending[1] or 0) end "
        "return left + redis.call('ZCARD', KEYS[5]) + redis.call('XLEN', KEYS[6])";
    return test_ask_integer(server,
                            "EVAL %s 6 {sagas}:state:running {sagas}:state:compensating "
                            "{sagas}:commands {sagas}:replies {sagas}:scheduled {sagas}:held",
                            script) == 0;
}

void test_sagas_await_rest(struct test_server *server, int timeout_ms)
{
    for (long long end = test_now() + timeout_ms; !at_rest(server); test_pause())
        if (test_now() > end)
            fail_msg("not at rest: %lld running, %lld compensating, %lld commands, %lld replies, "
                     "%lld scheduled",
                     test_sagas_in(server, "running"), test_sagas_in(server, "compensating"),
                     test_ask_integer(server, "XLEN {sagas}:commands"),
                     test_ask_integer(server, "XLEN {sagas}:replies"),
                     test_ask_integer(server, "ZCARD {sagas}:scheduled"));
}
