/* Reads a header as it is laid out, and prints its comments as prose and its code as code. */
#include "man/header_page.h"

#include <stdlib.h>
#include <string.h>

#include "man/roff.h"

#define SIZE_LIMIT (1024 * 1024)

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = file != NULL ? calloc(1, SIZE_LIMIT + 1) : NULL;
    if (text != NULL && fread(text, 1, SIZE_LIMIT, file) == 0) {
        free(text);
        text = NULL;
    }
    if (file != NULL)
        fclose(file);
    return text;
}

/* The next line, without its end; moves on. */
static const char *next_line(const char **at, size_t *length)
{
    const char *line = *at;
    *length = strcspn(line, "\n");
    *at += *length + (line[*length] != '\0');
    return line;
}

static bool begins(const char *line, const char *words)
{
    return strncmp(line, words, strlen(words)) == 0;
}

/* ---- Comments ----------------------------------------------------------------------------------
 */

/* Without its frame. To be freed. */
static char *bare_comment(const char *text, size_t length)
{
    char *bare = calloc(1, length + 1);
    size_t used = 0;
    const char *end = text + length;
    while (bare != NULL && text < end) {
        size_t size = strcspn(text, "\n");
        const char *line = text;
        size_t left = size;
        if (begins(line, " */")) {
            left = 0;
        } else if (begins(line, "/*") || begins(line, " *")) {
            line += 2, left -= 2;
            if (left > 0 && *line == ' ')
                line++, left--;
        }
        while (left >= 2 && memcmp(line + left - 2, "*/", 2) == 0)
            left -= 2;
        while (left > 0 && line[left - 1] == ' ')
            left--;
        memcpy(bare + used, line, left);
        used += left;
        bare[used++] = '\n';
        text += size + 1;
    }
    return bare;
}

/* Paragraphs are divided by empty lines; indented ones are examples. `follows`: something stands
 * before it, so that the first needs a distance, too. */
static void print_comment(FILE *out, const char *text, size_t length, bool follows)
{
    char *bare = bare_comment(text, length);
    const char *at = bare;
    while (at != NULL && *at != '\0') {
        const char *end = at;
        bool example = begins(at, "    ");
        while (*end != '\0' && *end != '\n' && begins(end, "    ") == example)
            end += strcspn(end, "\n") + 1;
        while (example && *end == '\n' && begins(end + 1, "    "))
            for (end++; begins(end, "    ");)
                end += strcspn(end, "\n") + 1;
        if (end > at && example) {
            roff_literal(out, at, (size_t)(end - at) - 1);
        } else if (end > at) {
            fputs(follows ? ".Pp\n" : "", out);
            roff_prose(out, at, (size_t)(end - at));
        }
        follows = follows || end > at;
        while (*end == '\n')
            end++;
        at = end;
    }
    free(bare);
}

/* The length of a comment that begins here, with the end of its last line. */
static size_t comment_length(const char *text)
{
    const char *end = strstr(text, "*/");
    return end != NULL ? (size_t)(end - text) + strcspn(end, "\n") + 1 : strlen(text);
}

/* "/" "* ---- Services ---- *" "/" */
static void print_section(FILE *out, const char *line, size_t length)
{
    size_t left = strcspn(line, "-");
    left += strspn(line + left, "- ");
    while (length > left && strchr("-*/ ", line[length - 1]) != NULL)
        length--;
    fprintf(out, ".Ss %.*s\n", (int)(length - left), line + left);
}

/* ---- The whole ---------------------------------------------------------------------------------
 */

/* What is for the compiler alone. */
static bool is_frame(const char *line)
{
    return begins(line, "#ifndef WEIR_H") || begins(line, "#define WEIR_H\n") ||
           begins(line, "#include") || begins(line, "#endif") || begins(line, "#ifdef __cpl") ||
           begins(line, "extern \"C\"") || begins(line, "}\n");
}

/* The declarations up to the next empty line, with what is said of them behind. */
static const char *print_block(FILE *out, const char *at, bool follows)
{
    const char *comment = begins(at, "/*") ? at : NULL;
    size_t said = comment != NULL ? comment_length(comment) : 0, length;
    const char *code = at + said, *end = code;
    while (*end != '\0' && *end != '\n') {
        const char *line = next_line(&end, &length);
        if (length == 0)
            break;
        (void)line;
    }
    if (end > code)
        roff_literal(out, code, (size_t)(end - code) - 1);
    if (comment != NULL)
        print_comment(out, comment, said, follows || end > code);
    return end;
}

bool header_page(FILE *out, const char *path)
{
    char *text = read_file(path);
    const char *at = text;
    bool follows = true;
    size_t length;
    if (text == NULL)
        return false;
    if (begins(at, "/*")) {
        size_t said = comment_length(at);
        print_comment(out, at, said, false);
        at += said;
    }
    while (*at != '\0') {
        const char *line = at, *behind = at;
        (void)next_line(&behind, &length);
        if (length == 0 || is_frame(line)) {
            if (begins(line, "extern \"C\"")) /* and its closing brace has a line of its own */
                at = behind;
            at = behind;
        } else if (begins(line, "/* ----")) {
            print_section(out, line, length);
            follows = false;
            at = behind;
        } else {
            at = print_block(out, at, follows);
            follows = true;
        }
    }
    free(text);
    return true;
}
