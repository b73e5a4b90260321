/* SPDX-License-Identifier: BSD-3-Clause */
/* What SSCAN, HSCAN and ZSCAN have in common: cursor, MATCH, COUNT, and the shape of a page. */
#ifndef LARDER_COMMANDS_SCAN_OPTIONS_H
#define LARDER_COMMANDS_SCAN_OPTIONS_H

#include "commands/call.h"

struct scan_options {
    uint64_t cursor;
    size_t count;
    struct slice pattern;
    bool has_pattern;
    bool has_novalues; /* HSCAN's NOVALUES was given */
};

enum { SCAN_OPTION_NOVALUES = 1 };

/* Read a cursor. False: the known error was replied. */
bool scan_cursor_parse(struct call *call, struct slice text, uint64_t *out);

/* The options from argument `first` on; the cursor is left alone. `allowed`: SCAN_OPTION_ bits
 * beside MATCH and COUNT. False: the known error was replied. */
bool scan_options_parse(struct call *call, size_t first, unsigned allowed,
                        struct scan_options *out);

/* The page of a key that is not there. */
void scan_reply_nothing(struct call *call);

/* Reply with an array of the next cursor and the `count` bulk strings in `page`, which is finished.
 */
enum larder_status scan_reply_page(struct call *call, uint64_t cursor, size_t count,
                                   struct reply *page) LARDER_NODISCARD;

#endif
