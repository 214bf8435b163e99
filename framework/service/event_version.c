/* Versions of events: declaring them, and bringing data to the newest. */
#include "service/event_version.h"

#include <stdlib.h>
#include <string.h>

#include "message/json_memory.h"
#include "service/service.h"

#define PAUSE_MIN_MS 5000
#define PAUSE_MAX_MS 60000
#define WAITED_PER_PAUSE 8 /* soon enough for a newer program, seldom enough for many that wait */

void weir_event_versions_close(struct weir_event_versions *versions)
{
    free(versions->steps);
    free(versions->published);
    memset(versions, 0, sizeof *versions);
}

/* ---- Declaring --------------------------------------------------------------------------- */

/* Room for one more behind `count` elements; NULL: none, which is a mistake of the service. */
static void *grow(weir_service *service, void *array, size_t count, size_t size)
{
    void *grown = realloc(array, (count + 1) * size);
    if (grown == NULL)
        weir_error_set(&service->error, WEIR_NO_MEMORY, "no memory");
    return grown;
}

/* `maximum` is that of `version`. */
static bool check_declared(weir_service *service, const char *call, const char *type,
                           int64_t version, int64_t maximum)
{
    if (type == NULL || !weir_type_name_valid(type, strlen(type)))
        weir_error_set(&service->error, WEIR_INVALID,
                       "%s: message type \"%s\": must be [A-Za-z][A-Za-z0-9._-]*", call,
                       type != NULL ? type : "");
    else if (version < 1 || version > maximum)
        weir_error_set(&service->error, WEIR_INVALID,
                       "%s: version %lld of %s: must be from 1 to %lld", call, (long long)version,
                       type, (long long)maximum);
    else
        return true;
    return false;
}

static const struct weir_event_published *find_published(const struct weir_event_versions *versions,
                                                         const char *type)
{
    for (size_t i = 0; i < versions->published_count; i++)
        if (strcmp(versions->published[i].type, type) == 0)
            return &versions->published[i];
    return NULL;
}

void weir_event_version(weir_service *service, const char *type, int64_t version)
{
    struct weir_event_versions *versions = service != NULL ? &service->versions : NULL;
    struct weir_event_published *grown;
    if (versions == NULL ||
        !check_declared(service, "weir_event_version", type, version, WEIR_EVENT_VERSION_MAX))
        return;
    if (find_published(versions, type) != NULL) {
        weir_error_set(&service->error, WEIR_INVALID, "weir_event_version: %s is declared twice",
                       type);
        return;
    }
    grown = grow(service, versions->published, versions->published_count, sizeof *grown);
    if (grown == NULL)
        return;
    versions->published = grown;
    grown[versions->published_count++] = (struct weir_event_published){type, version};
}

static bool about(const struct weir_event_step *step, const char *source, const char *type)
{
    return strcmp(step->type, type) == 0 && strcmp(step->source, source) == 0;
}

static const struct weir_event_step *find_step(const struct weir_event_versions *versions,
                                               const char *source, const char *type, int64_t from)
{
    for (size_t i = 0; i < versions->step_count; i++)
        if (versions->steps[i].from == from && about(&versions->steps[i], source, type))
            return &versions->steps[i];
    return NULL;
}

void weir_upcast(weir_service *service, const char *source, const char *type, int64_t from,
                 weir_upcaster *upcaster)
{
    struct weir_event_versions *versions = service != NULL ? &service->versions : NULL;
    struct weir_event_step *grown;
    if (versions == NULL ||
        !check_declared(service, "weir_upcast", type, from, WEIR_EVENT_VERSION_MAX - 1))
        return;
    if (source == NULL || !weir_name_valid(source, strlen(source))) {
        weir_error_set(&service->error, WEIR_INVALID,
                       "weir_upcast: source \"%s\": is no name of a service",
                       source != NULL ? source : "");
        return;
    }
    if (find_step(versions, source, type, from) != NULL) {
        weir_error_set(&service->error, WEIR_INVALID,
                       "weir_upcast: %s of %s has two upcasters from version %lld", type, source,
                       (long long)from);
        return;
    }
    grown = grow(service, versions->steps, versions->step_count, sizeof *grown);
    if (grown == NULL)
        return;
    versions->steps = grown;
    grown[versions->step_count++] = (struct weir_event_step){source, type, from, upcaster};
}

