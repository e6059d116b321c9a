// SPDX-License-Identifier: BSD-2-Clause
/*
 * The stream over a socket, and the socket calls that host and target share.
 *
 * Thread: the owner's. Entry points: stream_socket_init(), sock_listen(), sock_connect().
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/stream.h"
#include "common/util.h"

/* ---------------------------------------------------------------- the stream */

static bool nothing_asked(const struct iovec *iov, int nr)
{
	for (int i = 0; i < nr; i++) {
		if (iov[i].iov_len)
			return false;
	}
	return true;
}

static ssize_t socket_recv(struct stream *s, const struct iovec *iov, int nr)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov };
	ssize_t ret;

	msg.msg_iovlen = (size_t)min_of(nr, (int)MAX_IOV);
	do {
		if (nr == 1)
			ret = recv(s->fd, iov[0].iov_base, iov[0].iov_len, MSG_DONTWAIT);
		else
			ret = recvmsg(s->fd, &msg, MSG_DONTWAIT);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return -errno;
	/* 0 bytes into no room is not the end of the stream, but the caller's mistake */
	if (!ret && nothing_asked(iov, nr))
		return -EINVAL;
	return ret;
}

static ssize_t socket_send(struct stream *s, const struct iovec *iov, int nr)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov };
	ssize_t ret;

	/* more than the kernel takes at once: a short send, which the caller expects anyway */
	msg.msg_iovlen = (size_t)min_of(nr, (int)MAX_IOV);
	do {
		if (nr == 1)
			ret = send(s->fd, iov[0].iov_base, iov[0].iov_len,
				   MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			ret = sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : ret;
}

static void socket_close(struct stream *s)
{
	close(s->fd);
	s->fd = -1;
}

static const struct stream_ops socket_ops = {
	.name = "socket",
	.recv = socket_recv,
	.send = socket_send,
	.close = socket_close,
};

void stream_socket_init(struct stream *s, int fd)
{
	s->ops = &socket_ops;
	s->fd = fd;
}

void stream_close(struct stream *s)
{
	if (s->ops && s->fd >= 0)
		s->ops->close(s);
}

/* ---------------------------------------------------------------- addresses */

/* @scope: the name of an interface, or its number. Return: 0 or -EINVAL. */
static int scope_id(const char *scope, uint32_t *id)
{
	unsigned long n;
	char *end;

	*id = if_nametoindex(scope);
	if (*id)
		return 0;
	if (*scope < '0' || *scope > '9')
		return -EINVAL;
	n = strtoul(scope, &end, 10);
	if (*end || !n || n > UINT32_MAX)
		return -EINVAL;
	*id = (uint32_t)n;
	return 0;
}

static int sock_addr6(const char *traddr, uint16_t port, struct sockaddr_in6 *sin6)
{
	const char *percent = strchr(traddr, '%');
	size_t n = percent ? (size_t)(percent - traddr) : strlen(traddr);
	char addr[INET6_ADDRSTRLEN];

	if (n >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, traddr, n);
	addr[n] = '\0';
	if (inet_pton(AF_INET6, addr, &sin6->sin6_addr) != 1)
		return -EINVAL;
	if (percent && scope_id(percent + 1, &sin6->sin6_scope_id))
		return -EINVAL;
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(port);
	return 0;
}

int sock_addr(const char *traddr, uint16_t port, struct sockaddr_storage *ss, socklen_t *len)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 sin6 = { 0 };

	if (inet_pton(AF_INET, traddr, &sin.sin_addr) == 1) {
		memset(ss, 0, sizeof(*ss));
		memcpy(ss, &sin, sizeof(sin));
		*len = sizeof(sin);
		return 0;
	}
	if (sock_addr6(traddr, port, &sin6))
		return -EINVAL;
	memset(ss, 0, sizeof(*ss));
	memcpy(ss, &sin6, sizeof(sin6));
	*len = sizeof(sin6);
	return 0;
}

void sock_addr_split(const struct sockaddr_storage *ss, char *host, size_t size, uint16_t *port)
{
	char addr[INET6_ADDRSTRLEN];

	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *sin = (const struct sockaddr_in *)ss;

		inet_ntop(AF_INET, &sin->sin_addr, addr, sizeof(addr));
		snprintf(host, size, "%s", addr);
		*port = ntohs(sin->sin_port);
	} else if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)ss;
		char scope[IF_NAMESIZE];

		inet_ntop(AF_INET6, &sin6->sin6_addr, addr, sizeof(addr));
		if (!sin6->sin6_scope_id)
			snprintf(host, size, "%s", addr);
		else if (if_indextoname(sin6->sin6_scope_id, scope))
			snprintf(host, size, "%s%%%s", addr, scope);
		else
			snprintf(host, size, "%s%%%u", addr, sin6->sin6_scope_id);
		*port = ntohs(sin6->sin6_port);
	} else {
		snprintf(host, size, "unknown");
		*port = 0;
	}
}

