/* SPDX-License-Identifier: BSD-3-Clause */
/* Every attempt is a change of the options that is kept if the same violation shows again. */
#include "sim/shrink.h"

#include "sim/text.h"

#include <inttypes.h>

struct shrinker {
    struct shrunk *best;
    const char *violation;
    uint32_t run_limit;
};

/* Whether it still fails with these options; then they are the best so far. */
static bool fails(struct shrinker *s, const struct swarm_options *options) {
    struct swarm_result result;
    if (s->best->run_count >= s->run_limit)
        return false;
    s->best->run_count++;
    swarm_run(options, &result);
    if (result.violation == NULL || strcmp(result.violation, s->violation) != 0)
        return false;
    s->best->options = *options;
    s->best->result = result;
    return true;
}

static void take_one_round(struct shrinker *s) {
    struct swarm_options options = s->best->options;
    options.only_round = (int32_t)s->best->result.round;
    if (options.only_round != s->best->options.only_round)
        (void)fails(s, &options);
}

/* Let the faults end as early as it goes, to a second. */
static void end_early(struct shrinker *s) {
    struct sim_round round;
    struct swarm_options options = s->best->options;
    round_draw(&round, options.seed, s->best->result.round);
    int64_t low = 0, high = (round.length_us + 999999) / 1000000;
    if (options.only_round < 0)
        return;
    if (s->best->result.round_us < round.length_us)
        high = s->best->result.round_us / 1000000 + 1;
    while (low + 1 < high) {
        int64_t middle = (low + high) / 2;
        options = s->best->options;
        options.round_us = middle * 1000000;
        if (fails(s, &options))
            high = middle;
        else
            low = middle;
    }
}

static void switch_off(struct shrinker *s) {
    for (uint32_t i = 0; i < RATE_COUNT; i++) {
        struct swarm_options options = s->best->options;
        if (!options.is_rate_off[i]) {
            options.is_rate_off[i] = true;
            (void)fails(s, &options);
        }
    }
    for (uint32_t i = 0; i < FAULT_KIND_COUNT; i++) {
        struct swarm_options options = s->best->options;
        if (!options.is_kind_off[i]) {
            options.is_kind_off[i] = true;
            (void)fails(s, &options);
        }
    }
}

/* The faults of the round that are still on. */
static size_t list_faults(const struct shrinker *s, uint32_t *out) {
    const struct swarm_options *options = &s->best->options;
    struct sim_round round;
    size_t count = 0;
    round_draw(&round, options->seed, s->best->result.round);
    for (uint32_t i = 0; i < round.fault_count; i++)
        if (!options->is_kind_off[round.faults[i].kind] &&
            (options->round_us == 0 || round.faults[i].at_us < options->round_us))
            out[count++] = i;
    return count;
}

/* Without the faults from `from` on, so many. Whether it still fails. */
static bool fails_without(struct shrinker *s, uint32_t *faults, size_t *count, size_t from,
                          size_t width) {
    uint32_t kept[SIM_FAULTS_MAX];
    struct swarm_options options = s->best->options;
    size_t kept_count = *count - width;
    memcpy(kept, faults, from * sizeof(*kept));
    memcpy(kept + from, faults + from + width, (kept_count - from) * sizeof(*kept));
    options.only_faults = kept;
    options.only_count = kept_count;
    if (!fails(s, &options))
        return false;
    memcpy(faults, kept, kept_count * sizeof(*kept));
    *count = kept_count;
    return true;
}

static void drop_faults(struct shrinker *s) {
    uint32_t *faults = s->best->only;
    size_t count = list_faults(s, faults);
    if (s->best->options.only_round < 0)
        return;
    for (size_t width = (count + 1) / 2; width > 0; width /= 2)
        for (size_t from = 0; from < count;) {
            size_t piece = from + width <= count ? width : count - from;
            if (!fails_without(s, faults, &count, from, piece))
                from += piece;
        }
    s->best->options.only_faults = faults;
    s->best->options.only_count = count;
}

void shrink(const struct swarm_options *options, const struct swarm_result *failed,
            uint32_t run_limit, struct shrunk *out) {
    *out = (struct shrunk){.options = *options, .result = *failed};
    struct shrinker s = {out, failed->violation, run_limit};
    take_one_round(&s);
    end_early(&s);
    switch_off(&s);
    drop_faults(&s);
    end_early(&s);
    out->is_same_violation = out->run_count > 0 && out->options.only_round >= 0;
}

void shrink_print_arguments(const struct swarm_options *options, char *out, size_t size) {
    struct sim_text text = text_of(out, size);
    const char *separator = " --without ";
    if (options->subject != NULL && options->subject != SIM_SUBJECTS[0])
        text_add(&text, "--subject %s ", options->subject->name);
    text_add(&text, "--seed %" PRIu64, options->seed);
    if (options->only_round >= 0)
        text_add(&text, " --round %" PRId32, options->only_round);
    if (options->round_us > 0)
        text_add(&text, " --until %" PRId64, options->round_us / 1000000);
    for (uint32_t i = 0; i < RATE_COUNT; i++)
        if (options->is_rate_off[i]) {
            text_add(&text, "%s%s", separator, rate_name((enum sim_rate)i));
            separator = ",";
        }
    for (uint32_t i = 0; i < FAULT_KIND_COUNT && options->only_faults == NULL; i++)
        if (options->is_kind_off[i]) {
            text_add(&text, "%s%s", separator, fault_kind_name((enum sim_fault_kind)i));
            separator = ",";
        }
    for (size_t i = 0; i < options->only_count; i++)
        text_add(&text, "%s%" PRIu32, i == 0 ? " --only " : ",", options->only_faults[i]);
    if (options->only_faults != NULL && options->only_count == 0)
        text_add(&text, " --only none");
}
