// SPDX-License-Identifier: Apache-2.0
#include "wire.h"
#include "uapi/riptides.h"

static void do_setopt(char *argument)
{
    char *name = strchr(argument, ',') + 1, *hex = strchr(name, ',') + 1;
    socklen_t length = 0;
    for (; hex[0] && hex[1]; hex += 2)
        buffer[length++] = strtoul((char[]){ hex[0], hex[1], 0 }, NULL, 16);
    printf("setopt %s\n", outcome(setsockopt(current, atoi(argument), atoi(name), buffer, length)));
}

static void do_getopt(char *argument)
{
    char *name = strchr(argument, ',') + 1;
    socklen_t length = atoi(strchr(name, ',') + 1);
    /* The kernel wants the cipher in what it is to fill. */
    struct { unsigned short version, cipher; } *info = (void *)buffer;
    info->version = 0x304;
    info->cipher = length == 56 ? 52 : 51;
    printf("getopt %s\n", outcome(getsockopt(current, atoi(argument), atoi(name), buffer, &length)));
}

static void do_state(void)
{
    static const char *const names[] = { "first", "collect", "handshake", "open", "pass", "fail" };
    struct riptides_so_state state = { 0 };
    socklen_t length = sizeof(state);
    if (getsockopt(current, SOL_RIPTIDES, RIPTIDES_SO_STATE, &state, &length) < 0)
        return say_count("state", -1);
    printf("state %s error=%s requests=%llu injections=%llu host=%s\n", names[state.state % 6],
           state.error ? strerrorname_np(-state.error) : "none", (unsigned long long)state.requests,
           (unsigned long long)state.injections, state.host);
}

static void do_error(void)
{
    int error = 0;
    socklen_t length = sizeof(error);
    getsockopt(current, SOL_SOCKET, SO_ERROR, &error, &length);
    printf("error %s\n", error ? strerrorname_np(error) : "none");
}

int act_on_options(char *argument)
{
    char *value;
    if (is(argument, "setopt=", &value))
        do_setopt(value);
    else if (is(argument, "getopt=", &value))
        do_getopt(value);
    else if (!strcmp(argument, "state"))
        do_state();
    else if (!strcmp(argument, "error"))
        do_error();
    else
        return 0;
    return 1;
}
