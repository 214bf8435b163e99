/* Threads beside the main one. */
#ifndef WEIR_BASE_THREAD_H
#define WEIR_BASE_THREAD_H

#include <pthread.h>

/* As pthread_create, for a thread that gets no signals: those are the program's, and SIGPIPE of a
 * peer that has closed is nobody's. To be joined or detached. 0, or an error of errno's. */
int weir_thread_start(pthread_t *thread, void *(*run)(void *user), void *user);

#endif
