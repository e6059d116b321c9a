// SPDX-License-Identifier: BSD-2-Clause
/*
 * Transport strings: every key in all its spellings, every value that is refused with an error that
 * names it, and strings that nobody means well with.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/util.h"
#include "host/nvmh.h"

#define TCP  "trtype=tcp traddr=192.0.2.1 "
#define PCIE "trtype=pcie traddr=0000:01:00.0 "

static struct nvmh_transport tr;

static void good(const char *text)
{
	if (nvmh_transport_parse(text, &tr))
		fail_msg("\"%s\": %s", text, nvmh_strerror());
}

static void bad(const char *text, const char *says)
{
	if (nvmh_transport_parse(text, &tr) != -EINVAL || !strstr(nvmh_strerror(), says))
		fail_msg("\"%s\": \"%s\" does not say \"%s\"", text, nvmh_strerror(), says);
}

static void test_transport_every_key_of_tcp_is_taken(void **state)
{
	static const uint8_t hostid[16] = { 0x2d, 0xd1, 0xad, 0x53, 0xc6, 0xa4, 0x4d, 0x5b,
					    0x9f, 0x7c, 0xd1, 0xd5, 0xe8, 0xd3, 0xf0, 0xa1 };

	(void)state;
	good("trtype=tcp adrfam=ipv6 traddr=2001:db8::1 trsvcid=4421 subnqn=nqn.a=b:c "
	     "hostnqn=nqn.h hostid=2dd1ad53-c6a4-4d5b-9f7c-d1d5e8d3f0a1 host_traddr=2001:db8::2 "
	     "host_iface=eth0 nsid=4294967294 nr_io_queues=128 queue_size=1024 keep_alive_tmo=5 "
	     "reconnect_delay=2 ctrl_loss_tmo=30 fast_io_fail_tmo=7 admin_timeout_ms=1000 "
	     "io_timeout_ms=2000 hdgst=1 ddgst=1 disable_sqflow=1 tos=184 tcp_congestion=reno");
	assert_string_equal(tr.opts.trtype, "tcp");
	assert_string_equal(tr.opts.traddr, "2001:db8::1");
	assert_string_equal(tr.opts.trsvcid, "4421");
	assert_string_equal(tr.opts.subnqn, "nqn.a=b:c");
	assert_string_equal(tr.opts.hostnqn, "nqn.h");
	assert_memory_equal(tr.opts.hostid, hostid, sizeof(hostid));
	assert_string_equal(tr.opts.host_traddr, "2001:db8::2");
	assert_string_equal(tr.opts.host_iface, "eth0");
	assert_true(tr.nsid == 4294967294u);
	assert_int_equal(tr.opts.nr_io_queues, 128);
	assert_int_equal(tr.opts.queue_size, 1024);
	assert_int_equal(tr.opts.kato_ms, 5000);
	assert_int_equal(tr.opts.reconnect_delay_ms, 2000);
	assert_int_equal(tr.opts.ctrl_loss_ms, 30000);
	assert_int_equal(tr.fast_io_fail_ms, 7000);
	assert_int_equal(tr.opts.admin_timeout_ms, 1000);
	assert_int_equal(tr.opts.io_timeout_ms, 2000);
	assert_true(tr.opts.hdgst && tr.opts.ddgst && tr.opts.disable_sqflow);
	assert_int_equal(tr.opts.tos, 184);
	assert_string_equal(tr.opts.tcp_congestion, "reno");
	nvmh_transport_done(&tr);
}

static void test_transport_every_key_of_pcie_is_taken(void **state)
{
	(void)state;
	good("trtype=pcie traddr=01:00.0 nsid=1 nr_io_queues=1 queue_size=2 use_cmb=1 hmb_mib=64 "
	     "admin_timeout_ms=600000 io_timeout_ms=1");
	assert_string_equal(tr.opts.trtype, "pcie");
	assert_string_equal(tr.opts.traddr, "0000:01:00.0");
	assert_true(tr.opts.use_cmb);
	assert_int_equal(tr.opts.hmb_mib, 64);
	assert_int_equal(tr.opts.queue_size, 2);
	nvmh_transport_done(&tr);
	good("trtype=pcie traddr=0000.01.0f.7 hmb_mib=0");
	assert_string_equal(tr.opts.traddr, "0000:01:0f.7");
	assert_int_equal(tr.opts.hmb_mib, (uint32_t)NVMH_NO_HMB);
	nvmh_transport_done(&tr);
}

static void test_transport_what_is_not_named_is_zero(void **state)
{
	static const struct nvmh_ctrl_opts none;
	struct nvmh_ctrl_opts opts;

	(void)state;
	memset(&tr, 0xff, sizeof(tr));
	good("trtype=tcp traddr=192.0.2.1");
	opts = tr.opts;
	opts.trtype = opts.traddr = NULL;
	assert_memory_equal(&opts, &none, sizeof(none));
	assert_int_equal(tr.nsid, 0);
	assert_int_equal(tr.fast_io_fail_ms, 0);
	nvmh_transport_done(&tr);
	nvmh_transport_done(&tr); /* harmless */
}

