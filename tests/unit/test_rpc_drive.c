// SPDX-License-Identifier: BSD-2-Clause
/*
 * Methods about drives through a control connection, on a drive made of memory: what they ask of it,
 * what is refused, and in which words.
 */
#include "tests/unit/rpc_drive_rig.h"

static void test_rpc_drive_identify_and_logs(void **state)
{
	struct json_object *answer;
	char *want;

	(void)state;
	answer = call("identify", "{" DRIVE "}");
	want = nvmet_rpc_base64(&t.drive->id, sizeof(t.drive->id));
	assert_string_equal(text_at(answer, "/result/data"), want);
	assert_int_equal(json_object_get_int(member(answer, "/result/decoded/nn")),
			 le32toh(t.drive->id.nn));
	free(want);
	json_object_put(answer);
	answer = call("identify", "{" DRIVE ",\"cns\":0,\"nsid\":2}");
	assert_int_equal(json_object_get_int(member(answer, "/result/decoded/nsze")), 512);
	json_object_put(answer);
	answer = call("smart_log", "{" DRIVE "}");
	assert_int_equal(json_object_get_int(member(answer, "/result/length")), 512);
	json_object_put(answer);
	answer = call("get_log", "{" DRIVE ",\"lid\":1,\"length\":64}");
	assert_int_equal(json_object_get_int(member(answer, "/result/length")), 64);
	json_object_put(answer);
	call_fails("get_log", "{" DRIVE ",\"lid\":200,\"length\":64}", -EIO,
		   "109h: Invalid Log Page");
	call_fails("get_log", "{" DRIVE ",\"lid\":1,\"length\":1048576}", -EINVAL, "at most");
	call_fails("identify", "{\"traddr\":\"0000:02:00.0\"}", -ENODEV, "No such device");
}

static void test_rpc_drive_status_is_told_in_numbers(void **state)
{
	struct json_object *answer;

	(void)state;
	say("admin_passthru", "{" DRIVE ",\"opcode\":192}");
	answer = hear(LONG);
	assert_int_equal(json_object_get_int(member(answer, "/error/data/sc")), ST_INVALID_OPCODE);
	assert_int_equal(json_object_get_int(member(answer, "/error/data/sct")), 0);
	json_object_put(answer);
}

static void test_rpc_drive_io_passthru_moves_the_blocks(void **state)
{
	struct json_object *answer;
	char params[1024], data[685];
	uint8_t block[512];
	char *text;

	(void)state;
	for (unsigned int i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)(i * 7 + 1);
	text = nvmet_rpc_base64(block, sizeof(block));
	snprintf(data, sizeof(data), "%s", text);
	free(text);
	snprintf(params, sizeof(params),
		 "{" DRIVE ",\"opcode\":1,\"nsid\":1,\"cdw10\":3,\"data\":\"%s\"}", data);
	call_ok("io_passthru", params);
	assert_memory_equal(t.drive->ns[0].data + 3 * 512, block, sizeof(block));
	answer = call("io_passthru",
		      "{" DRIVE ",\"opcode\":2,\"nsid\":1,\"cdw10\":3,\"data_len\":512}");
	assert_string_equal(text_at(answer, "/result/data"), data);
	json_object_put(answer);
	/* where nobody knows how much moves, the drive has room for the most */
	call_fails("admin_passthru", "{" DRIVE ",\"opcode\":194,\"data_len\":512}", -EIO, "001h");
	assert_true(atomic_load(&t.moved));
	/* more or less than the command itself says would be a hole in the driver's memory */
	call_fails("io_passthru", "{" DRIVE ",\"opcode\":2,\"nsid\":3,\"data_len\":512}", -EINVAL,
		   "moves 8 bytes of metadata");
	call_fails("io_passthru", "{" DRIVE ",\"opcode\":2,\"nsid\":1,\"data_len\":4096}", -EINVAL,
		   "moves 512 bytes");
	call_fails("io_passthru",
		   "{" DRIVE ",\"opcode\":2,\"nsid\":1,\"cdw12\":7,\"data_len\":512}", -EINVAL,
		   "moves 4096 bytes");
	call_fails("io_passthru",
		   "{" DRIVE ",\"opcode\":2,\"nsid\":1,\"cdw11\":1,\"data_len\":512}", -EIO,
		   "080h: LBA Out of Range");
}

