/* Reading a server's URL: what is accepted, what is refused, and that no password shows. */
#include "redis/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct accepted {
    const char *url, *host, *socket_path, *user, *password, *shown;
    int port, database;
};

static void assert_same(const char *url, const char *actual, const char *expected)
{
    if ((actual == NULL) != (expected == NULL) || (actual && strcmp(actual, expected) != 0))
        fail_msg("%s: '%s' instead of '%s'", url, actual ? actual : "NULL",
                 expected ? expected : "NULL");
}

static void check_accepted(const struct accepted *wanted)
{
    const char *url = wanted->url ? wanted->url : "NULL";
    struct weir_endpoint endpoint;
    struct weir_error error = {0};
    if (weir_endpoint_parse(wanted->url, &endpoint, &error) != WEIR_OK)
        fail_msg("%s: %s", url, error.text);
    assert_same(url, endpoint.host, wanted->host);
    assert_same(url, endpoint.socket_path, wanted->socket_path);
    assert_same(url, endpoint.user, wanted->user);
    assert_same(url, endpoint.password, wanted->password);
    assert_same(url, endpoint.shown, wanted->shown);
    assert_int_equal(endpoint.database, wanted->database);
    if (wanted->host)
        assert_int_equal(endpoint.port, wanted->port);
    weir_endpoint_close(&endpoint);
}

