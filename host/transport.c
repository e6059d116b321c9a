// SPDX-License-Identifier: BSD-2-Clause
/*
 * Transport strings, "trtype=tcp traddr=192.0.2.1 subnqn=nqn...": one table of keys with what each
 * may hold, and where it goes. Any thread; nothing is kept between calls. Entry points:
 * nvmh_transport_parse(), nvmh_transport_done(). Words are those of nvme-cli, of the kernel's
 * fabrics options and of SPDK's transport IDs, where they say the same thing.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "common/log.h"
#include "common/nqn.h"
#include "common/stream.h"
#include "host/ctrl.h"
#include "host/pci.h"

enum {
	MAX_TEXT = 4096,  /* bytes of a string */
	QUOTE = 100,	  /* of it in an error */
	MAX_NAME = 31,	  /* letters of a key, for looking for one like it */
	MAX_DISTANCE = 2, /* letters that differ in what is taken for a misspelling */
	TCP = 1 << 0,
	PCIE = 1 << 1,
	BOTH = TCP | PCIE,
	S = 1000,	     /* milliseconds */
	MAX_TMO_S = 4000000, /* a month and a half; fits 32 bits of milliseconds */
	MAX_COMMAND_MS = 600000,
};

#define MAX_TMO_MS INT64_C(4000000000) /* the same */

static const char separators[] = " \t\r\n,";

/* Where nvmh_transport.priv points: what the options point to. */
struct room {
	uint8_t hostid[UUID_BYTES];
	char bdf[16];
	char text[]; /* copy of the string, cut into words */
};

struct key;
typedef int set_fn(const struct key *key, const char *value, void *field, struct room *room);

struct key {
	const char *name;
	set_fn *set;
	uint16_t offset; /* within struct parsed; keys for the same field exclude each other */
	uint8_t size;	 /* of a number's field */
	uint8_t trtypes;
	int64_t min; /* numbers: as written; -1: for ever */
	int64_t max; /* texts: bytes */
	uint32_t unit;
};

/* ---- values ---- */

static int refuse(const struct key *key, const char *value, const char *why)
{
	char quoted[QUOTE];

	return nvmh_error(-EINVAL, "%s=%s: %s", key->name,
			  log_quote(quoted, sizeof(quoted), value, strlen(value)), why);
}

/* Decimal, nothing before or after it; "-1" where the key takes it. */
static int number(const char *text, int64_t *value)
{
	int64_t v = 0;

	if (!strcmp(text, "-1")) {
		*value = -1;
		return 0;
	}
	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, *text - '0', &v))
			return -EINVAL;
	}
	*value = v;
	return 0;
}

static void store(const struct key *key, void *field, uint32_t v)
{
	uint16_t v16 = (uint16_t)v;
	uint8_t v8 = (uint8_t)v;

	if (key->size == sizeof(v))
		memcpy(field, &v, sizeof(v));
	else if (key->size == sizeof(v16))
		memcpy(field, &v16, sizeof(v16));
	else
		memcpy(field, &v8, sizeof(v8));
}

static int set_number(const struct key *key, const char *value, void *field, struct room *room)
{
	char why[64];
	int64_t v;

	(void)room;
	if (number(value, &v) || v < key->min || v > key->max) {
		snprintf(why, sizeof(why), "not a number within %lld..%lld%s", (long long)key->min,
			 (long long)key->max, key->unit == S ? " (seconds)" : "");
		return refuse(key, value, why);
	}
	store(key, field, (uint32_t)v * key->unit);
	return 0;
}

/* A time limit: 0 of the string, nothing is waited for, is not 0 of the options, the default. */
static int set_limit(const struct key *key, const char *value, void *field, struct room *room)
{
	int ret = set_number(key, value, field, room);
	uint32_t ms;

	memcpy(&ms, field, sizeof(ms));
	if (!ret && !strcmp(value, "-1"))
		store(key, field, NVMH_NO_LIMIT);
	else if (!ret && !ms)
		store(key, field, 1);
	return ret;
}

static int set_hmb(const struct key *key, const char *value, void *field, struct room *room)
{
	int ret = set_number(key, value, field, room);
	uint32_t mib;

	memcpy(&mib, field, sizeof(mib));
	if (!ret && !mib)
		store(key, field, (uint32_t)NVMH_NO_HMB);
	return ret;
}

