/* Memory runs out at the n-th allocation, for every n until a piece of work comes through; once,
 * and for good from there on. Each piece says so and leaves nothing behind, and gives the same as
 * ever when there is memory again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/metrics.h"
#include "base/options.h"
#include "fault/memory.h"
#include "http/target.h"
#include "message/effects.h"
#include "projection/batch.h"
#include "redis/endpoint.h"
#include "saga/carry_out.h"
#include "saga/definition_cache.h"
#include "saga/input_map.h"
#include "saga/record.h"
#include "service/context.h"
#include "service/event_version.h"
#include "service/step_answer.h"
#include "unit/redis/replies.h"

#define ALLOCATIONS_MAX 20000

/* One piece of work, whole: it frees all that it made. WEIR_NO_MEMORY, or WEIR_OK and a text. */
typedef enum weir_status piece(struct weir_text *result);

/* Copied where nothing is counted. */
static void take_result(struct weir_text *result, char *room, size_t size)
{
    snprintf(room, size, "%.*s", (int)result->length, result->at != NULL ? result->at : "");
    weir_text_close(result);
}

static bool comes_through(piece *work, const char *name, unsigned long n, bool for_good,
                          const char *wanted)
{
    static char room[8192];
    struct weir_text result = {0};
    long live = test_memory_live();
    test_memory_fail(n, for_good);
    enum weir_status status = work(&result);
    bool failed = test_memory_recover();
    take_result(&result, room, sizeof room);
    if (test_memory_live() != live)
        fail_msg("%s: %ld allocations are left when number %lu fails", name,
                 test_memory_live() - live, n);
    if (status == WEIR_OK && strcmp(room, wanted) != 0)
        fail_msg("%s: another result when number %lu fails: %s", name, n, room);
    if (status != WEIR_OK && (status != WEIR_NO_MEMORY || !failed))
        fail_msg("%s: status \"%s\" when number %lu fails", name, weir_status_text(status), n);
    return !failed;
}

static void run_out(piece *work, const char *name)
{
    static char wanted[8192];
    struct weir_text result = {0};
    assert_int_equal(work(&result), WEIR_OK);
    take_result(&result, wanted, sizeof wanted);
    assert_true(wanted[0] != '\0');
    for (int for_good = 0; for_good < 2; for_good++) {
        unsigned long n = 1;
        while (!comes_through(work, name, n, for_good, wanted))
            assert_true(++n < ALLOCATIONS_MAX);
        print_message("%s: %lu allocations%s\n", name, n - 1, for_good ? ", for good" : "");
        assert_true(n > 1);
    }
}

#define RUN_OUT(work) run_out(work, #work)

/* What fails for want of memory in the check itself. */
static enum weir_status checked(const struct weir_text *result, enum weir_status status)
{
    return result->failed && status == WEIR_OK ? WEIR_NO_MEMORY : status;
}

/* ---- A message, from its fields to the arguments of its commit ---------------------------- */

static const char data[] = "{\"id\":\"o1\",\"amount\":5,\"l\":[1,{}]}";
static const struct weir_slice parts[] = {
    {"type", 4}, {"Pay", 3},  {"data", 4},    {data, sizeof data - 1},
    {"id", 2},   {"o1/p", 4}, {"subject", 7}, {"o1", 2},
};

struct handling {
    struct weir_worker_settings settings;
    struct weir_runtime runtime;
    struct weir_effects effects;
    struct weir_snapshot snapshot;
    struct weir_context context;
};

static void begin_handling(struct handling *handling)
{
    memset(handling, 0, sizeof *handling);
    handling->runtime =
        (struct weir_runtime){.service = "payments", .prefix = "", .settings = &handling->settings};
    handling->context = (struct weir_context){.runtime = &handling->runtime,
                                              .effects = &handling->effects,
                                              .snapshot = &handling->snapshot,
                                              .now_ms = 1000};
    weir_context_begin(&handling->context);
}

