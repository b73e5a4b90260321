/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/cluster_founding.h"

#include "raft/codec.h"
#include "sim/cluster_mark.h"
#include "sim/raft_storage.h"
#include "sim/world.h"

#include <stdlib.h>

/* Syncs of files that are emptied have tickets from here on. */
#define EMPTYING_TICKETS (UINT64_C(1) << 41)

enum { HEADER_BYTES = 2 };

struct cluster_founding {
    struct sim_machine *machine;
    const struct cluster_sim_settings *settings;
    struct member self;
    struct cluster_founding_owner owner;
    struct founding_driver_host host;
    struct founding_driver *driver; /* NULL until the mark that was found is durable */
    struct cluster_mark mark;
    bool is_used[SIM_MACHINES_MAX]; /* the connection to it */
    /* to begin with, once no file is of another cluster */
    bool is_begin_due;
    struct founding_entry entry;
    struct member_address contacts[FOUNDING_ADDRESSES_MAX];
    uint32_t emptying_count;
    enum founding_state traced;
    uint8_t frame[HEADER_BYTES + FOUNDING_FRAME_BYTES_MAX];
};

static void fail(struct cluster_founding *f, enum larder_status status) {
    machine_exit(f->machine, larder_status_text(status));
}

/* ---- what the driver asks for ---- */

static void host_send(void *context, uint32_t link, struct slice frame) {
    struct cluster_founding *f = context;
    bool is_dialled = link < f->settings->founders;
    uint32_t to = is_dialled ? link : link - f->settings->founders;
    f->frame[0] = 'F';
    f->frame[1] = is_dialled ? 'd' : 'a';
    memcpy(f->frame + HEADER_BYTES, frame.data, frame.size);
    f->is_used[to] = true;
    machine_send(f->machine, to, slice_of(f->frame, HEADER_BYTES + frame.size));
}

static void host_store(void *context, struct slice mark) {
    struct cluster_founding *f = context;
    cluster_mark_store(&f->mark, mark);
}

/* Of which cluster the files of the consensus core are. Errors: LARDER_NOT_FOUND (of none),
 * LARDER_IO, LARDER_CORRUPT. */
static enum larder_status find_cluster(struct cluster_founding *f,
                                       struct raft_hard_state_slot *out) {
    uint8_t bytes[2 * SIM_SECTOR_BYTES] = {0};
    size_t size;
    bool is_damaged;
    enum larder_status status = disk_read(machine_disk(f->machine), STORAGE_HARD_STATE_FILE, 0,
                                          bytes, sizeof(bytes), &size);
    if (status != LARDER_OK)
        return status;
    return raft_hard_state_decode(slice_of(bytes, RAFT_HARD_STATE_BYTES),
                                  slice_of(bytes + SIM_SECTOR_BYTES, RAFT_HARD_STATE_BYTES), out,
                                  &is_damaged);
}

static void empty_file(struct cluster_founding *f, uint32_t file) {
    struct sim_disk *disk = machine_disk(f->machine);
    if (disk_size(disk, file) == 0)
        return;
    enum larder_status status = disk_resize(disk, file, 0);
    if (status != LARDER_OK) {
        fail(f, status);
        return;
    }
    f->emptying_count++;
    disk_sync(disk, file, EMPTYING_TICKETS + file);
}

/* What a cluster that never came about has left. The file that tells whose they are comes last. */
static void empty_files(struct cluster_founding *f) {
    for (uint32_t file = 0; file < SIM_FILES_MAX; file++)
        if (file != CLUSTER_MARK_FILE && file != STORAGE_HARD_STATE_FILE)
            empty_file(f, file);
    if (f->emptying_count == 0)
        empty_file(f, STORAGE_HARD_STATE_FILE);
}

static void begin(struct cluster_founding *f) {
    if (!f->is_begin_due || f->emptying_count > 0)
        return;
    f->is_begin_due = false;
    f->owner.begin(f->owner.context, &f->entry);
}

static void host_begin(void *context, const struct founding_entry *entry) {
    struct cluster_founding *f = context;
    struct raft_hard_state_slot found;
    f->entry = *entry;
    f->entry.contacts = f->contacts;
    if (entry->contact_count > 0)
        memcpy(f->contacts, entry->contacts, entry->contact_count * sizeof(f->contacts[0]));
    f->is_begin_due = true;
    enum larder_status status = find_cluster(f, &found);
    bool is_same = status == LARDER_OK && raft_id_equal(found.cluster, entry->cluster);
    if (is_same && found.generation > entry->generation)
        f->entry = (struct founding_entry){.cluster = entry->cluster,
                                           .generation = found.generation,
                                           .contacts = f->contacts,
                                           .contact_count = entry->contact_count};
    if (status == LARDER_OK && (!is_same || found.generation < entry->generation))
        empty_files(f);
    else if (status != LARDER_OK && status != LARDER_NOT_FOUND)
        fail(f, status);
    else
        begin(f);
}

static void host_withdraw(void *context) {
    struct cluster_founding *f = context;
    if (!f->is_begin_due)
        f->owner.withdraw(f->owner.context);
    f->is_begin_due = false;
}

/* ---- life ---- */

