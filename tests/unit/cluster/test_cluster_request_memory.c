/* SPDX-License-Identifier: BSD-3-Clause */
/* What a partition remembers of requests: rules one by one, then random requests, retries and
 * forgetting against a reference that never forgets what was executed. */
#include "cluster/partition_record.h"
#include "cluster/request_memory.h"

#include "base/random.h"
#include "support/test_allocator.h"
#include "support/test_seed.h"
#include "unit/cluster/golden.h"

#include <stdlib.h>

static const int64_t SECOND = 1000000;

static struct test_allocator allocator;
static struct request_memory *memory;

static int begin(void **state) {
    (void)state;
    test_allocator_init(&allocator);
    assert_int_equal(request_memory_create(64 * 1024, &allocator.base, &memory), LARDER_OK);
    return 0;
}

static int end(void **state) {
    (void)state;
    request_memory_destroy(memory);
    assert_int_equal(allocator.heap_bytes, 0);
    return 0;
}

static struct request_id id_of(uint64_t client, uint64_t number, uint64_t lowest, int64_t sent_us) {
    return (struct request_id){
        .client = {client, 1}, .number = number, .lowest = lowest, .first_sent_us = sent_us};
}

static enum request_state find(struct request_id id, int64_t now_us, struct request_result *out) {
    return request_memory_find(memory, &id, now_us, out);
}

static enum larder_status add_to(struct request_memory *m, struct request_id id, int64_t time_us,
                                 const char *text) {
    struct request_result result = {REQUEST_RESULT_STORED, slice_of_string(text)};
    return request_memory_add(m, &id, time_us, &result);
}

static void add(struct request_id id, int64_t time_us, const char *text) {
    assert_int_equal(add_to(memory, id, time_us, text), LARDER_OK);
}

static void a_known_number_has_its_result(void **state) {
    (void)state;
    struct request_result result;
    assert_int_equal(find(id_of(1, 5, 5, SECOND), SECOND, &result), REQUEST_NEW);
    add(id_of(1, 5, 5, SECOND), SECOND, "+OK\r\n");
    assert_int_equal(find(id_of(1, 5, 5, SECOND), 2 * SECOND, &result), REQUEST_KNOWN);
    assert_int_equal(result.kind, REQUEST_RESULT_STORED);
    assert_true(slice_equal(result.bytes, SLICE_LITERAL("+OK\r\n")));
    assert_int_equal(find(id_of(2, 5, 5, SECOND), SECOND, &result), REQUEST_NEW);
    assert_int_equal(find(id_of(1, 6, 5, SECOND), SECOND, &result), REQUEST_NEW);
}

static void numbers_below_the_lowest_are_not_executed_again(void **state) {
    (void)state;
    struct request_result result;
    for (uint64_t number = 1; number <= 4; number++)
        add(id_of(1, number, 1, SECOND), SECOND, "x");
    add(id_of(1, 5, 4, SECOND), SECOND, "y");
    assert_int_equal(find(id_of(1, 3, 3, SECOND), SECOND, &result), REQUEST_UNKNOWN);
    assert_int_equal(find(id_of(1, 4, 4, SECOND), SECOND, &result), REQUEST_KNOWN);
    assert_int_equal(memory->sessions[0].count, 2);
}

static void requests_of_long_ago_are_not_executed(void **state) {
    (void)state;
    struct request_result result;
    int64_t now = REQUEST_RETRY_US + SECOND;
    assert_int_equal(find(id_of(1, 1, 1, SECOND), now, &result), REQUEST_NEW);
    assert_int_equal(find(id_of(1, 1, 1, SECOND), now + 1, &result), REQUEST_UNKNOWN);
    assert_int_equal(find(id_of(1, 1, 1, now + REQUEST_AHEAD_US + 1), now, &result),
                     REQUEST_UNKNOWN);
}

