/* Reads the option table of a program: parsing, checks, error sentences and the help text. */
#include "base/options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* How much of a value an error sentence repeats, so that room for what is allowed is left. */
#define SHOWN_LIMIT 64

/* Off, then on. Only the environment and defaults spell these out. */
static const char *const flag_words[] = {"0", "false", "no", "off", "1", "true", "yes", "on", NULL};
#define FIRST_ON_WORD 4
#define ROOM_LEAST 24 /* columns of a help, however narrow the terminal is */

/* Where a value came from, as an error sentence names it. */
struct origin {
    const char *prefix;
    const char *name;
};

/* A run over the command line. */
struct walk {
    const struct weir_option *table;
    int argc;
    char **argv;
    int next;
    bool ended; /* "--" has been seen */
    struct weir_error *error;
    enum weir_status status;
};

/* What the walk has found: a flag with its value, or an operand where `option` is NULL. */
struct argument {
    const struct weir_option *option;
    const char *value;
};

/* The settings struct is the caller's own; the member's type is what the kind says. */
static void store(void *settings, const struct weir_option *option, const void *value, size_t size)
{
    memcpy((char *)settings + option->offset, value, size);
}

static int find_word(const char *const *words, const char *word)
{
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}

static void append_words(struct weir_text *out, const char *const *words, const char *separator)
{
    for (int i = 0; words[i] != NULL; i++)
        weir_text_format(out, "%s%s", i > 0 ? separator : "", words[i]);
}

/* In the largest unit that divides it, the way a person would write it. */
static void append_duration(struct weir_text *out, int64_t ms)
{
    static const struct {
        const char *suffix;
        int64_t ms;
    } units[] = {{"d", 24 * 3600 * 1000}, {"h", 3600 * 1000}, {"m", 60 * 1000}, {"s", 1000}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (ms != 0 && ms % units[i].ms == 0) {
            weir_text_format(out, "%" PRId64 "%s", ms / units[i].ms, units[i].suffix);
            return;
        }
    }
    weir_text_format(out, "%" PRId64 "ms", ms);
}

/* What the option accepts, as the end of a sentence. */
static void append_allowed(struct weir_text *out, const struct weir_option *option)
{
    switch (option->kind) {
    case WEIR_OPTION_FLAG:
        weir_text_append_string(out, "one of ");
        append_words(out, flag_words, ", ");
        break;
    case WEIR_OPTION_TEXT:
        weir_text_append_string(out, "a text");
        break;
    case WEIR_OPTION_INTEGER:
        weir_text_format(out, "a whole number from %" PRId64 " to %" PRId64, option->minimum,
                         option->maximum);
        break;
    case WEIR_OPTION_DURATION:
        weir_text_format(out, "a length of time (a number with ms, s, m, h or d%s) from ",
                         option->unit_needed ? "" : "; alone it is ms");
        append_duration(out, option->minimum);
        weir_text_append_string(out, " to ");
        append_duration(out, option->maximum);
        break;
    case WEIR_OPTION_CHOICE:
        weir_text_append_string(out, "one of ");
        append_words(out, option->choices, ", ");
        break;
    case WEIR_OPTION_TEXTS:
        weir_text_format(out, "one of at most %d texts", WEIR_TEXTS_MAX);
        break;
    }
}

static const char *text_or(const struct weir_text *text, const char *otherwise)
{
    return text->at != NULL ? text->at : otherwise;
}

/* As many bytes of a value as an error shows, ending with a whole UTF-8 character. */
static int shown_length(const char *value)
{
    size_t length = strnlen(value, SHOWN_LIMIT + 1);
    const char *login = weir_find_login(value);
    if (login != NULL && login - value < SHOWN_LIMIT) /* cut, it would not be known for one */
        return (int)(login - value);
    if (length > SHOWN_LIMIT) {
        length = SHOWN_LIMIT;
        while (length > SHOWN_LIMIT - 3 && ((unsigned char)value[length] & 0xC0) == 0x80)
            length--;
    }
    return (int)length;
}

