// SPDX-License-Identifier: BSD-2-Clause
/*
 * Addresses of drives in parameters. Any thread. Entry point: nvmet_drive_traddr().
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "target/drive_cmd.h"

/* @min to @max hexadecimal digits, then @end. Return: what follows, NULL: it is not so. */
static const char *hex_part(const char *text, size_t min, size_t max, char end)
{
	size_t n = strspn(text, "0123456789abcdefABCDEF");

	return n >= min && n <= max && text[n] == end ? text + n + 1 : NULL;
}

int nvmet_drive_traddr(struct nvmet_rpc_params *p, char bdf[CONFIG_BDF_SIZE])
{
	const char *text, *rest;
	bool domain;

	nvmet_rpc_params_need(p, "traddr");
	text = nvmet_rpc_get_text(p, "traddr");
	if (!text)
		return -EINVAL;
	rest = hex_part(text, 4, 8, ':');
	domain = rest;
	rest = hex_part(domain ? rest : text, 2, 2, ':');
	rest = rest ? hex_part(rest, 2, 2, '.') : NULL;
	if (!rest || *rest < '0' || *rest > '7' || rest[1])
		return nvmet_rpc_set_error(
			p->err, NVMET_RPC_INVALID_PARAMS,
			"Invalid parameters: traddr: expected a PCI address like 0000:01:00.0");
	snprintf(bdf, CONFIG_BDF_SIZE, "%s%s", domain ? "" : "0000:", text);
	for (char *b = bdf; *b; b++)
		*b = (char)tolower((unsigned char)*b);
	return 0;
}
