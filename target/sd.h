/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the daemon asks of and tells the system's manager (systemd, where it runs), and the identity
 * of the machine.
 */
#ifndef TARGET_SD_H
#define TARGET_SD_H

#include <stdint.h>

/* sd_*_note() - readiness, status line and end for Type=notify units; nothing where nobody listens.
 * Main thread. */
void nvmet_sd_ready(const char *status);
void nvmet_sd_stopping(void);
void nvmet_sd_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * nvmet_machine_uuid() - a UUID that is this machine's and this program's, the same after every
 * restart
 * @state_dir: existing folder; takes a file "identity" where the system has no machine id.
 *
 * Return: 0 or -errno with a line logged.
 */
int nvmet_machine_uuid(const char *state_dir, uint8_t uuid[16]);

#endif /* TARGET_SD_H */
