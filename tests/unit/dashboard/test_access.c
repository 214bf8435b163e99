/* Who may ask what: every rule by itself, and that tokens are read and compared as they should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/text.h"
#include "dashboard/access.h"

#define TOKEN "0123456789abcdef"
#define BEARER "Bearer " TOKEN

static struct weir_access local(void)
{
    struct weir_access access = {.loopback = true, .actions = true, .listen_host = "127.0.0.1"};
    weir_copy(access.token.text, sizeof(access.token.text), TOKEN);
    return access;
}

static struct weir_access_request reading(void)
{
    return (struct weir_access_request){.api = true, .host = "localhost:8420"};
}

static struct weir_access_request acting(void)
{
    return (struct weir_access_request){.api = true,
                                        .post = true,
                                        .host = "localhost:8420",
                                        .authorization = BEARER,
                                        .content_type = "application/json"};
}

#define JUDGED(access, request, verdict)                                                           \
    assert_int_equal(weir_access_judge(&(access), &(request)), WEIR_ACCESS_##verdict)

static void hosts(void **state)
{
    (void)state;
    static const char *const ours[] = {"localhost",       "LOCALHOST:1", "127.0.0.1",
                                       "127.0.0.1:8420",  "[::1]:8420",  "10.1.2.3",
                                       "weir.example:443"};
    static const char *const others[] = {"",
                                         "evil.example",
                                         "localhost.evil.example",
                                         "[::1",
                                         "localhost:80x",
                                         "localhost:80:81",
                                         "127.0.0.1.nip.io",
                                         "1.2.3",
                                         "weir.example.evil"};
    struct weir_access access = local();
    struct weir_access_request request = reading();
    access.hosts = (struct weir_texts){{"weir.example"}, 1};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        request.host = ours[i];
        JUDGED(access, request, GRANTED);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        request.host = others[i];
        JUDGED(access, request, WRONG_HOST);
        request.api = false; /* nor the page */
        JUDGED(access, request, WRONG_HOST);
        request.api = true;
    }
    request.host = NULL;
    JUDGED(access, request, WRONG_HOST);
}

static void sites(void **state)
{
    (void)state;
    struct weir_access access = local();
    struct weir_access_request request = acting();
    static const char *const own[] = {"same-origin", "none"};
    static const char *const foreign[] = {"same-site", "cross-site", "", "Same-Origin"};
    for (size_t i = 0; i < 2; i++) {
        request.fetch_site = own[i];
        JUDGED(access, request, GRANTED);
    }
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        request.fetch_site = foreign[i];
        JUDGED(access, request, CROSS_SITE);
    }
    request.fetch_site = NULL;
    static const char *const origins[] = {"http://localhost:8420", "https://LOCALHOST:8420"};
    for (size_t i = 0; i < 2; i++) {
        request.origin = origins[i];
        JUDGED(access, request, GRANTED);
    }
    static const char *const others[] = {"null",
                                         "http://localhost",
                                         "http://localhost:84200",
                                         "http://evil.example",
                                         "ftp://localhost:8420",
                                         ""};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        request.origin = others[i];
        JUDGED(access, request, CROSS_SITE);
    }
    /* A link to the page from elsewhere is followed. */
    struct weir_access_request page = {.host = "localhost", .fetch_site = "cross-site"};
    JUDGED(access, page, GRANTED);
    page.post = true;
    JUDGED(access, page, CROSS_SITE);
}

static void tokens(void **state)
{
    (void)state;
    struct weir_access access = local();
    struct weir_access_request read = reading(), act = acting();
    JUDGED(access, read, GRANTED);
    read.authorization = "Bearer wrong";
    JUDGED(access, read, WRONG_TOKEN); /* even where none is needed */
    act.authorization = NULL;
    JUDGED(access, act, NO_TOKEN);
    static const char *const wrong[] = {"",
                                        "Bearer ",
                                        "Bearer 0123456789abcde",
                                        "Bearer 0123456789abcdef0",
                                        "Basic 0123456789abcdef",
                                        "0123456789abcdef",
                                        "Bearer  0123456789abcdef"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        act.authorization = wrong[i];
        JUDGED(access, act, WRONG_TOKEN);
    }
    act.authorization = "bearer " TOKEN; /* the scheme's case does not count */
    JUDGED(access, act, GRANTED);
    access.loopback = false;
    read.authorization = NULL;
    JUDGED(access, read, NO_TOKEN);
    read.authorization = BEARER;
    JUDGED(access, read, GRANTED);
    /* Without a token no token is right, not even none. */
    access.token.text[0] = '\0';
    act.authorization = "Bearer ";
    JUDGED(access, act, WRONG_TOKEN);
    assert_false(weir_secret_matches(&access.token, ""));
    assert_false(weir_secret_matches(&access.token, NULL));
}

