// SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "upcall.h"

int upcall_open(void)
{
	int device = open(RIPTIDES_TLS_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	return device < 0 ? -errno : device;
}

int upcall_read(int device, struct riptides_handshake *request)
{
	ssize_t got = read(device, request, sizeof(*request));

	if (got < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return got == sizeof(*request) ? 0 : -EIO;
}

int upcall_accept(int device, uint64_t id)
{
	int fd = ioctl(device, RIPTIDES_TLS_ACCEPT, &id);

	return fd < 0 ? -errno : fd;
}

int upcall_done(int device, uint64_t id, int error)
{
	struct riptides_handshake_result result = { .id = id, .error = error };

	return ioctl(device, RIPTIDES_TLS_DONE, &result) < 0 ? -errno : 0;
}
