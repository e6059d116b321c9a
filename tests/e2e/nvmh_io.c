// SPDX-License-Identifier: BSD-2-Clause
/*
 * nvmh-io: a small initiator on libnvmh for tests of the daemon: connect, look, read, write,
 * verify. One thread owns the controller and all its queues. The same over both transports.
 *
 *	nvmh-io [OPTIONS] 'trtype=tcp traddr=127.0.0.1 trsvcid=4420 subnqn=NQN [hostnqn=NQN]' COMMAND
 *	nvmh-io [OPTIONS] 'trtype=pcie traddr=0000:01:00.0' COMMAND
 *
 * Exit status: 0; 1 with the reason on standard error; 2 wrong usage.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/status.h"
#include "common/uuid.h"
#include "host/nvmh.h"
#include "tests/e2e/nvmh_io.h"

static const char usage_text[] =
	"Usage: nvmh-io [OPTIONS] TRANSPORT-STRING COMMAND\n"
	"\n"
	"TRANSPORT-STRING is one argument of key=value words: trtype (tcp, pcie), traddr, trsvcid, subnqn, hostnqn, hostid.\n"
	"\n"
	"Commands:\n"
	"  identify          the controller, one key=value per line\n"
	"  list              its namespaces, one line each\n"
	"  discover          the discovery log, one line per entry\n"
	"  read SLBA NLB     blocks to standard output\n"
	"  write SLBA NLB    blocks from standard input\n"
	"  flush\n"
	"  verify            random writes and reads of all sizes over all queues, checked; then everything is read back\n"
	"  readback          the last part of a verify with the same seed, range and count, against what it wrote\n"
	"  hold SECONDS      stay connected, 0: until SIGINT or SIGTERM; tells changes of the state and of namespaces\n"
	"\n"
	"Options:\n"
	"  --hdgst, --ddgst  header and data digests\n"
	"  --no-sqflow       ask to disable SQ flow control\n"
	"  --queues N        I/O queues (1)\n"
	"  --qd N            commands outstanding per queue (8)\n"
	"  --kato MS         keep alive timeout (0: none)\n"
	"  --timeout MS      for getting connected (60000)\n"
	"  --io-timeout MS   for one command (30000)\n"
	"  --wait            try until --timeout also where nothing listens yet\n"
	"  --nsid N          namespace (the first)\n"
	"  --seed N          of verify (1)\n"
	"  --ops N           commands of verify (2000)\n"
	"  --start LBA       first block that verify uses (0)\n"
	"  --bytes N         bytes from there that verify uses (64 MiB, or what there is)\n"
	"  --max-io N        bytes of its largest command (262144)\n"
	"  --retry           verify goes on after the connection was lost, and repeats what was outstanding\n"
	"  --path STRING     one more path to the same subsystem, as one controller with it; may be repeated\n"
	"  --mpath           one path, but as with several: held and repeated when it is lost\n"
	"  --iopolicy NAME   numa (the default), round-robin, queue-depth\n"
	"  --fast-io-fail MS requests without a path fail then (0: when all paths are given up)\n"
	"  --hold-ms MS      writes of a lost path are held so long (0: as the specification says)\n"
	"  --reset-every N   verify resets the controller after every N commands; with --retry\n"
	"  --debug           show the library's log\n";

static volatile sig_atomic_t stop_signal;

int nvmh_io_fail(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "nvmh-io: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	return 1;
}

int nvmh_io_fail_status(const char *what, int ret)
{
	if (ret > 0)
		return nvmh_io_fail("%s: status %03Xh%s, %s", what, ret & ST_MASK,
				    ret & ST_DNR ? " DNR" : "", status_str((uint16_t)ret));
	return nvmh_io_fail("%s: %s", what, strerror(-ret));
}

/* ---- waiting ---- */

