// SPDX-License-Identifier: BSD-2-Clause
/*
 * The list "ports": addresses to listen at, the subsystems behind them, ANA states, referrals.
 *
 * Context: any one thread. Entry point: config_read_ports(). Ports of other transports than TCP are
 * left out with a warning: a kernel target's file may hold several.
 * Spec: NVMe Base 2.x, discovery log page entry (TRTYPE, ADRFAM, TREQ, TRADDR, TRSVCID),
 * NVMe/TCP 3 (TSAS).
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "config/read.h"

#define DEFAULT_TRSVCID 4420

enum { TREQ_REQUIRED = 1 }; /* beside enum config_treq */
enum { TSAS_NONE, TSAS_TLS13 };

static const struct config_choice trtype_choices[] = {
	{ "tcp", true },   { "rdma", false }, { "fc", false },
	{ "loop", false }, { "pci", false },  { NULL, 0 },
};

static const struct config_choice adrfam_choices[] = {
	{ "ipv4", AF_INET },
	{ "ipv6", AF_INET6 },
	{ NULL, 0 },
};

static const struct config_choice treq_choices[] = {
	{ "not specified", CONFIG_TREQ_NOT_SPECIFIED },
	{ "not required", CONFIG_TREQ_NOT_REQUIRED },
	{ "required", TREQ_REQUIRED },
	{ NULL, 0 },
};

static const struct config_choice tsas_choices[] = {
	{ "none", TSAS_NONE },
	{ "tls1.3", TSAS_TLS13 },
	{ NULL, 0 },
};

static const struct config_choice ana_choices[] = {
	{ "optimized", CONFIG_ANA_OPTIMIZED },
	{ "non-optimized", CONFIG_ANA_NON_OPTIMIZED },
	{ "inaccessible", CONFIG_ANA_INACCESSIBLE },
	{ "persistent-loss", CONFIG_ANA_PERSISTENT_LOSS },
	{ "change", CONFIG_ANA_CHANGE },
	{ NULL, 0 },
};

/* An address while it is read. */
struct addr_draft {
	int trtype, adrfam, treq, tsas;
	uint16_t trsvcid, portid;
	char traddr[CONFIG_ADDR_SIZE];
};

#define FIELD(name, reader, member, ...) \
	CONFIG_FIELD(name, reader, struct addr_draft, member, __VA_ARGS__)
#define ADDR_FIELDS                                                                     \
	FIELD("trtype", config_read_choice, trtype, .choices = trtype_choices),         \
		FIELD("adrfam", config_read_choice, adrfam, .choices = adrfam_choices), \
		FIELD("traddr", config_read_ascii, traddr, .required = true),           \
		FIELD("treq", config_read_choice, treq, .choices = treq_choices),       \
		FIELD("tsas", config_read_choice, tsas, .choices = tsas_choices)

const struct config_field config_addr_fields[] = {
	ADDR_FIELDS,
	FIELD("trsvcid", config_read_uint, trsvcid, .min = 0, .max = 0xffff),
	{ .name = NULL },
};

const struct config_field config_referral_addr_fields[] = {
	ADDR_FIELDS,
	FIELD("trsvcid", config_read_uint, trsvcid, .min = 1, .max = 0xffff),
	FIELD("portid", config_read_uint, portid, .min = 0, .max = 0xffff),
	{ .name = NULL },
};
#undef FIELD

/* "%eth0" after a link-local address */
static bool is_scope(const char *s)
{
	size_t i;

	for (i = 0; s[i]; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("._-", s[i]))
			return false;
	return i > 0 && i < 16;
}

/*
 * Checks a literal address and brings it into the one form that inet_ntop() writes. Return: AF_*,
 * or 0.
 */
