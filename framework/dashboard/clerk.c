/* The thread that asks the server, and its two queues. */
#include "dashboard/clerk.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/thread.h"
#include "commands/output.h"
#include "commands/run.h"

struct queue {
    struct weir_job *first, **end;
    size_t count;
};

struct weir_clerk {
    struct ev_loop *loop;
    ev_async ready;
    pthread_t thread;
    pthread_mutex_t mutex; /* over all that follows, but for the session */
    pthread_cond_t changed;
    struct queue waiting, finished;
    size_t waiting_max;
    bool stopping, ended;
    struct weir_session session; /* the thread's own */
    const char *prefix;
};

/* ---- Queues ------------------------------------------------------------------------------ */

static void queue_init(struct queue *queue)
{
    *queue = (struct queue){.end = &queue->first};
}

static void queue_put(struct queue *queue, struct weir_job *job)
{
    job->next = NULL;
    *queue->end = job;
    queue->end = &job->next;
    queue->count++;
}

static struct weir_job *queue_take(struct queue *queue)
{
    struct weir_job *job = queue->first;
    if (!job)
        return NULL;
    queue->first = job->next;
    if (!queue->first)
        queue->end = &queue->first;
    queue->count--;
    return job;
}

/* ---- One job ----------------------------------------------------------------------------- */

void weir_run_close(struct weir_run *answer)
{
    free(answer->result);
    free(answer->no_master);
    free(answer->remarks);
    *answer = (struct weir_run){0};
}

/* The sentences of the error stream without "weir: " and line ends. */
static char *join_remarks(const char *remarks)
{
    struct weir_text joined = {0};
    while (*remarks) {
        size_t length = strcspn(remarks, "\n");
        const char *line = remarks;
        remarks += length + (remarks[length] == '\n');
        if (strncmp(line, "weir: ", 6) == 0)
            line += 6, length -= 6;
        if (length > 0 && joined.length > 0)
            weir_text_append_string(&joined, "; ");
        weir_text_append(&joined, line, length);
    }
    return joined.at;
}

/* What is about several things is one line for each: as JSON, an array. No JSON has a line end in
 * it. */
static char *make_array(const char *lines, size_t length, size_t *made)
{
    char *array = malloc(length + 3);
    if (!array)
        return NULL;
    array[0] = '[';
    for (size_t i = 0; i < length; i++)
        array[1 + i] = lines[i] == '\n' ? ',' : lines[i];
    memcpy(array + 1 + length, "]", 2);
    *made = length + 2;
    return array;
}

static void keep_result(struct weir_run *answer, char *result_take, size_t length)
{
    while (length > 0 && result_take[length - 1] == '\n')
        length--;
    result_take[length] = '\0';
    if (length > 0 && memchr(result_take, '\n', length))
        answer->result = make_array(result_take, length, &answer->length);
    if (length == 0 || answer->result) {
        free(result_take);
        return;
    }
    answer->result = result_take;
    answer->length = length;
}

/* A connection that does not even tell the time, as in the midst of a transaction that was broken
 * off, is of no use to those who come after; nor is one to a server that is no master any more. */
static void look_back(struct weir_session *session, struct weir_run *answer)
{
    struct weir_error error = {0};
    struct weir_client *client = &session->client;
    answer->reached = weir_client_connected(client) &&
                      weir_session_now(session, &answer->at_ms, &error) == WEIR_OK;
    bool master = answer->reached && weir_client_check_master(client, &error) == WEIR_OK;
    if (answer->reached && !master)
        answer->no_master = strdup(error.text);
    if (!master)
        weir_client_close(client);
}

/* Flags are moved about in the words, hence a copy of the pointers. */
static int run_words(struct weir_session *session, const struct weir_words *words)
{
    char *copy[WEIR_ROUTE_WORDS_MAX + 1];
    memcpy(copy, words->words, ((size_t)words->count + 1) * sizeof(copy[0]));
    return weir_command_run_again(words->command, session, words->count, copy);
}

static void run(struct weir_session *session, struct weir_job *job)
{
    char *result = NULL, *remarks = NULL;
    size_t result_length = 0, remarks_length = 0;
    struct weir_run *answer = &job->answer;
    struct weir_output output = {.result = open_memstream(&result, &result_length),
                                 .remarks = open_memstream(&remarks, &remarks_length),
                                 .remote = true};
    int64_t start = weir_clock_monotonic_ms();
    *answer = (struct weir_run){.code = WEIR_EXIT_FAILED};
    if (output.result && output.remarks) {
        weir_output_set(&output);
        (void)weir_failed_missing(); /* of an earlier run */
        answer->code = run_words(session, &job->words);
        answer->missing = weir_failed_missing();
        answer->unknown = session->unknown;
        weir_output_set(NULL);
        look_back(session, answer);
    }
    bool whole = output.result && fclose(output.result) == 0;
    whole = output.remarks && fclose(output.remarks) == 0 && whole;
    if (whole) {
        answer->remarks = join_remarks(remarks);
        keep_result(answer, result, result_length);
        result = NULL;
    } else {
        answer->code = WEIR_EXIT_FAILED;
    }
    free(result);
    free(remarks);
    answer->took_ms = weir_clock_passed_ms(start, weir_clock_monotonic_ms());
}