void nvmh_io_sleep(struct io *io, int ms)
{
	struct pollfd pfd[1 + MAX_IO_QUEUES] = { { .fd = nvmh_ctrl_fd(io->ctrl),
						   .events = POLLIN } };
	uint16_t nr = nvmh_ctrl_nr_queues(io->ctrl);
	uint16_t i;

	for (i = 0; i < nr; i++) {
		if (nvmh_queue_arm(nvmh_ctrl_queue(io->ctrl, i)))
			return;
		pfd[1 + i] = (struct pollfd){ .fd = nvmh_queue_fd(nvmh_ctrl_queue(io->ctrl, i)),
					      .events = POLLIN };
	}
	if (poll(pfd, 1u + nr, ms) < 0)
		return;
}

int nvmh_io_turn(struct io *io)
{
	uint16_t nr = nvmh_ctrl_nr_queues(io->ctrl);
	int n = nvmh_ctrl_process(io->ctrl);
	uint16_t i;

	for (i = 0; i < nr; i++)
		n += nvmh_queue_poll(nvmh_ctrl_queue(io->ctrl, i));
	return n;
}

/* At the first failure it ends, unless --wait says that the target may come later. */
static int wait_live(struct io *io)
{
	uint64_t end = clock_now_ms() + io->timeout_ms;

	for (;;) {
		nvmh_ctrl_process(io->ctrl);
		if (nvmh_ctrl_state(io->ctrl) == NVMH_LIVE)
			return 0;
		if (nvmh_ctrl_state(io->ctrl) == NVMH_DEAD ||
		    (!io->wait && nvmh_ctrl_error(io->ctrl)[0]))
			return nvmh_io_fail("%s: %s", nvmh_ctrl_name(io->ctrl),
					    nvmh_ctrl_error(io->ctrl));
		if (clock_now_ms() >= end)
			return nvmh_io_fail("%s: not connected within %u ms %s",
					    nvmh_ctrl_name(io->ctrl), io->timeout_ms,
					    nvmh_ctrl_error(io->ctrl));
		nvmh_io_sleep(io, 100);
	}
}

static int pick_ns(struct io *io)
{
	const struct nvmh_ns *ns = NULL;

	if (io->nsid)
		ns = nvmh_ctrl_ns_by_nsid(io->ctrl, io->nsid);
	else if (nvmh_ctrl_nr_ns(io->ctrl))
		ns = nvmh_ctrl_ns(io->ctrl, 0);
	if (!ns)
		return io->nsid ? nvmh_io_fail("there is no namespace %u", io->nsid)
				: nvmh_io_fail("there is no namespace");
	if (ns->ms)
		return nvmh_io_fail("namespace %u has metadata, which this program does not do",
				    ns->nsid);
	if (!nvmh_ctrl_nr_queues(io->ctrl))
		return nvmh_io_fail("there is no I/O queue");
	io->nsid = ns->nsid;
	io->lba_size = ns->lba_size;
	io->nsze = ns->nsze;
	return 0;
}

