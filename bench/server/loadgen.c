/* SPDX-License-Identifier: BSD-3-Clause */
/* bench-load: drives one server with one workload and reports throughput, latency and, given the
 * server's process id, the CPU time it spent per request. Exit status: 0 all replies right, 1
 * misses, wrong or error replies or a broken connection, 2 wrong usage. */
#include "load.h"
#include "process_stats.h"

#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { POPULATE_PIPELINE = 64 };

struct settings {
    struct load_target target;
    const char *workload;
    const char *key_prefix;
    uint64_t key_count;
    size_t key_size;
    size_t value_size;
    enum distribution distribution;
    double exponent;
    uint64_t seed;
    unsigned pipeline;
    uint64_t requests;
    double seconds;
    double warmup_seconds;
    double rate;
    int cpu;
    pid_t server_pid;
    bool is_populate;
    bool is_populate_only;
    bool is_verify;
    bool is_json;
};

struct measurement {
    struct load_result load;
    bool is_complete;
    uint64_t client_cpu_ns;
    struct process_stats before;
    struct process_stats after;
};

/* ---- options ---- */

static const char HELP[] =
    "bench-load [options]\n"
    "  --host ADDRESS        numeric address or unix socket path (127.0.0.1)\n"
    "  --port N              (6379)\n"
    "  --protocol NAME       resp or memcached (resp)\n"
    "  --workload NAME       see below (get)\n"
    "  --connections N       (50)\n"
    "  --pipeline N          requests under way per connection (1)\n"
    "  --requests N          stop after N requests\n"
    "  --seconds S           stop after S seconds (1, if no --requests)\n"
    "  --warmup S            seconds of the same load before measuring (0)\n"
    "  --rate N              open loop: N requests per second, latency from the due time\n"
    "  --keys N              (1000000)\n"
    "  --key-size N          bytes (16)\n"
    "  --key-prefix TEXT     (k:)\n"
    "  --value-size N        bytes (32)\n"
    "  --distribution NAME   uniform, zipf:EXPONENT or sequential (uniform)\n"
    "  --seed N              (1)\n"
    "  --populate            load every key first\n"
    "  --populate-only       load every key and report on that\n"
    "  --verify yes|no       check every reply's content (yes)\n"
    "  --server-pid N        report CPU and memory of that process\n"
    "  --cpu N               pin to a core\n"
    "  --json                one JSON object instead of text\n"
    "workloads: ";

enum option_id {
    OPTION_HOST = 1,
    OPTION_PORT,
    OPTION_PROTOCOL,
    OPTION_WORKLOAD,
    OPTION_CONNECTIONS,
    OPTION_PIPELINE,
    OPTION_REQUESTS,
    OPTION_SECONDS,
    OPTION_WARMUP,
    OPTION_RATE,
    OPTION_KEYS,
    OPTION_KEY_SIZE,
    OPTION_KEY_PREFIX,
    OPTION_VALUE_SIZE,
    OPTION_DISTRIBUTION,
    OPTION_SEED,
    OPTION_POPULATE,
    OPTION_POPULATE_ONLY,
    OPTION_VERIFY,
    OPTION_SERVER_PID,
    OPTION_CPU,
    OPTION_JSON,
    OPTION_HELP,
};

