// SPDX-License-Identifier: BSD-2-Clause
/*
 * The nbdkit plugin: an NVMe namespace, remote or local, for any NBD client. nbdkit calls from many
 * threads at once; a connection's requests go to one of our threads (host/nbdkit_worker.c), which
 * owns a queue. Built by `make nbdkit`. Entry point: the table that NBDKIT_REGISTER_PLUGIN exports.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "host/nbdkit_worker.h"

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

enum {
	DEFAULT_QUEUES = 4,
	MAX_QUEUES = 128,
	MAX_MINIMUM = 64 << 10, /* of the NBD protocol: block size to ask of clients */
	USUAL_BLOCK = 4096,
	MAX_REQUEST = 32 << 20,
};

/* One NBD connection. */
struct conn {
	uint16_t worker;
};

static char transport[ATTACH_MAX_TEXT];
static struct nvmh_attach_opts opts = { .transport = transport, .nr_queues = DEFAULT_QUEUES };
static struct nbd_server *server;
static _Atomic uint32_t nr_conns; /* ever */

/* ---- parameters ---- */

/* Several are several paths. @prefix: what nbdkit took for a key. */
static int add_transport(const char *prefix, const char *value)
{
	size_t len = strlen(transport);
	int n = snprintf(transport + len, sizeof(transport) - len, "%s%s%s", len ? " + " : "",
			 prefix, value);

	if ((size_t)n < sizeof(transport) - len)
		return 0;
	nbdkit_error("transport: longer than %zu bytes", sizeof(transport) - 1);
	return -1;
}

static int plugin_config(const char *key, const char *value)
{
	uint16_t queues;

	if (!strcmp(key, "transport"))
		return add_transport("", value);
	/* a transport string without its key */
	if (!strcmp(key, "trtype"))
		return add_transport("trtype=", value);
	if (!strcmp(key, "nsid"))
		return nbdkit_parse_uint32_t("nsid", value, &opts.nsid);
	if (!strcmp(key, "queues")) {
		if (nbdkit_parse_uint16_t("queues", value, &queues))
			return -1;
		if (!queues || queues > MAX_QUEUES) {
			nbdkit_error("queues=%s is not within 1..%d", value, MAX_QUEUES);
			return -1;
		}
		opts.nr_queues = queues;
		return 0;
	}
	nbdkit_error(
		"unknown parameter \"%s\": there are transport=, nsid= and queues=; quote a transport string, it is one argument",
		key);
	return -1;
}

static int failed(void)
{
	nbdkit_error("%s", nvmh_strerror());
	return -1;
}

/*
 * While somebody still reads what nbdkit says. What is opened here must not live on: nbdkit forks,
 * and the memory that a drive reaches does not follow.
 */
static int plugin_get_ready(void)
{
	struct nvmh_attach_opts once = opts;
	struct nvmh_attach att;
	uint32_t lba_size;

	once.nr_queues = 1;
	if (nvmh_attach(&once, &att))
		return failed();
	lba_size = att.lba_size;
	nvmh_detach(&att);
	if (lba_size > MAX_MINIMUM) {
		nbdkit_error("blocks of %u bytes are more than NBD's %d", lba_size, MAX_MINIMUM);
		return -1;
	}
	return 0;
}

static int plugin_after_fork(void)
{
	return nvmh_nbd_start(&opts, &server) ? failed() : 0;
}

static void plugin_cleanup(void)
{
	nvmh_nbd_stop(server);
	server = NULL;
}

/* ---- a connection ---- */

static void *plugin_open(int readonly)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	(void)readonly;
	if (!conn) {
		nbdkit_error("out of memory");
		return NULL;
	}
	conn->worker = (uint16_t)(atomic_fetch_add(&nr_conns, 1) % nvmh_nbd_nr_workers(server));
	return conn;
}

static void plugin_close(void *handle)
{
	free(handle);
}

static int64_t plugin_get_size(void *handle)
{
	(void)handle;
	return (int64_t)nvmh_nbd_size(server);
}

static int plugin_block_size(void *handle, uint32_t *minimum, uint32_t *preferred,
			     uint32_t *maximum)
{
	uint32_t block = nvmh_nbd_attach(server)->lba_size;

	(void)handle;
	*minimum = block;
	*preferred = max_of(block, (uint32_t)USUAL_BLOCK);
	*maximum = MAX_REQUEST;
	return 0;
}

static int plugin_can_write(void *handle)
{
	(void)handle;
	return !nvmh_nbd_attach(server)->read_only;
}

static int plugin_can_trim(void *handle)
{
	(void)handle;
	return nvmh_nbd_attach(server)->can_trim;
}

