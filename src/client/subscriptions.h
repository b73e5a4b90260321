/* SPDX-License-Identifier: BSD-3-Clause */
/* What an asynchronous context is subscribed to: channel name to callback, one table each for
 * channels, patterns and shard channels. The callback's fields here: pending_subs are SUBSCRIBEs
 * not yet confirmed, `subscribed` is whether one was, unsubscribe_sent whether the last word was
 * UNSUBSCRIBE. */
#ifndef LARDER_CLIENT_SUBSCRIPTIONS_H
#define LARDER_CLIENT_SUBSCRIPTIONS_H

#include "valkey/async.h"

#include <stdbool.h>

/* NULL without memory. */
struct dict *subscriptions_create(void);
/* NULL is ignored. Callbacks are not called. */
void subscriptions_destroy(struct dict *table);
size_t subscriptions_count(const struct dict *table);
/* NULL if there is none. Valid until the next change. */
valkeyCallback *subscriptions_find(struct dict *table, const char *name, size_t size);
/* The entry for the name, made (all zero) if it is missing; NULL without memory. */
valkeyCallback *subscriptions_get(struct dict *table, const char *name, size_t size);
void subscriptions_remove(struct dict *table, const char *name, size_t size);
/* Remove any entry and copy it to *out; false when there is none. */
bool subscriptions_take(struct dict *table, valkeyCallback *out);
/* Call `visit` for every entry; it is removed when that returns false. */
void subscriptions_filter(struct dict *table, bool (*visit)(valkeyCallback *, void *context),
                          void *context);

#endif