const char *sock_addr_text(const struct sockaddr_storage *ss, char *buf, size_t size)
{
	char host[INET6_ADDRSTRLEN + IF_NAMESIZE];
	uint16_t port;

	sock_addr_split(ss, host, sizeof(host), &port);
	snprintf(buf, size, ss->ss_family == AF_INET6 ? "[%s]:%u" : "%s:%u", host, port);
	return buf;
}

/* ---------------------------------------------------------------- sockets */

static int sock_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

/* Non-blocking socket for the address. Return: descriptor or -errno. */
static int sock_open(const struct sockaddr_storage *ss)
{
	int fd = socket(ss->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	return fd < 0 ? -errno : fd;
}

int sock_listen(const char *traddr, uint16_t port, int backlog)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int fd = -1;
	int ret;

	if (backlog < 1)
		return -EINVAL;
	ret = sock_addr(traddr, port, &ss, &len);
	if (ret)
		return ret;
	fd = sock_open(&ss);
	if (fd < 0)
		return fd;
	/* a restart must not wait for old connections in TIME_WAIT */
	ret = sock_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!ret && ss.ss_family == AF_INET6)
		ret = sock_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (ret)
		goto fail;
	if (bind(fd, (struct sockaddr *)&ss, len) || listen(fd, backlog)) {
		ret = -errno;
		goto fail;
	}
	return fd;
fail:
	close(fd);
	return ret;
}

/* The port is chosen when the connection is made: the same one may serve another address. */
static int bind_from(int fd, const char *host_traddr)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int ret = sock_addr(host_traddr, 0, &ss, &len);

	if (ret)
		return ret;
	sock_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	return bind(fd, (struct sockaddr *)&ss, len) ? -errno : 0;
}

static int set_text(int fd, int level, int name, const char *text)
{
	return setsockopt(fd, level, name, text, (socklen_t)strlen(text)) ? -errno : 0;
}

/* Everything of the path but where it leads. Return: 0; -errno, *@what does not go. */
static int set_path(int fd, const struct sock_path *path, int family, const char **what)
{
	int ret = 0;

	if (path->host_iface) {
		*what = "host_iface";
		ret = set_text(fd, SOL_SOCKET, SO_BINDTODEVICE, path->host_iface);
	}
	if (!ret && path->host_traddr) {
		*what = "host_traddr";
		ret = bind_from(fd, path->host_traddr);
	}
	if (!ret && path->tos) {
		*what = "tos";
		ret = family == AF_INET6 ? sock_option(fd, IPPROTO_IPV6, IPV6_TCLASS, path->tos)
					 : sock_option(fd, IPPROTO_IP, IP_TOS, path->tos);
	}
	if (!ret && path->congestion) {
		*what = "tcp_congestion";
		ret = set_text(fd, IPPROTO_TCP, TCP_CONGESTION, path->congestion);
	}
	return ret;
}

int sock_connect_by(const struct sock_path *path, const char **refused)
{
	struct sockaddr_storage ss;
	const char *what = NULL;
	socklen_t len;
	int fd;
	int ret;

	*refused = NULL;
	ret = sock_addr(path->traddr, path->port, &ss, &len);
	if (ret)
		return ret;
	fd = sock_open(&ss);
	if (fd < 0)
		return fd;
	ret = set_path(fd, path, ss.ss_family, &what);
	if (ret) {
		*refused = what;
		close(fd);
		return ret;
	}
	/* interrupted or not, it goes on in the background */
	if (connect(fd, (struct sockaddr *)&ss, len) && errno != EINPROGRESS && errno != EINTR) {
		ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

int sock_connect(const char *traddr, uint16_t port)
{
	struct sock_path path = { .traddr = traddr, .port = port };
	const char *refused;

	return sock_connect_by(&path, &refused);
}

void sock_tune(int fd, unsigned int user_timeout_ms)
{
	sock_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	sock_option(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
	sock_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
		    (int)min_of(user_timeout_ms, INT32_MAX + 0u));
}
