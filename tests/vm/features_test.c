// SPDX-License-Identifier: BSD-2-Clause
/*
 * What drives can do beyond plain blocks, by libnvmh on PCIe functions behind an IOMMU, as TAP:
 * shadow doorbells and SGLs, the controller memory buffer, zones, metadata and protection
 * information. Run as root in the guest on the drives of these presets, bound to vfio-pci.
 * Everything on them is overwritten.
 *
 * features_test [dbbuf BDF] [cmb BDF] [zns BDF] [pi BDF]
 */
#include "tests/vm/pcie_test.h"

enum {
	PRACT = 1 << 29,
	PRCHK_GUARD = 1 << 28,
	PRCHK_REF = 1 << 26,
	BLOCKS = 16,
};

static struct nvmh_ctrl *drive;

static bool open_features(bool use_cmb)
{
	struct nvmh_ctrl_opts opts = {
		.trtype = "pcie",
		.traddr = bdf,
		.nr_io_queues = NR_QUEUES,
		.queue_size = DEPTH,
		.use_cmb = use_cmb,
	};

	check(!nvmh_ctrl_open(&opts, &drive));
	check(!nvmh_ctrl_mem_map(drive, arena, ARENA));
	check(!nvmh_ctrl_wait(drive, WAIT_MS));
	check(nvmh_ctrl_nr_queues(drive) == NR_QUEUES);
	return true;
}

static bool close_drive(void)
{
	nvmh_ctrl_close(drive);
	drive = NULL;
	return true;
}

static struct pcie *pcie(void)
{
	return drive->tr;
}

static bool reset(void)
{
	check(!nvmh_ctrl_reset(drive));
	check(!nvmh_ctrl_wait(drive, WAIT_MS));
	return true;
}

/* ---- load that goes round the rings, by polling and by interrupt ---- */

static struct nvmh_req reqs[DEPTH];
static struct iovec iovs[DEPTH];
static unsigned int nr_done;

static void count_done(struct nvmh_req *req)
{
	nr_done += !req->status;
}

/* @nr commands of 4 KiB at blocks of their own; waits for all. */
static bool burst(struct nvmh_queue *q, uint8_t opcode, uint64_t slba, unsigned int nr, char *buf)
{
	const struct nvmh_ns *ns = nvmh_ctrl_ns(drive, 0);
	uint32_t nlb = PAGE / ns->lba_size;
	struct pollfd pfd = { .fd = nvmh_queue_fd(q), .events = POLLIN };
	unsigned int i;

	nr_done = 0;
	for (i = 0; i < nr; i++) {
		iovs[i] = (struct iovec){ buf + i * PAGE, PAGE };
		memset(&reqs[i], 0, sizeof(reqs[i]));
		nvmh_prep_rw(&reqs[i], opcode, ns->nsid, slba + i * nlb, nlb, &iovs[i], 1, PAGE);
		reqs[i].done = count_done;
		check(!nvmh_queue_submit(q, &reqs[i]));
		if (i % 3 == 2)
			nvmh_queue_commit(q);
	}
	nvmh_queue_commit(q);
	while (nr_done < nr) {
		if (nvmh_queue_poll(q) || nvmh_queue_arm(q))
			continue;
		check(poll(&pfd, 1, 30000) == 1);
	}
	check(nvmh_queue_room(q) == DEPTH - 1);
	return true;
}

static bool round_the_rings(void)
{
	struct nvmh_queue *q;
	unsigned int nr;
	unsigned int i;

	for (i = 0; i < 300; i++) {
		q = nvmh_ctrl_queue(drive, i % NR_QUEUES);
		nr = 1 + i * 7 % (DEPTH - 1);
		pattern(arena, nr * PAGE, i);
		check(burst(q, nvme_cmd_write, i % 11 * 512, nr, arena));
		memset(arena + ARENA / 2, 0, nr * PAGE);
		check(burst(q, nvme_cmd_read, i % 11 * 512, nr, arena + ARENA / 2));
		if (!is_pattern(arena + ARENA / 2, nr * PAGE, i))
			return false;
	}
	return true;
}

/* ---- shadow doorbells and SGLs ---- */

static bool shadow_doorbells_are_on(void)
{
	check(open_features(false));
	check(pcie()->dbbuf_on);
	check(((struct pcie_queue *)drive->ioq[0].tr)->sq_shadow.db);
	return true;
}

static bool again_after_a_reset(void)
{
	check(reset() && pcie()->dbbuf_on);
	return round_the_rings();
}

