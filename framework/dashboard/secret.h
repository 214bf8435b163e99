/* The token that a client of the dashboard shows, and how it comes to the process: never by the
 * command line, which every user of the machine can read. */
#ifndef WEIR_DASHBOARD_SECRET_H
#define WEIR_DASHBOARD_SECRET_H

#include <stdbool.h>

#include "base/status.h"

#define WEIR_SECRET_MIN 16
#define WEIR_SECRET_MAX 256

struct weir_secret {
    char text[WEIR_SECRET_MAX + 1]; /* "": there is none */
    bool exposed;                   /* all users of the machine may read its file */
};

/* From the file `path`, where it is not NULL; else from the variable WEIR_DASHBOARD_TOKEN; else
 * from the file weir-dashboard-token in the folder CREDENTIALS_DIRECTORY, which is systemd's way.
 * Blanks and line ends behind it do not count. None at all is WEIR_OK and "". WEIR_INVALID with a
 * sentence (that does not show the token) where a file cannot be read, or the token is too short,
 * too long or not printable ASCII without blanks. Takes the variable out of the environment. */
WEIR_CHECKED enum weir_status weir_secret_read(struct weir_secret *token, const char *path,
                                               struct weir_error *error);

/* Whether `given` is the token, in a time that does not tell how much of it is right. */
bool weir_secret_matches(const struct weir_secret *token, const char *given);

/* Overwrites it. */
void weir_secret_wipe(struct weir_secret *token);

#endif
