// SPDX-License-Identifier: BSD-2-Clause
/*
 * The floor under NVMe/TCP: moves the bytes of the protocol over loopback TCP and does nothing else,
 *so that what a target and an initiator reach can be told as a part of what the sockets allow. A
 *child is the target, the parent the initiator, one thread each; the result is one line of JSON.
 *
 *	read:  72 bytes (command) ->  <- 24 + bs (C2HData)
 *	write: 72 + bs (command with its data) ->  <- 24 (response)
 *	write of more than 16 KiB: 72 ->  <- 24 (R2T)  24 + bs (H2CData) ->  <- 24
 *
 * Both ends answer each message with one message, in order. So each direction of a connection is a
 *cycle of messages that is known beforehand: a ring says where the next bytes come from or go to,
 *payload lies in its place at once, and headers are looked at only to see that both ends are in step.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/util.h"
#include "host/perf_clock.h"
#include "host/perf_hist.h"
#include "host/perf_words.h"

enum {
	HEADER = 24, /* all PDUs but a command */
	COMMAND = 72,
	IN_CAPSULE = 16384,
	MAX_CONNS = 1024,
	MAX_DEPTH = 1024,
	MAX_BS = 1 << 20,
	DIRECT_CONNS = 8, /* spinning, so many are tried one after the other; more are asked for */
	RX_IOV = 256,
	TX_IOV = 1024,
	CLOCK_TURNS = 256, /* between looks at the clock while spinning */
	EVENTS = 256,
};

struct options {
	bool write;
	bool block;
	bool direct;
	uint32_t bs;
	uint32_t depth;
	uint32_t conns;
	uint64_t runtime_ns;
	int cpu[2];		/* target, initiator; -1: any */
	const char *congestion; /* NULL: the system's */
};

/* The messages of one kind in a cycle, one per command. */
struct kind {
	uint8_t *heads;
	uint32_t head;
	uint32_t body; /* bytes, 0: none */
};

/* One direction of a connection: depth messages of the first kind, depth of the second, and again. */
struct ring {
	struct kind kinds[2];
	uint32_t nr_kinds;
	uint32_t depth;
	uint8_t *bodies;
	uint32_t kind; /* of the message in progress */
	uint32_t slot;
	uint32_t off; /* bytes of it that are done */
};

struct conn {
	int fd;
	uint32_t to_send; /* messages */
	bool blocked;	  /* waits to be writable */
	struct ring rx;
	struct ring tx;
	uint64_t *start; /* initiator: ticks, by slot */
};

struct side {
	const struct options *opts;
	struct perf_clock clock;
	struct conn *conns;
	bool initiator;
	int epfd;
	struct perf_hist hist;
};

static void die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---------------------------------------------------------------- rings */

static void *memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		die("memory");
	memset(p, 0x5a, bytes);
	return p;
}

static void ring_kind(struct ring *ring, uint32_t depth, uint32_t head, uint32_t body)
{
	struct kind *kind = &ring->kinds[ring->nr_kinds++];
	uint32_t i;

	ring->depth = depth;
	kind->head = head;
	kind->body = body;
	kind->heads = memory((size_t)depth * head);
	for (i = 0; i < depth; i++)
		kind->heads[(size_t)i * head] = (uint8_t)ring->nr_kinds;
	if (body)
		ring->bodies = memory((size_t)depth * body);
}

static void add_piece(struct iovec *iov, int *nr, uint8_t *base, size_t len)
{
	struct iovec *last = &iov[*nr - 1];

	if (*nr && (uint8_t *)last->iov_base + last->iov_len == base)
		last->iov_len += len;
	else
		iov[(*nr)++] = (struct iovec){ base, len };
}

/* Where the next @messages are, as far as @max pieces go. */
static int ring_pieces(const struct ring *ring, uint32_t messages, struct iovec *iov, int max)
{
	uint32_t k = ring->kind, slot = ring->slot, off = ring->off;
	int nr = 0;

	while (messages-- && nr < max - 1) {
		const struct kind *kind = &ring->kinds[k];

		if (off < kind->head)
			add_piece(iov, &nr, kind->heads + (size_t)slot * kind->head + off,
				  kind->head - off);
		off -= min_of(off, kind->head);
		if (kind->body)
			add_piece(iov, &nr, ring->bodies + (size_t)slot * kind->body + off,
				  kind->body - off);
		off = 0;
		if (++slot == ring->depth) {
			slot = 0;
			k = (k + 1) % ring->nr_kinds;
		}
	}
	return nr;
}

