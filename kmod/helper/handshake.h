/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef RIPTIDES_TLS_HANDSHAKE_H
#define RIPTIDES_TLS_HANDSHAKE_H

#include <openssl/ssl.h>
#include <stdint.h>
#include "uapi/riptides.h"

/* A TLS 1.3 client handshake on a non-blocking descriptor, which stays the caller's. */
struct handshake {
	SSL *ssl;		/* owned; NULL before begin and after end */
	const char *reason;	/* of a failure; static text, never what the peer sent */
};

/* 0 or a negative errno as of handshake_step(). handshake_end() is due either way. */
int handshake_begin(struct handshake *handshake, int fd, const struct riptides_handshake *request);

/*
 * Goes on as far as the socket lets it. 0: the server is the host it should be
 * and both directions are with kernel TLS. -EAGAIN: again when the socket is
 * ready for handshake_wants(). -EPROTO: the server's fault. -EHOSTDOWN: the
 * node's own.
 */
int handshake_step(struct handshake *handshake);

/* EPOLLIN or EPOLLOUT. */
uint32_t handshake_wants(const struct handshake *handshake);

/* Frees what is there; sends nothing. */
void handshake_end(struct handshake *handshake);

#endif
