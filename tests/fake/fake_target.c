// SPDX-License-Identifier: BSD-2-Clause
/*
 * The wire half of the NVMe/TCP controller for tests: connections, PDUs in and out. See
 * fake_target.h for threads and use.
 * NVMe/TCP Transport Specification, sections 3.3, 3.4 and 3.6.
 */
#include "tests/fake/fake_target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/crc.h"

/* ---- out ---- */

void fake_conn_violation(struct fake_conn *c, const char *fmt, ...)
{
	struct fake_target *t = c->t;
	va_list ap;

	pthread_mutex_lock(&t->lock);
	if (!t->violation[0]) {
		va_start(ap, fmt);
		vsnprintf(t->violation, sizeof(t->violation), fmt, ap);
		va_end(ap);
	}
	pthread_mutex_unlock(&t->lock);
}

void fake_conn_close(struct fake_conn *c)
{
	shutdown(c->fd, SHUT_RDWR);
}

void fake_conn_send(struct fake_conn *c, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	size_t piece;
	ssize_t n;

	pthread_mutex_lock(&c->send_lock);
	while (len) {
		piece = c->t->opts.send_bytes ? min_of(len, (size_t)c->t->opts.send_bytes) : len;
		n = send(c->fd, p, piece, MSG_NOSIGNAL);
		if (n <= 0)
			break;
		p += n;
		len -= (size_t)n;
	}
	pthread_mutex_unlock(&c->send_lock);
}

static size_t put_crc(uint8_t *p, uint32_t crc)
{
	le32_t wire = le32_make(crc);

	memcpy(p, &wire, sizeof(wire));
	return sizeof(wire);
}

size_t fake_conn_build(struct fake_conn *c, uint8_t *out, const void *pdu, size_t hlen,
		       const void *data, size_t len)
{
	struct nvme_tcp_hdr hdr;
	size_t base = hlen;
	size_t n;

	memcpy(out, pdu, hlen);
	memcpy(&hdr, pdu, sizeof(hdr));
	if (c->hdgst && hdr.type != NVME_TCP_ICRESP && hdr.type != NVME_TCP_C2H_TERM) {
		hdr.flags |= NVME_TCP_F_HDGST;
		base += NVME_TCP_DIGEST_LEN;
	}
	n = base + len;
	if (len && c->ddgst) {
		hdr.flags |= NVME_TCP_F_DDGST;
		n += NVME_TCP_DIGEST_LEN;
	}
	hdr.hlen = (uint8_t)hlen;
	hdr.pdo = len ? (uint8_t)base : 0;
	hdr.plen = le32_make((uint32_t)n);
	memcpy(out, &hdr, sizeof(hdr));
	if (base != hlen)
		put_crc(out + hlen, crc32c_digest(out, hlen));
	if (len)
		memcpy(out + base, data, len);
	if (len && c->ddgst)
		put_crc(out + base + len, crc32c_digest(data, len));
	return n;
}

static void send_pdu(struct fake_conn *c, const void *pdu, size_t hlen, const void *data,
		     size_t len)
{
	uint8_t *out = malloc(hlen + len + 64);

	assert(out);
	fake_conn_send(c, out, fake_conn_build(c, out, pdu, hlen, data, len));
	free(out);
}

void fake_conn_rsp(struct fake_conn *c, uint16_t cid, uint16_t status, uint64_t result)
{
	struct nvme_tcp_rsp rsp = {
		.hdr = { .type = NVME_TCP_RSP },
		.cqe = {
			.result = le64_make(result),
			.sqid = le16_make((uint16_t)max_of(c->qid, 0)),
			.cid = cid,
			.status = le16_make((uint16_t)(status << 1)),
		},
	};

	send_pdu(c, &rsp, sizeof(rsp), NULL, 0);
}

void fake_conn_c2h(struct fake_conn *c, uint16_t cid, uint32_t off, const void *data, uint32_t len,
		   uint8_t flags)
{
	struct nvme_tcp_data pdu = {
		.hdr = { .type = NVME_TCP_C2H_DATA, .flags = flags },
		.cccid = { cid },
		.datao = le32_make(off),
		.datal = le32_make(len),
	};

	send_pdu(c, &pdu, sizeof(pdu), data, len);
}

void fake_conn_r2t(struct fake_conn *c, uint16_t cid, uint16_t ttag, uint32_t off, uint32_t len)
{
	struct nvme_tcp_r2t pdu = {
		.hdr = { .type = NVME_TCP_R2T },
		.cccid = { cid },
		.ttag = le16_make(ttag),
		.r2to = le32_make(off),
		.r2tl = le32_make(len),
	};

	send_pdu(c, &pdu, sizeof(pdu), NULL, 0);
}

void fake_conn_icresp(struct fake_conn *c, uint16_t pfv, uint8_t cpda, uint8_t dgst,
		      uint32_t maxh2cdata)
{
	struct nvme_tcp_icresp pdu = {
		.hdr = { .type = NVME_TCP_ICRESP },
		.pfv = le16_make(pfv),
		.cpda = cpda,
		.dgst = dgst,
		.maxh2cdata = le32_make(maxh2cdata),
	};

	send_pdu(c, &pdu, sizeof(pdu), NULL, 0);
}

