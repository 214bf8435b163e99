/* What an error answer of the server means for us: one table from prefix to meaning. */
#include "redis/refusal.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *prefix;
    enum weir_refusal refusal;
} meanings[] = {
    {"NOGROUP", WEIR_REFUSAL_GROUP},
    {"UNBLOCKED force unblock", WEIR_REFUSAL_ROLE},
    /* 7.0 says so to a blocked reader whose stream was deleted */
    {"UNBLOCKED", WEIR_REFUSAL_GROUP},
    {"ERR Function not found", WEIR_REFUSAL_FUNCTION},
    {"NOSCRIPT", WEIR_REFUSAL_FUNCTION},
    {"LOADING", WEIR_REFUSAL_SERVER},
    {"BUSY ", WEIR_REFUSAL_SERVER},
    {"MASTERDOWN", WEIR_REFUSAL_ROLE},
    {"CLUSTERDOWN", WEIR_REFUSAL_SERVER},
    {"READONLY", WEIR_REFUSAL_ROLE},
    {"TRYAGAIN", WEIR_REFUSAL_SERVER},
    {"OOM", WEIR_REFUSAL_SERVER},
    {"MISCONF", WEIR_REFUSAL_SERVER},
    {"NOREPLICAS", WEIR_REFUSAL_SERVER},
    {"ERR max number of clients", WEIR_REFUSAL_SERVER},
    {"NOAUTH", WEIR_REFUSAL_DENIED},
    {"WRONGPASS", WEIR_REFUSAL_DENIED},
    {"NOPERM", WEIR_REFUSAL_DENIED},
    {"ERR The user executing the script", WEIR_REFUSAL_DENIED},
    {"ERR AUTH", WEIR_REFUSAL_DENIED},
    {"WRONGTYPE", WEIR_REFUSAL_TYPE},
    {"MOVED", WEIR_REFUSAL_PLACE},
    {"ASK", WEIR_REFUSAL_PLACE},
    {"CROSSSLOT", WEIR_REFUSAL_PLACE},
};

enum weir_refusal weir_refusal_of(const char *text)
{
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (strncmp(text, meanings[i].prefix, strlen(meanings[i].prefix)) == 0)
            return meanings[i].refusal;
    return WEIR_REFUSAL_REQUEST;
}