static void a_session_has_at_most_64_open_requests(void **state) {
    (void)state;
    struct request_result result;
    for (uint64_t number = 1; number <= REQUEST_OPEN_MAX; number++)
        add(id_of(1, number, 1, SECOND), SECOND, "x");
    assert_int_equal(find(id_of(1, 65, 1, SECOND), SECOND, &result), REQUEST_TOO_MANY);
    assert_int_equal(find(id_of(1, 65, 2, SECOND), SECOND, &result), REQUEST_NEW);
}

static uint32_t expire(int64_t now_us, size_t extra) {
    uint8_t clients[8 * REQUEST_CLIENT_BYTES];
    uint32_t count = request_memory_choose(memory, now_us, extra, 8, clients);
    assert_int_equal(
        request_memory_expire(memory, slice_of(clients, count * (size_t)REQUEST_CLIENT_BYTES)),
        LARDER_OK);
    return count;
}

static void a_forgotten_session_is_unknown_and_later_requests_are_not(void **state) {
    (void)state;
    struct request_result result;
    add(id_of(1, 1, 1, 10 * SECOND), 20 * SECOND, "x");
    add(id_of(2, 1, 1, 30 * SECOND), 30 * SECOND, "x");
    assert_int_equal(expire(20 * SECOND + REQUEST_IDLE_US, 0), 0);
    assert_int_equal(expire(20 * SECOND + REQUEST_IDLE_US + 1, 0), 1);
    assert_int_equal(memory->floor_us, 10 * SECOND);
    /* By the clock of a primary that lost time the request is not old. */
    assert_int_equal(find(id_of(1, 1, 1, 10 * SECOND), 15 * SECOND, &result), REQUEST_UNKNOWN);
    assert_int_equal(find(id_of(1, 2, 1, 10 * SECOND + 1), 15 * SECOND, &result), REQUEST_NEW);
    assert_int_equal(find(id_of(2, 1, 1, 30 * SECOND), 30 * SECOND, &result), REQUEST_KNOWN);
}

static void beyond_the_bound_the_quietest_sessions_go(void **state) {
    (void)state;
    char text[4001];
    memset(text, 'x', 4000);
    text[4000] = 0;
    for (uint64_t client = 1; client <= 12; client++)
        add(id_of(client, 1, 1, (int64_t)client), (int64_t)client, text);
    assert_int_equal(expire(100, 0), 0);
    uint32_t gone = expire(100, 5 * 4096);
    assert_in_range(gone, 1, 5);
    assert_int_equal(memory->count, 12 - gone);
    assert_int_equal(memory->sessions[0].client[0], gone + 1);
    assert_true(memory->bytes + 5 * 4096 <= memory->bytes_max);
}

static void what_was_reserved_can_be_added_without_memory(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 40; i++) {
        struct request_id id = id_of(i % 7, i, 0, SECOND);
        assert_int_equal(request_memory_reserve(memory, &id), LARDER_OK);
        test_allocator_fail_in(&allocator, 1, 1);
        add(id, SECOND, "some result");
        test_allocator_fail_never(&allocator);
    }
}

static void without_memory_nothing_changes(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 40; i++) {
        uint64_t fail_in = 1;
        size_t size = request_memory_encoded_size(memory);
        for (;; fail_in++) {
            test_allocator_fail_in(&allocator, fail_in, 1);
            enum larder_status status = add_to(memory, id_of(i % 7, i, 0, SECOND), SECOND, "long");
            test_allocator_fail_never(&allocator);
            if (status == LARDER_OK)
                break;
            assert_int_equal(status, LARDER_NO_MEMORY);
            assert_int_equal(request_memory_encoded_size(memory), size);
        }
        assert_true(request_memory_encoded_size(memory) > size);
    }
}

/* ---- bytes ---- */

static struct request_memory *copy_of(const struct request_memory *m) {
    struct request_memory *copy = NULL;
    size_t size = request_memory_encoded_size(m);
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    assert_int_equal(request_memory_encode(m, bytes), size);
    assert_int_equal(request_memory_create(m->bytes_max, &allocator.base, &copy), LARDER_OK);
    assert_int_equal(request_memory_restore(copy, slice_of(bytes, size)), LARDER_OK);
    for (size_t cut = 0; cut < size; cut += 1 + cut / 8)
        assert_int_equal(request_memory_restore(copy, slice_of(bytes, cut)), LARDER_CORRUPT);
    free(bytes);
    return copy;
}