static int parse_traddr(const char *text, char traddr[CONFIG_ADDR_SIZE])
{
	char plain[CONFIG_ADDR_SIZE];
	const char *scope = strchr(text, '%');
	size_t len = scope ? (size_t)(scope - text) : strlen(text);
	struct in6_addr in6;
	struct in_addr in;
	size_t at;

	memcpy(plain, text, len);
	plain[len] = '\0';
	if (!scope && inet_pton(AF_INET, plain, &in) == 1) {
		inet_ntop(AF_INET, &in, traddr, CONFIG_ADDR_SIZE);
		return AF_INET;
	}
	if (inet_pton(AF_INET6, plain, &in6) != 1)
		return 0;
	if (scope && (!IN6_IS_ADDR_LINKLOCAL(&in6) || !is_scope(scope + 1)))
		return 0;
	inet_ntop(AF_INET6, &in6, traddr, CONFIG_ADDR_SIZE);
	at = strlen(traddr);
	snprintf(traddr + at, CONFIG_ADDR_SIZE - at, "%s", scope ? scope : "");
	return AF_INET6;
}

static void error_at(struct config_reader *rd, const char *member, const char *what,
		     const char *got)
{
	size_t before = config_path_member(&rd->path, member, strlen(member));
	char quoted[80];

	if (got)
		config_read_error(rd, "expected %s, got %s", what,
				  config_quote(quoted, sizeof(quoted), got, strlen(got)));
	else
		config_read_error(rd, "%s", what);
	config_path_cut(&rd->path, before);
}

static void take_addr(struct config_reader *rd, const struct addr_draft *draft,
		      struct config_addr *addr)
{
	int family = parse_traddr(draft->traddr, addr->traddr);

	addr->ipv6 = family == AF_INET6;
	addr->trsvcid = draft->trsvcid;
	addr->treq = (enum config_treq)draft->treq;
	if (!family)
		error_at(rd, "traddr",
			 "an IPv4 or IPv6 address like \"192.0.2.1\" or \"::\" (not a name)",
			 draft->traddr);
	else if (draft->adrfam && draft->adrfam != family)
		error_at(rd, "traddr",
			 draft->adrfam == AF_INET ? "an IPv4 address, as adrfam says"
						  : "an IPv6 address, as adrfam says",
			 draft->traddr);
}

static void read_addr(struct config_reader *rd, struct json_object *val,
		      const struct config_field *field, void *obj)
{
	struct addr_draft draft = { .trtype = true, .trsvcid = DEFAULT_TRSVCID };
	uint32_t before = rd->errs->nr_errors;

	config_read_fields(rd, val, field->fields, &draft);
	if (draft.tsas == TSAS_TLS13)
		error_at(
			rd, "tsas",
			"TLS is not available in this version; to serve without it, write \"none\"",
			NULL);
	else if (draft.treq == TREQ_REQUIRED)
		error_at(rd, "treq",
			 "a secure channel (TLS) is not available in this version; to serve "
			 "without it, write \"not specified\"",
			 NULL);
	if (before == rd->errs->nr_errors)
		take_addr(rd, &draft, (struct config_addr *)((char *)obj + field->offset));
}

/* As read_addr(); the kernel keeps the referred port's id among the parts of the address. */
static void read_referral_addr(struct config_reader *rd, struct json_object *val,
			       const struct config_field *field, void *obj)
{
	struct config_referral *referral = obj;
	struct json_object *portid;
	bool negative;
	uint64_t number;

	read_addr(rd, val, field, obj);
	if (json_object_object_get_ex(val, "portid", &portid) &&
	    config_number(portid, &negative, &number))
		referral->portid = (uint16_t)number;
}

/*
 * Whether an element of ports or referrals is for TCP; "" and no trtype are. Another transport is
 * warned about.
 */
static bool is_tcp(struct config_reader *rd, struct json_object *val, const char *what)
{
	const struct config_choice *choice;
	struct json_object *addr, *trtype;
	char text[CONFIG_NAME_SIZE];
	size_t len;

	if (!json_object_object_get_ex(val, "addr", &addr) ||
	    !json_object_object_get_ex(addr, "trtype", &trtype) ||
	    !config_text(trtype, text, sizeof(text), &len))
		return true;
	for (choice = trtype_choices; choice->name; choice++) {
		if (strcasecmp(choice->name, text) != 0 || choice->value)
			continue;
		config_read_warn(rd,
				 "%s skipped: transport \"%s\" is not served here, only \"tcp\"",
				 what, choice->name);
		return false;
	}
	return true;
}

