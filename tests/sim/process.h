/* SPDX-License-Identifier: BSD-3-Clause */
/* The contract between the simulator and what it simulates.
 *
 * A process is one start of a member on a machine: it begins with what the machine's disk holds,
 * is called when something happens, and ends by a crash at any moment between two calls. All it
 * may know about the outside it gets through its machine: time, randomness, memory, disk, network.
 * With the same inputs it must make the same calls; it must not look at pointers' values, at real
 * time or at anything global.
 *
 *      start(machine) -> process
 *      deliver(frame)  a frame of another address        \
 *      wake            the time of machine_wake_at came   |  each a step: it runs to its end in no
 *      synced(ticket)  a disk_sync ended                  |  virtual time, and what it sends leaves
 *      link(event)     a connection opened, broke, ...   /   at its end
 *      stop            free everything: it crashed, or the world ends
 *
 * Calls for one process never nest. One thread. */
#ifndef LARDER_TESTS_SIM_PROCESS_H
#define LARDER_TESTS_SIM_PROCESS_H

#include "base/alloc.h"
#include "base/slice.h"
#include "base/status.h"
#include "raft/types.h"
#include "sim/rare_events.h"

struct sim_machine;
struct sim_disk;

/* Addresses below SIM_CLIENT_FIRST are machines of members, 0 to N - 1; from there on clients. */
enum { SIM_MACHINES_MAX = 32, SIM_CLIENT_FIRST = 1000, SIM_CLIENTS_MAX = 256 };

static inline bool sim_address_is_client(uint32_t address) {
    return address >= SIM_CLIENT_FIRST;
}

/* What a process learns about its connection with a peer. A connection carries frames of both
 * directions in order and without loss until it breaks; then frames under way are lost, and the
 * next frame either side sends opens a new one. */
enum sim_link_event {
    SIM_LINK_OPENED,  /* the first frame of a new connection comes next: a gap before it is possible
                       */
    SIM_LINK_BROKEN,  /* reset: the peer's process ended, or the network broke it */
    SIM_LINK_REFUSED, /* a frame was sent and nobody listens: the machine is up, the process not */
};

struct sim_process_type {
    const char *name;
    /* `settings` as given to world_create, borrowed for the world's life. Returns owned in *out.
     * Errors: whatever keeps the process from starting (LARDER_NO_MEMORY, LARDER_CORRUPT, ...); the
     * machine then stays down and is tried again. */
    enum larder_status (*start)(struct sim_machine *machine, const void *settings,
                                void **out) LARDER_NODISCARD;
    /* The frame is borrowed for the call. One of machine_send is undamaged; a datagram may hold
     * anything. */
    void (*deliver)(void *process, uint32_t from, struct slice frame);
    void (*wake)(void *process);
    /* LARDER_OK, or LARDER_IO: what the sync should have covered may be lost, now or later. */
    void (*synced)(void *process, uint64_t ticket, enum larder_status status);
    void (*link)(void *process, uint32_t peer, enum sim_link_event event);
    /* Releases all memory that it took from the machine's allocator. May not send or write. */
    void (*stop)(void *process);
    /* One line about its state for people; NUL-terminated. */
    void (*describe)(const void *process, char *out, size_t size);
    /* The same about a frame. May be NULL. */
    void (*describe_frame)(struct slice frame, char *out, size_t size);
};

/* ---- what a machine offers its process ---- */

uint32_t machine_address(const struct sim_machine *machine);
/* Stays with the disk: a machine that got an empty disk is a new node. */
struct raft_id machine_node_id(const struct sim_machine *machine);
/* Of the process; larger at every start of this machine. */
uint64_t machine_incarnation(const struct sim_machine *machine);
/* How many machines of members there are: their addresses are 0 to that less 1. */
uint32_t machine_peer_count(const struct sim_machine *machine);
/* The node id that lives at an address now, as a name service would know it. */
struct raft_id machine_peer_id(const struct sim_machine *machine, uint32_t address);
/* The address of a node id; false if no machine has it any more. */
bool machine_find_peer(const struct sim_machine *machine, struct raft_id id, uint32_t *out);

