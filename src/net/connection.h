/* SPDX-License-Identifier: BSD-3-Clause */
/* One client connection of a loop: its socket, the bytes that came too early (part of a command)
 * and the bytes that the kernel has not taken yet. An idle connection holds neither buffer.
 *
 * Used by the loop's thread only, except where a field says otherwise. */
#ifndef LARDER_NET_CONNECTION_H
#define LARDER_NET_CONNECTION_H

#include "base/blob.h"
#include "base/slice.h"
#include "base/status.h"
#include "os/socket.h"
#include "os/tls.h"
#include "wire/reply.h"

struct loop;

enum connection_flag {
    CONNECTION_CLOSE_AFTER_SEND = 1 << 0, /* read nothing more, close when all is sent */
    CONNECTION_BROKEN = 1 << 1,           /* the peer is gone: close now */
    CONNECTION_HANDSHAKE = 1 << 2,        /* TLS is not established yet */
    CONNECTION_PAUSED = 1 << 3,           /* not read for now */
    CONNECTION_IS_QUEUED = 1 << 4,        /* in the loop's list of those to serve again */
    CONNECTION_IS_READY = 1 << 5,         /* will be in the next batch */
    CONNECTION_IS_SERVED = 1 << 12,       /* in the batch being served */
};

struct connection_output {
    struct reply bytes; /* not yet taken by the kernel */
    size_t sent;        /* of bytes.data */
    size_t next_reference;
    size_t reference_sent; /* of the blob that is next */
};

struct connection {
    struct loop *loop;
    struct connection *next, *previous; /* of the loop */
    struct connection *queue_next;      /* of those to serve again */
    struct tls_session *tls;            /* NULL: plain */
    struct connection_output *output;   /* NULL: nothing is waiting */
    uint8_t *input;                     /* received, not yet used */
    uint32_t input_used, input_capacity;
    int fd;
    uint32_t flags;
    uint16_t peer_port;
    uint8_t watched; /* POLLER_ flags that the poller has */
    bool is_unix;
    bool is_loopback;
    char peer_address[46]; /* numeric, NUL-terminated */
    uint64_t bytes_received, bytes_sent;
};

/* Receive once. What was kept comes first: *out_data is kept plus new bytes when something was
 * kept, else new bytes at `scratch`. Status LARDER_AGAIN: nothing new (kept bytes are given all the
 * same). LARDER_CLOSED, LARDER_IO: the connection is over. LARDER_NO_MEMORY. */
enum larder_status connection_receive(struct connection *c, uint8_t *scratch, size_t scratch_size,
                                      uint8_t **out_data, size_t *out_size) LARDER_NODISCARD;

/* Receive into a place of the caller's. */
enum larder_status connection_receive_into(struct connection *c, uint8_t *room, size_t size,
                                           size_t *out_size) LARDER_NODISCARD;

/* Keep bytes (of the last received data) for the next time; replaces what was kept.
 * Errors: LARDER_NO_MEMORY. */
enum larder_status connection_keep(struct connection *c, const uint8_t *data,
                                   size_t size) LARDER_NODISCARD;

/* Send the part of `reply` between two marks; what the kernel does not take is copied (blobs are
 * referenced) and sent when there is room. Errors: LARDER_CLOSED, LARDER_IO, LARDER_NO_MEMORY: the
 * connection is over. */
enum larder_status connection_send(struct connection *c, const struct reply *reply,
                                   struct reply_mark from, struct reply_mark to) LARDER_NODISCARD;
/* Put the part behind what waits; connection_flush is to send it. Errors: LARDER_NO_MEMORY: the
 * connection is over. */
enum larder_status connection_queue(struct connection *c, const struct reply *reply,
                                    struct reply_mark from, struct reply_mark to) LARDER_NODISCARD;
/* Append bytes behind what waits, and send what can be sent. Same errors. */
enum larder_status connection_send_bytes(struct connection *c, struct slice bytes) LARDER_NODISCARD;
/* Send what waits. LARDER_AGAIN: not all of it yet. */
enum larder_status connection_flush(struct connection *c) LARDER_NODISCARD;

/* Bytes waiting to be sent. */
size_t connection_pending(const struct connection *c);
/* Memory that the connection holds besides itself. */
size_t connection_buffer_bytes(const struct connection *c);

/* Free buffers and TLS, close the socket. The loop calls it. */
void connection_finish(struct connection *c);

#endif
