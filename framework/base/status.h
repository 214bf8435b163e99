/* The one error enum, its text table, and an error with room for a sentence. */
#ifndef WEIR_BASE_STATUS_H
#define WEIR_BASE_STATUS_H

#include <stdbool.h>

/* For every function whose failure the caller must not overlook. */
#define WEIR_CHECKED __attribute__((warn_unused_result))
#define WEIR_PRINTF(format, first) __attribute__((__format__(__printf__, format, first)))

enum weir_status {
    WEIR_OK = 0,
    WEIR_NO_MEMORY,   /* an allocation failed */
    WEIR_INVALID,     /* what came from outside is malformed */
    WEIR_NOT_FOUND,   /* a named thing is not there */
    WEIR_TOO_LARGE,   /* a limit on size or number was passed */
    WEIR_UNAVAILABLE, /* the server cannot be reached or does not serve now; try again */
    WEIR_DENIED,      /* the server refuses this user: password or access rights */
    WEIR_REFUSED,     /* the server refused the request; nothing was written */
    WEIR_UNKNOWN,     /* the answer was lost; it may or may not have been done */
    WEIR_SYSTEM,      /* a call to the operating system failed */
};

/* A short, constant English text for a status; never NULL. */
const char *weir_status_text(enum weir_status status);

/* An error with its sentence. Zero it before use: `struct weir_error error = {0};`. */
struct weir_error {
    enum weir_status status;
    char text[256]; /* one line, without a newline, always terminated */
};

/* Sets the error and returns `status`. The first error wins: a second call changes nothing and
 * returns the first status. A text that is too long is cut. `error` may be NULL. */
enum weir_status weir_error_set(struct weir_error *error, enum weir_status status,
                                const char *format, ...) WEIR_PRINTF(3, 4);

/* Puts "<prefix>: " before the text of an error that is set; what no longer fits is cut at the
 * end. Returns the error's status. Does nothing where no error is set. */
enum weir_status weir_error_prefix(struct weir_error *error, const char *format, ...)
    WEIR_PRINTF(2, 3);

/* An error that takes room only where it is set: for what there are thousands of. `{0}` is none. */
struct weir_rare_error {
    const struct weir_error *at; /* owned; NULL: none */
};

/* As weir_error_set. Without memory for it the error is WEIR_NO_MEMORY, "no memory". */
enum weir_status weir_rare_error_set(struct weir_rare_error *error, enum weir_status status,
                                     const char *format, ...) WEIR_PRINTF(3, 4);
enum weir_status weir_rare_error_status(const struct weir_rare_error *error);
/* Borrowed until it is cleared; "" where none is set. */
const char *weir_rare_error_text(const struct weir_rare_error *error);
/* Takes it back, and its memory. */
void weir_rare_error_clear(struct weir_rare_error *error);

#endif
