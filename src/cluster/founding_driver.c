/* SPDX-License-Identifier: BSD-3-Clause */
#include "cluster/founding_driver.h"

#include "base/crc32c.h"
#include "raft/bytes.h"

enum { FRAME_VERSION = 1, JOIN_PATIENCE_US = 3000000 };

struct founding_driver {
    const struct allocator *allocator;
    const struct founding_driver_host *host;
    struct founding *founding;
    bool has_disk;
    struct member_address seeds[FOUNDING_SEEDS_MAX];
    uint32_t seed_count;
    int64_t now_us;
    /* marks */
    bool is_storing;
    uint64_t stored_number; /* what is being stored, or was last */
    uint64_t wanted_number; /* the newest */
    uint64_t begin_number;  /* the mark that `begin` waits for; 0: none */
    /* joining */
    bool has_begun;  /* to join, and is no member yet */
    bool is_joining; /* no member has answered yet */
    int64_t joins_since_us;
    /* where others may join, as was last told */
    struct member_address addresses[FOUNDING_ADDRESSES_MAX];
    uint32_t address_count;
    uint16_t generation;       /* that it answers for */
    bool is_member;            /* and said so */
    struct founding_plan plan; /* of the message that is being read */
    uint8_t mark[FOUNDING_BYTES_MAX];
    uint8_t frame[FOUNDING_FRAME_BYTES_MAX];
};

enum larder_status founding_driver_create(const struct founding_options *options, struct slice mark,
                                          const struct founding_driver_host *host, int64_t now_us,
                                          const struct allocator *allocator,
                                          struct founding_driver **out) {
    struct founding_driver *d = allocator_allocate_zeroed(allocator, sizeof(*d));
    if (d == NULL)
        return LARDER_NO_MEMORY;
    d->allocator = allocator;
    d->host = host;
    d->has_disk = options->has_disk || options->is_durable;
    enum larder_status status = founding_create(options, mark, now_us, allocator, &d->founding);
    if (status != LARDER_OK) {
        founding_driver_destroy(d);
        return status;
    }
    d->seed_count = options->seed_count;
    memcpy(d->seeds, options->seeds, d->seed_count * sizeof(d->seeds[0]));
    *out = d;
    return LARDER_OK;
}

void founding_driver_destroy(struct founding_driver *d) {
    if (d == NULL)
        return;
    founding_destroy(d->founding);
    allocator_release(d->allocator, d, sizeof(*d));
}

/* ---- what founding gives out ---- */

static void send(struct founding_driver *d, const struct founding_letter *letter) {
    d->frame[0] = FRAME_VERSION;
    size_t size = 1 + founding_message_encode(&letter->message, d->frame + 1);
    struct byte_writer w = {d->frame + size};
    write_unsigned(&w, crc32c(slice_of(d->frame, size)), 4);
    d->host->send(d->host->context, letter->link, slice_of(d->frame, size + 4));
}

static void store(struct founding_driver *d) {
    if (d->is_storing || d->stored_number == d->wanted_number)
        return;
    d->is_storing = true;
    d->stored_number = d->wanted_number;
    d->host->store(d->host->context, slice_of(d->mark, founding_mark_encode(d->founding, d->mark)));
}

static void use(struct founding_driver *d, const struct founding_output *out);

static void step(struct founding_driver *d, struct founding_input input) {
    input.now_us = d->now_us;
    use(d, founding_step(d->founding, &input));
}

/* It answers for the cluster from now on. */
static void be_member(struct founding_driver *d, struct raft_id cluster, uint16_t generation,
                      const struct member_address *addresses, uint32_t count) {
    struct founding_input input = {.type = FOUNDING_MEMBER,
                                   .formed = {.cluster = cluster, .generation = generation}};
    d->is_member = true;
    d->has_begun = false;
    d->generation = generation;
    d->address_count = count < FOUNDING_ADDRESSES_MAX ? count : FOUNDING_ADDRESSES_MAX;
    memmove(d->addresses, addresses, d->address_count * sizeof(d->addresses[0]));
    input.formed.addresses = d->addresses;
    input.formed.address_count = d->address_count;
    step(d, input);
}

/* With what was founded, or with what it was a member of before. */
static void begin(struct founding_driver *d) {
    struct founding_entry entry = {.contacts = d->addresses, .contact_count = d->address_count};
    d->begin_number = 0;
    if (founding_formed(d->founding, &entry.cluster, &entry.generation, &entry.plan))
        d->host->begin(d->host->context, &entry);
}

static void start(struct founding_driver *d, const struct founding_plan *plan) {
    struct member_address addresses[FOUNDING_ADDRESSES_MAX];
    uint32_t count = 0;
    for (; count < plan->founder_count && count < FOUNDING_ADDRESSES_MAX; count++)
        addresses[count] = plan->founders[count].member.address;
    be_member(d, plan->cluster, plan->generation, addresses, count);
    if (d->has_disk)
        d->begin_number = d->wanted_number;
    else
        begin(d);
}

