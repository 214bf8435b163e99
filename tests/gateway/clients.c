/* Many HTTP clients of the gateway at once, each with a connection of its own: they place orders,
 * make products or read, and write down what they were answered. Lost answers are asked for again
 * under the same key until there is one.
 *
 *     clients --address 127.0.0.1:8080 --clients 200 --seconds 10 --seed 1 --mix orders --out FILE
 *
 * A line of FILE: "<order id> <wanted> <status> <repetitions> <status of GET>"; wanted is "good"
 * for an order that nothing speaks against, "bad" for one that has to be refused. */
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/http.h"

#define CLIENTS_MAX 2000
#define LATENCIES_MAX 4000000
#define ANSWER_LIMIT_MS 8000
#define PATIENCE_MS 60000 /* until an order without any answer is given up */

enum mix { ORDERS, PLAIN_ORDERS, PRODUCTS, READS };
static const char *const mixes[] = {"orders", "plain-orders", "products", "reads", NULL};

static struct {
    const char *address, *out;
    int clients, seconds, lose_percent, pause_ms, customers, products;
    uint64_t seed;
    enum mix mix;
    FILE *file;
    pthread_mutex_t mutex;
    atomic_llong answers, statuses[6], lost, given_up, unseen, odd;
    atomic_size_t latency_count;
    uint32_t *latencies; /* µs */
    int64_t end_ms;
} all = {
    .clients = 200, .seconds = 10, .seed = 1, .lose_percent = 2, .customers = 20, .products = 5};

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t now_ms(void)
{
    return now_us() / 1000;
}

