/* SPDX-License-Identifier: BSD-3-Clause */
/* The durable form of a replica: what is written is found again; what is torn is dropped; what is
 * damaged is not believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/replica_journal.h"

enum { FILE_MAX = 16384 };

static uint8_t file[FILE_MAX];
static struct journal_cursor cursor;
static size_t durable; /* as the next frames say */
static struct partition_replica *replica;
static struct lease_table *leases;

static int begin(void **state) {
    (void)state;
    const struct replica_options options = {
        .partition = 0, .self = 1, .incarnation = 1, .waits_for_sync = true, .bytes_max = 65536};
    memset(file, 0, sizeof(file));
    cursor = (struct journal_cursor){.generation = 7};
    durable = 0;
    assert_int_equal(lease_table_create(4, 250000, 2000000, 0, &ALLOCATOR_SYSTEM, &leases),
                     LARDER_OK);
    assert_int_equal(replica_create(&options, leases, &ALLOCATOR_SYSTEM, &replica), LARDER_OK);
    return 0;
}

static int end(void **state) {
    (void)state;
    replica_destroy(replica);
    lease_table_destroy(leases);
    return 0;
}

/* The replica's log: as many records behind `base`, each of the term and with its own payload. */
static void set_log(struct log_position base, const uint64_t *terms, size_t count) {
    struct replica_record records[16];
    uint8_t payloads[16][3];
    for (size_t i = 0; i < count; i++) {
        memcpy(payloads[i], "r__", 3);
        payloads[i][1] = (uint8_t)('0' + base.sequence + i + 1);
        payloads[i][2] = (uint8_t)('a' + terms[i]);
        records[i] = (struct replica_record){
            .term = terms[i], .kind = RECORD_EFFECT, .payload = slice_of(payloads[i], 3)};
    }
    assert_int_equal(
        replica_restore(replica, base, records, count, base.sequence, base.sequence, true),
        LARDER_OK);
}

static void append(struct slice body) {
    assert_true(cursor.end + journal_frame_size(body.size) <= FILE_MAX);
    journal_frame(&cursor, body, durable, file + cursor.end);
}

static void append_write(const struct replica_write *write) {
    uint8_t body[1024];
    assert_true(journal_write_size(replica, write) <= sizeof(body));
    size_t size = journal_write_encode(replica, write, body);
    assert_int_equal(size, journal_write_size(replica, write));
    append(slice_of(body, size));
}

static void append_image(struct log_position position, const char *beside, const char *items) {
    uint8_t body[256];
    const struct journal_image image = {
        .position = position, .beside = slice_of_string(beside), .items = slice_of_string(items)};
    append(slice_of(body, journal_image_encode(&image, body)));
}

static struct journal_found read_back(size_t size) {
    struct journal_found found;
    assert_int_equal(journal_read(slice_of(file, size), &ALLOCATOR_SYSTEM, &found), LARDER_OK);
    return found;
}

static void finish(struct journal_found *found) {
    journal_finish(found, &ALLOCATOR_SYSTEM);
}

static void expect_record(const struct journal_found *found, size_t at, const char *payload,
                          uint64_t term) {
    assert_true(at < found->record_count);
    assert_int_equal(found->records[at].term, term);
    assert_true(slice_equal(found->records[at].payload, slice_of_string(payload)));
}

static void image_and_writes_are_found(void **state) {
    (void)state;
    append_image((struct log_position){2, 4}, "beside", "items");
    set_log((struct log_position){2, 4}, (uint64_t[]){2, 3, 3}, 3);
    append_write(&(struct replica_write){.number = 1, .after = 4, .last = 6, .commit = 4});
    append_write(&(struct replica_write){.number = 2, .after = 6, .last = 7, .commit = 5});
    struct journal_found found = read_back(cursor.end);
    assert_true(found.is_there && found.has_data && !found.is_damaged);
    assert_int_equal(found.cursor.end, cursor.end);
    assert_int_equal(found.cursor.generation, 7);
    assert_int_equal(found.cursor.crc, cursor.crc);
    assert_int_equal(found.base.term, 2);
    assert_int_equal(found.base.sequence, 4);
    assert_int_equal(found.commit, 5);
    assert_true(slice_equal(found.beside, slice_of_string("beside")));
    assert_true(slice_equal(found.items, slice_of_string("items")));
    assert_int_equal(found.record_count, 3);
    expect_record(&found, 0, "r5c", 2);
    expect_record(&found, 1, "r6d", 3);
    expect_record(&found, 2, "r7d", 3);
    finish(&found);
}