static enum weir_status reject(const struct weir_option *option, struct origin origin,
                               const char *value, struct weir_error *error)
{
    struct weir_text allowed = {0};
    append_allowed(&allowed, option);
    enum weir_status status =
        weir_error_set(error, WEIR_INVALID, "%s%s: \"%.*s\" is not %s", origin.prefix, origin.name,
                       shown_length(value), value, text_or(&allowed, "allowed"));
    weir_text_close(&allowed);
    return status;
}

static enum weir_status reject_missing(const struct weir_option *option, struct weir_error *error)
{
    struct weir_text allowed = {0};
    append_allowed(&allowed, option);
    enum weir_status status =
        weir_error_set(error, WEIR_INVALID, "--%s: the value is missing; it must be %s",
                       option->name, text_or(&allowed, "given"));
    weir_text_close(&allowed);
    return status;
}

/* NULL, false, 0 or the first choice. */
static void assign_nothing(const struct weir_option *option, void *settings)
{
    switch (option->kind) {
    case WEIR_OPTION_FLAG:
        store(settings, option, &(bool){false}, sizeof(bool));
        break;
    case WEIR_OPTION_TEXT:
        store(settings, option, &(const char *){NULL}, sizeof(const char *));
        break;
    case WEIR_OPTION_INTEGER:
    case WEIR_OPTION_DURATION:
        store(settings, option, &(int64_t){0}, sizeof(int64_t));
        break;
    case WEIR_OPTION_CHOICE:
        store(settings, option, &(int){0}, sizeof(int));
        break;
    case WEIR_OPTION_TEXTS:
        store(settings, option, &(struct weir_texts){0}, sizeof(struct weir_texts));
        break;
    }
}

static bool append_text(const struct weir_option *option, void *settings, const char *value)
{
    struct weir_texts texts;
    memcpy(&texts, (const char *)settings + option->offset, sizeof texts);
    if (texts.count == WEIR_TEXTS_MAX)
        return false;
    texts.at[texts.count++] = value;
    store(settings, option, &texts, sizeof texts);
    return true;
}

static bool assign_word(const struct weir_option *option, void *settings, const char *value)
{
    bool flag = option->kind == WEIR_OPTION_FLAG;
    int place = find_word(flag ? flag_words : option->choices, value);
    if (place < 0)
        return false;
    if (flag)
        store(settings, option, &(bool){place >= FIRST_ON_WORD}, sizeof(bool));
    else
        store(settings, option, &place, sizeof place);
    return true;
}

static bool has_unit(const char *value)
{
    return value[strspn(value, "0123456789")] != '\0';
}

static bool assign_number(const struct weir_option *option, void *settings, const char *value)
{
    int64_t number = 0;
    bool parsed = option->kind == WEIR_OPTION_DURATION
                      ? weir_parse_duration_ms(value, &number)
                      : weir_parse_integer(value, strlen(value), &number);
    if (!parsed || number < option->minimum || number > option->maximum ||
        (option->unit_needed && !has_unit(value)))
        return false;
    store(settings, option, &number, sizeof number);
    return true;
}

static enum weir_status assign(const struct weir_option *option, void *settings, const char *value,
                               struct origin origin, struct weir_error *error)
{
    bool accepted = true;
    if (value == NULL)
        assign_nothing(option, settings);
    else if (option->kind == WEIR_OPTION_TEXT)
        store(settings, option, &value, sizeof value);
    else if (option->kind == WEIR_OPTION_TEXTS)
        accepted = append_text(option, settings, value);
    else if (option->kind == WEIR_OPTION_FLAG || option->kind == WEIR_OPTION_CHOICE)
        accepted = assign_word(option, settings, value);
    else
        accepted = assign_number(option, settings, value);
    return accepted ? WEIR_OK : reject(option, origin, value, error);
}

static const struct weir_option *find_long(const struct weir_option *table, struct weir_slice name)
{
    for (; table->name != NULL; table++)
        if (weir_slice_equals(name, table->name))
            return table;
    return NULL;
}

static const struct weir_option *find_short(const struct weir_option *table, char letter)
{
    for (; table->name != NULL; table++)
        if (table->letter == letter)
            return table;
    return NULL;
}

