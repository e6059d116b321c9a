// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which sizes suit an NVMe namespace, for those that export it with the same blocks. Any thread. Entry
 * point: nvmet_ns_hints_of(). NVM Command Set Specification 1.x, "Identify Namespace data structure"
 * (NSFEAT.OPTPERF, NOIOB, NPWG, NPWA, NPDG, NPDA, NOWS).
 */
#include "common/util.h"
#include "host/nvmh.h"
#include "target/ns.h"

/* 0's based on the wire */
static uint32_t count_of(uint16_t field)
{
	return le16toh(field) + 1u;
}

struct nvmet_ns_hints nvmet_ns_hints_of(const struct nvmh_ns *dns, uint32_t max_xfer)
{
	struct nvmet_ns_hints hints = { .noiob = min_of(dns->noiob, (uint32_t)UINT16_MAX) };
	uint32_t max_blocks = max_xfer / dns->lba_size;

	if (!(dns->id.nsfeat & NVME_NS_FEAT_IO_OPT))
		return hints; /* the fields mean nothing */
	hints.npdg = count_of(dns->id.npdg);
	hints.npda = count_of(dns->id.npda);
	hints.npwg = count_of(dns->id.npwg);
	hints.npwa = count_of(dns->id.npwa);
	hints.nows = count_of(dns->id.nows);
	/* hosts take the granularity for the size of a physical block: what no command can write
	 * would only mislead them */
	if (hints.npwg > max_blocks || hints.npwa > max_blocks)
		hints.npwg = hints.npwa = 1;
	if (hints.nows % hints.npwg)
		hints.nows = hints.npwg;
	return hints;
}
