/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of the daemon's drives share: two drives made of memory, each with its own thread as
 * in the daemon, a host with a queue on each core, and the cores turned here.
 */
#ifndef TESTS_UNIT_DRIVE_RIG_H
#define TESTS_UNIT_DRIVE_RIG_H

#include "tests/unit/cores_rig.h"
#include "tests/unit/sysfs_rig.h"

#include "common/clock.h"
#include "common/log.h"
#include "target/drive.h"
#include "tests/fake/fake_pcie.h"
#include "tests/fake/fake_sq.h"

#define SUBSYS "nqn.2026-01.org.example:drive"
#define A      "0000:01:00.0"
#define B      "0000:02:00.0"
#define SLOT   "0000:05:00.0"

static const char json[] =
	"{\"nvmetcpd\":{\"cores\":2},"
	"\"subsystems\":[{\"nqn\":\"" SUBSYS "\",\"attr\":{\"allow_any_host\":true},"
	"  \"namespaces\":[{\"nsid\":1,\"device\":{\"pci\":\"" A "\",\"nsid\":1}},"
	"   {\"nsid\":2,\"device\":{\"pci\":\"" B "\",\"nsid\":1}}]}],"
	"\"ports\":[{\"portid\":1,\"addr\":{\"traddr\":\"192.0.2.1\",\"trsvcid\":\"4420\"},"
	"  \"subsystems\":[\"" SUBSYS "\"]}]}";

enum {
	CRD1 = 1 << ST_CRD_SHIFT,
};

static struct fake_pcie *drive[2];
static struct fake_sq *admin, *io[FAKE_CORES];

/* ---- the tests' own ---- */

static inline struct nvmet_ns *ns_of(int i)
{
	return fake_subsys(SUBSYS)->all[i + 1];
}

static inline uint16_t away(int i)
{
	return atomic_load(&ns_of(i)->away);
}

struct call {
	struct fake_sq *f;
	struct nvme_sqe sqe;
	uint16_t status;
};

static inline void call_cmd(void *arg)
{
	struct call *c = arg;

	c->status = fake_cmd(c->f, &c->sqe, NULL, 0);
}

/* Starts a Flush of drive @i's namespace on a core. Return: its status, or FAKE_HELD. */
static inline uint16_t start_flush(int core, int i)
{
	struct call c = { .f = io[core],
			  .sqe = { .opcode = nvme_cmd_flush, .nsid = le32_make((uint32_t)i + 1) } };

	loop_call(nvmet.cores[core]->loop, call_cmd, &c);
	return c.status;
}

/* Return: the status of a Flush. */
static inline uint16_t flush(int core, int i)
{
	uint16_t status = start_flush(core, i);

	if (status != FAKE_HELD)
		return status;
	until(!io[core]->sq.outstanding);
	return fake_last(io[core])->status;
}

static inline int setup_with(bool missing)
{
	log_init("test", getenv("DEBUG") ? LOG_LVL_DEBUG : LOG_LVL_ERROR);
	nvmet_drive_look_ms = 20;
	sysfs_make();
	for (int i = 0; i < 2; i++) {
		drive[i] = fake_pcie_create();
		fake_pcie_add_ns(drive[i], 1, 9, 4096);
		drive[i]->id.vwc = 1;
	}
	memcpy(drive[1]->id.sn, "FAKE2", 5);
	atomic_store(&drive[0]->gone, missing);
	if (!missing)
		plug(A, "vfio-pci");
	plug(B, "vfio-pci");
	for (int i = 0; i < 2; i++)
		fake_pcie_run(drive[i]);
	nvmet.arena.base = aligned_alloc(4096, 65536);
	nvmet.arena.len = 65536;
	fake_nvmet_start(json);
	for (int i = 0; i < 2; i++)
		assert_int_equal(nvmet_ns_attach_cores(ns_of(i)), 0);
	admin = fake_host(SUBSYS, FAKE_HOST, 1);
	for (int i = 0; i < FAKE_CORES; i++)
		io[i] = fake_io_queue(admin, (uint16_t)(i + 1), i);
	return 0;
}

static inline int setup(void **state)
{
	(void)state;
	return setup_with(false);
}

static inline int setup_missing(void **state)
{
	(void)state;
	return setup_with(true);
}

static inline int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < FAKE_CORES; i++)
		fake_sq_free(io[i]);
	fake_sq_free(admin);
	for (int i = 0; i < 2; i++)
		nvmet_ns_detach_cores(ns_of(i));
	fake_nvmet_stop();
	free(nvmet.arena.base);
	nvmet.arena.base = NULL;
	for (int i = 0; i < 2; i++)
		fake_pcie_free(drive[i]);
	sysfs_remove();
	return 0;
}

/* The drive's own thread is at it, too. */
#define locked(i, what)                                \
	({                                             \
		__typeof__(what) was_;                 \
		pthread_mutex_lock(&drive[i]->lock);   \
		was_ = (what);                         \
		pthread_mutex_unlock(&drive[i]->lock); \
		was_;                                  \
	})

/* A drive is pulled out: its registers read all ones, then the kernel has it no more. */
static inline void pull(int i, const char *bdf)
{
	atomic_store(&drive[i]->gone, true);
	until(!locked(i, drive[i]->open)); /* given back, so that the kernel can remove it */
	unplug(bdf);
}

static inline void put_back(int i, const char *bdf, const char *driver)
{
	fake_pcie_stop(drive[i]);
	memset(drive[i]->bar, 0, FAKE_PCIE_BAR_BYTES);
	fake_pcie_reset(drive[i]);
	atomic_store(&drive[i]->gone, false);
	atomic_store(&drive[i]->cut_off, false);
	fake_vfio_move(drive[i], bdf);
	fake_pcie_run(drive[i]);
	plug(bdf, driver);
}

static inline bool told(uint32_t nsid)
{
	struct nvmet_ctrl *ctrl = admin->sq.ctrl;
	bool found = false;

	pthread_mutex_lock(&ctrl->error_lock);
	for (uint32_t i = 0; i < ctrl->nr_changed_ns; i++)
		found |= ctrl->changed_ns[i] == nsid;
	ctrl->nr_changed_ns = 0;
	pthread_mutex_unlock(&ctrl->error_lock);
	return found;
}

#define TEST(name)	   cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_MISSING(name) cmocka_unit_test_setup_teardown(name, setup_missing, teardown)

static atomic_bool in_reset, let_reset;

static inline void slow_reset(struct fake_pcie *f)
{
	(void)f;
	atomic_store(&in_reset, true);
	while (!atomic_load(&let_reset))
		usleep(1000);
}

static inline void reset_it(struct nvmh_ctrl *ctrl, void *arg)
{
	(void)arg;
	assert_int_equal(nvmh_ctrl_reset(ctrl), 0);
}

/* The kernel keeps whoever resets drive 0's PCI function, until let_reset. */
static inline void hold_resets(void)
{
	atomic_store(&in_reset, false);
	atomic_store(&let_reset, false);
	locked(0, drive[0]->on_reset = slow_reset);
}

#endif /* TESTS_UNIT_DRIVE_RIG_H */
