/* A service manager that listens to what processes tell it. */
#include "support/manager.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static int manager = -1, beats;
static char text[8192];

void test_manager_begin(const char *form, const char *watchdog_usec)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[100];
    size_t length = (size_t)snprintf(name, sizeof name, "%s.%ld", form, (long)getpid());
    memcpy(address.sun_path, name, length);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    else
        unlink(name);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(manager >= 0);
    assert_int_equal(
        bind(manager, (const struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (name[0] == '/'))),
        0);
    setenv("NOTIFY_SOCKET", name, 1);
    setenv("WATCHDOG_USEC", watchdog_usec, 1);
    test_manager_forget();
}

void test_manager_end(void)
{
    const char *name = getenv("NOTIFY_SOCKET");
    if (manager >= 0)
        close(manager);
    manager = -1;
    if (name != NULL && name[0] == '/')
        unlink(name);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
}

/* Takes what has come. */
const char *test_manager_text(void)
{
    char message[1024];
    ssize_t length;
    while ((length = recv(manager, message, sizeof message - 1, 0)) > 0) {
        message[length] = '\0';
        if (strcmp(message, "WATCHDOG=1") == 0)
            beats++;
        else if (strlen(text) + (size_t)length + 2 < sizeof text)
            strcat(strcat(text, message), "\n");
    }
    return text;
}

bool test_manager_heard(const char *what)
{
    return strstr(test_manager_text(), what) != NULL;
}

int test_manager_beats(void)
{
    (void)test_manager_text();
    return beats;
}

void test_manager_forget(void)
{
    text[0] = '\0';
}

void test_manager_overwhelm(void)
{
    int sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address;
    socklen_t length = sizeof address;
    assert_int_equal(getsockname(manager, (struct sockaddr *)&address, &length), 0);
    while (sendto(sender, "X=1", 3, 0, (const struct sockaddr *)&address, length) == 3)
        continue;
    assert_int_equal(errno, EAGAIN);
    close(sender);
}
