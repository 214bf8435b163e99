/*
 * weir: services on Redis Streams whose every handler commits all its effects, and the
 * acknowledgement of its message, in one atomic step on the server.
 *
 * This is the only header that a worker includes. A worker is a table of handlers and a main of a
 * few lines:
 *
 *     static enum weir_outcome open_account(weir_context *context, const weir_message *message)
 *     {
 *         int64_t balance;
 *         if (!weir_require_integer(context, "balance", 0, INT64_MAX, &balance))
 *             return WEIR_REJECT;
 *         weir_hset_integer(context, NULL, "balance", balance);
 *         weir_publish(context, "AccountOpened", NULL, "{s:I}", "balance", balance);
 *         return WEIR_DONE;
 *     }
 *
 *     int main(int argc, char **argv)
 *     {
 *         weir_service *service = weir_service_new("payments");
 *         weir_on_command(service, "OpenAccount", open_account, "account:{customerId}");
 *         return weir_main(service, argc, argv);
 *     }
 *
 * Threads: none of this may be called from more than one thread; everything runs in one loop. What
 * stands under "From outside" is for other programs, one connection for each thread.
 */
#ifndef WEIR_H
#define WEIR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_VERSION "0.1.0"

struct ev_loop;

typedef struct weir_service weir_service;
typedef struct weir_message weir_message; /* what has come in; read only */
typedef struct weir_context weir_context; /* the handling of one message: what it has loaded and
                                             what it wants done */

/* What a handler answers. */
enum weir_outcome {
    WEIR_DONE,   /* commit all effects and acknowledge */
    WEIR_RETRY,  /* drop the effects and deliver again later, with back-off; counts as a delivery */
    WEIR_REJECT, /* drop the effects: a business refusal. A saga step answers StepFailed, any other
                    message goes to the service's dead letters. Give the reason by weir_reason. */
    WEIR_DISCARD, /* drop the effects and acknowledge without answer or trace; of a projection see
                     weir_project */
    WEIR_AGAIN,   /* only by weir_finish: load the state anew and call the handler once more */
    WEIR_DEFERRED /* the outcome comes later, by weir_finish; only after weir_defer */
};

/* Handles one message. Called again for the same message after a crash, a lost answer, a failover
 * or when loaded state has changed under it: everything it does by the functions below is committed
 * once, or not at all; for effects outside Redis it has weir_idempotency_key. */
typedef enum weir_outcome weir_handler(weir_context *context, const weir_message *message);

/* ---- Services ------------------------------------------------------------------------------ */

/* A service named [A-Za-z][A-Za-z0-9_-]*, at most 64 bytes; it owns every key that begins with
 * "{name}:". Never fails here: memory that ran out and bad names are reported by weir_main. */
weir_service *weir_service_new(const char *name);
void weir_service_free(weir_service *service);

/* Handles commands of a type, which reach the service on "{name}:commands".
 *
 * `load` names the state to load before the handler runs, as hashes of this service separated by
 * blanks, at most four; "{field}" stands for a text or whole number in the message's data:
 * "account:{customerId} payment:{orderId}". NULL loads nothing. What the handler reads of it is
 * checked again by the commit; where it has changed, the handler runs again on fresh state.
 * Messages with the same first key never overlap in one process and keep their order.
 * The texts are borrowed and have to outlive the service. */
void weir_on_command(weir_service *service, const char *type, weir_handler *handler,
                     const char *load);

/* Handles events of a type that another service publishes, once for the whole of this service
 * (a consumer group on "{source}:events"). */
void weir_on_event(weir_service *service, const char *source, const char *type,
                   weir_handler *handler, const char *load);

