/* What requests that change something have in common: the body, the key, the id. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fields.h"
#include "handlers.h"

#define RECORD_LIFE_MS INT64_C(86400000) /* as long as services know the ids of commands */

/* ---- Checking ---------------------------------------------------------------------------- */

static bool is_json(const char *type)
{
    static const char json[] = "application/json";
    size_t length = sizeof json - 1;
    return type != NULL && strncasecmp(type, json, length) == 0 &&
           (type[length] == '\0' || type[length] == ';' || type[length] == ' ');
}

static bool read_key(struct request *request)
{
    const char *header = request_header(request, "Idempotency-Key");
    if (request_header_count(request, "Idempotency-Key") > 1) {
        request_problem(request, PROBLEM_MALFORMED, "Idempotency-Key",
                        "is given more than once; a request has one key");
        return false;
    }
    if (header == NULL || key_read(header, request->key))
        return true;
    request_problem(
        request, PROBLEM_MALFORMED, "Idempotency-Key",
        "must be 1 to %d characters of visible ASCII, bare, or in quotes with blanks as well",
        KEY_MAX - 1);
    return false;
}

bool change_check(struct request *request, const struct field *fields)
{
    struct fault fault;
    if (!is_json(request_header(request, "Content-Type"))) {
        request_problem(request, PROBLEM_NO_JSON, "Content-Type", "must be application/json");
        return false;
    }
    if (!read_key(request))
        return false;
    request->data = fields_parse(request->body, request->length, &fault);
    if (request->data != NULL && fields_check(request->data, fields, &fault))
        return true;
    request_problem(request, PROBLEM_MALFORMED, fault.field[0] != '\0' ? fault.field : NULL,
                    "%s%s%s", fault.field, fault.field[0] != '\0' ? " " : "", fault.detail);
    return false;
}

/* ---- The id ------------------------------------------------------------------------------ */

void change_busy(struct request *request)
{
    request_problem(request, PROBLEM_BUSY, NULL, "nothing has been done; repeat it later");
}

/* What goes on when the record is known. */
struct claim {
    struct request *request;
    void (*go_on)(struct request *);
};

static void on_laid_down(void *user, const char *text, const char *reason)
{
    struct claim claim = *(struct claim *)user;
    struct request *request = claim.request;
    char id[ROUTE_ID_MAX];
    free(user);
    if (text == NULL) {
        request_problem(request, PROBLEM_NO_SERVER, NULL, "%s", reason);
    } else if (!key_record_same(text, request->record, id)) {
        request_problem(request, PROBLEM_OTHER_BODY, "Idempotency-Key",
                        "this key was used with another body before");
    } else {
        request->fresh = request->fresh && strcmp(id, request->id) == 0;
        snprintf(request->id, sizeof request->id, "%s", id);
        claim.go_on(request);
    }
}

void change_begin(struct request *request, const char *scope, void (*go_on)(struct request *))
{
    char name[RECORD_KEY_MAX];
    struct claim *claim;
    if (request->key[0] == '\0') {
        go_on(request);
        return;
    }
    claim = malloc(sizeof *claim);
    if (claim == NULL || !key_record_write(request->id, request->data, request->record)) {
        free(claim);
        request_problem(request, PROBLEM_INSIDE, NULL, "memory ran out; nothing has been done");
        return;
    }
    *claim = (struct claim){request, go_on};
    key_record_name(scope, request->key, name);
    if (!weir_desk_lay_down(request->gateway->desk, "gateway", name, request->record,
                            RECORD_LIFE_MS, request_time_left(request), on_laid_down, claim)) {
        free(claim);
        change_busy(request);
    }
}
