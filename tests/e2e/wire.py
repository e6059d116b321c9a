# SPDX-License-Identifier: BSD-2-Clause
"""NVMe/TCP from the outside, for tests: PDUs as bytes, a raw host, and the daemon to talk to.

Written from the specification and apart from the C code, so that a mistake there is not
repeated here.
"""

import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))
if not BUILD.is_absolute():
    BUILD = ROOT / BUILD

ICREQ, ICRESP, H2C_TERM, C2H_TERM, CMD, RSP, H2C_DATA, C2H_DATA, R2T = 0, 1, 2, 3, 4, 5, 6, 7, 9
F_HDGST, F_DDGST, F_LAST, F_SUCCESS = 1, 2, 4, 8
SGL_ICD, SGL_TRANSPORT = 0x01, 0x5A
DISCOVERY = "nqn.2014-08.org.nvmexpress.discovery"
NQN = "nqn.2026-11.org.nvmetcp:test"
HOSTNQN = "nqn.2014-08.org.nvmexpress:uuid:6f1f7f6e-9f0c-4f6c-9a43-3c2a0a5a1b01"
HOSTID = bytes(range(16))
DNR = 0x4000
CONTROLLER_BUSY = 0x181

_table = []
for _i in range(256):
    _c = _i
    for _ in range(8):
        _c = (_c >> 1) ^ (0x82F63B78 if _c & 1 else 0)
    _table.append(_c)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _table[(crc ^ byte) & 0xFF]
    return struct.pack("<I", crc ^ 0xFFFFFFFF)


def sqe(
    opcode,
    cid=0,
    nsid=0,
    cdw10=0,
    cdw11=0,
    cdw12=0,
    cdw13=0,
    cdw14=0,
    cdw15=0,
    sgl=None,
    flags=0x40,
    cdw2=0,
):
    """A submission queue entry; sgl is (length, type) or 16 bytes."""
    if sgl is None:
        sgl = (0, SGL_TRANSPORT)
    if not isinstance(sgl, bytes):
        sgl = struct.pack("<QI3xB", 0, *sgl)
    return (
        struct.pack("<BBHIII8x", opcode, flags, cid, nsid, cdw2, 0)
        + sgl
        + struct.pack("<6I", cdw10, cdw11, cdw12, cdw13, cdw14, cdw15)
    )


def connect_sqe(cid, qid, sqsize, kato=0, cattr=0, recfmt=0, sgl=(1024, SGL_ICD)):
    return (
        struct.pack("<BBHB19x", 0x7F, 0x40, cid, 1)
        + struct.pack("<QI3xB", 0, *sgl)
        + struct.pack("<HHHBxI12x", recfmt, qid, sqsize, cattr, kato)
    )


def connect_data(subnqn=NQN, hostnqn=HOSTNQN, hostid=HOSTID, cntlid=0xFFFF):
    def field(text):
        raw = text if isinstance(text, bytes) else text.encode()
        return raw.ljust(256, b"\0")[:256]

    return hostid + struct.pack("<H238x", cntlid) + field(subnqn) + field(hostnqn) + bytes(256)


def property_get(cid, offset, size8=False):
    return struct.pack("<BBHB35xB3xI16x", 0x7F, 0x40, cid, 4, int(size8), offset)


def property_set(cid, offset, value, size8=False):
    return struct.pack("<BBHB35xB3xIQ8x", 0x7F, 0x40, cid, 0, int(size8), offset, value)


def disconnect_sqe(cid, recfmt=0):
    return struct.pack("<BBHB19xQI3xBH22x", 0x7F, 0x40, cid, 8, 0, 0, SGL_TRANSPORT, recfmt)


class Closed(Exception):
    pass


class Term(Exception):
    def __init__(self, fes, fei, header=b""):
        super().__init__(f"C2HTermReq fes={fes} fei={fei}")
        self.fes, self.fei, self.header = fes, fei, header


class Cqe:
    def __init__(self, raw):
        self.result, self.sqhd, self.sqid, self.cid, status = struct.unpack("<QHHHH", raw)
        self.status = status >> 1
        self.sc = self.status & 0x7FF


