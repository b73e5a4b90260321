/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands are looked up by binary search in the generated table; a command with subcommands by its
 * second word too. Key specifications are tried in order until one finds a key that is not empty:
 * MIGRATE has an empty word where its key would be when it names several. */
#include "client/slot.h"

#include "client/command_text.h"
#include "valkey/cluster.h"

#include <limits.h>
#include <string.h>

struct route_key {
    const char *keyword; /* keys begin behind this word, searched from word `begin`; or NULL */
    int begin;           /* or at this word; below 0: counted from the end */
    bool is_counted;     /* the number of keys stands `count_at` words behind the begin */
    int count_at, first; /* and the first key `first` words behind it */
};

struct route {
    const char *name, *subcommand;
    unsigned short first_key, key_count; /* in ROUTE_KEYS */
    bool has_subcommands;
    bool is_readonly, is_cacheable;
    unsigned char spread, merge, key_step; /* as in struct command_traits */
};

#include "command_routes.h"

/* CRC16 with polynomial 0x1021, starting from 0, four bits at a time. */
static unsigned crc16(const char *data, size_t size) {
    static const unsigned short NIBBLES[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5,
                                               0x60c6, 0x70e7, 0x8108, 0x9129, 0xa14a, 0xb16b,
                                               0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};
    unsigned crc = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned byte = (unsigned char)data[i];
        crc = (crc << 4 & 0xffff) ^ NIBBLES[(crc >> 12) ^ (byte >> 4)];
        crc = (crc << 4 & 0xffff) ^ NIBBLES[(crc >> 12) ^ (byte & 15)];
    }
    return crc;
}

unsigned slot_of_key(const char *key, size_t size) {
    const char *open = memchr(key, '{', size);
    if (open != NULL) {
        const char *tag = open + 1;
        const char *close = memchr(tag, '}', (size_t)(key + size - tag));
        if (close != NULL && close > tag)
            return crc16(tag, (size_t)(close - tag)) % VALKEYCLUSTER_SLOTS;
    }
    return crc16(key, size) % VALKEYCLUSTER_SLOTS;
}

struct word {
    const char *text;
    size_t size;
};

/* A command and how far it was read. */
struct command {
    struct command_cursor begin, at;
    long next, count; /* number of the word at `at`; of all words */
};

static bool open_command(const char *text, size_t size, struct command *out) {
    if (!command_cursor_open(&out->begin, text, size) || out->begin.count > INT_MAX)
        return false;
    out->at = out->begin;
    out->next = 0;
    out->count = (long)out->begin.count;
    return true;
}

static bool get_word(struct command *command, long index, struct word *out) {
    if (index < 0 || index >= command->count)
        return false;
    if (index < command->next) {
        command->at = command->begin;
        command->next = 0;
    }
    for (; command->next <= index; command->next++)
        if (!command_cursor_next(&command->at, &out->text, &out->size))
            return false;
    return true;
}

/* Compare a word with a name in capitals, in the order of the table: that of ASCII capitals. */
static int compare(struct word word, const char *name) {
    for (size_t i = 0; i < word.size; i++) {
        int have = (unsigned char)word.text[i], want = (unsigned char)name[i];
        if (have >= 'a' && have <= 'z')
            have += 'A' - 'a';
        if (have != want || want == 0)
            return want == 0 ? 1 : have - want;
    }
    return name[word.size] == '\0' ? 0 : -1;
}

static const struct route *find_route(struct word name, struct word subcommand) {
    size_t low = 0, high = sizeof ROUTES / sizeof *ROUTES;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare(name, ROUTES[middle].name);
        if (order == 0)
            order = compare(subcommand, ROUTES[middle].subcommand);
        if (order == 0)
            return &ROUTES[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* The position behind the keyword; 0 if it is not there. */
static long find_keyword(struct command *command, const struct route_key *key) {
    struct word word;
    long step = key->begin < 0 ? -1 : 1;
    long at = key->begin < 0 ? command->count + key->begin : key->begin;
    for (; get_word(command, at, &word); at += step)
        if (compare(word, key->keyword) == 0)
            return at + 1;
    return 0;
}

static bool find_key(struct command *command, const struct route_key *key, struct word *out) {
    long at = key->keyword != NULL ? find_keyword(command, key)
              : key->begin < 0     ? command->count + key->begin
                                   : key->begin;
    if (at <= 0)
        return false;
    if (key->is_counted) {
        struct word word;
        size_t count;
        if (!get_word(command, at + key->count_at, &word) ||
            !command_read_number(word.text, word.text + word.size, &count) || count == 0)
            return false;
        at += key->first;
    }
    return get_word(command, at, out);
}

static const struct route *route_of(struct command *command, struct word name) {
    const struct word none = {.text = ""};
    struct word subcommand;
    const struct route *route = find_route(name, none);
    if (route == NULL || !route->has_subcommands || !get_word(command, 1, &subcommand))
        return route;
    const struct route *inner = find_route(name, subcommand);
    return inner != NULL ? inner : route;
}

/* The first key that is not empty, or an empty one if there is no other. */
static bool find_first_key(struct command *command, const struct route *route, struct word *out) {
    struct word found;
    bool has_key = false;
    *out = (struct word){0};
    for (unsigned i = 0; i < route->key_count && out->size == 0; i++) {
        if (!find_key(command, &ROUTE_KEYS[route->first_key + i], &found))
            continue;
        *out = found;
        has_key = true;
    }
    return has_key;
}

enum slot_result slot_of_command(const char *text, size_t size, unsigned *out_slot,
                                 const char **out_name, size_t *out_name_size) {
    struct command command;
    struct word name;
    if (!open_command(text, size, &command) || !get_word(&command, 0, &name))
        return SLOT_MALFORMED;
    *out_name = name.text;
    *out_name_size = name.size;
    const struct route *route = route_of(&command, name);
    if (route == NULL)
        return SLOT_UNKNOWN_COMMAND;
    struct word key;
    if (!find_first_key(&command, route, &key))
        return SLOT_NO_KEY;
    *out_slot = slot_of_key(key.text, key.size);
    return SLOT_FOUND;
}

bool command_key_of(const char *text, size_t size, const char **out_key, size_t *out_size) {
    struct command command;
    struct word name, key;
    if (!open_command(text, size, &command) || !get_word(&command, 0, &name))
        return false;
    const struct route *route = route_of(&command, name);
    if (route == NULL || !find_first_key(&command, route, &key))
        return false;
    *out_key = key.text;
    *out_size = key.size;
    return true;
}

bool command_traits_of(const char *text, size_t size, struct command_traits *out) {
    struct command command;
    struct word name;
    if (!open_command(text, size, &command) || !get_word(&command, 0, &name))
        return false;
    const struct route *route = route_of(&command, name);
    if (route == NULL)
        return false;
    *out = (struct command_traits){.is_readonly = route->is_readonly,
                                   .is_cacheable = route->is_cacheable,
                                   .spread = (enum spread)route->spread,
                                   .merge = (enum merge)route->merge,
                                   .key_step = route->key_step};
    return true;
}
