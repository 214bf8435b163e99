/* Knows the commands that change nothing. */
#include "redis/reads.h"

#include <stddef.h>
#include <string.h>

static const char *const reading[] = {
    "AUTH",   "EXISTS",    "FCALL_RO", "GET",    "HEXISTS", "HGET",   "HGETALL", "HLEN",
    "HMGET",  "HSCAN",     "INFO",     "LLEN",   "LRANGE",  "MGET",   "PING",    "ROLE",
    "SCAN",   "SELECT",    "SMEMBERS", "TIME",   "TYPE",    "XINFO",  "XLEN",    "XPENDING",
    "XRANGE", "XREVRANGE", "ZCARD",    "ZCOUNT", "ZMSCORE", "ZRANGE", "ZSCORE",  "ZRANDMEMBER",
};

bool weir_command_reads(const char *command)
{
    for (size_t i = 0; i < sizeof(reading) / sizeof(reading[0]); i++)
        if (strcmp(command, reading[i]) == 0)
            return true;
    return false;
}
