/* The parts that URLs of servers are made of. */
#include "redis/url_parts.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define PORT_MAX 65535

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

enum weir_status weir_url_decode(struct weir_slice part, const char *what, char **out,
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
static enum weir_status read_login(struct weir_slice login, struct weir_url_login *out,
                                   struct weir_error *error)
{
    const char *colon = memchr(login.at, ':', login.length);
    if (!colon)
        return weir_error_set(error, WEIR_INVALID,
                              "the part before '@' in the server's URL has no ':'; write "
                              "'user:password@' or ':password@'");
    struct weir_slice user = {login.at, (size_t)(colon - login.at)};
    struct weir_slice password = {colon + 1, login.length - user.length - 1};
    if (user.length > 0 && weir_url_decode(user, "user", out->user, error) != WEIR_OK)
        return error->status;
    if (user.length == 0 && password.length == 0)
        return WEIR_OK;
    return weir_url_decode(password, "password", out->password, error);
}

enum weir_status weir_url_take_login(struct weir_slice *rest, struct weir_url_login out,
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
    return read_login(login, &out, error);
}

enum weir_status weir_url_database(struct weir_slice number, int *out, struct weir_error *error)
{
    int64_t database;
    if (!weir_parse_integer(number.at, number.length, &database) || database < 0 ||
        database > INT_MAX)
        return weir_error_set(error, WEIR_INVALID,
                              "the database in the server's URL is not a number from 0; a '/' in "
                              "a password is written '%%2F'");
    *out = (int)database;
    return WEIR_OK;
}

static bool host_byte_valid(char byte, bool bracketed)
{
    if ((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
        (byte >= 'A' && byte <= 'Z') || byte == '.' || byte == '-' || byte == '_')
        return true;
    return bracketed && (byte == ':' || byte == '%');
}

static enum weir_status read_host(struct weir_slice host, bool bracketed, struct weir_address *out,
                                  struct weir_error *error)
{
    bool valid = host.length > 0 && host.length <= WEIR_HOST_MAX;
    for (size_t i = 0; valid && i < host.length; i++)
        valid = host_byte_valid(host.at[i], bracketed);
    if (!valid)
        return weir_error_set(error, WEIR_INVALID,
                              "the server's URL has no valid host name; write "
                              "redis://host:port, and percent escapes for special characters in "
                              "a password");
    memcpy(out->host, host.at, host.length);
    out->host[host.length] = '\0';
    return WEIR_OK;
}

static enum weir_status read_port(struct weir_slice number, struct weir_address *out,
                                  struct weir_error *error)
{
    int64_t port = 0;
    if (!weir_parse_integer(number.at, number.length, &port) || port < 1 || port > PORT_MAX)
        return weir_error_set(error, WEIR_INVALID,
                              "the port in the server's URL is not a number from 1 to %d; an "
                              "IPv6 address stands in brackets: redis://[::1]:6379",
                              PORT_MAX);
    out->port = (int)port;
    return WEIR_OK;
}

enum weir_status weir_url_address(struct weir_slice text, int default_port,
                                  struct weir_address *out, struct weir_error *error)
{
    const char *end = text.at + text.length, *host = text.at, *host_end;
    bool bracketed = text.length > 0 && *host == '[';
    if (bracketed)
        host++;
    host_end = memchr(host, bracketed ? ']' : ':', (size_t)(end - host));
    if (!host_end && bracketed)
        return weir_error_set(error, WEIR_INVALID,
                              "the IPv6 address in the server's URL has no closing ']'");
    if (!host_end)
        host_end = end;
    struct weir_slice name = {host, (size_t)(host_end - host)};
    if (read_host(name, bracketed, out, error) != WEIR_OK)
        return error->status;
    const char *port = bracketed ? host_end + 1 : host_end;
    out->port = default_port;
    if (port == end)
        return WEIR_OK;
    struct weir_slice number = {port + 1, (size_t)(end - port) - 1};
    if (*port != ':')
        number.length = 0; /* refused as no number */
    return read_port(number, out, error);
}
