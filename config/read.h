/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside of config/: reading JSON values into structs by tables of fields.
 *
 * An object of the document is described by a table of struct config_field, which is also the list
 * of names that are known there. Every reader adds errors and goes on, leaving the member as it was
 * (its default), so that one pass finds everything.
 */
#ifndef CONFIG_READ_H
#define CONFIG_READ_H

#include <json-c/json.h>

#include "config/message.h"

struct config_field;

/* The state of one config_parse(). */
struct config_reader {
	struct config *cfg;
	struct config_errors *errs;
	struct config_path path; /* of the value that is being read */
	bool nomem;
	bool lost_subsystem; /* one has no valid NQN: references to it must not be called wrong */
	/* Per port in cfg->ports the NQNs it lists, until they are resolved; ends with NULL. */
	char ***port_subsystems;
};

/**
 * A reader takes the value of one member; the path is the member's. @val is never NULL (null and
 * blank strings are taken as absent by config_read_fields()).
 */
typedef void config_read_fn(struct config_reader *rd, struct json_object *val,
			    const struct config_field *field, void *obj);

struct config_choice {
	const char *name;
	int value;
};

struct config_field {
	const char *name;
	config_read_fn *read;
	size_t offset, size; /* of the member in the struct */
	uint64_t min, max;   /* numbers and sizes */
	uint64_t multiple;   /* numbers, sizes: of this; 0 = any */
	bool pow2;	     /* sizes: a power of two */
	bool required;
	const struct config_choice
		*choices; /* config_read_choice(): ends with a NULL name; values go to an int */
	const struct config_field
		*fields; /* config_read_group(): ends with a NULL name; fill the same struct */
};

#define CONFIG_FIELD(fname, reader, type, member, ...)                               \
	{                                                                            \
		.name = (fname), .read = (reader), .offset = offsetof(type, member), \
		.size = sizeof(((type *)0)->member), __VA_ARGS__                     \
	}

/*
 * Reads the members of object @val into @obj; names not in @fields are warned about. False: it is
 * no object.
 */
bool config_read_fields(struct config_reader *rd, struct json_object *val,
			const struct config_field *fields, void *obj);

/* Calls @fn for each element, with the path set to it. Returns early after an allocation failed. */
typedef void config_element_fn(struct config_reader *rd, struct json_object *val, uint32_t index,
			       void *ctx);
void config_read_list(struct config_reader *rd, struct json_object *val, uint32_t max,
		      config_element_fn *fn, void *ctx);

/*
 * Room for the elements of list @val, for use with config_read_list(); NULL if it is no list or too
 * long.
 */
void *config_alloc_list(struct config_reader *rd, struct json_object *val, uint32_t max,
			size_t size);

/* As config_error() and config_warn(), about the value that is being read. */
void config_read_error(struct config_reader *rd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void config_read_warn(struct config_reader *rd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* "expected @what, got ..." about the value that is being read. */
void config_read_expected(struct config_reader *rd, struct json_object *val, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Zeroed memory; NULL also sets rd->nomem. @nr 0 gives one element. */
void *config_alloc(struct config_reader *rd, size_t nr, size_t size);

/*
 * The text of a string or an integer, without blanks around it. @buf takes it with the NUL. False:
 * the value is of another type (*len is 0) or does not fit (*len is its length); no error is added.
 */
bool config_text(struct json_object *val, char *buf, size_t size, size_t *len);

/*
 * A number from a JSON integer or from a string in decimal or, with 0x, in hexadecimal. False: it
 * is neither.
 */
bool config_number(struct json_object *val, bool *negative, uint64_t *number);

/* Readers for tables. */
config_read_fn config_read_uint;	    /* size 1, 2, 4, 8 */
config_read_fn config_read_uint_or_default; /* -1 = leave the default */
config_read_fn config_read_size;	    /* uint32_t or uint64_t: bytes, or "64M" */
config_read_fn config_read_bool;
config_read_fn config_read_ascii;    /* char[]: printable ASCII */
config_read_fn config_read_choice;   /* an enum or int */
config_read_fn config_read_nqn;	     /* char[MAX_NQN_BYTES] */
config_read_fn config_read_host_nqn; /* char[MAX_NQN_BYTES] */
config_read_fn config_read_path;     /* char *: absolute, cleaned; owned by the struct */
config_read_fn config_read_group;    /* a nested object whose fields go into the same struct */
config_read_fn config_read_ignored;  /* known, but it means nothing here */

/* A list of NQNs: @name has room for one more than all, so that it ends with NULL. */
struct config_names {
	char **name;
	uint32_t nr;
};

/*
 * Checks and copies an NQN; adds an error otherwise. That of a @host may be any text, with a
 * warning: hosts that were named by somebody less strict must be let in, too.
 */
bool config_take_nqn(struct config_reader *rd, struct json_object *val, bool host,
		     char nqn[MAX_NQN_BYTES]);

/* For config_read_list(): @ctx is a struct config_names with room for all elements. */
config_element_fn config_take_name;
config_element_fn config_take_host_name;

/* Decodes @nr bytes of hex digits that '-' or ':' may separate. */
bool config_hex(const char *s, uint8_t *out, size_t nr);

/* The parts of the document: daemon.c, subsystem.c, port.c. */
config_read_fn config_read_daemon;
config_read_fn config_read_subsystems;
config_read_fn config_read_ports;

/* remote.c: a struct config_remote; then with the rest of its device; then with other objects */
config_read_fn config_read_remote;
void config_decide_remote(struct config_reader *rd, struct config_namespace *ns);
void config_check_remotes(struct config_reader *rd);

/* check.c: what concerns several objects. Also sorts namespaces and resolves port_subsystems. */
void config_check(struct config_reader *rd);

/*
 * Every table, by the name of its object in the schema; ends with a NULL name. For the test that
 * compares them.
 */
struct config_table {
	const char *name;
	const struct config_field *fields;
};
extern const struct config_table config_tables[];

extern const struct config_field config_daemon_fields[], config_subsystem_fields[],
	config_attr_fields[], config_namespace_fields[], config_device_fields[],
	config_ns_ana_fields[], config_resv_fields[], config_port_fields[], config_addr_fields[],
	config_param_fields[], config_ana_group_fields[], config_ana_state_fields[],
	config_referral_fields[], config_referral_addr_fields[];

#endif