#define FIELD(name, reader, member, ...) \
	CONFIG_FIELD(name, reader, struct config_referral, member, __VA_ARGS__)

const struct config_field config_referral_fields[] = {
	FIELD("name", config_read_ascii, name),
	FIELD("enable", config_read_bool, enable),
	FIELD("addr", read_referral_addr, addr, .fields = config_referral_addr_fields,
	      .required = true),
	{ .name = NULL },
};
#undef FIELD

static void read_referral(struct config_reader *rd, struct json_object *val, uint32_t index,
			  void *ctx)
{
	struct config_port *port = ctx;
	struct config_referral *referral = &port->referrals[port->nr_referrals];

	if (!is_tcp(rd, val, "referral"))
		return;
	referral->index = index;
	referral->enable = true;
	port->nr_referrals++;
	config_read_fields(rd, val, config_referral_fields, referral);
}

static void read_referrals(struct config_reader *rd, struct json_object *val,
			   const struct config_field *field, void *obj)
{
	struct config_port *port = obj;

	(void)field;
	port->referrals =
		config_alloc_list(rd, val, CONFIG_MAX_REFERRALS, sizeof(*port->referrals));
	config_read_list(rd, val, CONFIG_MAX_REFERRALS, read_referral, port);
}

/* While a group is read, its state is an int, as config_read_choice() wants it. */
struct group_draft {
	uint16_t grpid;
	int state;
};

const struct config_field config_ana_state_fields[] = {
	CONFIG_FIELD("state", config_read_choice, struct group_draft, state, .choices = ana_choices,
		     .required = true),
	{ .name = NULL },
};

const struct config_field config_ana_group_fields[] = {
	CONFIG_FIELD("grpid", config_read_uint, struct group_draft, grpid, .min = 1,
		     .max = CONFIG_MAX_ANA_GROUPS, .required = true),
	CONFIG_FIELD("ana", config_read_group, struct group_draft, state,
		     .fields = config_ana_state_fields),
	{ .name = NULL },
};

/* Inserts in the order of grpid; the list is short. */
static void insert_group(struct config_port *port, uint16_t grpid, enum config_ana_state state)
{
	uint32_t at = port->nr_ana_groups++;

	for (; at && port->ana_groups[at - 1].grpid > grpid; at--)
		port->ana_groups[at] = port->ana_groups[at - 1];
	port->ana_groups[at].grpid = grpid;
	port->ana_groups[at].state = state;
}

static void read_ana_group(struct config_reader *rd, struct json_object *val, uint32_t index,
			   void *ctx)
{
	struct config_port *port = ctx;
	struct group_draft draft = { 0 };
	uint32_t i;

	(void)index;
	if (!config_read_fields(rd, val, config_ana_group_fields, &draft) || !draft.grpid)
		return;
	for (i = 0; i < port->nr_ana_groups; i++) {
		if (port->ana_groups[i].grpid == draft.grpid) {
			config_read_error(rd, "group %u is listed twice", draft.grpid);
			return;
		}
	}
	if (!draft.state) /* as in the kernel */
		draft.state = draft.grpid == 1 ? CONFIG_ANA_OPTIMIZED : CONFIG_ANA_INACCESSIBLE;
	insert_group(port, draft.grpid, (enum config_ana_state)draft.state);
}

static void read_ana_groups(struct config_reader *rd, struct json_object *val,
			    const struct config_field *field, void *obj)
{
	struct config_port *port = obj;

	(void)field;
	port->ana_groups =
		config_alloc_list(rd, val, CONFIG_MAX_ANA_GROUPS, sizeof(*port->ana_groups));
	config_read_list(rd, val, CONFIG_MAX_ANA_GROUPS, read_ana_group, port);
}

