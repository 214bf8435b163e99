/* Tells pages what changes. */
#include "dashboard/live.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "dashboard/problem.h"
#include "dashboard/trouble.h"

#define BEAT_S 1.

struct topic {
    struct weir_listener listener;
    struct stream *stream;
    bool history;
    uint64_t sent; /* the version that the page has */
};

struct stream {
    struct weir_live *live;
    struct weir_http_request *request;
    struct topic topics[WEIR_LIVE_TOPICS_MAX];
    size_t count;
    bool broken; /* `gone` follows */
    struct stream *next;
};

struct weir_live {
    struct ev_loop *loop;
    struct weir_board *board;
    struct weir_history *history;
    ev_timer beat;
    struct stream *streams;
    size_t count;
    bool ended;
};

/* ---- Events ------------------------------------------------------------------------------ */

static void send(struct stream *stream, const struct weir_text *json)
{
    struct weir_text event = {0};
    if (stream->broken)
        return;
    weir_text_append_string(&event, "data: ");
    weir_text_append(&event, json->at ? json->at : "", json->length);
    weir_text_append_string(&event, "\n\n");
    if (json->failed || event.failed ||
        !weir_http_stream_send(stream->request, event.at, event.length))
        stream->broken = true;
    weir_text_close(&event);
}

static size_t number_of(const struct topic *topic)
{
    return (size_t)(topic - topic->stream->topics);
}

static void begin_event(struct weir_text *json, const struct topic *topic, int64_t at_ms)
{
    weir_text_format(json, "{\"topic\":%zu,\"at\":%" PRId64, number_of(topic), at_ms);
}

static void append_refusal(struct weir_text *json, unsigned status, const char *detail)
{
    weir_text_format(json, ",\"status\":%u,\"detail\":", status);
    weir_text_append_json(json, detail, strlen(detail));
}

static void send_answer(struct topic *topic, const struct weir_run *answer)
{
    struct weir_text json = {0};
    unsigned status = weir_run_status(answer, false);
    begin_event(&json, topic, answer->at_ms);
    if (status != 200) {
        append_refusal(&json, status, answer->remarks ? answer->remarks : "it cannot be shown");
    } else if (answer->length > WEIR_LIVE_BYTES_MAX) {
        append_refusal(&json, 413, "too large to be watched; ask for fewer");
    } else {
        weir_text_format(&json, ",\"exit\":%d,\"result\":", answer->code);
        weir_text_append(&json, answer->result, answer->length);
    }
    weir_text_append_string(&json, "}");
    send(topic->stream, &json);
    weir_text_close(&json);
}

static void send_history(struct topic *topic)
{
    struct weir_text json = {0};
    const struct weir_live *live = topic->stream->live;
    begin_event(&json, topic, weir_board_now_ms(live->board));
    weir_text_append_string(&json, ",\"exit\":0,\"result\":");
    weir_history_append(live->history, &json);
    weir_text_append_string(&json, "}");
    send(topic->stream, &json);
    weir_text_close(&json);
}

/* What the page does not have yet. */
static void bring_up_to_date(struct topic *topic)
{
    const struct weir_run *last = weir_listener_last(&topic->listener);
    if (topic->history && weir_history_version(topic->stream->live->history) + 1 != topic->sent) {
        topic->sent = weir_history_version(topic->stream->live->history) + 1;
        send_history(topic);
    } else if (last && weir_listener_version(&topic->listener) != topic->sent) {
        topic->sent = weir_listener_version(&topic->listener);
        send_answer(topic, last);
    }
}

static void on_heard(struct weir_listener *listener, const struct weir_run *answer)
{
    (void)answer;
    bring_up_to_date((struct topic *)((char *)listener - offsetof(struct topic, listener)));
}

static void send_beat(struct stream *stream)
{
    struct weir_text json = {0};
    const struct weir_board *board = stream->live->board;
    int64_t since_ms;
    if (weir_board_in_trouble(board, &since_ms))
        weir_trouble_append_json(&json, since_ms, weir_board_why(board));
    else
        weir_text_format(&json, "{\"now\":%" PRId64 "}", weir_board_now_ms(board));
    send(stream, &json);
    weir_text_close(&json);
}

static void on_beat(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_live *live = timer->data;
    (void)loop, (void)events;
    for (struct stream *stream = live->streams; stream; stream = stream->next) {
        for (size_t i = 0; i < stream->count; i++)
            if (stream->topics[i].history)
                bring_up_to_date(&stream->topics[i]);
        send_beat(stream);
    }
}

