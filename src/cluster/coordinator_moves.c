/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies to learners: since when each is under way, what it showed of progress, when it is given up
 * and when it may be tried again.
 *
 *   a learner is seen             its time begins, and again in each term of the partition
 *   less is left than ever, but   its time begins again; at nothing left it has to be added to the
 *     not nothing                 in-sync set within the time that remains
 *   its time is over              it is removed until it has gone; then the member is left alone
 *                                 for this partition, each time for longer
 *
 * Lines of one table, in the order of partition and member. */
#include "cluster/member_core.h"
#include "cluster/mutants.h"

enum { DOUBLINGS_MAX = 2 }; /* of the time between attempts, which is half a copy's at first */

static uint32_t moves_max(const struct cluster_member *m) {
    return 2 * m->options.members_max * m->options.moves_max;
}

enum larder_status coordinator_moves_create(struct cluster_member *m) {
    struct coordinator_moves *moves = &m->coordinator.moves;
    moves->lines = allocator_allocate_zeroed(m->allocator, moves_max(m) * sizeof(*moves->lines));
    return moves->lines == NULL ? LARDER_NO_MEMORY : LARDER_OK;
}

void coordinator_moves_destroy(struct cluster_member *m) {
    struct coordinator_moves *moves = &m->coordinator.moves;
    allocator_release(m->allocator, moves->lines, moves_max(m) * sizeof(*moves->lines));
}

static bool is_before(const struct coordinator_move *line, uint32_t p, uint32_t number) {
    return line->partition != p ? line->partition < p : line->member < number;
}

static uint32_t position_of(const struct coordinator_moves *moves, uint32_t p, uint32_t number) {
    uint32_t low = 0, high = moves->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (is_before(&moves->lines[middle], p, number))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct coordinator_move *find(struct cluster_member *m, uint32_t p, uint32_t number) {
    struct coordinator_moves *moves = &m->coordinator.moves;
    uint32_t at = position_of(moves, p, number);
    struct coordinator_move *line = &moves->lines[at];
    return at < moves->count && line->partition == p && line->member == number ? line : NULL;
}

/* NULL: there is no room; it is looked for again with the next review. */
static struct coordinator_move *insert(struct cluster_member *m, uint32_t p, uint32_t number) {
    struct coordinator_moves *moves = &m->coordinator.moves;
    uint32_t at = position_of(moves, p, number);
    if (moves->count == moves_max(m))
        return NULL;
    memmove(&moves->lines[at + 1], &moves->lines[at],
            (moves->count++ - at) * sizeof(*moves->lines));
    moves->lines[at] = (struct coordinator_move){.partition = p, .member = number};
    return &moves->lines[at];
}

static void begin_time(struct cluster_member *m, struct coordinator_move *line, uint64_t term) {
    line->term = term;
    line->since_us = m->now_us;
    line->least_left = UINT64_MAX;
}

void coordinator_note_left(struct cluster_member *m, const struct member *from, uint32_t p,
                           uint64_t left) {
    struct coordinator_move *line = find(m, p, from->number);
    if (line == NULL || line->incarnation != from->incarnation || left == 0 ||
        left >= line->least_left)
        return;
    line->least_left = left;
    line->since_us = m->now_us;
}

static void give_up(struct cluster_member *m, struct coordinator_move *line) {
    int64_t wait_us = m->options.copy_timeout_us / 2;
    for (uint32_t i = 0; i < line->failures; i++)
        wait_us *= 2;
    line->failures += line->failures < DOUBLINGS_MAX;
    line->retry_us = m->now_us + wait_us;
}

/* Whether this copy has had its time. */
static bool is_over(struct cluster_member *m, uint32_t p, const struct member *member) {
    struct coordinator_move *line = find(m, p, member->number);
    if (line == NULL && (line = insert(m, p, member->number)) == NULL)
        return false;
    uint64_t term = m->configuration->partitions[p].term;
    line->is_seen = true;
    if (line->incarnation != member->incarnation) {
        line->incarnation = member->incarnation;
        line->failures = 0;
        line->retry_us = m->now_us;
        begin_time(m, line, term);
    }
    if (m->now_us < line->retry_us) /* it is not removed yet */
        return true;
    if (line->term != term || !line->was_seen)
        begin_time(m, line, term);
    if (m->now_us - line->since_us < m->options.copy_timeout_us ||
        CLUSTER_MUTATED(MUTANT_COPY_FOR_EVER))
        return false;
    give_up(m, line);
    return true;
}

/* Those that are no learners any more are remembered until they were tried again. */
static void sweep(struct cluster_member *m) {
    struct coordinator_moves *moves = &m->coordinator.moves;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < moves->count; i++) {
        struct coordinator_move *line = &moves->lines[i];
        const struct partition_config *config = &m->configuration->partitions[line->partition];
        bool is_done = member_set_has(&config->in_sync, line->member);
        bool is_waiting = line->failures > 0 && !is_done &&
                          m->now_us - line->retry_us < m->options.copy_timeout_us;
        if (!line->is_seen && !is_waiting)
            continue;
        line->was_seen = line->is_seen;
        line->is_seen = false;
        moves->lines[kept++] = *line;
    }
    moves->count = kept;
}

/* Who sends itself no heartbeats asks itself. */
static void note_own(struct cluster_member *m, uint32_t p, const struct member *member) {
    if (member->number == m->number && m->host->copy_left != NULL)
        coordinator_note_left(m, member, p, m->host->copy_left(m->host->context, p));
}

bool coordinator_review_moves(struct cluster_member *m) {
    const struct configuration *c = m->configuration;
    bool may_propose = true;
    for (uint32_t p = 0; p < c->partition_count; p++) {
        struct member_set learners = c->partitions[p].learners;
        for (uint8_t i = 0; i < learners.count; i++) {
            const struct member *member = configuration_find_member(c, learners.members[i]);
            if (member == NULL)
                continue;
            note_own(m, p, member);
            if (is_over(m, p, member) && may_propose)
                may_propose =
                    coordinator_propose_change(m, CONFIG_REMOVE_LEARNER, p, member->number);
        }
    }
    sweep(m);
    return may_propose;
}

bool coordinator_may_copy(struct cluster_member *m, uint32_t p, const struct member *to) {
    const struct coordinator_move *line = find(m, p, to->number);
    return line == NULL || line->incarnation != to->incarnation || m->now_us >= line->retry_us ||
           CLUSTER_MUTATED(MUTANT_COPY_AGAIN_AT_ONCE);
}
