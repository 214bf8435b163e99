/* Lets the user mend a message's data in an editor. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands/dead_verbs.h"
#include "commands/input.h"
#include "commands/output.h"
#include "message/envelope.h"

/* Laid out for reading where it is JSON, else as it is. False where it cannot be written. */
static bool write_data(int file, const char *data, size_t length)
{
    json_t *object = weir_object_parse(data, length, SIZE_MAX, NULL);
    char *text = object ? json_dumps(object, JSON_INDENT(2)) : NULL;
    const char *at = text ? text : data;
    size_t left = text ? strlen(text) : length;
    bool written = true;
    while (written && left > 0) {
        ssize_t step = write(file, at, left);
        written = step > 0;
        at += written ? step : 0;
        left -= written ? (size_t)step : 0;
    }
    free(text);
    json_decref(object);
    return written && write(file, "\n", 1) == 1;
}

/* The editor may be a command with words of its own: the shell splits them, not us. */
static int run_editor(const char *path)
{
    const char *editor = getenv("VISUAL"), *other = getenv("EDITOR");
    char command[1024];
    int status = 0;
    editor = editor && *editor ? editor : other && *other ? other : "vi";
    snprintf(command, sizeof(command), "%s \"$1\"", editor);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", command, "sh", path, (char *)NULL);
        _exit(127);
    }
    if (child < 0)
        return weir_fail(WEIR_EXIT_FAILED, "the editor cannot be started: %s", strerror(errno));
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return weir_fail(WEIR_EXIT_FAILED, "the editor (%s) has failed; nothing was done", editor);
    return WEIR_EXIT_FINE;
}

static bool is_same(const char *data, size_t length, const json_t *edited)
{
    json_t *object = weir_object_parse(data, length, SIZE_MAX, NULL);
    bool same = object && json_equal(object, (json_t *)edited);
    json_decref(object);
    return same;
}

/* What has been edited stays where it is of no use, so that it is not lost. */
static int read_back(const char *path, const char *data, size_t length, struct weir_text *out)
{
    struct weir_error error = {0};
    struct weir_text text = {0};
    json_t *object = NULL;
    int code = WEIR_EXIT_FINE;
    if (weir_input_read(path, WEIR_DATA_MAX_DEFAULT, &text, &error) == WEIR_OK)
        object =
            weir_object_parse(text.at ? text.at : "", text.length, WEIR_DATA_DEPTH_MAX, &error);
    if (!object)
        code = weir_fail(WEIR_EXIT_DATA, "%s; nothing was done, the text is kept: --data @%s",
                         error.text, path);
    else if (is_same(data, length, object))
        code = weir_fail(WEIR_EXIT_FAILED, "the data was left as it is; nothing was done");
    if (object && code == WEIR_EXIT_FINE) {
        char *compact = json_dumps(object, JSON_COMPACT);
        weir_text_append_string(out, compact ? compact : "");
        free(compact);
        if (!out->at || out->failed)
            code = weir_fail(WEIR_EXIT_FAILED, "memory ran out");
    }
    if (object)
        unlink(path);
    json_decref(object);
    weir_text_close(&text);
    return code;
}

int weir_dead_edit(const char *data, size_t length, struct weir_text *out)
{
    char path[512];
    const char *folder = getenv("TMPDIR");
    if (weir_output_remote() || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return weir_fail(WEIR_EXIT_USAGE, "--edit needs a terminal; --data @FILE does not");
    snprintf(path, sizeof(path), "%.480s/weir-letter-XXXXXX", folder && *folder ? folder : "/tmp");
    int file = mkstemp(path); /* for this user alone */
    if (file < 0)
        return weir_fail(WEIR_EXIT_FAILED, "cannot make %s: %s", path, strerror(errno));
    bool written = write_data(file, data, length);
    close(file);
    int code = written ? run_editor(path)
                       : weir_fail(WEIR_EXIT_FAILED, "cannot write %s: %s", path, strerror(errno));
    if (code == WEIR_EXIT_FINE)
        return read_back(path, data, length, out);
    unlink(path);
    return code;
}