/* Namespace 3 has 8 bytes of metadata apart from each block. */
static void test_rpc_drive_io_passthru_moves_metadata_apart(void **state)
{
	struct json_object *answer;
	uint8_t blocks[1024], md[16];
	char params[4096];
	char *data, *meta;

	(void)state;
	for (unsigned int i = 0; i < sizeof(blocks); i++)
		blocks[i] = (uint8_t)(i * 5 + 3);
	for (unsigned int i = 0; i < sizeof(md); i++)
		md[i] = (uint8_t)(0xa0 + i);
	data = nvmet_rpc_base64(blocks, sizeof(blocks));
	meta = nvmet_rpc_base64(md, sizeof(md));
	snprintf(
		params, sizeof(params),
		"{" DRIVE
		",\"opcode\":1,\"nsid\":3,\"cdw10\":6,\"cdw12\":1,\"data\":\"%s\",\"metadata\":\"%s\"}",
		data, meta);
	call_ok("io_passthru", params);
	assert_memory_equal(t.drive->ns[2].data + 6 * 512, blocks, sizeof(blocks));
	assert_memory_equal(t.drive->ns[2].md + 6 * 8, md, sizeof(md));
	answer = call(
		"io_passthru",
		"{" DRIVE
		",\"opcode\":2,\"nsid\":3,\"cdw10\":6,\"cdw12\":1,\"data_len\":1024,\"metadata_len\":16}");
	assert_string_equal(text_at(answer, "/result/data"), data);
	assert_string_equal(text_at(answer, "/result/metadata"), meta);
	assert_int_equal(json_object_get_int(member(answer, "/result/metadata_length")), 16);
	json_object_put(answer);
	free(data);
	free(meta);
}

static void test_rpc_drive_metadata_of_another_length_are_refused(void **state)
{
	static const struct {
		const char *params, *words;
		int code;
	} cases[] = {
		{ "\"opcode\":2,\"nsid\":3,\"data_len\":512,\"metadata_len\":16",
		  "moves 8 bytes of metadata, which", -EINVAL },
		{ "\"opcode\":2,\"nsid\":3,\"cdw12\":1,\"data_len\":1024,\"metadata_len\":8",
		  "moves 16 bytes", -EINVAL },
		{ "\"opcode\":2,\"nsid\":1,\"data_len\":512,\"metadata_len\":8",
		  "the namespace has none", -EINVAL },
		{ "\"opcode\":2,\"nsid\":4,\"data_len\":512,\"metadata_len\":8",
		  "namespace that is there", -EINVAL },
		{ "\"opcode\":130,\"nsid\":3,\"data_len\":512,\"metadata_len\":8",
		  "metadata go with", -EINVAL },
		{ "\"opcode\":2,\"nsid\":3,\"data_len\":512,\"metadata\":\"AAAAAAAAAAA=\"",
		  "come from the drive", NVMET_RPC_INVALID_PARAMS },
		{ "\"opcode\":1,\"nsid\":3,\"data\":\"AAAAAAAA\",\"data_len\":6", "multiple of 4",
		  NVMET_RPC_INVALID_PARAMS },
		{ "\"opcode\":1,\"nsid\":3,\"data\":\"AAAAAA==\",\"metadata_len\":8", "are needed",
		  NVMET_RPC_INVALID_PARAMS },
		{ "\"opcode\":0,\"nsid\":3,\"metadata_len\":8", "no data",
		  NVMET_RPC_INVALID_PARAMS },
		{ "\"opcode\":2,\"nsid\":3,\"data_len\":512,\"metadata_len\":2000000",
		  "metadata_len", NVMET_RPC_INVALID_PARAMS },
		{ "\"opcode\":2,\"nsid\":3,\"data_len\":512,\"metadata\":\"%%\"", "metadata",
		  NVMET_RPC_INVALID_PARAMS },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		char params[256];

		snprintf(params, sizeof(params), "{" DRIVE ",%s}", cases[i].params);
		call_fails("io_passthru", params, cases[i].code, cases[i].words);
	}
	call_fails("admin_passthru",
		   "{" DRIVE ",\"opcode\":6,\"data_len\":4096,\"metadata_len\":8}",
		   NVMET_RPC_INVALID_PARAMS, "metadata_len");
	/* within the blocks they are data */
	t.drive->ns[2].ext = true;
	t.drive->ns[2].id.flbas |= 1 << 4;
	call_ok("rescan", "{" DRIVE "}");
	call_fails("io_passthru",
		   "{" DRIVE ",\"opcode\":2,\"nsid\":3,\"data_len\":520,\"metadata_len\":8}",
		   -EINVAL, "within the blocks");
}

