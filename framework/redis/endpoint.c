/* Reads the URL of a server. */
#include "redis/endpoint.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/text.h"
#include "redis/url_parts.h"

#define DEFAULT_PORT 6379
#define DEFAULT_SENTINEL_PORT 26379
#define SENTINELS_MAX 32
#define MASTER_NAME_MAX 128

/* No sentence here quotes the URL: where it is malformed, any part of it may be the password. */

static enum weir_status no_memory(struct weir_error *error)
{
    return weir_error_set(error, WEIR_NO_MEMORY, "no memory for the server's URL");
}

static enum weir_status take_login(struct weir_slice *rest, struct weir_endpoint *endpoint,
                                   struct weir_error *error)
{
    return weir_url_take_login(rest, (struct weir_url_login){&endpoint->user, &endpoint->password},
                               error);
}

/* Takes the front off `rest` up to the separator, or all of it; false where nothing is left. */
static bool take_part(struct weir_slice *rest, char separator, struct weir_slice *part)
{
    const char *end = rest->at ? memchr(rest->at, separator, rest->length) : NULL;
    if (!rest->at)
        return false;
    *part = (struct weir_slice){rest->at, end ? (size_t)(end - rest->at) : rest->length};
    rest->at = end ? end + 1 : NULL;
    rest->length = end ? rest->length - part->length - 1 : 0;
    return true;
}

/* ---- redis:// ------------------------------------------------------------------------------ */

static enum weir_status read_tcp(struct weir_slice rest, struct weir_endpoint *endpoint,
                                 struct weir_error *error)
{
    struct weir_slice authority;
    struct weir_address address;
    if (take_login(&rest, endpoint, error) != WEIR_OK)
        return error->status;
    (void)take_part(&rest, '/', &authority);
    if (weir_url_address(authority, DEFAULT_PORT, &address, error) != WEIR_OK)
        return error->status;
    endpoint->host = strdup(address.host);
    endpoint->port = address.port;
    if (!endpoint->host)
        return no_memory(error);
    return rest.length == 0 ? WEIR_OK : weir_url_database(rest, &endpoint->database, error);
}

/* ---- unix:// ------------------------------------------------------------------------------- */

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
    return weir_url_database(number, &endpoint->database, error);
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
    if (weir_url_decode(rest, "path", &endpoint->socket_path, error) != WEIR_OK)
        return error->status;
    /* The system's limit; hiredis would cut the path without a word. */
    size_t limit = sizeof(((struct sockaddr_un *)0)->sun_path);
    if (strlen(endpoint->socket_path) >= limit)
        return weir_error_set(error, WEIR_INVALID,
                              "the socket's path in the server's URL is longer than %zu bytes",
                              limit - 1);
    return WEIR_OK;
}

/* ---- redis-sentinel:// --------------------------------------------------------------------- */

static enum weir_status read_sentinels(struct weir_slice hosts, struct weir_endpoint *endpoint,
                                       struct weir_error *error)
{
    struct weir_slice host;
    endpoint->sentinels = calloc(SENTINELS_MAX, sizeof(*endpoint->sentinels));
    if (!endpoint->sentinels)
        return no_memory(error);
    while (take_part(&hosts, ',', &host)) {
        if (endpoint->sentinel_count == SENTINELS_MAX)
            return weir_error_set(error, WEIR_INVALID,
                                  "the server's URL names more than %d Sentinels", SENTINELS_MAX);
        if (weir_url_address(host, DEFAULT_SENTINEL_PORT,
                             &endpoint->sentinels[endpoint->sentinel_count], error) != WEIR_OK)
            return error->status;
        endpoint->sentinel_count++;
    }
    return WEIR_OK;
}

/* Sentinel's own rule for names: letters, digits and ".-_". */
static enum weir_status read_master(struct weir_slice name, struct weir_endpoint *endpoint,
                                    struct weir_error *error)
{
    static const char bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    bool valid = name.length > 0 && name.length <= MASTER_NAME_MAX;
    for (size_t i = 0; valid && i < name.length; i++)
        valid = memchr(bytes, name.at[i], sizeof(bytes) - 1) != NULL;
    if (!valid)
        return weir_error_set(error, WEIR_INVALID,
                              "the server's URL does not name the master as Sentinel knows it; "
                              "write redis-sentinel://host1,host2/name, and a '/' in a password "
                              "as '%%2F'");
    endpoint->master = strndup(name.at, name.length);
    return endpoint->master ? WEIR_OK : no_memory(error);
}

/* Takes "name=" off the front of a setting. */
static bool take_name(struct weir_slice *setting, const char *name)
{
    size_t length = strlen(name);
    if (setting->length < length || memcmp(setting->at, name, length) != 0)
        return false;
    setting->at += length;
    setting->length -= length;
    return true;
}

