/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions in an array sorted by client, results of each sorted by number: the order is the state's
 * own, so equal states have equal bytes. */
#include "cluster/request_memory.h"

#include "cluster/mutants.h"
#include "raft/bytes.h"

enum { BYTES_DEFAULT = 1 << 20, RESULTS_FIRST = 4, SESSIONS_FIRST = 8 };

enum larder_status request_memory_create(size_t bytes_max, const struct allocator *allocator,
                                         struct request_memory **out) {
    struct request_memory *m = allocator_allocate_zeroed(allocator, sizeof(*m));
    if (m == NULL)
        return LARDER_NO_MEMORY;
    m->allocator = allocator;
    m->bytes_max = bytes_max == 0 ? BYTES_DEFAULT : bytes_max;
    m->floor_us = INT64_MIN;
    *out = m;
    return LARDER_OK;
}

static void release_result(struct request_memory *m, struct stored_result *result) {
    allocator_release(m->allocator, result->bytes, result->capacity);
    m->bytes -= result->capacity;
}

static void release_session(struct request_memory *m, struct request_session *session) {
    for (uint32_t i = 0; i < session->count; i++)
        release_result(m, &session->results[i]);
    size_t size = session->capacity * sizeof(*session->results);
    allocator_release(m->allocator, session->results, size);
    m->bytes -= size + sizeof(*session);
}

void request_memory_clear(struct request_memory *m) {
    for (uint32_t i = 0; i < m->count; i++)
        release_session(m, &m->sessions[i]);
    m->count = 0;
    m->floor_us = INT64_MIN;
}

void request_memory_raise_floor(struct request_memory *m, int64_t time_us) {
    m->floor_us = time_us > m->floor_us ? time_us : m->floor_us;
}

void request_memory_destroy(struct request_memory *m) {
    if (m == NULL)
        return;
    request_memory_clear(m);
    allocator_release(m->allocator, m->sessions, m->capacity * sizeof(*m->sessions));
    allocator_release(m->allocator, m->spare_bytes, REQUEST_RESULT_MAX);
    allocator_release(m->allocator, m->spare_results, RESULTS_FIRST * sizeof(*m->spare_results));
    allocator_release(m->allocator, m, sizeof(*m));
}

static bool comes_before(const uint64_t a[2], const uint64_t b[2]) {
    return a[0] != b[0] ? a[0] < b[0] : a[1] < b[1];
}

