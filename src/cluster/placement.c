/* SPDX-License-Identifier: BSD-3-Clause */
/* Keep what can stay, fill what is missing, then move from those above their share to those below.
 * Shares are exact fractions; a load is fair when it is one of the two whole numbers around it. A
 * replica moves only if the partition's spread over machines and zones gets no worse by it. */
#include "cluster/placement.h"

struct seat {
    uint32_t number, weight; /* of the member */
    uint32_t at;             /* in the configuration's table */
    uint32_t host, zone;     /* the first seat with the same label; own index when unlabelled */
    uint32_t replicas, primaries;
    uint32_t replica_floor, replica_ceiling;
    uint32_t primary_floor, primary_ceiling;
    /* a step of a chain in augment */
    bool is_reached;
    uint32_t gives_partition, gives_to;
};

struct placement_plan {
    const struct allocator *allocator;
    const struct configuration *configuration; /* while a part is being done */
    struct placement *placement;
    uint32_t replicas; /* of each partition */
    struct seat *seats;
    uint32_t seat_count, seats_allocated;
    /* how far it is */
    uint32_t stage, round, at; /* of STAGES; the next partition or seat */
    uint32_t moved;            /* in this round */
    int64_t effort;            /* that is left: seats or partitions to look at */
};

static void set_shares(struct placement_plan *plan, uint64_t replicas, uint64_t primaries) {
    uint64_t weights = 0;
    for (uint32_t i = 0; i < plan->seat_count; i++)
        weights += plan->seats[i].weight;
    for (uint32_t i = 0; i < plan->seat_count; i++) {
        struct seat *s = &plan->seats[i];
        uint64_t weight = s->weight;
        s->replica_floor = (uint32_t)(replicas * weight / weights);
        s->replica_ceiling = (uint32_t)((replicas * weight + weights - 1) / weights);
        s->primary_floor = (uint32_t)(primaries * weight / weights);
        s->primary_ceiling = (uint32_t)((primaries * weight + weights - 1) / weights);
    }
}