/* Commands of the I/O queue, of the admin queue, of none, and of both. */
static void test_rpc_drive_scsi_passthru(void **state)
{
	struct json_object *answer;

	(void)state;
	t.drive->ns[0].data[5 * 512] = 0x41;
	answer = call("scsi_passthru",
		      "{" DRIVE ",\"cdb\":\"28 00 00000005 00 0001 00\",\"data_len\":3}");
	assert_int_equal(json_object_get_int(member(answer, "/result/status")), 2);
	assert_string_equal(text_at(answer, "/result/text"),
			    "SCSI status 02h: Check Condition: Illegal Request, "
			    "24/00h: invalid field in CDB at byte 7");
	assert_int_equal(json_object_get_int(member(answer, "/result/resid")), 3);
	json_object_put(answer);
	answer = call("scsi_passthru",
		      "{" DRIVE ",\"cdb\":\"28000000000500000100\",\"data_len\":512}");
	assert_int_equal(json_object_get_int(member(answer, "/result/status")), 0);
	assert_int_equal(json_object_get_int(member(answer, "/result/length")), 512);
	assert_memory_equal(text_at(answer, "/result/data"), "QQAA", 4);
	json_object_put(answer);
	answer = call("scsi_passthru",
		      "{" DRIVE ",\"cdb\":\"4d004d00000000004000\",\"data_len\":64}");
	assert_int_equal(json_object_get_int(member(answer, "/result/length")), 16);
	json_object_put(answer);
	answer = call("scsi_passthru", "{" DRIVE ",\"nsid\":2,\"cdb\":\"25000000000000000000\","
				       "\"data_len\":8}");
	assert_string_equal(text_at(answer, "/result/data"), "AAAB/wAAEAA=");
	json_object_put(answer);
	answer = call("scsi_passthru", "{" DRIVE ",\"cdb\":\"1b0000003000\"}");
	assert_int_equal(json_object_get_int(member(answer, "/result/status")), 0);
	json_object_put(answer);
	call_fails("scsi_passthru", "{" DRIVE ",\"cdb\":\"2800\",\"data_len\":512}", -EINVAL,
		   "10 bytes, not 2");
	call_fails("scsi_passthru",
		   "{" DRIVE ",\"cdb\":\"2a000000000500000100\","
		   "\"data_len\":512}",
		   -EINVAL, "sends data");
	/* what hosts use is not formatted */
	call_fails("scsi_passthru", "{" DRIVE ",\"cdb\":\"040000000000\"}", -EBUSY, "exported");
	assert_int_equal(atomic_load(&t.formats), 0);
	t.drive->id.oacs = htole16(NVME_CTRL_OACS_FORMAT);
	call_ok("reset", "{" DRIVE "}");
	call_ok("scsi_passthru", "{" DRIVE ",\"cdb\":\"040000000000\",\"force\":true}");
	assert_int_equal(atomic_load(&t.formats), 1);
}

static void test_rpc_drive_what_hosts_use_is_not_destroyed(void **state)
{
	(void)state;
	call_fails("format", "{" DRIVE ",\"nsid\":1,\"lbaf\":0}", -EBUSY,
		   "exported as namespace 9 of " SUBSYS);
	call_fails("format", "{" DRIVE ",\"nsid\":4294967295,\"lbaf\":0}", -EBUSY, "exported");
	call_fails("admin_passthru", "{" DRIVE ",\"opcode\":128,\"nsid\":1}", -EBUSY, "force");
	call_fails("admin_passthru", "{" DRIVE ",\"opcode\":132,\"cdw10\":2}", -EBUSY, "exported");
	call_fails("ns_delete", "{" DRIVE ",\"nsid\":1}", -EBUSY, "exported");
	call_fails("ns_detach", "{" DRIVE ",\"nsid\":1}", -EBUSY, "exported");
	call_fails("release", "{" DRIVE "}", -EBUSY, "exported as namespace 9");
	assert_int_equal(atomic_load(&t.formats), 0);
	/* nobody uses this one: it reaches the drive, which does not know the command */
	call_fails("format", "{" DRIVE ",\"nsid\":2,\"lbaf\":0}", -EIO, "001h");
	assert_int_equal(atomic_load(&t.formats), 1);
	/* all of them at once, says the drive */
	t.drive->id.fna = NVME_CTRL_FNA_FMT_ALL_NAMESPACES;
	call_ok("reset", "{" DRIVE "}");
	call_fails("format", "{" DRIVE ",\"nsid\":2,\"lbaf\":0}", -EBUSY, "exported");
	assert_int_equal(atomic_load(&t.formats), 1);
	/* forced: the drive is asked, and as nothing has changed, hosts get their namespace back */
	call_fails("format", "{" DRIVE ",\"nsid\":1,\"lbaf\":0,\"force\":true}", -EIO, "001h");
	assert_int_equal(atomic_load(&t.formats), 2);
	assert_true(!atomic_load(&t.subsys->ns[9]->away));
}

static void test_rpc_drive_reset_is_answered_when_live(void **state)
{
	unsigned int enables = atomic_load(&t.drive->enables);

	(void)state;
	call_ok("reset", "{" DRIVE "}");
	assert_int_equal(atomic_load(&t.drive->enables), enables + 1);
	call_ok("rescan", "{" DRIVE "}");
	call_fails("subsystem_reset", "{" DRIVE "}", -ENOTSUP, "");
	/* a second while the first is under way */
	say("reset", "{" DRIVE "}");
	call_fails("reset", "{" DRIVE "}", -EBUSY, "reset");
	json_object_put(hear(LONG));
	call_ok("identify", "{" DRIVE "}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rpc_drive_identify_and_logs),
		TEST(test_rpc_drive_status_is_told_in_numbers),
		TEST(test_rpc_drive_io_passthru_moves_the_blocks),
		TEST(test_rpc_drive_io_passthru_moves_metadata_apart),
		TEST(test_rpc_drive_metadata_of_another_length_are_refused),
		TEST(test_rpc_drive_scsi_passthru),
		TEST(test_rpc_drive_what_hosts_use_is_not_destroyed),
		TEST(test_rpc_drive_reset_is_answered_when_live),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
