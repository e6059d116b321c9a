// SPDX-License-Identifier: BSD-2-Clause
/*
 * Power states over the fake drive: what it offers, what was chosen and that a reset does not lose
 * it, and drives that must not change theirs by themselves.
 */
#include "tests/unit/pcie_rig.h"

static struct nvme_sqe apst; /* the last Set Features 0Ch */
static unsigned int apst_nonzero;

static uint16_t watch_apst(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	uint8_t data[256];

	if (sqe->opcode != nvme_admin_set_features ||
	    (le32_get(sqe->cdw10) & 0xff) != NVME_FEAT_FID_AUTO_PST)
		return 0;
	apst = *sqe;
	apst_nonzero = 0;
	assert_true(fake_pcie_move(f, sqe, data, sizeof(data), false));
	for (unsigned int i = 0; i < sizeof(data); i++)
		apst_nonzero += data[i];
	return 0;
}

static void offer_states(void)
{
	struct nvme_id_ctrl *id = &rig.drive->id;

	id->npss = 2;
	id->apsta = 1;
	id->psd[0] = (struct nvme_id_psd){ .mp = htole16(900), .rrt = 0x3f };
	id->psd[2] = (struct nvme_id_psd){ .mp = htole16(50),
					   .flags = 3,
					   .enlat = htole32(1500),
					   .exlat = htole32(20000),
					   .idlp = htole16(7),
					   .ips = 1 << 6 };
	apst = (struct nvme_sqe){ 0 };
	rig.drive->on_admin = watch_apst;
}

static uint32_t state_of_drive(void)
{
	return rig.drive->features[NVME_FEAT_FID_POWER_MGMT];
}

static void test_states_are_decoded(void **state)
{
	struct nvmh_power_state ps;

	(void)state;
	offer_states();
	rig_live(1, 0);
	assert_true(nvmh_power_state(rig.ctrl, 0, &ps));
	assert_int_equal(ps.max_uw, 9000000);
	assert_false(ps.non_operational);
	assert_int_equal(ps.read_throughput, 0x1f);
	assert_true(nvmh_power_state(rig.ctrl, 2, &ps));
	assert_int_equal(ps.max_uw, 5000);
	assert_int_equal(ps.idle_uw, 700);
	assert_int_equal(ps.entry_us, 1500);
	assert_int_equal(ps.exit_us, 20000);
	assert_true(ps.non_operational);
	assert_false(nvmh_power_state(rig.ctrl, 3, &ps));
	assert_int_equal(apst.opcode, 0); /* left as the drive has it */
	rig_close();
	rig.drive->id.npss = 255; /* there are descriptors of 32 */
	rig_live(1, 0);
	assert_true(nvmh_power_state(rig.ctrl, 31, &ps));
	assert_false(nvmh_power_state(rig.ctrl, 32, &ps));
}

static void test_the_chosen_state_outlives_a_reset(void **state)
{
	struct nvmh_req req = { .sqe = { .opcode = nvme_admin_set_features,
					 .cdw10 = le32_make(NVME_FEAT_FID_POWER_MGMT),
					 .cdw11 = le32_make(1) } };
	uint8_t index;

	(void)state;
	offer_states();
	rig_live(1, 0);
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	assert_true(rig_until_state(NVMH_LIVE));
	rig_start();
	assert_int_equal(nvmh_set_power(rig.ctrl, 3), -EINVAL);
	assert_non_null(strstr(nvmh_strerror(), "none of its 0 to 2"));
	assert_int_equal(nvmh_set_power(rig.ctrl, 2), 0);
	assert_int_equal(nvmh_get_power(rig.ctrl, &index), 0);
	assert_int_equal(index, 2);
	rig_stop();
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	assert_true(rig_until_state(NVMH_LIVE));
	assert_int_equal(state_of_drive(), 2);
	/* by whatever command it was chosen */
	rig_start();
	assert_int_equal(nvmh_admin(rig.ctrl, &req), 0);
	rig_stop();
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	assert_true(rig_until_state(NVMH_LIVE));
	assert_int_equal(state_of_drive(), 1);
}

static uint16_t refuse_power(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	return sqe->opcode == nvme_admin_set_features &&
			       (le32_get(sqe->cdw10) & 0xff) == NVME_FEAT_FID_POWER_MGMT
		       ? ST_INVALID_FIELD
		       : 0;
}

static void test_a_state_that_is_refused_is_not_kept(void **state)
{
	(void)state;
	offer_states();
	rig_live(1, 0);
	rig_start();
	assert_int_equal(nvmh_set_power(rig.ctrl, 1), 0);
	rig.drive->on_admin = refuse_power;
	assert_int_equal(nvmh_set_power(rig.ctrl, 2), ST_INVALID_FIELD);
	rig_stop();
	/* and a drive that refuses it after a reset is live all the same */
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	assert_true(rig_until_state(NVMH_LIVE));
	assert_int_equal(state_of_drive(), 0);
	rig.drive->on_admin = NULL;
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	assert_true(rig_until_state(NVMH_LIVE));
	assert_int_equal(state_of_drive(), 1);
}

static void test_deepest_state_that_is_deadly_is_not_offered(void **state)
{
	struct nvmh_power_state ps;

	(void)state;
	offer_states();
	rig.drive->vendor = 0x2646;
	rig.drive->device = 0x2263;
	rig_live(1, 0);
	assert_true(nvmh_power_state(rig.ctrl, 1, &ps));
	assert_false(nvmh_power_state(rig.ctrl, 2, &ps));
	/* nor entered by itself, after a reset neither */
	assert_int_equal(apst.opcode, nvme_admin_set_features);
	assert_int_equal(le32_get(apst.cdw11), 0);
	assert_int_equal(apst_nonzero, 0);
	apst.opcode = 0;
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	assert_true(rig_until_state(NVMH_LIVE));
	assert_int_equal(apst.opcode, nvme_admin_set_features);
	assert_int_equal(nvmh_ctrl_id(rig.ctrl)->npss, 1);
}

static void test_models_that_must_not_change_by_themselves(void **state)
{
	struct nvme_id_ctrl *id = &rig.drive->id;

	(void)state;
	offer_states();
	id->vid = htole16(0x1e0f);
	memset(id->mn, ' ', sizeof(id->mn));
	memcpy(id->mn, "KCD6XVUL6T40", 12);
	rig_live(1, 0);
	assert_int_equal(apst.opcode, nvme_admin_set_features);
	assert_int_equal(nvmh_ctrl_id(rig.ctrl)->npss, 2);
	rig_close();
	apst.opcode = 0;
	id->mn[12] = 'X'; /* another model */
	rig_live(1, 0);
	assert_int_equal(apst.opcode, 0);
	rig_close();
	id->mn[12] = ' ';
	id->apsta = 0; /* it does not change anyway */
	rig_live(1, 0);
	assert_int_equal(apst.opcode, 0);
}

#define rigged(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rigged(test_states_are_decoded),
		rigged(test_the_chosen_state_outlives_a_reset),
		rigged(test_a_state_that_is_refused_is_not_kept),
		rigged(test_deepest_state_that_is_deadly_is_not_offered),
		rigged(test_models_that_must_not_change_by_themselves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
