/* A line of the log about one message. */
#ifndef WEIR_MESSAGE_MESSAGE_LOG_H
#define WEIR_MESSAGE_MESSAGE_LOG_H

#include "base/log.h"
#include "message/envelope.h"

#define WEIR_TRACE_ROOM 33 /* a trace id as text, with the final NUL */

/* The trace id in a W3C traceparent (32 hex digits), written to `room`, which is returned; "" where
 * there is none, or what is there has another form. `traceparent` may be NULL. */
const char *weir_trace_id(char room[WEIR_TRACE_ROOM], const char *traceparent);

/* As weir_log_write. Behind the line's own fields stands what the message has of: type, stream,
 * entry, origin (stream and entry, where it was put off), id, saga, step, action, trace. Its data
 * never. */
void weir_log_message(struct weir_log *log, enum weir_log_level level, const char *event,
                      const weir_message *message, const char *format, ...) WEIR_PRINTF(5, 6);
void weir_log_message_list(struct weir_log *log, enum weir_log_level level, const char *event,
                           const weir_message *message, const char *format, va_list arguments)
    WEIR_PRINTF(5, 0);

#endif
