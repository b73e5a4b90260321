/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading replies out of a receive buffer: RESP2/RESP3 and memcached's text protocol
 * (classic get and the meta commands).
 *
 * The reader keeps no state: it is given everything received so far and answers whether a whole
 * reply stands at the front. Slices in `struct reply` borrow from that buffer. */
#ifndef LARDER_BENCH_REPLY_H
#define LARDER_BENCH_REPLY_H

#include <stddef.h>
#include <stdint.h>

enum protocol { PROTOCOL_RESP, PROTOCOL_MEMCACHED };

enum reply_type {
    REPLY_STATUS,  /* +OK, STORED; data = the text */
    REPLY_ERROR,   /* -ERR ..., SERVER_ERROR ...; data = the text */
    REPLY_INTEGER, /* integer */
    REPLY_BULK,    /* data = the bytes */
    REPLY_NULL,    /* a miss */
    REPLY_ARRAY,   /* integer = number of elements, data = the first of them */
};

struct reply {
    enum reply_type type;
    const char *data;
    size_t length;
    int64_t integer;
};

enum { REPLY_INCOMPLETE = 0, REPLY_MALFORMED = -1 };

/* Read the reply at the front of `bytes`. Returns its size (> 0), REPLY_INCOMPLETE or
 * REPLY_MALFORMED; *out is set only with a size. A memcached get of several keys is an array of the
 * values found; of one key, a bulk or a null. */
ptrdiff_t reply_read(enum protocol protocol, const char *bytes, size_t length, struct reply *out);

#endif