/* ---- Looking up -------------------------------------------------------------------------- */

int64_t weir_event_published_version(const struct weir_event_versions *versions, const char *type)
{
    const struct weir_event_published *found =
        versions != NULL ? find_published(versions, type) : NULL;
    return found != NULL ? found->version : 1;
}

int64_t weir_event_newest(const weir_service *service, const char *source, const char *type)
{
    const struct weir_event_versions *versions = &service->versions;
    int64_t newest = 1;
    for (size_t i = 0; i < versions->step_count; i++)
        if (versions->steps[i].from >= newest && about(&versions->steps[i], source, type))
            newest = versions->steps[i].from + 1;
    return newest;
}

/* ---- Upcasting --------------------------------------------------------------------------- */

/* The first version on the way to the newest that no step leads from; 0: there is none. */
static int64_t find_gap(const struct weir_event_versions *versions, const char *source,
                        const weir_message *message, int64_t newest)
{
    for (int64_t from = message->data_version; from < newest; from++)
        if (find_step(versions, source, message->type, from) == NULL)
            return from;
    return 0;
}

/* One step, on a copy that is made when it is first needed. */
static bool climb(const struct weir_event_step *step, const weir_message *message, json_t **data,
                  struct weir_error *error)
{
    if (step->upcaster == NULL)
        return true;
    if (*data == NULL)
        *data = weir_json_copy(weir_message_object(message));
    unsigned long failures = weir_json_failures();
    bool climbed = *data != NULL && step->upcaster(*data);
    if (*data == NULL || weir_json_failures() != failures)
        weir_error_set(error, WEIR_NO_MEMORY, "version: no memory to bring it to a newer one");
    else if (climbed)
        return true;
    else
        weir_error_set(error, WEIR_INVALID,
                       "version: %lld of %s, the upcaster from %lld to %lld refused it",
                       (long long)message->version, message->type, (long long)step->from,
                       (long long)step->from + 1);
    return false;
}

static enum weir_version_verdict climb_all(const struct weir_event_versions *versions,
                                           const char *source, weir_message *message,
                                           int64_t newest, struct weir_error *error)
{
    json_t *data = NULL;
    for (int64_t from = message->data_version; from < newest; from++)
        if (!climb(find_step(versions, source, message->type, from), message, &data, error)) {
            json_decref(data);
            return WEIR_VERSION_REFUSED;
        }
    if (data != NULL) {
        json_decref(message->data);
        message->data = data;
        message->plain_data = NULL; /* that text is of an older version */
    }
    message->data_version = newest;
    return WEIR_VERSION_FITS;
}

enum weir_version_verdict weir_event_upcast(const weir_service *service, const char *source,
                                            weir_message *message, struct weir_error *error)
{
    int64_t newest, gap;
    if (source == NULL)
        return WEIR_VERSION_FITS;
    newest = weir_event_newest(service, source, message->type);
    if (message->data_version > newest) {
        weir_error_set(error, WEIR_INVALID,
                       "version: %lld of %s, this program understands up to %lld",
                       (long long)message->version, message->type, (long long)newest);
        return WEIR_VERSION_TOO_NEW;
    }
    gap = find_gap(&service->versions, source, message, newest);
    if (gap != 0) {
        weir_error_set(error, WEIR_INVALID,
                       "version: %lld of %s is too old, this program has no upcaster from %lld",
                       (long long)message->version, message->type, (long long)gap);
        return WEIR_VERSION_REFUSED;
    }
    return climb_all(&service->versions, source, message, newest, error);
}

/* ---- Waiting ----------------------------------------------------------------------------- */

/* The time in an entry's id, "<ms>-<number>". */
static bool entry_ms(const char *entry, int64_t *out)
{
    const char *dash = entry != NULL ? strchr(entry, '-') : NULL;
    return dash != NULL && weir_parse_integer(entry, (size_t)(dash - entry), out) && *out >= 0;
}

int64_t weir_event_pause_ms(const weir_message *message)
{
    int64_t now, begun, pause;
    if (!entry_ms(message->origin_entry, &begun) || !entry_ms(message->entry, &now))
        return PAUSE_MIN_MS;
    pause = (now - begun) / WAITED_PER_PAUSE;
    return pause < PAUSE_MIN_MS ? PAUSE_MIN_MS : pause > PAUSE_MAX_MS ? PAUSE_MAX_MS : pause;
}
