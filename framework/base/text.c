/* The growing text, strict parsing of numbers, and the grammar of names and ids. */
#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_NAME_LIMIT 128
#define NAME_LIMIT 64
#define ID_LIMIT 128
#define DURATION_LIMIT_MS (INT64_C(10) * 365 * 24 * 60 * 60 * 1000)

struct weir_slice weir_slice_of(const char *text)
{
    return (struct weir_slice){text, text != NULL ? strlen(text) : 0};
}

bool weir_slice_equals(struct weir_slice slice, const char *text)
{
    return slice.length == strlen(text) &&
           (slice.length == 0 || memcmp(slice.at, text, slice.length) == 0);
}

/* Makes room for `more` bytes and the NUL behind them; false, and `failed` set, where it cannot. */
static bool reserve(struct weir_text *text, size_t more)
{
    if (text->failed)
        return false;
    if (more < text->capacity - text->length)
        return true;
    if (more >= SIZE_MAX - text->length) {
        text->failed = true;
        return false;
    }
    size_t needed = text->length + more + 1;
    size_t capacity = text->capacity < 64 ? 64 : text->capacity;
    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    char *at = realloc(text->at, capacity);
    if (at == NULL) {
        text->failed = true;
        return false;
    }
    text->at = at;
    text->capacity = capacity;
    return true;
}

void weir_text_append(struct weir_text *text, const char *bytes, size_t length)
{
    if (length == 0 || !reserve(text, length))
        return;
    memcpy(text->at + text->length, bytes, length);
    text->length += length;
    text->at[text->length] = '\0';
}

void weir_text_append_string(struct weir_text *text, const char *string)
{
    weir_text_append(text, string, strlen(string));
}

