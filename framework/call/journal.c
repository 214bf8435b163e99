/* A log for programs that are no services: the workers' own, behind a lock. */
#include "call/journal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct weir_journal {
    struct weir_log log;
    pthread_mutex_t mutex;
};

/* The word's place; -1: it is none of them. */
static int place_of(const char *word, const char *const *words)
{
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}

weir_journal *weir_journal_open(const char *source, const char *level, const char *format,
                                char *why, size_t room)
{
    int level_place = place_of(level, weir_log_level_words);
    int format_place = place_of(format, weir_log_format_words);
    struct weir_journal *journal = NULL;
    if (level_place < 0)
        snprintf(why, room, "log level '%.32s': must be debug, info, warning or error", level);
    else if (format_place < 0)
        snprintf(why, room, "log format '%.32s': must be auto, text or json", format);
    else if ((journal = calloc(1, sizeof *journal)) == NULL ||
             pthread_mutex_init(&journal->mutex, NULL) != 0) {
        snprintf(why, room, "memory ran out");
        free(journal);
        journal = NULL;
    }
    if (journal == NULL)
        return NULL;
    weir_log_init(&journal->log, source);
    journal->log.level = (enum weir_log_level)level_place;
    weir_log_set_format(&journal->log, (enum weir_log_format)format_place);
    weir_log_count_repeats(&journal->log);
    return journal;
}

void weir_journal_write(weir_journal *journal, enum weir_importance importance, const char *event,
                        const char *format, ...)
{
    va_list arguments;
    pthread_mutex_lock(&journal->mutex);
    va_start(arguments, format);
    weir_log_write_list(&journal->log, (enum weir_log_level)importance, event, NULL, format,
                        arguments);
    va_end(arguments);
    pthread_mutex_unlock(&journal->mutex);
}

void weir_journal_complain(const char *program, const char *text)
{
    weir_complain(program, text);
}

void weir_journal_tell(weir_journal *journal)
{
    pthread_mutex_lock(&journal->mutex);
    weir_log_tell_repeats(&journal->log);
    pthread_mutex_unlock(&journal->mutex);
}

struct weir_log weir_journal_log(const weir_journal *journal)
{
    struct weir_log log = journal->log;
    log.repeats = NULL;
    return log;
}

void weir_journal_close(weir_journal *journal)
{
    if (journal == NULL)
        return;
    weir_log_close(&journal->log);
    pthread_mutex_destroy(&journal->mutex);
    free(journal);
}