/* Finds the value of the flag just read: behind its '=', its bare one, or the next word. */
static bool take_value(struct walk *walk, struct argument *found, const char *attached)
{
    const struct weir_option *option = found->option;
    if (attached != NULL && option->kind == WEIR_OPTION_FLAG)
        walk->status = weir_error_set(walk->error, WEIR_INVALID,
                                      "--%s: \"%.*s\" is not allowed; the flag takes no value",
                                      option->name, shown_length(attached), attached);
    else if (attached != NULL)
        found->value = attached;
    else if (option->kind == WEIR_OPTION_FLAG)
        found->value = flag_words[FIRST_ON_WORD];
    else if (option->optional_value)
        found->value = option->bare;
    else if (walk->next < walk->argc)
        found->value = walk->argv[walk->next++];
    else
        walk->status = reject_missing(option, walk->error);
    return walk->status == WEIR_OK;
}

static bool take_flag(struct walk *walk, const char *word, struct argument *found)
{
    const char *attached = NULL;
    size_t length = strlen(word);
    if (word[1] == '-') {
        length = strcspn(word, "=");
        found->option = find_long(walk->table, (struct weir_slice){word + 2, length - 2});
        attached = word[length] == '=' ? word + length + 1 : NULL;
    } else if (length == 2) {
        found->option = find_short(walk->table, word[1]);
    }
    if (found->option != NULL)
        return take_value(walk, found, attached);
    int shown = shown_length(word);
    walk->status = weir_error_set(walk->error, WEIR_INVALID, "%.*s: no such flag is known",
                                  (size_t)shown < length ? shown : (int)length, word);
    return false;
}

/* False at the end of the command line and at the first mistake, which `walk->status` tells. */
static bool next_argument(struct walk *walk, struct argument *found)
{
    *found = (struct argument){0};
    if (!walk->ended && walk->next < walk->argc && strcmp(walk->argv[walk->next], "--") == 0) {
        walk->ended = true;
        walk->next++;
    }
    if (walk->next >= walk->argc)
        return false;
    const char *word = walk->argv[walk->next++];
    /* A lone "-" means standard input by custom. */
    if (walk->ended || word[0] != '-' || word[1] == '\0')
        return true;
    return take_flag(walk, word, found);
}

static bool is_given(const struct weir_option *table, const struct weir_option *option, int argc,
                     char **argv)
{
    struct walk walk = {.table = table, .argc = argc, .argv = argv, .next = 1};
    struct argument found;
    while (next_argument(&walk, &found))
        if (found.option == option)
            return true;
    return false;
}

static enum weir_status read_default(const struct weir_option *option, void *settings,
                                     struct weir_error *error)
{
    struct origin origin = {"default of --", option->name};
    return assign(option, settings, option->initial, origin, error);
}

/* A variable set to nothing counts as not set, as compose files and unit files leave it so. */
static enum weir_status read_environment(const struct weir_option *option, void *settings,
                                         struct weir_error *error)
{
    const char *value = option->environment != NULL ? getenv(option->environment) : NULL;
    if (value == NULL || value[0] == '\0')
        return WEIR_OK;
    return assign(option, settings, value, (struct origin){"", option->environment}, error);
}

/* The words between move back by one, so that no word of the command line is lost. */
static void move_forward(char **argv, int from, int to)
{
    char *word = argv[from];
    memmove(&argv[to + 1], &argv[to], (size_t)(from - to) * sizeof argv[0]);
    argv[to] = word;
}

static enum weir_status read_flags(struct walk *walk, void *settings, int *operands)
{
    struct argument found;
    while (walk->status == WEIR_OK && next_argument(walk, &found)) {
        if (found.option == NULL)
            move_forward(walk->argv, walk->next - 1, 1 + (*operands)++);
        else
            walk->status = assign(found.option, settings, found.value,
                                  (struct origin){"--", found.option->name}, walk->error);
    }
    return walk->status;
}

