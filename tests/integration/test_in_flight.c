/* How much memory a worker takes that has ten thousand messages in hand, and that it gives as much
 * to the next ten thousand and no more. */
#include <ev.h>
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define IN_HAND 10000
#define IN_HAND_TEXT "10000"
#define PAYLOAD 256 /* bytes */
#define RESIDENT_MAX_KIB (16 * 1024)
#define OBJECTS_MAX_KIB (27 * 1024)
#define GROWTH_MAX_KIB 256

/* A sanitizer's own books of each allocation, and what it keeps of what was freed, count as the
 * worker's. What takes effect is looked at all the same. */
#if defined(__SANITIZE_ADDRESS__)
#define MEASURED 0
#define ROUNDS 2
#else
#define MEASURED 1
#define ROUNDS 12
#endif

static struct test_server server;

/* ---- The service -----------------------------------------------------------------------------
 *
 *   Hold {n, customer, amount, note}  reads its fields and waits for SIGUSR1; then adds 1 to field
 * n of "{S}:held". Of every ten thousand that wait there is a line "test.in_hand" in the log.
 *   HoldObject {…}                    the same, but asks for its data as an object, too
 *   Look {…}                          reads texts of it, then asks for a retry, the second time
 *                                     refuses it
 *   HoldTight {…}                     the same as Hold, but gives what is free back to the system
 *                                     before that line */

static weir_deferral *held[IN_HAND];
static size_t held_count;
static ev_signal letting_go;

static void let_go(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)loop, (void)watcher, (void)events;
    for (size_t i = 0; i < held_count; i++)
        weir_finish(held[i], WEIR_AGAIN);
    held_count = 0;
}

static enum weir_outcome hold(weir_context *context, const weir_message *message)
{
    const char *n, *customer, *note;
    int64_t amount;
    if (!weir_require_id(context, "n", &n) || !weir_require_id(context, "customer", &customer) ||
        !weir_require_integer(context, "amount", 1, INT64_MAX, &amount) ||
        !weir_require_text(context, "note", &note))
        return WEIR_REJECT;
    if (weir_resumed(context)) {
        weir_hincrby(context, "held", n, strlen(note) == strspn(note, "x"));
        return WEIR_DONE;
    }
    if (strcmp(weir_message_type(message), "HoldObject") == 0 &&
        json_object_size(weir_message_data(message)) != 4)
        return WEIR_REJECT;
    if (!ev_is_active(&letting_go)) {
        ev_signal_init(&letting_go, let_go, SIGUSR1);
        ev_signal_start(weir_loop(context), &letting_go);
    }
    if (held_count == IN_HAND || !(held[held_count] = weir_defer(context)))
        return WEIR_RETRY;
    if (++held_count < IN_HAND)
        return WEIR_DEFERRED;
    if (strcmp(weir_message_type(message), "HoldTight") == 0)
        malloc_trim(0);
    weir_note(context, "test.in_hand", "count=%zu", held_count);
    return WEIR_DEFERRED;
}

static enum weir_outcome look(weir_context *context, const weir_message *message)
{
    const char *n, *note;
    if (!weir_require_id(context, "n", &n) || !weir_require_text(context, "note", &note))
        return WEIR_REJECT;
    weir_reason(context, "%.2s of %s", note, n);
    return weir_message_deliveries(message) < 2 ? WEIR_RETRY : WEIR_REJECT;
}

static weir_service *make_service(const char *name)
{
    weir_service *service = test_work_service(name);
    weir_on_command(service, "Look", look, "account:{customer}");
    weir_on_command(service, "Hold", hold, NULL);
    weir_on_command(service, "HoldObject", hold, NULL);
    weir_on_command(service, "HoldTight", hold, NULL);
    return service;
}

/* ---- Helpers --------------------------------------------------------------------------------- */

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_workers_clear();
    test_server_stop(&server, SIGTERM);
    return 0;
}

/* Puts the data of message n, PAYLOAD bytes, into `data`. */
static void write_data(char data[PAYLOAD + 1], int n)
{
    int head = snprintf(data, PAYLOAD + 1,
                        "{\"n\":\"%d\",\"customer\":\"customer-%06d\",\"amount\":%d,\"note\":\"", n,
                        n % 1000, 1 + n);
    memset(data + head, 'x', PAYLOAD - 2 - (size_t)head);
    memcpy(data + PAYLOAD - 2, "\"}", 3);
}

