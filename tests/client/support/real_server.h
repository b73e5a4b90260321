/* SPDX-License-Identifier: BSD-3-Clause */
/* Starts Debian's redis-server for a test, in a folder of its own, and ends it with the test. */
#ifndef LARDER_TESTS_CLIENT_REAL_SERVER_H
#define LARDER_TESTS_CLIENT_REAL_SERVER_H

struct real_server;

/* Start it and wait until it accepts connections. `arguments`: NULL-terminated further options, or
 * NULL. Ends the test program on failure. It also listens on the unix socket. */
struct real_server *real_server_start(int port, const char *const *arguments);
/* The same with another program that takes the same options. */
struct real_server *real_server_start_program(const char *program, int port,
                                              const char *const *arguments);
/* redis-server as a sentinel, with a configuration file that names the port and may be rewritten.
 */
struct real_server *real_server_start_sentinel(int port, const char *config);
int real_server_port(const struct real_server *server);
const char *real_server_socket(const struct real_server *server);
/* Suspend and resume the process. */
void real_server_pause(struct real_server *server);
void real_server_resume(struct real_server *server);
/* Kill it at once and remove its folder. NULL is ignored. */
void real_server_stop(struct real_server *server);

#endif
