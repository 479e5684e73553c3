// SPDX-License-Identifier: Apache-2.0
/* reader FILE... : reads each file (open, read, close) in turn, rounds of 2,000; prints the nanoseconds of one read of each, one line a round. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 9, READS = 2000 };

static double read_file(const char *path)
{
	struct timespec begin, end;
	char content[4096];

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < READS; i++) {
		int file = open(path, O_RDONLY | O_CLOEXEC);

		if (file < 0 || read(file, content, sizeof(content)) <= 0) {
			perror(path);
			exit(1);
		}
		close(file);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	return ((end.tv_sec - begin.tv_sec) * 1e9 + (end.tv_nsec - begin.tv_nsec)) / READS;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		read_file(argv[i]);
	for (int round = 0; round < ROUNDS; round++)
		for (int i = 1; i < argc; i++)
			printf("%.1f%c", read_file(argv[i]), i + 1 < argc ? ' ' : '\n');
	return 0;
}
