// SPDX-License-Identifier: BSD-2-Clause
/*
 * Configurations that are right: defaults, every form of every value, the examples, the writer. What
 * is wrong is in test_config_broken.c.
 */
#include <fcntl.h>
#include <errno.h>
#include <json-c/json.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/util.h"
#include "config/read.h"
#include "tests/unit/config/config_test.h"

#define EXAMPLES "config/examples/"
#define NQN	 "nqn.2026-01.org.example:disk"

static const char *const examples[] = {
	EXAMPLES "minimal.json",    EXAMPLES "file.json",	   EXAMPLES "drive.json",
	EXAMPLES "datacenter.json", EXAMPLES "kernel-target.json", EXAMPLES "remote.json",
};

static struct config *load_example(const char *name)
{
	struct config *cfg = NULL;
	char path[256];
	int ret;

	snprintf(path, sizeof(path), EXAMPLES "%s.json", name);
	memset(&errs, 0, sizeof(errs));
	ret = config_load(path, &cfg, &errs);
	config_errors_print(&errs, stdout, path);
	assert_int_equal(ret, 0);
	return cfg;
}

static void test_config_empty_object_gives_defaults(void **state)
{
	struct config *cfg = parse_good("{}");

	(void)state;
	assert_int_equal(cfg->daemon.nr_cores, 0);
	assert_false(cfg->daemon.has_cpus);
	assert_int_equal(cfg->daemon.memory_bytes, 64 << 20);
	assert_int_equal(cfg->daemon.hugepages, CONFIG_HUGEPAGES_AUTO);
	assert_int_equal(cfg->daemon.log_level, LOG_LVL_INFO);
	assert_int_equal(cfg->daemon.spin_us, 6);
	assert_true(cfg->daemon.balance);
	assert_string_equal(cfg->daemon.state_dir, "/var/lib/nvmetcp");
	assert_null(cfg->daemon.rpc_socket);
	assert_int_equal(cfg->daemon.max_io_bytes, 1 << 20);
	assert_int_equal(cfg->daemon.in_capsule_bytes, 16384);
	assert_int_equal(cfg->daemon.io_queue_depth, 128);
	assert_int_equal(cfg->daemon.max_io_queues, MAX_IO_QUEUES);
	assert_false(cfg->daemon.drive_cmb);
	assert_int_equal(cfg->daemon.drive_hmb_bytes, 128 << 20);
	assert_int_equal(cfg->daemon.drive_timeout_s, 30);
	assert_int_equal(cfg->nr_hosts + cfg->nr_subsystems + cfg->nr_ports, 0);
	assert_int_equal(errs.nr_warnings, 1);
	assert_string_equal(errs.warning[0].text, "there is no port for TCP: nothing is served");
	config_free(cfg);
}

static void test_config_minimal_example_means_what_it_says(void **state)
{
	struct config *cfg = load_example("minimal");
	const struct config_subsystem *subsys = &cfg->subsystems[0];
	const struct config_port *port = &cfg->ports[0];

	(void)state;
	assert_int_equal(errs.nr_warnings, 0);
	assert_int_equal(cfg->nr_subsystems, 1);
	assert_true(subsys->allow_any_host);
	assert_string_equal(subsys->serial, "");
	assert_int_equal(subsys->cntlid_min, 1);
	assert_int_equal(subsys->cntlid_max, CONFIG_MAX_CNTLID);
	assert_int_equal(subsys->qid_max, MAX_IO_QUEUES);
	assert_int_equal(subsys->nr_namespaces, 1);
	assert_int_equal(subsys->namespaces[0].device, CONFIG_DEVICE_MEM);
	assert_int_equal(subsys->namespaces[0].size_bytes, 1 << 30);
	assert_int_equal(subsys->namespaces[0].block_size, 4096);
	assert_int_equal(subsys->namespaces[0].ana_grpid, 1);
	assert_true(subsys->namespaces[0].enable);
	assert_int_equal(cfg->nr_ports, 1);
	assert_string_equal(port->addr.traddr, "127.0.0.1");
	assert_int_equal(port->addr.trsvcid, 4420);
	assert_int_equal(port->in_capsule_bytes, 16384);
	assert_int_equal(port->max_queue_depth, 128);
	assert_int_equal(port->nr_subsystems, 1);
	assert_int_equal(port->subsystems[0], 0);
	assert_int_equal(port->nr_ana_groups, 1);
	assert_int_equal(port->ana_groups[0].grpid, 1);
	assert_int_equal(port->ana_groups[0].state, CONFIG_ANA_OPTIMIZED);
	assert_int_equal(config_find_subsystem(cfg, "nqn.2026-01.org.example:ram"), 0);
	assert_int_equal(config_find_subsystem(cfg, "nqn.2026-01.org.example:RAM"), -ENOENT);
	config_free(cfg);
}