/* ---- in ---- */

static bool recv_all(struct fake_conn *c, void *buf, size_t len)
{
	uint8_t *p = buf;
	ssize_t n;

	while (len) {
		n = recv(c->fd, p, len, 0);
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static bool crc_ok(const uint8_t *p, size_t len)
{
	le32_t wire;

	memcpy(&wire, p + len, sizeof(wire));
	return le32_get(wire) == crc32c_digest(p, len);
}

void fake_conn_gate(struct fake_conn *c)
{
	struct timespec ms = { .tv_nsec = 1000000 };
	ssize_t n;

	while (!atomic_load(&c->t->gate) && !atomic_load(&c->t->stopping))
		nanosleep(&ms, NULL);
	while ((n = recv(c->fd, c->pdu, FAKE_PDU_MAX, 0)) > 0)
		atomic_fetch_add(&c->t->nr_stale, (uint32_t)n);
}

/* Checks the header that is in c->pdu with everything behind it; finds the payload. */
static bool check_pdu(struct fake_conn *c, const struct nvme_tcp_hdr *hdr, uint32_t plen)
{
	bool plain = hdr->type == NVME_TCP_ICREQ || hdr->type == NVME_TCP_H2C_TERM;
	uint32_t base = hdr->hlen + (c->hdgst && !plain ? NVME_TCP_DIGEST_LEN : 0u);
	uint32_t unit = (c->t->opts.cpda + 1u) * 4;
	uint32_t tail;

	c->data_len = 0;
	if (plain)
		return true;
	if (!(hdr->flags & NVME_TCP_F_HDGST) == c->hdgst ||
	    (c->hdgst && !crc_ok(c->pdu, hdr->hlen))) {
		fake_conn_violation(c, "header digest of PDU type %02x", hdr->type);
		return false;
	}
	if (plen == base)
		return true;
	tail = c->ddgst ? NVME_TCP_DIGEST_LEN : 0;
	if (hdr->pdo < base || hdr->pdo % unit || plen <= hdr->pdo + tail) {
		fake_conn_violation(c, "PDU type %02x has PDO %u, PLEN %u", hdr->type, hdr->pdo,
				    plen);
		return false;
	}
	c->data = c->pdu + hdr->pdo;
	c->data_len = plen - hdr->pdo - tail;
	if (!(hdr->flags & NVME_TCP_F_DDGST) == c->ddgst ||
	    (c->ddgst && !crc_ok(c->data, c->data_len))) {
		fake_conn_violation(c, "data digest of PDU type %02x", hdr->type);
		return false;
	}
	return true;
}

/* Return: the PDU's type, or -1 at the end. */
static int recv_pdu(struct fake_conn *c)
{
	struct nvme_tcp_hdr hdr;
	uint32_t plen;

	if (!recv_all(c, c->pdu, sizeof(hdr)))
		return -1;
	memcpy(&hdr, c->pdu, sizeof(hdr));
	plen = le32_get(hdr.plen);
	if (plen < hdr.hlen || hdr.hlen < sizeof(hdr) || plen > FAKE_PDU_MAX) {
		fake_conn_violation(c, "PDU type %02x has HLEN %u, PLEN %u", hdr.type, hdr.hlen,
				    plen);
		return -1;
	}
	if (!recv_all(c, c->pdu + sizeof(hdr), plen - sizeof(hdr)) || !check_pdu(c, &hdr, plen))
		return -1;
	return hdr.type;
}

static void take_term(struct fake_conn *c)
{
	struct fake_target *t = c->t;
	struct nvme_tcp_term term;

	memcpy(&term, c->pdu, sizeof(term));
	pthread_mutex_lock(&t->lock);
	t->nr_term++;
	t->term_fes = le16_get(term.fes);
	t->term_fei = le16_get(term.feil) | (uint32_t)le16_get(term.feih) << 16;
	pthread_cond_broadcast(&t->cond);
	pthread_mutex_unlock(&t->lock);
}

static bool exchange_ic(struct fake_conn *c)
{
	const struct fake_script *script = c->t->opts.script;
	struct nvme_tcp_icreq req;

	if (recv_pdu(c) != NVME_TCP_ICREQ)
		return false;
	memcpy(&req, c->pdu, sizeof(req));
	if (le16_get(req.pfv) || req.hpda || req.hdr.hlen != sizeof(req))
		fake_conn_violation(c, "ICReq has PFV %u, HPDA %u", le16_get(req.pfv), req.hpda);
	pthread_mutex_lock(&c->t->lock);
	c->t->icreq = req;
	pthread_mutex_unlock(&c->t->lock);
	if (!script || !script->icreq || !script->icreq(c, &req))
		fake_conn_icresp(c, 0, c->t->opts.cpda, req.dgst, c->t->opts.maxh2cdata);
	c->hdgst = req.dgst & NVME_TCP_HDGST_ENABLE;
	c->ddgst = req.dgst & NVME_TCP_DDGST_ENABLE;
	return true;
}

static void take_cmd(struct fake_conn *c)
{
	struct nvme_tcp_cmd pdu;
	struct fake_cmd cmd;

	memcpy(&pdu, c->pdu, sizeof(pdu));
	cmd.sqe = pdu.sqe;
	cmd.icd_len = c->data_len;
	cmd.icd = c->data_len ? c->data : NULL;
	fake_target_cmd(c, &cmd);
}

static void *conn_main(void *arg)
{
	struct fake_conn *c = arg;
	int type;

	if (exchange_ic(c)) {
		while ((type = recv_pdu(c)) >= 0) {
			if (type == NVME_TCP_CMD)
				take_cmd(c);
			else if (type == NVME_TCP_H2C_DATA)
				fake_target_h2c_data(c);
			else if (type == NVME_TCP_H2C_TERM)
				take_term(c);
			else
				fake_conn_violation(c, "PDU type %02x from a host", type);
		}
	}
	if (c->qid > 0)
		atomic_fetch_add(&c->t->nr_io_ended, 1);
	shutdown(c->fd, SHUT_RDWR);
	return NULL;
}

/* ---- life ---- */

static void conn_start(struct fake_target *t, int fd)
{
	struct fake_conn *c = calloc(1, sizeof(*c));
	int one = 1;

	assert(c && t->nr_conns < FAKE_MAX_CONNS);
	c->t = t;
	c->fd = fd;
	c->qid = -1;
	pthread_mutex_init(&c->send_lock, NULL);
	c->pdu = malloc(FAKE_PDU_MAX);
	assert(c->pdu);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	pthread_mutex_lock(&t->lock);
	t->conns[t->nr_conns++] = c;
	pthread_mutex_unlock(&t->lock);
	if (pthread_create(&c->thread, NULL, conn_main, c))
		abort();
}

static void *listen_main(void *arg)
{
	struct fake_target *t = arg;
	int fd;

	while ((fd = accept4(t->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		if (atomic_load(&t->stopping)) {
			close(fd);
			break;
		}
		conn_start(t, fd);
	}
	return NULL;
}

static void set_defaults(struct fake_opts *opts)
{
	if (!opts->maxh2cdata)
		opts->maxh2cdata = 128 << 10;
	if (!opts->r2t_depth)
		opts->r2t_depth = 1;
	if (!opts->max_queues)
		opts->max_queues = 8;
}

struct fake_target *fake_target_start(const struct fake_opts *opts)
{
	struct fake_target *t = calloc(1, sizeof(*t));
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);

	assert(t);
	t->opts = *opts;
	set_defaults(&t->opts);
	t->mem = opts->mem ? opts->mem : calloc(1, FAKE_MEM_BYTES);
	atomic_store(&t->nr_disc, opts->nr_disc);
	atomic_store(&t->genctr_step, opts->genctr_step);
	t->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (opts->rcvbuf)
		setsockopt(t->listen_fd, SOL_SOCKET, SO_RCVBUF, &opts->rcvbuf,
			   sizeof(opts->rcvbuf));
	if (!t->mem || t->listen_fd < 0 ||
	    bind(t->listen_fd, (struct sockaddr *)&sin, sizeof(sin)) || listen(t->listen_fd, 64) ||
	    getsockname(t->listen_fd, (struct sockaddr *)&sin, &len))
		abort();
	t->port = ntohs(sin.sin_port);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->cond, NULL);
	if (pthread_create(&t->thread, NULL, listen_main, t))
		abort();
	return t;
}

void fake_target_drop(struct fake_target *t)
{
	uint32_t i;

	pthread_mutex_lock(&t->lock);
	for (i = 0; i < t->nr_conns; i++)
		shutdown(t->conns[i]->fd, SHUT_RDWR);
	pthread_mutex_unlock(&t->lock);
}

void fake_target_stop(struct fake_target *t)
{
	uint32_t i;

	atomic_store(&t->stopping, true);
	shutdown(t->listen_fd, SHUT_RDWR);
	pthread_join(t->thread, NULL);
	close(t->listen_fd);
	fake_target_drop(t);
	for (i = 0; i < t->nr_conns; i++) {
		pthread_join(t->conns[i]->thread, NULL);
		close(t->conns[i]->fd);
		pthread_mutex_destroy(&t->conns[i]->send_lock);
		free(t->conns[i]->pdu);
		free(t->conns[i]);
	}
	pthread_cond_destroy(&t->cond);
	pthread_mutex_destroy(&t->lock);
	if (!t->opts.mem)
		free(t->mem);
	free(t);
}

int fake_target_wait_term(struct fake_target *t, int ms, uint32_t *fei)
{
	struct timespec until;
	int ret = -1;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&t->lock);
	while (!t->nr_term && !pthread_cond_timedwait(&t->cond, &t->lock, &until))
		;
	if (t->nr_term) {
		ret = t->term_fes;
		*fei = t->term_fei;
	}
	pthread_mutex_unlock(&t->lock);
	return ret;
}

const char *fake_target_violation(struct fake_target *t)
{
	const char *text;

	pthread_mutex_lock(&t->lock);
	text = t->violation;
	pthread_mutex_unlock(&t->lock);
	return text;
}
