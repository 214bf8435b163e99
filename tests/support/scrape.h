/* What a process under test tells of itself over HTTP, where it was started with
 * OPTIONS("--metrics", "127.0.0.1:0"). */
#ifndef WEIR_TESTS_SUPPORT_SCRAPE_H
#define WEIR_TESTS_SUPPORT_SCRAPE_H

#include "support/worker.h"

/* One answer. */
struct test_page {
    int status;
    char *text; /* headers and body, terminated */
};

/* The port that a line of the process's log tells behind the text, the last one said. */
int test_port_said(const struct test_worker *worker, const char *before);
/* Sends a request, which ends its connection, to that port; no answer within 10 s fails the test.
 * To be closed. */
struct test_page test_page_ask(int port, const char *request);
/* Asks the process by GET. To be closed. */
struct test_page test_page_get(const struct test_worker *worker, const char *path);
/* The same of whoever serves at that port of 127.0.0.1. */
struct test_page test_page_get_at(int port, const char *path);
void test_page_close(struct test_page *page);
/* Whether the answer has that status and holds the text. */
bool test_page_is(const struct test_worker *worker, const char *path, int status, const char *text);

/* The value of a series by its whole name, such as "weir_backlog{service=\"a\",stream=\"b\"}"; -1
 * where it is not told. The second makes a scrape of its own. */
double test_page_metric(const struct test_page *page, const char *series);
double test_metric(const struct test_worker *worker, const char *series);

#endif
