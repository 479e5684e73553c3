/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef RIPTIDES_TLS_TRUST_H
#define RIPTIDES_TLS_TRUST_H

#include <openssl/ssl.h>

/* Where trust stores are: <directory>/<name>.pem, and the one that an empty name means. */
void trust_setup(const char *directory, const char *node_store);

/*
 * The TLS configuration that trusts the named store, with a reference for the
 * caller (SSL_CTX_free). NULL: `reason` says why. A store that has changed on
 * disk is read again. For any thread.
 */
SSL_CTX *trust_context(const char *name, const char **reason);

#endif
