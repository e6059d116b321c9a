/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of pcie_test.c on a drive that is up: what it is, its interface and interrupts, commands and
 * their buffers, full queues, owners that sleep.
 */
#ifndef TESTS_VM_PCIE_TEST_IO_H
#define TESTS_VM_PCIE_TEST_IO_H

#include "host/vfio_impl.h"
#include "tests/vm/pcie_test.h"

/* ---- I/O ---- */

static struct nvmh_ctrl *drive;

static bool bring_up(void)
{
	check(!open_drive(NR_QUEUES, DEPTH, &drive));
	check(nvmh_ctrl_state(drive) == NVMH_LIVE);
	check(nvmh_ctrl_nr_queues(drive) == NR_QUEUES);
	check(!nvmh_ctrl_error(drive)[0]);
	return true;
}

static struct nvmh_vfio *vfio_of(struct nvmh_ctrl *ctrl)
{
	return ((struct pcie *)ctrl->tr)->vfio;
}

/* The device's own file where the kernel has one, and what NVMH_VFIO asks for. */
static bool the_interface(void)
{
	const char *want = getenv("NVMH_VFIO");
	const char *is = nvmh_vfio_interface(vfio_of(drive));
	char path[64];

	if (!want)
		want = device_file(path, sizeof(path)) ? "cdev" : "group";
	printf("# interface %s\n", is);
	check(!strcmp(is, want));
	return true;
}

/* MSI-X with a vector for each queue, or what NVMH_IRQ and VECTORS ask for. */
static bool the_interrupts(void)
{
	struct pcie *pcie = drive->tr;
	const char *want = getenv("NVMH_IRQ") ? getenv("NVMH_IRQ") : "msix";
	uint32_t vectors = !strcmp(want, "none") ? 0 : !strcmp(want, "intx") ? 1 : NR_QUEUES + 1;

	if (getenv("VECTORS"))
		vectors = (uint32_t)strtoul(getenv("VECTORS"), NULL, 10);
	printf("# interrupts %s, %u vectors\n", nvmh_irq_name(pcie->irq), pcie->nr_vectors);
	check(!strcmp(nvmh_irq_name(pcie->irq), want));
	check(pcie->nr_vectors == vectors);
	return true;
}

/* What the IOMMU does not translate, the interrupts' addresses, is no memory of ours. */
static bool address_ranges(void)
{
	struct nvmh_vfio *vfio = vfio_of(drive);
	const struct nvmh_dma_table *table = atomic_load(&vfio->dma.table);
	const struct nvmh_dma *dma = &vfio->dma;
	uint32_t within;
	uint32_t i;
	uint32_t j;

	for (j = 0; j < dma->nr_ranges; j++) {
		printf("# range %#llx-%#llx\n", (unsigned long long)dma->range[j].first,
		       (unsigned long long)dma->range[j].last);
		check(dma->range[j].first > 0xfeefffff || dma->range[j].last < 0xfee00000);
	}
	check(dma->nr_ranges >= 2 && table && table->nr >= 4);
	for (i = 0; i < table->nr; i++) {
		for (j = within = 0; j < dma->nr_ranges; j++)
			within += table->region[i].iova >= dma->range[j].first &&
				  table->region[i].iova + table->region[i].len - 1 <=
					  dma->range[j].last;
		check(within == 1);
	}
	/* the kernel says the same */
	check(vfio->ops->map(vfio, arena, PAGE, 0xfee00000) < 0);
	check(vfio->ops->map(vfio, arena, PAGE, dma->range[dma->nr_ranges - 1].last + 1) < 0);
	return true;
}

static bool maps_are_limited(void)
{
	char *mem = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct nvmh_ctrl *ctrl;
	int ret = 0;
	size_t i;

	check(mem != MAP_FAILED);
	check(!open_drive(1, 0, &ctrl));
	for (i = 0; !ret && i < ARENA / PAGE; i++)
		ret = nvmh_ctrl_mem_map(ctrl, mem + i * PAGE, PAGE);
	printf("# %zu areas, then: %s\n", i, nvmh_strerror());
	check(ret == -ENOSPC && strstr(nvmh_strerror(), "no room in the IOMMU"));
	check(nvmh_ctrl_mem_map(ctrl, mem, PAGE) < 0); /* it is mapped */
	nvmh_ctrl_close(ctrl);
	munmap(mem, ARENA);
	return true;
}

static bool second_open_is_busy(void)
{
	struct nvmh_ctrl *other;

	check(open_drive(1, 0, &other) == -EBUSY);
	check(nvmh_pci_release(bdf) == -EBUSY);
	return true;
}

