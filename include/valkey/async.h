/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections driven by an event loop: commands take a callback that gets the reply.
 *
 * An asynchronous context belongs to one thread, that of its event loop. An adapter connects it to
 * the loop (see adapters/). Callbacks may call any function on any context, also disconnect or free
 * the one they were called for; it is then freed when the callback has returned.
 *
 * A reply is borrowed for the callback, unless VALKEY_OPT_NOAUTOFREEREPLIES is set. A NULL reply
 * means that the connection ended before an answer came.
 *
 * Subscriptions: the callback given with [P|S]SUBSCRIBE gets the confirmations and messages of its
 * channels until they are unsubscribed, and NULL when the connection ends. The callback given with
 * [P|S]UNSUBSCRIBE gets nothing but an error reply to it. MONITOR's callback gets every line. */
#ifndef VALKEY_ASYNC_H
#define VALKEY_ASYNC_H

#include "valkey.h"

#if defined(__GNUC__) || defined(__clang__)
#define VALKEY_UNUSED __attribute__((unused))
#else
#define VALKEY_UNUSED
#endif

#define VALKEY_TIMEOUT_INACTIVE -1

#ifdef __cplusplus
extern "C" {
#endif

struct valkeyAsyncContext;
struct dict;

typedef void(valkeyCallbackFn)(struct valkeyAsyncContext *, void *reply, void *privdata);

typedef struct valkeyCallback {
    struct valkeyCallback *next;
    valkeyCallbackFn *fn;
    int pending_subs;
    int unsubscribe_sent;
    void *privdata;
    int subscribed;
} valkeyCallback;

typedef struct valkeyCallbackList {
    valkeyCallback *head, *tail;
} valkeyCallbackList;

/* `status`: VALKEY_OK when the program ended the connection, VALKEY_ERR on errors (see ac->err). */
typedef void(valkeyDisconnectCallback)(const struct valkeyAsyncContext *, int status);
/* `status`: VALKEY_ERR when connecting failed; the context is freed after the callback. */
typedef void(valkeyConnectCallback)(struct valkeyAsyncContext *, int status);
typedef void(valkeyTimerCallback)(void *timer, void *privdata);

typedef struct valkeyAsyncContext {
    valkeyContext c; /* first: a pointer to one is a pointer to the other */

    int err;      /* as in c */
    char *errstr; /* as in c */

    void *data; /* the program's */
    void (*dataCleanup)(void *privdata);

    struct { /* set by the adapter */
        void *data;
        void (*addRead)(void *privdata);
        void (*delRead)(void *privdata);
        void (*addWrite)(void *privdata);
        void (*delWrite)(void *privdata);
        void (*cleanup)(void *privdata);
        void (*scheduleTimer)(void *privdata, struct timeval tv); /* one timer; NULL: no timeouts */
    } ev;

    valkeyDisconnectCallback *onDisconnect;
    valkeyConnectCallback *onConnect;
    valkeyCallbackList replies; /* waiting for answers, oldest first */

    struct sockaddr *saddr;
    size_t addrlen;

    struct {
        valkeyCallbackList replies;
        struct dict *channels;
        struct dict *patterns;
        struct dict *schannels;
        int pending_unsubs;
    } sub;

    valkeyAsyncPushFn *push_cb;
    int timeout_reply_count; /* VALKEY_TIMEOUT_INACTIVE while no timer runs */
} valkeyAsyncContext;

/* Begin to connect. Returns owned: check `err`; NULL without memory. Resolving a name blocks. */
LIBVALKEY_API valkeyAsyncContext *valkeyAsyncConnectWithOptions(const valkeyOptions *options);
LIBVALKEY_API valkeyAsyncContext *valkeyAsyncConnect(const char *ip, int port);
LIBVALKEY_API valkeyAsyncContext *valkeyAsyncConnectBind(const char *ip, int port,
                                                         const char *source_addr);
LIBVALKEY_API valkeyAsyncContext *valkeyAsyncConnectBindWithReuse(const char *ip, int port,
                                                                  const char *source_addr);
LIBVALKEY_API valkeyAsyncContext *valkeyAsyncConnectUnix(const char *path);

/* Set once, after attaching to a loop. VALKEY_ERR if already set. */
LIBVALKEY_API int valkeyAsyncSetConnectCallback(valkeyAsyncContext *ac, valkeyConnectCallback *fn);
LIBVALKEY_API int valkeyAsyncSetDisconnectCallback(valkeyAsyncContext *ac,
                                                   valkeyDisconnectCallback *fn);
/* For push messages that are not about subscriptions. Returns the callback used so far. */
LIBVALKEY_API valkeyAsyncPushFn *valkeyAsyncSetPushCallback(valkeyAsyncContext *ac,
                                                            valkeyAsyncPushFn *fn);
/* How long the server may stay silent while commands wait for answers. */
LIBVALKEY_API int valkeyAsyncSetTimeout(valkeyAsyncContext *ac, struct timeval tv);

/* Accept no more commands; when all have been answered, call the disconnect callback with VALKEY_OK
 * and free the context. */
LIBVALKEY_API void valkeyAsyncDisconnect(valkeyAsyncContext *ac);
/* End it now: callbacks that wait get NULL, then the disconnect callback, then memory is freed. */
LIBVALKEY_API void valkeyAsyncFree(valkeyAsyncContext *ac);

/* For adapters: the socket is readable or writable, or the timer has run out. */
LIBVALKEY_API void valkeyAsyncHandleRead(valkeyAsyncContext *ac);
LIBVALKEY_API void valkeyAsyncHandleWrite(valkeyAsyncContext *ac);
LIBVALKEY_API void valkeyAsyncHandleTimeout(valkeyAsyncContext *ac);
/* For transports: what the Handle functions do on a plain socket. */
LIBVALKEY_API void valkeyAsyncRead(valkeyAsyncContext *ac);
LIBVALKEY_API void valkeyAsyncWrite(valkeyAsyncContext *ac);

/* Send a command. `fn` may be NULL: the reply is dropped. VALKEY_ERR: the context is disconnecting
 * or in error, the format is bad, or there is no memory; `fn` will not be called then. */
LIBVALKEY_API int valkeyvAsyncCommand(valkeyAsyncContext *ac, valkeyCallbackFn *fn, void *privdata,
                                      const char *format, va_list ap);
LIBVALKEY_API int valkeyAsyncCommand(valkeyAsyncContext *ac, valkeyCallbackFn *fn, void *privdata,
                                     const char *format, ...);
LIBVALKEY_API int valkeyAsyncCommandArgv(valkeyAsyncContext *ac, valkeyCallbackFn *fn,
                                         void *privdata, int argc, const char **argv,
                                         const size_t *argvlen);
LIBVALKEY_API int valkeyAsyncFormattedCommand(valkeyAsyncContext *ac, valkeyCallbackFn *fn,
                                              void *privdata, const char *cmd, size_t len);

#ifdef __cplusplus
}
#endif

#endif
