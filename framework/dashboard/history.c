/* Samples of the overview in a ring. */
#include "dashboard/history.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

/* Where a figure stands in the overview. */
static const struct {
    const char *name, *group, *member;
} figures[] = {
    {"received", "rate", "received"},
    {"handled", "rate", "handled"},
    {"refused", "rate", "refused"},
    {"retried", "rate", "retried"},
    {"backlog", "totals", "backlog"},
    {"running", "sagas", "running"},
    {"compensating", "sagas", "compensating"},
    {"suspended", "sagas", "suspended"},
    {"dead", "totals", "dead"},
};
#define FIGURES (sizeof(figures) / sizeof(figures[0]))

struct sample {
    int64_t at_ms;
    double values[FIGURES]; /* NAN: not known */
};

struct weir_history {
    struct ev_loop *loop;
    struct weir_board *board;
    ev_timer timer;
    struct weir_listener listener;
    struct sample samples[WEIR_HISTORY_KEPT];
    size_t first, count;
    struct weir_text overview; /* what the last one is of */
    int64_t at_ms;
    uint64_t version;
};

static double figure_of(const json_t *overview, size_t i)
{
    const json_t *value =
        json_object_get(json_object_get(overview, figures[i].group), figures[i].member);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static struct sample *next_place(struct weir_history *history)
{
    if (history->count < WEIR_HISTORY_KEPT)
        return &history->samples[(history->first + history->count++) % WEIR_HISTORY_KEPT];
    struct sample *place = &history->samples[history->first];
    history->first = (history->first + 1) % WEIR_HISTORY_KEPT;
    return place;
}

void weir_history_add(struct weir_history *history, const char *json, size_t length)
{
    json_t *overview = json ? json_loadb(json, length, 0, NULL) : NULL;
    json_int_t at = json_integer_value(json_object_get(overview, "now"));
    if (at > 0) {
        struct sample *sample = next_place(history);
        sample->at_ms = at;
        for (size_t i = 0; i < FIGURES; i++)
            sample->values[i] = figure_of(overview, i);
        weir_text_clear(&history->overview);
        weir_text_append(&history->overview, json, length);
        history->at_ms = at;
        history->version++;
    }
    json_decref(overview);
}

static void append_sample(struct weir_text *text, const struct sample *sample)
{
    weir_text_format(text, "[%" PRId64, sample->at_ms);
    for (size_t i = 0; i < FIGURES; i++) {
        if (isnan(sample->values[i]))
            weir_text_append_string(text, ",null");
        else
            weir_text_format(text, ",%.10g", sample->values[i]);
    }
    weir_text_append_string(text, "]");
}

void weir_history_append(const struct weir_history *history, struct weir_text *text)
{
    weir_text_format(text, "{\"every\":%d,\"since\":", WEIR_HISTORY_EVERY_MS);
    if (history->count > 0)
        weir_text_format(text, "%" PRId64, history->samples[history->first].at_ms);
    else
        weir_text_append_string(text, "null");
    weir_text_append_string(text, ",\"fields\":[\"at\"");
    for (size_t i = 0; i < FIGURES; i++)
        weir_text_format(text, ",\"%s\"", figures[i].name);
    weir_text_append_string(text, "],\"samples\":[");
    for (size_t i = 0; i < history->count; i++) {
        if (i > 0)
            weir_text_append_string(text, ",");
        append_sample(text, &history->samples[(history->first + i) % WEIR_HISTORY_KEPT]);
    }
    weir_text_append_string(text, "]}");
}

struct weir_slice weir_history_overview(const struct weir_history *history, int64_t *at_ms)
{
    *at_ms = history->at_ms;
    return history->overview.failed
               ? (struct weir_slice){NULL, 0}
               : (struct weir_slice){history->overview.at, history->overview.length};
}

uint64_t weir_history_version(const struct weir_history *history)
{
    return history->version;
}

/* ---- Asking ------------------------------------------------------------------------------ */

static void on_heard(struct weir_listener *listener, const struct weir_run *answer)
{
    struct weir_history *history =
        (struct weir_history *)((char *)listener - offsetof(struct weir_history, listener));
    if (!weir_run_lost(answer))
        weir_history_add(history, answer->result, answer->length);
}

/* A gap in the samples says that there was no answer. */
static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_history *history = timer->data;
    struct weir_words words;
    struct weir_error error = {0};
    (void)loop, (void)events;
    if (history->listener.question)
        return;
    history->listener = (struct weir_listener){.heard = on_heard, .once = true};
    if (weir_route_words("top", false, NULL, 0, &words, &error) == WEIR_OK)
        (void)!weir_board_listen(history->board, &words, &history->listener, &error);
}

struct weir_history *weir_history_open(struct ev_loop *loop, struct weir_board *board)
{
    struct weir_history *history = calloc(1, sizeof(*history));
    if (!history)
        return NULL;
    history->loop = loop;
    history->board = board;
    ev_timer_init(&history->timer, on_timer, 0., WEIR_HISTORY_EVERY_MS / 1000.);
    history->timer.data = history;
    ev_timer_start(loop, &history->timer);
    return history;
}

void weir_history_close(struct weir_history *history)
{
    if (!history)
        return;
    ev_timer_stop(history->loop, &history->timer);
    weir_listener_leave(&history->listener);
    weir_text_close(&history->overview);
    free(history);
}
