// SPDX-License-Identifier: BSD-2-Clause
/*
 * The log of a discovery controller that stays connected: read after each connect and whenever
 * the controller tells of a change, by one command at a time, and given to the caller when it is
 * another than before. The controller's thread, inside nvmh_ctrl_process(); nothing waits.
 * Entry points: nvmh_discovery_open(), nvmh_discovery_read(); nvmh_discovery_run() for the
 * controller's own code.
 * NVM Express Base Specification 2.x, "Discovery Log Page", "Discovery Service", "Asynchronous Event
 * Information - Notice".
 *
 * The log is another machine's: the number of entries is bounded, texts are checked, memory grows
 * with what really came. The generation is read before the entries and again behind them; a log that
 * changes meanwhile is read again a few times, then after a pause. All of that has a time of its own,
 * for a controller that answers each command just in time. However often the controller says that
 * something changed, the log is read once a second at most.
 */
#include "host/discovery.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/nqn.h"
#include "common/nvme_tcp.h"

enum {
	DEFAULT_KATO_MS = 30000,
	DEFAULT_REREAD_MS = 60000, /* where the controller does not tell of changes */
	GENERATION_TRIES = 5,
	READ_TIMEOUTS = 4, /* admin_timeout_ms: how long a reading may go on */
	FULL_MS = 100,	   /* the admin queue was full */
	GAP_MS = 1000,	   /* between two readings */
	FAILED_MS = 10000, /* after one that failed */
	FIRST_LIST = 16,   /* entries; doubled as they come */
	ERROR_TEXT = 400,
	HEADER_BYTES = sizeof(struct nvmf_discovery_log),
	ENTRY_BYTES = sizeof(struct nvmf_disc_log_entry),
};

/* ---- entries ---- */

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
	memset(e, 0, sizeof(*e)); /* entries are compared as they lie in memory */
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

static bool grow(struct nvmh_disc_list *list)
{
	uint32_t size = list->size ? 2 * list->size : FIRST_LIST;
	struct nvmh_disc_entry *entries;

	if (list->nr < list->size)
		return true;
	entries = realloc(list->entries, size * sizeof(*entries));
	if (!entries)
		return false;
	list->entries = entries;
	list->size = size;
	return true;
}

/* Return: false: no memory. */
static bool take_entries(struct nvmh_ctrl *ctrl, uint32_t nr)
{
	struct nvmh_discovery *d = ctrl->discovery;
	struct nvmf_disc_log_entry raw;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		if (!grow(&d->now))
			return false;
		memcpy(&raw, d->page + i * ENTRY_BYTES, sizeof(raw));
		if (decode(&raw, &d->now.entries[d->now.nr]))
			d->now.nr++;
		else
			log_peer(
				LOG_LVL_WARN,
				"discovery entry with unprintable text left out name=\"%s\" entry=%u",
				ctrl->name, d->index + i);
	}
	d->index += nr;
	return true;
}

static bool same(const struct nvmh_disc_list *a, const struct nvmh_disc_list *b)
{
	return a->nr == b->nr &&
	       (!a->nr || !memcmp(a->entries, b->entries, a->nr * sizeof(*a->entries)));
}

/* ---- a reading ends ---- */

static bool has_events(const struct nvmh_ctrl *ctrl)
{
	return ctrl->opts.kato_ms && le32toh(ctrl->id.oaes) & NVME_CTRL_OAES_DL;
}

/* The reading is over: the next one is due when somebody asks, or after @ms (0: no time). */
static void rest(struct nvmh_discovery *d, uint32_t ms)
{
	uint64_t now = clock_now_ns();

	d->stage = NVMH_DISC_IDLE;
	d->tries = 0;
	d->now.nr = 0;
	d->read_ns = now;
	d->at_ns = ms ? now + ms * NS_PER_MS : 0;
	if (d->again && (!d->at_ns || d->at_ns > now + GAP_MS * NS_PER_MS))
		d->at_ns = now + GAP_MS * NS_PER_MS;
	d->again = false;
}

