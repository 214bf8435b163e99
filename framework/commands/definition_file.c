/* Reads definitions from files and puts them on the server. */
#include "commands/definition_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/action.h"
#include "commands/input.h"
#include "commands/values.h"
#include "redis/key_names.h"

static enum weir_status parse(struct weir_definition_file *file, const struct weir_text *text,
                              struct weir_error *error)
{
    const char *bytes = text->at ? text->at : "";
    file->definition = weir_saga_definition_parse(bytes, text->length, error);
    if (!file->definition)
        return error->status;
    file->json = json_loadb(bytes, text->length, 0, NULL);
    if (!file->json)
        return weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    return WEIR_OK;
}

enum weir_status weir_definition_file_read(struct weir_definition_file *file, const char *path,
                                           struct weir_error *error)
{
    struct weir_text text = {0};
    *file = (struct weir_definition_file){.path = path};
    enum weir_status status = weir_input_read(path, WEIR_SAGA_DEFINITION_MAX, &text, error);
    if (status == WEIR_OK && (status = parse(file, &text, error)) != WEIR_OK)
        weir_error_prefix(error, "%s", path);
    weir_text_close(&text);
    if (status != WEIR_OK)
        weir_definition_file_close(file);
    return status;
}

void weir_definition_file_close(struct weir_definition_file *file)
{
    json_decref(file->json);
    weir_saga_definition_free(file->definition);
    *file = (struct weir_definition_file){0};
}

/* What the server has and what it is to have. */
struct load {
    struct weir_client *client;
    char key[WEIR_KEY_MAX], index[WEIR_KEY_MAX];
    char version[24];
    int64_t latest;     /* on the server; 0: none */
    const char *change; /* "new", "none" or "content" */
};

static const char *compare(struct weir_slice stored, const json_t *json)
{
    json_t *other = stored.at ? json_loadb(stored.at, stored.length, 0, NULL) : NULL;
    const char *change = "content";
    if (!stored.at)
        change = "new";
    else if (other && json_equal(other, (json_t *)json))
        change = "none";
    json_decref(other);
    return change;
}

/* Watches the key, so that the writing fails where somebody else has written since. */
static enum weir_status look(struct load *load, const json_t *json, struct weir_error *error)
{
    redisReply *reply = weir_client_ask(load->client, error, "WATCH", load->key, NULL);
    if (!reply)
        return error->status;
    freeReplyObject(reply);
    reply = weir_client_ask(load->client, error, "HMGET", load->key, load->version, "latest", NULL);
    if (!reply)
        return error->status;
    load->change = compare(weir_value_element(reply, 0), json);
    if (!weir_slice_integer(weir_value_element(reply, 1), &load->latest))
        load->latest = 0;
    freeReplyObject(reply);
    return WEIR_OK;
}

/* One command of the transaction; its answer says no more than that it is queued. */
static enum weir_status queue(redisReply *reply, const struct weir_error *error)
{
    if (!reply)
        return error->status;
    freeReplyObject(reply);
    return WEIR_OK;
}

static enum weir_status write_all(const struct load *load, const char *name, const char *content,
                                  struct weir_error *error)
{
    char latest[24];
    struct weir_client *client = load->client;
    snprintf(latest, sizeof(latest), "%" PRId64, load->latest);
    enum weir_status status = queue(weir_client_ask(client, error, "MULTI", NULL), error);
    if (status != WEIR_OK)
        return status;
    status = queue(weir_client_ask(client, error, "HSET", load->key, load->version, content,
                                   "latest", latest, NULL),
                   error);
    if (status == WEIR_OK)
        status = queue(weir_client_ask(client, error, "SADD", load->index, name, NULL), error);
    if (status != WEIR_OK) {
        struct weir_error ignored = {0}; /* so that what comes next is not queued */
        (void)!queue(weir_client_ask(client, &ignored, "DISCARD", NULL), &ignored);
        return status;
    }
    redisReply *reply = weir_client_ask(client, error, "EXEC", NULL);
    if (!reply)
        return error->status;
    bool done = weir_value_count(reply) == 2;
    freeReplyObject(reply);
    if (!done)
        return weir_error_set(error, WEIR_REFUSED,
                              "%s was changed by somebody else in the meantime; nothing was "
                              "written, try again",
                              load->key);
    return WEIR_OK;
}

static enum weir_status write_content(const struct load *load,
                                      const struct weir_definition_file *file,
                                      struct weir_error *error)
{
    char *content = json_dumps(file->json, JSON_COMPACT);
    if (!content)
        return weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    enum weir_status status = write_all(load, file->definition->name, content, error);
    free(content);
    return status;
}

int weir_definition_file_load(struct weir_session *session, const struct weir_definition_file *file,
                              json_t **outcome)
{
    const struct weir_saga_definition *definition = file->definition;
    bool force = session->settings.force;
    struct weir_error error = {0};
    struct load load = {.client = &session->client};
    weir_key_definition(load.key, session->settings.prefix, definition->name);
    weir_key_definitions(load.index, session->settings.prefix);
    snprintf(load.version, sizeof(load.version), "%" PRId64, definition->version);
    if (look(&load, file->json, &error) != WEIR_OK)
        return weir_fail_by(&error);
    if (load.change[0] == 'c' && !force)
        return weir_fail(WEIR_EXIT_FAILED,
                         "%s: %s version %s is on the server with another content, and sagas may "
                         "be running by it; raise the version, or give --force",
                         file->path, definition->name, load.version);
    if (force || definition->version > load.latest)
        load.latest = definition->version;
    weir_act(session, "definition load", "%s version %s", definition->name, load.version);
    if (write_content(&load, file, &error) != WEIR_OK)
        return weir_fail_by(&error);
    *outcome = json_pack("{s:s, s:I, s:I, s:s}", "name", definition->name, "version",
                         (json_int_t)definition->version, "latest", (json_int_t)load.latest,
                         "change", load.change);
    return *outcome ? WEIR_EXIT_FINE : weir_fail(WEIR_EXIT_FAILED, "memory ran out");
}
