/* A screen that is drawn again and again, on the terminal that standard output is: beside what was
 * there before, which comes back at the end, however that comes. One at a time in a process. */
#ifndef WEIR_COMMANDS_SCREEN_H
#define WEIR_COMMANDS_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

/* Whether standard output is a terminal that can do it. */
bool weir_screen_possible(void);
/* Takes the screen. A first Ctrl-C (or SIGTERM, SIGHUP) is noted from here on, a second gives the
 * screen back and ends the process. Keys are not shown as they are typed. */
void weir_screen_open(void);
/* Gives it back; a second call does nothing. */
void weir_screen_close(void);

/* Lines, escaped already and ended by newlines; those that do not fit are not shown. */
void weir_screen_draw(const char *text);
int weir_screen_lines(void);

enum weir_screen_event {
    WEIR_SCREEN_TIME,    /* that is over */
    WEIR_SCREEN_RESIZED, /* draw it again */
    WEIR_SCREEN_QUIT,    /* q was pressed */
    WEIR_SCREEN_ENDED,   /* a signal, noted before or now */
};
enum weir_screen_event weir_screen_wait(int64_t ms);

/* The signals alone, for results that are no screen: noted from here on, a second one ends the
 * process. weir_screen_wait waits there, too. */
void weir_screen_catch(void);
/* The exit code for the signal that was noted: 128 and its number. */
int weir_screen_exit_code(void);
/* Whether a signal has ended it. */
bool weir_screen_ended(void);

#endif
