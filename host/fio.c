// SPDX-License-Identifier: BSD-2-Clause
/*
 * The fio engine: fio's side of it. Each job has a queue of an NVMe controller, local or remote; what
 * fio calls a file is the namespace. Built by `make fio` against the source of the fio that will load
 * it, since fio has no stable interface. nvmh_setup() runs in fio's main process, everything else in
 * the job's thread or process. Entry point: ioengine, which fio looks up by this name.
 */
#include <fio.h>
#include <optgroup.h>

#include "host/fio_job.h"

struct nvmh_options {
	void *pad; /* no option may lie at offset 0 */
	char *transport;
	unsigned int nsid;
	unsigned int hdgst;
	unsigned int ddgst;
	unsigned int hipri;
};

struct nvmh_data {
	struct fio_target *target;
	struct fio_job *job; /* from nvmh_init() on */
	struct io_u **sent;  /* since the last commit; room for iodepth */
	unsigned int nr_sent;
};

static struct fio_option options[] = {
	{
		.name = "transport",
		.lname = "NVMe transport string",
		.type = FIO_OPT_STR_STORE,
		.off1 = offsetof(struct nvmh_options, transport),
		.help = "Where the namespace is: trtype=tcp traddr=ADDRESS trsvcid=PORT subnqn=NQN nsid=N, or trtype=pcie traddr=0000:01:00.0; \" + \" between several paths",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
	},
	{
		.name = "nsid",
		.lname = "NVMe namespace ID",
		.type = FIO_OPT_INT,
		.off1 = offsetof(struct nvmh_options, nsid),
		.help = "Namespace (default: nsid= of transport, else the only one)",
		.def = "0",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
	},
	{
		.name = "hdgst",
		.lname = "NVMe/TCP header digest",
		.type = FIO_OPT_BOOL,
		.off1 = offsetof(struct nvmh_options, hdgst),
		.help = "Header digests, also where transport does not ask for them",
		.def = "0",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
	},
	{
		.name = "ddgst",
		.lname = "NVMe/TCP data digest",
		.type = FIO_OPT_BOOL,
		.off1 = offsetof(struct nvmh_options, ddgst),
		.help = "Data digests, also where transport does not ask for them",
		.def = "0",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
	},
	{
		.name = "hipri",
		.lname = "Poll for completions",
		.type = FIO_OPT_BOOL,
		.off1 = offsetof(struct nvmh_options, hipri),
		.help = "Spin for completions instead of sleeping until there are some",
		.def = "0",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
	},
	{
		.name = NULL,
	},
};

/* ---- before jobs run ---- */

/* Says why and makes it fio's error. Return: what fio wants of a function that failed. */
static int refuse(struct thread_data *td, int err, const char *why)
{
	log_err("nvmh: %s: %s\n", td->o.name, why);
	td_verror(td, err, "nvmh");
	return 1;
}

static int check_block_sizes(struct thread_data *td, const struct fio_geometry *geo)
{
	const bool used[DDIR_RWDIR_CNT] = { td_read(td), td_write(td), td_trim(td) };
	char why[200];
	int d;

	for (d = 0; d < DDIR_RWDIR_CNT; d++) {
		if (!used[d])
			continue;
		if (td->o.bs_unaligned || td->o.min_bs[d] % geo->lba_size ||
		    td->o.max_bs[d] % geo->lba_size) {
			snprintf(
				why, sizeof(why),
				"bs=%llu-%llu%s: blocks of the namespace are %u bytes, use a multiple",
				td->o.min_bs[d], td->o.max_bs[d],
				td->o.bs_unaligned ? " with bs_unaligned" : "", geo->lba_size);
			return refuse(td, EINVAL, why);
		}
		if (d != DDIR_TRIM && td->o.max_bs[d] > geo->max_io) {
			snprintf(why, sizeof(why),
				 "bs=%llu: one command of the controller moves at most %u bytes",
				 td->o.max_bs[d], geo->max_io);
			return refuse(td, EINVAL, why);
		}
	}
	return 0;
}