static int set_flag(const struct key *key, const char *value, void *field, struct room *room)
{
	static const char *const words[] = { "0",  "1",	  "false", "true", "n",	      "y",
					     "no", "yes", "off",   "on",   "disable", "enable" };
	size_t i;

	(void)room;
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcasecmp(value, words[i]))
			continue;
		*(bool *)field = i & 1;
		return 0;
	}
	return refuse(key, value, "neither 1 nor 0 (nor true, false, yes, no, on, off)");
}

static int set_text(const struct key *key, const char *value, void *field, struct room *room)
{
	char why[64];

	(void)room;
	if (strlen(value) > (size_t)key->max) {
		snprintf(why, sizeof(why), "longer than %u characters", (unsigned int)key->max);
		return refuse(key, value, why);
	}
	*(const char **)field = value;
	return 0;
}

static int set_trtype(const struct key *key, const char *value, void *field, struct room *room)
{
	(void)room;
	if (!strcasecmp(value, "tcp"))
		*(const char **)field = "tcp";
	else if (!strcasecmp(value, "pcie"))
		*(const char **)field = "pcie";
	else
		return refuse(key, value, "neither tcp nor pcie");
	return 0;
}

static int set_nqn(const struct key *key, const char *value, void *field, struct room *room)
{
	(void)room;
	if (!nqn_is_text(value, strlen(value)))
		return refuse(
			key, value,
			"not an NQN, like nqn.2014-08.org.example:name, of at most 223 bytes");
	*(const char **)field = value;
	return 0;
}

static int set_hostid(const struct key *key, const char *value, void *field, struct room *room)
{
	if (nguid_from_text(value, room->hostid))
		return refuse(key, value, "not a UUID, like 2dd1ad53-c6a4-4d5b-9f7c-d1d5e8d3f0a1");
	if (uuid_is_zero(room->hostid))
		return refuse(key, value, "a host ID may not be 0");
	*(const uint8_t **)field = room->hostid;
	return 0;
}

static int set_iface(const struct key *key, const char *value, void *field, struct room *room)
{
	if (strchr(value, '/'))
		return refuse(key, value, "not the name of a network interface");
	return set_text(key, value, field, room);
}

static int set_port(const struct key *key, const char *value, void *field, struct room *room)
{
	int64_t v;

	(void)room;
	if (number(value, &v) || v < 1 || v > UINT16_MAX)
		return refuse(key, value, "not a port number, 1..65535");
	*(const char **)field = value;
	return 0;
}

/* ---- keys ---- */

/* What a string says beyond what nvmh_transport holds. */
struct parsed {
	struct nvmh_transport tr;
	const char *adrfam;
};

#define OPT(member) \
	offsetof(struct parsed, tr.opts.member), sizeof(((struct nvmh_ctrl_opts *)0)->member)
#define TR(member) offsetof(struct parsed, tr.member), sizeof(((struct nvmh_transport *)0)->member)

