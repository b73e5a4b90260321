/* SPDX-License-Identifier: BSD-3-Clause */
/* The partitions of a simulated member: a struct cluster_partition each on a store of real entries,
 * wired to the member and to clients. */
#ifndef LARDER_TESTS_SIM_CLUSTER_DATA_H
#define LARDER_TESTS_SIM_CLUSTER_DATA_H

#include "cluster/partition.h"
#include "sim/cluster_member.h"

/* Errors: LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status cluster_data_create(struct sim_machine *machine,
                                       const struct cluster_sim_settings *settings,
                                       struct cluster_data **out);
/* NULL is allowed. Before the member is destroyed. */
void cluster_data_destroy(struct cluster_data *data);
/* The cluster that it was for never came about: the member ends, the disk is emptied. */
void cluster_data_withdraw(struct cluster_data *data);

/* The member shows its configuration; the first time that it names this process the partitions
 * begin. */
void cluster_data_view(struct cluster_data *data, struct cluster_member *member,
                       const struct configuration *configuration);
void cluster_data_tick(struct cluster_data *data);
/* A sync ended. False: the ticket is somebody else's. */
bool cluster_data_synced(struct cluster_data *data, uint64_t ticket, enum larder_status status);
/* member_host.copy_left */
uint64_t cluster_data_copy_left(const struct cluster_data *data, uint32_t partition);
/* member_host.offer. Where data is in memory only, a cache, it is not waited for. */
bool cluster_data_offer(const struct cluster_data *data, uint32_t partition,
                        struct log_position *out_end);
void cluster_data_hand_off(struct cluster_data *data, uint32_t partition, uint32_t to);
/* Of another member's partitions. */
void cluster_data_take_frame(struct cluster_data *data, uint32_t from, struct slice body);
/* `body` is the frame behind its first byte. */
void cluster_data_take_request(struct cluster_data *data, uint32_t client, struct slice body);

/* The client's connection is gone: it waits for no lock any more. */
void cluster_data_disconnect(struct cluster_data *data, uint32_t client);

/* Steps that its partitions have done: what they are changes in no other way. */
uint64_t cluster_data_steps(const struct cluster_data *data);
/* NULL: the partitions have not begun. */
const struct partition_replica *cluster_data_replica(const struct cluster_data *data,
                                                     uint32_t partition);
/* The floor of its fence marks. */
uint64_t cluster_data_floor(const struct cluster_data *data, uint32_t partition);
/* Of everything that a partition holds. */
struct store_digest cluster_data_digest(const struct cluster_data *data, uint32_t partition);
uint64_t cluster_data_stored(const struct cluster_data *data, uint32_t partition);
/* The partition of a key. */
uint32_t cluster_data_partition_of(const struct cluster_data *data, struct slice key);

/* What a key of the clients' rounds is now, without changing anything. False: it can't be told. */
bool cluster_data_value(struct cluster_data *data, uint64_t key, uint64_t *out);

void cluster_data_describe(const struct cluster_data *data, char *out, size_t size);
void cluster_data_describe_frame(struct slice body, char *out, size_t size);
/* STEP_FRAME_... of script_steps.h; 0: it is of another partition. */
uint32_t cluster_data_frame_kind(struct slice body, uint32_t partition);

#endif
