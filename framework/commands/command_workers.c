/* weir workers: who works for which service, and how much. */
#include <stdlib.h>
#include <string.h>

#include "commands/command.h"
#include "commands/live_worker.h"
#include "commands/print.h"
#include "commands/service_names.h"
#include "commands/service_tables.h"
#include "redis/key_names.h"
#include "redis/pipeline.h"

static const struct weir_option options[] = {WEIR_WATCH_OPTION, WEIR_COMMON_OPTIONS};

/* The services' workers one behind the other; NULL and an error. */
static json_t *read_workers(struct weir_session *session, const char *const *services, size_t count,
                            int64_t now_ms, struct weir_error *error)
{
    struct weir_pipeline asking = {0};
    char key[WEIR_KEY_MAX];
    json_t *rows = json_array();
    for (size_t i = 0; i < count; i++)
        weir_pipeline_add(&asking, "HGETALL",
                          weir_key_workers(key, session->settings.prefix, services[i]), NULL);
    enum weir_status status = weir_pipeline_run(&asking, &session->client, error);
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        const redisReply *pairs = weir_pipeline_answer(&asking, i);
        status = weir_client_error_of(&session->client, "HGETALL", pairs, error);
        json_t *some = weir_workers_describe(services[i], pairs, now_ms);
        json_array_extend(rows, some);
        json_decref(some);
    }
    weir_pipeline_close(&asking);
    if (status == WEIR_OK)
        return rows;
    json_decref(rows);
    return NULL;
}

static json_t *read_all(struct weir_session *session, int64_t now_ms, struct weir_error *error)
{
    json_t *services = weir_services_registered(session, error), *rows = NULL;
    size_t count = 0;
    if (!services)
        return NULL;
    const char **names = weir_names_sorted(services, &count);
    if (names)
        rows = read_workers(session, names, count, now_ms, error);
    else
        weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    free(names);
    json_decref(services);
    return rows;
}

static int report(const struct weir_session *session, json_t *rows, int64_t now_ms)
{
    if (session->settings.json)
        return weir_print_json(json_pack("{s:I, s:O}", "now", (json_int_t)now_ms, "workers", rows));
    return weir_workers_print(rows, now_ms);
}

static int run(struct weir_session *session, int count, char **operands)
{
    struct weir_error error = {0};
    int64_t now_ms = 0;
    json_t *rows = NULL;
    const char *service = count > 0 ? operands[0] : NULL;
    if (service && weir_service_check(service) != WEIR_EXIT_FINE)
        return WEIR_EXIT_USAGE;
    int code = weir_session_connect(session);
    if (code != WEIR_EXIT_FINE)
        return code;
    if (weir_session_now(session, &now_ms, &error) == WEIR_OK)
        rows = service ? read_workers(session, &service, 1, now_ms, &error)
                       : read_all(session, now_ms, &error);
    if (!rows)
        code = weir_fail_by(&error);
    else if (service && json_array_size(rows) == 0 && !weir_service_known(session, service))
        code = weir_service_fail_unknown(service);
    else
        code = report(session, rows, now_ms);
    json_decref(rows);
    return code;
}

const struct weir_command weir_command_workers = {
    .name = "workers",
    .operands = "[service]",
    .summary = "Lists the workers of all services, or of one",
    .notes = "Each worker gives a sign of life every 5s. state is alive, silent (none for 15s) or\n"
             "gone (none for 1m; others take over what it had in hand). The counts are since it\n"
             "started; rate is what it handled a second before its last sign.",
    .options = options,
    .operands_maximum = 1,
    .run = run,
};
