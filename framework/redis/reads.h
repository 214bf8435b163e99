/* Commands that change nothing: where their answer is lost, nothing has been done. */
#ifndef WEIR_REDIS_READS_H
#define WEIR_REDIS_READS_H

#include <stdbool.h>

/* Of those that weir sends; one that it does not know may change something. */
bool weir_command_reads(const char *command);

#endif
