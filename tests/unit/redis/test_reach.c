/* What counts as reached, from a server's answers. */
#include "redis/reach.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "redis/key_names.h"
#include "replies.h"

static struct weir_reach picked_up(void)
{
    struct weir_reach reach = {.copies = -1};
    redisReply *reply = REPLY(":1\r\n");
    assert_true(weir_reach_take_note(&reach, reply));
    freeReplyObject(reply);
    return reach;
}

static void a_note_that_is_not_there_tells_nothing(void **state)
{
    (void)state;
    redisReply *replies[] = {REPLY(":0\r\n"), REPLY("-MISCONF no\r\n"), REPLY("+OK\r\n"), NULL};
    redisReply *many = REPLY(":9\r\n");
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        struct weir_reach reach = {.copies = -1};
        assert_false(weir_reach_take_note(&reach, replies[i]));
        assert_false(weir_reach_take_copies(&reach, many));
        assert_false(weir_reach_suffices(&reach, (struct weir_durability){0}));
        freeReplyObject(replies[i]);
    }
    freeReplyObject(many);
}

static void copies_count_as_the_server_tells(void **state)
{
    (void)state;
    struct weir_reach reach = picked_up();
    redisReply *two = REPLY(":2\r\n"), *busy = REPLY("-BUSY a script\r\n");
    assert_true(weir_reach_suffices(&reach, (struct weir_durability){0}));
    assert_false(weir_reach_suffices(&reach, (struct weir_durability){.replicas = 1}));
    assert_false(weir_reach_take_copies(&reach, busy));
    assert_true(weir_reach_take_copies(&reach, two));
    assert_true(weir_reach_suffices(&reach, (struct weir_durability){.replicas = 2}));
    assert_false(weir_reach_suffices(&reach, (struct weir_durability){.replicas = 3}));
    assert_false(
        weir_reach_suffices(&reach, (struct weir_durability){.replicas = 1, .disk = true}));
    freeReplyObject(two);
    freeReplyObject(busy);
}

#define SETTINGS(sync)                                                                             \
    "*6\r\n+appendonly\r\n+yes\r\n+appendfsync\r\n+" sync                                          \
    "\r\n+no-appendfsync-on-rewrite\r\n+no\r\n"

static void the_disk_is_reached_not_yet_or_cannot_be_told(void **state)
{
    (void)state;
    static const struct {
        enum weir_disk disk;
        const char *reply; /* NULL: none */
        enum weir_reach_disk told;
        bool on_disk;
    } cases[] = {
        {WEIR_DISK_BY_WAITAOF, "*2\r\n:1\r\n:0\r\n", WEIR_REACH_DISK_TOLD, true},
        {WEIR_DISK_BY_WAITAOF, "*2\r\n:0\r\n:3\r\n", WEIR_REACH_DISK_TOLD, false},
        {WEIR_DISK_BY_WAITAOF, "*2\r\n+x\r\n:3\r\n", WEIR_REACH_DISK_CANNOT, false},
        {WEIR_DISK_BY_WAITAOF, ":1\r\n", WEIR_REACH_DISK_CANNOT, false},
        {WEIR_DISK_BY_WAITAOF, "-ERR appendonly is disabled\r\n", WEIR_REACH_DISK_CANNOT, false},
        {WEIR_DISK_BY_WAITAOF, "-NOPERM no\r\n", WEIR_REACH_DISK_CANNOT, false},
        {WEIR_DISK_BY_WAITAOF, "-BUSY a script\r\n", WEIR_REACH_DISK_UNTOLD, false},
        {WEIR_DISK_BY_WAITAOF, "-READONLY no\r\n", WEIR_REACH_DISK_UNTOLD, false},
        {WEIR_DISK_BY_WAITAOF, NULL, WEIR_REACH_DISK_UNTOLD, false},
        {WEIR_DISK_BY_SETTINGS, SETTINGS("always"), WEIR_REACH_DISK_TOLD, true},
        {WEIR_DISK_BY_SETTINGS, SETTINGS("everysec"), WEIR_REACH_DISK_CANNOT, false},
        {WEIR_DISK_BY_SETTINGS, "-NOPERM no\r\n", WEIR_REACH_DISK_CANNOT, false},
        {WEIR_DISK_BY_SETTINGS, "-LOADING the dataset\r\n", WEIR_REACH_DISK_UNTOLD, false},
        {WEIR_DISK_BY_SETTINGS, NULL, WEIR_REACH_DISK_UNTOLD, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_reach reach = picked_up(), unknown = {.copies = -1};
        redisReply *reply =
            cases[i].reply ? reply_of(cases[i].reply, strlen(cases[i].reply)) : NULL;
        assert_int_equal(weir_reach_take_disk(&reach, cases[i].disk, reply), cases[i].told);
        assert_int_equal(reach.on_disk, cases[i].on_disk);
        assert_int_equal(weir_reach_take_disk(&unknown, cases[i].disk, reply), cases[i].told);
        assert_false(unknown.on_disk); /* of what, nobody knows */
        freeReplyObject(reply);
    }
}

static void the_disk_is_asked_for_as_the_server_can_tell(void **state)
{
    (void)state;
    const char *words[WEIR_REACH_WORDS_MAX];
    assert_int_equal(weir_reach_ask_disk(WEIR_DISK_BY_WAITAOF, "70", words), 4);
    assert_string_equal(words[0], "WAITAOF");
    assert_string_equal(words[3], "70");
    assert_int_equal(weir_reach_ask_disk(WEIR_DISK_BY_SETTINGS, "70", words), 5);
    assert_string_equal(words[0], "CONFIG");
    assert_int_equal(weir_reach_ask_disk(WEIR_DISK_NOT, "70", words), 0);
    assert_int_equal(weir_reach_ask_disk(WEIR_DISK_UNASKED, "70", words), 0);
}

static void what_it_lacks_is_told(void **state)
{
    (void)state;
    char text[WEIR_REACH_TEXT_MAX];
    const struct weir_durability two = {.replicas = 2}, disk = {.disk = true};
    assert_string_equal(weir_reach_tell(0, two, text), ": 0 replicas have it");
    assert_string_equal(weir_reach_tell(1, two, text), ": 1 replica has it");
    assert_string_equal(weir_reach_tell(2, two, text), "");
    assert_string_equal(weir_reach_tell(-1, two, text), "");
    assert_string_equal(weir_reach_tell(0, disk, text), "");
}

static void each_note_has_a_name_of_its_own(void **state)
{
    (void)state;
    char one[WEIR_KEY_MAX], other[WEIR_KEY_MAX];
    assert_ptr_equal(weir_reach_note(one, "p:", "s"), one);
    assert_memory_equal(one, "p:{s}:note:", strlen("p:{s}:note:"));
    assert_string_not_equal(one, weir_reach_note(other, "p:", "s"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_note_that_is_not_there_tells_nothing),
        cmocka_unit_test(copies_count_as_the_server_tells),
        cmocka_unit_test(the_disk_is_reached_not_yet_or_cannot_be_told),
        cmocka_unit_test(the_disk_is_asked_for_as_the_server_can_tell),
        cmocka_unit_test(what_it_lacks_is_told),
        cmocka_unit_test(each_note_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
