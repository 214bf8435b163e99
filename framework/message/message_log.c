/* A line of the log about one message: all that names it stands in each, under the same words. */
#include "message/message_log.h"

#include <ctype.h>
#include <string.h>

#define VERSION_LENGTH 3 /* "00-" */
#define TRACE_LENGTH (WEIR_TRACE_ROOM - 1)

const char *weir_trace_id(char room[WEIR_TRACE_ROOM], const char *traceparent)
{
    size_t digits = 0;
    room[0] = '\0';
    if (traceparent == NULL || strlen(traceparent) < VERSION_LENGTH + TRACE_LENGTH + 1 ||
        traceparent[VERSION_LENGTH - 1] != '-')
        return room;
    traceparent += VERSION_LENGTH;
    while (digits < TRACE_LENGTH && isxdigit((unsigned char)traceparent[digits]))
        digits++;
    if (digits == TRACE_LENGTH && traceparent[digits] == '-') {
        memcpy(room, traceparent, TRACE_LENGTH);
        room[TRACE_LENGTH] = '\0';
    }
    return room;
}

void weir_log_message_list(struct weir_log *log, enum weir_log_level level, const char *event,
                           const weir_message *message, const char *format, va_list arguments)
{
    char trace[WEIR_TRACE_ROOM];
    if (level < log->level)
        return;
    const char *const about[] = {"type",
                                 message->type,
                                 "stream",
                                 message->stream,
                                 "entry",
                                 message->entry,
                                 "origin_stream",
                                 message->origin_stream,
                                 "origin_entry",
                                 message->origin_entry,
                                 "id",
                                 message->id,
                                 "saga",
                                 message->saga,
                                 "step",
                                 message->step,
                                 "action",
                                 message->action,
                                 "trace",
                                 weir_trace_id(trace, message->traceparent)[0] ? trace : NULL,
                                 NULL};
    weir_log_write_list(log, level, event, about, format, arguments);
}

void weir_log_message(struct weir_log *log, enum weir_log_level level, const char *event,
                      const weir_message *message, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    weir_log_message_list(log, level, event, message, format, arguments);
    va_end(arguments);
}
