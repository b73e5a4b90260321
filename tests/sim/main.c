/* SPDX-License-Identifier: BSD-3-Clause */
/* larder-sim: run seeds and scenarios of the simulator. `larder-sim --help` tells. */
#include "sim/exhaustive.h"
#include "sim/scenario.h"
#include "sim/shrink.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: larder-sim [--seed N] [--seeds COUNT] [--minutes M] [--round R] [--without NAME,...]\n"
    "                  [--scenario NAME] [--list] [--only I,I,...] [--until SECONDS]\n"
    "                  [--verbose | --story]\n"
    "                  [--subject NAME] [--jobs N] [--figures] [--counters] [--shrink]\n"
    "                  [--exhaustive [--decisions D] [--deviations K] [--crashes C] [--machines "
    "N]\n"
    "                  [--runs R] [--choices LIST] [--from-start]]\n"
    "  --seed     the seed to run (1)           --seeds    so many seeds from there on (1)\n"
    "  --minutes  virtual minutes a seed (60)   --round    only this round of the seed\n"
    "  --without  leave out kinds of faults     --only     only these faults of the round\n"
    "  --until    end the round's faults early  --verbose  print the trace\n"
    "  --story    print what happens to machines, roles and the configuration, but no frames\n"
    "  --jobs     that many processes share the seeds (1)\n"
    "  --figures  print counters and speed      --shrink   make a failing seed smaller\n"
    "  --subject  what is simulated: cluster or config-group\n"
    "  --counters print how often rare events happened in all seeds; too seldom in 20 virtual\n"
    "             hours or more is a failure\n"
    "  --exhaustive   all runs of a small world (3 machines) that differ from the usual one in at\n"
    "                 most K (2) of the first D (60) decisions, with at most C (2) crashes; no "
    "more\n"
    "                 than R of them; or only the run with these choices; --from-start: while a\n"
    "                 cluster is being founded, not when it has settled\n"
    "  --scenario run a script (or: all)        --list     names of the scripts\n";

struct settings {
    struct swarm_options swarm;
    uint64_t seeds, jobs;
    bool has_figures, has_counters, shrinks, is_exhaustive, has_choices;
    const char *scenario;
    uint32_t only[SIM_FAULTS_MAX];
    struct exhaustive_options exhaustive;
    struct exhaustive_choices choices;
};

static void fail(const char *what, const char *value) {
    fprintf(stderr, "larder-sim: %s: %s\n%s", what, value, USAGE);
    exit(2);
}

static uint64_t number_of(const char *text) {
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (end == text || *end != '\0')
        fail("not a number", text);
    return value;
}

static void leave_out(struct swarm_options *options, char *names) {
    for (char *name = strtok(names, ","); name != NULL; name = strtok(NULL, ",")) {
        bool is_known = false;
        for (uint32_t i = 0; i < FAULT_KIND_COUNT; i++)
            if (strcmp(name, fault_kind_name((enum sim_fault_kind)i)) == 0)
                is_known = options->is_kind_off[i] = true;
        for (uint32_t i = 0; i < RATE_COUNT; i++)
            if (strcmp(name, rate_name((enum sim_rate)i)) == 0)
                is_known = options->is_rate_off[i] = true;
        if (!is_known)
            fail("no such kind of fault", name);
    }
}

static void keep_only(struct settings *settings, char *numbers) {
    settings->swarm.only_faults = settings->only;
    if (strcmp(numbers, "none") == 0)
        return;
    for (char *text = strtok(numbers, ","); text != NULL; text = strtok(NULL, ","))
        if (settings->swarm.only_count < SIM_FAULTS_MAX)
            settings->only[settings->swarm.only_count++] = (uint32_t)number_of(text);
}

static const struct sim_subject_type *find_subject(const char *name) {
    const struct sim_subject_type *found = sim_subject_find(name);
    if (found == NULL)
        fail("no such subject", name);
    return found;
}

static void list_scenarios(void) {
    const struct scenario_type *type;
    for (size_t k = 0; (type = scenario_find(k)) != NULL; k++)
        printf("%-24s %s\n", type->name, type->about);
    exit(0);
}

/* Arguments without a value. */
static bool read_flag_argument(struct settings *settings, const char *name) {
    if (strcmp(name, "--verbose") == 0)
        settings->swarm.trace = (struct trace_options){.out = stdout};
    else if (strcmp(name, "--story") == 0)
        settings->swarm.trace = (struct trace_options){.out = stdout, .is_story = true};
    else if (strcmp(name, "--shrink") == 0)
        settings->shrinks = true;
    else if (strcmp(name, "--figures") == 0)
        settings->has_figures = true;
    else if (strcmp(name, "--counters") == 0)
        settings->has_counters = true;
    else if (strcmp(name, "--exhaustive") == 0)
        settings->is_exhaustive = true;
    else if (strcmp(name, "--from-start") == 0)
        settings->exhaustive.is_from_start = true;
    else if (strcmp(name, "--list") == 0)
        list_scenarios();
    else
        return false;
    return true;
}

