/* An answer without end, in pieces as they come, to a reader who may be slow. */
#include "http/inside.h"

#include <string.h>

#define BLOCK 4096

static size_t waiting(const struct weir_http_request *request)
{
    return request->waiting.length - request->taken;
}

/* libmicrohttpd asks for more. With nothing there it is told to let the connection be: else it
 * would ask again and again. */
static ssize_t read_more(void *user, uint64_t position, char *room, size_t size)
{
    struct weir_http_request *request = user;
    size_t length = waiting(request);
    (void)position;
    if (request->broken)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (length == 0 && request->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (length == 0) {
        request->suspended = true;
        request->server->mhd.suspend_connection(request->connection);
        return 0;
    }
    if (length > size)
        length = size;
    memcpy(room, request->waiting.at + request->taken, length);
    request->taken += length;
    if (request->taken == request->waiting.length) {
        weir_text_clear(&request->waiting);
        request->taken = 0;
    }
    return (ssize_t)length;
}

bool weir_http_stream_begin(struct weir_http_request *request, const char *content_type,
                            const struct weir_http_header *headers, void (*gone)(void *user),
                            void *user)
{
    request->decided = true;
    request->gone = NULL;
    request->status = MHD_HTTP_OK;
    request->response = request->server->mhd.create_response_from_callback(
        MHD_SIZE_UNKNOWN, BLOCK, read_more, request, NULL);
    if (request->response != NULL &&
        weir_http_add_headers(request, request->response, content_type, headers) != MHD_YES) {
        request->server->mhd.destroy_response(request->response);
        request->response = NULL;
    }
    if (request->response != NULL) {
        request->gone = gone;
        request->user = user;
        weir_http_enter(request->place, WEIR_HTTP_STREAMING);
    }
    weir_http_resume(request);
    return request->response != NULL;
}

/* What was taken goes before the text grows. */
static void make_room(struct weir_http_request *request)
{
    struct weir_text *text = &request->waiting;
    if (request->taken == 0)
        return;
    memmove(text->at, text->at + request->taken, waiting(request));
    text->length -= request->taken;
    request->taken = 0;
}

bool weir_http_stream_send(struct weir_http_request *request, const char *bytes, size_t length)
{
    if (!request->broken && length <= request->server->settings.stream_max - waiting(request)) {
        make_room(request);
        weir_text_append(&request->waiting, bytes, length);
    } else if (!request->broken) {
        request->broken = true;
        weir_http_cut(request->place, "slow");
    }
    if (request->waiting.failed)
        request->broken = true;
    weir_http_resume(request);
    return !request->broken;
}

void weir_http_stream_end(struct weir_http_request *request)
{
    request->gone = NULL;
    request->ended = true;
    weir_http_enter(request->place, WEIR_HTTP_ANSWERING);
    weir_http_resume(request);
}
