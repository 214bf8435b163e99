/* Tells the service manager how this process is: systemd's protocol, one datagram for each message,
 * to the socket that $NOTIFY_SOCKET names. Without it all of this does nothing. */
#ifndef WEIR_BASE_NOTIFY_H
#define WEIR_BASE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

#define WEIR_NOTIFY_MAX 512 /* bytes of a message; a longer one is cut */

struct weir_notify {
    int descriptor;      /* -1: nobody wants to know */
    char socket[108];    /* as $NOTIFY_SOCKET names it */
    int64_t watchdog_ms; /* a sign of life is wanted at least so often; 0: never */
};

/* Reads NOTIFY_SOCKET (a path, or an abstract name behind '@'), WATCHDOG_USEC and WATCHDOG_PID. */
void weir_notify_open(struct weir_notify *notify);
void weir_notify_close(struct weir_notify *notify);

/* Sends `state` ("READY=1", "STATUS=") and, behind it, what the format makes, in which control
 * characters are replaced: no value can begin a line of its own. Never waits: a message that the
 * manager does not take now is lost, and false is returned. */
bool weir_notify_say(const struct weir_notify *notify, const char *state, const char *format, ...)
    WEIR_PRINTF(3, 4);

#endif
