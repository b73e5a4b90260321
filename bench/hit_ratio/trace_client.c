/* SPDX-License-Identifier: BSD-3-Clause */
/* bench-trace: replays a request trace against a RESP server as a cache-aside application does:
 * GET, and on a miss SET with the size that the trace gives. Prints the hit ratio as one JSON
 * object.
 *
 * Requests go in batches: all GETs of a batch, then the SETs of those that missed. A key that
 * misses and comes again in the same batch counts as a miss and a hit, as it would one by one.
 *
 * A value is its key repeated, so a hit with somebody else's value is noticed. Exit status: 0, 1 on
 * wrong or error replies or a lost connection, 2 wrong usage. */
#include "reply.h"
#include "trace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH_MAX = 1024, OUT_START_BYTES = 64 * 1024 };

struct client {
    int fd;
    char *out;
    size_t out_length;
    size_t out_capacity;
    char *in;
    size_t in_capacity;
    size_t in_start;
    size_t in_end;
    const char *problem; /* the first, static text; then nothing else matters */
};

struct counts {
    uint64_t requests;
    uint64_t hits;
    uint64_t bytes;
    uint64_t hit_bytes;
};

struct settings {
    struct trace_options trace;
    uint16_t port;
    unsigned batch;
    double warmup; /* the fraction of requests that isn't counted */
};

/* ---- connection ---- */

static void client_fail(struct client *c, const char *problem) {
    if (c->problem == NULL)
        c->problem = problem;
}

static bool grow(char **bytes, size_t *capacity, size_t needed) {
    size_t size = *capacity > 0 ? *capacity : OUT_START_BYTES;
    while (size < needed)
        size *= 2;
    if (size == *capacity)
        return true;
    char *grown = realloc(*bytes, size);
    if (grown == NULL)
        return false;
    *bytes = grown;
    *capacity = size;
    return true;
}

static bool client_connect(struct client *c, uint16_t port) {
    *c = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        return false;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return grow(&c->out, &c->out_capacity, 1) && grow(&c->in, &c->in_capacity, 1);
}

static void client_close(struct client *c) {
    if (c->fd >= 0)
        close(c->fd);
    free(c->out);
    free(c->in);
}