/* Folds events into read models of this service: a projection `name` over the events of any number
 * of services. Its position moves in the commit that writes the model, so each event counts once.
 * Of one source the events come in order; of different sources in any order. Of several processes
 * one folds, the others stand by.
 *
 * The handler sees what it has loaded and written. It writes read models and does nothing else, so
 * that they can be built anew at any time (weir projection rebuild): no messages, no outside
 * effects, no clock but the event's; weir_expire counts from the event on, and what should be gone
 * already when it is folded goes within a minute. Its outcome is WEIR_DONE, or WEIR_DISCARD for an
 * event that is malformed: that goes to the dead letters of this service with the reason given, and
 * the projection goes on. Anything else stops it at this event, until it is tried again or an
 * operator skips it.
 *
 * What stands before the first ':' of a model's key is its kind; keys of one kind belong to one
 * projection alone, and to no handler of messages. */
void weir_project(weir_service *service, const char *name, const char *source, const char *type,
                  weir_handler *handler, const char *load);

/* ---- Versions of events -------------------------------------------------------------------- */
/* The data of an event may change its shape; a version, a whole number from 1 to 1000000, tells
 * which shape it has. It travels as the message's field `version`; left out, it is 1. Commands have
 * no versions. The texts given here are borrowed and have to outlive the service. */

/* Declares which version of a type this service publishes: weir_publish then adds the field.
 * Without it the version is 1. Once for each type. */
void weir_event_version(weir_service *service, const char *type, int64_t version);

/* Turns data of one version into data of the next, in place. false: it cannot; the event then goes
 * to the dead letters as not understood, as it came. It may be called again for the same event,
 * with the data as it was, so it depends on nothing else. */
typedef bool weir_upcaster(json_t *data);

/* How events of a type that `source` publishes get from version `from` to from + 1; NULL: their
 * data is as good as that of from + 1. Once for each version.
 *
 * This program then understands the type up to the highest from + 1; where nothing is registered,
 * version 1. Its handlers and projections always see data of that version. An older event goes
 * through one upcaster after the other; where one is missing on the way it is too old and goes to
 * the dead letters as not understood. A newer event is neither skipped nor buried: for a handler it
 * waits on the server, without counting as delivered, until a program that understands it runs;
 * others go on meanwhile. A projection, which keeps its order, is parked by it, and stopped by one
 * that is too old or that an upcaster gives up. So the consumers of a type are renewed first, then
 * its publisher, and where both run side by side the newer one gets the newer events. */
void weir_upcast(weir_service *service, const char *source, const char *type, int64_t from,
                 weir_upcaster *upcaster);

/* ---- Running it ---------------------------------------------------------------------------- */

/* What this service commits counts as done only once it has reached `replicas` replicas (0 to 100)
 * and, with `disk`, the disk of the server. Commits do not wait for that; those who act on them do:
 * the coordinator before it takes a step's success, weir_call and `weir send --wait` before they
 * say done. The options --replicas and --durable-disk ask for more. Where the disk is asked for and
 * the server cannot tell of it (before Redis 7.2 only with appendfsync always), weir_main ends with
 * 78. Replicas that are not connected are waited for. */
void weir_service_durability(weir_service *service, unsigned replicas, bool disk);

/* A pointer of the program's own, to be had again by weir_user in every handler. */
void weir_service_set_user(weir_service *service, void *user);

/* Runs the service until SIGTERM, SIGINT or SIGHUP, after which it finishes what it has begun and
 * returns; a second SIGTERM or SIGINT ends it at once. SIGHUP is ignored where it was before
 * (nohup). Reads the options of every worker (--help shows them). Frees the service. Returns the
 * exit code: 0 stopped as asked, 64 bad usage, 70 a failure inside, 71 it cannot listen, 77 denied
 * by the server, 78 the server cannot do what weir_service_durability asks. A server that is not
 * there is waited for. For the whole process it ignores SIGPIPE, and SIGUSR1 and SIGUSR2 where the
 * program has not given them a meaning; opens standard streams that are closed; and counts
 * jansson's failed allocations, which jansson passes over. Where the event loop finds no memory the
 * process ends with 70. */
int weir_main(weir_service *service_take, int argc, char **argv);

/* ---- The message --------------------------------------------------------------------------- */
/* Texts are borrowed until the handling ends; NULL where the message has no such field. */

