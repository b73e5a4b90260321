/* SPDX-License-Identifier: BSD-3-Clause */
/* Journals with random records, cuts, commits and syncs, in files that were used before. Power is
 * lost: of what was not synced any units of 8 bytes are what they were before. What is found then
 * must be what one of the frames left, and no older one than the last that was durable. Or bytes of
 * what was durable change: then all is found, because they did not count, or nothing is believed.
 *
 * LARDER_TEST_SEED=<seed> LARDER_TEST_SEEDS=1 runs one file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "cluster/replica_journal.h"
#include "unit/cluster/chance.h"
#include "unit/cluster/seed_range.h"

enum { FILE_MAX = 1 << 16, FRAMES = 24, RECORDS = 64, NEW_RECORDS = 5, PAYLOAD_MAX = 40, UNIT = 8 };

/* What the file says once this frame is the last. */
struct state {
    size_t begin, end;
    size_t told; /* of the file durable, as the frame says */
    struct log_position base;
    uint64_t terms[RECORDS]; /* behind base */
    size_t count;
    uint64_t commit;
};

static struct test {
    uint64_t seed;
    uint8_t file[FILE_MAX], former[FILE_MAX];
    struct journal_cursor cursor;
    struct state states[FRAMES];
    size_t count;
    size_t durable; /* of the file */
    uint64_t torn, whole, damaged, harmless;
} test;

static void require(bool is_right, const char *what) {
    if (!is_right)
        fail_msg("LARDER_TEST_SEED=%llu: %s", (unsigned long long)test.seed, what);
}

static struct slice payload_of(uint64_t sequence, uint64_t term, uint8_t out[PAYLOAD_MAX]) {
    struct random random = random_seeded(sequence << 32 ^ term);
    size_t size = (size_t)random_below(&random, PAYLOAD_MAX);
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)random_next(&random);
    return slice_of(out, size);
}

/* ---- writing ---- */

static void append(struct slice body, struct state *state) {
    require(test.cursor.end + journal_frame_size(body.size) <= FILE_MAX, "the file is full");
    state->begin = test.cursor.end;
    state->told = test.durable;
    journal_frame(&test.cursor, body, test.durable, test.file + test.cursor.end);
    state->end = test.cursor.end;
    test.states[test.count++] = *state;
    if (chance(60)) /* a sync ends that was begun some frames ago */
        for (size_t i = 0; i < test.count; i++)
            if (test.states[i].end > test.durable && chance(60))
                test.durable = test.states[i].end;
}

static void append_image(void) {
    uint8_t body[256];
    struct state state = {.base = {1 + draw(3), 1 + draw(50)}};
    const struct journal_image image = {.position = state.base,
                                        .beside = slice_of_string("beside"),
                                        .items = slice_of_string("items")};
    state.commit = state.base.sequence;
    append(slice_of(body, journal_image_encode(&image, body)), &state);
}

/* `write` as a replica with that log encodes it. */
static void append_write(const struct state *state, const struct replica_write *write) {
    static uint8_t body[RECORDS * (PAYLOAD_MAX + 16)];
    uint8_t payloads[RECORDS][PAYLOAD_MAX];
    struct replica_record records[RECORDS];
    struct partition_replica *replica = NULL;
    struct lease_table *leases = NULL;
    const struct replica_options options = {
        .partition = 0, .self = 1, .incarnation = 1, .waits_for_sync = true, .bytes_max = 65536};
    for (size_t i = 0; i < state->count; i++)
        records[i] = (struct replica_record){
            .term = state->terms[i],
            .kind = RECORD_EFFECT,
            .payload = payload_of(state->base.sequence + i + 1, state->terms[i], payloads[i])};
    assert_int_equal(lease_table_create(4, 250000, 2000000, 0, &ALLOCATOR_SYSTEM, &leases),
                     LARDER_OK);
    assert_int_equal(replica_create(&options, leases, &ALLOCATOR_SYSTEM, &replica), LARDER_OK);
    assert_int_equal(replica_restore(replica, state->base, records, state->count,
                                     state->base.sequence, state->base.sequence, true),
                     LARDER_OK);
    assert_true(journal_write_size(replica, write) <= sizeof(body));
    struct state next = *state;
    append(slice_of(body, journal_write_encode(replica, write, body)), &next);
    replica_destroy(replica);
    lease_table_destroy(leases);
}