static void pause_ms(int ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

/* ---- One client ---------------------------------------------------------------------------- */

struct client {
    struct http http;
    uint64_t random;
    int number, count; /* of what it has sent */
};

static unsigned dice(struct client *client, unsigned sides)
{
    client->random = client->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(client->random >> 33) % sides;
}

static void count(const struct http_answer *answer, int64_t began_us)
{
    size_t place = atomic_fetch_add(&all.latency_count, 1);
    if (place < LATENCIES_MAX)
        all.latencies[place] = (uint32_t)(now_us() - began_us);
    atomic_fetch_add(&all.answers, 1);
    atomic_fetch_add(&all.statuses[answer->status / 100 % 6], 1);
}

static void ask(struct client *client, const char *method, const char *path, const char *key,
                const char *body, struct http_answer *answer)
{
    int64_t began = now_us();
    http_ask(&client->http, method, path, key, body, ANSWER_LIMIT_MS, answer);
    if (answer->status == 0)
        atomic_fetch_add(&all.lost, 1);
    else
        count(answer, began);
}

/* ---- Orders -------------------------------------------------------------------------------- */

struct order {
    char key[48], id[64], body[512];
    const char *wanted;
    bool named; /* the client has given it its id */
};

static void make_order(struct client *client, struct order *order)
{
    unsigned kind = dice(client, 100), customer = dice(client, (unsigned)all.customers),
             product = dice(client, (unsigned)all.products);
    char named[96] = "";
    const char *simulate = "";
    snprintf(order->key, sizeof(order->key), "k%llu-%d-%d", (unsigned long long)all.seed,
             client->number, client->count);
    order->named = dice(client, 2) == 0;
    snprintf(order->id, sizeof(order->id), "o%llu-%d-%d", (unsigned long long)all.seed,
             client->number, client->count++);
    if (order->named)
        snprintf(named, sizeof(named), "\"orderId\":\"%s\",", order->id);
    order->wanted = kind < 10 ? "bad" : "good";
    if (all.mix == PLAIN_ORDERS)
        order->wanted = "good";
    else if (kind >= 7 && kind < 10)
        simulate = ",\"simulate\":{\"send-shipping-notification\":\"fail\"}";
    snprintf(order->body, sizeof(order->body),
             "{%s\"customerId\":\"%s%u\",\"amount\":%u,\"productId\":\"%s%u\",\"quantity\":%u%s}",
             named, kind < 4 && all.mix == ORDERS ? "poor" : "c", customer, 100 + dice(client, 900),
             kind >= 4 && kind < 7 && all.mix == ORDERS ? "rare" : "p", product,
             1 + dice(client, 3), simulate);
}

/* What is answered at last; 503 says that it may be asked again. */
static int ask_until_answered(struct client *client, const struct order *order,
                              struct http_answer *answer, int *repetitions)
{
    int64_t until = now_ms() + PATIENCE_MS;
    for (*repetitions = 0; now_ms() < until; ++*repetitions) {
        ask(client, "POST", "/orders", order->key, order->body, answer);
        if (answer->status != 0 && answer->status != 503)
            return answer->status;
        pause_ms(50);
    }
    atomic_fetch_add(&all.given_up, 1);
    return 0;
}

/* The id that the gateway has given it stands in the Location, or in the problem. */
static void take_id(struct order *order, const struct http_answer *answer)
{
    static const char member[] = "\"orderId\":\"";
    const char *at = strstr(answer->body, member);
    if (order->named)
        return;
    if (strncmp(answer->location, "/orders/", 8) == 0)
        snprintf(order->id, sizeof(order->id), "%s", answer->location + 8);
    else if (at)
        snprintf(order->id, sizeof(order->id), "%.*s", (int)strcspn(at + sizeof(member) - 1, "\""),
                 at + sizeof(member) - 1);
    else
        snprintf(order->id, sizeof(order->id), "?%s", order->key);
}

/* Whoever was told 201 sees the order, and its end. */
static int see(struct client *client, const struct order *order)
{
    char path[128];
    struct http_answer answer;
    snprintf(path, sizeof(path), "/orders/%s", order->id);
    ask(client, "GET", path, NULL, NULL, &answer);
    if (answer.status == 200 && !strstr(answer.body, "\"status\":\"shipped\""))
        atomic_fetch_add(&all.unseen, 1);
    return answer.status;
}

static void place_order(struct client *client)
{
    struct order order;
    struct http_answer answer;
    int repetitions, status, seen = 0;
    make_order(client, &order);
    if (all.mix == ORDERS && (int)dice(client, 100) < all.lose_percent) {
        http_tell(&client->http, "POST", "/orders", order.key, order.body);
        atomic_fetch_add(&all.lost, 1);
    }
    status = ask_until_answered(client, &order, &answer, &repetitions);
    take_id(&order, &answer);
    if (status == 201 && all.mix == ORDERS)
        seen = see(client, &order);
    if (seen == 404)
        atomic_fetch_add(&all.unseen, 1);
    if (all.mix == ORDERS && dice(client, 20) == 0) { /* the first outcome again */
        ask(client, "POST", "/orders", order.key, order.body, &answer);
        if ((status == 201 || status == 409) && answer.status != status && answer.status != 0 &&
            answer.status != 503)
            atomic_fetch_add(&all.odd, 1);
    }
    pthread_mutex_lock(&all.mutex);
    if (all.file)
        fprintf(all.file, "%s %s %d %d %d\n", order.id, order.wanted, status, repetitions, seen);
    pthread_mutex_unlock(&all.mutex);
}

/* ---- Other mixes --------------------------------------------------------------------------- */

static void make_product(struct client *client)
{
    char body[256];
    struct http_answer answer;
    snprintf(body, sizeof(body),
             "{\"productId\":\"b%llu-%d-%d\",\"name\":\"Lamp\",\"price\":1999,\"stock\":10}",
             (unsigned long long)all.seed, client->number, client->count++);
    ask(client, "POST", "/products", NULL, body, &answer);
}

static void read_order(struct client *client)
{
    char path[64];
    struct http_answer answer;
    snprintf(path, sizeof(path), "/orders/r%u", dice(client, 1000));
    ask(client, "GET", path, NULL, NULL, &answer);
}

static void *run(void *user)
{
    struct client *client = user;
    while (now_ms() < all.end_ms) {
        if (all.mix == PRODUCTS)
            make_product(client);
        else if (all.mix == READS)
            read_order(client);
        else
            place_order(client);
        if (all.pause_ms > 0)
            pause_ms((int)dice(client, (unsigned)(2 * all.pause_ms)));
    }
    http_close(&client->http);
    return NULL;
}

/* ---- All of them --------------------------------------------------------------------------- */

static int compare(const void *one, const void *other)
{
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

static double latency_ms(double part, size_t total)
{
    return total > 0 ? all.latencies[(size_t)(part * (double)(total - 1))] / 1000.0 : 0;
}

static void report(double seconds)
{
    size_t total = atomic_load(&all.latency_count);
    total = total < LATENCIES_MAX ? total : LATENCIES_MAX;
    qsort(all.latencies, total, sizeof(*all.latencies), compare);
    printf("answers %lld  per second %.0f  2xx %lld  4xx %lld  5xx %lld  lost %lld\n",
           (long long)all.answers, (double)all.answers / seconds, (long long)all.statuses[2],
           (long long)all.statuses[4], (long long)all.statuses[5], (long long)all.lost);
    printf("latency in ms: median %.2f  p99 %.2f  worst %.2f\n", latency_ms(0.5, total),
           latency_ms(0.99, total), latency_ms(1, total));
    printf("given up %lld  not seen %lld  other outcome %lld\n", (long long)all.given_up,
           (long long)all.unseen, (long long)all.odd);
}

static bool read_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"address", 1, NULL, 'a'},  {"clients", 1, NULL, 'c'}, {"seconds", 1, NULL, 's'},
        {"seed", 1, NULL, 'r'},     {"mix", 1, NULL, 'm'},     {"out", 1, NULL, 'o'},
        {"lose", 1, NULL, 'l'},     {"pause", 1, NULL, 'p'},   {"customers", 1, NULL, 'C'},
        {"products", 1, NULL, 'P'}, {NULL, 0, NULL, 0}};
    for (int found; (found = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (found) {
        case 'a':
            all.address = optarg;
            break;
        case 'c':
            all.clients = atoi(optarg);
            break;
        case 's':
            all.seconds = atoi(optarg);
            break;
        case 'r':
            all.seed = strtoull(optarg, NULL, 10);
            break;
        case 'o':
            all.out = optarg;
            break;
        case 'l':
            all.lose_percent = atoi(optarg);
            break;
        case 'C':
            all.customers = atoi(optarg);
            break;
        case 'P':
            all.products = atoi(optarg);
            break;
        case 'p':
            all.pause_ms = atoi(optarg);
            break;
        case 'm':
            for (int i = 0; mixes[i]; i++)
                if (strcmp(mixes[i], optarg) == 0)
                    all.mix = (enum mix)i;
            break;
        default:
            return false;
        }
    }
    return all.address && all.clients > 0 && all.clients <= CLIENTS_MAX && all.seconds > 0 &&
           all.customers > 0 && all.products > 0;
}

