/* Runs a command again and again, and draws what it shows. */
#include "commands/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "commands/output.h"
#include "commands/print.h"
#include "commands/screen.h"
#include "commands/visible.h"

#define AT_ONCE_MS 1000

struct watch {
    struct weir_session *session;
    const char *title;
    int (*once)(struct weir_session *session, void *user);
    void *user;
    bool terminal;
    bool shown;            /* a result has been: now the server may go away */
    struct weir_text last; /* the last result of a server that answered, and when it was shown */
    char last_clock[16];
};

/* What one run has written. */
struct frame {
    char *result, *remarks;
    size_t result_length, remarks_length;
    int code;
};

/* ---- One run ----------------------------------------------------------------------------- */

/* Each run begins with the settings that were given. False without memory. */
static bool run_into_memory(const struct watch *watch, struct frame *frame)
{
    struct weir_settings settings = watch->session->settings;
    *frame = (struct frame){.code = WEIR_EXIT_FAILED};
    struct weir_output output = {.result = open_memstream(&frame->result, &frame->result_length),
                                 .remarks = open_memstream(&frame->remarks, &frame->remarks_length),
                                 .terminal = watch->terminal};
    if (output.result && output.remarks) {
        weir_output_set(&output);
        frame->code = watch->once(watch->session, watch->user);
        weir_output_set(NULL);
    }
    watch->session->settings = settings;
    bool closed = output.result && fclose(output.result) == 0;
    return output.remarks && fclose(output.remarks) == 0 && closed;
}

static void close_frame(struct frame *frame)
{
    free(frame->result);
    free(frame->remarks);
}

/* ---- Showing it -------------------------------------------------------------------------- */

static void write_clock(char *clock, size_t room)
{
    struct tm local;
    time_t now = time(NULL);
    clock[0] = '\0';
    if (localtime_r(&now, &local))
        strftime(clock, room, "%H:%M:%S", &local);
}

static void append_head(const struct watch *watch, struct weir_text *text)
{
    char clock[16];
    write_clock(clock, sizeof(clock));
    weir_text_format(text, "%sEvery ", weir_colour_begin(WEIR_BOLD));
    weir_span_append(text, watch->session->settings.watch_ms);
    weir_text_append_string(text, ": ");
    weir_visible_append(text, weir_slice_of(watch->title));
    weir_text_format(text, "%s  %s, q ends\n\n", weir_colour_end(WEIR_BOLD), clock);
}

/* What is known no better stays, but not as if it were of now. */
static void draw(const struct watch *watch, const struct frame *frame)
{
    struct weir_text text = {0};
    append_head(watch, &text);
    weir_text_append_string(&text, frame->remarks);
    weir_text_append_string(&text, frame->result);
    if (frame->result_length == 0 && watch->last.length > 0)
        weir_text_format(&text, "\nAs it was at %s:\n\n%s", watch->last_clock, watch->last.at);
    weir_screen_draw(text.at ? text.at : "");
    weir_text_close(&text);
}

/* False where nobody reads it any more. */
static bool print(const struct watch *watch, const struct frame *frame)
{
    if (watch->shown && !watch->session->settings.json && frame->result_length > 0)
        fputc('\n', stdout);
    fputs(frame->result, stdout);
    fputs(frame->remarks, stderr);
    return fflush(stdout) == 0;
}

/* ---- Again and again --------------------------------------------------------------------- */

/* Nothing but the first run can find that it makes no sense to go on. */
static bool ends(const struct watch *watch, int code)
{
    return code == WEIR_EXIT_USAGE || (!watch->shown && code == WEIR_EXIT_NO_SERVER);
}

/* Waits for the next run; false: there is none, `*code` says how it ends. */
static bool wait_for_next(const struct watch *watch, const struct frame *frame, int *code)
{
    for (;;) {
        switch (weir_screen_wait(watch->session->settings.watch_ms)) {
        case WEIR_SCREEN_TIME:
            return true;
        case WEIR_SCREEN_RESIZED:
            draw(watch, frame);
            return true;
        case WEIR_SCREEN_QUIT:
            *code = WEIR_EXIT_FINE;
            return false;
        case WEIR_SCREEN_ENDED:
            *code = weir_screen_exit_code();
            return false;
        }
    }
}

/* A connection that was lost between two runs says nothing of the server: it is asked once more.
 * One that is silent has been asked for long enough. */
static bool run_frame(const struct watch *watch, struct frame *frame)
{
    int64_t begun = weir_clock_monotonic_ms();
    bool made = run_into_memory(watch, frame);
    if (made && frame->code == WEIR_EXIT_FAILED && watch->session->client.server &&
        !weir_client_connected(&watch->session->client) &&
        weir_clock_monotonic_ms() - begun < AT_ONCE_MS) {
        close_frame(frame);
        made = run_into_memory(watch, frame);
    }
    return made;
}

static void keep(struct watch *watch, const struct frame *frame)
{
    if (frame->result_length == 0)
        return;
    weir_text_clear(&watch->last);
    weir_text_append_string(&watch->last, frame->result);
    write_clock(watch->last_clock, sizeof(watch->last_clock));
}

/* One run, shown; true: go on. */
static bool turn(struct watch *watch, int *code)
{
    struct frame frame;
    bool on = run_frame(watch, &frame);
    *code = on ? frame.code : weir_fail(WEIR_EXIT_FAILED, "memory ran out");
    if (on && ends(watch, frame.code)) {
        weir_screen_close();
        fputs(frame.remarks, stderr);
        on = false;
    }
    if (on && watch->terminal) {
        if (!watch->shown)
            weir_screen_open();
        draw(watch, &frame);
        keep(watch, &frame);
    } else if (on) {
        on = print(watch, &frame);
    }
    watch->shown = true;
    if (on)
        on = wait_for_next(watch, &frame, code);
    close_frame(&frame);
    return on;
}

int weir_watch(struct weir_session *session, const char *title,
               int (*once)(struct weir_session *session, void *user), void *user)
{
    struct watch watch = {.session = session,
                          .title = title,
                          .once = once,
                          .user = user,
                          .terminal = weir_screen_possible() && !session->settings.json};
    int code;
    weir_screen_catch();
    while (turn(&watch, &code))
        continue;
    if (weir_screen_ended()) {
        clearerr(stdout); /* a picture that the signal has broken off is no failure */
        code = weir_screen_exit_code();
    }
    if (watch.terminal)
        weir_screen_close();
    weir_text_close(&watch.last);
    return code;
}
