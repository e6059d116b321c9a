/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Texts that are wrong, by the part of the document that is: the path and a piece of the message
 * they must give.
 */
#ifndef TESTS_UNIT_CONFIG_BROKEN_CASES_H
#define TESTS_UNIT_CONFIG_BROKEN_CASES_H

#include <stdint.h>

#define NQN	  "nqn.2026-01.org.example:disk"
#define NQN2	  "nqn.2026-01.org.example:disk2"
#define LONG_NQN  "nqn.2026-01.org.example:" A100 A100

#define A10	  "aaaaaaaaaa"
#define A100	  A10 A10 A10 A10 A10 A10 A10 A10 A10 A10

/* Texts around the part that is wrong. */
#define DAEMON(x) "{\"nvmetcpd\":{" x "}}"
#define SUBSYS(x) "{\"subsystems\":[{\"nqn\":\"" NQN "\"," x "}]}"
#define ATTR(x)	  SUBSYS("\"attr\":{" x "}")
#define NS(x)	  SUBSYS("\"namespaces\":[{" x "}]")
#define DEVICE(x) NS("\"nsid\":1,\"device\":{" x "}")
#define TWO_NS(x, y) \
	SUBSYS("\"namespaces\":[{\"nsid\":1,\"device\":{" x "}},{\"nsid\":2,\"device\":{" y "}}]")
#define PORT(x) "{\"ports\":[{\"portid\":1,\"addr\":{\"traddr\":\"::1\"}," x "}]}"
#define ADDR(x) "{\"ports\":[{\"portid\":1,\"addr\":{" x "}}]}"
#define TWO_PORTS(x, y) \
	"{\"ports\":[{\"portid\":1,\"addr\":{" x "}},{\"portid\":2,\"addr\":{" y "}}]}"

#define REMOTE(x) "\"remote\":\"trtype=tcp traddr=127.0.0.1 " x "\""
#define LOOP(addr, x)                                                                          \
	"{\"ports\":[{\"portid\":1,\"addr\":{\"traddr\":\"" addr "\"},\"subsystems\":[\"" NQN  \
	"\"]}],\"subsystems\":[{\"nqn\":\"" NQN                                                \
	"\",\"namespaces\":[{\"nsid\":1,\"device\":{\"remote\":\"trtype=tcp subnqn=" NQN " " x \
	"\"}}]}]}"

#define D "subsystems[0].namespaces[0].device"
#define N "subsystems[0].namespaces[0]"

struct broken {
	const char *text, *path, *says;
	uint32_t line; /* 0: 1 where there is a path */
};

static const struct broken syntax[] = {
	{ "", "", "is empty", 0 },
	{ " \n// nothing\n/* here */", "", "is empty", 0 },
	{ "[]", "", "expected an object", 0 },
	{ "12", "", "expected an object", 0 },
	{ "{", "", "ends before the document does", 1 },
	{ "{}\n\n}", "", "text follows after the end", 3 },
	{ "{}{}", "", "text follows after the end", 1 },
	{ "{\n\"a\":[1,\n]}", "", "',' stands before ']'", 3 },
	{ "{\"a\":1, // last\n}", "", "',' stands before '}'", 2 },
	{ "{'a':1}", "", "not with '", 1 },
	{ "{\n# comment\n}", "", "'#' starts no comment", 2 },
	{ "{}\n/* open\n", "", "comment that starts with /*", 2 },
	{ "{} /*/", "", "comment that starts with /*", 1 },
	{ "{\"a\":\"b\n\"}", "", "no closing", 1 },
	{ "{\"a\":\"b", "", "no closing", 1 },
	{ "{\"a\":\"b\\", "", "no closing", 1 },
	{ "{\"a\":\"\x01\"}", "", "control character", 1 },
	{ "{\n\"a\" 1}", "", "not JSON", 2 },
	{ "{\"a\":nope}", "", "text in quotes, got \"nope\"", 1 },
	{ "{\"a\":True}", "", "text in quotes, got \"True\"", 1 },
	{ "{\"a\":NaN}", "", "text in quotes, got \"NaN\"", 1 },
	{ "{\"a\":\"\xff\"}", "", "not JSON", 1 },
	{ "{\"a\":\"\\x\"}", "", "not JSON", 1 },
	{ "{a:1}", "", "text in quotes, got \"a\"", 1 },
	{ "{\"a\":-Infinity}", "", "text in quotes, got \"Infinity\"", 1 },
	{ "{\"a\":01}", "", "not JSON", 1 },
	{ "{\"a\":.5}", "", "not JSON", 1 },
	{ "{\"a\":+5}", "", "not JSON", 1 },
	{ "{\"a\":1 e5}", "", "not JSON", 1 },
	{ "{\"a\":-}", "", "not JSON", 1 },
	{ "{\"a\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}", "", "nested deeper", 1 },
	{ "{\"a\":1,\n\"b\":{},\n\"a\":2}", "a", "given twice, first in line 1", 3 },
	{ "{\"ports\":[],\n\"\\u0070orts\":[]}", "ports", "given twice, first in line 1", 2 },
	{ "{\"a\":[{\"b\":1,\"b\":{\"c\":1,\"c\":2}}]}", "a[0].b.c", "given twice", 0 },
};

