// SPDX-License-Identifier: Apache-2.0
// The agent's side of /dev/riptides, driven by lines on stdin, one answer line each:
//   open | close        result 0 or an errno
//   write HEX           bytes written or an errno
//   read [MS]           a frame in hex, "end" or an errno; waits at most MS (default 5000)
//   readsize N          the same with a buffer of N bytes, without waiting
//   nth HEX,...,HEX     writes all frames again and again, the n-th allocation of the last one failing (needs a kernel with
//                       fault injection), until nothing failed; how often one failed, then every answer that came
//   poll                the mask of events that are ready, in hex
//   second              result of opening the device a second time
//   run COMMAND         exit status and output in hex of a shell command, with the device still open
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "nth.h"
#include "uapi/riptides.h"

#define FRAME_MAX (sizeof(struct riptides_header) + RIPTIDES_BLOB_MAX)

static int device = -1;
static unsigned char frame[FRAME_MAX * 2];

static void print_result(long result)
{
    if (result < 0)
        printf("%s\n", strerrorname_np(errno));
    else
        printf("%ld\n", result);
}

static void print_hex(const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        printf("%02x", bytes[i]);
    printf("\n");
}

static size_t parse_hex(const char *text)
{
    size_t length = 0;
    for (; length < sizeof(frame) && text[0] && text[1]; text += 2) {
        char pair[3] = { text[0], text[1], 0 };
        frame[length++] = strtoul(pair, NULL, 16);
    }
    return length;
}

static void read_frame(size_t size)
{
    ssize_t length = read(device, frame, size);
    if (length < 0)
        print_result(-1);
    else if (length == 0)
        printf("end\n");
    else
        print_hex(frame, length);
}

static short ready(int timeout)
{
    struct pollfd poller = { .fd = device, .events = POLLIN | POLLOUT };
    if (timeout)
        poller.events = POLLIN;
    poll(&poller, 1, timeout);
    return poller.revents;
}

static void write_failing(const char *frames)
{
    unsigned long failed = 0, refused = 0, taken = 0, other = 0;
    bool has_failed = true;
    nth_open();
    for (int nth = 1; has_failed; nth++) {
        char *copy = strdup(frames), *rest = copy, *part;
        while ((part = strsep(&rest, ","))) {
            size_t length = parse_hex(part);
            if (!rest)
                nth_arm(nth);
            ssize_t result = write(device, frame, length);
            if (!rest) {
                has_failed = nth_end();
                failed += has_failed;
                *(result >= 0 ? &taken : errno == ENOMEM ? &refused : &other) += 1;
            }
        }
        free(copy);
        while (read(device, frame, sizeof(frame)) > 0)
            ;
    }
    printf("failed=%lu refused=%lu taken=%lu other=%lu\n", failed, refused, taken, other);
}

static void run(const char *command)
{
    static unsigned char output[1 << 20];
    FILE *pipe = popen(command, "r");
    size_t length = pipe ? fread(output, 1, sizeof(output), pipe) : 0;
    int status = pipe ? pclose(pipe) : -1;
    printf("%d ", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    print_hex(output, length);
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        line[strcspn(line, "\n")] = 0;
        char *argument = strchr(line, ' ');
        if (argument)
            *argument++ = 0;
        if (!strcmp(line, "open")) {
            device = open(RIPTIDES_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
            print_result(device < 0 ? -1 : 0);
        } else if (!strcmp(line, "second")) {
            int second = open(RIPTIDES_DEVICE, O_RDWR | O_CLOEXEC);
            print_result(second < 0 ? -1 : 0);
            if (second >= 0)
                close(second);
        } else if (!strcmp(line, "close")) {
            print_result(close(device));
        } else if (!strcmp(line, "write")) {
            size_t length = parse_hex(argument);
            print_result(write(device, frame, length));
        } else if (!strcmp(line, "read")) {
            ready(argument ? atoi(argument) : 5000);
            read_frame(FRAME_MAX);
        } else if (!strcmp(line, "nth")) {
            write_failing(argument);
        } else if (!strcmp(line, "readsize")) {
            read_frame(strtoul(argument, NULL, 10));
        } else if (!strcmp(line, "poll")) {
            printf("%x\n", ready(0));
        } else if (!strcmp(line, "run")) {
            fflush(stdout);
            run(argument);
        } else {
            printf("unknown %s\n", line);
            return 2;
        }
        fflush(stdout);
    }
    return 0;
}
