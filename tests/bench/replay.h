/* The bare client: reads the groups and sends what the script says for each entry, as fast as the
 * server takes it, with no framework. What it reaches is what the server allows. */
#ifndef WEIR_TESTS_BENCH_REPLAY_H
#define WEIR_TESTS_BENCH_REPLAY_H

#include "script.h"

struct bench_replay {
    const struct bench_script *script;
    const char *socket;
    unsigned items;  /* numbered from BENCH_FIRST */
    unsigned bursts; /* rounds of reading that are under way at once */
    unsigned count;  /* entries in one read */
    unsigned window; /* items begun and not ended, at the most */
};

/* Makes the groups that are missing. */
void bench_replay_prepare(struct bench_server *server, const struct bench_script *script);
/* Handles all items, then returns; fails where one answer is not like those of the first item. To
 * be run in a process of its own (bench_fork): `argument` is a struct bench_replay. */
void bench_replay_run(void *argument);

#endif
