/* Definitions of sagas in files, and putting them on the server. */
#ifndef WEIR_COMMANDS_DEFINITION_FILE_H
#define WEIR_COMMANDS_DEFINITION_FILE_H

#include <jansson.h>

#include "commands/command.h"
#include "saga/definition.h"

struct weir_definition_file {
    const char *path; /* borrowed */
    json_t *json;
    struct weir_saga_definition *definition;
};

/* Reads and checks a file ("-": standard input). Errors begin with the path. On success the caller
 * closes it. */
WEIR_CHECKED enum weir_status weir_definition_file_read(struct weir_definition_file *file,
                                                        const char *path, struct weir_error *error);
void weir_definition_file_close(struct weir_definition_file *file);

/* Puts it on the server, and its name into the list of definitions, in one step. A version that is
 * there with another content is only changed, and `latest` only goes back, with settings.force.
 * Prints nothing but errors; `outcome` becomes {name, version, latest, change}. Returns the exit
 * code. */
WEIR_CHECKED int weir_definition_file_load(struct weir_session *session,
                                           const struct weir_definition_file *file,
                                           json_t **outcome);

#endif
