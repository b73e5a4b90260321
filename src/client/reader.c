/* SPDX-License-Identifier: BSD-3-Clause */
/* The reader's buffer, its levels and its life. Bytes before base.pos are parsed; they are given up
 * when room is needed or nothing else is left. */
#include "client/reader.h"

#include <string.h>

valkeyReader *valkeyReaderCreateWithFunctions(valkeyReplyObjectFunctions *fn) {
    struct reader *reader = vk_calloc(1, sizeof *reader);
    if (reader == NULL)
        return NULL;
    for (int i = 0; i < READER_LEVELS_INLINE; i++)
        reader->levels_inline[i] = &reader->first_levels[i].task;
    reader->base.task = reader->levels_inline;
    reader->base.tasks = READER_LEVELS_INLINE;
    reader->base.ridx = -1;
    reader->base.fn = fn;
    reader->base.maxbuf = VALKEY_READER_MAX_BUF;
    reader->base.maxelements = VALKEY_READER_MAX_ARRAY_ELEMENTS;
    return &reader->base;
}

valkeyReader *valkeyReaderCreate(void) {
    return valkeyReaderCreateWithFunctions(
        (valkeyReplyObjectFunctions *)(uintptr_t)&REPLY_FUNCTIONS);
}

static void drop_partial_reply(struct reader *reader) {
    valkeyReader *base = &reader->base;
    if (reader->uses_arena)
        reply_build_abort(&reader->builder);
    else if (base->reply != NULL && base->fn != NULL && base->fn->freeObject != NULL)
        base->fn->freeObject(base->reply);
    base->reply = NULL;
    base->ridx = -1;
}

void valkeyReaderFree(valkeyReader *r) {
    if (r == NULL)
        return;
    struct reader *reader = reader_of(r);
    drop_partial_reply(reader);
    for (int i = READER_LEVELS_INLINE; i < r->tasks; i++)
        vk_free(r->task[i]);
    if (r->task != reader->levels_inline)
        vk_free(r->task);
    vk_free(r->buf);
    vk_free(reader);
}

int reader_fail(struct reader *reader, int kind, const char *text) {
    valkeyReader *base = &reader->base;
    drop_partial_reply(reader);
    vk_free(base->buf);
    base->buf = NULL;
    base->pos = base->len = reader->capacity = 0;
    base->err = kind;
    (void)snprintf(base->errstr, sizeof base->errstr, "%s", text);
    return VALKEY_ERR;
}

int reader_fail_memory(struct reader *reader) {
    return reader_fail(reader, VALKEY_ERR_OOM, "Out of memory");
}

/* Make room at the end of the buffer for `size` bytes and a NUL. */
static bool buffer_reserve(struct reader *reader, size_t size) {
    valkeyReader *base = &reader->base;
    if (base->pos == base->len) {
        base->pos = base->len = 0;
        if (base->maxbuf != 0 && reader->capacity > base->maxbuf + 1) {
            vk_free(base->buf);
            base->buf = NULL;
            reader->capacity = 0;
        }
    }
    if (reader->capacity > base->len && reader->capacity - base->len > size)
        return true;
    if (base->pos > 0) {
        memmove(base->buf, base->buf + base->pos, base->len - base->pos);
        base->len -= base->pos;
        base->pos = 0;
        if (reader->capacity - base->len > size)
            return true;
    }
    if (size > SIZE_MAX / 4 || base->len > SIZE_MAX / 4)
        return false;
    size_t wanted = base->len + size + 1;
    if (wanted < reader->capacity * 2)
        wanted = reader->capacity * 2;
    char *grown = vk_realloc(base->buf, wanted);
    if (grown == NULL)
        return false;
    base->buf = grown;
    reader->capacity = wanted;
    return true;
}

int valkeyReaderGetReadBuf(valkeyReader *r, char **buf, size_t *cap, size_t minbytes) {
    struct reader *reader = reader_of(r);
    if (r->err != 0)
        return VALKEY_ERR;
    if (minbytes < 1)
        minbytes = 1;
    if (!buffer_reserve(reader, minbytes))
        return reader_fail_memory(reader);
    *buf = r->buf + r->len;
    *cap = reader->capacity - r->len - 1;
    return VALKEY_OK;
}

void valkeyReaderCommitRead(valkeyReader *r, size_t nread) {
    r->len += nread;
    r->buf[r->len] = '\0';
}

int valkeyReaderFeed(valkeyReader *r, const char *buf, size_t len) {
    if (r->err != 0)
        return VALKEY_ERR;
    if (buf == NULL || len == 0)
        return VALKEY_OK;
    char *room;
    size_t size;
    if (valkeyReaderGetReadBuf(r, &room, &size, len) != VALKEY_OK)
        return VALKEY_ERR;
    memcpy(room, buf, len);
    valkeyReaderCommitRead(r, len);
    return VALKEY_OK;
}

static void begin_reply(struct reader *reader) {
    valkeyReader *base = &reader->base;
    base->ridx = 0;
    *base->task[0] =
        (valkeyReadTask){.type = -1, .elements = -1, .idx = -1, .privdata = base->privdata};
    base->reply = NULL;
    reader->scanned = 0;
    reader->skip_level = 0;
    reader->uses_arena = base->fn == &REPLY_FUNCTIONS;
}

int valkeyReaderGetReply(valkeyReader *r, void **reply) {
    struct reader *reader = reader_of(r);
    if (reply != NULL)
        *reply = NULL;
    if (r->err != 0)
        return VALKEY_ERR;
    if (r->pos == r->len)
        return VALKEY_OK;
    if (r->ridx < 0)
        begin_reply(reader);
    enum reader_step step = READER_ADVANCED;
    while (r->ridx >= 0 && step == READER_ADVANCED)
        step = reader_parse_item(reader);
    if (step == READER_FAILED)
        return VALKEY_ERR;
    if (r->ridx >= 0)
        return VALKEY_OK;
    if (reader->uses_arena)
        reply_build_finish(&reader->builder);
    void *complete = r->reply;
    r->reply = NULL;
    if (reply != NULL)
        *reply = complete;
    else if (r->fn != NULL && r->fn->freeObject != NULL)
        r->fn->freeObject(complete);
    return VALKEY_OK;
}
