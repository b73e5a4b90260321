/* SPDX-License-Identifier: BSD-3-Clause */
/* The step: asking and answering, what is known of the seeds, joining. How a founding proceeds is
 * in founding_rounds.c. Only answers on links that this node opened say which process is at a seed.
 */
#include "cluster/founding.h"

#include "base/crc64.h"
#include "cluster/founding_core.h"
#include "cluster/mutants.h"
#include "cluster/partition_config.h"

static int address_compare(const struct member_address *a, const struct member_address *b) {
    int order = strncmp(a->host, b->host, CLUSTER_HOST_BYTES);
    return order != 0 ? order : a->peer_port - b->peer_port;
}

static bool options_are_sound(const struct founding_options *o) {
    bool is_among = o->self_seed != FOUNDING_NO_SEED;
    if (o->seed_count > FOUNDING_SEEDS_MAX || (is_among && o->self_seed >= o->seed_count) ||
        !raft_id_is_set(o->self->node) || o->self->incarnation == 0 || o->partition_count == 0 ||
        !cluster_settings_are_sound(o->settings))
        return false;
    for (uint32_t i = 1; i < o->seed_count; i++)
        if (address_compare(&o->seeds[i - 1], &o->seeds[i]) >= 0)
            return false;
    if (o->mode == FOUNDING_BY_SELF && (!o->is_durable || o->self->weight == 0))
        return false;
    if (o->expected_nodes == 0 || o->expected_nodes == o->seed_count)
        return true;
    return o->expected_nodes < o->seed_count && 2 * o->expected_nodes > o->seed_count &&
           o->is_durable;
}

static uint64_t digest_options(const struct founding_options *o, uint32_t expected) {
    uint64_t digest = 0;
    for (uint32_t i = 0; i < o->seed_count; i++) {
        const struct member_address *a = &o->seeds[i];
        uint8_t port[2] = {(uint8_t)a->peer_port, (uint8_t)(a->peer_port >> 8)};
        digest = crc64(digest, slice_of(a->host, strnlen(a->host, CLUSTER_HOST_BYTES)));
        digest = crc64(digest, slice_of(port, sizeof(port)));
    }
    uint8_t rest[3] = {(uint8_t)o->seed_count, (uint8_t)expected, o->is_durable};
    return crc64(digest, slice_of(rest, sizeof(rest)));
}

enum larder_status founding_create(const struct founding_options *o, struct slice mark,
                                   int64_t now_us, const struct allocator *allocator,
                                   struct founding **out) {
    if (!options_are_sound(o))
        return LARDER_INVALID;
    struct founding *f = allocator_allocate_zeroed(allocator, sizeof(*f));
    if (f == NULL)
        return LARDER_NO_MEMORY;
    f->allocator = allocator;
    f->self = *o->self;
    f->mode = o->self_seed == FOUNDING_NO_SEED && o->mode == FOUNDING_EXPECTED ? FOUNDING_BY_OTHERS
                                                                               : o->mode;
    f->seed_count = o->seed_count;
    f->expected_count = o->expected_nodes == 0 ? o->seed_count : o->expected_nodes;
    f->self_seed = (uint8_t)o->self_seed;
    f->is_durable = o->is_durable;
    f->has_disk = o->has_disk || o->is_durable;
    f->generation = o->generation;
    f->partition_count = o->partition_count;
    f->settings = *o->settings;
    f->digest = digest_options(o, f->expected_count);
    f->created_us = now_us;
    f->random = random_seeded(o->seed);
    f->state = FOUNDING_OPEN;
    f->asker_link = FOUNDING_NO_LINK;
    f->round = 1;
    f->asked_us = f->left_us = INT64_MIN / 2;
    enum larder_status status = founding_mark_decode(f, mark);
    if (status != LARDER_OK) {
        founding_destroy(f);
        return status;
    }
    *out = f;
    return LARDER_OK;
}

void founding_destroy(struct founding *f) {
    if (f != NULL)
        allocator_release(f->allocator, f, sizeof(*f));
}

enum founding_state founding_state(const struct founding *f) {
    return f->state;
}

bool founding_formed(const struct founding *f, struct raft_id *out_cluster,
                     uint16_t *out_generation, const struct founding_plan **out_plan) {
    bool has_plan = raft_id_is_set(f->plan.cluster) && raft_id_equal(f->plan.cluster, f->cluster);
    *out_cluster = f->cluster;
    *out_generation = f->cluster_generation;
    *out_plan = has_plan ? &f->plan : NULL;
    return f->state == FOUNDING_FORMED;
}