static bool are_equal(const struct request_memory *a, const struct request_memory *b) {
    uint64_t of_a[2], of_b[2];
    request_memory_digest(a, &of_a[0], &of_a[1]);
    request_memory_digest(b, &of_b[0], &of_b[1]);
    return of_a[0] == of_b[0] && of_a[1] == of_b[1];
}

static void damaged_bytes_are_refused_and_change_nothing(void **state) {
    (void)state;
    struct random random = random_seeded(3);
    for (uint64_t i = 0; i < 30; i++)
        add(id_of(i % 5, i, 0, SECOND), SECOND, "text");
    size_t size = request_memory_encoded_size(memory);
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    (void)request_memory_encode(memory, bytes);
    for (int round = 0; round < 2000; round++) {
        struct request_memory *copy = NULL;
        assert_int_equal(request_memory_create(0, &allocator.base, &copy), LARDER_OK);
        size_t at = random_below(&random, size);
        uint8_t before = bytes[at];
        bytes[at] = (uint8_t)random_next(&random);
        enum larder_status status = request_memory_restore(copy, slice_of(bytes, size));
        assert_true(status == LARDER_OK || (status == LARDER_CORRUPT && copy->count == 0));
        bytes[at] = before;
        request_memory_destroy(copy);
    }
    free(bytes);
}

static void records_survive_encoding_and_damage(void **state) {
    (void)state;
    struct random random = random_seeded(4);
    uint8_t bytes[256];
    for (int round = 0; round < 20000; round++) {
        struct partition_record in = {
            .kind = (enum partition_record_kind)(1 + random_below(&random, 5)),
            .time_us = (int64_t)(random_next(&random) >> 1),
            .has_request = random_below(&random, 2) == 1,
            .body = slice_of("body", random_below(&random, 5))};
        struct partition_record out;
        static const uint8_t MARKS[] = {3, 0, 'o', 'n', 'e', 1, 0, '2'};
        if (in.kind == PARTITION_RECORD_EFFECT && random_below(&random, 2) == 1)
            in.marks = slice_of(MARKS, sizeof(MARKS));
        if (in.has_request) {
            uint64_t client = random_next(&random);
            in.id = id_of(client, 7 + random_below(&random, 9), 7, SECOND);
            in.result = (struct request_result){REQUEST_RESULT_STORED, SLICE_LITERAL("+OK\r\n")};
        }
        size_t size = partition_record_encode(&in, bytes);
        assert_int_equal(size, partition_record_encoded_size(&in));
        assert_int_equal(partition_record_decode(slice_of(bytes, size), &out), LARDER_OK);
        assert_int_equal(out.kind, in.kind);
        assert_int_equal(out.time_us, in.time_us);
        assert_true(slice_equal(out.body, in.body));
        assert_true(slice_equal(out.marks, in.marks));
        assert_int_equal(out.has_request, in.has_request);
        assert_memory_equal(&out.id, &in.id, sizeof(in.id));
        assert_true(slice_equal(out.result.bytes, in.result.bytes));
        bytes[random_below(&random, size)] = (uint8_t)random_next(&random);
        size_t cut = random_below(&random, size + 1);
        uint8_t *exact = malloc(cut + 1); /* so that reading behind it is seen */
        assert_non_null(exact);
        memcpy(exact + 1, bytes, cut);
        enum larder_status status = partition_record_decode(slice_of(exact + 1, cut), &out);
        assert_true(status == LARDER_OK || status == LARDER_CORRUPT);
        struct slice mark;
        size_t at = 0;
        while (status == LARDER_OK && partition_next_mark(out.marks, &at, &mark))
            assert_true(mark.size > 0 && at <= out.marks.size);
        free(exact);
    }
}

/* ---- random ---- */

enum { CLIENTS = 6, NUMBERS = 400, STEPS = 4000 };

