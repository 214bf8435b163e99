/* Runs programs on a pseudo-terminal. */
#define _XOPEN_SOURCE 700 /* wcwidth */
#include "support/pseudo_terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include <cmocka.h>

#include "support/server.h"

#define LIMIT_MS 20000

void terminal_start(struct test_terminal *terminal, int columns, int rows, const char *const *words)
{
    struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};
    memset(terminal, 0, sizeof(*terminal));
    fflush(NULL);
    terminal->pid = forkpty(&terminal->fd, NULL, NULL, &size);
    if (terminal->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPIPE, SIG_DFL);
        execvp(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    if (terminal->pid < 0)
        fail_msg("no pseudo-terminal: %s", strerror(errno));
    fcntl(terminal->fd, F_SETFL, O_NONBLOCK);
    fcntl(terminal->fd, F_SETFD, FD_CLOEXEC);
}

static void keep(struct test_terminal *terminal, const char *bytes, size_t length)
{
    if (terminal->length + length + 1 > terminal->capacity) {
        terminal->capacity = 2 * (terminal->length + length + 1);
        terminal->text = realloc(terminal->text, terminal->capacity);
        assert_non_null(terminal->text);
    }
    memcpy(terminal->text + terminal->length, bytes, length);
    terminal->length += length;
    terminal->text[terminal->length] = '\0';
}

/* False at the end: the other side is closed. */
static bool read_some(struct test_terminal *terminal)
{
    char bytes[4096];
    struct pollfd input = {.fd = terminal->fd, .events = POLLIN};
    (void)poll(&input, 1, 10);
    ssize_t count = read(terminal->fd, bytes, sizeof(bytes));
    if (count > 0)
        keep(terminal, bytes, (size_t)count);
    return count > 0 || (count < 0 && errno == EAGAIN);
}

void terminal_await(struct test_terminal *terminal, const char *text)
{
    for (long long end = test_now() + LIMIT_MS;;) {
        const char *found = terminal->text ? strstr(terminal->text + terminal->seen, text) : NULL;
        if (found) {
            terminal->seen = (size_t)(found - terminal->text) + strlen(text);
            return;
        }
        if (!read_some(terminal) || test_now() > end)
            fail_msg("'%s' has not come onto the terminal: %s", text,
                     terminal->text ? terminal->text + terminal->seen : "");
    }
}

bool terminal_wrote(struct test_terminal *terminal, const char *text)
{
    (void)read_some(terminal);
    return terminal->text && strstr(terminal->text, text);
}

void terminal_type(struct test_terminal *terminal, const char *keys)
{
    if (write(terminal->fd, keys, strlen(keys)) != (ssize_t)strlen(keys) && errno != EIO)
        fail_msg("cannot type: %s", strerror(errno));
}

void terminal_resize(struct test_terminal *terminal, int columns, int rows)
{
    struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};
    assert_int_equal(ioctl(terminal->fd, TIOCSWINSZ, &size), 0);
}

int terminal_end(struct test_terminal *terminal)
{
    for (long long end = test_now() + LIMIT_MS; read_some(terminal);)
        if (test_now() > end)
            fail_msg("has not ended: %s", terminal->text ? terminal->text : "");
    close(terminal->fd);
    terminal->fd = -1;
    if (!terminal->text)
        keep(terminal, "", 0);
    return test_end(terminal->pid, 0, LIMIT_MS);
}

void terminal_close(struct test_terminal *terminal)
{
    free(terminal->text);
    memset(terminal, 0, sizeof(*terminal));
}

int terminal_run(struct test_terminal *terminal, int columns, const char *const *words)
{
    terminal_start(terminal, columns, 24, words);
    return terminal_end(terminal);
}

/* ---- Lines ------------------------------------------------------------------------------- */

/* The bytes of an escape sequence, 0 where there is none. */
static size_t escape_at(const char *text)
{
    if (text[0] != '\033' || text[1] != '[')
        return 0;
    size_t length = 2 + strspn(text + 2, "0123456789;?");
    return text[length] ? length + 1 : length;
}

/* By the C library, whose table is another than the product's. */
static size_t columns_of(const char **text)
{
    mbstate_t state = {0};
    wchar_t character;
    size_t length = mbrtowc(&character, *text, MB_CUR_MAX, &state);
    if (length == 0 || length > MB_CUR_MAX)
        fail_msg("not UTF-8: %s", *text);
    *text += length;
    int width = wcwidth(character);
    return width > 0 ? (size_t)width : 0;
}

size_t terminal_widest(const char *text)
{
    size_t widest = 0, width = 0;
    while (*text) {
        size_t escape = escape_at(text);
        if (escape > 0) {
            text += escape;
        } else if (*text == '\n' || *text == '\r') {
            width = 0;
            text++;
        } else {
            width += columns_of(&text);
            widest = width > widest ? width : widest;
        }
    }
    return widest;
}