static void actions(void **state)
{
    (void)state;
    struct weir_access access = local();
    struct weir_access_request request = acting();
    static const char *const json[] = {"application/json", "application/json; charset=utf-8",
                                       "Application/JSON;charset=UTF-8"};
    for (size_t i = 0; i < 3; i++) {
        request.content_type = json[i];
        JUDGED(access, request, GRANTED);
    }
    static const char *const others[] = {"text/plain", "application/jsonx", "application/json, x",
                                         "multipart/form-data", ""};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        request.content_type = others[i];
        JUDGED(access, request, CONTENT_TYPE);
    }
    request.content_type = NULL;
    JUDGED(access, request, CONTENT_TYPE);
    access.actions = false;
    request = acting();
    JUDGED(access, request, READ_ONLY);
}

static enum weir_status read_variable(const char *value, struct weir_secret *secret)
{
    setenv("WEIR_DASHBOARD_TOKEN", value, 1);
    struct weir_error error = {0};
    enum weir_status status = weir_secret_read(secret, NULL, &error);
    assert_null(getenv("WEIR_DASHBOARD_TOKEN"));
    if (*value)
        assert_null(strstr(error.text, value)); /* no sentence tells it */
    return status;
}

static void secrets_are_read(void **state)
{
    (void)state;
    struct weir_secret secret;
    struct weir_error error = {0};
    char longer[WEIR_SECRET_MAX + 2];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(read_variable(TOKEN "\n", &secret), WEIR_OK);
    assert_string_equal(secret.text, TOKEN);
    assert_int_equal(read_variable("", &secret), WEIR_OK);
    assert_string_equal(secret.text, "");
    assert_int_equal(read_variable("0123456789abcde", &secret), WEIR_INVALID);
    assert_int_equal(read_variable("0123456789 abcdef", &secret), WEIR_INVALID);
    assert_int_equal(read_variable("0123456789\xc3\xa4"
                                   "abcdef",
                                   &secret),
                     WEIR_INVALID);
    assert_int_equal(read_variable(longer, &secret), WEIR_INVALID);
    assert_int_equal(weir_secret_read(&secret, "no-such-file", &error), WEIR_INVALID);
    FILE *file = fopen("weir-dashboard-token", "w");
    assert_non_null(file);
    fputs(TOKEN "credential\r\n", file);
    fclose(file);
    setenv("CREDENTIALS_DIRECTORY", ".", 1);
    error = (struct weir_error){0};
    assert_int_equal(weir_secret_read(&secret, NULL, &error), WEIR_OK);
    assert_string_equal(secret.text, TOKEN "credential");
    assert_true(weir_secret_matches(&secret, TOKEN "credential"));
    assert_false(weir_secret_matches(&secret, TOKEN "credentiaL"));
    setenv("CREDENTIALS_DIRECTORY", "no-such-folder", 1); /* the unit names no such credential */
    assert_int_equal(weir_secret_read(&secret, NULL, &error), WEIR_OK);
    assert_string_equal(secret.text, "");
    remove("weir-dashboard-token");
}

static bool exposed_with(mode_t mode)
{
    struct weir_secret secret;
    struct weir_error error = {0};
    FILE *file = fopen("token", "w");
    assert_non_null(file);
    fputs(TOKEN, file);
    fclose(file);
    assert_int_equal(chmod("token", mode), 0);
    assert_int_equal(weir_secret_read(&secret, "token", &error), WEIR_OK);
    remove("token");
    return secret.exposed;
}

static void files_that_all_may_read_are_noticed(void **state)
{
    struct weir_secret secret;
    (void)state;
    assert_true(exposed_with(0644));
    assert_true(exposed_with(0604));
    assert_false(exposed_with(0640)); /* a group may be meant */
    assert_false(exposed_with(0400));
    assert_int_equal(read_variable(TOKEN, &secret), WEIR_OK);
    assert_false(secret.exposed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts),
        cmocka_unit_test(sites),
        cmocka_unit_test(tokens),
        cmocka_unit_test(actions),
        cmocka_unit_test(secrets_are_read),
        cmocka_unit_test(files_that_all_may_read_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