class Queue:
    """One connection, from raw bytes up to commands that move data."""

    def __init__(self, port, hdgst=False, ddgst=False, timeout=60):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.hdgst = self.ddgst = False
        self.want = (hdgst, ddgst)
        self.cid = 0
        self.come = b""  # and not taken yet

    def close(self):
        self.sock.close()

    def raw(self, data):
        self.sock.sendall(data)

    def wait(self, n):
        """Until @n bytes have come. What came before a timeout is there for the next call."""
        while len(self.come) < n:
            try:
                got = self.sock.recv(n - len(self.come))
            except ConnectionError as e:
                raise Closed() from e
            if not got:
                raise Closed()
            self.come += got

    def read(self, n):
        self.wait(n)
        data, self.come = self.come[:n], self.come[n:]
        return data

    # ---- PDUs ----

    def pdu(self, ptype, body, data=b"", flags=0, digests=True):
        hd = self.hdgst and digests
        dd = self.ddgst and digests and data
        hlen = 8 + len(body)
        pdo = hlen + 4 * hd if data else 0
        plen = hlen + 4 * hd + len(data) + 4 * bool(dd)
        flags |= (F_HDGST if hd else 0) | (F_DDGST if dd else 0)
        head = struct.pack("<BBBBI", ptype, flags, hlen, pdo, plen) + body
        return head + (crc32c(head) if hd else b"") + data + (crc32c(data) if dd else b"")

    def receive(self):
        """Next PDU: (type, flags, body, data), whole or not at all. A TermReq raises Term."""
        self.wait(8)
        ptype, flags, hlen, pdo, plen = struct.unpack_from("<BBBBI", self.come)
        self.wait(plen)
        head = self.read(hlen)
        if ptype == C2H_TERM:
            fes, feil, feih = struct.unpack("<HHH", head[8:14])
            raise Term(fes, feil | feih << 16, self.read(plen - hlen))
        rest = self.read(plen - hlen)
        if flags & F_HDGST:
            assert rest[:4] == crc32c(head), "header digest"
        data = b""
        if pdo:
            end = plen - hlen - (4 if flags & F_DDGST else 0)
            data = rest[pdo - hlen : end]
            if flags & F_DDGST:
                assert rest[end:] == crc32c(data), "data digest"
        if self.hdgst and ptype != ICRESP:
            assert flags & F_HDGST, "negotiated header digest is missing"
        return ptype, flags, head[8:], data

    def icreq(self, pfv=0, hpda=0, dgst=None, maxr2t=0):
        if dgst is None:
            dgst = int(self.want[0]) | int(self.want[1]) << 1
        return self.pdu(ICREQ, struct.pack("<HBBI112x", pfv, hpda, dgst, maxr2t), digests=False)

    def handshake(self):
        self.raw(self.icreq())
        ptype, _, body, _ = self.receive()
        assert ptype == ICRESP, f"expected ICResp, got {ptype}"
        pfv, cpda, dgst, self.maxh2c = struct.unpack("<HBBI", body[:8])
        assert (pfv, cpda) == (0, 0) and self.maxh2c >= 4096 and self.maxh2c % 4 == 0
        self.hdgst, self.ddgst = bool(dgst & 1), bool(dgst & 2)
        assert (self.hdgst, self.ddgst) == self.want, "digests are not as asked for"
        return self

    def next_cid(self):
        self.cid = (self.cid + 1) & 0x7FFF
        return self.cid

    def response(self):
        ptype, _, body, _ = self.receive()
        assert ptype == RSP, f"expected a response, got PDU type {ptype}"
        return Cqe(body)

    def command(self, entry, icd=b""):
        """Send a capsule and wait for its response. Returns (Cqe or None with SUCCESS, data)."""
        self.raw(self.pdu(CMD, entry, icd))
        return self.finish()

    def finish(self, h2c=None):
        data = b""
        while True:
            ptype, flags, body, chunk = self.receive()
            if ptype == RSP:
                return Cqe(body), data
            if ptype == C2H_DATA:
                _, _, datao, datal = struct.unpack("<HHII", body[:12])
                assert datao == len(data) and datal == len(chunk)
                data += chunk
                if flags & F_SUCCESS:
                    assert flags & F_LAST
                    return None, data
            elif ptype == R2T:
                cid, ttag, off, length = struct.unpack("<HHII", body[:12])
                self.send_data(cid, ttag, off, h2c[off : off + length])
            else:
                raise AssertionError(f"unexpected PDU type {ptype}")

    def send_data(self, cid, ttag, off, data, chunk=None):
        chunk = chunk or self.maxh2c
        for at in range(0, len(data), chunk):
            part = data[at : at + chunk]
            last = F_LAST if at + len(part) == len(data) else 0
            self.raw(
                self.pdu(
                    H2C_DATA, struct.pack("<HHII4x", cid, ttag, off + at, len(part)), part, last
                )
            )

    # ---- fabrics ----

    def connect(self, qid=0, sqsize=31, cntlid=0xFFFF, **kw):
        args = {k: kw.pop(k) for k in ("kato", "cattr", "recfmt") if k in kw}
        cqe, _ = self.command(
            connect_sqe(self.next_cid(), qid, sqsize, **args), connect_data(cntlid=cntlid, **kw)
        )
        if cqe.status == 0:
            self.cntlid = cqe.result & 0xFFFF
        return cqe

    def get_property(self, offset, size8=False):
        cqe, _ = self.command(property_get(self.next_cid(), offset, size8))
        assert cqe.status == 0, f"Property Get {offset:#x}: status {cqe.status:#x}"
        return cqe.result if size8 else cqe.result & 0xFFFFFFFF

    def set_property(self, offset, value):
        cqe, _ = self.command(property_set(self.next_cid(), offset, value))
        return cqe

    def enable(self):
        assert self.set_property(0x14, 0x00460001).status == 0
        deadline = time.monotonic() + 60
        while not self.get_property(0x1C) & 1:
            assert time.monotonic() < deadline, "CSTS.RDY does not come"
        return self

    # ---- commands ----

    def admin_in(self, opcode, length, **kw):
        cqe, data = self.command(sqe(opcode, self.next_cid(), sgl=(length, SGL_TRANSPORT), **kw))
        return (cqe.status if cqe else 0), data

    def identify(self, cns, nsid=0, **kw):
        return self.admin_in(0x06, 4096, nsid=nsid, cdw10=cns, **kw)

    def get_log(self, lid, length, nsid=0xFFFFFFFF, offset=0):
        numd = length // 4 - 1
        return self.admin_in(
            0x02,
            length,
            nsid=nsid,
            cdw10=lid | (numd & 0xFFFF) << 16,
            cdw11=numd >> 16,
            cdw12=offset & 0xFFFFFFFF,
            cdw13=offset >> 32,
        )

    def io_read(self, nsid, slba, nlb, block=4096):
        cqe, data = self.command(
            sqe(
                2,
                self.next_cid(),
                nsid,
                slba & 0xFFFFFFFF,
                slba >> 32,
                nlb - 1,
                sgl=(nlb * block, SGL_TRANSPORT),
            )
        )
        return (cqe.status if cqe else 0), data

    def io_write(self, nsid, slba, data, block=4096, icd=False, opcode=1, fua=False):
        nlb = len(data) // block
        entry = sqe(
            opcode,
            self.next_cid(),
            nsid,
            slba & 0xFFFFFFFF,
            slba >> 32,
            (nlb - 1) | (fua << 30),
            sgl=(len(data), SGL_ICD if icd else SGL_TRANSPORT),
        )
        if icd:
            return self.command(entry, data)[0].status
        self.raw(self.pdu(CMD, entry))
        return self.finish(data)[0].status


