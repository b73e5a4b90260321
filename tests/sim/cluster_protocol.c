/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/cluster_protocol.h"

#include "base/hash.h"
#include "raft/bytes.h"
#include "sim/clock.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    EXPIRING_KEY = 3,
    SET_KEYS_FROM = 6
}; /* of a round's keys, these are sets: as register_clients.c draws */

/* ---- requests ---- */

size_t cluster_key_name(uint64_t key, uint8_t out[INT64_TEXT_MAX + 1]) {
    out[0] = 'k';
    return 1 + uint64_format(key, out + 1);
}

struct argument_writer {
    struct byte_writer bytes;
    uint8_t *count;
};

static void add_bytes(struct argument_writer *w, struct slice bytes) {
    ++*w->count;
    write_unsigned(&w->bytes, bytes.size, 2);
    write_bytes(&w->bytes, bytes);
}

static void add_word(struct argument_writer *w, const char *word) {
    add_bytes(w, slice_of_string(word));
}

static void add_number(struct argument_writer *w, uint64_t number) {
    uint8_t text[INT64_TEXT_MAX];
    add_bytes(w, slice_of(text, uint64_format(number, text)));
}

static bool is_set(uint64_t key) {
    return key % ROUND_KEYS >= SET_KEYS_FROM;
}

bool cluster_key_expires(uint64_t key) {
    return key % ROUND_KEYS == EXPIRING_KEY;
}

static uint32_t place(uint64_t key, uint32_t partition_count) {
    uint8_t name[INT64_TEXT_MAX + 1];
    uint32_t slot = key_slot(slice_of(name, cluster_key_name(key, name)));
    return slot * partition_count / SLOT_COUNT;
}

static void add_compare(struct argument_writer *w, uint64_t a, uint64_t b) {
    add_number(w, b);
    add_word(w, a == 0 ? "NX" : "IFEQ");
    if (a != 0)
        add_number(w, a);
    add_word(w, "GET");
}

static void add_command(struct argument_writer *w, const struct register_command *c) {
    static const char *const NAMES[] = {[OPERATION_WRITE] = "SET",
                                        [OPERATION_COMPARE] = "SET",
                                        [OPERATION_ADD] = "INCRBY",
                                        [OPERATION_SET_ADD] = "SADD",
                                        [OPERATION_SET_REMOVE] = "SREM"};
    uint8_t name[INT64_TEXT_MAX + 1];
    if (c->kind == OPERATION_READ)
        add_word(w, is_set(c->key) ? "SMEMBERS" : "GET");
    else
        add_word(w, NAMES[c->kind]);
    add_bytes(w, slice_of(name, cluster_key_name(c->key, name)));
    if (c->kind == OPERATION_COMPARE)
        add_compare(w, c->a, c->b);
    else if (c->kind != OPERATION_READ)
        add_number(w, c->a);
    if (c->ttl_ms > 0) {
        add_word(w, "PX");
        add_number(w, c->ttl_ms);
    }
}

enum { BIT_AGAIN = 1, BIT_EXPIRES = 2 };

static void add_options(struct byte_writer *w, enum partition_read_mode mode, uint64_t watched_term,
                        bool is_again, bool may_expire) {
    write_unsigned(w, 'O', 1);
    write_unsigned(w, mode, 1);
    write_unsigned(w, watched_term, 8);
    write_unsigned(w, (is_again ? BIT_AGAIN : 0u) | (may_expire ? BIT_EXPIRES : 0u), 1);
}

static enum partition_read_mode mode_of(enum register_read read) {
    static const enum partition_read_mode MODES[] = {[REGISTER_READ_LEASE] = PARTITION_READ_LEASE,
                                                     [REGISTER_READ_STALE] = PARTITION_READ_STALE,
                                                     [REGISTER_READ_ROUND] = PARTITION_READ_ROUND};
    return MODES[read];
}

