/* Sees to it that the server has the function library, over a link. */
#include "redis/library_loader.h"

#include <string.h>

#include "base/crash_point.h"
#include "redis/function_library.h"
#include "redis/refusal.h"
#include "redis/reply.h"

static void ask(struct weir_library_loader *loader);

static void finish(struct weir_library_loader *loader, const char *refusal)
{
    struct weir_error error = {0};
    loader->under_way = loader->crossed = false;
    if (refusal == NULL) {
        loader->done(loader->user, NULL);
        return;
    }
    weir_error_set(&error,
                   weir_refusal_of(refusal) == WEIR_REFUSAL_DENIED ? WEIR_DENIED : WEIR_UNAVAILABLE,
                   "function library: %s", refusal);
    loader->done(loader->user, &error);
}

static void on_loaded(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_library_loader *loader = user;
    if (answer == WEIR_ANSWER_UNKNOWN) {
        weir_library_loader_lost(loader);
        return;
    }
    if (answer == WEIR_ANSWER_REFUSED && !loader->crossed &&
        strstr(reply->str, "already exists") != NULL) {
        loader->crossed = true; /* somebody was quicker: is it new enough? */
        ask(loader);
        return;
    }
    if (answer == WEIR_ANSWER_DONE) {
        WEIR_CRASH_POINT(LIBRARY_LOADED);
        loader->loads++;
        weir_log_info(loader->log, "library.loaded", "version=%d", weir_function_library_version());
    }
    finish(loader, answer == WEIR_ANSWER_REFUSED ? reply->str : NULL);
}

/* Only what is known to be older is replaced, or what has that name and is no library of weir's:
 * else a program that loads where it found none could undo what a newer one has just loaded. */
static void load(struct weir_library_loader *loader, bool replace)
{
    const char *arguments[4] = {"FUNCTION", "LOAD"};
    int count = 2;
    if (replace)
        arguments[count++] = "REPLACE";
    arguments[count++] = weir_function_library_source();
    if (weir_link_send(loader->link, count, arguments, NULL, on_loaded, loader) != WEIR_OK)
        loader->under_way = false;
}

static void on_version(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_library_loader *loader = user;
    int64_t version = 0;
    if (answer == WEIR_ANSWER_UNKNOWN)
        weir_library_loader_lost(loader);
    else if (answer == WEIR_ANSWER_REFUSED && weir_refusal_of(reply->str) != WEIR_REFUSAL_FUNCTION)
        finish(loader, reply->str);
    else if (answer == WEIR_ANSWER_DONE && weir_reply_integer(reply, &version) &&
             version >= weir_function_library_version())
        finish(loader, NULL);
    else
        load(loader, answer == WEIR_ANSWER_DONE || loader->crossed);
}

static void ask(struct weir_library_loader *loader)
{
    const char *arguments[] = {"FCALL", "weir_version", "0"};
    loader->under_way =
        weir_link_send(loader->link, 3, arguments, NULL, on_version, loader) == WEIR_OK;
}

void weir_library_loader_lost(struct weir_library_loader *loader)
{
    loader->under_way = loader->crossed = false;
}

void weir_library_loader_ensure(struct weir_library_loader *loader)
{
    if (!loader->under_way)
        ask(loader);
}

void weir_library_loader_heard(struct weir_library_loader *loader, int64_t version)
{
    if (loader->under_way || version >= weir_function_library_version())
        return;
    loader->under_way = true;
    load(loader, true);
}
