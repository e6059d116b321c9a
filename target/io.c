// SPDX-License-Identifier: BSD-2-Clause
/*
 * The NVM command set: every check of a command before a backend sees it, and the commands that are
 * more than one backend operation. Runs on the core that owns the queue. Entry point: the table
 * nvmet_io_cmds. NVM Command Set Specification 1.x, section 3.
 */
#include "common/log.h"
#include "target/ns.h"
#include "target/subsys.h"

enum {
	LOC_NSID = offsetof(struct nvme_sqe, nsid),
	LOC_SLBA = offsetof(struct nvme_sqe, cdw10),
	LOC_NLB = offsetof(struct nvme_sqe, cdw12),
	CDW12_FUA = 1 << 30,
	CDW12_DEAC = 1 << 25,
	CDW11_AD = 1 << 2,
	ZEROES_CHUNK = 128 << 10,
};

static uint16_t find_ns(struct nvmet_req *req)
{
	req->ns = nvmet_subsys_ns(req->sq->ctrl->subsys, nvmet_nsid(req));
	if (req->ns)
		return 0;
	req->error_loc = LOC_NSID;
	return ST_INVALID_NS | ST_DNR;
}

static uint16_t check_range(const struct nvmet_ns *ns, uint64_t slba, uint64_t nlb)
{
	return slba > ns->nsze || nlb > ns->nsze - slba ? ST_LBA_RANGE | ST_DNR : 0;
}

/* Namespace and block range of CDW10..12; of every command that has them. */
static uint16_t prepare_range(struct nvmet_req *req)
{
	uint16_t status = find_ns(req);

	if (status)
		return status;
	req->slba = le32_get(req->sqe.cdw10) | (uint64_t)le32_get(req->sqe.cdw11) << 32;
	req->nlb = (le32_get(req->sqe.cdw12) & 0xffff) + 1;
	req->fua = le32_get(req->sqe.cdw12) & CDW12_FUA;
	status = check_range(req->ns, req->slba, req->nlb);
	if (status)
		req->error_loc = LOC_SLBA;
	return status;
}

static uint16_t prepare_rw(struct nvmet_req *req, enum nvmet_op op, enum nvmet_dir dir)
{
	uint16_t status = prepare_range(req);
	uint64_t bytes;

	if (status)
		return status;
	bytes = (uint64_t)req->nlb << req->ns->lba_shift;
	if (bytes > req->sq->ctrl->max_xfer || bytes > req->ns->max_xfer)
		return nvmet_req_bad_field(req, LOC_NLB);
	req->op = op;
	req->dir = dir;
	req->data_len = (uint32_t)bytes;
	return 0;
}

static uint16_t prepare_read(struct nvmet_req *req)
{
	return prepare_rw(req, NVMET_OP_READ, NVMET_TO_HOST);
}

static uint16_t prepare_write(struct nvmet_req *req)
{
	uint16_t status = prepare_rw(req, NVMET_OP_WRITE, NVMET_FROM_HOST);

	return status ? status : req->ns->read_only ? ST_NS_WRITE_PROTECTED | ST_DNR : 0;
}

/* ---- Flush: reaches the backend wherever it has a volatile cache ---- */

static uint16_t prepare_flush(struct nvmet_req *req)
{
	req->op = NVMET_OP_FLUSH;
	req->slba = 0;
	req->nlb = 0;
	return find_ns(req);
}

static void execute_flush(struct nvmet_req *req)
{
	if (req->ns->vwc)
		nvmet_ns_submit(req);
	else
		nvmet_req_complete(req, 0);
}

/* ---- Write Zeroes: by the backend, or by writing zeroes ---- */

struct zeroes_state {
	uint64_t next; /* block */
	uint32_t left; /* blocks, beyond the chunk being written */
};

static struct zeroes_state *zeroes_state(struct nvmet_req *req)
{
	/* The transport is done with iov once a command without data executes. */
	static_assert(sizeof(struct zeroes_state) <= sizeof(req->buf_iov), "fits");
	return (struct zeroes_state *)&req->buf_iov;
}

static void zeroes_end(struct nvmet_req *req, uint16_t status)
{
	req->done = NULL;
	nvmet_req_complete(req, status);
}

static void zeroes_next(struct nvmet_req *req)
{
	struct zeroes_state *st = zeroes_state(req);
	uint32_t chunk = req->buf_len >> req->ns->lba_shift;

	/* Nobody waits for the rest when the queue is gone, but the host's next association does. */
	if (req->status || !st->left || req->sq->dead) {
		zeroes_end(req, req->status);
		return;
	}
	req->slba = st->next;
	req->nlb = min_of(chunk, st->left);
	st->next += req->nlb;
	st->left -= req->nlb;
	nvmet_ns_submit(req);
}

