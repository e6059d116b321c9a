// SPDX-License-Identifier: BSD-2-Clause
/*
 * The device "remote": what is taken, and survives writing and reading. What is refused, and where, is
 * in config/broken_cases.h.
 */
#include "common/util.h"
#include "tests/unit/config/config_test.h"

#define NQN "nqn.2026-01.org.example:disk"

static void test_config_remote_device_is_one_path_or_several(void **state)
{
#define PATH(addr) "trtype=tcp traddr=" addr " subnqn=nqn.2026-01.org.example:back"
	static const struct {
		const char *device;
		uint32_t nr_paths, nsid;
	} cases[] = {
		{ "\"remote\": \" " PATH("192.0.2.1") " \"", 1, 1 },
		{ "\"remote\": \"" PATH("192.0.2.1") "\", \"nsid\": \"7\"", 1, 7 },
		{ "\"remote\": \"" PATH("192.0.2.1") " nsid=9\"", 1, 9 },
		{ "\"remote\": \"" PATH("192.0.2.1") " nsid=9\", \"nsid\": 9", 1, 9 },
		{ "\"remote\": [\"" PATH("192.0.2.1") "\", \"" PATH("::1") " nsid=4\"]", 2, 4 },
		{ "\"remote\": null, \"pci\": \"01:00.0\"", 0, 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config *cfg = with_device(cases[i].device);
		const struct config_namespace *ns = cfg->subsystems[0].namespaces;

		assert_int_equal(ns->remote.nr_paths, cases[i].nr_paths);
		assert_int_equal(ns->dev_nsid, cases[i].nsid);
		if (cases[i].nr_paths) {
			assert_int_equal(ns->device, CONFIG_DEVICE_REMOTE);
			assert_memory_equal(ns->remote.path[0], PATH("192.0.2.1"),
					    sizeof(PATH("192.0.2.1")) - 1);
			assert_string_equal(ns->remote.subnqn, "nqn.2026-01.org.example:back");
		}
		check_round_trip(cfg);
		config_free(cfg);
	}
}

/* What looks alike, but is no loop: another port, another subsystem, one that may be elsewhere. */
static void test_config_remote_of_a_name_of_ours_elsewhere_is_taken(void **state)
{
	static const char *const addrs[] = {
		"traddr=127.0.0.1 trsvcid=4421",
		"traddr=192.0.2.2 trsvcid=4420",
		"traddr=::1 trsvcid=4420",
		"traddr=127.0.0.1 trsvcid=4422",
	};
	char text[1024];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(addrs); i++) {
		snprintf(
			text, sizeof(text),
			"{\"subsystems\":[{\"nqn\":\"" NQN "\",\"attr\":{\"allow_any_host\":1},"
			"\"namespaces\":[{\"nsid\":1,\"device\":{\"remote\":\"trtype=tcp %s subnqn=" NQN
			"\"}}]},{\"nqn\":\"nqn.2026-01.org.example:other\"}],"
			"\"ports\":[{\"portid\":1,\"addr\":{\"traddr\":\"0.0.0.0\"},\"subsystems\":[\"" NQN
			"\"]},{\"portid\":2,\"addr\":{\"traddr\":\"127.0.0.1\",\"trsvcid\":4422},"
			"\"subsystems\":[\"nqn.2026-01.org.example:other\"]}]}",
			addrs[i]);
		config_free(parse_good(text));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_remote_device_is_one_path_or_several),
		cmocka_unit_test(test_config_remote_of_a_name_of_ours_elsewhere_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