static int check_job(struct thread_data *td, const struct fio_geometry *geo)
{
	char why[200];

	if ((td_write(td) || td_trim(td)) && geo->read_only)
		return refuse(td, EROFS, "the namespace is write protected");
	if (td_trim(td) && !geo->can_trim)
		return refuse(
			td, EOPNOTSUPP,
			"the controller has no Dataset Management command, so nothing can be trimmed");
	if (td->o.size > geo->size) {
		snprintf(why, sizeof(why), "size=%llu: the namespace has %llu bytes", td->o.size,
			 (unsigned long long)geo->size);
		return refuse(td, ENOSPC, why);
	}
	return check_block_sizes(td, geo);
}

static int set_file(struct thread_data *td, const struct fio_geometry *geo)
{
	struct nvmh_options *o = td->eo;
	struct fio_file *f;

	if (!td->files_index) {
		add_file(td, o->transport, 0, 0);
		td->o.nr_files = td->o.nr_files ? td->o.nr_files : 1;
		td->o.open_files++;
	}
	if (td->files_index > 1 || td->o.nr_files > 1)
		return refuse(
			td, EINVAL,
			"a job has one namespace, named by transport=, and not several files");
	f = td->files[0];
	f->filetype = FIO_TYPE_BLOCK;
	f->real_file_size = geo->size;
	fio_file_set_size_known(f);
	return 0;
}

static int get_target(struct thread_data *td)
{
	struct nvmh_options *o = td->eo;
	const struct fio_target_opts opts = {
		.transport = o->transport,
		.nsid = o->nsid,
		.hdgst = o->hdgst,
		.ddgst = o->ddgst,
	};
	struct nvmh_data *data;
	int ret;

	data = calloc(1, sizeof(*data));
	if (!data)
		return refuse(td, ENOMEM, "out of memory");
	td->io_ops_data = data;
	ret = nvmh_fio_target_get(&opts, &data->target);
	return ret ? refuse(td, -ret, nvmh_fio_error()) : 0;
}

static int nvmh_setup(struct thread_data *td)
{
	const struct fio_geometry *geo;
	struct nvmh_data *data;
	int ret = get_target(td);

	if (ret)
		return ret;
	data = td->io_ops_data;
	geo = nvmh_fio_target_geometry(data->target);
	ret = check_job(td, geo);
	return ret ? ret : set_file(td, geo);
}

/* ---- a job ---- */

static int nvmh_init(struct thread_data *td)
{
	struct nvmh_options *o = td->eo;
	struct nvmh_data *data;
	/* a thread of io_submit_mode=offload has not been set up; it may be one of many, for which
	 * the job's controller has no queues */
	bool offload = !td->io_ops_data;
	int ret;

	if (offload && get_target(td))
		return 1;
	data = td->io_ops_data;
	data->sent = calloc(td->o.iodepth, sizeof(*data->sent));
	if (!data->sent)
		return refuse(td, ENOMEM, "out of memory");
	ret = nvmh_fio_job_open(data->target, td->o.use_thread && !offload, td->o.iodepth, o->hipri,
				&data->job);
	return ret ? refuse(td, -ret, nvmh_fio_error()) : 0;
}

static void nvmh_cleanup(struct thread_data *td)
{
	struct nvmh_data *data = td->io_ops_data;

	if (!data)
		return;
	nvmh_fio_job_close(data->job);
	nvmh_fio_target_put(data->target);
	free(data->sent);
	free(data);
	td->io_ops_data = NULL;
}

static int nvmh_iomem_alloc(struct thread_data *td, size_t len)
{
	struct nvmh_data *data = td->io_ops_data;
	void *mem;
	int ret = nvmh_fio_job_mem(data->job, len, &mem);

	if (ret)
		return refuse(td, -ret, nvmh_fio_error());
	td->orig_buffer = mem;
	return 0;
}

/* It goes with the controller: until then that may reach it. */
static void nvmh_iomem_free(struct thread_data *td)
{
	td->orig_buffer = NULL;
}

/* The namespace is open while the job is. */
static int nvmh_open_file(struct thread_data *td, struct fio_file *f)
{
	(void)td;
	(void)f;
	return 0;
}

