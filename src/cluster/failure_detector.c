/* SPDX-License-Identifier: BSD-3-Clause */
/* The rhythm of a peer is an exponential mean of the gaps between its heartbeats and of their
 * distance from it (as TCP estimates round trips, Jacobson 1988). */
#include "cluster/failure_detector.h"

#include "cluster/mutants.h"

enum { DEVIATIONS = 6 };

static void set_defaults(struct failure_detector_options *o) {
    o->least_us = o->least_us == 0 ? 350000 : o->least_us;
    o->most_us = o->most_us == 0 ? 2000000 : o->most_us;
    o->late_us = o->late_us == 0 ? 30000 : o->late_us;
    o->tick_us = o->tick_us == 0 ? 10000 : o->tick_us;
    o->refused_us = o->refused_us == 0 ? 30000 : o->refused_us;
    o->calm_us = o->calm_us == 0 ? 10000000 : o->calm_us;
    o->calm_most_us = o->calm_most_us == 0 ? 300000000 : o->calm_most_us;
}

enum larder_status failure_detector_create(const struct failure_detector_options *options,
                                           uint32_t peers_max, int64_t now_us,
                                           const struct allocator *allocator,
                                           struct failure_detector **out) {
    struct failure_detector *d = allocator_allocate_zeroed(allocator, sizeof(*d));
    if (d == NULL)
        return LARDER_NO_MEMORY;
    d->peers = allocator_allocate_zeroed(allocator, peers_max * sizeof(*d->peers));
    if (d->peers == NULL) {
        allocator_release(allocator, d, sizeof(*d));
        return LARDER_NO_MEMORY;
    }
    d->allocator = allocator;
    d->options = *options;
    set_defaults(&d->options);
    d->peers_max = peers_max;
    d->ticked_us = now_us;
    *out = d;
    return LARDER_OK;
}

void failure_detector_destroy(struct failure_detector *d) {
    if (d == NULL)
        return;
    allocator_release(d->allocator, d->peers, d->peers_max * sizeof(*d->peers));
    allocator_release(d->allocator, d, sizeof(*d));
}

static struct observed_peer *find_peer(const struct failure_detector *d, uint32_t member) {
    for (uint32_t i = 0; i < d->peer_count; i++)
        if (d->peers[i].member == member)
            return &d->peers[i];
    return NULL;
}

bool failure_detector_watch(struct failure_detector *d, uint32_t member, uint64_t incarnation,
                            int64_t now_us) {
    struct observed_peer *peer = find_peer(d, member);
    if (peer != NULL && peer->incarnation == incarnation)
        return true;
    if (peer == NULL) {
        if (d->peer_count == d->peers_max)
            return false;
        peer = &d->peers[d->peer_count++];
        *peer = (struct observed_peer){.member = member, .calm_until_us = INT64_MIN};
    }
    peer->incarnation = incarnation;
    peer->heard_us = now_us;
    peer->mean_us = d->options.least_us / 8; /* a guess */
    peer->deviation_us = 0;
    peer->refused_since_us = INT64_MAX;
    return true;
}

void failure_detector_forget(struct failure_detector *d, uint32_t member) {
    struct observed_peer *peer = find_peer(d, member);
    if (peer != NULL)
        *peer = d->peers[--d->peer_count];
}

static int64_t patience_us(const struct failure_detector *d, const struct observed_peer *peer) {
    int64_t us = peer->mean_us + DEVIATIONS * peer->deviation_us;
    us = us > d->options.least_us ? us : d->options.least_us;
    return us < d->options.most_us ? us : d->options.most_us;
}

/* An outage is no rhythm: it counts as little more than what makes suspicious. */
void failure_detector_heard(struct failure_detector *d, uint32_t member, uint64_t incarnation,
                            int64_t now_us) {
    struct observed_peer *peer = find_peer(d, member);
    if (peer == NULL || now_us < peer->heard_us)
        return;
    if (peer->incarnation != incarnation && !CLUSTER_MUTATED(MUTANT_HEARD_ANY_INCARNATION))
        return;
    int64_t gap_us = now_us - peer->heard_us, most_us = 2 * patience_us(d, peer);
    gap_us = gap_us < most_us ? gap_us : most_us;
    int64_t off_us = gap_us > peer->mean_us ? gap_us - peer->mean_us : peer->mean_us - gap_us;
    peer->mean_us += (gap_us - peer->mean_us) / 8;
    peer->deviation_us += (off_us - peer->deviation_us) / 8;
    peer->heard_us = now_us;
    peer->refused_since_us = INT64_MAX;
}

