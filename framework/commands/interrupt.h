/* Ctrl-C while something is waited for. */
#ifndef WEIR_COMMANDS_INTERRUPT_H
#define WEIR_COMMANDS_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

/* From here on a first Ctrl-C is only noted; a second ends the program at once, should the server
 * keep us waiting. */
void weir_interrupt_catch(void);
bool weir_interrupted(void);

/* Waits so long; a signal ends the pause, which is what it is for. */
void weir_pause_ms(int64_t ms);

#endif