struct reference {
    bool is_executed[CLIENTS][NUMBERS];
    int64_t sent_us[CLIENTS][NUMBERS]; /* 0: never sent */
    uint64_t next[CLIENTS], lowest[CLIENTS];
};

/* A client's next request, or one that it, or a confused one, sends again. */
static struct request_id draw_request(struct random *random, struct reference *r, int64_t now_us) {
    uint64_t client = random_below(random, CLIENTS);
    uint64_t number = r->next[client];
    if (number > 1 && random_below(random, 2) == 0)
        number = 1 + random_below(random, number - 1);
    else if (number + 1 < NUMBERS)
        r->next[client]++;
    if (r->sent_us[client][number] == 0)
        r->sent_us[client][number] = now_us - (int64_t)random_below(random, 3 * (uint64_t)SECOND);
    if (r->next[client] - r->lowest[client] > 40 || random_below(random, 8) == 0)
        r->lowest[client] += random_below(random, r->next[client] - r->lowest[client]);
    uint64_t lowest = r->lowest[client] < number ? r->lowest[client] : number;
    return id_of(client, number, lowest, r->sent_us[client][number]);
}

static void nothing_is_executed_twice(void **state) {
    (void)state;
    struct random random = random_seeded(test_seed("request memory"));
    struct reference r = {0};
    struct request_memory *backup = NULL;
    int64_t now_us = 1000 * SECOND;
    unsigned known = 0, forgotten = 0;
    for (int i = 0; i < CLIENTS; i++)
        r.next[i] = r.lowest[i] = 1;
    memory->bytes_max = 8 * 1024;
    assert_int_equal(request_memory_create(1, &allocator.base, &backup), LARDER_OK);
    for (int step = 0; step < STEPS; step++) {
        /* Time stands still, runs, or, after a failover, is a little earlier. */
        now_us += (int64_t)random_below(&random, 10 * (uint64_t)SECOND) - SECOND;
        uint8_t clients[4 * REQUEST_CLIENT_BYTES];
        size_t count = request_memory_choose(memory, now_us, 600, 4, clients);
        struct slice gone = slice_of(clients, count * REQUEST_CLIENT_BYTES);
        assert_int_equal(request_memory_expire(memory, gone), LARDER_OK);
        assert_int_equal(request_memory_expire(backup, gone), LARDER_OK);
        forgotten += (unsigned)count;
        struct request_id id = draw_request(&random, &r, now_us);
        bool *is_executed = &r.is_executed[id.client[0]][id.number];
        char text[400];
        memset(text, 'a' + (int)(id.number % 26), sizeof(text));
        text[id.number * 7 % sizeof(text)] = 0;
        struct request_result result;
        switch (find(id, now_us, &result)) {
        case REQUEST_KNOWN:
            known++;
            assert_true(*is_executed);
            assert_true(slice_equal(result.bytes, slice_of_string(text)));
            break;
        case REQUEST_NEW:
            assert_false(*is_executed);
            *is_executed = true;
            add(id, now_us, text);
            assert_int_equal(add_to(backup, id, now_us, text), LARDER_OK);
            break;
        default: break;
        }
        assert_true(memory->bytes <= memory->bytes_max);
        assert_true(are_equal(memory, backup));
        if (step % 256 == 0) {
            request_memory_destroy(backup);
            backup = copy_of(memory);
            assert_true(are_equal(memory, backup));
        }
    }
    assert_true(known > 100 && forgotten > 10);
    request_memory_destroy(backup);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_known_number_has_its_result),
        TEST(numbers_below_the_lowest_are_not_executed_again),
        TEST(requests_of_long_ago_are_not_executed),
        TEST(a_session_has_at_most_64_open_requests),
        TEST(a_forgotten_session_is_unknown_and_later_requests_are_not),
        TEST(beyond_the_bound_the_quietest_sessions_go),
        TEST(what_was_reserved_can_be_added_without_memory),
        TEST(without_memory_nothing_changes),
        TEST(damaged_bytes_are_refused_and_change_nothing),
        TEST(records_survive_encoding_and_damage),
        TEST(nothing_is_executed_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
