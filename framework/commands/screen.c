/* Draws on a terminal, waits there, and leaves it as it was. */
#include "commands/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"

/* The alternate screen, no cursor, no wrapping of long lines; and back. */
#define TAKE "\033[?1049h\033[?25l\033[?7l\033[2J"
#define GIVE_BACK "\033[?7h\033[?25h\033[?1049l"
#define LINES_DEFAULT 24
#define SLICE_MS 200 /* a key is looked for at least so often */

static struct screen {
    volatile sig_atomic_t ended;   /* the signal, 0: none */
    volatile sig_atomic_t resized; /* or it was suspended: all has to be drawn again */
    volatile sig_atomic_t taken, keys;
    struct termios before;
} screen;

/* ---- Signals ----------------------------------------------------------------------------- */

/* From signal handlers as well. */
static void give_back(void)
{
    if (screen.keys)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &screen.before);
    if (screen.taken)
        (void)!write(STDOUT_FILENO, GIVE_BACK, sizeof(GIVE_BACK) - 1);
}

static void take(void)
{
    struct termios quiet = screen.before;
    quiet.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
    if (screen.keys)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
    if (screen.taken)
        (void)!write(STDOUT_FILENO, TAKE, sizeof(TAKE) - 1);
}

static void note_end(int number)
{
    if (screen.ended) {
        give_back();
        _exit(128 + number);
    }
    screen.ended = number;
}

static void note_resize(int number)
{
    (void)number;
    screen.resized = 1;
}

/* Ctrl-Z: the shell gets its terminal as it was. */
static void suspend(int number)
{
    int before = errno;
    (void)number;
    give_back();
    (void)raise(SIGSTOP);
    take();
    screen.resized = 1;
    errno = before;
}

static void handle(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(number, &action, NULL);
}

void weir_screen_catch(void)
{
    handle(SIGINT, note_end, 0);
    handle(SIGTERM, note_end, 0);
    handle(SIGHUP, note_end, 0);
}

bool weir_screen_ended(void)
{
    return screen.ended != 0;
}

int weir_screen_exit_code(void)
{
    return 128 + (screen.ended ? screen.ended : SIGINT);
}

/* ---- The screen -------------------------------------------------------------------------- */

bool weir_screen_possible(void)
{
    const char *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) == 1 && !(terminal && strcmp(terminal, "dumb") == 0);
}

void weir_screen_open(void)
{
    weir_screen_catch();
    screen.keys = isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &screen.before) == 0;
    screen.taken = 1;
    /* What is being drawn is written to its end: a line that is broken off is lost to stdio. */
    handle(SIGWINCH, note_resize, SA_RESTART);
    handle(SIGTSTP, suspend, SA_RESTART);
    take();
}

void weir_screen_close(void)
{
    give_back();
    screen.taken = screen.keys = 0;
    handle(SIGWINCH, SIG_DFL, 0);
    handle(SIGTSTP, SIG_DFL, 0);
}

int weir_screen_lines(void)
{
    struct winsize window;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_row > 0;
    return known ? window.ws_row : LINES_DEFAULT;
}

/* The rest of each line and of the screen is cleared behind what is drawn, so that nothing
 * flickers. */
void weir_screen_draw(const char *text)
{
    int left = weir_screen_lines();
    fputs("\033[H", stdout);
    for (; *text && left > 0; left--) {
        size_t length = strcspn(text, "\n");
        printf("%.*s\033[0m\033[K%s", (int)length, text, left > 1 ? "\r\n" : "");
        text += length + (text[length] == '\n');
    }
    if (left > 0)
        fputs("\033[J", stdout);
    fflush(stdout);
}

/* ---- Waiting ----------------------------------------------------------------------------- */

/* Whether q, Q or the end of a terminal that is gone can be read. */
static bool quit_pressed(void)
{
    char keys[16];
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    if (!screen.keys || poll(&input, 1, 0) <= 0)
        return false;
    ssize_t count = read(STDIN_FILENO, keys, sizeof(keys));
    return count == 0 ||
           (count > 0 && (memchr(keys, 'q', (size_t)count) || memchr(keys, 'Q', (size_t)count)));
}

/* A signal that comes between the look at it and the pause is noticed a slice later. */
static void pause_some(int64_t ms)
{
    struct pollfd input = {.fd = screen.keys ? STDIN_FILENO : -1, .events = POLLIN};
    (void)poll(&input, 1, (int)(ms < SLICE_MS ? ms : SLICE_MS));
}

enum weir_screen_event weir_screen_wait(int64_t ms)
{
    int64_t end = weir_clock_monotonic_ms() + ms;
    for (;;) {
        int64_t left = end - weir_clock_monotonic_ms();
        if (screen.ended)
            return WEIR_SCREEN_ENDED;
        if (quit_pressed())
            return WEIR_SCREEN_QUIT;
        if (screen.resized) {
            screen.resized = 0;
            return WEIR_SCREEN_RESIZED;
        }
        if (left <= 0)
            return WEIR_SCREEN_TIME;
        pause_some(left);
    }
}