uint32_t founding_strangers(const struct founding *f) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < f->seed_count; i++)
        count += f->peers[i].is_heard && f->peers[i].is_stranger;
    return count;
}

void founding_set_mark(struct founding *f) {
    if (f->is_durable || (f->has_disk && f->is_member))
        f->out.mark_number = ++f->mark_number;
}

struct founding_message *founding_write(struct founding *f, uint32_t link,
                                        enum founding_message_type type) {
    struct founding_letter *letter = &f->out.letters[f->out.letter_count++];
    letter->link = link;
    letter->message = (struct founding_message){.type = type,
                                                .node = f->self.node,
                                                .incarnation = f->self.incarnation,
                                                .seed = f->self_seed,
                                                .digest = f->digest,
                                                .cluster = f->plan.cluster};
    return &letter->message;
}

static void write_status(struct founding *f, uint32_t link, enum founding_message_type type) {
    struct founding_message *m = founding_write(f, link, type);
    m->state = f->state;
    m->round = f->round;
    m->seen = founding_seen(f);
    m->member = f->self;
}

void founding_tell_cluster(struct founding *f, uint32_t link) {
    struct founding_message *m = founding_write(f, link, FOUNDING_IS_FORMED);
    m->cluster = f->cluster;
    m->generation = f->cluster_generation;
    m->address_count = f->address_count;
    memcpy(m->addresses, f->addresses, sizeof(m->addresses));
}

bool founding_counts_on(const struct founding *f, uint8_t seed) {
    const struct founding_peer *peer = &f->peers[seed];
    return seed != f->self_seed && peer->is_heard && !peer->is_stranger &&
           peer->state == FOUNDING_OPEN && f->now_us - peer->heard_us <= FOUNDING_FRESH_US &&
           peer->heard_us > f->left_us;
}

/* The order of processes must not matter, and each is one 24-byte text: a sum of their digests. */
static uint64_t process_digest(struct raft_id node, uint64_t incarnation) {
    uint64_t words[3] = {node.words[0], node.words[1], incarnation};
    return crc64(1, slice_of(words, sizeof(words)));
}

uint64_t founding_seen(const struct founding *f) {
    uint64_t seen = process_digest(f->self.node, f->self.incarnation);
    for (uint32_t i = 0; i < f->seed_count; i++)
        if (founding_counts_on(f, (uint8_t)i))
            seen += process_digest(f->peers[i].node, f->peers[i].incarnation);
    return seen;
}

static void take_status(struct founding *f, uint32_t link, const struct founding_message *m) {
    if (link >= f->seed_count)
        return;
    struct founding_peer *peer = &f->peers[link];
    *peer = (struct founding_peer){.is_heard = true,
                                   .is_stranger = m->digest != f->digest || m->seed != link,
                                   .heard_us = f->now_us,
                                   .node = m->node,
                                   .incarnation = m->incarnation,
                                   .state = m->state,
                                   .round = m->round,
                                   .cluster = m->cluster,
                                   .seen = m->seen,
                                   .member = m->member};
    founding_lose(f, (uint8_t)link);
}

/* Someone asks who is in no cluster: it may be a founder of the one that this node started. */
static void answer(struct founding *f, uint32_t link, const struct founding_message *m) {
    if (f->state != FOUNDING_FORMED) {
        write_status(f, link, FOUNDING_STATUS);
        return;
    }
    if (founding_index(&f->plan, m->node) < 0) {
        founding_tell_cluster(f, link);
        return;
    }
    struct founding_message *start = founding_write(f, link, FOUNDING_START);
    start->plan = &f->plan;
    start->target_round = m->round;
}

static void ask(struct founding *f) {
    f->asked_us = f->now_us;
    for (uint32_t i = 0; i < f->seed_count; i++)
        if (i != f->self_seed)
            write_status(f, i, FOUNDING_DISCOVER);
}

/* Whoever told of the cluster first may be of a generation that is no more. */
static bool is_newer(const struct founding *f, const struct founding_message *m) {
    return f->state == FOUNDING_JOINING && raft_id_equal(f->joins_cluster, m->cluster) &&
           m->generation > f->joins_generation;
}

/* Leaving is possible in all states but one: who booted on disk may be counted on by others. */
void founding_join(struct founding *f, const struct founding_message *m) {
    bool is_own = raft_id_is_set(f->plan.cluster) && raft_id_equal(f->plan.cluster, m->cluster);
    if ((f->state == FOUNDING_JOINING && !is_newer(f, m)) || f->state == FOUNDING_FORMED ||
        (f->state == FOUNDING_BOOTED && f->is_durable && !is_own))
        return;
    if (f->state != FOUNDING_OPEN && f->state != FOUNDING_JOINING && !is_own)
        founding_leave(f);
    f->state = FOUNDING_JOINING;
    f->joins_cluster = m->cluster;
    f->joins_generation = m->generation;
    f->out.outcome = FOUNDING_JOINS;
    f->out.cluster = m->cluster;
    f->out.generation = m->generation;
    f->out.address_count = m->address_count;
    memcpy(f->out.addresses, m->addresses, sizeof(f->out.addresses));
}

