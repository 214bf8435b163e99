/* Makes manual pages from their templates: a line "@name argument@" is replaced by what the
 * programs' own tables, the table of log events or a header say. Used at build time alone. Usage:
 * manual TEMPLATE >PAGE */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/coordinator.h"
#if __has_include("dashboard/settings.h")
#include "dashboard/settings.h"
#define DASHBOARD_OPTIONS weir_dashboard_options
#else
#define DASHBOARD_OPTIONS NULL
#endif
#include "man/header_page.h"
#include "man/options_page.h"
#include "man/roff.h"
#include "service/worker.h"
#include "weir.h"

#define LINE_MAX_BYTES 4096

static bool coordinator_options(FILE *out, const char *argument)
{
    weir_service *service = weir_coordinator_new();
    (void)argument;
    if (service == NULL || service->options == NULL)
        return false;
    options_page(out, service->options, NULL);
    weir_service_free(service);
    return true;
}

static bool dashboard_options(FILE *out, const char *argument)
{
    const struct weir_option *table = DASHBOARD_OPTIONS;
    (void)argument;
    if (table != NULL)
        options_page(out, table, NULL);
    return table != NULL;
}

static bool worker_options(FILE *out, const char *argument)
{
    (void)argument;
    options_page(out, weir_worker_options(), NULL);
    return true;
}

static bool commands(FILE *out, const char *argument)
{
    (void)argument;
    commands_page(out);
    return true;
}

static bool common_options(FILE *out, const char *argument)
{
    (void)argument;
    common_options_page(out);
    return true;
}

static bool version(FILE *out, const char *argument)
{
    (void)argument;
    fputs(".Os weir " WEIR_VERSION "\n", out);
    return true;
}

/* One row of the table: name | level | what it means | what to do. */
static bool print_event(FILE *out, char *line)
{
    char *parts[4] = {line};
    size_t count = 1;
    for (char *bar; count < 4 && (bar = strstr(parts[count - 1], " | ")) != NULL; count++) {
        *bar = '\0';
        parts[count] = bar + 3;
    }
    if (count != 4)
        return false;
    parts[3][strcspn(parts[3], "\n")] = '\0';
    fprintf(out, ".It Sy %s Pq %s\n", parts[0], parts[1]);
    roff_prose(out, parts[2], strlen(parts[2]));
    if (strncmp(parts[3], "Nothing.", strlen("Nothing.") + 1) == 0)
        return true;
    fputs(".Em To do :\n", out);
    roff_prose(out, parts[3], strlen(parts[3]));
    return true;
}

static bool events(FILE *out, const char *path)
{
    char line[LINE_MAX_BYTES];
    FILE *file = fopen(path, "re");
    bool fine = file != NULL;
    fputs(".Bl -tag -width Ds\n", out);
    while (fine && fgets(line, sizeof line, file) != NULL)
        fine = line[0] == '#' || print_event(out, line);
    fputs(".El\n", out);
    if (file != NULL)
        fclose(file);
    return fine;
}

static const struct {
    const char *name;
    bool (*print)(FILE *out, const char *argument);
} parts[] = {
    {"commands", commands},
    {"common-options", common_options},
    {"worker-options", worker_options},
    {"coordinator-options", coordinator_options},
    {"dashboard-options", dashboard_options},
    {"events", events},
    {"header", header_page},
    {"version", version},
};

/* "@name argument@" and the end of the line. */
static bool replace(FILE *out, char *line)
{
    char *name = line + 1, *argument;
    name[strcspn(name, "@\n")] = '\0';
    argument = strchr(name, ' ');
    if (argument != NULL)
        *argument++ = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strcmp(parts[i].name, name) == 0)
            return parts[i].print(out, argument != NULL ? argument : "");
    return false;
}

int main(int argc, char **argv)
{
    char line[LINE_MAX_BYTES];
    FILE *template = argc == 2 ? fopen(argv[1], "re") : NULL;
    if (template == NULL) {
        fprintf(stderr, "manual: give the name of one template\n");
        return 64;
    }
    for (unsigned number = 1; fgets(line, sizeof line, template) != NULL; number++) {
        if (line[0] != '@')
            fputs(line, stdout);
        else if (!replace(stdout, line)) {
            fprintf(stderr, "manual: %s:%u: cannot be replaced\n", argv[1], number);
            return 1;
        }
    }
    fclose(template);
    return fflush(stdout) == 0 ? 0 : 1;
}
