/* Runs one fuzzer over its corpus, as an ordinary test: each file is an input that once reached
 * something new, or once was a finding. An input that breaks a rule ends the program; the last file
 * that was named is the one. */
#include "fuzz/bytes.h"
#include "unit/saga/cases.h"

#define PATH_ROOM 4096
#define INPUT_MAX (1 << 20)

/* Where there is something to be made ready once, as libFuzzer would call it. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

static char folder[PATH_ROOM];

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void run_file(const char *name)
{
    char path[2 * PATH_ROOM];
    uint8_t *input = malloc(INPUT_MAX), *exact;
    assert_non_null(input);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t size = fread(input, 1, INPUT_MAX, file);
    fclose(file);
    exact = (uint8_t *)copy_bytes(input, size);
    free(input);
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static void every_input_keeps_the_rules(void **state)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_visible, alphasort);
    (void)state;
    if (count < 5)
        fail_msg("the corpus %s is missing", folder);
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 0; i < count; i++) {
        run_file(entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    print_message("%d inputs\n", count);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_input_keeps_the_rules)};
    const char *name = strrchr(argv[0], '/');
    char corpus[256];
    snprintf(corpus, sizeof corpus, "tests/fuzz/corpus/%s", name == NULL ? argv[0] : name + 1);
    find_cases(corpus, folder, sizeof folder);
    if (LLVMFuzzerInitialize != NULL)
        LLVMFuzzerInitialize(&argc, &argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
