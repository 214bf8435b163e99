/* One request: its parts as they come, the handler, the answer. */
#include "http/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METHODS "GET, HEAD, POST"
#define TOO_LARGE 413 /* whose name in microhttpd.h has changed */

/* ---- What came ------------------------------------------------------------------------------ */

static struct weir_http_place *place_of(const struct weir_http_server *server,
                                        struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        server->mhd.get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

void *weir_http_on_line(void *user, const char *target, struct MHD_Connection *connection)
{
    struct weir_http_server *server = user;
    struct weir_http_place *place = place_of(server, connection);
    struct weir_http_request *request = place != NULL ? calloc(1, sizeof *request) : NULL;
    if (request == NULL)
        return NULL;
    request->server = server;
    request->connection = connection;
    request->place = place;
    switch (weir_target_parse(&request->target, target)) {
    case WEIR_OK:
        break;
    case WEIR_NO_MEMORY:
        request->refusal = MHD_HTTP_SERVICE_UNAVAILABLE;
        break;
    default:
        request->refusal = MHD_HTTP_BAD_REQUEST;
        break;
    }
    place->request = request;
    weir_http_enter(place, WEIR_HTTP_READING);
    return request;
}

static bool take_method(struct weir_http_request *request, const char *method)
{
    static const char *const names[] = {"GET", "HEAD", "POST"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(method, names[i]) == 0) {
            request->method = (enum weir_http_method)i;
            return true;
        }
    return false;
}

/* libmicrohttpd has refused a length that is no number; a body in chunks tells none. */
static bool body_announced_too_large(const struct weir_http_request *request)
{
    const char *length = weir_http_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    int64_t bytes;
    return length != NULL && (!weir_parse_integer(length, strlen(length), &bytes) || bytes < 0 ||
                              (uint64_t)bytes > request->server->settings.body_max);
}

static void look_at_headers(struct weir_http_request *request, const char *method)
{
    request->begun = true;
    if (request->refusal != 0)
        return;
    if (!take_method(request, method))
        request->refusal = MHD_HTTP_METHOD_NOT_ALLOWED;
    else if (body_announced_too_large(request))
        request->refusal = TOO_LARGE;
}

/* False: so much more came than is allowed that an answer is not waited for. */
static bool take_body(struct weir_http_request *request, const char *bytes, size_t length)
{
    size_t most = request->server->settings.body_max;
    if (request->refusal == 0 && length <= most - request->body.length) {
        weir_text_append(&request->body, bytes, length);
        if (request->body.failed)
            request->refusal = MHD_HTTP_SERVICE_UNAVAILABLE;
        return true;
    }
    if (request->refusal == 0)
        request->refusal = TOO_LARGE;
    request->discarded += length;
    return request->discarded <= most;
}

/* ---- The answer ----------------------------------------------------------------------------- */

enum MHD_Result weir_http_add_headers(struct weir_http_request *request,
                                      struct MHD_Response *response, const char *content_type,
                                      const struct weir_http_header *headers)
{
    enum MHD_Result added = MHD_YES;
    if (content_type != NULL)
        added = request->server->mhd.add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                                         content_type);
    for (; headers != NULL && headers->name != NULL && added == MHD_YES; headers++)
        added = request->server->mhd.add_response_header(response, headers->name, headers->value);
    if (request->server->quiesced && added == MHD_YES)
        added =
            request->server->mhd.add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    return added;
}

static struct MHD_Response *make_response(struct weir_http_request *request,
                                          const char *content_type,
                                          const struct weir_http_header *headers, const char *bytes,
                                          size_t length)
{
    struct MHD_Response *response = request->server->mhd.create_response_from_buffer(
        length, (void *)(uintptr_t)bytes, MHD_RESPMEM_MUST_COPY);
    if (response == NULL ||
        weir_http_add_headers(request, response, content_type, headers) == MHD_YES)
        return response;
    request->server->mhd.destroy_response(response);
    return NULL;
}

/* Without memory even for a short answer the connection goes. */
void weir_http_answer(struct weir_http_request *request, unsigned status, const char *content_type,
                      const struct weir_http_header *headers, const char *bytes, size_t length)
{
    request->status = status;
    request->response = make_response(request, content_type, headers, bytes, length);
    if (request->response == NULL) {
        request->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
        request->response = make_response(request, NULL, NULL, "", 0);
    }
    request->decided = true;
    request->gone = NULL;
    weir_http_resume(request);
}

void weir_http_answer_text(struct weir_http_request *request, unsigned status, const char *text)
{
    static const struct weir_http_header no_store[] = {{"Cache-Control", "no-store"}, {NULL, NULL}};
    weir_http_answer(request, status, "text/plain; charset=utf-8", no_store, text, strlen(text));
}

void weir_http_defer(struct weir_http_request *request, void (*gone)(void *user), void *user)
{
    request->gone = gone;
    request->user = user;
}

