/* Unix stream sockets by path. */
#include "support/unix_socket.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define WAITING_MAX 128

static bool set_address(struct sockaddr_un *address, const char *path)
{
    size_t length = strlen(path);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (length >= sizeof(address->sun_path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(address->sun_path, path, length);
    return true;
}

static int fail_with(int descriptor)
{
    int error = errno;
    close(descriptor);
    errno = error;
    return -1;
}

int test_unix_listen(const char *path)
{
    struct sockaddr_un address;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0)
        return -1;
    if (set_address(&address, path)) {
        unlink(path);
        if (bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
            listen(listener, WAITING_MAX) == 0)
            return listener;
    }
    return fail_with(listener);
}

int test_unix_connect(const char *path)
{
    struct sockaddr_un address;
    int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0)
        return -1;
    if (set_address(&address, path) &&
        connect(connection, (struct sockaddr *)&address, sizeof(address)) == 0)
        return connection;
    return fail_with(connection);
}
