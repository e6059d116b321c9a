/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A byte stream under a connection: a TCP socket here; TLS and the simulator's pipe are other ops.
 * And the few socket calls that both ends need.
 *
 * Context: the owner's thread. Nothing blocks; descriptors are non-blocking and close-on-exec.
 */
#ifndef COMMON_STREAM_H
#define COMMON_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

struct stream;

struct stream_ops {
	const char *name;
	/* > 0 bytes; 0 end of stream (recv only); -EAGAIN; another -errno: the stream is broken */
	ssize_t (*recv)(struct stream *s, const struct iovec *iov, int nr);
	ssize_t (*send)(struct stream *s, const struct iovec *iov, int nr);
	void (*close)(struct stream *s);
};

struct stream {
	const struct stream_ops *ops;
	int fd; /* readable and writable events come from here; owned, -1 when closed */
};

static inline ssize_t stream_recv(struct stream *s, const struct iovec *iov, int nr)
{
	return s->ops->recv(s, iov, nr);
}

static inline ssize_t stream_send(struct stream *s, const struct iovec *iov, int nr)
{
	return s->ops->send(s, iov, nr);
}

/* stream_close() - harmless on a closed one */
void stream_close(struct stream *s);
/*
 * stream_socket_init() - takes over @fd, a connected or connecting non-blocking socket. SIGPIPE is
 * never raised.
 */
void stream_socket_init(struct stream *s, int fd);

/* sock_addr() - literal IPv4 or IPv6 address (with %scope) and port. Return: 0, -EINVAL. */
int sock_addr(const char *traddr, uint16_t port, struct sockaddr_storage *ss, socklen_t *len);
/* sock_addr_text() - "192.0.2.1:4420", "[2001:db8::1]:4420" into @buf of @size (64 is enough) */
const char *sock_addr_text(const struct sockaddr_storage *ss, char *buf, size_t size);
/* sock_addr_split() - numeric host and port of @ss */
void sock_addr_split(const struct sockaddr_storage *ss, char *host, size_t size, uint16_t *port);
/* sock_listen() - listening socket; IPv6 wildcard is v6-only. Return: descriptor or -errno. */
int sock_listen(const char *traddr, uint16_t port, int backlog);
/*
 * sock_connect() - start to connect. Return: descriptor (connection may be in progress) or -errno.
 */
int sock_connect(const char *traddr, uint16_t port);
/* Where to connect, and how. */
struct sock_path {
	const char *traddr; /* literal address */
	uint16_t port;
	uint8_t tos;		 /* IP_TOS or IPV6_TCLASS; 0: the system's */
	const char *host_traddr; /* literal address to connect from; NULL: the system chooses */
	const char *host_iface;	 /* interface to use; NULL: by routes */
	const char *congestion;	 /* TCP congestion control; NULL: the system's */
};
/*
 * sock_connect_by() - the same, by that path. Return: as sock_connect(); *@refused: NULL, or which
 * member of @path the kernel does not take, by the name that users know: "tcp_congestion".
 */
int sock_connect_by(const struct sock_path *path, const char **refused);
/*
 * sock_tune() - TCP_NODELAY, keepalive off, TCP_USER_TIMEOUT; @user_timeout_ms 0: the system's.
 * Failure is not an error.
 */
void sock_tune(int fd, unsigned int user_timeout_ms);

#endif /* COMMON_STREAM_H */
