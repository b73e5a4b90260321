/* SPDX-License-Identifier: BSD-3-Clause */
/* The reply reader: every type, every split, hostile input, build functions of a program. */
#include "support/testing.h"

#include <valkey/valkey.h>

#include <locale.h>
#include <math.h>

static const char EVERYTHING[] =
    "*14\r\n+OK\r\n-ERR bad\r\n:-42\r\n$5\r\nhe\r\no\r\n$-1\r\n*-1\r\n_\r\n,3.25\r\n#t\r\n"
    "(-12345678901234567890\r\n=7\r\ntxt:abc\r\n%1\r\n+k\r\n~2\r\n:1\r\n:2\r\n*0\r\n"
    "*1\r\n*1\r\n$0\r\n\r\n";

static valkeyReply *read_one(const char *bytes, size_t size) {
    valkeyReader *reader = valkeyReaderCreate();
    void *reply = NULL;
    assert_int_equal(valkeyReaderFeed(reader, bytes, size), VALKEY_OK);
    assert_int_equal(valkeyReaderGetReply(reader, &reply), VALKEY_OK);
    assert_non_null(reply);
    valkeyReaderFree(reader);
    return reply;
}

static valkeyReply *read_text(const char *text) {
    return read_one(text, strlen(text));
}

static void check_everything(const valkeyReply *reply) {
    assert_int_equal(reply->type, VALKEY_REPLY_ARRAY);
    assert_int_equal(reply->elements, 14);
    valkeyReply **e = reply->element;
    assert_int_equal(e[0]->type, VALKEY_REPLY_STATUS);
    assert_string_equal(e[0]->str, "OK");
    assert_int_equal(e[1]->type, VALKEY_REPLY_ERROR);
    assert_string_equal(e[1]->str, "ERR bad");
    assert_int_equal(e[2]->type, VALKEY_REPLY_INTEGER);
    assert_true(e[2]->integer == -42);
    assert_int_equal(e[3]->type, VALKEY_REPLY_STRING);
    assert_int_equal(e[3]->len, 5);
    assert_memory_equal(e[3]->str, "he\r\no", 6);
    for (int i = 4; i < 7; i++)
        assert_int_equal(e[i]->type, VALKEY_REPLY_NIL);
    assert_int_equal(e[7]->type, VALKEY_REPLY_DOUBLE);
    assert_true(e[7]->dval == 3.25);
    assert_string_equal(e[7]->str, "3.25");
    assert_int_equal(e[8]->type, VALKEY_REPLY_BOOL);
    assert_true(e[8]->integer == 1);
    assert_int_equal(e[9]->type, VALKEY_REPLY_BIGNUM);
    assert_string_equal(e[9]->str, "-12345678901234567890");
    assert_int_equal(e[10]->type, VALKEY_REPLY_VERB);
    assert_string_equal(e[10]->str, "abc");
    assert_string_equal(e[10]->vtype, "txt");
    assert_int_equal(e[11]->type, VALKEY_REPLY_MAP);
    assert_int_equal(e[11]->elements, 2);
    assert_int_equal(e[11]->element[1]->type, VALKEY_REPLY_SET);
    assert_true(e[11]->element[1]->element[1]->integer == 2);
    assert_int_equal(e[12]->elements, 0);
    assert_int_equal(e[13]->element[0]->element[0]->len, 0);
    assert_string_equal(e[13]->element[0]->element[0]->str, "");
}

static void every_type_is_read(void **state) {
    (void)state;
    valkeyReply *reply = read_one(EVERYTHING, sizeof EVERYTHING - 1);
    check_everything(reply);
    freeReplyObject(reply);
}

static void a_reply_may_be_split_at_any_two_bytes(void **state) {
    (void)state;
    size_t size = sizeof EVERYTHING - 1;
    for (size_t i = 0; i <= size; i++) {
        for (size_t j = i; j <= size; j += 3) {
            valkeyReader *reader = valkeyReaderCreate();
            size_t cuts[4] = {0, i, j, size};
            void *reply = NULL;
            for (int part = 0; part < 3; part++) {
                assert_null(reply);
                assert_int_equal(
                    valkeyReaderFeed(reader, EVERYTHING + cuts[part], cuts[part + 1] - cuts[part]),
                    VALKEY_OK);
                assert_int_equal(valkeyReaderGetReply(reader, &reply), VALKEY_OK);
                if (reply != NULL)
                    break;
            }
            check_everything(reply);
            freeReplyObject(reply);
            valkeyReaderFree(reader);
        }
    }
}

