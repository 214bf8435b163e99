/* Replies as hiredis makes them, read from their text in the protocol. */
#ifndef WEIR_TESTS_UNIT_REDIS_REPLIES_H
#define WEIR_TESTS_UNIT_REDIS_REPLIES_H

#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* To be freed by freeReplyObject. */
static inline redisReply *reply_of(const char *bytes, size_t length)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    assert_non_null(reader);
    assert_int_equal(redisReaderFeed(reader, bytes, length), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    redisReaderFree(reader);
    assert_non_null(reply);
    return reply;
}

#define REPLY(literal) reply_of("" literal, sizeof(literal) - 1)

#endif
