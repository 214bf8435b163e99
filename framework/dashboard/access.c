/* Judges requests: host, site, token, content type. */
#include "dashboard/access.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define HOST_ROOM 256
#define BEARER "Bearer "

static const struct weir_access_refusal refusals[] = {
    [WEIR_ACCESS_GRANTED] = {200, "granted", ""},
    [WEIR_ACCESS_WRONG_HOST] = {421, "host",
                                "this is not the name of this dashboard; start it with "
                                "--host NAME where it is reached by that name"},
    [WEIR_ACCESS_CROSS_SITE] = {403, "site", "a page of another site may not ask this"},
    [WEIR_ACCESS_READ_ONLY] = {403, "read-only",
                               "this dashboard is read-only; it is started with "
                               "--allow-actions and a token to act"},
    [WEIR_ACCESS_NO_TOKEN] = {401, "no token", "a token is needed"},
    [WEIR_ACCESS_WRONG_TOKEN] = {401, "wrong token", "this token is wrong"},
    [WEIR_ACCESS_CONTENT_TYPE] = {415, "content type",
                                  "the content type has to be application/json"},
};

const struct weir_access_refusal *weir_access_refusal_of(enum weir_access_verdict verdict)
{
    return &refusals[verdict];
}

/* ---- The host ---------------------------------------------------------------------------- */

/* The host of "host", "host:port", "[v6]:port", without brackets; false where it is malformed. */
static bool host_of(const char *header, char *room)
{
    size_t length;
    const char *rest;
    if (*header == '[') {
        header++;
        length = strcspn(header, "]");
        if (header[length] == '\0')
            return false;
        rest = header + length + 1;
    } else {
        length = strcspn(header, ":");
        rest = header + length;
    }
    if (length == 0 || length >= HOST_ROOM)
        return false;
    if (*rest == ':')
        rest += 1 + strspn(rest + 1, "0123456789");
    memcpy(room, header, length);
    room[length] = '\0';
    return *rest == '\0';
}

/* A page that was loaded from an address has that address's origin: no rebound name is needed to
 * reach us, and none helps. */
static bool is_address(const char *host)
{
    unsigned char room[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, room) == 1 || inet_pton(AF_INET6, host, room) == 1;
}

static bool host_known(const struct weir_access *access, const char *header)
{
    char host[HOST_ROOM];
    if (!header || !host_of(header, host))
        return false;
    if (is_address(host) || strcasecmp(host, "localhost") == 0)
        return true;
    if (access->listen_host && strcasecmp(host, access->listen_host) == 0)
        return true;
    for (size_t i = 0; i < access->hosts.count; i++)
        if (strcasecmp(host, access->hosts.at[i]) == 0)
            return true;
    return false;
}

/* ---- The site ---------------------------------------------------------------------------- */

/* The origin of our own pages is what the client calls us by; a proxy before us may do TLS. */
static bool origin_is_ours(const char *origin, const char *host)
{
    if (strncasecmp(origin, "http://", 7) == 0)
        return strcasecmp(origin + 7, host) == 0;
    return strncasecmp(origin, "https://", 8) == 0 && strcasecmp(origin + 8, host) == 0;
}

/* A client that sends neither header is no browser, and brings its own token. */
static bool site_is_ours(const struct weir_access_request *request)
{
    if (request->fetch_site)
        return strcmp(request->fetch_site, "same-origin") == 0 ||
               strcmp(request->fetch_site, "none") == 0;
    return !request->origin || origin_is_ours(request->origin, request->host);
}

/* ---- The token --------------------------------------------------------------------------- */

bool weir_access_authorized(const struct weir_access *access, const char *authorization)
{
    const size_t head = sizeof(BEARER) - 1;
    return authorization && strncasecmp(authorization, BEARER, head) == 0 &&
           weir_secret_matches(&access->token, authorization + head);
}

static enum weir_access_verdict judge_token(const struct weir_access *access,
                                            const struct weir_access_request *request)
{
    bool needed = request->post || !access->loopback;
    if (!request->authorization)
        return needed ? WEIR_ACCESS_NO_TOKEN : WEIR_ACCESS_GRANTED;
    return weir_access_authorized(access, request->authorization) ? WEIR_ACCESS_GRANTED
                                                                  : WEIR_ACCESS_WRONG_TOKEN;
}

static bool is_json(const char *content_type)
{
    static const char json[] = "application/json";
    const size_t length = sizeof(json) - 1;
    if (!content_type || strncasecmp(content_type, json, length) != 0)
        return false;
    const char *rest = content_type + length;
    rest += strspn(rest, " ");
    return *rest == '\0' || strcasecmp(rest, ";charset=utf-8") == 0 ||
           strcasecmp(rest, "; charset=utf-8") == 0;
}

enum weir_access_verdict weir_access_judge(const struct weir_access *access,
                                           const struct weir_access_request *request)
{
    if (!host_known(access, request->host))
        return WEIR_ACCESS_WRONG_HOST;
    if (!request->api && !request->post)
        return WEIR_ACCESS_GRANTED; /* the page itself tells nothing; links to it are welcome */
    if (!site_is_ours(request))
        return WEIR_ACCESS_CROSS_SITE;
    if (request->post && !access->actions)
        return WEIR_ACCESS_READ_ONLY;
    enum weir_access_verdict verdict = judge_token(access, request);
    if (verdict == WEIR_ACCESS_GRANTED && request->post && !is_json(request->content_type))
        return WEIR_ACCESS_CONTENT_TYPE;
    return verdict;
}
