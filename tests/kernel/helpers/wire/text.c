// SPDX-License-Identifier: Apache-2.0
#include "wire.h"

#define SHOWN 2048

const char *outcome(long result)
{
    return result < 0 ? strerrorname_np(errno) : "ok";
}

void say_count(const char *action, ssize_t count)
{
    if (count < 0)
        printf("%s %s\n", action, outcome(-1));
    else
        printf("%s %zd\n", action, count);
}

void say_bytes(const char *action, ssize_t count, const char *bytes)
{
    if (count <= 0 || count > SHOWN)
        return say_count(action, count);
    printf("%s %zd ", action, count);
    for (ssize_t i = 0; i < count; i++)
        printf(bytes[i] == '\r' ? "\\r" : bytes[i] == '\n' ? "\\n" : "%c", bytes[i]);
    printf("\n");
}

size_t text(char *escaped)
{
    char *from = escaped, *to = escaped;
    while (*from) {
        if (*from != '\\') {
            *to++ = *from++;
            continue;
        }
        from++;
        switch (*from++) {
        case 'r': *to++ = '\r'; break;
        case 'n': *to++ = '\n'; break;
        case '0': *to++ = '\0'; break;
        case 'x': *to++ = strtoul((char[]){ from[0], from[1], 0 }, NULL, 16); from += 2; break;
        default: *to++ = from[-1];
        }
    }
    return to - escaped;
}

int is(char *argument, const char *name, char **value)
{
    size_t length = strlen(name);
    *value = argument + length;
    return !strncmp(argument, name, length);
}
