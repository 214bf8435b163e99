/* A server of a test's own making, in the test's own loop: it greets as Redis does, unless told
 * otherwise, and then answers what the test wants, or nothing, or closes.
 *
 * It listens on a free TCP port of 127.0.0.1. */
#ifndef WEIR_TESTS_SUPPORT_FAKE_SERVER_H
#define WEIR_TESTS_SUPPORT_FAKE_SERVER_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

enum fake_ending {
    FAKE_STAYS,  /* the connection stays open */
    FAKE_CLOSES, /* it is closed behind the answer */
    FAKE_RESETS, /* it is reset behind the answer */
};

struct fake_server {
    struct ev_loop *loop; /* borrowed */
    int listener, client;
    ev_io accepting, reading;
    ev_timer slowly;
    char url[64];
    /* How it behaves, for the test to set. */
    const char *role;   /* answer to ROLE; NULL: it is a master */
    const char *ping;   /* answer to PING; NULL: "+PONG\r\n" */
    bool no_greeting;   /* nobody greets it: all is answered by `answer` */
    bool mute;          /* accepts, and never answers anything */
    const char *answer; /* to each command behind the greeting; NULL: none */
    /* Where it is given, it chooses the answer to each such command, by the bytes that have come.
     */
    const char *(*choose)(struct fake_server *fake, const char *command);
    enum fake_ending ending; /* behind each such answer, and where there is none */
    bool bytewise;           /* one byte for each turn of the loop */
    /* What it has seen. */
    size_t connections, commands; /* commands behind the greeting */
    /* Its own. */
    char input[262144], output[65536];
    size_t input_length, output_length, output_sent;
    size_t greeted;
    bool hang_up;
};

void fake_server_start(struct fake_server *fake, struct ev_loop *loop);
/* Closes the listener, so that connections are refused; and opens it again. */
void fake_server_refuse(struct fake_server *fake);
void fake_server_listen(struct fake_server *fake);
void fake_server_drop_client(struct fake_server *fake);
void fake_server_stop(struct fake_server *fake);

#endif