void failure_detector_refused(struct failure_detector *d, uint32_t member, int64_t now_us) {
    struct observed_peer *peer = find_peer(d, member);
    if (peer != NULL && peer->refused_since_us == INT64_MAX)
        peer->refused_since_us = now_us;
}

/* While this process stood still it could not hear: everybody gets that time back. */
void failure_detector_tick(struct failure_detector *d, int64_t now_us) {
    int64_t late_us = now_us - d->ticked_us - d->options.tick_us;
    d->ticked_us = now_us;
    if (late_us <= d->options.late_us || CLUSTER_MUTATED(MUTANT_STALLED_ACCUSES))
        return;
    for (uint32_t i = 0; i < d->peer_count; i++) {
        struct observed_peer *peer = &d->peers[i];
        peer->heard_us = peer->heard_us + late_us < now_us ? peer->heard_us + late_us : now_us;
        if (peer->refused_since_us != INT64_MAX && !CLUSTER_MUTATED(MUTANT_STALLED_EVIDENCE))
            peer->refused_since_us = now_us;
    }
}

static bool is_gone(const struct failure_detector *d, const struct observed_peer *peer,
                    int64_t now_us) {
    return peer->refused_since_us != INT64_MAX &&
           now_us - peer->refused_since_us >= d->options.refused_us;
}

bool failure_detector_suspects(const struct failure_detector *d, uint32_t member, int64_t now_us) {
    const struct observed_peer *peer = find_peer(d, member);
    return peer != NULL &&
           (is_gone(d, peer, now_us) || now_us - peer->heard_us >= patience_us(d, peer));
}

bool failure_detector_is_gone(const struct failure_detector *d, uint32_t member, int64_t now_us) {
    const struct observed_peer *peer = find_peer(d, member);
    return peer != NULL && is_gone(d, peer, now_us);
}

/* Of n members the n - 2 that are neither the accused nor the coordinator may report; half of all,
 * rounded up, less the coordinator, must. */
bool failure_detector_confirms(const struct failure_detector *d, uint32_t member,
                               uint32_t reporting, uint32_t others, int64_t now_us) {
    const struct observed_peer *peer = find_peer(d, member);
    if (peer == NULL || !failure_detector_suspects(d, member, now_us))
        return false;
    uint32_t members = others + 2;
    if (CLUSTER_MUTATED(MUTANT_DOWN_UNCONFIRMED))
        return true;
    return is_gone(d, peer, now_us) || reporting + 1 >= (members + 1) / 2 ||
           now_us - peer->heard_us >= d->options.most_us;
}

void failure_detector_failed(struct failure_detector *d, uint32_t member, int64_t now_us) {
    struct observed_peer *peer = find_peer(d, member);
    if (peer == NULL)
        return;
    bool is_recent = now_us < peer->calm_until_us + d->options.calm_most_us;
    peer->failures = is_recent && peer->calm_until_us != INT64_MIN ? peer->failures + 1 : 1;
    int64_t calm_us = d->options.calm_us;
    for (uint32_t i = 1; i < peer->failures && calm_us < d->options.calm_most_us; i++)
        calm_us *= 2;
    calm_us = calm_us < d->options.calm_most_us ? calm_us : d->options.calm_most_us;
    peer->calm_until_us = now_us + calm_us;
}

bool failure_detector_may_lead(const struct failure_detector *d, uint32_t member, int64_t now_us) {
    const struct observed_peer *peer = find_peer(d, member);
    return peer != NULL &&
           (now_us >= peer->calm_until_us || CLUSTER_MUTATED(MUTANT_FLAPPING_LEADS));
}