static const struct broken daemon_cases[] = {
	{ "{\"nvmetcpd\":[]}", "nvmetcpd", "expected an object { }, got a list [ ]", 0 },
	{ DAEMON("\"cores\":0"), "nvmetcpd.cores", "from 1 to 64, got 0", 0 },
	{ DAEMON("\"cores\":65"), "nvmetcpd.cores", "from 1 to 64, got 65", 0 },
	{ DAEMON("\"cores\":\"4\""), "nvmetcpd.cores", "a number of cores like 4", 0 },
	{ DAEMON("\"cores\":\"3-1\""), "nvmetcpd.cores", "a number of cores like 4", 0 },
	{ DAEMON("\"cores\":\"0-1024\""), "nvmetcpd.cores", "a number of cores like 4", 0 },
	{ DAEMON("\"cores\":\"0-99\""), "nvmetcpd.cores", "expected 1 to 64 CPUs, got 100", 0 },
	{ DAEMON("\"cores\":\"1,,2\""), "nvmetcpd.cores", "a number of cores like 4", 0 },
	{ DAEMON("\"cores\":[]"), "nvmetcpd.cores", "got 0", 0 },
	{ DAEMON("\"cores\":[1,\"2\"]"), "nvmetcpd.cores[1]", "a CPU number", 0 },
	{ DAEMON("\"cores\":[1,1]"), "nvmetcpd.cores[1]", "CPU 1 is listed twice", 0 },
	{ DAEMON("\"memory\":\"5M\""), "nvmetcpd.memory", "a multiple of 2M, got \"5M\"", 0 },
	{ DAEMON("\"memory\":\"1M\""), "nvmetcpd.memory", "from 4M to 64G", 0 },
	{ DAEMON("\"memory\":\"99999999999999999999\""), "nvmetcpd.memory", "like \"1G\"", 0 },
	{ DAEMON("\"memory\":\"17179869184G\""), "nvmetcpd.memory", "like \"1G\"", 0 },
	{ DAEMON("\"memory\":-4194304"), "nvmetcpd.memory", "from 4M to 64G", 0 },
	{ DAEMON("\"hugepages\":true"), "nvmetcpd.hugepages",
	  "\"auto\", \"on\" or \"off\", got true", 0 },
	{ DAEMON("\"log_level\":\"loud\""), "nvmetcpd.log_level", "\"error\", \"warn\"", 0 },
	{ DAEMON("\"spin_us\":1.5"), "nvmetcpd.spin_us", "from 0 to 1000000, got 1.5", 0 },
	{ DAEMON("\"drive_timeout\":0"), "nvmetcpd.drive_timeout", "from 1 to 600, got 0", 0 },
	{ DAEMON("\"drive_timeout\":601"), "nvmetcpd.drive_timeout", "got 601", 0 },
	{ DAEMON("\"spin_us\":-1"), "nvmetcpd.spin_us", "got -1", 0 },
	{ DAEMON("\"balance\":2"), "nvmetcpd.balance", "true or false, got 2", 0 },
	{ DAEMON("\"state_dir\":\"var/lib\""), "nvmetcpd.state_dir", "an absolute path", 0 },
	{ DAEMON("\"rpc_socket\":\"nvmetcpd.sock\""), "nvmetcpd.rpc_socket", "an absolute path",
	  0 },
	{ DAEMON("\"rpc_socket\":\"/0123456789012345678901234567890123456789012345678901234567890123456"
		 "789012345678901234567890123456789\""),
	  "nvmetcpd.rpc_socket", "at most 100 bytes", 0 },
	{ DAEMON("\"max_io_size\":\"96K\""), "nvmetcpd.max_io_size", "a power of two from 4K to 1M",
	  0 },
	{ DAEMON("\"in_capsule_data_size\":100"), "nvmetcpd.in_capsule_data_size", "multiple of 16",
	  0 },
	{ DAEMON("\"io_queue_depth\":1"), "nvmetcpd.io_queue_depth", "from 2 to 1024, got 1", 0 },
	{ DAEMON("\"max_io_queues\":\"0x81\""), "nvmetcpd.max_io_queues", "got \"0x81\"", 0 },
};

