/* SPDX-License-Identifier: BSD-3-Clause */
/* Answer, for commands on standard input, what COMMAND GETKEYSANDFLAGS would answer. A command is
 * a line with its number of words, then per word a line with its size, the bytes and a newline.
 * The answer is a line: unknown, arity, no-keys, invalid, or keys with position:flag,flag ... */
#include "base/command_keys.h"
#include "command_table.h"

#include <stdio.h>

enum { WORDS_MAX = 64, WORD_BYTES_MAX = 256 };

static uint8_t bytes[WORDS_MAX][WORD_BYTES_MAX];

static bool read_command(struct slice *words, size_t *out_count) {
    size_t count;
    if (scanf("%zu", &count) != 1 || count > WORDS_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t size;
        if (scanf("%zu", &size) != 1 || size > WORD_BYTES_MAX || getchar() != '\n' ||
            fread(bytes[i], 1, size, stdin) != size)
            return false;
        words[i] = slice_of(bytes[i], size);
    }
    *out_count = count;
    return true;
}

static const struct command_spec *find(const struct slice *words, size_t count) {
    const struct command_spec *spec = command_find((const char *)words[0].data, words[0].size);
    if (spec == NULL || spec->subcommand_count == 0 || count == 1)
        return spec;
    return command_find_subcommand(spec, (const char *)words[1].data, words[1].size);
}

static void print_keys(const struct command_keys *keys) {
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {
#define KEY_FLAG_NAME(name, bit, text) {COMMAND_KEY_##name, text},
        COMMAND_KEY_FLAG_TABLE(KEY_FLAG_NAME)
#undef KEY_FLAG_NAME
    };
    printf("keys");
    for (size_t i = 0; i < keys->count; i++) {
        printf(" %u:", keys->items[i].position);
        for (size_t j = 0; j < sizeof names / sizeof *names; j++)
            if (keys->items[i].flags & names[j].bit)
                printf("%s,", names[j].name);
    }
    printf("\n");
}

static void answer(const struct slice *words, size_t count) {
    struct command_key items[WORDS_MAX];
    struct command_keys keys = {.items = items, .capacity = WORDS_MAX};
    const struct command_spec *spec = find(words, count);
    if (spec == NULL)
        printf("unknown\n");
    else if (!command_has_keys(spec))
        printf("no-keys\n");
    else if (!command_arity_fits(spec, count))
        printf("arity\n");
    else if (command_get_keys(spec, count, words, &keys) != LARDER_OK)
        printf("invalid\n");
    else
        print_keys(&keys);
}

int main(void) {
    struct slice words[WORDS_MAX];
    size_t count;
    while (read_command(words, &count))
        answer(words, count);
    return 0;
}
