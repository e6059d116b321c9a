// SPDX-License-Identifier: BSD-2-Clause
/*
 * Methods about drives while these are at something: commands under way, a sick drive, one that is
 * away or closed, and limits on all of that.
 */
#include "tests/unit/rpc_drive_rig.h"

static void test_rpc_drive_sick_drive_holds_no_other_call(void **state)
{
	struct json_object *answer;

	(void)state;
	atomic_store(&t.drive->hold_io, true);
	say("io_passthru", "{" DRIVE ",\"opcode\":2,\"nsid\":1,\"data_len\":512}");
	assert_null(hear(50));
	assert_true(nvmet_rpc_drive_busy());
	/* what the drive does not hold up goes on, and so do calls that it has no part in */
	call_ok("identify", "{" DRIVE "}");
	call_fails("identify", "{\"traddr\":\"0000:02:00.0\"}", -ENODEV, "");
	/* the reset takes the command along */
	say("reset", "{" DRIVE "}");
	answer = hear(LONG);
	assert_int_equal(json_object_get_int(member(answer, "/error/code")), -ECONNRESET);
	json_object_put(answer);
	answer = hear(LONG);
	assert_true(json_object_get_boolean(member(answer, "/result")));
	json_object_put(answer);
	assert_false(nvmet_rpc_drive_busy());
}

static void test_rpc_drive_memory_is_waited_for_in_line(void **state)
{
	unsigned int nr = 64, i;

	(void)state;
	/* each a whole MDTS; the pool has room for a few at a time */
	for (i = 0; i < nr; i++)
		say("io_passthru",
		    "{" DRIVE ",\"opcode\":2,\"nsid\":1,\"cdw12\":1023,\"data_len\":524288}");
	for (i = 0; i < nr; i++) {
		struct json_object *answer = hear(LONG);

		assert_non_null(answer);
		assert_int_equal(json_object_get_int(member(answer, "/result/length")), 524288);
		json_object_put(answer);
	}
}

static void test_rpc_drive_that_is_away_refuses(void **state)
{
	bool open = true;

	(void)state;
	nvmh_pci_env.sys = "/nonexistent"; /* it does not come back */
	atomic_store(&t.drive->gone, true);
	while (open) {
		turn();
		pthread_mutex_lock(&t.drive->lock);
		open = t.drive->open;
		pthread_mutex_unlock(&t.drive->lock);
	}
	call_fails("identify", "{" DRIVE "}", -ENOTCONN, "away");
	call_fails("io_passthru", "{" DRIVE ",\"opcode\":2,\"nsid\":1,\"data_len\":512}", -ENOTCONN,
		   "away");
	call_fails("format", "{" DRIVE ",\"nsid\":2,\"lbaf\":0}", -ENOTCONN, "away");
	call_fails("reset", "{" DRIVE "}", -ENOTCONN, "away");
	call_fails("subsystem_reset", "{" DRIVE "}", -ENOTCONN, "away");
	call_fails("rescan", "{" DRIVE "}", -ENOTCONN, "away");
}

static void test_rpc_drive_close_ends_what_is_under_way(void **state)
{
	(void)state;
	atomic_store(&t.drive->mute_admin, true);
	say("identify", "{" DRIVE "}");
	say("admin_passthru", "{" DRIVE ",\"opcode\":6,\"cdw10\":1,\"data_len\":4096}");
	assert_null(hear(50));
	/* teardown closes the drive under them; a sanitizer sees what is left */
}

static void test_rpc_drive_lists_under_way_are_limited(void **state)
{
	static const char one[] = "{\"id\":1,\"method\":\"nvmetcp_drive_list\"}";
	unsigned int nr = 100, refused = 0;
	char text[100 * sizeof(one)] = "";

	(void)state;
	/* in one piece: none ends while they are read */
	for (unsigned int i = 0; i < nr; i++)
		memcpy(text + i * strlen(one), one, strlen(one));
	assert_int_equal(write(t.fd, text, nr * strlen(one)), nr * strlen(one));
	for (unsigned int i = 0; i < nr; i++) {
		struct json_object *answer = hear(LONG), *code = NULL;

		assert_non_null(answer);
		if (!json_pointer_get(answer, "/error/code", &code))
			refused += json_object_get_int(code) == -EAGAIN;
		json_object_put(answer);
	}
	assert_int_equal(refused, nr - 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rpc_drive_sick_drive_holds_no_other_call),
		TEST(test_rpc_drive_memory_is_waited_for_in_line),
		TEST(test_rpc_drive_that_is_away_refuses),
		TEST(test_rpc_drive_close_ends_what_is_under_way),
		TEST(test_rpc_drive_lists_under_way_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
