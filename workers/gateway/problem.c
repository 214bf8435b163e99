/* The kinds of problems, and their JSON. */
#include "problem.h"

#include <stdio.h>
#include <string.h>

static const struct problem_kind kinds[PROBLEM_COUNT] = {
    [PROBLEM_MALFORMED] =
        {"malformed", "The request is malformed", 400, 0,
         "`field` and `detail` say what is wrong and what is allowed. Repeated as "
         "it is, it will be refused again."},
    [PROBLEM_NO_SUCH_PATH] = {"no-such-path", "There is nothing at this path", 404, 0,
                              "The path belongs to no resource of the shop."},
    [PROBLEM_ABSENT] = {"absent", "There is no such thing", 404, 0,
                        "All that has been published was looked through: it is not there."},
    [PROBLEM_METHOD] = {"method", "The path does not take this method", 405, 0,
                        "The header Allow lists the methods that it takes."},
    [PROBLEM_REFUSED] =
        {"refused", "The shop has refused it", 409, 0,
         "`detail` is the reason of the service. All that had been done is undone."},
    [PROBLEM_OTHER_ORDER] = {"other-order", "Another order has this id", 409, 0,
                             "An order of this id, with other contents, is there already."},
    [PROBLEM_TOO_LARGE] = {"too-large", "The body is too large", 413, 0, "A body may have 16 KiB."},
    [PROBLEM_NO_JSON] = {"no-json", "The body is no JSON", 415, 0,
                         "Bodies are of the type application/json, in UTF-8."},
    [PROBLEM_OTHER_BODY] = {"other-body", "The key was used with another body", 422, 0,
                            "An Idempotency-Key stands for one request. Repeat that, or take "
                            "another key."},
    [PROBLEM_INSIDE] = {"inside", "The gateway has failed", 500, 0,
                        "Its log says more. What was sent on may have been done: repeat it with "
                        "the same key."},
    [PROBLEM_BUSY] = {"busy", "Too much is in hand", 503, 1,
                      "Nothing has been done. Repeat it a little later."},
    [PROBLEM_NO_SERVER] = {"no-server", "The server of the shop does not serve it now", 503, 1,
                           "It cannot be reached, or refuses for now; the gateway's log says why. "
                           "Nothing has been done by this request. Repeat it a little later.",
                           "it cannot be reached, or refuses for now; nothing has been done"},
    [PROBLEM_BROKEN_VIEW] = {"broken-view", "The read model is broken", 500, 0,
                             "Something else stands in its place, as `detail` says. It has to be "
                             "mended there; to repeat the request does not help."},
    [PROBLEM_UNKNOWN] = {"outcome-unknown", "It is not known whether it was accepted", 503, 1,
                         "It may have been done, or be done yet, or not. Repeat it with the same "
                         "Idempotency-Key or orderId: then it is done once. The gateway's log says "
                         "what has happened.",
                         "the server's answer has not come; repeat the request as it is"},
    [PROBLEM_BEHIND] = {"behind", "The read model is behind", 503, 1,
                        "Not found so far, but not all that was published has been looked "
                        "through."},
    [PROBLEM_STOPPING] = {"stopping", "The gateway is stopping", 503, 1,
                          "Nothing has been done. Another gateway takes it."},
};

const struct problem_kind *problem_kind(enum problem problem)
{
    return &kinds[problem];
}

const struct problem_kind *problem_named(const char *name)
{
    for (size_t i = 0; i < PROBLEM_COUNT; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

json_t *problem_json(const char *text)
{
    json_t *made = text != NULL ? json_string(text) : NULL;
    char plain[512];
    if (made != NULL || text == NULL)
        return made;
    snprintf(plain, sizeof plain, "%s", text);
    for (char *c = plain; *c != '\0'; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    return json_string(plain);
}

char *problem_text(enum problem problem, const char *detail, const char *field, const char *order)
{
    const struct problem_kind *kind = &kinds[problem];
    char type[64], *text;
    json_t *json;
    snprintf(type, sizeof type, "/problems/%s", kind->name);
    json = json_pack("{s:s, s:s, s:i, s:o*, s:o*, s:o*}", "type", type, "title", kind->title,
                     "status", (int)kind->status, "detail",
                     problem_json(kind->told != NULL ? kind->told : detail), "field",
                     problem_json(field), "orderId", problem_json(order));
    text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}
