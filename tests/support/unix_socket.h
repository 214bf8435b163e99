/* Unix stream sockets by path, for what stands between a worker and its server. */
#ifndef WEIR_TESTS_SUPPORT_UNIX_SOCKET_H
#define WEIR_TESTS_SUPPORT_UNIX_SOCKET_H

/* Listens on the path, in place of what an earlier run has left there; connects to it. -1 with
 * errno set where that cannot be, ENAMETOOLONG too. */
int test_unix_listen(const char *path);
int test_unix_connect(const char *path);

#endif
