/* SPDX-License-Identifier: BSD-3-Clause */
/* A section: between its begin and its end a thread holds the locks of several partitions and runs
 * any number of commands on them, of which nobody else sees a part: EXEC, a script, a command whose
 * keys are not known beforehand. Its effects are one record; what it has to tell others (changed
 * keys, events) is told at its end.
 *
 * A DECLARED section touches the partitions of its plan only, so that sections on different
 * partitions run side by side. An OPEN one locks further partitions when it first touches them;
 * there is one at a time on a node (SCRIPT_LOCK), and whoever takes several locks in order lets go
 * of all when it meets a partition that an open section holds, so that neither waits for the other
 * for ever. A command with one key never waits while it holds a lock. */
#ifndef LARDER_NODE_SECTION_H
#define LARDER_NODE_SECTION_H

#include "node/node.h"

/* What a section will touch. */
struct section_plan {
    const struct allocator *allocator;
    enum section_kind kind;
    bool is_script; /* may run for long: who waits for it for longer than busy-reply-threshold gets
                       -BUSY, and the listener is told of threads that it holds up */
    uint32_t *partitions;
    size_t count, capacity;
};

/* No allocation. Kind: SECTION_DECLARED, without keys. */
void section_plan_init(struct section_plan *plan, const struct allocator *allocator);
void section_plan_finish(struct section_plan *plan);
/* Errors: LARDER_NO_MEMORY. */
enum larder_status section_plan_add_key(struct section_plan *plan, const struct node *node,
                                        struct slice key) LARDER_NODISCARD;
/* All keys of a command; one that may touch others (SORT BY, GET) makes the plan OPEN, one about
 * the whole keyspace (the caller knows: FLUSHALL ...) is the caller's to make it ALL. A command
 * whose keys can't be told will be refused when it runs; it adds nothing. Errors:
 * LARDER_NO_MEMORY. */
enum larder_status section_plan_add_command(struct section_plan *plan, const struct node *node,
                                            const struct command_spec *spec, size_t argc,
                                            const struct slice *argv) LARDER_NODISCARD;

/* Lock what is planned; the thread is in no section. node_execute then runs inside. Blocks. Errors:
 * LARDER_NO_MEMORY; LARDER_BUSY when another section has held one of the partitions for longer
 * than busy-reply-threshold. Nothing is held then. */
enum larder_status node_section_begin(struct node_thread *thread,
                                      struct section_plan *plan) LARDER_NODISCARD;
/* Tell what changed, serve who waited for it, unlock. */
void node_section_end(struct node_thread *thread);

/* Whether a partition is locked by the section that the thread is in. */
bool node_section_holds(const struct node_thread *thread, uint32_t partition);

/* Hold one more partition, or all: an OPEN section can. False: it is of another kind; is_outside is
 * set. Blocks. */
bool node_section_hold(struct node_thread *thread, uint32_t partition);
bool node_section_hold_all(struct node_thread *thread);

/* Whether a command may touch keys that it does not name: SORT with BY or GET patterns.
 * node_execute runs such a one in an OPEN section of its own. */
bool node_has_unknown_keys(const struct command_spec *spec, size_t argc, const struct slice *argv);

#endif
