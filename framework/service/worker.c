/* A running service: wiring, start, draining, stop. */
#include "service/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "redis/key_names.h"
#include "service/arrival.h"
#include "service/following.h"
#include "service/handling.h"
#include "service/monitoring.h"
#include "service/queue.h"
#include "service/reporting.h"
#include "service/stopping.h"
#include "service/upkeep.h"

#define COMMAND_SILENCE_MS 10000
#define BATCH_MIN 32
#define BATCH_MAX 128
#define UNDER_WAY_MAX 1024 /* more would only wait at the server, in memory here and there */
#define EXIT_USAGE 64
#define EXIT_FAILURE_INSIDE 70
#define EXIT_NO_ADDRESS 71
#define EXIT_DENIED 77
#define EXIT_UNABLE 78

/* ---- Streams and keys -------------------------------------------------------------------- */

static bool add_stream(struct weir_worker *worker, const char *key, const char *source)
{
    for (size_t i = 0; i < worker->stream_count; i++)
        if (strcmp(worker->streams[i], key) == 0)
            return true;
    if (worker->stream_count == WEIR_READER_STREAMS_MAX ||
        (worker->streams[worker->stream_count] = strdup(key)) == NULL)
        return false;
    worker->sources[worker->stream_count++] = source;
    return true;
}

static bool name_streams(struct weir_worker *worker)
{
    const struct weir_service *service = worker->service;
    char key[WEIR_KEY_MAX];
    bool fine = true;
    for (size_t i = 0; i < service->inbox_count; i++)
        fine &= add_stream(
            worker, weir_key_named(key, worker->runtime.prefix, service->name, service->inboxes[i]),
            NULL);
    worker->inbox_count = worker->stream_count;
    for (size_t i = 0; i < service->route_count; i++)
        if (service->routes[i].source != NULL)
            fine &= add_stream(
                worker, weir_key_events(key, worker->runtime.prefix, service->routes[i].source),
                service->routes[i].source);
    return fine;
}

static bool make_room_for_routes(struct weir_worker *worker)
{
    worker->too_new_said_at =
        calloc(worker->service->route_count + 1, sizeof *worker->too_new_said_at);
    return worker->too_new_said_at != NULL;
}

static void name_keys(struct weir_worker *worker)
{
    const char *prefix = worker->runtime.prefix, *service = worker->service->name;
    weir_key_commands(worker->keys[WEIR_KEY_COMMANDS], prefix, service);
    weir_key_events(worker->keys[WEIR_KEY_EVENTS], prefix, service);
    weir_key_dead(worker->keys[WEIR_KEY_DEAD], prefix, service);
    weir_key_scheduled(worker->keys[WEIR_KEY_SCHEDULED], prefix, service);
    weir_key_workers(worker->keys[WEIR_KEY_WORKERS], prefix, service);
}

/* ---- Readiness --------------------------------------------------------------------------- */

static size_t room_left(const struct weir_worker *worker)
{
    size_t in_hand = HASH_COUNT(worker->deliveries);
    size_t window = (size_t)worker->runtime.settings->concurrency;
    bool closed = worker->stopping || worker->committer.stalled || !worker->library_ready ||
                  weir_queue_closed(worker);
    return closed || in_hand >= window ? 0 : window - in_hand;
}

static void go_on(struct weir_worker *worker)
{
    weir_group_reader_go_on(&worker->reader);
    weir_pending_go_on(&worker->pending);
}

static void room_changed(struct weir_worker *worker)
{
    size_t window = (size_t)worker->runtime.settings->concurrency;
    size_t waiting =
        worker->in_state[WEIR_DELIVERY_DEFERRED] + worker->in_state[WEIR_DELIVERY_QUEUED];
    /* reads come in batches: not for every place that becomes free, unless no other will soon */
    if (room_left(worker) >= (window / 4 < BATCH_MIN ? window / 4 : BATCH_MIN) ||
        waiting == HASH_COUNT(worker->deliveries))
        go_on(worker);
    weir_stopping_check(worker);
}

static size_t room(void *user)
{
    return room_left(user);
}

/* The server is behind: what is read now would not be finished any sooner. */
static bool enough_under_way(const struct weir_worker *worker)
{
    return worker->in_state[WEIR_DELIVERY_LOADING] + worker->in_state[WEIR_DELIVERY_COMMITTING] +
               BATCH_MAX >
           UNDER_WAY_MAX;
}

/* What an earlier process of this name has left comes first: before that is known, a message just
 * read could not be told from one that was left, and would count as delivered once more. */
static size_t room_for_new(void *user)
{
    const struct weir_worker *worker = user;
    return worker->recovered_once && !worker->apart && !enough_under_way(worker) ? room_left(worker)
                                                                                 : 0;
}

