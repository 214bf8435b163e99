/* What has been loaded of a service's state: keys, answers of the server, fields. */
#include "redis/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/redis/replies.h"

static struct weir_snapshot snapshot;

static int close_snapshot(void **state)
{
    (void)state;
    weir_snapshot_close(&snapshot);
    assert_null(snapshot.hashes);
    weir_snapshot_close(&snapshot); /* a second call does nothing */
    return 0;
}

static struct weir_loaded *add(const char *key)
{
    int place = weir_snapshot_add(&snapshot, key);
    assert_true(place >= 0);
    return &snapshot.hashes[place];
}

static enum weir_status fill(struct weir_loaded *loaded, redisReply *reply_take)
{
    enum weir_status status = weir_snapshot_fill(loaded, reply_take);
    freeReplyObject(reply_take);
    return status;
}

static void the_same_key_has_one_place(void **state)
{
    (void)state;
    char key[32] = "{s}:a";
    assert_int_equal(weir_snapshot_add(&snapshot, key), 0);
    key[4] = 'b';
    assert_int_equal(weir_snapshot_add(&snapshot, key), 1); /* keys are copied */
    assert_int_equal(weir_snapshot_add(&snapshot, "{s}:a"), 0);
    assert_int_equal(snapshot.count, 2);
    assert_string_equal(weir_snapshot_find(&snapshot, "{s}:b")->key, "{s}:b");
    assert_null(weir_snapshot_find(&snapshot, "{s}:"));
    assert_null(weir_snapshot_find(&snapshot, "{s}:bb"));
}

static const char *numbered(int number)
{
    static char key[32];
    snprintf(key, sizeof key, "{s}:k:%d", number);
    return key;
}

static void many_keys_are_told_apart(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5000; i++) {
            assert_int_equal(weir_snapshot_add(&snapshot, numbered(i)), i);
            assert_int_equal(weir_snapshot_add(&snapshot, numbered(i / 2)), i / 2);
            assert_null(weir_snapshot_find(&snapshot, numbered(i + 1)));
        }
        for (int i = 0; i < 5000; i++)
            assert_string_equal(weir_snapshot_find(&snapshot, numbered(i))->key, numbered(i));
        weir_snapshot_clear(&snapshot);
        assert_null(weir_snapshot_find(&snapshot, numbered(7)));
    }
}

/* As it is when memory ran out as the index grew. */
static void keys_are_found_without_an_index(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(weir_snapshot_add(&snapshot, numbered(i)), i);
        if (i % 7 == 0)
            weir_index_close(&snapshot.index);
        for (int k = 0; k <= i; k++)
            assert_string_equal(weir_snapshot_find(&snapshot, numbered(k))->key, numbered(k));
        assert_null(weir_snapshot_find(&snapshot, numbered(i + 1)));
    }
    assert_int_equal(snapshot.count, 100);
    assert_int_equal(weir_index_count(&snapshot.index), 100);
}

static void an_unanswered_key_holds_nothing(void **state)
{
    (void)state;
    const struct weir_loaded *loaded = add("k");
    assert_false(loaded->loaded);
    assert_null(weir_loaded_value(loaded, "f"));
}

static void fields_come_from_the_answer(void **state)
{
    (void)state;
    struct weir_loaded *loaded = add("k");
    assert_int_equal(fill(loaded, REPLY("*6\r\n$1\r\na\r\n$3\r\none\r\n$0\r\n\r\n$0\r\n\r\n"
                                        "$2\r\naa\r\n$2\r\n-5\r\n")),
                     WEIR_OK);
    assert_true(loaded->loaded);
    assert_int_equal(loaded->field_count, 3);
    assert_string_equal(weir_loaded_value(loaded, "a"), "one");
    assert_string_equal(weir_loaded_value(loaded, ""), "");
    assert_string_equal(weir_loaded_value(loaded, "aa"), "-5");
    assert_null(weir_loaded_value(loaded, "one"));
}

