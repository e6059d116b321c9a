// SPDX-License-Identifier: BSD-2-Clause
/*
 * The host library over NVMe/TCP when bits are wrong: digests, and answers in which anything may
 * have been changed. What is called good is good, every request ends once, nothing is written
 * outside the caller's buffer.
 */
#include "tests/unit/tcp_session.h"

enum {
	DATA_BYTES = 8192,
};

#define RD nvme_cmd_read
#define WR nvme_cmd_write

static uint8_t data[DATA_BYTES];

/* ---- digests ---- */

static bool flip_digest(struct fake_conn *c, const struct fake_cmd *cmd)
{
	uint8_t *out;
	size_t n;
	struct nvme_tcp_data pdu = {
		.hdr = { .type = NVME_TCP_C2H_DATA, .flags = NVME_TCP_F_DATA_LAST },
		.cccid = { cmd->sqe.cid },
		.datal = le32_make(DATA_BYTES),
	};

	if (c->nr_cmds != 2)
		return false;
	out = malloc(DATA_BYTES + 128);
	n = fake_conn_build(c, out, &pdu, sizeof(pdu), data, DATA_BYTES);
	out[n - 1] ^= 0x80;
	fake_conn_send(c, out, n);
	free(out);
	fake_conn_rsp(c, cmd->sqe.cid, 0, 0);
	return true;
}

/* Only the command whose data is wrong fails, and may be tried again; the connection goes on. */
static void test_tcp_host_bits_bad_data_digest_fails_that_command_only(void **state)
{
	static const struct fake_script script = { .io = flip_digest };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1, .ddgst = true, .hdgst = true };
	struct fake_opts fake = { .script = &script };
	struct session s;
	struct guarded g;
	uint32_t i;

	(void)state;
	session_open_live(&s, &fake, &opts);
	for (i = 0; i < 4; i++) {
		guarded_init(&g, DATA_BYTES);
		nvmh_prep_rw(&g.req, RD, 1, 0, DATA_BYTES / FAKE_LBA_BYTES, g.iov, 1, DATA_BYTES);
		assert_int_equal(nvmh_io(nvmh_ctrl_queue(s.ctrl, 0), &g.req),
				 i == 1 ? ST_TRANSIENT_TRANSPORT : 0);
		guarded_check(&g);
		guarded_free(&g);
	}
	assert_int_equal(s.nr_resets, 0);
	session_close(&s);
}

static bool flip_header_digest(struct fake_conn *c, const struct fake_cmd *cmd)
{
	uint8_t out[64];
	size_t n;
	struct nvme_tcp_rsp pdu = { .hdr = { .type = NVME_TCP_RSP }, .cqe.cid = cmd->sqe.cid };

	if (c->nr_io_conn)
		return false;
	n = fake_conn_build(c, out, &pdu, sizeof(pdu), NULL, 0);
	out[n - 1] ^= 0x80;
	fake_conn_send(c, out, n);
	return true;
}

static void test_tcp_host_bits_bad_header_digest_ends_the_connection(void **state)
{
	static const struct fake_script script = { .io = flip_header_digest };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1, .hdgst = true };
	struct fake_opts fake = { .script = &script };
	struct session s;
	struct guarded g;
	uint32_t fei;

	(void)state;
	session_open_live(&s, &fake, &opts);
	guarded_init(&g, DATA_BYTES);
	nvmh_prep_rw(&g.req, RD, 1, 0, DATA_BYTES / FAKE_LBA_BYTES, g.iov, 1, DATA_BYTES);
	assert_int_equal(nvmh_io(nvmh_ctrl_queue(s.ctrl, 0), &g.req), ST_HOST_PATH_ERROR);
	assert_int_equal(fake_target_wait_term(s.t, SESSION_WAIT_MS, &fei),
			 NVME_TCP_FES_HDR_DIGEST_ERR);
	session_wait_lost(&s);
	assert_non_null(strstr(s.error, "wrong header digest"));
	guarded_free(&g);
	session_close(&s);
}

/* ---- any bytes ---- */

enum {
	MUTATIONS = 150,
	BURST_BYTES = 4 * DATA_BYTES,
};

static _Atomic uint64_t mutation_seed;

static uint32_t draw(uint64_t *x, uint32_t below)
{
	*x = *x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*x >> 33) % below;
}

