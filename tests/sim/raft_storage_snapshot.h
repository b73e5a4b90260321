/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshot files of raft_storage.h; for its two source files. */
#ifndef LARDER_TESTS_SIM_RAFT_STORAGE_SNAPSHOT_H
#define LARDER_TESTS_SIM_RAFT_STORAGE_SNAPSHOT_H

#include "sim/raft_storage.h"

/* The complete snapshot of the highest index. Errors: LARDER_IO. */
enum larder_status raft_storage_find_snapshot(struct raft_storage *storage) LARDER_NODISCARD;
/* A file that holds nothing that is needed. */
uint32_t raft_storage_free_file(const struct raft_storage *storage);
/* Write a job's snapshot or chunk to job->file, which is to be synced. Errors: as disk_write. */
enum larder_status raft_storage_put_snapshot(struct raft_storage *storage,
                                             struct storage_job *job) LARDER_NODISCARD;
/* What the core is told; RAFT_TICK when nothing. */
struct raft_input raft_storage_end_snapshot(struct raft_storage *storage,
                                            const struct storage_job *job, bool is_stored);

#endif
