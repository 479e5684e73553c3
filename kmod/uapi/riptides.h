/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Messages of /dev/riptides between the node agent and the riptides module.
 *
 * One write() carries one frame to the module and its result is the module's
 * answer: the length of the frame, or an errno and no effect. One read()
 * returns one frame from the module. Every integer is little endian, every
 * string is NUL-terminated and padded with NULs, every reserved field is zero.
 *
 * Order: HELLO first. A table is staged by BEGIN, BINDING and INJECTION (after
 * the BINDING it belongs to) and takes effect as a whole at COMMIT. Replies
 * (HELLO_ACK, BLOB, STATS) come before events and carry the seq of their
 * request. Events carry a seq of their own, counting from 1 since the module
 * was loaded.
 *
 * errno of write():
 *   EPROTO          HELLO missing or repeated, BINDING, INJECTION or COMMIT
 *                   without BEGIN
 *   EPROTONOSUPPORT HELLO asks for another ABI
 *   EMSGSIZE        length field, write size, message size or the lengths in
 *                   it do not agree, or a content, secret or blob is over its
 *                   limit
 *   EBADMSG         flags or reserved fields set, string not terminated
 *   EOPNOTSUPP      unknown message type
 *   EINVAL          refused value: name, empty or unknown mask, path, host,
 *                   header name, count or generation of COMMIT, empty content,
 *                   control characters in a secret, expiry out of range
 *   EEXIST          binding staged twice, or a host and port twice in a binding
 *   ENOSPC          more bindings or injections than announced, or than allowed
 *   ENOENT          CREDENTIAL, SECRET or WIPE for a binding that is not in the
 *                   table, or without that delivery; INJECTION for a binding
 *                   that is not staged with RIPTIDES_DELIVER_WIRE
 *   EKEYEXPIRED     CREDENTIAL or SECRET whose expiry has passed
 *   ENOBUFS         too many replies wait to be read
 *   ESHUTDOWN       SHUTDOWN was sent on this descriptor
 *
 * errno of read(): EMSGSIZE when the buffer is shorter than the next frame
 * (which stays queued), EAGAIN, 0 (end of file) after SHUTDOWN. Nothing is
 * delivered before HELLO. open() by a second process is EBUSY.
 */
#ifndef RIPTIDES_UAPI_H
#define RIPTIDES_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RIPTIDES_ABI		2
#define RIPTIDES_DEVICE		"/dev/riptides"
#define RIPTIDES_TLS_DEVICE	"/dev/riptides-tls"	/* for the TLS helper */

#define RIPTIDES_VERSION_SIZE	32	/* bytes of a version string, with its NUL */
#define RIPTIDES_WORKLOAD_SIZE	16	/* bytes of a UUID, RFC 4122 order */
#define RIPTIDES_BINDING_SIZE	256	/* bytes of the name field */
#define RIPTIDES_BINDING_MAX	251	/* "crb-" and the name fit a file name */
#define RIPTIDES_COMM_SIZE	16
#define RIPTIDES_CGROUP_SIZE	1024
#define RIPTIDES_SHA256_SIZE	32
#define RIPTIDES_CONTENT_MAX	4095	/* below one page: one read() is a snapshot */
#define RIPTIDES_BLOB_MAX	65536
#define RIPTIDES_BINDINGS_MAX	4096
#define RIPTIDES_ALTERNATIVES_MAX 16	/* conjunctions of one binding */
#define RIPTIDES_LIFETIME_MAX	315360000000ULL	/* ms from now to an expiry: ten years */
#define RIPTIDES_INJECTIONS_MAX	4096	/* of all bindings together */
#define RIPTIDES_RULES_MAX	32	/* of one injection */
#define RIPTIDES_HOST_SIZE	256	/* a DNS name, lower case */
#define RIPTIDES_TRUST_SIZE	72	/* name of a trust store */
#define RIPTIDES_WORD_SIZE	64	/* header name, scheme, region, service */
#define RIPTIDES_METHOD_SIZE	16
#define RIPTIDES_PATH_SIZE	256
#define RIPTIDES_SECRET_MAX	4095	/* bytes of all values of a SECRET */
#define RIPTIDES_BODY_MAX	16777216	/* largest body_max */
#define RIPTIDES_HANDSHAKE_MS	10000	/* where handshake_ms is 0 */
#define RIPTIDES_HANDSHAKE_MS_MAX 60000

