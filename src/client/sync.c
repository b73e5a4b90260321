/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands and replies over one context. In the common case a command is one send(2) and its reply
 * one recv(2). When the socket takes only a part of the commands, the rest is sent as room comes
 * while replies are read, for a server that cannot deliver replies stops reading commands. */
#include "client/cache.h"
#include "client/command_text.h"
#include "client/reply.h"

#include <poll.h>
#include <string.h>

enum { READ_ROOM = VALKEY_READER_MAX_BUF };

static int fail_from_reader(valkeyContext *c) {
    return connection_fail(c, c->reader->err, c->reader->errstr);
}

int valkeyBufferRead(valkeyContext *c) {
    if (c->err != 0)
        return VALKEY_ERR;
    char *room;
    size_t size;
    if (valkeyReaderGetReadBuf(c->reader, &room, &size, READ_ROOM) != VALKEY_OK)
        return fail_from_reader(c);
    ssize_t count = c->funcs->read(c, room, size);
    if (count < 0)
        return VALKEY_ERR;
    if (count > 0)
        valkeyReaderCommitRead(c->reader, (size_t)count);
    return VALKEY_OK;
}

int connection_write_some(valkeyContext *c) {
    struct output *output = &connection_of(c)->output;
    if (output_pending(output) == 0)
        return VALKEY_OK;
    ssize_t count = c->funcs->write(c);
    if (count < 0)
        return VALKEY_ERR;
    output->sent += (size_t)count;
    return VALKEY_OK;
}

int valkeyBufferWrite(valkeyContext *c, int *done) {
    if (c->err != 0)
        return VALKEY_ERR;
    const struct output *output = &connection_of(c)->output;
    size_t before = output_pending(output);
    if (connection_write_some(c) != VALKEY_OK)
        return VALKEY_ERR;
    if (before > 0 && output_pending(output) == before && c->flags & VALKEY_BLOCK) {
        int ready = connection_wait(c, POLLOUT, deadline_after(c->command_timeout));
        if (ready == 0)
            return connection_fail(c, VALKEY_ERR_TIMEOUT, "Timeout");
        if (ready < 0 || connection_write_some(c) != VALKEY_OK)
            return VALKEY_ERR;
    }
    if (done != NULL)
        *done = output_pending(output) == 0;
    return VALKEY_OK;
}

/* Send everything, taking in what arrives meanwhile. Blocks. */
static int send_all(valkeyContext *c, long long deadline) {
    const struct output *output = &connection_of(c)->output;
    if (connection_write_some(c) != VALKEY_OK)
        return VALKEY_ERR;
    while (output_pending(output) > 0) {
        int ready = connection_wait(c, POLLIN | POLLOUT, deadline);
        if (ready == 0)
            return connection_fail(c, VALKEY_ERR_TIMEOUT, "Timeout");
        if (ready < 0)
            return VALKEY_ERR;
        if (ready & POLLOUT && connection_write_some(c) != VALKEY_OK)
            return VALKEY_ERR;
        if (ready & ~POLLOUT && valkeyBufferRead(c) != VALKEY_OK)
            return VALKEY_ERR;
    }
    return VALKEY_OK;
}

int valkeyGetReplyFromReader(valkeyContext *c, void **reply) {
    if (valkeyReaderGetReply(c->reader, reply) != VALKEY_OK)
        return fail_from_reader(c);
    return VALKEY_OK;
}

/* Only replies made by this library can be told apart. */
int connection_next_answer(valkeyContext *c, void **reply) {
    for (;;) {
        if (valkeyGetReplyFromReader(c, reply) != VALKEY_OK)
            return VALKEY_ERR;
        if (*reply == NULL || c->reader->fn != &REPLY_FUNCTIONS)
            return VALKEY_OK;
        int type = ((valkeyReply *)*reply)->type;
        struct valkeyCache *cache = connection_of(c)->cache;
        if (type == VALKEY_REPLY_PUSH && cache != NULL && cache_take_push(cache, *reply))
            freeReplyObject(*reply);
        else if (type == VALKEY_REPLY_PUSH && c->push_cb != NULL)
            c->push_cb(c->privdata, *reply);
        else if (type == VALKEY_REPLY_ATTR)
            freeReplyObject(*reply);
        else
            return VALKEY_OK;
    }
}

