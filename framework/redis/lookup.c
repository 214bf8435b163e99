/* Finds the number of a host's name without holding up the loop. */
#include "redis/lookup.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/thread.h"

/* Whoever leaves last frees it: the thread cannot be stopped. */
struct weir_lookup_work {
    pthread_mutex_t mutex;      /* guards `lookup` and `done` */
    struct weir_lookup *lookup; /* NULL: nobody waits any more */
    bool done;
    struct weir_address address; /* the name; when done, the number */
    struct weir_error error;
};

bool weir_host_is_number(const char *host)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return false;
    freeaddrinfo(found);
    return true;
}

static void free_work(struct weir_lookup_work *work)
{
    pthread_mutex_destroy(&work->mutex);
    free(work);
}

/* ---- In the thread ------------------------------------------------------------------------- */

/* IPv4 comes first, as hiredis has it. */
static void find_number(struct weir_lookup_work *work)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_INET}, *found;
    char number[WEIR_HOST_MAX + 1];
    int why = getaddrinfo(work->address.host, NULL, &hints, &found);
    if (why != 0) {
        hints.ai_family = AF_INET6;
        why = getaddrinfo(work->address.host, NULL, &hints, &found);
    }
    if (why == 0) {
        why = getnameinfo(found->ai_addr, found->ai_addrlen, number, sizeof number, NULL, 0,
                          NI_NUMERICHOST);
        freeaddrinfo(found);
    }
    if (why == 0)
        strcpy(work->address.host, number);
    else
        weir_error_set(&work->error, WEIR_UNAVAILABLE, "cannot find the host \"%.100s\": %s",
                       work->address.host, gai_strerror(why));
}

static void *run(void *user)
{
    struct weir_lookup_work *work = user;
    find_number(work);
    pthread_mutex_lock(&work->mutex);
    bool wanted = work->lookup != NULL;
    work->done = true;
    if (wanted)
        ev_async_send(work->lookup->loop, &work->lookup->wake);
    pthread_mutex_unlock(&work->mutex);
    if (!wanted)
        free_work(work);
    return NULL;
}

/* ---- In the loop --------------------------------------------------------------------------- */

static void on_wake(struct ev_loop *loop, ev_async *wake, int events)
{
    struct weir_lookup *lookup = wake->data;
    struct weir_lookup_work *work = lookup->work;
    (void)loop, (void)events;
    pthread_mutex_lock(&work->mutex); /* the thread may still be inside */
    struct weir_address address = work->address;
    struct weir_error error = work->error;
    pthread_mutex_unlock(&work->mutex);
    lookup->work = NULL;
    ev_async_stop(lookup->loop, &lookup->wake);
    free_work(work);
    lookup->answered(lookup->user, error.status == WEIR_OK ? &address : NULL, &error);
}

static int start_thread(struct weir_lookup_work *work)
{
    pthread_t thread;
    int why = weir_thread_start(&thread, run, work);
    if (why == 0)
        pthread_detach(thread);
    return why;
}

void weir_lookup_init(struct weir_lookup *lookup, struct ev_loop *loop, void *user,
                      void (*answered)(void *user, const struct weir_address *address,
                                       const struct weir_error *error))
{
    *lookup = (struct weir_lookup){.loop = loop, .user = user, .answered = answered};
    ev_async_init(&lookup->wake, on_wake);
    lookup->wake.data = lookup;
}

enum weir_status weir_lookup_start(struct weir_lookup *lookup, const struct weir_address *address,
                                   struct weir_error *error)
{
    struct weir_lookup_work *work = calloc(1, sizeof *work);
    if (work == NULL)
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory to find a host");
    pthread_mutex_init(&work->mutex, NULL);
    work->lookup = lookup;
    work->address = *address;
    lookup->work = work;
    ev_async_start(lookup->loop, &lookup->wake);
    if (start_thread(work) == 0)
        return WEIR_OK;
    ev_async_stop(lookup->loop, &lookup->wake);
    lookup->work = NULL;
    free_work(work);
    return weir_error_set(error, WEIR_SYSTEM, "cannot start a thread to find a host");
}

void weir_lookup_cancel(struct weir_lookup *lookup)
{
    struct weir_lookup_work *work = lookup->work;
    if (work == NULL)
        return;
    lookup->work = NULL;
    ev_async_stop(lookup->loop, &lookup->wake);
    pthread_mutex_lock(&work->mutex);
    bool done = work->done;
    work->lookup = NULL;
    pthread_mutex_unlock(&work->mutex);
    if (done)
        free_work(work);
}
