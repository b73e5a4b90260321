/* SPDX-License-Identifier: BSD-3-Clause */
/* One place per key modulo the number of places. */
#include "sim/registers.h"

#include "raft/bytes.h"

void register_command_encode(const struct register_command *command,
                             uint8_t out[REGISTER_COMMAND_BYTES]) {
    struct byte_writer writer = {out};
    write_unsigned(&writer, command->client, 8);
    write_unsigned(&writer, command->number, 8);
    write_unsigned(&writer, command->key, 8);
    write_unsigned(&writer, command->kind, 1);
    write_unsigned(&writer, command->a, 8);
    write_unsigned(&writer, command->b, 8);
}

enum larder_status register_command_decode(struct slice bytes, struct register_command *out) {
    struct byte_reader reader = byte_reader_of(bytes);
    out->client = read_unsigned(&reader, 8);
    out->number = read_unsigned(&reader, 8);
    out->key = read_unsigned(&reader, 8);
    out->kind = (enum operation_kind)read_unsigned(&reader, 1);
    out->a = read_unsigned(&reader, 8);
    out->b = read_unsigned(&reader, 8);
    bool is_good = !reader.is_failed && reader.left == 0 && out->kind >= OPERATION_READ &&
                   out->kind < OPERATION_KIND_END;
    return is_good ? LARDER_OK : LARDER_CORRUPT;
}

enum larder_status registers_apply(struct registers *registers,
                                   const struct register_command *command,
                                   struct operation_result *out) {
    uint64_t *key = &registers->places[command->key % REGISTER_PLACES].key;
    uint64_t *value = &registers->places[command->key % REGISTER_PLACES].value;
    if (*key > command->key)
        return LARDER_NOT_FOUND;
    if (*key < command->key) {
        *key = command->key;
        *value = 0;
    }
    *out = operation_apply(command->kind, command->a, command->b, value);
    return LARDER_OK;
}

void registers_encode(const struct registers *registers, uint8_t *out) {
    struct byte_writer writer = {out};
    for (size_t i = 0; i < REGISTER_PLACES; i++) {
        write_unsigned(&writer, registers->places[i].key, 8);
        write_unsigned(&writer, registers->places[i].value, 8);
    }
}

void registers_decode(struct registers *registers, const uint8_t *bytes) {
    struct byte_reader reader = byte_reader_of(slice_of(bytes, REGISTER_PLACES * 16));
    for (size_t i = 0; i < REGISTER_PLACES; i++) {
        registers->places[i].key = read_unsigned(&reader, 8);
        registers->places[i].value = read_unsigned(&reader, 8);
    }
}
