/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of a simulated disk (its use: process.h). Each file exists twice: as it reads and as
 * it would be found after a loss of power.
 *
 *      disk_write -> cache ..... dirty sectors
 *      disk_sync  -> copies of them under way -> after a while stable
 *      power loss -> cache = stable, and each sector that was dirty or under way: old, new or torn
 */
#ifndef LARDER_TESTS_SIM_DISK_H
#define LARDER_TESTS_SIM_DISK_H

#include "base/random.h"
#include "sim/process.h"

enum { SIM_SECTOR_BYTES = 512 };

struct sim_file {
    uint8_t *cache, *stable, *is_dirty; /* is_dirty: one byte per sector */
    size_t capacity;                    /* bytes, whole sectors */
    size_t size, stable_size;
    uint32_t *dirty; /* sectors, each once */
    size_t dirty_count, dirty_capacity;
};

/* A sync under way. */
struct sim_sync {
    uint32_t file;
    size_t size; /* of the file */
    uint32_t *sectors;
    uint8_t *bytes; /* of the sectors, one after the other */
    size_t count;
};

struct sim_disk {
    struct sim_machine *machine;
    struct random random;
    struct sim_file files[SIM_FILES_MAX];
    struct sim_sync *syncs; /* oldest first */
    size_t sync_count, sync_capacity;
    int64_t busy_until_us;
    uint64_t epoch; /* raised by a loss of power: syncs of an older one never end */
    /* faults */
    bool is_full;             /* no file can grow */
    bool is_broken;           /* reads, writes and syncs fail */
    bool is_lying;            /* syncs end well and do nothing */
    bool has_lied;            /* something that was said to be synced is not */
    uint32_t error_rate;      /* of a write or a sync, per 100,000 ... */
    uint32_t sync_error_rate; /* ... and of a sync besides */
    int64_t sync_us;          /* a sync takes at most this long ... */
    uint32_t slow_rate;       /* ... but for these, per 1,000 ... */
    int64_t slow_sync_us;     /* ... which take at most this long */
    uint64_t fault_count;
};

void disk_init(struct sim_disk *disk, struct sim_machine *machine, uint64_t seed);
void disk_finish(struct sim_disk *disk);
/* The oldest sync ends. Returns its status. */
enum larder_status disk_end_sync(struct sim_disk *disk);
void disk_lose_power(struct sim_disk *disk);
/* The disk stops lying and writes what it had kept to itself. */
void disk_stop_lying(struct sim_disk *disk);
/* Every file is gone, as on a new disk; faults that are on stay on. */
void disk_wipe(struct sim_disk *disk);

#endif
