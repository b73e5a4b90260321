/* SPDX-License-Identifier: BSD-3-Clause */
/* Receiving and sending for plain and TLS connections. The usual case copies nothing: replies go
 * from the loop's arena to the kernel in one call, and complete commands are read where they were
 * received. Buffers exist only while something is left over. */
#include "net/connection.h"

#include "net/loop.h"

enum {
    INPUT_FIRST_CAPACITY = 256,
    INPUT_SHRINK_ABOVE = 16384, /* a larger buffer is given back when it falls empty */
    SLICES_PER_SEND = 16,
    OUTPUT_COMPACT_ABOVE = 65536, /* bytes sent that are worth moving the rest for */
};

static enum larder_status receive(struct connection *c, void *room, size_t size, size_t *out_size) {
    enum larder_status status = c->tls != NULL ? tls_session_receive(c->tls, room, size, out_size)
                                               : socket_receive(c->fd, room, size, out_size);
    if (status == LARDER_OK)
        c->bytes_received += *out_size;
    return status;
}

static void release_input(struct connection *c) {
    allocator_release(c->loop->allocator, c->input, c->input_capacity);
    c->input = NULL;
    c->input_used = c->input_capacity = 0;
}

static enum larder_status reserve_input(struct connection *c, size_t capacity) {
    if (capacity <= c->input_capacity)
        return LARDER_OK;
    if (capacity > UINT32_MAX / 2)
        return LARDER_NO_MEMORY;
    size_t grown = c->input_capacity == 0 ? INPUT_FIRST_CAPACITY : c->input_capacity;
    while (grown < capacity)
        grown *= 2;
    void *input = allocator_resize(c->loop->allocator, c->input, c->input_capacity, grown);
    if (input == NULL)
        return LARDER_NO_MEMORY;
    c->input = input;
    c->input_capacity = (uint32_t)grown;
    return LARDER_OK;
}

enum larder_status connection_receive(struct connection *c, uint8_t *scratch, size_t scratch_size,
                                      uint8_t **out_data, size_t *out_size) {
    size_t received = 0;
    if (c->input_used == 0) {
        enum larder_status status = receive(c, scratch, scratch_size, &received);
        *out_data = scratch;
        *out_size = received;
        return status;
    }
    enum larder_status status = reserve_input(c, (size_t)c->input_used + scratch_size / 2);
    if (status != LARDER_OK)
        return status;
    status = receive(c, c->input + c->input_used, c->input_capacity - c->input_used, &received);
    c->input_used += (uint32_t)received;
    *out_data = c->input;
    *out_size = c->input_used;
    return status;
}

enum larder_status connection_receive_into(struct connection *c, uint8_t *room, size_t size,
                                           size_t *out_size) {
    return receive(c, room, size, out_size);
}

enum larder_status connection_keep(struct connection *c, const uint8_t *data, size_t size) {
    if (size == 0) {
        c->input_used = 0;
        if (c->input != NULL)
            release_input(c);
        return LARDER_OK;
    }
    bool is_own = c->input != NULL && data >= c->input && data < c->input + c->input_capacity;
    if (!is_own) {
        enum larder_status status = reserve_input(c, size);
        if (status != LARDER_OK)
            return status;
    }
    memmove(c->input, data, size);
    c->input_used = (uint32_t)size;
    if (c->input_capacity > INPUT_SHRINK_ABOVE && size < c->input_capacity / 4) {
        size_t capacity = c->input_capacity / 2;
        void *smaller = allocator_resize(c->loop->allocator, c->input, c->input_capacity, capacity);
        if (smaller != NULL) {
            c->input = smaller;
            c->input_capacity = (uint32_t)capacity;
        }
    }
    return LARDER_OK;
}

/* ---- sending ---- */

static enum larder_status send_slices(struct connection *c, const struct slice *slices,
                                      size_t count, size_t *out_sent) {
    *out_sent = 0;
    if (c->tls == NULL) {
        enum larder_status status =
            count == 1 ? socket_send(c->fd, slices[0].data, slices[0].size, out_sent)
                       : socket_sendv(c->fd, slices, count, out_sent);
        c->bytes_sent += *out_sent;
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        size_t sent = 0;
        enum larder_status status = tls_session_send(c->tls, slices[i].data, slices[i].size, &sent);
        *out_sent += sent;
        c->bytes_sent += sent;
        if (status != LARDER_OK || sent < slices[i].size)
            return *out_sent > 0 && status == LARDER_AGAIN ? LARDER_OK : status;
    }
    return LARDER_OK;
}

/* A place in a reply: bytes up to the next reference, then the reference, and so on. */
struct cursor {
    size_t at;             /* in reply->data */
    size_t reference;      /* next one */
    size_t reference_sent; /* of its bytes */
};

static size_t gather(const struct reply *reply, struct cursor from, struct reply_mark to,
                     struct slice *slices) {
    size_t count = 0;
    while (count < SLICES_PER_SEND && (from.at < to.used || from.reference < to.reference_count)) {
        bool has_reference = from.reference < to.reference_count;
        size_t end = has_reference ? reply->references[from.reference].at : to.used;
        if (from.at < end) {
            slices[count++] = slice_of(reply->data + from.at, end - from.at);
            from.at = end;
            continue;
        }
        const struct blob *blob = reply->references[from.reference].blob;
        if (from.reference_sent < blob->size)
            slices[count++] =
                slice_of(blob->data + from.reference_sent, blob->size - from.reference_sent);
        from.reference++;
        from.reference_sent = 0;
    }
    return count;
}

