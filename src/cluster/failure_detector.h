/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is silent, as one member sees it: each member keeps one, the coordinator decides with the
 * reports of others. It only suggests: nothing that must hold depends on it.
 *
 * A peer is suspected when nothing came from it for as long as its rhythm makes unlikely (mean plus
 * six deviations of the gaps, within bounds), sooner when its connections are reset and refused.
 * Time in which the observer itself was late does not count: a stalled observer accuses nobody. The
 * coordinator confirms when enough others say the same, or the machine itself says that the process
 * is gone, or after the node timeout.
 *
 * Times are microseconds of this member's clock. One thread; no allocation after create. */
#ifndef LARDER_CLUSTER_FAILURE_DETECTOR_H
#define LARDER_CLUSTER_FAILURE_DETECTOR_H

#include "base/alloc.h"
#include "cluster/types.h"

struct failure_detector_options {
    int64_t least_us;     /* suspicion never sooner; 0: 350 ms */
    int64_t most_us;      /* nor later: the node timeout; 0: 2 s */
    int64_t late_us;      /* a tick later than this is the observer's fault; 0: 30 ms */
    int64_t tick_us;      /* how often tick is called; 0: 10 ms */
    int64_t refused_us;   /* refused for so long after a reset: the process is gone; 0: 30 ms */
    int64_t calm_us;      /* a peer that came back leads nothing for so long, doubled by each
                             failure up to calm_most_us; 0: 10 s */
    int64_t calm_most_us; /* 0: 5 min */
};

struct observed_peer {
    uint32_t member;
    uint64_t incarnation;
    int64_t heard_us;              /* moved on by the observer's own lateness */
    int64_t mean_us, deviation_us; /* of the gaps between heartbeats */
    int64_t refused_since_us;      /* INT64_MAX: not refused */
    int64_t calm_until_us;
    uint32_t failures; /* recent ones */
};

struct failure_detector {
    const struct allocator *allocator;
    struct failure_detector_options options;
    int64_t ticked_us;
    uint32_t peer_count, peers_max;
    struct observed_peer *peers;
};

/* Errors: LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status failure_detector_create(const struct failure_detector_options *options,
                                           uint32_t peers_max, int64_t now_us,
                                           const struct allocator *allocator,
                                           struct failure_detector **out);
/* NULL is allowed. */
void failure_detector_destroy(struct failure_detector *detector);

/* Begin to observe a process, as heard now. One that came back under another incarnation is calm
 * for a while. False: no room. */
bool failure_detector_watch(struct failure_detector *detector, uint32_t member,
                            uint64_t incarnation, int64_t now_us);
void failure_detector_forget(struct failure_detector *detector, uint32_t member);

void failure_detector_heard(struct failure_detector *detector, uint32_t member,
                            uint64_t incarnation, int64_t now_us);
/* A connection was refused: the machine answers, the process does not. */
void failure_detector_refused(struct failure_detector *detector, uint32_t member, int64_t now_us);
/* Finds out whether this observer was late. */
void failure_detector_tick(struct failure_detector *detector, int64_t now_us);

bool failure_detector_suspects(const struct failure_detector *detector, uint32_t member,
                               int64_t now_us);
/* Its connections were reset and refused for long enough: the process is gone. */
bool failure_detector_is_gone(const struct failure_detector *detector, uint32_t member,
                              int64_t now_us);
/* For the coordinator: is it right to propose DOWN? `reporting` of the other active members, of
 * which there are `others`, suspect it too. */
bool failure_detector_confirms(const struct failure_detector *detector, uint32_t member,
                               uint32_t reporting, uint32_t others, int64_t now_us);
/* The configuration took its seats. */
void failure_detector_failed(struct failure_detector *detector, uint32_t member, int64_t now_us);
/* Should it be given primaries? Not while it flaps. */
bool failure_detector_may_lead(const struct failure_detector *detector, uint32_t member,
                               int64_t now_us);

#endif
