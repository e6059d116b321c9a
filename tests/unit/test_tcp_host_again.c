// SPDX-License-Identifier: BSD-2-Clause
/*
 * The host library over NVMe/TCP: by which way it connects, how long and how often a lost
 * controller is tried again, what ends that, and when a Keep Alive is due.
 */
#include "tests/unit/tcp_session.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "host/tcp.h"

enum {
	MANY = 12, /* tries that fail before one succeeds */
};

/* ---- the way ---- */

static char peer[INET_ADDRSTRLEN]; /* of the last connection; read when it is live */

static bool note_peer(struct fake_conn *c, const struct nvme_tcp_icreq *req)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	(void)req;
	if (!getpeername(c->fd, (struct sockaddr *)&sin, &len))
		inet_ntop(AF_INET, &sin.sin_addr, peer, sizeof(peer));
	return false;
}

static void test_tcp_host_again_address_interface_and_tos_are_used(void **state)
{
	static const struct fake_script script = { .icreq = note_peer };
	struct nvmh_ctrl_opts opts = {
		.nr_io_queues = 1, .host_traddr = "127.0.0.9", .host_iface = "lo", .tos = 0x68
	};
	struct fake_opts fake = { .script = &script };
	struct session s;
	uint16_t i;

	(void)state;
	session_open_live(&s, &fake, &opts);
	assert_string_equal(peer, "127.0.0.9");
	for (i = 0; i < 2; i++) {
		int fd = ((struct tcp_ctrl *)s.ctrl->tr)->queues[i].stream.fd;
		char iface[16];
		socklen_t len = sizeof(iface);
		int tos;

		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, iface, &len), 0);
		assert_string_equal(iface, "lo");
		len = sizeof(tos);
		assert_int_equal(getsockopt(fd, IPPROTO_IP, IP_TOS, &tos, &len), 0);
		assert_int_equal(tos, 0x68);
	}
	session_close(&s);
}

static void test_tcp_host_again_wrong_way_is_named_at_once(void **state)
{
	static const struct {
		struct nvmh_ctrl_opts opts;
		bool at_open;
		const char *says;
	} cases[] = {
		{ { .host_traddr = "192.0.2.77" },
		  false,
		  "host_traddr: the kernel refuses \"192.0.2.77\"" },
		{ { .host_iface = "no-such-iface" },
		  false,
		  "host_iface: the kernel refuses \"no-such-iface\"" },
		{ { .host_iface = "0123456789abcdef" }, true, "host_iface: \"0123456789abcdef\"" },
		{ { .host_iface = "" }, true, "host_iface: \"\"" },
		{ { .host_traddr = "eth0" }, true, "host_traddr: \"eth0\" is not an IPv4" },
		{ { .host_traddr = "::1" }, true, "host_traddr: \"::1\" is of another family" },
	};
	struct fake_opts fake = { 0 };
	struct fake_target *t = fake_target_start(&fake);
	char port[8];
	size_t i;

	(void)state;
	snprintf(port, sizeof(port), "%u", t->port);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nvmh_ctrl_opts opts = cases[i].opts;
		struct nvmh_ctrl *ctrl = NULL;
		int ret;

		opts.trtype = "tcp";
		opts.traddr = "127.0.0.1";
		opts.trsvcid = port;
		opts.subnqn = FAKE_SUBNQN;
		ret = nvmh_ctrl_open(&opts, &ctrl);
		assert_int_equal(ret, cases[i].at_open ? -EINVAL : 0);
		if (!ret)
			assert_int_equal(nvmh_ctrl_wait(ctrl, SESSION_WAIT_MS), -EINVAL);
		if (!strstr(nvmh_strerror(), cases[i].says))
			fail_msg("\"%s\" does not say \"%s\"", nvmh_strerror(), cases[i].says);
		nvmh_ctrl_close(ctrl);
	}
	fake_target_stop(t);
}

/* ---- how often ---- */

#define NOW (UINT64_C(1) << 40)

/* One that is only asked about its pauses; to be freed. */
static struct nvmh_ctrl *remote_ctrl(void)
{
	static const struct nvmh_transport_ops remote = { .remote = true };
	struct nvmh_ctrl *ctrl = nvmh_queue_calloc(1, sizeof(*ctrl));

	assert_non_null(ctrl);
	ctrl->ops = &remote;
	ctrl->phase = NVMH_PHASE_UP;
	return ctrl;
}