static uint32_t seat_of(const struct placement_plan *plan, uint32_t number) {
    uint32_t low = 0, high = plan->seat_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (plan->seats[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < plan->seat_count && plan->seats[low].number == number ? low : UINT32_MAX;
}

/* Where the replicas of a set are, looked up once for many questions. */
struct neighbours {
    uint32_t count;
    uint32_t seats[CLUSTER_REPLICAS_MAX];
};

static struct neighbours neighbours_of(const struct placement_plan *plan,
                                       const struct member_set *set, uint32_t except) {
    struct neighbours found = {0};
    for (uint8_t i = 0; i < set->count; i++) {
        uint32_t at = seat_of(plan, set->members[i]);
        if (at != except && at != UINT32_MAX)
            found.seats[found.count++] = at;
    }
    return found;
}

/* How often `at` shares a machine (1000 each) or a zone (1 each) with the others. */
static uint32_t crowding(const struct placement_plan *plan, const struct neighbours *others,
                         uint32_t at) {
    const struct seat *s = &plan->seats[at];
    uint32_t sum = 0;
    for (uint32_t i = 0; i < others->count; i++) {
        const struct seat *other = &plan->seats[others->seats[i]];
        if (other == s)
            continue;
        sum += other->host == s->host ? 1000 : 0;
        sum += other->zone == s->zone ? 1 : 0;
    }
    return sum;
}

static uint32_t crowding_in(const struct placement_plan *plan, const struct member_set *set,
                            uint32_t at, uint32_t except) {
    struct neighbours others = neighbours_of(plan, set, except);
    return crowding(plan, &others, at);
}

static bool is_less_loaded(const struct seat *a, const struct seat *b) {
    return (uint64_t)a->replicas * b->weight < (uint64_t)b->replicas * a->weight;
}

/* The seat that should take a replica of this set: the least crowded, then the least loaded for
 * its weight, then the oldest. Only seats below their ceiling if `is_fair`. */
static uint32_t best_seat(struct placement_plan *plan, const struct member_set *set,
                          uint32_t except, bool is_fair) {
    const struct neighbours others = neighbours_of(plan, set, except);
    uint32_t best = UINT32_MAX, best_crowding = UINT32_MAX;
    plan->effort -= plan->seat_count;
    for (uint32_t i = 0; i < plan->seat_count; i++) {
        const struct seat *s = &plan->seats[i];
        if (is_fair && s->replicas >= s->replica_ceiling)
            continue;
        uint32_t crowded = crowding(plan, &others, i);
        if (crowded > best_crowding || member_set_has(set, s->number))
            continue;
        if (crowded < best_crowding || is_less_loaded(s, &plan->seats[best])) {
            best = i;
            best_crowding = crowded;
        }
    }
    return best;
}

static bool keep_present(struct placement_plan *plan, uint32_t p) {
    const struct partition_config *now = &plan->configuration->partitions[p];
    const struct member_set *sources[] = {&now->in_sync, &now->target, &now->learners};
    struct member_set *target = &plan->placement->targets[p];
    for (size_t s = 0; s < 3; s++)
        for (uint8_t i = 0; i < sources[s]->count && target->count < plan->replicas; i++) {
            uint32_t at = seat_of(plan, sources[s]->members[i]);
            if (at == UINT32_MAX || member_set_has(target, sources[s]->members[i]))
                continue;
            member_set_add(target, sources[s]->members[i]);
            plan->seats[at].replicas++;
        }
    return false;
}

static void set_primary(struct placement_plan *plan, uint32_t p, uint32_t at) {
    uint32_t before = seat_of(plan, plan->placement->primaries[p]);
    if (before != UINT32_MAX)
        plan->seats[before].primaries--;
    plan->seats[at].primaries++;
    plan->placement->primaries[p] = plan->seats[at].number;
}

/* An empty partition is led by its neighbour's primary, while that one is below its share. */
static void fill(struct placement_plan *plan, uint32_t p) {
    struct member_set *target = &plan->placement->targets[p];
    if (target->count == 0 && p > 0) {
        uint32_t at = seat_of(plan, plan->placement->primaries[p - 1]);
        if (plan->seats[at].primaries < plan->seats[at].primary_floor &&
            plan->seats[at].replicas < plan->seats[at].replica_ceiling) {
            member_set_add(target, plan->seats[at].number);
            plan->seats[at].replicas++;
            set_primary(plan, p, at);
        }
    }
    while (target->count < plan->replicas) {
        uint32_t at = best_seat(plan, target, UINT32_MAX, false);
        member_set_add(target, plan->seats[at].number);
        plan->seats[at].replicas++;
        if (target->count == 1)
            set_primary(plan, p, at);
    }
}

static void choose_primary(struct placement_plan *plan, uint32_t p) {
    const struct member_set *target = &plan->placement->targets[p];
    uint32_t present = plan->configuration->partitions[p].primary;
    if (member_set_has(target, plan->placement->primaries[p]))
        return;
    uint32_t best = UINT32_MAX;
    for (uint8_t i = 0; i < target->count; i++) {
        uint32_t at = seat_of(plan, target->members[i]);
        if (target->members[i] == present) {
            best = at;
            break;
        }
        if (best == UINT32_MAX ||
            (uint64_t)plan->seats[at].primaries * plan->seats[best].weight <
                (uint64_t)plan->seats[best].primaries * plan->seats[at].weight)
            best = at;
    }
    set_primary(plan, p, best);
}

static void move_replica(struct placement_plan *plan, uint32_t p, uint32_t from, uint32_t to) {
    struct member_set *target = &plan->placement->targets[p];
    member_set_remove(target, plan->seats[from].number);
    member_set_add(target, plan->seats[to].number);
    plan->seats[from].replicas--;
    plan->seats[to].replicas++;
    if (plan->placement->primaries[p] == plan->seats[from].number)
        set_primary(plan, p, to);
}

static bool fill_and_lead(struct placement_plan *plan, uint32_t p) {
    fill(plan, p);
    choose_primary(plan, p);
    return false;
}

/* Where a replica should go that is crowded, or on a seat with more than its share; UINT32_MAX: it
 * stays. With `is_strict` seats at their ceiling give too, to those below their floor. */
static uint32_t better_seat(struct placement_plan *plan, const struct member_set *target,
                            uint32_t from, bool is_strict) {
    const struct seat *f = &plan->seats[from];
    uint32_t crowded = crowding_in(plan, target, from, from);
    bool is_over = f->replicas > (is_strict ? f->replica_floor : f->replica_ceiling);
    if (!is_over && crowded == 0)
        return UINT32_MAX;
    uint32_t to = best_seat(plan, target, from, true);
    if (to == UINT32_MAX)
        return to;
    uint32_t there = crowding_in(plan, target, to, from);
    bool is_needed = is_over && there <= crowded &&
                     (!is_strict || plan->seats[to].replicas < plan->seats[to].replica_floor);
    return is_needed || there < crowded ? to : UINT32_MAX;
}

static void rebalance(struct placement_plan *plan, uint32_t p, bool is_strict) {
    struct member_set before = plan->placement->targets[p];
    for (uint8_t i = 0; i < before.count; i++) {
        uint32_t from = seat_of(plan, before.members[i]);
        uint32_t to = better_seat(plan, &plan->placement->targets[p], from, is_strict);
        if (to == UINT32_MAX)
            continue;
        move_replica(plan, p, from, to);
        plan->moved++;
    }
}

static bool rebalance_fairly(struct placement_plan *plan, uint32_t p) {
    rebalance(plan, p, false);
    return false;
}

static bool rebalance_strictly(struct placement_plan *plan, uint32_t p) {
    rebalance(plan, p, true);
    return false;
}

/* Hands a partition to the replica that is lowest for its share, if that evens out. */
static bool rebalance_primary(struct placement_plan *plan, uint32_t p) {
    uint32_t from = seat_of(plan, plan->placement->primaries[p]);
    const struct member_set *target = &plan->placement->targets[p];
    const struct seat *f = &plan->seats[from];
    uint32_t best = from;
    for (uint8_t i = 0; i < target->count; i++) {
        uint32_t at = seat_of(plan, target->members[i]);
        const struct seat *s = &plan->seats[at];
        bool is_better = f->primaries > f->primary_ceiling
                             ? s->primaries < s->primary_ceiling
                             : f->primaries > f->primary_floor && s->primaries < s->primary_floor;
        if (is_better && (best == from || s->primaries < plan->seats[best].primaries))
            best = at;
    }
    if (best != from) {
        set_primary(plan, p, best);
        plan->moved++;
    }
    return false;
}

/* Hands `low` one more partition: if none of those that it holds a replica of is led by a seat that
 * can give, along the shortest chain x -> y -> low of seats that each take one and give another.
 * Whoever leads more than its floor gives, or, with `is_over`, more than its ceiling. */
static bool augment(struct placement_plan *plan, uint32_t low, bool is_over) {
    struct placement *pl = plan->placement;
    for (uint32_t i = 0; i < plan->seat_count; i++)
        plan->seats[i].is_reached = i == low;
    for (bool is_growing = true; is_growing;) {
        is_growing = false;
        plan->effort -= pl->partition_count;
        for (uint32_t p = 0; p < pl->partition_count; p++) {
            uint32_t y = seat_of(plan, pl->primaries[p]);
            struct seat *giver = &plan->seats[y];
            uint32_t taker = UINT32_MAX;
            for (uint8_t i = 0; !giver->is_reached && i < pl->targets[p].count; i++) {
                uint32_t at = seat_of(plan, pl->targets[p].members[i]);
                taker = plan->seats[at].is_reached ? at : taker;
            }
            if (taker == UINT32_MAX)
                continue;
            is_growing = giver->is_reached = true;
            giver->gives_partition = p;
            giver->gives_to = taker;
            if (giver->primaries <= (is_over ? giver->primary_ceiling : giver->primary_floor))
                continue;
            for (uint32_t at = y; at != low;) {
                uint32_t next = plan->seats[at].gives_to;
                set_primary(plan, plan->seats[at].gives_partition, next);
                at = next;
            }
            return true;
        }
    }
    return false;
}

static bool is_any_over(const struct placement_plan *plan) {
    for (uint32_t i = 0; i < plan->seat_count; i++)
        if (plan->seats[i].primaries > plan->seats[i].primary_ceiling)
            return true;
    return false;
}

static bool raise_low(struct placement_plan *plan, uint32_t at) {
    return plan->seats[at].primaries < plan->seats[at].primary_floor && augment(plan, at, false);
}

static bool relieve_high(struct placement_plan *plan, uint32_t at) {
    return plan->seats[at].primaries < plan->seats[at].primary_ceiling && is_any_over(plan) &&
           augment(plan, at, true);
}

static bool count_moves(struct placement_plan *plan, uint32_t p) {
    struct placement *pl = plan->placement;
    const struct partition_config *now = &plan->configuration->partitions[p];
    for (uint8_t i = 0; i < pl->targets[p].count; i++)
        if (!member_set_has(&now->in_sync, pl->targets[p].members[i]))
            pl->moves++;
    return false;
}

/* In this order; each goes over all partitions, or all seats, again while something moves. A step
 * that says so is repeated at once. */
static const struct {
    bool (*step)(struct placement_plan *plan, uint32_t at);
    bool is_per_seat;
    uint32_t rounds_max;
} STAGES[] = {
    {keep_present, false, 1},       {fill_and_lead, false, 1},     {rebalance_fairly, false, 4},
    {rebalance_strictly, false, 4}, {rebalance_primary, false, 8}, {raise_low, true, 1},
    {relieve_high, true, 1},        {count_moves, false, 1},
};

enum { STAGES_COUNT = sizeof(STAGES) / sizeof(STAGES[0]), STEP_EFFORT = 16 };

static void end_round(struct placement_plan *plan) {
    bool is_again = plan->moved > 0 && plan->round + 1 < STAGES[plan->stage].rounds_max;
    plan->round = is_again ? plan->round + 1 : 0;
    plan->stage += !is_again;
    plan->at = plan->moved = 0;
}

bool placement_continue(struct placement_plan *plan, const struct configuration *c,
                        int64_t effort) {
    plan->configuration = c;
    plan->effort = effort;
    while (plan->stage < STAGES_COUNT) {
        uint32_t count =
            STAGES[plan->stage].is_per_seat ? plan->seat_count : plan->placement->partition_count;
        while (plan->at < count) {
            if (plan->effort <= 0)
                return false;
            plan->effort -= STEP_EFFORT;
            plan->at += !STAGES[plan->stage].step(plan, plan->at);
        }
        end_round(plan);
    }
    return true;
}

static uint32_t first_with_label(const struct placement_plan *plan, const struct member *members,
                                 const struct member *member, bool is_zone) {
    const char *label = is_zone ? member->zone : member->host;
    for (uint32_t i = 0; label[0] != 0 && i < plan->seat_count; i++) {
        const struct member *other = &members[plan->seats[i].at];
        if (strncmp(is_zone ? other->zone : other->host, label, CLUSTER_LABEL_BYTES) == 0)
            return i;
    }
    return plan->seat_count;
}

static enum larder_status seats_create(const struct configuration *c,
                                       const struct allocator *allocator,
                                       struct placement_plan *plan) {
    plan->allocator = allocator;
    plan->seats_allocated = c->member_count;
    if (c->member_count == 0)
        return LARDER_NOT_FOUND;
    plan->seats = allocator_allocate_zeroed(allocator, c->member_count * sizeof(*plan->seats));
    if (plan->seats == NULL)
        return LARDER_NO_MEMORY;
    for (uint32_t i = 0; i < c->member_count; i++) {
        if (c->members[i].state != MEMBER_ACTIVE || c->members[i].weight == 0)
            continue;
        struct seat *s = &plan->seats[plan->seat_count];
        *s = (struct seat){.number = c->members[i].number,
                           .weight = c->members[i].weight,
                           .at = i,
                           .host = first_with_label(plan, c->members, &c->members[i], false),
                           .zone = first_with_label(plan, c->members, &c->members[i], true)};
        plan->seat_count++;
    }
    return plan->seat_count > 0 ? LARDER_OK : LARDER_NOT_FOUND;
}

static void seats_destroy(struct placement_plan *plan) {
    allocator_release(plan->allocator, plan->seats, plan->seats_allocated * sizeof(*plan->seats));
}

static struct placement *create_empty(uint32_t partition_count, const struct allocator *allocator) {
    struct placement *pl = allocator_allocate_zeroed(allocator, sizeof(*pl));
    if (pl == NULL)
        return NULL;
    pl->allocator = allocator;
    pl->partition_count = partition_count;
    pl->targets = allocator_allocate_zeroed(allocator, partition_count * sizeof(*pl->targets));
    pl->primaries = allocator_allocate_zeroed(allocator, partition_count * sizeof(*pl->primaries));
    if (pl->targets != NULL && pl->primaries != NULL)
        return pl;
    placement_destroy(pl);
    return NULL;
}

enum larder_status placement_begin(const struct configuration *c, const struct allocator *allocator,
                                   struct placement_plan **out) {
    struct placement_plan *plan = allocator_allocate_zeroed(allocator, sizeof(*plan));
    if (plan == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = seats_create(c, allocator, plan);
    if (status == LARDER_OK &&
        (plan->placement = create_empty(c->partition_count, allocator)) == NULL)
        status = LARDER_NO_MEMORY;
    if (status != LARDER_OK) {
        placement_abandon(plan);
        return status;
    }
    plan->replicas = c->settings.replica_count;
    if (plan->replicas > plan->seat_count)
        plan->replicas = plan->seat_count;
    set_shares(plan, (uint64_t)plan->replicas * c->partition_count, c->partition_count);
    *out = plan;
    return LARDER_OK;
}

void placement_abandon(struct placement_plan *plan) {
    if (plan == NULL)
        return;
    placement_destroy(plan->placement);
    seats_destroy(plan);
    allocator_release(plan->allocator, plan, sizeof(*plan));
}

struct placement *placement_end(struct placement_plan *plan) {
    struct placement *made = plan->placement;
    plan->placement = NULL;
    placement_abandon(plan);
    return made;
}

enum larder_status placement_create(const struct configuration *c,
                                    const struct allocator *allocator, struct placement **out) {
    struct placement_plan *plan;
    enum larder_status status = placement_begin(c, allocator, &plan);
    if (status != LARDER_OK)
        return status;
    while (!placement_continue(plan, c, INT64_MAX))
        ;
    *out = placement_end(plan);
    return LARDER_OK;
}

void placement_destroy(struct placement *pl) {
    if (pl == NULL)
        return;
    allocator_release(pl->allocator, pl->targets, pl->partition_count * sizeof(*pl->targets));
    allocator_release(pl->allocator, pl->primaries, pl->partition_count * sizeof(*pl->primaries));
    allocator_release(pl->allocator, pl, sizeof(*pl));
}

static void measure_loads(const struct placement_plan *plan, uint32_t replicas,
                          struct placement_figures *out) {
    uint64_t weights = 0;
    for (uint32_t i = 0; i < plan->seat_count; i++)
        weights += plan->seats[i].weight;
    for (uint32_t i = 0; i < plan->seat_count; i++) {
        const struct seat *s = &plan->seats[i];
        double share = (double)s->weight / (double)weights;
        double loads[] = {s->replicas, s->primaries};
        double shares[] = {share * replicas, share * plan->placement->partition_count};
        double *worst[] = {&out->replica_imbalance, &out->primary_imbalance};
        uint32_t *beyond[] = {&out->replicas_beyond, &out->primaries_beyond};
        for (size_t k = 0; k < 2; k++) {
            double over = loads[k] / shares[k] - 1;
            double distance = loads[k] > shares[k] ? loads[k] - shares[k] : shares[k] - loads[k];
            *worst[k] = over > *worst[k] ? over : *worst[k];
            *beyond[k] = (uint32_t)distance > *beyond[k] ? (uint32_t)distance : *beyond[k];
        }
    }
}

enum larder_status placement_measure(const struct configuration *c, const struct placement *pl,
                                     struct placement_figures *out) {
    *out = (struct placement_figures){0};
    struct placement_plan plan = {.configuration = c};
    enum larder_status status = seats_create(c, c->allocator, &plan);
    if (status != LARDER_OK) {
        seats_destroy(&plan);
        return status == LARDER_NOT_FOUND ? LARDER_OK : status;
    }
    struct placement copy = *pl;
    plan.placement = &copy;
    uint32_t replicas = 0;
    for (uint32_t p = 0; p < pl->partition_count; p++) {
        uint32_t crowded = 0;
        for (uint8_t i = 0; i < pl->targets[p].count; i++) {
            uint32_t at = seat_of(&plan, pl->targets[p].members[i]);
            plan.seats[at].replicas++;
            plan.seats[at].primaries += pl->primaries[p] == pl->targets[p].members[i];
            crowded += crowding_in(&plan, &pl->targets[p], at, at);
            replicas++;
        }
        out->shared_hosts += crowded / 2000;
        out->shared_zones += crowded % 1000 / 2;
        out->ranges += p == 0 || pl->primaries[p] != pl->primaries[p - 1];
    }
    measure_loads(&plan, replicas, out);
    seats_destroy(&plan);
    return LARDER_OK;
}
