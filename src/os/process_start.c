/* SPDX-License-Identifier: BSD-3-Clause */
/* How a program becomes a service, and which build it is. The build id is a note in a segment of
 * the program's ELF image: name "GNU", type 3 (System V ABI, note sections). */
#include "os/process.h"
#include "os/system_error.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct build_id_search {
    char *text;
    size_t size;
};

static size_t padded(size_t size) {
    return (size + 3) & ~(size_t)3;
}

static void copy_hexadecimal(const uint8_t *bytes, size_t count, const struct build_id_search *to) {
    static const char DIGITS[] = "0123456789abcdef";
    if (count * 2 >= to->size)
        return;
    for (size_t i = 0; i < count; i++) {
        to->text[i * 2] = DIGITS[bytes[i] >> 4];
        to->text[i * 2 + 1] = DIGITS[bytes[i] & 15];
    }
    to->text[count * 2] = '\0';
}

static void search_notes(const uint8_t *notes, size_t size, const struct build_id_search *search) {
    while (size >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) header;
        memcpy(&header, notes, sizeof header);
        size_t name_at = sizeof header, value_at = name_at + padded(header.n_namesz);
        size_t end = value_at + padded(header.n_descsz);
        if (end > size)
            return;
        if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == 4 &&
            memcmp(notes + name_at, "GNU", 4) == 0) {
            copy_hexadecimal(notes + value_at, header.n_descsz, search);
            return;
        }
        notes += end;
        size -= end;
    }
}

/* The first object that the loader reports is the program itself. */
static int search_program(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    const struct build_id_search *search = context;
    for (unsigned i = 0; i < info->dlpi_phnum && search->text[0] == '\0'; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type == PT_NOTE)
            search_notes((const uint8_t *)(info->dlpi_addr + segment->p_vaddr), segment->p_memsz,
                         search);
    }
    return 1;
}

void process_build_id(char *text, size_t size) {
    struct build_id_search search = {.text = text, .size = size};
    text[0] = '\0';
    (void)dl_iterate_phdr(search_program, &search);
}

enum larder_status process_daemonize(struct error_text *error) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return system_error_report(error, errno, "can't open /dev/null");
    pid_t child = fork();
    if (child < 0) {
        int saved = errno;
        (void)close(null);
        return saved == EAGAIN ? LARDER_BUSY
                               : system_error_report(error, saved, "can't start a process");
    }
    if (child > 0)
        _exit(0);
    (void)setsid();
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        (void)dup2(null, fd);
    (void)close(null);
    return LARDER_OK;
}

void process_stop_self(void) {
    (void)raise(SIGSTOP);
}
