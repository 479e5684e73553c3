/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef RIPTIDES_TLS_UPCALL_H
#define RIPTIDES_TLS_UPCALL_H

#include <stdint.h>
#include "uapi/riptides.h"

/* A non-blocking descriptor of the module's device for TLS helpers; -EBUSY while another helper has it. */
int upcall_open(void);

/* The next request. -EAGAIN: there is none now; any other error: the device is of no more use. */
int upcall_read(int device, struct riptides_handshake *request);

/* A descriptor of the request's socket, owned by the caller. -ENOENT: nobody waits for it any more. */
int upcall_accept(int device, uint64_t id);

/* Gives the socket back with 0 or a negative errno. -ENOENT as above. */
int upcall_done(int device, uint64_t id, int error);

#endif