static void an_incomplete_reply_is_freed_with_the_reader(void **state) {
    (void)state;
    for (size_t size = 0; size < sizeof EVERYTHING - 1; size++) {
        valkeyReader *reader = valkeyReaderCreate();
        void *reply;
        assert_int_equal(valkeyReaderFeed(reader, EVERYTHING, size), VALKEY_OK);
        assert_int_equal(valkeyReaderGetReply(reader, &reply), VALKEY_OK);
        assert_null(reply);
        valkeyReaderFree(reader);
    }
    valkeyReaderFree(NULL);
    freeReplyObject(NULL);
}

static void expect_failure(const char *bytes, size_t size, const char *text) {
    valkeyReader *reader = valkeyReaderCreate();
    void *reply = (void *)1;
    assert_int_equal(valkeyReaderFeed(reader, bytes, size), VALKEY_OK);
    assert_int_equal(valkeyReaderGetReply(reader, &reply), VALKEY_ERR);
    assert_null(reply);
    assert_int_equal(reader->err, VALKEY_ERR_PROTOCOL);
    assert_string_equal(reader->errstr, text);
    assert_string_equal(valkeyReaderGetError(reader), text);
    assert_int_equal(valkeyReaderFeed(reader, "+OK\r\n", 5), VALKEY_ERR);
    assert_int_equal(valkeyReaderGetReply(reader, &reply), VALKEY_ERR);
    valkeyReaderFree(reader);
}

static void malformed_replies_are_errors_that_stay(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *text;
    } CASES[] = {
        {"@foo\r\n", "Protocol error, got \"@\" as reply type byte"},
        {"\x01", "Protocol error, got \"\\x01\" as reply type byte"},
        {":12a\r\n", "Bad integer value"},
        {":\r\n", "Bad integer value"},
        {":9223372036854775808\r\n", "Bad integer value"},
        {":-9223372036854775809\r\n", "Bad integer value"},
        {":1\rx", "Bad integer value"},
        {"$x\r\n", "Bad bulk string length"},
        {"$-2\r\n", "Bulk string length out of range"},
        {"$9223372036854775807\r\n", "Bulk string length out of range"},
        {"$3\r\nabcde", "Bulk string without line end"},
        {"*x\r\n", "Bad multi-bulk length"},
        {"*-2\r\n", "Multi-bulk length out of range"},
        {"*9223372036854775807\r\n", "Multi-bulk length out of range"},
        {"%9223372036854775807\r\n", "Multi-bulk length out of range"},
        {"#x\r\n", "Bad bool value"},
        {"#\r\n", "Bad bool value"},
        {"_x\r\n", "Bad nil value"},
        {",\r\n", "Bad double value"},
        {",1.2.3\r\n", "Bad double value"},
        {",0x1p3\r\n", "Bad double value"},
        {",infinity\r\n", "Bad double value"},
        {"(\r\n", "Bad bignum value"},
        {"(-\r\n", "Bad bignum value"},
        {"(12x\r\n", "Bad bignum value"},
        {"=3\r\ntxt\r\n", "Verbatim string without a format"},
        {"=5\r\ntxtab\r\n", "Verbatim string without a format"},
        {"*2\r\n:1\r\n@", "Protocol error, got \"@\" as reply type byte"},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++)
        expect_failure(CASES[i].bytes, strlen(CASES[i].bytes), CASES[i].text);
    char digits[400];
    memset(digits, '1', sizeof digits);
    digits[0] = ',';
    memcpy(digits + sizeof digits - 2, "\r\n", 2);
    expect_failure(digits, sizeof digits, "Bad double value");
}

static void integers_reach_both_limits(void **state) {
    (void)state;
    valkeyReply *reply =
        read_text("*3\r\n:9223372036854775807\r\n:-9223372036854775808\r\n:+7\r\n");
    assert_true(reply->element[0]->integer == INT64_MAX);
    assert_true(reply->element[1]->integer == INT64_MIN);
    assert_true(reply->element[2]->integer == 7);
    freeReplyObject(reply);
}