/* Perhaps the end of what is not committed goes, then some records come. */
static void draw_write(void) {
    struct state state = test.count > 0 ? test.states[test.count - 1] : (struct state){0};
    uint64_t last = state.base.sequence + state.count;
    uint64_t after = chance(20) ? state.commit + draw(last - state.commit + 1) : last;
    state.count = (size_t)(after - state.base.sequence);
    uint64_t term = state.count > 0 ? state.terms[state.count - 1] : state.base.term;
    term += after < last || chance(20) || term == 0;
    for (uint64_t left = draw(NEW_RECORDS); left > 0 && state.count < RECORDS; left--)
        state.terms[state.count++] = term;
    last = state.base.sequence + state.count;
    state.commit += draw(last - state.commit + 1);
    append_write(&state, &(struct replica_write){.number = test.count + 1,
                                                 .after = after,
                                                 .last = last,
                                                 .commit = state.commit});
}

static void draw_file(uint64_t generation) {
    memcpy(test.former, test.file, sizeof(test.file));
    test.cursor = (struct journal_cursor){.generation = generation};
    test.count = test.durable = 0;
    if (chance(60))
        append_image();
    for (uint64_t left = 1 + draw(FRAMES - 2); left > 0; left--)
        draw_write();
}

/* ---- reading ---- */

static void check_found(const struct journal_found *found, const struct state *state) {
    uint8_t bytes[PAYLOAD_MAX];
    require(found->base.sequence == state->base.sequence && found->base.term == state->base.term,
            "the records begin elsewhere");
    require(found->record_count == state->count && found->commit == state->commit,
            "records are missing, or are there that were cut");
    require(slice_equal(found->items,
                        state->base.sequence > 0 ? slice_of_string("items") : slice_of(NULL, 0)),
            "an image is another one");
    for (size_t i = 0; i < state->count; i++)
        require(found->records[i].term == state->terms[i] &&
                    slice_equal(found->records[i].payload,
                                payload_of(state->base.sequence + i + 1, state->terms[i], bytes)),
                "a record is another one");
}

static struct journal_found read_back(void) {
    struct journal_found found;
    assert_int_equal(journal_read(slice_of(test.file, FILE_MAX), &ALLOCATOR_SYSTEM, &found),
                     LARDER_OK);
    return found;
}

static void lose_power(void) {
    for (size_t at = test.durable; at < test.cursor.end; at += UNIT)
        if (chance(10))
            memcpy(test.file + at, test.former + at, UNIT);
    struct journal_found found = read_back();
    const struct state *state = NULL;
    for (size_t i = 0; i < test.count; i++)
        if (found.cursor.end == test.states[i].end)
            state = &test.states[i];
    require(found.cursor.end >= test.durable, "what was durable is lost");
    bool is_former = found.cursor.end == 0 && found.cursor.generation < test.cursor.generation;
    require(!found.is_damaged || is_former, "what was torn is called damaged");
    require(found.has_data == (state != NULL), "data is found where there is none, or not found");
    if (state != NULL && found.has_data)
        check_found(&found, state);
    test.torn += found.cursor.end < test.cursor.end;
    test.whole += found.cursor.end == test.cursor.end;
    journal_finish(&found, &ALLOCATOR_SYSTEM);
}

/* Where a later frame says that it had been durable. */
static void damage(void) {
    size_t told = test.states[test.count - 1].told;
    if (told == 0)
        return;
    for (uint64_t left = 1 + draw(3); left > 0; left--) {
        uint8_t *byte = &test.file[draw(told)];
        *byte ^= (uint8_t)(1 + draw(255));
    }
    struct journal_found found = read_back();
    bool is_all = found.cursor.end == test.cursor.end;
    require(is_all || found.is_damaged, "damage is not noticed");
    require(is_all || !found.has_data, "what is left of a damaged file is believed");
    if (is_all)
        check_found(&found, &test.states[test.count - 1]);
    test.damaged += found.is_damaged;
    test.harmless += is_all;
    journal_finish(&found, &ALLOCATOR_SYSTEM);
}

static void what_was_durable_is_found_or_nothing_is_believed(void **state) {
    (void)state;
    struct seed_range seeds = seed_range(3000);
    for (uint64_t i = 0; i < seeds.count; i++) {
        test.seed = seeds.first + i;
        chance_begin(test.seed);
        memset(test.file, 0, sizeof(test.file));
        uint64_t generation = 1 + draw(1000);
        if (chance(50))
            draw_file(generation++);
        draw_file(generation);
        if (chance(50))
            lose_power();
        else
            damage();
    }
    print_message("whole %llu, torn %llu, damaged %llu, harmless %llu\n",
                  (unsigned long long)test.whole, (unsigned long long)test.torn,
                  (unsigned long long)test.damaged, (unsigned long long)test.harmless);
    if (seeds.count >= 1000)
        assert_true(test.torn > seeds.count / 10 && test.damaged > seeds.count / 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_durable_is_found_or_nothing_is_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
