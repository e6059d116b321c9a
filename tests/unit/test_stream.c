// SPDX-License-Identifier: BSD-2-Clause
/*
 * Streams over sockets: pieces, ends, resets; addresses, listening and connecting on loopback.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/stream.h"
#include "common/util.h"

/* ---------------------------------------------------------------- a pair of connected streams */

static struct stream a;
static struct stream b;

static int pair_setup(void **state)
{
	int fds[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds))
		return -1;
	stream_socket_init(&a, fds[0]);
	stream_socket_init(&b, fds[1]);
	return 0;
}

static int pair_teardown(void **state)
{
	(void)state;
	stream_close(&a);
	stream_close(&b);
	return 0;
}

static int wait_fd(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 10000) == 1 ? p.revents : 0;
}

/* Two ends of a TCP connection over loopback. */
static void tcp_pair(int fds[2])
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char host[64];
	uint16_t port;
	int lfd = sock_listen("127.0.0.1", 0, 1);

	assert_true(lfd >= 0);
	assert_int_equal(getsockname(lfd, (struct sockaddr *)&ss, &len), 0);
	sock_addr_split(&ss, host, sizeof(host), &port);
	fds[0] = sock_connect(host, port);
	assert_true(fds[0] >= 0);
	assert_true(wait_fd(lfd, POLLIN));
	fds[1] = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(fds[1] >= 0);
	assert_true(wait_fd(fds[0], POLLOUT) & POLLOUT);
	close(lfd);
}

/* ---------------------------------------------------------------- bytes */

static struct iovec iov_of(void *p, size_t len)
{
	return (struct iovec){ .iov_base = p, .iov_len = len };
}

static void test_stream_pieces_arrive_in_order(void **state)
{
	char x[8];
	char y[8];
	struct iovec out[3] = { iov_of("abc", 3), iov_of("", 0), iov_of("defgh", 5) };
	struct iovec in[2] = { iov_of(x, 2), iov_of(y, 4) };

	(void)state;
	assert_int_equal(stream_recv(&b, in, 2), -EAGAIN);
	assert_int_equal(stream_recv(&b, in, 1), -EAGAIN);
	assert_int_equal(stream_send(&a, out, 3), 8);
	assert_int_equal(stream_recv(&b, in, 2), 6);
	assert_memory_equal(x, "ab", 2);
	assert_memory_equal(y, "cdef", 4);
	/* fewer than there is room for */
	assert_int_equal(stream_recv(&b, in, 2), 2);
	assert_memory_equal(x, "gh", 2);
	assert_int_equal(stream_send(&b, out, 1), 3);
	in[0].iov_len = 8;
	assert_int_equal(stream_recv(&a, in, 1), 3);
	assert_memory_equal(x, "abc", 3);
}

static void test_stream_nothing_asked_is_not_the_end(void **state)
{
	char x[1];
	struct iovec none[2] = { iov_of(x, 0), iov_of(x, 0) };
	struct iovec one = iov_of("z", 1);

	(void)state;
	assert_int_equal(stream_send(&a, &one, 1), 1);
	assert_int_equal(stream_recv(&b, none, 1), -EINVAL);
	assert_int_equal(stream_recv(&b, none, 2), -EINVAL);
	assert_int_equal(stream_recv(&b, none, 0), -EINVAL);
	one.iov_base = x;
	assert_int_equal(stream_recv(&b, &one, 1), 1);
	assert_int_equal(x[0], 'z');
}

static void test_stream_more_pieces_than_the_kernel_takes_are_sent_in_part(void **state)
{
	struct iovec iov[MAX_IOV + 100];
	char in[2 * MAX_IOV];
	struct iovec all = iov_of(in, sizeof(in));

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(iov); i++)
		iov[i] = iov_of("x", 1);
	assert_int_equal(stream_send(&a, iov, ARRAY_SIZE(iov)), MAX_IOV);
	assert_int_equal(stream_recv(&b, &all, 1), MAX_IOV);
	assert_int_equal(stream_send(&a, iov, 100), 100);
	for (size_t i = 0; i < ARRAY_SIZE(iov); i++)
		iov[i] = iov_of(in + i, 1);
	assert_int_equal(stream_recv(&b, iov, ARRAY_SIZE(iov)), 100);
}

