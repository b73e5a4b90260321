/* SPDX-License-Identifier: BSD-3-Clause */
/* The private half of a context. It stands in front of the public struct, in one block, so that
 * both kinds of contexts have it and the public structs keep their layout:
 *
 *     [struct connection: output, ...][valkeyContext]
 */
#ifndef LARDER_CLIENT_CONNECTION_H
#define LARDER_CLIENT_CONNECTION_H

#include "valkey/net.h"

#include <stdalign.h>
#include <stdbool.h>

struct opening;
struct valkeyCache;
struct valkeyCallback;
struct valkeyAsyncContext;

/* Unsent commands: data[sent .. used). Public obuf is `data`. */
struct output {
    char *data;
    size_t sent, used, capacity; /* bytes */
};

/* Of asynchronous contexts only. */
struct async_state {
    struct valkeyCallback *spares; /* kept for the next commands */
    int spare_count;
    int confirmed; /* channels that the server said are subscribed */
    long long connecting_since_ms;
    long long waiting_since_ms; /* when the oldest waiting command became that */
    long long wake_at_ms;       /* when to call on_wake, see async_wake_at */
    void (*on_wake)(struct valkeyAsyncContext *);
    struct opening *opening; /* a name is being connected to; or NULL */
    long long open_at_ms;    /* the time of its next step; 0: none is set */
    int open_delay_ms;
    bool is_reply_taken; /* by the callback: it is not to be freed */
};

struct connection {
    struct output output;
    struct async_state async;
    bool is_async;
    struct valkeyCache *cache;      /* that it feeds, see cache.h; NULL: none */
    struct connection *next_cached; /* of those that feed it */
    alignas(max_align_t) valkeyContext context;
};

static inline struct connection *connection_of(valkeyContext *context) {
    return (struct connection *)(void *)((char *)context - offsetof(struct connection, context));
}

/* connection.c */
struct connection *connection_create(const valkeyOptions *options, size_t context_size);
/* Sets flags, timeouts and callbacks from the options and connects. */
void connection_open(valkeyContext *c, const valkeyOptions *options);
/* Close and free. `keep_fd`: leave the socket open. */
void connection_destroy(valkeyContext *c, bool keep_fd);
/* Room for `size` bytes of output; NULL (and c->err set) without memory. They count once
 * output_commit is called. */
char *output_reserve(valkeyContext *c, size_t size);
void output_commit(valkeyContext *c, size_t size);
static inline size_t output_pending(const struct output *output) {
    return output->used - output->sent;
}

/* error.c: enter error state. `text` NULL: from errno. Defined for transports too. */
LIBVALKEY_API void valkeySetError(valkeyContext *c, int type, const char *text);
LIBVALKEY_API void valkeySetErrorFromErrno(valkeyContext *c, int type, const char *prefix);
int connection_fail(valkeyContext *c, int type, const char *text);
int connection_fail_errno(valkeyContext *c, int number, const char *prefix);
int connection_fail_memory(valkeyContext *c);

/* deadline.c */
enum { DEADLINE_NONE = -1 };
/* Monotonic milliseconds. */
long long clock_now_ms(void);
/* When `timeout` from now ends; DEADLINE_NONE for NULL or zero. */
long long deadline_after(const struct timeval *timeout);
/* Milliseconds left for poll(2): -1 without deadline, never below 0. */
int deadline_left_ms(long long deadline);
bool timeout_is_valid(const struct timeval *timeout);

/* transport.c */
extern const valkeyContextFuncs TRANSPORT_TCP, TRANSPORT_UNIX, TRANSPORT_USERFD;
/* Wait until the socket is ready for any of `events` (poll(2)). Returns the events, 0 at the
 * deadline, -1 on errors, which set c->err. */
int connection_wait(valkeyContext *c, short events, long long deadline);

/* sync.c */
/* One write that never blocks; VALKEY_OK also when the socket took nothing. */
int connection_write_some(valkeyContext *c);
/* The next received reply that answers a command, NULL if there is none: pushes go to the callback
 * and an attribute that precedes a reply is dropped. */
int connection_next_answer(valkeyContext *c, void **reply);

/* login.c: AUTH and SELECT as far as they are asked for; a refusal is an error of the context.
 * Blocks.
 */
int connection_log_in(valkeyContext *c, const char *username, const char *password, int database);

/* connect.c */
int connect_tcp(valkeyContext *c, const valkeyOptions *options);
int connect_unix(valkeyContext *c, const valkeyOptions *options);
int connect_userfd(valkeyContext *c, const valkeyOptions *options);
/* Enter the error of a failed look-up, an EAI_ value. */
int connect_fail_name(valkeyContext *c, int failure);
int socket_set_blocking(valkeyContext *c, bool is_blocking);

#endif