void weir_http_tell_gone(struct weir_http_request *request)
{
    void (*gone)(void *user) = request->gone;
    request->gone = NULL;
    if (gone != NULL)
        gone(request->user);
    request->decided = true;
}

void weir_http_give_up(struct weir_http_request *request)
{
    weir_http_tell_gone(request);
    weir_http_answer_text(request, MHD_HTTP_GATEWAY_TIMEOUT, "No answer in time.\n");
}

static const char *sentence_of(unsigned refusal)
{
    switch (refusal) {
    case MHD_HTTP_BAD_REQUEST:
        return "The target of the request is malformed.";
    case MHD_HTTP_METHOD_NOT_ALLOWED:
        return "Only " METHODS ".";
    case TOO_LARGE:
        return "The body is too large.";
    case MHD_HTTP_SERVICE_UNAVAILABLE:
        return "No memory.";
    default:
        return "Refused.";
    }
}

static void refuse(struct weir_http_request *request)
{
    static const struct weir_http_header allow[] = {{MHD_HTTP_HEADER_ALLOW, METHODS}, {NULL, NULL}};
    const struct weir_http_settings *settings = &request->server->settings;
    const char *sentence = sentence_of(request->refusal);
    char text[80];
    if (settings->refuse != NULL) {
        settings->refuse(settings->user, request, request->refusal, sentence);
        return;
    }
    snprintf(text, sizeof text, "%s\n", sentence);
    weir_http_answer(request, request->refusal, "text/plain; charset=utf-8",
                     request->refusal == MHD_HTTP_METHOD_NOT_ALLOWED ? allow : NULL, text,
                     strlen(text));
}

/* ---- Its way -------------------------------------------------------------------------------- */

static enum MHD_Result queue(struct weir_http_request *request)
{
    struct MHD_Response *response = request->response;
    enum MHD_Result queued = MHD_NO;
    if (response == NULL)
        return MHD_NO;
    request->response = NULL;
    if (request->place->phase != WEIR_HTTP_STREAMING)
        weir_http_enter(request->place, WEIR_HTTP_ANSWERING);
    queued = request->server->mhd.queue_response(request->connection, request->status, response);
    request->server->mhd.destroy_response(response);
    return queued;
}

static enum MHD_Result handle(struct weir_http_request *request)
{
    const struct weir_http_settings *settings = &request->server->settings;
    settings->handle(settings->user, request);
    if (!request->decided && request->gone != NULL) {
        weir_http_enter(request->place, WEIR_HTTP_DEFERRED);
        request->suspended = true;
        request->server->mhd.suspend_connection(request->connection);
        return MHD_YES;
    }
    if (!request->decided)
        weir_http_answer_text(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "Not handled.\n");
    return queue(request);
}

enum MHD_Result weir_http_on_access(void *user, struct MHD_Connection *connection, const char *url,
                                    const char *method, const char *version,
                                    const char *upload_data, size_t *upload_data_size,
                                    void **context)
{
    struct weir_http_request *request = *context;
    (void)user;
    (void)connection;
    (void)url;
    (void)version;
    if (request == NULL)
        return MHD_NO;
    if (request->decided)
        return queue(request);
    if (!request->begun) {
        look_at_headers(request, method);
        if (request->refusal == 0)
            return MHD_YES;
    } else if (*upload_data_size > 0) {
        bool taken = take_body(request, upload_data, *upload_data_size);
        *upload_data_size = 0;
        return taken ? MHD_YES : MHD_NO;
    }
    if (request->refusal == 0)
        return handle(request);
    refuse(request);
    return queue(request);
}

void weir_http_on_completed(void *user, struct MHD_Connection *connection, void **context,
                            enum MHD_RequestTerminationCode code)
{
    struct weir_http_request *request = *context;
    (void)user;
    (void)connection;
    (void)code;
    *context = NULL;
    if (request == NULL)
        return;
    weir_http_tell_gone(request);
    request->place->request = NULL;
    weir_http_enter(request->place, WEIR_HTTP_IDLE);
    if (request->response != NULL)
        request->server->mhd.destroy_response(request->response);
    weir_target_close(&request->target);
    weir_text_close(&request->body);
    weir_text_close(&request->waiting);
    free(request);
}

/* ---- What its handler sees ------------------------------------------------------------------ */

enum weir_http_method weir_http_method(const struct weir_http_request *request)
{
    return request->method;
}

const struct weir_target *weir_http_target(const struct weir_http_request *request)
{
    return &request->target;
}

const char *weir_http_path(const struct weir_http_request *request)
{
    return request->target.path;
}

const char *weir_http_argument(const struct weir_http_request *request, const char *name)
{
    return weir_target_argument(&request->target, name);
}

const char *weir_http_header(const struct weir_http_request *request, const char *name)
{
    return request->server->mhd.lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

struct weir_slice weir_http_body(const struct weir_http_request *request)
{
    const struct weir_text *body = &request->body;
    return (struct weir_slice){body->at != NULL ? body->at : "", body->length};
}
