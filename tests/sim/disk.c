/* SPDX-License-Identifier: BSD-3-Clause */
/* Sectors are the unit of survival: what is not synced survives a loss of power per sector, in any
 * combination (Pillai et al. 2014 found real systems to do all of that). */
#include "sim/disk.h"

#include "sim/world.h"

#include <stdlib.h>

static bool disk_chance(struct sim_disk *disk, uint32_t rate, uint32_t of) {
    if (rate == 0 || random_below(&disk->random, of) >= rate)
        return false;
    disk->fault_count++;
    return true;
}

void disk_init(struct sim_disk *disk, struct sim_machine *machine, uint64_t seed) {
    *disk = (struct sim_disk){.machine = machine, .random = random_seeded(seed), .sync_us = 1000};
}

static void file_finish(struct sim_file *file) {
    free(file->cache);
    free(file->stable);
    free(file->is_dirty);
    free(file->dirty);
    *file = (struct sim_file){0};
}

static void forget_syncs(struct sim_disk *disk, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(disk->syncs[i].sectors);
        free(disk->syncs[i].bytes);
    }
    disk->sync_count -= count;
    if (disk->sync_count > 0)
        memmove(disk->syncs, disk->syncs + count, disk->sync_count * sizeof(*disk->syncs));
}

void disk_wipe(struct sim_disk *disk) {
    for (uint32_t i = 0; i < SIM_FILES_MAX; i++)
        file_finish(&disk->files[i]);
    forget_syncs(disk, disk->sync_count);
    disk->epoch++;
    disk->has_lied = false;
}

void disk_finish(struct sim_disk *disk) {
    disk_wipe(disk);
    free(disk->syncs);
    disk->syncs = NULL;
}

static void file_make_room(struct sim_file *file, size_t size) {
    if (size <= file->capacity)
        return;
    size_t capacity = file->capacity == 0 ? 8 * SIM_SECTOR_BYTES : file->capacity;
    while (capacity < size)
        capacity *= 2;
    size_t sectors = capacity / SIM_SECTOR_BYTES;
    size_t before = file->capacity / SIM_SECTOR_BYTES;
    file->cache = sim_resize(file->cache, capacity);
    file->stable = sim_resize(file->stable, capacity);
    file->is_dirty = sim_resize(file->is_dirty, sectors);
    memset(file->cache + file->capacity, 0, capacity - file->capacity);
    memset(file->stable + file->capacity, 0, capacity - file->capacity);
    memset(file->is_dirty + before, 0, sectors - before);
    file->capacity = capacity;
}

static void file_mark_sector(struct sim_file *file, uint32_t sector) {
    if (file->is_dirty[sector])
        return;
    if (file->dirty_count == file->dirty_capacity) {
        file->dirty_capacity = file->dirty_capacity == 0 ? 16 : 2 * file->dirty_capacity;
        file->dirty = sim_resize(file->dirty, file->dirty_capacity * sizeof(*file->dirty));
    }
    file->is_dirty[sector] = 1;
    file->dirty[file->dirty_count++] = sector;
}

static void file_mark(struct sim_file *file, size_t from, size_t to) {
    for (size_t sector = from / SIM_SECTOR_BYTES; sector * SIM_SECTOR_BYTES < to; sector++)
        file_mark_sector(file, (uint32_t)sector);
}

size_t disk_size(const struct sim_disk *disk, uint32_t file) {
    return disk->files[file].size;
}

enum larder_status disk_read(struct sim_disk *disk, uint32_t number, size_t offset, uint8_t *out,
                             size_t size, size_t *out_size) {
    const struct sim_file *file = &disk->files[number];
    *out_size = 0;
    if (disk->is_broken)
        return LARDER_IO;
    size_t left = offset < file->size ? file->size - offset : 0;
    *out_size = size < left ? size : left;
    if (*out_size > 0)
        memcpy(out, file->cache + offset, *out_size);
    return LARDER_OK;
}

static enum larder_status disk_check_change(struct sim_disk *disk, const struct sim_file *file,
                                            size_t end) {
    if (disk->is_broken || disk_chance(disk, disk->error_rate, 100000))
        return LARDER_IO;
    if (disk->is_full && end > file->size) {
        disk->fault_count++;
        return LARDER_NO_SPACE;
    }
    return LARDER_OK;
}

