/* SPDX-License-Identifier: BSD-3-Clause */
/* Texts and prefixes are looked up by switch, generated from the table in the header. */
#include "base/status.h"

const char *larder_status_text(enum larder_status status) {
    switch (status) {
#define LARDER_STATUS_TEXT(name, value, prefix, text)                                              \
    case name: return text;
        LARDER_STATUS_TABLE(LARDER_STATUS_TEXT)
#undef LARDER_STATUS_TEXT
    }
    return "unknown status";
}

const char *larder_status_prefix(enum larder_status status) {
    switch (status) {
#define LARDER_STATUS_PREFIX(name, value, prefix, text)                                            \
    case name: return prefix;
        LARDER_STATUS_TABLE(LARDER_STATUS_PREFIX)
#undef LARDER_STATUS_PREFIX
    }
    return "ERR";
}
