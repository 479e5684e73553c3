// SPDX-License-Identifier: Apache-2.0
// fuzz SEED COUNT: sends COUNT frames to /dev/riptides, valid ones (hex lines on stdin) changed at random and random
// ones, and prints how often each answer came. Reads what the module replies so that its queue stays empty.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "uapi/riptides.h"

#define SEEDS 64
#define FRAME_MAX (sizeof(struct riptides_header) + RIPTIDES_BLOB_MAX)

static unsigned char seeds[SEEDS][FRAME_MAX];
static size_t lengths[SEEDS];
static int seed_count;
static unsigned char frame[FRAME_MAX + 64], reply[FRAME_MAX];
static unsigned long answers[200];

static void read_seeds(void)
{
    char *line = NULL;
    size_t size = 0;
    while (seed_count < SEEDS && getline(&line, &size, stdin) > 0) {
        size_t length = 0;
        while (length < FRAME_MAX && sscanf(line + 2 * length, "%2hhx", &seeds[seed_count][length]) == 1)
            length++;
        lengths[seed_count++] = length;
    }
}

static int open_device(void)
{
    int device = open(RIPTIDES_DEVICE, O_RDWR | O_NONBLOCK);
    if (device < 0) {
        perror(RIPTIDES_DEVICE);
        exit(1);
    }
    if (write(device, seeds[0], lengths[0]) < 0) {
        perror("HELLO");
        exit(1);
    }
    return device;
}

static size_t make_frame(void)
{
    int seed = rand() % seed_count;
    size_t length = lengths[seed];
    memcpy(frame, seeds[seed], length);
    for (int changes = rand() % 8; changes > 0; changes--) {
        switch (rand() % 6) {
        case 0:
            frame[rand() % length] = rand();
            break;
        case 1:
            frame[rand() % length] ^= 1 << rand() % 8;
            break;
        case 2:
            length = 1 + rand() % (length + 32);
            break;
        case 3:
            for (size_t i = 16 + rand() % 400; i < length; i++)
                frame[i] = rand();
            break;
        case 4:
            ((struct riptides_header *)frame)->type = rand() % 14;
            break;
        case 5:
            memset(frame + rand() % length, rand(), 1);
            break;
        }
        length = length > sizeof(frame) ? sizeof(frame) : length;
    }
    if (rand() % 4)
        ((struct riptides_header *)frame)->length = length;
    return length;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    srand(atoi(argv[1]));
    read_seeds();
    int device = open_device();
    for (long i = atol(argv[2]); i > 0; i--) {
        size_t length = make_frame();
        ssize_t written = write(device, frame, length);
        int error = written < 0 ? errno : 0;
        if (written >= 0 && (size_t)written != length) {
            printf("short write %zd of %zu\n", written, length);
            return 1;
        }
        answers[error < 200 ? error : 199]++;
        while (read(device, reply, sizeof(reply)) > 0)
            ;
        if (error == ESHUTDOWN || rand() % 500 == 0) {
            close(device);
            device = open_device();
        }
    }
    for (int error = 0; error < 200; error++)
        if (answers[error])
            printf("%s %lu\n", error ? strerrorname_np(error) : "ok", answers[error]);
    return 0;
}
