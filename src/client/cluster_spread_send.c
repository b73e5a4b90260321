/* SPDX-License-Identifier: BSD-3-Clause */
/* Sending the parts of spread commands, with and without an event loop. Without one all requests
 * are made before the first is waited for; with one the last part to be answered merges. */
#include "client/cluster_async.h"
#include "client/cluster_spread.h"
#include "valkey/cluster_commands.h"

#include <string.h>

/* The bytes of a part; *out_own is to be freed (valkeyFreeCommand). VALKEY_ERR: cc->err is set. */
static int part_bytes(struct cluster *cluster, const struct spread_plan *plan,
                      const struct spread_part *part, const char **bytes, size_t *size,
                      char **out_own) {
    *out_own = NULL;
    if (part->key_count == 0)
        return VALKEY_OK;
    long long written = spread_part_format(plan, part, out_own);
    if (written < 0)
        return cluster_fail_memory(cluster);
    *bytes = *out_own;
    *size = (size_t)written;
    return VALKEY_OK;
}

static struct request *send_part(struct cluster *cluster, const struct spread_plan *plan,
                                 const struct spread_part *part, const char *bytes, size_t size) {
    char *own;
    if (part_bytes(cluster, plan, part, &bytes, &size, &own) != VALKEY_OK)
        return NULL;
    struct request *request = request_create(cluster, part->node, part->slot, bytes, size);
    valkeyFreeCommand(own);
    return request;
}

/* Send all parts, then wait for all. VALKEY_ERR: cc->err is set. */
static int run_parts(struct cluster *cluster, struct spread_plan *plan, const char *bytes,
                     size_t size) {
    struct request **requests = vk_calloc(plan->part_count, sizeof(*requests));
    if (requests == NULL)
        return cluster_fail_memory(cluster);
    size_t sent = 0;
    while (sent < plan->part_count &&
           (requests[sent] = send_part(cluster, plan, &plan->parts[sent], bytes, size)) != NULL)
        sent++;
    int err = sent < plan->part_count ? cluster->context.err : 0;
    char text[sizeof cluster->context.errstr];
    (void)snprintf(text, sizeof text, "%s", cluster->context.errstr);
    for (size_t i = 0; i < sent; i++) {
        plan->parts[i].reply = cluster_finish_request(cluster, requests[i]);
        if (plan->parts[i].reply != NULL || err != 0)
            continue;
        err = cluster->context.err;
        (void)snprintf(text, sizeof text, "%s", cluster->context.errstr);
    }
    vk_free(requests);
    return err == 0 ? VALKEY_OK : cluster_fail(cluster, err, text);
}

static void *spread(struct cluster *cluster, const char *bytes, long long size) {
    struct spread_plan plan = {0};
    valkeyReply *reply = NULL;
    if (size < 0) {
        cluster_fail_format(cluster, size);
        return NULL;
    }
    cluster_begin_command(cluster);
    if (spread_plan_init(&plan, cluster, bytes, (size_t)size) == VALKEY_OK &&
        run_parts(cluster, &plan, bytes, (size_t)size) == VALKEY_OK)
        reply = spread_merge(cluster, &plan);
    spread_plan_finish(&plan);
    return reply;
}

void *valkeyClustervSpreadCommand(valkeyClusterContext *cc, const char *format, va_list ap) {
    char *bytes = NULL;
    int size = valkeyvFormatCommand(&bytes, format, ap);
    void *reply = spread(cluster_of(cc), bytes, size);
    valkeyFreeCommand(bytes);
    return reply;
}

void *valkeyClusterSpreadCommand(valkeyClusterContext *cc, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    void *reply = valkeyClustervSpreadCommand(cc, format, ap);
    va_end(ap);
    return reply;
}

void *valkeyClusterSpreadCommandArgv(valkeyClusterContext *cc, int argc, const char **argv,
                                     const size_t *argvlen) {
    char *bytes = NULL;
    long long size = valkeyFormatCommandArgv(&bytes, argc, argv, argvlen);
    void *reply = spread(cluster_of(cc), bytes, size);
    valkeyFreeCommand(bytes);
    return reply;
}

/* An asynchronous spread command under way. The plan's words point into `command`. */
struct gathering {
    struct cluster *cluster;
    struct spread_plan plan;
    size_t missing; /* answers */
    int err;        /* of the first part that failed */
    char errstr[128];
    valkeyClusterCallbackFn *fn;
    void *privdata;
    size_t size;
    char command[];
};

struct gathered_part {
    struct gathering *gathering;
    size_t number;
};

static void gathering_destroy(struct gathering *gathering) {
    spread_plan_finish(&gathering->plan);
    vk_free(gathering);
}

