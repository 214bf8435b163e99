/* Builds each event as one line, text or JSON, and hands it to the sink with one write(2). */
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/repeats.h"
#include "base/text.h"

#define VALUE_LIMIT 1024

const char *const weir_log_level_words[] = {[WEIR_LOG_DEBUG] = "debug",
                                            [WEIR_LOG_INFO] = "info",
                                            [WEIR_LOG_WARNING] = "warning",
                                            [WEIR_LOG_ERROR] = "error",
                                            [WEIR_LOG_ERROR + 1] = NULL};
const char *const weir_log_format_words[] = {[WEIR_LOG_TEXT] = "text",
                                             [WEIR_LOG_JSON] = "json",
                                             [WEIR_LOG_AUTO] = "auto",
                                             [WEIR_LOG_AUTO + 1] = NULL};

static const char *const colours[] = {[WEIR_LOG_DEBUG] = "\x1b[2m",
                                      [WEIR_LOG_INFO] = "\x1b[32m",
                                      [WEIR_LOG_WARNING] = "\x1b[33m",
                                      [WEIR_LOG_ERROR] = "\x1b[31m"};

/* sd-daemon(3) */
static const char *const priorities[] = {[WEIR_LOG_DEBUG] = "<7>",
                                         [WEIR_LOG_INFO] = "<6>",
                                         [WEIR_LOG_WARNING] = "<4>",
                                         [WEIR_LOG_ERROR] = "<3>"};

enum conversion {
    TEXT,
    TEXT_OF_LENGTH,
    INT,
    UNSIGNED,
    LONG,
    UNSIGNED_LONG,
    LONG_LONG,
    UNSIGNED_LONG_LONG,
    SIZE,
    NONE,
};

static const char *const conversions[NONE] = {
    [TEXT] = "%s",  [TEXT_OF_LENGTH] = "%.*s", [INT] = "%d",         [UNSIGNED] = "%u",
    [LONG] = "%ld", [UNSIGNED_LONG] = "%lu",   [LONG_LONG] = "%lld", [UNSIGNED_LONG_LONG] = "%llu",
    [SIZE] = "%zu",
};

/* Where a run over the field format stands. */
struct fields {
    const char *at;
    va_list arguments;
    enum weir_log_format format;
};

/* systemd names the stream that it has opened: one that was sent elsewhere since is another. */
static bool leads_to_journal(int descriptor)
{
    const char *named = getenv("JOURNAL_STREAM");
    char own[48];
    struct stat about;
    if (named == NULL || fstat(descriptor, &about) != 0)
        return false;
    snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)about.st_dev, (uintmax_t)about.st_ino);
    return strcmp(named, own) == 0;
}

void weir_complain(const char *program, const char *text)
{
    fprintf(stderr, "%s%s: %s\n", leads_to_journal(STDERR_FILENO) ? priorities[WEIR_LOG_ERROR] : "",
            program, text);
}

void weir_log_init(struct weir_log *log, const char *source)
{
    *log = (struct weir_log){
        .level = WEIR_LOG_INFO,
        .format = WEIR_LOG_TEXT,
        .colour = getenv("NO_COLOR") == NULL && isatty(STDERR_FILENO) == 1,
        .journal = leads_to_journal(STDERR_FILENO),
        .descriptor = STDERR_FILENO,
        .source = source,
        .clock_ms = weir_clock_monotonic_ms,
    };
}

void weir_log_set_format(struct weir_log *log, enum weir_log_format format)
{
    bool terminal = isatty(log->descriptor) == 1;
    log->format = format != WEIR_LOG_AUTO ? format : terminal ? WEIR_LOG_TEXT : WEIR_LOG_JSON;
}

static void append_time(struct weir_text *line, int64_t ms_ago)
{
    struct timespec now = {0};
    struct tm date = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - ms_ago;
    time_t seconds = (time_t)(ms / 1000);
    (void)gmtime_r(&seconds, &date);
    weir_text_format(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", date.tm_year + 1900,
                     date.tm_mon + 1, date.tm_mday, date.tm_hour, date.tm_min, date.tm_sec,
                     (int)(ms % 1000));
}

/* For people a value stands bare where it cannot be mistaken for anything else. */
static void append_text_value(struct weir_text *line, struct weir_slice value)
{
    size_t start = line->length;
    weir_text_append_json(line, value.at, value.length);
    if (line->failed || value.length == 0)
        return;
    bool escaped = line->length - start != value.length + 2;
    if (escaped || memchr(value.at, ' ', value.length) || memchr(value.at, '=', value.length))
        return;
    line->length = start;
    weir_text_append(line, value.at, value.length);
}

static void append_value(struct weir_text *line, enum weir_log_format format,
                         struct weir_slice value)
{
    if (format == WEIR_LOG_JSON)
        weir_text_append_json(line, value.at, value.length);
    else
        append_text_value(line, value);
}

