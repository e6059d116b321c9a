// SPDX-License-Identifier: BSD-2-Clause
/*
 * Configuration files: reading one safely, and small questions about a configuration.
 *
 * Context: one thread at a time (main); blocks on file I/O.
 * Entry points: config_load(), config_summary(), config_find_subsystem(), config_device_name().
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/util.h"
#include "config/message.h"

/*
 * At most @max bytes: one more is read to notice a file that is larger or grows. Return: bytes or
 * -errno.
 */
static ssize_t read_all(int fd, char *buf, size_t max)
{
	size_t len = 0;

	while (len < max) {
		ssize_t n = read(fd, buf + len, max - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static int fail(struct config_errors *errs, int err, const char *doing, const char *hint)
{
	config_error(errs, NULL, 0, "%s: %s%s", doing, strerror(-err), hint);
	return err;
}

/* An open regular file of bounded size, or -errno. */
static int open_file(const char *path, size_t *size, struct config_errors *errs)
{
	/* O_NONBLOCK: a FIFO in the place of the file must not hold us up. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int ret;

	if (fd < 0) {
		ret = -errno;
		return fail(errs, ret, "cannot open it",
			    ret == -EACCES ? "; give its reader access or run as root" : "");
	}
	if (fstat(fd, &st)) {
		ret = fail(errs, -errno, "cannot examine it", "");
	} else if (!S_ISREG(st.st_mode)) {
		config_error(errs, NULL, 0, "%s; a regular file is expected",
			     S_ISDIR(st.st_mode) ? "is a directory" : "is not a regular file");
		ret = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	} else if (st.st_size > (off_t)CONFIG_MAX_FILE) {
		config_error(errs, NULL, 0, "larger than %u MiB", CONFIG_MAX_FILE >> 20);
		ret = -EFBIG;
	} else {
		*size = (size_t)st.st_size;
		return fd;
	}
	close(fd);
	return ret;
}

int config_load(const char *path, struct config **cfgp, struct config_errors *errs)
{
	size_t size = 0;
	char *text;
	ssize_t len;
	int fd = open_file(path, &size, errs);
	int ret;

	if (fd < 0)
		return fd;
	text = malloc(size + 1);
	if (!text) {
		close(fd);
		return fail(errs, -ENOMEM, "cannot read it", "");
	}
	len = read_all(fd, text, size + 1);
	close(fd);
	if (len < 0)
		ret = fail(errs, (int)len, "cannot read it", "");
	else if ((size_t)len > size)
		ret = fail(errs, -EBUSY, "cannot read it", "; it grew meanwhile");
	else
		ret = config_parse(text, (size_t)len, cfgp, errs);
	free(text);
	return ret;
}

static const char *plural(uint32_t nr)
{
	return nr == 1 ? "" : "s";
}

void config_summary(const struct config *cfg, char *buf, size_t len)
{
	uint32_t nr_namespaces = 0, nr_disabled = 0, i, k;
	char disabled[32] = "";

	for (i = 0; i < cfg->nr_subsystems; i++) {
		nr_namespaces += cfg->subsystems[i].nr_namespaces;
		for (k = 0; k < cfg->subsystems[i].nr_namespaces; k++)
			nr_disabled += !cfg->subsystems[i].namespaces[k].enable;
	}
	if (nr_disabled)
		snprintf(disabled, sizeof(disabled), " (%u disabled)", nr_disabled);
	snprintf(buf, len, "%u port%s, %u subsystem%s, %u namespace%s%s, %u host%s", cfg->nr_ports,
		 plural(cfg->nr_ports), cfg->nr_subsystems, plural(cfg->nr_subsystems),
		 nr_namespaces, plural(nr_namespaces), disabled, cfg->nr_hosts,
		 plural(cfg->nr_hosts));
}

int config_find_subsystem(const struct config *cfg, const char *nqn)
{
	uint32_t i;

	for (i = 0; i < cfg->nr_subsystems; i++)
		if (!strcmp(cfg->subsystems[i].nqn, nqn))
			return (int)i;
	return -ENOENT;
}

const char *config_device_name(enum config_device device)
{
	static const char *const name[] = {
		[CONFIG_DEVICE_NONE] = "none", [CONFIG_DEVICE_PCI] = "pci",
		[CONFIG_DEVICE_PATH] = "path", [CONFIG_DEVICE_MEM] = "mem",
		[CONFIG_DEVICE_NULL] = "null", [CONFIG_DEVICE_REMOTE] = "remote",
	};

	return (size_t)device < ARRAY_SIZE(name) ? name[device] : "none";
}