static const struct broken subsystem_cases[] = {
	{ "{\"hosts\":[{}]}", "hosts[0]", "\"nqn\" is missing", 0 },
	{ "{\"hosts\":{}}", "hosts", "expected a list [ ], got an object { }", 0 },
	{ "{\"hosts\":[null]}", "hosts[0]", "expected an object { }, got null", 0 },
	{ "{\"hosts\":[{\"nqn\":\"" LONG_NQN "\"}]}", "hosts[0].nqn",
	  "at most 223 bytes, this one has 224", 0 },
	{ "{\"hosts\":[{\"nqn\":\"" NQN "\"},\n{\"nqn\":\"" NQN "\"}]}", "hosts[1].nqn",
	  "already that of hosts[0]", 2 },
	{ "{\"hosts\":[{\"nqn\":\"a\",\"dhchap\":{\"ctrl_key\":\"x\"}}]}",
	  "hosts[0].dhchap.ctrl_key", "authentication is not available", 0 },
	{ "{\"subsystems\":[{\"nqn\":12}]}", "subsystems[0].nqn", "an NQN like", 0 },
	{ "{\"subsystems\":[{\"nqn\":\"nqn.disk\"}]}", "subsystems[0].nqn", "has no date", 0 },
	{ "{\"subsystems\":[{\"nqn\":\"" NQN "\\u0007\"}]}", "subsystems[0].nqn",
	  "control character", 0 },
	{ "{\"subsystems\":[{\"nqn\":\"" NQN "\\u0000x\"}]}", "subsystems[0].nqn", "disk\\x00x",
	  0 },
	{ "{\"subsystems\":[{\"nqn\":\"nqn.2014-08.org.nvmexpress:uuid:1234\"}]}",
	  "subsystems[0].nqn", "no valid UUID", 0 },
	{ "{\"subsystems\":[{\"nqn\":\"nqn.2014-08.org.nvmexpress.discovery\"}]}", "subsystems[0]",
	  "built in", 0 },
	{ "{\"subsystems\":[{\"nqn\":\"" NQN "\"},\n{\"nqn\":\"" NQN2 "\"},\n{\"nqn\":\"" NQN
	  "\"}]}",
	  "subsystems[2].nqn", "already that of subsystems[0]", 3 },
	{ ATTR("\"allow_any_host\":2"), "subsystems[0].attr.allow_any_host", "true or false, got 2",
	  0 },
	{ ATTR("\"serial\":\"\xc3\xbc\""), "subsystems[0].attr.serial", "printable ASCII", 0 },
	{ ATTR("\"serial\":[]"), "subsystems[0].attr.serial", "at most 20 characters, got a list",
	  0 },
	{ ATTR("\"model\":\"" A10 A10 A10 A10 "a\""), "subsystems[0].attr.model", "at most 40", 0 },
	{ ATTR("\"firmware\":\"123456789\""), "subsystems[0].attr.firmware", "at most 8", 0 },
	{ ATTR("\"ieee_oui\":\"0x1000000\""), "subsystems[0].attr.ieee_oui", "from 0 to 16777215",
	  0 },
	{ ATTR("\"vendor_id\":\"0x\""), "subsystems[0].attr.vendor_id",
	  "from 0 to 65535, got \"0x\"", 0 },
	{ ATTR("\"cntlid_min\":0"), "subsystems[0].attr.cntlid_min", "from 1 to 65519", 0 },
	{ ATTR("\"cntlid_min\":9,\"cntlid_max\":8"), "subsystems[0]", "cntlid_min (9) is above",
	  0 },
	{ ATTR("\"qid_max\":\"1 2\""), "subsystems[0].attr.qid_max", "got \"1 2\"", 0 },
	{ SUBSYS("\"attr\":{\"allow_any_host\":1},\"allowed_hosts\":[\"a\"]"), "subsystems[0]",
	  "allow_any_host is on", 0 },
	{ SUBSYS("\"allowed_hosts\":[\"a\",\n\"\",\n\"a\"]"), "subsystems[0].allowed_hosts[2]",
	  "already that of subsystems[0].allowed_hosts[0]", 3 },
	{ SUBSYS("\"allowed_hosts\":\"a\""), "subsystems[0].allowed_hosts", "expected a list", 0 },
	{ SUBSYS("\"passthru\":[{\"device\":{\"path\":\"/dev/nvme0\"}}]"),
	  "subsystems[0].passthru[0]", "passthrough of a controller", 0 },
};