/* More bytes. The first read may take the whole timeout, which the socket enforces; later ones only
 * what is left of it. */
static int read_more(valkeyContext *c, bool is_first, long long deadline) {
    if (!is_first && deadline != DEADLINE_NONE) {
        int ready = connection_wait(c, POLLIN, deadline);
        if (ready == 0)
            return connection_fail(c, VALKEY_ERR_TIMEOUT, "Timeout");
        if (ready < 0)
            return VALKEY_ERR;
    }
    return valkeyBufferRead(c);
}

static int wait_for_answer(valkeyContext *c, void **reply) {
    long long deadline = deadline_after(c->command_timeout);
    if (send_all(c, deadline) != VALKEY_OK)
        return VALKEY_ERR;
    for (bool is_first = true;; is_first = false) {
        if (connection_next_answer(c, reply) != VALKEY_OK)
            return VALKEY_ERR;
        if (*reply != NULL)
            return VALKEY_OK;
        if (read_more(c, is_first, deadline) != VALKEY_OK)
            return VALKEY_ERR;
    }
}

int valkeyGetReply(valkeyContext *c, void **reply) {
    void *answer = NULL;
    if (reply != NULL)
        *reply = NULL;
    if (c->err != 0 || connection_next_answer(c, &answer) != VALKEY_OK)
        return VALKEY_ERR;
    if (answer == NULL && c->flags & VALKEY_BLOCK && wait_for_answer(c, &answer) != VALKEY_OK)
        return VALKEY_ERR;
    if (reply != NULL)
        *reply = answer;
    else if (answer != NULL && c->reader->fn != NULL && c->reader->fn->freeObject != NULL)
        c->reader->fn->freeObject(answer);
    return VALKEY_OK;
}

int valkeyAppendFormattedCommand(valkeyContext *c, const char *cmd, size_t len) {
    char *room = output_reserve(c, len);
    if (room == NULL)
        return connection_fail_memory(c);
    memcpy(room, cmd, len);
    output_commit(c, len);
    return VALKEY_OK;
}

int valkeyvAppendCommand(valkeyContext *c, const char *format, va_list ap) {
    struct command_words words;
    enum command_status status = command_words_format(&words, format, ap);
    if (status == COMMAND_OK) {
        size_t size = command_words_size(&words);
        char *room = size == 0 ? NULL : output_reserve(c, size);
        if (room == NULL) {
            status = COMMAND_NO_MEMORY;
        } else {
            command_words_write(&words, room);
            output_commit(c, size);
        }
    }
    command_words_finish(&words);
    if (status == COMMAND_NO_MEMORY)
        return connection_fail_memory(c);
    if (status == COMMAND_BAD_FORMAT)
        return connection_fail(c, VALKEY_ERR_OTHER, "Invalid format string");
    return VALKEY_OK;
}

int valkeyAppendCommand(valkeyContext *c, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    int result = valkeyvAppendCommand(c, format, ap);
    va_end(ap);
    return result;
}

int valkeyAppendCommandArgv(valkeyContext *c, int argc, const char **argv, const size_t *argvlen) {
    size_t size = argc < 0 ? 0 : command_array_size(argc, argv, argvlen);
    char *room = size == 0 ? NULL : output_reserve(c, size);
    if (room == NULL)
        return connection_fail_memory(c);
    command_array_write(argc, argv, argvlen, room);
    output_commit(c, size);
    return VALKEY_OK;
}

static void *answer_of(valkeyContext *c) {
    void *reply = NULL;
    if (!(c->flags & VALKEY_BLOCK) || valkeyGetReply(c, &reply) != VALKEY_OK)
        return NULL;
    return reply;
}

void *valkeyvCommand(valkeyContext *c, const char *format, va_list ap) {
    return valkeyvAppendCommand(c, format, ap) == VALKEY_OK ? answer_of(c) : NULL;
}

void *valkeyCommand(valkeyContext *c, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    void *reply = valkeyvCommand(c, format, ap);
    va_end(ap);
    return reply;
}

void *valkeyCommandArgv(valkeyContext *c, int argc, const char **argv, const size_t *argvlen) {
    return valkeyAppendCommandArgv(c, argc, argv, argvlen) == VALKEY_OK ? answer_of(c) : NULL;
}
