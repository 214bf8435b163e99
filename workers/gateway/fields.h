/* The members of a request's body, checked by a table before anything is sent on. Pure. */
#ifndef GATEWAY_FIELDS_H
#define GATEWAY_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_kind {
    FIELD_ID,     /* a text that can stand in a key */
    FIELD_NUMBER, /* a whole number */
    FIELD_TEXT,   /* 1 to 1024 bytes */
    FIELD_OBJECT,
};

struct field {
    const char *name; /* NULL ends a table */
    enum field_kind kind;
    bool needed;
    int64_t minimum, maximum; /* NUMBER */
};

struct fault {
    char field[64]; /* "": the body as a whole */
    char detail[256];
};

/* A JSON object with no name in it twice; NULL and the place at fault. */
json_t *fields_parse(const char *bytes, size_t length, struct fault *fault);
/* Whether the object has all that is needed, each as it should be, and nothing else: a name that is
 * not known is refused, since it may be a misspelt one that matters. */
bool fields_check(const json_t *body, const struct field *fields, struct fault *fault);

#endif