/* The session of the client, or where it would be. */
static uint32_t session_at(const struct request_memory *m, const uint64_t client[2]) {
    uint32_t low = 0, high = m->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (comes_before(m->sessions[middle].client, client))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct request_session *find_session(const struct request_memory *m,
                                            const uint64_t client[2]) {
    uint32_t at = session_at(m, client);
    if (at == m->count || comes_before(client, m->sessions[at].client))
        return NULL;
    return &m->sessions[at];
}

static uint32_t result_at(const struct request_session *session, uint64_t number) {
    uint32_t at = session->count;
    while (at > 0 && session->results[at - 1].number >= number)
        at--;
    return at;
}

static const struct stored_result *find_result(const struct request_session *session,
                                               uint64_t number) {
    uint32_t at = result_at(session, number);
    return at < session->count && session->results[at].number == number ? &session->results[at]
                                                                        : NULL;
}

static uint32_t open_from(const struct request_session *session, uint64_t lowest) {
    return session->count - result_at(session, lowest);
}

enum request_state request_memory_find(const struct request_memory *m, const struct request_id *id,
                                       int64_t now_us, struct request_result *out) {
    const struct request_session *session = find_session(m, id->client);
    const struct stored_result *known = session == NULL ? NULL : find_result(session, id->number);
    if (known != NULL) {
        *out = (struct request_result){known->kind, slice_of(known->bytes, known->size)};
        return REQUEST_KNOWN;
    }
    bool is_answered = session != NULL && id->number < session->lowest;
    bool is_forgotten = id->first_sent_us <= m->floor_us && !CLUSTER_MUTATED(MUTANT_FLOOR_IGNORED);
    bool is_old = id->first_sent_us < now_us - REQUEST_RETRY_US &&
                  !CLUSTER_MUTATED(MUTANT_OLD_REQUEST_EXECUTED);
    if ((is_answered && !CLUSTER_MUTATED(MUTANT_PRUNED_EXECUTED)) || is_forgotten || is_old ||
        id->first_sent_us > now_us + REQUEST_AHEAD_US)
        return REQUEST_UNKNOWN;
    if (session != NULL && open_from(session, id->lowest) >= REQUEST_OPEN_MAX)
        return REQUEST_TOO_MANY;
    return REQUEST_NEW;
}

static bool grow_sessions(struct request_memory *m) {
    if (m->count < m->capacity)
        return true;
    uint32_t capacity = m->capacity == 0 ? SESSIONS_FIRST : m->capacity * 2;
    void *grown = allocator_resize(m->allocator, m->sessions, m->capacity * sizeof(*m->sessions),
                                   capacity * sizeof(*m->sessions));
    if (grown == NULL)
        return false;
    m->sessions = grown;
    m->capacity = capacity;
    return true;
}

static bool grow_results(struct request_memory *m, struct request_session *session) {
    if (session->count < session->capacity)
        return true;
    size_t before = session->capacity * sizeof(*session->results);
    uint32_t capacity = session->capacity * 2;
    void *grown = allocator_resize(m->allocator, session->results, before,
                                   capacity * sizeof(*session->results));
    if (grown == NULL)
        return false;
    session->results = grown;
    session->capacity = capacity;
    m->bytes += capacity * sizeof(*session->results) - before;
    return true;
}

enum larder_status request_memory_reserve(struct request_memory *m, const struct request_id *id) {
    if (m->spare_bytes == NULL)
        m->spare_bytes = allocator_allocate(m->allocator, REQUEST_RESULT_MAX);
    if (m->spare_results == NULL)
        m->spare_results =
            allocator_allocate(m->allocator, RESULTS_FIRST * sizeof(*m->spare_results));
    struct request_session *session = find_session(m, id->client);
    bool has_room = session == NULL ? grow_sessions(m) : grow_results(m, session);
    return has_room && m->spare_bytes != NULL && m->spare_results != NULL ? LARDER_OK
                                                                          : LARDER_NO_MEMORY;
}

/* The session has no results yet. NULL: no memory. */
static struct request_session *add_session(struct request_memory *m, const uint64_t client[2]) {
    if (!grow_sessions(m))
        return NULL;
    struct stored_result *results = m->spare_results;
    m->spare_results = NULL;
    if (results == NULL)
        results = allocator_allocate(m->allocator, RESULTS_FIRST * sizeof(*results));
    if (results == NULL)
        return NULL;
    uint32_t at = session_at(m, client);
    memmove(&m->sessions[at + 1], &m->sessions[at], (m->count - at) * sizeof(*m->sessions));
    m->sessions[at] = (struct request_session){.client = {client[0], client[1]},
                                               .active_us = INT64_MIN,
                                               .sent_us = INT64_MIN,
                                               .capacity = RESULTS_FIRST,
                                               .results = results};
    m->count++;
    m->bytes += sizeof(*m->sessions) + RESULTS_FIRST * sizeof(*results);
    return &m->sessions[at];
}

static bool make_result(struct request_memory *m, uint64_t number,
                        const struct request_result *result, struct stored_result *out) {
    size_t size = result->bytes.size;
    *out = (struct stored_result){.number = number, .kind = result->kind, .size = (uint32_t)size};
    if (size == 0)
        return true;
    out->capacity = (uint32_t)size;
    out->bytes = allocator_allocate(m->allocator, size);
    if (out->bytes == NULL) {
        out->bytes = m->spare_bytes;
        out->capacity = REQUEST_RESULT_MAX;
        m->spare_bytes = NULL;
    }
    if (out->bytes == NULL)
        return false;
    memcpy(out->bytes, result->bytes.data, size);
    m->bytes += out->capacity;
    return true;
}

static void prune(struct request_memory *m, struct request_session *session, uint64_t lowest) {
    if (lowest <= session->lowest)
        return;
    session->lowest = lowest;
    uint32_t gone = result_at(session, lowest);
    for (uint32_t i = 0; i < gone; i++)
        release_result(m, &session->results[i]);
    session->count -= gone;
    memmove(session->results, session->results + gone, session->count * sizeof(*session->results));
}

enum larder_status request_memory_add(struct request_memory *m, const struct request_id *id,
                                      int64_t time_us, const struct request_result *result) {
    struct stored_result made;
    if (!make_result(m, id->number, result, &made))
        return LARDER_NO_MEMORY;
    struct request_session *session = find_session(m, id->client);
    if (session == NULL)
        session = add_session(m, id->client);
    if (session == NULL || !grow_results(m, session)) {
        release_result(m, &made);
        return LARDER_NO_MEMORY;
    }
    session->active_us = time_us > session->active_us ? time_us : session->active_us;
    session->sent_us = id->first_sent_us > session->sent_us ? id->first_sent_us : session->sent_us;
    prune(m, session, id->lowest);
    bool is_needless = id->number < session->lowest || find_result(session, id->number) != NULL;
    if (is_needless || CLUSTER_MUTATED(MUTANT_RESULT_NOT_STORED)) {
        release_result(m, &made);
        return LARDER_OK;
    }
    uint32_t at = result_at(session, id->number);
    memmove(&session->results[at + 1], &session->results[at],
            (session->count - at) * sizeof(*session->results));
    session->results[at] = made;
    session->count++;
    return LARDER_OK;
}

static void remove_session(struct request_memory *m, uint32_t at) {
    struct request_session *session = &m->sessions[at];
    m->floor_us = session->sent_us > m->floor_us ? session->sent_us : m->floor_us;
    release_session(m, session);
    m->count--;
    memmove(session, session + 1, (m->count - at) * sizeof(*session));
}

enum larder_status request_memory_expire(struct request_memory *m, struct slice clients) {
    struct byte_reader r = byte_reader_of(clients);
    if (clients.size % REQUEST_CLIENT_BYTES != 0)
        return LARDER_CORRUPT;
    while (r.left > 0) {
        uint64_t first = read_unsigned(&r, 8);
        const uint64_t client[2] = {first, read_unsigned(&r, 8)};
        const struct request_session *session = find_session(m, client);
        if (session != NULL)
            remove_session(m, (uint32_t)(session - m->sessions));
    }
    return LARDER_OK;
}

static size_t held_by(const struct request_session *session) {
    size_t bytes = sizeof(*session) + session->capacity * sizeof(*session->results);
    for (uint32_t i = 0; i < session->count; i++)
        bytes += session->results[i].capacity;
    return bytes;
}

/* The session that was quiet longest among those quieter than the ones chosen before. */
static const struct request_session *next_quiet(const struct request_memory *m,
                                                const struct request_session *after) {
    const struct request_session *best = NULL;
    for (uint32_t i = 0; i < m->count; i++) {
        const struct request_session *s = &m->sessions[i];
        bool is_chosen = after != NULL && (s->active_us < after->active_us ||
                                           (s->active_us == after->active_us && s <= after));
        if (!is_chosen && (best == NULL || s->active_us < best->active_us))
            best = s;
    }
    return best;
}

uint32_t request_memory_choose(const struct request_memory *m, int64_t now_us, size_t extra_bytes,
                               uint32_t max, uint8_t *out) {
    struct byte_writer w = byte_writer_of(out);
    size_t bytes = m->bytes + extra_bytes;
    const struct request_session *session = NULL;
    for (uint32_t chosen = 0; chosen < max; chosen++) {
        session = next_quiet(m, session);
        if (session == NULL ||
            (session->active_us >= now_us - REQUEST_IDLE_US && bytes <= m->bytes_max))
            return chosen;
        bytes -= held_by(session);
        write_unsigned(&w, session->client[0], 8);
        write_unsigned(&w, session->client[1], 8);
    }
    return max;
}