static void a_missing_hash_is_loaded_and_empty(void **state)
{
    (void)state;
    struct weir_loaded *loaded = add("k");
    assert_int_equal(fill(loaded, REPLY("*0\r\n")), WEIR_OK);
    assert_true(loaded->loaded);
    assert_int_equal(loaded->field_count, 0);
    assert_null(weir_loaded_value(loaded, "a"));
}

static void the_last_answer_counts(void **state)
{
    (void)state;
    struct weir_loaded *loaded = add("k");
    assert_int_equal(fill(loaded, REPLY("*2\r\n$1\r\na\r\n$3\r\none\r\n")), WEIR_OK);
    assert_int_equal(fill(loaded, REPLY("*2\r\n$1\r\nb\r\n$3\r\ntwo\r\n")), WEIR_OK);
    assert_null(weir_loaded_value(loaded, "a"));
    assert_string_equal(weir_loaded_value(loaded, "b"), "two");
    assert_int_equal(fill(loaded, REPLY("*0\r\n")), WEIR_OK);
    assert_null(weir_loaded_value(loaded, "b"));
}

static void other_answers_are_refused(void **state)
{
    (void)state;
    struct weir_loaded *loaded = add("k");
    assert_int_equal(fill(loaded, REPLY("*1\r\n$1\r\na\r\n")), WEIR_INVALID);
    assert_int_equal(fill(loaded, REPLY("$1\r\na\r\n")), WEIR_INVALID);
    assert_int_equal(fill(loaded, REPLY(":1\r\n")), WEIR_INVALID);
    assert_int_equal(fill(loaded, REPLY("$-1\r\n")), WEIR_INVALID);
    assert_int_equal(fill(loaded, REPLY("-ERR x\r\n")), WEIR_INVALID);
    assert_int_equal(weir_snapshot_fill(loaded, NULL), WEIR_INVALID);
    assert_int_equal(loaded->field_count, 0);
    assert_null(weir_loaded_value(loaded, "a"));
}

static void what_is_no_text_is_refused(void **state)
{
    (void)state;
    struct weir_loaded *loaded = add("k");
    assert_int_equal(fill(loaded, REPLY("*2\r\n$1\r\na\r\n$3\r\none\r\n")), WEIR_OK);
    assert_int_equal(fill(loaded, REPLY("*2\r\n$1\r\na\r\n:7\r\n")), WEIR_INVALID);
    assert_int_equal(fill(loaded, REPLY("*2\r\n*1\r\n$1\r\nx\r\n$1\r\nb\r\n")), WEIR_INVALID);
    assert_int_equal(fill(loaded, REPLY("*2\r\n$1\r\na\r\n$-1\r\n")), WEIR_INVALID);
    assert_false(loaded->loaded);
    assert_null(weir_loaded_value(loaded, "a"));
}

static void large_hashes(void **state)
{
    (void)state;
    struct weir_text text = {0};
    struct weir_loaded *loaded = add("k");
    char field[32];
    weir_text_format(&text, "*%d\r\n", 2 * 3000);
    for (int i = 0; i < 3000; i++)
        weir_text_format(&text, "$5\r\nf%04d\r\n$4\r\n%04d\r\n", i, i);
    assert_int_equal(fill(loaded, reply_of(text.at, text.length)), WEIR_OK);
    for (int i = 0; i < 3000; i++) {
        snprintf(field, sizeof field, "f%04d", i);
        assert_string_equal(weir_loaded_value(loaded, field), field + 1);
    }
    weir_text_close(&text);
}

static void clearing_forgets_all_and_can_be_filled_again(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        assert_int_equal(fill(add("k"), REPLY("*2\r\n$1\r\na\r\n$3\r\none\r\n")), WEIR_OK);
        add("other");
        weir_snapshot_clear(&snapshot);
        assert_int_equal(snapshot.count, 0);
        assert_null(weir_snapshot_find(&snapshot, "k"));
        assert_false(add("other")->loaded);
    }
}

