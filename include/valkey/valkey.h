/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections to one server, used synchronously: a command and its reply, or many commands and then
 * their replies in order.
 *
 * A context belongs to one thread at a time; different contexts are independent. A transport error
 * sets `err` and `errstr` and is final: free the context or call valkeyReconnect. Errors that the
 * server answers are replies of type VALKEY_REPLY_ERROR and leave the context usable.
 *
 * The fields of the structs may be read; only valkeyOptions is meant to be written. Contexts are
 * made by the connect functions only. */
#ifndef VALKEY_VALKEY_H
#define VALKEY_VALKEY_H

#include "alloc.h"
#include "read.h"
#include "visibility.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/types.h>

#define LIBVALKEY_VERSION_MAJOR 0
#define LIBVALKEY_VERSION_MINOR 5
#define LIBVALKEY_VERSION_PATCH 0

/* valkeyContext.flags */
#define VALKEY_BLOCK                0x1
#define VALKEY_CONNECTED            0x2
#define VALKEY_DISCONNECTING        0x4
#define VALKEY_FREEING              0x8
#define VALKEY_IN_CALLBACK          0x10
#define VALKEY_SUBSCRIBED           0x20
#define VALKEY_MONITORING           0x40
#define VALKEY_REUSEADDR            0x80
#define VALKEY_SUPPORTS_PUSH        0x100
#define VALKEY_NO_AUTO_FREE         0x200
#define VALKEY_NO_AUTO_FREE_REPLIES 0x400
#define VALKEY_PREFER_IPV4          0x800
#define VALKEY_PREFER_IPV6          0x1000
#define VALKEY_MPTCP                0x2000

#define VALKEY_KEEPALIVE_INTERVAL 15 /* seconds */
#define VALKEY_CONNECT_RETRIES    10 /* when local ports run out, with VALKEY_REUSEADDR */

/* valkeyOptions.options */
#define VALKEY_OPT_NONBLOCK          0x01
#define VALKEY_OPT_REUSEADDR         0x02
#define VALKEY_OPT_NOAUTOFREE        0x04 /* asynchronous contexts survive their disconnect */
#define VALKEY_OPT_NO_PUSH_AUTOFREE  0x08 /* no default push callback: pushes arrive as replies */
#define VALKEY_OPT_NOAUTOFREEREPLIES 0x10 /* asynchronous replies belong to their callback */
#define VALKEY_OPT_PREFER_IPV4       0x20
#define VALKEY_OPT_PREFER_IPV6       0x40
#define VALKEY_OPT_PREFER_IP_UNSPEC  (VALKEY_OPT_PREFER_IPV4 | VALKEY_OPT_PREFER_IPV6)
#define VALKEY_OPT_MPTCP             0x80
#define VALKEY_OPT_LAST_SA_OPTION    0x80

