// SPDX-License-Identifier: BSD-2-Clause
/*
 * libnvmh on a real PCIe function behind an IOMMU, as TAP: run as root in the guest on the drive of preset "multi", which the
 * kernel's nvme driver has at first and gets back at the end. Everything on the drive is overwritten.
 *
 *	pcie_test 0000:00:11.0 [quick]
 *
 * "quick" leaves out what does not depend on the interface or the kind of interrupts (NVMH_VFIO, NVMH_IRQ). Main thread, but for tests under load,
 * which have an owner thread per queue.
 */
#include "tests/vm/pcie_test.h"

#include "host/vfio_impl.h"

/* ---- binding ---- */

static bool scan_finds_it(void)
{
	struct nvmh_pci_info *info = NULL;
	int n = nvmh_pci_scan(&info);
	bool found = false;
	int i;

	check(n > 0);
	for (i = 0; i < n; i++) {
		printf("# %s %04x:%04x group %d driver %s\n", info[i].bdf, info[i].vendor,
		       info[i].device, info[i].iommu_group, info[i].driver);
		if (!strcmp(info[i].bdf, bdf))
			found = info[i].class_code == 0x010802 && info[i].iommu_group >= 0;
	}
	free(info);
	check(found);
	return true;
}

static bool open_needs_vfio(void)
{
	struct nvmh_ctrl *ctrl;

	check(open_drive(1, 0, &ctrl) == -ENXIO);
	check(strstr(nvmh_strerror(), "bound to nvme") && strstr(nvmh_strerror(), "--bind"));
	return true;
}

static bool open_of_nothing(void)
{
	const char *good = bdf;
	struct nvmh_ctrl *ctrl;
	int a;
	int b;

	bdf = "0000:7f:1f.7";
	a = open_drive(1, 0, &ctrl);
	bdf = "nonsense";
	b = open_drive(1, 0, &ctrl);
	bdf = good;
	check(a == -ENODEV && b == -EINVAL);
	check(nvmh_pci_bind("0000:00:00.0") == -EINVAL &&
	      strstr(nvmh_strerror(), "no NVMe controller"));
	return true;
}

static bool bind_refuses_a_claimed_disk(void)
{
	struct nvmh_pci_info info;
	char path[300];
	int ret;
	int fd;

	check(kernel_disk(2, path, sizeof(path)));
	fd = open(path, O_RDONLY | O_EXCL);
	check(fd >= 0);
	ret = nvmh_pci_bind(bdf);
	close(fd);
	check(ret == -EBUSY && strstr(nvmh_strerror(), "in use"));
	check(!nvmh_pci_info(bdf, &info) && !strcmp(info.driver, "nvme"));
	return true;
}

static bool bind_hands_it_over(void)
{
	struct nvmh_pci_info info;

	check(!nvmh_pci_bind(bdf));
	check(!nvmh_pci_info(bdf, &info) && !strcmp(info.driver, "vfio-pci"));
	check(!nvmh_pci_bind(bdf)); /* again: nothing to do */
	return true;
}

static bool no_permission(void)
{
	struct nvmh_ctrl *ctrl;
	int ret = open_drive(1, 0, &ctrl);

	check(ret == -EACCES || ret == -EPERM);
	check(strstr(nvmh_strerror(), "permission"));
	return true;
}

static bool no_locked_memory(void)
{
	struct rlimit limit = { 1 << 20, 1 << 20 };
	struct nvmh_ctrl *ctrl;

	check(!setrlimit(RLIMIT_MEMLOCK, &limit));
	check(open_drive(1, 0, &ctrl) == -ENOMEM);
	check(strstr(nvmh_strerror(), "LimitMEMLOCK"));
	return true;
}

static bool open_without_permission_says_so(void)
{
	return as_nobody(no_permission);
}

/* Everybody may open the drive, by either interface, for @fn. */
static bool open_to_all(bool (*fn)(void))
{
	const char *files[] = { NULL, "/dev/iommu", NULL };
	struct nvmh_pci_info info;
	char group[64];
	char device[64];
	size_t i;
	bool ok;

	check(!nvmh_pci_info(bdf, &info));
	snprintf(group, sizeof(group), "/dev/vfio/%d", info.iommu_group);
	files[0] = group;
	files[2] = device_file(device, sizeof(device)) ? device : NULL;
	for (i = 0; i < ARRAY_SIZE(files); i++)
		check(!files[i] || !chmod(files[i], 0666) || errno == ENOENT);
	ok = as_nobody(fn);
	for (i = 0; i < ARRAY_SIZE(files); i++)
		check(!files[i] || !chmod(files[i], 0600) || errno == ENOENT);
	return ok;
}