static const struct broken namespace_cases[] = {
	{ NS("\"device\":{\"mem\":\"1M\"}"), N, "\"nsid\" is missing", 0 },
	{ NS("\"nsid\":8193,\"device\":{\"mem\":\"1M\"}"), N ".nsid", "from 1 to 8192, got 8193",
	  0 },
	{ NS("\"nsid\":true"), N ".nsid", "got true", 0 },
	{ NS("\"nsid\":1"), N, "expected \"pci\", \"remote\", \"path\", \"mem\" or \"null\"", 0 },
	{ NS("\"nsid\":1,\"device\":\"/dev/sdb\""), D, "expected an object { }, got \"/dev/sdb\"",
	  0 },
	{ NS("\"nsid\":1,\"ana_grpid\":129,\"device\":{\"mem\":\"1M\"}"), N ".ana_grpid",
	  "from 1 to 128", 0 },
	{ DEVICE("\"path\":\"\""), D, "expected \"pci\", \"remote\", \"path\", \"mem\" or \"null\"",
	  0 },
	{ DEVICE("\"mem\":\"1M\",\"path\":\"/a\""), D, "got 2", 0 },
	{ DEVICE("\"mem\":true"), D ".mem", "expected a size like \"1G\", got true", 0 },
	{ DEVICE("\"mem\":\"1X\""), D ".mem", "got \"1X\"", 0 },
	{ DEVICE("\"mem\":\"-1G\""), D ".mem", "got \"-1G\"", 0 },
	{ DEVICE("\"mem\":1e9"), D ".mem", "expected a size like", 0 },
	{ DEVICE("\"mem\":0"), D ".mem", "from 4K to 8T", 0 },
	{ DEVICE("\"mem\":\"9T\""), D ".mem", "from 4K to 8T", 0 },
	{ DEVICE("\"mem\":4098"), D ".mem", "a multiple of 4096", 0 },
	{ DEVICE("\"null\":4608,\"block_size\":4096"), D ".null", "a multiple of 4096", 0 },
	{ DEVICE("\"path\":\"/a\",\"size\":4097"), D ".size", "a multiple of 4096", 0 },
	{ DEVICE("\"mem\":\"1M\",\"size\":\"1M\""), D ".size", "goes only with \"path\"", 0 },
	{ DEVICE("\"mem\":\"1M\",\"nsid\":1"), D ".nsid", "goes only with \"pci\" and \"remote\"",
	  0 },
	{ DEVICE("\"mem\":\"1M\",\"block_size\":520"), D ".block_size",
	  "\"512\" or \"4096\", got 520", 0 },
	{ DEVICE("\"pci\":\"01:00.0\",\"block_size\":512"), D ".block_size", "goes only with", 0 },
	{ DEVICE("\"pci\":\"01:00\""), D ".pci", "a PCI address like", 0 },
	{ DEVICE("\"pci\":\"01:20.0\""), D ".pci", "a PCI address like", 0 },
	{ DEVICE("\"pci\":\"01:00.8\""), D ".pci", "a PCI address like", 0 },
	{ DEVICE("\"pci\":\"100:00.0\""), D ".pci", "a PCI address like", 0 },
	{ DEVICE("\"pci\":\"123456789:01:00.0\""), D ".pci", "a PCI address like", 0 },
	{ DEVICE("\"pci\":\"01:00.0\",\"nsid\":4294967295"), D ".nsid", "from 1 to 4294967294", 0 },
	{ DEVICE("\"remote\":4420"), D ".remote", "a transport string like", 0 },
	{ DEVICE("\"remote\":[]"), D ".remote", "a transport string, or a list of them", 0 },
	{ DEVICE("\"remote\":[{}]"), D ".remote[0]", "a transport string like", 0 },
	{ DEVICE("\"remote\":\"traddr=127.0.0.1\""), D ".remote", "trtype= is missing", 0 },
	{ DEVICE("\"remote\":\"trtype=tcp subnqn=" NQN "\""), D ".remote", "traddr= is missing",
	  0 },
	{ DEVICE("\"remote\":\"trtype=rdma traddr=::1\""), D ".remote", "trtype=", 0 },
	{ DEVICE("\"remote\":\"trtype=pcie traddr=01:00.0\""), D ".remote",
	  "a local drive is \"pci\"", 0 },
	{ DEVICE(REMOTE("")), D ".remote", "subnqn= is missing", 0 },
	{ DEVICE(REMOTE("subnqn=nqn.2014-08.org.nvmexpress.discovery")), D ".remote",
	  "has no namespaces", 0 },
	{ DEVICE(REMOTE("subnqn=" NQN " hdgset=1")), D ".remote", "did you mean hdgst=?", 0 },
	{ DEVICE(REMOTE("subnqn=" NQN " trsvcid=nvme")), D ".remote", "not a port number", 0 },
	{ DEVICE(REMOTE("subnqn=" NQN " dhchap_secret=x")), D ".remote", "no authentication yet",
	  0 },
	{ DEVICE(REMOTE("subnqn=" NQN " nsid=2") ",\"nsid\":3"), D ".nsid",
	  "3, but a transport string says nsid=2", 0 },
	{ DEVICE(REMOTE("subnqn=" NQN) ",\"block_size\":512"), D ".block_size", "goes only with",
	  0 },
	{ DEVICE(REMOTE("subnqn=" NQN) ",\"mem\":\"1M\""), D, "got 2", 0 },
	{ DEVICE("\"remote\":[\"trtype=tcp traddr=::1 subnqn=" NQN
		 "\",\"trtype=tcp traddr=::2 subnqn=" NQN2 "\"]"),
	  D ".remote[1]", "all paths must lead to one subsystem", 0 },
	{ DEVICE("\"remote\":[\"trtype=tcp traddr=::1 nsid=1 subnqn=" NQN
		 "\",\"trtype=tcp traddr=::2 nsid=2 subnqn=" NQN "\"]"),
	  D ".remote[1]", "a path before has nsid=1", 0 },
	{ TWO_NS(REMOTE("subnqn=" NQN2), REMOTE("subnqn=" NQN2 " nsid=1 hdgst=1")),
	  "subsystems[0].namespaces[1].device.remote",
	  "already that of subsystems[0].namespaces[0]", 0 },
	{ LOOP("127.0.0.1", "traddr=127.0.0.1"), D ".remote", "cannot be its own remote target",
	  0 },
	{ LOOP("0.0.0.0", "traddr=127.0.0.2 trsvcid=4420"), D ".remote", "ports[0] its port", 0 },
	{ LOOP("2001:db8::1", "traddr=2001:DB8:0::1"), D ".remote", "ports[0] its port", 0 },
	{ DEVICE("\"path\":\"disk.img\""), D ".path", "an absolute path", 0 },
	{ DEVICE("\"path\":\"/a\\u000ab\""), D ".path", "without control characters", 0 },
	{ DEVICE("\"path\":7"), D ".path", "an absolute path like \"/dev/sdb\", got 7", 0 },
	{ DEVICE("\"mem\":\"1M\",\"uuid\":\"123\""), D ".uuid", "a UUID like", 0 },
	{ DEVICE("\"mem\":\"1M\",\"nguid\":\"123\""), D ".nguid", "32 hexadecimal digits", 0 },
	{ DEVICE("\"mem\":\"1M\",\"eui64\":\"0102030405060708ff\""), D ".eui64",
	  "16 hexadecimal digits", 0 },
	{ SUBSYS("\"namespaces\":[{\"nsid\":5,\"device\":{\"mem\":\"1M\"}},\n"
		 "{\"nsid\":5,\"device\":{\"mem\":\"1M\"}}]"),
	  "subsystems[0].namespaces[1].nsid", "already that of subsystems[0].namespaces[0]", 2 },
	{ TWO_NS("\"path\":\"/dev/a\"", "\"path\":\"/dev/./a\""),
	  "subsystems[0].namespaces[1].device.path", "already that of subsystems[0].namespaces[0]",
	  0 },
	{ TWO_NS("\"pci\":\"01:00.0\"", "\"pci\":\"0:1:0.0\",\"nsid\":1"),
	  "subsystems[0].namespaces[1].device.pci", "already that of subsystems[0].namespaces[0]",
	  0 },
	{ TWO_NS("\"mem\":4096,\"uuid\":\"01020304-0506-0708-090A-0b0c0d0e0f10\"",
		 "\"mem\":4096,\"uuid\":\"01020304-0506-0708-090a-0b0c0d0e0f10\""),
	  "subsystems[0].namespaces[1].device.uuid", "already that of subsystems[0].namespaces[0]",
	  0 },
	{ TWO_NS("\"mem\":4096,\"eui64\":\"0102030405060708\"",
		 "\"mem\":4096,\"eui64\":\"01:02:03:04:05:06:07:08\""),
	  "subsystems[0].namespaces[1].device.eui64", "already that of subsystems[0].namespaces[0]",
	  0 },
};

