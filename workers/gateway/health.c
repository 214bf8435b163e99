/* Whether the gateway lives and can do its work, and what its problems are. */
#include "handlers.h"

#define READY_LIMIT_MS 1000

void health_alive(struct request *request)
{
    request_reply(request, 200, json_pack("{s:s}", "status", "alive"));
}

static void on_asked(void *user, enum weir_query_result result, const json_t *value,
                     const char *reason)
{
    struct request *request = user;
    (void)value;
    if (result == WEIR_QUERY_FAILED)
        request_problem(request, PROBLEM_NO_SERVER, NULL, "%s", reason);
    else
        request_reply(request, 200, json_pack("{s:s}", "status", "ready"));
}

/* Any question will do: the desk's connections are to the master alone. */
void health_ready(struct request *request)
{
    if (!weir_desk_hash(request->gateway->desk, "views", "sales", READY_LIMIT_MS, on_asked,
                        request))
        change_busy(request);
}

void problems_show(struct request *request)
{
    const struct problem_kind *kind = problem_named(request->match.id);
    if (kind == NULL)
        request_problem(request, PROBLEM_ABSENT, NULL, "there is no such problem");
    else
        request_reply_text(request, 200, kind->about);
}
