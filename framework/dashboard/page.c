/* Serves the page's files. */
#include "dashboard/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dashboard/problem.h"

/* `weir_page_files`, made by the Makefile of framework/dashboard/page. */
#include "dashboard_page.h"

const struct weir_page_file *weir_page_at(size_t i)
{
    return i < sizeof(weir_page_files) / sizeof(weir_page_files[0]) ? &weir_page_files[i] : NULL;
}

const struct weir_page_file *weir_page_find(const char *path)
{
    const struct weir_page_file *file;
    if (strcmp(path, "/") == 0)
        path = "/index.html";
    for (size_t i = 0; (file = weir_page_at(i)); i++)
        if (strcmp(file->path, path) == 0)
            return file;
    return NULL;
}

/* FNV-1a: tells one state of a file from another, and guards nothing. */
static uint64_t digest(const char *bytes, size_t length)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(1099511628211);
    return hash;
}

void weir_page_answer(struct weir_http_request *request, const struct weir_page_file *file)
{
    char tag[24];
    struct weir_http_header room[WEIR_DASHBOARD_HEADERS_MAX];
    const char *known = weir_http_header(request, "If-None-Match");
    snprintf(tag, sizeof(tag), "\"%016" PRIx64 "\"", digest(file->bytes, file->length));
    const struct weir_http_header more[] = {
        {"ETag", tag}, {"Cache-Control", "no-cache"}, {NULL, NULL}};
    const struct weir_http_header *headers = weir_dashboard_headers_with(room, more);
    if (known && strstr(known, tag))
        weir_http_answer(request, 304, NULL, headers, "", 0);
    else
        weir_http_answer(request, 200, file->content_type, headers, file->bytes, file->length);
}
