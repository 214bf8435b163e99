/* Lets requests in or refuses them, by the rules of access.h. */
#ifndef WEIR_DASHBOARD_DOOR_H
#define WEIR_DASHBOARD_DOOR_H

#include "base/log.h"
#include "dashboard/access.h"
#include "dashboard/care.h"
#include "http/server.h"

/* Wrong tokens are told so after a second, and so many may wait for that; those beyond are refused
 * at once, by 429. A right token always passes at once, whatever others guess: that a token cannot
 * be guessed is a matter of its length. */
#define WEIR_DOOR_GUESSES_MAX 16

struct weir_door;

/* NULL without memory. All is borrowed. */
struct weir_door *weir_door_open(struct ev_loop *loop, const struct weir_access *access,
                                 struct weir_log *log, struct weir_care *care);
/* With the HTTP server closed before. */
void weir_door_close(struct weir_door *door);

/* Whether the request may go on; else it has been, or will be, answered. */
WEIR_CHECKED bool weir_door_admit(struct weir_door *door, struct weir_http_request *request,
                                  bool is_api);
/* Whether it might as well ask for JSON; answers nothing. */
bool weir_door_might_read(const struct weir_door *door, struct weir_http_request *request);

#endif