static void file_resize(struct sim_file *file, size_t size) {
    file_make_room(file, size);
    if (size > file->size) {
        memset(file->cache + file->size, 0, size - file->size);
        file_mark(file, file->size, size);
    } else if (size < file->size && size % SIM_SECTOR_BYTES != 0) {
        file_mark(file, size, size + 1);
    }
    file->size = size;
}

enum larder_status disk_write(struct sim_disk *disk, uint32_t number, size_t offset,
                              struct slice bytes) {
    struct sim_file *file = &disk->files[number];
    size_t end = offset + bytes.size;
    enum larder_status status = disk_check_change(disk, file, end);
    if (status != LARDER_OK || bytes.size == 0)
        return status;
    if (end > file->size)
        file_resize(file, end);
    memcpy(file->cache + offset, bytes.data, bytes.size);
    file_mark(file, offset, end);
    return LARDER_OK;
}

enum larder_status disk_resize(struct sim_disk *disk, uint32_t number, size_t size) {
    enum larder_status status = disk_check_change(disk, &disk->files[number], size);
    if (status == LARDER_OK)
        file_resize(&disk->files[number], size);
    return status;
}

/* Take the dirty sectors of a file as they are now. */
static struct sim_sync sync_of(struct sim_file *file, uint32_t number) {
    struct sim_sync sync = {.file = number, .size = file->size, .count = file->dirty_count};
    if (sync.count == 0)
        return sync;
    sync.sectors = sim_resize(NULL, sync.count * sizeof(*sync.sectors));
    sync.bytes = sim_resize(NULL, sync.count * SIM_SECTOR_BYTES);
    for (size_t i = 0; i < sync.count; i++) {
        uint32_t sector = file->dirty[i];
        sync.sectors[i] = sector;
        file->is_dirty[sector] = 0;
        memcpy(sync.bytes + i * SIM_SECTOR_BYTES, file->cache + (size_t)sector * SIM_SECTOR_BYTES,
               SIM_SECTOR_BYTES);
    }
    file->dirty_count = 0;
    return sync;
}

static int64_t draw_duration_us(struct sim_disk *disk) {
    bool is_slow = disk_chance(disk, disk->slow_rate, 1000);
    int64_t most = is_slow ? disk->slow_sync_us : disk->sync_us;
    return 1 + (int64_t)random_below(&disk->random, (uint64_t)most + 1);
}

void disk_sync(struct sim_disk *disk, uint32_t number, uint64_t ticket) {
    if (disk->sync_count == disk->sync_capacity) {
        disk->sync_capacity = disk->sync_capacity == 0 ? 8 : 2 * disk->sync_capacity;
        disk->syncs = sim_resize(disk->syncs, disk->sync_capacity * sizeof(*disk->syncs));
    }
    disk->syncs[disk->sync_count++] = sync_of(&disk->files[number], number);
    int64_t now_us = disk->machine->world->now_us;
    if (disk->busy_until_us < now_us)
        disk->busy_until_us = now_us;
    disk->busy_until_us += draw_duration_us(disk);
    world_schedule_sync(disk->machine, disk->busy_until_us, ticket);
}

static void file_set_stable_size(struct sim_file *file, size_t size) {
    if (size > file->stable_size)
        memset(file->stable + file->stable_size, 0, size - file->stable_size);
    file->stable_size = size;
}

static void apply_sync(struct sim_disk *disk, const struct sim_sync *sync, bool is_whole) {
    struct sim_file *file = &disk->files[sync->file];
    file_set_stable_size(file, sync->size);
    for (size_t i = 0; i < sync->count; i++)
        if (is_whole || random_below(&disk->random, 2) == 0)
            memcpy(file->stable + (size_t)sync->sectors[i] * SIM_SECTOR_BYTES,
                   sync->bytes + i * SIM_SECTOR_BYTES, SIM_SECTOR_BYTES);
}

