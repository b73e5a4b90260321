/* SPDX-License-Identifier: BSD-3-Clause */
/* The generated command table, the lookup by name, and the keys of commands. Expected keys are what
 * COMMAND GETKEYSANDFLAGS of Redis 7.0.15 answers. */
#include "base/command_keys.h"
#include "command_table.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { WORDS_MAX = 32 };

/* Look up a name in a block of exactly its size, so that a sanitizer sees any read beyond it. */
static const struct command_spec *find_exact(const char *name, size_t size) {
    char *copy = malloc(size == 0 ? 1 : size);
    assert_non_null(copy);
    memcpy(copy, name, size);
    const struct command_spec *found = command_find(copy, size);
    free(copy);
    return found;
}

static const struct command_spec *find_words(const struct slice *words, size_t count) {
    const struct command_spec *spec = command_find((const char *)words[0].data, words[0].size);
    if (spec != NULL && spec->subcommand_count > 0 && count > 1)
        return command_find_subcommand(spec, (const char *)words[1].data, words[1].size);
    return spec;
}

/* Split at single spaces; '' is the empty word. */
static size_t split(const char *text, struct slice *words) {
    size_t count = 0;
    while (*text != '\0') {
        size_t size = strcspn(text, " ");
        assert_true(count < WORDS_MAX);
        words[count++] = slice_of(text, size == 2 && memcmp(text, "''", 2) == 0 ? 0 : size);
        text += size + (text[size] == ' ');
    }
    return count;
}

static void format_keys(const struct command_keys *keys, char *out, size_t size) {
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {
#define KEY_FLAG_NAME(name, bit, text) {COMMAND_KEY_##name, text},
        COMMAND_KEY_FLAG_TABLE(KEY_FLAG_NAME)
#undef KEY_FLAG_NAME
    };
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < keys->count; i++) {
        used += (size_t)snprintf(out + used, size - used, "%s%u", i == 0 ? "" : " ",
                                 keys->items[i].position);
        for (size_t j = 0; j < sizeof names / sizeof *names; j++)
            if (keys->items[i].flags & names[j].bit)
                used += (size_t)snprintf(out + used, size - used, ",%s", names[j].name);
    }
}

static void every_row_stands_at_its_id_under_its_container(void **state) {
    (void)state;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        const struct command_spec *spec = &command_table[i];
        assert_int_equal(spec->id, i);
        assert_true(spec->arity != 0 && spec->summary != NULL && spec->group != NULL);
        for (size_t j = 0; j < spec->subcommand_count; j++) {
            assert_int_equal(spec->subcommands[j].parent, i);
            assert_ptr_equal(&spec->subcommands[j], &command_table[spec->subcommands[j].id]);
        }
        if (spec->parent >= 0)
            assert_memory_equal(spec->name, command_table[spec->parent].name,
                                strlen(command_table[spec->parent].name));
    }
    assert_string_equal(command_table[COMMAND_CONFIG_GET].name, "config|get");
    assert_string_equal(command_table[COMMAND_CONFIG_GET].short_name, "get");
    assert_int_equal(command_table[COMMAND_CONFIG_GET].parent, COMMAND_CONFIG);
    assert_int_equal(command_table[COMMAND_GET].parent, -1);
}

static void every_name_is_found_in_any_case(void **state) {
    (void)state;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        const struct command_spec *spec = &command_table[i];
        size_t size = strlen(spec->short_name);
        for (unsigned pattern = 0; pattern < 8; pattern++) {
            char name[64];
            for (size_t j = 0; j < size; j++)
                name[j] = (char)((pattern >> j % 3) & 1 ? toupper(spec->short_name[j])
                                                        : spec->short_name[j]);
            if (spec->parent < 0)
                assert_ptr_equal(find_exact(name, size), spec);
            else
                assert_ptr_equal(command_find_subcommand(&command_table[spec->parent], name, size),
                                 spec);
        }
    }
}

static void names_that_only_look_alike_are_not_found(void **state) {
    (void)state;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        const struct command_spec *spec = &command_table[i];
        size_t size = strlen(spec->name);
        char name[64] = {0};
        memcpy(name, spec->name, size);
        assert_null(find_exact(name, size + 1)); /* a NUL more */
        name[size] = '\n';
        assert_null(find_exact(name, size + 1));
        for (size_t j = 0; j < size; j++) {
            static const char flips[] = {'\x01', '\x40', '\x80'};
            for (size_t k = 0; k < sizeof flips; k++) {
                name[j] = (char)(spec->name[j] ^ flips[k]);
                const struct command_spec *found = find_exact(name, size);
                if (found != NULL)
                    assert_true(slice_equal_word(slice_of(name, size), found->name));
            }
            name[j] = spec->name[j];
        }
    }
    assert_null(find_exact("", 0));
    assert_null(find_exact("config|get", 10));
    assert_null(find_exact("georadiusbymember_ro_____", 25));
    assert_null(find_exact("georadiusbymember_ro________________________", 44));
    assert_null(command_find_subcommand(&command_table[COMMAND_CONFIG], "usage", 5));
    assert_null(command_find_subcommand(&command_table[COMMAND_CONFIG], "", 0));
    assert_null(command_find_subcommand(&command_table[COMMAND_GET], "get", 3));
}