static void fail_read(struct nvmh_ctrl *ctrl, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void fail_read(struct nvmh_ctrl *ctrl, int err, const char *fmt, ...)
{
	struct nvmh_discovery *d = ctrl->discovery;
	char text[ERROR_TEXT];
	va_list ap;
	int n;

	n = snprintf(text, sizeof(text), "%s: ", ctrl->name);
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	va_end(ap);
	d->again = false; /* it is read again anyway */
	rest(d, FAILED_MS);
	log_peer(LOG_LVL_DEBUG, "discovery log not read reason=\"%s\"", text);
	if (d->opts.on_error)
		d->opts.on_error(ctrl, err, text, d->opts.arg);
}

static bool may_stay(const struct nvmh_disc_list *list)
{
	uint32_t i;

	for (i = 0; i < list->nr; i++) {
		if (list->entries[i].subtype == NVME_NQN_CURR &&
		    list->entries[i].eflags & NVMF_DISC_EFLAGS_EPCSD)
			return true;
	}
	return false;
}

static void tell(struct nvmh_ctrl *ctrl)
{
	struct nvmh_discovery *d = ctrl->discovery;
	struct nvmh_disc_log log = {
		.genctr = d->genctr,
		.entries = d->last.nr ? d->last.entries : NULL,
		.nr = d->last.nr,
		.may_stay = may_stay(&d->last),
		.events = has_events(ctrl),
	};

	d->told = true;
	if (d->opts.on_log)
		d->opts.on_log(ctrl, &log, d->opts.arg);
}

/* All was read and belongs together. */
static void end_read(struct nvmh_ctrl *ctrl)
{
	struct nvmh_discovery *d = ctrl->discovery;
	bool read_all = !d->known || d->genctr != d->last_genctr;
	bool other = read_all && (!d->told || !same(&d->now, &d->last));
	struct nvmh_disc_list old = d->last;

	if (other) {
		d->last = d->now;
		d->now = old;
	}
	d->last_genctr = d->genctr;
	d->known = true;
	rest(d, has_events(ctrl) ? d->opts.reread_ms
				 : (d->opts.reread_ms ? d->opts.reread_ms : DEFAULT_REREAD_MS));
	if (other)
		tell(ctrl);
}

/* ---- a reading, command by command ---- */

static void read_done(struct nvmh_req *req);

static void read_part(struct nvmh_ctrl *ctrl, enum nvmh_disc_stage stage, uint64_t off,
		      uint32_t len)
{
	struct nvmh_discovery *d = ctrl->discovery;
	struct nvmh_req *req = &d->req;
	/* only the last command clears the event: what changes from then on is another */
	bool rae = stage != NVMH_DISC_CHECK;
	int ret;

	if (clock_now_ns() >= d->until_ns) {
		fail_read(ctrl, -ETIMEDOUT, "the discovery log was not read within %llu ms",
			  READ_TIMEOUTS * (unsigned long long)ctrl->opts.admin_timeout_ms);
		return;
	}
	memset(req, 0, sizeof(*req));
	d->iov = (struct iovec){ d->page, len };
	nvmh_prep_get_log(req, 0, NVME_LOG_LID_DISCOVER, 0, rae, off, &d->iov, 1, len);
	req->done = read_done;
	req->arg = ctrl;
	d->stage = stage;
	ret = nvmh_admin_submit(ctrl, req);
	if (ret == -EAGAIN)
		rest(d, FULL_MS);
	else if (ret == -ENOTCONN)
		d->stage = NVMH_DISC_IDLE; /* the next connection begins with a reading */
	else if (ret)
		fail_read(ctrl, ret, "the log cannot be asked for: %s", strerrordesc_np(-ret));
}

static void read_header(struct nvmh_ctrl *ctrl)
{
	ctrl->discovery->now.nr = 0;
	ctrl->discovery->index = 0;
	read_part(ctrl, NVMH_DISC_HEADER, 0, HEADER_BYTES);
}

static void read_more(struct nvmh_ctrl *ctrl)
{
	struct nvmh_discovery *d = ctrl->discovery;
	uint32_t nr = min_of(d->numrec - d->index, (uint32_t)DISC_PART_ENTRIES);

	if (nr)
		read_part(ctrl, NVMH_DISC_ENTRIES, HEADER_BYTES + (uint64_t)d->index * ENTRY_BYTES,
			  nr * ENTRY_BYTES);
	else
		read_part(ctrl, NVMH_DISC_CHECK, 0, HEADER_BYTES);
}

/* Return: the header is one that we know; else the reading has failed. */
static bool check_header(struct nvmh_ctrl *ctrl, struct nvmf_discovery_log *header)
{
	uint64_t numrec;

	memcpy(header, ctrl->discovery->page, sizeof(*header));
	numrec = le64toh(header->numrec);
	if (le16toh(header->recfmt)) {
		fail_read(ctrl, -EPROTO, "the discovery log has format %u, only 0 is known",
			  le16toh(header->recfmt));
		return false;
	}
	if (numrec > MAX_DISC_ENTRIES) {
		fail_read(ctrl, -E2BIG,
			  "the discovery log says it has %llu entries, at most %u are read",
			  (unsigned long long)numrec, MAX_DISC_ENTRIES);
		return false;
	}
	return true;
}

static void take_header(struct nvmh_ctrl *ctrl)
{
	struct nvmh_discovery *d = ctrl->discovery;
	struct nvmf_discovery_log header;

	if (!check_header(ctrl, &header))
		return;
	d->genctr = le64toh(header.genctr);
	d->numrec = (uint32_t)le64toh(header.numrec);
	if (d->known && d->genctr == d->last_genctr)
		d->index = d->numrec; /* nothing new */
	read_more(ctrl);
}

static void take_check(struct nvmh_ctrl *ctrl)
{
	struct nvmh_discovery *d = ctrl->discovery;
	struct nvmf_discovery_log header;

	if (!check_header(ctrl, &header))
		return;
	if (le64toh(header.genctr) == d->genctr && le64toh(header.numrec) == d->numrec)
		end_read(ctrl);
	else if (++d->tries < GENERATION_TRIES)
		read_header(ctrl);
	else
		fail_read(ctrl, -EAGAIN,
			  "the discovery log changed each of the %u times it was read",
			  GENERATION_TRIES);
}

static void read_done(struct nvmh_req *req)
{
	struct nvmh_ctrl *ctrl = req->arg;
	struct nvmh_discovery *d = ctrl->discovery;
	uint16_t status = req->status & ST_MASK;

	if (status == ST_HOST_ABORTED || status == ST_HOST_PATH_ERROR) {
		d->stage = NVMH_DISC_IDLE; /* the next connection begins with a reading */
	} else if (status) {
		fail_read(ctrl, req->status,
			  "reading the discovery log failed with status %03Xh, %s", status,
			  status_str(req->status));
	} else if (d->stage == NVMH_DISC_HEADER) {
		take_header(ctrl);
	} else if (d->stage == NVMH_DISC_CHECK) {
		take_check(ctrl);
	} else if (take_entries(ctrl, req->len / ENTRY_BYTES)) {
		read_more(ctrl);
	} else {
		fail_read(ctrl, -ENOMEM, "out of memory");
	}
}

/* ---- when ---- */

static void want(struct nvmh_discovery *d)
{
	uint64_t at = max_of(clock_now_ns(), d->read_ns + GAP_MS * NS_PER_MS);

	if (d->stage != NVMH_DISC_IDLE)
		d->again = true;
	else if (!d->at_ns || at < d->at_ns)
		d->at_ns = at;
}

/* The controller says that something has changed. */
static void on_notice(struct nvmh_ctrl *ctrl, uint8_t info)
{
	if (info == NVME_AER_NOTICE_DISC_CHANGED)
		want(ctrl->discovery);
}

int nvmh_discovery_read(struct nvmh_ctrl *ctrl)
{
	if (!ctrl->discovery)
		return nvmh_error(-EINVAL, "%s: it was not opened by nvmh_discovery_open()",
				  ctrl->name);
	if (nvmh_ctrl_state(ctrl) != NVMH_LIVE)
		return nvmh_error(-ENOTCONN, "%s: it is not connected now", ctrl->name);
	want(ctrl->discovery);
	nvmh_ctrl_kick(ctrl);
	return 0;
}

uint64_t nvmh_discovery_at(const struct nvmh_ctrl *ctrl)
{
	const struct nvmh_discovery *d = ctrl->discovery;

	return d && d->stage == NVMH_DISC_IDLE ? d->at_ns : 0;
}

void nvmh_discovery_run(struct nvmh_ctrl *ctrl, uint64_t now_ns)
{
	struct nvmh_discovery *d = ctrl->discovery;

	if (!d)
		return;
	if (d->live_since_ns != ctrl->live_since_ns) {
		d->live_since_ns = ctrl->live_since_ns;
		d->known = d->again = false;
		d->tries = 0;
		d->at_ns = now_ns;
	}
	if (d->stage != NVMH_DISC_IDLE || !d->at_ns || now_ns < d->at_ns)
		return;
	d->at_ns = 0;
	d->until_ns = now_ns + READ_TIMEOUTS * (uint64_t)ctrl->opts.admin_timeout_ms * NS_PER_MS;
	read_header(ctrl);
}

/* ---- life ---- */

void nvmh_discovery_done(struct nvmh_ctrl *ctrl)
{
	struct nvmh_discovery *d = ctrl->discovery;

	if (!d)
		return;
	free(d->now.entries);
	free(d->last.entries);
	free(d);
	ctrl->discovery = NULL;
}

int nvmh_discovery_open_kato(const struct nvmh_ctrl_opts *opts,
			     const struct nvmh_discovery_opts *disc, uint32_t kato_ms,
			     struct nvmh_ctrl **ctrlp)
{
	struct nvmh_ctrl_opts mine = *opts;
	struct nvmh_discovery *d;
	struct nvmh_ctrl *ctrl;
	char port[8];
	int ret;

	if (!mine.trtype || strcmp(mine.trtype, "tcp"))
		return nvmh_error(-EINVAL, "trtype: discovery is for \"tcp\", not for \"%s\"",
				  mine.trtype ? mine.trtype : "");
	snprintf(port, sizeof(port), "%u", NVME_TCP_DISC_PORT);
	if (!mine.subnqn)
		mine.subnqn = NQN_DISCOVERY;
	if (!mine.trsvcid)
		mine.trsvcid = port;
	mine.nr_io_queues = 0;
	mine.kato_ms = kato_ms;
	d = calloc(1, sizeof(*d));
	if (!d)
		return nvmh_error(-ENOMEM, "out of memory");
	d->opts = *disc;
	ret = nvmh_ctrl_open(&mine, &ctrl);
	if (ret) {
		free(d);
		return ret;
	}
	ctrl->discovery = d;
	ctrl->on_notice = on_notice;
	*ctrlp = ctrl;
	return 0;
}

int nvmh_discovery_open(const struct nvmh_ctrl_opts *opts, const struct nvmh_discovery_opts *disc,
			struct nvmh_ctrl **ctrlp)
{
	return nvmh_discovery_open_kato(opts, disc, opts->kato_ms ? opts->kato_ms : DEFAULT_KATO_MS,
					ctrlp);
}
