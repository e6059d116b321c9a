// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading a discovery log. The caller's thread, which owns the controller while it lasts; waits.
 * Entry point: nvmh_discover().
 * NVM Express Base Specification 2.x, "Discovery Log Page", "Discovery Service".
 *
 * The log is another machine's: the number of entries is bounded, texts are checked, and a log
 * whose generation changes while it is read is read again a bounded number of times.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/nqn.h"
#include "host/ctrl.h"

#define DISCOVERY_PORT "8009"

enum {
	GENERATION_TRIES = 5,
	WAIT_MS = 100, /* at most, should a wake-up get lost */
	HEADER_BYTES = sizeof(struct nvmf_discovery_log),
	ENTRY_BYTES = sizeof(struct nvmf_disc_log_entry),
};

/* A field padded with blanks or NULs, of printable characters. False: something else is in it. */
static bool field_text(const char *field, size_t size, char *text)
{
	size_t len = strnlen(field, size);
	size_t i;

	while (len && field[len - 1] == ' ')
		len--;
	for (i = 0; i < len; i++) {
		if (field[i] <= ' ' || field[i] > '~')
			return false;
		text[i] = field[i];
	}
	text[len] = '\0';
	return true;
}

static bool decode(const struct nvmf_disc_log_entry *raw, struct nvmh_disc_entry *e)
{
	static_assert(sizeof(e->trsvcid) > sizeof(raw->trsvcid) &&
			      sizeof(e->traddr) > sizeof(raw->traddr),
		      "fields and a NUL");
	e->trtype = raw->trtype;
	e->adrfam = raw->adrfam;
	e->subtype = raw->subtype;
	e->treq = raw->treq;
	e->sectype = raw->trtype == NVMF_TRTYPE_TCP ? raw->tsas.tcp.sectype : 0;
	e->portid = le16toh(raw->portid);
	e->cntlid = le16toh(raw->cntlid);
	e->asqsz = le16toh(raw->asqsz);
	e->eflags = le16toh(raw->eflags);
	return field_text(raw->trsvcid, sizeof(raw->trsvcid), e->trsvcid) &&
	       field_text(raw->traddr, sizeof(raw->traddr), e->traddr) &&
	       !nqn_from_field(raw->subnqn, sizeof(raw->subnqn), e->subnqn);
}

static int read_header(struct nvmh_ctrl *ctrl, uint64_t *genctr, uint64_t *numrec)
{
	struct nvmf_discovery_log header;
	uint16_t recfmt;
	int ret;

	ret = nvmh_get_log(ctrl, 0, NVME_LOG_LID_DISCOVER, 0, &header, HEADER_BYTES);
	if (ret)
		return ret;
	recfmt = le16toh(header.recfmt);
	if (recfmt)
		return nvmh_error(-EPROTO, "%s: the discovery log has format %u, only 0 is known",
				  ctrl->name, recfmt);
	*genctr = le64toh(header.genctr);
	*numrec = le64toh(header.numrec);
	if (*numrec > MAX_DISC_ENTRIES)
		return nvmh_error(
			-E2BIG,
			"%s: the discovery log says it has %llu entries, at most %u are read",
			ctrl->name, (unsigned long long)*numrec, MAX_DISC_ENTRIES);
	return 0;
}

static int read_entries(struct nvmh_ctrl *ctrl, struct nvmh_disc_entry *entries, uint32_t numrec,
			uint32_t *nrp)
{
	struct nvmf_disc_log_entry raw;
	uint32_t nr = 0;
	uint32_t i;
	int ret;

	for (i = 0; i < numrec; i++) {
		ret = nvmh_get_log(ctrl, 0, NVME_LOG_LID_DISCOVER,
				   HEADER_BYTES + (uint64_t)i * ENTRY_BYTES, &raw, ENTRY_BYTES);
		if (ret)
			return ret;
		if (decode(&raw, &entries[nr]))
			nr++;
		else
			log_peer(
				LOG_LVL_WARN,
				"discovery entry with unprintable text left out name=\"%s\" entry=%u",
				ctrl->name, i);
	}
	*nrp = nr;
	return 0;
}

