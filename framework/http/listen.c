/* A socket that listens at an address from a command line. */
#include "http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

#define BACKLOG 128
#define PORT_MAX 65535

static enum weir_status malformed(const char *text, struct weir_error *error)
{
    return weir_error_set(error, WEIR_INVALID,
                          "\"%.80s\" is not an address; it must be HOST:PORT or [IPv6]:PORT, with "
                          "a port from 0 (any free one) to 65535",
                          text);
}

enum weir_status weir_listen_parse(const char *text, struct weir_listen_address *address,
                                   struct weir_error *error)
{
    const char *colon = strrchr(text, ':'), *host = text;
    int64_t port;
    if (colon == NULL || !weir_parse_integer(colon + 1, strlen(colon + 1), &port) || port < 0 ||
        port > PORT_MAX)
        return malformed(text, error);
    size_t length = (size_t)(colon - text);
    bool brackets = text[0] == '[';
    if (brackets) {
        if (length < 3 || text[length - 1] != ']')
            return malformed(text, error);
        host++;
        length -= 2;
    }
    if (length > WEIR_LISTEN_HOST_MAX || (memchr(host, ':', length) != NULL) != brackets)
        return malformed(text, error);
    memcpy(address->host, host, length);
    address->host[length] = '\0';
    snprintf(address->port, sizeof address->port, "%d", (int)port);
    return WEIR_OK;
}

bool weir_listen_loopback(const struct weir_listen_address *address)
{
    struct in_addr four;
    struct in6_addr six;
    if (strcmp(address->host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, address->host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, address->host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* Negative where it cannot be had, with errno. */
static int open_one(const struct addrinfo *at)
{
    int on = 1, opened;
    int listening = socket(at->ai_family, at->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listening < 0)
        return -1;
    /* A process that is started again must not wait for connections of the one before. */
    if (setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(listening, at->ai_addr, at->ai_addrlen) == 0 && listen(listening, BACKLOG) == 0)
        return listening;
    opened = errno;
    close(listening);
    errno = opened;
    return -1;
}

int weir_listen_open(const struct weir_listen_address *address, struct weir_error *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    const char *host = address->host[0] != '\0' ? address->host : NULL;
    int listening = -1;
    int failed = getaddrinfo(host, address->port, &hints, &found);
    if (failed != 0) {
        weir_error_set(error, WEIR_SYSTEM, "%.80s: %s", address->host, gai_strerror(failed));
        return -1;
    }
    for (const struct addrinfo *at = found; at != NULL && listening < 0; at = at->ai_next)
        listening = open_one(at);
    if (listening < 0)
        weir_error_set(error, WEIR_SYSTEM, "cannot listen at %.80s port %s: %s",
                       host != NULL ? host : "all addresses", address->port, strerror(errno));
    freeaddrinfo(found);
    return listening;
}

void weir_listen_show(int listening, char shown[WEIR_LISTEN_SHOWN_MAX])
{
    struct sockaddr_storage at;
    socklen_t length = sizeof at;
    char host[INET6_ADDRSTRLEN], port[6];
    shown[0] = '\0';
    if (getsockname(listening, (struct sockaddr *)&at, &length) == 0 &&
        getnameinfo((struct sockaddr *)&at, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(shown, WEIR_LISTEN_SHOWN_MAX, at.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
                 port);
}
