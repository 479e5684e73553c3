// SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
/*
 * Trust stores. Each has one SSL_CTX that all its handshakes share, kept until
 * the file changes, goes away, or the slot is needed for another. A store that
 * cannot be read fails the handshake: an old copy is never fallen back on.
 */
#include <ctype.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "trust.h"
#include "uapi/riptides.h"

#define STORES_MAX	64

/* The ciphers of TLS 1.3 that kernel TLS has from Linux 6.1 on. */
#define CIPHERS "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

#ifndef SSL_OP_NO_RX_CERTIFICATE_COMPRESSION	/* before OpenSSL 3.2 there is none */
#define SSL_OP_NO_RX_CERTIFICATE_COMPRESSION 0
#endif

struct store {
	char name[RIPTIDES_TRUST_SIZE];
	SSL_CTX *context;		/* owned; NULL: a free slot */
	struct stat file;		/* as it was just before it was read */
	unsigned long used;		/* uses of the cache at the last one of it */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* stores, uses */
static struct store stores[STORES_MAX];
static unsigned long uses;
static const char *directory;
static const char *node_store;

void trust_setup(const char *stores_directory, const char *store_of_node)
{
	directory = stores_directory;
	node_store = store_of_node;
}

static bool path_of(const char *name, char *path, size_t size)
{
	const char *c;

	if (!*name)
		return (size_t)snprintf(path, size, "%s", node_store) < size;
	for (c = name; *c; c++) {
		if (!isascii(*c) || !isalnum(*c))
			return false;
	}
	return (size_t)snprintf(path, size, "%s/%s.pem", directory, name) < size;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/*
 * TLS 1.3 and kernel TLS alone. Without read-ahead OpenSSL takes one record at
 * a time from the socket, so that what follows the handshake stays there for
 * the kernel, session tickets included.
 */
static SSL_CTX *new_context(const char *path)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	X509_VERIFY_PARAM *param;

	if (!context)
		return NULL;
	param = SSL_CTX_get0_param(context);
	SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS | SSL_OP_NO_RX_CERTIFICATE_COMPRESSION);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(context, 0);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_security_level(context, 2);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	/* What a store holds is trusted, be it a root or not; names are those of subjectAltName. */
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
					       X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) &&
	    SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) &&
	    SSL_CTX_set_ciphersuites(context, CIPHERS) &&
	    X509_STORE_load_file(SSL_CTX_get_cert_store(context), path))
		return context;
	SSL_CTX_free(context);
	return NULL;
}

/* The slot of a name, or the one that it may have: a free one, or the one longest unused. */
static struct store *slot_of(const char *name)
{
	struct store *best = stores;
	struct store *store;

	for (store = stores; store < stores + STORES_MAX; store++) {
		if (store->context && !strcmp(store->name, name))
			return store;
		if (best->context && (!store->context || store->used < best->used))
			best = store;
	}
	return best;
}

static void empty(struct store *store)
{
	SSL_CTX_free(store->context);
	store->context = NULL;
}

static SSL_CTX *find(const char *name, const char *path, const char **reason)
{
	struct store *store = slot_of(name);
	struct stat file;

	if (store->context && strcmp(store->name, name))
		empty(store);
	if (stat(path, &file)) {
		empty(store);
		*reason = "the trust store is missing";
		return NULL;
	}
	if (store->context && !is_same(&store->file, &file))
		empty(store);
	if (!store->context) {
		store->context = new_context(path);
		snprintf(store->name, sizeof(store->name), "%s", name);
		store->file = file;
	}
	if (!store->context) {
		*reason = "the trust store cannot be read";
		return NULL;
	}
	store->used = ++uses;
	SSL_CTX_up_ref(store->context);
	return store->context;
}

SSL_CTX *trust_context(const char *name, const char **reason)
{
	SSL_CTX *context;
	char path[256];

	if (!path_of(name, path, sizeof(path))) {
		*reason = "the name of the trust store is not one";
		return NULL;
	}
	pthread_mutex_lock(&lock);
	context = find(name, path, reason);
	pthread_mutex_unlock(&lock);
	ERR_clear_error();
	return context;
}
