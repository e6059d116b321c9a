// SPDX-License-Identifier: BSD-2-Clause
/*
 * The tables of quirks: by PCI vendor and device, and by model number or firmware revision. Any
 * thread. Entry points: nvmh_quirks_find(), nvmh_quirks_model().
 *
 * What is known is what the Linux driver's tables know (drivers/nvme/host/pci.c and core.c). Left
 * out is what has no meaning here: temperature thresholds, which we do not set; suspending; 48
 * address bits, since the addresses that we give devices begin at the bottom; tags shared between
 * queues and ids without a generation, for the one controller whose queues are not of this kind
 * (128_BYTES_SQES); and the identifiers of QEMU's own model, 1b36:0010, which are the user's to
 * choose.
 */
#include "host/quirks.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "common/util.h"

#define QUIRK(name) NVMH_QUIRK_##name

static const struct {
	uint16_t vendor;
	uint16_t device;
	uint32_t quirks;
} table[] = {
	/* Solidigm P44 Pro */
	{ 0x025e, 0xf1ac, QUIRK(NO_DEEPEST_PS) },
	/* Apple, MacBook8,1 */
	{ 0x106b, 0x2001, QUIRK(SINGLE_VECTOR) | QUIRK(QDEPTH_ONE) },
	/* Apple T2 */
	{ 0x106b, 0x2005, QUIRK(SINGLE_VECTOR) | QUIRK(128_BYTES_SQES) | QUIRK(IDENTIFY_CNS) },
	/* ADATA SX6000LNP */
	{ 0x10ec, 0x5762, QUIRK(IGNORE_DEV_SUBNQN) | QUIRK(BOGUS_NID) },
	/* ADATA SX6000PNP */
	{ 0x10ec, 0x5763, QUIRK(BOGUS_NID) },
	/* TEAMGROUP MP33 */
	{ 0x10ec, 0x5765, QUIRK(BOGUS_NID) },
	/* O2 Micro, Steam Deck */
	{ 0x1217, 0x8760, QUIRK(DMAPOOL_ALIGN_512) },
	/* Silicon Motion */
	{ 0x126f, 0x1001, QUIRK(IGNORE_DEV_SUBNQN) | QUIRK(NO_DEEPEST_PS) | QUIRK(BOGUS_NID) },
	/* Silicon Motion SM2262 */
	{ 0x126f, 0x2262, QUIRK(BOGUS_NID) | QUIRK(NO_DEEPEST_PS) },
	/* Silicon Motion SM2263 */
	{ 0x126f, 0x2263, QUIRK(NO_NS_DESC_LIST) | QUIRK(BOGUS_NID) },
	/* Micron */
	{ 0x1344, 0x5407, QUIRK(IGNORE_DEV_SUBNQN) },
	/* Micron Nitro */
	{ 0x1344, 0x6001, QUIRK(BOGUS_NID) },
	/* Samsung SM953 */
	{ 0x144d, 0xa802, QUIRK(BOGUS_NID) },
	/* Samsung MZALQ256HBJD */
	{ 0x144d, 0xa809, QUIRK(DISABLE_WRITE_ZEROES) },
	/* Samsung PM9B1 */
	{ 0x144d, 0xa80b, QUIRK(DISABLE_WRITE_ZEROES) | QUIRK(BOGUS_NID) },
	/* Samsung PM1725 */
	{ 0x144d, 0xa821, QUIRK(DELAY_BEFORE_CHK_RDY) | QUIRK(MQES_ZERO) },
	/* Samsung PM1725a */
	{ 0x144d, 0xa822,
	  QUIRK(DELAY_BEFORE_CHK_RDY) | QUIRK(DISABLE_WRITE_ZEROES) | QUIRK(IGNORE_DEV_SUBNQN) |
		  QUIRK(MQES_ZERO) },
	/* SanDisk Skyhawk */
	{ 0x15b7, 0x2001, QUIRK(DISABLE_WRITE_ZEROES) },
	/* SanDisk SN530 */
	{ 0x15b7, 0x5008, QUIRK(BROKEN_MSI) },
	/* Phison E12 */
	{ 0x1987, 0x5012, QUIRK(BOGUS_NID) },
	/* Phison E16 */
	{ 0x1987, 0x5016, QUIRK(IGNORE_DEV_SUBNQN) | QUIRK(BOGUS_NID) },
	/* Phison E19 */
	{ 0x1987, 0x5019, QUIRK(DISABLE_WRITE_ZEROES) },
	/* Phison E21 */
	{ 0x1987, 0x5021, QUIRK(DISABLE_WRITE_ZEROES) },
	/* Lexar 256 GB */
	{ 0x1b4b, 0x1092, QUIRK(NO_NS_DESC_LIST) | QUIRK(IGNORE_DEV_SUBNQN) },
	/* Seagate Nytro */
	{ 0x1bb1, 0x0100, QUIRK(DELAY_BEFORE_CHK_RDY) | QUIRK(NO_NS_DESC_LIST) },
	/* HGST */
	{ 0x1c58, 0x0003, QUIRK(DELAY_BEFORE_CHK_RDY) },
	/* WDC SN200 */
	{ 0x1c58, 0x0023, QUIRK(DELAY_BEFORE_CHK_RDY) },
	/* SK hynix PC400 */
	{ 0x1c5c, 0x1504, QUIRK(DISABLE_WRITE_ZEROES) },
	/* SK hynix P31 */
	{ 0x1c5c, 0x174a, QUIRK(BOGUS_NID) },
	/* SK hynix BC901 */
	{ 0x1c5c, 0x1d59, QUIRK(DISABLE_WRITE_ZEROES) },
	/* Memblaze Pblaze4 */
	{ 0x1c5f, 0x0540, QUIRK(DELAY_BEFORE_CHK_RDY) },
	/* ADATA IM2P33F8ABR1 */
	{ 0x1cc1, 0x33f8, QUIRK(BOGUS_NID) },
	/* ADATA XPG GAMMIX S50 */
	{ 0x1cc1, 0x5350, QUIRK(BOGUS_NID) },
	/* ADATA SX8200PNP */
	{ 0x1cc1, 0x8201, QUIRK(IGNORE_DEV_SUBNQN) | QUIRK(NO_DEEPEST_PS) },
	/* UMIS 256 GB */
	{ 0x1cc4, 0x6302, QUIRK(DISABLE_WRITE_ZEROES) },
	/* UMIS 512 GB */
	{ 0x1cc4, 0x6303, QUIRK(DISABLE_WRITE_ZEROES) },
	/* Lexar NM620 */
	{ 0x1d97, 0x1d97, QUIRK(BOGUS_NID) },
	/* SPCC, Lexar NM610 */
	{ 0x1d97, 0x2263, QUIRK(DISABLE_WRITE_ZEROES) | QUIRK(BOGUS_NID) },
	/* Lexar NM760 */
	{ 0x1d97, 0x2269, QUIRK(BOGUS_NID) | QUIRK(IGNORE_DEV_SUBNQN) },
	/* Acer FA100 */
	{ 0x1dbe, 0x5216, QUIRK(BOGUS_NID) },
	/* ADATA XPG GAMMIX S70 */
	{ 0x1dbe, 0x5236, QUIRK(BOGUS_NID) },
	/* ZHITAI TiPro5000 */
	{ 0x1e49, 0x0021, QUIRK(NO_DEEPEST_PS) },
	/* ZHITAI TiPro7000 */
	{ 0x1e49, 0x0041, QUIRK(NO_DEEPEST_PS) },
	/* MAXIO MAP1001 */
	{ 0x1e4b, 0x1001, QUIRK(BOGUS_NID) },
	/* MAXIO MAP1002 */
	{ 0x1e4b, 0x1002, QUIRK(BOGUS_NID) },
	/* MAXIO MAP1202 */
	{ 0x1e4b, 0x1202, QUIRK(BOGUS_NID) },
	/* MAXIO MAP1602 */
	{ 0x1e4b, 0x1602, QUIRK(BOGUS_NID) },
	/* Netac NV3000 */
	{ 0x1f40, 0x1202, QUIRK(BOGUS_NID) },
	/* Netac NV7000 */
	{ 0x1f40, 0x5236, QUIRK(BOGUS_NID) },
	/* Kingston SKC2000 */
	{ 0x2646, 0x2262, QUIRK(NO_DEEPEST_PS) },
	/* Kingston A2000 */
	{ 0x2646, 0x2263, QUIRK(NO_DEEPEST_PS) },
	/* Kingston OM3PGP4 */
	{ 0x2646, 0x5016, QUIRK(DISABLE_WRITE_ZEROES) },
	/* Kingston OM8SFP4 */
	{ 0x2646, 0x5018, QUIRK(DISABLE_WRITE_ZEROES) },
	/* Kingston OM8PGP4xxxxP */
	{ 0x2646, 0x501a, QUIRK(DISABLE_WRITE_ZEROES) },
	/* Kingston OM8PGP4xxxxQ */
	{ 0x2646, 0x501b, QUIRK(DISABLE_WRITE_ZEROES) },
	/* Kingston OM3PGP4xxxxQ */
	{ 0x2646, 0x501e, QUIRK(DISABLE_WRITE_ZEROES) },
	/* Kingston OM3SGP4 */
	{ 0x2646, 0x502f, QUIRK(DISABLE_WRITE_ZEROES) },
	/* Intel 750, P3500, P3600, P3700 */
	{ 0x8086, 0x0953, QUIRK(STRIPE_SIZE) | QUIRK(DEALLOCATE_ZEROES) },
	/* Intel P3520 */
	{ 0x8086, 0x0a53, QUIRK(STRIPE_SIZE) | QUIRK(DEALLOCATE_ZEROES) },
	/* Intel P4500, P4600 */
	{ 0x8086, 0x0a54, QUIRK(STRIPE_SIZE) | QUIRK(IGNORE_DEV_SUBNQN) | QUIRK(BOGUS_NID) },
	/* Dell Express Flash P4600 */
	{ 0x8086, 0x0a55, QUIRK(STRIPE_SIZE) },
	/* QEMU of old */
	{ 0x8086, 0x5845, QUIRK(IDENTIFY_CNS) | QUIRK(DISABLE_WRITE_ZEROES) | QUIRK(BOGUS_NID) },
	/* Intel 600P, P3100 */
	{ 0x8086, 0xf1a5,
	  QUIRK(MEDIUM_PRIO_SQ) | QUIRK(DISABLE_WRITE_ZEROES) | QUIRK(NO_DEEPEST_PS) },
	/* Intel 760p, Pro 7600p */
	{ 0x8086, 0xf1a6, QUIRK(IGNORE_DEV_SUBNQN) },
	/* Crucial P2 */
	{ 0xc0a9, 0x540a, QUIRK(BOGUS_NID) },
};