def admin_queue(port, nqn=NQN, enable=True, kato=0, **kw):
    """An admin queue; waits while commands of the host's last association are at the backends."""
    deadline = time.monotonic() + 60
    while True:
        q = Queue(port, **kw).handshake()
        cqe = q.connect(subnqn=nqn, kato=kato)
        if cqe.status != CONTROLLER_BUSY:
            break
        assert time.monotonic() < deadline, "the last association does not end"
        q.close()
        time.sleep(0.01)
    assert cqe.status == 0, f"Connect: status {cqe.status:#x}"
    return q.enable() if enable else q


def io_queue(admin, port, qid=1, sqsize=127, cattr=0, nqn=NQN, **kw):
    q = Queue(port, **kw).handshake()
    cqe = q.connect(qid=qid, sqsize=sqsize, cntlid=admin.cntlid, subnqn=nqn, cattr=cattr)
    assert cqe.status == 0, f"I/O Connect: status {cqe.status:#x}"
    return q


class Daemon:
    """nvmetcpd on a port of the kernel's choice, in a state folder of its own."""

    def __init__(
        self,
        namespaces,
        nqn=NQN,
        attr=None,
        extra_subsystems=(),
        daemon=None,
        port_extra=None,
        trsvcid=0,
    ):
        self.dir = tempfile.TemporaryDirectory(prefix="nvmetcp-test-")
        subsystem = {"nqn": nqn, "attr": attr or {"allow_any_host": "1"}, "namespaces": namespaces}
        port = {
            "portid": 1,
            "addr": {
                "trtype": "tcp",
                "adrfam": "ipv4",
                "traddr": "127.0.0.1",
                "trsvcid": str(trsvcid),
            },
            "subsystems": [nqn] + [s["nqn"] for s in extra_subsystems],
        }
        port.update(port_extra or {})
        self.config = {
            "nvmetcpd": {
                "state_dir": self.dir.name,
                "rpc_socket": os.path.join(self.dir.name, "rpc.sock"),
                "memory": "16M",
                "hugepages": "off",
                **(daemon or {}),
            },
            "subsystems": [subsystem, *extra_subsystems],
            "ports": [port],
        }
        self.proc = None

    def path(self, name):
        return os.path.join(self.dir.name, name)

    def start(self):
        file = self.path("config.json")
        with open(file, "w") as f:
            json.dump(self.config, f)
        self.log = open(self.path("log"), "ab")
        self.proc = subprocess.Popen(
            [BUILD / "nvmetcpd", "--config", file],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        line = self.proc.stdout.readline()
        if not line.startswith("nvme connect"):
            self.proc.wait(30)
            raise AssertionError("the daemon did not start:\n" + self.log_text())
        self.port = int(line.split(" -s ")[1].split()[0])
        return self

    def log_text(self):
        with open(self.path("log"), errors="replace") as f:
            return f.read()

    def stop(self, signo=signal.SIGTERM, timeout=60):
        self.proc.send_signal(signo)
        status = self.proc.wait(timeout)
        self.proc.stdout.close()
        self.log.close()
        assert "were lost" not in self.log_text(), self.log_text()
        return status

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print("# the daemon's log:\n# " + self.log_text().replace("\n", "\n# "))
        if self.proc.poll() is None:
            status = self.stop()
            if kind is None:
                assert status == 0, f"the daemon ended with {status}:\n{self.log_text()}"
        elif kind is None:
            raise AssertionError(f"the daemon died with {self.proc.returncode}:\n{self.log_text()}")
        self.dir.cleanup()


def run_tap(tests):
    """Run functions, print TAP, return the exit status."""
    import traceback

    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for number, test in enumerate(tests, 1):
        try:
            skip = test()
        except Exception:
            failed += 1
            print("# " + traceback.format_exc().replace("\n", "\n# "))
            print(f"not ok {number} - {test.__name__}", flush=True)
        else:
            print(
                f"ok {number} - {test.__name__}" + (f" # SKIP {skip}" if skip else ""), flush=True
            )
    return 1 if failed else 0


def all_tests(namespace):
    return [f for n, f in namespace.items() if n.startswith("test_") and callable(f)]
