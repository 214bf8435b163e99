/* Writes requests and takes answers apart. */
#include "gateway/http.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

bool http_init(struct http *http, const char *address)
{
    const char *colon = strrchr(address, ':');
    *http = (struct http){.socket = -1};
    if (!colon || colon - address >= (long)sizeof(http->host))
        return false;
    snprintf(http->host, sizeof(http->host), "%.*s", (int)(colon - address), address);
    http->port = atoi(colon + 1);
    return http->port > 0 && http->port < 65536;
}

void http_close(struct http *http)
{
    if (http->socket >= 0)
        close(http->socket);
    http->socket = -1;
}

static bool connect_now(struct http *http)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)http->port)};
    int yes = 1;
    if (http->socket >= 0)
        return true;
    http->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (http->socket < 0 || inet_pton(AF_INET, http->host, &to.sin_addr) != 1 ||
        connect(http->socket, (struct sockaddr *)&to, sizeof(to)) != 0) {
        http_close(http);
        return false;
    }
    (void)setsockopt(http->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    return true;
}

static bool send_request(struct http *http, const char *method, const char *path, const char *key,
                         const char *body)
{
    char text[8192], key_line[256] = "", body_lines[128] = "";
    int length;
    if (key)
        snprintf(key_line, sizeof(key_line), "Idempotency-Key: %s\r\n", key);
    if (body)
        snprintf(body_lines, sizeof(body_lines),
                 "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
    length = snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n%s", method, path,
                      http->host, key_line, body_lines, body ? body : "");
    return length < (int)sizeof(text) &&
           send(http->socket, text, (size_t)length, MSG_NOSIGNAL) == length;
}

static const char *header(const char *head, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, length) == 0 && line[2 + length] == ':')
            return line + 2 + length + 1 + strspn(line + 2 + length + 1, " ");
    return NULL;
}

/* True where all of the answer is there. */
static bool take_answer(char *text, size_t filled, struct http_answer *answer, bool *closes)
{
    char *end = strstr(text, "\r\n\r\n");
    const char *value;
    size_t length;
    if (!end)
        return false;
    end[2] = '\0';
    value = header(text, "Content-Length");
    length = value ? strtoul(value, NULL, 10) : 0;
    if ((size_t)(end + 4 - text) + length > filled || length >= sizeof(answer->body)) {
        end[2] = '\r';
        return false;
    }
    memcpy(answer->body, end + 4, length);
    answer->body[length] = '\0';
    value = header(text, "Location");
    if (value)
        snprintf(answer->location, sizeof(answer->location), "%.*s", (int)strcspn(value, "\r"),
                 value);
    value = header(text, "Connection");
    *closes = value && strncasecmp(value, "close", 5) == 0;
    answer->status = atoi(text + strcspn(text, " "));
    return true;
}

void http_ask(struct http *http, const char *method, const char *path, const char *key,
              const char *body, int limit_ms, struct http_answer *answer)
{
    static _Thread_local char text[16384];
    struct timeval limit = {limit_ms / 1000, limit_ms % 1000 * 1000};
    size_t filled = 0;
    bool closes = false;
    *answer = (struct http_answer){.status = 0};
    if (!connect_now(http))
        return;
    (void)setsockopt(http->socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (send_request(http, method, path, key, body))
        while (answer->status == 0 && filled + 1 < sizeof(text)) {
            ssize_t got = recv(http->socket, text + filled, sizeof(text) - 1 - filled, 0);
            if (got <= 0)
                break;
            filled += (size_t)got;
            text[filled] = '\0';
            (void)take_answer(text, filled, answer, &closes);
        }
    if (answer->status == 0 || closes)
        http_close(http);
}

void http_tell(struct http *http, const char *method, const char *path, const char *key,
               const char *body)
{
    if (connect_now(http))
        (void)send_request(http, method, path, key, body);
    http_close(http);
}