static void note_failure(struct gathering *gathering) {
    const valkeyClusterContext *cc = &gathering->cluster->context;
    if (gathering->err != 0)
        return;
    gathering->err = cc->err != 0 ? cc->err : VALKEY_ERR_OTHER;
    (void)snprintf(gathering->errstr, sizeof gathering->errstr, "%s", cc->errstr);
}

/* All parts are answered, or have failed. */
static void complete(struct gathering *gathering) {
    struct cluster *cluster = gathering->cluster;
    valkeyReply *reply = NULL;
    if (gathering->err != 0) {
        (void)cluster_fail(cluster, gathering->err, gathering->errstr);
    } else {
        cluster_clear_error(cluster);
        reply = spread_merge(cluster, &gathering->plan);
    }
    valkeyClusterCallbackFn *fn = gathering->fn;
    void *privdata = gathering->privdata;
    gathering_destroy(gathering);
    if (fn != NULL)
        fn(async_context_of(cluster), reply, privdata);
    freeReplyObject(reply);
}

static void on_part(valkeyClusterAsyncContext *acc, void *reply, void *privdata) {
    struct gathered_part *part = privdata;
    struct gathering *gathering = part->gathering;
    (void)acc;
    if (reply == NULL)
        note_failure(gathering);
    gathering->plan.parts[part->number].reply = reply;
    vk_free(part);
    if (--gathering->missing == 0)
        complete(gathering);
}

static int gather_part(struct gathering *gathering, size_t number) {
    struct cluster *cluster = gathering->cluster;
    const struct spread_part *part = &gathering->plan.parts[number];
    const char *bytes = gathering->command;
    size_t size = gathering->size;
    char *own;
    if (part_bytes(cluster, &gathering->plan, part, &bytes, &size, &own) != VALKEY_OK)
        return VALKEY_ERR;
    struct gathered_part *context = vk_malloc(sizeof *context);
    int result = VALKEY_ERR;
    if (context == NULL) {
        (void)cluster_fail_memory(cluster);
    } else {
        *context = (struct gathered_part){.gathering = gathering, .number = number};
        struct async_reply_to to = {.fn = on_part, .privdata = context, .takes_reply = true};
        result = async_request_start(cluster, part->node, part->slot, &to, bytes, size);
    }
    if (result != VALKEY_OK)
        vk_free(context);
    valkeyFreeCommand(own);
    return result;
}

/* VALKEY_ERR: nothing was sent, and cc->err is set. */
static int gather(struct gathering *gathering) {
    size_t count = gathering->plan.part_count, sent = 0;
    /* One more than there are, so that it is not complete before all are sent. */
    gathering->missing = count + 1;
    for (size_t i = 0; i < count; i++) {
        if (gather_part(gathering, i) == VALKEY_OK) {
            sent++;
            continue;
        }
        note_failure(gathering);
        gathering->missing--;
    }
    if (sent == 0)
        return cluster_fail(gathering->cluster, gathering->err, gathering->errstr);
    if (--gathering->missing == 0)
        complete(gathering);
    return VALKEY_OK;
}

static int spread_async(valkeyClusterAsyncContext *acc, valkeyClusterCallbackFn *fn, void *privdata,
                        const char *bytes, long long size) {
    struct cluster *cluster = cluster_of(&acc->cc);
    if (async_command_begin(cluster, size) != VALKEY_OK)
        return VALKEY_ERR;
    size_t length = (size_t)size;
    struct gathering *gathering = vk_malloc(sizeof *gathering + length);
    int result = VALKEY_ERR;
    if (gathering == NULL) {
        (void)cluster_fail_memory(cluster);
    } else {
        *gathering =
            (struct gathering){.cluster = cluster, .fn = fn, .privdata = privdata, .size = length};
        memcpy(gathering->command, bytes, length);
        result = spread_plan_init(&gathering->plan, cluster, gathering->command, length);
        if (result == VALKEY_OK)
            result = gather(gathering);
        if (result != VALKEY_OK) {
            gathering_destroy(gathering);
            async_command_fail(cluster);
        }
    }
    async_cluster_leave(cluster);
    return result;
}

int valkeyClusterAsyncSpreadCommand(valkeyClusterAsyncContext *acc, valkeyClusterCallbackFn *fn,
                                    void *privdata, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    char *bytes = NULL;
    int size = valkeyvFormatCommand(&bytes, format, ap);
    int result = spread_async(acc, fn, privdata, bytes, size);
    valkeyFreeCommand(bytes);
    va_end(ap);
    return result;
}

int valkeyClusterAsyncSpreadCommandArgv(valkeyClusterAsyncContext *acc, valkeyClusterCallbackFn *fn,
                                        void *privdata, int argc, const char **argv,
                                        const size_t *argvlen) {
    char *bytes = NULL;
    long long size = valkeyFormatCommandArgv(&bytes, argc, argv, argvlen);
    int result = spread_async(acc, fn, privdata, bytes, size);
    valkeyFreeCommand(bytes);
    return result;
}