static void append_key(struct weir_text *line, enum weir_log_format format, struct weir_slice key)
{
    weir_text_append(line, format == WEIR_LOG_JSON ? "," : " ", 1);
    append_value(line, format, key);
    weir_text_append(line, format == WEIR_LOG_JSON ? ":" : "=", 1);
}

/* The length of a text value, up to the limit, without tearing a UTF-8 character there. */
static size_t value_length(const char *value, size_t limit)
{
    if (limit <= VALUE_LIMIT)
        return strnlen(value, limit);
    size_t length = strnlen(value, VALUE_LIMIT + 1);
    if (length <= VALUE_LIMIT)
        return length;
    length = VALUE_LIMIT;
    while (length > VALUE_LIMIT - 3 && ((unsigned char)value[length] & 0xC0) == 0x80)
        length--;
    return length;
}

static void append_text_field(struct weir_text *line, struct fields *fields, struct weir_slice key,
                              enum conversion conversion)
{
    size_t limit = SIZE_MAX;
    if (conversion == TEXT_OF_LENGTH) {
        int precision = va_arg(fields->arguments, int);
        if (precision >= 0) /* printf takes a negative one as none */
            limit = (size_t)precision;
    }
    const char *value = va_arg(fields->arguments, const char *);
    if (value == NULL)
        return;
    append_key(line, fields->format, key);
    append_value(line, fields->format, (struct weir_slice){value, value_length(value, limit)});
}

static void append_number_field(struct weir_text *line, struct fields *fields,
                                struct weir_slice key, enum conversion conversion)
{
    append_key(line, fields->format, key);
    switch (conversion) {
    case INT:
        weir_text_format(line, "%d", va_arg(fields->arguments, int));
        break;
    case UNSIGNED:
        weir_text_format(line, "%u", va_arg(fields->arguments, unsigned));
        break;
    case LONG:
        weir_text_format(line, "%ld", va_arg(fields->arguments, long));
        break;
    case UNSIGNED_LONG:
        weir_text_format(line, "%lu", va_arg(fields->arguments, unsigned long));
        break;
    case LONG_LONG:
        weir_text_format(line, "%lld", va_arg(fields->arguments, long long));
        break;
    case UNSIGNED_LONG_LONG:
        weir_text_format(line, "%llu", va_arg(fields->arguments, unsigned long long));
        break;
    default:
        weir_text_format(line, "%zu", va_arg(fields->arguments, size_t));
        break;
    }
}

static enum conversion find_conversion(struct weir_slice word)
{
    for (int i = 0; i < NONE; i++)
        if (weir_slice_equals(word, conversions[i]))
            return (enum conversion)i;
    return NONE;
}

/* Appends the next field; false at the end of the format, or where it is not of the form that
 * the header gives: then the arguments behind can no longer be told apart. */
static bool append_field(struct weir_text *line, struct fields *fields)
{
    fields->at += strspn(fields->at, " ");
    size_t length = strcspn(fields->at, " ");
    size_t key_length = strcspn(fields->at, " =");
    if (key_length == 0 || key_length == length)
        return false;
    struct weir_slice key = {fields->at, key_length};
    struct weir_slice word = {fields->at + key_length + 1, length - key_length - 1};
    enum conversion conversion = find_conversion(word);
    if (conversion == NONE)
        return false;
    if (conversion == TEXT || conversion == TEXT_OF_LENGTH)
        append_text_field(line, fields, key, conversion);
    else
        append_number_field(line, fields, key, conversion);
    fields->at += length;
    return true;
}

static void append_fields(struct weir_text *line, struct fields *fields)
{
    while (append_field(line, fields))
        continue;
    if (*fields->at == '\0')
        return;
    /* A mistake of the caller: show what was not understood instead of guessing. */
    append_key(line, fields->format, weir_slice_of("log_format"));
    append_value(line, fields->format, weir_slice_of(fields->at));
}

/* What differs between a line and its repetition: the time alone. */
static void begin_line(struct weir_text *line, const struct weir_log *log,
                       enum weir_log_level level, int64_t ms_ago)
{
    bool colour = log->colour && log->format == WEIR_LOG_TEXT;
    if (log->journal)
        weir_text_append_string(line, priorities[level]);
    if (log->format == WEIR_LOG_JSON)
        weir_text_append_string(line, "{\"ts\":\"");
    append_time(line, ms_ago);
    if (log->format == WEIR_LOG_JSON)
        weir_text_format(line, "\",\"level\":\"%s\",\"source\":", weir_log_level_words[level]);
    else
        weir_text_format(line, " %s%-5s%s ", colour ? colours[level] : "",
                         weir_log_level_words[level], colour ? "\x1b[0m" : "");
}

static void append_event(struct weir_text *line, const struct weir_log *log, const char *event)
{
    append_value(line, log->format, weir_slice_of(log->source != NULL ? log->source : "-"));
    weir_text_append_string(line, log->format == WEIR_LOG_JSON ? ",\"event\":" : " ");
    append_value(line, log->format, weir_slice_of(event));
}