/* Strings as nvme-cli, the kernel and SPDK write them say what ours say. */
static void test_transport_spellings_of_others_are_taken(void **state)
{
	static const char *const texts[] = {
		"trtype=tcp traddr=192.0.2.1 trsvcid=4420 subnqn=nqn.a hdgst=1 ddgst=1 nsid=3 "
		"nr_io_queues=4 kato_ms=5000 reconnect_delay_ms=3000 ctrl_loss_ms=9000 "
		"fast_io_fail_ms=1000 host_traddr=192.0.2.9",
		"transport=tcp,traddr=192.0.2.1,trsvcid=4420,nqn=nqn.a,hdr_digest,data_digest,"
		"nsid=3,nr_io_queues=4,keep_alive_tmo=5,reconnect_delay=3,ctrl_loss_tmo=9,"
		"fast_io_fail_tmo=1,host_traddr=192.0.2.9",
		" trtype:TCP\tadrfam:IPv4 traddr:192.0.2.1\n trsvcid:4420 SUBNQN:nqn.a hdgst:true "
		"ddgst:on ns:3 num_io_queues:4 keep_alive_timeout_ms:5000 reconnect_delay_sec:3 "
		"ctrlr_loss_timeout_sec:9 fast_io_fail_timeout_sec:1 hostaddr:192.0.2.9,",
		"transport=TCP nqn=nqn.a traddr=192.0.2.1 trsvcid=4420 hdr-digest=yes "
		"data-digest=Y namespace-id=3 nr-io-queues=4 keep-alive-tmo=5 reconnect-delay=3 "
		"ctrl-loss-tmo=9 fast-io-fail-tmo=1 host-traddr=192.0.2.9",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		good(texts[i]);
		assert_string_equal(tr.opts.trtype, "tcp");
		assert_string_equal(tr.opts.traddr, "192.0.2.1");
		assert_string_equal(tr.opts.trsvcid, "4420");
		assert_string_equal(tr.opts.subnqn, "nqn.a");
		assert_string_equal(tr.opts.host_traddr, "192.0.2.9");
		assert_true(tr.opts.hdgst && tr.opts.ddgst);
		assert_int_equal(tr.nsid, 3);
		assert_int_equal(tr.opts.nr_io_queues, 4);
		assert_int_equal(tr.opts.kato_ms, 5000);
		assert_int_equal(tr.opts.reconnect_delay_ms, 3000);
		assert_int_equal(tr.opts.ctrl_loss_ms, 9000);
		assert_int_equal(tr.fast_io_fail_ms, 1000);
		nvmh_transport_done(&tr);
	}
}

static void test_transport_limits_may_be_none_and_for_ever(void **state)
{
	(void)state;
	good(TCP "ctrl_loss_tmo=-1 fast_io_fail_tmo=-1 keep_alive_tmo=0 hdgst=0 ddgst=off tos=0");
	assert_true(tr.opts.ctrl_loss_ms == NVMH_NO_LIMIT);
	assert_true(tr.fast_io_fail_ms == NVMH_NO_LIMIT);
	assert_int_equal(tr.opts.kato_ms, 0);
	assert_false(tr.opts.hdgst || tr.opts.ddgst);
	nvmh_transport_done(&tr);
	/* no time at all is the shortest, since 0 of the options is the default */
	good(TCP "ctrl_loss_tmo=0 fast_io_fail_ms=0");
	assert_int_equal(tr.opts.ctrl_loss_ms, 1);
	assert_int_equal(tr.fast_io_fail_ms, 1);
	nvmh_transport_done(&tr);
	good(TCP "ctrl_loss_tmo=4000000 kato_ms=4000000000");
	assert_true(tr.opts.ctrl_loss_ms == 4000000000u);
	assert_true(tr.opts.kato_ms == 4000000000u);
	nvmh_transport_done(&tr);
}

