/* What a process under test tells of itself over HTTP. */
#include "support/scrape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/ports.h"

#define LISTENING "metrics.listening address=127.0.0.1:"
#define ANSWER_S 10

/* The last one said: a folder may hold the log of an earlier run. */
int test_port_said(const struct test_worker *worker, const char *before)
{
    char line[1024];
    int port = 0;
    test_await_text(worker->log, before, 15000);
    FILE *log = fopen(worker->log, "r");
    assert_non_null(log);
    while (fgets(line, sizeof(line), log) != NULL) {
        const char *found = strstr(line, before);
        if (found != NULL)
            port = atoi(found + strlen(before));
    }
    fclose(log);
    assert_true(port > 0);
    return port;
}

static char *read_all(int from)
{
    size_t length = 0, capacity = 65536;
    char *text = malloc(capacity);
    ssize_t more = 0;
    while (text != NULL && (more = read(from, text + length, capacity - length - 1)) > 0) {
        length += (size_t)more;
        if (capacity - length < 4096)
            text = realloc(text, capacity *= 2);
    }
    if (more < 0)
        fail_msg("no answer in time");
    assert_non_null(text);
    text[length] = '\0';
    return text;
}

struct test_page test_page_ask(int port, const char *request)
{
    struct timeval limit = {.tv_sec = ANSWER_S};
    struct sockaddr_in address = test_address(port);
    struct test_page page = {0};
    int to = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(to, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    assert_int_equal(connect(to, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(send(to, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    page.text = read_all(to);
    close(to);
    assert_int_equal(sscanf(page.text, "HTTP/1.1 %d", &page.status), 1);
    return page;
}

struct test_page test_page_get(const struct test_worker *worker, const char *path)
{
    return test_page_get_at(test_port_said(worker, LISTENING), path);
}

struct test_page test_page_get_at(int port, const char *path)
{
    char request[256];
    snprintf(request, sizeof(request),
             "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    return test_page_ask(port, request);
}

void test_page_close(struct test_page *page)
{
    free(page->text);
    page->text = NULL;
}

bool test_page_is(const struct test_worker *worker, const char *path, int status, const char *text)
{
    struct test_page page = test_page_get(worker, path);
    bool is = page.status == status && strstr(page.text, text) != NULL;
    test_page_close(&page);
    return is;
}

double test_page_metric(const struct test_page *page, const char *series)
{
    char line[512];
    snprintf(line, sizeof(line), "\n%s ", series);
    const char *found = strstr(page->text, line);
    return found != NULL ? strtod(found + strlen(line), NULL) : -1;
}

double test_metric(const struct test_worker *worker, const char *series)
{
    struct test_page page = test_page_get(worker, "/metrics");
    assert_int_equal(page.status, 200);
    double value = test_page_metric(&page, series);
    test_page_close(&page);
    return value;
}
