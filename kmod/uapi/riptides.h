/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Messages of /dev/riptides between the node agent and the riptides module.
 *
 * One write() carries one frame to the module and its result is the module's
 * answer: the length of the frame, or an errno and no effect. One read()
 * returns one frame from the module. Every integer is little endian, every
 * string is NUL-terminated and padded with NULs, every reserved field is zero.
 *
 * Order: HELLO first. A table of bindings is staged by BEGIN and BINDING and
 * takes effect as a whole at COMMIT. Replies (HELLO_ACK, BLOB, STATS) come
 * before events and carry the seq of their request. Events carry a seq of
 * their own, counting from 1 since the module was loaded.
 *
 * errno of write():
 *   EPROTO          HELLO missing or repeated, BINDING or COMMIT without BEGIN
 *   EPROTONOSUPPORT HELLO asks for another ABI
 *   EMSGSIZE        length field, write size and message size do not agree, or
 *                   the content or blob is over its limit
 *   EBADMSG         flags or reserved fields set, string not terminated
 *   EOPNOTSUPP      unknown message type
 *   EINVAL          refused value: name, empty or unknown mask, path, count or
 *                   generation of COMMIT, empty content, expiry out of range
 *   EEXIST          binding staged twice
 *   ENOSPC          more bindings than BEGIN announced, or than allowed
 *   ENOENT          CREDENTIAL or WIPE for a binding that is not in the table
 *   EKEYEXPIRED     CREDENTIAL whose expiry has passed
 *   ENOBUFS         too many replies wait to be read
 *   ESHUTDOWN       SHUTDOWN was sent on this descriptor
 *
 * errno of read(): EMSGSIZE when the buffer is shorter than the next frame
 * (which stays queued), EAGAIN, 0 (end of file) after SHUTDOWN. Nothing is
 * delivered before HELLO. open() by a second process is EBUSY.
 */
#ifndef RIPTIDES_UAPI_H
#define RIPTIDES_UAPI_H

#include <linux/types.h>

#define RIPTIDES_ABI		1
#define RIPTIDES_DEVICE		"/dev/riptides"

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

	/* replies */
	RIPTIDES_HELLO_ACK	= 0x8001,
	RIPTIDES_BLOB		= 0x8002,
	RIPTIDES_STATS		= 0x8003,

	/* events */
	RIPTIDES_GRANT		= 0xc001,
	RIPTIDES_DENY		= 0xc002,
	RIPTIDES_EXPIRE		= 0xc003,
	RIPTIDES_LOST		= 0xc004,
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
	__le32 reserved;
};

/* A reader must satisfy one of the alternatives: a disjunction of conjunctions. */
struct riptides_binding {
	struct riptides_header header;
	struct riptides_key key;
	struct riptides_facts facts[];	/* to the end of the frame, 1 to 16 */
};

/* Swaps the table. Bindings with the same key keep their content. */
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

/* Forgets the content of one binding; its file stays and reads ENODATA. */
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
	__le64 expired;			/* contents wiped at their expiry */
	__le64 wiped;			/* contents wiped by WIPE, COMMIT or rotation */
	__le64 events_lost;
	__le64 malformed;		/* frames refused */
	__le32 bindings;
	__le32 contents;		/* bindings that hold a live content */
	__le32 blob_length;
	__le32 reserved;
};

/*
 * GRANT: the first read of a content by a process. DENY: a refused read, not
 * more than one a second for the same process and reason. EXPIRE: a content
 * has reached its end and is wiped (pid, uid, comm and reason are zero).
 */
struct riptides_event {
	struct riptides_header header;
	struct riptides_key key;
	__le64 at_ms;			/* Unix time of the event */
	__le64 revision;		/* counts the contents of a binding, from 1 */
	__le32 pid;			/* process, in the initial pid namespace */
	__le32 uid;
	__le32 reason;			/* enum riptides_reason */
	__le32 reserved;
	char comm[RIPTIDES_COMM_SIZE];
};

/* Events the agent did not read in time. */
struct riptides_lost {
	struct riptides_header header;
	__le64 count;
};

#endif