/* Pieces at odd addresses and of odd lengths, which PRPs cannot describe. */
static bool scattered_by_sgl(void)
{
	const struct nvmh_ns *ns = nvmh_ctrl_ns(drive, 0);
	struct nvmh_queue *q = nvmh_ctrl_queue(drive, 0);
	struct iovec iov[4] = {
		{ arena + 1, 1000 },
		{ arena + 2 * PAGE + 77, 3 * PAGE },
		{ arena + 9 * PAGE + 512, 2048 - 1000 },
		{ arena + 20 * PAGE, 2 * PAGE + 2048 },
	};
	struct iovec whole = { arena + ARENA / 2, 6 * PAGE };
	size_t off = 0;
	size_t i;

	if (!(le32toh(nvmh_ctrl_id(drive)->sgls) & 3))
		return fail("the drive takes no SGLs");
	pattern(whole.iov_base, whole.iov_len, 5);
	for (i = 0; i < ARRAY_SIZE(iov); off += iov[i++].iov_len)
		memcpy(iov[i].iov_base, (char *)whole.iov_base + off, iov[i].iov_len);
	check(off == whole.iov_len);
	check(!rw(q, nvme_cmd_write, ns, 0, iov, 4, (uint32_t)off));
	memset(whole.iov_base, 0, off);
	check(!rw(q, nvme_cmd_read, ns, 0, &whole, 1, (uint32_t)off));
	if (!is_pattern(whole.iov_base, off, 5))
		return false;
	for (i = 0; i < ARRAY_SIZE(iov); i++)
		memset(iov[i].iov_base, 0, iov[i].iov_len);
	check(!rw(q, nvme_cmd_read, ns, 0, iov, 4, (uint32_t)off));
	for (i = 0, off = 0; i < ARRAY_SIZE(iov); off += iov[i++].iov_len)
		check(!memcmp(iov[i].iov_base, (char *)whole.iov_base + off, iov[i].iov_len));
	return true;
}

static void dbbuf_tests(void)
{
	test("shadow doorbells: on", shadow_doorbells_are_on);
	test("shadow doorbells: I/O round the rings", round_the_rings);
	test("shadow doorbells: again after a reset", again_after_a_reset);
	test("SGLs: scattered at any byte", scattered_by_sgl);
	test("close", close_drive);
}

/* ---- controller memory buffer ---- */

static bool queues_in_cmb(void)
{
	uint16_t i;

	for (i = 0; i < NR_QUEUES; i++)
		check(((struct pcie_queue *)drive->ioq[i].tr)->in_cmb);
	return true;
}

static bool cmb_open(void)
{
	return open_features(true) && queues_in_cmb();
}

static bool cmb_after_a_reset(void)
{
	return reset() && queues_in_cmb() && round_the_rings();
}

static bool cmb_not_asked_for(void)
{
	check(close_drive() && open_features(false));
	check(!((struct pcie_queue *)drive->ioq[0].tr)->in_cmb);
	return round_the_rings();
}

static void cmb_tests(void)
{
	test("controller memory buffer: submission queues lie in it", cmb_open);
	test("controller memory buffer: I/O round the rings", round_the_rings);
	test("controller memory buffer: again after a reset", cmb_after_a_reset);
	test("controller memory buffer: not asked for, not used", cmb_not_asked_for);
	test("close", close_drive);
}

/* ---- zones ---- */

static struct nvme_zone_report *report(uint64_t slba, uint32_t len)
{
	const struct nvmh_ns *ns = nvmh_ctrl_ns(drive, 0);
	struct iovec iov = { arena + ARENA / 2, len };
	struct nvmh_req req = { 0 };

	memset(iov.iov_base, 0xee, len);
	nvmh_prep_zone_report(&req, ns->nsid, slba, &iov, 1, len);
	return nvmh_io(nvmh_ctrl_queue(drive, 0), &req) ? NULL : iov.iov_base;
}

static bool zone_geometry(void)
{
	const struct nvmh_ns *ns;

	check(open_features(false));
	check(nvmh_ctrl_nr_ns(drive) == 1);
	ns = nvmh_ctrl_ns(drive, 0);
	check(ns->csi == NVME_CSI_ZNS && ns->lba_size == 4096);
	check(ns->zsze == (16 << 20) / 4096 && ns->nsze == 32 * ns->zsze);
	check(ns->zone_max_open == 8 && ns->zone_max_active == 12);
	check(ns->zone_max_append == 128 << 10);
	return true;
}

