/* SPDX-License-Identifier: BSD-3-Clause */
/* Transactions over a pinned connection. Until something is watched the connection carries no
 * state, so whatever was refused because the slot moved can be done again elsewhere: a refused
 * command in a MULTI has the server execute nothing of it. ASK can't be followed into a MULTI; the
 * slot is on its way then, and it is tried again until it has arrived. */
#include "valkey/cluster_transaction.h"
#include "client/cluster_pinned.h"
#include "client/command_text.h"
#include "client/slot.h"

#include <string.h>
#include <strings.h>

struct valkeyClusterTransaction {
    struct cluster *cluster;
    int slot;
    valkeyContext *c; /* NULL: not connected */
    char *addr;       /* of its node, owned */
    bool is_watching;
    char *appended;
    size_t used, capacity; /* bytes */
    size_t count;          /* commands */
};

/* Go to that node. VALKEY_ERR: cc->err is set. */
static int pin(valkeyClusterTransaction *transaction, struct cluster_node *node) {
    struct cluster *cluster = transaction->cluster;
    pinned_give(cluster, transaction->addr == NULL ? "" : transaction->addr, transaction->c);
    transaction->c = NULL;
    vk_free(transaction->addr);
    transaction->addr = vk_strdup(node->base.addr);
    if (transaction->addr == NULL)
        return cluster_fail_memory(cluster);
    transaction->c = pinned_take(cluster, node);
    return transaction->c != NULL ? VALKEY_OK : VALKEY_ERR;
}

/* Be connected to the slot's node. */
static int be_pinned(valkeyClusterTransaction *transaction) {
    struct cluster *cluster = transaction->cluster;
    if (transaction->c != NULL && transaction->c->err == 0) {
        cluster_clear_error(cluster);
        return VALKEY_OK;
    }
    if (transaction->is_watching)
        return cluster_fail(cluster, VALKEY_ERR_OTHER, "The connection is lost");
    cluster_begin_command(cluster);
    struct cluster_node *node = pinned_node(cluster, transaction->slot);
    return node == NULL ? VALKEY_ERR : pin(transaction, node);
}

valkeyClusterTransaction *valkeyClusterTransactionBegin(valkeyClusterContext *cc, const char *key,
                                                        size_t keylen) {
    valkeyClusterTransaction *transaction = vk_calloc(1, sizeof *transaction);
    if (transaction == NULL) {
        (void)cluster_fail_memory(cluster_of(cc));
        return NULL;
    }
    transaction->cluster = cluster_of(cc);
    transaction->slot = (int)slot_of_key(key, keylen);
    if (be_pinned(transaction) == VALKEY_OK)
        return transaction;
    valkeyClusterTransactionEnd(transaction);
    return NULL;
}

void valkeyClusterTransactionEnd(valkeyClusterTransaction *transaction) {
    if (transaction == NULL)
        return;
    if (transaction->is_watching)
        valkeyFree(transaction->c);
    else
        pinned_give(transaction->cluster, transaction->addr == NULL ? "" : transaction->addr,
                    transaction->c);
    vk_free(transaction->addr);
    vk_free(transaction->appended);
    vk_free(transaction);
}

static bool is_word(const char *word, size_t size, const char *wanted) {
    return size == strlen(wanted) && strncasecmp(word, wanted, size) == 0;
}

/* The context's error becomes that of the cluster. */
static void fail_from(const valkeyClusterTransaction *transaction) {
    struct cluster *cluster = transaction->cluster;
    cluster->context.need_update_route = 1;
    (void)cluster_fail(cluster, transaction->c->err, transaction->c->errstr);
}

/* Find the place for another try after an error about the cluster. VALKEY_ERR: there is none, and
 * cc->err is set. */
static int move_on(valkeyClusterTransaction *transaction, const char *text,
                   struct retries *retries) {
    struct cluster *cluster = transaction->cluster;
    if (transaction->is_watching)
        return cluster_fail(cluster, VALKEY_ERR_OTHER, "The slot has moved");
    struct cluster_node *from = NULL;
    for (size_t i = 0; i < cluster->node_count; i++)
        if (strcmp(cluster->nodes[i]->base.addr, transaction->addr) == 0)
            from = cluster->nodes[i];
    if (from == NULL)
        from = pinned_node(cluster, transaction->slot);
    if (from == NULL)
        return VALKEY_ERR;
    struct cluster_node *node = pinned_follow(cluster, from, transaction->slot, text, retries);
    return node == NULL ? VALKEY_ERR : pin(transaction, node);
}

/* Whether a reply is an error because of the state of the cluster. */
static bool is_about_cluster(const valkeyReply *reply) {
    return reply->type == VALKEY_REPLY_ERROR && cluster_error_of(reply->str) != CLUSTER_ERROR_NONE;
}

static valkeyReply *run(valkeyClusterTransaction *transaction, const char *bytes, size_t size) {
    struct retries retries = {0};
    while (be_pinned(transaction) == VALKEY_OK) {
        void *reply = NULL;
        if (valkeyAppendFormattedCommand(transaction->c, bytes, size) != VALKEY_OK ||
            valkeyGetReply(transaction->c, &reply) != VALKEY_OK) {
            fail_from(transaction);
            return NULL;
        }
        if (!is_about_cluster(reply))
            return reply;
        int result = move_on(transaction, ((valkeyReply *)reply)->str, &retries);
        freeReplyObject(reply);
        if (result != VALKEY_OK)
            return NULL;
    }
    return NULL;
}