static void doubles_are_read_in_any_locale(void **state) {
    (void)state;
    static const char TEXT[] = "*6\r\n,1e-3\r\n,10\r\n,inf\r\n,-inf\r\n,nan\r\n,1.5\r\n";
    for (int round = 0; round < 2; round++) {
        valkeyReply *reply = read_text(TEXT);
        assert_true(reply->element[0]->dval == 1e-3);
        assert_true(reply->element[1]->dval == 10);
        assert_true(isinf(reply->element[2]->dval) && reply->element[2]->dval > 0);
        assert_true(isinf(reply->element[3]->dval) && reply->element[3]->dval < 0);
        assert_true(isnan(reply->element[4]->dval));
        assert_true(reply->element[5]->dval == 1.5);
        freeReplyObject(reply);
        /* Not every machine has a locale with a decimal comma. */
        (void)setlocale(LC_NUMERIC, "de_DE.UTF-8");
    }
    (void)setlocale(LC_NUMERIC, "C");
}

static void maxelements_bounds_aggregates(void **state) {
    (void)state;
    valkeyReader *reader = valkeyReaderCreate();
    assert_true(reader->maxelements == VALKEY_READER_MAX_ARRAY_ELEMENTS);
    reader->maxelements = 2;
    void *reply;
    valkeyReaderFeed(reader, "*2\r\n:1\r\n:2\r\n*3\r\n", 16);
    assert_int_equal(valkeyReaderGetReply(reader, &reply), VALKEY_OK);
    freeReplyObject(reply);
    assert_int_equal(valkeyReaderGetReply(reader, &reply), VALKEY_ERR);
    assert_string_equal(reader->errstr, "Multi-bulk length out of range");
    valkeyReaderFree(reader);
}

static size_t nest(char *out, size_t depth) {
    for (size_t i = 0; i < depth; i++)
        memcpy(out + i * 4, "*1\r\n", 4);
    memcpy(out + depth * 4, ":1\r\n", 4);
    return depth * 4 + 4;
}

static void nesting_is_bounded(void **state) {
    (void)state;
    char *bytes = malloc(8 * VALKEY_READER_MAX_DEPTH);
    valkeyReply *reply = read_one(bytes, nest(bytes, VALKEY_READER_MAX_DEPTH - 1));
    size_t depth = 0;
    for (valkeyReply *at = reply; at->type == VALKEY_REPLY_ARRAY; at = at->element[0])
        depth++;
    assert_int_equal(depth, VALKEY_READER_MAX_DEPTH - 1);
    freeReplyObject(reply);
    expect_failure(bytes, nest(bytes, VALKEY_READER_MAX_DEPTH), "Replies are nested too deeply");
    free(bytes);
}

static size_t largest_request;

static void *measuring_malloc(size_t size) {
    if (size > largest_request)
        largest_request = size;
    return malloc(size);
}

static void *measuring_realloc(void *block, size_t size) {
    if (size > largest_request)
        largest_request = size;
    return realloc(block, size);
}

static void announced_lengths_alone_take_no_memory(void **state) {
    (void)state;
    valkeyAllocFuncs functions = {measuring_malloc, calloc, measuring_realloc, strdup, free};
    (void)valkeySetAllocators(&functions);
    static const char *const HEADERS[] = {"*1000000000\r\n", "$1000000000\r\n", "%500000000\r\n",
                                          "*1\r\n*1000000000\r\n:1\r\n"};
    for (size_t i = 0; i < COUNT_OF(HEADERS); i++) {
        largest_request = 0;
        valkeyReader *reader = valkeyReaderCreate();
        void *reply;
        valkeyReaderFeed(reader, HEADERS[i], strlen(HEADERS[i]));
        assert_int_equal(valkeyReaderGetReply(reader, &reply), VALKEY_OK);
        assert_null(reply);
        valkeyReaderFree(reader);
        assert_in_range(largest_request, 0, 64 * 1024);
    }
    valkeyResetAllocators();
}

