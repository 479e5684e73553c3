// SPDX-License-Identifier: GPL-2.0-only
/*
 * The agent's half of uapi/riptides.h: each message is checked whole before it
 * has any effect. State and errno values are in the header file; the caller
 * (device.c) lets one frame in at a time.
 */
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "blob.h"
#include "device.h"
#include "health.h"
#include "identity.h"
#include "message.h"
#include "stage.h"
#include "store.h"
#include "wire.h"

struct conversation {
	struct session *session;
	bool open, ended;
	struct stage *stage;	/* owned; NULL outside BEGIN ... COMMIT */
};

struct message {
	size_t size;		/* without the part of free length */
	size_t unit;		/* the free part counts in these; 0: there is none */
	size_t max;		/* units */
	int (*accept)(struct conversation *conversation, const void *frame, size_t free);
};

struct conversation *conversation_new(struct session *session)
{
	struct conversation *conversation = kzalloc(sizeof(*conversation), GFP_KERNEL);

	if (conversation)
		conversation->session = session;
	return conversation;
}

void conversation_free(struct conversation *conversation)
{
	stage_free(conversation->stage);
	kfree(conversation);
}

bool conversation_is_open(const struct conversation *conversation)
{
	return READ_ONCE(conversation->open);
}

static void *new_reply(u16 type, __le64 seq, size_t length)
{
	struct riptides_header *header = kvzalloc(length, GFP_KERNEL);

	if (header) {
		header->length = cpu_to_le32(length);
		header->type = cpu_to_le16(type);
		header->seq = seq;
	}
	return header;
}

/* Letters, digits, '-', '.' and '_', not a '.' first; padded with NULs. */
static int key_check(const struct riptides_key *key)
{
	size_t i, length = strnlen(key->binding, sizeof(key->binding));

	if (length == sizeof(key->binding) ||
	    memchr_inv(key->binding + length, 0, sizeof(key->binding) - length))
		return -EBADMSG;
	if (!length || length > RIPTIDES_BINDING_MAX || !isalnum(key->binding[0]))
		return -EINVAL;
	for (i = 0; i < length; i++) {
		if (!isascii(key->binding[i]) ||
		    (!isalnum(key->binding[i]) && !strchr("-._", key->binding[i])))
			return -EINVAL;
	}
	return 0;
}

static int accept_hello(struct conversation *conversation, const void *frame, size_t free)
{
	const struct riptides_hello *hello = frame;
	struct riptides_hello_ack *ack;
	int err;

	if (conversation->open)
		return -EPROTO;
	if (hello->reserved || strnlen(hello->agent_version, sizeof(hello->agent_version)) ==
					sizeof(hello->agent_version))
		return -EBADMSG;
	if (le32_to_cpu(hello->abi) != RIPTIDES_ABI)
		return -EPROTONOSUPPORT;
	ack = new_reply(RIPTIDES_HELLO_ACK, hello->header.seq, sizeof(*ack));
	if (!ack)
		return -ENOMEM;
	ack->abi = cpu_to_le32(RIPTIDES_ABI);
	ack->bindings_max = cpu_to_le32(RIPTIDES_BINDINGS_MAX);
	ack->content_max = cpu_to_le32(RIPTIDES_CONTENT_MAX);
	ack->blob_max = cpu_to_le32(RIPTIDES_BLOB_MAX);
	ack->generation = cpu_to_le64(store_size().generation);
	strscpy(ack->module_version, THIS_MODULE->version, sizeof(ack->module_version));
	err = device_reply(conversation->session, ack);
	if (err)
		return err;
	WRITE_ONCE(conversation->open, true);
	device_wake();
	return 0;
}

static int accept_begin(struct conversation *conversation, const void *frame, size_t free)
{
	const struct riptides_begin *begin = frame;
	struct stage *stage;

	stage = stage_begin(le64_to_cpu(begin->generation), le32_to_cpu(begin->count),
			    le32_to_cpu(begin->injections));
	if (IS_ERR(stage))
		return PTR_ERR(stage);
	stage_free(conversation->stage);
	conversation->stage = stage;
	return 0;
}

static int accept_binding(struct conversation *conversation, const void *frame, size_t free)
{
	const struct riptides_binding *binding = frame;
	u32 delivery = le32_to_cpu(binding->delivery);
	struct identity *identity;
	int err;

	if (!conversation->stage)
		return -EPROTO;
	if (binding->reserved)
		return -EBADMSG;
	err = key_check(&binding->key);
	if (err)
		return err;
	if (!delivery || delivery & ~RIPTIDES_DELIVER_ALL)
		return -EINVAL;
	identity = identity_parse(binding->facts, free);
	if (IS_ERR(identity))
		return PTR_ERR(identity);
	return stage_add(conversation->stage, &binding->key, delivery, identity);
}

static int accept_injection(struct conversation *conversation, const void *frame, size_t free)
{
	const struct riptides_injection *message = frame;
	struct injection *injection;
	int err;

	if (!conversation->stage)
		return -EPROTO;
	err = key_check(&message->key);
	if (err)
		return err;
	injection = injection_parse(message, free);
	if (IS_ERR(injection))
		return PTR_ERR(injection);
	return stage_inject(conversation->stage, &message->key, injection);
}