static void end_handling(struct handling *handling)
{
    weir_context_close(&handling->context);
    weir_effects_close(&handling->effects);
    weir_snapshot_close(&handling->snapshot);
    weir_message_free(handling->context.message);
}

static enum weir_status load(struct handling *handling, const redisReply *reply)
{
    int place = weir_snapshot_add(&handling->snapshot, "{payments}:account:c1");
    return place < 0 ? WEIR_NO_MEMORY
                     : weir_snapshot_fill(&handling->snapshot.hashes[place], reply);
}

static void handle(struct weir_context *context)
{
    int64_t balance = 0;
    const char *id = NULL;
    weir_require_id(context, "id", &id);
    weir_hget_integer(context, "account:c1", "balance", &balance);
    weir_hincrby(context, "account:c1", "balance", -5);
    weir_hget_integer(context, "account:c1", "balance", &balance);
    for (char field[] = "a"; field[0] < 'z'; field[0]++)
        weir_hset_integer(context, "payment:o1", field, balance);
    weir_sadd(context, "set", "member");
    weir_expire(context, "set", 1000);
    weir_publish(context, "Paid", "o1", "{s:s, s:I, s:[i]}", "id", id, "balance",
                 (json_int_t)balance, "list", 1);
    weir_send(context, "shipping", "Ship", "ship-1", 50, "{s:s}", "id", id);
    weir_result(context, "{s:s}", "id", id);
}

static enum weir_status lay_out(struct handling *handling, struct weir_text *result)
{
    static const char *const head_keys[] = {"{payments}:commands"};
    static const char *const head[] = {"payments", "1-1", "1"};
    struct weir_arguments arguments = {0};
    enum weir_status status =
        weir_effects_call(&handling->effects, &arguments, "weir_commit", head_keys, 1, head, 3);
    for (size_t i = 0; status == WEIR_OK && i < arguments.count; i++) {
        weir_text_append(result, arguments.at[i], arguments.lengths[i]);
        weir_text_append_string(result, " ");
    }
    weir_arguments_close(&arguments);
    return status;
}

static redisReply *account;

static enum weir_status a_message(struct weir_text *result)
{
    struct handling handling;
    struct weir_error error = {0};
    enum weir_status status = WEIR_NO_MEMORY;
    begin_handling(&handling);
    handling.context.message = weir_message_new("{payments}:commands", "1-1", parts, 8);
    if (handling.context.message != NULL)
        status = weir_message_decode(handling.context.message, 1000, 1, &error);
    if (status == WEIR_OK)
        status = load(&handling, account);
    if (status == WEIR_OK) {
        handle(&handling.context);
        status = lay_out(&handling, result);
    }
    end_handling(&handling);
    return checked(result, status);
}

static void messages(void **state)
{
    (void)state;
    account = REPLY("*4\r\n$7\r\nbalance\r\n$2\r\n40\r\n$4\r\nname\r\n$1\r\nx\r\n");
    RUN_OUT(a_message);
    freeReplyObject(account);
}

/* ---- Texts from outside ------------------------------------------------------------------- */

static enum weir_status an_endpoint(struct weir_text *result)
{
    struct weir_endpoint endpoint;
    struct weir_error error = {0};
    enum weir_status status =
        weir_endpoint_parse("redis://user:p%40ss@host:7000/3", &endpoint, &error);
    if (status == WEIR_OK)
        weir_text_format(result, "%s %s %s", endpoint.shown, endpoint.user, endpoint.password);
    if (status == WEIR_OK)
        weir_endpoint_close(&endpoint);
    return checked(result, status);
}

static const char text_of_json[] = "{\"a\":{\"b\":[1,2.5,\"x\",null]}}";