static const struct option OPTIONS[] = {
    {"host", required_argument, NULL, OPTION_HOST},
    {"port", required_argument, NULL, OPTION_PORT},
    {"protocol", required_argument, NULL, OPTION_PROTOCOL},
    {"workload", required_argument, NULL, OPTION_WORKLOAD},
    {"connections", required_argument, NULL, OPTION_CONNECTIONS},
    {"pipeline", required_argument, NULL, OPTION_PIPELINE},
    {"requests", required_argument, NULL, OPTION_REQUESTS},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {"warmup", required_argument, NULL, OPTION_WARMUP},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"keys", required_argument, NULL, OPTION_KEYS},
    {"key-size", required_argument, NULL, OPTION_KEY_SIZE},
    {"key-prefix", required_argument, NULL, OPTION_KEY_PREFIX},
    {"value-size", required_argument, NULL, OPTION_VALUE_SIZE},
    {"distribution", required_argument, NULL, OPTION_DISTRIBUTION},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"populate", no_argument, NULL, OPTION_POPULATE},
    {"populate-only", no_argument, NULL, OPTION_POPULATE_ONLY},
    {"verify", required_argument, NULL, OPTION_VERIFY},
    {"server-pid", required_argument, NULL, OPTION_SERVER_PID},
    {"cpu", required_argument, NULL, OPTION_CPU},
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static bool distribution_parse(const char *text, struct settings *s) {
    if (strcmp(text, "uniform") == 0)
        s->distribution = DISTRIBUTION_UNIFORM;
    else if (strcmp(text, "sequential") == 0)
        s->distribution = DISTRIBUTION_SEQUENTIAL;
    else if (strncmp(text, "zipf:", 5) == 0)
        s->distribution = DISTRIBUTION_ZIPF;
    else
        return false;
    if (s->distribution == DISTRIBUTION_ZIPF)
        s->exponent = atof(text + 5);
    return s->distribution != DISTRIBUTION_ZIPF || s->exponent > 0;
}

static bool choice_parse(const char *text, const char *no, const char *yes, bool *out) {
    *out = strcmp(text, yes) == 0;
    return *out || strcmp(text, no) == 0;
}

static bool option_apply(struct settings *s, int id, const char *text) {
    bool flag;
    unsigned long long number = text != NULL ? strtoull(text, NULL, 10) : 0;
    switch (id) {
    case OPTION_HOST: s->target.host = text; return true;
    case OPTION_PORT: s->target.port = (uint16_t)number; return number > 0 && number < 65536;
    case OPTION_PROTOCOL:
        if (!choice_parse(text, "resp", "memcached", &flag))
            return false;
        s->target.protocol = flag ? PROTOCOL_MEMCACHED : PROTOCOL_RESP;
        return true;
    case OPTION_WORKLOAD: s->workload = text; return true;
    case OPTION_CONNECTIONS:
        s->target.connections = (unsigned)number;
        return number > 0 && number <= 100000;
    case OPTION_PIPELINE: s->pipeline = (unsigned)number; return number > 0 && number <= 100000;
    case OPTION_REQUESTS: s->requests = number; return number > 0;
    case OPTION_SECONDS: s->seconds = atof(text); return s->seconds > 0;
    case OPTION_WARMUP: s->warmup_seconds = atof(text); return s->warmup_seconds >= 0;
    case OPTION_RATE: s->rate = atof(text); return s->rate > 0;
    case OPTION_KEYS: s->key_count = number; return number > 0;
    case OPTION_KEY_SIZE: s->key_size = (size_t)number; return number > 0;
    case OPTION_KEY_PREFIX: s->key_prefix = text; return true;
    case OPTION_VALUE_SIZE: s->value_size = (size_t)number; return number > 0;
    case OPTION_DISTRIBUTION: return distribution_parse(text, s);
    case OPTION_SEED: s->seed = number; return true;
    case OPTION_POPULATE_ONLY: s->is_populate_only = true; return true;
    case OPTION_POPULATE: s->is_populate = true; return true;
    case OPTION_VERIFY: return choice_parse(text, "no", "yes", &s->is_verify);
    case OPTION_SERVER_PID: s->server_pid = (pid_t)number; return number > 0;
    case OPTION_CPU: s->cpu = (int)number; return true;
    case OPTION_JSON: s->is_json = true; return true;
    default: return false;
    }
}

