/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything ever seen is kept: per term its leader, per node its votes, per index what was
 * committed, per node what is durable as its storage told. */
#include "sim/raft_oracle.h"

#include "base/crc32c.h"
#include "sim/world.h"

#include <stdlib.h>

enum { ORACLE_NODES_MAX = 4096, ORACLE_WRITES_MAX = 4096 };

struct registered {
    uint64_t index, term, previous_term, content; /* index 0: free */
};

struct committed {
    uint64_t term; /* 0 = not known to be committed */
    uint64_t content;
    uint64_t state;    /* after applying it */
    uint64_t known_in; /* the term in which it was first known: leaders of later ones have it */
};

struct vote {
    uint64_t term, candidate; /* term 0: free */
};

/* A write that was given out and is not durable. */
struct pending_write {
    uint64_t number, after_index;
    bool has_log, is_reset, has_hard_state, is_failed;
    struct raft_hard_state hard_state;
    size_t count;
    uint64_t *terms; /* owned */
};

struct oracle_node {
    struct raft_status seen;
    uint64_t applied, state;
    struct raft_hard_state durable_state;
    uint64_t base;   /* durable snapshot, or what is before the log */
    uint64_t *terms; /* durable entries base + 1 ... */
    size_t count, capacity;
    struct pending_write *writes;
    size_t write_count, write_capacity;
    uint64_t agreed_term; /* somebody else would vote for this node in that term */
    struct vote *votes;   /* hash table by term */
    size_t vote_count, vote_capacity;
};

struct raft_oracle {
    void (*violate)(void *context, uint64_t node, const char *text);
    void *context;
    struct oracle_node *nodes[ORACLE_NODES_MAX];
    struct registered *registered; /* hash table */
    size_t registered_count, registered_capacity;
    uint64_t *leaders; /* by term */
    size_t leader_capacity;
    struct committed *committed; /* by index */
    size_t committed_capacity;
    uint64_t committed_index;
    struct raft_oracle_counters counters;
};

static void *grow(void *array, size_t *capacity, size_t wanted, size_t item) {
    if (wanted <= *capacity)
        return array;
    size_t more = *capacity == 0 ? 64 : *capacity;
    while (more < wanted)
        more *= 2;
    array = sim_resize(array, more * item);
    memset((uint8_t *)array + *capacity * item, 0, (more - *capacity) * item);
    *capacity = more;
    return array;
}

static uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static uint64_t content_of(const struct raft_entry *entry) {
    return mix((uint64_t)entry->type, crc32c(entry->data) + 1u);
}

static void *zeroed(size_t size) {
    return memset(sim_resize(NULL, size), 0, size);
}

struct raft_oracle *
raft_oracle_create(void (*violate)(void *context, uint64_t node, const char *text), void *context) {
    struct raft_oracle *oracle = zeroed(sizeof(*oracle));
    oracle->violate = violate;
    oracle->context = context;
    return oracle;
}

static void forget_writes(struct oracle_node *node, size_t from, size_t count) {
    for (size_t i = from; i < from + count; i++)
        free(node->writes[i].terms);
    node->write_count -= count;
    if (count > 0)
        memmove(node->writes + from, node->writes + from + count,
                (node->write_count - from) * sizeof(*node->writes));
}

void raft_oracle_destroy(struct raft_oracle *oracle) {
    if (oracle == NULL)
        return;
    for (size_t i = 0; i < ORACLE_NODES_MAX; i++) {
        struct oracle_node *node = oracle->nodes[i];
        if (node == NULL)
            continue;
        forget_writes(node, 0, node->write_count);
        free(node->writes);
        free(node->terms);
        free(node->votes);
        free(node);
    }
    free(oracle->registered);
    free(oracle->leaders);
    free(oracle->committed);
    free(oracle);
}

