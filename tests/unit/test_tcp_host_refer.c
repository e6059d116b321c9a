// SPDX-License-Identifier: BSD-2-Clause
/*
 * Referrals of discovery controllers to others: each is asked once, however many refer to it, and
 * there is a bound.
 */
#include "common/nqn.h"
#include "host/discovery.h"
#include "tests/unit/tcp_session.h"

static char to_port[2][8]; /* where each of two targets is */

static void refer(struct nvmf_disc_log_entry *e, const char *traddr, const char *trsvcid)
{
	e->subtype = NVME_NQN_DISC;
	memset(e->traddr, 0, sizeof(e->traddr));
	memcpy(e->traddr, traddr, strlen(traddr));
	memset(e->trsvcid, 0, sizeof(e->trsvcid));
	memcpy(e->trsvcid, trsvcid, strlen(trsvcid));
	memset(e->subnqn, 0, sizeof(e->subnqn));
	memcpy(e->subnqn, NQN_DISCOVERY, sizeof(NQN_DISCOVERY));
}

/* The first refers to the second, twice. */
static void first_refers(struct fake_conn *c, uint32_t i, struct nvmf_disc_log_entry *e)
{
	(void)c;
	if (i == 1 || i == 2)
		refer(e, "127.0.0.1", to_port[1]);
}

/* The second to itself under its own name, to the first, to nobody, and to what cannot be asked. */
static void second_refers(struct fake_conn *c, uint32_t i, struct nvmf_disc_log_entry *e)
{
	static const char own[] = "nqn.2024-01.org.example:discovery";

	(void)c;
	if (i == 0) {
		e->subtype = NVME_NQN_CURR;
		memcpy(e->subnqn, own, sizeof(own));
	} else if (i == 1) {
		refer(e, "127.0.0.1", to_port[1]);
		memcpy(e->subnqn, own, sizeof(own));
	} else if (i == 2) {
		refer(e, "127.0.0.1", to_port[0]);
	} else if (i == 3) {
		refer(e, "127.0.0.2", to_port[0]);
	} else if (i == 4) {
		refer(e, "somewhere", "8009");
	} else if (i == 5) {
		refer(e, "127.0.0.3", "none");
	} else if (i == 6) {
		refer(e, "127.0.0.3", "8009");
		e->trtype = NVMF_TRTYPE_RDMA;
	}
}

struct visits {
	uint32_t nr;
	char text[8][128];
};

static void visit(const struct nvmh_disc_service *s, void *arg)
{
	struct visits *v = arg;

	if (v->nr < ARRAY_SIZE(v->text))
		snprintf(v->text[v->nr], sizeof(v->text[0]), "%u %s %s %d %u %d", s->depth,
			 s->traddr, strcmp(s->trsvcid, to_port[0]) ? "second" : "first", s->err,
			 s->log.nr, s->error[0] != '\0');
	v->nr++;
}

static void test_tcp_host_refer_is_followed_once(void **state)
{
	static const struct fake_script scripts[2] = { { .disc = first_refers },
						       { .disc = second_refers } };
	struct nvmh_ctrl_opts opts = { .trtype = "tcp", .traddr = "127.0.0.1" };
	struct fake_target *t[2];
	struct visits v = { 0 };
	uint32_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		t[i] = fake_target_start(
			&(struct fake_opts){ .nr_disc = i ? 7 : 3, .script = &scripts[i] });
		snprintf(to_port[i], sizeof(to_port[i]), "%u", t[i]->port);
	}
	opts.trsvcid = to_port[0];
	assert_int_equal(nvmh_discover_tree(&opts, 8, SESSION_WAIT_MS, visit, &v), 0);
	assert_int_equal(v.nr, 3);
	assert_string_equal(v.text[0], "0 127.0.0.1 first 0 3 0");
	assert_string_equal(v.text[1], "1 127.0.0.1 second 0 7 0");
	assert_string_equal(v.text[2], "2 127.0.0.2 first -111 0 1");
	v.nr = 0;
	assert_int_equal(nvmh_discover_tree(&opts, 1, SESSION_WAIT_MS, visit, &v), 0);
	assert_int_equal(v.nr, 2);
	v.nr = 0;
	assert_int_equal(nvmh_discover_tree(&opts, 0, SESSION_WAIT_MS, visit, &v), 0);
	assert_int_equal(v.nr, 1);
	/* the first is the one that matters */
	v.nr = 0;
	opts.traddr = "127.0.0.9";
	assert_int_equal(nvmh_discover_tree(&opts, 8, SESSION_WAIT_MS, visit, &v), -ECONNREFUSED);
	assert_int_equal(v.nr, 1);
	v.nr = 0;
	opts.traddr = "localhost";
	assert_int_equal(nvmh_discover_tree(&opts, 8, SESSION_WAIT_MS, visit, &v), -EINVAL);
	assert_non_null(strstr(nvmh_strerror(), "localhost"));
	assert_int_equal(v.nr, 0);
	for (i = 0; i < 2; i++)
		fake_target_stop(t[i]);
}

static void refer_to_many(struct fake_conn *c, uint32_t i, struct nvmf_disc_log_entry *e)
{
	char traddr[16];

	(void)c;
	snprintf(traddr, sizeof(traddr), "127.0.1.%u", i + 1);
	refer(e, traddr, to_port[0]);
}

static void test_tcp_host_refer_is_bounded(void **state)
{
	static const struct fake_script script = { .disc = refer_to_many };
	struct nvmh_ctrl_opts opts = { .trtype = "tcp", .traddr = "127.0.0.1" };
	struct fake_target *t =
		fake_target_start(&(struct fake_opts){ .nr_disc = 64, .script = &script });
	struct visits v = { 0 };

	(void)state;
	snprintf(to_port[0], sizeof(to_port[0]), "%u", t->port);
	opts.trsvcid = to_port[0];
	assert_int_equal(nvmh_discover_tree(&opts, 8, SESSION_WAIT_MS, visit, &v), -E2BIG);
	assert_int_equal(v.nr, MAX_DISC_SERVICES);
	fake_target_stop(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_host_refer_is_followed_once),
		cmocka_unit_test(test_tcp_host_refer_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