static void test_config_datacenter_example_means_what_it_says(void **state)
{
	static const uint8_t eui64[] = { 0, 0xa0, 0xb8, 0, 0, 0, 0, 1 };
	struct config *cfg = load_example("datacenter");
	const struct config_namespace *ns = cfg->subsystems[0].namespaces;
	const struct config_port *port = cfg->ports;

	(void)state;
	assert_int_equal(cfg->daemon.nr_cores, 4);
	assert_false(cfg->daemon.has_cpus);
	assert_int_equal(cfg->nr_hosts, 3);
	assert_int_equal(cfg->subsystems[0].nr_allowed_hosts, 2);
	assert_string_equal(cfg->subsystems[0].allowed_hosts[1], "nqn.2026-01.org.example:host-a2");
	assert_int_equal(cfg->subsystems[0].qid_max, 16);
	assert_int_equal(cfg->subsystems[1].ieee_oui, 0xa0b8);
	assert_int_equal(cfg->subsystems[1].vendor_id, 0x1af4);
	assert_string_equal(ns[0].bdf, "0000:41:00.0");
	assert_int_equal(ns[0].dev_nsid, 1);
	assert_int_equal(ns[0].block_size, 0);
	assert_true(ns[1].has_nguid);
	assert_int_equal(ns[1].nguid[0], 0xd2);
	assert_int_equal(ns[1].ana_grpid, 2);
	assert_false(ns[2].enable);
	assert_memory_equal(cfg->subsystems[1].namespaces[0].eui64, eui64, sizeof(eui64));
	assert_int_equal(cfg->subsystems[1].namespaces[1].size_bytes, 1ull << 40);
	assert_int_equal(port[0].max_queue_depth, 256);
	assert_int_equal(port[0].ana_groups[1].state, CONFIG_ANA_NON_OPTIMIZED);
	assert_int_equal(port[0].nr_referrals, 1);
	assert_string_equal(port[0].referrals[0].addr.traddr, "192.0.2.11");
	assert_int_equal(port[0].referrals[0].addr.trsvcid, 8009);
	assert_int_equal(port[0].referrals[0].portid, 1);
	assert_true(port[1].addr.ipv6);
	assert_int_equal(port[1].addr.treq, CONFIG_TREQ_NOT_REQUIRED);
	assert_int_equal(port[1].in_capsule_bytes, 8192);
	assert_int_equal(port[1].max_queue_depth, 128);
	assert_string_equal(port[0].tcp_congestion, "");
	assert_string_equal(port[1].tcp_congestion, "cubic");
	config_free(cfg);
}