const char *weir_message_type(const weir_message *message);
const char *weir_message_id(const weir_message *message); /* the sender's id */
const char *weir_message_source(const weir_message *message);
const char *weir_message_subject(const weir_message *message);
const char *weir_message_traceparent(const weir_message *message);
const char *weir_message_saga(const weir_message *message);
const char *weir_message_step(const weir_message *message);
const char *weir_message_action(const weir_message *message); /* "execute" or "compensate" */
const char *weir_message_stream(const weir_message *message); /* the key it was read from */
const char *weir_message_entry(const weir_message *message);  /* its entry id there */
/* The version of the data as it was published, from 1. */
int64_t weir_message_version(const weir_message *message);
/* The data: always a JSON object, borrowed. Of an event it is of the newest version that this
 * program understands. Of a message that waits (weir_defer) it stays as long as the message, if the
 * handler has asked for it; else its memory is given back until the handler is called again, and
 * who asks meanwhile may get NULL where there is none: then the message is retried, whatever its
 * outcome.
 */
json_t *weir_message_data(const weir_message *message);
/* How often it has been delivered, this time included; from 1. */
unsigned weir_message_deliveries(const weir_message *message);
/* For a saga's command: how often the step has been tried, this time included; else 1. */
unsigned weir_message_attempt(const weir_message *message);

/* Stable for all deliveries of this message: its id, else stream and entry. To be handed to
 * systems outside Redis, so that they can tell a repetition. */
const char *weir_idempotency_key(weir_context *context);

/* The data's field as text (1 to 128 bytes, fit for an id in a key) or as a whole number in the
 * range. Where it is missing or not so they return false and set the reason, naming the field. The
 * text is borrowed. They look into the message's bytes: cheaper than the data as an object, and of
 * a message that waits they keep nothing. */
bool weir_require_id(weir_context *context, const char *field, const char **out);
bool weir_require_integer(weir_context *context, const char *field, int64_t minimum,
                          int64_t maximum, int64_t *out);
/* Any text of up to 1024 bytes. */
bool weir_require_text(weir_context *context, const char *field, const char **out);

/* ---- State --------------------------------------------------------------------------------- */
/* `key` is written without the service's tag ("account:c7"); NULL is the first key of `load`. */

/* Whether a loaded hash was there at all. */
bool weir_exists(weir_context *context, const char *key);
/* A field of a loaded hash as it will be after what this handler has written; NULL: not there.
 * Borrowed until the next write of this handler. */
const char *weir_hget(weir_context *context, const char *key, const char *field);
/* The same as a whole number; false where it is not there or not a whole number. */
bool weir_hget_integer(weir_context *context, const char *key, const char *field, int64_t *out);

/* ---- Effects ------------------------------------------------------------------------------- */
/* Queued, and carried out all together when the outcome is WEIR_DONE. Everything is copied. None
 * can fail here: memory that runs out, names out of grammar and the like are remembered, the
 * message is then retried or, where that cannot help, refused with that reason. */

void weir_hset(weir_context *context, const char *key, const char *field, const char *value);
void weir_hset_integer(weir_context *context, const char *key, const char *field, int64_t value);
void weir_hincrby(weir_context *context, const char *key, const char *field, int64_t delta);
void weir_hdel(weir_context *context, const char *key, const char *field);
void weir_set(weir_context *context, const char *key, const char *value);
void weir_incrby(weir_context *context, const char *key, int64_t delta);
void weir_sadd(weir_context *context, const char *key, const char *member);
void weir_srem(weir_context *context, const char *key, const char *member);
void weir_zadd(weir_context *context, const char *key, int64_t score, const char *member);
void weir_zrem(weir_context *context, const char *key, const char *member);
void weir_del(weir_context *context, const char *key);
void weir_expire(weir_context *context, const char *key, int64_t ms);

/* Publishes a fact on the service's own events, in the version that weir_event_version has declared
 * for the type. `subject` NULL: the message's own. `format` and what follows it make the data, as
 * json_pack does ("{s:s, s:I}"). */
void weir_publish(weir_context *context, const char *type, const char *subject, const char *format,
                  ...);
/* The same with data that is at hand; borrowed. */
void weir_publish_data(weir_context *context, const char *type, const char *subject,
                       const json_t *data);