static bool open_without_locked_memory_says_so(void)
{
	return open_to_all(no_locked_memory);
}

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

/* ---- reset under load ---- */

struct load {
	pthread_t thread;
	struct nvmh_queue *q;
	const struct nvmh_ns *ns;
	struct nvmh_req req[DEPTH];
	struct iovec iov[DEPTH];
	bool busy[DEPTH];
	char *mem;
	unsigned long ok;
	unsigned long aborted;
	unsigned long wrong; /* another status, or a completion that was not due */
	unsigned int outstanding;
};

static atomic_bool load_stop;

static void load_done(struct nvmh_req *req)
{
	struct load *load = req->arg;
	size_t i = (size_t)(req - load->req);

	load->wrong += !load->busy[i];
	load->busy[i] = false;
	load->outstanding--;
	if (!req->status)
		load->ok++;
	else if ((req->status & ST_MASK) == ST_HOST_ABORTED)
		load->aborted++;
	else
		load->wrong++;
}

static void *load_run(void *arg)
{
	struct load *load = arg;
	uint32_t nlb = LOAD_BLOCK / load->ns->lba_size;
	struct pollfd pfd = { .fd = nvmh_queue_fd(load->q), .events = POLLIN };
	unsigned int i;

	while (!atomic_load(&load_stop) || load->outstanding) {
		for (i = 0; i < DEPTH - 1 && !atomic_load(&load_stop); i++) {
			if (load->busy[i])
				continue;
			load->iov[i] =
				(struct iovec){ load->mem + (size_t)i * LOAD_BLOCK, LOAD_BLOCK };
			memset(&load->req[i], 0, sizeof(load->req[i]));
			nvmh_prep_rw(&load->req[i], nvme_cmd_write, load->ns->nsid,
				     (uint64_t)i * nlb, nlb, &load->iov[i], 1, LOAD_BLOCK);
			load->req[i].done = load_done;
			load->req[i].arg = load;
			if (nvmh_queue_submit(load->q, &load->req[i]))
				break;
			load->busy[i] = true;
			load->outstanding++;
		}
		nvmh_queue_commit(load->q);
		if (!nvmh_queue_poll(load->q) && !nvmh_queue_arm(load->q))
			poll(&pfd, 1, 20);
	}
	return NULL;
}

static int process_for(struct nvmh_ctrl *ctrl, unsigned int ms)
{
	struct pollfd pfd = { .fd = nvmh_ctrl_fd(ctrl), .events = POLLIN };
	uint64_t end = clock_now_ms() + ms;
	int n = 0;

	while (clock_now_ms() < end) {
		n += nvmh_ctrl_process(ctrl);
		poll(&pfd, 1, 10);
	}
	return n;
}

static bool reset_under_load(void)
{
	static struct load loads[NR_QUEUES];
	unsigned int resets;
	unsigned int i;
	bool live = true;

	atomic_store(&load_stop, false);
	for (i = 0; i < NR_QUEUES; i++) {
		loads[i].q = nvmh_ctrl_queue(drive, (uint16_t)i);
		loads[i].ns = nvmh_ctrl_ns_by_nsid(drive, i + 1);
		loads[i].mem = arena + i * (ARENA / NR_QUEUES);
		pattern(loads[i].mem, DEPTH * LOAD_BLOCK, 1000 + i);
		/* this thread owned them until now, with nothing outstanding */
		nvmh_queue_release(loads[i].q);
		if (pthread_create(&loads[i].thread, NULL, load_run, &loads[i]))
			return fail("pthread_create");
	}
	for (resets = 0; resets < 5 && live; resets++) {
		process_for(drive, 300);
		live = !nvmh_ctrl_reset(drive) && nvmh_ctrl_reset(drive) == -EBUSY &&
		       !nvmh_ctrl_wait(drive, WAIT_MS);
	}
	process_for(drive, 300);
	atomic_store(&load_stop, true);
	for (i = 0; i < NR_QUEUES; i++) {
		pthread_join(loads[i].thread, NULL);
		nvmh_queue_release(loads[i].q);
		printf("# queue %u: %lu done, %lu aborted\n", i, loads[i].ok, loads[i].aborted);
	}
	check(live && nvmh_ctrl_state(drive) == NVMH_LIVE);
	for (i = 0; i < NR_QUEUES; i++)
		check(!loads[i].wrong && loads[i].ok && !loads[i].outstanding);
	for (i = 0; i < NR_QUEUES; i++) {
		struct iovec iov = { arena, LOAD_BLOCK };

		memset(arena, 0, LOAD_BLOCK);
		check(!rw(loads[i].q, nvme_cmd_read, loads[i].ns, 0, &iov, 1, LOAD_BLOCK));
		if (!is_pattern(arena, LOAD_BLOCK, 1000 + i))
			return false;
	}
	return true;
}