void weir_text_format(struct weir_text *text, const char *format, ...)
{
    va_list arguments;
    va_list again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    if (length < 0) {
        text->failed = true;
    } else if (length > 0 && reserve(text, (size_t)length)) {
        (void)vsnprintf(text->at + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
    va_end(arguments);
}

void weir_text_clear(struct weir_text *text)
{
    text->length = 0;
    text->failed = false;
    if (text->at != NULL)
        text->at[0] = '\0';
}

void weir_text_close(struct weir_text *text)
{
    free(text->at);
    *text = (struct weir_text){0};
}

const char *weir_find_login(const char *text)
{
    static const char *const schemes[] = {"redis://", "rediss://", "unix://", "sentinel://"};
    const char *found = NULL;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        const char *at = strstr(text, schemes[i]);
        if (at != NULL && (found == NULL || at + strlen(schemes[i]) < found))
            found = at + strlen(schemes[i]);
    }
    return found;
}

/* The last '@' of the word that begins here: up to a blank or quote; where there is none in it, and
 * it stands in quotes, up to the last such quote. NULL: there is none. */
static char *end_of_login(const char *sentence, char *login)
{
    char quote = '\0', *end = NULL, *last;
    for (char *at = login; *at != '\0' && strchr(" \t'\"", *at) == NULL; at++)
        end = *at == '@' ? at : end;
    for (const char *at = sentence; end == NULL && at < login; at++)
        if (*at == '\'' || *at == '"')
            quote = quote == '\0' ? *at : *at == quote ? '\0' : quote;
    last = quote != '\0' ? strrchr(login, quote) : NULL;
    for (char *at = login; last != NULL && at < last; at++)
        end = *at == '@' ? at : end;
    return end;
}

void weir_hide_login(char *sentence, bool cut)
{
    /* As weir's own sentences describe it. */
    static const char form[] = "user:password@", short_form[] = ":password@";
    const char *found, *from = sentence;
    while ((found = weir_find_login(from)) != NULL) {
        char *login = sentence + (found - sentence), *end = end_of_login(sentence, login);
        if (end != NULL && strncmp(login, form, sizeof form - 1) != 0 &&
            strncmp(login, short_form, sizeof short_form - 1) != 0)
            memmove(login, end, strlen(end) + 1);
        else if (end == NULL && cut && strpbrk(login, " '\"") == NULL)
            *login = '\0';
        from = login;
    }
}

void weir_copy(char *room, size_t size, const char *text)
{
    size_t length = strlen(text);
    length = length < size ? length : size - 1;
    memcpy(room, text, length);
    room[length] = '\0';
}

size_t weir_digits(int64_t number, char *room)
{
    char reversed[WEIR_DIGITS_MAX];
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
    size_t count = 0, length = 0;
    do
        reversed[count++] = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (number < 0)
        room[length++] = '-';
    while (count > 0)
        room[length++] = reversed[--count];
    room[length] = '\0';
    return length;
}

/* Well-formed UTF-8 by the first byte (Unicode, table 3-7): overlong forms, surrogates and what
 * is over U+10FFFF are kept out by the range of the second byte alone. */
static const struct {
    unsigned char first, last, length, second_from, second_to;
} utf8_forms[] = {
    {0x00, 0x7F, 1, 0x00, 0x00}, {0xC2, 0xDF, 2, 0x80, 0xBF}, {0xE0, 0xE0, 3, 0xA0, 0xBF},
    {0xE1, 0xEC, 3, 0x80, 0xBF}, {0xED, 0xED, 3, 0x80, 0x9F}, {0xEE, 0xEF, 3, 0x80, 0xBF},
    {0xF0, 0xF0, 4, 0x90, 0xBF}, {0xF1, 0xF3, 4, 0x80, 0xBF}, {0xF4, 0xF4, 4, 0x80, 0x8F},
};

/* The number of bytes of the character at `at`, or 0 where none is well-formed there. */
static size_t utf8_length(const unsigned char *at, size_t left)
{
    size_t form = 0;
    while (form < sizeof utf8_forms / sizeof utf8_forms[0] && at[0] > utf8_forms[form].last)
        form++;
    if (form == sizeof utf8_forms / sizeof utf8_forms[0] || at[0] < utf8_forms[form].first)
        return 0;
    size_t length = utf8_forms[form].length;
    if (length > left)
        return 0;
    if (length > 1 && (at[1] < utf8_forms[form].second_from || at[1] > utf8_forms[form].second_to))
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

bool weir_utf8_valid(const char *bytes, size_t length)
{
    const unsigned char *at = (const unsigned char *)bytes;
    size_t done = 0;
    while (done < length) {
        size_t step = utf8_length(at + done, length - done);
        if (step == 0)
            return false;
        done += step;
    }
    return true;
}

/* Beyond what JSON demands: DEL, U+0080 … U+009F, U+2028 and U+2029, which terminals and some
 * readers take for commands or line ends. Escaped they mean the same. */
static bool needs_escape(const unsigned char *at, size_t length)
{
    switch (length) {
    case 0:
        return true;
    case 1:
        return at[0] < 0x20 || at[0] == 0x7F || at[0] == '"' || at[0] == '\\';
    case 2:
        return at[0] == 0xC2 && at[1] < 0xA0;
    case 3:
        return at[0] == 0xE2 && at[1] == 0x80 && (at[2] == 0xA8 || at[2] == 0xA9);
    default:
        return false;
    }
}

static unsigned code_point(const unsigned char *at, size_t length)
{
    switch (length) {
    case 0:
        return 0xFFFD;
    case 1:
        return at[0];
    case 2:
        return (at[0] & 0x1Fu) << 6 | (at[1] & 0x3Fu);
    default: /* three: no longer character needs an escape */
        return (at[0] & 0x0Fu) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
    }
}

static void append_escape(struct weir_text *text, unsigned code)
{
    static const char named[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    const char *place = code > 0 && code < 0x80 ? strchr(named, (int)code) : NULL;
    if (place != NULL)
        weir_text_format(text, "\\%c", letters[place - named]);
    else
        weir_text_format(text, "\\u%04x", code);
}

void weir_text_append_json(struct weir_text *text, const char *bytes, size_t length)
{
    const unsigned char *at = (const unsigned char *)bytes;
    size_t done = 0;
    size_t plain_from = 0;
    weir_text_append(text, "\"", 1);
    while (done < length) {
        size_t step = utf8_length(at + done, length - done);
        size_t used = step > 0 ? step : 1;
        if (needs_escape(at + done, step)) {
            weir_text_append(text, bytes + plain_from, done - plain_from);
            append_escape(text, code_point(at + done, step));
            plain_from = done + used;
        }
        done += used;
    }
    if (length > plain_from)
        weir_text_append(text, bytes + plain_from, length - plain_from);
    weir_text_append(text, "\"", 1);
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* 1 to 19 digits without a leading zero; 19 digits always fit into 64 bits without a sign. */
static bool parse_digits(const char *digits, size_t length, uint64_t *out)
{
    if (length < 1 || length > 19 || (digits[0] == '0' && length > 1))
        return false;
    uint64_t number = 0;
    for (size_t i = 0; i < length; i++) {
        if (!is_digit(digits[i]))
            return false;
        number = number * 10 + (uint64_t)(digits[i] - '0');
    }
    *out = number;
    return true;
}

bool weir_parse_integer(const char *bytes, size_t length, int64_t *out)
{
    bool negative = length > 0 && bytes[0] == '-';
    uint64_t number = 0;
    if (!parse_digits(negative ? bytes + 1 : bytes, length - negative, &number))
        return false;
    if (negative && number == 0)
        return false;
    if (number > (uint64_t)INT64_MAX + negative)
        return false;
    if (number > INT64_MAX)
        *out = INT64_MIN;
    else
        *out = negative ? -(int64_t)number : (int64_t)number;
    return true;
}

bool weir_parse_duration_ms(const char *text, int64_t *out)
{
    static const struct {
        const char *suffix;
        int64_t ms;
    } units[] = {{"", 1},          {"ms", 1},          {"s", 1000},
                 {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000}};
    size_t digits = strspn(text, "0123456789");
    int64_t number = 0;
    if (!weir_parse_integer(text, digits, &number))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(text + digits, units[i].suffix) != 0)
            continue;
        if (number > DURATION_LIMIT_MS / units[i].ms)
            return false;
        *out = number * units[i].ms;
        return true;
    }
    return false;
}

/* Written out, because isalpha() follows the locale and the grammar does not. */
static bool is_letter(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool word_valid(const char *bytes, size_t length, size_t limit, const char *punctuation)
{
    if (length < 1 || length > limit || !is_letter(bytes[0]))
        return false;
    for (size_t i = 1; i < length; i++)
        if (!is_letter(bytes[i]) && !is_digit(bytes[i]) &&
            (bytes[i] == '\0' || strchr(punctuation, bytes[i]) == NULL))
            return false;
    return true;
}

bool weir_type_name_valid(const char *bytes, size_t length)
{
    return word_valid(bytes, length, TYPE_NAME_LIMIT, "._-");
}

bool weir_name_valid(const char *bytes, size_t length)
{
    return word_valid(bytes, length, NAME_LIMIT, "_-");
}

bool weir_id_valid(const char *bytes, size_t length)
{
    if (length < 1 || length > ID_LIMIT)
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte <= ' ' || byte == 0x7F || strchr("{}/\"\\", byte) != NULL)
            return false;
    }
    return true;
}
