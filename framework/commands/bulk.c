/* Asks before a run over many targets, and tells how it goes. */
#include "commands/bulk.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands/action.h"
#include "commands/interrupt.h"
#include "commands/output.h"
#include "commands/visible.h"

#define NAMED 5

static void append_names(struct weir_text *line, const json_t *names)
{
    for (size_t i = 0; i < json_array_size(names) && i < NAMED; i++) {
        weir_text_append_string(line, i > 0 ? ", " : "");
        weir_visible_append(line, weir_slice_of(json_string_value(json_array_get(names, i))));
    }
    if (json_array_size(names) > NAMED)
        weir_text_append_string(line, ", …");
}

static const char *noun_of(const struct weir_bulk *bulk, size_t count)
{
    return count == 1 ? bulk->noun : bulk->nouns;
}

/* The question stands on the terminal even where errors go elsewhere: who cannot see it, cannot
 * answer it. */
static bool ask(const struct weir_bulk *bulk)
{
    char answer[16] = "";
    fprintf(weir_remarks(), "%c%s %zu %s? [y/N] ", toupper((unsigned char)bulk->verb[0]),
            bulk->verb + 1, bulk->total, noun_of(bulk, bulk->total));
    fflush(weir_remarks());
    if (!fgets(answer, sizeof(answer), stdin)) {
        fputc('\n', weir_remarks());
        return false;
    }
    answer[strcspn(answer, "\n")] = '\0';
    return strcmp(answer, "y") == 0 || strcmp(answer, "Y") == 0 || strcmp(answer, "yes") == 0;
}

int weir_bulk_ask(struct weir_session *session, const struct weir_bulk *bulk, const json_t *names)
{
    struct weir_text line = {0};
    if (!bulk->chosen)
        return WEIR_EXIT_FINE;
    append_names(&line, names);
    weir_remark("%zu %s: %s", bulk->total, noun_of(bulk, bulk->total), line.at ? line.at : "");
    weir_text_close(&line);
    if (session->settings.yes)
        return WEIR_EXIT_FINE;
    if (weir_output_remote() || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return weir_fail(WEIR_EXIT_USAGE, "nothing was done: give --yes to %s %s, or --dry-run",
                         bulk->verb, bulk->total == 1 ? "it" : "them");
    if (!ask(bulk))
        return weir_fail(WEIR_EXIT_FAILED, "nothing was done");
    return WEIR_EXIT_FINE;
}

static size_t left_of(const struct weir_bulk *bulk)
{
    return bulk->total - bulk->did - bulk->failed - bulk->needless;
}

void weir_bulk_show(struct weir_bulk *bulk)
{
    if (weir_output_remote() || !bulk->chosen || !isatty(STDERR_FILENO))
        return;
    fprintf(weir_remarks(), "\r\033[K%zu of %zu", bulk->total - left_of(bulk), bulk->total);
    fflush(weir_remarks());
    bulk->drawn = true;
}

bool weir_bulk_stopped(void)
{
    return !weir_output_remote() && weir_interrupted();
}

static void append_count(struct weir_text *text, size_t count, const char *what)
{
    if (count > 0)
        weir_text_format(text, ", %zu %s", count, what);
}

void weir_bulk_end(struct weir_session *session, struct weir_bulk *bulk)
{
    struct weir_text text = {0};
    weir_text_format(&text, "%zu of %zu %s %s", bulk->did, bulk->total, noun_of(bulk, bulk->total),
                     bulk->done);
    append_count(&text, bulk->needless, "needed nothing");
    append_count(&text, bulk->failed, "failed");
    append_count(&text, left_of(bulk), "left");
    if (bulk->drawn)
        fputs("\r\033[K", weir_remarks());
    bulk->drawn = false;
    if (text.at && (bulk->chosen || bulk->total > 1)) {
        weir_remark("%s", text.at);
        weir_act_outcome(session, "%s", text.at);
    }
    weir_text_close(&text);
}
