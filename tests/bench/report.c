/* The table. */
#include "report.h"

#include <hiredis/hiredis.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "weir.h"

#define WIDTH 100
#define MIB (1024.0 * 1024.0)
#define KIB 1024.0
#define BYTES_MAX 10000 /* what a column holds, and where a byte counts */

/* ---- The head ------------------------------------------------------------------------------ */

/* The first line that a command prints. */
static void first_line(const char *command, char *out, size_t room)
{
    FILE *pipe = popen(command, "r");
    if (pipe == NULL || fgets(out, (int)room, pipe) == NULL)
        snprintf(out, room, "unknown");
    if (pipe != NULL)
        pclose(pipe);
    out[strcspn(out, "\n")] = '\0';
}

static void put(const struct bench_report *report, json_t *head, const char *name,
                const char *value)
{
    if (report->json)
        json_object_set_new(head, name, json_string(value));
    else
        printf("%-10s %.88s\n", name, value);
}

void bench_report_head(const struct bench_report *report, const char *size, unsigned runs)
{
    char text[512], line[256];
    struct utsname system;
    json_t *head = json_object();
    first_line("sed -n 's/^model name[^:]*: //p' /proc/cpuinfo", line, sizeof line);
    snprintf(text, sizeof text, "%s, %ld cores", line, sysconf(_SC_NPROCESSORS_ONLN));
    put(report, head, "machine", text);
    if (uname(&system) == 0) {
        snprintf(text, sizeof text, "%s %s", system.sysname, system.release);
        put(report, head, "kernel", text);
    }
    first_line("${REDIS_SERVER:-$(command -v redis-server || command -v valkey-server)} --version",
               line, sizeof line);
    put(report, head, "server", line);
    snprintf(text, sizeof text, "%d.%d.%d", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
    put(report, head, "hiredis", text);
    put(report, head, "compiler", __VERSION__);
    first_line("git describe --always --dirty 2>/dev/null", line, sizeof line);
    snprintf(text, sizeof text, "%s (%s)", WEIR_VERSION, line);
    put(report, head, "weir", text);
    put(report, head, "settings",
        "redis.conf (append-only file, everysec), unix socket; the file is rewritten between runs");
    snprintf(text, sizeof text, "%s, %u of each kind, in turn", size, runs);
    put(report, head, "runs", text);
    if (report->json) {
        char *dumped = json_dumps(head, JSON_COMPACT);
        printf("{\"head\":%s}\n", dumped ? dumped : "null");
        free(dumped);
    } else {
        puts("\nus: processor time of the server and of its clients for each item");
    }
    fflush(stdout);
    json_decref(head);
}

/* ---- Figures ------------------------------------------------------------------------------- */

static const char *text_of(const json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));
    return text != NULL ? text : "";
}

/* 1234567 as 1,234,567. */
static void group_digits(double value, char *out, size_t room)
{
    char digits[40];
    snprintf(digits, sizeof digits, "%.0f", value);
    const size_t length = strlen(digits);
    size_t at = 0;
    for (size_t i = 0; i < length && at + 2 < room; i++) {
        if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-')
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
}

static const char *value_text(const json_t *value, const char *unit, char *out, size_t room)
{
    double number = json_number_value(value);
    char digits[64];
    const bool bytes = strcmp(unit, "bytes") == 0;
    if (bytes && fabs(number) >= MIB) {
        number /= MIB;
        unit = "MiB";
    } else if (bytes && fabs(number) >= BYTES_MAX) {
        number /= KIB;
        unit = "KiB";
    }
    if (!json_is_number(value))
        snprintf(digits, sizeof digits, "-");
    else if (fabs(number) >= 1000 || number == floor(number))
        group_digits(number, digits, sizeof digits);
    else
        snprintf(digits, sizeof digits, "%.*f", fabs(number) < 10 ? 3 : 1, number);
    snprintf(out, room, "%s%s%s", digits, unit[0] == '/' || unit[0] == '%' ? "" : " ", unit);
    return out;
}

static void print_target(const json_t *target, const char *unit)
{
    char value[80];
    const bool least = strcmp(text_of(target, "is"), "at least") == 0;
    if (target == NULL)
        return;
    printf(" %s%s %s", least ? ">=" : "<=",
           value_text(json_object_get(target, "value"), unit, value, sizeof value),
           json_is_true(json_object_get(target, "met")) ? "met" : "MISSED");
}

/* Wrapped at the width of the table. */
static void print_note(const char *note)
{
    const char *indent = "      ";
    while (*note != '\0') {
        size_t length = strlen(note), room = WIDTH - strlen(indent);
        if (length > room) {
            length = room;
            while (length > 0 && note[length] != ' ')
                length--;
            length = length > 0 ? length : room;
        }
        printf("%s%.*s\n", indent, (int)length, note);
        note += length;
        note += strspn(note, " ");
    }
}

static void print_heading(struct bench_report *report, const json_t *line)
{
    if (strcmp(report->row, text_of(line, "row")) != 0) {
        snprintf(report->row, sizeof report->row, "%s", text_of(line, "row"));
        report->name[0] = '\0';
        printf("\n%-26s%13s%13s%13s%9s%9s\n", report->row, "median", "min", "max", "server",
               "clients");
    }
    if (strcmp(report->name, text_of(line, "name")) != 0) {
        snprintf(report->name, sizeof report->name, "%s", text_of(line, "name"));
        printf("  %s\n", report->name);
    }
}

static void print_figure(struct bench_report *report, const json_t *line)
{
    const char *unit = text_of(line, "unit");
    char median[80], least[80], most[80];
    print_heading(report, line);
    printf("    %-22.22s%13s%13s%13s", text_of(line, "who"),
           value_text(json_object_get(line, "median"), unit, median, sizeof median),
           value_text(json_object_get(line, "min"), unit, least, sizeof least),
           value_text(json_object_get(line, "max"), unit, most, sizeof most));
    if (json_object_get(line, "serverUs") != NULL)
        printf("%6.1f us%6.1f us", json_number_value(json_object_get(line, "serverUs")),
               json_number_value(json_object_get(line, "clientsUs")));
    print_target(json_object_get(line, "target"), unit);
    putchar('\n');
    if (json_object_get(line, "ratio") != NULL) {
        printf("      %.3f of %s", json_number_value(json_object_get(line, "ratio")),
               text_of(line, "ratioTo"));
        print_target(json_object_get(line, "ratioTarget"), "");
        putchar('\n');
    }
    print_note(text_of(line, "note"));
}

bool bench_report_figure(struct bench_report *report, const char *text)
{
    json_t *line = json_loads(text, 0, NULL);
    if (line == NULL)
        return false;
    if (report->json)
        printf("%s\n", text);
    else
        print_figure(report, line);
    fflush(stdout);
    json_decref(line);
    return true;
}
