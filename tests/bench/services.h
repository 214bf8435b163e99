/* The workers that are measured. */
#ifndef WEIR_TESTS_BENCH_SERVICES_H
#define WEIR_TESTS_BENCH_SERVICES_H

#define BENCH_SERVICE "bench"   /* commands: Record, Decide, Nothing, Hold, HoldData */
#define BENCH_VIEW "bench-view" /* folds its events into account:<customerId> and total:all */
#define BENCH_STEP "bench-"     /* and a letter: does and undoes a step of a saga */

/* Runs the service that argv[0] names, as weir_main does; what follows are its options. */
int bench_serve(int argc, char **argv);

#endif