static bool read_exhaustive_argument(struct settings *settings, const char *name,
                                     const char *value) {
    struct exhaustive_options *options = &settings->exhaustive;
    if (strcmp(name, "--decisions") == 0)
        options->decisions = (uint32_t)number_of(value);
    else if (strcmp(name, "--deviations") == 0)
        options->deviations = (uint32_t)number_of(value);
    else if (strcmp(name, "--crashes") == 0)
        options->crashes = (uint32_t)number_of(value);
    else if (strcmp(name, "--machines") == 0)
        options->machine_count = (uint32_t)number_of(value);
    else if (strcmp(name, "--runs") == 0)
        options->run_limit = number_of(value);
    else if (strcmp(name, "--choices") == 0)
        settings->has_choices = true;
    else
        return false;
    if (options->decisions > EXHAUSTIVE_DECISIONS_MAX ||
        options->deviations > EXHAUSTIVE_DEVIATIONS_MAX ||
        options->machine_count > SIM_MACHINES_MAX)
        fail("too many", value);
    if (strcmp(name, "--choices") == 0 && !exhaustive_parse(value, &settings->choices))
        fail("not a list of choices", value);
    return true;
}

static void read_value_argument(struct settings *settings, const char *name, char *value) {
    if (strcmp(name, "--seed") == 0)
        settings->swarm.seed = number_of(value);
    else if (strcmp(name, "--seeds") == 0)
        settings->seeds = number_of(value);
    else if (strcmp(name, "--jobs") == 0)
        settings->jobs = number_of(value);
    else if (strcmp(name, "--subject") == 0)
        settings->swarm.subject = find_subject(value);
    else if (strcmp(name, "--scenario") == 0)
        settings->scenario = value;
    else if (strcmp(name, "--minutes") == 0)
        settings->swarm.length_us = (int64_t)number_of(value) * 60000000;
    else if (strcmp(name, "--round") == 0)
        settings->swarm.only_round = (int32_t)number_of(value);
    else if (strcmp(name, "--without") == 0)
        leave_out(&settings->swarm, value);
    else if (strcmp(name, "--only") == 0)
        keep_only(settings, value);
    else if (strcmp(name, "--until") == 0)
        settings->swarm.round_us = (int64_t)number_of(value) * 1000000;
    else if (!read_exhaustive_argument(settings, name, value))
        fail("what is this", name);
}

static void read_arguments(struct settings *settings, int count, char **values) {
    for (int i = 1; i < count; i++) {
        const char *name = values[i];
        if (read_flag_argument(settings, name))
            continue;
        if (i + 1 == count)
            fail("what is this", name);
        read_value_argument(settings, name, values[++i]);
    }
}

static double seconds_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_failure(const struct settings *settings, const struct swarm_options *options,
                          const struct swarm_result *result) {
    char arguments[2000];
    static struct shrunk shrunk;
    printf("seed %" PRIu64 " round %" PRIu32 ": at %.6f s, machine %" PRId32 ": %s\n",
           options->seed, result->round, (double)result->violation_us / 1e6, result->machine,
           result->violation);
    shrink_print_arguments(options, arguments, sizeof(arguments));
    if (settings->shrinks) {
        struct swarm_options quiet = *options;
        quiet.trace.out = NULL;
        shrink(&quiet, result, 400, &shrunk);
        shrink_print_arguments(&shrunk.options, arguments, sizeof(arguments));
        printf("%s after %" PRIu32 " runs\n", shrunk.is_same_violation ? "smaller" : "not smaller",
               shrunk.run_count);
    }
    printf("again: make sim VERBOSE=1 ARGS=\"%s\"\n", arguments);
}

enum { COUNTED_HOURS = 20 };

/* Of all seeds together. */
struct totals {
    uint64_t passed;
    double hours, cpu_seconds;
    uint64_t events, faults, operations, histories;
    uint64_t rare_events[RARE_EVENT_COUNT];
};

static void add_result(struct totals *totals, const struct swarm_result *result) {
    totals->hours += (double)result->length_us / 3.6e9;
    totals->events += result->event_count;
    totals->faults += result->fault_count;
    totals->operations += result->counters.operations;
    totals->histories += result->counters.histories;
    for (uint32_t i = 0; i < RARE_EVENT_COUNT; i++)
        totals->rare_events[i] += result->rare_events[i];
}