static enum larder_status create_driver(struct cluster_founding *f) {
    struct member_address seeds[SIM_MACHINES_MAX];
    uint32_t address = machine_address(f->machine);
    for (uint32_t i = 0; i < f->settings->founders; i++)
        seeds[i] = cluster_sim_address(i);
    const struct founding_options options = {
        .self = &f->self,
        .seeds = seeds,
        .seed_count = f->settings->founders,
        .self_seed = address < f->settings->founders ? address : FOUNDING_NO_SEED,
        .expected_nodes = f->settings->expected_nodes,
        .is_durable = f->settings->is_founding_durable,
        .has_disk = !f->machine->is_diskless,
        .generation = 1,
        .partition_count = f->settings->partition_count,
        .settings = &f->settings->cluster,
        .seed = machine_random(f->machine),
    };
    enum larder_status status = founding_driver_create(&options, cluster_mark_bytes(&f->mark),
                                                       &f->host, machine_now_us(f->machine),
                                                       machine_allocator(f->machine), &f->driver);
    if (status == LARDER_OK)
        founding_driver_start(f->driver, machine_now_us(f->machine));
    return status;
}

enum larder_status cluster_founding_create(struct sim_machine *machine,
                                           const struct cluster_sim_settings *settings,
                                           const struct member *self,
                                           const struct cluster_founding_owner *owner,
                                           struct cluster_founding **out) {
    struct cluster_founding *f = sim_resize(NULL, sizeof(*f));
    memset(f, 0, sizeof(*f));
    f->machine = machine;
    f->settings = settings;
    f->self = *self;
    f->owner = *owner;
    f->host = (struct founding_driver_host){.context = f,
                                            .send = host_send,
                                            .store = host_store,
                                            .begin = host_begin,
                                            .withdraw = host_withdraw};
    enum larder_status status = cluster_mark_load(&f->mark, machine);
    if (status == LARDER_OK) {
        *out = f;
        if (f->mark.bytes != NULL)
            cluster_mark_keep(&f->mark);
        else
            status = create_driver(f);
    }
    if (status != LARDER_OK) {
        cluster_founding_destroy(f);
        *out = NULL;
    }
    return status;
}

void cluster_founding_destroy(struct cluster_founding *f) {
    if (f == NULL)
        return;
    founding_driver_destroy(f->driver);
    cluster_mark_free(&f->mark);
    free(f);
}

/* ---- inputs ---- */

static void trace_state(struct cluster_founding *f) {
    enum founding_state state = cluster_founding_state(f);
    if (state == f->traced)
        return;
    f->traced = state;
    machine_trace(f->machine, state, 0, "founding: %s", founding_state_name(state));
}

void cluster_founding_tick(struct cluster_founding *f) {
    cluster_mark_probe(&f->mark);
    if (f->driver != NULL)
        founding_driver_tick(f->driver, machine_now_us(f->machine));
    trace_state(f);
}

void cluster_founding_take_frame(struct cluster_founding *f, uint32_t from, struct slice body) {
    bool is_answer = body.size > 0 && body.data[0] == 'a';
    if (f->driver == NULL || body.size < 2 || sim_address_is_client(from) ||
        (is_answer && from >= f->settings->founders))
        return;
    f->is_used[from] = true;
    founding_driver_receive(f->driver, is_answer ? from : f->settings->founders + from,
                            slice_of(body.data + 1, body.size - 1), machine_now_us(f->machine));
    trace_state(f);
}

/* A new connection that the peer opened tells that the former one is gone. */
void cluster_founding_link(struct cluster_founding *f, uint32_t peer, enum sim_link_event event) {
    if (sim_address_is_client(peer))
        return;
    bool was_used = f->is_used[peer];
    f->is_used[peer] = false;
    if (f->driver == NULL || (event == SIM_LINK_OPENED && !was_used))
        return;
    int64_t now_us = machine_now_us(f->machine);
    if (peer < f->settings->founders)
        founding_driver_broken(f->driver, peer, now_us);
    founding_driver_broken(f->driver, f->settings->founders + peer, now_us);
    trace_state(f);
}

bool cluster_founding_synced(struct cluster_founding *f, uint64_t ticket,
                             enum larder_status status) {
    if (ticket < CLUSTER_MARK_TICKETS)
        return false;
    if (ticket >= EMPTYING_TICKETS) {
        f->emptying_count--;
        if (status != LARDER_OK)
            fail(f, status);
        else if (f->emptying_count == 0 && ticket != EMPTYING_TICKETS + STORAGE_HARD_STATE_FILE)
            empty_file(f, STORAGE_HARD_STATE_FILE);
        else
            begin(f);
        return true;
    }
    if (!cluster_mark_synced(&f->mark, ticket, status))
        return true;
    if (f->driver != NULL) {
        founding_driver_stored(f->driver, machine_now_us(f->machine));
        trace_state(f);
        return true;
    }
    status = create_driver(f);
    if (status != LARDER_OK)
        fail(f, status);
    return true;
}

void cluster_founding_view(struct cluster_founding *f, struct cluster_member *member,
                           const struct configuration *configuration) {
    founding_driver_view(f->driver, configuration, member_number(member) != CLUSTER_NOBODY,
                         machine_now_us(f->machine));
}

enum founding_state cluster_founding_state(const struct cluster_founding *f) {
    return f->driver == NULL ? (enum founding_state)0 : founding_driver_state(f->driver);
}

void cluster_founding_describe_frame(struct slice body, char *out, size_t size) {
    bool is_whole = body.size > 1;
    snprintf(out, size, "founding: %s%s",
             is_whole ? founding_frame_name(slice_of(body.data + 1, body.size - 1)) : "?",
             is_whole && body.data[0] == 'a' ? " (answer)" : "");
}
