/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads RESP2 and RESP3 replies from bytes that arrive in any pieces. A reader has no socket and no
 * clock; it is used by one thread at a time.
 *
 * Bounds against hostile replies: an aggregate has at most `maxelements` elements, replies nest at
 * most VALKEY_READER_MAX_DEPTH deep, and an announced length takes memory only as its bytes come.
 * The first error is final: every later call fails with it. */
#ifndef VALKEY_READ_H
#define VALKEY_READ_H

#include "visibility.h"

#include <stdio.h>

#define VALKEY_ERR -1
#define VALKEY_OK  0

/* Values of `err` in readers and contexts; 0 is no error. */
#define VALKEY_ERR_IO       1 /* a system call failed: see errno */
#define VALKEY_ERR_OTHER    2
#define VALKEY_ERR_EOF      3 /* the server closed the connection */
#define VALKEY_ERR_PROTOCOL 4
#define VALKEY_ERR_OOM      5
#define VALKEY_ERR_TIMEOUT  6

#define VALKEY_REPLY_STRING  1
#define VALKEY_REPLY_ARRAY   2
#define VALKEY_REPLY_INTEGER 3
#define VALKEY_REPLY_NIL     4
#define VALKEY_REPLY_STATUS  5
#define VALKEY_REPLY_ERROR   6
#define VALKEY_REPLY_DOUBLE  7
#define VALKEY_REPLY_BOOL    8
#define VALKEY_REPLY_MAP     9
#define VALKEY_REPLY_SET     10
#define VALKEY_REPLY_ATTR    11
#define VALKEY_REPLY_PUSH    12
#define VALKEY_REPLY_BIGNUM  13
#define VALKEY_REPLY_VERB    14

#define VALKEY_READER_MAX_BUF            (1024 * 16)       /* largest buffer kept while empty */
#define VALKEY_READER_MAX_ARRAY_ELEMENTS ((1LL << 32) - 1) /* default of maxelements */
#define VALKEY_READER_MAX_DEPTH          1024

#ifdef __cplusplus
extern "C" {
#endif

/* Where an object stands in its reply; given to the functions that build objects. */
typedef struct valkeyReadTask {
    int type;                      /* VALKEY_REPLY_ */
    long long elements;            /* of an aggregate; a map's pairs count twice; else -1 */
    int idx;                       /* position in the parent */
    void *obj;                     /* what the build function returned */
    struct valkeyReadTask *parent; /* NULL at the root */
    void *privdata;                /* the reader's */
} valkeyReadTask;

/* Build functions: each returns the new object, which it has put into task->parent->obj, or NULL
 * when there is no memory. Text is borrowed for the call. */
typedef struct valkeyReplyObjectFunctions {
    void *(*createString)(const valkeyReadTask *, char *, size_t); /* task->type tells which kind */
    void *(*createArray)(const valkeyReadTask *, size_t);          /* any aggregate */
    void *(*createInteger)(const valkeyReadTask *, long long);
    void *(*createDouble)(const valkeyReadTask *, double, char *, size_t);
    void *(*createNil)(const valkeyReadTask *);
    void *(*createBool)(const valkeyReadTask *, int);
    void (*freeObject)(void *);
} valkeyReplyObjectFunctions;

/* Made by the create functions only: it is part of a larger object. */
typedef struct valkeyReader {
    int err;          /* 0 or VALKEY_ERR_ */
    char errstr[128]; /* "" without error */

    char *buf;             /* bytes received */
    size_t pos;            /* bytes of buf already parsed */
    size_t len;            /* bytes in buf */
    size_t maxbuf;         /* an empty buffer larger than this is released; 0: never */
    long long maxelements; /* 0: no limit */

    valkeyReadTask **task; /* one per nesting level */
    int tasks;             /* levels there is room for */
    int ridx;              /* current level, -1 between replies */
    void *reply;           /* the reply being built */

    valkeyReplyObjectFunctions *fn; /* NULL: only parse */
    void *privdata;
} valkeyReader;

/* Borrows `fn` for the reader's lifetime. NULL parses without building anything; replies are then
 * a pointer that is not NULL and must not be followed. Returns owned, or NULL without memory. */
LIBVALKEY_API valkeyReader *valkeyReaderCreateWithFunctions(valkeyReplyObjectFunctions *fn);
/* Also frees a reply that is not complete. NULL is ignored. */
LIBVALKEY_API void valkeyReaderFree(valkeyReader *r);
/* Add received bytes; they are copied. VALKEY_ERR on a reader in error or without memory. */
LIBVALKEY_API int valkeyReaderFeed(valkeyReader *r, const char *buf, size_t len);
/* Room for at least `minbytes` more bytes: *buf is where they go, *cap how many fit. Valid until
 * the next call on the reader. */
LIBVALKEY_API int valkeyReaderGetReadBuf(valkeyReader *r, char **buf, size_t *cap, size_t minbytes);
/* `nread` bytes were stored at the room. */
LIBVALKEY_API void valkeyReaderCommitRead(valkeyReader *r, size_t nread);
/* The next reply. VALKEY_OK with *reply NULL: more bytes are needed. `reply` may be NULL, which
 * drops the reply. Returns the reply owned: it goes to fn->freeObject. */
LIBVALKEY_API int valkeyReaderGetReply(valkeyReader *r, void **reply);

#define valkeyReaderSetPrivdata(_r, _p) ((void)(((valkeyReader *)(_r))->privdata = (_p)))
#define valkeyReaderGetObject(_r)       (((valkeyReader *)(_r))->reply)
#define valkeyReaderGetError(_r)        (((valkeyReader *)(_r))->errstr)

#ifdef __cplusplus
}
#endif

#endif
