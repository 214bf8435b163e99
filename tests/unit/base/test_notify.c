/* What the service manager is told: to a path or an abstract name, whole or not at all, without
 * waiting, and nothing where nobody asks. */
#include "base/notify.h"

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

#define PATH "/tmp/weir-test-notify"

static char name[64];

/* Listens as the manager does; `form` is a path or begins with '@'. */
static int listen_on(const char *form)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    size_t length = (size_t)snprintf(name, sizeof name, "%s.%ld", form, (long)getpid());
    memcpy(address.sun_path, name, length);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    else
        unlink(name);
    assert_true(descriptor >= 0);
    assert_int_equal(
        bind(descriptor, (const struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (name[0] == '/'))),
        0);
    setenv("NOTIFY_SOCKET", name, 1);
    return descriptor;
}

static void stop_listening(int descriptor)
{
    close(descriptor);
    if (name[0] == '/')
        unlink(name);
    unsetenv("NOTIFY_SOCKET");
}

static const char *heard(int descriptor)
{
    static char message[2048];
    ssize_t length = recv(descriptor, message, sizeof message - 1, 0);
    message[length > 0 ? length : 0] = '\0';
    return message;
}

static void both_kinds_of_socket_hear(void **state)
{
    (void)state;
    static const char *const forms[] = {PATH, "@weir-test-notify"};
    for (size_t i = 0; i < 2; i++) {
        struct weir_notify notify;
        int manager = listen_on(forms[i]);
        weir_notify_open(&notify);
        assert_true(weir_notify_say(&notify, "READY=1", "%s", ""));
        assert_string_equal(heard(manager), "READY=1");
        assert_true(weir_notify_say(&notify, "STATUS=", "%d in hand", 7));
        assert_string_equal(heard(manager), "STATUS=7 in hand");
        weir_notify_close(&notify);
        assert_false(weir_notify_say(&notify, "READY=1", "%s", ""));
        stop_listening(manager);
    }
}

static void a_value_begins_no_line(void **state)
{
    (void)state;
    struct weir_notify notify;
    char text[3 * WEIR_NOTIFY_MAX];
    int manager = listen_on(PATH);
    weir_notify_open(&notify);
    assert_true(weir_notify_say(&notify, "STATUS=", "%s", "a\nREADY=1\r\x1b[2J\x7f"));
    assert_string_equal(heard(manager), "STATUS=a?READY=1??[2J?");
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_true(weir_notify_say(&notify, "STATUS=", "%s", text));
    assert_int_equal(strlen(heard(manager)), WEIR_NOTIFY_MAX - 1);
    weir_notify_close(&notify);
    stop_listening(manager);
}

/* A manager that does not read costs messages, not the process's time. */
static void nothing_waits_for_the_manager(void **state)
{
    (void)state;
    struct weir_notify notify;
    int manager = listen_on(PATH), said = 0;
    weir_notify_open(&notify);
    while (said < 1000000 && weir_notify_say(&notify, "WATCHDOG=1", "%s", ""))
        said++;
    assert_in_range(said, 1, 999999);
    assert_string_equal(heard(manager), "WATCHDOG=1");
    stop_listening(manager);
    assert_false(weir_notify_say(&notify, "WATCHDOG=1", "%s", ""));
    weir_notify_close(&notify);
}

static void without_a_socket_nothing_is_said(void **state)
{
    (void)state;
    static char too_long[200] = "/";
    memset(too_long + 1, 'a', sizeof too_long - 2);
    const char *const names[] = {NULL, "", "/", "@", "relative", "vsock:2:1234", too_long};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct weir_notify notify;
        if (names[i] != NULL)
            setenv("NOTIFY_SOCKET", names[i], 1);
        else
            unsetenv("NOTIFY_SOCKET");
        setenv("WATCHDOG_USEC", "1000000", 1);
        weir_notify_open(&notify);
        assert_int_equal(notify.descriptor, -1);
        assert_int_equal(notify.watchdog_ms, 0);
        assert_false(weir_notify_say(&notify, "READY=1", "%s", ""));
        weir_notify_close(&notify);
    }
    unsetenv("WATCHDOG_USEC");
    unsetenv("NOTIFY_SOCKET");
}

static void the_watchdog_is_this_process_s(void **state)
{
    (void)state;
    char own[24];
    snprintf(own, sizeof own, "%ld", (long)getpid());
    static const struct {
        const char *usec;
        bool other;
        int64_t ms;
    } rows[] = {{"20000000", false, 20000}, {"1", false, 1},
                {"20000000", true, 0},      {"0", false, 0},
                {"-5", false, 0},           {"soon", false, 0}};
    int manager = listen_on(PATH);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weir_notify notify;
        setenv("WATCHDOG_USEC", rows[i].usec, 1);
        setenv("WATCHDOG_PID", rows[i].other ? "1" : own, 1);
        weir_notify_open(&notify);
        assert_int_equal(notify.watchdog_ms, rows[i].ms);
        weir_notify_close(&notify);
    }
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    stop_listening(manager);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_kinds_of_socket_hear),
        cmocka_unit_test(a_value_begins_no_line),
        cmocka_unit_test(nothing_waits_for_the_manager),
        cmocka_unit_test(without_a_socket_nothing_is_said),
        cmocka_unit_test(the_watchdog_is_this_process_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
