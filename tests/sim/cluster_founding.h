/* SPDX-License-Identifier: BSD-3-Clause */
/* How a simulated process gets into its cluster: cluster/founding_driver.h on the machine's
 * connections and disk. It begins when the mark that was found is durable (again).
 *
 *   frame   'F' | 'd' or 'a' | frame as in founding_driver.h
 *
 * The simulator has one connection for each pair of machines; founding wants one that each opened
 * itself. So a frame says whether it goes from the one that dials to the seed, or is an answer; a
 * connection that breaks breaks both links. */
#ifndef LARDER_TESTS_SIM_CLUSTER_FOUNDING_H
#define LARDER_TESTS_SIM_CLUSTER_FOUNDING_H

#include "cluster/founding_driver.h"
#include "sim/cluster_member.h"

struct cluster_founding;

struct cluster_founding_owner {
    void *context;
    /* The disk's other files are empty or of that cluster. The plan is borrowed until the process
     * ends or `withdraw`, the rest for the call. */
    void (*begin)(void *context, const struct founding_entry *entry);
    void (*withdraw)(void *context);
};

/* May call `begin` before it returns; *out is set then. Errors: LARDER_NO_MEMORY, LARDER_IO,
 * LARDER_CORRUPT (a mark of another version). */
LARDER_NODISCARD
enum larder_status cluster_founding_create(struct sim_machine *machine,
                                           const struct cluster_sim_settings *settings,
                                           const struct member *self,
                                           const struct cluster_founding_owner *owner,
                                           struct cluster_founding **out);
/* NULL is allowed. */
void cluster_founding_destroy(struct cluster_founding *founding);

void cluster_founding_tick(struct cluster_founding *founding);
/* `body` is the frame behind its first byte. */
void cluster_founding_take_frame(struct cluster_founding *founding, uint32_t from,
                                 struct slice body);
void cluster_founding_link(struct cluster_founding *founding, uint32_t peer,
                           enum sim_link_event event);
/* False: the sync was not of founding. */
bool cluster_founding_synced(struct cluster_founding *founding, uint64_t ticket,
                             enum larder_status status);
void cluster_founding_view(struct cluster_founding *founding, struct cluster_member *member,
                           const struct configuration *configuration);

/* 0: its mark is not durable yet. */
enum founding_state cluster_founding_state(const struct cluster_founding *founding);
void cluster_founding_describe_frame(struct slice body, char *out, size_t size);

#endif