static void names_of_punctuation_are_not_folded_as_letters(void **state) {
    (void)state;
    assert_ptr_equal(find_exact("bitfield_ro", 11), &command_table[COMMAND_BITFIELD_RO]);
    assert_null(find_exact("bitfield\x7fro", 11));
    const struct command_spec *cluster = &command_table[COMMAND_CLUSTER];
    assert_ptr_equal(command_find_subcommand(cluster, "Slot-Stats", 10),
                     &command_table[COMMAND_CLUSTER_SLOT_STATS]);
    assert_null(command_find_subcommand(cluster, "slot\rstats", 10));
}

static void keys_are_those_of_getkeys(void **state) {
    (void)state;
    static const struct {
        const char *command;
        const char *keys; /* NULL: invalid */
    } cases[] = {
        {"get k", "1,RO,access"},
        {"GETDEL k", "1,RW,access,delete"},
        {"set k v", "1,OW,update"},
        {"set k v GET", "1,RW,access,update"},
        {"set k v px 5 get", "1,RW,access,update"},
        {"set get get", "1,OW,update"},
        {"mset a 1 b 2", "1,OW,update 3,OW,update"},
        {"del a b c", "1,RM,delete 2,RM,delete 3,RM,delete"},
        {"blpop a b 0", "1,RW,access,delete 2,RW,access,delete"},
        {"bitop and d a b", "2,OW,update 3,RO,access 4,RO,access"},
        {"bitfield k", "1,RO,access"},
        {"bitfield k get u8 0", "1,RO,access"},
        {"bitfield k overflow sat get u8 0", "1,RO,access"},
        {"bitfield k get u8", "1,RW,access,update"},
        {"bitfield k get u8 0 set u8 0 1", "1,RW,access,update"},
        {"copy a b", "1,RO,access 2,OW,update"},
        {"object encoding k", "2,RO"},
        {"memory usage k", "2,RO"},
        {"xgroup create k g 0", "2,RW,insert"},
        {"eval s 2 a b c", "3,RW,access,update 4,RW,access,update"},
        {"eval s 0", ""},
        {"eval s 3 a b", ""},
        {"eval s -1 a", ""},
        {"eval s 1x a", "3"},
        {"fcall f 2 a", ""},
        {"lmpop 2 a b left", "2,RW,access,delete 3,RW,access,delete"},
        {"lmpop 0 a left", NULL},
        {"lmpop 3 a left", NULL},
        {"blmpop 1 2 a b left", "3,RW,access,delete 4,RW,access,delete"},
        {"sintercard 99999999999999999999 a b", NULL},
        {"sintercard 9223372036854775807 a b", NULL},
        {"zunion 2 a b weights 1 2", "2,RO,access 3,RO,access"},
        {"zunion +2 a b", "2 3"},
        {"zunionstore d 2 a b", "1,OW,update 3,RO,access 4,RO,access"},
        {"zunionstore d 2x a b", "3 4 1"},
        {"zunionstore d 3 a b", NULL},
        {"pfmerge d", NULL},
        {"sort k by p get q store d limit 0 1", "1,RO,access 7,OW,update"},
        {"sort k store a store b", "1,RO,access 5,OW,update"},
        {"sort k by store store x", "1,RO,access 5,OW,update"},
        {"sort k limit 0 store x", "1,RO,access"},
        {"sort k store", "1,RO,access"},
        {"sort_ro k by x", "1,RO,access"},
        {"georadius k 1 2 3 m store a storedist b", "1,RO,access 7,OW,update 9,OW,update"},
        {"georadius k 1 2 3 m store", "1,RO,access"},
        {"georadiusbymember k m 3 m storedist b", "1,RO,access 6,OW,update"},
        {"xread count 1 streams a b 0 0", "4,RO,access 5,RO,access"},
        {"xread block 0 streams streams 0", "4,RO,access"},
        {"xread count 1 a b", NULL},
        {"xread count streams streams", NULL},
        {"xreadgroup group streams c streams a 0", "5,RO,access"},
        {"xreadgroup COUNT STORE STREAMS group b GROUP c streams streams", "4 5 6"},
        {"migrate h 1 k 0 10", "3,RW,access,delete"},
        {"migrate h 1 '' 0 10 keys a b", "7,RW,access,delete 8,RW,access,delete"},
        {"migrate h 1 '' 0 10 auth keys keys a", "9,RW,access,delete"},
        {"migrate h 1 k 0 10 keys a", NULL},
        {"migrate h 1 k 0 10 keys", "3,RW,access,delete"},
        {"migrate h keys k 0 10 keys", NULL},
        {"ping", ""},
        {"config get a", ""},
        {"publish c m", ""},
        {"spublish c m", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice words[WORDS_MAX];
        struct command_key items[WORDS_MAX];
        struct command_keys keys = {.items = items, .capacity = WORDS_MAX};
        char text[512];
        size_t count = split(cases[i].command, words);
        const struct command_spec *spec = find_words(words, count);
        assert_non_null(spec);
        assert_true(command_arity_fits(spec, count));
        enum larder_status status = command_get_keys(spec, count, words, &keys);
        format_keys(&keys, text, sizeof text);
        if (status != (cases[i].keys == NULL ? LARDER_INVALID : LARDER_OK) ||
            strcmp(text, cases[i].keys == NULL ? "" : cases[i].keys) != 0)
            fail_msg("%s: status %d, keys %s", cases[i].command, (int)status, text);
    }
}

static void channels_are_found_apart_from_keys(void **state) {
    (void)state;
    struct slice words[WORDS_MAX];
    struct command_key items[WORDS_MAX];
    struct command_keys keys = {.items = items, .capacity = WORDS_MAX};
    size_t count = split("ssubscribe a b", words);
    const struct command_spec *spec = &command_table[COMMAND_SSUBSCRIBE];
    assert_int_equal(command_get_channels(spec, count, words, &keys), LARDER_OK);
    assert_int_equal(keys.count, 2);
    assert_int_equal(items[1].position, 2);
    assert_false(command_has_keys(spec));
    count = split("get k", words);
    assert_int_equal(command_get_channels(&command_table[COMMAND_GET], count, words, &keys),
                     LARDER_OK);
    assert_int_equal(keys.count, 0);
    count = split("spublish", words);
    assert_int_equal(command_get_channels(&command_table[COMMAND_SPUBLISH], count, words, &keys),
                     LARDER_INVALID);
}

static void keys_past_the_capacity_are_counted_but_not_written(void **state) {
    (void)state;
    struct slice words[WORDS_MAX];
    struct command_key items[2] = {{0, 0}, {77, 77}};
    struct command_keys keys = {.items = items, .capacity = 1};
    size_t count = split("del a b c", words);
    assert_int_equal(command_get_keys(&command_table[COMMAND_DEL], count, words, &keys), LARDER_OK);
    assert_int_equal(keys.count, 3);
    assert_int_equal(items[0].position, 1);
    assert_int_equal(items[1].position, 77);
    keys = (struct command_keys){.items = NULL, .capacity = 0};
    assert_int_equal(command_get_keys(&command_table[COMMAND_GET], count, words, &keys), LARDER_OK);
    assert_int_equal(keys.count, 1);
}

static void arity_counts_the_name_and_negative_means_at_least(void **state) {
    (void)state;
    assert_true(command_arity_fits(&command_table[COMMAND_GET], 2));
    assert_false(command_arity_fits(&command_table[COMMAND_GET], 3));
    assert_false(command_arity_fits(&command_table[COMMAND_SET], 2));
    assert_true(command_arity_fits(&command_table[COMMAND_SET], 3));
    assert_true(command_arity_fits(&command_table[COMMAND_SET], 9));
    assert_true(command_arity_fits(&command_table[COMMAND_CONFIG_GET], 3));
}

static void any_words_give_only_positions_inside_the_command(void **state) {
    (void)state;
    static const char *const vocabulary[] = {"a",     "0",    "1",     "2",         "9",  "-1",
                                             "2x",    "KEYS", "STORE", "STREAMS",   "",   "LIMIT",
                                             "COUNT", "get",  "auth",  "STOREDIST", "by", "GROUP"};
    uint64_t random = 20240229;
    for (int round = 0; round < 200000; round++) {
        struct slice words[12];
        struct command_key items[16];
        struct command_keys keys = {.items = items, .capacity = 16};
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        const struct command_spec *spec = &command_table[(random >> 33) % COMMAND_COUNT];
        size_t count = 1 + (random >> 20) % 12;
        for (size_t i = 0; i < count; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            words[i] = slice_of_string(
                vocabulary[(random >> 33) % (sizeof vocabulary / sizeof *vocabulary)]);
        }
        enum larder_status status = command_get_keys(spec, count, words, &keys);
        assert_true(status == LARDER_OK || (status == LARDER_INVALID && keys.count == 0));
        assert_true(keys.count <= 16);
        for (size_t i = 0; i < keys.count; i++)
            assert_true(items[i].position > 0 && items[i].position < count);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_stands_at_its_id_under_its_container),
        cmocka_unit_test(every_name_is_found_in_any_case),
        cmocka_unit_test(names_that_only_look_alike_are_not_found),
        cmocka_unit_test(names_of_punctuation_are_not_folded_as_letters),
        cmocka_unit_test(keys_are_those_of_getkeys),
        cmocka_unit_test(channels_are_found_apart_from_keys),
        cmocka_unit_test(keys_past_the_capacity_are_counted_but_not_written),
        cmocka_unit_test(arity_counts_the_name_and_negative_means_at_least),
        cmocka_unit_test(any_words_give_only_positions_inside_the_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
