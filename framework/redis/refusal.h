/* What an error answer of the server means for us: one table from prefix to meaning. */
#ifndef WEIR_REDIS_REFUSAL_H
#define WEIR_REDIS_REFUSAL_H

enum weir_refusal {
    WEIR_REFUSAL_REQUEST,  /* the request itself is at fault; repeating it cannot help */
    WEIR_REFUSAL_SERVER,   /* the server does not serve this now (loading, out of memory, …):
                              nobody's fault here, wait and repeat; counts as no attempt */
    WEIR_REFUSAL_ROLE,     /* this server is no master, or no more: nothing is done here; find the
                              master */
    WEIR_REFUSAL_DENIED,   /* password or access rights */
    WEIR_REFUSAL_GROUP,    /* the stream or its consumer group is missing: make it again */
    WEIR_REFUSAL_FUNCTION, /* the function library is missing: load it again */
    WEIR_REFUSAL_TYPE,     /* a key holds another type */
    WEIR_REFUSAL_PLACE,    /* Cluster or role: this server is not the place for that key */
};

/* `text` is the error answer, terminated. */
enum weir_refusal weir_refusal_of(const char *text);

#endif
