/* Lays out answers. */
#include "dashboard/problem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands/command.h"
#include "dashboard/board.h"

#define REMARK_ROOM 512

/* `style` attributes and scripts within the page are barred as well: there are none. */
const struct weir_http_header weir_dashboard_headers[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
     "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"},
    {"Cache-Control", "no-store"},
    {NULL, NULL},
};

const struct weir_http_header *weir_dashboard_headers_with(struct weir_http_header *room,
                                                           const struct weir_http_header *more)
{
    size_t count = 0;
    for (; more->name && count + 1 < WEIR_DASHBOARD_HEADERS_MAX; more++)
        room[count++] = *more;
    for (const struct weir_http_header *at = weir_dashboard_headers; at->name; at++) {
        bool given = false;
        for (size_t i = 0; i < count; i++)
            given = given || strcmp(room[i].name, at->name) == 0;
        if (!given && count + 1 < WEIR_DASHBOARD_HEADERS_MAX)
            room[count++] = *at;
    }
    room[count] = (struct weir_http_header){NULL, NULL};
    return room;
}

void weir_respond_json(struct weir_http_request *request, unsigned status, const char *bytes,
                       size_t length)
{
    weir_http_answer(request, status, "application/json", weir_dashboard_headers, bytes, length);
}

static const char *title_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *title;
    } titles[] = {
        {400, "Bad request"},       {401, "Unauthorized"},           {403, "Forbidden"},
        {404, "Not found"},         {405, "Method not allowed"},     {409, "Conflict"},
        {413, "Too large"},         {415, "Unsupported media type"}, {421, "Misdirected request"},
        {429, "Too many requests"}, {503, "Service unavailable"},    {504, "No answer in time"}};
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
        if (titles[i].status == status)
            return titles[i].title;
    return "Problem";
}

void weir_problem_append(struct weir_text *text, unsigned status, const char *detail,
                         const struct weir_run *answer)
{
    weir_text_format(text, "{\"title\":\"%s\",\"status\":%u,\"detail\":", title_of(status), status);
    weir_text_append_json(text, detail, strlen(detail));
    if (answer)
        weir_text_format(text, ",\"exit\":%d", answer->code);
    if (answer && answer->result) {
        weir_text_append_string(text, ",\"result\":");
        weir_text_append(text, answer->result, answer->length);
    }
    weir_text_append_string(text, "}");
}

static void send_problem(struct weir_http_request *request, unsigned status, const char *detail,
                         const struct weir_run *answer)
{
    struct weir_text text = {0};
    char code[WEIR_DIGITS_MAX];
    struct weir_http_header room[WEIR_DASHBOARD_HEADERS_MAX], more[3] = {{NULL, NULL}};
    size_t count = 0;
    if (status == 401)
        more[count++] =
            (struct weir_http_header){"WWW-Authenticate", "Bearer realm=\"weir-dashboard\""};
    else if (status == 405)
        more[count++] = (struct weir_http_header){"Allow", "GET, HEAD, POST"};
    else if (status == 429 || status == 503)
        more[count++] = (struct weir_http_header){"Retry-After", "1"};
    if (answer) {
        weir_digits(answer->code, code);
        more[count++] = (struct weir_http_header){"Weir-Exit", code};
    }
    weir_problem_append(&text, status, detail, answer);
    if (text.failed)
        weir_http_answer_text(request, 500, "memory ran out");
    else
        weir_http_answer(request, status, "application/problem+json",
                         weir_dashboard_headers_with(room, more), text.at, text.length);
    weir_text_close(&text);
}

void weir_respond_problem(struct weir_http_request *request, unsigned status, const char *detail)
{
    send_problem(request, status, detail, NULL);
}

unsigned weir_run_status(const struct weir_run *answer, bool action)
{
    if (weir_run_lost(answer))
        return 503;
    if (answer->result && !action)
        return 200;
    if (answer->missing && !action)
        return 404;
    switch (answer->code) {
    case WEIR_EXIT_FINE:
    case WEIR_EXIT_COMPENSATED: /* what was asked has been done, and has led there */
    case WEIR_EXIT_SUSPENDED:
        return 200;
    case WEIR_EXIT_USAGE:
    case WEIR_EXIT_DATA:
        return 400;
    case WEIR_EXIT_NO_SERVER:
        return 503;
    case WEIR_EXIT_WAITED:
        return 504;
    default:
        return 409;
    }
}

/* A header holds ASCII only. */
static void make_header(const char *text, char room[REMARK_ROOM])
{
    size_t length = 0;
    for (; *text && length + 1 < REMARK_ROOM; text++)
        if (((unsigned char)*text & 0xc0) != 0x80) /* one sign for one character */
            room[length++] = *text >= ' ' && *text <= '~' ? *text : '?';
    room[length] = '\0';
}

void weir_respond_run(struct weir_http_request *request, const struct weir_run *answer, bool action)
{
    char time[WEIR_DIGITS_MAX], code[WEIR_DIGITS_MAX], remark[REMARK_ROOM];
    struct weir_http_header room[WEIR_DASHBOARD_HEADERS_MAX];
    unsigned status = weir_run_status(answer, action);
    if (status != 200) {
        send_problem(request, status,
                     answer->remarks ? answer->remarks : "the command failed without a word",
                     answer);
        return;
    }
    weir_digits(answer->at_ms, time);
    weir_digits(answer->code, code);
    make_header(answer->remarks ? answer->remarks : "", remark);
    const struct weir_http_header more[] = {
        {"Weir-Time", time},
        {"Weir-Exit", code},
        {answer->remarks ? "Weir-Remark" : NULL, remark},
        {NULL, NULL},
    };
    weir_http_answer(request, status, "application/json", weir_dashboard_headers_with(room, more),
                     answer->result ? answer->result : "null", answer->result ? answer->length : 4);
}