static size_t encode(const struct register_command *command, int64_t first_sent_us,
                     uint8_t out[REGISTER_FRAME_MAX]) {
    struct argument_writer w = {.bytes = {out}};
    write_unsigned(&w.bytes, 'Q', 1);
    write_unsigned(&w.bytes, command->number, 8);
    write_id(&w.bytes, (struct raft_id){{0x73657373, command->client + 1}});
    write_unsigned(&w.bytes, command->number, 8);
    write_unsigned(&w.bytes, (uint64_t)first_sent_us, 8);
    w.count = w.bytes.at++;
    *w.count = 0;
    add_command(&w, command);
    add_options(&w.bytes, mode_of(command->read), command->watched_term, command->is_again,
                cluster_key_expires(command->key));
    return (size_t)(w.bytes.at - out);
}

size_t cluster_request_encode(const struct cluster_request *request, uint8_t *out) {
    struct argument_writer w = {.bytes = {out}};
    write_unsigned(&w.bytes, 'Q', 1);
    write_unsigned(&w.bytes, request->number, 8);
    write_id(&w.bytes, request->session);
    write_unsigned(&w.bytes, request->lowest, 8);
    write_unsigned(&w.bytes, (uint64_t)request->first_sent_us, 8);
    w.count = w.bytes.at++;
    *w.count = 0;
    for (size_t i = 0; i < request->argc; i++)
        add_bytes(&w, request->argv[i]);
    if (request->has_fence) {
        write_unsigned(&w.bytes, 'F', 1);
        write_unsigned(&w.bytes, request->fence.name.size, 2);
        write_bytes(&w.bytes, request->fence.name);
        write_unsigned(&w.bytes, request->fence.token, 8);
    }
    if (request->has_lock) {
        write_unsigned(&w.bytes, 'K', 1);
        write_unsigned(&w.bytes, request->lock.type, 1);
        write_id(&w.bytes, request->lock.session);
        write_unsigned(&w.bytes, request->lock.request, 8);
        write_unsigned(&w.bytes, request->lock.token, 8);
        write_unsigned(&w.bytes, request->lock.hold_ms, 4);
        write_unsigned(&w.bytes, request->lock.wait_ms, 4);
    }
    add_options(&w.bytes, request->read_mode, request->watched_term, request->is_again,
                request->may_expire);
    return (size_t)(w.bytes.at - out);
}

static void read_fence(struct byte_reader *r, struct cluster_request *out) {
    out->has_fence = true;
    out->fence.name = read_bytes(r, read_unsigned(r, 2));
    out->fence.token = read_unsigned(r, 8);
}

static void read_lock(struct byte_reader *r, struct cluster_request *out) {
    out->has_lock = true;
    out->lock = (struct lock_request){.type = (enum lock_request_type)read_unsigned(r, 1)};
    out->lock.session = read_id(r);
    out->lock.request = read_unsigned(r, 8);
    out->lock.token = read_unsigned(r, 8);
    out->lock.hold_ms = (uint32_t)read_unsigned(r, 4);
    out->lock.wait_ms = (uint32_t)read_unsigned(r, 4);
    out->lock.name = out->argv[1];
}

static void read_options(struct byte_reader *r, struct cluster_request *out) {
    out->read_mode = (enum partition_read_mode)read_unsigned(r, 1);
    out->watched_term = read_unsigned(r, 8);
    uint64_t bits = read_unsigned(r, 1);
    out->is_again = (bits & BIT_AGAIN) != 0;
    out->may_expire = (bits & BIT_EXPIRES) != 0;
}

enum larder_status cluster_request_decode(struct slice body, struct cluster_request *out) {
    struct byte_reader r = byte_reader_of(body);
    *out = (struct cluster_request){.number = read_unsigned(&r, 8)};
    out->session = read_id(&r);
    out->lowest = read_unsigned(&r, 8);
    out->first_sent_us = (int64_t)read_unsigned(&r, 8);
    out->argc = read_unsigned(&r, 1);
    if (out->argc < 2 || out->argc > CLUSTER_ARGUMENTS_MAX)
        return LARDER_CORRUPT;
    for (size_t i = 0; i < out->argc; i++)
        out->argv[i] = read_bytes(&r, read_unsigned(&r, 2));
    while (r.left > 0 && !r.is_failed) {
        switch (read_unsigned(&r, 1)) {
        case 'F': read_fence(&r, out); break;
        case 'K': read_lock(&r, out); break;
        case 'O': read_options(&r, out); break;
        default: return LARDER_CORRUPT;
        }
    }
    return r.is_failed || r.left > 0 ? LARDER_CORRUPT : LARDER_OK;
}