/* Moves the message in progress on to the next. */
static void ring_step(struct ring *ring)
{
	ring->off = 0;
	if (++ring->slot == ring->depth) {
		ring->slot = 0;
		ring->kind = (ring->kind + 1) % ring->nr_kinds;
	}
}

static uint32_t message_bytes(const struct ring *ring)
{
	return ring->kinds[ring->kind].head + ring->kinds[ring->kind].body;
}

/* ---------------------------------------------------------------- messages */

/* The message that @c->rx has just finished. */
static void received(struct side *side, struct conn *c)
{
	const struct kind *kind = &c->rx.kinds[c->rx.kind];

	if (kind->heads[(size_t)c->rx.slot * kind->head] != c->rx.kind + 1) {
		fprintf(stderr, "floor: out of step\n");
		exit(1);
	}
	c->to_send++;
	if (side->initiator && c->rx.kind + 1 == c->rx.nr_kinds) {
		uint64_t now = perf_ticks(&side->clock);

		perf_hist_add(&side->hist,
			      perf_ticks_to_ns(&side->clock, now - c->start[c->rx.slot]));
		c->start[c->rx.slot] = now;
	}
}

/* Where to receive: everything that can be on its way; after an R2T only up to the header that tells the next place. */
static int room(const struct side *side, const struct ring *rx, struct iovec *iov)
{
	struct ring next = *rx;
	const struct kind *kind;
	int nr;

	if (side->initiator || rx->nr_kinds == 1)
		return ring_pieces(rx, rx->depth, iov, RX_IOV);
	nr = ring_pieces(rx, 1, iov, RX_IOV);
	ring_step(&next);
	kind = &next.kinds[next.kind];
	add_piece(iov, &nr, kind->heads + (size_t)next.slot * kind->head, kind->head);
	return nr;
}

/* Return: the peer is there. */
static bool receive(struct side *side, struct conn *c)
{
	struct iovec iov[RX_IOV];
	ssize_t n = readv(c->fd, iov, room(side, &c->rx, iov));

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	while (n) {
		uint32_t left = message_bytes(&c->rx) - c->rx.off;

		if ((size_t)n < left) {
			c->rx.off += (uint32_t)n;
			break;
		}
		n -= left;
		received(side, c);
		ring_step(&c->rx);
	}
	return true;
}

static bool send_all(struct conn *c)
{
	c->blocked = false;
	while (c->to_send) {
		struct iovec iov[TX_IOV];
		struct msghdr msg = { .msg_iov = iov };
		ssize_t n;

		msg.msg_iovlen = (size_t)ring_pieces(&c->tx, c->to_send, iov, TX_IOV);
		n = sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0) {
			c->blocked = errno == EAGAIN;
			return c->blocked || errno == EINTR;
		}
		while (n) {
			uint32_t left = message_bytes(&c->tx) - c->tx.off;

			if ((size_t)n < left) {
				c->tx.off += (uint32_t)n;
				break;
			}
			n -= left;
			ring_step(&c->tx);
			c->to_send--;
		}
	}
	return true;
}

/* ---------------------------------------------------------------- the loop */

static void watch(struct side *side, struct conn *c, int op)
{
	struct epoll_event ev = { .events = EPOLLIN | (c->blocked ? EPOLLOUT : 0), .data.ptr = c };

	if (epoll_ctl(side->epfd, op, c->fd, &ev))
		die("epoll");
}

static bool serve(struct side *side, struct conn *c)
{
	bool blocked = c->blocked;

	if (!receive(side, c) || !send_all(c))
		return false;
	if (blocked != c->blocked)
		watch(side, c, EPOLL_CTL_MOD);
	return true;
}

/* Return: all peers are there. */
static bool turn_direct(struct side *side)
{
	bool there = true;
	uint32_t i;

	for (i = 0; there && i < side->opts->conns; i++)
		there = receive(side, &side->conns[i]) && send_all(&side->conns[i]);
	return there;
}

static bool turn_epoll(struct side *side)
{
	struct epoll_event events[EVENTS];
	bool there = true;
	int i, nr;

	nr = epoll_wait(side->epfd, events, EVENTS, side->opts->block ? 100 : 0);
	for (i = 0; there && i < nr; i++)
		there = serve(side, events[i].data.ptr);
	return there;
}