static void test_tcp_host_again_pauses_grow_to_a_maximum(void **state)
{
	static const struct {
		uint32_t delay_ms;
		uint32_t resets;
		uint32_t ms;
	} cases[] = {
		{ 0, 1, 1000 },	     { 0, 2, 1000 },	  { 0, 3, 1000 },
		{ 0, 4, 2000 },	     { 0, 5, 4000 },	  { 0, 6, 8000 },
		{ 0, 7, 10000 },     { 0, 1000, 10000 },  { 1, 3, 1 },
		{ 1, 4, 2 },	     { 1, 13, 1024 },	  { 1, UINT32_MAX, 10000 },
		{ 9999, 3, 9999 },   { 9999, 90, 10000 }, { 10000, 1, 10000 },
		{ 30000, 1, 30000 }, { 30000, 9, 30000 }, { 4000000000u, 9, 4000000000u },
	};
	struct nvmh_ctrl *ctrl = remote_ctrl();
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ctrl->opts.reconnect_delay_ms = cases[i].delay_ms;
		ctrl->resets = cases[i].resets;
		if (nvmh_retry_pause_ms(ctrl, NOW) != cases[i].ms)
			fail_msg("%u ms, %u failures: %u ms", cases[i].delay_ms, cases[i].resets,
				 nvmh_retry_pause_ms(ctrl, NOW));
	}
	free(ctrl);
}

/* However long the pauses are: what is left of the time ends with a try. */
static void test_tcp_host_again_pauses_end_within_the_time(void **state)
{
	static const struct {
		uint32_t left_ms;
		uint32_t ms;
		bool over;
	} cases[] = {
		{ 9000, 4000, false }, { 4600, 4000, false }, { 4400, 3900, false },
		{ 1001, 501, false },  { 1000, 500, false },  { 500, 250, false },
		{ 50, 25, false },     { 49, 24, true },      { 0, 0, true },
	};
	struct nvmh_ctrl *ctrl = remote_ctrl();
	size_t i;

	(void)state;
	ctrl->resets = 5;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ctrl->loss_ns = NOW + cases[i].left_ms * UINT64_C(1000000);
		assert_int_equal(nvmh_retry_pause_ms(ctrl, NOW), cases[i].ms);
		assert_int_equal(nvmh_retry_over(ctrl, NOW), cases[i].over);
		/* later than that */
		assert_true(nvmh_retry_over(ctrl, ctrl->loss_ns + 1));
		assert_int_equal(nvmh_retry_pause_ms(ctrl, ctrl->loss_ns + 1), 0);
	}
	free(ctrl);
}

static _Atomic uint32_t nr_tries; /* Connect commands of admin queues */
static uint16_t refusal;	  /* of all but the first and those after the MANYth */

static bool refuse_many(struct fake_conn *c, const struct fake_cmd *cmd)
{
	uint32_t n = c->qid ? 0 : atomic_fetch_add(&nr_tries, 1);

	if (!n || n > MANY)
		return false;
	fake_conn_rsp(c, cmd->sqe.cid, refusal, 0);
	return true;
}

static const struct fake_script refusing = { .connect = refuse_many };

static void lose(struct session *s, const struct nvmh_ctrl_opts *opts,
		 const struct fake_script *script)
{
	struct fake_opts fake = { .script = script };

	atomic_store(&nr_tries, 0);
	session_open_live(s, &fake, opts);
	fake_target_drop(s->t);
	session_wait_lost(s);
}

/* A controller that is busy, or does not know us for the moment, is tried again and again. */
static void test_tcp_host_again_refusals_without_dnr_are_tried_again(void **state)
{
	static const uint16_t refusals[] = { ST_CONNECT_BUSY, ST_CONNECT_INVALID_HOST,
					     ST_CONNECT_INVALID_PARAM, ST_INTERNAL };
	struct nvmh_ctrl_opts opts = { .reconnect_delay_ms = 1, .ctrl_loss_ms = NVMH_NO_LIMIT };
	struct session s;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(refusals); i++) {
		refusal = refusals[i];
		lose(&s, &opts, &refusing);
		session_wait_live(&s);
		assert_int_equal(atomic_load(&nr_tries), MANY + 2);
		session_close(&s);
	}
}