/* One thread for the controller and both queues, with commands outstanding. */
static bool reset_in_one_thread(void)
{
	static struct nvmh_req reqs[DEPTH];
	struct nvmh_queue *q = nvmh_ctrl_queue(drive, 0);
	struct iovec iov = { arena, LOAD_BLOCK };
	unsigned int i;

	for (i = 0; i < DEPTH - 1; i++) {
		memset(&reqs[i], 0, sizeof(reqs[i]));
		nvmh_prep_rw(&reqs[i], nvme_cmd_read, 1, 0, LOAD_BLOCK / 512, &iov, 1, LOAD_BLOCK);
		reqs[i].done = count_done;
		check(!nvmh_queue_submit(q, &reqs[i]));
	}
	nr_done = 0;
	nvmh_queue_commit(q);
	check(!nvmh_ctrl_reset(drive));
	check(!nvmh_ctrl_wait(drive, WAIT_MS));
	check(nvmh_queue_room(q) == DEPTH - 1);
	for (i = 0; i < DEPTH - 1; i++)
		check(!reqs[i].state);
	return data_512();
}

/* The way down for a drive that does not stop by itself, entered at @stage, with a command outstanding. */
static int go_down(enum pcie_quiet stage, struct nvmh_req *req, struct iovec *iov)
{
	struct nvmh_queue *q = nvmh_ctrl_queue(drive, 0);
	int ret;

	memset(req, 0, sizeof(*req));
	*iov = (struct iovec){ arena, LOAD_BLOCK };
	nvmh_prep_rw(req, nvme_cmd_read, 1, 0, LOAD_BLOCK / 512, iov, 1, LOAD_BLOCK);
	req->done = count_done;
	ret = nvmh_queue_submit(q, req);
	if (!ret)
		ret = nvmh_ctrl_reset(drive);
	((struct pcie *)drive->tr)->quiet = (uint8_t)stage;
	return ret ? ret : nvmh_ctrl_wait(drive, WAIT_MS);
}

static bool function_reset(void)
{
	struct nvmh_req req;
	struct iovec iov;

	check(!go_down(PCIE_QUIET_RESET, &req, &iov));
	check(req.status == ST_HOST_ABORTED);
	/* interrupts and bus mastering work again */
	return full_queue() && data_512();
}

static bool cut_off_and_reopen(void)
{
	struct nvmh_req req;
	struct iovec iov;

	check(go_down(PCIE_QUIET_CUT_OFF, &req, &iov) == -ENODEV);
	check(req.status == ST_HOST_ABORTED);
	check(nvmh_ctrl_state(drive) == NVMH_DEAD);
	check(strstr(nvmh_strerror(), "cut off"));
	check(nvmh_ctrl_reset(drive) == -ENOTCONN);
	nvmh_ctrl_close(drive);
	drive = NULL;
	check(!open_drive(NR_QUEUES, DEPTH, &drive));
	return full_queue() && data_512();
}

static bool close_and_reopen(void)
{
	const uint16_t queues[] = { 0, 1, 8, 64 };
	struct iovec iov = { arena, 524288 };
	struct nvmh_ctrl *ctrl;
	struct nvmh_queue *q;
	size_t i;

	nvmh_ctrl_close(drive);
	drive = NULL;
	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		check(!open_drive(queues[i], 256, &ctrl));
		printf("# asked for %u queues, granted %u\n", queues[i], nvmh_ctrl_nr_queues(ctrl));
		check(nvmh_ctrl_nr_queues(ctrl) == queues[i]);
		check(nvmh_ctrl_nr_ns(ctrl) == 3);
		if (queues[i]) {
			q = nvmh_ctrl_queue(ctrl, queues[i] - 1);
			memset(arena, 0, 524288);
			check(nvmh_queue_room(q) == 255);
			check(!rw(q, nvme_cmd_read, nvmh_ctrl_ns_by_nsid(ctrl, 1), 6 * 2048, &iov,
				  1, 524288));
			check(is_pattern(arena, 524288, 6 + 1));
		}
		nvmh_ctrl_close(ctrl);
	}
	return true;
}

