/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of the SCSI translation share: a fake drive that runs in a thread of its own, and
 * one command at a time through nvmh_scsi(). Namespace 1 has 4096 blocks of 512 bytes.
 */
#ifndef TESTS_UNIT_SCSI_RIG_H
#define TESTS_UNIT_SCSI_RIG_H

#include "host/scsi.h"
#include "tests/unit/pcie_rig.h"

enum {
	SCSI_SCRATCH_AT = RIG_ARENA - NVMH_SCSI_SCRATCH_BYTES,
	SCSI_ALL_ONCS = NVME_CTRL_ONCS_COMPARE | NVME_CTRL_ONCS_DSM | NVME_CTRL_ONCS_WRITE_ZEROES |
			NVME_CTRL_ONCS_RESERVATIONS | NVME_CTRL_ONCS_VERIFY,
	SCSI_ALL_OACS = NVME_CTRL_OACS_SECURITY | NVME_CTRL_OACS_FORMAT | NVME_CTRL_OACS_FW,
};

static struct nvmh_scsi_cmd sc;
/* the data of commands lie in the arena's beginning, which the drive reaches */
#define scsi_data ((uint8_t *)rig.arena)

/* A drive with every optional command; more may be changed before scsi_live(). */
static inline int scsi_setup(void **state)
{
	int ret = rig_setup(state);

	rig.drive->id.oncs = htole16(SCSI_ALL_ONCS);
	rig.drive->id.oacs = htole16(SCSI_ALL_OACS);
	memcpy(rig.drive->id.sn, "SERIAL-01           ", 20);
	memcpy(rig.drive->id.mn, "Model of a fake drive                   ", 40);
	memcpy(rig.drive->id.fr, "fw-1.23 ", 8);
	rig.drive->id.vid = htole16(0x1234);
	memset(&sc, 0, sizeof(sc));
	return ret;
}

static inline void scsi_live(void)
{
	rig_live(1, 0);
	rig_start();
	rig.drive->nr_ops = 0;
}

static inline int scsi_teardown(void **state)
{
	rig_stop();
	return rig_teardown(state);
}

/* Performs a CDB given as bytes; data of @len bytes in scsi_data. */
static inline void scsi_run(enum nvmh_dir dir, uint32_t len, const uint8_t *cdb, uint8_t cdb_len)
{
	bool desc = sc.desc_sense;
	int ret;

	memset(&sc, 0, sizeof(sc));
	sc.desc_sense = desc;
	memcpy(sc.cdb, cdb, cdb_len);
	sc.cdb_len = cdb_len;
	sc.dir = dir;
	sc.data = len ? scsi_data : NULL;
	sc.data_len = len;
	sc.scratch = rig.arena + SCSI_SCRATCH_AT;
	rig.drive->nr_ops = 0;
	if (dir == NVMH_FROM_CTRL)
		memset(scsi_data, 0xee, len + 4);
	ret = nvmh_scsi(rig.ctrl, nvmh_ctrl_queue(rig.ctrl, 0), 1, &sc);
	if (ret)
		fail_msg("%02x: %d %s", cdb[0], ret, nvmh_strerror());
	if (dir == NVMH_FROM_CTRL) /* nothing behind */
		assert_memory_equal(scsi_data + len, "\xee\xee\xee\xee", 4);
	assert_in_range(sc.resid, 0, len);
	assert_int_equal(!!sc.sense_len, sc.status == NVMH_SCSI_CHECK_CONDITION);
}

#define scsi(dir, len, ...)                                             \
	do {                                                            \
		static const uint8_t cdb_[] = { __VA_ARGS__ };          \
		scsi_run(NVMH_##dir, len, cdb_, (uint8_t)sizeof(cdb_)); \
	} while (0)

static inline void scsi_good(uint32_t moved)
{
	if (sc.status)
		fail_msg("status %02x, sense key %x, asc %02x%02x", sc.status,
			 sc.sense[0] == 0x72 ? sc.sense[1] : sc.sense[2],
			 sc.sense[0] == 0x72 ? sc.sense[2] : sc.sense[12],
			 sc.sense[0] == 0x72 ? sc.sense[3] : sc.sense[13]);
	assert_int_equal(sc.data_len - sc.resid, moved);
}

/* Fixed format sense. */
static inline void scsi_sense_is(uint8_t key, uint16_t asc)
{
	assert_int_equal(sc.status, NVMH_SCSI_CHECK_CONDITION);
	assert_int_equal(sc.sense_len, 18);
	assert_int_equal(sc.sense[0], 0x70);
	assert_int_equal(sc.sense[2], key);
	assert_int_equal(sc.sense[7], 10);
	assert_int_equal(sc.sense[12] << 8 | sc.sense[13], asc);
}

/* Invalid field in CDB at @byte, and @bit if it is not negative. */
static inline void scsi_bad_cdb(unsigned int byte, int bit)
{
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_INVALID_CDB);
	assert_int_equal(sc.sense[15], 0xc0 | (bit < 0 ? 0 : 8 | bit));
	assert_int_equal(sc.sense[16] << 8 | sc.sense[17], byte);
}

static inline void scsi_bad_param(unsigned int byte, int bit)
{
	scsi_sense_is(KEY_ILLEGAL_REQUEST, ASC_INVALID_PARAM);
	assert_int_equal(sc.sense[15], 0x80 | (bit < 0 ? 0 : 8 | bit));
	assert_int_equal(sc.sense[16] << 8 | sc.sense[17], byte);
}

static inline void scsi_data_is(const char *hex)
{
	for (unsigned int i = 0; hex[2 * i]; i++) {
		char two[3] = { hex[2 * i], hex[2 * i + 1] };

		if (scsi_data[i] != strtoul(two, NULL, 16))
			fail_msg("byte %u is %02x, not %s", i, scsi_data[i], two);
	}
}

#define scsi_test(name) cmocka_unit_test_setup_teardown(name, scsi_setup, scsi_teardown)

#endif /* TESTS_UNIT_SCSI_RIG_H */
