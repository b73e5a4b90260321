/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of choices in order: the next one raises its last deviation's option, or moves it to the
 * next decision, or continues with the deviation before. How many options a decision has is known
 * from the run that reached it with the same choices before. */
#include "sim/exhaustive.h"

#include "sim/text.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    OTHERS_MAX = 2,        /* frames that may come first */
    WINDOW_US = 20000,     /* ... if they would come so soon */
    LATE_US = 700000,      /* longer than elections and detection take */
    SLEEP_US = 700000,     /* longer than leases */
    QUICK_START_US = 5000, /* before anybody noticed */
    SLOW_START_US = 800000,
    PHASE_US = 3000000, /* decisions end then at the latest */
    OPTIONS_MAX = 16,
};

enum action_type {
    ACTION_GO_ON,
    ACTION_OTHER_FIRST,
    ACTION_LOSE,
    ACTION_DELAY,
    ACTION_CRASH_QUICK,
    ACTION_CRASH_SLOW,
    ACTION_POWER,
    ACTION_SLEEP,
};

struct action {
    enum action_type type;
    size_t event; /* OTHER_FIRST: index in the heap */
};

struct run {
    const struct exhaustive_options *options;
    const struct exhaustive_choices *choices;
    struct sim_world *world;
    void *subject;
    bool is_deciding;
    uint32_t decision, next; /* the next deviation */
    uint32_t crash_count;
    uint8_t option_counts[EXHAUSTIVE_DECISIONS_MAX];
};

static uint32_t or_default(uint32_t value, uint32_t otherwise) {
    return value == 0 ? otherwise : value;
}

/* ---- what may happen ---- */

static bool is_datagram(const struct sim_event *event) {
    return event->type == SIM_EVENT_FRAME && event->stamp == 0;
}

static bool is_decided(const struct sim_world *world, const struct sim_event *event) {
    uint32_t machines = world->options.machine_count;
    if (event->target >= machines || !machine_is_running(&world->machines[event->target]) ||
        world->machines[event->target].paused_until_us > event->time_us)
        return false;
    return event->type == SIM_EVENT_SYNCED ||
           (event->type == SIM_EVENT_FRAME && event->source < machines);
}

/* Frames of a connection, and syncs of a disk, keep their order. */
static bool are_in_order(const struct sim_event *a, const struct sim_event *b) {
    if (a->type != b->type || a->target != b->target || is_datagram(a) || is_datagram(b))
        return false;
    return a->type == SIM_EVENT_SYNCED || a->source == b->source;
}

static bool is_before(const struct sim_event *a, const struct sim_event *b) {
    return a->time_us < b->time_us || (a->time_us == b->time_us && a->order < b->order);
}

static bool may_be_first(const struct sim_world *world, size_t index) {
    const struct sim_event *event = &world->events[index];
    if (!is_decided(world, event) || event->target != world->events[0].target ||
        event->time_us > world->events[0].time_us + WINDOW_US)
        return false;
    for (size_t i = 0; i < world->event_count; i++)
        if (are_in_order(&world->events[i], event) && is_before(&world->events[i], event))
            return false;
    return true;
}

static size_t list_others(const struct sim_world *world, struct action *out) {
    size_t count = 0;
    for (size_t i = 1; i < world->event_count; i++) {
        if (!may_be_first(world, i))
            continue;
        size_t at = count < OTHERS_MAX ? count++ : OTHERS_MAX;
        for (; at > 0 && is_before(&world->events[i], &world->events[out[at - 1].event]); at--)
            if (at < OTHERS_MAX)
                out[at] = out[at - 1];
        if (at < OTHERS_MAX)
            out[at] = (struct action){ACTION_OTHER_FIRST, i};
    }
    return count;
}

static size_t list_actions(const struct run *run, struct action out[OPTIONS_MAX]) {
    const struct sim_world *world = run->world;
    size_t count = 0;
    out[count++] = (struct action){.type = ACTION_GO_ON};
    count += list_others(world, out + count);
    if (is_datagram(&world->events[0]))
        out[count++] = (struct action){.type = ACTION_LOSE};
    out[count++] = (struct action){.type = ACTION_DELAY};
    out[count++] = (struct action){.type = ACTION_SLEEP};
    if (run->crash_count == or_default(run->options->crashes, 2))
        return count;
    for (enum action_type type = ACTION_CRASH_QUICK; type <= ACTION_POWER; type++)
        out[count++] = (struct action){.type = type};
    return count;
}

static void start_again(void *context, uint64_t address) {
    struct run *run = context;
    if (!machine_start(&run->world->machines[address]))
        world_call_at(run->world, run->world->now_us + QUICK_START_US, start_again, run, address);
}

static void end_machine(struct run *run, uint32_t address, enum action_type type) {
    struct sim_machine *machine = &run->world->machines[address];
    const struct sim_subject_type *subject = run->options->subject;
    run->crash_count++;
    if (subject->note_fault != NULL)
        subject->note_fault(run->subject, type == ACTION_POWER ? FAULT_POWER : FAULT_CRASH,
                            address);
    if (type == ACTION_POWER)
        machine_lose_power(machine);
    else
        machine_crash(machine);
    world_call_at(run->world,
                  run->world->now_us +
                      (type == ACTION_CRASH_QUICK ? QUICK_START_US : SLOW_START_US),
                  start_again, run, address);
}