/* Microseconds of this machine's boot clock: monotonic, counts suspends, drifts from true time by
 * at most the configured bound. It does not start at 0. */
int64_t machine_now_us(const struct sim_machine *machine);
/* Microseconds of its wall clock, which may be wrong and may jump both ways. */
int64_t machine_wall_us(const struct sim_machine *machine);
uint64_t machine_random(struct sim_machine *machine);
/* Counts what is held; fails while the machine is short of memory. Whatever the process holds at
 * the end of `stop` is a violation. */
const struct allocator *machine_allocator(const struct sim_machine *machine);

/* Call `wake` once at this time of machine_now_us, or as soon as possible if it is past. The last
 * call counts. */
void machine_wake_at(struct sim_machine *machine, int64_t time_us);

/* Over the connection with that address. The bytes are copied. Frames never arrive damaged: a
 * damaged one breaks the connection. Too many that the peer does not read break it as well. */
void machine_send(struct sim_machine *machine, uint32_t to, struct slice frame);
/* May be lost, repeated, reordered and damaged. The bytes are copied. */
void machine_send_datagram(struct sim_machine *machine, uint32_t to, struct slice frame);
/* End this process after the step, as a crash that keeps the machine up. */
void machine_exit(struct sim_machine *machine, const char *reason);

/* ---- its disk: a few files of 512-byte sectors behind a cache ---- */

enum { SIM_FILES_MAX = 64 };

struct sim_disk *machine_disk(struct sim_machine *machine);

/* Bytes of the file; 0 when it was never written. */
size_t disk_size(const struct sim_disk *disk, uint32_t file);
/* Read what was last written, synced or not. Beyond the end: nothing is read. *out_size: bytes
 * read. Errors: LARDER_IO. */
enum larder_status disk_read(struct sim_disk *disk, uint32_t file, size_t offset, uint8_t *out,
                             size_t size, size_t *out_size) LARDER_NODISCARD;
/* Into the cache; survives the process, but not a loss of power. A hole reads as zeros.
 * Errors: LARDER_NO_SPACE (the file would grow; nothing written), LARDER_IO (nothing written). */
enum larder_status disk_write(struct sim_disk *disk, uint32_t file, size_t offset,
                              struct slice bytes) LARDER_NODISCARD;
/* Make the file `size` bytes long: cut, or filled with zeros. Durable with the next sync.
 * Errors: as disk_write. */
enum larder_status disk_resize(struct sim_disk *disk, uint32_t file, size_t size) LARDER_NODISCARD;
/* Make durable what was written to the file before this call; `synced` is called later with the
 * ticket. Until then each sector may survive a loss of power or not, in any combination, or hold a
 * first part of the new bytes and a last part of the old. Several may be under way: of one file
 * they end in order. A failed one leaves the file as it reads, but what of it survives is unknown
 * and no later sync tells. */
void disk_sync(struct sim_disk *disk, uint32_t file, uint64_t ticket);
/* The same, and wait for it: for what may block. Not while another sync of the file is under way.
 * Errors: LARDER_IO, as above. */
enum larder_status disk_sync_now(struct sim_disk *disk, uint32_t file) LARDER_NODISCARD;

/* ---- for oracles inside processes ---- */

/* Something that must never happen did. The first one ends the run. `text` static. */
void machine_violate(struct sim_machine *machine, const char *text);
/* Words that become part of the trace and its digest, e.g. a state change. `what` static. */
void machine_trace(struct sim_machine *machine, uint64_t a, uint64_t b, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* One of the events that a run should meet happened. */
void machine_count_event(struct sim_machine *machine, enum rare_event event);
/* The same without a line for people. */
void machine_note(struct sim_machine *machine, uint64_t a, uint64_t b);
/* What oracles share: given to world_create. NULL if nothing was. */
void *machine_oracle(const struct sim_machine *machine);

#endif