enum riptides_type {
	/* to the module */
	RIPTIDES_HELLO		= 0x0001,
	RIPTIDES_BEGIN		= 0x0002,
	RIPTIDES_BINDING	= 0x0003,
	RIPTIDES_COMMIT		= 0x0004,
	RIPTIDES_CREDENTIAL	= 0x0005,
	RIPTIDES_WIPE		= 0x0006,
	RIPTIDES_BLOB_PUT	= 0x0007,
	RIPTIDES_BLOB_GET	= 0x0008,	/* header only */
	RIPTIDES_STATS_GET	= 0x0009,	/* header only */
	RIPTIDES_SHUTDOWN	= 0x000a,	/* header only */
	RIPTIDES_INJECTION	= 0x000b,
	RIPTIDES_SECRET		= 0x000c,

	/* replies */
	RIPTIDES_HELLO_ACK	= 0x8001,
	RIPTIDES_BLOB		= 0x8002,
	RIPTIDES_STATS		= 0x8003,

	/* events */
	RIPTIDES_GRANT		= 0xc001,
	RIPTIDES_DENY		= 0xc002,
	RIPTIDES_EXPIRE		= 0xc003,
	RIPTIDES_LOST		= 0xc004,
	RIPTIDES_WIRE		= 0xc005,
};

/* Facts a reader must have: all that are in the mask. */
enum riptides_fact {
	RIPTIDES_FACT_CGROUP	= 1 << 0,	/* cgroup v2 path, or below it */
	RIPTIDES_FACT_UID	= 1 << 1,	/* real, effective and fs uid */
	RIPTIDES_FACT_GID	= 1 << 2,	/* real, effective and fs gid */
	RIPTIDES_FACT_USERNS	= 1 << 3,	/* else the initial user namespace */
	RIPTIDES_FACT_EXE	= 1 << 4,	/* device and inode as stat() tells */
	RIPTIDES_FACT_SHA256	= 1 << 5,	/* digest of the executable */
	RIPTIDES_FACT_COMM	= 1 << 6,	/* process name: the reader can set it */
	RIPTIDES_FACT_ALL	= (1 << 7) - 1,
};

/* Why a read was refused. The reader sees EACCES unless noted. */
enum riptides_reason {
	RIPTIDES_DENY_NONE	= 0,
	RIPTIDES_DENY_KERNEL	= 1,	/* a kernel thread, not a process */
	RIPTIDES_DENY_USERNS	= 2,
	RIPTIDES_DENY_UID	= 3,
	RIPTIDES_DENY_GID	= 4,
	RIPTIDES_DENY_OPENER	= 5,	/* descriptor opened by other credentials */
	RIPTIDES_DENY_TRACED	= 6,	/* the reader is being traced */
	RIPTIDES_DENY_COMM	= 7,
	RIPTIDES_DENY_CGROUP	= 8,
	RIPTIDES_DENY_EXE	= 9,
	RIPTIDES_DENY_SHA256	= 10,
	RIPTIDES_DENY_EMPTY	= 11,	/* bound reader, no content yet: ENODATA */
	RIPTIDES_DENY_EXPIRED	= 12,	/* bound reader: EKEYEXPIRED */
	RIPTIDES_DENY_FAULT	= 13,	/* facts could not be found out: EACCES */
};

#define RIPTIDES_REASONS	16	/* size of the counter array, by reason */

/* How a binding's credential reaches the workload: a mask, not 0. */
enum riptides_delivery {
	RIPTIDES_DELIVER_FILE	= 1 << 0,	/* vault.json; takes CREDENTIAL */
	RIPTIDES_DELIVER_WIRE	= 1 << 1,	/* INJECTION; takes SECRET */
	RIPTIDES_DELIVER_ALL	= (1 << 2) - 1,
};

/* What is added to a request. */
enum riptides_scheme {
	RIPTIDES_SCHEME_HEADER	= 1,	/* <header>: <prefix><value> */
	RIPTIDES_SCHEME_SIGV4	= 2,	/* AWS Signature Version 4 */
};

/* What happened on a connection of a bound process to a declared port. */
enum riptides_wire_kind {
	RIPTIDES_WIRE_INJECTED	= 1,	/* a request left with the credential */
	RIPTIDES_WIRE_OWN_TLS	= 2,	/* the process brings its own TLS: untouched */
	RIPTIDES_WIRE_REFUSED	= 3,	/* rule or host: EACCES */
	RIPTIDES_WIRE_MALFORMED	= 4,	/* not a request that can be governed: EINVAL, EMSGSIZE, EPROTO */
	RIPTIDES_WIRE_NO_SECRET	= 5,	/* no live secret: EACCES */
	RIPTIDES_WIRE_HANDSHAKE	= 6,	/* TLS failed: EPROTO, ETIMEDOUT, EHOSTDOWN */
	RIPTIDES_WIRE_IDENTITY	= 7,	/* the writer is not the bound process: EACCES */
	RIPTIDES_WIRE_BROKEN	= 8,	/* failed after the handshake */
};

#define RIPTIDES_WIRE_KINDS	12	/* size of the counter array, by kind */

