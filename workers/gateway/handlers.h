/* What is done for each route. */
#ifndef GATEWAY_HANDLERS_H
#define GATEWAY_HANDLERS_H

#include "request.h"

struct handler {
    bool asks; /* it needs the desk */
    /* Looks at the request without waiting; false: it has answered. NULL: nothing to look at. */
    bool (*check)(struct request *request);
    /* Goes on with it; the answer may come from any thread, also before this returns. */
    void (*begin)(struct request *request);
};

const struct handler *handler_of(enum route route);

/* ---- The parts of it ---- */

bool orders_check(struct request *request);
void orders_place(struct request *request);
void orders_show(struct request *request);

bool commands_check(struct request *request);
void commands_send(struct request *request);

void products_show(struct request *request);
bool customers_check(struct request *request);
void customers_show(struct request *request);

void health_alive(struct request *request);
void health_ready(struct request *request);
void problems_show(struct request *request);

/* ---- What they share ---- */

/* Reads body, content type and key; false: it has answered. */
struct field;
bool change_check(struct request *request, const struct field *fields);
/* Finds out under which id the request goes on, and calls `go_on`; or it answers. */
void change_begin(struct request *request, const char *scope, void (*go_on)(struct request *));
/* Too much is in hand: nothing was sent on. */
void change_busy(struct request *request);

/* For what was not found: waits until the read model tells all that was published, and calls
 * `look`, with request->again set; or it answers. */
void reads_look_again(struct request *request, void (*look)(struct request *));
/* For FAILED and OTHER: answers why nothing can be read. */
void reads_failed(struct request *request, enum weir_query_result result, const char *reason);

/* A read model's hash as JSON: numbers for those names that are numbers in it. NULL: no memory. */
json_t *reads_object(const char *id_name, const char *id, const json_t *hash);

#endif