/* An id that was used before would be a repetition. */
static void send_all(const char *type, int round)
{
    char data[PAYLOAD + 1];
    for (int n = 0; n < IN_HAND; n++) {
        write_data(data, n);
        assert_int_equal(redisAppendCommand(server.connection,
                                            "XADD {work}:commands * type %s id %d/%d data %b", type,
                                            round, n, data, (size_t)PAYLOAD),
                         REDIS_OK);
    }
    for (int n = 0; n < IN_HAND; n++) {
        redisReply *reply;
        assert_int_equal(redisGetReply(server.connection, (void **)&reply), REDIS_OK);
        assert_int_equal(reply->type, REDIS_REPLY_STRING);
        freeReplyObject(reply);
    }
}

static long resident_kib(pid_t pid)
{
    char path[64], line[256];
    long kib = 0;
    snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file))
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = atol(line + 6);
    fclose(file);
    return kib;
}

/* Ten thousand are taken in hand and finished; returns what the worker took with all in hand. */
static long hold_and_let_go(const struct test_worker *worker, const char *type, int round)
{
    long kib;
    test_do(&server, "DEL {work}:held");
    send_all(type, round);
    AWAIT(test_worker_logged(worker, "test.in_hand") == round);
    kib = resident_kib(worker->pid);
    printf("round %d: %ld KiB resident\n", round, kib);
    kill(worker->pid, SIGUSR1);
    test_await_settled(&server, WORK);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:held"), IN_HAND);
    assert_int_equal(test_others(&server, "{work}:held", "1"), 0);
    assert_int_equal(test_dead(&server, WORK), 0);
    return kib;
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static struct test_worker start_worker(void)
{
    test_workers_clear();
    test_do(&server, "FLUSHALL");
    return test_worker_start(&server, WORK, "one", OPTIONS("--concurrency", IN_HAND_TEXT));
}

static void expect_at_most(long kib, long kib_max)
{
    if (MEASURED && kib > kib_max)
        fail_msg("%ld KiB resident, at most %ld are allowed", kib, kib_max);
}

static void ten_thousand_in_hand_take_little_memory(void **state)
{
    struct test_worker worker = start_worker();
    (void)state;
    printf("idle: %ld KiB resident\n", resident_kib(worker.pid));
    expect_at_most(hold_and_let_go(&worker, "Hold", 1), RESIDENT_MAX_KIB);
    test_worker_end_well(&worker);
}

/* All are finished at once, which takes more for a moment, and leaves gaps for the next. */
static void the_next_ten_thousand_take_no_more(void **state)
{
    struct test_worker worker = start_worker();
    long kib = 0, second = 0;
    (void)state;
    for (int round = 1; round <= ROUNDS; round++) {
        kib = hold_and_let_go(&worker, "HoldTight", round);
        second = round == 2 ? kib : second;
    }
    expect_at_most(kib, second + GROWTH_MAX_KIB);
    test_worker_end_well(&worker);
}

static void as_objects_they_take_more(void **state)
{
    struct test_worker worker = start_worker();
    (void)state;
    expect_at_most(hold_and_let_go(&worker, "HoldObject", 1), OBJECTS_MAX_KIB);
    test_worker_end_well(&worker);
}

/* Its texts were lent where they stand. */
static void what_was_looked_at_is_put_away_as_it_came(void **state)
{
    char data[PAYLOAD + 1];
    struct test_worker worker = start_worker();
    (void)state;
    write_data(data, 7);
    test_do(&server, "XADD {work}:commands * type Look data %s", data);
    AWAIT(test_dead(&server, WORK) == 1);
    assert_string_equal(test_newest(&server, "{work}:dead", "reason"), "xx of 7");
    assert_string_equal(test_newest(&server, "{work}:dead", "deliveries"), "2");
    assert_string_equal(test_newest(&server, "{work}:dead", "data"), data);
    test_worker_end_well(&worker);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_in_hand_take_little_memory),
        cmocka_unit_test(the_next_ten_thousand_take_no_more),
        cmocka_unit_test(as_objects_they_take_more),
        cmocka_unit_test(what_was_looked_at_is_put_away_as_it_came),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
    return cmocka_run_group_tests(tests, start, stop);
}
