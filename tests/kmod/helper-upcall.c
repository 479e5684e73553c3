// SPDX-License-Identifier: Apache-2.0
/*
 * The device of kmod/helper/ in user space, for tests of everything else of the
 * helper: requests come from standard input, the socket is a connection to the
 * port of 127.0.0.1 in the low 16 bits of the request's id, a result is a line
 * "<id> <error>" among those of the log. Nobody waits any more for id 0, nor, once
 * the handshake has begun, for one with ABANDONED.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include "upcall.h"

#define HELD	64
#define ABANDONED	(1ULL << 62)

/* As the module does, one more reference of each socket is held for a while. */
static void hold(int fd)
{
	static _Atomic unsigned int count;
	static _Atomic int held[HELD];
	int before = atomic_exchange(&held[count++ % HELD], dup(fd));

	if (before > 0)
		close(before);
}

int upcall_open(void)
{
	return fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) ? -errno : STDIN_FILENO;
}

int upcall_read(int device, struct riptides_handshake *request)
{
	ssize_t got = read(device, request, sizeof(*request));

	if (got < 0)
		return -errno;
	return got == sizeof(*request) ? 0 : -EIO;
}

int upcall_accept(int device, uint64_t id)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(id & 0xffff) };
	int fd = id ? socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;

	(void)device;
	if (!id)
		return -ENOENT;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		fd = -1;
	}
	if (fd < 0)
		return -errno;
	hold(fd);
	return fd;
}

int upcall_done(int device, uint64_t id, int error)
{
	(void)device;
	dprintf(STDERR_FILENO, "%llu %d\n", (unsigned long long)id, error);
	return id & ABANDONED ? -ENOENT : 0;
}