static void large_arrays_grow_as_they_arrive(void **state) {
    (void)state;
    enum { ELEMENTS = 20000 };
    valkeyReader *reader = valkeyReaderCreate();
    char text[32];
    void *reply = NULL;
    valkeyReaderFeed(reader, "*20000\r\n", 8);
    for (int i = 0; i < ELEMENTS; i++) {
        assert_null(reply);
        int size = snprintf(text, sizeof text, "$5\r\n%05d\r\n", i);
        valkeyReaderFeed(reader, text, (size_t)size);
        assert_int_equal(valkeyReaderGetReply(reader, &reply), VALKEY_OK);
    }
    valkeyReply *array = reply;
    assert_int_equal(array->elements, ELEMENTS);
    for (int i = 0; i < ELEMENTS; i++)
        assert_int_equal(atoi(array->element[i]->str), i);
    freeReplyObject(array);
    valkeyReaderFree(reader);
}

static int allocations;

static void *counting_malloc(size_t size) {
    allocations++;
    return malloc(size);
}

static void a_reply_is_one_piece_of_memory(void **state) {
    (void)state;
    char bytes[500 * 12 + 16];
    size_t size = (size_t)snprintf(bytes, sizeof bytes, "*500\r\n");
    for (int i = 0; i < 500; i++)
        size += (size_t)snprintf(bytes + size, sizeof bytes - size, "$5\r\n%05d\r\n", i);
    valkeyAllocFuncs functions = {counting_malloc, calloc, realloc, strdup, free};
    (void)valkeySetAllocators(&functions);
    valkeyReader *reader = valkeyReaderCreate();
    valkeyReaderFeed(reader, bytes, size);
    allocations = 0;
    void *reply;
    assert_int_equal(valkeyReaderGetReply(reader, &reply), VALKEY_OK);
    assert_in_range(allocations, 1, 2);
    freeReplyObject(reply);
    valkeyReaderFree(reader);
    valkeyResetAllocators();
}

static void elements_taken_out_outlive_their_reply(void **state) {
    (void)state;
    valkeyReply *root = read_text("*3\r\n*2\r\n:1\r\n+a\r\n$3\r\nabc\r\n:5\r\n");
    valkeyReply *array = root->element[0], *string = root->element[1];
    root->element[0] = root->element[1] = NULL;
    freeReplyObject(root);
    assert_string_equal(string->str, "abc");
    assert_string_equal(array->element[1]->str, "a");
    freeReplyObject(string);
    assert_true(array->element[0]->integer == 1);
    freeReplyObject(array);
}

static void replies_may_be_put_into_others(void **state) {
    (void)state;
    valkeyReply *root = read_text("*1\r\n:1\r\n"), *other = read_text("+other\r\n");
    freeReplyObject(root->element[0]);
    root->element[0] = other;
    freeReplyObject(root);
}

/* Arrays with one level, of one piece of memory and of several, lose and gain elements. */
static void flat_replies_may_be_changed(void **state) {
    (void)state;
    static const int COUNTS[] = {3, 40, 3000};
    static const size_t PIECES[] = {5, 7000, 1 << 20};
    for (size_t i = 0; i < COUNT_OF(COUNTS); i++) {
        int count = COUNTS[i];
        for (size_t k = 0; k < COUNT_OF(PIECES); k++) {
            size_t piece = PIECES[k];
            char *text = malloc(64 * (size_t)count);
            size_t size = (size_t)sprintf(text, "*%d\r\n", count), at = 0;
            for (int j = 0; j < count; j++)
                size += (size_t)sprintf(text + size, "$%d\r\n%0*d\r\n", 1 + j % 40, 1 + j % 40, 7);
            valkeyReader *reader = valkeyReaderCreate();
            valkeyReply *root = NULL;
            for (; root == NULL; at += piece) {
                assert_int_equal(
                    valkeyReaderFeed(reader, text + at, piece < size - at ? piece : size - at),
                    VALKEY_OK);
                assert_int_equal(valkeyReaderGetReply(reader, (void **)&root), VALKEY_OK);
            }
            assert_int_equal(root->elements, count);
            for (int j = 0; j < count; j++) {
                assert_int_equal(root->element[j]->len, 1 + j % 40);
                assert_int_equal(strlen(root->element[j]->str), 1 + j % 40);
                assert_int_equal(root->element[j]->str[j % 40], '7');
            }
            valkeyReply *taken = root->element[1];
            root->element[1] = read_text("*2\r\n+a\r\n:1\r\n");
            freeReplyObject(root->element[2]);
            root->element[2] = NULL;
            freeReplyObject(root);
            assert_int_equal(strlen(taken->str), 2);
            freeReplyObject(taken);
            valkeyReaderFree(reader);
            free(text);
        }
    }
}