static void client_flush(struct client *c) {
    size_t sent = 0;
    while (sent < c->out_length && c->problem == NULL) {
        ssize_t n = send(c->fd, c->out + sent, c->out_length - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            client_fail(c, "the connection broke");
        else if (n > 0)
            sent += (size_t)n;
    }
    c->out_length = 0;
}

/* Returns false when there is no reply to be had. The reply borrows until the next call. */
static bool client_reply(struct client *c, struct reply *out) {
    while (c->problem == NULL) {
        ptrdiff_t size =
            reply_read(PROTOCOL_RESP, c->in + c->in_start, c->in_end - c->in_start, out);
        if (size > 0) {
            c->in_start += (size_t)size;
            if (out->type == REPLY_ERROR)
                client_fail(c, "error reply");
            return out->type != REPLY_ERROR;
        }
        memmove(c->in, c->in + c->in_start, c->in_end - c->in_start);
        c->in_end -= c->in_start;
        c->in_start = 0;
        if (size < 0 || !grow(&c->in, &c->in_capacity, c->in_end + OUT_START_BYTES)) {
            client_fail(c, size < 0 ? "malformed reply" : "out of memory");
            break;
        }
        ssize_t got = recv(c->fd, c->in + c->in_end, c->in_capacity - c->in_end, 0);
        if (got > 0)
            c->in_end += (size_t)got;
        else if (got == 0 || errno != EINTR)
            client_fail(c, "the connection broke");
    }
    return false;
}

/* ---- requests ---- */

/* Room for `length` bytes at the end of the send buffer, or NULL. */
static char *client_extend(struct client *c, size_t length) {
    if (!grow(&c->out, &c->out_capacity, c->out_length + length)) {
        client_fail(c, "out of memory");
        return NULL;
    }
    c->out_length += length;
    return c->out + c->out_length - length;
}

static void append_text(struct client *c, const char *text, size_t length) {
    char *to = client_extend(c, length);
    if (to != NULL)
        memcpy(to, text, length);
}

static void append_bulk_head(struct client *c, size_t length) {
    char text[32];
    int size = snprintf(text, sizeof(text), "$%zu\r\n", length);
    append_text(c, text, (size_t)size);
}

static void append_key(struct client *c, const struct trace_request *r) {
    append_bulk_head(c, r->key_length);
    append_text(c, r->key, r->key_length);
    append_text(c, "\r\n", 2);
}

static void append_get(struct client *c, const struct trace_request *r) {
    append_text(c, "*2\r\n$3\r\nGET\r\n", 13);
    append_key(c, r);
}

static void append_set(struct client *c, const struct trace_request *r) {
    append_text(c, "*3\r\n$3\r\nSET\r\n", 13);
    append_key(c, r);
    append_bulk_head(c, r->size);
    char *to = client_extend(c, r->size);
    for (size_t at = 0; to != NULL && at < r->size; at += r->key_length) {
        size_t left = r->size - at;
        memcpy(to + at, r->key, left < r->key_length ? left : r->key_length);
    }
    append_text(c, "\r\n", 2);
}

static bool is_value_of(const struct reply *reply, const struct trace_request *r) {
    size_t length = reply->length < r->key_length ? reply->length : r->key_length;
    return reply->type == REPLY_BULK && memcmp(reply->data, r->key, length) == 0;
}

/* Whether an earlier request of the batch missed on the same key, and will therefore set it. */
static bool is_repeat(const struct trace_request *batch, const bool *is_set, unsigned at) {
    for (unsigned i = 0; i < at; i++)
        if (is_set[i] && batch[i].key_length == batch[at].key_length &&
            memcmp(batch[i].key, batch[at].key, batch[at].key_length) == 0)
            return true;
    return false;
}

static void batch_run(struct client *c, const struct trace_request *batch, unsigned count,
                      struct counts *counts) {
    struct reply reply;
    bool is_set[BATCH_MAX];
    for (unsigned i = 0; i < count; i++)
        append_get(c, &batch[i]);
    client_flush(c);
    for (unsigned i = 0; i < count && client_reply(c, &reply); i++) {
        if (reply.type != REPLY_NULL && !is_value_of(&reply, &batch[i]))
            client_fail(c, "wrong value");
        is_set[i] = reply.type == REPLY_NULL && !is_repeat(batch, is_set, i);
        counts->requests++;
        counts->bytes += batch[i].size;
        counts->hits += !is_set[i];
        counts->hit_bytes += is_set[i] ? 0 : batch[i].size;
    }
    unsigned sets = 0;
    for (unsigned i = 0; i < count && c->problem == NULL; i++)
        if (is_set[i]) {
            append_set(c, &batch[i]);
            sets++;
        }
    client_flush(c);
    while (sets > 0 && client_reply(c, &reply))
        sets--;
}

static int64_t entry_count(struct client *c) {
    struct reply reply;
    append_text(c, "*1\r\n$6\r\nDBSIZE\r\n", 16);
    client_flush(c);
    return client_reply(c, &reply) ? reply.integer : -1;
}

/* ---- main ---- */

static bool replay(const struct settings *s, struct client *c, struct trace *trace,
                   struct counts *counts) {
    struct trace_request *batch = calloc(s->batch, sizeof(*batch));
    uint64_t warmup = (uint64_t)(s->warmup * (double)s->trace.request_count);
    struct counts ignored = {0};
    unsigned count = 1;
    while (batch != NULL && count > 0 && c->problem == NULL) {
        for (count = 0; count < s->batch && trace_next(trace, &batch[count]);)
            count++;
        batch_run(c, batch, count, ignored.requests < warmup ? &ignored : counts);
    }
    free(batch);
    return batch != NULL && c->problem == NULL;
}

static const struct option OPTIONS[] = {
    {"generate", required_argument, NULL, 'g'},
    {"trace", required_argument, NULL, 't'},
    {"seed", required_argument, NULL, 's'},
    {"keys", required_argument, NULL, 'k'},
    {"requests", required_argument, NULL, 'r'},
    {"value-size", required_argument, NULL, 'v'},
    {"size-limit", required_argument, NULL, 'l'},
    {"port", required_argument, NULL, 'p'},
    {"batch", required_argument, NULL, 'b'},
    {"warmup", required_argument, NULL, 'w'},
    {NULL, 0, NULL, 0},
};

static bool settings_parse(struct settings *s, int argc, char **argv) {
    *s = (struct settings){
        .trace = {.seed = 1, .key_count = 400000, .value_size = 200, .size_limit = 1024 * 1024},
        .port = 6379,
        .batch = 32};
    int option;
    while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        unsigned long long number = optarg != NULL ? strtoull(optarg, NULL, 10) : 0;
        switch (option) {
        case 'g': s->trace.generator = optarg; break;
        case 't': s->trace.path = optarg; break;
        case 's': s->trace.seed = number; break;
        case 'k': s->trace.key_count = number; break;
        case 'r': s->trace.request_count = number; break;
        case 'v': s->trace.value_size = (uint32_t)number; break;
        case 'l': s->trace.size_limit = (uint32_t)number; break;
        case 'p': s->port = (uint16_t)number; break;
        case 'b': s->batch = (unsigned)number; break;
        case 'w': s->warmup = atof(optarg); break;
        default: return false;
        }
    }
    if (s->trace.path == NULL && s->trace.request_count == 0)
        s->trace.request_count = 2000000;
    return s->batch >= 1 && s->batch <= BATCH_MAX && s->warmup >= 0 && s->warmup < 1 &&
           (s->trace.path == NULL) != (s->trace.generator == NULL);
}

