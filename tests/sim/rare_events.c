/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/rare_events.h"

#include <string.h>

static const struct rare_event_type TYPES[] = {
#define RARE_EVENT_ROW(name, text, subject, minimum) {#name, text, subject, minimum},
    RARE_EVENT_TABLE(RARE_EVENT_ROW)
#undef RARE_EVENT_ROW
};

const struct rare_event_type *rare_event_type(enum rare_event event) {
    return &TYPES[event];
}

bool rare_event_concerns(enum rare_event event, const char *subject) {
    return TYPES[event].subject[0] == '\0' || strcmp(TYPES[event].subject, subject) == 0;
}

bool rare_event_is_enough(enum rare_event event, uint64_t count, double hours) {
    return (double)count * 1000 >= (double)TYPES[event].minimum * hours;
}