static bool identity(void)
{
	const struct nvme_id_ctrl *id = nvmh_ctrl_id(drive);
	char page[4096];
	uint32_t list[1024];

	printf("# %s model %.40s serial %.20s max_xfer %u\n", nvmh_ctrl_name(drive), id->mn, id->sn,
	       nvmh_ctrl_max_xfer(drive));
	check(!memcmp(id->mn, "QEMU", 4));
	check(nvmh_ctrl_max_xfer(drive) == 512 << 10);
	check(!nvmh_identify(drive, 0, NVME_IDENTIFY_CNS_CTRL, 0, page));
	check(!memcmp(page, id, sizeof(page)));
	check(!nvmh_identify(drive, 0, NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, 0, list));
	check(le32toh(list[0]) == 1 && le32toh(list[1]) == 2 && le32toh(list[2]) == 5 && !list[3]);
	check(nvmh_identify(drive, 77, NVME_IDENTIFY_CNS_NS, 0, page) >= 0);
	return true;
}

static bool namespaces(void)
{
	static const struct {
		uint32_t nsid;
		uint32_t lba_size;
	} want[] = { { 1, 512 }, { 2, 4096 }, { 5, 512 } };
	const struct nvmh_ns *ns;
	size_t i;

	check(nvmh_ctrl_nr_ns(drive) == ARRAY_SIZE(want));
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		ns = nvmh_ctrl_ns(drive, (uint32_t)i);
		check(ns && ns->nsid == want[i].nsid && ns->lba_size == want[i].lba_size);
		check(ns->nsze * ns->lba_size >= 64 << 20 && !ns->ms && !ns->csi);
		check(nvmh_ctrl_ns_by_nsid(drive, ns->nsid) == ns);
	}
	check(!nvmh_ctrl_ns(drive, 3) && !nvmh_ctrl_ns_by_nsid(drive, 3));
	return true;
}

static bool logs(void)
{
	struct nvme_smart_log smart;
	char page[8192];

	check(!nvmh_get_log(drive, NVME_NSID_BROADCAST, NVME_LOG_LID_SMART, 0, &smart,
			    sizeof(smart)));
	check(smart.temperature[0] || smart.temperature[1]);
	check(!nvmh_get_log(drive, 0, NVME_LOG_LID_ERROR, 0, page, 64));
	check(nvmh_get_log(drive, 0, 0xc5, 0, page, 64) > 0);
	return true;
}

static bool write_and_read(uint32_t nsid, uint16_t queue)
{
	static const uint32_t lengths[] = { 4096, 8192, 12288, 65536, 131072, 262144, 524288 };
	const struct nvmh_ns *ns = nvmh_ctrl_ns_by_nsid(drive, nsid);
	struct nvmh_queue *q = nvmh_ctrl_queue(drive, queue);
	struct iovec iov;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		iov = (struct iovec){ .iov_base = arena, .iov_len = lengths[i] };
		pattern(arena, lengths[i], (uint32_t)i + nsid);
		check(!rw(q, nvme_cmd_write, ns, i * 2048, &iov, 1, lengths[i]));
	}
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		iov = (struct iovec){ .iov_base = arena + ARENA / 2, .iov_len = lengths[i] };
		memset(iov.iov_base, 0, lengths[i]);
		check(!rw(q, nvme_cmd_read, ns, i * 2048, &iov, 1, lengths[i]));
		if (!is_pattern(iov.iov_base, lengths[i], (uint32_t)i + nsid))
			return false;
	}
	return true;
}

static bool data_512(void)
{
	return write_and_read(1, 0);
}

static bool data_4096(void)
{
	return write_and_read(2, 1);
}