static int run(const struct settings *s, struct trace *trace) {
    struct client client;
    struct counts counts = {0};
    if (!client_connect(&client, s->port)) {
        fprintf(stderr, "bench-trace: port %u: %s\n", s->port, strerror(errno));
        client_close(&client);
        return 1;
    }
    bool is_ok = replay(s, &client, trace, &counts);
    int64_t entries = is_ok ? entry_count(&client) : 0;
    if (client.problem != NULL)
        fprintf(stderr, "bench-trace: %s\n", client.problem);
    is_ok = is_ok && client.problem == NULL && counts.requests > 0;
    if (is_ok)
        printf("{\"requests\": %llu, \"hits\": %llu, \"hit_ratio\": %.6f, "
               "\"byte_hit_ratio\": %.6f, \"entries\": %lld}\n",
               (unsigned long long)counts.requests, (unsigned long long)counts.hits,
               (double)counts.hits / (double)counts.requests,
               counts.bytes > 0 ? (double)counts.hit_bytes / (double)counts.bytes : 0.0,
               (long long)entries);
    client_close(&client);
    return is_ok ? 0 : 1;
}

int main(int argc, char **argv) {
    struct settings settings;
    if (!settings_parse(&settings, argc, argv)) {
        fprintf(stderr, "bench-trace --port N (--generate zipf:S | zipf-scan:S | loop | shift:S, "
                        "or --trace FILE.csv)\n"
                        "  [--seed N] [--keys N] [--requests N] [--value-size N] "
                        "[--size-limit N] [--batch N] [--warmup FRACTION]\n");
        return 2;
    }
    struct trace *trace = trace_open(&settings.trace);
    if (trace == NULL)
        return 2;
    int status = run(&settings, trace);
    trace_close(trace);
    return status;
}
