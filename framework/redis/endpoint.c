/* Reads the URL of a server. */
#include "redis/endpoint.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/text.h"

#define DEFAULT_PORT 6379
#define PORT_MAX 65535
#define HOST_MAX 255

/* No sentence here quotes the URL: where it is malformed, any part of it may be the password. */

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

static int escaped_byte(const char *at, const char *end)
{
    if (end - at < 3)
        return -1;
    int high = hex_value(at[1]), low = hex_value(at[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Decodes percent escapes into a new text; `what` names the part for errors. */
static enum weir_status decode(struct weir_slice part, const char *what, char **out,
                               struct weir_error *error)
{
    char *text = malloc(part.length + 1), *to = text;
    if (!text)
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for the server's URL");
    const char *end = part.at + part.length;
    for (const char *at = part.at; at < end; at++) {
        int byte = (unsigned char)*at;
        if (*at == '%') {
            byte = escaped_byte(at, end);
            at += 2;
        }
        if (byte <= 0) {
            explicit_bzero(text, (size_t)(to - text));
            free(text);
            return weir_error_set(error, WEIR_INVALID,
                                  "the %s in the server's URL has a malformed percent escape; "
                                  "write '%%25' for a percent sign",
                                  what);
        }
        *to++ = (char)byte;
    }
    *to = '\0';
    *out = text;
    return WEIR_OK;
}

/* What stands before the '@': "user:password" or ":password". */
static enum weir_status read_login(struct weir_slice login, struct weir_endpoint *endpoint,
                                   struct weir_error *error)
{
    const char *colon = memchr(login.at, ':', login.length);
    if (!colon)
        return weir_error_set(error, WEIR_INVALID,
                              "the part before '@' in the server's URL has no ':'; write "
                              "'user:password@' or ':password@'");
    struct weir_slice user = {login.at, (size_t)(colon - login.at)};
    struct weir_slice password = {colon + 1, login.length - user.length - 1};
    if (user.length > 0 && decode(user, "user", &endpoint->user, error) != WEIR_OK)
        return error->status;
    if (user.length == 0 && password.length == 0)
        return WEIR_OK;
    return decode(password, "password", &endpoint->password, error);
}

/* Takes "…@" off the front of `rest`; the last '@' before the first '/' ends the login. */
static enum weir_status take_login(struct weir_slice *rest, struct weir_endpoint *endpoint,
                                   struct weir_error *error)
{
    const char *slash = memchr(rest->at, '/', rest->length);
    size_t authority = slash ? (size_t)(slash - rest->at) : rest->length;
    size_t length = authority;
    while (length > 0 && rest->at[length - 1] != '@')
        length--;
    if (length == 0)
        return WEIR_OK;
    struct weir_slice login = {rest->at, length - 1};
    rest->at += length;
    rest->length -= length;
    return read_login(login, endpoint, error);
}

static enum weir_status read_database(struct weir_slice number, struct weir_endpoint *endpoint,
                                      struct weir_error *error)
{
    int64_t database;
    if (!weir_parse_integer(number.at, number.length, &database) || database < 0 ||
        database > INT_MAX)
        return weir_error_set(error, WEIR_INVALID,
                              "the database in the server's URL is not a number from 0; a '/' in "
                              "a password is written '%%2F'");
    endpoint->database = (int)database;
    return WEIR_OK;
}

static bool host_byte_valid(char byte, bool bracketed)
{
    if ((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
        (byte >= 'A' && byte <= 'Z') || byte == '.' || byte == '-' || byte == '_')
        return true;
    return bracketed && (byte == ':' || byte == '%');
}

static enum weir_status read_host(struct weir_slice host, bool bracketed,
                                  struct weir_endpoint *endpoint, struct weir_error *error)
{
    bool valid = host.length > 0 && host.length <= HOST_MAX;
    for (size_t i = 0; valid && i < host.length; i++)
        valid = host_byte_valid(host.at[i], bracketed);
    if (!valid)
        return weir_error_set(error, WEIR_INVALID,
                              "the server's URL has no valid host name; write "
                              "redis://host:port, and percent escapes for special characters in "
                              "a password");
    endpoint->host = strndup(host.at, host.length);
    return endpoint->host ? WEIR_OK : weir_error_set(error, WEIR_NO_MEMORY, "no memory");
}

static enum weir_status read_port(struct weir_slice number, struct weir_endpoint *endpoint,
                                  struct weir_error *error)
{
    int64_t port = 0;
    if (!weir_parse_integer(number.at, number.length, &port) || port < 1 || port > PORT_MAX)
        return weir_error_set(error, WEIR_INVALID,
                              "the port in the server's URL is not a number from 1 to %d; an "
                              "IPv6 address stands in brackets: redis://[::1]:6379",
                              PORT_MAX);
    endpoint->port = (int)port;
    return WEIR_OK;
}

/* "host", "host:port" or "[address]:port". */
static enum weir_status read_authority(struct weir_slice authority, struct weir_endpoint *endpoint,
                                       struct weir_error *error)
{
    const char *end = authority.at + authority.length, *host = authority.at, *host_end;
    bool bracketed = authority.length > 0 && *host == '[';
    if (bracketed)
        host++;
    host_end = memchr(host, bracketed ? ']' : ':', (size_t)(end - host));
    if (!host_end && bracketed)
        return weir_error_set(error, WEIR_INVALID,
                              "the IPv6 address in the server's URL has no closing ']'");
    if (!host_end)
        host_end = end;
    struct weir_slice name = {host, (size_t)(host_end - host)};
    if (read_host(name, bracketed, endpoint, error) != WEIR_OK)
        return error->status;
    const char *port = bracketed ? host_end + 1 : host_end;
    endpoint->port = DEFAULT_PORT;
    if (port == end)
        return WEIR_OK;
    struct weir_slice number = {port + 1, (size_t)(end - port) - 1};
    if (*port != ':')
        number.length = 0; /* refused as no number */
    return read_port(number, endpoint, error);
}

static enum weir_status read_tcp(struct weir_slice rest, struct weir_endpoint *endpoint,
                                 struct weir_error *error)
{
    if (take_login(&rest, endpoint, error) != WEIR_OK)
        return error->status;
    const char *slash = memchr(rest.at, '/', rest.length);
    struct weir_slice authority = rest;
    if (slash)
        authority.length = (size_t)(slash - rest.at);
    if (read_authority(authority, endpoint, error) != WEIR_OK)
        return error->status;
    if (!slash || slash + 1 == rest.at + rest.length)
        return WEIR_OK;
    struct weir_slice database = {slash + 1, rest.length - authority.length - 1};
    return read_database(database, endpoint, error);
}

/* "?db=N" at the end of a socket's path is taken off. */
static enum weir_status take_database_query(struct weir_slice *path, struct weir_endpoint *endpoint,
                                            struct weir_error *error)
{
    const char *query = memchr(path->at, '?', path->length);
    if (!query)
        return WEIR_OK;
    struct weir_slice setting = {query + 1, path->length - (size_t)(query - path->at) - 1};
    path->length = (size_t)(query - path->at);
    if (setting.length < 3 || memcmp(setting.at, "db=", 3) != 0)
        return weir_error_set(error, WEIR_INVALID,
                              "after the path in the server's URL only '?db=N' is understood");
    struct weir_slice number = {setting.at + 3, setting.length - 3};
    return read_database(number, endpoint, error);
}

static enum weir_status read_socket(struct weir_slice rest, struct weir_endpoint *endpoint,
                                    struct weir_error *error)
{
    if (take_login(&rest, endpoint, error) != WEIR_OK ||
        take_database_query(&rest, endpoint, error) != WEIR_OK)
        return error->status;
    if (rest.length < 2 || rest.at[0] != '/')
        return weir_error_set(error, WEIR_INVALID,
                              "the path in the server's URL is not absolute; write "
                              "unix:///path/to/redis.sock");
    if (decode(rest, "path", &endpoint->socket_path, error) != WEIR_OK)
        return error->status;
    /* The system's limit; hiredis would cut the path without a word. */
    size_t limit = sizeof(((struct sockaddr_un *)0)->sun_path);
    if (strlen(endpoint->socket_path) >= limit)
        return weir_error_set(error, WEIR_INVALID,
                              "the socket's path in the server's URL is longer than %zu bytes",
                              limit - 1);
    return WEIR_OK;
}

/* Escapes again, so that no byte of the URL can disturb a terminal or a log. */
static void show(struct weir_text *shown, const char *part)
{
    for (; *part; part++) {
        unsigned char byte = (unsigned char)*part;
        if (byte <= ' ' || byte >= 0x7f || strchr("%?#@:\"\\", byte))
            weir_text_format(shown, "%%%02X", byte);
        else
            weir_text_append(shown, part, 1);
    }
}

static enum weir_status describe(struct weir_endpoint *endpoint, struct weir_error *error)
{
    struct weir_text shown = {0};
    weir_text_append_string(&shown, endpoint->host ? "redis://" : "unix://");
    if (endpoint->user) {
        show(&shown, endpoint->user);
        weir_text_append_string(&shown, "@");
    }
    if (endpoint->socket_path)
        show(&shown, endpoint->socket_path);
    else
        weir_text_format(&shown, strchr(endpoint->host, ':') ? "[%s]:%d" : "%s:%d", endpoint->host,
                         endpoint->port);
    if (endpoint->database > 0)
        weir_text_format(&shown, endpoint->host ? "/%d" : "?db=%d", endpoint->database);
    if (shown.failed) {
        weir_text_close(&shown);
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for the server's URL");
    }
    endpoint->shown = shown.at;
    return WEIR_OK;
}

static bool take_scheme(const char **url, const char *scheme)
{
    size_t length = strlen(scheme);
    if (strncmp(*url, scheme, length) != 0)
        return false;
    *url += length;
    return true;
}

static enum weir_status read_url(const char *url, struct weir_endpoint *endpoint,
                                 struct weir_error *error)
{
    if (take_scheme(&url, "redis://"))
        return read_tcp(weir_slice_of(url), endpoint, error);
    if (take_scheme(&url, "unix://"))
        return read_socket(weir_slice_of(url), endpoint, error);
    if (take_scheme(&url, "rediss://"))
        return weir_error_set(error, WEIR_INVALID,
                              "TLS (rediss://) is not supported; put a TLS proxy before the "
                              "server and give its redis:// address");
    if (take_scheme(&url, "redis-sentinel://"))
        return weir_error_set(error, WEIR_INVALID,
                              "Sentinel (redis-sentinel://) is not supported; give the redis:// "
                              "address of the primary");
    return weir_error_set(error, WEIR_INVALID,
                          "the server's URL begins with neither redis:// nor unix://; write "
                          "something like " WEIR_DEFAULT_URL);
}

enum weir_status weir_endpoint_parse(const char *url, struct weir_endpoint *endpoint,
                                     struct weir_error *error)
{
    struct weir_error first = {0}; /* so that a NULL `error` is not asked for its status */
    *endpoint = (struct weir_endpoint){0};
    enum weir_status status = read_url(url && *url ? url : WEIR_DEFAULT_URL, endpoint, &first);
    if (status == WEIR_OK)
        status = describe(endpoint, &first);
    if (status != WEIR_OK) {
        weir_endpoint_close(endpoint);
        return weir_error_set(error, status, "%s", first.text);
    }
    return WEIR_OK;
}

void weir_endpoint_close(struct weir_endpoint *endpoint)
{
    if (endpoint->password)
        explicit_bzero(endpoint->password, strlen(endpoint->password));
    free(endpoint->password);
    free(endpoint->user);
    free(endpoint->host);
    free(endpoint->socket_path);
    free(endpoint->shown);
    *endpoint = (struct weir_endpoint){0};
}
