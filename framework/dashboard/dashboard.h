/* The dashboard: a web page over the commands of `weir`. */
#ifndef WEIR_DASHBOARD_DASHBOARD_H
#define WEIR_DASHBOARD_DASHBOARD_H

/* Reads the flags, serves until a signal asks it to stop, and returns the exit code: 0 stopped as
 * asked, 64 wrong usage, 70 a failure inside, 71 it cannot listen. */
int weir_dashboard_main(int argc, char **argv);

#endif
