/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/eviction.h"

#include "store/access.h"

void eviction_finish(struct partition *p, const struct allocator *allocator) {
    ghost_destroy(p->ghost, allocator);
    p->ghost = NULL;
}

size_t eviction_bytes(const struct partition *p) {
    return ghost_bytes(p->ghost);
}
