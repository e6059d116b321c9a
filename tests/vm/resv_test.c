// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reservations between two hosts of one namespace by libnvmh, as TAP: who may write, and who is told.
 * One thread owns both controllers.
 *
 *	resv_test 'trtype=tcp traddr=127.0.0.1 trsvcid=4420 subnqn=NQN'
 *
 * Exit status: 0; 1 when a test failed. Namespace 1 is overwritten.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/status.h"
#include "common/util.h"
#include "host/nvmh.h"

enum {
	NSID = 1,
	WAIT_MS = 60000,
	KEY_A = 0xa1,
	KEY_B = 0xb2,
	IO_EVENT = 6, /* type of an asynchronous event: I/O command set specific */
};

struct host {
	struct nvmh_transport tr;
	struct nvmh_ctrl *ctrl;
	struct nvmh_queue *q;
	uint32_t resv_events;
};

static struct host a, b;
static _Alignas(4096) uint8_t data[4096];
static int nr_tests, nr_failed;

static bool ok(bool good, const char *name)
{
	printf("%sok - %s\n", good ? "" : "not ", name);
	fflush(stdout);
	nr_tests++;
	nr_failed += !good;
	return good;
}

/* @ret of a command is @sc, 0 or a status without DNR. */
static bool gave(int ret, int sc)
{
	if (ret >= 0 && (ret & ST_MASK) == sc)
		return true;
	if (ret < 0)
		printf("# %s\n", nvmh_strerror());
	else
		printf("# status %03Xh, expected %03Xh\n", ret & ST_MASK, sc);
	return false;
}

static void on_event(struct nvmh_ctrl *ctrl, uint32_t dw0, void *arg)
{
	struct host *host = arg;

	(void)ctrl;
	if ((dw0 & 7) == IO_EVENT)
		host->resv_events++;
}

static bool connect_host(struct host *host, const char *transport, const char *name)
{
	char text[1024];

	/* the host identifier is what a reservation knows a host by */
	snprintf(
		text, sizeof(text),
		"%s hostnqn=nqn.2026-11.org.nvmetcp:%s hostid=6ba7b810-9dad-41d1-80b4-00c04fd430%s "
		"nr_io_queues=1",
		transport, name, name);
	if (nvmh_transport_parse(text, &host->tr))
		return false;
	host->tr.opts.on_event = on_event;
	host->tr.opts.arg = host;
	if (nvmh_ctrl_open(&host->tr.opts, &host->ctrl) || nvmh_ctrl_wait(host->ctrl, WAIT_MS))
		return false;
	host->q = nvmh_ctrl_queue(host->ctrl, 0);
	return true;
}

static int reg(struct host *host, uint8_t rrega, uint64_t crkey, uint64_t nrkey)
{
	struct iovec iov = { data, 16 };
	struct nvmh_req req = { 0 };

	nvmh_prep_resv_register(&req, NSID, rrega, 0, crkey, nrkey, &iov);
	return nvmh_io(host->q, &req);
}

static int acquire(struct host *host, uint8_t racqa, uint8_t rtype, uint64_t crkey, uint64_t prkey)
{
	struct iovec iov = { data, 16 };
	struct nvmh_req req = { 0 };

	nvmh_prep_resv_acquire(&req, NSID, racqa, rtype, crkey, prkey, &iov);
	return nvmh_io(host->q, &req);
}

static int release(struct host *host, uint8_t rtype, uint64_t crkey)
{
	struct iovec iov = { data, 8 };
	struct nvmh_req req = { 0 };

	nvmh_prep_resv_release(&req, NSID, NVME_RESERVATION_RRELA_RELEASE, rtype, crkey, &iov);
	return nvmh_io(host->q, &req);
}