static enum weir_status json_of_any_bytes(struct weir_text *result)
{
    struct weir_error error = {0};
    json_t *text = weir_text_json((struct weir_slice){"a\xff\"\0b", 5});
    json_t *object = weir_object_parse(text_of_json, strlen(text_of_json), 9, &error);
    enum weir_status status = object == NULL ? error.status : WEIR_OK;
    if (text == NULL)
        status = WEIR_NO_MEMORY;
    if (status == WEIR_OK)
        weir_text_append_json(result, json_string_value(text), json_string_length(text));
    json_decref(text);
    json_decref(object);
    return checked(result, status);
}

struct settings {
    int64_t count;
    struct weir_texts from;
};

static enum weir_status options(struct weir_text *result)
{
    static const struct weir_option table[] = {{.name = "count",
                                                .kind = WEIR_OPTION_INTEGER,
                                                .initial = "1",
                                                .maximum = 9,
                                                .offset = offsetof(struct settings, count),
                                                .help = "n"},
                                               {.name = "from",
                                                .kind = WEIR_OPTION_TEXTS,
                                                .offset = offsetof(struct settings, from),
                                                .help = "f"},
                                               {0}};
    char *argv[] = {"program", "a", "--count=3", "b", "--from", "x", "--", "c", NULL};
    struct settings settings = {0};
    struct weir_error error = {0};
    int operands = 0;
    enum weir_status status = weir_options_parse(table, &settings, 8, argv, &operands, &error);
    weir_text_format(result, "%d %d", operands, (int)settings.count);
    return checked(result, status);
}

static void texts_from_outside(void **state)
{
    (void)state;
    RUN_OUT(an_endpoint);
    RUN_OUT(json_of_any_bytes);
    RUN_OUT(options);
}

/* ---- Sagas -------------------------------------------------------------------------------- */

static const char definition_text[] =
    "{\"name\":\"order\",\"version\":1,\"timeoutMs\":60000,\"steps\":["
    "{\"name\":\"a\",\"service\":\"s\",\"command\":\"Do\",\"compensation\":\"Undo\"},"
    "{\"name\":\"w\",\"signal\":\"go\"},"
    "{\"name\":\"b\",\"service\":\"s\",\"command\":\"Do\",\"compensation\":\"Undo\","
    "\"input\":{\"id\":\"$.id\",\"x\":\"$.steps.a.n\"}},"
    "{\"name\":\"c\",\"service\":\"s\",\"command\":\"Do\",\"after\":[\"a\",\"b\"]}]}";

static enum weir_status a_definition(struct weir_text *result)
{
    struct weir_definition_cache cache = {0};
    struct weir_error error = {0};
    const struct weir_saga_definition *definition =
        weir_definition_cache_add(&cache, "order", 1, weir_slice_of(definition_text), &error);
    enum weir_status status = definition == NULL ? error.status : WEIR_OK;
    if (definition != NULL)
        weir_text_format(result, "%zu %s", definition->step_count, definition->steps[3].name);
    weir_definition_cache_close(&cache);
    return checked(result, status);
}

static struct weir_saga_definition *definition;

/* A few moves with all that they have written, the inputs of commands and the saga's hash. */
static enum weir_status move(struct handling *handling, struct weir_saga *saga)
{
    static const struct weir_saga_input inputs[] = {
        {.kind = WEIR_SAGA_START},
        {.kind = WEIR_SAGA_SIGNAL, .name = "go", .data = "{\"k\":1}"},
        {.kind = WEIR_SAGA_REPLY, .step = 0, .succeeded = true, .result = "{\"n\":4}"},
        {.kind = WEIR_SAGA_REPLY, .step = 2, .reason = "no money, alas"},
    };
    struct weir_random random = {1};
    struct weir_saga_effects effects;
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        int verdict = weir_saga_advance(definition, saga, &inputs[i], 1000, &random, &effects);
        if (verdict < 0)
            return (enum weir_status) - verdict;
        weir_saga_record_write(&handling->effects, "{sagas}:saga:s1", NULL, definition, saga,
                               effects.changed_steps);
        for (size_t j = 0; j < effects.send_count; j++) {
            struct weir_error error = {0};
            char *built = weir_input_build(definition, effects.sends[j].step, saga,
                                           "{\"id\":\"o\"}", 1000, &error);
            if (built == NULL)
                return error.status;
            weir_context_hset_bytes(&handling->context, "inputs", "data", weir_slice_of(built));
            free(built);
        }
    }
    return WEIR_OK;
}