static bool stream_open(void *user, size_t stream)
{
    const struct weir_worker *worker = user;
    const struct weir_service *service = worker->service;
    return service->inbox_open == NULL || stream >= worker->inbox_count ||
           service->inbox_open(service->user, service->inboxes[stream]);
}

static void on_stall(void *user, bool stalled)
{
    struct weir_worker *worker = user;
    if (!stalled)
        room_changed(worker);
}

static void resume_loads(struct weir_worker *worker)
{
    struct weir_delivery *delivery, *next;
    HASH_ITER(hh, worker->deliveries, delivery, next)
    if (delivery->state == WEIR_DELIVERY_LOADING && delivery->load_again &&
        delivery->answers_owed == 0)
        weir_handling_begin(delivery);
}

static void denied(struct weir_worker *worker, const struct weir_error *error)
{
    if (worker->exit_code == EXIT_DENIED)
        return; /* the other connection has said so */
    weir_log_error(worker->runtime.log, "worker.denied", "server=%s reason=%s",
                   worker->runtime.endpoint->shown, error->text);
    weir_stopping_now(worker, EXIT_DENIED);
}

static void on_denied(void *user, const char *why)
{
    struct weir_error error = {0};
    weir_error_set(&error, WEIR_DENIED, "%s", why);
    denied(user, &error);
}

/* What was promised for each commit would not hold: better not to begin. A server that loses the
 * ability later is only named; whoever waits for its disk will be told. */
static void on_disk_known(void *user, const char *why)
{
    struct weir_worker *worker = user;
    if (!worker->runtime.need.disk)
        return;
    if (why != NULL)
        weir_log_error(worker->runtime.log, "durability.refused", "asked_by=%s server=%s reason=%s",
                       worker->runtime.settings->durable_disk ? "--durable-disk"
                                                              : "weir_service_durability",
                       worker->runtime.endpoint->shown, why);
    if (why != NULL && !worker->disk_known)
        weir_stopping_now(worker, EXIT_UNABLE);
    if (why != NULL || worker->disk_known)
        return;
    worker->disk_known = true;
    if (!worker->stopping)
        weir_group_reader_open(&worker->reader);
}

static void on_library(void *user, const struct weir_error *error)
{
    struct weir_worker *worker = user;
    if (error != NULL && error->status == WEIR_DENIED) {
        denied(worker, error);
        return;
    }
    if (error != NULL) {
        if (!worker->library_said)
            weir_log_error(worker->runtime.log, "library.refused", "reason=%s", error->text);
        worker->library_said = true;
        return; /* asked for again by the next call that misses it */
    }
    worker->library_said = false;
    worker->library_ready = true;
    weir_reporting_changed(worker);
    weir_committer_resume(&worker->committer);
    resume_loads(worker);
    weir_queue_begin_suspect(worker);
    if (worker->reader_was_ready && !worker->stopping) {
        weir_upkeep_start(worker);            /* what could not be called is called now */
        weir_witness_doubt(&worker->witness); /* the server may be another */
        if (worker->recovered_on != worker->link.reconnections)
            weir_pending_recover(&worker->pending); /* an answer to a claim may have been lost */
        worker->recovered_on = worker->link.reconnections;
    }
    room_changed(worker);
}

static void on_link_ready(void *user)
{
    struct weir_worker *worker = user;
    weir_following_commands(worker);
    weir_library_loader_ensure(&worker->library);
}

static void note_loss(struct weir_worker *worker, const struct weir_error *error)
{
    weir_copy(worker->lost_why, sizeof worker->lost_why, error->text);
}

static void on_link_lost(void *user, const struct weir_error *error)
{
    struct weir_worker *worker = user;
    note_loss(worker, error);
    worker->library_ready = false;
    weir_reporting_changed(worker);
    weir_library_loader_lost(&worker->library);
    if (error->status == WEIR_DENIED)
        denied(worker, error);
}

static void library_missing(void *user)
{
    struct weir_worker *worker = user;
    weir_library_loader_ensure(&worker->library);
}

/* The groups exist. Entries that went into an earlier connection, or that an earlier process of
 * this name had, come first. */
static void on_reader_ready(void *user)
{
    struct weir_worker *worker = user;
    weir_following_reader(worker);
    if (!worker->reader_was_ready) {
        worker->reader_was_ready = true;
        weir_log_info(worker->runtime.log, "worker.ready", "consumer=%s group=%s server=%s",
                      worker->runtime.consumer, worker->runtime.settings->group,
                      worker->runtime.endpoint->shown);
        weir_upkeep_start(worker);
        weir_reporting_changed(worker);
    }
    weir_witness_doubt(&worker->witness); /* a group may have been missing: the data may be gone */
    weir_pending_recover(&worker->pending);
}