/* Return: how long it ran. The target runs until an initiator's connection ends, the initiator
 * until its time is over. */
static uint64_t run(struct side *side)
{
	uint64_t begin = perf_ticks(&side->clock);
	uint64_t end = begin + perf_ns_to_ticks(&side->clock, side->opts->runtime_ns);
	bool direct = side->opts->direct && !side->opts->block;
	uint32_t turns = 0;

	while (direct ? turn_direct(side) : turn_epoll(side)) {
		if (!side->initiator || (!side->opts->block && ++turns % CLOCK_TURNS))
			continue;
		if (perf_ticks(&side->clock) >= end)
			break;
	}
	return perf_ticks_to_ns(&side->clock, perf_ticks(&side->clock) - begin);
}

/* ---------------------------------------------------------------- both ends */

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((unsigned int)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("CPU affinity");
}

static void make_conn(struct side *side, struct conn *c, int fd)
{
	const struct options *o = side->opts;
	bool r2t = o->write && o->bs > IN_CAPSULE;
	struct ring *to_target = side->initiator ? &c->tx : &c->rx;
	struct ring *to_host = side->initiator ? &c->rx : &c->tx;
	int one = 1;

	c->fd = fd;
	if (fd < 0)
		die("connection");
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		die("TCP_NODELAY");
	ring_kind(to_target, o->depth, COMMAND, o->write && !r2t ? o->bs : 0);
	ring_kind(to_host, o->depth, HEADER, o->write ? 0 : o->bs);
	if (r2t) {
		ring_kind(to_target, o->depth, HEADER, o->bs);
		ring_kind(to_host, o->depth, HEADER, 0);
	}
	c->start = memory(o->depth * sizeof(*c->start));
}

static void start_side(struct side *side)
{
	uint32_t i, slot;

	side->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (side->epfd < 0)
		die("epoll");
	nvmh_perf_hist_init(&side->hist);
	for (i = 0; i < side->opts->conns; i++) {
		struct conn *c = &side->conns[i];

		watch(side, c, EPOLL_CTL_ADD);
		if (!side->initiator)
			continue;
		for (slot = 0; slot < side->opts->depth; slot++)
			c->start[slot] = perf_ticks(&side->clock);
		c->to_send = side->opts->depth;
		if (!send_all(c))
			die("send");
	}
}

static void target(struct side *side, int listener)
{
	uint32_t i;

	pin(side->opts->cpu[0]);
	for (i = 0; i < side->opts->conns; i++)
		make_conn(side, &side->conns[i],
			  accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
	start_side(side);
	run(side);
}

static void set_congestion(int fd, const struct options *o)
{
	if (o->congestion && setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, o->congestion,
					(socklen_t)strlen(o->congestion)))
		die(o->congestion);
}

static void connect_all(struct side *side, const struct sockaddr_in *addr)
{
	uint32_t i;

	for (i = 0; i < side->opts->conns; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			die("socket");
		set_congestion(fd, side->opts);
		if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)))
			die("connect");
		make_conn(side, &side->conns[i], fd);
	}
}

/* What it accepts has its congestion control. */
static int listen_somewhere(const struct options *o, struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*addr = (struct sockaddr_in){ .sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd < 0)
		die("socket");
	set_congestion(fd, o);
	if (bind(fd, (struct sockaddr *)addr, len) || listen(fd, MAX_CONNS) ||
	    getsockname(fd, (struct sockaddr *)addr, &len))
		die("listen");
	return fd;
}

/* ---------------------------------------------------------------- the program */

