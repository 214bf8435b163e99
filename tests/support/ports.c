/* Free TCP ports of 127.0.0.1. */
#include "support/ports.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define LINES_MAX 16
/* Below the ports that the system gives to outgoing connections. */
#define PORT_MIN 10000
#define PORT_COUNT 20000
#define SENTINEL_PORT 26379

struct sockaddr_in test_address(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A listener at the port, -1 where it is taken. */
static int listen_at(int port)
{
    struct sockaddr_in address = test_address(port);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        listen(listener, LINES_MAX) == 0)
        return listener;
    close(listener);
    return -1;
}

/* Programs that run at the same time look at different ports, for a while. */
int test_listen(int *port)
{
    static unsigned tried;
    for (int i = 0; i < PORT_COUNT; i++) {
        *port = PORT_MIN + (int)(((unsigned)getpid() * 61 + tried++) % PORT_COUNT);
        int listener = *port == SENTINEL_PORT ? -1 : listen_at(*port);
        if (listener >= 0)
            return listener;
    }
    fail_msg("there is no free port");
    return -1;
}

int test_free_port(void)
{
    int port;
    close(test_listen(&port));
    return port;
}
