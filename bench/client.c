// SPDX-License-Identifier: Apache-2.0
/*
 * client PORT plain|tls KEY CONNECTIONS REQUESTS : asks 127.0.0.1:PORT for api.openai.com's models, REQUESTS times on each of CONNECTIONS
 * connections, one after another; prints requests a second and the 99th percentile of a request's time in microseconds. The first request of a
 * connection includes connecting, and with tls the handshake (TLS 1.3, the server verified).
 */
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <string.h>

#include "loopback.h"

static const char host[] = "api.openai.com";

struct stream {
	int fd;
	SSL *ssl;	/* or NULL */
};

static SSL_CTX *tls(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
	    !SSL_CTX_load_verify_locations(context, "/etc/ssl/certs/ca-certificates.crt", NULL))
		fail("TLS");
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	return context;
}

static struct stream open_stream(int port, SSL_CTX *context)
{
	struct sockaddr_in address = loopback(port);
	struct stream stream = { .fd = socket(AF_INET, SOCK_STREAM, 0) };
	int one = 1;

	if (stream.fd < 0 || connect(stream.fd, (struct sockaddr *)&address, sizeof(address)))
		fail("connect");
	setsockopt(stream.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!context)
		return stream;
	stream.ssl = SSL_new(context);
	SSL_set_tlsext_host_name(stream.ssl, host);
	if (!SSL_set1_host(stream.ssl, host) || !SSL_set_fd(stream.ssl, stream.fd) || SSL_connect(stream.ssl) != 1)
		fail("handshake");
	return stream;
}

static void close_stream(struct stream *stream)
{
	SSL_free(stream->ssl);
	close_at_once(stream->fd);
}

static void write_all(struct stream *stream, const char *bytes, size_t length)
{
	ssize_t n = stream->ssl ? SSL_write(stream->ssl, bytes, length) : send(stream->fd, bytes, length, 0);

	if (n != (ssize_t)length)
		fail("write");
}

static void read_answer(struct stream *stream)
{
	char text[8192];
	size_t have = 0, whole = 0;

	while (!whole || have < whole) {
		ssize_t n = stream->ssl ? SSL_read(stream->ssl, text + have, sizeof(text) - 1 - have) :
					  recv(stream->fd, text + have, sizeof(text) - 1 - have, 0);
		char *end, *length;

		if (n <= 0)
			fail("read");
		have += n;
		text[have] = 0;
		end = strstr(text, "\r\n\r\n");
		if (!end || whole)
			continue;
		length = strcasestr(text, "\r\nContent-Length: ");
		if (strncmp(text, "HTTP/1.1 200", 12) || !length || length > end) {
			fprintf(stderr, "answer: %.60s\n", text);
			exit(1);
		}
		whole = end + 4 - text + strtoul(length + 18, NULL, 10);
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	char request[512];
	int port, connections, requests, done = 0;
	SSL_CTX *context;
	double *times, begin;

	if (argc != 6) {
		fprintf(stderr, "usage: client PORT plain|tls KEY CONNECTIONS REQUESTS\n");
		return 2;
	}
	port = atoi(argv[1]);
	context = strcmp(argv[2], "tls") ? NULL : tls();
	connections = atoi(argv[4]);
	requests = atoi(argv[5]);
	snprintf(request, sizeof(request),
		 "GET /v1/models HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nAccept: application/json\r\n\r\n", host, argv[3]);
	times = calloc(connections * requests, sizeof(*times));
	begin = now();
	for (int i = 0; i < connections; i++) {
		double last = now();
		struct stream stream = open_stream(port, context);

		for (int j = 0; j < requests; j++) {
			double end;

			write_all(&stream, request, strlen(request));
			read_answer(&stream);
			end = now();
			times[done++] = end - last;
			last = end;
		}
		close_stream(&stream);
	}
	begin = now() - begin;
	qsort(times, done, sizeof(*times), compare);
	printf("%.3f %.3f\n", done * 1e9 / begin, times[done * 99 / 100] / 1e3);
	return 0;
}
