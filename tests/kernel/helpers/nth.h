// SPDX-License-Identifier: Apache-2.0
// Makes the n-th allocation of this thread fail (the kernel's Documentation/fault-injection).
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int nth_file = -1;

// Before the first nth_arm(): opening it allocates, too.
static void nth_open(void)
{
    if (nth_file < 0)
        nth_file = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
    if (nth_file < 0) {
        perror("fail-nth");
        exit(2);
    }
}

static void nth_arm(int nth)
{
    if (dprintf(nth_file, "%d", nth) < 0) {
        perror("fail-nth");
        exit(2);
    }
}

// Whether it has failed; from here on none does. Keeps errno.
static bool nth_end(void)
{
    int error = errno;
    char text[16] = "";
    bool failed = pread(nth_file, text, sizeof(text) - 1, 0) > 0 && !atoi(text);
    nth_arm(0);
    errno = error;
    return failed;
}
