/* Reads data from the command line, files and standard input. */
#include "commands/input.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "commands/output.h"
#include "message/envelope.h"

static enum weir_status fail_reading(const char *path, struct weir_error *error)
{
    return weir_error_set(error, WEIR_INVALID, "cannot read %s: %s",
                          strcmp(path, "-") == 0 ? "standard input" : path, strerror(errno));
}

static enum weir_status read_all(FILE *file, const char *path, size_t limit, struct weir_text *out,
                                 struct weir_error *error)
{
    char buffer[16384];
    for (size_t length; (length = fread(buffer, 1, sizeof(buffer), file)) > 0;) {
        weir_text_append(out, buffer, length);
        if (out->failed)
            return weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
        if (out->length > limit)
            return weir_error_set(error, WEIR_TOO_LARGE, "%s is larger than %zu bytes", path,
                                  limit);
    }
    return ferror(file) ? fail_reading(path, error) : WEIR_OK;
}

enum weir_status weir_input_read(const char *path, size_t limit, struct weir_text *out,
                                 struct weir_error *error)
{
    if (strcmp(path, "-") == 0)
        return read_all(stdin, "standard input", limit, out, error);
    FILE *file = fopen(path, "re");
    if (!file)
        return fail_reading(path, error);
    enum weir_status status = read_all(file, path, limit, out, error);
    fclose(file);
    return status;
}

static enum weir_status fetch(const char *argument, struct weir_text *out, struct weir_error *error)
{
    if (argument[0] == '@' && !weir_output_remote())
        return weir_input_read(argument + 1, WEIR_DATA_MAX_DEFAULT, out, error);
    if (strcmp(argument, "-") == 0 && !weir_output_remote())
        return weir_input_read(argument, WEIR_DATA_MAX_DEFAULT, out, error);
    if (strlen(argument) > WEIR_DATA_MAX_DEFAULT)
        return weir_error_set(error, WEIR_TOO_LARGE, "larger than %d bytes", WEIR_DATA_MAX_DEFAULT);
    weir_text_append_string(out, argument);
    return out->failed ? weir_error_set(error, WEIR_NO_MEMORY, "memory ran out") : WEIR_OK;
}

enum weir_status weir_input_data(const char *argument, struct weir_text *out,
                                 struct weir_error *error)
{
    enum weir_status status = fetch(argument ? argument : "{}", out, error);
    if (status == WEIR_OK) {
        json_t *object =
            weir_object_parse(out->at ? out->at : "", out->length, WEIR_DATA_DEPTH_MAX, error);
        if (!object)
            status = error->status;
        json_decref(object);
    }
    return status == WEIR_OK ? WEIR_OK : weir_error_prefix(error, "--data");
}
