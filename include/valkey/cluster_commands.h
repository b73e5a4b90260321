/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands to a cluster that do not stand for one key: with keys of several slots, without keys, or
 * with keys that only the caller knows.
 *
 * A spread command goes where its description says. MGET, MSET, DEL, UNLINK, EXISTS and TOUCH are
 * split by slot, DBSIZE, KEYS, FLUSHALL and the like go to all primaries, CONFIG SET, SCRIPT LOAD
 * and the like to all known nodes, PUBLISH, TIME and others without a key to any one node; all
 * parts travel at the same time. Anything else is sent as valkeyClusterCommand sends it.
 *
 * Replies become one: values in the order of the keys, counts as their sum, OK if all said so.
 * Replies that can't be merged (INFO) come as an array with one element per node. If a part is
 * answered with an error, that is the reply; parts are executed each for itself, not atomically. */
#ifndef VALKEY_CLUSTER_COMMANDS_H
#define VALKEY_CLUSTER_COMMANDS_H

#include "cluster.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Send a command to all nodes that it concerns and wait for the merged reply. Returns it owned;
 * NULL on errors, see cc->err: some parts may have been executed then. */
LIBVALKEY_API void *valkeyClusterSpreadCommand(valkeyClusterContext *cc, const char *format, ...);
LIBVALKEY_API void *valkeyClustervSpreadCommand(valkeyClusterContext *cc, const char *format,
                                                va_list ap);
LIBVALKEY_API void *valkeyClusterSpreadCommandArgv(valkeyClusterContext *cc, int argc,
                                                   const char **argv, const size_t *argvlen);
/* The same with an event loop: `fn` gets the merged reply once all parts are answered, NULL if one
 * failed. VALKEY_ERR: nothing was sent and `fn` will not be called. */
LIBVALKEY_API int valkeyClusterAsyncSpreadCommand(valkeyClusterAsyncContext *acc,
                                                  valkeyClusterCallbackFn *fn, void *privdata,
                                                  const char *format, ...);
LIBVALKEY_API int valkeyClusterAsyncSpreadCommandArgv(valkeyClusterAsyncContext *acc,
                                                      valkeyClusterCallbackFn *fn, void *privdata,
                                                      int argc, const char **argv,
                                                      const size_t *argvlen);

/* Send a command to the node of a key that the caller names, whatever the command: for commands of
 * modules, or scripts without declared keys. Redirections are followed. */
LIBVALKEY_API void *valkeyClusterCommandByKey(valkeyClusterContext *cc, const char *key,
                                              size_t keylen, const char *format, ...);
LIBVALKEY_API void *valkeyClusterCommandArgvByKey(valkeyClusterContext *cc, const char *key,
                                                  size_t keylen, int argc, const char **argv,
                                                  const size_t *argvlen);
LIBVALKEY_API int valkeyClusterAppendCommandByKey(valkeyClusterContext *cc, const char *key,
                                                  size_t keylen, const char *format, ...);
LIBVALKEY_API int valkeyClusterAsyncCommandByKey(valkeyClusterAsyncContext *acc, const char *key,
                                                 size_t keylen, valkeyClusterCallbackFn *fn,
                                                 void *privdata, const char *format, ...);

#ifdef __cplusplus
}
#endif

#endif
