// SPDX-License-Identifier: BSD-2-Clause
/*
 * Systemd: notifications, and the machine id that made-up serial numbers and UUIDs derive from.
 * Main thread.
 */
#include "target/sd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "common/log.h"

#define NVMETCP_APP_ID SD_ID128_MAKE(6b, 1d, 0c, 52, 9f, 3e, 4a, 77, 8e, 21, 5c, 90, d4, 13, 7a, f8)

void nvmet_sd_ready(const char *status)
{
	sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void nvmet_sd_stopping(void)
{
	sd_notify(0, "STOPPING=1\nSTATUS=finishing commands");
}

void nvmet_sd_status(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sd_notifyf(0, "STATUS=%s", text);
}

/* Made once: written beside, synced, moved into place, so that a crash leaves all of it or nothing.
 */
static int identity_create(int dir, uint8_t uuid[16])
{
	int fd = openat(dir, "identity.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int ret;

	if (fd < 0)
		return -errno;
	ret = getrandom(uuid, 16, 0) != 16 || write(fd, uuid, 16) != 16 || fsync(fd) ? -EIO : 0;
	close(fd);
	if (!ret && (renameat(dir, "identity.new", dir, "identity") || fsync(dir)))
		ret = -errno;
	return ret;
}

static int identity_file(const char *state_dir, uint8_t uuid[16])
{
	int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd, ret;

	if (dir < 0)
		return -errno;
	fd = openat(dir, "identity", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		ret = errno == ENOENT ? identity_create(dir, uuid) : -errno;
	} else {
		ret = read(fd, uuid, 16) == 16 ? 0 : -EINVAL;
		close(fd);
	}
	close(dir);
	return ret;
}

int nvmet_machine_uuid(const char *state_dir, uint8_t uuid[16])
{
	sd_id128_t id;
	int ret = sd_id128_get_machine_app_specific(NVMETCP_APP_ID, &id);

	if (!ret) {
		memcpy(uuid, id.bytes, 16);
		return 0;
	}
	ret = identity_file(state_dir, uuid);
	if (ret)
		log_err("no machine id, and %s/identity cannot be used: %s; run systemd-machine-id-setup, or make the folder writable",
			state_dir, strerror(-ret));
	return ret;
}