static void zeroes_by_writing(struct mem_wait *w, void *buf)
{
	struct nvmet_req *req = container_of(w, struct nvmet_req, wait);
	struct zeroes_state *st = zeroes_state(req);

	memset(buf, 0, req->buf_len);
	req->buf = buf;
	req->op = NVMET_OP_WRITE;
	req->status = 0;
	st->next = req->slba;
	st->left = req->nlb;
	req->done = zeroes_next;
	zeroes_next(req);
}

static void zeroes_write(struct nvmet_req *req)
{
	void *buf;

	req->buf_len = min_of((uint32_t)ZEROES_CHUNK, req->ns->max_xfer);
	buf = mem_get(req->sq->core->pool, req->buf_len);
	if (buf) {
		zeroes_by_writing(&req->wait, buf);
		return;
	}
	req->wait.len = req->buf_len;
	req->wait.fn = zeroes_by_writing;
	mem_wait_add(req->sq->core->pool, &req->wait);
}

static void zeroes_done(struct nvmet_req *req)
{
	req->done = NULL;
	if ((req->status & ST_MASK) == ST_INVALID_OPCODE) {
		/* The device says only now that it cannot: it is not asked again. */
		req->ns->can_write_zeroes = false;
		zeroes_write(req);
		return;
	}
	nvmet_req_complete(req, req->status);
}

static uint16_t prepare_write_zeroes(struct nvmet_req *req)
{
	uint16_t status = prepare_range(req);

	req->op = NVMET_OP_WRITE_ZEROES;
	req->deallocate = le32_get(req->sqe.cdw12) & CDW12_DEAC;
	return status ? status : req->ns->read_only ? ST_NS_WRITE_PROTECTED | ST_DNR : 0;
}

static void execute_write_zeroes(struct nvmet_req *req)
{
	if (!req->ns->can_write_zeroes) {
		zeroes_write(req);
		return;
	}
	req->done = zeroes_done;
	nvmet_ns_submit(req);
}

/* ---- Dataset Management: Deallocate; the other attributes are hints ---- */

static uint16_t prepare_dsm(struct nvmet_req *req)
{
	uint16_t status = find_ns(req);

	if (status)
		return status;
	req->op = NVMET_OP_DISCARD;
	req->slba = 0;
	req->nlb = (le32_get(req->sqe.cdw10) & 0xff) + 1;
	req->dir = NVMET_FROM_HOST;
	req->data_len = req->nlb * sizeof(struct nvme_dsm_range);
	return 0;
}

static void execute_dsm(struct nvmet_req *req)
{
	const struct nvme_dsm_range *range = (const struct nvme_dsm_range *)req->buf;
	uint16_t status = 0;

	if (!(le32_get(req->sqe.cdw11) & CDW11_AD)) {
		nvmet_req_complete(req, 0);
		return;
	}
	for (uint32_t i = 0; i < req->nlb && !status; i++)
		status = check_range(req->ns, le64toh(range[i].slba), le32toh(range[i].nlb));
	if (!status && req->ns->read_only)
		status = ST_NS_WRITE_PROTECTED | ST_DNR;
	if (status || !req->ns->can_discard)
		nvmet_req_complete(req, status);
	else
		nvmet_ns_submit(req);
}

/*
 * ---- Compare: the blocks are read behind the host's data. Both lie in one buffer from the start:
 * commands that had one half and waited for another could wait for each other. ----
 */

/* Page aligned, as drives like it. */
static uint32_t compare_off(const struct nvmet_req *req)
{
	return round_up_to(req->data_len, (uint32_t)MEM_BLOCK_MIN);
}

static void compare_done(struct nvmet_req *req)
{
	uint16_t status = req->status;
	const uint8_t *blocks = req->buf;

	req->done = NULL;
	req->buf -= compare_off(req);
	if (!status && memcmp(req->buf, blocks, req->data_len))
		status = ST_COMPARE_FAILED;
	nvmet_req_complete(req, status);
}

static uint16_t prepare_compare(struct nvmet_req *req)
{
	uint16_t status = prepare_rw(req, NVMET_OP_READ, NVMET_FROM_HOST);

	static_assert(2 * (int)MAX_XFER_BYTES <= (int)MEM_BLOCK_MAX, "a block holds both");
	if (!status)
		req->buf_len = compare_off(req) + req->data_len;
	return status;
}

static void execute_compare(struct nvmet_req *req)
{
	assert(req->buf_len >= compare_off(req) + req->data_len);
	req->buf += compare_off(req);
	req->done = compare_done;
	nvmet_ns_submit(req);
}

const struct nvmet_cmd nvmet_io_cmds[] = {
	{ nvme_cmd_read, prepare_read, nvmet_ns_submit },
	{ nvme_cmd_write, prepare_write, nvmet_ns_submit },
	{ nvme_cmd_flush, prepare_flush, execute_flush },
	{ nvme_cmd_dsm, prepare_dsm, execute_dsm },
	{ nvme_cmd_write_zeroes, prepare_write_zeroes, execute_write_zeroes },
	{ nvme_cmd_compare, prepare_compare, execute_compare },
};
const unsigned int nvmet_nr_io_cmds = ARRAY_SIZE(nvmet_io_cmds);
