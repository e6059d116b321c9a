// SPDX-License-Identifier: BSD-2-Clause
/*
 * The daemon's drives over the host library and drives made of memory: pulled out under load,
 * plugged in again, in another slot, another one instead, missing at the start; and that a sick one
 * delays no other. The cores are turned here; each drive has its own thread, as in the daemon.
 */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "host/pci.h"
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
	PATIENCE_MS = 60000,
};

static char root[64];
static struct fake_pcie *drive[2];
static struct fake_sq *admin, *io[FAKE_CORES];

/* ---- what sysfs shows ---- */

__attribute__((format(printf, 2, 3))) static void put(const char *text, const char *fmt, ...)
{
	char path[256];
	char *p = path;
	va_list ap;
	FILE *file;
	int n;

	n = snprintf(path, sizeof(path), "%s/sys/", root);
	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - (size_t)n, fmt, ap);
	va_end(ap);
	while ((p = strchr(p + 1, '/'))) {
		*p = '\0';
		mkdir(path, 0755);
		*p = '/';
	}
	if (!text)
		return;
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void set_driver(const char *bdf, const char *driver)
{
	char path[256];

	put(NULL, "bus/pci/drivers/%s/", driver);
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/driver", root, bdf);
	unlink(path);
	assert_int_equal(symlink(driver, path), 0);
}

static void plug(const char *bdf, const char *driver)
{
	char path[256];

	put("0x010802\n", "bus/pci/devices/%s/class", bdf);
	put("(null)\n", "bus/pci/devices/%s/driver_override", bdf);
	put(NULL, "kernel/iommu_groups/7/devices/");
	set_driver(bdf, driver);
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/iommu_group", root, bdf);
	assert_true(!symlink("7", path) || errno == EEXIST);
}