static int nvmh_close_file(struct thread_data *td, struct fio_file *f)
{
	(void)td;
	(void)f;
	return 0;
}

static int nvmh_get_file_size(struct thread_data *td, struct fio_file *f)
{
	(void)td;
	(void)f;
	return 0; /* nvmh_setup() has set it */
}

/* ---- I/O ---- */

static enum fio_q_status nvmh_queue(struct thread_data *td, struct io_u *io_u)
{
	struct nvmh_data *data = td->io_ops_data;
	enum fio_op op;
	int ret;

	switch (io_u->ddir) {
	case DDIR_READ:
		op = FIO_OP_READ;
		break;
	case DDIR_WRITE:
		op = FIO_OP_WRITE;
		break;
	case DDIR_TRIM:
		op = FIO_OP_TRIM;
		break;
	case DDIR_SYNC:
	case DDIR_DATASYNC:
	case DDIR_SYNC_FILE_RANGE:
		op = FIO_OP_FLUSH;
		break;
	default:
		io_u->error = EINVAL;
		return FIO_Q_COMPLETED;
	}
	fio_ro_check(td, io_u);
	ret = nvmh_fio_job_submit(data->job, op, io_u->offset, io_u->xfer_buf, io_u->xfer_buflen,
				  td->o.sync_io, io_u);
	if (ret == -EAGAIN)
		return FIO_Q_BUSY;
	if (ret) {
		io_u->error = -ret;
		return FIO_Q_COMPLETED;
	}
	data->sent[data->nr_sent++] = io_u;
	return FIO_Q_QUEUED;
}

/* Where fio takes times, submission ends here for everything since the last commit. */
static void set_issue_times(struct thread_data *td, struct nvmh_data *data)
{
	struct timespec now;
	unsigned int i;

	if (!fio_fill_issue_time(td))
		return;
	fio_gettime(&now, NULL);
	for (i = 0; i < data->nr_sent; i++) {
		data->sent[i]->issue_time = now;
		io_u_queued(td, data->sent[i]);
	}
	if (td->o.read_iolog_file)
		td->last_issue = now;
}

static int nvmh_commit(struct thread_data *td)
{
	struct nvmh_data *data = td->io_ops_data;

	if (!data->nr_sent)
		return 0;
	nvmh_fio_job_commit(data->job);
	set_issue_times(td, data);
	io_u_mark_submit(td, data->nr_sent);
	data->nr_sent = 0;
	return 0;
}

static int nvmh_getevents(struct thread_data *td, unsigned int min, unsigned int max,
			  const struct timespec *t)
{
	struct nvmh_data *data = td->io_ops_data;

	return (int)nvmh_fio_job_reap(data->job, min, max, t);
}

static struct io_u *nvmh_event(struct thread_data *td, int event)
{
	struct nvmh_data *data = td->io_ops_data;
	struct io_u *io_u;
	int err;

	io_u = nvmh_fio_job_event(data->job, (unsigned int)event, &err);
	io_u->error = (unsigned int)err;
	return io_u;
}

struct ioengine_ops ioengine = {
	.name = "nvmh",
	.version = FIO_IOOPS_VERSION,
	.flags = FIO_DISKLESSIO | FIO_RAWIO | FIO_MEMALIGN | FIO_NOEXTEND | FIO_NODISKUTIL |
		 FIO_NOFILEHASH | FIO_ASYNCIO_SETS_ISSUE_TIME,
	.setup = nvmh_setup,
	.init = nvmh_init,
	.cleanup = nvmh_cleanup,
	.iomem_alloc = nvmh_iomem_alloc,
	.iomem_free = nvmh_iomem_free,
	.open_file = nvmh_open_file,
	.close_file = nvmh_close_file,
	.get_file_size = nvmh_get_file_size,
	.queue = nvmh_queue,
	.commit = nvmh_commit,
	.getevents = nvmh_getevents,
	.event = nvmh_event,
	.option_struct_size = sizeof(struct nvmh_options),
	.options = options,
};