static void test_config_kernel_target_file_is_taken(void **state)
{
	struct config *cfg = load_example("kernel-target");
	const struct config_namespace *ns = cfg->subsystems[0].namespaces;
	char summary[160];

	(void)state;
	assert_int_equal(errs.nr_warnings, 1);
	assert_string_equal(errs.warning[0].path, "ports[1]");
	assert_non_null(strstr(errs.warning[0].text, "\"loop\""));
	assert_int_equal(errs.warning[0].line, 55);
	assert_int_equal(cfg->nr_ports, 1);
	assert_int_equal(cfg->ports[0].max_queue_depth, 128);
	assert_false(ns[0].has_nguid);
	assert_true(ns[0].has_uuid);
	assert_int_equal(ns[0].device, CONFIG_DEVICE_PATH);
	assert_int_equal(ns[0].block_size, 0);
	assert_int_equal(ns[0].size_bytes, 0);
	assert_false(ns[1].enable);
	config_summary(cfg, summary, sizeof(summary));
	assert_string_equal(summary, "1 port, 1 subsystem, 2 namespaces (1 disabled), 1 host");
	config_free(cfg);
}

static void test_config_examples_survive_writing_and_reading(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		char *text = read_file(examples[i], NULL);
		struct config *cfg = parse_good(text);

		check_round_trip(cfg);
		config_free(cfg);
		free(text);
	}
}

static void test_config_sizes_are_taken_in_every_form(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = {
		{ "1073741824", 1 << 30 },     { "\"1073741824\"", 1 << 30 },
		{ "\"1G\"", 1 << 30 },	       { "\"1g\"", 1 << 30 },
		{ "\"1GiB\"", 1 << 30 },       { "\"1GB\"", 1 << 30 },
		{ "\" 1024 MiB \"", 1 << 30 }, { "\"1048576K\"", 1 << 30 },
		{ "\"4096B\"", 4096 },	       { "\"2T\"", 2ull << 40 },
		{ "\"1E\"", 1ull << 60 },      { "4611686018427387904", 1ull << 62 },
	};
	char device[64];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config *cfg;

		snprintf(device, sizeof(device), "\"null\": %s", cases[i].text);
		cfg = with_device(device);
		assert_int_equal(cfg->subsystems[0].namespaces[0].size_bytes, cases[i].bytes);
		check_round_trip(cfg);
		config_free(cfg);
	}
}

static void test_config_devices_are_brought_into_one_form(void **state)
{
	static const struct {
		const char *device, *result;
	} cases[] = {
		{ "\"pci\": \"0000:01:00.0\"", "0000:01:00.0" },
		{ "\"pci\": \"81:1f.7\"", "0000:81:1f.7" },
		{ "\"pci\": \"10000:E1:00.0\"", "10000:e1:00.0" },
		{ "\"pci\": \" 0:1:0.0 \", \"nsid\": \"3\"", "0000:01:00.0" },
		{ "\"path\": \"/dev/sdb\"", "/dev/sdb" },
		{ "\"path\": \"//dev/./sdb/\"", "/dev/sdb" },
		{ "\"path\": \"/a/../b/.c/..d \"", "/a/../b/.c/..d" },
		{ "\"path\": \"/a/.\"", "/a" },
		{ "\"path\": \"/./\"", "/" },
		{ "\"path\": \"/ein Pfad/\\u00fc\", \"pci\": null, \"mem\": \"\"",
		  "/ein Pfad/\xc3\xbc" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config *cfg = with_device(cases[i].device);
		const struct config_namespace *ns = cfg->subsystems[0].namespaces;

		assert_string_equal(ns->device == CONFIG_DEVICE_PCI ? ns->bdf : ns->path,
				    cases[i].result);
		check_round_trip(cfg);
		config_free(cfg);
	}
}

static void test_config_ids_are_taken_in_every_form(void **state)
{
	static const struct {
		const char *device;
		bool uuid, nguid, eui64;
	} cases[] = {
		{ "\"uuid\": \"01020304-0506-0708-090A-0b0c0d0e0f10\"", true, false, false },
		{ "\"uuid\": \"00000000-0000-0000-0000-000000000000\"", false, false, false },
		{ "\"uuid\": \"\", \"nguid\": null", false, false, false },
		{ "\"nguid\": \"0102030405060708090a0b0c0d0e0f10\"", false, true, false },
		{ "\"nguid\": \"01020304-0506-0708-090a-0b0c0d0e0f10 \"", false, true, false },
		{ "\"nguid\": \"01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10\"", false, true,
		  false },
		{ "\"nguid\": \"00000000000000000000000000000000\"", false, false, false },
		{ "\"eui64\": \"0102030405060708\"", false, false, true },
		{ "\"eui64\": \"0x0102030405060708\"", false, false, true },
		{ "\"eui64\": \"01-02-03-04-05-06-07-08\"", false, false, true },
		{ "\"eui64\": \"0000000000000000\"", false, false, false },
	};
	static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
	static const uint8_t none[16];
	char device[160];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct config_namespace *ns;
		struct config *cfg;

		snprintf(device, sizeof(device), "\"mem\": \"1M\", %s", cases[i].device);
		cfg = with_device(device);
		ns = cfg->subsystems[0].namespaces;
		assert_int_equal(ns->has_uuid, cases[i].uuid);
		assert_int_equal(ns->has_nguid, cases[i].nguid);
		assert_int_equal(ns->has_eui64, cases[i].eui64);
		assert_memory_equal(ns->uuid, cases[i].uuid ? bytes : none, 16);
		assert_memory_equal(ns->nguid, cases[i].nguid ? bytes : none, 16);
		assert_memory_equal(ns->eui64, cases[i].eui64 ? bytes : none, 8);
		check_round_trip(cfg);
		config_free(cfg);
	}
}