static void test_stream_random_pieces_both_ways_lose_nothing(void **state)
{
	enum {
		TOTAL = 4 << 20,
	};
	unsigned int seed = (unsigned int)clock_now_ns();
	unsigned char *out = malloc(TOTAL);
	unsigned char *in = malloc(TOTAL);
	size_t sent = 0;
	size_t received = 0;
	int full = 0;

	(void)state;
	print_message("seed=%u\n", seed);
	assert_non_null(out);
	assert_non_null(in);
	for (size_t i = 0; i < TOTAL; i++)
		out[i] = (unsigned char)rand_r(&seed);
	while (received < TOTAL) {
		bool sending = sent < TOTAL && rand_r(&seed) % 8 < 5;
		size_t at = sending ? sent : received;
		unsigned char *buf = sending ? out : in;
		struct iovec iov[8];
		int nr = 0;
		ssize_t n;

		for (int want = 1 + rand_r(&seed) % 8; nr < want && at < TOTAL; nr++) {
			size_t len = 1 + (size_t)rand_r(&seed) % 20000;

			len = min_of(len, TOTAL - at);
			iov[nr] = iov_of(buf + at, len);
			at += len;
		}
		n = sending ? stream_send(&a, iov, nr) : stream_recv(&b, iov, nr);
		assert_true(n > 0 || n == -EAGAIN);
		full += sending && n == -EAGAIN;
		if (n > 0)
			*(sending ? &sent : &received) += (size_t)n;
	}
	assert_int_equal(sent, TOTAL);
	assert_memory_equal(in, out, TOTAL);
	assert_true(full > 0); /* else the buffer was never full */
	free(in);
	free(out);
}

/* ---------------------------------------------------------------- ends */

static void test_stream_end_is_zero_after_the_last_byte(void **state)
{
	char x[8];
	struct iovec in = iov_of(x, sizeof(x));
	struct iovec two[2] = { iov_of(x, 1), iov_of(x, 1) };
	struct iovec out = iov_of("bye", 3);

	(void)state;
	assert_int_equal(stream_send(&a, &out, 1), 3);
	stream_close(&a);
	assert_int_equal(a.fd, -1);
	stream_close(&a); /* once more is harmless */
	assert_int_equal(stream_recv(&b, &in, 1), 3);
	assert_int_equal(stream_recv(&b, &in, 1), 0);
	assert_int_equal(stream_recv(&b, two, 2), 0);
	/* no SIGPIPE: it would end this process */
	assert_int_equal(stream_send(&b, &out, 1), -EPIPE);
	two[0] = out;
	assert_int_equal(stream_send(&b, two, 2), -EPIPE);
}

static void test_stream_close_of_a_zeroed_one_is_harmless(void **state)
{
	struct stream s = { 0 };

	(void)state;
	stream_close(&s);
	assert_true(fcntl(0, F_GETFD) >= 0); /* it did not close descriptor 0 */
}

static void test_stream_reset_by_peer_is_an_error(void **state)
{
	struct linger now = { .l_onoff = 1 };
	struct stream s;
	char x[8];
	struct iovec in = iov_of(x, sizeof(x));
	struct iovec out = iov_of("abc", 3);
	int fds[2];

	(void)state;
	tcp_pair(fds);
	stream_socket_init(&s, fds[0]);
	assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	close(fds[1]);
	assert_true(wait_fd(s.fd, POLLIN));
	assert_int_equal(stream_recv(&s, &in, 1), -ECONNRESET);
	assert_int_equal(stream_send(&s, &out, 1), -EPIPE);
	stream_close(&s);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
}

static void test_stream_on_a_blocking_socket_does_not_block(void **state)
{
	char x[8];
	struct iovec in = iov_of(x, sizeof(x));

	(void)state;
	assert_int_equal(fcntl(b.fd, F_SETFL, 0), 0);
	assert_int_equal(stream_recv(&b, &in, 1), -EAGAIN);
}