static enum larder_status end_sync(struct sim_disk *disk, const struct sim_sync *sync) {
    struct sim_file *file = &disk->files[sync->file];
    enum larder_status status = LARDER_OK;
    if (disk->is_broken || disk_chance(disk, disk->error_rate + disk->sync_error_rate, 100000)) {
        status = LARDER_IO;
        machine_count_event(disk->machine, RARE_SYNC_FAILED);
        apply_sync(disk, sync, false);
    } else if (disk->is_lying) {
        disk->fault_count++;
        disk->has_lied = disk->has_lied || sync->count > 0;
        for (size_t i = 0; i < sync->count; i++)
            file_mark_sector(file, sync->sectors[i]);
    } else {
        apply_sync(disk, sync, true);
    }
    return status;
}

enum larder_status disk_end_sync(struct sim_disk *disk) {
    enum larder_status status = end_sync(disk, &disk->syncs[0]);
    forget_syncs(disk, 1);
    return status;
}

enum larder_status disk_sync_now(struct sim_disk *disk, uint32_t number) {
    struct sim_sync sync = sync_of(&disk->files[number], number);
    enum larder_status status = end_sync(disk, &sync);
    free(sync.sectors);
    free(sync.bytes);
    return status;
}

/* One sector as it is found afterwards: old, new, or the first part new. */
static void settle_sector(struct sim_disk *disk, struct sim_file *file, uint32_t sector,
                          const uint8_t *bytes) {
    uint64_t kept = 0;
    switch (random_below(&disk->random, 3)) {
    case 0: break;
    case 1: kept = SIM_SECTOR_BYTES; break;
    default: kept = random_below(&disk->random, SIM_SECTOR_BYTES); break;
    }
    memcpy(file->stable + (size_t)sector * SIM_SECTOR_BYTES, bytes, kept);
}

static void settle_size(struct sim_disk *disk, struct sim_file *file) {
    size_t from = file->stable_size, to = file->size;
    if (from > to) {
        from = file->size;
        to = file->stable_size;
    }
    switch (random_below(&disk->random, 3)) {
    case 0: file_set_stable_size(file, from); break;
    case 1: file_set_stable_size(file, to); break;
    default: file_set_stable_size(file, from + random_below(&disk->random, to - from + 1)); break;
    }
}

void disk_lose_power(struct sim_disk *disk) {
    if (disk->sync_count > 0)
        machine_count_event(disk->machine, RARE_POWER_LOST_IN_SYNC);
    for (uint32_t i = 0; i < SIM_FILES_MAX; i++)
        if (disk->files[i].size != disk->files[i].stable_size)
            settle_size(disk, &disk->files[i]);
    for (size_t i = 0; i < disk->sync_count; i++) {
        const struct sim_sync *sync = &disk->syncs[i];
        for (size_t k = 0; k < sync->count; k++)
            settle_sector(disk, &disk->files[sync->file], sync->sectors[k],
                          sync->bytes + k * SIM_SECTOR_BYTES);
    }
    forget_syncs(disk, disk->sync_count);
    for (uint32_t i = 0; i < SIM_FILES_MAX; i++) {
        struct sim_file *file = &disk->files[i];
        for (size_t k = 0; k < file->dirty_count; k++) {
            uint32_t sector = file->dirty[k];
            settle_sector(disk, file, sector, file->cache + (size_t)sector * SIM_SECTOR_BYTES);
            file->is_dirty[sector] = 0;
        }
        file->dirty_count = 0;
        file->size = file->stable_size;
        if (file->capacity > 0) {
            memset(file->stable + file->size, 0, file->capacity - file->size);
            memcpy(file->cache, file->stable, file->capacity);
        }
    }
    disk->epoch++;
    disk->busy_until_us = 0;
}

void disk_stop_lying(struct sim_disk *disk) {
    disk->is_lying = false;
    if (!disk->has_lied)
        return;
    disk->has_lied = false;
    for (uint32_t i = 0; i < SIM_FILES_MAX; i++) {
        struct sim_file *file = &disk->files[i];
        if (file->capacity > 0)
            memcpy(file->stable, file->cache, file->capacity);
        file->stable_size = file->size;
    }
}