static const struct key keys[] = {
	{ "trtype", set_trtype, OPT(trtype), BOTH, 0, 0, 0 },
	{ "adrfam", set_text, offsetof(struct parsed, adrfam), 0, BOTH, 0, QUOTE, 0 },
	{ "traddr", set_text, OPT(traddr), BOTH, 0, 255, 0 },
	{ "trsvcid", set_port, OPT(trsvcid), TCP, 0, 0, 0 },
	{ "subnqn", set_nqn, OPT(subnqn), TCP, 0, 0, 0 },
	{ "hostnqn", set_nqn, OPT(hostnqn), TCP, 0, 0, 0 },
	{ "hostid", set_hostid, OPT(hostid), TCP, 0, 0, 0 },
	{ "host_traddr", set_text, OPT(host_traddr), TCP, 0, 255, 0 },
	{ "host_iface", set_iface, OPT(host_iface), TCP, 0, 15, 0 },
	{ "nsid", set_number, TR(nsid), BOTH, 1, UINT32_MAX - 1, 1 },
	{ "nr_io_queues", set_number, OPT(nr_io_queues), BOTH, 1, MAX_IO_QUEUES, 1 },
	{ "queue_size", set_number, OPT(queue_size), BOTH, 2, MAX_QUEUE_ENTRIES, 1 },
	{ "keep_alive_tmo", set_number, OPT(kato_ms), TCP, 0, MAX_TMO_S, S },
	{ "kato_ms", set_number, OPT(kato_ms), TCP, 0, MAX_TMO_MS, 1 },
	{ "reconnect_delay", set_number, OPT(reconnect_delay_ms), TCP, 1, MAX_TMO_S, S },
	{ "reconnect_delay_ms", set_number, OPT(reconnect_delay_ms), TCP, 1, MAX_TMO_MS, 1 },
	{ "ctrl_loss_tmo", set_limit, OPT(ctrl_loss_ms), TCP, -1, MAX_TMO_S, S },
	{ "ctrl_loss_ms", set_limit, OPT(ctrl_loss_ms), TCP, -1, MAX_TMO_MS, 1 },
	{ "fast_io_fail_tmo", set_limit, TR(fast_io_fail_ms), TCP, -1, MAX_TMO_S, S },
	{ "fast_io_fail_ms", set_limit, TR(fast_io_fail_ms), TCP, -1, MAX_TMO_MS, 1 },
	{ "admin_timeout_ms", set_number, OPT(admin_timeout_ms), BOTH, 1, MAX_COMMAND_MS, 1 },
	{ "io_timeout_ms", set_number, OPT(io_timeout_ms), BOTH, 1, MAX_COMMAND_MS, 1 },
	{ "hdgst", set_flag, OPT(hdgst), TCP, 0, 0, 0 },
	{ "ddgst", set_flag, OPT(ddgst), TCP, 0, 0, 0 },
	{ "disable_sqflow", set_flag, OPT(disable_sqflow), TCP, 0, 0, 0 },
	{ "tos", set_number, OPT(tos), TCP, 0, UINT8_MAX, 1 },
	{ "tcp_congestion", set_text, OPT(tcp_congestion), TCP, 0, 15, 0 },
	{ "use_cmb", set_flag, OPT(use_cmb), PCIE, 0, 0, 0 },
	{ "hmb_mib", set_hmb, OPT(hmb_mib), PCIE, 0, 4096, 1 },
};

/* Other spellings; and what others know and we do not, with the reason. */
static const struct {
	const char *name;
	const char *key; /* or NULL */
	const char *why;
} aliases[] = {
	{ "transport", "trtype", NULL },
	{ "nqn", "subnqn", NULL },
	{ "hostaddr", "host_traddr", NULL },
	{ "ns", "nsid", NULL },
	{ "namespace_id", "nsid", NULL },
	{ "num_io_queues", "nr_io_queues", NULL },
	{ "io_queue_size", "queue_size", NULL },
	{ "keep_alive_timeout_ms", "kato_ms", NULL },
	{ "reconnect_delay_sec", "reconnect_delay", NULL },
	{ "ctrlr_loss_timeout_sec", "ctrl_loss_tmo", NULL },
	{ "fast_io_fail_timeout_sec", "fast_io_fail_tmo", NULL },
	{ "hdr_digest", "hdgst", NULL },
	{ "header_digest", "hdgst", NULL },
	{ "data_digest", "ddgst", NULL },
	{ "priority", NULL, "use tos=" },
	{ "hostsvcid", NULL, "the system chooses the port" },
	{ "nr_write_queues", NULL, "each queue takes any command; use nr_io_queues=" },
	{ "nr_poll_queues", NULL, "each queue can be polled; use nr_io_queues=" },
	{ "duplicate_connect", NULL, "each call connects anew in any case" },
	{ "tls", NULL, "there is no TLS yet" },
	{ "tls_key", NULL, "there is no TLS yet" },
	{ "keyring", NULL, "there is no TLS yet" },
	{ "psk", NULL, "there is no TLS yet" },
	{ "concat", NULL, "there is no TLS yet" },
	{ "dhchap_secret", NULL, "there is no authentication yet" },
	{ "dhchap_ctrl_secret", NULL, "there is no authentication yet" },
	{ "dhchap_key", NULL, "there is no authentication yet" },
	{ "dhchap_ctrlr_key", NULL, "there is no authentication yet" },
};

/* Case is no matter, and '-' is '_', as in options of nvme-cli. */
static char fold(char c)
{
	return c == '-' ? '_' : (char)tolower((unsigned char)c);
}

static bool same_name(const char *a, const char *b)
{
	while (*a && fold(*a) == fold(*b)) {
		a++;
		b++;
	}
	return fold(*a) == fold(*b);
}

static const struct key *find_key(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(aliases); i++) {
		if (aliases[i].key && same_name(name, aliases[i].name))
			name = aliases[i].key;
	}
	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		if (same_name(name, keys[i].name))
			return &keys[i];
	}
	return NULL;
}