static struct oracle_node *node_of(struct raft_oracle *oracle, uint64_t number) {
    struct oracle_node **node = &oracle->nodes[number % ORACLE_NODES_MAX];
    if (*node == NULL)
        *node = zeroed(sizeof(**node));
    return *node;
}

/* ---- log matching ---- */

static struct registered *find_registered(struct raft_oracle *oracle, uint64_t index,
                                          uint64_t term) {
    size_t mask = oracle->registered_capacity - 1;
    for (size_t at = mix(mix(1, index), term) & mask;; at = (at + 1) & mask) {
        struct registered *slot = &oracle->registered[at];
        if (slot->index == 0 || (slot->index == index && slot->term == term))
            return slot;
    }
}

static void make_register_room(struct raft_oracle *oracle) {
    if (4 * (oracle->registered_count + 1) <= 3 * oracle->registered_capacity)
        return;
    struct registered *old = oracle->registered;
    size_t old_capacity = oracle->registered_capacity;
    oracle->registered_capacity = old_capacity == 0 ? 1024 : 2 * old_capacity;
    oracle->registered = zeroed(oracle->registered_capacity * sizeof(*old));
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].index != 0)
            *find_registered(oracle, old[i].index, old[i].term) = old[i];
    free(old);
}

/* Whether the entry was already known. */
static bool register_entry(struct raft_oracle *oracle, uint64_t number,
                           const struct raft_entry *entry, uint64_t previous_term) {
    make_register_room(oracle);
    struct registered *slot = find_registered(oracle, entry->index, entry->term);
    uint64_t content = content_of(entry);
    if (slot->index == 0) {
        *slot = (struct registered){entry->index, entry->term, previous_term, content};
        oracle->registered_count++;
        return false;
    }
    if (slot->content != content)
        oracle->violate(oracle->context, number,
                        "log matching: two entries with one index and term");
    if (previous_term != UINT64_MAX && slot->previous_term != UINT64_MAX &&
        slot->previous_term != previous_term)
        oracle->violate(oracle->context, number,
                        "log matching: different entries before the same one");
    return true;
}

/* `installed`: the snapshot that the log now stands on; NULL if it is as before. */
static void check_log(struct raft_oracle *oracle, uint64_t number, const struct raft *raft,
                      const struct raft_status *status, const struct raft_snapshot *installed) {
    if (status->configuration_index > status->last_index)
        oracle->violate(oracle->context, number,
                        "a configuration is in force whose entry was cut from the log");
    for (uint64_t index = status->last_index; index >= status->first_index; index--) {
        const struct raft_entry *before = raft_find_entry(raft, index - 1);
        uint64_t previous_term = before != NULL ? before->term : UINT64_MAX;
        if (before == NULL && installed != NULL && installed->index == index - 1)
            previous_term = installed->term;
        if (register_entry(oracle, number, raft_find_entry(raft, index), previous_term) &&
            index < status->last_index && installed == NULL)
            break;
    }
}

/* ---- what is durable ---- */

static bool has_durable(const struct oracle_node *node, uint64_t index, uint64_t term) {
    return index <= node->base ||
           (index <= node->base + node->count && node->terms[index - node->base - 1] == term);
}

static void apply_write(struct raft_oracle *oracle, uint64_t number,
                        const struct pending_write *write) {
    struct oracle_node *node = node_of(oracle, number);
    if (write->has_hard_state)
        node->durable_state = write->hard_state;
    if (!write->has_log)
        return;
    if (write->is_reset) {
        node->base = write->after_index;
        node->count = 0;
    }
    if (write->after_index > node->base + node->count)
        oracle->violate(oracle->context, number, "a write leaves a gap in the durable log");
    uint64_t after = write->after_index;
    size_t skipped = after < node->base ? (size_t)(node->base - after) : 0;
    if (skipped > write->count || after > node->base + node->count)
        return;
    size_t kept = (size_t)(after + skipped - node->base);
    size_t added = write->count - skipped;
    node->terms = grow(node->terms, &node->capacity, kept + added + 1, sizeof(*node->terms));
    if (added > 0)
        memcpy(node->terms + kept, write->terms + skipped, added * sizeof(*node->terms));
    node->count = kept + added;
}