static void test_tcp_host_again_refusal_with_dnr_ends_it(void **state)
{
	static const uint16_t refusals[] = { ST_CONNECT_BUSY, ST_CONNECT_INVALID_HOST,
					     ST_CONNECT_INVALID_PARAM, ST_INTERNAL };
	struct nvmh_ctrl_opts opts = { .reconnect_delay_ms = 1, .ctrl_loss_ms = NVMH_NO_LIMIT };
	struct session s;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(refusals); i++) {
		refusal = refusals[i] | ST_DNR;
		lose(&s, &opts, &refusing);
		assert_true(nvmh_ctrl_wait(s.ctrl, SESSION_WAIT_MS) < 0);
		assert_int_equal(nvmh_ctrl_state(s.ctrl), NVMH_DEAD);
		assert_int_equal(atomic_load(&nr_tries), 2);
		session_close(&s);
	}
}

/* ---- how long ---- */

static void test_tcp_host_again_time_is_over_in_a_pause(void **state)
{
	struct nvmh_ctrl_opts opts = { .ctrl_loss_ms = 3000 };
	uint64_t before = clock_now_ms();
	struct session s;

	(void)state;
	refusal = ST_CONNECT_BUSY;
	lose(&s, &opts, &refusing);
	assert_true(nvmh_ctrl_wait(s.ctrl, SESSION_WAIT_MS) < 0);
	assert_int_equal(nvmh_ctrl_state(s.ctrl), NVMH_DEAD);
	/* the reason is why it could not come back */
	assert_non_null(strstr(nvmh_strerror(), "is busy"));
	/* at once, after a second or two, and then until the time is over */
	assert_in_range(atomic_load(&nr_tries), 3, 12);
	assert_true(clock_now_ms() - before >= 2900);
	session_close(&s);
}

static bool silent_later(struct fake_conn *c, const struct nvme_tcp_icreq *req)
{
	(void)c;
	(void)req;
	return atomic_fetch_add(&nr_tries, 1); /* the first is answered */
}

/* In a try that would go on for many seconds: its own reason is never heard. */
static void test_tcp_host_again_time_is_over_in_a_try(void **state)
{
	static const struct fake_script script = { .icreq = silent_later };
	struct nvmh_ctrl_opts opts = { .ctrl_loss_ms = 2000 };
	struct session s;

	(void)state;
	lose(&s, &opts, &script);
	assert_true(nvmh_ctrl_wait(s.ctrl, SESSION_WAIT_MS) < 0);
	assert_int_equal(nvmh_ctrl_state(s.ctrl), NVMH_DEAD);
	assert_non_null(strstr(nvmh_strerror(), "closed by the controller"));
	assert_int_equal(atomic_load(&nr_tries), 2);
	session_close(&s);
}

static void test_tcp_host_again_shortest_time_means_no_try(void **state)
{
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 1, .ctrl_loss_ms = 1 };
	struct guarded g;
	struct session s;

	(void)state;
	lose(&s, &opts, &refusing);
	assert_true(nvmh_ctrl_wait(s.ctrl, SESSION_WAIT_MS) < 0);
	assert_int_equal(nvmh_ctrl_state(s.ctrl), NVMH_DEAD);
	assert_int_equal(atomic_load(&nr_tries), 1);
	guarded_init(&g, 512);
	nvmh_prep_rw(&g.req, nvme_cmd_read, 1, 0, 1, g.iov, 1, 512);
	assert_int_equal(nvmh_queue_submit(nvmh_ctrl_queue(s.ctrl, 0), &g.req), -ENOTCONN);
	guarded_free(&g);
	session_close(&s);
	/* but a reset on request is no loss */
	atomic_store(&nr_tries, MANY + 1);
	session_open_live(&s, &(struct fake_opts){ .script = &refusing }, &opts);
	assert_int_equal(nvmh_ctrl_reset(s.ctrl), 0);
	session_wait_live(&s);
	session_close(&s);
}

/* The time begins anew with each loss. */
static void test_tcp_host_again_live_in_between_starts_the_time_anew(void **state)
{
	struct nvmh_ctrl_opts opts = { .reconnect_delay_ms = 1, .ctrl_loss_ms = 5000 };
	struct session s;
	uint32_t i;

	(void)state;
	atomic_store(&nr_tries, MANY + 1);
	session_open_live(&s, &(struct fake_opts){ .script = &refusing }, &opts);
	for (i = 1; i <= 3; i++) {
		assert_true(s.ctrl->loss_ns == 0);
		fake_target_drop(s.t);
		while (s.nr_resets < i)
			session_turn(&s);
		session_wait_live(&s);
	}
	assert_true(s.ctrl->loss_ns == 0);
	session_close(&s);
}

/* ---- keep alive ---- */

static void id_by_traffic(struct nvme_id_ctrl *id)
{
	id->ctratt = htole32(NVME_CTRL_CTRATT_TBKAS);
}