static void attributes_are_replies_at_the_top_and_skipped_inside(void **state) {
    (void)state;
    valkeyReply *reply = read_text("|1\r\n+ttl\r\n:3600\r\n");
    assert_int_equal(reply->type, VALKEY_REPLY_ATTR);
    assert_int_equal(reply->elements, 2);
    freeReplyObject(reply);
    reply =
        read_text("*3\r\n:1\r\n|2\r\n+a\r\n*2\r\n:7\r\n|0\r\n:8\r\n+b\r\n%1\r\n:1\r\n:2\r\n:2\r\n"
                  "|1\r\n+c\r\n:0\r\n:3\r\n");
    assert_int_equal(reply->elements, 3);
    for (int i = 0; i < 3; i++)
        assert_true(reply->element[i]->integer == i + 1);
    freeReplyObject(reply);
}

static void several_replies_come_one_by_one(void **state) {
    (void)state;
    valkeyReader *reader = valkeyReaderCreate();
    valkeyReaderFeed(reader, "+a\r\n:1\r\n>2\r\n+p\r\n:2\r\n", 20);
    void *reply;
    static const int TYPES[] = {VALKEY_REPLY_STATUS, VALKEY_REPLY_INTEGER, VALKEY_REPLY_PUSH};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(valkeyReaderGetReply(reader, &reply), VALKEY_OK);
        assert_int_equal(((valkeyReply *)reply)->type, TYPES[i]);
        assert_int_equal(valkeyIsPushReply(reply), i == 2);
        freeReplyObject(reply);
    }
    assert_int_equal(valkeyReaderGetReply(reader, &reply), VALKEY_OK);
    assert_null(reply);
    valkeyReaderFeed(reader, "+dropped\r\n+b\r\n", 14);
    assert_int_equal(valkeyReaderGetReply(reader, NULL), VALKEY_OK);
    assert_int_equal(valkeyReaderGetReply(reader, &reply), VALKEY_OK);
    assert_string_equal(((valkeyReply *)reply)->str, "b");
    freeReplyObject(reply);
    valkeyReaderFree(reader);
}

static void without_functions_replies_are_only_parsed(void **state) {
    (void)state;
    valkeyReader *reader = valkeyReaderCreateWithFunctions(NULL);
    void *reply;
    valkeyReaderFeed(reader, EVERYTHING, sizeof EVERYTHING - 1);
    assert_int_equal(valkeyReaderGetReply(reader, &reply), VALKEY_OK);
    assert_non_null(reply);
    valkeyReaderFeed(reader, "*2\r\n:1\r\n", 8);
    assert_int_equal(valkeyReaderGetReply(reader, &reply), VALKEY_OK);
    assert_null(reply);
    valkeyReaderFree(reader);
}

static void bytes_may_be_read_into_the_reader(void **state) {
    (void)state;
    valkeyReader *reader = valkeyReaderCreate();
    char *room;
    size_t size;
    assert_int_equal(valkeyReaderGetReadBuf(reader, &room, &size, 100000), VALKEY_OK);
    assert_true(size >= 100000);
    memcpy(room, "$6\r\nabc", 7);
    valkeyReaderCommitRead(reader, 7);
    void *reply;
    assert_int_equal(valkeyReaderGetReply(reader, &reply), VALKEY_OK);
    assert_null(reply);
    assert_int_equal(valkeyReaderGetReadBuf(reader, &room, &size, 1), VALKEY_OK);
    memcpy(room, "def\r\n", 5);
    valkeyReaderCommitRead(reader, 5);
    assert_int_equal(valkeyReaderGetReply(reader, &reply), VALKEY_OK);
    assert_string_equal(((valkeyReply *)reply)->str, "abcdef");
    freeReplyObject(reply);
    /* A large buffer is given back once it is empty, unless maxbuf is 0. */
    assert_int_equal(valkeyReaderGetReadBuf(reader, &room, &size, 10), VALKEY_OK);
    assert_true(size <= VALKEY_READER_MAX_BUF);
    assert_int_equal(valkeyReaderGetReadBuf(reader, &room, &size, 100000), VALKEY_OK);
    reader->maxbuf = 0;
    assert_int_equal(valkeyReaderGetReadBuf(reader, &room, &size, 10), VALKEY_OK);
    assert_true(size >= 100000);
    valkeyReaderFree(reader);
}