static void advance(const struct reply *reply, struct cursor *cursor, struct reply_mark to,
                    size_t sent) {
    for (;;) {
        bool has_reference = cursor->reference < to.reference_count;
        size_t end = has_reference ? reply->references[cursor->reference].at : to.used;
        size_t step = end - cursor->at < sent ? end - cursor->at : sent;
        cursor->at += step;
        sent -= step;
        if (cursor->at < end || !has_reference)
            return;
        const struct blob *blob = reply->references[cursor->reference].blob;
        size_t left = blob->size - cursor->reference_sent;
        step = left < sent ? left : sent;
        cursor->reference_sent += step;
        sent -= step;
        if (cursor->reference_sent < blob->size)
            return;
        cursor->reference++;
        cursor->reference_sent = 0;
    }
}

static enum larder_status send_from(struct connection *c, const struct reply *reply,
                                    struct cursor *cursor, struct reply_mark to) {
    struct slice slices[SLICES_PER_SEND];
    size_t count;
    while ((count = gather(reply, *cursor, to, slices)) > 0) {
        size_t sent, total = 0;
        for (size_t i = 0; i < count; i++)
            total += slices[i].size;
        enum larder_status status = send_slices(c, slices, count, &sent);
        advance(reply, cursor, to, sent);
        if (status != LARDER_OK)
            return status;
        if (sent < total)
            return LARDER_AGAIN;
    }
    return LARDER_OK;
}

static void drop_output(struct connection *c) {
    if (c->output == NULL)
        return;
    reply_finish(&c->output->bytes);
    allocator_release(c->loop->allocator, c->output, sizeof(*c->output));
    c->output = NULL;
}

enum larder_status connection_flush(struct connection *c) {
    struct connection_output *out = c->output;
    if (out == NULL)
        return LARDER_OK;
    struct cursor cursor = {out->sent, out->next_reference, out->reference_sent};
    enum larder_status status = send_from(c, &out->bytes, &cursor, reply_mark(&out->bytes));
    out->sent = cursor.at;
    out->next_reference = cursor.reference;
    out->reference_sent = cursor.reference_sent;
    if (status == LARDER_OK) {
        drop_output(c);
    } else if (out->sent > OUTPUT_COMPACT_ABOVE && out->sent > out->bytes.used / 2) {
        reply_drop_front(&out->bytes, out->sent, out->next_reference);
        out->sent = 0;
        out->next_reference = 0;
    }
    loop_watch(c->loop, c);
    return status;
}

static struct connection_output *ensure_output(struct connection *c) {
    if (c->output != NULL)
        return c->output;
    c->output = allocator_allocate_zeroed(c->loop->allocator, sizeof(*c->output));
    if (c->output != NULL)
        reply_init(&c->output->bytes, c->loop->allocator);
    return c->output;
}

/* Copy what is left into the connection's own output. */
static enum larder_status queue_rest(struct connection *c, const struct reply *reply,
                                     struct cursor cursor, struct reply_mark to) {
    struct connection_output *out = ensure_output(c);
    if (out == NULL)
        return LARDER_NO_MEMORY;
    while (cursor.at < to.used || cursor.reference < to.reference_count) {
        bool has_reference = cursor.reference < to.reference_count;
        size_t end = has_reference ? reply->references[cursor.reference].at : to.used;
        reply_raw(&out->bytes, slice_of(reply->data + cursor.at, end - cursor.at));
        cursor.at = end;
        if (!has_reference)
            break;
        if (cursor.reference_sent > 0) /* only the first thing in a new output can be half sent */
            out->reference_sent = cursor.reference_sent;
        reply_reference(&out->bytes, reply->references[cursor.reference].blob);
        cursor.reference++;
        cursor.reference_sent = 0;
    }
    return out->bytes.failed ? LARDER_NO_MEMORY : LARDER_OK;
}

enum larder_status connection_send(struct connection *c, const struct reply *reply,
                                   struct reply_mark from, struct reply_mark to) {
    struct cursor cursor = {from.used, from.reference_count, 0};
    if (c->output == NULL) {
        enum larder_status status = send_from(c, reply, &cursor, to);
        if (status != LARDER_AGAIN)
            return status;
    }
    enum larder_status status = queue_rest(c, reply, cursor, to);
    loop_watch(c->loop, c);
    return status;
}

enum larder_status connection_queue(struct connection *c, const struct reply *reply,
                                    struct reply_mark from, struct reply_mark to) {
    struct cursor cursor = {from.used, from.reference_count, 0};
    return queue_rest(c, reply, cursor, to);
}

enum larder_status connection_send_bytes(struct connection *c, struct slice bytes) {
    struct connection_output *out = ensure_output(c);
    if (out == NULL)
        return LARDER_NO_MEMORY;
    reply_raw(&out->bytes, bytes);
    if (out->bytes.failed)
        return LARDER_NO_MEMORY;
    enum larder_status status = connection_flush(c);
    return status == LARDER_AGAIN ? LARDER_OK : status;
}

size_t connection_pending(const struct connection *c) {
    if (c->output == NULL)
        return 0;
    const struct reply *r = &c->output->bytes;
    size_t bytes = r->used - c->output->sent;
    for (size_t i = c->output->next_reference; i < r->reference_count; i++)
        bytes += r->references[i].blob->size;
    return bytes - c->output->reference_sent;
}

size_t connection_buffer_bytes(const struct connection *c) {
    size_t bytes = c->input_capacity;
    if (c->output != NULL)
        bytes += sizeof(*c->output) + c->output->bytes.capacity;
    return bytes;
}

void connection_finish(struct connection *c) {
    drop_output(c);
    release_input(c);
    if (c->tls != NULL)
        tls_session_destroy(c->tls);
    c->tls = NULL;
    socket_close(c->fd);
    c->fd = -1;
}
