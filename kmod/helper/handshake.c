// SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include "handshake.h"
#include "trust.h"

static bool is_address(const char *host)
{
	struct in6_addr address;

	return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

/* A name is asked for (SNI) and checked; an address is only checked, as TLS has it. */
static bool expect_host(SSL *ssl, const char *host)
{
	if (!*host)
		return false;
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
	return SSL_set_tlsext_host_name(ssl, host) && SSL_set1_host(ssl, host);
}

/* One protocol in wire form: its length and its name. */
static bool offer_protocol(SSL *ssl, const char *name)
{
	unsigned char wire[1 + sizeof(((struct riptides_handshake *)0)->alpn)];
	size_t length = strlen(name);

	if (!length)
		return true;
	wire[0] = length;
	memcpy(wire + 1, name, length);
	return !SSL_set_alpn_protos(ssl, wire, length + 1);
}

int handshake_begin(struct handshake *handshake, int fd, const struct riptides_handshake *request)
{
	SSL_CTX *context;

	*handshake = (struct handshake){ .reason = "" };
	context = trust_context(request->trust, &handshake->reason);
	if (!context)
		return -EPROTO;
	handshake->ssl = SSL_new(context);
	SSL_CTX_free(context);
	if (!handshake->ssl || !SSL_set_fd(handshake->ssl, fd)) {
		handshake->reason = "out of memory";
		return -EHOSTDOWN;
	}
	if (!expect_host(handshake->ssl, request->host) || !offer_protocol(handshake->ssl, request->alpn)) {
		handshake->reason = "the host is neither a name nor an address";
		return -EPROTO;
	}
	return 0;
}

/* The keys must be where the module's records are made, and nothing read that is the kernel's to read. */
static int check_kernel_tls(struct handshake *handshake)
{
	SSL *ssl = handshake->ssl;

	if (!BIO_get_ktls_send(SSL_get_wbio(ssl)) || !BIO_get_ktls_recv(SSL_get_rbio(ssl)))
		handshake->reason = "kernel TLS did not take the keys (is the kernel's module tls loaded?)";
	else if (SSL_has_pending(ssl))
		handshake->reason = "records were read that kernel TLS should read";
	else
		return 0;
	return -EHOSTDOWN;
}

/* Chosen from OpenSSL's own texts: nothing a server says gets into a log. */
static const char *failure(SSL *ssl, int error)
{
	long verdict = SSL_get_verify_result(ssl);
	const char *text;

	if (verdict != X509_V_OK)
		return X509_verify_cert_error_string(verdict);
	if (error == SSL_ERROR_SYSCALL && !ERR_peek_error())
		return "the connection was lost";
	text = ERR_reason_error_string(ERR_peek_error());
	return text ? text : "the handshake was broken off";
}

int handshake_step(struct handshake *handshake)
{
	int error;

	ERR_clear_error();
	if (SSL_connect(handshake->ssl) == 1)
		return check_kernel_tls(handshake);
	error = SSL_get_error(handshake->ssl, 0);
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	handshake->reason = failure(handshake->ssl, error);
	ERR_clear_error();
	return -EPROTO;
}

uint32_t handshake_wants(const struct handshake *handshake)
{
	return SSL_want_write(handshake->ssl) ? EPOLLOUT : EPOLLIN;
}

void handshake_end(struct handshake *handshake)
{
	SSL_free(handshake->ssl);
	handshake->ssl = NULL;
}
