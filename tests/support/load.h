/* Messages in numbers, and faults at random moments. */
#ifndef WEIR_TESTS_SUPPORT_LOAD_H
#define WEIR_TESTS_SUPPORT_LOAD_H

#include "support/server.h"

/* A random number below `limit`. The first call prints the seed; WEIR_TEST_SEED sets it. */
unsigned test_random(unsigned limit);

/* Sends commands of the type, with the data {"n":"n<i>"} and what `more` adds, for i from `from`
 * on, in one go over a connection of its own; returns the number of those that the server has
 * acknowledged: all, unless the server dies. `acknowledged[i]` tells which; NULL: not asked. */
int test_send_many(const struct test_server *server, const char *service, const char *type,
                   const char *more, int from, int count, char *acknowledged);

/* The same with data that `make` writes for each number from 0 on; all have to be acknowledged. */
typedef void test_data_maker(char *data, size_t room, int number);
void test_send_made(const struct test_server *server, const char *service, const char *type,
                    int count, test_data_maker *make);

#endif
