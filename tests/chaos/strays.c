/* Messages that nobody waits for. */
#include "strays.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stray {
    struct strays *strays;
    struct sender *sender;
    struct chaos_random *random;
    bool over; /* the sender's time is */
};

struct step {
    const char *name, *commands, *type;
};

static const struct step steps[] = {
    {"create-order", "{orders}:commands", "CreateOrder"},
    {"reserve-stock", "{catalog}:commands", "ReserveStock"},
    {"process-payment", "{payments}:commands", "ProcessPayment"},
    {"send-shipping-notification", "{notifications}:commands", "SendShippingNotification"},
};

void strays_know(struct strays *strays, const char *saga)
{
    snprintf(strays->known[strays->count++ % STRAYS_KNOWN], sizeof strays->known[0], "%s", saga);
}

/* ---- Asking ------------------------------------------------------------------------------ */

static redisReply *ask(struct stray *stray, int argc, const char **argv)
{
    redisReply *reply = chaos_ask(stray->sender, argc, argv, NULL);
    if (reply == NULL)
        stray->over = true;
    return reply;
}

static bool add(struct stray *stray, int argc, const char **argv)
{
    redisReply *reply = ask(stray, argc, argv);
    if (reply != NULL)
        freeReplyObject(reply);
    return reply != NULL;
}

/* One of the last `span` sagas, NULL where there is none. */
static const char *some_saga(struct stray *stray, unsigned span)
{
    const struct strays *strays = stray->strays;
    if (strays->count == 0)
        return NULL;
    if (span > strays->count)
        span = strays->count;
    return strays
        ->known[(strays->count - 1 - chaos_random_below(stray->random, span)) % STRAYS_KNOWN];
}

/* The value of a saga's field as a text to be freed, or NULL. */
static char *saga_field(struct stray *stray, const char *saga, const char *field)
{
    char key[64], *value = NULL;
    snprintf(key, sizeof key, "{sagas}:saga:%s", saga);
    const char *command[] = {"HGET", key, field};
    redisReply *reply = ask(stray, 3, command);
    if (reply != NULL && reply->type == REDIS_REPLY_STRING)
        value = strdup(reply->str);
    if (reply != NULL)
        freeReplyObject(reply);
    return value;
}

static bool has_ended(struct stray *stray, const char *saga)
{
    char *state = saga_field(stray, saga, "state");
    bool ended =
        state != NULL && (strcmp(state, "completed") == 0 || strcmp(state, "compensated") == 0);
    free(state);
    return ended;
}

static bool reply_to(struct stray *stray, const char *saga, const char *step, const char *type)
{
    const char *reply[] = {"XADD", "{sagas}:replies", "*",       "type", type, "saga", saga, "step",
                           step,   "action",          "execute", "data", "{}"};
    return add(stray, 13, reply);
}

/* ---- The kinds: each is true where one was sent ------------------------------------------ */

static bool ghost_reply(struct stray *stray)
{
    char saga[32];
    snprintf(saga, sizeof saga, "ghost-%u", chaos_random_below(stray->random, 1000000));
    return reply_to(stray, saga, "create-order", "StepSucceeded");
}

/* Forged for a saga that is under way it would be believed, so it has to have ended. */
static bool reply_after_end(struct stray *stray)
{
    const char *saga = some_saga(stray, STRAYS_KNOWN);
    const struct step *step = &steps[chaos_random_below(stray->random, 4)];
    const char *type = chaos_random_below(stray->random, 2) ? "StepSucceeded" : "StepFailed";
    return saga != NULL && has_ended(stray, saga) && reply_to(stray, saga, step->name, type);
}

static bool reply_of_no_step(struct stray *stray)
{
    const char *saga = some_saga(stray, 20);
    return saga != NULL && reply_to(stray, saga, "no-such-step", "StepSucceeded");
}

