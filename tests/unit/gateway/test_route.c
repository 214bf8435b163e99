/* Which resource a method and a path mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/route.h"

static void expect(const char *method, const char *path, enum route route, const char *id)
{
    struct route_match match = route_find(method, path);
    if (match.route != route)
        fail_msg("%s %s: route %d instead of %d", method, path, (int)match.route, (int)route);
    if (id && route < ROUTE_NO_PATH)
        assert_non_null(strstr(route_path(route), "{id}"));
    if (id)
        assert_string_equal(match.id, id);
}

static void paths_are_found(void **state)
{
    (void)state;
    expect("POST", "/orders", ROUTE_PLACE_ORDER, NULL);
    expect("GET", "/orders/o1", ROUTE_ORDER, "o1");
    expect("HEAD", "/orders/o1", ROUTE_ORDER, "o1");
    expect("POST", "/payments", ROUTE_PAYMENT, NULL);
    expect("POST", "/notifications", ROUTE_NOTIFICATION, NULL);
    expect("POST", "/products", ROUTE_CREATE_PRODUCT, NULL);
    expect("GET", "/products/p-1.x", ROUTE_PRODUCT, "p-1.x");
    expect("POST", "/accounts", ROUTE_OPEN_ACCOUNT, NULL);
    expect("GET", "/customers/c1/orders", ROUTE_CUSTOMER_ORDERS, "c1");
    expect("GET", "/healthz", ROUTE_ALIVE, NULL);
    expect("GET", "/readyz", ROUTE_READY, NULL);
    expect("GET", "/problems/busy", ROUTE_PROBLEM, "busy");
}

static void each_has_a_path_of_its_own(void **state)
{
    (void)state;
    for (enum route one = 0; one < ROUTE_NO_PATH; one++)
        for (enum route other = one + 1; other <= ROUTE_NO_PATH; other++)
            assert_string_not_equal(route_path(one), route_path(other));
    assert_string_equal(route_path(ROUTE_CUSTOMER_ORDERS), "/customers/{id}/orders");
    assert_string_equal(route_path(ROUTE_NO_PATH), "none");
    assert_string_equal(route_path(ROUTE_NO_METHOD), "none");
    assert_string_equal(route_path(ROUTE_BAD_ID), "none");
}

static void what_is_not_there_is_no_path(void **state)
{
    static const char *const paths[] = {"",
                                        "/",
                                        "/order",
                                        "/ordersx",
                                        "/orders/",
                                        "/orders/a/b",
                                        "//orders",
                                        "/customers/c1",
                                        "/customers//orders",
                                        "/customers/c1/orders/",
                                        "/Orders",
                                        "orders"};
    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        expect("GET", paths[i], ROUTE_NO_PATH, NULL);
}

static void other_methods_are_told_which(void **state)
{
    (void)state;
    struct route_match match = route_find("DELETE", "/orders/o1");
    assert_int_equal(match.route, ROUTE_NO_METHOD);
    assert_string_equal(match.allow, "GET, HEAD");
    match = route_find("GET", "/orders");
    assert_int_equal(match.route, ROUTE_NO_METHOD);
    assert_string_equal(match.allow, "POST");
    expect("get", "/orders/o1", ROUTE_NO_METHOD, NULL);
    expect("", "/orders/o1", ROUTE_NO_METHOD, NULL);
}

static void escapes_are_part_of_ids(void **state)
{
    (void)state;
    expect("GET", "/orders/a%2Bb", ROUTE_ORDER, "a+b");
    expect("GET", "/orders/%c3%A4", ROUTE_ORDER, "\xc3\xa4");
    expect("GET", "/orders/a+b", ROUTE_ORDER, "a+b");
    expect("GET", "/orders/%41", ROUTE_ORDER, "A");
    expect("GET", "/orders/a%2fb", ROUTE_BAD_ID, NULL);
    expect("GET", "/orders/a%00b", ROUTE_BAD_ID, NULL);
    expect("GET", "/orders/a%20b", ROUTE_BAD_ID, NULL);
    expect("GET", "/orders/%", ROUTE_BAD_ID, NULL);
    expect("GET", "/orders/%4", ROUTE_BAD_ID, NULL);
    expect("GET", "/orders/%4x", ROUTE_BAD_ID, NULL);
    expect("GET", "/orders/%ff", ROUTE_BAD_ID, NULL);
    expect("GET", "/customers/%7Bx%7D/orders", ROUTE_BAD_ID, NULL);
    expect("GET", "/customers/%4/orders", ROUTE_BAD_ID, NULL); /* nor is the '/' taken for it */
}

static void ids_are_bounded(void **state)
{
    char path[160] = "/orders/";
    (void)state;
    memset(path + 8, 'x', 128);
    expect("GET", path, ROUTE_ORDER, path + 8);
    path[8 + 128] = 'x';
    expect("GET", path, ROUTE_BAD_ID, NULL);
}

static void ids_are_whole_utf8(void **state)
{
    static const char *const good[] = {"a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                       "a:b#1"};
    static const char *const bad[] = {"",
                                      "a b",
                                      "\xc3",
                                      "\xc0\xaf",
                                      "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xe0\x80\x80",
                                      "a\nb",
                                      "a\x7f",
                                      "{",
                                      "}",
                                      "a/b",
                                      "\"",
                                      "\\",
                                      "\xe2\x82",
                                      "\x80"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(route_id_valid(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (route_id_valid(bad[i]))
            fail_msg("bad id %zu is taken", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_found),
        cmocka_unit_test(each_has_a_path_of_its_own),
        cmocka_unit_test(what_is_not_there_is_no_path),
        cmocka_unit_test(other_methods_are_told_which),
        cmocka_unit_test(escapes_are_part_of_ids),
        cmocka_unit_test(ids_are_bounded),
        cmocka_unit_test(ids_are_whole_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
