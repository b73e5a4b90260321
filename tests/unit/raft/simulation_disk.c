/* SPDX-License-Identifier: BSD-3-Clause */
/* A node's storage: writes become durable in order and some time after they were given; a crash
 * keeps some first part of those that were under way; a full disk may keep a part of what it
 * refused. */
#include "simulation.h"

static void disk_perform_log(struct sim *s, struct sim_disk *disk, const struct sim_write *write,
                             size_t entry_count) {
    uint64_t after = write->write.after_index;
    if (write->write.is_reset) {
        disk->snapshot = write->snapshot;
        disk->count = 0;
    }
    if (disk->count > 0 && after + 1 < disk->log[0].index)
        sim_violate(s, "a write begins before the log on disk");
    else if (disk->count > 0 && after + 1 < disk->log[0].index + disk->count)
        disk->count = (size_t)(after + 1 - disk->log[0].index);
    else if (disk->count > 0 && after + 1 > disk->log[0].index + disk->count)
        sim_violate(s, "a write leaves a gap in the log on disk");
    for (size_t i = 0; i < entry_count && s->violation == NULL; i++) {
        if (disk->count == SIM_LOG_MAX) {
            s->is_exhausted = true;
            return;
        }
        disk->log[disk->count++] = write->entries[i];
    }
}

static void disk_forget(struct sim_disk *disk, size_t count) {
    for (size_t i = 0; i < count; i++)
        free(disk->writes[i].entries);
    disk->write_count -= count;
    memmove(disk->writes, disk->writes + count, disk->write_count * sizeof(disk->writes[0]));
}

static void disk_perform(struct sim *s, uint32_t number) {
    struct sim_disk *disk = &s->nodes[number].disk;
    const struct sim_write *write = &disk->writes[0];
    if (write->write.has_hard_state)
        disk->hard_state = write->write.hard_state;
    if (write->write.has_log)
        disk_perform_log(s, disk, write, write->write.entry_count);
    raft_oracle_persisted(s->oracle, number + 1, write->write.number);
    disk_forget(disk, 1);
}

/* What a failed write may leave: the hard state, then some of the entries. */
static void disk_perform_partly(struct sim *s, struct sim_disk *disk) {
    const struct sim_write *write = &disk->writes[0];
    if (write->write.has_hard_state)
        disk->hard_state = write->write.hard_state;
    if (write->write.has_log && sim_chance(s, 700))
        disk_perform_log(s, disk, write, random_below(&s->random, write->write.entry_count + 1));
}

static void disk_begin_write(struct sim *s, uint32_t number, const struct raft_write *write) {
    struct sim_disk *disk = &s->nodes[number].disk;
    if (disk->is_refusing)
        return;
    if (disk->write_count == SIM_WRITES_MAX) {
        s->is_exhausted = true;
        return;
    }
    struct sim_write *kept = &disk->writes[disk->write_count++];
    kept->write = *write;
    if (write->is_reset)
        kept->snapshot = s->nodes[number].arriving;
    if (write->is_reset && kept->snapshot.identity.index != write->after_index)
        sim_violate(s, "the log begins anew behind a snapshot that is not there");
    kept->entries = calloc(write->entry_count + 1, sizeof(*kept->entries));
    for (size_t i = 0; i < write->entry_count; i++) {
        const struct raft_entry *entry = &write->entries[i];
        kept->entries[i] = (struct sim_entry){.index = entry->index,
                                              .term = entry->term,
                                              .type = entry->type,
                                              .size = (uint32_t)entry->data.size};
        memcpy(kept->entries[i].data,
               entry->data.data == NULL ? (const uint8_t *)"" : entry->data.data, entry->data.size);
    }
    sim_schedule(s, &(struct sim_event){.time_ms = s->now_ms +
                                                   (int64_t)random_below(
                                                       &s->random, (uint64_t)s->faults.disk_ms + 1),
                                        .type = EVENT_DISK,
                                        .node = number,
                                        .incarnation = s->nodes[number].incarnation});
}

/* The first write under way becomes durable or fails. */
static void disk_proceed(struct sim *s, uint32_t number) {
    struct sim_disk *disk = &s->nodes[number].disk;
    if (disk->write_count == 0)
        return;
    struct sim_event answer = {
        .time_ms = s->now_ms + (int64_t)random_below(&s->random, (uint64_t)s->faults.disk_ms + 1),
        .type = EVENT_INPUT,
        .node = number,
        .incarnation = s->nodes[number].incarnation};
    const struct raft_write *write = &disk->writes[0].write;
    if (!disk->is_full) {
        answer.input =
            (struct raft_input){.type = RAFT_PERSISTED,
                                .persisted = {write->number, write->last_index, write->last_term}};
        disk_perform(s, number);
    } else {
        s->counters.disk_failures++;
        answer.input =
            (struct raft_input){.type = RAFT_PERSIST_FAILED, .failed_number = write->number};
        if (sim_chance(s, 500))
            disk_perform_partly(s, disk);
        disk_forget(disk, disk->write_count);
        disk->is_refusing = true;
    }
    sim_schedule(s, &answer);
}

static void disk_crash(struct sim *s, uint32_t number) {
    struct sim_disk *disk = &s->nodes[number].disk;
    size_t done = random_below(&s->random, disk->write_count + 1);
    for (size_t i = 0; i < done && !disk->is_full; i++)
        disk_perform(s, number);
    disk_forget(disk, disk->write_count);
    disk->is_refusing = disk->is_mending = false;
}