void raft_oracle_persisted(struct raft_oracle *oracle, uint64_t number, uint64_t write) {
    struct oracle_node *node = node_of(oracle, number);
    size_t done = 0;
    for (; done < node->write_count && node->writes[done].number <= write; done++)
        if (!node->writes[done].is_failed)
            apply_write(oracle, number, &node->writes[done]);
    forget_writes(node, 0, done);
}

void raft_oracle_persist_failed(struct raft_oracle *oracle, uint64_t number, uint64_t write) {
    struct oracle_node *node = node_of(oracle, number);
    /* a part may have reached the disk: a restart may find it, but nothing may count on it */
    for (size_t i = 0; i < node->write_count; i++)
        if (node->writes[i].number >= write)
            node->writes[i].is_failed = true;
}

void raft_oracle_snapshot(struct raft_oracle *oracle, uint64_t number, uint64_t index) {
    struct oracle_node *node = node_of(oracle, number);
    if (index <= node->base)
        return;
    size_t covered = (size_t)(index - node->base);
    if (covered > node->count)
        covered = node->count;
    if (node->count > covered)
        memmove(node->terms, node->terms + covered, (node->count - covered) * sizeof(uint64_t));
    node->count -= covered;
    node->base = index;
}

static void note_write(struct oracle_node *node, const struct raft_write *write) {
    node->writes =
        grow(node->writes, &node->write_capacity, node->write_count + 1, sizeof(*node->writes));
    struct pending_write *kept = &node->writes[node->write_count++];
    *kept = (struct pending_write){.number = write->number,
                                   .after_index = write->after_index,
                                   .has_log = write->has_log,
                                   .is_reset = write->is_reset,
                                   .has_hard_state = write->has_hard_state,
                                   .hard_state = write->hard_state,
                                   .count = write->entry_count};
    kept->terms = sim_resize(NULL, (write->entry_count + 1) * sizeof(uint64_t));
    for (size_t i = 0; i < write->entry_count; i++)
        kept->terms[i] = write->entries[i].term;
}

static void check_restored_log(struct raft_oracle *oracle, uint64_t number,
                               const struct raft_restored *restored) {
    const struct oracle_node *node = node_of(oracle, number);
    uint64_t end = node->base + node->count;
    for (size_t i = 0; i < node->write_count; i++)
        if (node->writes[i].has_log && node->writes[i].after_index < end)
            end = node->writes[i].after_index;
    uint64_t first = restored->entry_count == 0 ? 0 : restored->entries[0].index;
    for (uint64_t index = node->base + 1; index <= end; index++) {
        if (index <= restored->snapshot.index)
            continue;
        bool is_there = first != 0 && index >= first && index - first < restored->entry_count;
        if (!is_there ||
            restored->entries[index - first].term != node->terms[index - node->base - 1])
            oracle->violate(oracle->context, number, "a restart lost a durable entry");
    }
    if (restored->snapshot.index < node->base && (first == 0 || first > node->base + 1) &&
        node->base > 0)
        oracle->violate(oracle->context, number, "a restart lost a durable snapshot");
}

