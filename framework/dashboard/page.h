/* The files of the dashboard's page, which travel inside the program. */
#ifndef WEIR_DASHBOARD_PAGE_H
#define WEIR_DASHBOARD_PAGE_H

#include <stddef.h>

#include "http/server.h"

struct weir_page_file {
    const char *path; /* "/style.css" */
    const char *content_type;
    const char *bytes;
    size_t length;
};

/* NULL: no such file. "/" is the page. */
const struct weir_page_file *weir_page_find(const char *path);
/* The i-th file, NULL behind the last. */
const struct weir_page_file *weir_page_at(size_t i);

/* Answers with the file, or 304 where the client has it. */
void weir_page_answer(struct weir_http_request *request, const struct weir_page_file *file);

#endif