static bool open_close_loop(void)
{
	struct nvmh_ctrl *ctrl;
	int i;

	for (i = 0; i < 10; i++) {
		check(!open_drive(2, 0, &ctrl));
		nvmh_ctrl_close(ctrl);
	}
	/* closed before it is up */
	for (i = 0; i < 10; i++) {
		struct nvmh_ctrl_opts opts = { .trtype = "pcie", .traddr = bdf, .nr_io_queues = 2 };
		int j;

		check(!nvmh_ctrl_open(&opts, &ctrl));
		for (j = 0; j < i; j++)
			nvmh_ctrl_process(ctrl);
		nvmh_ctrl_close(ctrl);
	}
	return true;
}

static bool release_gives_it_back(void)
{
	struct nvmh_pci_info info;
	uint64_t end = clock_now_ms() + 60000;
	char path[300];
	ssize_t n;
	int fd;

	check(!nvmh_pci_release(bdf));
	check(!nvmh_pci_info(bdf, &info) && !strcmp(info.driver, "nvme"));
	while (!kernel_disk(1, path, sizeof(path)) || access(path, F_OK)) {
		check(clock_now_ms() < end);
		poll(NULL, 0, 100);
	}
	fd = open(path, O_RDONLY | O_DIRECT);
	check(fd >= 0);
	n = pread(fd, arena, 524288, 6 * 2048 * 512);
	close(fd);
	check(n == 524288 && is_pattern(arena, 524288, 6 + 1));
	check(!nvmh_pci_release(bdf)); /* again: nothing to do */
	return true;
}

static void binding_tests(void)
{
	test("scan: the drive is found", scan_finds_it);
	test("open: refused while the kernel's driver has it", open_needs_vfio);
	test("open and bind: what is not there, or no drive", open_of_nothing);
	test("bind: refused while a disk is claimed", bind_refuses_a_claimed_disk);
	test("bind: handed to vfio-pci", bind_hands_it_over);
	test("open: without permission says so", open_without_permission_says_so);
	test("open: without locked memory says so", open_without_locked_memory_says_so);
}

static void command_tests(void)
{
	test("second open: busy", second_open_is_busy);
	test("identify", identity);
	test("namespaces", namespaces);
	test("log pages", logs);
	test("write, read, verify: 4 KiB blocks, second queue", data_4096);
	test("write, read, verify: scattered", scattered);
	test("buffers that cannot be described are refused", refused_buffers);
	test("statuses of the drive", statuses);
}

int main(int argc, char **argv)
{
	bool quick = argc == 3 && !strcmp(argv[2], "quick");

	if (argc != 2 && !quick) {
		fprintf(stderr, "usage: pcie_test BDF [quick]\n");
		return 2;
	}
	bdf = argv[1];
	log_init("pcie_test", getenv("DEBUG") ? LOG_LVL_DEBUG : LOG_LVL_INFO);
	arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED)
		return 1;
	if (quick)
		test("bind: handed to vfio-pci", bind_hands_it_over);
	else
		binding_tests();
	test("bring-up", bring_up);
	if (!drive) {
		printf("Bail out! no drive\n");
		return 1;
	}
	test("the interface is the one it should be", the_interface);
	test("the interrupts are what they should be", the_interrupts);
	test("the IOMMU's address ranges are kept to", address_ranges);
	test("write, read, verify: 512 B blocks", data_512);
	if (!quick)
		command_tests();
	test("a full queue, completed by interrupt", full_queue);
	test("owners that sleep are woken up", sleepers_are_woken);
	test("reset under load of two threads", reset_under_load);
	test("reset in one thread with commands outstanding", reset_in_one_thread);
	test("reset of the PCI function", function_reset);
	test("cut off from memory, and opened again", cut_off_and_reopen);
	test("close and reopen, with other numbers of queues", close_and_reopen);
	test("more areas than can be mapped are refused", maps_are_limited);
	if (!quick)
		test("open and close again and again, and before it is up", open_close_loop);
	test("release: back with the kernel, data there", release_gives_it_back);
	printf("1..%u\n", nr_tests);
	return nr_failed ? 1 : 0;
}
