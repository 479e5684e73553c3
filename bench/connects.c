// SPDX-License-Identifier: Apache-2.0
/*
 * connects PORT : connects to a listener of its own on 127.0.0.1:PORT, sends one byte and waits for one, rounds of 50; prints the nanoseconds
 * of connect() and of that exchange, one line a round.
 */
#include <signal.h>
#include <sys/prctl.h>

#include "loopback.h"

enum { ROUNDS = 40, CONNECTS = 50 };

/* Answers one byte with one byte, until its parent ends. */
static void serve(int listener)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int client = accept(listener, NULL, NULL);
		char byte;

		if (client < 0)
			fail("accept");
		while (recv(client, &byte, 1, 0) == 1)
			if (send(client, &byte, 1, MSG_NOSIGNAL) != 1)
				break;
		close(client);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = loopback(argc == 2 ? atoi(argv[1]) : 0);
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 128))
		fail("listen");
	if (!fork())
		serve(listener);
	for (int round = 0; round < ROUNDS; round++) {
		double connecting = 0, exchanging = 0;

		for (int i = 0; i < CONNECTS; i++) {
			int fd = socket(AF_INET, SOCK_STREAM, 0);
			double begin = now(), middle;
			char byte = 'x';

			if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
				fail("connect");
			middle = now();
			if (send(fd, &byte, 1, 0) != 1 || recv(fd, &byte, 1, 0) != 1)
				fail("exchange");
			exchanging += now() - middle;
			connecting += middle - begin;
			close_at_once(fd);
		}
		printf("%.1f %.1f\n", connecting / CONNECTS, exchanging / CONNECTS);
	}
	return 0;
}