/* ---------------------------------------------------------------- addresses */

static void test_stream_addr_literals(void **state)
{
	static const struct {
		const char *traddr;
		int ret;
		const char *text;
	} cases[] = {
		{ "127.0.0.1", 0, "127.0.0.1:4420" },
		{ "0.0.0.0", 0, "0.0.0.0:4420" },
		{ "255.255.255.255", 0, "255.255.255.255:4420" },
		{ "::", 0, "[::]:4420" },
		{ "::1", 0, "[::1]:4420" },
		{ "2001:DB8:0:0::1", 0, "[2001:db8::1]:4420" },
		{ "fe80::1%lo", 0, "[fe80::1%lo]:4420" },
		{ "fe80::1%1", 0, NULL },
		{ "fe80::1%4000000000", 0, "[fe80::1%4000000000]:4420" },
		{ "", -EINVAL, NULL },
		{ "localhost", -EINVAL, NULL },
		{ "127.1", -EINVAL, NULL },
		{ "127.0.0.1 ", -EINVAL, NULL },
		{ "127.0.0.256", -EINVAL, NULL },
		{ "0x7f.0.0.1", -EINVAL, NULL },
		{ "127.0.0.1%lo", -EINVAL, NULL },
		{ "[::1]", -EINVAL, NULL },
		{ "::1%", -EINVAL, NULL },
		{ "fe80::1%no-such-interface", -EINVAL, NULL },
		{ "fe80::1%0", -EINVAL, NULL },
		{ "fe80::1%1x", -EINVAL, NULL },
		{ "fe80::1%-1", -EINVAL, NULL },
		{ "fe80::1%4294967296", -EINVAL, NULL },
		{ "1:2:3:4:5:6:7:8:9", -EINVAL, NULL },
		{ "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111", -EINVAL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sockaddr_storage ss = { .ss_family = 77 };
		socklen_t len = 7;
		char text[64];

		assert_int_equal(sock_addr(cases[i].traddr, 4420, &ss, &len), cases[i].ret);
		if (cases[i].ret) {
			assert_int_equal(ss.ss_family, 77);
			assert_int_equal(len, 7);
		} else if (cases[i].text) {
			assert_string_equal(sock_addr_text(&ss, text, sizeof(text)), cases[i].text);
		}
	}
}

static void test_stream_addr_split_and_text_of_odd_families(void **state)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNIX };
	socklen_t len;
	uint16_t port = 1;
	char host[64];
	char text[64];
	char tiny[8];

	(void)state;
	assert_string_equal(sock_addr_text(&ss, text, sizeof(text)), "unknown:0");
	assert_int_equal(sock_addr("2001:db8::7", 65535, &ss, &len), 0);
	assert_int_equal(len, sizeof(struct sockaddr_in6));
	sock_addr_split(&ss, host, sizeof(host), &port);
	assert_string_equal(host, "2001:db8::7");
	assert_int_equal(port, 65535);
	assert_string_equal(sock_addr_text(&ss, tiny, sizeof(tiny)), "[2001:d");
	assert_int_equal(sock_addr("192.0.2.1", 1, &ss, &len), 0);
	assert_int_equal(len, sizeof(struct sockaddr_in));
	sock_addr_split(&ss, host, sizeof(host), &port);
	assert_string_equal(host, "192.0.2.1");
	assert_int_equal(port, 1);
	/* the longest there is */
	assert_int_equal(sock_addr("1111:2222:3333:4444:5555:6666:7777:8888%4294967295", 65535, &ss,
				   &len),
			 0);
	assert_string_equal(sock_addr_text(&ss, text, sizeof(text)),
			    "[1111:2222:3333:4444:5555:6666:7777:8888%4294967295]:65535");
}

/* ---------------------------------------------------------------- sockets */

static uint16_t port_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char host[64];
	uint16_t port;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	sock_addr_split(&ss, host, sizeof(host), &port);
	return port;
}

