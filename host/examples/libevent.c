// SPDX-License-Identifier: BSD-2-Clause
/*
 * libnvmh within a libevent loop: connect, read the first blocks of a namespace with eight commands
 * under way, print what each begins with, disconnect. Nothing here waits but the loop.
 *
 *	cc libevent.c $(pkg-config --cflags --libs nvmh libevent) -o example
 *	./example 'trtype=tcp traddr=192.0.2.1 trsvcid=4420 subnqn=nqn... nsid=1'
 */
#include <event2/event.h>
#include <nvmh.h>
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
static struct event_base *base;
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

/* One of our descriptors is readable. */
static void turn(evutil_socket_t fd, short what, void *arg)
{
	do {
		nvmh_ctrl_process(ctrl);
		if (q)
			nvmh_queue_poll(q);
		if (!q && nvmh_ctrl_state(ctrl) == NVMH_LIVE) {
			begin();
			event_add(event_new(base, nvmh_queue_fd(q), EV_READ | EV_PERSIST, turn,
					    NULL),
				  NULL);
		}
		if (!q && nvmh_ctrl_error(ctrl)[0])
			fail(nvmh_ctrl_error(ctrl));
		if (failed || nvmh_ctrl_state(ctrl) == NVMH_DEAD) {
			event_base_loopbreak(base);
			return;
		}
		if (q)
			nvmh_queue_commit(q);
		if (q && !busy)
			nvmh_ctrl_shutdown(ctrl); /* DEAD a few turns later */
	} while (q && nvmh_queue_arm(q) > 0); /* before each sleep; > 0: there is work already */
}

int main(int argc, char **argv)
{
	if (argc != 2 || nvmh_transport_parse(argv[1], &tr))
		return fail(argc == 2 ? nvmh_strerror() : "usage: example TRANSPORT-STRING");
	tr.opts.nr_io_queues = 1;
	base = event_base_new();
	if (!base || nvmh_ctrl_open(&tr.opts, &ctrl))
		return fail(base ? nvmh_strerror() : "no event loop");
	event_add(event_new(base, nvmh_ctrl_fd(ctrl), EV_READ | EV_PERSIST, turn, NULL), NULL);
	turn(-1, 0, NULL);
	event_base_dispatch(base);
	nvmh_ctrl_close(ctrl); /* of a controller that is DEAD: does not wait */
	nvmh_transport_done(&tr);
	return failed;
}