static enum weir_status a_saga(struct weir_text *result)
{
    struct handling handling;
    struct weir_saga saga = {0};
    begin_handling(&handling);
    enum weir_status status = weir_saga_init(&saga, definition);
    if (status == WEIR_OK)
        status = move(&handling, &saga);
    if (status == WEIR_OK)
        status = lay_out(&handling, result);
    weir_saga_close(&saga);
    end_handling(&handling);
    return checked(result, status);
}

static redisReply *saga_hash;

static enum weir_status a_saga_from_its_hash(struct weir_text *result)
{
    struct weir_snapshot snapshot = {0};
    struct weir_saga saga = {0};
    struct weir_error error = {0};
    int place = weir_snapshot_add(&snapshot, "{sagas}:saga:s1");
    enum weir_status status = place < 0 ? WEIR_NO_MEMORY : WEIR_OK;
    if (status == WEIR_OK)
        status = weir_snapshot_fill(&snapshot.hashes[0], saga_hash);
    if (status == WEIR_OK)
        status = weir_saga_init(&saga, definition);
    if (status == WEIR_OK)
        status = weir_saga_record_read(definition, &snapshot.hashes[0], &saga, &error);
    if (status == WEIR_OK)
        weir_text_format(result, "%s %s", saga.reason, saga.steps[0].result);
    weir_saga_close(&saga);
    weir_snapshot_close(&snapshot);
    return checked(result, status);
}

static void sagas(void **state)
{
    struct weir_error error = {0};
    (void)state;
    RUN_OUT(a_definition);
    definition = weir_saga_definition_parse(definition_text, strlen(definition_text), &error);
    assert_non_null(definition);
    saga_hash =
        REPLY("*8\r\n$5\r\nstate\r\n$12\r\ncompensating\r\n$6\r\nreason\r\n$3\r\nwhy\r\n"
              "$13\r\nstep:a:result\r\n$7\r\n{\"n\":1}\r\n$12\r\nstep:b:error\r\n$2\r\nno\r\n");
    RUN_OUT(a_saga);
    RUN_OUT(a_saga_from_its_hash);
    freeReplyObject(saga_hash);
    weir_saga_definition_free(definition);
}

/* ---- Services and read models ------------------------------------------------------------- */

static enum weir_outcome nothing(weir_context *context, const weir_message *message)
{
    (void)context, (void)message;
    return WEIR_DONE;
}

static enum weir_status a_service(struct weir_text *result)
{
    weir_service *service = weir_service_new("payments");
    enum weir_status status = service == NULL ? WEIR_NO_MEMORY : WEIR_OK;
    if (service != NULL) {
        weir_on_command(service, "Pay", nothing, "account:{id}");
        weir_on_command(service, "Refund", nothing, NULL);
        weir_on_event(service, "orders", "Ordered", nothing, NULL);
        weir_upcast(service, "orders", "Ordered", 1, NULL);
        weir_event_version(service, "Paid", 2);
        status = service->error.status;
        weir_text_format(result, "%zu", service->route_count);
    }
    weir_service_free(service);
    return checked(result, status);
}

static redisReply *events;

static enum weir_status a_batch(struct weir_text *result)
{
    struct weir_sources sources = {0};
    struct weir_batch batch = {0};
    enum weir_status status = WEIR_NO_MEMORY;
    assert_true(weir_sources_add(&sources, "orders"));
    if (weir_sources_name(&sources, "") && weir_batch_take(&batch, &sources, events, 10, NULL)) {
        weir_text_format(result, "%zu %s", batch.count, batch.events[1].message->entry);
        status = WEIR_OK;
    }
    weir_batch_close(&batch);
    weir_sources_close(&sources);
    return checked(result, status);
}