static int option_of(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void test_stream_listen_twice_is_address_in_use(void **state)
{
	static const char *const addrs[] = { "127.0.0.1", "::1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(addrs); i++) {
		int fd = sock_listen(addrs[i], 0, 16);

		if (fd == -EADDRNOTAVAIL || fd == -EAFNOSUPPORT) {
			print_message("no %s here\n", addrs[i]);
			continue;
		}
		assert_true(fd >= 0);
		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		assert_int_equal(option_of(fd, SOL_SOCKET, SO_REUSEADDR), 1);
		assert_int_equal(sock_listen(addrs[i], port_of(fd), 16), -EADDRINUSE);
		close(fd);
	}
}

static void test_stream_listen_wildcards_of_both_families_coexist(void **state)
{
	int fd4 = sock_listen("0.0.0.0", 0, 1);
	int fd6;

	(void)state;
	assert_true(fd4 >= 0);
	fd6 = sock_listen("::", port_of(fd4), 1);
	if (fd6 != -EAFNOSUPPORT) {
		assert_true(fd6 >= 0);
		assert_int_equal(option_of(fd6, IPPROTO_IPV6, IPV6_V6ONLY), 1);
		close(fd6);
	}
	close(fd4);
}

static void test_stream_listen_again_despite_time_wait(void **state)
{
	int fd = sock_listen("127.0.0.1", 0, 1);
	uint16_t port = port_of(fd);
	int peer = sock_connect("127.0.0.1", port);
	int conn;

	(void)state;
	assert_true(wait_fd(fd, POLLIN));
	conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(conn >= 0);
	close(conn); /* our side first: it is ours to wait */
	close(peer);
	close(fd);
	fd = sock_listen("127.0.0.1", port, 1);
	assert_true(fd >= 0);
	close(fd);
}

static void test_stream_listen_errors_are_told(void **state)
{
	static const struct {
		const char *traddr;
		int backlog;
		int ret;
	} cases[] = {
		{ "127.0.0.1", 0, -EINVAL },
		{ "127.0.0.1", -1, -EINVAL },
		{ "nowhere", 1, -EINVAL },
		{ "192.0.2.1", 1, -EADDRNOTAVAIL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int before = dup(0);
		int after;

		close(before);
		assert_int_equal(sock_listen(cases[i].traddr, 0, cases[i].backlog), cases[i].ret);
		after = dup(0);
		close(after);
		assert_int_equal(after, before); /* no descriptor leaked */
	}
}

static void test_stream_connect_refused_shows_on_the_stream(void **state)
{
	int fd = sock_listen("127.0.0.1", 0, 1);
	uint16_t port = port_of(fd);
	char x[1];
	struct iovec in = iov_of(x, 1);
	struct stream s;

	(void)state;
	close(fd);
	fd = sock_connect("127.0.0.1", port);
	if (fd >= 0) {
		stream_socket_init(&s, fd);
		assert_true(wait_fd(fd, POLLOUT));
		assert_int_equal(stream_recv(&s, &in, 1), -ECONNREFUSED);
		stream_close(&s);
	} else {
		assert_int_equal(fd, -ECONNREFUSED);
	}
	assert_int_equal(sock_connect("nowhere", port), -EINVAL);
	assert_int_equal(sock_connect("255.255.255.255", port), -ENETUNREACH);
}

static void test_stream_path_is_set_or_named(void **state)
{
	static const struct {
		const char *listen;
		struct sock_path path;
		int err;
		const char *refused;
	} cases[] = {
		{ "127.0.0.1", { .congestion = "reno" }, 0, NULL }, /* every kernel has it */
		{ "127.0.0.1", { .congestion = "nonsense" }, -ENOENT, "tcp_congestion" },
		{ "127.0.0.1", { .tos = 0xb8 }, 0, NULL },
		{ "::1", { .tos = 0xb8 }, 0, NULL },
		{ "127.0.0.1", { .host_traddr = "127.0.0.9" }, 0, NULL },
		{ "::1", { .host_traddr = "::1" }, 0, NULL },
		{ "127.0.0.1", { .host_traddr = "192.0.2.77" }, -EADDRNOTAVAIL, "host_traddr" },
		{ "127.0.0.1", { .host_traddr = "::1" }, -EAFNOSUPPORT, "host_traddr" },
		{ "127.0.0.1", { .host_traddr = "nowhere" }, -EINVAL, "host_traddr" },
		{ "127.0.0.1", { .host_iface = "lo" }, 0, NULL },
		{ "127.0.0.1", { .host_iface = "no-such-iface" }, -ENODEV, "host_iface" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		int listener = sock_listen(cases[i].listen, 0, 1);
		bool v6 = strchr(cases[i].listen, ':');
		struct sock_path path = cases[i].path;
		struct sockaddr_storage ss = { 0 };
		socklen_t len = sizeof(ss);
		const char *refused = "?";
		char text[64];
		uint16_t port;
		int fd;

		if (listener < 0 && v6)
			continue; /* a machine without IPv6 */
		path.traddr = cases[i].listen;
		path.port = port_of(listener);
		fd = sock_connect_by(&path, &refused);
		assert_int_equal(fd < 0 ? fd : 0, cases[i].err);
		if (!cases[i].refused)
			assert_null(refused);
		else
			assert_string_equal(refused, cases[i].refused);
		close(listener);
		if (fd < 0)
			continue;
		assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
		sock_addr_split(&ss, text, sizeof(text), &port);
		assert_string_equal(text, path.host_traddr ? path.host_traddr : path.traddr);
		assert_int_equal(option_of(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
					   v6 ? IPV6_TCLASS : IP_TOS),
				 path.tos);
		if (path.congestion) {
			len = sizeof(text);
			assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, text, &len),
					 0);
			assert_string_equal(text, path.congestion);
		}
		if (path.host_iface) {
			len = sizeof(text);
			assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, text, &len),
					 0);
			assert_string_equal(text, path.host_iface);
		}
		close(fd);
	}
	assert_int_equal(sock_connect("nowhere", 1), -EINVAL);
}

