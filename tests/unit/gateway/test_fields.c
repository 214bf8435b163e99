/* Bodies are checked before anything is sent on, and what is wrong is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/fields.h"

static const struct field fields[] = {
    {"id", FIELD_ID, true, 0, 0},
    {"amount", FIELD_NUMBER, true, 1, 9007199254740991},
    {"name", FIELD_TEXT, false, 0, 0},
    {"simulate", FIELD_OBJECT, false, 0, 0},
    {.name = NULL},
};

/* `field` NULL: it is fine. `detail` is a part of the sentence. */
static void expect(const char *body, const char *field, const char *detail)
{
    struct fault fault = {.field = "", .detail = ""};
    json_t *json = fields_parse(body, strlen(body), &fault);
    bool fine = json && fields_check(json, fields, &fault);
    json_decref(json);
    if (fine != (field == NULL))
        fail_msg("%s: %s", body, fine ? "is taken" : fault.detail);
    if (!field)
        return;
    assert_string_equal(fault.field, field);
    if (!strstr(fault.detail, detail))
        fail_msg("%s: '%s' expected in: %s", body, detail, fault.detail);
}

static void good_bodies_are_taken(void **state)
{
    (void)state;
    expect("{\"id\":\"a\",\"amount\":1}", NULL, NULL);
    expect(" {\"amount\":9007199254740991, \"id\":\"\\u00e4\", \"name\":\"x y\"} \n", NULL, NULL);
    expect("{\"id\":\"a\",\"amount\":1,\"simulate\":{\"a\":[1]}}", NULL, NULL);
}

static void what_is_no_object_is_named_by_its_place(void **state)
{
    (void)state;
    expect("", "", "empty");
    expect("[]", "", "must be a JSON object");
    expect("nonsense", "", "line 1");
    expect("{\"id\":\"a\",\n\"amount\":}", "", "line 2, column 10");
    expect("{\"id\":\"a\",\"amount\":1", "", "line 1");
    expect("{\"id\":\"a\",\"amount\":1}x", "", "line 1");
    expect("{\"id\":\"a\",\"id\":\"b\",\"amount\":1}", "", "duplicate");
    expect("{\"id\":\"\xff\",\"amount\":1}", "", "line 1");
    expect("{\"id\":\"a\\u0000\",\"amount\":1}", "", "a text may not contain \\u0000");
    expect("{\"id\":\"a\",\"amount\":99999999999999999999}", "", "too big");
}

static void fields_are_named(void **state)
{
    (void)state;
    expect("{}", "id", "missing");
    expect("{\"id\":\"a\"}", "amount", "missing");
    expect("{\"id\":null,\"amount\":1}", "id", "text");
    expect("{\"id\":\"\",\"amount\":1}", "id", "1 to 128");
    expect("{\"id\":\"a b\",\"amount\":1}", "id", "blanks");
    expect("{\"id\":7,\"amount\":1}", "id", "text");
    expect("{\"id\":\"a\",\"amount\":0}", "amount", "from 1 to 9007199254740991");
    expect("{\"id\":\"a\",\"amount\":-1}", "amount", "from 1");
    expect("{\"id\":\"a\",\"amount\":9007199254740992}", "amount", "from 1");
    expect("{\"id\":\"a\",\"amount\":1.0}", "amount", "whole number");
    expect("{\"id\":\"a\",\"amount\":1e2}", "amount", "whole number");
    expect("{\"id\":\"a\",\"amount\":\"1\"}", "amount", "whole number");
    expect("{\"id\":\"a\",\"amount\":true}", "amount", "whole number");
    expect("{\"id\":\"a\",\"amount\":1,\"name\":\"\"}", "name", "1 to 1024");
    expect("{\"id\":\"a\",\"amount\":1,\"simulate\":[]}", "simulate", "object");
    expect("{\"id\":\"a\",\"amount\":1,\"amuont\":1}", "amuont", "not known");
    expect("{\"id\":\"a\",\"amount\":1,\"\":1}", "", "not known");
}

static void long_texts_are_refused(void **state)
{
    char body[1200];
    (void)state;
    snprintf(body, sizeof(body), "{\"id\":\"a\",\"amount\":1,\"name\":\"%01024d\"}", 0);
    expect(body, NULL, NULL);
    snprintf(body, sizeof(body), "{\"id\":\"a\",\"amount\":1,\"name\":\"%01025d\"}", 0);
    expect(body, "name", "1 to 1024");
    snprintf(body, sizeof(body), "{\"id\":\"%0129d\",\"amount\":1}", 0);
    expect(body, "id", "1 to 128");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_bodies_are_taken),
        cmocka_unit_test(what_is_no_object_is_named_by_its_place),
        cmocka_unit_test(fields_are_named),
        cmocka_unit_test(long_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