int nvmh_io_map(struct io *io, size_t len)
{
	int ret;

	io->mem_len = round_up_to(len, (size_t)2 << 20);
	io->mem =
		mmap(NULL, io->mem_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (io->mem == MAP_FAILED) {
		io->mem = NULL;
		return nvmh_io_fail("no memory");
	}
	ret = nvmh_ctrl_mem_map(io->ctrl, io->mem, io->mem_len);
	return ret ? nvmh_io_fail_status("mapping memory for the controller", ret) : 0;
}

/* ---- commands ---- */

static const char *quote(const void *text, size_t len)
{
	static char buf[4][512];
	static unsigned int next;
	char *p = buf[next++ % 4];

	while (len && ((const char *)text)[len - 1] == ' ')
		len--;
	return log_quote(p, sizeof(buf[0]), text, len);
}

static int cmd_identify(struct io *io, char **args)
{
	const struct nvme_id_ctrl *id = nvmh_ctrl_id(io->ctrl);

	(void)args;
	printf("sn=%s\nmn=%s\nfr=%s\n", quote(id->sn, sizeof(id->sn)),
	       quote(id->mn, sizeof(id->mn)), quote(id->fr, sizeof(id->fr)));
	printf("subnqn=%s\n", quote(id->subnqn, sizeof(id->subnqn)));
	printf("cntlid=%u\nver=%08x\ncntrltype=%u\n", le16toh(id->cntlid), le32toh(id->ver),
	       id->cntrltype);
	printf("max_xfer=%u\nnn=%u\noncs=%04x\nvwc=%02x\nkas=%u\n", nvmh_ctrl_max_xfer(io->ctrl),
	       le32toh(id->nn), le16toh(id->oncs), id->vwc, le16toh(id->kas));
	printf("ioccsz=%u\niorcsz=%u\nsgls=%08x\noaes=%08x\ncap=%016llx\n", le32toh(id->ioccsz),
	       le32toh(id->iorcsz), le32toh(id->sgls), le32toh(id->oaes),
	       (unsigned long long)nvmh_ctrl_cap(io->ctrl));
	printf("queues=%u\nnamespaces=%u\n", nvmh_ctrl_nr_queues(io->ctrl),
	       nvmh_ctrl_nr_ns(io->ctrl));
	return 0;
}

static int cmd_list(struct io *io, char **args)
{
	char uuid[UUID_TEXT], nguid[NGUID_TEXT];
	uint32_t i;

	(void)args;
	for (i = 0; i < nvmh_ctrl_nr_ns(io->ctrl); i++) {
		const struct nvmh_ns *ns = nvmh_ctrl_ns(io->ctrl, i);

		printf("nsid=%u blocks=%llu lba=%u ms=%u uuid=%s nguid=%s\n", ns->nsid,
		       (unsigned long long)ns->nsze, ns->lba_size, ns->ms,
		       uuid_to_text(ns->uuid, uuid), nguid_to_text(ns->nguid, nguid));
	}
	return 0;
}

static int cmd_discover(struct io *io, char **args)
{
	struct nvmh_disc_entry *entries = NULL;
	uint32_t nr = 0;
	uint32_t i;
	int ret;

	(void)args;
	ret = nvmh_discover(&io->opts, (int)io->timeout_ms, &entries, &nr);
	if (ret)
		return nvmh_io_fail("%s", nvmh_strerror());
	for (i = 0; i < nr; i++) {
		const struct nvmh_disc_entry *e = &entries[i];

		printf("trtype=%u adrfam=%u subtype=%u treq=%u portid=%u cntlid=%04x asqsz=%u eflags=%u sectype=%u "
		       "traddr=%s trsvcid=%s subnqn=%s\n",
		       e->trtype, e->adrfam, e->subtype, e->treq, e->portid, e->cntlid, e->asqsz,
		       e->eflags, e->sectype, e->traddr, e->trsvcid, e->subnqn);
	}
	free(entries);
	return 0;
}

int nvmh_io_number(const char *text, uint64_t max, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text ? text : "", &end, 0);
	if (!text || *text < '0' || *text > '9' || *end || errno || *value > max)
		return -EINVAL;
	return 0;
}

