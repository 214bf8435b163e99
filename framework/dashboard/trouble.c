/* Says since when there is no answer. */
#include "dashboard/trouble.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

void weir_trouble_append(struct weir_text *text, int64_t since_ms, const char *why)
{
    char day[40] = "yet";
    struct tm parts;
    time_t seconds = (time_t)(since_ms / 1000);
    if (since_ms > 0 && gmtime_r(&seconds, &parts))
        strftime(day, sizeof(day), "since %Y-%m-%d %H:%M:%S UTC", &parts);
    weir_text_format(text, "no answer from the server %s%s%s", day, *why ? ": " : "", why);
}

void weir_trouble_append_json(struct weir_text *text, int64_t since_ms, const char *why)
{
    struct weir_text sentence = {0};
    weir_trouble_append(&sentence, since_ms, why);
    weir_text_append_string(text, "{\"trouble\":");
    weir_text_append_json(text, sentence.at ? sentence.at : "", sentence.length);
    weir_text_append_string(text, ",\"since\":");
    if (since_ms > 0)
        weir_text_format(text, "%" PRId64 "}", since_ms);
    else
        weir_text_append_string(text, "null}");
    weir_text_close(&sentence);
}