int main(int argc, char **argv)
{
    static struct client clients[CLIENTS_MAX];
    static pthread_t threads[CLIENTS_MAX];
    pthread_attr_t attributes;
    int64_t began;
    if (!read_options(argc, argv) || !(all.latencies = malloc(LATENCIES_MAX * sizeof(uint32_t)))) {
        fprintf(stderr, "usage: clients --address HOST:PORT [--clients N] [--seconds N] [--seed N] "
                        "[--mix orders|plain-orders|products|reads] [--out FILE] [--lose PERCENT] "
                        "[--pause MS] [--customers N] [--products N]\n");
        return 64;
    }
    all.file = all.out ? fopen(all.out, "w") : NULL;
    pthread_mutex_init(&all.mutex, NULL);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    began = now_ms();
    all.end_ms = began + all.seconds * 1000;
    for (int i = 0; i < all.clients; i++) {
        clients[i] = (struct client){.random = all.seed * 1000003 + (uint64_t)i, .number = i};
        if (!http_init(&clients[i].http, all.address) ||
            pthread_create(&threads[i], &attributes, run, &clients[i]) != 0) {
            fprintf(stderr, "clients: client %d cannot be started\n", i);
            return 70;
        }
    }
    for (int i = 0; i < all.clients; i++)
        pthread_join(threads[i], NULL);
    report((double)(now_ms() - began) / 1000);
    if (all.file && fclose(all.file) != 0)
        return 70;
    free(all.latencies);
    return 0;
}