void *valkeyClusterTransactionCommand(valkeyClusterTransaction *transaction, const char *format,
                                      ...) {
    struct cluster *cluster = transaction->cluster;
    va_list ap;
    va_start(ap, format);
    char *bytes = NULL;
    int size = valkeyvFormatCommand(&bytes, format, ap);
    va_end(ap);
    struct command_cursor words;
    const char *name = "";
    size_t name_size = 0;
    valkeyReply *reply = NULL;
    if (size >= 0 && command_cursor_open(&words, bytes, (size_t)size))
        (void)command_cursor_next(&words, &name, &name_size);
    if (size < 0)
        cluster_fail_format(cluster, size);
    else if (is_word(name, name_size, "MULTI") || is_word(name, name_size, "EXEC") ||
             is_word(name, name_size, "DISCARD"))
        (void)cluster_fail(cluster, VALKEY_ERR_OTHER, "Commands to be executed are appended");
    else
        reply = run(transaction, bytes, (size_t)size);
    bool is_done = reply != NULL && reply->type != VALKEY_REPLY_ERROR;
    if (is_done && is_word(name, name_size, "WATCH"))
        transaction->is_watching = true;
    else if (is_done && is_word(name, name_size, "UNWATCH"))
        transaction->is_watching = false;
    valkeyFreeCommand(bytes);
    return reply;
}

/* Takes `bytes`. */
static int append(valkeyClusterTransaction *transaction, char *bytes, long long size) {
    struct cluster *cluster = transaction->cluster;
    cluster_clear_error(cluster);
    int result = VALKEY_OK;
    if (size < 0) {
        cluster_fail_format(cluster, size);
        return VALKEY_ERR;
    }
    if (transaction->capacity - transaction->used < (size_t)size) {
        size_t capacity = (transaction->used + (size_t)size) * 2;
        char *grown = vk_realloc(transaction->appended, capacity);
        if (grown == NULL)
            result = cluster_fail_memory(cluster);
        else
            transaction->appended = grown, transaction->capacity = capacity;
    }
    if (result == VALKEY_OK) {
        memcpy(transaction->appended + transaction->used, bytes, (size_t)size);
        transaction->used += (size_t)size;
        transaction->count++;
    }
    valkeyFreeCommand(bytes);
    return result;
}

int valkeyClusterTransactionAppend(valkeyClusterTransaction *transaction, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    char *bytes = NULL;
    int size = valkeyvFormatCommand(&bytes, format, ap);
    va_end(ap);
    return append(transaction, bytes, size);
}

int valkeyClusterTransactionAppendArgv(valkeyClusterTransaction *transaction, int argc,
                                       const char **argv, const size_t *argvlen) {
    char *bytes = NULL;
    long long size = valkeyFormatCommandArgv(&bytes, argc, argv, argvlen);
    return append(transaction, bytes, size);
}

static int send_all(const valkeyClusterTransaction *transaction) {
    valkeyContext *c = transaction->c;
    static const char MULTI[] = "*1\r\n$5\r\nMULTI\r\n", EXEC[] = "*1\r\n$4\r\nEXEC\r\n";
    if (valkeyAppendFormattedCommand(c, MULTI, sizeof MULTI - 1) != VALKEY_OK ||
        (transaction->used > 0 &&
         valkeyAppendFormattedCommand(c, transaction->appended, transaction->used) != VALKEY_OK))
        return VALKEY_ERR;
    return valkeyAppendFormattedCommand(c, EXEC, sizeof EXEC - 1);
}

/* Send and take all answers. *out_refusal: the first that is about the cluster, owned, or NULL.
 * Returns the answer to EXEC; NULL: the connection failed. */
static valkeyReply *exchange(const valkeyClusterTransaction *transaction,
                             valkeyReply **out_refusal) {
    void *reply = NULL;
    *out_refusal = NULL;
    if (send_all(transaction) != VALKEY_OK)
        return NULL;
    for (size_t i = 0; i < transaction->count + 2; i++) {
        freeReplyObject(reply == *out_refusal ? NULL : reply);
        reply = NULL;
        if (valkeyGetReply(transaction->c, &reply) != VALKEY_OK) {
            freeReplyObject(*out_refusal);
            *out_refusal = NULL;
            return NULL;
        }
        if (*out_refusal == NULL && is_about_cluster(reply))
            *out_refusal = reply;
    }
    return reply;
}

void *valkeyClusterTransactionExec(valkeyClusterTransaction *transaction) {
    struct retries retries = {0};
    valkeyReply *reply = NULL;
    while (be_pinned(transaction) == VALKEY_OK) {
        valkeyReply *refusal;
        reply = exchange(transaction, &refusal);
        if (reply == NULL) {
            fail_from(transaction);
            break;
        }
        if (refusal == NULL)
            break;
        int result = move_on(transaction, refusal->str, &retries);
        if (reply != refusal)
            freeReplyObject(reply);
        freeReplyObject(refusal);
        reply = NULL;
        if (result != VALKEY_OK)
            break;
    }
    /* EXEC ends it, and so does the end of the connection. */
    transaction->is_watching = false;
    transaction->used = transaction->count = 0;
    return reply;
}