static void on_recovered(void *user)
{
    struct weir_worker *worker = user;
    worker->recovered_once = true;
    room_changed(worker);
}

static void on_reader_lost(void *user, const struct weir_error *error)
{
    note_loss(user, error);
    if (error->status == WEIR_DENIED)
        denied(user, error);
}

static void on_group_missing(void *user)
{
    struct weir_worker *worker = user;
    weir_group_reader_ensure(&worker->reader);
}

static void on_lost_bodies(void *user, int64_t count)
{
    struct weir_worker *worker = user;
    worker->lost_bodies += (uint64_t)count;
    weir_log_error(worker->runtime.log, "message.body_lost", "count=%lld total=%llu see=%s",
                   (long long)count, (unsigned long long)worker->lost_bodies,
                   worker->keys[WEIR_KEY_DEAD]);
}

static void on_component_idle(void *user)
{
    weir_stopping_check(user);
}

/* ---- Wiring ------------------------------------------------------------------------------ */

/* Of four batches one is being read, one handled, and the commits of two are under way. */
static size_t batch_max(const struct weir_worker *worker)
{
    size_t quarter = (size_t)worker->runtime.settings->concurrency / 4;
    return quarter == 0 ? 1 : quarter < BATCH_MAX ? quarter : BATCH_MAX;
}

static void init_reader(struct weir_worker *worker)
{
    const struct weir_runtime *runtime = &worker->runtime;
    struct weir_group_reader_settings reader = {
        .loop = runtime->loop,
        .endpoint = runtime->endpoint,
        .log = runtime->log,
        .service = runtime->service,
        .group = runtime->settings->group,
        .consumer = runtime->consumer,
        .streams = (const char *const *)worker->streams,
        .stream_count = worker->stream_count,
        .urgent_count = worker->service->urgent_inboxes,
        .batch_max = batch_max(worker),
        .user = worker,
        .entry = weir_arrival_entry,
        .ready = on_reader_ready,
        .lost = on_reader_lost,
        .room = room_for_new,
        .open = stream_open,
    };
    struct weir_pending_settings pending = {
        .loop = runtime->loop,
        .link = &worker->link,
        .log = runtime->log,
        .group = runtime->settings->group,
        .consumer = runtime->consumer,
        .streams = (const char *const *)worker->streams,
        .stream_count = worker->stream_count,
        .dead = worker->keys[WEIR_KEY_DEAD],
        .claim_idle_ms = runtime->settings->claim_idle_ms,
        .user = worker,
        .entry = weir_arrival_pending_entry,
        .room = room,
        .recovered = on_recovered,
        .group_missing = on_group_missing,
        .lost_bodies = on_lost_bodies,
        .library_missing = library_missing,
    };
    weir_group_reader_init(&worker->reader, &reader);
    weir_pending_init(&worker->pending, &pending);
}

static void init_link(struct weir_worker *worker)
{
    struct weir_link_settings link = {
        .loop = worker->runtime.loop,
        .endpoint = worker->runtime.endpoint,
        .log = worker->runtime.log,
        .role = "commands",
        .client_name = worker->runtime.service,
        .silence_limit_ms = COMMAND_SILENCE_MS,
        .user = worker,
        .ready = on_link_ready,
        .lost = on_link_lost,
    };
    weir_link_init(&worker->link, &link);
    worker->library = (struct weir_library_loader){
        .link = &worker->link, .log = worker->runtime.log, .user = worker, .done = on_library};
    weir_committer_init(&worker->committer, &worker->link, worker->runtime.log,
                        worker->runtime.loop);
    worker->committer.user = worker;
    worker->committer.stall_changed = on_stall;
    worker->committer.library_missing = library_missing;
}

static void init_barrier(struct weir_worker *worker)
{
    struct weir_barrier_settings barrier = {
        .loop = worker->runtime.loop,
        .endpoint = worker->runtime.endpoint,
        .log = worker->runtime.log,
        .commits = &worker->link,
        .prefix = worker->runtime.prefix,
        .service = worker->runtime.service,
        .user = worker,
        .known = on_disk_known,
    };
    weir_barrier_init(&worker->barrier, &barrier);
    worker->disk_known = !worker->runtime.need.disk;
}

static void init_runtime(struct weir_worker *worker, const struct weir_worker_settings *settings,
                         const struct weir_endpoint *endpoint, struct weir_log *log)
{
    worker->runtime = (struct weir_runtime){
        .loop = ev_loop_new(EVFLAG_AUTO),
        .log = log,
        .endpoint = endpoint,
        .settings = settings,
        .service = worker->service->name,
        .versions = &worker->service->versions,
        .prefix = settings->prefix,
        .consumer = settings->consumer,
        .link = &worker->link,
        .committer = &worker->committer,
        .barrier = &worker->barrier,
        .need = weir_durability_stronger(
            worker->service->need,
            (struct weir_durability){(unsigned)settings->replicas, settings->durable_disk}),
        .user = worker->service->user,
        .worker = worker,
        .library_missing = library_missing,
        .denied = on_denied,
        .idle = on_component_idle,
    };
    worker->retry_policy =
        (struct weir_retry_policy){.deliveries_max = (unsigned)settings->max_deliveries,
                                   .base_ms = settings->retry_base_ms,
                                   .cap_ms = settings->retry_cap_ms};
    weir_random_init(&worker->random, weir_random_seed());
}