/* How many letters must be changed, put in or left out; @a and @b: at most MAX_NAME letters. */
static uint32_t distance(const char *a, const char *b)
{
	uint32_t row[MAX_NAME + 1];
	uint32_t nr = (uint32_t)strlen(b);
	uint32_t i, diagonal, above;

	for (i = 0; i <= nr; i++)
		row[i] = i;
	for (; *a; a++) {
		diagonal = row[0]++;
		for (i = 1; i <= nr; i++) {
			above = row[i];
			row[i] = min_of(min_of(above, row[i - 1]) + 1,
					diagonal + (fold(*a) != fold(b[i - 1])));
			diagonal = above;
		}
	}
	return row[nr];
}

/* The key that @name may be meant for, by one of its spellings; or NULL. */
static const char *nearest(const char *name)
{
	uint32_t best = MAX_DISTANCE + 1;
	const char *found = NULL;
	const char *known;
	uint32_t d;
	size_t i;

	if (strlen(name) > MAX_NAME)
		return NULL;
	for (i = 0; i < ARRAY_SIZE(keys) + ARRAY_SIZE(aliases); i++) {
		known = i < ARRAY_SIZE(keys) ? keys[i].name : aliases[i - ARRAY_SIZE(keys)].name;
		d = distance(name, known);
		if (d >= best || 2 * d >= strlen(known) || !find_key(known))
			continue;
		best = d;
		found = find_key(known)->name;
	}
	return found;
}

static int unknown(const char *name)
{
	const char *near = nearest(name);
	char quoted[QUOTE];
	char all[360] = "";
	size_t len = 0;
	size_t i;

	log_quote(quoted, sizeof(quoted), name, strlen(name));
	for (i = 0; i < ARRAY_SIZE(aliases); i++) {
		if (!aliases[i].key && same_name(name, aliases[i].name))
			return nvmh_error(-EINVAL, "%s is not supported: %s", quoted,
					  aliases[i].why);
	}
	if (near)
		return nvmh_error(-EINVAL, "%s is not a key; did you mean %s=?", quoted, near);
	for (i = 0; i < ARRAY_SIZE(keys) && len < sizeof(all); i++)
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", i ? " " : "",
					keys[i].name);
	return nvmh_error(-EINVAL, "%s is not a key; the keys are: %s", quoted, all);
}

/* ---- words ---- */

/* @seen: for each key, the name it was given by. */
static int take_word(struct parsed *p, char *word, const char **seen)
{
	char *value = strpbrk(word, "=:");
	const struct key *key;
	char quoted[QUOTE];
	size_t i;

	if (value)
		*value++ = '\0';
	key = find_key(word);
	/* a key without a value is a flag that is set, as among the kernel's options */
	if (!value && (!key || key->set != set_flag))
		return nvmh_error(-EINVAL, "%s is not of the form key=value",
				  log_quote(quoted, sizeof(quoted), word, strlen(word)));
	if (!key)
		return unknown(word);
	if (value && !*value)
		return nvmh_error(-EINVAL, "%s= has no value", key->name);
	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!seen[i] || keys[i].offset != key->offset)
			continue;
		return nvmh_error(-EINVAL, "%s= is given twice%s%s", key->name,
				  strcmp(seen[i], key->name) ? ", before as " : "",
				  strcmp(seen[i], key->name) ? seen[i] : "");
	}
	seen[key - keys] = key->name;
	return key->set(key, value ? value : "1", (char *)p + key->offset, p->tr.priv);
}

/* ---- what only all words together tell ---- */

static int check_keys(const struct parsed *p, const char *const *seen)
{
	const char *trtype = p->tr.opts.trtype;
	uint8_t bit;
	size_t i;

	if (!trtype)
		return nvmh_error(-EINVAL, "trtype= is missing: tcp or pcie");
	if (!p->tr.opts.traddr)
		return nvmh_error(-EINVAL, "traddr= is missing: %s",
				  strcmp(trtype, "tcp") ? "a PCI address like 0000:01:00.0"
							: "an IPv4 or IPv6 address");
	bit = strcmp(trtype, "tcp") ? PCIE : TCP;
	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		if (seen[i] && !(keys[i].trtypes & bit))
			return nvmh_error(-EINVAL, "%s= is not for trtype=%s", keys[i].name,
					  trtype);
	}
	return 0;
}

