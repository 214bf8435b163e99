/* The shop over HTTP. It holds no state that matters: it may be killed, and several may run. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "door.h"
#include "figures.h"

#define EXIT_USAGE 64
#define EXIT_FAILURE_INSIDE 70
#define EXIT_NO_ADDRESS 71
#define DRAIN_SLACK_MS 3000
#define DRAIN_LOOK_MS 5

/* Waits for a signal that asks for the end. */
static bool asked_to_stop(const sigset_t *signals, int64_t limit_ms)
{
    struct timespec limit = {limit_ms / 1000, limit_ms % 1000 * 1000000};
    return sigtimedwait(signals, NULL, &limit) > 0;
}

/* A file that is there is whole: others look at any time. */
static bool write_file(const char *path, const char *address)
{
    char beside[4096];
    FILE *file;
    bool written;
    snprintf(beside, sizeof beside, "%s.%ld", path, (long)getpid());
    file = fopen(beside, "w");
    if (file == NULL)
        return false;
    written = fprintf(file, "%s\n", address) > 0;
    written = fclose(file) == 0 && written;
    return written && rename(beside, path) == 0;
}

static bool write_address(const struct settings *settings, const char *address, char *why,
                          size_t room)
{
    const char *path = settings->address_file;
    if (path == NULL || write_file(path, address))
        return true;
    snprintf(why, room, "the address cannot be written to its file %s: %s", path, strerror(errno));
    return false;
}

/* No new connections; what is in hand is answered, within its own limit. Asked twice: at once. */
static void drain(struct gateway *gateway, struct door *door, const sigset_t *signals)
{
    int64_t until = request_now() + gateway->settings.wait_ms + DRAIN_SLACK_MS;
    weir_journal_write(gateway->journal, WEIR_INFO, "gateway.stopping", "in_hand=%lld",
                       (long long)atomic_load(&gateway->in_hand));
    atomic_store(&gateway->stopping, true);
    weir_monitor_stop(gateway->monitor);
    door_stop_listening(door);
    while (atomic_load(&gateway->in_hand) > 0 && request_now() < until &&
           !asked_to_stop(signals, DRAIN_LOOK_MS))
        figures_take_in_hand(gateway);
    figures_take_in_hand(gateway);
}

static int serve(struct gateway *gateway, const sigset_t *signals)
{
    char why[512];
    struct door *door = door_open(gateway, why, sizeof why);
    if (door == NULL) {
        weir_journal_write(gateway->journal, WEIR_ERROR, "gateway.failed", "reason=%s", why);
        return EXIT_NO_ADDRESS;
    }
    if (!write_address(&gateway->settings, door_address(door), why, sizeof why)) {
        weir_journal_write(gateway->journal, WEIR_ERROR, "gateway.failed", "reason=%s", why);
        door_close(door);
        return EXIT_FAILURE_INSIDE;
    }
    weir_journal_write(gateway->journal, WEIR_INFO, "gateway.started", "address=%s version=%s",
                       door_address(door), WEIR_VERSION);
    weir_monitor_ready(gateway->monitor);
    while (!asked_to_stop(signals, 1000)) {
        door_sweep(door);
        figures_take_in_hand(gateway);
        weir_journal_tell(gateway->journal);
    }
    drain(gateway, door, signals);
    weir_desk_close(gateway->desk);
    gateway->desk = NULL;
    door_close(door);
    weir_journal_write(gateway->journal, WEIR_INFO, "gateway.stopped", NULL);
    return 0;
}

/* Returns -1, or the exit code: what is wrong has been said. */
static int open_parts(struct gateway *gateway)
{
    const struct settings *settings = &gateway->settings;
    char why[256];
    gateway->journal =
        weir_journal_open("gateway", settings->log_level, settings->log_format, why, sizeof why);
    if (gateway->journal == NULL) {
        weir_journal_complain("gateway", why);
        return EXIT_USAGE;
    }
    gateway->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    gateway->desk = weir_desk_open(settings->redis, settings->prefix,
                                   2 * (size_t)settings->most_requests + 200, why, sizeof why);
    if (gateway->desk == NULL || gateway->wake < 0) {
        weir_journal_complain("gateway", gateway->wake < 0 ? "no descriptors are left" : why);
        return EXIT_USAGE;
    }
    gateway->monitor = weir_monitor_open("gateway", settings->metrics, gateway->desk,
                                         gateway->journal, why, sizeof why);
    if (gateway->monitor != NULL)
        return -1;
    weir_journal_write(gateway->journal, WEIR_ERROR, "gateway.failed", "option=%s reason=%s",
                       settings->metrics != NULL ? "--metrics" : NULL, why);
    return settings->metrics != NULL ? EXIT_NO_ADDRESS : EXIT_FAILURE_INSIDE;
}

int main(int argc, char **argv)
{
    static struct gateway gateway;
    sigset_t signals;
    int code = settings_read(&gateway.settings, argc, argv);
    if (code >= 0)
        return code;
    signal(SIGPIPE, SIG_IGN);
    json_object_seed(0); /* while there is one thread */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread begins */
    code = open_parts(&gateway);
    if (code < 0)
        code = serve(&gateway, &signals);
    weir_monitor_close(gateway.monitor);
    weir_desk_close(gateway.desk);
    weir_journal_close(gateway.journal);
    close(gateway.wake);
    return code;
}
