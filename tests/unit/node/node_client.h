/* SPDX-License-Identifier: BSD-3-Clause */
/* A thread's use of a node, as a program that embeds it: commands as words, replies as bytes. */
#ifndef LARDER_TESTS_NODE_CLIENT_H
#define LARDER_TESTS_NODE_CLIENT_H

#include "node/node.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLIENT_WORDS_MAX = 128, CLIENT_LINE_MAX = 256 * 1024 };

struct node_client {
    struct node *node;
    struct node_thread thread;
    struct reply reply;
    uint32_t database;
    int64_t now_ms;
    bool changed; /* by the last command */
    char *text;   /* the last reply, blobs in their places */
    size_t text_size;
};

static inline void client_require(bool condition, const char *what) {
    if (condition)
        return;
    (void)fprintf(stderr, "node client: %s\n", what);
    abort();
}

/* Errors: LARDER_NO_MEMORY. */
static inline enum larder_status node_client_try_init(struct node_client *c, struct node *node) {
    *c = (struct node_client){.node = node, .now_ms = 1700000000000};
    enum larder_status status = node_thread_init(&c->thread, node);
    if (status != LARDER_OK)
        return status;
    c->text = malloc(CLIENT_LINE_MAX);
    client_require(c->text != NULL, "malloc");
    reply_init(&c->reply, node->allocator);
    node_thread_tick(&c->thread, c->now_ms);
    return LARDER_OK;
}

static inline void node_client_init(struct node_client *c, struct node *node) {
    client_require(node_client_try_init(c, node) == LARDER_OK, "node_thread_init");
}

static inline void node_client_finish(struct node_client *c) {
    reply_finish(&c->reply);
    node_thread_finish(&c->thread);
    free(c->text);
}

static inline const struct command_spec *client_spec(const struct slice *argv, size_t argc) {
    const struct command_spec *spec = command_find((const char *)argv[0].data, argv[0].size);
    if (spec == NULL || spec->subcommand_count == 0 || argc < 2)
        return spec;
    return command_find_subcommand(spec, (const char *)argv[1].data, argv[1].size);
}

/* The reply as a client would get it. */
static inline void client_note_reply(struct node_client *c) {
    const struct reply *r = &c->reply;
    size_t at = 0;
    c->text_size = 0;
    for (size_t i = 0; i <= r->reference_count; i++) {
        size_t end = i < r->reference_count ? r->references[i].at : r->used;
        client_require(c->text_size + (end - at) < CLIENT_LINE_MAX, "reply too long");
        if (end > at)
            memcpy(c->text + c->text_size, r->data + at, end - at);
        c->text_size += end - at;
        at = end;
        if (i == r->reference_count)
            break;
        struct slice blob = blob_slice(r->references[i].blob);
        client_require(c->text_size + blob.size < CLIENT_LINE_MAX, "reply too long");
        memcpy(c->text + c->text_size, blob.data, blob.size);
        c->text_size += blob.size;
    }
    c->text[c->text_size] = '\0';
}

/* Execute one data command; the reply stays until the next. */
static inline const char *node_client_call(struct node_client *c, const struct slice *argv,
                                           size_t argc) {
    const struct command_spec *spec = client_spec(argv, argc);
    client_require(spec != NULL && command_functions[spec->id] != NULL, "unknown command");
    struct call call = {
        .spec = spec, .argc = argc, .argv = argv, .database = c->database, .reply = &c->reply};
    reply_clear(&c->reply);
    node_execute(&c->thread, &call);
    c->changed = call.changed;
    client_note_reply(c);
    return c->text;
}

/* A line of words separated by blanks. */
static inline const char *node_client_run(struct node_client *c, const char *line) {
    struct slice words[CLIENT_WORDS_MAX] = {{NULL, 0}};
    size_t count = 0;
    for (const char *at = line; *at != '\0';) {
        size_t size = strcspn(at, " ");
        if (size > 0) {
            client_require(count < CLIENT_WORDS_MAX, "too many words");
            words[count++] = slice_of(at, size);
        }
        at += size;
        at += strspn(at, " ");
    }
    client_require(count > 0, "an empty line");
    return node_client_call(c, words, count);
}

/* As between two batches. */
static inline void node_client_tick(struct node_client *c, int64_t elapsed_ms) {
    c->now_ms += elapsed_ms;
    node_thread_tick(&c->thread, c->now_ms);
}

#endif
