/* Writes figures into the page. */
#include "dashboard/first.h"

#include <inttypes.h>
#include <string.h>

#include "dashboard/problem.h"
#include "weir.h"

#define PLACE "<script type=\"application/json\" id=\"first\">"

/* ---- What is told ------------------------------------------------------------------------ */

static void append_member(struct weir_text *text, const char *name, const char *value)
{
    weir_text_format(text, ",\"%s\":", name);
    weir_text_append_json(text, value, strlen(value));
}

void weir_first_append_info(const struct weir_first *first, const char *authorization,
                            struct weir_text *text)
{
    weir_text_format(text, "{\"actions\":%s,\"authorized\":%s,\"now\":%" PRId64,
                     first->access->actions ? "true" : "false",
                     weir_access_authorized(first->access, authorization) ? "true" : "false",
                     weir_board_now_ms(first->board));
    append_member(text, "version", WEIR_VERSION);
    append_member(text, "server", first->server);
    append_member(text, "namespace", first->prefix);
    weir_text_append_string(text, "}");
}

static void append_figures(const struct weir_first *first, struct weir_slice overview,
                           int64_t at_ms, struct weir_text *json)
{
    weir_text_append_string(json, "{\"info\":");
    weir_first_append_info(first, NULL, json);
    weir_text_format(json, ",\"at\":%" PRId64 ",\"top\":", at_ms);
    weir_text_append(json, overview.at, overview.length);
    weir_text_append_string(json, ",\"history\":");
    weir_history_append(first->history, json);
    weir_text_append_string(json, "}");
}

/* ---- The page ---------------------------------------------------------------------------- */

/* In a page no text from outside begins markup; in JSON a '<' stands in texts only. */
static void append_without_markup(struct weir_text *page, const struct weir_text *json)
{
    const char *at = json->at, *end = json->at + json->length;
    for (const char *sign; (sign = memchr(at, '<', (size_t)(end - at))); at = sign + 1) {
        weir_text_append(page, at, (size_t)(sign - at));
        weir_text_append_string(page, "\\u003c");
    }
    weir_text_append(page, at, (size_t)(end - at));
}

static bool make_page(const struct weir_first *first, const struct weir_page_file *file,
                      struct weir_text *page)
{
    struct weir_text json = {0};
    int64_t since_ms, at_ms;
    struct weir_slice overview = weir_history_overview(first->history, &at_ms);
    const char *place = strstr(file->bytes, PLACE);
    if (!place || !overview.at || weir_board_in_trouble(first->board, &since_ms))
        return false;
    place += sizeof(PLACE) - 1;
    append_figures(first, overview, at_ms, &json);
    weir_text_append(page, file->bytes, (size_t)(place - file->bytes));
    if (!json.failed)
        append_without_markup(page, &json);
    weir_text_append_string(page, place);
    weir_text_close(&json);
    return !page->failed;
}

void weir_first_answer(const struct weir_first *first, struct weir_http_request *request,
                       const struct weir_page_file *file, bool tell)
{
    struct weir_text page = {0};
    if (tell && make_page(first, file, &page))
        weir_http_answer(request, 200, file->content_type, weir_dashboard_headers, page.at,
                         page.length);
    else
        weir_page_answer(request, file);
    weir_text_close(&page);
}