static bool zone_report(void)
{
	const struct nvmh_ns *ns = nvmh_ctrl_ns(drive, 0);
	struct nvmh_req req = { 0 };
	struct nvme_zone_report *r;
	unsigned int i;

	nvmh_prep_zone_send(&req, ns->nsid, 0, NVME_ZNS_ZSA_RESET, true);
	check(!nvmh_io(nvmh_ctrl_queue(drive, 0), &req));
	r = report(0, PAGE);
	check(r && le64toh(r->nr_zones) == 32);
	for (i = 0; i < 32; i++) {
		check(le64toh(r->entries[i].zslba) == i * ns->zsze);
		check(le64toh(r->entries[i].zcap) == (12 << 20) / 4096);
		check(le64toh(r->entries[i].wp) == i * ns->zsze);
		check(r->entries[i].zs >> 4 == NVME_ZNS_ZS_EMPTY);
	}
	r = report(30 * ns->zsze, 64 + 2 * 64);
	check(r && le64toh(r->nr_zones) == 2);
	return true;
}

static bool zone_append(void)
{
	const struct nvmh_ns *ns = nvmh_ctrl_ns(drive, 0);
	struct iovec iov = { arena, 2 * PAGE };
	struct nvme_zone_report *r;
	struct nvmh_req req = { 0 };
	uint64_t zslba = 3 * ns->zsze;
	unsigned int i;

	for (i = 0; i < 5; i++) {
		pattern(arena, 2 * PAGE, 40 + i);
		nvmh_prep_zone_append(&req, ns->nsid, zslba, 2, &iov, 1, 2 * PAGE);
		check(!nvmh_io(nvmh_ctrl_queue(drive, 1), &req));
		check(le64_get(req.cqe.result) == zslba + 2 * i);
	}
	r = report(zslba, 128);
	check(r && le64toh(r->entries[0].wp) == zslba + 10);
	check(r->entries[0].zs >> 4 == NVME_ZNS_ZS_IMPL_OPEN);
	for (i = 0; i < 5; i++) {
		check(!rw(nvmh_ctrl_queue(drive, 0), nvme_cmd_read, ns, zslba + 2 * i, &iov, 1,
			  2 * PAGE));
		if (!is_pattern(arena, 2 * PAGE, 40 + i))
			return false;
	}
	/* behind the write pointer */
	check(rw(nvmh_ctrl_queue(drive, 0), nvme_cmd_write, ns, zslba, &iov, 1, 2 * PAGE) > 0);
	nvmh_prep_zone_send(&req, ns->nsid, zslba, NVME_ZNS_ZSA_FINISH, false);
	check(!nvmh_io(nvmh_ctrl_queue(drive, 0), &req));
	r = report(zslba, 128);
	check(r && r->entries[0].zs >> 4 == NVME_ZNS_ZS_FULL);
	return true;
}

static void zns_tests(void)
{
	test("zones: geometry and limits", zone_geometry);
	test("zones: reset of all, report", zone_report);
	test("zones: append, read, finish", zone_append);
	test("close", close_drive);
}

/* ---- metadata and protection information ---- */

static bool md_formats(void)
{
	const struct nvmh_ns *ns;

	check(open_features(false));
	check(nvmh_ctrl_nr_ns(drive) == 2);
	ns = nvmh_ctrl_ns(drive, 0);
	check(ns->lba_size == 4096 && ns->ms == 8 && !ns->ext_lba);
	check(ns->pi_type == 1 && ns->pi_size == 8 && ns->pi_first);
	ns = nvmh_ctrl_ns(drive, 1);
	check(ns->lba_size == 512 && ns->ms == 16 && ns->ext_lba && !ns->pi_type && !ns->pi_size);
	return true;
}

/* One command on namespace 1 with its metadata apart. @prinfo: of dword 12. */
static int rw_md(uint8_t opcode, uint64_t slba, void *buf, void *md, uint32_t prinfo)
{
	const struct nvmh_ns *ns = nvmh_ctrl_ns(drive, 0);
	struct iovec iov = { buf, BLOCKS * PAGE };
	struct nvmh_req req = { 0 };

	nvmh_prep_rw(&req, opcode, ns->nsid, slba, BLOCKS, &iov, 1, BLOCKS * PAGE);
	if (md && nvmh_prep_md(&req, ns, md, BLOCKS * ns->ms))
		return -EINVAL;
	req.sqe.cdw12 = le32_make(le32_get(req.sqe.cdw12) | prinfo);
	req.sqe.cdw14 = le32_make((uint32_t)slba);
	return nvmh_io(nvmh_ctrl_queue(drive, 0), &req);
}