uint32_t nvmh_quirks_find(uint16_t vendor, uint16_t device)
{
	uint32_t quirks = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		if (table[i].vendor == vendor && table[i].device == device)
			quirks |= table[i].quirks;
	}
	return quirks;
}

/* By what they say of themselves, NULL: anything. */
static const struct {
	uint16_t vid;
	const char *mn;
	const char *fr;
	uint32_t quirks;
} models[] = {
	/* Toshiba, in laptops */
	{ 0x1179, "THNSF5256GPUK TOSHIBA", NULL, QUIRK(NO_APST) },
	/* Samsung X5, external, with the PCI ids of the 970 Evo Plus */
	{ 0x144d, "Samsung Portable SSD X5", NULL,
	  QUIRK(DELAY_BEFORE_CHK_RDY) | QUIRK(NO_DEEPEST_PS) | QUIRK(IGNORE_DEV_SUBNQN) },
	/* Kioxia CD6-V, HPE PE8030 */
	{ 0x1e0f, "KCD6XVUL6T40", NULL, QUIRK(NO_APST) },
};

/* Whether @field of @size bytes is @text, with blanks behind. */
static bool is_text(const char *field, size_t size, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (!text)
		return true;
	if (len > size || memcmp(field, text, len))
		return false;
	for (; len < size; len++)
		if (field[len] != ' ' && field[len])
			return false;
	return true;
}

uint32_t nvmh_quirks_model(uint16_t vid, const char mn[40], const char fr[8])
{
	uint32_t quirks = 0;

	for (size_t i = 0; i < ARRAY_SIZE(models); i++)
		if (models[i].vid == vid && is_text(mn, 40, models[i].mn) &&
		    is_text(fr, 8, models[i].fr))
			quirks |= models[i].quirks;
	return quirks;
}