struct riptides_header {
	__le32 length;			/* bytes of the whole frame */
	__le16 type;			/* enum riptides_type */
	__le16 flags;			/* 0 */
	__le64 seq;
};

/* One binding of one workload. The name holds letters, digits, '-', '.', '_'. */
struct riptides_key {
	__u8 workload[RIPTIDES_WORKLOAD_SIZE];
	char binding[RIPTIDES_BINDING_SIZE];
};

/* Fields outside the mask are zero. uid and gid are of the initial namespace. */
struct riptides_facts {
	__le32 mask;			/* enum riptides_fact, not 0 */
	__le32 uid;
	__le32 gid;
	__le32 userns;			/* inode number of the namespace */
	__le32 exe_major;
	__le32 exe_minor;
	__le64 exe_inode;
	__u8 exe_sha256[RIPTIDES_SHA256_SIZE];
	char comm[RIPTIDES_COMM_SIZE];
	char cgroup[RIPTIDES_CGROUP_SIZE];	/* "/system.slice/x.service" */
};

struct riptides_hello {
	struct riptides_header header;
	__le32 abi;
	__le32 reserved;
	char agent_version[RIPTIDES_VERSION_SIZE];
};

struct riptides_begin {
	struct riptides_header header;
	__le64 generation;
	__le32 count;			/* BINDING frames that follow */
	__le32 injections;		/* INJECTION frames that follow */
};

/* A reader must satisfy one of the alternatives: a disjunction of conjunctions. */
struct riptides_binding {
	struct riptides_header header;
	struct riptides_key key;
	__le32 delivery;		/* enum riptides_delivery */
	__le32 reserved;
	struct riptides_facts facts[];	/* to the end of the frame, 1 to 16 */
};

/* A request that is allowed. An empty method is any method. */
struct riptides_rule {
	char method[RIPTIDES_METHOD_SIZE];	/* "POST" */
	char path[RIPTIDES_PATH_SIZE];		/* prefix, ends at a segment */
};

/*
 * A service to which requests of a binding's processes are carried over TLS 1.3
 * with its secret. The server must prove that it is `host`. `trust` names the
 * certificate authorities (/run/riptides/trust/<trust>.pem, for the TLS
 * helper); empty: those of the node. Fields of the other scheme are zero.
 */
struct riptides_injection {
	struct riptides_header header;
	struct riptides_key key;
	__le32 scheme;				/* enum riptides_scheme */
	__le32 port;				/* 1 to 65535 */
	__le32 body_max;			/* SigV4: bytes of a body kept to be signed */
	__le32 handshake_ms;			/* longest handshake; 0: RIPTIDES_HANDSHAKE_MS */
	char host[RIPTIDES_HOST_SIZE];		/* DNS name in lower case, or IPv4 address */
	char trust[RIPTIDES_TRUST_SIZE];	/* letters and digits */
	char header_name[RIPTIDES_WORD_SIZE];	/* "Authorization"; none that frames or routes */
	char prefix[RIPTIDES_WORD_SIZE];	/* "Bearer ", or empty */
	char region[RIPTIDES_WORD_SIZE];
	char service[RIPTIDES_WORD_SIZE];
	struct riptides_rule rules[];		/* to the end; none: everything */
};

/*
 * Publishes or rotates what a binding's injections add, in one step. A secret
 * of the other scheme than an injection's is none for it.
 */
struct riptides_secret {
	struct riptides_header header;
	struct riptides_key key;
	__le64 expires_at_ms;			/* Unix time */
	/*
	 * Lengths of the values that follow each other in `bytes`: of the header's
	 * value, or of access key, secret key and session token (may be 0). The
	 * rest 0. They add up to the length of `bytes`.
	 */
	__le32 lengths[4];
	__u8 bytes[];
};

/* Swaps the table. Bindings with the same key keep their content and secret. */
struct riptides_commit {
	struct riptides_header header;
	__le64 generation;		/* that of BEGIN */
};

/* Publishes or rotates the content of one binding in one step. */
struct riptides_credential {
	struct riptides_header header;
	struct riptides_key key;
	__le64 expires_at_ms;		/* Unix time */
	__u8 content[];			/* to the end of the frame, 1 to 4095 bytes */
};

/* Forgets content and secret of one binding; its file stays and reads ENODATA. */
struct riptides_wipe {
	struct riptides_header header;
	struct riptides_key key;
};

/* BLOB_PUT and BLOB: bytes of the agent's, kept in memory until unload. */
struct riptides_blob {
	struct riptides_header header;
	__u8 bytes[];			/* to the end of the frame, 0 to 65536 bytes */
};

