/* SPDX-License-Identifier: BSD-3-Clause */
/* The socket side of a context, for programs that drive a connection by hand. Functions returning
 * int give VALKEY_OK, or VALKEY_ERR with c->err and c->errstr set. */
#ifndef VALKEY_NET_H
#define VALKEY_NET_H

#include "valkey.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Close the socket, if open. */
LIBVALKEY_API void valkeyNetClose(valkeyContext *c);
/* 1 if the kernel can do multipath TCP. */
LIBVALKEY_API int valkeyHasMptcp(void);
/* Fetch and report the socket's pending error. */
LIBVALKEY_API int valkeyCheckSocketError(valkeyContext *c);
/* Set the socket's send and receive timeouts. */
LIBVALKEY_API int valkeyTcpSetTimeout(valkeyContext *c, const struct timeval tv);
/* Connect a context that has no socket to options->endpoint.tcp. */
LIBVALKEY_API int valkeyContextConnectTcp(valkeyContext *c, const valkeyOptions *options);
LIBVALKEY_API int valkeyKeepAlive(valkeyContext *c, int interval);
/* *completed: whether a connect that was begun is done. */
LIBVALKEY_API int valkeyCheckConnectDone(valkeyContext *c, int *completed);
LIBVALKEY_API int valkeySetTcpNoDelay(valkeyContext *c);
LIBVALKEY_API int valkeyContextSetTcpUserTimeout(valkeyContext *c, unsigned int timeout);

#ifdef __cplusplus
}
#endif

#endif
