/* Sends a command and asks for the mark of its id until that tells what became of it. */
#include "call/outgoing.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/backoff.h"
#include "call/confirm.h"
#include "call/patience.h"
#include "message/envelope.h"
#include "message/mark.h"
#include "redis/key_names.h"
#include "redis/reply.h"

#define PARTS_MAX 8 /* names and values */

struct parts {
    const char *at[PARTS_MAX];
    size_t count;
    char delay[24];
};

char *weir_random_id(char *id)
{
    snprintf(id, WEIR_RANDOM_ID_MAX, "%016llx%016llx", (unsigned long long)weir_random_seed(),
             (unsigned long long)weir_random_seed());
    return id;
}

/* ---- Sending ----------------------------------------------------------------------------- */

static void add(struct parts *parts, const char *name, const char *value)
{
    if (value == NULL)
        return;
    parts->at[parts->count++] = name;
    parts->at[parts->count++] = value;
}

static void lay_out(const struct weir_outgoing *outgoing, struct parts *parts)
{
    parts->count = 0;
    snprintf(parts->delay, sizeof parts->delay, "%lld", (long long)outgoing->delay_ms);
    add(parts, "type", outgoing->type);
    add(parts, "data", outgoing->data != NULL ? outgoing->data : "{}");
    add(parts, "id", outgoing->id);
    add(parts, "delay", outgoing->delay_ms != 0 ? parts->delay : NULL);
}

enum weir_status weir_outgoing_check(const struct weir_outgoing *outgoing, struct weir_error *error)
{
    struct weir_slice slices[PARTS_MAX];
    struct weir_error first = {0};
    struct parts parts;
    weir_message *message;
    enum weir_status status;
    if (!weir_name_valid(outgoing->service, strlen(outgoing->service)))
        return weir_error_set(error, WEIR_INVALID,
                              "service: '%.64s' is no name of a service; it must be a letter and "
                              "then letters, digits, '_' or '-', 64 bytes at most",
                              outgoing->service);
    lay_out(outgoing, &parts);
    for (size_t i = 0; i < parts.count; i++)
        slices[i] = weir_slice_of(parts.at[i]);
    message = weir_message_new("", "", slices, parts.count);
    if (message == NULL)
        return weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    status = weir_message_decode(message, WEIR_DATA_MAX_DEFAULT, 1, &first);
    weir_message_free(message);
    return status == WEIR_OK ? status : weir_error_set(error, status, "%s", first.text);
}

enum weir_status weir_outgoing_send(const struct weir_outgoing *outgoing,
                                    struct weir_client *client, char *entry,
                                    struct weir_error *error)
{
    struct weir_error first = {0};
    const char *arguments[3 + PARTS_MAX] = {"XADD"};
    char key[WEIR_KEY_MAX];
    struct weir_slice id = {"", 0};
    struct parts parts;
    redisReply *reply;
    lay_out(outgoing, &parts);
    arguments[1] = weir_key_commands(key, outgoing->prefix, outgoing->service);
    arguments[2] = "*";
    memcpy(&arguments[3], parts.at, parts.count * sizeof parts.at[0]);
    reply = weir_client_call(client, &first, 3 + parts.count, arguments, NULL);
    if (reply == NULL)
        return weir_error_set(error, first.status, "%s", first.text);
    if (!weir_reply_text(reply, &id) || id.length >= WEIR_ENTRY_ID_MAX)
        weir_error_set(&first, WEIR_UNKNOWN, "%s gave no entry id", client->server);
    snprintf(entry, WEIR_ENTRY_ID_MAX, "%.*s", (int)id.length, id.at);
    freeReplyObject(reply);
    return first.status == WEIR_OK ? WEIR_OK
                                   : weir_error_set(error, first.status, "%s", first.text);
}

/* ---- Marks ------------------------------------------------------------------------------- */

enum weir_mark_verdict weir_mark_judge(const struct weir_mark *mark, const char *entry, bool any)
{
    if (mark->kind == WEIR_MARK_DONE)
        return WEIR_MARK_SAYS_DONE;
    /* what became of another copy of this id says nothing of ours */
    if (mark->kind == WEIR_MARK_NONE ||
        (!any && (entry[0] == '\0' || !weir_slice_equals(mark->entry, entry))))
        return WEIR_MARK_SAYS_NOTHING;
    return mark->kind == WEIR_MARK_REFUSED ? WEIR_MARK_SAYS_REFUSED : WEIR_MARK_SAYS_UNKNOWN;
}

void weir_call_take_token(struct weir_call_answer *answer, const struct weir_mark *mark)
{
    char text[2 * WEIR_TOKEN_MAX];
    if (mark->stream.length > 0 && mark->entry.length > 0)
        snprintf(text, sizeof text, "%.*s/%.*s", (int)mark->stream.length, mark->stream.at,
                 (int)mark->entry.length, mark->entry.at);
    else
        text[0] = '\0';
    (void)weir_token_read(text, &answer->token);
}