static void join(struct founding_driver *d, const struct founding_output *out) {
    struct founding_entry entry = {
        .cluster = out->cluster, .generation = out->generation, .contacts = d->addresses};
    if (d->has_begun)
        d->host->withdraw(d->host->context);
    d->has_begun = true;
    d->address_count = entry.contact_count = out->address_count;
    memcpy(d->addresses, out->addresses, out->address_count * sizeof(d->addresses[0]));
    d->is_joining = true;
    d->joins_since_us = d->now_us;
    d->host->begin(d->host->context, &entry);
}

/* Steps that follow from an outcome come last: the output is borrowed until then. */
static void use(struct founding_driver *d, const struct founding_output *out) {
    for (uint32_t i = 0; i < out->letter_count; i++)
        send(d, &out->letters[i]);
    if (out->mark_number != 0)
        d->wanted_number = out->mark_number;
    store(d);
    if (out->outcome == FOUNDING_STARTS)
        start(d, out->plan);
    else if (out->outcome == FOUNDING_JOINS)
        join(d, out);
}

/* ---- inputs ---- */

void founding_driver_start(struct founding_driver *d, int64_t now_us) {
    struct raft_id cluster;
    uint16_t generation;
    const struct founding_plan *plan;
    d->now_us = now_us;
    if (!founding_formed(d->founding, &cluster, &generation, &plan))
        return;
    be_member(d, cluster, generation, d->seeds, d->seed_count);
    begin(d);
}

void founding_driver_tick(struct founding_driver *d, int64_t now_us) {
    d->now_us = now_us;
    if (d->is_joining && now_us - d->joins_since_us >= JOIN_PATIENCE_US) {
        d->is_joining = d->has_begun = false;
        d->host->withdraw(d->host->context);
        step(d, (struct founding_input){.type = FOUNDING_NOT_JOINED});
    }
    step(d, (struct founding_input){.type = FOUNDING_TICK});
}

static bool frame_is_whole(struct slice frame) {
    if (frame.size < 6 || frame.size > FOUNDING_FRAME_BYTES_MAX || frame.data[0] != FRAME_VERSION)
        return false;
    struct byte_reader tail = byte_reader_of(slice_of(frame.data + frame.size - 4, 4));
    return read_unsigned(&tail, 4) == crc32c(slice_of(frame.data, frame.size - 4));
}

void founding_driver_receive(struct founding_driver *d, uint32_t link, struct slice frame,
                             int64_t now_us) {
    struct founding_message message;
    d->now_us = now_us;
    if (!frame_is_whole(frame) || founding_message_decode(slice_of(frame.data + 1, frame.size - 5),
                                                          &d->plan, &message) != LARDER_OK)
        return;
    step(d, (struct founding_input){.type = FOUNDING_MESSAGE, .link = link, .message = &message});
}

void founding_driver_broken(struct founding_driver *d, uint32_t link, int64_t now_us) {
    d->now_us = now_us;
    step(d, (struct founding_input){.type = FOUNDING_BROKEN, .link = link});
}

void founding_driver_stored(struct founding_driver *d, int64_t now_us) {
    d->now_us = now_us;
    d->is_storing = false;
    uint64_t number = d->stored_number;
    step(d, (struct founding_input){.type = FOUNDING_PERSISTED, .number = number});
    if (d->begin_number != 0 && number >= d->begin_number)
        begin(d);
}

static bool addresses_are_equal(const struct member_address *a, const struct member_address *b) {
    return strncmp(a->host, b->host, sizeof(a->host)) == 0 && a->client_port == b->client_port &&
           a->peer_port == b->peer_port;
}

static bool is_news(const struct founding_driver *d, uint16_t generation,
                    const struct member_address *addresses, uint32_t count) {
    if (!d->is_member || generation != d->generation || count != d->address_count)
        return true;
    for (uint32_t i = 0; i < count; i++)
        if (!addresses_are_equal(&addresses[i], &d->addresses[i]))
            return true;
    return false;
}

void founding_driver_view(struct founding_driver *d, const struct configuration *c, bool is_named,
                          int64_t now_us) {
    struct member_address addresses[FOUNDING_ADDRESSES_MAX];
    uint32_t count = 0;
    d->now_us = now_us;
    d->is_joining = false;
    for (uint32_t i = 0; i < c->member_count && count < FOUNDING_ADDRESSES_MAX; i++)
        if (c->members[i].state != MEMBER_DOWN)
            addresses[count++] = c->members[i].address;
    if (is_named && is_news(d, c->generation, addresses, count))
        be_member(d, c->cluster, c->generation, addresses, count);
}

enum founding_state founding_driver_state(const struct founding_driver *d) {
    return founding_state(d->founding);
}

const char *founding_frame_name(struct slice frame) {
    return founding_message_name(frame.size < 2 ? (enum founding_message_type)0
                                                : (enum founding_message_type)frame.data[1]);
}