static bool md_apart(void)
{
	char *md = arena + ARENA - PAGE;
	char *md2 = arena + ARENA - 2 * PAGE;
	char *back = arena + ARENA / 2;

	pattern(arena, BLOCKS * PAGE, 1);
	pattern(md, BLOCKS * 8, 2);
	check(!rw_md(nvme_cmd_write, 100, arena, md, 0));
	check(!rw_md(nvme_cmd_read, 100, back, md2, 0));
	return is_pattern(back, BLOCKS * PAGE, 1) && is_pattern(md2, BLOCKS * 8, 2);
}

/* The drive makes it, and it is there; the drive checks it; and a wrong one is noticed. */
static bool pi_inserted_checked_stripped(void)
{
	uint8_t *md = (uint8_t *)arena + ARENA - PAGE;
	char *back = arena + ARENA / 2;
	uint32_t i;

	pattern(arena, BLOCKS * PAGE, 3);
	check(!rw_md(nvme_cmd_write, 500, arena, NULL, PRACT | PRCHK_GUARD | PRCHK_REF));
	check(!rw_md(nvme_cmd_read, 500, back, NULL, PRACT | PRCHK_GUARD | PRCHK_REF));
	if (!is_pattern(back, BLOCKS * PAGE, 3))
		return false;
	check(!rw_md(nvme_cmd_read, 500, back, md, PRCHK_GUARD | PRCHK_REF));
	for (i = 0; i < BLOCKS; i++)
		check(md[8 * i + 6] == (500 + i) >> 8 && md[8 * i + 7] == (uint8_t)(500 + i));
	md[8 * 3] ^= 1; /* a guard */
	check(!rw_md(nvme_cmd_write, 500, arena, (char *)md, 0));
	check((rw_md(nvme_cmd_read, 500, back, NULL, PRACT | PRCHK_GUARD) & ST_MASK) == 0x282);
	check(!rw_md(nvme_cmd_read, 500, back, NULL, PRACT | PRCHK_REF));
	return true;
}

static bool md_within(void)
{
	const struct nvmh_ns *ns = nvmh_ctrl_ns(drive, 1);
	struct nvmh_queue *q = nvmh_ctrl_queue(drive, 1);
	struct nvmh_req req = { 0 };
	uint32_t len = 64 * (512 + 16);
	struct iovec iov = { arena, len };

	pattern(arena, len, 8);
	nvmh_prep_rw(&req, nvme_cmd_write, ns->nsid, 7, 64, &iov, 1, len);
	check(nvmh_prep_md(&req, ns, arena, 64 * 16) == -EINVAL);
	check(!nvmh_io(q, &req));
	iov.iov_base = arena + ARENA / 2;
	nvmh_prep_rw(&req, nvme_cmd_read, ns->nsid, 7, 64, &iov, 1, len);
	check(!nvmh_io(q, &req));
	return is_pattern(iov.iov_base, len, 8);
}

static bool md_bounds(void)
{
	static char elsewhere[PAGE];

	check(rw_md(nvme_cmd_read, 0, arena, elsewhere, 0) == -EINVAL);
	check(rw_md(nvme_cmd_read, 0, arena, arena + ARENA - 8, 0) == -EINVAL);
	check(rw_md(nvme_cmd_read, 0, arena, arena + ARENA - PAGE + 2, 0) == -EINVAL);
	return true;
}

static void pi_tests(void)
{
	test("metadata: formats", md_formats);
	test("metadata: apart from the blocks", md_apart);
	test("metadata: within the blocks", md_within);
	test("metadata: memory that is not the drive's to reach is refused", md_bounds);
	test("protection information: made, checked and stripped by the drive",
	     pi_inserted_checked_stripped);
	test("close", close_drive);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} table[] = {
		{ "dbbuf", dbbuf_tests },
		{ "cmb", cmb_tests },
		{ "zns", zns_tests },
		{ "pi", pi_tests },
	};
	size_t i;
	int a;

	if (argc < 3 || argc % 2 == 0)
		return 2;
	log_init("features_test", getenv("DEBUG") ? LOG_LVL_DEBUG : LOG_LVL_INFO);
	arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED)
		return 1;
	for (a = 1; a < argc; a += 2) {
		bdf = argv[a + 1];
		for (i = 0; i < ARRAY_SIZE(table); i++) {
			if (!strcmp(argv[a], table[i].name))
				table[i].run();
		}
	}
	printf("1..%u\n", nr_tests);
	return nr_failed || !nr_tests ? 1 : 0;
}
