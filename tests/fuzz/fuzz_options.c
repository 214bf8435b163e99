/* Command lines: any words give settings within the table's limits, or a sentence. */
#include "base/options.h"
#include "fuzz/bytes.h"

#define WORDS_MAX 24

static const char *const levels[] = {"debug", "info", "warning", NULL};

struct settings {
    bool quiet;
    const char *url, *wait;
    int64_t count, pause;
    int level;
    struct weir_texts from;
};

static const struct weir_option table[] = {
    {.name = "quiet",
     .letter = 'q',
     .kind = WEIR_OPTION_FLAG,
     .offset = offsetof(struct settings, quiet),
     .help = "say less"},
    {.name = "url",
     .letter = 'u',
     .kind = WEIR_OPTION_TEXT,
     .initial = "redis://",
     .offset = offsetof(struct settings, url),
     .value_name = "URL",
     .help = "where"},
    {.name = "count",
     .letter = 'c',
     .kind = WEIR_OPTION_INTEGER,
     .initial = "1",
     .minimum = -5,
     .maximum = 100,
     .offset = offsetof(struct settings, count),
     .value_name = "N",
     .help = "how many"},
    {.name = "pause",
     .kind = WEIR_OPTION_DURATION,
     .initial = "30s",
     .minimum = 10,
     .maximum = 86400000,
     .offset = offsetof(struct settings, pause),
     .value_name = "TIME",
     .help = "how long",
     .optional_value = true,
     .bare = "1s"},
    {.name = "level",
     .letter = 'l',
     .kind = WEIR_OPTION_CHOICE,
     .initial = "info",
     .choices = levels,
     .offset = offsetof(struct settings, level),
     .help = "how loud"},
    {.name = "wait",
     .kind = WEIR_OPTION_TEXT,
     .optional_value = true,
     .bare = "",
     .offset = offsetof(struct settings, wait),
     .help = "wait"},
    {.name = "from",
     .letter = 'f',
     .kind = WEIR_OPTION_TEXTS,
     .offset = offsetof(struct settings, from),
     .help = "several"},
    {0},
};

static bool is_among(const char *word, char *const *words, int count)
{
    for (int i = 0; i < count; i++)
        if (words[i] == word)
            return true;
    return false;
}

/* Operands are words of the line, each once, in front and in their order. */
static void check_operands(char **argv, char *const *words, int argc, int operands)
{
    int last = 0;
    HOLDS(operands >= 0 && operands < argc);
    for (int i = 1; i <= operands; i++) {
        int place = 1;
        while (place < argc && words[place] != argv[i])
            place++;
        HOLDS(place < argc && place > last);
        last = place;
    }
    for (int i = 1; i < argc; i++)
        HOLDS(is_among(argv[i], words, argc));
}

static void check_settings(const struct settings *settings)
{
    HOLDS(settings->count >= -5 && settings->count <= 100);
    HOLDS(settings->pause >= 10 && settings->pause <= 86400000);
    HOLDS(settings->level >= 0 && settings->level < 3 && settings->url != NULL);
    HOLDS(settings->from.count <= WEIR_TEXTS_MAX);
    for (size_t i = 0; i < settings->from.count; i++)
        HOLDS(settings->from.at[i] != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = {data, size};
    char *words[WORDS_MAX + 1] = {copy_bytes("program", 7)}, *argv[WORDS_MAX + 1];
    struct settings settings;
    struct weir_error error = {0};
    int argc = 1, operands = 0;
    memset(&settings, 0xee, sizeof settings);
    while (argc < WORDS_MAX && bytes.left > 0) {
        const uint8_t *end = memchr(bytes.at, '\n', bytes.left);
        size_t length = end == NULL ? bytes.left : (size_t)(end - bytes.at);
        words[argc++] = copy_bytes(bytes.at, length);
        length += end != NULL;
        bytes.at += length;
        bytes.left -= length;
    }
    memcpy(argv, words, sizeof argv);
    if (weir_options_parse(table, &settings, argc, argv, &operands, &error) == WEIR_OK) {
        check_operands(argv, words, argc, operands);
        check_settings(&settings);
    } else {
        check_sentence(&error);
    }
    for (int i = 0; i < argc; i++)
        free(words[i]);
    return 0;
}