/* One write, unless a signal or a full pipe took it apart; a line begun is finished if it can be.
 */
static bool write_all(int descriptor, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(descriptor, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

/* A reader that went away must cost a line, not the process: SIGPIPE is held back during the
 * write, and taken out of the queue unless the caller holds it back himself. */
static bool write_line(int descriptor, const char *bytes, size_t length)
{
    sigset_t broken_pipe;
    sigset_t before;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    if (pthread_sigmask(SIG_BLOCK, &broken_pipe, &before) != 0)
        return false;
    bool done = write_all(descriptor, bytes, length);
    if (!done && errno == EPIPE && sigismember(&before, SIGPIPE) == 0) {
        const struct timespec at_once = {0};
        while (sigtimedwait(&broken_pipe, NULL, &at_once) < 0 && errno == EINTR)
            continue;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return done;
}

/* Names and values in turn, ended by a NULL name. */
static void append_pairs(struct weir_text *line, enum weir_log_format format,
                         const char *const *pairs)
{
    for (; pairs != NULL && pairs[0] != NULL; pairs += 2) {
        if (pairs[1] == NULL)
            continue;
        append_key(line, format, weir_slice_of(pairs[0]));
        append_value(line, format, (struct weir_slice){pairs[1], value_length(pairs[1], SIZE_MAX)});
    }
}

static void send_line(struct weir_log *log, struct weir_text *line)
{
    weir_text_append_string(line, log->format == WEIR_LOG_JSON ? "}\n" : "\n");
    if (line->failed || !write_line(log->descriptor, line->at, line->length))
        log->dropped++;
}

/* ---- What repeats itself --------------------------------------------------------------------- */

void weir_log_count_repeats(struct weir_log *log)
{
    log->repeats = weir_repeats_new();
}

static void tell(struct weir_log *log, const struct weir_repeats_told *told, int64_t now)
{
    struct weir_text line = {0};
    bool json = log->format == WEIR_LOG_JSON;
    begin_line(&line, log, (enum weir_log_level)told->level, 0);
    if (told->flood) {
        append_event(&line, log, "log.flood");
        append_key(&line, log->format, weir_slice_of("of"));
        append_value(&line, log->format, weir_slice_of(told->event));
    } else {
        weir_text_append(&line, told->text, told->length);
    }
    append_key(&line, log->format, weir_slice_of(told->flood ? "count" : "repeated"));
    weir_text_format(&line, "%llu", (unsigned long long)told->count);
    append_key(&line, log->format, weir_slice_of("since"));
    weir_text_append_string(&line, json ? "\"" : "");
    append_time(&line, now - told->since_ms);
    weir_text_append_string(&line, json ? "\"" : "");
    send_line(log, &line);
    weir_text_close(&line);
}

static void tell_due(struct weir_log *log, bool all)
{
    struct weir_repeats_told told;
    int64_t now = log->repeats != NULL ? log->clock_ms() : 0;
    while (log->repeats != NULL && weir_repeats_due(log->repeats, now, all, &told))
        tell(log, &told, now);
}

void weir_log_tell_repeats(struct weir_log *log)
{
    tell_due(log, false);
}

void weir_log_close(struct weir_log *log)
{
    tell_due(log, true);
    weir_repeats_free(log->repeats);
    log->repeats = NULL;
}

/* Whether a line is for the sink. What is due comes before it. */
static bool is_first(struct weir_log *log, enum weir_log_level level, const char *event,
                     const char *text, size_t length)
{
    const struct weir_repeats_line line = {event, text, length, level};
    if (log->repeats == NULL || level < WEIR_LOG_INFO)
        return true;
    if (level == WEIR_LOG_INFO)
        weir_repeats_end(log->repeats, event, log->clock_ms());
    tell_due(log, false);
    return level == WEIR_LOG_INFO || weir_repeats_first(log->repeats, &line, log->clock_ms());
}

/* ---- Lines ----------------------------------------------------------------------------------- */

void weir_log_write(struct weir_log *log, enum weir_log_level level, const char *event,
                    const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    weir_log_write_list(log, level, event, NULL, format, arguments);
    va_end(arguments);
}

void weir_log_write_list(struct weir_log *log, enum weir_log_level level, const char *event,
                         const char *const *pairs, const char *format, va_list arguments)
{
    if (level < log->level)
        return;
    int errno_before = errno; /* logging happens between a failure and the look at its reason */
    struct weir_text line = {0};
    begin_line(&line, log, level, 0);
    size_t head = line.length;
    append_event(&line, log, event);
    struct fields fields = {.at = format != NULL ? format : "", .format = log->format};
    va_copy(fields.arguments, arguments);
    append_fields(&line, &fields);
    va_end(fields.arguments);
    append_pairs(&line, log->format, pairs);
    if (line.failed)
        log->dropped++;
    else if (is_first(log, level, event, line.at + head, line.length - head))
        send_line(log, &line);
    weir_text_close(&line);
    errno = errno_before;
}