static void test_config_cores_are_a_number_or_cpus(void **state)
{
	static const struct {
		const char *text;
		uint32_t nr;
		bool has_cpus;
		uint16_t first, last;
	} cases[] = {
		{ "1", 1, false, 0, 0 },
		{ "64", 64, false, 0, 0 },
		{ "[3]", 1, true, 3, 3 },
		{ "[5, 0, 1023]", 3, true, 0, 1023 },
		{ "\"0-3\"", 4, true, 0, 3 },
		{ "\"8,0-3,2\"", 5, true, 0, 8 },
		{ "\"0-31,64-95\"", 64, true, 0, 95 },
		{ "null", 0, false, 0, 0 },
	};
	char text[128];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct config_daemon *daemon;
		struct config *cfg;

		snprintf(text, sizeof(text), "{\"nvmetcpd\":{\"cores\":%s}}", cases[i].text);
		cfg = parse_good(text);
		daemon = &cfg->daemon;
		assert_int_equal(daemon->nr_cores, cases[i].nr);
		assert_int_equal(daemon->has_cpus, cases[i].has_cpus);
		assert_int_equal(daemon->cpu[0], cases[i].first);
		assert_int_equal(daemon->cpu[daemon->nr_cores ? daemon->nr_cores - 1 : 0],
				 cases[i].last);
		check_round_trip(cfg);
		config_free(cfg);
	}
}

