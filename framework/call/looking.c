/* Asks the server for its role: no data's key is needed for that, and a master that has become a
 * replica goes on answering what only reads. */
#include "call/looking.h"

#include <stdlib.h>

#include "redis/role.h"

struct looking {
    struct weir_errand errand;
    weir_looked *answered;
    void *user;
    struct weir_error why; /* none: it is there */
};

static void ask(struct weir_errand *errand, const char *prefix, struct weir_pipeline *pipeline)
{
    (void)errand, (void)prefix;
    weir_pipeline_add(pipeline, "ROLE", NULL);
}

/* A server that does not tell its role to this user is there all the same. */
static void take(struct weir_errand *errand, const struct weir_client *client,
                 redisReply *const *replies, size_t count)
{
    struct looking *looking = (struct looking *)errand;
    struct weir_error role = {0}, refusal = {0};
    (void)count;
    errand->ended = errand->heard = true;
    errand->no_master = weir_role_read(replies[0], &role) == WEIR_ROLE_OTHER;
    if (errand->no_master)
        weir_error_set(&looking->why, role.status, "%s: %s", client->server, role.text);
    else if (weir_client_error_of(client, "ROLE", replies[0], &refusal) == WEIR_UNAVAILABLE)
        looking->why = refusal;
}

static void give_up(struct weir_errand *errand, const char *why)
{
    struct looking *looking = (struct looking *)errand;
    weir_error_set(&looking->why, WEIR_UNAVAILABLE, "%s",
                   why[0] != '\0' ? why : "the server has not answered in time");
    errand->ended = true;
}

static enum weir_look found(const struct looking *looking)
{
    if (looking->why.status == WEIR_OK)
        return WEIR_LOOK_THERE;
    if (looking->errand.denied)
        return WEIR_LOOK_DENIED;
    return looking->errand.heard ? WEIR_LOOK_OTHER : WEIR_LOOK_SILENT;
}

static void answer(struct weir_errand *errand)
{
    struct looking *looking = (struct looking *)errand;
    looking->answered(looking->user, found(looking), looking->why.text);
    free(looking);
}

static const struct weir_errand_kind kind = {
    .ask = ask, .take = take, .give_up = give_up, .answer = answer};

struct weir_errand *weir_looking_new(int64_t limit_ms, weir_looked *answered, void *user)
{
    struct looking *made = calloc(1, sizeof *made);
    if (made == NULL)
        return NULL;
    weir_errand_begin(&made->errand, &kind, limit_ms);
    made->errand.weight = 0;
    made->answered = answered;
    made->user = user;
    return &made->errand;
}