static const struct broken port_cases[] = {
	{ "{\"ports\":[{}]}", "ports[0]", "\"portid\" is missing", 0 },
	{ "{\"ports\":[{\"portid\":65536,\"addr\":{\"traddr\":\"::1\"}}]}", "ports[0].portid",
	  "0 to 65535", 0 },
	{ ADDR(""), "ports[0].addr", "\"traddr\" is missing", 0 },
	{ ADDR("\"traddr\":\"\""), "ports[0].addr", "\"traddr\" is missing", 0 },
	{ ADDR("\"traddr\":\"localhost\""), "ports[0].addr.traddr",
	  "(not a name), got \"localhost\"", 0 },
	{ ADDR("\"traddr\":\"256.0.0.1\""), "ports[0].addr.traddr", "(not a name)", 0 },
	{ ADDR("\"traddr\":\"[::1]\""), "ports[0].addr.traddr", "(not a name)", 0 },
	{ ADDR("\"traddr\":\"2001:db8::1%eth0\""), "ports[0].addr.traddr", "(not a name)", 0 },
	{ ADDR("\"traddr\":\"fe80::1%\""), "ports[0].addr.traddr", "(not a name)", 0 },
	{ ADDR("\"traddr\":\"::1\",\"adrfam\":\"ipv4\""), "ports[0].addr.traddr",
	  "an IPv4 address, as adrfam", 0 },
	{ ADDR("\"traddr\":\"1.2.3.4\",\"adrfam\":\"ipv6\""), "ports[0].addr.traddr",
	  "an IPv6 address, as", 0 },
	{ ADDR("\"traddr\":\"::1\",\"adrfam\":\"ib\""), "ports[0].addr.adrfam",
	  "\"ipv4\" or \"ipv6\", got", 0 },
	{ ADDR("\"traddr\":\"::1\",\"trtype\":\"udp\""), "ports[0].addr.trtype",
	  "\"tcp\", \"rdma\"", 0 },
	{ ADDR("\"traddr\":\"::1\",\"trsvcid\":65536"), "ports[0].addr.trsvcid", "from 0 to 65535",
	  0 },
	{ ADDR("\"traddr\":\"::1\",\"trsvcid\":\"nvme\""), "ports[0].addr.trsvcid", "got \"nvme\"",
	  0 },
	{ ADDR("\"traddr\":\"::1\",\"treq\":\"required\""), "ports[0].addr.treq", "TLS", 0 },
	{ ADDR("\"traddr\":\"::1\",\"tsas\":\"tls1.3\",\"treq\":\"required\""),
	  "ports[0].addr.tsas", "TLS", 0 },
	{ PORT("\"param\":{\"inline_data_size\":-2}"), "ports[0].param.inline_data_size",
	  "from 0 to 65536", 0 },
	{ PORT("\"param\":{\"max_queue_size\":\"1025\"}"), "ports[0].param.max_queue_size",
	  "from 2 to 1024", 0 },
	{ PORT("\"param\":{\"tcp_congestion\":\"a b\"}"), "ports[0].param.tcp_congestion",
	  "a TCP congestion control like \"cubic\", got \"a b\"", 0 },
	{ PORT("\"param\":{\"tcp_congestion\":\"../bbr\"}"), "ports[0].param.tcp_congestion",
	  "got \"../bbr\"", 0 },
	{ PORT("\"param\":{\"tcp_congestion\":\"" A10 "123456\"}"), "ports[0].param.tcp_congestion",
	  "a TCP congestion control", 0 },
	{ PORT("\"param\":{\"tcp_congestion\":7}"), "ports[0].param.tcp_congestion", "got 7", 0 },
	{ PORT("\"subsystems\":[\"" NQN "\"]"), "ports[0].subsystems[0]",
	  "there is no subsystem \"" NQN "\"", 0 },
	{ PORT("\"subsystems\":[false]"), "ports[0].subsystems[0]", "an NQN like", 0 },
	{ "{\"ports\":[{\"portid\":1,\"addr\":{\"traddr\":\"::1\"},\"subsystems\":[\"" NQN
	  "\",\n\"" NQN "\"]}],"
	  "\"subsystems\":[{\"nqn\":\"" NQN "\"}]}",
	  "ports[0].subsystems[1]", "is listed twice", 2 },
	{ PORT("\"ana_groups\":[{\"grpid\":0}]"), "ports[0].ana_groups[0].grpid", "from 1 to 128",
	  0 },
	{ PORT("\"ana_groups\":[{\"grpid\":2},\n{\"grpid\":2}]"), "ports[0].ana_groups[1]",
	  "group 2 is listed twice", 2 },
	{ PORT("\"ana_groups\":[{\"grpid\":1,\"ana\":{\"state\":\"gone\"}}]"),
	  "ports[0].ana_groups[0].ana.state", "\"optimized\", \"non-optimized\"", 0 },
	{ PORT("\"referrals\":[{\"name\":\"x\"}]"), "ports[0].referrals[0]", "\"addr\" is missing",
	  0 },
	{ PORT("\"referrals\":[{\"addr\":{\"traddr\":\"::1\",\"trsvcid\":0}}]"),
	  "ports[0].referrals[0].addr.trsvcid", "from 1 to 65535", 0 },
	{ PORT("\"referrals\":[{\"addr\":{\"traddr\":\"x\"}}]"),
	  "ports[0].referrals[0].addr.traddr", "got \"x\"", 0 },
	{ "{\"ports\":[{\"portid\":1,\"addr\":{\"traddr\":\"::1\"}},\n{\"portid\":1,"
	  "\"addr\":{\"traddr\":\"::2\"}}]}",
	  "ports[1].portid", "1 is already the portid of ports[0]", 2 },
	{ TWO_PORTS("\"traddr\":\"::1\"", "\"traddr\":\"0::1\""), "ports[1].addr",
	  "already served by ports[0]", 0 },
	{ TWO_PORTS("\"traddr\":\"0.0.0.0\"", "\"traddr\":\"127.0.0.1\""), "ports[1].addr",
	  "127.0.0.1 port 4420 is already served by ports[0] (0.0.0.0)", 0 },
	{ "{\"ports\":[{\"addr\":{\"trtype\":\"loop\"}},{\"portid\":1,"
	  "\"addr\":{\"traddr\":\"::1\",\"trsvcid\":-1}}]}",
	  "ports[1].addr.trsvcid", "from 0 to 65535, got -1", 0 },
};

#endif
