// SPDX-License-Identifier: BSD-2-Clause
/*
 * A program of somebody else's, compiled as C and as C++ against the installed library by test_api:
 * what a user would do with the library, one call after the other. Arguments: a transport string,
 * and one where nothing listens. Says "fine" at the end, or where it was not.
 */
#define BIT	   "the installed headers leave such names alone"
#define min_of	   BIT
#define ARRAY_SIZE BIT
#include <nvmh.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                                    \
	do {                                                                           \
		if (!(what)) {                                                         \
			printf("line %d: %s: %s\n", __LINE__, #what, nvmh_strerror()); \
			exit(1);                                                       \
		}                                                                      \
	} while (0)

enum {
	DEPTH = 8,
	BLOCK = 512,
	WAIT_MS = 60000,
};

static int nr_states;
static int nr_done;

static void on_state(struct nvmh_ctrl *ctrl, enum nvmh_state state, void *arg)
{
	(void)ctrl;
	(void)state;
	++*(int *)arg;
}

static void on_done(struct nvmh_req *req)
{
	CHECK(!req->status);
	nr_done++;
}

/* As a program with a loop of its own: submit, commit, sleep on the descriptors, poll. */
static void asynchronous(struct nvmh_ctrl *ctrl, struct nvmh_queue *q, const struct nvmh_ns *ns)
{
	static struct nvmh_req reqs[DEPTH];
	static struct iovec iov[DEPTH];
	static char data[DEPTH][BLOCK];
	struct pollfd pfd[2];
	int i;

	for (i = 0; i < DEPTH; i++) {
		iov[i].iov_base = data[i];
		iov[i].iov_len = BLOCK;
		memset(&reqs[i], 0, sizeof(reqs[i]));
		nvmh_prep_rw(&reqs[i], nvme_cmd_read, ns->nsid, (uint64_t)i, 1, &iov[i], 1, BLOCK);
		reqs[i].done = on_done;
		CHECK(!nvmh_queue_submit(q, &reqs[i]));
	}
	nvmh_queue_commit(q);
	while (nr_done < DEPTH) {
		nvmh_ctrl_process(ctrl);
		if (nvmh_queue_poll(q) || nvmh_queue_arm(q))
			continue;
		pfd[0].fd = nvmh_ctrl_fd(ctrl);
		pfd[1].fd = nvmh_queue_fd(q);
		pfd[0].events = pfd[1].events = POLLIN;
		CHECK(poll(pfd, 2, WAIT_MS) > 0 || errno == EINTR);
	}
	CHECK(nvmh_queue_cancel(q, &reqs[0]) == -ENOENT);
}

static void waiting(struct nvmh_ctrl *ctrl, struct nvmh_queue *q, const struct nvmh_ns *ns)
{
	static unsigned char out[2 * BLOCK], in[2 * BLOCK];
	struct nvme_id_ctrl id;
	uint32_t result = UINT32_MAX;

	memset(out, 0x5a, sizeof(out));
	CHECK(!nvmh_write(q, ns->nsid, 3, 2, out, sizeof(out)));
	CHECK(!nvmh_read(q, ns->nsid, 3, 2, in, sizeof(in)));
	CHECK(!memcmp(in, out, sizeof(in)));
	CHECK(!nvmh_flush(q, ns->nsid));
	CHECK((nvmh_read(q, ns->nsid, ns->nsze, 1, in, BLOCK) & ST_MASK) == ST_LBA_RANGE);
	CHECK(strstr(nvmh_status_str(ST_LBA_RANGE | ST_DNR), "LBA"));
	CHECK(!nvmh_identify(ctrl, 0, NVME_IDENTIFY_CNS_CTRL, 0, &id));
	CHECK(!memcmp(id.sn, nvmh_ctrl_id(ctrl)->sn, sizeof(id.sn)));
	CHECK(!nvmh_get_features(ctrl, 0, NVME_FEAT_FID_NUM_QUEUES, NVME_GET_FEATURES_SEL_CURRENT,
				 0, NULL, 0, &result));
	CHECK(result != UINT32_MAX);
}

/* Calls that wait say why they did not begin, whatever went wrong before. */
static void refused(struct nvmh_ctrl *ctrl, struct nvmh_queue *q, const struct nvmh_ns *ns)
{
	static unsigned char data[BLOCK];
	struct nvmh_transport tr;
	struct nvmh_req req;

	CHECK(nvmh_read(q, ns->nsid, 0, 1, data, nvmh_ctrl_max_xfer(ctrl) + BLOCK) == -EINVAL);
	CHECK(strstr(nvmh_strerror(), "moves at most"));
	CHECK(nvmh_get_log(ctrl, NVME_NSID_BROADCAST, NVME_LOG_LID_SMART, 0, data, 5) == -EINVAL);
	CHECK(strstr(nvmh_strerror(), "log page 02h: 5 bytes"));
	CHECK(nvmh_set_features(ctrl, 0, NVME_FEAT_FID_ASYNC_EVENT, false, 0, NULL, 4, NULL) ==
	      -EINVAL);
	CHECK(strstr(nvmh_strerror(), "feature 0Bh: 4 bytes of data that are NULL"));
	nvmh_ctrl_shutdown(ctrl);
	CHECK(nvmh_ctrl_wait(ctrl, WAIT_MS) == -ESHUTDOWN);
	CHECK(strstr(nvmh_strerror(), "shut down"));
	CHECK(nvmh_read(q, ns->nsid, 0, 1, data, BLOCK) == -ENOTCONN);
	CHECK(strstr(nvmh_strerror(), "it is dead"));
	CHECK(nvmh_transport_parse("nonsense", &tr) == -EINVAL);
	memset(&req, 0, sizeof(req));
	CHECK(nvmh_admin(ctrl, &req) == -ENOTCONN && strstr(nvmh_strerror(), "it is dead"));
	CHECK(nvmh_transport_parse("nonsense", &tr) == -EINVAL);
	CHECK(nvmh_ctrl_reset(ctrl) == -ENOTCONN && strstr(nvmh_strerror(), "it is dead"));
	CHECK(nvmh_transport_parse("nonsense", &tr) == -EINVAL);
	CHECK(nvmh_ctrl_rescan(ctrl) == -ENOTCONN && strstr(nvmh_strerror(), "it is dead"));
}

static void on_message(enum nvmh_log_level level, const char *text, void *arg)
{
	CHECK(level <= NVMH_LOG_INFO && !strchr(text, '\n'));
	if (strstr(text, "controller live name="))
		++*(int *)arg;
}

int main(int argc, char **argv)
{
	int nr_live = 0;
	struct nvmh_transport tr;
	struct nvmh_ctrl *ctrl = NULL;
	const struct nvmh_ns *ns;

	if (argc != 3)
		return 2;
	CHECK(nvmh_transport_parse("trtype=tcp tradr=x", &tr) == -EINVAL);
	CHECK(strstr(nvmh_strerror(), "traddr"));

	nvmh_set_log(NVMH_LOG_INFO, on_message, &nr_live);
	CHECK(!nvmh_transport_parse(argv[1], &tr));
	tr.opts.nr_io_queues = 1;
	tr.opts.on_state = on_state;
	tr.opts.arg = &nr_states;
	CHECK(!nvmh_ctrl_open(&tr.opts, &ctrl));
	nvmh_transport_done(&tr);
	CHECK(!nvmh_ctrl_wait(ctrl, WAIT_MS));
	CHECK(nr_live == 1);
	nvmh_set_log(NVMH_LOG_WARNING, NULL, NULL);
	CHECK(nr_states == 1 && nvmh_ctrl_state(ctrl) == NVMH_LIVE && !nvmh_ctrl_error(ctrl)[0]);
	CHECK(nvmh_ctrl_nr_queues(ctrl) == 1 && nvmh_ctrl_nr_ns(ctrl) == 1);
	ns = nvmh_ctrl_ns(ctrl, 0);
	CHECK(ns && ns->lba_size == BLOCK && ns == nvmh_ctrl_ns_by_nsid(ctrl, ns->nsid));
	waiting(ctrl, nvmh_ctrl_queue(ctrl, 0), ns);
	asynchronous(ctrl, nvmh_ctrl_queue(ctrl, 0), ns);
	refused(ctrl, nvmh_ctrl_queue(ctrl, 0), ns);
	nvmh_ctrl_close(ctrl);

	CHECK(!nvmh_transport_parse(argv[2], &tr));
	tr.opts.ctrl_loss_ms = 1;
	CHECK(!nvmh_ctrl_open(&tr.opts, &ctrl));
	nvmh_transport_done(&tr);
	CHECK(nvmh_ctrl_wait(ctrl, WAIT_MS) == -ECONNREFUSED);
	CHECK(strstr(nvmh_strerror(), "nothing listens there"));
	nvmh_ctrl_close(ctrl);
	nvmh_ctrl_close(NULL);
	puts("fine");
	return 0;
}
