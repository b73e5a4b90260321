/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs in a signal handler: text is put together on the stack without the C library's formatting,
 * and written with write(2) alone. */
#include "server/crash_report.h"

#include "base/slice.h"
#include "os/fault.h"
#include "os/file.h"
#include "os/process.h"

enum { LINE_CAPACITY = 256 };

struct line {
    char text[LINE_CAPACITY];
    size_t size;
};

static void add_text(struct line *line, const char *text) {
    while (*text != '\0' && line->size < LINE_CAPACITY)
        line->text[line->size++] = *text++;
}

static void add_decimal(struct line *line, int64_t value) {
    uint8_t digits[INT64_TEXT_MAX];
    size_t count = int64_format(value, digits);
    for (size_t i = 0; i < count && line->size < LINE_CAPACITY; i++)
        line->text[line->size++] = (char)digits[i];
}

static void add_hexadecimal(struct line *line, uint64_t value) {
    static const char DIGITS[] = "0123456789abcdef";
    add_text(line, "0x");
    for (int shift = 60; shift >= 0 && line->size < LINE_CAPACITY; shift -= 4)
        line->text[line->size++] = DIGITS[value >> shift & 15];
}

static void write_line(int fd, struct line *line) {
    add_text(line, "\n");
    file_write_quietly(fd, slice_of(line->text, line->size));
    line->size = 0;
}

static void write_cause(const struct crash_report *report, const struct fault *fault) {
    struct line line = {.size = 0};
    add_text(&line, "larder-server " LARDER_VERSION " died of ");
    add_text(&line, fault->signal_name);
    add_text(&line, " (signal ");
    add_decimal(&line, fault->signal_number);
    add_text(&line, ", code ");
    add_decimal(&line, fault->code);
    add_text(&line, ")");
    write_line(report->fd, &line);
    if (fault->sender != 0) {
        add_text(&line, "sent by process ");
        add_decimal(&line, (int64_t)fault->sender);
    } else {
        add_text(&line, "address ");
        add_hexadecimal(&line, fault->address);
    }
    write_line(report->fd, &line);
    add_text(&line, "build id ");
    add_text(&line, report->build_id[0] == '\0' ? "none" : report->build_id);
    write_line(report->fd, &line);
    add_text(&line, "process ");
    add_decimal(&line, process_id());
    add_text(&line, ", thread ");
    add_text(&line, fault->thread);
    write_line(report->fd, &line);
}

static void write_registers(int fd, const struct fault *fault) {
    struct line line = {.size = 0};
    for (size_t i = 0; i < fault->register_count; i++) {
        add_text(&line, fault->registers[i].name);
        add_text(&line, " ");
        add_hexadecimal(&line, fault->registers[i].value);
        if (i % 4 == 3 || i + 1 == fault->register_count)
            write_line(fd, &line);
        else
            add_text(&line, "  ");
    }
}

static void write_report(void *context, const struct fault *fault) {
    const struct crash_report *report = context;
    file_write_quietly(report->fd, SLICE_LITERAL("\n=== LARDER CRASH REPORT START ===\n"));
    write_cause(report, fault);
    file_write_quietly(report->fd, SLICE_LITERAL("--- registers\n"));
    write_registers(report->fd, fault);
    file_write_quietly(report->fd, SLICE_LITERAL("--- stack\n"));
    fault_write_backtrace(report->fd);
    file_write_quietly(report->fd, SLICE_LITERAL("=== LARDER CRASH REPORT END ===\n"));
}

enum larder_status crash_report_install(struct crash_report *report, int log_fd) {
    report->fd = log_fd;
    process_build_id(report->build_id, sizeof report->build_id);
    return fault_handler_install(write_report, report);
}
