/* systemd's protocol for services that tell how they are; a few lines, so that no library is needed
 * for it. */
#include "base/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"

static bool take_socket(struct weir_notify *notify, const char *name)
{
    size_t length = name != NULL ? strlen(name) : 0;
    if (length < 2 || length >= sizeof notify->socket || (name[0] != '/' && name[0] != '@'))
        return false;
    memcpy(notify->socket, name, length + 1);
    return true;
}

/* An abstract name begins with a NUL and has none at its end. */
static socklen_t address_of(const struct weir_notify *notify, struct sockaddr_un *address)
{
    size_t length = strlen(notify->socket);
    bool abstract = notify->socket[0] == '@';
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, notify->socket, length);
    if (abstract)
        address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + !abstract);
}

static int64_t number_of(const char *name)
{
    const char *text = getenv(name);
    int64_t number = 0;
    return text != NULL && weir_parse_integer(text, strlen(text), &number) ? number : 0;
}

/* Meant for another process where WATCHDOG_PID is another's, which a parent has left there. */
static int64_t watchdog_of_this(void)
{
    int64_t usec = number_of("WATCHDOG_USEC");
    bool ours = getenv("WATCHDOG_PID") == NULL || number_of("WATCHDOG_PID") == (int64_t)getpid();
    return ours && usec > 0 ? (usec + 999) / 1000 : 0;
}

void weir_notify_open(struct weir_notify *notify)
{
    *notify = (struct weir_notify){.descriptor = -1};
    if (!take_socket(notify, getenv("NOTIFY_SOCKET")))
        return;
    notify->descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (notify->descriptor >= 0)
        notify->watchdog_ms = watchdog_of_this();
}

void weir_notify_close(struct weir_notify *notify)
{
    if (notify->descriptor >= 0)
        close(notify->descriptor);
    notify->descriptor = -1;
}

bool weir_notify_say(const struct weir_notify *notify, const char *state, const char *format, ...)
{
    char message[WEIR_NOTIFY_MAX];
    struct sockaddr_un address;
    socklen_t length = address_of(notify, &address);
    int head = snprintf(message, sizeof message, "%s", state);
    va_list arguments;
    ssize_t sent;
    if (notify->descriptor < 0 || head < 0 || (size_t)head >= sizeof message)
        return false;
    va_start(arguments, format);
    vsnprintf(message + head, sizeof message - (size_t)head, format, arguments);
    va_end(arguments);
    for (char *at = message + head; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    do
        sent = sendto(notify->descriptor, message, strlen(message), MSG_NOSIGNAL,
                      (const struct sockaddr *)&address, length);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}