static enum weir_status start_components(struct weir_worker *worker, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    for (struct weir_component *c = worker->service->components; c != NULL && status == WEIR_OK;
         c = c->next)
        status = c->start(c->self, &worker->runtime, error);
    return status;
}

static void on_releasing(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_worker *worker = timer->data;
    (void)loop;
    (void)events;
    while (worker->given_up != NULL) {
        struct weir_delivery *delivery = worker->given_up;
        worker->given_up = delivery->row_next;
        weir_handling_release(delivery);
    }
}

static void run_loop(struct weir_worker *worker)
{
    ev_timer_init(&worker->releasing, on_releasing, 0., 0.);
    worker->releasing.data = worker;
    weir_stopping_init(worker);
    weir_stopping_watch(worker);
    weir_reporting_start(worker);
    weir_link_open(&worker->link);
    if (worker->runtime.need.disk) /* nothing is read before it is known */
        weir_barrier_open(&worker->barrier);
    else
        weir_group_reader_open(&worker->reader);
    ev_run(worker->runtime.loop, 0);
    weir_reporting_stop(worker);
    weir_stopping_close(worker);
    ev_timer_stop(worker->runtime.loop, &worker->releasing);
}

static void close_worker(struct weir_worker *worker)
{
    weir_upkeep_stop(worker);
    weir_group_reader_close(&worker->reader);
    weir_link_close(&worker->link); /* its last answers may still hand in commits */
    weir_monitoring_close(worker);
    weir_barrier_close(&worker->barrier);
    weir_committer_close(&worker->committer);
    weir_delivery_free_all(worker);
    weir_definitions_close(&worker->definitions);
    weir_shared_loads_close(&worker->shared);
    for (size_t i = 0; i < worker->stream_count; i++)
        free(worker->streams[i]);
}

/* An address that is taken now may be free when we are started again. */
static int code_of_unmonitored(enum weir_status status)
{
    if (status == WEIR_NO_MEMORY)
        return EXIT_FAILURE_INSIDE;
    return status == WEIR_SYSTEM ? EXIT_NO_ADDRESS : EXIT_USAGE;
}

int weir_worker_run(struct weir_service *service, const struct weir_worker_settings *settings,
                    const struct weir_endpoint *endpoint, struct weir_log *log,
                    struct weir_error *error)
{
    struct weir_worker *worker = calloc(1, sizeof *worker);
    int exit_code = EXIT_FAILURE_INSIDE;
    if (worker == NULL) {
        weir_error_set(error, WEIR_NO_MEMORY, "no memory");
        return exit_code;
    }
    worker->service = service;
    worker->begun_at = weir_clock_monotonic_ms();
    worker->prepare = weir_arrival_prepare;
    worker->begin = weir_handling_begin;
    worker->release = weir_handling_release;
    worker->give_up = weir_handling_give_up;
    worker->room_changed = room_changed;
    init_runtime(worker, settings, endpoint, log);
    if (!make_room_for_routes(worker)) {
        weir_error_set(error, WEIR_NO_MEMORY, "no memory");
    } else if (worker->runtime.loop == NULL || !name_streams(worker)) {
        weir_error_set(error, WEIR_TOO_LARGE, "no event loop, or more than %d streams to read",
                       WEIR_READER_STREAMS_MAX);
    } else {
        name_keys(worker);
        init_link(worker);
        init_barrier(worker);
        init_reader(worker);
        weir_upkeep_init(worker);
        if (weir_monitoring_open(worker, error) != WEIR_OK) {
            exit_code = code_of_unmonitored(error->status);
        } else if (start_components(worker, error) == WEIR_OK) {
            run_loop(worker);
            exit_code = worker->exit_code;
        }
        close_worker(worker);
    }
    weir_log_info(log, "worker.stopped", "exit=%d received=%llu", exit_code,
                  (unsigned long long)worker->received);
    while (service->components != NULL) { /* they hold watchers of the loop */
        struct weir_component *component = service->components;
        service->components = component->next;
        component->close(component->self);
        free(component);
    }
    if (worker->runtime.loop != NULL)
        ev_loop_destroy(worker->runtime.loop);
    free(worker->too_new_said_at);
    free(worker);
    return exit_code;
}