static bool copy_fd(uint8_t *buf, size_t len, bool in)
{
	ssize_t n;

	while (len) {
		n = in ? read(STDIN_FILENO, buf, len) : write(STDOUT_FILENO, buf, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		buf += n;
		len -= (size_t)n;
	}
	return true;
}

static int read_write(struct io *io, char **args, bool writing)
{
	uint32_t max = nvmh_ctrl_max_xfer(io->ctrl) / io->lba_size;
	uint64_t slba, nlb;
	int ret;

	if (nvmh_io_number(args[0], UINT64_MAX, &slba) || !args[0] ||
	    nvmh_io_number(args[1], UINT32_MAX, &nlb) || !nlb)
		return nvmh_io_fail("%s needs SLBA and NLB", writing ? "write" : "read") + 1;
	ret = nvmh_io_map(io, nvmh_ctrl_max_xfer(io->ctrl));
	for (; !ret && nlb; nlb -= min_of(nlb, (uint64_t)max), slba += max) {
		uint32_t blocks = (uint32_t)min_of(nlb, (uint64_t)max);
		struct iovec iov = { io->mem, (size_t)blocks * io->lba_size };
		struct nvmh_req req = { 0 };

		if (writing && !copy_fd(io->mem, iov.iov_len, true))
			return nvmh_io_fail("standard input ends too early");
		nvmh_prep_rw(&req, writing ? nvme_cmd_write : nvme_cmd_read, io->nsid, slba, blocks,
			     &iov, 1, (uint32_t)iov.iov_len);
		ret = nvmh_io(nvmh_ctrl_queue(io->ctrl, 0), &req);
		if (ret)
			return nvmh_io_fail_status(writing ? "write" : "read", ret);
		if (!writing && !copy_fd(io->mem, iov.iov_len, false))
			return nvmh_io_fail("standard output: %s", strerror(errno));
	}
	return ret;
}

static int cmd_read(struct io *io, char **args)
{
	return read_write(io, args, false);
}

static int cmd_write(struct io *io, char **args)
{
	return read_write(io, args, true);
}

static int cmd_flush(struct io *io, char **args)
{
	struct nvmh_req req = { 0 };
	int ret;

	(void)args;
	nvmh_prep_flush(&req, io->nsid);
	ret = nvmh_io(nvmh_ctrl_queue(io->ctrl, 0), &req);
	return ret ? nvmh_io_fail_status("flush", ret) : 0;
}

static void on_signal(int signo)
{
	stop_signal = signo;
}

/* For hold; the others look at their namespace once. */
static void on_ns(struct nvmh_ctrl *ctrl, uint32_t nsid, const struct nvmh_ns *ns, void *arg)
{
	(void)ctrl;
	(void)arg;
	if (ns)
		printf("namespace %u blocks=%llu\n", nsid, (unsigned long long)ns->nsze);
	else
		printf("namespace %u went\n", nsid);
	fflush(stdout);
}

static int cmd_hold(struct io *io, char **args)
{
	enum nvmh_state state = NVMH_NEW;
	uint64_t seconds;
	uint64_t end;

	if (nvmh_io_number(args[0], UINT32_MAX, &seconds))
		return nvmh_io_fail("hold needs SECONDS") + 1;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	end = clock_now_ms() + seconds * 1000;
	while (!stop_signal && (!seconds || clock_now_ms() < end)) {
		if (nvmh_ctrl_state(io->ctrl) != state) {
			state = nvmh_ctrl_state(io->ctrl);
			printf("%s %s\n", nvmh_state_name(state), nvmh_ctrl_error(io->ctrl));
			fflush(stdout);
		}
		if (state == NVMH_DEAD)
			return nvmh_io_fail("%s", nvmh_ctrl_error(io->ctrl));
		if (!nvmh_io_turn(io))
			nvmh_io_sleep(io, 100);
	}
	return 0;
}

static const struct command {
	const char *name;
	int (*fn)(struct io *io, char **args);
	bool connect; /* before */
	bool queues;  /* and a namespace */
} commands[] = {
	{ "identify", cmd_identify, true, false },  { "list", cmd_list, true, false },
	{ "discover", cmd_discover, false, false }, { "read", cmd_read, true, true },
	{ "write", cmd_write, true, true },	    { "flush", cmd_flush, true, true },
	{ "verify", nvmh_io_verify, true, true },   { "readback", nvmh_io_readback, true, true },
	{ "hold", cmd_hold, true, false },
};

/* ---- arguments ---- */

enum {
	OPT_HDGST = 256,
	OPT_DDGST,
	OPT_NO_SQFLOW,
	OPT_WAIT,
	OPT_RETRY,
	OPT_DEBUG,
	OPT_HELP,
	OPT_PATH,
	OPT_MPATH,
	OPT_IOPOLICY,
	OPT_NUMBERS, /* from here on each has a number */
	OPT_QUEUES = OPT_NUMBERS,
	OPT_QD,
	OPT_KATO,
	OPT_TIMEOUT,
	OPT_IO_TIMEOUT,
	OPT_NSID,
	OPT_SEED,
	OPT_OPS,
	OPT_START,
	OPT_BYTES,
	OPT_MAX_IO,
	OPT_FAST_IO_FAIL,
	OPT_HOLD,
	OPT_RESET_EVERY,
};

static const struct option options[] = {
	{ "hdgst", 0, NULL, OPT_HDGST },
	{ "ddgst", 0, NULL, OPT_DDGST },
	{ "no-sqflow", 0, NULL, OPT_NO_SQFLOW },
	{ "wait", 0, NULL, OPT_WAIT },
	{ "retry", 0, NULL, OPT_RETRY },
	{ "debug", 0, NULL, OPT_DEBUG },
	{ "help", 0, NULL, OPT_HELP },
	{ "path", 1, NULL, OPT_PATH },
	{ "mpath", 0, NULL, OPT_MPATH },
	{ "iopolicy", 1, NULL, OPT_IOPOLICY },
	{ "fast-io-fail", 1, NULL, OPT_FAST_IO_FAIL },
	{ "hold-ms", 1, NULL, OPT_HOLD },
	{ "queues", 1, NULL, OPT_QUEUES },
	{ "qd", 1, NULL, OPT_QD },
	{ "kato", 1, NULL, OPT_KATO },
	{ "timeout", 1, NULL, OPT_TIMEOUT },
	{ "io-timeout", 1, NULL, OPT_IO_TIMEOUT },
	{ "nsid", 1, NULL, OPT_NSID },
	{ "seed", 1, NULL, OPT_SEED },
	{ "ops", 1, NULL, OPT_OPS },
	{ "start", 1, NULL, OPT_START },
	{ "bytes", 1, NULL, OPT_BYTES },
	{ "max-io", 1, NULL, OPT_MAX_IO },
	{ "reset-every", 1, NULL, OPT_RESET_EVERY },
	{ NULL, 0, NULL, 0 },
};

static const uint64_t number_max[] = {
	[OPT_QUEUES - OPT_NUMBERS] = MAX_IO_QUEUES,  [OPT_QD - OPT_NUMBERS] = MAX_QUEUE_ENTRIES - 1,
	[OPT_KATO - OPT_NUMBERS] = UINT32_MAX,	     [OPT_TIMEOUT - OPT_NUMBERS] = INT32_MAX,
	[OPT_IO_TIMEOUT - OPT_NUMBERS] = 600000,     [OPT_NSID - OPT_NUMBERS] = UINT32_MAX,
	[OPT_SEED - OPT_NUMBERS] = UINT64_MAX,	     [OPT_OPS - OPT_NUMBERS] = UINT32_MAX,
	[OPT_START - OPT_NUMBERS] = UINT64_MAX,	     [OPT_BYTES - OPT_NUMBERS] = UINT64_MAX,
	[OPT_MAX_IO - OPT_NUMBERS] = MAX_XFER_BYTES, [OPT_FAST_IO_FAIL - OPT_NUMBERS] = UINT32_MAX,
	[OPT_HOLD - OPT_NUMBERS] = INT32_MAX,	     [OPT_RESET_EVERY - OPT_NUMBERS] = UINT32_MAX,
};

static void set_number(struct io *io, int opt, uint64_t value)
{
	switch (opt) {
	case OPT_QUEUES:
		io->opts.nr_io_queues = (uint16_t)value;
		break;
	case OPT_QD:
		io->qd = (uint16_t)max_of(value, UINT64_C(1));
		break;
	case OPT_KATO:
		io->opts.kato_ms = (uint32_t)value;
		break;
	case OPT_TIMEOUT:
		io->timeout_ms = (uint32_t)value;
		break;
	case OPT_IO_TIMEOUT:
		io->opts.io_timeout_ms = (uint32_t)value;
		break;
	case OPT_NSID:
		io->nsid = (uint32_t)value;
		break;
	case OPT_SEED:
		io->seed = value;
		break;
	case OPT_OPS:
		io->ops = value;
		break;
	case OPT_START:
		io->start = value;
		break;
	case OPT_BYTES:
		io->bytes = value;
		break;
	case OPT_FAST_IO_FAIL:
		io->mpath_opts.fast_io_fail_ms = (uint32_t)value;
		break;
	case OPT_HOLD:
		io->mpath_opts.hold_ms = (int32_t)value;
		break;
	case OPT_RESET_EVERY:
		io->reset_every = value;
		break;
	default:
		io->max_io = (uint32_t)value;
	}
}

/* Return: 0, or the exit status + 1. */
static int parse_options(struct io *io, int argc, char **argv)
{
	uint64_t value;
	int opt;

	while ((opt = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (opt) {
		case OPT_HDGST:
			io->opts.hdgst = true;
			break;
		case OPT_DDGST:
			io->opts.ddgst = true;
			break;
		case OPT_NO_SQFLOW:
			io->opts.disable_sqflow = true;
			break;
		case OPT_WAIT:
			io->wait = true;
			break;
		case OPT_RETRY:
			io->retry = true;
			break;
		case OPT_DEBUG:
			log_set_level(LOG_LVL_DEBUG);
			break;
		case OPT_PATH:
			if (io->nr_more == NVMH_MAX_PATHS - 1) {
				nvmh_io_fail("too many paths");
				return 3;
			}
			io->more[io->nr_more++] = optarg;
			io->mpath = true;
			break;
		case OPT_MPATH:
			io->mpath = true;
			break;
		case OPT_IOPOLICY:
			if (nvmh_io_policy(io, optarg))
				return 3;
			break;
		case OPT_HELP:
			fputs(usage_text, stdout);
			return 1;
		case '?':
			fputs("Try nvmh-io --help\n", stderr);
			return 3;
		default:
			if (nvmh_io_number(optarg, number_max[opt - OPT_NUMBERS], &value)) {
				nvmh_io_fail("\"%s\" is no number in range", optarg);
				return 3;
			}
			set_number(io, opt, value);
		}
	}
	if (argc - optind < 2) {
		fputs(usage_text, stderr);
		return 3;
	}
	return 0;
}

static int run(struct io *io, const struct command *cmd, char **args)
{
	int ret;

	if (!cmd->connect)
		return cmd->fn(io, args);
	if (cmd->fn == cmd_hold)
		io->opts.on_ns = on_ns;
	ret = nvmh_io_open(io);
	if (ret)
		return ret;
	ret = wait_live(io);
	if (!ret && cmd->queues)
		ret = pick_ns(io);
	if (!ret)
		ret = cmd->fn(io, args);
	nvmh_ctrl_close(io->ctrl);
	if (io->mem)
		munmap(io->mem, io->mem_len);
	return ret;
}

int main(int argc, char **argv)
{
	struct io io = {
		.opts = { .nr_io_queues = 1 },
		.qd = 8,
		.timeout_ms = 60000,
		.seed = 1,
		.ops = 2000,
		.bytes = 64 << 20,
		.max_io = 256 << 10,
	};
	const struct command *cmd;
	int ret;

	log_init("nvmh-io", LOG_LVL_ERROR);
	ret = parse_options(&io, argc, argv);
	if (ret)
		return ret - 1;
	ret = nvmh_io_transport(&io.opts, io.hostid[0], argv[optind]);
	if (ret)
		return ret;
	io.opts.queue_size = io.qd + 1;
	for (cmd = commands; cmd < commands + ARRAY_SIZE(commands); cmd++) {
		if (!strcmp(cmd->name, argv[optind + 1]))
			return run(&io, cmd, argv + optind + 2);
	}
	return nvmh_io_fail("there is no command \"%s\"", argv[optind + 1]) + 1;
}
