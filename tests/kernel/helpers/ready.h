// SPDX-License-Identifier: Apache-2.0
// Tells systemd that a helper which was started as a unit of Type=notify is ready.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void tell_ready(void)
{
    struct sockaddr_un manager = { .sun_family = AF_UNIX };
    const char *path = getenv("NOTIFY_SOCKET");
    int notify = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (!path)
        return;
    strncpy(manager.sun_path, path, sizeof(manager.sun_path) - 1);
    if (sendto(notify, "READY=1", 7, 0, (struct sockaddr *)&manager, sizeof(manager)) < 0)
        perror("READY");
    close(notify);
}
