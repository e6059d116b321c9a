/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a drive says of itself, field by field, with nvme-cli's names: as JSON, and as text for
 * tables. Everything in it is the drive's: nothing is an index or a length before it is checked.
 */
#ifndef TARGET_DRIVE_SHOW_H
#define TARGET_DRIVE_SHOW_H

#include "common/nvme.h"

struct json_object;

enum nvmet_drive_form {
	NVMET_FIELD_DEC,   /* little-endian number of 1 to 16 bytes */
	NVMET_FIELD_HEX,   /* the same, "0x1b36" in tables */
	NVMET_FIELD_TEXT,  /* ASCII padded with blanks */
	NVMET_FIELD_BYTES, /* as they come, in hexadecimal */
	NVMET_FIELD_OUI,   /* 3 bytes, the last first */
};

struct nvmet_drive_field {
	const char *name;
	uint16_t off;
	uint16_t size;
	uint8_t form; /* enum nvmet_drive_form */
};

/* Tables, ended by a NULL name. */
extern const struct nvmet_drive_field nvmet_drive_id_ctrl_fields[];
extern const struct nvmet_drive_field nvmet_drive_id_ns_fields[];
extern const struct nvmet_drive_field nvmet_drive_smart_fields[];

/* nvmet_drive_ascii() - a text of @len bytes without the spaces at its end; what cannot be printed
 * becomes ? */
void nvmet_drive_ascii(const char *field, size_t len, char *text, size_t size);
/* nvmet_drive_field_text() - the field of the structure at @base as text; @size: 256 are enough */
const char *nvmet_drive_field_text(const struct nvmet_drive_field *field, const void *base,
				   char *text, size_t size);

struct json_object *nvmet_drive_json_id_ctrl(const struct nvme_id_ctrl *id);
struct json_object *nvmet_drive_json_id_ns(const struct nvme_id_ns *id);
struct json_object *nvmet_drive_json_smart(const struct nvme_smart_log *log);
/* nvmet_drive_nr_lbaf() - formats of @id that are there, 1..64 */
unsigned int nvmet_drive_nr_lbaf(const struct nvme_id_ns *id);
/* nvmet_drive_lbaf() - the one in use */
unsigned int nvmet_drive_lbaf(const struct nvme_id_ns *id);

#endif /* TARGET_DRIVE_SHOW_H */