static void accepts_tcp(void **state)
{
    (void)state;
    static const struct accepted cases[] = {
        {NULL, "127.0.0.1", NULL, NULL, NULL, "redis://127.0.0.1:6379", 6379, 0},
        {"redis://cache", "cache", NULL, NULL, NULL, "redis://cache:6379", 6379, 0},
        {"redis://cache/", "cache", NULL, NULL, NULL, "redis://cache:6379", 6379, 0},
        {"redis://cache:6380/2", "cache", NULL, NULL, NULL, "redis://cache:6380/2", 6380, 2},
        {"redis://[::1]", "::1", NULL, NULL, NULL, "redis://[::1]:6379", 6379, 0},
        {"redis://[fe80::1%eth0]:7", "fe80::1%eth0", NULL, NULL, NULL, "redis://[fe80::1%eth0]:7",
         7, 0},
        {"redis://:@cache", "cache", NULL, NULL, NULL, "redis://cache:6379", 6379, 0},
        {"redis://:secret@cache", "cache", NULL, NULL, "secret", "redis://cache:6379", 6379, 0},
        {"redis://ann:secret@cache:1/3", "cache", NULL, "ann", "secret", "redis://ann@cache:1/3", 1,
         3},
        {"redis://ann:@cache", "cache", NULL, "ann", "", "redis://ann@cache:6379", 6379, 0},
        {"redis://ann:a@b:c@cache", "cache", NULL, "ann", "a@b:c", "redis://ann@cache:6379", 6379,
         0},
        {"redis://a%40n%0a:p%2Fw%3a%25@cache", "cache", NULL, "a@n\n", "p/w:%",
         "redis://a%40n%0A@cache:6379", 6379, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_accepted(&cases[i]);
}

static void accepts_sockets(void **state)
{
    (void)state;
    static const struct accepted cases[] = {
        {"unix:///run/redis.sock", NULL, "/run/redis.sock", NULL, NULL, "unix:///run/redis.sock", 0,
         0},
        {"unix:///run/redis.sock?db=4", NULL, "/run/redis.sock", NULL, NULL,
         "unix:///run/redis.sock?db=4", 0, 4},
        {"unix:///a%20b@c%3F", NULL, "/a b@c?", NULL, NULL, "unix:///a%20b%40c%3F", 0, 0},
        {"unix://ann:secret@/run/redis.sock", NULL, "/run/redis.sock", "ann", "secret",
         "unix://ann@/run/redis.sock", 0, 0},
        {"unix://:secret@/run/redis.sock", NULL, "/run/redis.sock", NULL, "secret",
         "unix:///run/redis.sock", 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_accepted(&cases[i]);
}

struct sentinels {
    const char *url, *master, *user, *password, *shown;
    int database;
    const char *sentinel_user, *sentinel_password;
    size_t count;
    struct weir_address first, last;
};

static void check_sentinels(const struct sentinels *wanted)
{
    struct weir_endpoint endpoint;
    struct weir_error error = {0};
    if (weir_endpoint_parse(wanted->url, &endpoint, &error) != WEIR_OK)
        fail_msg("%s: %s", wanted->url, error.text);
    assert_null(endpoint.host);
    assert_null(endpoint.socket_path);
    assert_same(wanted->url, endpoint.master, wanted->master);
    assert_same(wanted->url, endpoint.user, wanted->user);
    assert_same(wanted->url, endpoint.password, wanted->password);
    assert_same(wanted->url, endpoint.sentinel_user, wanted->sentinel_user);
    assert_same(wanted->url, endpoint.sentinel_password, wanted->sentinel_password);
    assert_same(wanted->url, endpoint.shown, wanted->shown);
    assert_int_equal(endpoint.database, wanted->database);
    assert_int_equal(endpoint.sentinel_count, wanted->count);
    assert_true(weir_address_equal(&endpoint.sentinels[0], &wanted->first));
    assert_true(weir_address_equal(&endpoint.sentinels[wanted->count - 1], &wanted->last));
    weir_endpoint_close(&endpoint);
}

#define SENTINEL "redis-sentinel://"

static void accepts_sentinels(void **state)
{
    (void)state;
    static const struct weir_address a = {"a", 26379}, six = {"::1", 7}, b = {"b.example", 5};
    static const struct sentinels cases[] = {
        {SENTINEL "a/m", "m", NULL, NULL, SENTINEL "a:26379/m", 0, NULL, NULL, 1, a, a},
        {SENTINEL "a,b.example:5/My-master_1.x", "My-master_1.x", NULL, NULL,
         SENTINEL "a:26379,b.example:5/My-master_1.x", 0, NULL, NULL, 2, a, b},
        {SENTINEL "[::1]:7,a,b.example:5/m?db=3", "m", NULL, NULL,
         SENTINEL "[::1]:7,a:26379,b.example:5/m?db=3", 3, NULL, NULL, 3, six, b},
        {SENTINEL ":p%2Fw,@a,[::1]:7/m", "m", NULL, "p/w,", SENTINEL "a:26379,[::1]:7/m", 0, NULL,
         NULL, 2, a, six},
        {SENTINEL "a%40n%0a:x@y:z@a/m?db=0", "m", "a@n\n", "x@y:z", SENTINEL "a%40n%0A@a:26379/m",
         0, NULL, NULL, 1, a, a},
        {SENTINEL "a/m?sentinelPassword=h%26%25@/?=&db=9&sentinelUser=u%3d", "m", NULL, NULL,
         SENTINEL "a:26379/m?db=9", 9, "u=", "h&%@/?=", 1, a, a},
        {SENTINEL "ann:one@a/m?sentinelPassword=two", "m", "ann", "one", SENTINEL "ann@a:26379/m",
         0, NULL, "two", 1, a, a},
        {SENTINEL "a/m?sentinelPassword=", "m", NULL, NULL, SENTINEL "a:26379/m", 0, NULL, "", 1, a,
         a},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_sentinels(&cases[i]);
}

static void limits_the_number_of_sentinels(void **state)
{
    (void)state;
    char url[256] = SENTINEL "a";
    struct weir_endpoint endpoint;
    struct weir_error error = {0};
    for (int i = 1; i < 32; i++)
        strcat(url, ",a");
    strcat(url, "/m");
    assert_int_equal(weir_endpoint_parse(url, &endpoint, NULL), WEIR_OK);
    assert_int_equal(endpoint.sentinel_count, 32);
    weir_endpoint_close(&endpoint);
    strcpy(strchr(url, '/') + 2, "a");
    for (int i = 1; i < 33; i++)
        strcat(url, ",a");
    strcat(url, "/m");
    assert_int_equal(weir_endpoint_parse(url, &endpoint, &error), WEIR_INVALID);
    assert_non_null(strstr(error.text, "32 Sentinels"));
}

/* Each refused URL with a word that its sentence must have. All hold "hush" where a password might
 * stand. */
static const struct {
    const char *url, *word;
} refused[] = {
    {"rediss://:hush@cache", "TLS"},
    {SENTINEL ":hush@cache", "name"},
    {SENTINEL ":hush@cache/", "name"},
    {SENTINEL ":hush@cache/?db=1", "name"},
    {SENTINEL ":hush@cache/my%20master", "name"},
    {SENTINEL ":hush@cache/my/master", "name"},
    {SENTINEL ":hush@cache/my,master", "name"},
    {SENTINEL ":hu/hush@cache/master", "port"},
    {SENTINEL "hush@cache/master", "':'"},
    {SENTINEL "", "host"},
    {"", "leave it out"},
    {SENTINEL "/master", "host"},
    {SENTINEL ":hush@/master", "host"},
    {SENTINEL ":hush@,cache/master", "host"},
    {SENTINEL ":hush@cache,/master", "host"},
    {SENTINEL ":hush@cache,,cache/master", "host"},
    {SENTINEL ":hush@cache, cache/master", "host"},
    {SENTINEL ":hush@cache:/master", "port"},
    {SENTINEL ":hush@cache,cache:0/master", "port"},
    {SENTINEL ":hush@cache,[::1/master", "]"},
    {SENTINEL ":hush%@cache/master", "percent"},
    {SENTINEL ":hush@cache/master?", "db=N"},
    {SENTINEL ":hush@cache/master?hush", "db=N"},
    {SENTINEL ":hush@cache/master?DB=1", "db=N"},
    {SENTINEL ":hush@cache/master?db=1&", "db=N"},
    {SENTINEL ":hush@cache/master?db=1&db=1", "db=N"},
    {SENTINEL ":hush@cache/master?db=hush", "database"},
    {SENTINEL ":hush@cache/master?db=", "database"},
    {SENTINEL "cache/master?sentinelUser=hush", "sentinelPassword="},
    {SENTINEL "cache/master?sentinelPassword=a&hush", "%26"},
    {SENTINEL "cache/master?sentinelPassword=a&sentinelPassword=hush", "once"},
    {SENTINEL "cache/master?sentinelPassword=hush%0", "percent"},
    {SENTINEL "cache/master?sentinelUser=hush%00&sentinelPassword=x", "user"},
    {"redis-sentinel:hush", "redis://"},
    {"hush@cache:6379", "redis://"},
    {"hush", "redis://"},
    {"REDIS://hush", "redis://"},
    {"redis://hush@cache", "':'"},
    {"redis://", "host"},
    {"redis://:hush@", "host"},
    {"redis://:hush@:6379", "host"},
    {"redis://:hush@ca che", "host"},
    {"redis://:hush@cache?db=1", "host"},
    {"redis://:hush@cache:", "port"},
    {"redis://:hush@cache:0", "port"},
    {"redis://:hush@cache:65536", "port"},
    {"redis://:hush@cache:06379", "port"},
    {"redis://:hush@::1", "host"},
    {"redis://cache:hush", "port"},
    {"redis://:hush@[::1", "]"},
    {"redis://:hush@[::1]6379", "port"},
    {"redis://:hush@[]:6379", "host"},
    {"redis://:hush@cache/one", "database"},
    {"redis://:hush@cache/-1", "database"},
    {"redis://:hush@cache/2147483648", "database"},
    {"redis://:hu/hush@cache", "port"},
    {"redis://:hush%@cache", "percent"},
    {"redis://:hush%2@cache", "percent"},
    {"redis://:hush%zz@cache", "percent"},
    {"redis://:hush%00@cache", "percent"},
    {"redis://hush%00:x@cache", "user"},
    {"unix://", "absolute"},
    {"unix:///", "absolute"},
    {"unix://hush/redis.sock", "absolute"},
    {"unix://:hush@redis.sock", "absolute"},
    {"unix:///hush?database=1", "?db=N"},
    {"unix:///hush?db=", "database"},
    {"unix:///hush?db=1&x=2", "database"},
    {"unix:///hush%0", "percent"},
};

static void refuses_and_keeps_silent(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct weir_endpoint endpoint, empty = {0};
        struct weir_error error = {0};
        if (weir_endpoint_parse(refused[i].url, &endpoint, &error) != WEIR_INVALID)
            fail_msg("accepted %s", refused[i].url);
        if (!strstr(error.text, refused[i].word))
            fail_msg("%s: '%s' in '%s' is missing", refused[i].url, refused[i].word, error.text);
        if (strstr(error.text, "hush"))
            fail_msg("%s: shown in '%s'", refused[i].url, error.text);
        assert_memory_equal(&endpoint, &empty, sizeof(empty));
        assert_int_equal(weir_endpoint_parse(refused[i].url, &endpoint, NULL), WEIR_INVALID);
    }
}

static void refuses_a_path_that_is_too_long(void **state)
{
    (void)state;
    char url[256];
    struct weir_endpoint endpoint;
    struct weir_error error = {0};
    snprintf(url, sizeof(url), "unix:///%0107d", 0);
    assert_int_equal(weir_endpoint_parse(url, &endpoint, &error), WEIR_INVALID);
    assert_non_null(strstr(error.text, "107 bytes"));
    snprintf(url, sizeof(url), "unix:///%0106d", 0);
    assert_int_equal(weir_endpoint_parse(url, &endpoint, NULL), WEIR_OK);
    weir_endpoint_close(&endpoint);
}

static void closes_twice(void **state)
{
    (void)state;
    struct weir_endpoint endpoint;
    assert_int_equal(weir_endpoint_parse("redis://a:b@c", &endpoint, NULL), WEIR_OK);
    weir_endpoint_close(&endpoint);
    weir_endpoint_close(&endpoint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_tcp),
        cmocka_unit_test(accepts_sockets),
        cmocka_unit_test(accepts_sentinels),
        cmocka_unit_test(limits_the_number_of_sentinels),
        cmocka_unit_test(refuses_and_keeps_silent),
        cmocka_unit_test(refuses_a_path_that_is_too_long),
        cmocka_unit_test(closes_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
