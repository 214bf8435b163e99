/* One projection of a service in one process: the live model's runner, the rebuild beside it, and
 * the turn that decides whether this process does either. */
#ifndef WEIR_PROJECTION_PROJECTION_H
#define WEIR_PROJECTION_PROJECTION_H

#include "projection/history.h"
#include "projection/lag.h"
#include "projection/rebuild.h"
#include "projection/runner.h"
#include "projection/source.h"
#include "projection/turn.h"
#include "redis/rebuild_keys.h"
#include "service/service.h"

struct weir_projection {
    const char *name;
    struct weir_service *service;  /* whose read models these are */
    struct weir_service *handlers; /* routes only: which handler folds which event */
    struct weir_runtime *runtime;
    struct weir_sources sources;
    struct weir_rebuild_keys keys;
    struct weir_runner live;
    struct weir_rebuild rebuild;
    struct weir_turn turn;
    struct weir_history history; /* looked at where the live model begins */
    struct weir_lag_source lag[WEIR_PROJECTION_SOURCES_MAX];
    struct weir_counter *applied; /* in the metrics; NULL: not asked for yet */
    bool stopping;
};

#endif
