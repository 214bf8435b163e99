/* Follows a failover to another master. */
#include "service/following.h"

static void compare(struct weir_worker *worker)
{
    const struct weir_link *commands = &worker->link, *reader = &worker->reader.link;
    bool known = commands->masters > 0 && reader->masters > 0, before = worker->apart;
    char here[WEIR_ADDRESS_SHOWN_MAX], there[WEIR_ADDRESS_SHOWN_MAX];
    worker->apart = known && !weir_link_same_master(commands, reader);
    if (worker->apart && !before)
        weir_log_warning(worker->runtime.log, "worker.apart", "commands=%s reader=%s",
                         weir_address_show(&commands->master, here),
                         weir_address_show(&reader->master, there));
}

static void let_go(struct weir_worker *worker)
{
    unsigned in_hand = HASH_COUNT(worker->deliveries);
    if (in_hand == 0)
        return;
    weir_committer_forget(&worker->committer);
    weir_delivery_drop_all(worker);
    ev_timer_stop(worker->runtime.loop, &worker->releasing);
    weir_log_warning(worker->runtime.log, "worker.let_go", "in_hand=%u server=%s", in_hand,
                     worker->runtime.endpoint->shown);
}

void weir_following_commands(struct weir_worker *worker)
{
    if (worker->masters != worker->link.masters)
        let_go(worker);
    worker->masters = worker->link.masters;
    compare(worker);
}

void weir_following_reader(struct weir_worker *worker)
{
    compare(worker);
}