/* A good answer to a read or a write, as far as it does not need the host's data. */
static size_t good_answer(struct fake_conn *c, const struct fake_cmd *cmd, uint8_t *out)
{
	struct nvme_tcp_data c2h_pdu = { .hdr = { .type = NVME_TCP_C2H_DATA },
					 .cccid = { cmd->sqe.cid } };
	struct nvme_tcp_r2t r2t = { .hdr = { .type = NVME_TCP_R2T }, .cccid = { cmd->sqe.cid } };
	struct nvme_tcp_rsp rsp = { .hdr = { .type = NVME_TCP_RSP }, .cqe.cid = cmd->sqe.cid };
	uint32_t half = DATA_BYTES / 2;
	size_t n;

	if (cmd->sqe.opcode == WR) {
		r2t.r2tl = le32_make(DATA_BYTES);
		return fake_conn_build(c, out, &r2t, sizeof(r2t), NULL, 0);
	}
	c2h_pdu.datal = le32_make(half);
	n = fake_conn_build(c, out, &c2h_pdu, sizeof(c2h_pdu), data, half);
	c2h_pdu.datao = le32_make(half);
	c2h_pdu.hdr.flags = NVME_TCP_F_DATA_LAST;
	n += fake_conn_build(c, out + n, &c2h_pdu, sizeof(c2h_pdu), data + half, half);
	return n + fake_conn_build(c, out + n, &rsp, sizeof(rsp), NULL, 0);
}

/* The answer with some bits wrong, mostly in headers, in one or several sends; then the end. */
static bool mutated(struct fake_conn *c, const struct fake_cmd *cmd)
{
	uint64_t x = atomic_load(&mutation_seed);
	uint8_t *out;
	uint32_t flips, cut, i;
	size_t n;

	if (c->nr_io_conn || c->nr_cmds > 1)
		return c->nr_io_conn == 0;
	c->deaf = true;
	out = malloc(BURST_BYTES);
	n = good_answer(c, cmd, out);
	flips = 1 + draw(&x, 4);
	for (i = 0; i < flips; i++)
		out[draw(&x, 3) ? draw(&x, 24) : draw(&x, (uint32_t)n)] ^=
			(uint8_t)(1 << draw(&x, 8));
	cut = draw(&x, (uint32_t)n);
	fake_conn_send(c, out, cut);
	fake_conn_send(c, out + cut, n - cut);
	free(out);
	fake_conn_close(c);
	return true;
}

static void run_mutation(uint64_t seed)
{
	static const struct fake_script script = { .io = mutated };
	struct fake_opts fake = { .script = &script };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1, .hdgst = seed & 1, .ddgst = seed & 1 };
	struct guarded g[2];
	struct session s;
	uint32_t i;

	atomic_store(&mutation_seed, seed);
	session_open_live(&s, &fake, &opts);
	for (i = 0; i < ARRAY_SIZE(g); i++) {
		guarded_init(&g[i], DATA_BYTES);
		nvmh_prep_rw(&g[i].req, seed & 2 || i ? RD : WR, 1, 0, DATA_BYTES / FAKE_LBA_BYTES,
			     g[i].iov, 1, DATA_BYTES);
		assert_int_equal(nvmh_queue_submit(nvmh_ctrl_queue(s.ctrl, 0), &g[i].req), 0);
	}
	nvmh_queue_commit(nvmh_ctrl_queue(s.ctrl, 0));
	for (i = 0; i < ARRAY_SIZE(g); i++) {
		session_wait_done(&s, &g[i]);
		guarded_check(&g[i]);
		/* with digests what is called good is good */
		if (opts.ddgst && g[i].req.dir == NVMH_FROM_CTRL && !g[i].req.status)
			assert_memory_equal(g[i].buf, data, DATA_BYTES);
	}
	session_wait_lost(&s);
	for (i = 0; i < ARRAY_SIZE(g); i++) {
		assert_int_equal(g[i].nr_done, 1);
		guarded_free(&g[i]);
	}
	session_close(&s);
}

static void test_tcp_host_bits_any_wrong_are_survived(void **state)
{
	uint64_t seed = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : clock_now_ns();
	uint32_t i;

	(void)state;
	print_message("# SEED=%#llx\n", (unsigned long long)seed);
	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
	for (i = 0; i < MUTATIONS; i++)
		run_mutation(seed + i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_host_bits_bad_data_digest_fails_that_command_only),
		cmocka_unit_test(test_tcp_host_bits_bad_header_digest_ends_the_connection),
		cmocka_unit_test(test_tcp_host_bits_any_wrong_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
