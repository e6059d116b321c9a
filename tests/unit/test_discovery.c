// SPDX-License-Identifier: BSD-2-Clause
/*
 * The discovery log: who sees what, where it says things are, and reading it in pieces.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/nqn.h"
#include "common/stream.h"
#include "tests/fake/fake_sq.h"

enum {
	ENTRY = sizeof(struct nvmf_disc_log_entry),
	MAX_ENTRIES = 8,
	LOG_BYTES = ENTRY * (1 + MAX_ENTRIES),
};

static uint8_t data[LOG_BYTES];

static struct fake_sq *discover(unsigned int port, const char *hostnqn)
{
	struct fake_connect c = { .subnqn = NQN_DISCOVERY, .hostnqn = hostnqn, .hostid = 1 };
	struct fake_sq *f = fake_sq_new(fake_port(port), 0);

	assert_int_equal(fake_connect(f, &c), 0);
	assert_int_equal(fake_prop_set(f, NVME_REG_CC, FAKE_CC_EN), 0);
	return f;
}

static const struct nvmf_discovery_log *read_log(struct fake_sq *f)
{
	memset(data, 0xee, sizeof(data));
	assert_int_equal(fake_get_log(f, NVME_LOG_LID_DISCOVER, true, 0, data, sizeof(data)), 0);
	return (const struct nvmf_discovery_log *)data;
}

static void test_discovery_lists_what_the_host_may_reach(void **state)
{
	static const struct {
		unsigned int port;
		const char *host;
		uint64_t nr;
		struct {
			uint8_t subtype;
			const char *subnqn;
		} entry[MAX_ENTRIES];
	} cases[] = {
		{ 0,
		  FAKE_HOST,
		  5,
		  { { NVME_NQN_CURR, NQN_DISCOVERY },
		    { NVME_NQN_NVME, FAKE_SUBSYS },
		    { NVME_NQN_NVME, FAKE_SUBSYS_ACL },
		    { NVME_NQN_NVME, FAKE_SUBSYS_NONE },
		    { NVME_NQN_DISC, NQN_DISCOVERY } } },
		{ 0,
		  FAKE_OTHER,
		  4,
		  { { NVME_NQN_CURR, NQN_DISCOVERY },
		    { NVME_NQN_NVME, FAKE_SUBSYS },
		    { NVME_NQN_NVME, FAKE_SUBSYS_NONE },
		    { NVME_NQN_DISC, NQN_DISCOVERY } } },
		{ 1,
		  FAKE_HOST,
		  2,
		  { { NVME_NQN_CURR, NQN_DISCOVERY }, { NVME_NQN_NVME, FAKE_SUBSYS_NONE } } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake_sq *f = discover(cases[i].port, cases[i].host);
		const struct nvmf_discovery_log *log = read_log(f);

		assert_int_equal(le64toh(log->numrec), cases[i].nr);
		assert_int_equal(le64toh(log->genctr), atomic_load(&nvmet.discovery_genctr));
		assert_int_equal(log->recfmt, 0);
		for (uint64_t k = 0; k < cases[i].nr; k++) {
			assert_int_equal(log->entries[k].subtype, cases[i].entry[k].subtype);
			assert_string_equal(log->entries[k].subnqn, cases[i].entry[k].subnqn);
		}
		for (size_t k = (size_t)(1 + cases[i].nr) * ENTRY; k < sizeof(data); k++)
			assert_int_equal(data[k], 0);
		fake_sq_free(f);
	}
}

static void test_discovery_entry_says_how_to_connect(void **state)
{
	struct fake_sq *f = discover(0, FAKE_HOST);
	const struct nvmf_discovery_log *log = read_log(f);
	const struct nvmf_disc_log_entry *self = &log->entries[0], *subsys = &log->entries[1];
	const struct nvmf_disc_log_entry *referral = &log->entries[4];

	(void)state;
	assert_int_equal(subsys->trtype, NVMF_TRTYPE_TCP);
	assert_int_equal(subsys->adrfam, NVMF_ADDR_FAMILY_IP4);
	assert_int_equal(subsys->treq & 3, NVMF_TREQ_NOT_SPECIFIED);
	assert_true(subsys->treq & NVMF_TREQ_DISABLE_SQFLOW);
	assert_int_equal(le16toh(subsys->portid), 1);
	assert_int_equal(le16toh(subsys->cntlid), 0xffff);
	assert_int_equal(le16toh(subsys->asqsz), 128);
	assert_int_equal(le16toh(subsys->eflags), 0);
	assert_string_equal(subsys->traddr, "192.0.2.1");
	assert_string_equal(subsys->trsvcid, "4420");
	assert_int_equal(subsys->tsas.tcp.sectype, 0);
	assert_int_equal(le16toh(self->eflags),
			 NVMF_DISC_EFLAGS_EPCSD | NVMF_DISC_EFLAGS_DUPRETINFO);
	assert_string_equal(self->traddr, "192.0.2.1");
	assert_int_equal(le16toh(referral->portid), 9);
	assert_int_equal(le16toh(referral->eflags), 0);
	assert_string_equal(referral->traddr, "192.0.2.2");
	assert_string_equal(referral->trsvcid, "8009");
	fake_sq_free(f);
}

static void test_discovery_wildcard_answers_the_address_reached(void **state)
{
	static const struct {
		const char *reached, *answered;
	} cases[] = {
		{ "2001:db8::17", "2001:db8::17" },
		{ "fe80::1%1", "fe80::1" }, /* the scope is of no use to the host */
	};

	(void)state;
	/* The kernel chose this port. */
	((struct sockaddr_in6 *)&fake_port(1)->addr)->sin6_port = htons(34567);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake_sq *f = discover(1, FAKE_HOST);
		const struct nvmf_discovery_log *log;
		char literal[64];
		socklen_t len;

		snprintf(literal, sizeof(literal), "%s", cases[i].reached);
		literal[strcspn(literal, "%")] = '\0';
		assert_int_equal(sock_addr(literal, 34567, &f->local, &len), 0);
		if (strchr(cases[i].reached, '%'))
			((struct sockaddr_in6 *)&f->local)->sin6_scope_id = 1;
		log = read_log(f);
		for (int k = 0; k < 2; k++) {
			assert_int_equal(log->entries[k].adrfam, NVMF_ADDR_FAMILY_IP6);
			assert_string_equal(log->entries[k].traddr, cases[i].answered);
			assert_string_equal(log->entries[k].trsvcid, "34567");
			assert_int_equal(le16toh(log->entries[k].portid), 2);
		}
		fake_sq_free(f);
	}
}