enum weir_status weir_options_parse(const struct weir_option *table, void *settings, int argc,
                                    char **argv, int *operands, struct weir_error *error)
{
    *operands = 0;
    for (const struct weir_option *option = table; option->name != NULL; option++) {
        enum weir_status status = read_default(option, settings, error);
        if (status == WEIR_OK && !is_given(table, option, argc, argv))
            status = read_environment(option, settings, error);
        if (status != WEIR_OK)
            return status;
    }
    struct walk walk = {.table = table, .argc = argc, .argv = argv, .next = 1, .error = error};
    return read_flags(&walk, settings, operands);
}

static void append_value_name(struct weir_text *out, const struct weir_option *option)
{
    if (option->value_name != NULL)
        weir_text_append_string(out, option->value_name);
    else if (option->kind == WEIR_OPTION_CHOICE)
        append_words(out, option->choices, "|");
    else if (option->kind == WEIR_OPTION_INTEGER)
        weir_text_append_string(out, "NUMBER");
    else if (option->kind == WEIR_OPTION_DURATION)
        weir_text_append_string(out, "TIME");
    else
        weir_text_append_string(out, "TEXT");
}

/* "-w, --wait[=TIME]" */
static void append_usage(struct weir_text *out, const struct weir_option *option)
{
    if (option->letter != 0)
        weir_text_format(out, "-%c, --%s", option->letter, option->name);
    else
        weir_text_format(out, "    --%s", option->name);
    if (option->kind == WEIR_OPTION_FLAG)
        return;
    weir_text_append_string(out, option->optional_value ? "[=" : " ");
    append_value_name(out, option);
    if (option->optional_value)
        weir_text_append(out, "]", 1);
}

static size_t usage_width(const struct weir_option *table)
{
    struct weir_text usage = {0};
    size_t width = 0;
    for (; table->name != NULL; table++) {
        weir_text_clear(&usage);
        append_usage(&usage, table);
        if (usage.length > width)
            width = usage.length;
    }
    weir_text_close(&usage);
    return width;
}

/* The help, and where the value comes from if the flag does not give it. */
static void append_about(struct weir_text *out, const struct weir_option *option)
{
    bool initial = option->initial != NULL && option->initial[0] != '\0';
    weir_text_append_string(out, option->help != NULL ? option->help : "");
    if (option->kind == WEIR_OPTION_DURATION && !option->unit_needed)
        weir_text_append_string(out, "; a bare number is ms");
    if (initial)
        weir_text_format(out, " (default: %s", option->initial);
    if (option->environment != NULL)
        weir_text_format(out, "%senvironment: %s", initial ? "; " : " (", option->environment);
    if (initial || option->environment != NULL)
        weir_text_append_string(out, ")");
}

static size_t columns_of(const char *text, size_t length)
{
    size_t columns = 0;
    for (size_t i = 0; i < length; i++)
        columns += ((unsigned char)text[i] & 0xc0) != 0x80;
    return columns;
}

/* The bytes of the words that fit; of one word at the least. */
static size_t fitting(const char *text, size_t columns)
{
    size_t taken = strcspn(text, " ");
    for (size_t next; text[taken] != '\0'; taken = next) {
        next = taken + 1 + strcspn(text + taken + 1, " ");
        if (columns_of(text, next) > columns)
            break;
    }
    return taken;
}

static void print_wrapped(const char *text, size_t indent, size_t columns, FILE *out)
{
    size_t room = columns > indent + ROOM_LEAST ? columns - indent : ROOM_LEAST;
    size_t length = fitting(text, room);
    fprintf(out, "%.*s\n", (int)length, text);
    while (text[length] != '\0') {
        text += length + 1;
        length = fitting(text, room);
        fprintf(out, "%*s%.*s\n", (int)indent, "", (int)length, text);
    }
}

static void print_option(const struct weir_option *option, size_t width, size_t columns, FILE *out)
{
    struct weir_text usage = {0}, about = {0};
    append_usage(&usage, option);
    append_about(&about, option);
    fprintf(out, "  %-*s  ", (int)width, text_or(&usage, option->name));
    print_wrapped(text_or(&about, ""), width + 4, columns, out);
    weir_text_close(&usage);
    weir_text_close(&about);
}

void weir_options_help(const struct weir_option *table, size_t columns, FILE *out)
{
    size_t width = usage_width(table);
    for (; table->name != NULL; table++)
        print_option(table, width, columns, out);
}
