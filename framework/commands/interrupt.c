/* Notes a Ctrl-C, and pauses that it ends. */
#include "commands/interrupt.h"

#include <signal.h>
#include <time.h>

#include "commands/output.h"

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

void weir_interrupt_catch(void)
{
    if (weir_output_remote())
        return;
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
}

bool weir_interrupted(void)
{
    return interrupted != 0;
}

void weir_pause_ms(int64_t ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}
