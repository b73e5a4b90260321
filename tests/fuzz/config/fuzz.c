/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration files of any bytes: reading never crashes or leaks, and what was read, written out
 * and read again is the same configuration. */
#include <stdint.h>
#include <stdlib.h>

#include "server/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct server_config CONFIG;

static const struct config_warnings NO_WARNINGS = {NULL, NULL};

static void require(bool condition) {
    if (!condition)
        abort();
}

/* Load the text into a fresh config; true with the changes written to *out if it is accepted. */
static bool load(struct slice text, struct option_output *out) {
    struct config_error error;
    require(config_init(&CONFIG, &ALLOCATOR_SYSTEM, 2) == LARDER_OK);
    bool is_accepted = config_load_text(&CONFIG, "fuzz", text, NO_WARNINGS, &error) == LARDER_OK;
    *out = (struct option_output){.allocator = &ALLOCATOR_SYSTEM};
    if (is_accepted)
        require(config_write_changes(&CONFIG, out) == LARDER_OK);
    config_finish(&CONFIG);
    return is_accepted;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct option_output once, twice;
    if (!load(slice_of(data, size), &once))
        return 0;
    require(load(slice_of(once.data, once.size), &twice));
    require(slice_equal(slice_of(once.data, once.size), slice_of(twice.data, twice.size)));
    option_output_release(&once);
    option_output_release(&twice);
    return 0;
}
