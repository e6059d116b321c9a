/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Controllers that do not do what the specification says, and what is done differently for them.
 * The words are those of the Linux driver.
 */
#ifndef HOST_QUIRKS_H
#define HOST_QUIRKS_H

#include <stdint.h>

enum nvmh_quirk {
	/* queues of two entries: more commands at once make it reset, and lose data */
	NVMH_QUIRK_QDEPTH_ONE = 1 << 0,
	/* only vector 0 interrupts: I/O queues are polled */
	NVMH_QUIRK_SINGLE_VECTOR = 1 << 1,
	/* CSTS must not be read for a while after CC.EN went to 0 */
	NVMH_QUIRK_DELAY_BEFORE_CHK_RDY = 1 << 2,
	/* has no Namespace Identification Descriptor list, or is upset by being asked */
	NVMH_QUIRK_NO_NS_DESC_LIST = 1 << 3,
	/* knows Identify with CNS 0 and 1 only */
	NVMH_QUIRK_IDENTIFY_CNS = 1 << 4,
	/* UUID, NGUID and EUI64 are not unique: taken for none */
	NVMH_QUIRK_BOGUS_NID = 1 << 5,
	/* its SUBNQN is missing, not unique, or not always the same */
	NVMH_QUIRK_IGNORE_DEV_SUBNQN = 1 << 6,
	/* Write Zeroes is offered, and broken */
	NVMH_QUIRK_DISABLE_WRITE_ZEROES = 1 << 7,
	/* deallocated blocks read as zeroes, although it does not say so */
	NVMH_QUIRK_DEALLOCATE_ZEROES = 1 << 8,
	/* slower for I/O across multiples of its largest transfer, although it does not say so */
	NVMH_QUIRK_STRIPE_SIZE = 1 << 9,
	/* submission queues of urgent priority, the value 0, starve it */
	NVMH_QUIRK_MEDIUM_PRIO_SQ = 1 << 10,
	/* submission queue entries of 128 bytes: refused */
	NVMH_QUIRK_128_BYTES_SQES = 1 << 11,
	/* PRP lists start at multiples of 512 bytes */
	NVMH_QUIRK_DMAPOOL_ALIGN_512 = 1 << 12,
	/* CAP.MQES reads 0 at times: queues of 64 entries work */
	NVMH_QUIRK_MQES_ZERO = 1 << 13,
	/* does not come back from its last power state: it is not offered, and as it may be entered
	 * by itself, that is switched off */
	NVMH_QUIRK_NO_DEEPEST_PS = 1 << 14,
	/* changing power states by itself makes it fail: switched off */
	NVMH_QUIRK_NO_APST = 1 << 15,
	/* loses messages of MSI: MSI-X or the pin */
	NVMH_QUIRK_BROKEN_MSI = 1 << 16,
};

enum {
	NVMH_QUIRK_DELAY_MS = 2300,   /* NVMH_QUIRK_DELAY_BEFORE_CHK_RDY */
	NVMH_QUIRK_MQES_ENTRIES = 64, /* NVMH_QUIRK_MQES_ZERO */
};

/* nvmh_quirks_find() - what is known about this PCI device: a set of enum nvmh_quirk */
uint32_t nvmh_quirks_find(uint16_t vendor, uint16_t device);
/*
 * nvmh_quirks_model() - what is known about drives with this model number or firmware revision, which
 * share their PCI ids with others
 * @vid: of Identify Controller, as @mn and @fr: texts without NUL, blanks behind.
 */
uint32_t nvmh_quirks_model(uint16_t vid, const char mn[40], const char fr[8]);

#endif /* HOST_QUIRKS_H */