static void test_discovery_pieces_are_those_of_the_whole(void **state)
{
	static const uint32_t lengths[] = { 4, 16, 20, 1000, 1024, 1028, 4096 };
	struct fake_sq *f = discover(0, FAKE_HOST);
	uint8_t whole[LOG_BYTES], piece[4096];

	(void)state;
	memcpy(whole, read_log(f), sizeof(whole));
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		for (uint32_t off = 0; off <= 6 * ENTRY; off += lengths[i]) {
			uint32_t have = min_of(lengths[i], (uint32_t)LOG_BYTES - off);

			assert_int_equal(fake_get_log(f, NVME_LOG_LID_DISCOVER, true, off, piece,
						      lengths[i]),
					 0);
			assert_memory_equal(piece, whole + off, have);
		}
	fake_sq_free(f);
}

static void test_discovery_offset_beyond_the_log_is_refused(void **state)
{
	struct fake_sq *f = discover(0, FAKE_HOST);
	static const uint64_t beyond[] = { 6 * ENTRY + 4, 1ull << 32, UINT64_MAX - 3,
					   UINT64_MAX - 4095 };

	(void)state;
	assert_int_equal(fake_get_log(f, NVME_LOG_LID_DISCOVER, true, 6 * ENTRY, data, 1024), 0);
	for (size_t i = 0; i < ARRAY_SIZE(beyond); i++)
		assert_int_equal(fake_get_log(f, NVME_LOG_LID_DISCOVER, true, beyond[i], data,
					      1024),
				 ST_INVALID_FIELD | ST_DNR);
	assert_int_equal(fake_get_log(f, NVME_LOG_LID_DISCOVER, true, 2, data, 1024),
			 ST_INVALID_FIELD | ST_DNR);
	fake_sq_free(f);
}

static void test_discovery_change_shows_in_the_counter(void **state)
{
	struct fake_sq *f = discover(0, FAKE_OTHER);
	uint64_t genctr = le64toh(read_log(f)->genctr);

	(void)state;
	nvmet_lock();
	fake_subsys(FAKE_SUBSYS_ACL)->allow_any_host = true;
	nvmet_discovery_changed();
	nvmet_unlock();
	assert_int_equal(le64toh(read_log(f)->genctr), genctr + 1);
	assert_int_equal(le64toh(read_log(f)->numrec), 5);
	fake_sq_free(f);
}

static void test_discovery_refused_host_sees_no_trace(void **state)
{
	struct fake_sq *f = discover(0, FAKE_OTHER);
	const uint8_t *bytes = (const uint8_t *)read_log(f);

	(void)state;
	assert_null(memmem(bytes, sizeof(data), FAKE_SUBSYS_ACL, strlen(FAKE_SUBSYS_ACL)));
	fake_sq_free(f);
}

static void test_discovery_log_is_not_for_io_controllers(void **state)
{
	struct fake_sq *f = fake_host(FAKE_SUBSYS, FAKE_HOST, 1);

	(void)state;
	assert_int_equal(fake_get_log(f, NVME_LOG_LID_DISCOVER, true, 0, data, 1024),
			 ST_INVALID_LOG_PAGE | ST_DNR);
	fake_sq_free(f);
}

static void test_discovery_controller_takes_no_io_queue(void **state)
{
	struct fake_sq *f = discover(0, FAKE_HOST);

	(void)state;
	assert_null(fake_io_queue(f, 1, 0));
	fake_sq_free(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_nvmet_setup, fake_nvmet_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_discovery_lists_what_the_host_may_reach),
		TEST(test_discovery_entry_says_how_to_connect),
		TEST(test_discovery_wildcard_answers_the_address_reached),
		TEST(test_discovery_pieces_are_those_of_the_whole),
		TEST(test_discovery_offset_beyond_the_log_is_refused),
		TEST(test_discovery_change_shows_in_the_counter),
		TEST(test_discovery_refused_host_sees_no_trace),
		TEST(test_discovery_log_is_not_for_io_controllers),
		TEST(test_discovery_controller_takes_no_io_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
