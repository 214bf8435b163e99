/* Makes answers, and lets the connection go on. */
#include "request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define VIEW_LEAST_MS 500

int64_t request_now_ns(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t request_now(void)
{
    return request_now_ns() / 1000000;
}

int64_t request_time_left(const struct request *request)
{
    int64_t left = request->began_ns / 1000000 + request->gateway->settings.wait_ms - request_now();
    return left > 0 ? left : 0;
}

int64_t request_view_limit(const struct request *request)
{
    int64_t left = request_time_left(request);
    return left > VIEW_LEAST_MS ? left : VIEW_LEAST_MS;
}

const char *request_header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->line, MHD_HEADER_KIND, name);
}

struct search {
    const char *name;
    unsigned count;
};

static enum MHD_Result count_named(void *user, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    struct search *search = user;
    (void)kind, (void)value;
    search->count += strcasecmp(name, search->name) == 0;
    return MHD_YES;
}

unsigned request_header_count(const struct request *request, const char *name)
{
    struct search search = {.name = name};
    (void)MHD_get_connection_values(request->line, MHD_HEADER_KIND, count_named, &search);
    return search.count;
}

const char *request_argument(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->line, MHD_GET_ARGUMENT_KIND, name);
}

bool request_random_id(char *id)
{
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return false;
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(id + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

/* ---- Answering --------------------------------------------------------------------------- */

/* A counter that is full wakes as well. */
void gateway_wake(const struct gateway *gateway)
{
    static const uint64_t one = 1;
    (void)!write(gateway->wake, &one, sizeof one);
}

/* From here on the request may be gone: the connection's thread answers and frees it. */
static void finish(struct request *request)
{
    struct gateway *gateway = request->gateway;
    if (request->counted)
        atomic_fetch_sub(&gateway->in_hand, 1);
    request->counted = false;
    if (!request->suspended)
        return;
    MHD_resume_connection(request->line);
    gateway_wake(gateway);
}

static void put(struct request *request, unsigned status, const char *type, char *body_take)
{
    struct reply *reply = &request->reply;
    if (body_take == NULL) {
        status = 500;
        type = "application/problem+json";
        body_take = strdup("{\"title\":\"The gateway has failed\",\"status\":500}");
    }
    free(reply->body);
    reply->status = status;
    reply->type = type;
    reply->body = body_take;
    reply->length = body_take != NULL ? strlen(body_take) : 0;
    finish(request);
}

void request_reply(struct request *request, unsigned status, json_t *body)
{
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    put(request, status, "application/json", text);
}

void request_reply_text(struct request *request, unsigned status, const char *text)
{
    put(request, status, "text/plain; charset=utf-8", strdup(text));
}

static void note(const struct request *request, const struct problem_kind *kind, const char *detail)
{
    weir_journal_write(request->gateway->journal, kind->status >= 500 ? WEIR_WARNING : WEIR_DEBUG,
                       kind->status >= 500 ? "request.failed" : "request.refused",
                       "problem=%s path=%s status=%u detail=%s", kind->name,
                       route_path(request->match.route), kind->status, detail);
}

/* Whether there may be an order of this id, whoever has made that. */
static bool names_order(const struct request *request, enum problem problem)
{
    return request->match.route == ROUTE_PLACE_ORDER &&
           (problem == PROBLEM_UNKNOWN || problem == PROBLEM_REFUSED);
}

void request_problem(struct request *request, enum problem problem, const char *field,
                     const char *format, ...)
{
    const struct problem_kind *kind = problem_kind(problem);
    char detail[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    request_retry_after(request, kind->retry_after_s);
    note(request, kind, detail);
    put(request, kind->status, "application/problem+json",
        problem_text(problem, detail, field, names_order(request, problem) ? request->id : NULL));
}

void request_retry_after(struct request *request, unsigned seconds)
{
    request->reply.retry_after_s = seconds;
}

void request_location(struct request *request, const char *place, const char *id)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    char *to = request->reply.location;
    int length = snprintf(to, sizeof request->reply.location, "%s", place);
    for (const char *at = id; *at != '\0'; at++)
        length += strchr(plain, *at) != NULL ? sprintf(to + length, "%c", *at)
                                             : sprintf(to + length, "%%%02X", (unsigned char)*at);
}
