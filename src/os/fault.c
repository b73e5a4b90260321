/* SPDX-License-Identifier: BSD-3-Clause */
/* The handler runs on an alternate stack, because the fault may be an overflow of the usual one. It
 * takes no lock and no memory. A second fault inside the handler meets a blocked signal, which the
 * kernel answers by ending the process. */
#include "os/fault.h"
#include "os/system_error.h"

#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { ALTERNATE_STACK_BYTES = 128 << 10, FRAMES_MAX = 128 };

static const struct {
    int number;
    const char *name;
} FATAL_SIGNALS[] = {{SIGSEGV, "SIGSEGV"},
                     {SIGBUS, "SIGBUS"},
                     {SIGFPE, "SIGFPE"},
                     {SIGILL, "SIGILL"},
                     {SIGABRT, "SIGABRT"}};
enum { FATAL_SIGNAL_COUNT = sizeof FATAL_SIGNALS / sizeof FATAL_SIGNALS[0] };

/* A signal handler is given no context, so what it needs is the process's. Written before the
 * handlers are installed, except `is_taken`. */
static struct {
    void (*report)(void *context, const struct fault *fault);
    void *context;
    atomic_flag is_taken;
} installed = {.is_taken = ATOMIC_FLAG_INIT};

static void add_register(struct fault *fault, const char *name, uint64_t value) {
    if (fault->register_count < FAULT_REGISTERS_MAX)
        fault->registers[fault->register_count++] =
            (struct fault_register){.name = name, .value = value};
}

static void read_registers(struct fault *fault, const ucontext_t *context) {
#if defined(__x86_64__)
    static const struct {
        const char *name;
        int index;
    } NAMES[] = {{"rip", REG_RIP}, {"rsp", REG_RSP}, {"rbp", REG_RBP}, {"rax", REG_RAX},
                 {"rbx", REG_RBX}, {"rcx", REG_RCX}, {"rdx", REG_RDX}, {"rsi", REG_RSI},
                 {"rdi", REG_RDI}, {"r8", REG_R8},   {"r9", REG_R9},   {"r10", REG_R10},
                 {"r11", REG_R11}, {"r12", REG_R12}, {"r13", REG_R13}, {"r14", REG_R14},
                 {"r15", REG_R15}, {"efl", REG_EFL}, {"err", REG_ERR}, {"cr2", REG_CR2}};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        add_register(fault, NAMES[i].name, (uint64_t)context->uc_mcontext.gregs[NAMES[i].index]);
#elif defined(__aarch64__)
    static const char *const NAMES[] = {"x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",
                                        "x8",  "x9",  "x10", "x11", "x12", "x13", "x14", "x15",
                                        "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23",
                                        "x24", "x25", "x26", "x27", "x28", "x29", "x30"};
    add_register(fault, "pc", context->uc_mcontext.pc);
    add_register(fault, "sp", context->uc_mcontext.sp);
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        add_register(fault, NAMES[i], context->uc_mcontext.regs[i]);
#else
    (void)fault;
    (void)context;
#endif
}

static void describe(struct fault *fault, int number, const siginfo_t *info, const void *context) {
    fault->signal_number = number;
    fault->signal_name = "signal";
    for (size_t i = 0; i < FATAL_SIGNAL_COUNT; i++)
        if (FATAL_SIGNALS[i].number == number)
            fault->signal_name = FATAL_SIGNALS[i].name;
    fault->code = info->si_code;
    if (info->si_code <= 0)
        fault->sender = (uint64_t)info->si_pid;
    else
        fault->address = (uint64_t)(uintptr_t)info->si_addr;
    (void)pthread_getname_np(pthread_self(), fault->thread, sizeof fault->thread);
    read_registers(fault, context);
}

static void die_of(int number) {
    (void)signal(number, SIG_DFL);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    (void)raise(number);
    (void)pthread_sigmask(SIG_UNBLOCK, &one, NULL);
}

static void handle(int number, siginfo_t *info, void *context) {
    if (atomic_flag_test_and_set_explicit(&installed.is_taken, memory_order_acquire)) {
        /* Another thread reports and will end the process. */
        for (;;)
            (void)pause();
    }
    struct fault fault = {0};
    describe(&fault, number, info, context);
    installed.report(installed.context, &fault);
    die_of(number);
}

enum larder_status fault_handler_install(void (*report)(void *context, const struct fault *fault),
                                         void *context) {
    installed.report = report;
    installed.context = context;
    /* The first call loads a library, which a handler must not do. */
    void *frame = NULL;
    (void)backtrace(&frame, 1);
    stack_t stack = {.ss_size = ALTERNATE_STACK_BYTES};
    stack.ss_sp = mmap(NULL, ALTERNATE_STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack.ss_sp == MAP_FAILED)
        return LARDER_NO_MEMORY;
    if (sigaltstack(&stack, NULL) != 0)
        return system_error_status(errno);
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    action.sa_sigaction = handle;
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < FATAL_SIGNAL_COUNT; i++)
        if (sigaction(FATAL_SIGNALS[i].number, &action, NULL) != 0)
            return system_error_status(errno);
    return LARDER_OK;
}

void fault_write_backtrace(int fd) {
    void *frames[FRAMES_MAX];
    int count = backtrace(frames, FRAMES_MAX);
    backtrace_symbols_fd(frames, count, fd);
}
