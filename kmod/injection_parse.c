// SPDX-License-Identifier: GPL-2.0-only
/*
 * INJECTION frames. What is taken here ends in request heads and in the
 * hands of the TLS helper, so every string is held to the grammar of its place.
 */
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "injection.h"
#include "text.h"
#include "wire.h"

#define LABEL_MAX	63	/* RFC 1035 */
#define NAME_MAX_LENGTH	253

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Lower-case labels of letters, digits and inner '-': a DNS name or an IPv4 address. */
static bool is_host(const char *host)
{
	size_t label = 0, length = strlen(host);
	size_t i;

	if (!length || length > NAME_MAX_LENGTH)
		return false;
	for (i = 0; i < length; i++) {
		if (host[i] == '.') {
			if (!label || host[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!is_lower_alnum(host[i]) && (host[i] != '-' || !label))
			return false;
		if (++label > LABEL_MAX)
			return false;
	}
	return label && host[length - 1] != '-';
}

static bool is_all(const char *text, bool (*allowed)(char c))
{
	while (*text && allowed(*text))
		text++;
	return !*text;
}

static bool is_alnum(char c)
{
	return isascii(c) && isalnum(c);
}

static bool is_scope_char(char c)
{
	return is_lower_alnum(c) || c == '-';
}

/* RFC 9110 section 5.6.2 */
static bool is_token_char(char c)
{
	return is_alnum(c) || strchr("!#$%&'*+-.^_`|~", c);
}

static bool is_visible_or_space(char c)
{
	return c >= 0x20 && c < 0x7f;
}

/* A path as kmod/http.c compares it: without query, fragment and escapes. */
static bool is_path_char(char c)
{
	return c > 0x20 && c < 0x7f && !strchr("?#%\\;", c);
}

/* Fields that decide framing and routing are the application's and http.c's. */
static bool is_framing(const char *name)
{
	static const char *const names[] = {
		"Host", "Content-Length", "Transfer-Encoding", "Connection", "Expect",
		"Upgrade", "HTTP2-Settings", "Keep-Alive", "TE", "Trailer", "Proxy-Connection",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcasecmp(name, names[i]))
			return true;
	return false;
}

static bool is_header_scheme(const struct injection *injection)
{
	return injection->header_name[0] && is_all(injection->header_name, is_token_char) &&
	       !is_framing(injection->header_name) && injection->prefix[0] != ' ' &&
	       is_all(injection->prefix, is_visible_or_space) &&
	       !injection->region[0] && !injection->service[0] && !injection->body_max;
}

static bool is_sigv4_scheme(const struct injection *injection)
{
	return !injection->header_name[0] && !injection->prefix[0] &&
	       injection->region[0] && is_all(injection->region, is_scope_char) &&
	       injection->service[0] && is_all(injection->service, is_scope_char) &&
	       injection->body_max <= RIPTIDES_BODY_MAX;
}

static int check_values(const struct injection *injection, u32 port)
{
	bool scheme;

	switch (injection->scheme) {
	case RIPTIDES_SCHEME_HEADER:
		scheme = is_header_scheme(injection);
		break;
	case RIPTIDES_SCHEME_SIGV4:
		scheme = is_sigv4_scheme(injection);
		break;
	default:
		scheme = false;
	}
	if (!scheme || !port || port > U16_MAX || !is_host(injection->host) ||
	    !is_all(injection->trust, is_alnum) ||
	    injection->handshake_ms > RIPTIDES_HANDSHAKE_MS_MAX)
		return -EINVAL;
	return 0;
}

static bool is_padded(const struct riptides_injection *frame)
{
	return text_is_padded(frame->host, sizeof(frame->host)) &&
	       text_is_padded(frame->trust, sizeof(frame->trust)) &&
	       text_is_padded(frame->header_name, sizeof(frame->header_name)) &&
	       text_is_padded(frame->prefix, sizeof(frame->prefix)) &&
	       text_is_padded(frame->region, sizeof(frame->region)) &&
	       text_is_padded(frame->service, sizeof(frame->service));
}

static int rules_parse(struct injection *injection, const struct riptides_rule *rules, u32 count)
{
	struct riptides_rule *texts;
	u32 i;

	if (!count)
		return 0;
	injection->rules = kcalloc(count, sizeof(*injection->rules), GFP_KERNEL);
	injection->rule_texts = kmemdup(rules, count * sizeof(*rules), GFP_KERNEL);
	if (!injection->rules || !injection->rule_texts)
		return -ENOMEM;
	injection->rule_count = count;
	for (i = 0; i < count; i++) {
		texts = &injection->rule_texts[i];
		if (!text_is_padded(texts->method, sizeof(texts->method)) ||
		    !text_is_padded(texts->path, sizeof(texts->path)))
			return -EBADMSG;
		if (!is_all(texts->method, is_token_char) || texts->path[0] != '/' ||
		    !is_all(texts->path, is_path_char))
			return -EINVAL;
		injection->rules[i].method = texts->method;
		injection->rules[i].prefix = texts->path;
	}
	return 0;
}

struct injection *injection_parse(const struct riptides_injection *frame, u32 rule_count)
{
	struct injection *injection;
	int err;

	if (!is_padded(frame))
		return ERR_PTR(-EBADMSG);
	injection = kzalloc(sizeof(*injection), GFP_KERNEL);
	if (!injection)
		return ERR_PTR(-ENOMEM);
	kref_init(&injection->ref);
	INIT_LIST_HEAD(&injection->node);
	injection->scheme = le32_to_cpu(frame->scheme);
	injection->port = le32_to_cpu(frame->port);
	injection->body_max = le32_to_cpu(frame->body_max);
	injection->handshake_ms = le32_to_cpu(frame->handshake_ms);
	strscpy(injection->host, frame->host, sizeof(injection->host));
	strscpy(injection->trust, frame->trust, sizeof(injection->trust));
	strscpy(injection->header_name, frame->header_name, sizeof(injection->header_name));
	strscpy(injection->prefix, frame->prefix, sizeof(injection->prefix));
	strscpy(injection->region, frame->region, sizeof(injection->region));
	strscpy(injection->service, frame->service, sizeof(injection->service));
	err = check_values(injection, le32_to_cpu(frame->port));
	if (!err)
		err = rules_parse(injection, frame->rules, rule_count);
	if (err) {
		injection_put(injection);
		return ERR_PTR(err);
	}
	if (!injection->handshake_ms)
		injection->handshake_ms = RIPTIDES_HANDSHAKE_MS;
	return injection;
}

static void injection_release(struct kref *ref)
{
	struct injection *injection = container_of(ref, struct injection, ref);

	wire_put(injection->binding);
	kfree(injection->rules);
	kfree(injection->rule_texts);
	kfree(injection);
}

void injection_put(struct injection *injection)
{
	if (injection)
		kref_put(&injection->ref, injection_release);
}

bool injection_is_same(const struct injection *a, const struct injection *b)
{
	return a->scheme == b->scheme && a->port == b->port && a->body_max == b->body_max &&
	       a->handshake_ms == b->handshake_ms && !strcmp(a->host, b->host) &&
	       !strcmp(a->trust, b->trust) && !strcmp(a->header_name, b->header_name) &&
	       !strcmp(a->prefix, b->prefix) && !strcmp(a->region, b->region) &&
	       !strcmp(a->service, b->service) && a->rule_count == b->rule_count &&
	       (!a->rule_count ||
		!memcmp(a->rule_texts, b->rule_texts, a->rule_count * sizeof(*a->rule_texts)));
}