void raft_oracle_start(struct raft_oracle *oracle, uint64_t number, const struct raft *raft,
                       const struct raft_restored *restored, uint64_t state) {
    struct oracle_node *node = node_of(oracle, number);
    const struct raft_hard_state *before = &node->durable_state;
    if (restored->hard_state.term < before->term ||
        (restored->hard_state.term == before->term && raft_id_is_set(before->vote) &&
         !raft_id_equal(restored->hard_state.vote, before->vote)))
        oracle->violate(oracle->context, number, "a restart lost the durable hard state");
    struct raft_status status;
    raft_get_status(raft, &status);
    if (status.term == restored->hard_state.term &&
        !raft_id_equal(status.vote, restored->hard_state.vote))
        oracle->violate(oracle->context, number, "vote once: a restart forgot its vote");
    check_restored_log(oracle, number, restored);
    forget_writes(node, 0, node->write_count);
    node->durable_state = restored->hard_state;
    raft_get_status(raft, &node->seen);
    node->base = restored->snapshot.index;
    node->count = 0;
    for (size_t i = 0; i < restored->entry_count; i++) {
        if (restored->entries[i].index != node->base + node->count + 1)
            continue;
        node->terms = grow(node->terms, &node->capacity, node->count + 1, sizeof(*node->terms));
        node->terms[node->count++] = restored->entries[i].term;
    }
    if (node->seen.last_index < node->base + node->count)
        node->count = (size_t)(node->seen.last_index - node->base);
    node->applied = restored->snapshot.index;
    node->state = state;
    if (node->applied > 0 && state != raft_oracle_state(oracle, node->applied))
        oracle->violate(oracle->context, number, "a restart found another state than it had");
}

/* ---- elections ---- */

static void check_vote(struct raft_oracle *oracle, uint64_t number, uint64_t term,
                       uint64_t candidate) {
    struct oracle_node *node = node_of(oracle, number);
    if (4 * (node->vote_count + 1) > 3 * node->vote_capacity) {
        struct vote *old = node->votes;
        size_t old_capacity = node->vote_capacity;
        node->vote_capacity = old_capacity == 0 ? 64 : 2 * old_capacity;
        node->votes = zeroed(node->vote_capacity * sizeof(*old));
        for (size_t i = 0; i < old_capacity; i++)
            for (size_t at = old[i].term; old[i].term != 0; at++)
                if (node->votes[at & (node->vote_capacity - 1)].term == 0) {
                    node->votes[at & (node->vote_capacity - 1)] = old[i];
                    break;
                }
        free(old);
    }
    size_t at = term & (node->vote_capacity - 1);
    while (node->votes[at].term != 0 && node->votes[at].term != term)
        at = (at + 1) & (node->vote_capacity - 1);
    if (node->votes[at].term == term && node->votes[at].candidate != candidate)
        oracle->violate(oracle->context, number, "vote once: two votes in one term");
    node->vote_count += node->votes[at].term == 0;
    node->votes[at] = (struct vote){term, candidate};
    const struct raft_hard_state *durable = &node->durable_state;
    if (durable->term < term || (durable->term == term && durable->vote.words[1] != candidate))
        oracle->violate(oracle->context, number, "a vote left before it was durable");
}

static void check_leader(struct raft_oracle *oracle, uint64_t number, const struct raft *raft,
                         const struct raft_status *status) {
    oracle->leaders =
        grow(oracle->leaders, &oracle->leader_capacity, status->term + 1, sizeof(*oracle->leaders));
    uint64_t *leader = &oracle->leaders[status->term];
    if (*leader != 0 && *leader != number)
        oracle->violate(oracle->context, number, "election safety: two leaders in one term");
    if (*leader == 0)
        oracle->counters.elections++;
    *leader = number;
    for (uint64_t index = status->first_index; index <= oracle->committed_index; index++) {
        const struct raft_entry *entry = raft_find_entry(raft, index);
        const struct committed *committed = &oracle->committed[index];
        if (committed->known_in < status->term &&
            (entry == NULL || content_of(entry) != committed->content ||
             entry->term != committed->term))
            oracle->violate(oracle->context, number,
                            "leader completeness: a leader lacks a committed entry");
    }
}