static int check_pcie(struct parsed *p)
{
	struct room *room = p->tr.priv;
	const char *traddr = p->tr.opts.traddr;
	char text[sizeof(room->bdf)];
	char quoted[QUOTE];
	char *dot;

	if (p->adrfam && strcasecmp(p->adrfam, "pcie"))
		return nvmh_error(-EINVAL, "adrfam=%s: trtype=pcie has none",
				  log_quote(quoted, sizeof(quoted), p->adrfam, strlen(p->adrfam)));
	/* 0000.01.00.0 is for places where a colon would separate, like fio's file names */
	snprintf(text, sizeof(text), "%s", traddr);
	if (!strchr(text, ':')) {
		while ((dot = strchr(text, '.')) && strchr(dot + 1, '.'))
			*dot = ':';
	}
	if (strlen(traddr) >= sizeof(text) || nvmh_pci_parse(text, room->bdf))
		return nvmh_error(-EINVAL, "traddr=%s: not a PCI address like 0000:01:00.0",
				  log_quote(quoted, sizeof(quoted), traddr, strlen(traddr)));
	p->tr.opts.traddr = room->bdf;
	return 0;
}

static int check_address(const char *key, const char *traddr, int *family)
{
	struct sockaddr_storage ss;
	char quoted[QUOTE];
	socklen_t len;

	if (sock_addr(traddr, 0, &ss, &len))
		return nvmh_error(-EINVAL, "%s=%s: not an IPv4 or IPv6 address (%s)", key,
				  log_quote(quoted, sizeof(quoted), traddr, strlen(traddr)),
				  strchr(traddr, '%') ? "or there is no such interface"
						      : "names are not looked up");
	*family = ss.ss_family;
	return 0;
}

static int check_tcp(const struct parsed *p)
{
	const struct nvmh_ctrl_opts *opts = &p->tr.opts;
	int family, wanted, own;
	char quoted[QUOTE];
	int ret;

	ret = check_address("traddr", opts->traddr, &family);
	if (ret)
		return ret;
	if (p->adrfam) {
		wanted = !strcasecmp(p->adrfam, "ipv4")	  ? AF_INET
			 : !strcasecmp(p->adrfam, "ipv6") ? AF_INET6
							  : AF_UNSPEC;
		log_quote(quoted, sizeof(quoted), p->adrfam, strlen(p->adrfam));
		if (wanted == AF_UNSPEC)
			return nvmh_error(-EINVAL, "adrfam=%s: neither ipv4 nor ipv6", quoted);
		if (wanted != family)
			return nvmh_error(-EINVAL, "adrfam=%s: traddr=%s is of the other family",
					  quoted, opts->traddr);
	}
	if (!opts->host_traddr)
		return 0;
	ret = check_address("host_traddr", opts->host_traddr, &own);
	if (!ret && own != family)
		ret = nvmh_error(-EINVAL, "host_traddr=%s: traddr=%s is of the other family",
				 opts->host_traddr, opts->traddr);
	return ret;
}

static int parse(const char *text, size_t len, struct parsed *p)
{
	const char *seen[ARRAY_SIZE(keys)] = { NULL };
	struct room *room = calloc(1, sizeof(*room) + len + 1);
	char *word, *save = NULL;
	int ret = 0;

	if (!room)
		return nvmh_error(-ENOMEM, "out of memory");
	p->tr.priv = room;
	memcpy(room->text, text, len);
	for (word = strtok_r(room->text, separators, &save); word && !ret;
	     word = strtok_r(NULL, separators, &save))
		ret = take_word(p, word, seen);
	if (!ret)
		ret = check_keys(p, seen);
	if (!ret)
		ret = strcmp(p->tr.opts.trtype, "tcp") ? check_pcie(p) : check_tcp(p);
	return ret;
}

int nvmh_transport_parse(const char *text, struct nvmh_transport *tr)
{
	struct parsed p = { 0 };
	size_t len = strnlen(text, MAX_TEXT + 1);
	int ret;

	if (len > MAX_TEXT)
		return nvmh_error(-EINVAL, "a transport string of more than %d bytes", MAX_TEXT);
	ret = parse(text, len, &p);
	if (ret)
		nvmh_transport_done(&p.tr);
	else
		*tr = p.tr;
	return ret;
}

void nvmh_transport_done(struct nvmh_transport *tr)
{
	free(tr->priv);
	memset(tr, 0, sizeof(*tr));
}
