/* SPDX-License-Identifier: BSD-3-Clause */
/* The way of a process into its cluster: founding.h together with what any program needs around it.
 * From the start of a process until it is a member, and after that for those who come later.
 *
 *      frames, ticks, broken links                    the mark is durable
 *                    |                                        |
 *      host <--- send, store, begin, withdraw --- driver ---> founding
 *        |                                          ^
 *      member --- every view of its configuration --'
 *
 * - One mark is stored at a time; a newer one waits, and takes the place of those between.
 * - A founder becomes a member when a mark that says so is durable, if it has a disk: from then on
 *   it is of that cluster for ever, whatever its other files hold.
 * - Who joins is a member when the configuration names it. Until some member has shown it one it
 *   may be that the cluster is gone: after 3 s it gives up and looks around again. Until it is a
 *   member it follows who tells of a newer generation of the cluster.
 *
 *   frame   version u8 | message as in founding_codec.c | crc u32 (CRC-32C of all before)
 *
 * Every call is a step; during it the host is called, which may call founding_driver_view and
 * nothing else. One thread. */
#ifndef LARDER_CLUSTER_FOUNDING_DRIVER_H
#define LARDER_CLUSTER_FOUNDING_DRIVER_H

#include "cluster/founding.h"

enum { FOUNDING_FRAME_BYTES_MAX = FOUNDING_BYTES_MAX + 5 };

struct founding_driver;

/* As what a process begins to be a member. */
struct founding_entry {
    struct raft_id cluster;
    uint16_t generation;
    const struct founding_plan *plan;      /* NULL: it joins, or joined before it was restarted */
    const struct member_address *contacts; /* where to ask for admission, besides the seeds */
    uint32_t contact_count;
};

/* Everything given is borrowed for the call. */
struct founding_driver_host {
    void *context;
    /* Over a link, numbered as founding.h says. */
    void (*send)(void *context, uint32_t link, struct slice frame);
    /* Make these bytes durable in place of the former ones, then founding_driver_stored. Not called
     * again before that. May be NULL if the options say that there is no disk. */
    void (*store)(void *context, struct slice mark);
    /* Be a member from now on. If what is durable is of a newer generation of that cluster, of that
     * one and without the plan: it was begun by force, and the mark was not stored any more. */
    void (*begin)(void *context, const struct founding_entry *entry);
    /* Be none any more: nobody answered. Another `begin` follows, maybe of another cluster. */
    void (*withdraw)(void *context);
};

/* `mark`: what was stored last, durably; empty: nothing. Borrows `host` for its life and does not
 * call it yet. Returns owned in *out. Errors: as founding_create. */
LARDER_NODISCARD
enum larder_status founding_driver_create(const struct founding_options *options, struct slice mark,
                                          const struct founding_driver_host *host, int64_t now_us,
                                          const struct allocator *allocator,
                                          struct founding_driver **out);
/* NULL is allowed. */
void founding_driver_destroy(struct founding_driver *driver);

/* Once, before all others: who was a member before begins at once. */
void founding_driver_start(struct founding_driver *driver, int64_t now_us);
/* Every 50 ms or more often. */
void founding_driver_tick(struct founding_driver *driver, int64_t now_us);
/* A damaged frame is dropped. */
void founding_driver_receive(struct founding_driver *driver, uint32_t link, struct slice frame,
                             int64_t now_us);
void founding_driver_broken(struct founding_driver *driver, uint32_t link, int64_t now_us);
/* What `store` was given last is durable. */
void founding_driver_stored(struct founding_driver *driver, int64_t now_us);
/* The member holds this configuration. is_named: it names this process as living. */
void founding_driver_view(struct founding_driver *driver, const struct configuration *configuration,
                          bool is_named, int64_t now_us);

enum founding_state founding_driver_state(const struct founding_driver *driver);

/* What a frame says, for people: borrowed for ever. */
const char *founding_frame_name(struct slice frame);

#endif