/* Nobody raises the term alone, and who leads agrees to no other leader. */
static void check_pre_vote(struct raft_oracle *oracle, uint64_t number, const struct raft *raft,
                           const struct raft_message *message) {
    const struct raft_configuration *configuration = raft_get_configuration(raft);
    struct raft_status status;
    raft_get_status(raft, &status);
    if (message->type == RAFT_PRE_VOTE_REPLY && message->vote_reply.is_granted) {
        struct oracle_node *other = node_of(oracle, message->to.words[1]);
        if (message->term > other->agreed_term)
            other->agreed_term = message->term;
        if (status.role == RAFT_LEADER)
            oracle->violate(oracle->context, number, "a leader agreed to another one");
    }
    uint32_t voters = 0;
    for (uint32_t i = 0; i < configuration->count; i++)
        voters += configuration->members[i].is_voter;
    if (message->type == RAFT_VOTE && !message->vote.is_transfer && voters > 2 &&
        node_of(oracle, number)->agreed_term < message->term)
        oracle->violate(oracle->context, number, "a term was raised and nobody had agreed");
}

static void check_message(struct raft_oracle *oracle, uint64_t number, const struct raft *raft,
                          const struct raft_message *message) {
    const struct oracle_node *node = node_of(oracle, number);
    check_pre_vote(oracle, number, raft, message);
    if (message->type == RAFT_VOTE)
        check_vote(oracle, number, message->term, number);
    if (message->type == RAFT_VOTE_REPLY && message->vote_reply.is_granted)
        check_vote(oracle, number, message->term, message->to.words[1]);
    if (message->type != RAFT_APPEND_REPLY)
        return;
    uint64_t durable = message->append_reply.durable;
    const struct raft_entry *entry = raft_find_entry(raft, durable);
    if (durable > 0 && !has_durable(node, durable, entry != NULL ? entry->term : 0))
        oracle->violate(oracle->context, number, "an entry was acknowledged before it was durable");
}

/* ---- commits ---- */

/* What a leader takes for committed is durable on a majority of the voters. */
static void check_commit(struct raft_oracle *oracle, uint64_t number, const struct raft *raft,
                         const struct raft_status *status) {
    const struct raft_configuration *configuration = raft_get_configuration(raft);
    const struct raft_entry *entry = raft_find_entry(raft, status->commit_index);
    uint32_t voters = 0, durable = 0;
    for (uint32_t i = 0; i < configuration->count; i++) {
        if (!configuration->members[i].is_voter)
            continue;
        const struct oracle_node *node = node_of(oracle, configuration->members[i].id.words[1]);
        voters++;
        durable += entry != NULL && has_durable(node, entry->index, entry->term);
    }
    if (entry != NULL && durable <= voters / 2)
        oracle->violate(oracle->context, number,
                        "durable majority: committed on fewer voters than a majority");
    if (entry != NULL && entry->term != status->term)
        oracle->violate(oracle->context, number,
                        "an entry of an older term was committed by counting");
}

/* A leader changes the configuration only when an entry of its term and the change before are
 * committed (Ongaro 2014, 4.1, and his correction of 2015). */
static void check_change(struct raft_oracle *oracle, uint64_t number, const struct raft *raft,
                         const struct raft_status *before, const struct raft_status *status) {
    if (before->role != RAFT_LEADER || before->term != status->term ||
        status->configuration_index <= before->configuration_index)
        return;
    const struct raft_entry *committed = raft_find_entry(raft, before->commit_index);
    if (committed != NULL && committed->term != status->term)
        oracle->violate(oracle->context, number,
                        "a change of members before an entry of the leader's term was committed");
    if (before->configuration_index > before->commit_index)
        oracle->violate(oracle->context, number,
                        "a change of members before the one before it was committed");
}