/* ---- The thread -------------------------------------------------------------------------- */

static struct weir_job *next_job(struct weir_clerk *clerk)
{
    pthread_mutex_lock(&clerk->mutex);
    while (!clerk->stopping && !clerk->waiting.first)
        pthread_cond_wait(&clerk->changed, &clerk->mutex);
    struct weir_job *job = clerk->stopping ? NULL : queue_take(&clerk->waiting);
    pthread_mutex_unlock(&clerk->mutex);
    return job;
}

static void hand_back(struct weir_clerk *clerk, struct weir_job *job)
{
    pthread_mutex_lock(&clerk->mutex);
    queue_put(&clerk->finished, job);
    if (!clerk->stopping)
        ev_async_send(clerk->loop, &clerk->ready);
    pthread_mutex_unlock(&clerk->mutex);
}

static void *work(void *user)
{
    struct weir_clerk *clerk = user;
    for (struct weir_job *job; (job = next_job(clerk));) {
        clerk->session.settings.prefix = clerk->prefix;
        run(&clerk->session, job);
        hand_back(clerk, job);
    }
    pthread_mutex_lock(&clerk->mutex);
    clerk->ended = true;
    pthread_cond_broadcast(&clerk->changed);
    pthread_mutex_unlock(&clerk->mutex);
    return NULL;
}

/* ---- From the loop ----------------------------------------------------------------------- */

static void on_ready(struct ev_loop *loop, ev_async *watcher, int events)
{
    struct weir_clerk *clerk = watcher->data;
    (void)loop, (void)events;
    for (;;) {
        pthread_mutex_lock(&clerk->mutex);
        struct weir_job *job = queue_take(&clerk->finished);
        pthread_mutex_unlock(&clerk->mutex);
        if (!job)
            return;
        job->done(job);
    }
}

static int init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    int failed = pthread_condattr_init(&attributes);
    if (failed)
        return failed;
    failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (!failed)
        failed = pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
    return failed;
}

struct weir_clerk *weir_clerk_open(struct ev_loop *loop, const char *redis, const char *prefix,
                                   size_t waiting_max, struct weir_error *error)
{
    struct weir_clerk *clerk = calloc(1, sizeof(*clerk));
    if (!clerk) {
        weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
        return NULL;
    }
    clerk->loop = loop;
    clerk->prefix = prefix;
    clerk->session.via = "dashboard";
    clerk->waiting_max = waiting_max;
    queue_init(&clerk->waiting);
    queue_init(&clerk->finished);
    if (weir_endpoint_parse(redis, &clerk->session.endpoint, error) != WEIR_OK) {
        free(clerk);
        return NULL;
    }
    pthread_mutex_init(&clerk->mutex, NULL);
    int failed = init_condition(&clerk->changed);
    ev_async_init(&clerk->ready, on_ready);
    clerk->ready.data = clerk;
    ev_async_start(loop, &clerk->ready);
    if (!failed)
        failed = weir_thread_start(&clerk->thread, work, clerk);
    if (!failed)
        return clerk;
    weir_error_set(error, WEIR_SYSTEM, "cannot start a thread: %s", strerror(failed));
    ev_async_stop(loop, &clerk->ready);
    weir_endpoint_close(&clerk->session.endpoint);
    free(clerk);
    return NULL;
}

bool weir_clerk_submit(struct weir_clerk *clerk, struct weir_job *job)
{
    pthread_mutex_lock(&clerk->mutex);
    bool taken = !clerk->stopping && clerk->waiting.count < clerk->waiting_max;
    if (taken) {
        queue_put(&clerk->waiting, job);
        pthread_cond_broadcast(&clerk->changed);
    }
    pthread_mutex_unlock(&clerk->mutex);
    return taken;
}

/* ---- Closing ----------------------------------------------------------------------------- */

static bool await_end(struct weir_clerk *clerk, int64_t limit_ms)
{
    struct timespec end;
    int failed = 0;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)(limit_ms / 1000);
    end.tv_nsec += (long)(limit_ms % 1000) * 1000000L;
    if (end.tv_nsec >= 1000000000L)
        end.tv_sec++, end.tv_nsec -= 1000000000L;
    pthread_mutex_lock(&clerk->mutex);
    clerk->stopping = true;
    pthread_cond_broadcast(&clerk->changed);
    while (!clerk->ended && failed == 0)
        failed = pthread_cond_timedwait(&clerk->changed, &clerk->mutex, &end);
    bool ended = clerk->ended;
    pthread_mutex_unlock(&clerk->mutex);
    return ended;
}

bool weir_clerk_close(struct weir_clerk *clerk, int64_t limit_ms)
{
    if (!clerk)
        return true;
    ev_async_stop(clerk->loop, &clerk->ready);
    if (!await_end(clerk, limit_ms)) {
        pthread_detach(clerk->thread);
        return false;
    }
    pthread_join(clerk->thread, NULL);
    weir_client_close(&clerk->session.client);
    weir_endpoint_close(&clerk->session.endpoint);
    pthread_cond_destroy(&clerk->changed);
    pthread_mutex_destroy(&clerk->mutex);
    free(clerk);
    return true;
}