static void test_config_addresses_are_brought_into_one_form(void **state)
{
	static const struct {
		const char *addr, *traddr;
		bool ipv6;
		uint16_t trsvcid;
	} cases[] = {
		{ "\"traddr\":\"0.0.0.0\"", "0.0.0.0", false, 4420 },
		{ "\"traddr\":\"::\"", "::", true, 4420 },
		{ "\"traddr\":\"0:0::0\",\"adrfam\":\"\"", "::", true, 4420 },
		{ "\"traddr\":\"2001:DB8::0:1\",\"adrfam\":\"IPv6\",\"trsvcid\":1", "2001:db8::1",
		  true, 1 },
		{ "\"traddr\":\"fe80::1%eth0.5\",\"trsvcid\":\"0\"", "fe80::1%eth0.5", true, 0 },
		{ "\"traddr\":\" 192.0.2.1\\t\",\"trtype\":\"TCP\",\"trsvcid\":\"65535 \"",
		  "192.0.2.1", false, 65535 },
		{ "\"traddr\":\"::1\",\"trtype\":\"\",\"tsas\":\"none\",\"treq\":\"not-specified\"",
		  "::1", true, 4420 },
	};
	char text[256];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct config_addr *addr;
		struct config *cfg;

		snprintf(text, sizeof(text), "{\"ports\":[{\"portid\":\"7\",\"addr\":{%s}}]}",
			 cases[i].addr);
		cfg = parse_good(text);
		addr = &cfg->ports[0].addr;
		assert_int_equal(cfg->ports[0].portid, 7);
		assert_string_equal(addr->traddr, cases[i].traddr);
		assert_int_equal(addr->ipv6, cases[i].ipv6);
		assert_int_equal(addr->trsvcid, cases[i].trsvcid);
		check_round_trip(cfg);
		config_free(cfg);
	}
}

/*
 * What tools other than the kernel's own write, or people. None is refused; the warnings are
 * counted.
 */
