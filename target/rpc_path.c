// SPDX-License-Identifier: BSD-2-Clause
/*
 * Default places of the control socket. Any thread. Entry point: nvmet_rpc_path().
 */
#include "target/rpc_path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fits(int n, size_t size)
{
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int nvmet_rpc_path(unsigned int index, const char *state_dir, char *path, size_t size)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");

	switch (index) {
	case 0:
		return fits(snprintf(path, size, "/run/nvmetcp/nvmetcpd.sock"), size);
	case 1:
		if (!xdg || *xdg != '/')
			return -ENOENT;
		return fits(snprintf(path, size, "%s/nvmetcp/nvmetcpd.sock", xdg), size);
	case 2:
		return fits(snprintf(path, size, "%s/nvmetcpd.sock", state_dir), size);
	default:
		return -ENOENT;
	}
}

/* The system's place for root, the user's otherwise. */
int nvmet_rpc_state_dir(char *path, size_t size)
{
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n;

	if (!geteuid())
		n = snprintf(path, size, "/var/lib/nvmetcp");
	else if (xdg && *xdg == '/')
		n = snprintf(path, size, "%s/nvmetcp", xdg);
	else
		n = snprintf(path, size, "%s/.local/state/nvmetcp",
			     home && *home == '/' ? home : "/tmp");
	return fits(n, size);
}