/* Sends a command to another service (or to this one). `id` NULL: no deduplication there.
 * delay_ms holds it back at the receiver. */
void weir_send(weir_context *context, const char *service, const char *type, const char *id,
               int64_t delay_ms, const char *format, ...);
/* The result of a saga's step: the data of its StepSucceeded. The last call counts. */
void weir_result(weir_context *context, const char *format, ...);
/* Why it is rejected or retried: one line, up to 255 bytes. The first call counts. */
void weir_reason(weir_context *context, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* With WEIR_RETRY: when, instead of the usual back-off. */
void weir_retry_after(weir_context *context, int64_t ms);

/* ---- Later --------------------------------------------------------------------------------- */

/* For a handler that waits for something outside: call this, start the work in weir_loop, return
 * WEIR_DEFERRED, and call weir_finish exactly once. While it waits it gives way to other messages
 * for the same key; finish by WEIR_AGAIN to decide on state as it is then. Until then the message
 * stays claimed, for at most the option --handler-timeout; after that it is retried and a late
 * weir_finish is ignored, as it is where the worker has followed a failover to another master: what
 * that one knows of the message is handled anew. The returned handle stays valid until weir_finish.
 * NULL: no memory (return WEIR_RETRY). */
typedef struct weir_deferral weir_deferral;
weir_deferral *weir_defer(weir_context *context);
/* The context to go on with, or NULL where the message is no longer this handler's to finish. */
weir_context *weir_deferral_context(weir_deferral *deferral);
/* Whether the handler has been called again by WEIR_AGAIN: what it waited for outside is over. */
bool weir_resumed(const weir_context *context);
/* Ends the handling with an outcome other than WEIR_DEFERRED and frees the handle. */
void weir_finish(weir_deferral *deferral_take, enum weir_outcome outcome);

enum weir_durable {
    WEIR_DURABLE_REACHED,
    WEIR_DURABLE_NOT_REACHED, /* within the limit, or this server cannot tell */
    WEIR_DURABLE_UNKNOWN,     /* the connection was lost, so that what was seen may be gone, or the
                                 message is no longer this handler's: decide anew, by WEIR_AGAIN or
                                 WEIR_RETRY */
};
/* `why` is one line, borrowed for the call; "" where it is reached. */
typedef void weir_durable_answered(weir_deferral *deferral, enum weir_durable outcome,
                                   const char *why, void *user);

/* For a deferred handler that must not touch the outside world on account of something that a
 * failing server could lose: waits until all that it has seen, its message and the state loaded for
 * it, has reached `replicas` replicas (0 to 100) and, with `disk`, the disk of the server, for
 * limit_ms at the most. `answered` is called once, from the loop, never from inside this call;
 * where the message has been taken from the handler meanwhile (--handler-timeout, a failover, the
 * end of the worker) with WEIR_DURABLE_UNKNOWN; only a weir_finish that comes first takes it back.
 * The deferral is finished by weir_finish as ever, in `answered` or later. What the handler itself
 * commits afterwards is not covered.
 *
 * false: nothing will be called. There is no connection or no memory now, the message is no longer
 * this handler's, or another wait of this deferral is under way. */
bool weir_when_durable(weir_deferral *deferral, unsigned replicas, bool disk, int64_t limit_ms,
                       weir_durable_answered *answered, void *user)
    __attribute__((warn_unused_result));

struct ev_loop *weir_loop(weir_context *context);
void *weir_user(weir_context *context);

/* ---- Logging ------------------------------------------------------------------------------- */

/* One line at level info with an event name ("order.seen") and fields "key=%s other=%lld"; the
 * message's type, stream, entry, id, saga, step, action and trace id are added, as far as it has
 * them. Its data is never written, unless a field holds it. */
void weir_note(weir_context *context, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- From outside -------------------------------------------------------------------------- */
/* For programs that are no services: gateways, tools, tests. They send commands and wait for what
 * becomes of them, and read what projections have made. All of it blocks, and nothing of it may be
 * called from a handler. */

/* One connection, for one thread at a time. The call that finds it lost says so, UNKNOWN or FAILED;
 * the next one makes it anew. */
typedef struct weir_caller weir_caller;

/* Connects within 5 s. `url` as --redis (redis-sentinel://… follows the master), NULL: the default;
 * `prefix` as --namespace, NULL: none. NULL and one sentence in `why` (`room` bytes) where the URL
 * or the prefix is malformed or the server cannot be reached. */
weir_caller *weir_caller_open(const char *url, const char *prefix, char *why, size_t room);
void weir_caller_close(weir_caller *caller_take); /* NULL: nothing */

/* A place in the events of a service, to be waited for by weir_query: what the event there and
 * those before it tell is then part of the answer. Without a place `stream` is "". */
struct weir_token {
    char stream[256]; /* key of the events: "{orders}:events" */
    char entry[48];   /* id of the entry there: "1700000000000-0" */
};
#define WEIR_TOKEN_MAX 304 /* bytes of a token as text, with the final NUL */

/* A token as one text, "{orders}:events/1700000000000-0"; "" is the token without a place. The
 * first returns false, and leaves the token without a place, where the text is none. The other
 * writes at most WEIR_TOKEN_MAX bytes and returns `text`. */
bool weir_token_read(const char *text, struct weir_token *token);
char *weir_token_write(const struct weir_token *token, char *text);

enum weir_call_result {
    WEIR_CALL_DONE,    /* it has taken effect, once */
    WEIR_CALL_REFUSED, /* it has taken no effect: the service has rejected it or does not understand
                          it, the server has refused it, or an argument is malformed */
    WEIR_CALL_UNKNOWN, /* it may yet take effect, or have taken it: the limit was over, the
                          connection was lost, its deliveries have ended without an outcome, or it
                          is done but not as durable as its service asks. To be repeated with the
                          same id, which never makes it take effect twice */
};

struct weir_call_answer {
    char id[257];            /* to repeat it with */
    char entry[48];          /* of the command in the service's inbox; "": none is known */
    struct weir_token token; /* DONE: the last event that it has published, or no place where it has
                                published none (or its worker was older than tokens are) */
    char reason[256];        /* REFUSED, UNKNOWN: one line */
    bool not_taken; /* REFUSED, UNKNOWN: the server has surely taken nothing of this call: it could
                       not be reached, or has refused it, or it was never asked */
};

/* Sends a command and waits for what becomes of it. `id` makes repetitions take effect once, for 24
 * hours; NULL: a random one is made. An id that is known to be done is answered without sending it
 * again, whatever the data; one that was refused is sent again and may be done with better data.
 * (Where an earlier copy was UNKNOWN, REFUSED is about the later one alone.) `data` NULL: {}.
 * After limit_ms (at most a day) the answer is UNKNOWN; a server that keeps silent is given 200 ms
 * at least. A command that its handler answers by WEIR_DISCARD stays UNKNOWN. Not for the service
 * "sagas", whose orders have other answers. */
enum weir_call_result weir_call(weir_caller *caller, const char *service, const char *type,
                                const char *id, const json_t *data, int64_t limit_ms,
                                struct weir_call_answer *answer);

enum weir_query_result {
    WEIR_QUERY_FOUND,
    WEIR_QUERY_ABSENT, /* there is no such key */
    WEIR_QUERY_WAITED, /* the read model has not come to `after` within the limit */
    WEIR_QUERY_FAILED, /* an argument is malformed, or the server has not answered or has refused */
    WEIR_QUERY_OTHER,  /* weir_desk_hash, weir_desk_range: something else is there, of another type
                          or larger, which asking again does not change */
};

/* All zero: the first page at once. */
struct weir_query_options {
    /* The answer is as new as these tokens, or newer; those without a place count for nothing. */
    const struct weir_token *after;
    size_t after_count;
    const char *projection; /* the one that has to have come so far; NULL: all of the view that read
                               the events, as their workers have registered them */
    int64_t limit_ms;       /* for this wait; 0: looks once; at most a day */
    int64_t page;           /* fields or members at once, 1 to 10000; 0: 100 */
    const char *cursor;     /* of the answer before; NULL or "": from the beginning */
    bool reverse;           /* sorted sets: the greatest first */
};

struct weir_query_answer {
    const char *type; /* "hash", "string", "set", "zset"; constant */
    json_t *value;   /* FOUND: hash: object of texts; string: text; set: array of texts; sorted set:
                        array of {member, score} in order. The caller's, by json_decref; else NULL.
                        Bytes that are not UTF-8 are replaced */
    char cursor[32]; /* where the next page begins; "": this was the last */
    char reason[256]; /* other than FOUND: one line */
};

/* Reads the key "{view}:key", written without the tag as in handlers: "order:o1".
 *
 * A hash or a set that fits on one page is read at one moment. A larger one is read by scanning:
 * what is there all the time is on some page, perhaps twice; what comes or goes meanwhile may be on
 * one or not; a page may be longer, shorter or empty. A sorted set is read by rank: what comes or
 * goes before the cursor's place moves the rest, so that members may be seen twice or not at all.
 */
enum weir_query_result weir_query(weir_caller *caller, const char *view, const char *key,
                                  const struct weir_query_options *options,
                                  struct weir_query_answer *answer);

/* ---- Sagas from outside ---------------------------------------------------------------------- */

enum weir_start_result {
    WEIR_START_COMPLETED,
    WEIR_START_COMPENSATED, /* all that it had done is undone; `reason` says why */
    WEIR_START_SUSPENDED,   /* it waits for an operator; `reason` says why */
    WEIR_START_RUNNING, /* the server has it, and it has not ended within the limit: it will go on
                         */
    WEIR_START_REFUSED, /* it was not started and will not be: an argument is malformed, or there is
                           no such definition */
    WEIR_START_OTHER,   /* under this id a saga of another definition or with other data is there */
    WEIR_START_ABSENT,  /* weir_desk_saga: there is no saga of that id */
    WEIR_START_UNKNOWN, /* it may have been started, or not. To be repeated with the same id */
};

struct weir_start {
    const char *definition;
    const char *saga; /* 1 to 128 bytes, fit for an id in a key. A start may be repeated with the
                         same id and the same data: there is one saga all the same */
    bool fresh; /* nobody has used the id before, so that nothing is looked up. Where somebody has,
                   nothing is lost by it */
    const json_t *data; /* NULL: {}; borrowed for the call */
    int64_t limit_ms;   /* for all of it, at most a day */
};

struct weir_start_answer {
    char saga[129];
    char state[16]; /* "running", "compensating", "completed", …; "": it is not there, or not yet */
    char reason[256]; /* other than COMPLETED and RUNNING: one line */
    bool not_taken;   /* REFUSED, UNKNOWN: as in weir_call_answer */
    const char *data; /* a saga that is there: its data's JSON; borrowed for the callback, NULL from
                         weir_start */
};

/* Starts a saga and waits for its end. */
enum weir_start_result weir_start(weir_caller *caller, const struct weir_start *start,
                                  struct weir_start_answer *answer);

/* Waits until the read models of `view` tell all that their services had published when this was
 * called: the projections of all its processes, or the one named (NULL: all that are registered;
 * where none is yet, it is waited for one).
 * FOUND; WAITED where they have not come so far within the limit; FAILED where that cannot be told.
 * `reason` (256 bytes) is one line, "" for FOUND. */
enum weir_query_result weir_current(weir_caller *caller, const char *view, const char *projection,
                                    int64_t limit_ms, char *reason);

/* ---- Many at once ---------------------------------------------------------------------------- */
/* For programs that serve many at once, such as gateways: one connection and one thread of its own
 * for all of them. What is handed in goes to the server at once, together with what others have
 * handed in; what waits costs no thread, and holds up nobody.
 *
 * Each function may be called from any thread and returns at once. false: nothing will be called;
 * so much is in hand already, the desk is being closed, or memory ran out. Else `answered` is
 * called exactly once, from the desk's thread, never from inside the call that asked for it, within
 * the limit, or up to two seconds later where the server keeps silent. It may hand in the next
 * thing, and must not block. What it is given is borrowed for the call. Texts and data handed in
 * are copied.
 *
 * A server that cannot be reached is told at once where nothing has been sent yet; what has been
 * sent is looked for, and sent again, until the limit is over. */
typedef struct weir_desk weir_desk;

/* `most` things may be in hand. The server need not be there. NULL and one sentence in `why` where
 * URL or prefix are malformed, or there is no memory or thread. */
weir_desk *weir_desk_open(const char *url, const char *prefix, size_t most, char *why, size_t room);
/* Answers what is in hand, as if its limit were over, and ends the thread. Not from `answered`. */
void weir_desk_close(weir_desk *desk_take); /* NULL: nothing */

/* As weir_start. */
typedef void weir_desk_started(void *user, enum weir_start_result result,
                               const struct weir_start_answer *answer);
bool weir_desk_start(weir_desk *desk, const struct weir_start *start, weir_desk_started *answered,
                     void *user) __attribute__((warn_unused_result));
/* How a saga stands: as weir_start, but without starting and without waiting for its end. RUNNING
 * with the state "": a start of it waits for a coordinator. ABSENT only where none can be on its
 * way any more; where that is not known within the limit, UNKNOWN. */
bool weir_desk_saga(weir_desk *desk, const char *saga, int64_t limit_ms,
                    weir_desk_started *answered, void *user) __attribute__((warn_unused_result));

struct weir_command_call {
    const char *service, *type;
    const char *id;     /* NULL: a random one */
    bool fresh;         /* nobody has used the id before, so that nothing is looked up */
    bool first;         /* the id stands for one request, however many send it at once: the first
                           outcome is that of all, a refusal as well, and no copy is handled after
                           it (the message's field `once`, which workers of before do not
                           heed: they are replaced first) */
    const json_t *data; /* NULL: {} */
    int64_t limit_ms;
};

/* As weir_call. */
typedef void weir_desk_called(void *user, enum weir_call_result result,
                              const struct weir_call_answer *answer);
bool weir_desk_call(weir_desk *desk, const struct weir_command_call *command,
                    weir_desk_called *answered, void *user) __attribute__((warn_unused_result));

/* As weir_current. */
typedef void weir_desk_is_current(void *user, enum weir_query_result result, const char *reason);
bool weir_desk_current(weir_desk *desk, const char *view, const char *projection, int64_t limit_ms,
                       weir_desk_is_current *answered, void *user)
    __attribute__((warn_unused_result));

/* Reads of read models as they are at one moment, each by one command: a hash of up to about a
 * thousand fields, whole, as an object of texts; members of a sorted set from rank `from` on, up to
 * `count` (1 to 1000), as an array of {member, score}. `value` is borrowed for the call, NULL
 * unless FOUND. A range that is empty is ABSENT. OTHER where it is larger or of another type,
 * FAILED where the server has not answered or has refused. */
typedef void weir_desk_read(void *user, enum weir_query_result result, const json_t *value,
                            const char *reason);
bool weir_desk_hash(weir_desk *desk, const char *view, const char *key, int64_t limit_ms,
                    weir_desk_read *answered, void *user) __attribute__((warn_unused_result));
bool weir_desk_range(weir_desk *desk, const char *view, const char *key, int64_t from,
                     int64_t count, bool reverse, int64_t limit_ms, weir_desk_read *answered,
                     void *user) __attribute__((warn_unused_result));

/* The key "{service}:key" keeps the first text that anybody lays down there, up to 1024 bytes, for
 * life_ms. `answered` gets what stands there: the same text for who was first. NULL: it cannot be
 * told; `reason` is one line. For what has to be decided once by several programs, such as what a
 * client's idempotency key stands for. */
typedef void weir_desk_laid_down(void *user, const char *text, const char *reason);
bool weir_desk_lay_down(weir_desk *desk, const char *service, const char *key, const char *text,
                        int64_t life_ms, int64_t limit_ms, weir_desk_laid_down *answered,
                        void *user) __attribute__((warn_unused_result));

/* ---- A log from outside ---------------------------------------------------------------------- */
/* Lines like those of workers, on standard error, from any thread. */

typedef struct weir_journal weir_journal;

enum weir_importance { WEIR_DEBUG, WEIR_INFO, WEIR_WARNING, WEIR_ERROR };

/* `source` is borrowed; `level` and `format` are the words of --log-level and --log-format. NULL
 * and one sentence in `why` where a word is not known or memory ran out. */
weir_journal *weir_journal_open(const char *source, const char *level, const char *format,
                                char *why, size_t room);
/* `event` is a stable dotted name, `format` the fields as for weir_note. Warnings and errors that
 * repeat themselves are counted. */
void weir_journal_write(weir_journal *journal, enum weir_importance importance, const char *event,
                        const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Tells the counts whose time has come; to be called about every second. */
void weir_journal_tell(weir_journal *journal);
void weir_journal_close(weir_journal *journal_take); /* NULL: nothing */
/* The words of a program that has no journal yet: "<program>: <text>", an error for systemd. */
void weir_journal_complain(const char *program, const char *text);

/* ---- Metrics and health from outside --------------------------------------------------------- */
/* What weir_main does for workers, for a program with a desk, by a thread of its own. It serves
 *
 *   GET /metrics  what is counted of the desk, weir_build_info, and the program's own metrics
 *   GET /healthz  200 while the program and its desk go on and the server has answered, whatever it
 *                 was, within 30 s; else 503 and a sentence
 *   GET /readyz   200 while the program has said that it is ready and the server is there, a
 *                 master; else 503 and a sentence
 *
 * and tells the service manager that has started the program (systemd, $NOTIFY_SOCKET) when it is
 * ready, how it stands, and that it is alive, which says nothing of the server. The functions may
 * be called from any thread, but the last one. */
typedef struct weir_monitor weir_monitor;

/* `name` is the program's, in weir_build_info and, as the label `service`, with all that the desk
 * has done. `address` as --metrics; NULL: nothing is served. The name, the desk and the journal are
 * borrowed; the journal until weir_monitor_close. NULL and one sentence in `why` where the address
 * is malformed or cannot be listened at, or there is no memory or thread. */
weir_monitor *weir_monitor_open(const char *name, const char *address, weir_desk *desk,
                                weir_journal *journal, char *why, size_t room);
/* The program takes requests. */
void weir_monitor_ready(weir_monitor *monitor);
/* The program's own loop goes round: to be called from there, about every second; more often, four
 * times in it, where the service manager's WatchdogSec is below three seconds. */
void weir_monitor_beat(weir_monitor *monitor);
/* The program ends: it does what it has in hand. The desk may be closed from now on: its counters
 * are told as they stand, and weir_calls_in_hand no more. */
void weir_monitor_stop(weir_monitor *monitor);
/* Before the desk is closed, unless weir_monitor_stop has been called. NULL: nothing. */
void weir_monitor_close(weir_monitor *monitor_take);

enum weir_metric_kind {
    WEIR_METRIC_COUNTER, /* grows by the value, a whole number: what is behind the point is lost */
    WEIR_METRIC_GAUGE,   /* is the value */
    WEIR_METRIC_SECONDS, /* a histogram, up to 30 s; the value is how long something took */
};

/* A metric of the program's own. Its texts live as long as the monitor. */
struct weir_metric {
    enum weir_metric_kind kind;
    const char *name, *help; /* the name is as Prometheus wants it, "shop_requests_total", belongs
                                to this metric alone and does not begin with "weir_" */
    const char *labels[5];   /* up to four, then NULL */
};

/* `values`: one for each label, copied. Of one metric 256 combinations are told apart; the further
 * ones have "other" as the first label's value, which holds for 256 more combinations of the other
 * labels: what is beyond them is lost. So is a value that is no number or, but for a gauge,
 * negative, and what is measured under a name that another metric had first. */
void weir_monitor_measure(weir_monitor *monitor, const struct weir_metric *metric,
                          const char *const *values, double value);

#ifdef __cplusplus
}
#endif

#endif
