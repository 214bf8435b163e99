/* Collects what weir doctor finds, and asks the server for it. */
#include "commands/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "commands/print.h"
#include "commands/values.h"

#define WORDS_MAX 16

struct weir_span weir_span_of(int64_t ms)
{
    struct weir_span span;
    struct weir_text text = {0};
    weir_span_append(&text, ms);
    snprintf(span.text, sizeof(span.text), "%s", text.at ? text.at : "a while");
    weir_text_close(&text);
    return span;
}

void weir_doctor_find(struct weir_doctor *doctor, enum weir_finding level, const char *check,
                      const char *about, const char *format, ...)
{
    static const char *const words[] = {"ok", "warning", "problem"};
    char sentence[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    doctor->warnings += level == WEIR_FINDING_WARNING;
    doctor->problems += level == WEIR_FINDING_PROBLEM;
    json_array_append_new(doctor->findings,
                          json_pack("{s:s, s:s, s:o, s:o}", "level", words[level], "check", check,
                                    "about", weir_slice_json(weir_slice_of(about)), "text",
                                    weir_slice_json(weir_slice_of(sentence))));
}

void weir_doctor_find_error(struct weir_doctor *doctor, const char *check, const char *about,
                            const struct weir_error *error)
{
    bool of_type = strstr(error->text, "WRONGTYPE") != NULL;
    if (error->status == WEIR_UNAVAILABLE || error->status == WEIR_UNKNOWN ||
        error->status == WEIR_NO_MEMORY)
        weir_error_set(&doctor->lost, error->status, "%s", error->text);
    else if (error->status == WEIR_DENIED)
        weir_doctor_find(
            doctor, WEIR_FINDING_WARNING, "rights", about,
            "was not looked at, because this user may not; grant it, or ask as another "
            "user: %s",
            error->text);
    else if (of_type)
        weir_doctor_find(doctor, WEIR_FINDING_PROBLEM, check, about,
                         "is of another type than weir needs, and nothing can be done with it: "
                         "rename it, and weir makes a new one");
    else
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, check, about, "was not looked at: %s",
                         error->text);
}

redisReply *weir_doctor_ask(struct weir_doctor *doctor, const char *check, const char *about,
                            const char *command, ...)
{
    const char *words[WORDS_MAX] = {command};
    struct weir_error error = {0};
    size_t count = 1;
    va_list rest;
    if (doctor->lost.status != WEIR_OK)
        return NULL;
    va_start(rest, command);
    for (const char *next; (next = va_arg(rest, const char *)) && count < WORDS_MAX;)
        words[count++] = next;
    va_end(rest);
    redisReply *reply = weir_client_call(&doctor->session->client, &error, count, words, NULL);
    if (!reply && !strstr(error.text, "no such key"))
        weir_doctor_find_error(doctor, check, about, &error);
    return reply;
}