/* ---- replies ---- */

void cluster_reply_encode(uint64_t number, enum config_group_answer answer, uint32_t machine,
                          int64_t time_us, uint64_t term, uint8_t out[CLUSTER_REPLY_HEADER_BYTES]) {
    struct byte_writer w = {out};
    write_unsigned(&w, 'R', 1);
    write_unsigned(&w, number, 8);
    write_unsigned(&w, answer, 1);
    write_unsigned(&w, machine, 4);
    write_unsigned(&w, (uint64_t)time_us, 8);
    write_unsigned(&w, term, 8);
}

/* The number that stands in a line, from behind its first character; the line's end is passed. */
static bool read_line(struct byte_reader *r, char *out_type, int64_t *out) {
    const uint8_t *end = r->left == 0 ? NULL : memchr(r->at, '\n', r->left);
    if (end == NULL || end - r->at < 3)
        return false;
    struct slice line = read_bytes(r, (size_t)(end - r->at) + 1);
    *out_type = (char)line.data[0];
    return slice_to_int64(slice_of(line.data + 1, line.size - 3), out) || line.data[0] == '+';
}

size_t cluster_lock_reply_encode(enum lock_answer answer, uint64_t token,
                                 uint8_t out[CLUSTER_LOCK_REPLY_BYTES]) {
    return (size_t)snprintf((char *)out, CLUSTER_LOCK_REPLY_BYTES, "*2\r\n:%d\r\n:%" PRIu64 "\r\n",
                            (int)answer, token);
}

bool cluster_lock_reply_decode(struct slice bytes, enum lock_answer *out_answer,
                               uint64_t *out_token) {
    struct byte_reader r = byte_reader_of(bytes);
    char type;
    int64_t number = 0, token = 0;
    if (!read_line(&r, &type, &number) || type != '*' || number != 2 ||
        !read_line(&r, &type, &number) || type != ':' || !read_line(&r, &type, &token) ||
        type != ':' || r.left > 0)
        return false;
    *out_answer = (enum lock_answer)number;
    *out_token = (uint64_t)token;
    return true;
}

/* A bulk string that is a number, or nothing: 0. */
static bool read_value(struct byte_reader *r, uint64_t *out) {
    char type;
    int64_t size, value;
    *out = 0;
    if (!read_line(r, &type, &size) || type != '$')
        return false;
    if (size < 0)
        return true;
    struct slice text = read_bytes(r, (size_t)size);
    (void)read_bytes(r, 2);
    if (r->is_failed || !slice_to_int64(text, &value))
        return false;
    *out = (uint64_t)value;
    return true;
}

bool cluster_value_decode(struct slice bytes, uint64_t *out) {
    struct byte_reader r = byte_reader_of(bytes);
    return read_value(&r, out) && r.left == 0;
}

static bool read_members(struct byte_reader *r, uint64_t *out) {
    char type;
    int64_t count;
    *out = 0;
    if (!read_line(r, &type, &count) || type != '*')
        return false;
    for (int64_t i = 0; i < count; i++) {
        uint64_t member;
        if (!read_value(r, &member) || member > 63)
            return false;
        *out |= UINT64_C(1) << member;
    }
    return true;
}

static bool read_result(struct byte_reader *r, const struct register_command *c,
                        struct operation_result *out) {
    char type;
    int64_t number;
    switch (c->kind) {
    case OPERATION_READ:
        return is_set(c->key) ? read_members(r, &out->value) : read_value(r, &out->value);
    case OPERATION_COMPARE:
        if (!read_value(r, &out->value))
            return false;
        out->is_done = out->value == c->a;
        return true;
    case OPERATION_WRITE: out->is_done = true; return read_line(r, &type, &number) && type == '+';
    case OPERATION_ADD:
        if (!read_line(r, &type, &number) || type != ':')
            return false;
        out->is_done = true;
        out->value = (uint64_t)number;
        return true;
    default:
        if (!read_line(r, &type, &number) || type != ':')
            return false;
        out->is_done = number == 1;
        return true;
    }
}

