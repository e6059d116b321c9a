// SPDX-License-Identifier: BSD-2-Clause
/*
 * libnvmh within an io_uring loop: connect, read the first blocks of a namespace with eight commands
 * under way, print what each begins with, disconnect. The ring tells when a descriptor of the
 * library's is readable, beside whatever else a program has in it; nothing else waits.
 *
 *	cc io_uring.c $(pkg-config --cflags --libs nvmh liburing) -o example
 *	./example 'trtype=tcp traddr=192.0.2.1 trsvcid=4420 subnqn=nqn... nsid=1'
 */
#include <liburing.h>
#include <nvmh.h>
#include <poll.h>
#include <stdio.h>

enum { DEPTH = 8, BLOCKS = 64, MAX_BLOCK = 4096 };

struct io {
	struct nvmh_req req;
	struct iovec iov;
	uint64_t lba;
	uint8_t data[MAX_BLOCK];
};

static struct nvmh_transport tr;
static struct nvmh_ctrl *ctrl;
static struct nvmh_queue *q; /* NULL until the controller is live */
static const struct nvmh_ns *ns;
static struct io ios[DEPTH];
static uint64_t next_lba;
static int busy, failed;

static int fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	return failed = 1;
}

static void read_next(struct io *io);

static void read_done(struct nvmh_req *req) /* within nvmh_queue_poll() */
{
	struct io *io = req->arg;

	busy--;
	if (req->status)
		fail("a read failed");
	else
		printf("block %llu: %02x%02x\n", (unsigned long long)io->lba, io->data[0],
		       io->data[1]);
	read_next(io);
}

static void read_next(struct io *io)
{
	if (failed || next_lba == BLOCKS)
		return;
	io->lba = next_lba++;
	io->iov = (struct iovec){ io->data, ns->lba_size };
	nvmh_prep_rw(&io->req, nvme_cmd_read, ns->nsid, io->lba, 1, &io->iov, 1, ns->lba_size);
	io->req.done = read_done;
	io->req.arg = io;
	if (nvmh_queue_submit(q, &io->req))
		fail("a read cannot be submitted");
	else
		busy++;
}

/* The controller is live: its queue and namespace, and the first reads. */
static void begin(void)
{
	q = nvmh_ctrl_queue(ctrl, 0);
	ns = tr.nsid ? nvmh_ctrl_ns_by_nsid(ctrl, tr.nsid) : nvmh_ctrl_ns(ctrl, 0);
	if (!ns || ns->lba_size > MAX_BLOCK || ns->nsze < BLOCKS)
		fail("no such namespace, or its blocks are too big or too few");
	for (int i = 0; i < DEPTH; i++)
		read_next(&ios[i]);
}

/* Until a descriptor of the library's is readable. Each is polled for once at a time. */
static void wait_for(struct io_uring *ring, bool *asked)
{
	int fds[2] = { nvmh_ctrl_fd(ctrl), q ? nvmh_queue_fd(q) : -1 };
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;

	for (int i = 0; i < 2; i++) {
		if (asked[i] || fds[i] < 0)
			continue;
		sqe = io_uring_get_sqe(ring);
		io_uring_prep_poll_add(sqe, fds[i], POLLIN);
		io_uring_sqe_set_data(sqe, &asked[i]);
		asked[i] = true;
	}
	if (io_uring_submit_and_wait(ring, 1) < 0)
		fail("io_uring_enter");
	while (!io_uring_peek_cqe(ring, &cqe)) {
		*(bool *)io_uring_cqe_get_data(cqe) = false;
		io_uring_cqe_seen(ring, cqe);
	}
}

int main(int argc, char **argv)
{
	bool asked[2] = { false, false };
	struct io_uring ring;

	if (argc != 2 || nvmh_transport_parse(argv[1], &tr))
		return fail(argc == 2 ? nvmh_strerror() : "usage: example TRANSPORT-STRING");
	tr.opts.nr_io_queues = 1;
	if (io_uring_queue_init(8, &ring, 0))
		return fail("no io_uring here");
	if (nvmh_ctrl_open(&tr.opts, &ctrl))
		return fail(nvmh_strerror());
	for (;;) {
		nvmh_ctrl_process(ctrl);
		if (q)
			nvmh_queue_poll(q);
		if (!q && nvmh_ctrl_state(ctrl) == NVMH_LIVE)
			begin();
		if (!q && nvmh_ctrl_error(ctrl)[0])
			fail(nvmh_ctrl_error(ctrl));
		if (failed || nvmh_ctrl_state(ctrl) == NVMH_DEAD)
			break;
		if (q)
			nvmh_queue_commit(q);
		if (q && !busy)
			nvmh_ctrl_shutdown(ctrl); /* DEAD a few turns later */
		if (!q || nvmh_queue_arm(q) <= 0) /* > 0: there is work already */
			wait_for(&ring, asked);
	}
	nvmh_ctrl_close(ctrl); /* of a controller that is DEAD: does not wait */
	nvmh_transport_done(&tr);
	io_uring_queue_exit(&ring);
	return failed;
}