static enum weir_status read_settings(struct weir_slice settings, struct weir_endpoint *endpoint,
                                      struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    bool database_read = false;
    struct weir_slice setting;
    while (status == WEIR_OK && take_part(&settings, '&', &setting)) {
        if (!database_read && take_name(&setting, "db=")) {
            status = weir_url_database(setting, &endpoint->database, error);
            database_read = true;
        } else if (!endpoint->sentinel_user && take_name(&setting, "sentinelUser=")) {
            status = weir_url_decode(setting, "Sentinels' user", &endpoint->sentinel_user, error);
        } else if (!endpoint->sentinel_password && take_name(&setting, "sentinelPassword=")) {
            status = weir_url_decode(setting, "Sentinels' password", &endpoint->sentinel_password,
                                     error);
        } else {
            status = weir_error_set(error, WEIR_INVALID,
                                    "after the master's name in the server's URL only db=N, "
                                    "sentinelUser=U and sentinelPassword=P are understood, each "
                                    "once; an '&' in a password is written '%%26'");
        }
    }
    if (status == WEIR_OK && endpoint->sentinel_user && !endpoint->sentinel_password)
        status = weir_error_set(error, WEIR_INVALID,
                                "sentinelUser= in the server's URL needs a sentinelPassword=");
    return status;
}

static enum weir_status read_sentinel(struct weir_slice rest, struct weir_endpoint *endpoint,
                                      struct weir_error *error)
{
    struct weir_slice hosts = {"", 0}, name = {"", 0};
    if (take_login(&rest, endpoint, error) != WEIR_OK)
        return error->status;
    (void)take_part(&rest, '/', &hosts);
    (void)take_part(&rest, '?', &name);
    if (read_sentinels(hosts, endpoint, error) != WEIR_OK ||
        read_master(name, endpoint, error) != WEIR_OK)
        return error->status;
    return read_settings(rest, endpoint, error);
}

/* ---- How it is shown ----------------------------------------------------------------------- */

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

static void show_place(struct weir_text *shown, const struct weir_endpoint *endpoint)
{
    char address[WEIR_ADDRESS_SHOWN_MAX];
    if (endpoint->socket_path)
        show(shown, endpoint->socket_path);
    else if (endpoint->host)
        weir_text_format(shown, strchr(endpoint->host, ':') ? "[%s]:%d" : "%s:%d", endpoint->host,
                         endpoint->port);
    for (size_t i = 0; i < endpoint->sentinel_count; i++)
        weir_text_format(shown, "%s%s", i > 0 ? "," : "",
                         weir_address_show(&endpoint->sentinels[i], address));
    if (endpoint->master)
        weir_text_format(shown, "/%s", endpoint->master);
    if (endpoint->database > 0)
        weir_text_format(shown, endpoint->host ? "/%d" : "?db=%d", endpoint->database);
}

static enum weir_status describe(struct weir_endpoint *endpoint, struct weir_error *error)
{
    struct weir_text shown = {0};
    weir_text_append_string(&shown, endpoint->host          ? "redis://"
                                    : endpoint->socket_path ? "unix://"
                                                            : "redis-sentinel://");
    if (endpoint->user) {
        show(&shown, endpoint->user);
        weir_text_append_string(&shown, "@");
    }
    show_place(&shown, endpoint);
    if (shown.failed) {
        weir_text_close(&shown);
        return no_memory(error);
    }
    endpoint->shown = shown.at;
    return WEIR_OK;
}

/* ---- All of it ----------------------------------------------------------------------------- */

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
    if (*url == '\0') /* a variable that is not set, more often than not */
        return weir_error_set(error, WEIR_INVALID,
                              "the server's URL is empty; leave it out for " WEIR_DEFAULT_URL);
    if (take_scheme(&url, "redis://"))
        return read_tcp(weir_slice_of(url), endpoint, error);
    if (take_scheme(&url, "unix://"))
        return read_socket(weir_slice_of(url), endpoint, error);
    if (take_scheme(&url, "redis-sentinel://"))
        return read_sentinel(weir_slice_of(url), endpoint, error);
    if (take_scheme(&url, "rediss://"))
        return weir_error_set(error, WEIR_INVALID,
                              "TLS (rediss://) is not supported; put a TLS proxy before the "
                              "server and give its redis:// address");
    return weir_error_set(error, WEIR_INVALID,
                          "the server's URL begins with none of redis://, unix:// and "
                          "redis-sentinel://; write something like " WEIR_DEFAULT_URL);
}

enum weir_status weir_endpoint_parse(const char *url, struct weir_endpoint *endpoint,
                                     struct weir_error *error)
{
    struct weir_error first = {0}; /* so that a NULL `error` is not asked for its status */
    *endpoint = (struct weir_endpoint){0};
    enum weir_status status = read_url(url ? url : WEIR_DEFAULT_URL, endpoint, &first);
    if (status == WEIR_OK)
        status = describe(endpoint, &first);
    if (status != WEIR_OK) {
        weir_endpoint_close(endpoint);
        return weir_error_set(error, status, "%s", first.text);
    }
    return WEIR_OK;
}

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void weir_endpoint_close(struct weir_endpoint *endpoint)
{
    wipe(endpoint->password);
    wipe(endpoint->sentinel_password);
    free(endpoint->user);
    free(endpoint->sentinel_user);
    free(endpoint->host);
    free(endpoint->socket_path);
    free(endpoint->master);
    free(endpoint->sentinels);
    free(endpoint->shown);
    *endpoint = (struct weir_endpoint){0};
}
