/* Tests whose cases are folders below tests/cases. */
#ifndef TEST_SAGA_CASES_H
#define TEST_SAGA_CASES_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define CASE_FILE_MAX (512 * 1024)

/* The folder: below WEIR_ROOT, or else below the nearest folder upward that has it. */
static inline void find_cases(const char *cases, char *path, size_t size)
{
    struct stat found;
    const char *root = getenv("WEIR_ROOT");
    char up[64] = "";
    if (root != NULL) {
        snprintf(path, size, "%s/%s", root, cases);
        return;
    }
    do {
        snprintf(path, size, "%s%s", up, cases);
        strcat(up, "../");
    } while (stat(path, &found) != 0 && strlen(up) + 4 < sizeof up);
}

/* The file's text, to be freed, with a NUL behind it; `length` may be NULL. */
static inline char *case_file(const char *folder, const char *file, size_t *length)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *stream = fopen(path, "rb");
    if (stream == NULL)
        fail_msg("%s is missing", path);
    char *text = calloc(1, CASE_FILE_MAX + 1);
    assert_non_null(text);
    size_t count = fread(text, 1, CASE_FILE_MAX, stream);
    fclose(stream);
    if (length != NULL)
        *length = count;
    return text;
}

/* Asks of each case whether it holds; fails unless all do. The number of cases. */
static inline unsigned cases_that_hold(const char *cases, bool (*holds)(const char *folder))
{
    char root[512], folder[800];
    unsigned held = 0, failed = 0;
    find_cases(cases, root, sizeof root);
    DIR *directory = opendir(root);
    if (directory == NULL)
        fail_msg("no folder %s", root);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(folder, sizeof folder, "%s/%s", root, entry->d_name);
        if (holds(folder))
            held++;
        else
            failed++;
    }
    closedir(directory);
    assert_int_equal(failed, 0);
    return held;
}

#endif
