/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands for several nodes: which parts they have, and how the parts' replies become one. The
 * synchronous and the asynchronous engine send the parts; neither planning nor merging blocks. */
#ifndef LARDER_CLIENT_CLUSTER_SPREAD_H
#define LARDER_CLIENT_CLUSTER_SPREAD_H

#include "client/cluster_internal.h"
#include "client/slot.h"

struct spread_part {
    struct cluster_node *node; /* NULL: by slot */
    int slot;
    size_t first_key, key_count; /* in plan.order; 0 keys: the command as it is */
    valkeyReply *reply;          /* owned */
};

struct spread_word {
    const char *text;
    size_t size;
};

struct spread_plan {
    enum merge merge;
    struct spread_part *parts;
    size_t part_count;
    /* of a command that is split: its words, and the numbers of its keys ordered by slot */
    struct spread_word *words;
    size_t *order;
    size_t key_count, step;
};

/* Find the parts of a command. The plan borrows the command; finish it whatever the result.
 * VALKEY_ERR: cc->err is set. */
int spread_plan_init(struct spread_plan *plan, struct cluster *cluster, const char *command,
                     size_t size);
void spread_plan_finish(struct spread_plan *plan);
/* The bytes of a part with keys, owned (valkeyFreeCommand); below 0: as valkeyFormatCommandArgv. */
long long spread_part_format(const struct spread_plan *plan, const struct spread_part *part,
                             char **out_bytes);
/* One reply of the replies of all parts, which exist; they are used up. NULL: cc->err is set. */
valkeyReply *spread_merge(struct cluster *cluster, struct spread_plan *plan);

#endif