static bool settings_parse(struct settings *s, int argc, char **argv) {
    *s = (struct settings){
        .target = {.host = "127.0.0.1", .port = 6379, .connections = 50},
        .workload = "get",
        .key_prefix = "k:",
        .key_count = 1000000,
        .key_size = 16,
        .value_size = 32,
        .seed = 1,
        .pipeline = 1,
        .cpu = -1,
        .is_verify = true,
    };
    int id;
    while ((id = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        if (id == OPTION_HELP) {
            printf("%s%s\n", HELP, workload_names());
            exit(0);
        }
        if (!option_apply(s, id, optarg)) {
            if (id != '?')
                fprintf(stderr, "bench-load: bad value: %s\n", optarg);
            return false;
        }
    }
    if (s->requests == 0 && s->seconds <= 0)
        s->seconds = 1;
    s->target.pipeline_max = s->pipeline > POPULATE_PIPELINE ? s->pipeline : POPULATE_PIPELINE;
    return optind == argc;
}

/* ---- measuring ---- */

static uint64_t client_cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void measure(const struct settings *s, struct load *load, const struct load_run *run,
                    struct measurement *m) {
    if (s->server_pid > 0)
        m->before = process_stats_read(s->server_pid);
    uint64_t cpu_before = client_cpu_ns();
    m->is_complete = load_execute(load, run, &m->load);
    m->client_cpu_ns = client_cpu_ns() - cpu_before;
    if (s->server_pid > 0)
        m->after = process_stats_read(s->server_pid);
}

static bool measurement_is_clean(const struct measurement *m) {
    const struct load_result *r = &m->load;
    return m->is_complete && r->misses == 0 && r->wrong == 0 && r->errors == 0;
}

static void populate(const struct settings *s, struct load *load, const struct keyspace *keyspace,
                     const struct request_template *template, struct measurement *m) {
    struct key_sequence keys;
    key_sequence_init(&keys, DISTRIBUTION_SEQUENTIAL, 0, keyspace->count, 0);
    struct load_run run = {.keyspace = keyspace,
                           .templates = {template, NULL},
                           .first_percent = 100,
                           .keys = &keys,
                           .pipeline = POPULATE_PIPELINE,
                           .request_limit = keyspace->count};
    measure(s, load, &run, m);
}

static bool run_workload(const struct settings *s, struct load *load,
                         const struct keyspace *keyspace, const struct workload *w,
                         struct measurement *m) {
    struct key_sequence keys;
    if (!key_sequence_init(&keys, s->distribution, s->exponent, keyspace->count, s->seed)) {
        fprintf(stderr, "bench-load: keys can't be drawn: too many or out of memory\n");
        return false;
    }
    struct load_run run = {
        .keyspace = keyspace,
        .templates = {&w->first, w->first_percent < 100 ? &w->second : NULL},
        .first_percent = w->first_percent,
        .keys = &keys,
        .seed = s->seed ^ UINT64_C(0xa5a5a5a5a5a5a5a5),
        .pipeline = s->pipeline,
        .second_limit = s->warmup_seconds,
        .rate = s->rate,
    };
    m->is_complete = true;
    if (s->warmup_seconds > 0)
        measure(s, load, &run, m);
    run.request_limit = s->requests;
    run.second_limit = s->seconds;
    if (m->is_complete)
        measure(s, load, &run, m);
    key_sequence_finish(&keys);
    return true;
}

/* ---- reporting ---- */

static double per_request(const struct measurement *m, uint64_t ns) {
    return m->load.requests > 0 ? (double)ns / (double)m->load.requests : 0;
}

static double percentile_us(const struct measurement *m, double fraction) {
    return (double)histogram_percentile(&m->load.latency, fraction) / 1000;
}

static void json_text(const char *text) {
    putchar('"');
    for (; *text != '\0'; text++)
        if (*text == '"' || *text == '\\' || (unsigned char)*text < 32 || *text == 127)
            printf("\\u%04x", (unsigned char)*text);
        else
            putchar(*text);
    putchar('"');
}

static void report_json(const struct settings *s, const struct measurement *m) {
    const struct load_result *r = &m->load;
    printf("{\"workload\": \"%s\", \"requests\": %llu, \"seconds\": %.6f, \"ops_per_s\": %.1f, ",
           s->workload, (unsigned long long)r->requests, r->seconds,
           (double)r->requests / r->seconds);
    printf("\"p50_us\": %.2f, \"p90_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f, "
           "\"max_us\": %.2f, ",
           percentile_us(m, 0.5), percentile_us(m, 0.9), percentile_us(m, 0.99),
           percentile_us(m, 0.999), (double)r->latency.max_ns / 1000);
    printf("\"client_cpu_ns\": %.1f, \"server_cpu_ns\": %.1f, ", per_request(m, m->client_cpu_ns),
           per_request(m, m->after.cpu_ns - m->before.cpu_ns));
    printf("\"resident_before\": %llu, \"resident_after\": %llu, ",
           (unsigned long long)m->before.resident_bytes,
           (unsigned long long)m->after.resident_bytes);
    printf("\"misses\": %llu, \"wrong\": %llu, \"errors\": %llu, \"complete\": %s, \"problem\": ",
           (unsigned long long)r->misses, (unsigned long long)r->wrong,
           (unsigned long long)r->errors, m->is_complete ? "true" : "false");
    json_text(r->problem);
    printf("}\n");
}

static void report_text(const struct settings *s, const struct measurement *m) {
    const struct load_result *r = &m->load;
    printf("%s: %llu requests in %.3f s, %.0f per second\n", s->workload,
           (unsigned long long)r->requests, r->seconds, (double)r->requests / r->seconds);
    printf("latency us: p50 %.1f, p90 %.1f, p99 %.1f, p99.9 %.1f, max %.1f\n",
           percentile_us(m, 0.5), percentile_us(m, 0.9), percentile_us(m, 0.99),
           percentile_us(m, 0.999), (double)r->latency.max_ns / 1000);
    printf("CPU per request: client %.0f ns", per_request(m, m->client_cpu_ns));
    if (s->server_pid > 0)
        printf(", server %.0f ns; server resident %.1f MiB",
               per_request(m, m->after.cpu_ns - m->before.cpu_ns),
               (double)m->after.resident_bytes / 1048576);
    printf("\nmisses %llu, wrong %llu, errors %llu%s%s\n", (unsigned long long)r->misses,
           (unsigned long long)r->wrong, (unsigned long long)r->errors,
           r->problem[0] != '\0' ? "; first: " : "", r->problem);
}

/* ---- main ---- */

static void pin_to(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0)
        perror("bench-load: --cpu");
}

