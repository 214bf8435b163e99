/* Reads the dashboard's token, and compares. */
#include "dashboard/secret.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define VARIABLE "WEIR_DASHBOARD_TOKEN"
#define CREDENTIAL "weir-dashboard-token"
#define PATH_ROOM 4096

static size_t trimmed(const char *text, size_t length)
{
    while (length > 0 && strchr(" \t\r\n", text[length - 1]))
        length--;
    return length;
}

static enum weir_status take(struct weir_secret *token, const char *text, size_t length,
                             const char *origin, struct weir_error *error)
{
    length = trimmed(text, length);
    if (length < WEIR_SECRET_MIN || length > WEIR_SECRET_MAX)
        return weir_error_set(error, WEIR_INVALID,
                              "%s: a token has %d to %d characters; \"openssl rand -hex 16\" "
                              "makes one",
                              origin, WEIR_SECRET_MIN, WEIR_SECRET_MAX);
    for (size_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return weir_error_set(error, WEIR_INVALID,
                                  "%s: a token consists of printable ASCII without blanks", origin);
    memcpy(token->text, text, length);
    token->text[length] = '\0';
    return WEIR_OK;
}

static enum weir_status read_file(struct weir_secret *token, const char *path,
                                  struct weir_error *error)
{
    char bytes[WEIR_SECRET_MAX + 16];
    FILE *file = fopen(path, "re");
    if (!file)
        return weir_error_set(error, WEIR_INVALID, "%s: %s", path, strerror(errno));
    size_t length = fread(bytes, 1, sizeof(bytes), file);
    enum weir_status status = WEIR_OK;
    if (ferror(file))
        status = weir_error_set(error, WEIR_INVALID, "%s: %s", path, strerror(errno));
    else
        status = take(token, bytes, length, path, error);
    struct stat about;
    token->exposed = fstat(fileno(file), &about) == 0 && (about.st_mode & S_IROTH) != 0;
    fclose(file);
    explicit_bzero(bytes, sizeof(bytes));
    return status;
}

/* A credential that the unit does not name is none. */
static enum weir_status read_credential(struct weir_secret *token, const char *folder,
                                        struct weir_error *error)
{
    char path[PATH_ROOM];
    if (snprintf(path, sizeof(path), "%s/" CREDENTIAL, folder) >= (int)sizeof(path))
        return weir_error_set(error, WEIR_INVALID, "CREDENTIALS_DIRECTORY is too long");
    FILE *file = fopen(path, "re");
    if (!file && errno == ENOENT)
        return WEIR_OK;
    if (file)
        fclose(file);
    return read_file(token, path, error);
}

enum weir_status weir_secret_read(struct weir_secret *token, const char *path,
                                  struct weir_error *error)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    char *variable = getenv(VARIABLE);
    enum weir_status status = WEIR_OK;
    *token = (struct weir_secret){0};
    if (path)
        status = read_file(token, path, error);
    else if (variable && *variable)
        status = take(token, variable, strlen(variable), VARIABLE, error);
    else if (folder && *folder)
        status = read_credential(token, folder, error);
    if (variable)
        explicit_bzero(variable, strlen(variable));
    unsetenv(VARIABLE);
    return status;
}

bool weir_secret_matches(const struct weir_secret *token, const char *given)
{
    char padded[sizeof(token->text)] = {0};
    size_t length = given ? strlen(given) : 0;
    unsigned char differ = length >= sizeof(padded) || token->text[0] == '\0';
    if (length < sizeof(padded) && length > 0)
        memcpy(padded, given, length);
    for (size_t i = 0; i < sizeof(padded); i++)
        differ |= (unsigned char)(padded[i] ^ token->text[i]);
    explicit_bzero(padded, sizeof(padded));
    return differ == 0;
}

void weir_secret_wipe(struct weir_secret *token)
{
    explicit_bzero(token, sizeof(*token));
}