/* As the kernel's driver tells which drive it has. */
static void name_drive(const char *bdf, const char *serial)
{
	put(serial, "bus/pci/devices/%s/nvme/nvme0/serial", bdf);
	put("Fake drive       \n", "bus/pci/devices/%s/nvme/nvme0/model", bdf);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void unplug(const char *bdf)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s", root, bdf);
	nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static char bound[16]; /* what was handed to vfio-pci */

/* The kernel's part of a change of driver. */
static int kernel_write(const char *path, const char *text)
{
	if (strstr(path, "drivers_probe")) {
		snprintf(bound, sizeof(bound), "%s", text);
		set_driver(text, "vfio-pci");
	}
	return 0;
}

/* ---- the tests' own ---- */

static void stop_loop(struct loop_work *w)
{
	(void)w;
	loop_stop(loop_current());
}

static void turn(void)
{
	for (int i = 0; i < FAKE_CORES; i++) {
		struct loop_work work;

		loop_work_init(&work, stop_loop);
		loop_defer(nvmet.cores[i]->loop, &work);
		assert_int_equal(loop_run(nvmet.cores[i]->loop), 0);
	}
}

/* Turns the cores until @what; fails when that takes too long. */
#define until(what)                                                       \
	do {                                                              \
		uint64_t end = clock_now_ms() + PATIENCE_MS;              \
		while (!(what)) {                                         \
			if (clock_now_ms() > end)                         \
				fail_msg("waited in vain for %s", #what); \
			turn();                                           \
			usleep(200);                                      \
		}                                                         \
	} while (0)

static struct nvmet_ns *ns_of(int i)
{
	return fake_subsys(SUBSYS)->all[i + 1];
}

static uint16_t away(int i)
{
	return atomic_load(&ns_of(i)->away);
}

struct call {
	struct fake_sq *f;
	struct nvme_sqe sqe;
	uint16_t status;
};

static void call_cmd(void *arg)
{
	struct call *c = arg;

	c->status = fake_cmd(c->f, &c->sqe, NULL, 0);
}

/* Starts a Flush of drive @i's namespace on a core. Return: its status, or FAKE_HELD. */
static uint16_t start_flush(int core, int i)
{
	struct call c = { .f = io[core],
			  .sqe = { .opcode = nvme_cmd_flush, .nsid = le32_make((uint32_t)i + 1) } };

	loop_call(nvmet.cores[core]->loop, call_cmd, &c);
	return c.status;
}

/* Return: the status of a Flush. */
static uint16_t flush(int core, int i)
{
	uint16_t status = start_flush(core, i);

	if (status != FAKE_HELD)
		return status;
	until(!io[core]->sq.outstanding);
	return fake_last(io[core])->status;
}

static int setup_with(bool missing)
{
	static char sys[96];

	log_init("test", getenv("DEBUG") ? LOG_LVL_DEBUG : LOG_LVL_ERROR);
	snprintf(root, sizeof(root), "/tmp/test_drive.XXXXXX");
	assert_non_null(mkdtemp(root));
	snprintf(sys, sizeof(sys), "%s/sys", root);
	nvmet_drive_look_ms = 20;
	nvmh_pci_env.sys = sys;
	nvmh_pci_env.write = kernel_write;
	bound[0] = '\0';
	put(NULL, "bus/pci/devices/");
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

static int setup(void **state)
{
	(void)state;
	return setup_with(false);
}

static int setup_missing(void **state)
{
	(void)state;
	return setup_with(true);
}

static int teardown(void **state)
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
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
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
static void pull(int i, const char *bdf)
{
	atomic_store(&drive[i]->gone, true);
	until(!locked(i, drive[i]->open)); /* given back, so that the kernel can remove it */
	unplug(bdf);
}

static void put_back(int i, const char *bdf, const char *driver)
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

static bool told(uint32_t nsid)
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

/* ---- tests ---- */

static void test_drive_pulled_under_load_and_plugged_in_again(void **state)
{
	uint64_t before;

	(void)state;
	assert_int_equal(flush(0, 0), 0);
	assert_int_equal(flush(1, 1), 0);
	atomic_store(&drive[0]->hold_io, true);
	before = io[0]->nr_rsps;
	for (int i = 0; i < 5; i++)
		assert_int_equal(start_flush(0, 0), FAKE_HELD);
	until(locked(0, drive[0]->nr_held) == 5);
	pull(0, A);
	assert_int_equal(io[0]->nr_rsps, before + 5); /* each once, before the function is let go */
	for (int i = 0; i < 5; i++)
		assert_int_equal(io[0]->rsp[(before + (uint64_t)i) % FAKE_RSPS].status,
				 ST_NS_NOT_READY | CRD1);
	assert_int_equal(away(0), ST_NS_NOT_READY | CRD1);
	until(told(1));
	assert_int_equal(flush(0, 0), ST_NS_NOT_READY | CRD1);
	assert_int_equal(flush(0, 1), 0); /* the other drive */
	assert_int_equal(flush(1, 1), 0);
	atomic_store(&drive[0]->hold_io, false);
	put_back(0, A, "vfio-pci");
	until(!away(0));
	until(told(1));
	assert_int_equal(flush(0, 0), 0);
	assert_int_equal(flush(1, 0), 0);
	assert_int_equal(atomic_load(&drive[0]->faults), 0);
}

static void test_drive_comes_back_in_another_slot(void **state)
{
	(void)state;
	pull(0, A);
	put_back(0, SLOT, "nvme"); /* the kernel's driver takes what is plugged in */
	name_drive(SLOT, "FAKE1               \n");
	until(!away(0));
	assert_string_equal(bound, SLOT);
	assert_int_equal(flush(0, 0), 0);
	/* nobody may release it there, although no configuration names that slot */
	assert_ptr_equal(nvmet_drive_holder(SLOT), nvmet_drive_find(A));
	assert_true(nvmet_drive_is_at(nvmet_drive_find(A), SLOT));
	assert_null(nvmet_drive_find(SLOT));
	pull(0, SLOT);
	put_back(0, A, "vfio-pci"); /* and home again */
	until(!away(0));
	assert_int_equal(flush(0, 0), 0);
}

static void test_another_drive_in_its_place_is_left_alone(void **state)
{
	unsigned int enables;

	(void)state;
	pull(0, A);
	locked(0, (int)!memcpy(drive[0]->id.sn, "OTHER", 5));
	enables = atomic_load(&drive[0]->enables);
	put_back(0, A, "vfio-pci");
	until(atomic_load(&drive[0]->enables) == enables + 1 && !locked(0, drive[0]->open));
	assert_int_equal(away(0), ST_NS_NOT_READY | CRD1);
	for (uint64_t end = clock_now_ms() + 500; clock_now_ms() < end;)
		assert_int_equal(flush(0, 0), ST_NS_NOT_READY | CRD1);
	assert_int_equal(atomic_load(&drive[0]->enables), enables + 1); /* once is enough */
	/* the kernel's driver has one that says it is not ours: not even bound */
	unplug(A);
	usleep(200000);
	plug(A, "nvme");
	name_drive(A, "OTHER\n");
	usleep(200000);
	assert_string_equal(bound, "");
	unplug(A);
	usleep(200000);
	locked(0, (int)!memcpy(drive[0]->id.sn, "FAKE1", 5));
	put_back(0, A, "vfio-pci");
	until(!away(0));
	assert_int_equal(flush(0, 0), 0);
}

/* The drive is the same, its namespace is not: what hosts know must not be written to it. */
static void test_changed_namespace_of_a_drive_that_returns_stays_lost(void **state)
{
	(void)state;
	pull(0, A);
	locked(0, drive[0]->ns[0].desc[5] ^= 1);
	put_back(0, A, "vfio-pci");
	until(away(0) == (ST_NS_NOT_READY | ST_DNR));
	assert_int_equal(flush(0, 0), ST_NS_NOT_READY | ST_DNR);
	assert_int_equal(flush(0, 1), 0);
}

static void test_drive_missing_at_start_is_served_when_plugged_in(void **state)
{
	(void)state;
	assert_int_equal(flush(0, 0), ST_INVALID_NS | ST_DNR);
	assert_int_equal(flush(0, 1), 0);
	put_back(0, A, "nvme");
	name_drive(A, "whatever\n"); /* nobody knows yet which it is */
	until(fake_subsys(SUBSYS)->nr_ns == 2 && !away(0));
	assert_string_equal(bound, A);
	until(told(1));
	assert_int_equal(flush(0, 0), 0);
}

static atomic_bool in_reset, release;

static void slow_reset(struct fake_pcie *f)
{
	(void)f;
	atomic_store(&in_reset, true);
	while (!atomic_load(&release))
		usleep(1000);
}

static void reset_it(struct nvmh_ctrl *ctrl, void *arg)
{
	(void)arg;
	assert_int_equal(nvmh_ctrl_reset(ctrl), 0);
}

static struct nvmet_drive *drive_at(const char *bdf)
{
	struct list *pos;

	list_for_each(pos, &nvmet.drives) {
		struct nvmet_drive *d = list_entry(pos, struct nvmet_drive, link);

		if (!strcmp(d->bdf, bdf))
			return d;
	}
	return NULL;
}

/* One drive hangs in a reset of its PCI function; the other's I/O, reset and return go on. */
static void test_sick_drive_delays_no_other(void **state)
{
	unsigned int enables;

	(void)state;
	atomic_store(&in_reset, false);
	atomic_store(&release, false);
	locked(0, drive[0]->on_reset = slow_reset);
	atomic_store(&drive[0]->never_idle, true);
	nvmet_drive_call(drive_at(A), reset_it, NULL);
	until(atomic_load(&in_reset));
	assert_int_equal(flush(0, 1), 0);
	enables = atomic_load(&drive[1]->enables);
	nvmet_drive_call(drive_at(B), reset_it, NULL);
	until(atomic_load(&drive[1]->enables) == enables + 1 && !away(1));
	assert_int_equal(flush(1, 1), 0);
	pull(1, B);
	put_back(1, B, "vfio-pci");
	until(!away(1));
	assert_int_equal(flush(0, 1), 0);
	assert_int_equal(flush(0, 0), ST_NS_NOT_READY | CRD1);
	atomic_store(&drive[0]->never_idle, false);
	atomic_store(&release, true);
	until(!away(0));
	assert_int_equal(flush(0, 0), 0);
}

/* It is there, and does not come up: given up, given back, and tried again after a while. */
static void test_drive_given_up_is_tried_again(void **state)
{
	(void)state;
	atomic_store(&drive[0]->fatal, true);
	until(!locked(0, drive[0]->open));
	assert_int_equal(flush(0, 0), ST_NS_NOT_READY | CRD1);
	assert_int_equal(flush(1, 1), 0);
	atomic_store(&drive[0]->fatal, false);
	until(!away(0));
	assert_int_equal(flush(0, 0), 0);
	assert_int_equal(flush(1, 0), 0);
}

static void test_fewer_queues_after_a_reset_leave_no_core_out(void **state)
{
	(void)state;
	for (uint16_t nr = 1; nr <= 2; nr++) {
		locked(0, drive[0]->max_queues = nr);
		nvmet_drive_call(drive_at(A), reset_it, NULL);
		until(away(0));
		until(!away(0));
		assert_int_equal(flush(0, 0), 0);
		assert_int_equal(flush(1, 0), 0);
		assert_int_equal(locked(0, drive[0]->sq[2].there), nr == 2);
	}
}

static uint16_t refuse_queues(struct fake_pcie *f, const struct nvme_sqe *sqe)
{
	(void)f;
	return sqe->opcode == nvme_admin_create_cq ? ST_INTERNAL : 0;
}

static void identify_works(struct nvmh_ctrl *ctrl, void *arg)
{
	char data[4096];

	(void)arg;
	assert_int_equal(nvmh_identify(ctrl, 0, NVME_IDENTIFY_CNS_CTRL, 0, data), 0);
}

static void test_drive_without_queues_is_not_ready_and_administered(void **state)
{
	unsigned int enables = atomic_load(&drive[0]->enables);

	(void)state;
	locked(0, drive[0]->on_admin = refuse_queues);
	nvmet_drive_call(drive_at(A), reset_it, NULL);
	until(atomic_load(&drive[0]->enables) > enables && locked(0, drive[0]->aer_posted));
	assert_int_equal(flush(0, 0), ST_NS_NOT_READY | CRD1);
	assert_int_equal(flush(1, 0), ST_NS_NOT_READY | CRD1);
	nvmet_drive_call(drive_at(A), identify_works, NULL);
	locked(0, drive[0]->on_admin = NULL);
	nvmet_drive_call(drive_at(A), reset_it, NULL);
	until(!away(0));
	assert_int_equal(flush(0, 0), 0);
}

/* A drive that does not finish its shutdown: the other was told to begin all the same. */
static void test_drives_are_shut_down_at_the_same_time(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		locked(i, drive[i]->no_shutdown = true);
	}
	fake_turn();
	for (int i = 0; i < 2; i++)
		nvmet_ns_detach_cores(ns_of(i));
	nvmet_drives_shutdown();
	until(atomic_load(&drive[0]->notified) && atomic_load(&drive[1]->notified));
	assert_true(locked(0, drive[0]->open) && locked(1, drive[1]->open));
	for (int i = 0; i < 2; i++)
		locked(i, drive[i]->no_shutdown = false);
}

#define TEST(name)	   cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_MISSING(name) cmocka_unit_test_setup_teardown(name, setup_missing, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_drive_pulled_under_load_and_plugged_in_again),
		TEST(test_drive_comes_back_in_another_slot),
		TEST(test_another_drive_in_its_place_is_left_alone),
		TEST(test_changed_namespace_of_a_drive_that_returns_stays_lost),
		TEST_MISSING(test_drive_missing_at_start_is_served_when_plugged_in),
		TEST(test_sick_drive_delays_no_other),
		TEST(test_drive_given_up_is_tried_again),
		TEST(test_fewer_queues_after_a_reset_leave_no_core_out),
		TEST(test_drive_without_queues_is_not_ready_and_administered),
		TEST(test_drives_are_shut_down_at_the_same_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