static void test_stream_tune_sets_what_it_says(void **state)
{
	int fds[2];
	int on = 1;

	(void)state;
	tcp_pair(fds);
	assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)), 0);
	sock_tune(fds[0], 7000);
	assert_int_equal(option_of(fds[0], IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option_of(fds[0], SOL_SOCKET, SO_KEEPALIVE), 0);
	assert_int_equal(option_of(fds[0], IPPROTO_TCP, TCP_USER_TIMEOUT), 7000);
	sock_tune(fds[0], 0);
	assert_int_equal(option_of(fds[0], IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
	sock_tune(fds[0], UINT32_MAX);
	assert_int_equal(option_of(fds[0], IPPROTO_TCP, TCP_USER_TIMEOUT), INT32_MAX);
	sock_tune(-1, 0);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
#define pair_test(fn) cmocka_unit_test_setup_teardown(fn, pair_setup, pair_teardown)
	const struct CMUnitTest tests[] = {
		pair_test(test_stream_pieces_arrive_in_order),
		pair_test(test_stream_nothing_asked_is_not_the_end),
		pair_test(test_stream_more_pieces_than_the_kernel_takes_are_sent_in_part),
		pair_test(test_stream_random_pieces_both_ways_lose_nothing),
		pair_test(test_stream_end_is_zero_after_the_last_byte),
		cmocka_unit_test(test_stream_close_of_a_zeroed_one_is_harmless),
		cmocka_unit_test(test_stream_reset_by_peer_is_an_error),
		pair_test(test_stream_on_a_blocking_socket_does_not_block),
		cmocka_unit_test(test_stream_addr_literals),
		cmocka_unit_test(test_stream_addr_split_and_text_of_odd_families),
		cmocka_unit_test(test_stream_listen_twice_is_address_in_use),
		cmocka_unit_test(test_stream_listen_wildcards_of_both_families_coexist),
		cmocka_unit_test(test_stream_listen_again_despite_time_wait),
		cmocka_unit_test(test_stream_listen_errors_are_told),
		cmocka_unit_test(test_stream_connect_refused_shows_on_the_stream),
		cmocka_unit_test(test_stream_path_is_set_or_named),
		cmocka_unit_test(test_stream_tune_sets_what_it_says),
	};

	alarm(120); /* what blocks would hang */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
