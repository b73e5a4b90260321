/* SPDX-License-Identifier: BSD-3-Clause */
/* The sparse form of a hyperloglog. Private to it. */
#ifndef LARDER_DS_HYPERLOGLOG_SPARSE_H
#define LARDER_DS_HYPERLOGLOG_SPARSE_H

#include "ds/hyperloglog.h"

enum { HYPERLOGLOG_RUN_VALUE_MAX = 32 };

/* What hyperloglog_sparse_raise came to. */
enum hyperloglog_outcome {
    HYPERLOGLOG_SAME,
    HYPERLOGLOG_CHANGED,
    HYPERLOGLOG_TOO_LONG, /* nothing changed: it is to become dense */
    HYPERLOGLOG_NO_MEMORY,
    HYPERLOGLOG_CORRUPT,
};
enum hyperloglog_outcome hyperloglog_sparse_raise(struct blob **image, struct hyperloglog_mark mark,
                                                  size_t sparse_max);

#endif