/* A first piece from the middle of a page to its end, whole pages in any order, a short last piece. */
static bool scattered(void)
{
	const struct nvmh_ns *ns = nvmh_ctrl_ns_by_nsid(drive, 1);
	struct nvmh_queue *q = nvmh_ctrl_queue(drive, 0);
	struct iovec iov[5] = {
		{ arena + 2 * PAGE + 1024 + 4, PAGE - 1024 - 4 },
		{ arena + 7 * PAGE, 3 * PAGE },
		{ arena + 3 * PAGE, PAGE },
		{ arena + 40 * PAGE, 50 * PAGE },
		{ arena + 20 * PAGE, 1024 + 4 },
	};
	struct iovec whole = { arena + ARENA / 2, 55 * PAGE };
	size_t off = 0;
	size_t i;

	pattern(whole.iov_base, whole.iov_len, 99);
	for (i = 0; i < ARRAY_SIZE(iov); i++) {
		memcpy(iov[i].iov_base, (char *)whole.iov_base + off, iov[i].iov_len);
		off += iov[i].iov_len;
	}
	check(off == whole.iov_len);
	check(!rw(q, nvme_cmd_write, ns, 100000, iov, 5, (uint32_t)off));
	memset(whole.iov_base, 0, off);
	check(!rw(q, nvme_cmd_read, ns, 100000, &whole, 1, (uint32_t)off));
	if (!is_pattern(whole.iov_base, off, 99))
		return false;
	for (i = 0; i < ARRAY_SIZE(iov); i++)
		memset(iov[i].iov_base, 0, iov[i].iov_len);
	check(!rw(q, nvme_cmd_read, ns, 100000, iov, 5, (uint32_t)off));
	for (i = 0, off = 0; i < ARRAY_SIZE(iov); off += iov[i++].iov_len)
		check(!memcmp(iov[i].iov_base, (char *)whole.iov_base + off, iov[i].iov_len));
	return true;
}

static bool refused_buffers(void)
{
	static char elsewhere[2 * PAGE] __attribute__((aligned(PAGE)));
	const struct nvmh_ns *ns = nvmh_ctrl_ns_by_nsid(drive, 1);
	struct nvmh_queue *q = nvmh_ctrl_queue(drive, 0);
	struct iovec unmapped = { elsewhere, PAGE };
	struct iovec odd = { arena + 2, PAGE };
	struct iovec gap[2] = { { arena, 512 }, { arena + PAGE, PAGE - 512 } };
	struct iovec over = { arena + ARENA - 512, PAGE };
	struct iovec big = { arena, 1 << 20 };
	bool sgls = le32toh(nvmh_ctrl_id(drive)->sgls) & NVME_CTRL_SGLS_SUPPORTED;

	check(rw(q, nvme_cmd_read, ns, 0, &unmapped, 1, PAGE) == -EINVAL);
	/* not by PRPs, but QEMU's drives take SGLs */
	check(rw(q, nvme_cmd_read, ns, 0, &odd, 1, PAGE) == (sgls ? 0 : -EINVAL));
	check(rw(q, nvme_cmd_read, ns, 0, gap, 2, PAGE) == (sgls ? 0 : -EINVAL));
	check(rw(q, nvme_cmd_read, ns, 0, &over, 1, PAGE) == -EINVAL);
	check(rw(q, nvme_cmd_read, ns, 0, &big, 1, 1 << 20) == -EINVAL);
	check(rw(q, nvme_cmd_read, ns, 0, &big, 1, PAGE) == -EINVAL); /* iov longer than len */
	check(nvmh_queue_room(q) == DEPTH - 1);
	return true;
}

static bool statuses(void)
{
	const struct nvmh_ns *ns = nvmh_ctrl_ns_by_nsid(drive, 1);
	struct nvmh_queue *q = nvmh_ctrl_queue(drive, 0);
	struct iovec iov = { arena, PAGE };
	struct nvmh_req req = { 0 };

	check((rw(q, nvme_cmd_read, ns, ns->nsze, &iov, 1, PAGE) & ST_MASK) == ST_LBA_RANGE);
	nvmh_prep_flush(&req, 1);
	check(!nvmh_io(q, &req));
	nvmh_prep_flush(&req, 77);
	check(nvmh_io(q, &req) > 0);
	return true;
}

static unsigned int nr_done;

static void count_done(struct nvmh_req *req)
{
	nr_done += !req->status;
}

static bool full_queue(void)
{
	static struct nvmh_req reqs[DEPTH];
	const struct nvmh_ns *ns = nvmh_ctrl_ns_by_nsid(drive, 2);
	struct nvmh_queue *q = nvmh_ctrl_queue(drive, 1);
	struct pollfd pfd[] = {
		{ .fd = nvmh_queue_fd(q), .events = POLLIN },
		{ .fd = nvmh_ctrl_fd(drive), .events = POLLIN },
	};
	struct iovec iov = { arena, PAGE };
	unsigned int i;

	nr_done = 0;
	for (i = 0; i < DEPTH; i++) {
		memset(&reqs[i], 0, sizeof(reqs[i]));
		nvmh_prep_rw(&reqs[i], nvme_cmd_read, 2, i, 1, &iov, 1, PAGE);
		reqs[i].done = count_done;
		check(nvmh_queue_submit(q, &reqs[i]) == (i < DEPTH - 1 ? 0 : -EAGAIN));
	}
	check(ns && !nvmh_queue_room(q));
	nvmh_queue_commit(q);
	while (nr_done < DEPTH - 1) {
		if (nvmh_queue_poll(q) || nvmh_queue_arm(q))
			continue;
		check(poll(pfd, 2, 30000) > 0); /* by interrupt */
		nvmh_ctrl_process(drive);	/* a shared one */
	}
	check(nvmh_queue_room(q) == DEPTH - 1);
	return true;
}

