/* Where the server is, read from any text: parts within their limits, and a shown form that never
 * holds the password. */
#include "fuzz/bytes.h"
#include "redis/endpoint.h"

#define SECRET "s3cr3t-W0rd"

static bool holds_secret(const char *text)
{
    return text != NULL && strstr(text, SECRET) != NULL;
}

static void check_place(const struct weir_endpoint *endpoint)
{
    HOLDS((endpoint->host != NULL) + (endpoint->socket_path != NULL) + (endpoint->master != NULL) ==
          1);
    if (endpoint->host != NULL)
        HOLDS(endpoint->host[0] != '\0' && endpoint->port > 0 && endpoint->port < 65536);
    if (endpoint->socket_path != NULL)
        HOLDS(endpoint->socket_path[0] == '/');
    HOLDS((endpoint->master != NULL) == (endpoint->sentinel_count > 0));
    for (size_t i = 0; i < endpoint->sentinel_count; i++)
        HOLDS(endpoint->sentinels[i].host[0] != '\0' && endpoint->sentinels[i].port > 0 &&
              endpoint->sentinels[i].port < 65536);
}

static void check_endpoint(const struct weir_endpoint *endpoint)
{
    check_place(endpoint);
    HOLDS(endpoint->database >= 0 && endpoint->shown != NULL);
    HOLDS(endpoint->user == NULL || endpoint->password != NULL);
    if (holds_secret(endpoint->password) || holds_secret(endpoint->sentinel_password))
        HOLDS(!holds_secret(endpoint->shown));
    for (const char *at = endpoint->shown; *at != '\0'; at++)
        HOLDS(*at > ' ' && *at < 0x7f);
}

/* The text, with the first '$' in it made the secret: it stands once, wherever that is. */
static char *with_secret(const uint8_t *data, size_t size)
{
    const uint8_t *mark = size > 0 ? memchr(data, '$', size) : NULL;
    size_t head = mark == NULL ? size : (size_t)(mark - data);
    struct weir_text url = {0};
    weir_text_append(&url, (const char *)data, head);
    if (mark != NULL) {
        weir_text_append_string(&url, SECRET);
        weir_text_append(&url, (const char *)mark + 1, size - head - 1);
    }
    char *exact = copy_bytes(url.at, url.length);
    weir_text_close(&url);
    return exact;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *url = with_secret(data, size), *found = strstr(url, SECRET);
    struct weir_endpoint endpoint;
    struct weir_error error = {0};
    if (found != NULL && strstr(found + 1, SECRET) != NULL) {
        free(url); /* it was guessed, and stands elsewhere, too */
        return 0;
    }
    if (weir_endpoint_parse(url, &endpoint, &error) == WEIR_OK) {
        check_endpoint(&endpoint);
        weir_endpoint_close(&endpoint);
    } else {
        check_sentence(&error);
        HOLDS(strstr(error.text, SECRET) == NULL); /* any part may be the password */
    }
    free(url);
    return 0;
}