#ifdef __cplusplus
extern "C" {
#endif

typedef int valkeyFD;
#define VALKEY_INVALID_FD -1

struct sockaddr;
struct valkeyContext;
struct valkeyAsyncContext;

enum valkeyConnectionType {
    VALKEY_CONN_TCP,
    VALKEY_CONN_UNIX,
    VALKEY_CONN_USERFD,
    VALKEY_CONN_RDMA, /* not supported: connecting fails */
    VALKEY_CONN_MAX
};

/* Takes the push reply, which it must free. */
typedef void(valkeyPushFn)(void *privdata, void *reply);
/* Borrows the push reply for the call, unless VALKEY_OPT_NOAUTOFREEREPLIES is set. */
typedef void(valkeyAsyncPushFn)(struct valkeyAsyncContext *, void *reply);

/* A reply and everything below it lie in one piece of memory, which goes with the root. An element
 * may be taken out (put NULL in its place) and then outlives the root. */
typedef struct valkeyReply {
    int type;                     /* VALKEY_REPLY_ */
    long long integer;            /* INTEGER; BOOL: 0 or 1 */
    double dval;                  /* DOUBLE */
    size_t len;                   /* bytes of str without its NUL */
    char *str;                    /* ERROR, STRING, STATUS, VERB, BIGNUM, and DOUBLE as it came */
    char vtype[4];                /* VERB: its format, "txt" or "mkd" */
    size_t elements;              /* of aggregates; a map has two per pair */
    struct valkeyReply **element; /* NULL when there are none */
} valkeyReply;

#define valkeyIsPushReply(r) (((valkeyReply *)(r))->type == VALKEY_REPLY_PUSH)

/* Zero is the default of everything. Borrowed for the call; what has to last is copied. */
typedef struct {
    int type;                              /* enum valkeyConnectionType */
    int options;                           /* VALKEY_OPT_ */
    const struct timeval *connect_timeout; /* for all addresses together; NULL: none */
    const struct timeval *command_timeout; /* NULL: none */
    union {
        struct {
            const char *source_addr; /* local address to bind to, or NULL */
            const char *ip;          /* address or name */
            int port;
        } tcp;
        const char *unix_socket; /* path */
        valkeyFD fd;
    } endpoint;
    void *privdata;                /* given to the push callback */
    void (*free_privdata)(void *); /* called when the context is freed */
    valkeyPushFn *push_cb;
    valkeyAsyncPushFn *async_push_cb;
} valkeyOptions;

#define VALKEY_OPTIONS_SET_TCP(opts, ip_, port_)                                                   \
    do {                                                                                           \
        (opts)->type = VALKEY_CONN_TCP;                                                            \
        (opts)->endpoint.tcp.ip = (ip_);                                                           \
        (opts)->endpoint.tcp.port = (port_);                                                       \
    } while (0)

#define VALKEY_OPTIONS_SET_MPTCP(opts, ip_, port_)                                                 \
    do {                                                                                           \
        VALKEY_OPTIONS_SET_TCP(opts, ip_, port_);                                                  \
        (opts)->options |= VALKEY_OPT_MPTCP;                                                       \
    } while (0)

#define VALKEY_OPTIONS_SET_UNIX(opts, path)                                                        \
    do {                                                                                           \
        (opts)->type = VALKEY_CONN_UNIX;                                                           \
        (opts)->endpoint.unix_socket = (path);                                                     \
    } while (0)

#define VALKEY_OPTIONS_SET_PRIVDATA(opts, data, dtor)                                              \
    do {                                                                                           \
        (opts)->privdata = (data);                                                                 \
        (opts)->free_privdata = (dtor);                                                            \
    } while (0)

/* What a transport does. Reads and writes return bytes moved, 0 for "try again", below 0 when the
 * context is in error. */
typedef struct valkeyContextFuncs {
    int (*connect)(struct valkeyContext *, const valkeyOptions *);
    void (*close)(struct valkeyContext *);
    void (*free_privctx)(void *);
    void (*async_read)(struct valkeyAsyncContext *);
    void (*async_write)(struct valkeyAsyncContext *);
    ssize_t (*read)(struct valkeyContext *, char *, size_t);
    ssize_t (*read_zc)(struct valkeyContext *, char **); /* read_zc: NULL if not supported */
    ssize_t (*read_zc_done)(struct valkeyContext *);
    ssize_t (*write)(struct valkeyContext *);
    int (*set_timeout)(struct valkeyContext *, const struct timeval);
} valkeyContextFuncs;

typedef struct valkeyContext {
    const valkeyContextFuncs *funcs;

    int err;          /* 0 or VALKEY_ERR_ */
    char errstr[128]; /* "" without error */
    valkeyFD fd;
    int flags;            /* VALKEY_BLOCK ... */
    char *obuf;           /* commands not yet sent; NULL before the first */
    valkeyReader *reader; /* replies not yet taken */

    enum valkeyConnectionType connection_type;
    struct timeval *connect_timeout; /* NULL: none */
    struct timeval *command_timeout;

    struct {
        char *host;
        char *source_addr;
        int port;
    } tcp;
    struct {
        char *path;
    } unix_sock;

    struct sockaddr *saddr; /* the server's, once a connection was tried */
    size_t addrlen;

    void *privdata;
    void (*free_privdata)(void *);
    void *privctx; /* the transport's */
    valkeyPushFn *push_cb;
} valkeyContext;

/* A reader that builds valkeyReply objects. Returns owned, or NULL without memory. */
LIBVALKEY_API valkeyReader *valkeyReaderCreate(void);
/* Free a reply with its elements. NULL is ignored. Replies may be freed by any thread. */
LIBVALKEY_API void freeReplyObject(void *reply);

/* Build a command as it goes over the wire. Words are separated by spaces; %s is a C string, %b a
 * pointer and a size_t, %% a percent sign, and printf's d i o u x X e E f F g G a A with flags,
 * width, precision and the modifiers hh h l ll format numbers. A value never splits a word.
 * *target: returned owned, for valkeyFreeCommand. Returns its length in bytes; -1: no memory,
 * -2: bad format. */
LIBVALKEY_API int valkeyvFormatCommand(char **target, const char *format, va_list ap);
LIBVALKEY_API int valkeyFormatCommand(char **target, const char *format, ...);
/* The same from an array of words; `argvlen` NULL: they are C strings. Returns length or -1. */
LIBVALKEY_API long long valkeyFormatCommandArgv(char **target, int argc, const char **argv,
                                                const size_t *argvlen);
LIBVALKEY_API void valkeyFreeCommand(char *cmd);

/* Connect. Blocks until connected, failed or timed out, except the NonBlock forms, which only begin
 * to connect. Returns owned: a context whose `err` tells how it went, or NULL without memory. */
LIBVALKEY_API valkeyContext *valkeyConnectWithOptions(const valkeyOptions *options);
LIBVALKEY_API valkeyContext *valkeyConnect(const char *ip, int port);
LIBVALKEY_API valkeyContext *valkeyConnectWithTimeout(const char *ip, int port,
                                                      const struct timeval tv);
LIBVALKEY_API valkeyContext *valkeyConnectNonBlock(const char *ip, int port);
LIBVALKEY_API valkeyContext *valkeyConnectBindNonBlock(const char *ip, int port,
                                                       const char *source_addr);
LIBVALKEY_API valkeyContext *valkeyConnectBindNonBlockWithReuse(const char *ip, int port,
                                                                const char *source_addr);
LIBVALKEY_API valkeyContext *valkeyConnectUnix(const char *path);
LIBVALKEY_API valkeyContext *valkeyConnectUnixWithTimeout(const char *path,
                                                          const struct timeval tv);
LIBVALKEY_API valkeyContext *valkeyConnectUnixNonBlock(const char *path);
/* Takes ownership of a connected socket; it is used as blocking. */
LIBVALKEY_API valkeyContext *valkeyConnectFd(valkeyFD fd);
/* Drop the connection, unsent commands and unread replies, and connect again as before. */
LIBVALKEY_API int valkeyReconnect(valkeyContext *c);

/* Returns the callback used so far. NULL: push replies arrive in order with the other replies. */
LIBVALKEY_API valkeyPushFn *valkeySetPushCallback(valkeyContext *c, valkeyPushFn *fn);
/* How long a reply may take; blocking contexts only. Zero: no limit. */
LIBVALKEY_API int valkeySetTimeout(valkeyContext *c, const struct timeval tv);
/* Have the kernel probe an idle connection; `interval` in seconds. TCP only. */
LIBVALKEY_API int valkeyEnableKeepAlive(valkeyContext *c);
LIBVALKEY_API int valkeyEnableKeepAliveWithInterval(valkeyContext *c, int interval);
/* How long sent data may stay unacknowledged, in milliseconds. TCP only. */
LIBVALKEY_API int valkeySetTcpUserTimeout(valkeyContext *c, unsigned int timeout);

/* Close and free. NULL is ignored. */
LIBVALKEY_API void valkeyFree(valkeyContext *c);
/* Free without closing; returns the socket owned, VALKEY_INVALID_FD for NULL. */
LIBVALKEY_API valkeyFD valkeyFreeKeepFd(valkeyContext *c);

/* One read from the socket into the reader. */
LIBVALKEY_API int valkeyBufferRead(valkeyContext *c);
/* One write of unsent commands; *done (may be NULL): everything is sent. */
LIBVALKEY_API int valkeyBufferWrite(valkeyContext *c, int *done);

/* The next reply: sends what is unsent, then waits. Sending and receiving overlap, so that no
 * number of appended commands can block for good. `reply` may be NULL, which drops the reply; else
 * returns it owned. On a non-blocking context never waits: *reply is NULL when none is complete. */
LIBVALKEY_API int valkeyGetReply(valkeyContext *c, void **reply);
/* The same from bytes already received. */
LIBVALKEY_API int valkeyGetReplyFromReader(valkeyContext *c, void **reply);

/* Add a command to what will be sent. Errors: no memory, bad format (both set c->err). */
LIBVALKEY_API int valkeyAppendFormattedCommand(valkeyContext *c, const char *cmd, size_t len);
LIBVALKEY_API int valkeyvAppendCommand(valkeyContext *c, const char *format, va_list ap);
LIBVALKEY_API int valkeyAppendCommand(valkeyContext *c, const char *format, ...);
LIBVALKEY_API int valkeyAppendCommandArgv(valkeyContext *c, int argc, const char **argv,
                                          const size_t *argvlen);

/* Append and, on a blocking context, wait for the reply. Returns it owned; NULL on errors, and
 * always on a non-blocking context. */
LIBVALKEY_API void *valkeyvCommand(valkeyContext *c, const char *format, va_list ap);
LIBVALKEY_API void *valkeyCommand(valkeyContext *c, const char *format, ...);
LIBVALKEY_API void *valkeyCommandArgv(valkeyContext *c, int argc, const char **argv,
                                      const size_t *argvlen);

#ifdef __cplusplus
}
#endif

#endif