static _Atomic bool answer;

static bool wait_for_answer(struct fake_conn *c, const struct fake_cmd *cmd)
{
	(void)c;
	(void)cmd;
	while (!atomic_load(&answer))
		poll(NULL, 0, 1);
	return false;
}

/* Makes the next look at the keep alive timer due. Return: a Keep Alive was sent. */
static bool look(struct session *s)
{
	struct nvmh_keep_alive *ka = &s->ctrl->keep_alive;
	uint64_t now = ka->next_ns;
	bool sent;

	nvmh_keep_alive_run(s->ctrl, now);
	assert_true(ka->next_ns == now + s->ctrl->opts.kato_ms * UINT64_C(1000000) / 4);
	sent = ka->busy;
	while (ka->busy)
		session_turn(s);
	return sent;
}

static void read_block(struct session *s, uint16_t queue, struct guarded *g)
{
	g->nr_done = 0;
	nvmh_prep_rw(&g->req, nvme_cmd_read, 1, 0, 1, g->iov, 1, 512);
	assert_int_equal(nvmh_queue_submit(nvmh_ctrl_queue(s->ctrl, queue), &g->req), 0);
	nvmh_queue_commit(nvmh_ctrl_queue(s->ctrl, queue));
}

static void test_tcp_host_again_traffic_is_as_good_as_keep_alive(void **state)
{
	static const struct fake_script script = { .identify = id_by_traffic,
						   .io = wait_for_answer };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 2, .kato_ms = 600000 };
	struct fake_opts fake = { .script = &script };
	struct guarded g;
	struct session s;
	uint32_t i;

	(void)state;
	guarded_init(&g, 512);
	atomic_store(&answer, true);
	session_open_live(&s, &fake, &opts);
	look(&s);			   /* the bring-up's own commands */
	assert_true(look(&s) || look(&s)); /* a Keep Alive is traffic itself */
	for (i = 0; i < 600; i++) {	   /* more often than an epoch has values */
		read_block(&s, 1, &g);
		session_wait_done(&s, &g);
		assert_false(look(&s));
	}
	assert_true(look(&s));
	look(&s);
	/* sent in one period and answered in the next: when it restarted the timer is not known */
	assert_true(look(&s) || look(&s));
	atomic_store(&answer, false);
	read_block(&s, 1, &g);
	look(&s);
	atomic_store(&answer, true);
	session_wait_done(&s, &g);
	assert_true(look(&s));
	session_close(&s);
	guarded_free(&g);
}

/* Queues that fell silent one after the other, long ago, are not taken for busy ones. */
static void test_tcp_host_again_old_traffic_stays_old(void **state)
{
	static const struct fake_script script = { .identify = id_by_traffic };
	struct nvmh_ctrl_opts opts = { .nr_io_queues = 4, .kato_ms = 600000 };
	struct fake_opts fake = { .script = &script };
	uint32_t silent = 0;
	struct guarded g;
	struct session s;
	uint16_t i;

	(void)state;
	guarded_init(&g, 512);
	session_open_live(&s, &fake, &opts);
	for (i = 0; i < 4; i++) {
		read_block(&s, i, &g);
		session_wait_done(&s, &g);
		look(&s);
	}
	for (i = 0; i < 600; i++) {
		silent = look(&s) ? 0 : silent + 1;
		assert_in_range(silent, 0, 1);
	}
	session_close(&s);
	guarded_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_host_again_address_interface_and_tos_are_used),
		cmocka_unit_test(test_tcp_host_again_wrong_way_is_named_at_once),
		cmocka_unit_test(test_tcp_host_again_pauses_grow_to_a_maximum),
		cmocka_unit_test(test_tcp_host_again_pauses_end_within_the_time),
		cmocka_unit_test(test_tcp_host_again_refusals_without_dnr_are_tried_again),
		cmocka_unit_test(test_tcp_host_again_refusal_with_dnr_ends_it),
		cmocka_unit_test(test_tcp_host_again_time_is_over_in_a_pause),
		cmocka_unit_test(test_tcp_host_again_time_is_over_in_a_try),
		cmocka_unit_test(test_tcp_host_again_shortest_time_means_no_try),
		cmocka_unit_test(test_tcp_host_again_live_in_between_starts_the_time_anew),
		cmocka_unit_test(test_tcp_host_again_traffic_is_as_good_as_keep_alive),
		cmocka_unit_test(test_tcp_host_again_old_traffic_stays_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
