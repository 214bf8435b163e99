/* Takes a service out of the register. */
#include "commands/service_forget.h"

#include <stdio.h>

#include "base/text.h"
#include "commands/action.h"
#include "commands/output.h"
#include "commands/print.h"
#include "commands/service_look.h"
#include "commands/service_names.h"
#include "redis/key_names.h"
#include "redis/reply.h"

/* How the service stands, as an array of one row. NULL and an error: WEIR_NOT_FOUND where it is not
 * in the register. */
static json_t *look(struct weir_session *session, const char *service, struct weir_error *error)
{
    int64_t now_ms = 0;
    json_t *registered = weir_services_registered(session, error), *rows = NULL;
    json_t *last_sign = json_object_get(registered, service);
    if (registered && !last_sign)
        weir_error_set(error, WEIR_NOT_FOUND, "no service %s is registered", service);
    else if (registered && weir_session_now(session, &now_ms, error) == WEIR_OK) {
        json_t *chosen = json_pack("{s:O}", service, last_sign);
        rows = weir_services_look(session, chosen, now_ms, NULL, error);
        json_decref(chosen);
    }
    json_decref(registered);
    return rows;
}

/* One that is started meanwhile enters its service anew. */
static int check_workers(const char *service, const json_t *row)
{
    const json_t *workers = json_object_get(row, "workers");
    json_int_t alive = json_integer_value(json_object_get(workers, "alive"));
    json_int_t silent = json_integer_value(json_object_get(workers, "silent"));
    if (!json_is_object(workers))
        return weir_fail(WEIR_EXIT_FAILED, "whether %s has workers is not told: %s", service,
                         json_string_value(json_object_get(row, "problem")));
    if (alive + silent == 0)
        return WEIR_EXIT_FINE;
    return weir_fail(WEIR_EXIT_FAILED,
                     "%s has %lld live workers, %lld of them silent; forget a service when it has "
                     "none any more",
                     service, (long long)(alive + silent), (long long)silent);
}

static void tell_what_stays(struct weir_session *session, const char *service, const json_t *row)
{
    static const struct {
        const char *name, *what;
    } counts[] = {
        {"backlog", "in its inboxes"}, {"scheduled", "scheduled"}, {"dead", "dead letters"}};
    struct weir_text left = {0};
    struct weir_error error = {0};
    json_t *defined = json_object();
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        json_int_t count = json_integer_value(json_object_get(row, counts[i].name));
        if (count > 0)
            weir_text_format(&left, "%s%lld %s", left.length > 0 ? ", " : "", (long long)count,
                             counts[i].what);
    }
    if (left.at)
        weir_remark("its messages stay: %s; weir services %s shows them", left.at, service);
    if (weir_services_add_defined(session, defined, &error) == WEIR_OK &&
        json_object_get(defined, service))
        weir_remark("a definition of sagas names %s, so that it is listed all the same", service);
    json_decref(defined);
    weir_text_close(&left);
}

static int forget(struct weir_session *session, const char *service)
{
    char key[WEIR_KEY_MAX];
    struct weir_error error = {0};
    int64_t removed = 0;
    weir_act(session, "services forget", "%s", service);
    redisReply *reply =
        weir_client_ask(&session->client, &error, "HDEL",
                        weir_key_services(key, session->settings.prefix), service, NULL);
    if (!reply)
        return weir_fail_by(&error);
    (void)weir_reply_integer(reply, &removed);
    freeReplyObject(reply);
    if (removed == 0)
        return weir_fail(WEIR_EXIT_FAILED, "%s has just been forgotten by somebody else", service);
    if (session->settings.json)
        return weir_print_json(json_pack("{s:s, s:b}", "service", service, "forgotten", 1));
    fprintf(weir_output(), "%s is forgotten; a worker of it that starts enters it anew\n", service);
    return WEIR_EXIT_FINE;
}

int weir_service_forget(struct weir_session *session, const char *service)
{
    struct weir_error error = {0};
    json_t *rows = look(session, service, &error), *row = json_array_get(rows, 0);
    if (!rows)
        return weir_fail_by(&error);
    int code = check_workers(service, row);
    if (code == WEIR_EXIT_FINE)
        code = forget(session, service);
    if (code == WEIR_EXIT_FINE)
        tell_what_stays(session, service, row);
    json_decref(rows);
    return code;
}