/* It and all that must come behind it. */
static void delay(struct sim_world *world) {
    struct sim_event first = world->events[0];
    int64_t until_us = first.time_us + LATE_US;
    struct sim_link *link = first.type == SIM_EVENT_FRAME
                                ? network_link(&world->network, first.source, first.target)
                                : NULL;
    if (link != NULL && !is_datagram(&first) && link->last_arrival_us < until_us)
        link->last_arrival_us = until_us;
    if (first.type == SIM_EVENT_SYNCED)
        world->machines[first.target].disk.busy_until_us = until_us;
    for (size_t i = 0; i < world->event_count; i++)
        if (i == 0 || are_in_order(&world->events[i], &first))
            world->events[i].time_us =
                world->events[i].time_us < until_us ? until_us : world->events[i].time_us;
    world_order_events(world);
}

/* Whether another event may be the first now. */
static bool act(struct run *run, const struct action *action) {
    static const char *const NAMES[] = {
        "go on",      "another first", "lose", "delay", "crash, at once back", "crash, back late",
        "lose power", "sleep"};
    struct sim_world *world = run->world;
    uint32_t target = world->events[0].target;
    trace_print(&world->trace, world->now_us, "* decision %" PRIu32 " of %" PRIu32 ": %s",
                run->decision - 1, target, NAMES[action->type]);
    switch (action->type) {
    case ACTION_GO_ON: break;
    case ACTION_OTHER_FIRST:
        world->events[action->event].time_us = world->events[0].time_us;
        world->events[action->event].order = 0;
        world_order_events(world);
        break;
    case ACTION_LOSE: world_drop_first(world); break;
    case ACTION_DELAY: delay(world); break;
    case ACTION_SLEEP: machine_pause(&world->machines[target], SLEEP_US); break;
    case ACTION_CRASH_QUICK:
    case ACTION_CRASH_SLOW:
    case ACTION_POWER: end_machine(run, target, action->type); break;
    }
    return action->type != ACTION_GO_ON && action->type != ACTION_OTHER_FIRST;
}

/* Before each event of the world. */
static bool decide(void *context) {
    struct run *run = context;
    struct action actions[OPTIONS_MAX];
    if (!run->is_deciding || !is_decided(run->world, &run->world->events[0]))
        return false;
    run->world->now_us = run->world->events[0].time_us;
    size_t count = list_actions(run, actions);
    uint32_t decision = run->decision++;
    run->option_counts[decision] = (uint8_t)count;
    run->is_deciding = run->decision < or_default(run->options->decisions, 60);
    if (run->next == run->choices->count || run->choices->each[run->next].decision != decision)
        return false;
    uint32_t option = run->choices->each[run->next++].option;
    return option < count && act(run, &actions[option]);
}

/* ---- one run ---- */

static bool wait_until_settled(struct run *run) {
    int64_t end_us = run->world->now_us + 10000000;
    while (run->world->violation == NULL && run->world->now_us < end_us) {
        world_run_for(run->world, 20000);
        if (run->options->subject->is_settled(run->subject))
            return true;
    }
    return false;
}

static void play(struct run *run) {
    const struct sim_subject_type *type = run->options->subject;
    struct sim_world *world = run->world;
    for (uint32_t i = 0; i < world->options.machine_count; i++)
        machine_start(&world->machines[i]);
    type->begin_round(run->subject, run->options->seed, true);
    if (!run->options->is_from_start && !wait_until_settled(run)) {
        world_violate(world, -1, "L1: a new world does not settle");
        return;
    }
    run->is_deciding = true;
    int64_t end_us = world->now_us + PHASE_US;
    while (world->violation == NULL && run->is_deciding && world->now_us < end_us)
        world_run_for(world, 20000);
    run->is_deciding = false;
    world_run_for(world, SLOW_START_US + 100000);
    type->begin_calm(run->subject);
    if (!wait_until_settled(run)) {
        world_violate(world, -1, "L1: not everything is available 10 seconds after the faults");
        return;
    }
    type->stop_clients(run->subject);
    world_run_for(world, 2000000);
    if (world->violation == NULL)
        type->end_round(run->subject);
}