static void test_transport_bad_values_are_named(void **state)
{
	static const struct {
		const char *words;
		const char *says;
	} cases[] = {
		{ "trsvcid=0", "trsvcid=\"0\": not a port number, 1..65535" },
		{ "trsvcid=65536", "trsvcid=\"65536\": not a port" },
		{ "trsvcid=http", "trsvcid=\"http\": not a port" },
		{ "adrfam=ib", "adrfam=\"ib\": neither ipv4 nor ipv6" },
		{ "adrfam=ipv6", "adrfam=\"ipv6\": traddr=192.0.2.1 is of the other family" },
		{ "subnqn=\x01", "subnqn=\"\\x01\": not an NQN" },
		{ "hostnqn=\xff", "hostnqn=\"\\xff\": not an NQN" },
		{ "hostid=1", "hostid=\"1\": not a UUID" },
		{ "hostid=00000000-0000-0000-0000-000000000000", "may not be 0" },
		{ "host_traddr=eth0", "host_traddr=\"eth0\": not an IPv4 or IPv6 address" },
		{ "host_traddr=::1", "host_traddr=::1: traddr=192.0.2.1 is of the other family" },
		{ "host_iface=a/b", "host_iface=\"a/b\": not the name" },
		{ "host_iface=0123456789abcdef", "longer than 15 characters" },
		{ "nsid=0", "nsid=\"0\": not a number within 1..4294967294" },
		{ "ns=4294967295", "nsid=\"4294967295\": not a number" },
		{ "nsid=1x", "nsid=\"1x\"" },
		{ "nsid=-1", "nsid=\"-1\"" },
		{ "nsid=0x1", "nsid=\"0x1\"" },
		{ "nsid=99999999999999999999999", "nsid=\"99999" },
		{ "nr_io_queues=0", "nr_io_queues=\"0\": not a number within 1..128" },
		{ "nr_io_queues=129", "within 1..128" },
		{ "queue_size=1", "queue_size=\"1\": not a number within 2..1024" },
		{ "queue_size=1025", "within 2..1024" },
		{ "keep_alive_tmo=-1",
		  "keep_alive_tmo=\"-1\": not a number within 0..4000000 (sec" },
		{ "keep_alive_tmo=4000001", "(seconds)" },
		{ "kato_ms=4000000001", "within 0..4000000000" },
		{ "reconnect_delay=0", "within 1..4000000 (seconds)" },
		{ "reconnect_delay_ms=-1", "within 1..4000000000" },
		{ "ctrl_loss_tmo=-2", "ctrl_loss_tmo=\"-2\": not a number within -1..4000000" },
		{ "fast_io_fail_tmo=soon", "fast_io_fail_tmo=\"soon\"" },
		{ "admin_timeout_ms=0", "within 1..600000" },
		{ "io_timeout_ms=600001", "within 1..600000" },
		{ "hdgst=2", "hdgst=\"2\": neither 1 nor 0" },
		{ "data_digest=maybe", "ddgst=\"maybe\": neither" },
		{ "disable_sqflow=", "disable_sqflow= has no value" },
		{ "tos=256", "tos=\"256\": not a number within 0..255" },
		{ "tcp_congestion=0123456789abcdef", "longer than 15 characters" },
	};
	char text[200];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(text, sizeof(text), TCP "%s", cases[i].words);
		bad(text, cases[i].says);
	}
	bad("trtype=pcie traddr=1", "traddr=\"1\": not a PCI address like 0000:01:00.0");
	bad("trtype=pcie traddr=0000:01:00.8", "not a PCI address");
	bad("trtype=pcie traddr=0000:01:00.0000000000", "not a PCI address");
	bad(PCIE "use_cmb=x", "use_cmb=\"x\"");
	bad(PCIE "hmb_mib=4097", "hmb_mib=\"4097\": not a number within 0..4096");
	bad(PCIE "adrfam=ipv4", "trtype=pcie has none");
	bad("trtype=tcp traddr=example.org", "names are not looked up");
	bad("trtype=rdma traddr=a", "trtype=\"rdma\": neither tcp nor pcie");
}