static void take_message(struct founding *f, uint32_t link, const struct founding_message *m) {
    if (raft_id_equal(m->node, f->self.node) && m->incarnation == f->self.incarnation)
        return;
    switch (m->type) {
    case FOUNDING_DISCOVER: answer(f, link, m); return;
    case FOUNDING_STATUS: take_status(f, link, m); return;
    case FOUNDING_PROPOSE: founding_take_proposal(f, link, m); return;
    case FOUNDING_ACCEPT: founding_take_accept(f, m); return;
    case FOUNDING_REFUSE:
    case FOUNDING_ABORT: founding_take_refusal(f, m); return;
    case FOUNDING_BOOT: founding_take_boot(f, link, m); return;
    case FOUNDING_IS_BOOTED:
        if (f->state == FOUNDING_BOOTED && raft_id_equal(m->cluster, f->plan.cluster))
            founding_note_booted(f, m->node);
        return;
    case FOUNDING_START: founding_take_start(f, link, m); return;
    case FOUNDING_IS_FORMED:
        if (!CLUSTER_MUTATED(MUTANT_FOUNDING_FORMED_IGNORED))
            founding_join(f, m);
        return;
    default: return;
    }
}

static void take_break(struct founding *f, uint32_t link) {
    if (link < f->seed_count) {
        f->peers[link].is_heard = false;
        if (f->state == FOUNDING_PROPOSING)
            founding_lose(f, (uint8_t)link);
    }
    if (link != f->asker_link || CLUSTER_MUTATED(MUTANT_FOUNDING_LOSS_IGNORED))
        return;
    f->asker_link = FOUNDING_NO_LINK;
    if (f->state == FOUNDING_ACCEPTED)
        founding_leave(f);
}

static void take_membership(struct founding *f, const struct founding_input *input) {
    bool is_news = !f->is_member || f->cluster_generation != input->formed.generation;
    f->is_member = true;
    if (!raft_id_equal(f->plan.cluster, input->formed.cluster) ||
        f->plan.generation != input->formed.generation)
        f->plan = (struct founding_plan){0};
    f->state = FOUNDING_FORMED;
    f->cluster = input->formed.cluster;
    f->cluster_generation = input->formed.generation;
    f->address_count = input->formed.address_count < FOUNDING_ADDRESSES_MAX
                           ? input->formed.address_count
                           : FOUNDING_ADDRESSES_MAX;
    if (f->address_count > 0)
        memcpy(f->addresses, input->formed.addresses, f->address_count * sizeof(f->addresses[0]));
    if (is_news)
        founding_set_mark(f);
}

static void tick(struct founding *f) {
    if (f->state == FOUNDING_FORMED)
        return;
    bool is_joining = f->state == FOUNDING_JOINING;
    int64_t round_us = is_joining ? FOUNDING_JOINING_ROUND_US : FOUNDING_ROUND_US;
    bool is_due = f->now_us - f->asked_us >= round_us;
    if (is_due)
        ask(f);
    if (is_joining)
        return;
    if (f->state == FOUNDING_OPEN)
        founding_try_propose(f);
    else if (is_due)
        founding_repeat(f);
}

const struct founding_output *founding_step(struct founding *f,
                                            const struct founding_input *input) {
    f->now_us = input->now_us;
    f->out.letter_count = 0;
    f->out.mark_number = 0;
    f->out.outcome = FOUNDING_UNDECIDED;
    f->out.plan = &f->plan;
    switch (input->type) {
    case FOUNDING_TICK: tick(f); break;
    case FOUNDING_MESSAGE: take_message(f, input->link, input->message); break;
    case FOUNDING_BROKEN: take_break(f, input->link); break;
    case FOUNDING_PERSISTED:
        if (input->number > f->persisted_number)
            f->persisted_number = input->number;
        break;
    case FOUNDING_MEMBER: take_membership(f, input); break;
    case FOUNDING_NOT_JOINED:
        if (f->state == FOUNDING_JOINING && f->has_booted)
            f->state = FOUNDING_BOOTED;
        else if (f->state == FOUNDING_JOINING)
            founding_leave(f);
        break;
    }
    founding_check_start(f);
    return &f->out;
}