struct riptides_hello_ack {
	struct riptides_header header;
	__le32 abi;
	__le32 bindings_max;
	__le32 content_max;
	__le32 blob_max;
	__le64 generation;		/* of the table in force, 0 at load */
	char module_version[RIPTIDES_VERSION_SIZE];
};

struct riptides_stats {
	struct riptides_header header;
	__le64 generation;
	__le64 grants;			/* first reads: by process and content */
	__le64 reads;			/* reads that returned content */
	__le64 denied[RIPTIDES_REASONS];
	__le64 expired;			/* contents and secrets wiped at their expiry */
	__le64 wiped;			/* the same by WIPE, COMMIT or rotation */
	__le64 events_lost;
	__le64 malformed;		/* frames refused */
	__le32 bindings;
	__le32 contents;		/* bindings that hold a live content */
	__le32 blob_length;
	__le32 injections;
	__le64 wire[RIPTIDES_WIRE_KINDS];	/* by enum riptides_wire_kind */
	__le64 handshakes;		/* begun */
	__le32 connections;		/* that live now */
	__le32 helper;			/* 1: the TLS helper is connected */
};

/*
 * GRANT: the first read of a content by a process. DENY: a refused read, not
 * more than one a second for the same process and reason. EXPIRE: a content or
 * a secret has reached its end and is wiped (pid, uid, comm and reason are zero).
 */
struct riptides_event {
	struct riptides_header header;
	struct riptides_key key;
	__le64 at_ms;			/* Unix time of the event */
	__le64 revision;		/* counts the contents, or the secrets, from 1 */
	__le32 pid;			/* process, in the initial pid namespace */
	__le32 uid;
	__le32 reason;			/* enum riptides_reason */
	__le32 reserved;
	char comm[RIPTIDES_COMM_SIZE];
};

/*
 * WIRE: what happened on a connection; not more than one a second for the same
 * process, kind and binding, INJECTED once for each process and secret.
 */
struct riptides_wire_event {
	struct riptides_header header;
	struct riptides_key key;
	__le64 at_ms;			/* Unix time of the event */
	__le64 revision;		/* INJECTED: counts the secrets of a binding, from 1 */
	__le32 kind;			/* enum riptides_wire_kind */
	__le32 error;			/* errno the process sees, 0: none */
	__le32 pid;
	__le32 uid;
	__le32 port;
	__le32 reserved;
	char comm[RIPTIDES_COMM_SIZE];
	char host[RIPTIDES_HOST_SIZE];	/* of the service; empty: not known yet */
};

/* Events the agent did not read in time. */
struct riptides_lost {
	struct riptides_header header;
	__le64 count;
};

/*
 * /dev/riptides-tls, for the TLS helper (mode 0600, one opener). One read()
 * gives one request (EMSGSIZE when the buffer is shorter), poll() tells when
 * there is one. ACCEPT gives a descriptor of the connected socket, on which
 * the helper does a TLS 1.3 client handshake for `host` and installs the keys
 * of both directions into kernel TLS. DONE gives the socket back; the helper
 * closes its descriptor. The module believes only what it sees in the socket.
 * What is not done at the deadline, or when the helper closes the device,
 * fails. Integers are of the machine's own order.
 */
struct riptides_handshake {
	__u64 id;
	__u32 deadline_ms;		/* left when it was read */
	__u32 reserved;
	char host[RIPTIDES_HOST_SIZE];
	char trust[RIPTIDES_TRUST_SIZE];
	char alpn[16];			/* "http/1.1" */
};

struct riptides_handshake_result {
	__u64 id;
	__s32 error;			/* 0, or a negative errno */
	__u32 reserved;
};

#define RIPTIDES_TLS_ACCEPT	_IOW(0xb7, 1, __u64)	/* returns a descriptor */
#define RIPTIDES_TLS_DONE	_IOW(0xb7, 2, struct riptides_handshake_result)

/*
 * getsockopt() on a socket that the module carries, for the process that owns
 * it; EOPNOTSUPP on any other.
 */
#define SOL_RIPTIDES		0x5274
#define RIPTIDES_SO_STATE	1

struct riptides_so_state {
	__u32 state;			/* enum riptides_so_state_value */
	__s32 error;			/* first error, a negative errno */
	__u64 requests;
	__u64 injections;
	char host[RIPTIDES_HOST_SIZE];
};

enum riptides_so_state_value {
	RIPTIDES_SO_FIRST	= 0,	/* nothing written yet */
	RIPTIDES_SO_COLLECT	= 1,	/* the first head is not complete */
	RIPTIDES_SO_HANDSHAKE	= 2,
	RIPTIDES_SO_OPEN	= 3,
	RIPTIDES_SO_PASS	= 4,	/* own TLS, or not a bound process: untouched */
	RIPTIDES_SO_FAIL	= 5,
};

#endif