static int accept_commit(struct conversation *conversation, const void *frame, size_t free)
{
	const struct riptides_commit *commit = frame;
	int err;

	if (!conversation->stage)
		return -EPROTO;
	err = store_commit(conversation->stage, le64_to_cpu(commit->generation));
	stage_free(conversation->stage);
	conversation->stage = NULL;
	return err;
}

static int accept_credential(struct conversation *conversation, const void *frame, size_t free)
{
	const struct riptides_credential *credential = frame;
	int err = key_check(&credential->key);

	if (err)
		return err;
	if (!free)
		return -EINVAL;
	return store_publish(&credential->key, le64_to_cpu(credential->expires_at_ms),
			     credential->content, free);
}

static int accept_secret(struct conversation *conversation, const void *frame, size_t free)
{
	const struct riptides_secret *message = frame;
	int err = key_check(&message->key);
	struct secret *secret;

	if (err)
		return err;
	secret = secret_parse(message, free);
	if (IS_ERR(secret))
		return PTR_ERR(secret);
	return store_publish_secret(&message->key, le64_to_cpu(message->expires_at_ms), secret);
}

static int accept_wipe(struct conversation *conversation, const void *frame, size_t free)
{
	const struct riptides_wipe *wipe = frame;

	return key_check(&wipe->key) ?: store_wipe(&wipe->key);
}

static int accept_blob_put(struct conversation *conversation, const void *frame, size_t free)
{
	const struct riptides_blob *blob = frame;

	return blob_put(blob->bytes, free);
}

static int accept_blob_get(struct conversation *conversation, const void *frame, size_t free)
{
	const struct riptides_header *header = frame;
	size_t length = blob_length();
	struct riptides_blob *blob;

	blob = new_reply(RIPTIDES_BLOB, header->seq, sizeof(*blob) + length);
	if (!blob)
		return -ENOMEM;
	blob_copy(blob->bytes, length);
	return device_reply(conversation->session, blob);
}

static int accept_stats_get(struct conversation *conversation, const void *frame, size_t free)
{
	const struct riptides_header *header = frame;
	struct riptides_stats *stats;

	stats = new_reply(RIPTIDES_STATS, header->seq, sizeof(*stats));
	if (!stats)
		return -ENOMEM;
	health_stats(stats);
	return device_reply(conversation->session, stats);
}

static int accept_shutdown(struct conversation *conversation, const void *frame, size_t free)
{
	conversation->ended = true;
	device_end(conversation->session);
	return 0;
}

static const struct message messages[] = {
	[RIPTIDES_HELLO] = { sizeof(struct riptides_hello), .accept = accept_hello },
	[RIPTIDES_BEGIN] = { sizeof(struct riptides_begin), .accept = accept_begin },
	[RIPTIDES_BINDING] = { sizeof(struct riptides_binding), sizeof(struct riptides_facts),
			       RIPTIDES_ALTERNATIVES_MAX, accept_binding },
	[RIPTIDES_COMMIT] = { sizeof(struct riptides_commit), .accept = accept_commit },
	[RIPTIDES_CREDENTIAL] = { sizeof(struct riptides_credential), 1, RIPTIDES_CONTENT_MAX,
				  accept_credential },
	[RIPTIDES_WIPE] = { sizeof(struct riptides_wipe), .accept = accept_wipe },
	[RIPTIDES_BLOB_PUT] = { sizeof(struct riptides_blob), 1, RIPTIDES_BLOB_MAX,
				accept_blob_put },
	[RIPTIDES_BLOB_GET] = { sizeof(struct riptides_header), .accept = accept_blob_get },
	[RIPTIDES_STATS_GET] = { sizeof(struct riptides_header), .accept = accept_stats_get },
	[RIPTIDES_SHUTDOWN] = { sizeof(struct riptides_header), .accept = accept_shutdown },
	[RIPTIDES_INJECTION] = { sizeof(struct riptides_injection), sizeof(struct riptides_rule),
				 RIPTIDES_RULES_MAX, accept_injection },
	[RIPTIDES_SECRET] = { sizeof(struct riptides_secret), 1, RIPTIDES_SECRET_MAX,
			      accept_secret },
};

int conversation_accept(struct conversation *conversation, const void *frame, size_t size)
{
	const struct riptides_header *header = frame;
	u16 type = le16_to_cpu(header->type);
	const struct message *message;
	size_t units = 0;

	if (le32_to_cpu(header->length) != size)
		return -EMSGSIZE;
	if (conversation->ended)
		return -ESHUTDOWN;
	if (type >= ARRAY_SIZE(messages) || !messages[type].accept)
		return -EOPNOTSUPP;
	if (header->flags)
		return -EBADMSG;
	message = &messages[type];
	if (size < message->size)
		return -EMSGSIZE;
	if (message->unit) {
		units = (size - message->size) / message->unit;
		if (units > message->max)
			return -EMSGSIZE;
	}
	if (size != message->size + units * message->unit)
		return -EMSGSIZE;
	if (!conversation->open && type != RIPTIDES_HELLO)
		return -EPROTO;
	return message->accept(conversation, frame, units);
}