/* Build functions that write a reply down as text; objects are counted. */
static char written[256];
static int objects;

static void *note(const valkeyReadTask *task, const char *text, size_t size) {
    assert_string_equal((const char *)task->privdata, "mine");
    size_t used = strlen(written);
    (void)snprintf(written + used, sizeof written - used, "%d:%.*s@%d ", task->type, (int)size,
                   text, task->idx);
    objects++;
    return malloc(1);
}

static void *note_string(const valkeyReadTask *task, char *text, size_t size) {
    return note(task, text, size);
}

static void *note_array(const valkeyReadTask *task, size_t elements) {
    char text[24];
    return note(task, text, (size_t)snprintf(text, sizeof text, "%zu", elements));
}

static void *note_integer(const valkeyReadTask *task, long long value) {
    char text[24];
    return note(task, text, (size_t)snprintf(text, sizeof text, "%lld", value));
}

static void *note_double(const valkeyReadTask *task, double value, char *text, size_t size) {
    assert_true(value == 1.5);
    return note(task, text, size);
}

static void *note_nil(const valkeyReadTask *task) {
    return note(task, "nil", 3);
}

static void *note_bool(const valkeyReadTask *task, int value) {
    return note(task, value ? "true" : "false", value ? 4 : 5);
}

static void note_free(void *object) {
    free(object);
    objects--;
}

static void a_program_may_build_its_own_objects(void **state) {
    (void)state;
    valkeyReplyObjectFunctions functions = {note_string, note_array, note_integer, note_double,
                                            note_nil,    note_bool,  note_free};
    valkeyReader *reader = valkeyReaderCreateWithFunctions(&functions);
    valkeyReaderSetPrivdata(reader, (void *)(uintptr_t) "mine");
    static const char *const REPLIES[] = {"+a\r\n", ":5\r\n", ",1.5\r\n",         "_\r\n",
                                          "#t\r\n", "%0\r\n", "=7\r\ntxt:abc\r\n"};
    written[0] = '\0';
    for (size_t i = 0; i < COUNT_OF(REPLIES); i++) {
        void *reply;
        valkeyReaderFeed(reader, REPLIES[i], strlen(REPLIES[i]));
        assert_int_equal(valkeyReaderGetReply(reader, &reply), VALKEY_OK);
        note_free(reply);
    }
    assert_string_equal(written, "5:a@-1 3:5@-1 7:1.5@-1 4:nil@-1 8:true@-1 9:0@-1 14:txt:abc@-1 ");
    valkeyReaderFree(reader);
    assert_int_equal(objects, 0);
}

static void a_copied_table_builds_the_same_replies(void **state) {
    (void)state;
    valkeyReader *reader = valkeyReaderCreate();
    valkeyReplyObjectFunctions copy = *reader->fn;
    reader->fn = &copy;
    void *reply;
    valkeyReaderFeed(reader, EVERYTHING, sizeof EVERYTHING - 1);
    assert_int_equal(valkeyReaderGetReply(reader, &reply), VALKEY_OK);
    check_everything(reply);
    freeReplyObject(reply);
    valkeyReaderFeed(reader, "*3\r\n:1\r\n", 8);
    assert_int_equal(valkeyReaderGetReply(reader, &reply), VALKEY_OK);
    valkeyReaderFree(reader);
}

static unsigned chance;

static unsigned choose(unsigned below) {
    chance = chance * 1664525 + 1013904223;
    return (chance >> 8) % below;
}

