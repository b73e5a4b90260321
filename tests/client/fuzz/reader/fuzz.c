/* SPDX-License-Identifier: BSD-3-Clause */
/* The reply reader on arbitrary bytes: fed whole, byte by byte and through a copied function table,
 * it must find the same replies and the same error. */
#include <valkey/valkey.h>

#include <stdlib.h>

struct outcome {
    size_t replies, objects;
    int err;
};

static size_t count_objects(const valkeyReply *reply) {
    size_t count = 1;
    for (size_t i = 0; i < reply->elements; i++)
        count += count_objects(reply->element[i]);
    return count;
}

static void take_replies(valkeyReader *reader, struct outcome *outcome) {
    void *reply;
    while (valkeyReaderGetReply(reader, &reply) == VALKEY_OK && reply != NULL) {
        outcome->replies++;
        outcome->objects += count_objects(reply);
        freeReplyObject(reply);
    }
    outcome->err = reader->err;
}

static struct outcome read_in(const char *data, size_t size, size_t piece, int copies_table) {
    struct outcome outcome = {0};
    valkeyReader *reader = valkeyReaderCreate();
    valkeyReplyObjectFunctions copy = *reader->fn;
    if (copies_table)
        reader->fn = &copy;
    reader->maxelements = 4096;
    for (size_t at = 0; at < size && reader->err == 0; at += piece) {
        size_t part = size - at < piece ? size - at : piece;
        (void)valkeyReaderFeed(reader, data + at, part);
        take_replies(reader, &outcome);
    }
    valkeyReaderFree(reader);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    struct outcome whole = read_in(text, size, size + 1, 0);
    struct outcome bytes = read_in(text, size, 1, 0);
    struct outcome copied = read_in(text, size, 7, 1);
    if (whole.replies != bytes.replies || whole.err != bytes.err ||
        whole.objects != bytes.objects || whole.replies != copied.replies ||
        whole.err != copied.err || whole.objects != copied.objects)
        abort();
    return 0;
}
