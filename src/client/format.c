/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands as memory of their own: valkeyFormatCommand and its kin. */
#include "client/command_text.h"

#include "valkey/valkey.h"

#include <limits.h>

int valkeyvFormatCommand(char **target, const char *format, va_list ap) {
    if (target == NULL)
        return -1;
    *target = NULL;
    struct command_words words;
    int result = command_words_format(&words, format, ap);
    if (result == COMMAND_OK) {
        size_t size = command_words_size(&words);
        char *command = size == 0 || size > INT_MAX ? NULL : vk_malloc(size + 1);
        if (command != NULL) {
            command_words_write(&words, command);
            command[size] = '\0';
            *target = command;
        }
        result = command == NULL ? COMMAND_NO_MEMORY : (int)size;
    }
    command_words_finish(&words);
    return result;
}

int valkeyFormatCommand(char **target, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    int result = valkeyvFormatCommand(target, format, ap);
    va_end(ap);
    return result;
}

long long valkeyFormatCommandArgv(char **target, int argc, const char **argv,
                                  const size_t *argvlen) {
    if (target == NULL || argc < 0)
        return -1;
    *target = NULL;
    size_t size = command_array_size(argc, argv, argvlen);
    char *command = size == 0 ? NULL : vk_malloc(size + 1);
    if (command == NULL)
        return -1;
    command_array_write(argc, argv, argvlen, command);
    command[size] = '\0';
    *target = command;
    return (long long)size;
}

void valkeyFreeCommand(char *cmd) {
    vk_free(cmd);
}
