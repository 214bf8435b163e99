/* Answers of the dashboard: results of commands, problems, and the headers that all of them have.
 */
#ifndef WEIR_DASHBOARD_PROBLEM_H
#define WEIR_DASHBOARD_PROBLEM_H

#include "dashboard/clerk.h"
#include "http/server.h"

/* On every answer: nothing is kept by caches, framed, sniffed, or allowed to load anything but our
 * own files. NULL-terminated. */
extern const struct weir_http_header weir_dashboard_headers[];

/* The same, with more before them. `room` has WEIR_DASHBOARD_HEADERS_MAX places. */
#define WEIR_DASHBOARD_HEADERS_MAX 20
const struct weir_http_header *weir_dashboard_headers_with(struct weir_http_header *room,
                                                           const struct weir_http_header *more);

void weir_respond_json(struct weir_http_request *request, unsigned status, const char *bytes,
                       size_t length);
/* RFC 9457: {"title", "status", "detail"}. */
void weir_respond_problem(struct weir_http_request *request, unsigned status, const char *detail);
/* {"title", "status", "detail", "exit", "result"} as JSON text. */
void weir_problem_append(struct weir_text *text, unsigned status, const char *detail,
                         const struct weir_run *answer);

/* The status of a command that has ended: 200 where it has shown something, whatever its exit code
 * says of it; 409 failed, 400 wrong words or data, 503 no server, 504 waited too long. */
unsigned weir_run_status(const struct weir_run *answer, bool action);
/* What the exit code and the result say, as a whole answer: with the headers Weir-Time (ms of the
 * server's clock), Weir-Exit, and Weir-Remark where there is one. */
void weir_respond_run(struct weir_http_request *request, const struct weir_run *answer,
                      bool action);

#endif