static void raise_file_limit(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static int run(const struct settings *s, const struct keyspace *keyspace,
               const struct workload *w) {
    struct load *load = load_create(&s->target);
    struct measurement *m = calloc(1, sizeof(*m));
    bool is_clean = load != NULL && m != NULL;
    bool is_populate = s->is_populate || s->is_populate_only;
    if (is_clean && is_populate) {
        populate(s, load, keyspace, &w->populate, m);
        is_clean = measurement_is_clean(m);
    }
    if (is_clean && !s->is_populate_only)
        is_clean = run_workload(s, load, keyspace, w, m) && measurement_is_clean(m);
    if (load != NULL && m != NULL)
        s->is_json ? report_json(s, m) : report_text(s, m);
    free(m);
    load_destroy(load);
    return is_clean ? 0 : 1;
}

int main(int argc, char **argv) {
    struct settings settings;
    if (!settings_parse(&settings, argc, argv)) {
        fprintf(stderr, "%s%s\n", HELP, workload_names());
        return 2;
    }
    struct keyspace keyspace;
    if (!keyspace_init(&keyspace, settings.key_count, settings.key_prefix, settings.key_size,
                       settings.value_size)) {
        fprintf(stderr, "bench-load: the keys don't fit into %zu bytes, or sizes are too large\n",
                settings.key_size);
        return 2;
    }
    struct workload workload;
    const char *problem;
    if (!workload_init(&workload, settings.workload, settings.target.protocol, &keyspace,
                       settings.is_verify, &problem)) {
        fprintf(stderr, "bench-load: %s: %s\n", settings.workload, problem);
        return 2;
    }
    if (settings.cpu >= 0)
        pin_to(settings.cpu);
    raise_file_limit();
    int status = run(&settings, &keyspace, &workload);
    workload_finish(&workload);
    return status;
}