enum larder_status cluster_reply_decode(struct slice frame, struct config_group_reply *out,
                                        struct slice *out_bytes) {
    struct byte_reader r = byte_reader_of(frame);
    *out = (struct config_group_reply){0};
    uint64_t type = read_unsigned(&r, 1);
    out->number = read_unsigned(&r, 8);
    out->answer = (enum config_group_answer)read_unsigned(&r, 1);
    out->leader = (uint32_t)read_unsigned(&r, 4);
    out->time_us = (int64_t)read_unsigned(&r, 8);
    out->term = read_unsigned(&r, 8);
    *out_bytes = slice_of(r.at, r.left);
    return r.is_failed || type != 'R' ? LARDER_CORRUPT : LARDER_OK;
}

static enum larder_status decode(struct slice frame, const struct register_command *command,
                                 struct config_group_reply *out) {
    struct slice bytes;
    if (cluster_reply_decode(frame, out, &bytes) != LARDER_OK)
        return LARDER_CORRUPT;
    struct byte_reader r = byte_reader_of(bytes);
    if (out->number != command->number)
        return LARDER_NOT_FOUND;
    if (out->answer == ANSWER_OK && r.left > 0 && *r.at == '-') {
        out->answer = ANSWER_FAILED; /* for lack of memory: nothing was changed */
        return LARDER_OK;
    }
    bool is_good = out->answer != ANSWER_OK ||
                   (read_result(&r, command, &out->result) && r.left == 0 && !r.is_failed);
    return is_good ? LARDER_OK : LARDER_CORRUPT;
}

static void describe_request(struct slice body, char *out, size_t size) {
    struct cluster_request request;
    if (cluster_request_decode(body, &request) != LARDER_OK)
        return;
    int used = snprintf(out, size, "request %" PRIu64 ":", request.number);
    for (size_t i = 0; i < request.argc && used > 0 && (size_t)used < size; i++)
        used += snprintf(out + used, size - (size_t)used, " %.*s", (int)request.argv[i].size,
                         (const char *)request.argv[i].data);
}

void cluster_protocol_describe(struct slice frame, char *out, size_t size) {
    static const char *const ANSWERS[] = {"?", "ok", "not here", "failed", "unknown"};
    snprintf(out, size, "%zu bytes that make no sense", frame.size);
    if (frame.size > 0 && frame.data[0] == 'Q')
        describe_request(slice_of(frame.data + 1, frame.size - 1), out, size);
    if (frame.size < CLUSTER_REPLY_HEADER_BYTES || frame.data[0] != 'R')
        return;
    struct byte_reader r = byte_reader_of(slice_of(frame.data + 1, frame.size - 1));
    uint64_t number = read_unsigned(&r, 8);
    uint64_t answer = read_unsigned(&r, 1);
    uint32_t machine = (uint32_t)read_unsigned(&r, 4);
    (void)read_unsigned(&r, 8);
    (void)read_unsigned(&r, 8);
    char text[64];
    size_t shown = 0;
    for (; shown < r.left && shown + 1 < sizeof(text); shown++)
        text[shown] = r.at[shown] < ' ' ? ' ' : (char)r.at[shown];
    text[shown] = 0;
    snprintf(out, size, "reply %" PRIu64 ": %s, %" PRIu32 " %s", number,
             ANSWERS[answer <= ANSWER_UNKNOWN ? answer : 0], machine, text);
}

const struct register_protocol CLUSTER_PROTOCOL = {.is_by_key = true,
                                                   .has_retries = true,
                                                   .has_more = true,
                                                   .expires = cluster_key_expires,
                                                   .place = place,
                                                   .encode = encode,
                                                   .decode = decode};