static void test_transport_bad_strings_are_explained(void **state)
{
	(void)state;
	bad("", "trtype= is missing");
	bad(" ,\t\n", "trtype= is missing");
	bad("traddr=192.0.2.1 subnqn=nqn.a", "trtype= is missing");
	bad("trtype=tcp", "traddr= is missing: an IPv4 or IPv6 address");
	bad("trtype=pcie", "traddr= is missing: a PCI address");
	bad("trtype=tcp traddr=", "traddr= has no value");
	bad("tcp 192.0.2.1", "\"tcp\" is not of the form key=value");
	bad(TCP "subnqn", "\"subnqn\" is not of the form");
	bad(TCP "=a", "\"\" is not a key");
	bad(TCP "traddr=192.0.2.2", "traddr= is given twice");
	bad(TCP "transport=tcp", "trtype= is given twice");
	bad(TCP "hdgst hdr_digest=0", "hdgst= is given twice");
	bad(TCP "kato_ms=1 keep_alive_tmo=1", "keep_alive_tmo= is given twice, before as kato_ms");
	bad(TCP "use_cmb=1", "use_cmb= is not for trtype=tcp");
	bad(PCIE "subnqn=nqn.a", "subnqn= is not for trtype=pcie");
	bad(PCIE "tcp_congestion=reno", "tcp_congestion= is not for trtype=pcie");
}

static void test_transport_unknown_keys_get_a_suggestion(void **state)
{
	(void)state;
	bad(TCP "tradr=1", "\"tradr\" is not a key; did you mean traddr=?");
	bad(TCP "nr_io_queue=1", "did you mean nr_io_queues=?");
	bad(TCP "subnqm=a", "did you mean subnqn=?");
	bad(TCP "hdr_digst=1", "did you mean hdgst=?");
	bad(TCP "port=1", "\"port\" is not a key; the keys are: trtype adrfam traddr");
	bad(TCP "x=1", "tcp_congestion use_cmb hmb_mib");
	bad(TCP "dhchap_secret=DHHC", "\"dhchap_secret\" is not supported: there is no auth");
	bad(TCP "nr-poll-queues=2", "use nr_io_queues=");
}

static void test_transport_hostile_lengths_are_bounded(void **state)
{
	char *text = malloc(100001);
	size_t len;

	(void)state;
	assert_non_null(text);
	/* the longest string that is taken, and one more */
	len = strlen(TCP);
	memcpy(text, TCP, len);
	memset(text + len, ' ', 5000);
	text[4096] = '\0';
	good(text);
	nvmh_transport_done(&tr);
	text[4096] = ' ';
	text[4097] = '\0';
	bad(text, "more than 4096 bytes");
	memset(text, 'a', 100000);
	text[100000] = '\0';
	bad(text, "more than 4096 bytes");
	/* a key, and values, of thousands of bytes, and thousands of words */
	text[4000] = '\0';
	bad(text, "is not of the form");
	text[2000] = '=';
	bad(text, "is not a key");
	memcpy(text, "traddr=", 7);
	bad(text, "longer than 255 characters");
	memcpy(text, "subnqn=", 7);
	bad(text, "not an NQN");
	memcpy(text, "hostid=", 7);
	bad(text, "not a UUID");
	memcpy(text, "adrfam=", 7);
	bad(text, "adrfam=\"aaaa");
	for (len = 0; len < 4000; len += 2)
		memcpy(text + len, "a=", 2);
	bad(text, "is not a key");
	/* nothing that steers a terminal comes back */
	bad("trtype=\x1b[31m", "\\x1b[31m");
	bad("\x1b[31m", "\\x1b[31m");
	bad("tr\x1btype=tcp", "\\x1b");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transport_every_key_of_tcp_is_taken),
		cmocka_unit_test(test_transport_every_key_of_pcie_is_taken),
		cmocka_unit_test(test_transport_what_is_not_named_is_zero),
		cmocka_unit_test(test_transport_spellings_of_others_are_taken),
		cmocka_unit_test(test_transport_limits_may_be_none_and_for_ever),
		cmocka_unit_test(test_transport_bad_values_are_named),
		cmocka_unit_test(test_transport_bad_strings_are_explained),
		cmocka_unit_test(test_transport_unknown_keys_get_a_suggestion),
		cmocka_unit_test(test_transport_hostile_lengths_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