/* The NQNs wait in rd->port_subsystems, because they are resolved when all subsystems are known. */
static void read_port_subsystems(struct config_reader *rd, struct json_object *val,
				 const struct config_field *field, void *obj)
{
	struct config_port *port = obj;
	struct config_names names = { 0 };

	(void)field;
	names.name = config_alloc_list(rd, val, MAX_SUBSYSTEMS, sizeof(*names.name));
	config_read_list(rd, val, MAX_SUBSYSTEMS, config_take_name, &names);
	rd->port_subsystems[port - rd->cfg->ports] = names.name;
}

/* The name of a congestion control is one that a kernel module may have: "bbr", "dctcp". */
static void read_congestion(struct config_reader *rd, struct json_object *val,
			    const struct config_field *field, void *obj)
{
	char *name = (char *)obj + field->offset;
	char text[CONFIG_TCP_CA_SIZE];
	size_t len, i;

	if (!json_object_is_type(val, json_type_string) ||
	    !config_text(val, text, sizeof(text), &len))
		len = 0;
	for (i = 0; i < len && (isalnum((unsigned char)text[i]) || strchr("_-", text[i])); i++)
		;
	if (!len || i < len)
		config_read_expected(rd, val,
				     "the name of a TCP congestion control like \"cubic\"");
	else
		memcpy(name, text, len + 1);
}

#define FIELD(name, reader, member, ...) \
	CONFIG_FIELD(name, reader, struct config_port, member, __VA_ARGS__)

const struct config_field config_param_fields[] = {
	FIELD("inline_data_size", config_read_uint_or_default, in_capsule_bytes,
	      .max = MAX_ICD_BYTES, .multiple = 16),
	FIELD("max_queue_size", config_read_uint_or_default, max_queue_depth, .min = 2,
	      .max = MAX_QUEUE_ENTRIES),
	FIELD("tcp_congestion", read_congestion, tcp_congestion),
	FIELD("pi_enable", config_read_ignored, portid),
	{ .name = NULL },
};

const struct config_field config_port_fields[] = {
	FIELD("portid", config_read_uint, portid, .min = 0, .max = 0xffff, .required = true),
	FIELD("addr", read_addr, addr, .fields = config_addr_fields, .required = true),
	FIELD("param", config_read_group, portid, .fields = config_param_fields),
	FIELD("subsystems", read_port_subsystems, subsystems),
	FIELD("ana_groups", read_ana_groups, ana_groups),
	FIELD("referrals", read_referrals, referrals),
	{ .name = NULL },
};
#undef FIELD

static void read_port(struct config_reader *rd, struct json_object *val, uint32_t index, void *ctx)
{
	struct config *cfg = ctx;
	struct config_port *port = &cfg->ports[cfg->nr_ports];

	if (!is_tcp(rd, val, "port"))
		return;
	port->index = index;
	port->in_capsule_bytes = cfg->daemon.in_capsule_bytes;
	port->max_queue_depth = cfg->daemon.io_queue_depth;
	cfg->nr_ports++;
	config_read_fields(rd, val, config_port_fields, port);
	if (!port->ana_groups)
		port->ana_groups = config_alloc(rd, 1, sizeof(*port->ana_groups));
	if (port->ana_groups && (!port->nr_ana_groups || port->ana_groups[0].grpid != 1))
		insert_group(port, 1, CONFIG_ANA_OPTIMIZED);
}

void config_read_ports(struct config_reader *rd, struct json_object *val,
		       const struct config_field *field, void *obj)
{
	struct config *cfg = obj;

	(void)field;
	cfg->ports = config_alloc_list(rd, val, MAX_PORTS, sizeof(*cfg->ports));
	rd->port_subsystems = config_alloc_list(rd, val, MAX_PORTS, sizeof(*rd->port_subsystems));
	if (!rd->nomem)
		config_read_list(rd, val, MAX_PORTS, read_port, cfg);
}
