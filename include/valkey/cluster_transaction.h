/* SPDX-License-Identifier: BSD-3-Clause */
/* What needs a connection of its own in a cluster: transactions, whose keys all have one slot, and
 * commands that wait. Connections for that are opened when needed and one per node is kept. */
#ifndef VALKEY_CLUSTER_TRANSACTION_H
#define VALKEY_CLUSTER_TRANSACTION_H

#include "cluster.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct valkeyClusterTransaction valkeyClusterTransaction;

/* Pin a connection to the node of this key's slot. Returns owned; NULL: cc->err is set. Blocks. */
LIBVALKEY_API valkeyClusterTransaction *
valkeyClusterTransactionBegin(valkeyClusterContext *cc, const char *key, size_t keylen);
/* Execute a command at once, over that connection: WATCH, and the reads that the transaction
 * depends on. Returns the reply owned; NULL: cc->err is set. If the slot moves after a WATCH, that
 * fails with "The slot has moved": end it and begin anew. Blocks. */
LIBVALKEY_API void *valkeyClusterTransactionCommand(valkeyClusterTransaction *transaction,
                                                    const char *format, ...);
/* Add a command to those that valkeyClusterTransactionExec executes; nothing is sent. */
LIBVALKEY_API int valkeyClusterTransactionAppend(valkeyClusterTransaction *transaction,
                                                 const char *format, ...);
LIBVALKEY_API int valkeyClusterTransactionAppendArgv(valkeyClusterTransaction *transaction,
                                                     int argc, const char **argv,
                                                     const size_t *argvlen);
/* Execute what was appended between MULTI and EXEC, all sent at once. Returns the answer to EXEC,
 * owned: an array of replies; NIL, if a watched key was changed; an error, if a command was
 * refused. NULL: cc->err is set. Without a WATCH it follows a slot that moves. Nothing is appended
 * or watched any more afterwards. Blocks. */
LIBVALKEY_API void *valkeyClusterTransactionExec(valkeyClusterTransaction *transaction);
/* Give the connection back; what was appended is forgotten. NULL is ignored. Before the context is
 * freed. */
LIBVALKEY_API void valkeyClusterTransactionEnd(valkeyClusterTransaction *transaction);

/* Send a command that may wait (BLPOP, XREAD BLOCK, WAIT) to the node of its key, over a connection
 * of its own, so that nothing else waits with it. `limit` takes the place of the command timeout;
 * NULL: wait as long as the server lets us. Redirections are followed, and a command that was ended
 * by a failover is sent to the new primary. Returns the reply owned; NULL: cc->err is set. */
LIBVALKEY_API void *valkeyClusterBlockingCommand(valkeyClusterContext *cc,
                                                 const struct timeval *limit, const char *format,
                                                 ...);

#ifdef __cplusplus
}
#endif

#endif
