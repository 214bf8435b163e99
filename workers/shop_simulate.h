/* Steps of the shop misbehave on demand, so that demonstrations and tests can watch a saga cope. */
#ifndef SHOP_SIMULATE_H
#define SHOP_SIMULATE_H

#include "weir.h"

/* Handles a saga's command by `work`, misbehaving first as the data asks for under "simulate", in
 * "<step>" or "<step>/compensate":
 *   fail       a business refusal, every time
 *   swallow    no effect and no answer, every time
 *   slow:<ms>  `work` runs only after that time, 0 to 3600000
 *   crash      the process dies on the first delivery of the first attempt
 * Anything else is refused. `work` may not return WEIR_DEFERRED. */
enum weir_outcome shop_simulate(weir_context *context, const weir_message *message,
                                weir_handler *work);

#endif