/* ---- Streams ----------------------------------------------------------------------------- */

static void leave_topics(struct stream *stream)
{
    for (size_t i = 0; i < stream->count; i++)
        weir_listener_leave(&stream->topics[i].listener);
}

static void on_gone(void *user)
{
    struct stream *stream = user, **at = &stream->live->streams;
    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
    stream->live->count--;
    leave_topics(stream);
    free(stream);
}

static enum weir_status listen_to(struct stream *stream, const char *text, struct weir_error *error)
{
    struct weir_target target = {0};
    struct weir_text path = {0};
    struct weir_words words = {0};
    struct topic *topic = &stream->topics[stream->count];
    *topic = (struct topic){.stream = stream, .listener = {.heard = on_heard}};
    if (strcmp(text, "history") == 0) {
        topic->history = true;
        stream->count++;
        return WEIR_OK;
    }
    weir_text_format(&path, "/%s", text);
    enum weir_status status = path.at ? weir_target_parse(&target, path.at) : WEIR_NO_MEMORY;
    if (status != WEIR_OK)
        weir_error_set(error, status, "topic: this cannot be read");
    else
        status = weir_route_words_of(&target, target.path + 1, false, &words, error);
    if (status == WEIR_OK)
        status = weir_board_listen(stream->live->board, &words, &topic->listener, error);
    stream->count += status == WEIR_OK;
    weir_target_close(&target);
    weir_text_close(&path);
    return status;
}

static enum weir_status listen_to_all(struct stream *stream, const struct weir_target *target,
                                      struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < target->count && status == WEIR_OK; i++) {
        if (strcmp(target->arguments[i].name, "topic") != 0)
            status = weir_error_set(error, WEIR_INVALID, "only topics can be given here");
        else if (stream->count == WEIR_LIVE_TOPICS_MAX)
            status = weir_error_set(error, WEIR_INVALID, "at most %d topics", WEIR_LIVE_TOPICS_MAX);
        else
            status = listen_to(stream, target->arguments[i].value, error);
    }
    if (status == WEIR_OK && stream->count == 0)
        status = weir_error_set(error, WEIR_INVALID, "a topic is missing");
    return status;
}

static void refuse(struct weir_http_request *request, const struct weir_error *error)
{
    unsigned status = error->status == WEIR_NOT_FOUND ? 404
                      : error->status == WEIR_INVALID ? 400
                                                      : 503;
    weir_respond_problem(request, status, error->text);
}

void weir_live_begin(struct weir_live *live, struct weir_http_request *request)
{
    struct weir_error error = {0};
    struct stream *stream =
        !live->ended && live->count < WEIR_LIVE_STREAMS_MAX ? calloc(1, sizeof(*stream)) : NULL;
    if (!stream) {
        weir_respond_problem(request, 503, "too many pages are open; close one");
        return;
    }
    stream->live = live;
    stream->request = request;
    if (listen_to_all(stream, weir_http_target(request), &error) != WEIR_OK) {
        leave_topics(stream);
        free(stream);
        refuse(request, &error);
        return;
    }
    if (!weir_http_stream_begin(request, "text/event-stream", weir_dashboard_headers, on_gone,
                                stream)) {
        leave_topics(stream);
        free(stream);
        return;
    }
    stream->next = live->streams;
    live->streams = stream;
    live->count++;
    send_beat(stream);
    for (size_t i = 0; i < stream->count; i++)
        bring_up_to_date(&stream->topics[i]);
}

size_t weir_live_count(const struct weir_live *live)
{
    return live->count;
}

/* ---- Opening and closing ----------------------------------------------------------------- */

struct weir_live *weir_live_open(struct ev_loop *loop, struct weir_board *board,
                                 struct weir_history *history)
{
    struct weir_live *live = calloc(1, sizeof(*live));
    if (!live)
        return NULL;
    live->loop = loop;
    live->board = board;
    live->history = history;
    ev_timer_init(&live->beat, on_beat, BEAT_S, BEAT_S);
    live->beat.data = live;
    ev_timer_start(loop, &live->beat);
    return live;
}

void weir_live_end(struct weir_live *live)
{
    live->ended = true;
    ev_timer_stop(live->loop, &live->beat);
    for (struct stream *stream; (stream = live->streams);) {
        live->streams = stream->next;
        leave_topics(stream);
        weir_http_stream_end(stream->request);
        free(stream);
    }
    live->count = 0;
}

void weir_live_close(struct weir_live *live)
{
    if (!live)
        return;
    weir_live_end(live);
    free(live);
}