static void add_totals(struct totals *totals, const struct totals *part) {
    totals->passed += part->passed;
    totals->hours += part->hours;
    totals->cpu_seconds += part->cpu_seconds;
    totals->events += part->events;
    totals->faults += part->faults;
    totals->operations += part->operations;
    totals->histories += part->histories;
    for (uint32_t i = 0; i < RARE_EVENT_COUNT; i++)
        totals->rare_events[i] += part->rare_events[i];
}

static void print_totals(const struct totals *totals, double seconds) {
    double virtual_seconds = totals->hours * 3600;
    printf("in all: %.1f virtual hours in %.0f s, %.0f times real time, %.0f virtual seconds per "
           "CPU second, %" PRIu64 " events, %" PRIu64 " faults, %" PRIu64 " operations, %" PRIu64
           " histories checked\n",
           totals->hours, seconds, virtual_seconds / seconds, virtual_seconds / totals->cpu_seconds,
           totals->events, totals->faults, totals->operations, totals->histories);
}

/* Whether all happened often enough, as far as so short a time can tell. */
static bool print_counters(const struct settings *settings, const struct totals *totals) {
    bool are_enough = true;
    for (uint32_t i = 0; i < RARE_EVENT_COUNT; i++) {
        const struct rare_event_type *type = rare_event_type((enum rare_event)i);
        if (!rare_event_concerns((enum rare_event)i, settings->swarm.subject->name))
            continue;
        bool is_enough =
            rare_event_is_enough((enum rare_event)i, totals->rare_events[i], totals->hours);
        printf("event %s: %" PRIu64 " in %.1f hours, at least %" PRIu64 " in 1000: %s (%s)\n",
               type->name, totals->rare_events[i], totals->hours, type->minimum,
               is_enough ? "enough" : "TOO FEW", type->text);
        are_enough = are_enough && is_enough;
    }
    return are_enough || totals->hours < COUNTED_HOURS;
}

static bool run_seed(const struct settings *settings, const struct swarm_options *options,
                     struct totals *totals) {
    struct swarm_result result;
    double began = seconds_of(CLOCK_MONOTONIC), cpu_began = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    swarm_run(options, &result);
    double seconds = seconds_of(CLOCK_MONOTONIC) - began;
    double cpu_seconds = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu_began;
    totals->cpu_seconds += cpu_seconds;
    add_result(totals, &result);
    if (result.violation != NULL)
        print_failure(settings, options, &result);
    if (result.counters.undecided > 0)
        printf("seed %" PRIu64 ": %" PRIu64 " histories are too long to be decided\n",
               options->seed, result.counters.undecided);
    if (settings->has_figures)
        printf("%s\n%" PRIu32 " rounds, %" PRIu64 " operations, %" PRIu64
               " of unknown outcome, %" PRIu64 " histories, %" PRIu64 " undecided, %" PRIu64
               " frames, %.1f s, %.0f times real time, %.0f virtual seconds per CPU second\n",
               result.description, result.round_count, result.counters.operations,
               result.counters.unknown, result.counters.histories, result.counters.undecided,
               result.frame_count, seconds, (double)result.length_us / 1e6 / seconds,
               (double)result.length_us / 1e6 / cpu_seconds);
    printf("seed %" PRIu64 ": %.2f virtual hours, %" PRIu64 " events, %" PRIu64
           " faults, trace %s\n",
           options->seed, (double)result.length_us / 3.6e9, result.event_count, result.fault_count,
           result.digest);
    fflush(stdout);
    return result.violation == NULL && result.counters.undecided == 0;
}

static bool run_scenario(const struct settings *settings, const struct scenario_type *type,
                         uint64_t seed) {
    struct scenario_result result;
    scenario_run(type, seed, &settings->swarm.trace, &result);
    if (result.violation != NULL)
        printf("%s: at %.6f s: %s%s%s\nagain: make sim VERBOSE=1 SCENARIO=%s SEED=%" PRIu64 "\n",
               type->name, (double)result.length_us / 1e6, result.violation,
               result.text[0] != '\0' ? ": " : "", result.text, type->name, seed);
    printf("%s%s, seed %" PRIu64 ": %.3f virtual hours, %" PRIu64 " events, %" PRIu64
           " faults, trace %s\n",
           result.report, type->name, seed, (double)result.length_us / 3.6e9, result.event_count,
           result.fault_count, result.digest);
    return result.violation == NULL;
}