static void make_run(const struct exhaustive_options *options,
                     const struct exhaustive_choices *choices, struct run *run,
                     struct exhaustive_result *out, uint64_t *out_digest) {
    const struct sim_subject_type *type = options->subject;
    *run = (struct run){.options = options, .choices = choices};
    struct sim_world_options world_options = {.seed = options->seed,
                                              .machine_count =
                                                  or_default(options->machine_count, 3),
                                              .client_count = or_default(options->client_count, 2),
                                              .trace = options->trace};
    struct sim_subject_counters counters;
    run->subject = type->create(options->seed, &world_options);
    run->world = world_create(&world_options);
    run->world->before_event = decide;
    run->world->before_event_context = run;
    type->attach(run->subject, run->world);
    play(run);
    type->get_counters(run->subject, &counters);
    out->run_count++;
    out->event_count += run->world->trace.event_count;
    out->length_us += run->world->now_us;
    out->history_count += counters.histories;
    if (run->world->violation != NULL) {
        out->violation = run->world->violation;
        out->violation_us = run->world->violation_us;
        out->machine = run->world->violation_machine;
        out->choices = *choices;
    }
    char digest[SHA1_HEX_BYTES + 1];
    trace_digest(&run->world->trace, digest);
    digest[16] = '\0';
    *out_digest = strtoull(digest, NULL, 16) | 1;
    world_destroy(run->world);
    type->destroy(run->subject);
}

void exhaustive_replay(const struct exhaustive_options *options,
                       const struct exhaustive_choices *choices, struct exhaustive_result *out) {
    struct run run;
    uint64_t digest;
    *out = (struct exhaustive_result){.machine = -1};
    make_run(options, choices, &run, out, &digest);
    out->distinct_count = 1;
}

/* ---- all runs ---- */

/* Digests seen so far: a table with open addressing. */
struct seen {
    uint64_t *slots; /* 0: free */
    size_t count, capacity;
};

static bool add_to(uint64_t *slots, size_t capacity, uint64_t digest) {
    size_t at = digest >> 3 & (capacity - 1);
    for (; slots[at] != 0; at = (at + 1) & (capacity - 1))
        if (slots[at] == digest)
            return false;
    slots[at] = digest;
    return true;
}

static void note_digest(struct seen *seen, uint64_t digest) {
    if (2 * (seen->count + 1) > seen->capacity) {
        size_t capacity = seen->capacity == 0 ? 1024 : 2 * seen->capacity;
        uint64_t *slots = sim_resize(NULL, capacity * sizeof(*slots));
        memset(slots, 0, capacity * sizeof(*slots));
        for (size_t i = 0; i < seen->capacity; i++)
            if (seen->slots[i] != 0)
                (void)add_to(slots, capacity, seen->slots[i]);
        free(seen->slots);
        seen->slots = slots;
        seen->capacity = capacity;
    }
    seen->count += add_to(seen->slots, seen->capacity, digest);
}

struct search {
    const struct exhaustive_options *options;
    struct exhaustive_result *out;
    struct exhaustive_choices choices;
    struct seen seen;
    uint32_t wanted; /* deviations */
};

static bool is_over(const struct search *search) {
    return search->out->violation != NULL ||
           (search->options->run_limit > 0 && search->out->run_count >= search->options->run_limit);
}

/* All runs that begin with the choices and have so many deviations in all. The run of the choices
 * themselves tells how many options each later decision has. */
static void explore(struct search *search) {
    struct run run;
    uint64_t digest;
    make_run(search->options, &search->choices, &run, search->out, &digest);
    note_digest(&search->seen, digest);
    uint32_t depth = search->choices.count;
    uint32_t first = depth == 0 ? 0 : search->choices.each[depth - 1].decision + 1;
    for (uint32_t k = first; k < run.decision && depth < search->wanted; k++)
        for (uint32_t option = 1; option < run.option_counts[k] && !is_over(search); option++) {
            search->choices.count = depth + 1;
            search->choices.each[depth].decision = k;
            search->choices.each[depth].option = option;
            explore(search);
        }
    search->choices.count = depth;
}

void exhaustive_run(const struct exhaustive_options *options, struct exhaustive_result *out) {
    struct search search = {.options = options, .out = out};
    uint32_t most = or_default(options->deviations, 2);
    *out = (struct exhaustive_result){.machine = -1};
    for (search.wanted = 1; search.wanted <= most && !is_over(&search); search.wanted++) {
        explore(&search);
        if (!is_over(&search))
            out->deviations = search.wanted;
    }
    out->distinct_count = search.seen.count;
    out->is_complete = out->deviations == most;
    free(search.seen.slots);
}

/* ---- choices as text ---- */

void exhaustive_print(const struct exhaustive_choices *choices, char *out, size_t size) {
    struct sim_text text = text_of(out, size);
    if (choices->count == 0)
        text_add(&text, "none");
    for (uint32_t i = 0; i < choices->count; i++)
        text_add(&text, "%s%" PRIu32 ":%" PRIu32, i == 0 ? "" : ",", choices->each[i].decision,
                 choices->each[i].option);
}

bool exhaustive_parse(const char *text, struct exhaustive_choices *out) {
    *out = (struct exhaustive_choices){0};
    if (strcmp(text, "none") == 0)
        return true;
    for (;;) {
        char *end;
        if (out->count == sizeof(out->each) / sizeof(out->each[0]))
            return false;
        out->each[out->count].decision = (uint32_t)strtoul(text, &end, 10);
        if (end == text || *end != ':')
            return false;
        text = end + 1;
        out->each[out->count++].option = (uint32_t)strtoul(text, &end, 10);
        if (end == text)
            return false;
        if (*end == '\0')
            return true;
        if (*end != ',')
            return false;
        text = end + 1;
    }
}