static void test_config_peculiar_texts_are_taken(void **state)
{
	static const struct {
		const char *text;
		uint32_t warnings;
	} cases[] = {
		{ "\xef\xbb\xbf{ }", 1 },
		{ "{\r\n// comment\r\n}\r\n", 1 },
		{ "/**/{/***/}/* // */ // /*", 1 },
		{ "{\"discovery\":{\"nqn\":\"nqn.2014-08.org.nvmexpress.discovery\"}}", 1 },
		{ "{\"discovery\":{\"nqn\":\"nqn.2026-01.org.example:d\"}}", 2 },
		{ "{\"hosts\":null,\"subsystems\":[],\"ports\":[]}", 1 },
		{ "{\"hosts\":[{\"nqn\":\"hostnqn\"}]}", 2 },
		{ "{\"colour\":\"red\"}", 2 },
		{ "{\"nvmetcpd\":{\"balance\":\"off\"}}", 1 },
		{ "{\"subsystems\":[{\"nqn\":\"" NQN
		  " \",\"attr\":{\"allow_any_host\":\"y\",\"serial\":123,"
		  "\"version\":1.3,\"pi_enable\":\"on\",\"vendor_id\":\"0X1AF4\","
		  "\"model\":\" \"}}]}",
		  2 },
		{ "{\"subsystems\":[{\"nqn\":\"" NQN
		  "\",\"passthru\":[{\"device\":{\"path\":\"(null)\"}}],"
		  "\"namespaces\":[{\"nsid\":\"8192\",\"enable\":\"0\",\"ana\":{\"grpid\":\"3\"}},"
		  "{\"nsid\":1,\"enable\":false,\"device\":{\"path\":\"(null)\"},"
		  "\"resv\":{\"enable\":1}}]}]}",
		  3 },
		{ "{\"ports\":[{\"addr\":{\"trtype\":\"rdma\",\"tsas\":\"connected\"}}]}", 2 },
		{ "{\"ports\":[{\"portid\":1,\"addr\":{\"traddr\":\"::1\"},"
		  "\"param\":{\"inline_data_size\":-1,"
		  "\"max_queue_size\":\"16\"},\"ana_groups\":[{\"grpid\":9},{\"grpid\":\"2\","
		  "\"ana\":"
		  "{\"state\":\"persistent_loss\"}}],\"referrals\":[{\"name\":\"x\","
		  "\"addr\":{\"trtype\":\"fc\"}},"
		  "{\"enable\":0,\"addr\":{\"traddr\":\"::1\"}}]}]}",
		  1 },
		{ "{\"ports\":[{\"portid\":1,\"addr\":{\"traddr\":\"::\"}},{\"portid\":2,"
		  "\"addr\":{\"traddr\":"
		  "\"0.0.0.0\"}},{\"portid\":3,\"addr\":{\"traddr\":\"::\",\"trsvcid\":8009}},"
		  "{\"portid\":4,"
		  "\"addr\":{\"traddr\":\"::\",\"trsvcid\":0}},{\"portid\":5,"
		  "\"addr\":{\"traddr\":\"::\","
		  "\"trsvcid\":0}}]}",
		  0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config *cfg = parse_good(cases[i].text);

		if (errs.nr_warnings != cases[i].warnings) {
			config_errors_print(&errs, stdout, cases[i].text);
			fail_msg("%u warnings, expected %u", errs.nr_warnings, cases[i].warnings);
		}
		check_round_trip(cfg);
		config_free(cfg);
	}
}

static void test_config_unknown_names_are_errors_when_strict(void **state)
{
	static const char text[] =
		"{\"colour\":1,\n\"ports\":[{\"portid\":1,\"addr\":{\"traddr\":\"::\",\n"
		"\"a b\\n\":2}}]}";
	struct config *cfg = parse_good(text);

	(void)state;
	assert_int_equal(errs.nr_warnings, 2);
	assert_string_equal(errs.warning[0].path, "colour");
	assert_int_equal(errs.warning[0].line, 1);
	assert_string_equal(errs.warning[1].path, "ports[0].addr[\"a b\\x0a\"]");
	assert_int_equal(errs.warning[1].line, 3);
	config_free(cfg);
	memset(&errs, 0, sizeof(errs));
	errs.strict = true;
	assert_int_equal(config_parse(text, strlen(text), &cfg, &errs), -EINVAL);
	assert_int_equal(errs.nr_errors, 2);
	assert_string_equal(errs.error[1].text, "unknown name");
}

static void test_config_namespaces_come_sorted(void **state)
{
	struct config *cfg =
		parse_good("{\"subsystems\":[{\"nqn\":\"" NQN "\",\"namespaces\":["
			   "{\"nsid\":9,\"device\":{\"mem\":\"1M\"}},"
			   "{\"nsid\":2,\"device\":{\"null\":\"1M\",\"block_size\":\"4096\"}}]}]}");
	const struct config_namespace *ns = cfg->subsystems[0].namespaces;

	(void)state;
	assert_int_equal(ns[0].nsid, 2);
	assert_int_equal(ns[0].index, 1);
	assert_int_equal(ns[0].block_size, 4096);
	assert_int_equal(ns[1].nsid, 9);
	config_free(cfg);
}

static void test_config_device_names_are_those_of_the_file(void **state)
{
	(void)state;
	assert_string_equal(config_device_name(CONFIG_DEVICE_PCI), "pci");
	assert_string_equal(config_device_name(CONFIG_DEVICE_NULL), "null");
	assert_string_equal(config_device_name(CONFIG_DEVICE_REMOTE), "remote");
	assert_string_equal(config_device_name((enum config_device)77), "none");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_empty_object_gives_defaults),
		cmocka_unit_test(test_config_minimal_example_means_what_it_says),
		cmocka_unit_test(test_config_datacenter_example_means_what_it_says),
		cmocka_unit_test(test_config_kernel_target_file_is_taken),
		cmocka_unit_test(test_config_examples_survive_writing_and_reading),
		cmocka_unit_test(test_config_sizes_are_taken_in_every_form),
		cmocka_unit_test(test_config_devices_are_brought_into_one_form),
		cmocka_unit_test(test_config_ids_are_taken_in_every_form),
		cmocka_unit_test(test_config_cores_are_a_number_or_cpus),
		cmocka_unit_test(test_config_addresses_are_brought_into_one_form),
		cmocka_unit_test(test_config_peculiar_texts_are_taken),
		cmocka_unit_test(test_config_unknown_names_are_errors_when_strict),
		cmocka_unit_test(test_config_namespaces_come_sorted),
		cmocka_unit_test(test_config_device_names_are_those_of_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