/* Without it nbdkit writes zeroes itself, which is not fast. */
static int plugin_can_zero(void *handle)
{
	(void)handle;
	return nvmh_nbd_attach(server)->can_zero;
}

static int plugin_can_fua(void *handle)
{
	(void)handle;
	return NBDKIT_FUA_NATIVE;
}

static int yes(void *handle)
{
	(void)handle;
	return 1;
}

static int no(void *handle)
{
	(void)handle;
	return 0;
}

/* ---- requests ---- */

static int do_op(void *handle, struct nbd_op *op)
{
	static const char *const names[] = { "read", "write", "flush", "trim", "zero" };
	const struct conn *conn = handle;
	uint32_t block = nvmh_nbd_attach(server)->lba_size;
	int err;

	if (op->what != NBD_FLUSH && (op->offset % block || op->len % block)) {
		nbdkit_error(
			"%s of %llu bytes at %llu: not whole blocks of %u bytes; for a client that does not ask for the block size use --filter=blocksize minblock=%u",
			names[op->what], (unsigned long long)op->len,
			(unsigned long long)op->offset, block, block);
		nbdkit_set_error(EINVAL);
		return -1;
	}
	if (!op->len)
		return 0;
	err = nvmh_nbd_do(server, conn->worker, op);
	if (!err)
		return 0;
	nbdkit_error("%s of %llu bytes at %llu: %s", names[op->what], (unsigned long long)op->len,
		     (unsigned long long)op->offset, strerrordesc_np(err));
	nbdkit_set_error(err);
	return -1;
}

static int plugin_pread(void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct nbd_op op = { .what = NBD_READ, .buf = buf, .offset = offset, .len = count };

	(void)flags;
	return do_op(handle, &op);
}

static int plugin_pwrite(void *handle, const void *buf, uint32_t count, uint64_t offset,
			 uint32_t flags)
{
	struct nbd_op op = { .what = NBD_WRITE,
			     .buf = (uint8_t *)buf,
			     .offset = offset,
			     .len = count,
			     .fua = flags & NBDKIT_FLAG_FUA };

	return do_op(handle, &op);
}

/* Of the whole namespace: also for what other connections have written. */
static int plugin_flush(void *handle, uint32_t flags)
{
	struct nbd_op op = { .what = NBD_FLUSH, .len = 1 };

	(void)flags;
	return do_op(handle, &op);
}

static int plugin_trim(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct nbd_op op = { .what = NBD_TRIM, .offset = offset, .len = count };
	int ret = do_op(handle, &op);

	return !ret && (flags & NBDKIT_FLAG_FUA) ? plugin_flush(handle, 0) : ret;
}

static int plugin_zero(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct nbd_op op = { .what = NBD_ZERO,
			     .offset = offset,
			     .len = count,
			     .fua = flags & NBDKIT_FLAG_FUA,
			     .may_trim = flags & NBDKIT_FLAG_MAY_TRIM };

	return do_op(handle, &op);
}

static struct nbdkit_plugin plugin = {
	.name = "nvmh",
	.longname = "NVMe namespaces, remote over TCP or local over VFIO",
	.version = NVMETCP_VERSION,
	.description = "Serves an NVMe namespace over NBD, without a kernel driver.",
	.magic_config_key = "transport",
	.config = plugin_config,
	.config_help = "transport=STRING  (required) where the namespace is, one argument:\n"
		       "                    'trtype=tcp traddr=ADDRESS trsvcid=PORT subnqn=NQN'\n"
		       "                    'trtype=pcie traddr=0000:01:00.0'\n"
		       "                  given again: another path to it\n"
		       "nsid=N            namespace (default: the string's, else the only one)\n"
		       "queues=N          I/O queues, and threads (default: 4)",
	.get_ready = plugin_get_ready,
	.after_fork = plugin_after_fork,
	.cleanup = plugin_cleanup,
	.open = plugin_open,
	.close = plugin_close,
	.get_size = plugin_get_size,
	.block_size = plugin_block_size,
	.can_write = plugin_can_write,
	.can_flush = yes,
	.can_trim = plugin_can_trim,
	.can_zero = plugin_can_zero,
	.can_fast_zero = plugin_can_zero,
	.can_fua = plugin_can_fua,
	.can_multi_conn = yes,
	.is_rotational = no,
	.pread = plugin_pread,
	.pwrite = plugin_pwrite,
	.flush = plugin_flush,
	.trim = plugin_trim,
	.zero = plugin_zero,
};

/* what the macro defines, nbdkit's header does not declare */
struct nbdkit_plugin *plugin_init(void);

NBDKIT_REGISTER_PLUGIN(plugin)
