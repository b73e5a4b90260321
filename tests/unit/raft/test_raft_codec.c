/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes: what is encoded is read back, and whatever is damaged, cut off or too much is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/random.h"
#include "raft/codec.h"

#include <stdlib.h>

static struct raft_id id(uint64_t number) {
    return (struct raft_id){{number, ~number}};
}

static void crc32c_has_the_published_values(void **state) {
    (void)state;
    uint8_t bytes[32] = {0};
    assert_int_equal(crc32c(slice_of(bytes, 32)), 0x8a9136aau);
    memset(bytes, 0xff, 32);
    assert_int_equal(crc32c(slice_of(bytes, 32)), 0x62a8ab43u);
    for (size_t i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(crc32c(slice_of(bytes, 32)), 0x46dd794eu);
    assert_int_equal(crc32c(slice_of_string("123456789")), 0xe3069283u);
    uint32_t first = crc32c(slice_of_string("1234"));
    assert_int_equal(crc32c_extend(first, slice_of_string("56789")), 0xe3069283u);
}

static const struct raft_configuration SAMPLE = {
    .count = 3, .members = {{{{1, 2}}, true}, {{{3, 4}}, false}, {{{5, 6}}, true}}};

static size_t sample_messages(struct raft_message *out, const struct raft_entry *entries) {
    size_t count = 0;
    struct raft_snapshot snapshot = {.index = 9, .term = 2, .size = 100, .checksum = 77};
    for (int type = RAFT_PRE_VOTE; type <= RAFT_TIMEOUT_NOW; type++) {
        struct raft_message *m = &out[count++];
        memset(m, 0, sizeof(*m));
        m->type = (enum raft_message_type)type;
        m->cluster = id(1);
        m->generation = 513;
        m->from = id(2);
        m->to = id(3);
        m->term = 7;
        switch (m->type) {
        case RAFT_PRE_VOTE:
        case RAFT_VOTE: m->vote = (struct raft_vote){10, 6, true}; break;
        case RAFT_PRE_VOTE_REPLY:
        case RAFT_VOTE_REPLY: m->vote_reply.is_granted = true; break;
        case RAFT_APPEND: m->append = (struct raft_append){4, 3, 2, 1, entries, 3}; break;
        case RAFT_APPEND_REPLY:
            m->append_reply = (struct raft_append_reply){true, false, 4, 5, 7, 6, 8, 9};
            break;
        case RAFT_SNAPSHOT:
            m->snapshot =
                (struct raft_snapshot_chunk){snapshot, SAMPLE, 50, slice_of_string("chunk")};
            break;
        case RAFT_SNAPSHOT_REPLY:
            m->snapshot_reply = (struct raft_snapshot_reply){snapshot, 60};
            break;
        case RAFT_TIMEOUT_NOW: break;
        }
    }
    return count;
}

static size_t sample_entries(struct raft_entry *out, uint8_t *configuration) {
    size_t size = raft_configuration_encode(&SAMPLE, configuration);
    out[0] = (struct raft_entry){5, 3, RAFT_ENTRY_NOOP, {NULL, 0}};
    out[1] = (struct raft_entry){6, 3, RAFT_ENTRY_COMMAND, slice_of_string("command")};
    out[2] = (struct raft_entry){7, 5, RAFT_ENTRY_CONFIGURATION, slice_of(configuration, size)};
    return 3;
}

enum { SAMPLES = RAFT_TIMEOUT_NOW };

/* Decoding a copy of exactly the right size lets the sanitizer see any read behind the end. */
static enum larder_status decode(const uint8_t *bytes, size_t size, struct raft_message *out,
                                 struct raft_entry *entries) {
    uint8_t *copy = malloc(size + 1);
    if (size > 0)
        memcpy(copy, bytes, size);
    enum larder_status status = raft_message_decode(slice_of(copy, size), entries, out);
    free(copy);
    return status;
}

static void message_is_read_back(void **state) {
    (void)state;
    struct raft_entry entries[3], read[RAFT_APPEND_ENTRIES_MAX];
    uint8_t configuration[RAFT_CONFIGURATION_BYTES_MAX];
    struct raft_message samples[SAMPLES], m;
    uint8_t bytes[2048], again[2048];
    sample_entries(entries, configuration);
    size_t count = sample_messages(samples, entries);
    for (size_t i = 0; i < count; i++) {
        size_t size = raft_message_encode(&samples[i], bytes);
        assert_int_equal(size, raft_message_encoded_size(&samples[i]));
        assert_int_equal(raft_message_decode(slice_of(bytes, size), read, &m), LARDER_OK);
        assert_int_equal(m.type, samples[i].type);
        assert_int_equal(m.generation, 513);
        assert_true(raft_id_equal(m.from, id(2)) && raft_id_equal(m.to, id(3)));
        assert_int_equal(raft_message_encode(&m, again), size);
        assert_memory_equal(bytes, again, size);
    }
    assert_int_equal(read[2].type, RAFT_ENTRY_CONFIGURATION);
}

static void every_cut_and_every_flipped_bit_is_refused(void **state) {
    (void)state;
    struct raft_entry entries[3], read[RAFT_APPEND_ENTRIES_MAX];
    uint8_t configuration[RAFT_CONFIGURATION_BYTES_MAX];
    struct raft_message samples[SAMPLES], m;
    uint8_t bytes[2048];
    sample_entries(entries, configuration);
    size_t count = sample_messages(samples, entries);
    for (size_t i = 0; i < count; i++) {
        size_t size = raft_message_encode(&samples[i], bytes);
        for (size_t cut = 0; cut < size; cut++)
            assert_int_equal(decode(bytes, cut, &m, read), LARDER_CORRUPT);
        assert_int_equal(decode(bytes, size + 1, &m, read), LARDER_CORRUPT);
        for (size_t bit = 0; bit < 8 * size; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(decode(bytes, size, &m, read), LARDER_CORRUPT);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

/* With a right checksum nothing but the bounds is left to refuse it. */
static void nonsense_with_a_right_checksum_is_refused_or_bounded(void **state) {
    (void)state;
    struct raft_entry entries[3], read[RAFT_APPEND_ENTRIES_MAX];
    uint8_t configuration[RAFT_CONFIGURATION_BYTES_MAX];
    struct raft_message samples[SAMPLES], m;
    uint8_t bytes[2048];
    struct random random = random_seeded(1);
    sample_entries(entries, configuration);
    size_t count = sample_messages(samples, entries), accepted = 0;
    for (size_t i = 0; i < 200000; i++) {
        size_t size = raft_message_encode(&samples[i % count], bytes);
        for (uint64_t flips = 1 + random_below(&random, 3); flips > 0; flips--)
            bytes[random_below(&random, size - 4)] = (uint8_t)random_next(&random);
        uint32_t checksum = crc32c(slice_of(bytes, size - 4));
        for (size_t byte = 0; byte < 4; byte++)
            bytes[size - 4 + byte] = (uint8_t)(checksum >> 8 * byte);
        if (decode(bytes, size, &m, read) != LARDER_OK)
            continue;
        accepted++;
        assert_true(m.type >= RAFT_PRE_VOTE && m.type <= RAFT_TIMEOUT_NOW);
        if (m.type == RAFT_APPEND)
            assert_true(m.append.entry_count <= RAFT_APPEND_ENTRIES_MAX);
        if (m.type == RAFT_SNAPSHOT)
            assert_true(m.snapshot.offset + m.snapshot.data.size <= m.snapshot.snapshot.size);
    }
    assert_true(accepted > 0);
}

static void entry_cut_off_asks_for_more_and_damage_is_refused(void **state) {
    (void)state;
    struct raft_entry entry = {3, 2, RAFT_ENTRY_COMMAND, slice_of_string("data")}, read;
    uint8_t bytes[64];
    size_t taken = 0;
    size_t size = raft_entry_encode(&entry, bytes);
    assert_int_equal(raft_entry_decode(slice_of(bytes, sizeof(bytes)), &read, &taken), LARDER_OK);
    assert_int_equal(taken, size);
    assert_true(slice_equal(read.data, entry.data));
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(raft_entry_decode(slice_of(bytes, cut), &read, &taken), LARDER_AGAIN);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(raft_entry_decode(slice_of(bytes, size), &read, &taken), LARDER_OK);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void configuration_with_an_id_twice_or_too_many_voters_is_refused(void **state) {
    (void)state;
    uint8_t bytes[RAFT_CONFIGURATION_BYTES_MAX];
    struct raft_configuration c = SAMPLE, read;
    size_t size = raft_configuration_encode(&c, bytes);
    assert_int_equal(raft_configuration_decode(slice_of(bytes, size), &read), LARDER_OK);
    assert_int_equal(read.count, 3);
    c.members[2].id = c.members[0].id;
    size = raft_configuration_encode(&c, bytes);
    assert_int_equal(raft_configuration_decode(slice_of(bytes, size), &read), LARDER_CORRUPT);
    c.count = RAFT_VOTERS_MAX + 1;
    for (uint32_t i = 0; i < c.count; i++)
        c.members[i] = (struct raft_member){id(i + 1), true};
    size = raft_configuration_encode(&c, bytes);
    assert_int_equal(raft_configuration_decode(slice_of(bytes, size), &read), LARDER_CORRUPT);
    c.members[0].is_voter = false;
    size = raft_configuration_encode(&c, bytes);
    assert_int_equal(raft_configuration_decode(slice_of(bytes, size), &read), LARDER_OK);
}

static void hard_state_survives_a_torn_write_and_decay_of_one_slot(void **state) {
    (void)state;
    uint8_t slots[2][RAFT_HARD_STATE_BYTES] = {{0}};
    struct raft_hard_state_slot slot = {id(1), 2, id(3), 1, {.term = 4, .vote = id(5)}}, read;
    struct slice first = slice_of(slots[0], RAFT_HARD_STATE_BYTES);
    struct slice second = slice_of(slots[1], RAFT_HARD_STATE_BYTES);
    bool is_damaged = false;
    assert_int_equal(raft_hard_state_decode(first, second, &read, &is_damaged), LARDER_NOT_FOUND);
    slots[0][0] = 1;
    assert_int_equal(raft_hard_state_decode(first, second, &read, &is_damaged), LARDER_NOT_FOUND);
    raft_hard_state_encode(&slot, slots[0]);
    assert_int_equal(raft_hard_state_decode(first, second, &read, &is_damaged), LARDER_OK);
    assert_true(is_damaged);
    raft_hard_state_encode(&slot, slots[1]);
    assert_int_equal(raft_hard_state_decode(first, second, &read, &is_damaged), LARDER_OK);
    assert_false(is_damaged);
    assert_int_equal(read.state.term, 4);
    assert_true(raft_id_equal(read.state.vote, id(5)));

    for (size_t bit = 0; bit < 8 * RAFT_HARD_STATE_BYTES; bit++)
        for (size_t which = 0; which < 2; which++) {
            slots[which][bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(raft_hard_state_decode(first, second, &read, &is_damaged), LARDER_OK);
            assert_true(is_damaged && raft_id_equal(read.state.vote, id(5)));
            slots[which][bit / 8] ^= (uint8_t)(1u << bit % 8);
        }

    slot.sequence = 2;
    slot.state.term = 6;
    raft_hard_state_encode(&slot, slots[0]);
    assert_int_equal(raft_hard_state_decode(first, second, &read, &is_damaged), LARDER_OK);
    assert_int_equal(read.state.term, 6);
    slots[0][50] ^= 1;
    assert_int_equal(raft_hard_state_decode(first, second, &read, &is_damaged), LARDER_OK);
    assert_int_equal(read.state.term, 4);
    slots[1][50] ^= 1;
    assert_int_equal(raft_hard_state_decode(first, second, &read, &is_damaged), LARDER_CORRUPT);
    slot.self = id(8);
    raft_hard_state_encode(&slot, slots[0]);
    slot.self = id(9);
    raft_hard_state_encode(&slot, slots[1]);
    assert_int_equal(raft_hard_state_decode(first, second, &read, &is_damaged), LARDER_CORRUPT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_has_the_published_values),
        cmocka_unit_test(message_is_read_back),
        cmocka_unit_test(every_cut_and_every_flipped_bit_is_refused),
        cmocka_unit_test(nonsense_with_a_right_checksum_is_refused_or_bounded),
        cmocka_unit_test(entry_cut_off_asks_for_more_and_damage_is_refused),
        cmocka_unit_test(configuration_with_an_id_twice_or_too_many_voters_is_refused),
        cmocka_unit_test(hard_state_survives_a_torn_write_and_decay_of_one_slot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
