// SPDX-License-Identifier: Apache-2.0
#include "wire.h"
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void become_child(int pass)
{
    int ends[2], status = 0;
    struct iovec one = { "x", 1 };
    char space[CMSG_SPACE(sizeof(int))] = { 0 };
    struct msghdr message = { .msg_iov = &one, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space) };
    char byte;
    fflush(stdout);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        exit(2);
    pid_t child = fork();
    if (child == 0) {
        if (!pass)
            return;
        close(current);
        one.iov_base = &byte;
        if (recvmsg(ends[1], &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
            exit(2);
        memcpy(&current, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(current));
        return;
    }
    if (pass) {
        struct cmsghdr *control = CMSG_FIRSTHDR(&message);
        *control = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
        memcpy(CMSG_DATA(control), &current, sizeof(current));
        sendmsg(ends[0], &message, 0);
        close(current);
    }
    waitpid(child, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void do_fifo(const char *action, const char *path, int flags)
{
    int fifo = open(path, flags);
    ssize_t count = flags == O_RDONLY ? read(fifo, buffer, 1) : write(fifo, "x", 1);
    printf("%s %s\n", action, outcome(count));
    close(fifo);
}

/* The needle is never put together in memory: its letters are compared from the end of the reversed text. */
static size_t scan_range(int memory, unsigned long from, unsigned long to, const char *reversed)
{
    static char piece[65536];
    size_t length = strlen(reversed), found = 0;
    for (unsigned long at = from; at + length <= to; at += sizeof(piece) - length) {
        ssize_t count = pread(memory, piece, to - at < sizeof(piece) ? to - at : sizeof(piece), at);
        for (ssize_t i = 0; i + (ssize_t)length <= count; i++) {
            size_t same = 0;
            while (same < length && piece[i + same] == reversed[length - 1 - same])
                same++;
            found += same == length;
        }
    }
    return found;
}

static void do_scan(const char *reversed)
{
    /* After setuid() the process is not dumpable, and its files in /proc are root's. */
    prctl(PR_SET_DUMPABLE, 1);
    FILE *maps = fopen("/proc/self/maps", "r");
    int memory = open("/proc/self/mem", O_RDONLY);
    size_t found = 0;
    char line[512], access[5];
    unsigned long from, to;
    while (fgets(line, sizeof(line), maps))
        if (sscanf(line, "%lx-%lx %4s", &from, &to, access) == 3 && access[0] == 'r' && !strstr(line, "[v"))
            found += scan_range(memory, from, to, reversed);
    if (memory < 0)
        say_count("scan", -1);
    else
        printf("scan %zu\n", found);
    fclose(maps);
}

int act_on_process(char *argument)
{
    char *value;
    if (is(argument, "uid=", &value))
        printf("uid %s\n", outcome(setgroups(0, NULL) < 0 ? -1 : setresuid(atoi(value), atoi(value), atoi(value))));
    else if (is(argument, "comm=", &value))
        printf("comm %s\n", outcome(prctl(PR_SET_NAME, value)));
    else if (!strcmp(argument, "dumpable"))
        printf("dumpable %s\n", outcome(prctl(PR_SET_DUMPABLE, 1)));
    else if (!strcmp(argument, "userns"))
        printf("userns %s\n", outcome(unshare(CLONE_NEWUSER)));
    else if (!strcmp(argument, "child") || !strcmp(argument, "pass"))
        become_child(argument[0] == 'p');
    else if (is(argument, "say=", &value))
        do_fifo("say", value, O_WRONLY);
    else if (is(argument, "wait=", &value))
        do_fifo("wait", value, O_RDONLY);
    else if (is(argument, "scan=", &value))
        do_scan(value);
    else
        return 0;
    return 1;
}