/* ---- Copies -------------------------------------------------------------------------------- */

static struct weir_loaded original, copy;

static int close_copies(void **state)
{
    (void)state;
    free(original.values);
    free(copy.values);
    memset(&original, 0, sizeof original);
    memset(&copy, 0, sizeof copy);
    return 0;
}

static void a_copy_stands_on_its_own(void **state)
{
    (void)state;
    char key[] = "k";
    copy.key = key;
    assert_int_equal(fill(&original, REPLY("*6\r\n$1\r\na\r\n$3\r\none\r\n$0\r\n\r\n$0\r\n\r\n"
                                           "$2\r\naa\r\n$2\r\n-5\r\n")),
                     WEIR_OK);
    assert_int_equal(weir_loaded_copy(&copy, &original), WEIR_OK);
    assert_true(copy.loaded);
    assert_ptr_equal(copy.key, key); /* it keeps its own */
    assert_int_equal(copy.field_count, 3);
    for (size_t i = 0; i < 6; i++)
        assert_ptr_not_equal(copy.values[i], original.values[i]);
    memset(original.values, 0xee, original.room);
    free(original.values);
    memset(&original, 0, sizeof original);
    assert_string_equal(weir_loaded_value(&copy, "a"), "one");
    assert_string_equal(weir_loaded_value(&copy, ""), "");
    assert_string_equal(weir_loaded_value(&copy, "aa"), "-5");
}

static void a_copy_replaces_what_was_there(void **state)
{
    (void)state;
    assert_int_equal(fill(&copy, REPLY("*2\r\n$1\r\nb\r\n$3\r\ntwo\r\n")), WEIR_OK);
    assert_int_equal(fill(&original, REPLY("*2\r\n$1\r\na\r\n$3\r\none\r\n")), WEIR_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(weir_loaded_copy(&copy, &original), WEIR_OK);
        assert_null(weir_loaded_value(&copy, "b"));
        assert_string_equal(weir_loaded_value(&copy, "a"), "one");
    }
    assert_int_equal(fill(&original, REPLY("*0\r\n")), WEIR_OK);
    assert_int_equal(weir_loaded_copy(&copy, &original), WEIR_OK);
    assert_true(copy.loaded);
    assert_int_equal(copy.field_count, 0);
    assert_null(weir_loaded_value(&copy, "a"));
}

static void a_copy_of_what_is_not_loaded_is_not(void **state)
{
    (void)state;
    assert_int_equal(fill(&copy, REPLY("*2\r\n$1\r\nb\r\n$3\r\ntwo\r\n")), WEIR_OK);
    assert_int_equal(weir_loaded_copy(&copy, &original), WEIR_OK);
    assert_false(copy.loaded);
    assert_null(weir_loaded_value(&copy, "b"));
}

#define COPIES(test) cmocka_unit_test_teardown(test, close_copies)
#define EACH(test) cmocka_unit_test_teardown(test, close_snapshot)

int main(void)
{
    const struct CMUnitTest tests[] = {
        COPIES(a_copy_stands_on_its_own),
        COPIES(a_copy_replaces_what_was_there),
        COPIES(a_copy_of_what_is_not_loaded_is_not),
        EACH(the_same_key_has_one_place),
        EACH(many_keys_are_told_apart),
        EACH(keys_are_found_without_an_index),
        EACH(an_unanswered_key_holds_nothing),
        EACH(fields_come_from_the_answer),
        EACH(a_missing_hash_is_loaded_and_empty),
        EACH(the_last_answer_counts),
        EACH(other_answers_are_refused),
        EACH(what_is_no_text_is_refused),
        EACH(large_hashes),
        EACH(clearing_forgets_all_and_can_be_filled_again),
    };
    return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