static size_t write_any(char *out, int depth) {
    static const char *const SIMPLE[] = {":7\r\n",
                                         "+ok\r\n",
                                         "$-1\r\n",
                                         "_\r\n",
                                         "#t\r\n",
                                         ",1.5\r\n",
                                         "|1\r\n+a\r\n$1\r\nb\r\n:1\r\n"};
    unsigned kind = choose(depth < 4 ? 12 : 8);
    if (kind < 6) {
        unsigned size = choose(kind == 0 ? 300 : 12);
        size_t used = (size_t)sprintf(out, "$%u\r\n", size);
        memset(out + used, (int)('a' + choose(26)), size);
        return used + size + (size_t)sprintf(out + used + size, "\r\n");
    }
    if (kind < 8)
        return (size_t)sprintf(out, "%s", SIMPLE[choose(COUNT_OF(SIMPLE))]);
    unsigned count = choose(9);
    size_t used = (size_t)sprintf(out, kind == 8 ? "%%%u\r\n" : "*%u\r\n", count);
    for (unsigned i = 0; i < (kind == 8 ? count * 2 : count); i++)
        used += write_any(out + used, depth + 1);
    return used;
}

static void expect_same(const valkeyReply *left, const valkeyReply *right) {
    assert_int_equal(left->type, right->type);
    assert_int_equal(left->integer, right->integer);
    assert_int_equal(left->len, right->len);
    assert_int_equal(left->elements, right->elements);
    assert_int_equal(left->str == NULL, right->str == NULL);
    if (left->str != NULL)
        assert_memory_equal(left->str, right->str, left->len + 1);
    for (size_t i = 0; i < left->elements; i++)
        expect_same(left->element[i], right->element[i]);
}

/* Runs of strings take a way of their own; a copied table and single bytes never do. */
static void all_ways_of_reading_build_the_same_reply(void **state) {
    (void)state;
    static char bytes[1 << 22];
    for (unsigned seed = 1; seed <= 400; seed++) {
        chance = seed;
        size_t size = (size_t)sprintf(bytes, "*5\r\n");
        for (int i = 0; i < 5; i++)
            size += write_any(bytes + size, 1);
        valkeyReader *arena = valkeyReaderCreate(), *general = valkeyReaderCreate();
        valkeyReplyObjectFunctions copy = *general->fn;
        general->fn = &copy;
        void *left = NULL, *right = NULL;
        for (size_t at = 0; at < size;) {
            size_t part = 1 + choose(200);
            if (part > size - at)
                part = size - at;
            assert_null(left);
            assert_int_equal(valkeyReaderFeed(arena, bytes + at, part), VALKEY_OK);
            assert_int_equal(valkeyReaderGetReply(arena, &left), VALKEY_OK);
            at += part;
        }
        assert_int_equal(valkeyReaderFeed(general, bytes, size), VALKEY_OK);
        assert_int_equal(valkeyReaderGetReply(general, &right), VALKEY_OK);
        if (left == NULL || right == NULL)
            fail_msg("seed %u", seed);
        expect_same(left, right);
        freeReplyObject(left);
        freeReplyObject(right);
        valkeyReaderFree(arena);
        valkeyReaderFree(general);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(a_reply_may_be_split_at_any_two_bytes),
        cmocka_unit_test(an_incomplete_reply_is_freed_with_the_reader),
        cmocka_unit_test(malformed_replies_are_errors_that_stay),
        cmocka_unit_test(integers_reach_both_limits),
        cmocka_unit_test(doubles_are_read_in_any_locale),
        cmocka_unit_test(maxelements_bounds_aggregates),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(announced_lengths_alone_take_no_memory),
        cmocka_unit_test(large_arrays_grow_as_they_arrive),
        cmocka_unit_test(a_reply_is_one_piece_of_memory),
        cmocka_unit_test(elements_taken_out_outlive_their_reply),
        cmocka_unit_test(replies_may_be_put_into_others),
        cmocka_unit_test(flat_replies_may_be_changed),
        cmocka_unit_test(attributes_are_replies_at_the_top_and_skipped_inside),
        cmocka_unit_test(several_replies_come_one_by_one),
        cmocka_unit_test(without_functions_replies_are_only_parsed),
        cmocka_unit_test(bytes_may_be_read_into_the_reader),
        cmocka_unit_test(all_ways_of_reading_build_the_same_reply),
        cmocka_unit_test(a_program_may_build_its_own_objects),
        cmocka_unit_test(a_copied_table_builds_the_same_replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
