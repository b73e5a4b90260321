/* SPDX-License-Identifier: BSD-3-Clause */
/* LOLWUT: a larder. Shelves of jars, each filled to a height drawn at random, seen from the front;
 * another one every time. LOLWUT VERSION <n> [shelves] [jars per shelf]: there is one drawing, so
 * the number is read and makes no difference. */
#include "server/session_commands.h"

#include "base/text_buffer.h"

enum {
    SHELVES_DEFAULT = 3,
    JARS_DEFAULT = 8,
    SHELVES_MAX = 20,
    JARS_MAX = 16,
    JAR_ROWS = 4, /* of the glass, between lid and shelf */
};

struct jar {
    unsigned height; /* filled rows */
    char content;
};

static void draw_lids(struct text_buffer *out, int64_t jars) {
    text_buffer_format(out, "|");
    for (int64_t i = 0; i < jars; i++)
        text_buffer_format(out, "  .===. ");
    text_buffer_format(out, " |\n");
}

static void draw_glass(struct text_buffer *out, const struct jar *jars, int64_t count,
                       unsigned row) {
    text_buffer_format(out, "|");
    for (int64_t i = 0; i < count; i++) {
        char c = JAR_ROWS - row <= jars[i].height ? jars[i].content : ' ';
        text_buffer_format(out, row + 1 == JAR_ROWS ? "  (%c%c%c) " : "  |%c%c%c| ", c, c, c);
    }
    text_buffer_format(out, " |\n");
}

static void draw_board(struct text_buffer *out, int64_t jars) {
    text_buffer_format(out, "+");
    for (int64_t i = 0; i < 8 * jars + 1; i++)
        text_buffer_format(out, "-");
    text_buffer_format(out, "+\n");
}

static void draw(struct text_buffer *out, struct random *random, int64_t shelves, int64_t jars) {
    static const char CONTENTS[] = "o*~.:%#@";
    draw_board(out, jars);
    for (int64_t shelf = 0; shelf < shelves; shelf++) {
        struct jar row[JARS_MAX];
        for (int64_t i = 0; i < jars; i++)
            row[i] = (struct jar){
                .height = (unsigned)random_below(random, JAR_ROWS + 1),
                .content = CONTENTS[random_below(random, sizeof(CONTENTS) - 1)],
            };
        draw_lids(out, jars);
        for (unsigned r = 0; r < JAR_ROWS; r++)
            draw_glass(out, row, jars, r);
        draw_board(out, jars);
    }
}

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

void session_command_lolwut(struct session *session, struct call *call) {
    int64_t numbers[3] = {0, SHELVES_DEFAULT, JARS_DEFAULT};
    size_t first = 1, given = 1; /* numbers[1] is the first argument without VERSION */
    if (call->argc >= 3 && slice_equal_word(call->argv[1], "version")) {
        first = 2;
        given = 0;
    }
    for (size_t i = first; i < call->argc && given < 3; i++, given++)
        if (!call_integer(call, call->argv[i], &numbers[given]))
            return;
    struct text_buffer text;
    text_buffer_init(&text, session->server->allocator);
    draw(&text, &session->thread->node_thread.store.random, clamp(numbers[1], 1, SHELVES_MAX),
         clamp(numbers[2], 1, JARS_MAX));
    text_buffer_format(&text, "\nWhat is kept here is kept fresh.\n\nLarder ver. %s\n",
                       LARDER_VERSION);
    if (text.is_out_of_memory)
        reply_error(call->reply, "OOM not enough memory for the operation");
    else
        reply_verbatim(call->reply, text_buffer_slice(&text));
    text_buffer_finish(&text);
}