/* Appends what stands in the stream now once more. */
static bool copy_entry(struct stray *stray, const char *stream)
{
    const char *range[] = {"XRANGE", stream, "-", "+", "COUNT", "1"};
    redisReply *entries = ask(stray, 6, range);
    const char *command[3 + 64] = {"XADD", stream, "*"};
    int count = 3;
    bool sent = false;
    if (entries != NULL && entries->elements == 1 && entries->element[0]->elements == 2) {
        const redisReply *fields = entries->element[0]->element[1];
        for (size_t i = 0; i < fields->elements && i < 64; i++)
            command[count++] = fields->element[i]->str;
        /* nonsense is not to be multiplied: it would be looked for once */
        if (fields->elements >= 2 && strcmp(fields->element[0]->str, "type") == 0 &&
            strcmp(fields->element[fields->elements - 2]->str, "subject") != 0)
            sent = add(stray, count, command);
    }
    if (entries != NULL)
        freeReplyObject(entries);
    return sent;
}

static bool copied_reply(struct stray *stray)
{
    return copy_entry(stray, "{sagas}:replies");
}

static bool copied_command(struct stray *stray)
{
    return copy_entry(stray, "{sagas}:commands");
}

/* Only what has been sent at some time may be sent again: a forged command would be carried out. */
static bool repeated_command(struct stray *stray)
{
    const char *saga = some_saga(stray, STRAYS_KNOWN);
    const struct step *step = &steps[chaos_random_below(stray->random, 4)];
    char field[64], id[96];
    char *data, *attempts;
    bool sent = false;
    if (saga == NULL)
        return false;
    snprintf(field, sizeof field, "step:%s:attempts", step->name);
    snprintf(id, sizeof id, "%s/%s/execute", saga, step->name);
    attempts = saga_field(stray, saga, field);
    data = saga_field(stray, saga, "data");
    if (data != NULL && attempts != NULL && atoi(attempts) > 0) {
        const char *command[] = {"XADD",    step->commands, "*",  "type", step->type, "id",
                                 id,        "saga",         saga, "step", step->name, "action",
                                 "execute", "data",         data};
        sent = add(stray, 15, command);
    }
    free(attempts);
    free(data);
    return sent;
}

static bool cancellation(struct stray *stray)
{
    const char *saga = some_saga(stray, 10);
    const char *order[] = {"XADD", "{sagas}:commands", "*", "type", "CancelSaga", "saga", saga};
    return saga != NULL && add(stray, 7, order);
}

static bool signal_of_nobody(struct stray *stray)
{
    char saga[32];
    snprintf(saga, sizeof saga, "nobody-%u", chaos_random_below(stray->random, 1000000));
    const char *order[] = {"XADD", "{sagas}:commands", "*", "type", "SignalSaga", "saga",
                           saga,   "signal",           "go"};
    return add(stray, 9, order);
}

static bool signal_of_no_step(struct stray *stray)
{
    const char *saga = some_saga(stray, 20);
    const char *order[] = {"XADD", "{sagas}:commands", "*", "type", "SignalSaga", "saga",
                           saga,   "signal",           "go"};
    return saga != NULL && add(stray, 9, order);
}

static const struct {
    const char *name;
    bool (*send)(struct stray *stray);
    bool changes, believed;
} kinds[STRAY_KINDS] = {
    {"cancellation", cancellation, true, false},
    {"ghost-reply", ghost_reply, false, false},
    {"reply-after-end", reply_after_end, false, true},
    {"reply-of-no-step", reply_of_no_step, false, false},
    {"copied-reply", copied_reply, false, true},
    {"copied-order", copied_command, false, false},
    {"repeated-command", repeated_command, false, true},
    {"signal-of-nobody", signal_of_nobody, false, false},
    {"signal-of-no-step", signal_of_no_step, false, false},
};

bool strays_send(struct strays *strays, struct sender *sender, struct chaos_random *random,
                 bool calm, bool lossy)
{
    struct stray stray = {.strays = strays, .sender = sender, .random = random};
    unsigned kind = chaos_random_below(random, STRAY_KINDS);
    if (!(calm && kinds[kind].changes) && !(lossy && kinds[kind].believed))
        strays->sent[kind] += kinds[kind].send(&stray);
    return !stray.over;
}

void strays_print(const struct strays *strays)
{
    for (size_t i = 0; i < STRAY_KINDS; i++)
        printf("stray %s %lu\n", kinds[i].name, strays->sent[i]);
}