static void a_write_cuts_what_was_behind_it(void **state) {
    (void)state;
    set_log((struct log_position){0, 0}, (uint64_t[]){1, 1, 1}, 3);
    append_write(&(struct replica_write){.number = 1, .after = 0, .last = 3, .commit = 1});
    set_log((struct log_position){0, 0}, (uint64_t[]){1, 4}, 2);
    append_write(&(struct replica_write){.number = 2, .after = 1, .last = 2, .commit = 1});
    struct journal_found found = read_back(cursor.end);
    assert_true(found.has_data);
    assert_int_equal(found.record_count, 2);
    expect_record(&found, 0, "r1b", 1);
    expect_record(&found, 1, "r2e", 4);
    finish(&found);
}

static void only_the_first_record_begins_with_nothing(void **state) {
    (void)state;
    uint8_t nothing[JOURNAL_VOID_BYTES];
    append(slice_of(nothing, journal_void_encode(nothing)));
    struct journal_found found = read_back(cursor.end);
    assert_true(found.is_there && !found.has_data);
    finish(&found);
    set_log((struct log_position){0, 0}, (uint64_t[]){1, 1}, 2);
    append_write(&(struct replica_write){.number = 1, .after = 0, .last = 2, .commit = 2});
    found = read_back(cursor.end);
    assert_true(found.has_data);
    finish(&found);
    set_log((struct log_position){2, 9}, (uint64_t[]){2}, 1);
    append_write(&(struct replica_write){
        .number = 2, .is_reset = true, .after = 9, .last = 10, .commit = 9});
    found = read_back(cursor.end);
    assert_false(found.has_data);
    assert_false(found.is_damaged);
    assert_int_equal(found.base.sequence, 9);
    finish(&found);
    append_image((struct log_position){2, 10}, "", "");
    found = read_back(cursor.end);
    assert_true(found.has_data);
    assert_int_equal(found.record_count, 0);
    finish(&found);
}

/* Frames 0 to 2 of one record each; returns where each ends. */
static void write_three(size_t ends[3], bool is_synced) {
    set_log((struct log_position){0, 0}, (uint64_t[]){1, 1, 1}, 3);
    for (uint64_t i = 0; i < 3; i++) {
        append_write(
            &(struct replica_write){.number = i + 1, .after = i, .last = i + 1, .commit = i});
        ends[i] = cursor.end;
        durable = is_synced ? cursor.end : 0;
    }
}

static void what_is_torn_is_dropped(void **state) {
    (void)state;
    size_t ends[3];
    write_three(ends, true);
    for (size_t size = 0; size <= cursor.end; size++) {
        struct journal_found found = read_back(size);
        size_t whole = 0;
        for (size_t i = 0; i < 3; i++)
            whole += size >= ends[i];
        assert_false(found.is_damaged);
        assert_int_equal(found.is_there, whole > 0);
        assert_int_equal(found.record_count, whole);
        assert_int_equal(found.has_data, whole > 0);
        finish(&found);
    }
}

static void sectors_that_came_in_any_order_are_no_damage(void **state) {
    (void)state;
    size_t ends[3];
    write_three(ends, false);
    file[ends[0] + 40] ^= 1;
    struct journal_found found = read_back(cursor.end);
    assert_true(found.has_data && !found.is_damaged);
    assert_int_equal(found.record_count, 1);
    assert_int_equal(found.cursor.end, ends[0]);
    finish(&found);
}

static void damage_of_what_was_durable_is_noticed(void **state) {
    (void)state;
    size_t ends[3];
    write_three(ends, true);
    for (size_t at = 0; at < ends[1]; at++) {
        file[at] ^= 0x10;
        struct journal_found found = read_back(cursor.end);
        bool is_filling = found.record_count == 3; /* zeros behind a body belong to no frame */
        assert_true(found.is_damaged || is_filling);
        assert_true(!found.has_data || is_filling);
        assert_true(found.is_there);
        assert_int_equal(found.cursor.generation, 7);
        finish(&found);
        file[at] ^= 0x10;
    }
}

static void an_older_use_of_the_file_does_not_count(void **state) {
    (void)state;
    size_t ends[3];
    write_three(ends, true);
    cursor = (struct journal_cursor){.generation = 8};
    durable = 0;
    append_image((struct log_position){1, 3}, "", "");
    struct journal_found found = read_back(ends[2]);
    assert_true(found.has_data && !found.is_damaged);
    assert_int_equal(found.cursor.generation, 8);
    assert_int_equal(found.base.sequence, 3);
    assert_int_equal(found.record_count, 0);
    finish(&found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(image_and_writes_are_found, begin, end),
        cmocka_unit_test_setup_teardown(a_write_cuts_what_was_behind_it, begin, end),
        cmocka_unit_test_setup_teardown(only_the_first_record_begins_with_nothing, begin, end),
        cmocka_unit_test_setup_teardown(what_is_torn_is_dropped, begin, end),
        cmocka_unit_test_setup_teardown(sectors_that_came_in_any_order_are_no_damage, begin, end),
        cmocka_unit_test_setup_teardown(damage_of_what_was_durable_is_noticed, begin, end),
        cmocka_unit_test_setup_teardown(an_older_use_of_the_file_does_not_count, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