/* ---- waking ---- */

struct sleeper {
	pthread_t thread;
	struct nvmh_queue *q;
	const struct nvmh_ns *ns;
	char *mem;
	unsigned int sleeps;
	unsigned int lost;
	unsigned int failed;
	unsigned int masked; /* sleeps of a queue whose vector was masked before */
	atomic_bool ended;
};

static void sleeper_done(struct nvmh_req *req)
{
	*(bool *)req->arg = true;
}

/* Reads, one after the other: polling for long at times, so that the vector is masked, sleeping at once at others. */
static void *sleeper_run(void *arg)
{
	struct sleeper *s = arg;
	struct pollfd pfd = { .fd = nvmh_queue_fd(s->q), .events = POLLIN };
	struct iovec iov = { s->mem, PAGE };
	struct nvmh_req req;
	unsigned int n;
	unsigned int i;
	bool done;

	for (n = 0; n < SLEEPER_READS && !s->lost && !s->failed; n++) {
		memset(&req, 0, sizeof(req));
		done = false;
		nvmh_prep_rw(&req, nvme_cmd_read, s->ns->nsid, n, PAGE / s->ns->lba_size, &iov, 1,
			     PAGE);
		req.done = sleeper_done;
		req.arg = &done;
		if (nvmh_queue_submit(s->q, &req)) {
			s->failed++;
			break;
		}
		nvmh_queue_commit(s->q);
		for (i = 0; n / 32 % 2 && !done && i < 1000000; i++)
			nvmh_queue_poll(s->q);
		while (!done && !s->lost) {
			bool masked = ((struct pcie_queue *)s->q->tr)->masked;

			if (nvmh_queue_poll(s->q) || nvmh_queue_arm(s->q))
				continue;
			s->sleeps++;
			s->masked += masked;
			s->lost += poll(&pfd, 1, WAIT_MS) == 0;
		}
		s->failed += req.status != 0;
	}
	nvmh_queue_release(s->q);
	atomic_store(&s->ended, true);
	return NULL;
}

static bool sleepers_are_woken(void)
{
	static struct sleeper sleepers[NR_QUEUES];
	struct pollfd pfd = { .fd = nvmh_ctrl_fd(drive), .events = POLLIN };
	unsigned int ended = 0;
	unsigned int i;

	memset(sleepers, 0, sizeof(sleepers));
	for (i = 0; i < NR_QUEUES; i++) {
		struct sleeper *s = &sleepers[i];

		s->q = nvmh_ctrl_queue(drive, (uint16_t)i);
		s->ns = nvmh_ctrl_ns_by_nsid(drive, i + 1);
		s->mem = arena + i * (ARENA / NR_QUEUES);
		nvmh_queue_release(s->q);
		if (pthread_create(&s->thread, NULL, sleeper_run, s))
			return fail("pthread_create");
	}
	while (ended < NR_QUEUES) {
		/* no tick, which would wake up whom an interrupt did not */
		drive->tick_ns = UINT64_MAX;
		if (poll(&pfd, 1, 100) > 0)
			nvmh_ctrl_process(drive);
		for (i = ended = 0; i < NR_QUEUES; i++)
			ended += atomic_load(&sleepers[i].ended);
	}
	drive->tick_ns = 0;
	for (i = 0; i < NR_QUEUES; i++) {
		pthread_join(sleepers[i].thread, NULL);
		printf("# queue %u: %u sleeps, %u after being masked\n", i, sleepers[i].sleeps,
		       sleepers[i].masked);
	}
	for (i = 0; i < NR_QUEUES; i++)
		check(!sleepers[i].lost && !sleepers[i].failed && sleepers[i].sleeps);
	for (i = 0; i < NR_QUEUES; i++) {
		struct pcie_queue *pq = sleepers[i].q->tr;

		/* QEMU's table can be mapped: where a queue has a vector, it is masked at times */
		if (((struct pcie *)drive->tr)->irq == NVMH_IRQ_MSIX && !pq->shares)
			check(pq->can_mask && sleepers[i].masked);
	}
	return true;
}

#endif /* TESTS_VM_PCIE_TEST_IO_H */