/* What there was no memory for is lost, and nothing else. */
static enum weir_status a_scrape(struct weir_text *result)
{
    static const int64_t bounds[] = {1000};
    static const struct weir_family_about counts = {
        .name = "counts_total", .help = "C.", .labels = {"a"}};
    static const struct weir_family_about times = {
        .name = "times_seconds", .help = "T.", .bounds_ns = bounds, .bound_count = 1};
    struct weir_metrics *metrics = weir_metrics_new();
    char value[16];
    if (metrics == NULL)
        return WEIR_NO_MEMORY;
    struct weir_family *family = weir_metrics_counters(metrics, &counts);
    for (int i = 0; i < 40; i++) {
        snprintf(value, sizeof value, "v%d", i);
        weir_count(weir_family_counter(family, (const char *const[]){value}));
    }
    weir_observe(weir_family_histogram(weir_metrics_histograms(metrics, &times), NULL), 2000);
    weir_metrics_write(metrics, result);
    weir_metrics_free(metrics);
    bool whole = !result->failed && result->at != NULL && strstr(result->at, "v0\"") != NULL &&
                 strstr(result->at, "times_seconds_count 1") != NULL;
    for (int i = 0; whole && i < 40; i++) {
        snprintf(value, sizeof value, "v%d\"", i);
        whole = strstr(result->at, value) != NULL;
    }
    return checked(result, whole ? WEIR_OK : WEIR_NO_MEMORY);
}

static enum weir_status a_target(struct weir_text *result)
{
    struct weir_target target;
    enum weir_status status = weir_target_parse(&target, "/a%20b?c=d&e");
    if (status == WEIR_OK)
        weir_text_format(result, "%s %zu %s", target.path, target.count,
                         weir_target_argument(&target, "c"));
    weir_target_close(&target);
    return checked(result, status);
}

static void what_is_served(void **state)
{
    (void)state;
    RUN_OUT(a_scrape);
    RUN_OUT(a_target);
}

static void services_and_batches(void **state)
{
    (void)state;
    RUN_OUT(a_service);
    events = REPLY("*1\r\n*2\r\n$15\r\n{orders}:events\r\n*2\r\n"
                   "*2\r\n$3\r\n1-1\r\n*2\r\n$4\r\ntype\r\n$1\r\nA\r\n"
                   "*2\r\n$3\r\n1-2\r\n*2\r\n$4\r\ntype\r\n$1\r\nB\r\n");
    RUN_OUT(a_batch);
    freeReplyObject(events);
}

/* An answer may be shared by several who do not see what it came to: a hash that could not be kept
 * must not look like one that is not there. */
static void what_could_not_be_kept_is_not_loaded(void **state)
{
    (void)state;
    struct weir_loaded loaded = {0};
    redisReply *hash = REPLY("*2\r\n$6\r\nlatest\r\n$1\r\n1\r\n");
    test_memory_fail(1, false);
    enum weir_status status = weir_snapshot_fill(&loaded, hash);
    assert_true(test_memory_recover());
    assert_int_equal(status, WEIR_NO_MEMORY);
    assert_false(loaded.loaded);
    assert_int_equal(weir_snapshot_fill(&loaded, hash), WEIR_OK);
    assert_true(loaded.loaded);
    assert_string_equal(weir_loaded_value(&loaded, "latest"), "1");
    free(loaded.values);
    freeReplyObject(hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages),       cmocka_unit_test(texts_from_outside),
        cmocka_unit_test(sagas),          cmocka_unit_test(services_and_batches),
        cmocka_unit_test(what_is_served), cmocka_unit_test(what_could_not_be_kept_is_not_loaded),
    };
    test_memory_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
