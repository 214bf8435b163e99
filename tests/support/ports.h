/* Free TCP ports of 127.0.0.1, for servers and listeners of tests. */
#ifndef WEIR_TESTS_SUPPORT_PORTS_H
#define WEIR_TESTS_SUPPORT_PORTS_H

#include <netinet/in.h>

struct sockaddr_in test_address(int port);
/* A listener at a free port, which is set; one that no program that runs at the same time is likely
 * to look at, and that the system gives to no outgoing connection. */
int test_listen(int *port);
/* Such a port, for a program that is to listen there itself. */
int test_free_port(void);

#endif
