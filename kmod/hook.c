// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracepoint inet_sock_set_state, CLOSE to SYN_SENT: a process connects.
 * Runs in the connecting task with sk locked and preemption off, with the
 * destination known and before anything is sent.
 *
 * It cannot refuse. A connection that should be carried and cannot (no memory,
 * data in the SYN) is made unable to send instead.
 *
 * A subflow of Multipath TCP shares the application's struct socket, whose sk is
 * another. Its data would go past us into the subflow, so it fails at the first
 * call of a process that is bound (conn_classify()).
 */
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <net/inet_connection_sock.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/tcp.h>

#include "conn.h"
#include "gate.h"
#include "hook.h"
#include "injection.h"

static struct tracepoint *tracepoint;

static void poison(struct sock *sk)
{
	WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | SEND_SHUTDOWN);
}

/* sendmsg(MSG_FASTOPEN) is on its way below us: it gets EPIPE, its data is not sent. */
static void drop_syn_data(struct sock *sk)
{
	if (!tcp_sk(sk)->fastopen_req)
		return;
	kfree(tcp_sk(sk)->fastopen_req);
	tcp_sk(sk)->fastopen_req = NULL;
	poison(sk);
}

static void note_destination(struct conn *conn, const struct sock *sk)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6) {
		conn->address = sk->sk_v6_daddr;
		return;
	}
#endif
	ipv6_addr_set_v4mapped(inet_sk(sk)->inet_daddr, &conn->address);
}

static struct conn *carry(struct sock *sk, struct socket *sock)
{
	struct conn *conn;

	if (!try_module_get(THIS_MODULE))
		return NULL;
	conn = conn_new(sock->sk, sock);
	if (!conn) {
		module_put(THIS_MODULE);
		poison(sk);
		return NULL;
	}
	conn->multipath = sock->sk != sk;
	/* Whoever finds our operations finds the connection behind them complete. */
	smp_store_release(&sock->ops, &conn->ops);
	return conn;
}

/* A socket may connect again after a refused connection, and to elsewhere. */
static void arm(struct conn *conn, struct sock *sk, u16 port, bool applies)
{
	u8 state = conn_state(conn);

	/* Anything else cannot be disconnected: gate_connect(). */
	if (state != RIPTIDES_SO_FIRST && state != RIPTIDES_SO_PASS)
		return;
	conn->port = port;
	note_destination(conn, sk);
	WRITE_ONCE(conn->classified, !applies);
	if (applies) {
		gate_close(conn);
		conn_set_state(conn, RIPTIDES_SO_FIRST);
	} else {
		gate_open(conn);
		conn_set_state(conn, RIPTIDES_SO_PASS);
	}
}

static void on_connect(struct sock *sk)
{
	struct socket *sock = sk->sk_socket;
	u16 port = ntohs(inet_sk(sk)->inet_dport);
	bool applies = injection_may_apply(port);
	struct conn *conn;

	/* Sockets of the kernel's own have no file. */
	if (!sock || !sock->file || !sock->sk)
		return;
	conn = gate_conn(sock);
	if (!conn && !applies)
		return;
	if (sock->sk == sk && inet_csk(sk)->icsk_ulp_ops) {
		poison(sk);
		return;
	}
	if (!conn)
		conn = carry(sk, sock);
	if (!conn)
		return;
	arm(conn, sk, port, applies);
	if (applies) {
		tcp_sk(sk)->fastopen_connect = 0;
		drop_syn_data(sk);
	}
}

static void hook_probe(void *data, const struct sock *sk, const int before, const int after)
{
	if (before == TCP_CLOSE && after == TCP_SYN_SENT && sk->sk_protocol == IPPROTO_TCP &&
	    in_task() && !(current->flags & PF_KTHREAD))
		on_connect((struct sock *)sk);
}

/* The tracepoint's symbol is not exported; its name is all there is. */
static void find_tracepoint(struct tracepoint *candidate, void *data)
{
	if (!strcmp(candidate->name, "inet_sock_set_state"))
		tracepoint = candidate;
}

int hook_init(void)
{
	for_each_kernel_tracepoint(find_tracepoint, NULL);
	return tracepoint ? tracepoint_probe_register(tracepoint, hook_probe, NULL) : -ENOENT;
}

void hook_exit(void)
{
	tracepoint_probe_unregister(tracepoint, hook_probe, NULL);
	tracepoint_synchronize_unregister();
}