static double cpu_seconds(const struct rusage *u)
{
	return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
	       (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

static void report(const struct side *side, uint64_t ns, const struct rusage *self,
		   const struct rusage *child)
{
	const struct options *o = side->opts;
	const struct perf_hist *h = &side->hist;
	double s = (double)ns / PERF_NS_PER_S;

	printf("{\"rw\": \"%s\", \"bs\": %u, \"iodepth\": %u, \"conns\": %u, \"elapsed_s\": %.6f, \"ios\": %" PRIu64,
	       o->write ? "write" : "read", o->bs, o->depth, o->conns, s, h->nr);
	printf(", \"iops\": %.1f, \"mib_s\": %.2f", (double)h->nr / s,
	       (double)h->nr / s * o->bs / (1 << 20));
	printf(", \"latency_us\": {\"mean\": %.3f, \"p50\": %.3f, \"p99\": %.3f, \"p99.9\": %.3f}",
	       h->nr ? (double)h->sum / (double)h->nr / 1e3 : 0,
	       (double)nvmh_perf_hist_quantile(h, 50 * PERF_PERCENT) / 1e3,
	       (double)nvmh_perf_hist_quantile(h, 99 * PERF_PERCENT) / 1e3,
	       (double)nvmh_perf_hist_quantile(h, 999 * (PERF_PERCENT / 10)) / 1e3);
	printf(", \"target_cpu\": %.4f, \"initiator_cpu\": %.4f}\n", cpu_seconds(child) / s,
	       cpu_seconds(self) / s);
}

static void initiator(struct side *side, const struct sockaddr_in *addr, pid_t pid)
{
	struct rusage before, after, child;
	uint64_t ns;
	uint32_t i;

	side->initiator = true;
	pin(side->opts->cpu[1]);
	connect_all(side, addr);
	for (i = 0; i < side->opts->conns; i++) {
		if (fcntl(side->conns[i].fd, F_SETFL, O_NONBLOCK))
			die("O_NONBLOCK");
	}
	getrusage(RUSAGE_SELF, &before);
	start_side(side);
	ns = run(side);
	getrusage(RUSAGE_SELF, &after);
	for (i = 0; i < side->opts->conns; i++)
		shutdown(side->conns[i].fd, SHUT_RDWR);
	if (wait4(pid, NULL, 0, &child) != pid)
		die("wait");
	timersub(&after.ru_utime, &before.ru_utime, &after.ru_utime);
	timersub(&after.ru_stime, &before.ru_stime, &after.ru_stime);
	report(side, ns, &after, &child);
}

static void number(const char *text, uint64_t min, uint64_t max, uint32_t *value)
{
	uint64_t v;

	if (nvmh_perf_word_size(text, &v) || v < min || v > max) {
		fprintf(stderr, "floor: %s is not within %" PRIu64 "..%" PRIu64 "\n", text, min,
			max);
		exit(2);
	}
	*value = (uint32_t)v;
}

static void parse(int argc, char **argv, struct options *o)
{
	bool epoll = false;
	uint16_t cpus[2];
	uint16_t nr;
	int c;

	*o = (struct options){ .bs = 4096, .depth = 1, .conns = 1, .cpu = { -1, -1 } };
	o->runtime_ns = 5ull * PERF_NS_PER_S;
	while ((c = getopt(argc, argv, "p:b:q:c:t:0:1:g:we")) != -1) {
		switch (c) {
		case 'p':
			o->write = *optarg == 'w';
			break;
		case 'b':
			number(optarg, 512, MAX_BS, &o->bs);
			break;
		case 'q':
			number(optarg, 1, MAX_DEPTH, &o->depth);
			break;
		case 'c':
			number(optarg, 1, MAX_CONNS, &o->conns);
			break;
		case 't':
			if (nvmh_perf_word_duration(optarg, &o->runtime_ns))
				die(optarg);
			break;
		case '0':
		case '1':
			if (nvmh_perf_word_cpus(optarg, cpus, 1, &nr))
				die(optarg);
			o->cpu[c - '0'] = cpus[0];
			break;
		case 'g':
			o->congestion = optarg;
			break;
		case 'w':
			o->block = true;
			break;
		case 'e':
			epoll = true;
			break;
		default:
			fputs("Usage: floor [-p read|write] [-b bytes] [-q depth] [-c connections] [-t time]\n"
			      "             [-0 CPU of the target] [-1 CPU of the initiator]\n"
			      "             [-g TCP congestion control]\n"
			      "             [-w (wait in epoll)] [-e (epoll while spinning)]\n",
			      stderr);
			exit(2);
		}
	}
	o->direct = !epoll && o->conns <= DIRECT_CONNS;
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr;
	struct options opts;
	struct side side = { .opts = &opts };
	int listener;
	pid_t pid;

	parse(argc, argv, &opts);
	nvmh_perf_clock_init(&side.clock);
	side.conns = calloc(opts.conns, sizeof(*side.conns));
	if (!side.conns)
		die("memory");
	listener = listen_somewhere(&opts, &addr);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		target(&side, listener);
		return 0;
	}
	close(listener);
	initiator(&side, &addr, pid);
	return 0;
}
