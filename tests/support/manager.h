/* A service manager that listens to what processes tell it. */
#ifndef WEIR_TESTS_SUPPORT_MANAGER_H
#define WEIR_TESTS_SUPPORT_MANAGER_H

#include <stdbool.h>

/* Processes that are started from now on, and this one, find it by their environment. `form` is a
 * path, or begins with '@'. */
void test_manager_begin(const char *form, const char *watchdog_usec);
void test_manager_end(void);

/* All that it has heard since it began or was told to forget, each message on a line; signs of life
 * are counted only. Borrowed until the next call. */
const char *test_manager_text(void);
bool test_manager_heard(const char *what);
int test_manager_beats(void);
void test_manager_forget(void);
/* Has others send to it, while it does not listen, until it takes no more. */
void test_manager_overwhelm(void);

#endif