static bool run_scenarios(const struct settings *settings) {
    bool is_clean = true, is_known = strcmp(settings->scenario, "all") == 0;
    const struct scenario_type *type;
    for (size_t i = 0; (type = scenario_find(i)) != NULL; i++) {
        if (strcmp(settings->scenario, "all") != 0 && strcmp(settings->scenario, type->name) != 0)
            continue;
        is_known = true;
        for (uint64_t k = 0; k < settings->seeds; k++)
            is_clean = run_scenario(settings, type, settings->swarm.seed + k) && is_clean;
    }
    if (!is_known)
        fail("no such scenario", settings->scenario);
    return is_clean;
}

static bool explore(const struct settings *settings) {
    struct exhaustive_options options = settings->exhaustive;
    struct exhaustive_result result;
    char choices[200];
    options.subject = settings->swarm.subject;
    options.seed = settings->swarm.seed;
    if (settings->has_choices) {
        options.trace = settings->swarm.trace;
        exhaustive_replay(&options, &settings->choices, &result);
    } else {
        exhaustive_run(&options, &result);
    }
    exhaustive_print(&result.choices, choices, sizeof(choices));
    if (result.violation != NULL)
        printf("%s, seed %" PRIu64 ", choices %s: at %.6f s, machine %" PRId32 ": %s\n"
               "again: larder-sim --verbose and the same arguments with --choices %s\n",
               options.subject->name, options.seed, choices, (double)result.violation_us / 1e6,
               result.machine, result.violation, choices);
    printf("%s, seed %" PRIu64 ": %" PRIu64 " runs, %" PRIu64 " distinct, %" PRIu64
           " histories, %" PRIu64 " events, %.2f virtual hours, all with up to %" PRIu32
           " deviations%s\n",
           options.subject->name, options.seed, result.run_count, result.distinct_count,
           result.history_count, result.event_count, (double)result.length_us / 3.6e9,
           result.deviations, result.is_complete ? ": complete" : "");
    return result.violation == NULL;
}

/* Every so many-th seed from the first on. */
static void run_seeds(const struct settings *settings, uint64_t first, uint64_t step,
                      struct totals *totals) {
    for (uint64_t i = first; i < settings->seeds; i += step) {
        struct swarm_options options = settings->swarm;
        options.seed += i;
        totals->passed += run_seed(settings, &options, totals);
        fflush(stdout);
    }
}

/* The same in several processes, each of which tells what it did. */
static void run_jobs(const struct settings *settings, struct totals *totals) {
    int pipes[2];
    fflush(stdout);
    if (pipe(pipes) != 0)
        fail("no pipe for", "--jobs");
    for (uint64_t job = 0; job < settings->jobs; job++) {
        pid_t child = fork();
        if (child < 0)
            fail("no process for", "--jobs");
        if (child > 0)
            continue;
        struct totals own = {0};
        run_seeds(settings, job, settings->jobs, &own);
        _exit(write(pipes[1], &own, sizeof(own)) == sizeof(own) ? 0 : 1);
    }
    close(pipes[1]);
    for (struct totals own; read(pipes[0], &own, sizeof(own)) == sizeof(own);)
        add_totals(totals, &own);
    close(pipes[0]);
    while (wait(NULL) > 0)
        continue;
}

/* Processes begin and end thousands of times a second: their memory stays with the program, and
 * fresh pages are not asked for each time. */
static void keep_memory(void) {
#ifdef __GLIBC__
    (void)mallopt(M_MMAP_THRESHOLD, 64 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
    (void)mallopt(M_TOP_PAD, 16 << 20);
#endif
}

int main(int count, char **values) {
    keep_memory();
    struct settings settings = {
        .seeds = 1,
        .jobs = 1,
        .swarm = {
            .subject = SIM_SUBJECTS[0], .seed = 1, .length_us = 3600000000, .only_round = -1}};
    read_arguments(&settings, count, values);
    if (settings.scenario != NULL)
        return run_scenarios(&settings) ? 0 : 1;
    if (settings.is_exhaustive)
        return explore(&settings) ? 0 : 1;
    struct totals totals = {0};
    double began = seconds_of(CLOCK_MONOTONIC);
    if (settings.jobs > 1)
        run_jobs(&settings, &totals);
    else
        run_seeds(&settings, 0, 1, &totals);
    bool are_enough = !settings.has_counters || print_counters(&settings, &totals);
    if (settings.seeds > 1) {
        print_totals(&totals, seconds_of(CLOCK_MONOTONIC) - began);
        printf("%" PRIu64 " passed, %" PRIu64 " failed\n", totals.passed,
               settings.seeds - totals.passed);
    }
    return totals.passed == settings.seeds && are_enough ? 0 : 1;
}
