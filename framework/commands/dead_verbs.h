/* What weir dead does to letters. */
#ifndef WEIR_COMMANDS_DEAD_VERBS_H
#define WEIR_COMMANDS_DEAD_VERBS_H

#include "base/text.h"
#include "commands/command.h"

/* Puts the messages of the letters back, or drops the letters: those named, or with `count` 0 those
 * that the settings' filter chooses, the oldest first. Connected; returns the exit code. */
int weir_dead_replay(struct weir_session *session, const char *service, int count, char **ids);
int weir_dead_drop(struct weir_session *session, const char *service, int count, char **ids);

/* The ids of the letters that the settings' filter chooses, the oldest first; new. NULL after the
 * sentence, with the code. */
json_t *weir_dead_choose(struct weir_session *session, const char *key, int *code);

/* The data of the only letter as the user has mended it in an editor ($VISUAL, $EDITOR, vi): a JSON
 * object. WEIR_EXIT_FINE, or the code after the sentence; `out` is closed by the caller in any
 * case.
 */
WEIR_CHECKED int weir_dead_edit(const char *data, size_t length, struct weir_text *out);

#endif