/* The report says that @rtype (0: none) is held, with @regctl registered controllers. */
static bool reported(struct host *host, uint8_t rtype, uint16_t regctl)
{
	struct iovec iov = { data, sizeof(data) };
	struct nvme_resv_status status;
	struct nvmh_req req = { 0 };
	uint16_t got;

	nvmh_prep_resv_report(&req, NSID, true, &iov, 1, sizeof(data));
	if (!gave(nvmh_io(host->q, &req), 0))
		return false;
	memcpy(&status, data, sizeof(status));
	got = (uint16_t)(status.regctl[0] | status.regctl[1] << 8);
	if (status.rtype == rtype && got == regctl)
		return true;
	printf("# type %u, %u registered; expected %u, %u\n", status.rtype, got, rtype, regctl);
	return false;
}

static int write_block(struct host *host)
{
	return nvmh_write(host->q, NSID, 0, 1, data, 512);
}

static int read_block(struct host *host)
{
	return nvmh_read(host->q, NSID, 0, 1, data, 512);
}

/* Within a minute @host is told of a change of the reservation. */
static bool told(struct host *host)
{
	struct pollfd pfd = { .fd = nvmh_ctrl_fd(host->ctrl), .events = POLLIN };
	uint64_t end = clock_now_ms() + WAIT_MS;

	while (!host->resv_events && clock_now_ms() < end) {
		nvmh_ctrl_process(host->ctrl);
		if (!host->resv_events && poll(&pfd, 1, 100) < 0)
			return false;
	}
	return host->resv_events;
}

static void conflicts(void)
{
	ok(gave(reg(&a, NVME_RESERVATION_RREGA_REGISTER_KEY, 0, KEY_A), 0) && reported(&a, 0, 1),
	   "a host registers its key");
	ok(gave(acquire(&a, NVME_RESERVATION_RACQA_ACQUIRE, NVME_RESERVATION_RTYPE_WE, KEY_A, 0),
		0) &&
		   reported(&a, NVME_RESERVATION_RTYPE_WE, 1),
	   "and acquires a Write Exclusive reservation");
	ok(gave(write_block(&a), 0), "which lets it write");
	ok(gave(write_block(&b), ST_RESERVATION_CONFLICT), "the other host's write conflicts");
	ok(gave(read_block(&b), 0), "its read does not");
	ok(gave(acquire(&b, NVME_RESERVATION_RACQA_ACQUIRE, NVME_RESERVATION_RTYPE_WE, KEY_B, 0),
		ST_RESERVATION_CONFLICT),
	   "nor may it acquire, unregistered");
}

static void preempt(void)
{
	ok(gave(reg(&b, NVME_RESERVATION_RREGA_REGISTER_KEY, 0, KEY_B), 0) &&
		   gave(acquire(&b, NVME_RESERVATION_RACQA_PREEMPT, NVME_RESERVATION_RTYPE_EA,
				KEY_B, KEY_A),
			0) &&
		   reported(&b, NVME_RESERVATION_RTYPE_EA, 1),
	   "registered, it preempts the holder");
	ok(told(&a), "who is told by an event");
	ok(gave(read_block(&a), ST_RESERVATION_CONFLICT) && gave(write_block(&b), 0),
	   "and may not even read: Exclusive Access");
	ok(gave(release(&b, NVME_RESERVATION_RTYPE_EA, KEY_B), 0) && reported(&b, 0, 1) &&
		   gave(write_block(&a), 0),
	   "released, everybody may write");
	ok(gave(reg(&b, NVME_RESERVATION_RREGA_UNREGISTER_KEY, KEY_B, 0), 0) && reported(&a, 0, 0),
	   "unregistered, nothing is left");
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "Usage: resv_test TRANSPORT-STRING\n");
		return 2;
	}
	if (ok(connect_host(&a, argv[1], "aa") && connect_host(&b, argv[1], "bb"),
	       "two hosts connect")) {
		conflicts();
		preempt();
	} else {
		printf("# %s\n", nvmh_strerror());
	}
	nvmh_ctrl_close(a.ctrl);
	nvmh_ctrl_close(b.ctrl);
	nvmh_transport_done(&a.tr);
	nvmh_transport_done(&b.tr);
	printf("1..%d\n", nr_tests);
	return nr_failed != 0;
}