static void check_apply(struct raft_oracle *oracle, uint64_t number, const struct raft_entry *entry,
                        uint64_t term) {
    struct oracle_node *node = node_of(oracle, number);
    if (entry->index != node->applied + 1)
        oracle->violate(oracle->context, number, "entries are applied out of order");
    node->applied = entry->index;
    node->state = mix(mix(node->state, entry->term), content_of(entry));
    oracle->committed = grow(oracle->committed, &oracle->committed_capacity, entry->index + 1,
                             sizeof(*oracle->committed));
    struct committed *committed = &oracle->committed[entry->index];
    if (committed->term == 0) {
        *committed = (struct committed){entry->term, content_of(entry), node->state, term};
        oracle->counters.commits++;
        oracle->counters.configurations += entry->type == RAFT_ENTRY_CONFIGURATION;
    }
    if (entry->index > oracle->committed_index)
        oracle->committed_index = entry->index;
    if (committed->term != entry->term || committed->content != content_of(entry) ||
        committed->state != node->state)
        oracle->violate(oracle->context, number,
                        "state machine safety: different entries applied at one index");
}

static void check_install(struct raft_oracle *oracle, uint64_t number,
                          const struct raft_output *out, uint64_t state) {
    struct oracle_node *node = node_of(oracle, number);
    oracle->counters.installs++;
    node->applied = out->install.index;
    node->state = state;
    if (state != raft_oracle_state(oracle, node->applied))
        oracle->violate(oracle->context, number,
                        "an installed snapshot differs from what was applied");
}

void raft_oracle_step(struct raft_oracle *oracle, uint64_t number, const struct raft *raft,
                      const struct raft_output *out, uint64_t state) {
    struct oracle_node *node = node_of(oracle, number);
    struct raft_status status;
    raft_get_status(raft, &status);
    if (status.term < node->seen.term || status.commit_index < node->seen.commit_index)
        oracle->violate(oracle->context, number, "the term or the commit index fell");
    for (size_t i = 0; i < out->message_count; i++)
        check_message(oracle, number, raft, &out->messages[i]);
    if (out->write.number != 0)
        note_write(node, &out->write);
    if (out->has_install || status.last_index != node->seen.last_index ||
        status.last_term != node->seen.last_term)
        check_log(oracle, number, raft, &status, out->has_install ? &out->install : NULL);
    oracle->counters.truncations += status.last_index < node->seen.last_index;
    if (status.role == RAFT_LEADER &&
        (node->seen.role != RAFT_LEADER || node->seen.term != status.term))
        check_leader(oracle, number, raft, &status);
    if (status.role == RAFT_LEADER && status.commit_index > node->seen.commit_index)
        check_commit(oracle, number, raft, &status);
    if (status.role == RAFT_LEADER)
        check_change(oracle, number, raft, &node->seen, &status);
    if (out->has_install)
        check_install(oracle, number, out, state);
    for (size_t i = 0; i < out->apply_count; i++)
        check_apply(oracle, number, &out->apply[i], status.term);
    for (size_t i = 0; i < out->read_count; i++)
        oracle->counters.reads += out->reads[i].status == LARDER_OK;
    node->seen = status;
}

/* ---- questions ---- */

uint64_t raft_oracle_committed_index(const struct raft_oracle *oracle) {
    return oracle->committed_index;
}

static const struct committed *committed_at(const struct raft_oracle *oracle, uint64_t index) {
    static const struct committed NONE;
    return index <= oracle->committed_index && oracle->committed != NULL ? &oracle->committed[index]
                                                                         : &NONE;
}

uint64_t raft_oracle_committed_term(const struct raft_oracle *oracle, uint64_t index) {
    return committed_at(oracle, index)->term;
}

uint64_t raft_oracle_state(const struct raft_oracle *oracle, uint64_t index) {
    return committed_at(oracle, index)->state;
}

const struct raft_status *raft_oracle_seen(const struct raft_oracle *oracle, uint64_t node) {
    static const struct raft_status NOTHING;
    const struct oracle_node *found = oracle->nodes[node % ORACLE_NODES_MAX];
    return found == NULL ? &NOTHING : &found->seen;
}

void raft_oracle_get_counters(const struct raft_oracle *oracle, struct raft_oracle_counters *out) {
    *out = oracle->counters;
}