void weir_call_reason(struct weir_call_answer *answer, struct weir_slice reason)
{
    snprintf(answer->reason, sizeof answer->reason, "%.*s", (int)reason.length, reason.at);
    for (char *c = answer->reason; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
}

/* ---- Its end ----------------------------------------------------------------------------- */

struct call {
    const struct weir_outgoing *outgoing;
    struct weir_client *client;
    struct weir_call_answer *answer;
    struct weir_patience patience;
    bool known;
    enum weir_call_result result;
};

static void end(struct call *call, enum weir_call_result result, const char *format, ...)
    WEIR_PRINTF(3, 4);

static void end(struct call *call, enum weir_call_result result, const char *format, ...)
{
    char reason[sizeof call->answer->reason];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    weir_call_reason(call->answer, weir_slice_of(reason));
    call->known = true;
    call->result = result;
}

/* Done it is, but it counts only once it is as durable as the service asks; the mark was seen on
 * this connection. To ask again is safe: the id is done. */
static void end_done(struct call *call, const struct weir_mark *mark)
{
    const struct weir_outgoing *outgoing = call->outgoing;
    struct weir_error error = {0};
    if (weir_durability_wanted(mark->need) &&
        weir_confirm(call->client, outgoing->prefix, outgoing->service, mark->need, &call->patience,
                     &error) != WEIR_OK) {
        end(call, WEIR_CALL_UNKNOWN, "%s", error.text);
        return;
    }
    weir_call_take_token(call->answer, mark);
    end(call, WEIR_CALL_DONE, "%s", "");
}

static void end_by(struct call *call, const struct weir_mark *mark)
{
    enum weir_mark_verdict verdict = weir_mark_judge(mark, call->answer->entry, false);
    call->answer->not_taken = call->answer->not_taken && verdict == WEIR_MARK_SAYS_NOTHING;
    if (verdict == WEIR_MARK_SAYS_DONE)
        end_done(call, mark);
    else if (verdict != WEIR_MARK_SAYS_NOTHING)
        end(call, verdict == WEIR_MARK_SAYS_REFUSED ? WEIR_CALL_REFUSED : WEIR_CALL_UNKNOWN, "%.*s",
            (int)mark->reason.length, mark->reason.at);
}

/* A server that does not serve now has done nothing, but what is to be done about it is the same:
 * to send it again. */
static void end_by_error(struct call *call, const struct weir_error *error, bool sent)
{
    bool refused = error->status == WEIR_REFUSED || error->status == WEIR_DENIED;
    end(call, refused && !sent ? WEIR_CALL_REFUSED : WEIR_CALL_UNKNOWN, "%s", error->text);
}

static void send(struct call *call)
{
    struct weir_error error = {0};
    enum weir_status status;
    weir_patience_bind(&call->patience, call->client);
    status = weir_outgoing_send(call->outgoing, call->client, call->answer->entry, &error);
    call->answer->not_taken =
        status == WEIR_UNAVAILABLE || status == WEIR_REFUSED || status == WEIR_DENIED;
    if (status != WEIR_OK)
        end_by_error(call, &error, false);
}

static void look(struct call *call, bool sent)
{
    char key[WEIR_KEY_MAX];
    const struct weir_outgoing *outgoing = call->outgoing;
    struct weir_error error = {0};
    struct weir_slice text = {"", 0};
    struct weir_mark mark;
    redisReply *reply;
    weir_patience_bind(&call->patience, call->client);
    weir_key_seen(key, outgoing->prefix, outgoing->service, outgoing->id);
    reply = weir_client_ask(call->client, &error, "GET", key, NULL);
    if (reply == NULL) {
        end_by_error(call, &error, sent);
        return;
    }
    (void)weir_reply_text(reply, &text);
    mark = weir_mark_read(text);
    end_by(call, &mark);
    freeReplyObject(reply);
}

static void await(struct call *call, int64_t limit_ms)
{
    for (look(call, true); !call->known; look(call, true))
        if (!weir_patience_pause(&call->patience)) {
            end(call, WEIR_CALL_UNKNOWN, "nothing is known of it after %lld ms",
                (long long)limit_ms);
            return;
        }
}

enum weir_call_result weir_outgoing_call(const struct weir_outgoing *outgoing,
                                         struct weir_client *client, bool fresh, int64_t limit_ms,
                                         struct weir_call_answer *answer)
{
    struct call call = {.outgoing = outgoing, .client = client, .answer = answer};
    memset(answer, 0, sizeof *answer);
    snprintf(answer->id, sizeof answer->id, "%s", outgoing->id);
    answer->not_taken = true;
    weir_patience_begin(&call.patience, limit_ms);
    if (!fresh)
        look(&call, false);
    if (!call.known)
        send(&call);
    if (!call.known)
        await(&call, limit_ms);
    return call.result;
}

enum weir_call_result weir_outgoing_confirm(const struct weir_outgoing *outgoing,
                                            struct weir_client *client, int64_t limit_ms,
                                            struct weir_call_answer *answer)
{
    struct call call = {.outgoing = outgoing, .client = client, .answer = answer};
    memset(answer, 0, sizeof *answer);
    snprintf(answer->id, sizeof answer->id, "%s", outgoing->id);
    weir_patience_begin(&call.patience, limit_ms);
    look(&call, false);
    if (!call.known)
        end(&call, WEIR_CALL_UNKNOWN, "%s",
            "it was done, but the server does not know it any more");
    return call.result;
}