/* Return: 0; -EAGAIN, it changed meanwhile; else failed. */
static int read_once(struct nvmh_ctrl *ctrl, struct nvmh_disc_entry **entriesp, uint32_t *nrp)
{
	struct nvmh_disc_entry *entries;
	uint64_t genctr, genctr_after;
	uint64_t numrec, numrec_after;
	uint32_t nr = 0;
	int ret;

	ret = read_header(ctrl, &genctr, &numrec);
	if (ret)
		return ret;
	entries = calloc(numrec ? numrec : 1, sizeof(*entries));
	if (!entries)
		return nvmh_error(-ENOMEM, "out of memory");
	ret = read_entries(ctrl, entries, (uint32_t)numrec, &nr);
	if (!ret)
		ret = read_header(ctrl, &genctr_after, &numrec_after);
	if (!ret && (genctr_after != genctr || numrec_after != numrec))
		ret = -EAGAIN;
	if (ret || !nr) {
		free(entries);
		entries = NULL;
	}
	if (ret)
		return ret;
	*entriesp = entries;
	*nrp = nr;
	return 0;
}

static int read_log(struct nvmh_ctrl *ctrl, struct nvmh_disc_entry **entriesp, uint32_t *nrp)
{
	int tries;
	int ret = 0;

	for (tries = 0; tries < GENERATION_TRIES; tries++) {
		ret = read_once(ctrl, entriesp, nrp);
		if (ret != -EAGAIN)
			break;
	}
	if (ret == -EAGAIN)
		nvmh_error(ret, "%s: the discovery log changed each of the %u times it was read",
			   ctrl->name, GENERATION_TRIES);
	else if (ret > 0)
		nvmh_error(ret, "%s: reading the discovery log failed with status %03Xh, %s",
			   ctrl->name, ret & ST_MASK, status_str((uint16_t)ret));
	else if (ret == -ENOTCONN)
		nvmh_error(ret, "%s: the connection was lost: %s", ctrl->name,
			   nvmh_ctrl_error(ctrl));
	return ret;
}

/*
 * Unlike nvmh_ctrl_wait() this gives up at the first failure: nobody asked to wait for a target to
 * appear.
 */
static int wait_live(struct nvmh_ctrl *ctrl, int timeout_ms)
{
	uint64_t end = clock_now_ms() + (uint64_t)max_of(timeout_ms, 0);
	struct pollfd pfd = { .fd = nvmh_ctrl_fd(ctrl), .events = POLLIN };

	for (;;) {
		nvmh_ctrl_process(ctrl);
		if (nvmh_ctrl_state(ctrl) == NVMH_LIVE)
			return 0;
		if (nvmh_ctrl_error(ctrl)[0])
			return nvmh_error(ctrl->err ? ctrl->err : -EIO, "%s: %s", ctrl->name,
					  nvmh_ctrl_error(ctrl));
		if (timeout_ms >= 0 && clock_now_ms() >= end)
			return nvmh_error(-ETIMEDOUT, "%s: not connected within %d ms", ctrl->name,
					  timeout_ms);
		if (poll(&pfd, 1, WAIT_MS) < 0 && errno != EINTR)
			return -errno;
	}
}

int nvmh_discover(const struct nvmh_ctrl_opts *opts, int timeout_ms,
		  struct nvmh_disc_entry **entriesp, uint32_t *nrp)
{
	struct nvmh_ctrl_opts mine = *opts;
	struct nvmh_ctrl *ctrl;
	int ret;

	if (!mine.subnqn)
		mine.subnqn = NQN_DISCOVERY;
	if (!mine.trsvcid)
		mine.trsvcid = DISCOVERY_PORT;
	mine.nr_io_queues = 0;
	mine.on_state = NULL;
	mine.on_ns = NULL;
	mine.on_event = NULL;
	ret = nvmh_ctrl_open(&mine, &ctrl);
	if (ret)
		return ret;
	ret = wait_live(ctrl, timeout_ms);
	if (!ret)
		ret = read_log(ctrl, entriesp, nrp);
	nvmh_ctrl_close(ctrl);
	return ret;
}
