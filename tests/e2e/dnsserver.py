#!/usr/bin/python3
"""A small authoritative name server on loopback, for tests.

    dns = DnsServer({"one.test": {"MX": [(10, "mx.one.test")], "TTL": 60},
                     "mx.one.test": {"A": ["127.0.0.2"], "AAAA": ["::1"]},
                     "127.0.0.2": {"PTR": ["mx.one.test"]},
                     "null.test": {"MX": [(0, ".")]},
                     "alias.test": {"CNAME": ["one.test"]},
                     "text.test": {"TXT": ["v=spf1 -all", ["in", "pieces"]]},
                     "_25._tcp.mx.one.test": {"TLSA": [(3, 1, 1, "00ff")]},
                     "_smtp._tcp.one.test": {"SRV": [(0, 0, 25, "mx.one.test")]},
                     "broken.test": {"SERVFAIL": True}, "silent.test": {"DROP": True},
                     "odd.test": {"RAW": {15: [b"\\x00"]}}})
    dns.port; dns.zones["new.test"] = {...}; dns.queries; dns.close()

Answers UDP and TCP, with AA and without RA. A name with something below it is NODATA, all others
are NXDOMAIN. Also a program: dnsserver.py [--port N] zones.json
"""
import ipaddress
import json
import socket
import struct
import sys
import threading

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "TLSA": 52}
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP = 0, 1, 2, 3, 4
UDP_MAX = 512
CNAMES_MAX = 8


def wire_name(name):
    name = name.rstrip(".")
    if not name:
        return b"\0"
    return b"".join(bytes([len(label)]) + label for label in (part.encode("latin-1") for part in name.split("."))) + b"\0"


def read_name(packet, at):
    labels = []
    while True:
        length = packet[at]
        at += 1
        if length == 0:
            return ".".join(labels).lower(), at
        if length > 63:
            raise ValueError("compressed question")
        labels.append(packet[at:at + length].decode("latin-1"))
        at += length


def text_rdata(value):
    pieces = [value] if isinstance(value, (str, bytes)) else value
    pieces = [p.encode() if isinstance(p, str) else p for p in pieces]
    cut = [p[i:i + 255] for p in pieces for i in range(0, max(len(p), 1), 255)]
    return b"".join(bytes([len(p)]) + p for p in cut)


def rdata(kind, value):
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    if kind in ("CNAME", "PTR", "NS"):
        return wire_name(value)
    if kind == "MX":
        return struct.pack(">H", value[0]) + wire_name(value[1])
    if kind == "SRV":
        return struct.pack(">HHH", *value[:3]) + wire_name(value[3])
    if kind == "TLSA":
        return bytes(value[:3]) + bytes.fromhex(value[3])
    if kind == "TXT":
        return text_rdata(value)
    raise ValueError(kind)


def zone_key(name):
    try:
        return ipaddress.ip_address(name).reverse_pointer
    except ValueError:
        return name.rstrip(".").lower()


class DnsServer:
    def __init__(self, zones=None, address="127.0.0.1", port=0):
        self.zones = dict(zones or {})
        self.queries = []
        self.udp, self.tcp = self._bind(address, port)
        self.address, self.port = address, self.udp.getsockname()[1]
        self._closing = False
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    @staticmethod
    def _bind(address, port):
        """Both protocols on one port number."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for _ in range(50):
            udp = socket.socket(family, socket.SOCK_DGRAM)
            udp.bind((address, port))
            tcp = socket.socket(family, socket.SOCK_STREAM)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tcp.bind((address, udp.getsockname()[1]))
                tcp.listen(16)
                return udp, tcp
            except OSError:
                udp.close()
                tcp.close()
                if port:
                    raise
        raise OSError("no port is free for both UDP and TCP")

    def close(self):
        self._closing = True
        # A datagram and a connection to ourselves wake the threads up.
        with socket.socket(self.udp.family, socket.SOCK_DGRAM) as s:
            s.sendto(b"", (self.address, self.port))
        try:
            socket.create_connection((self.address, self.port), 1).close()
        except OSError:
            pass
        self.udp.close()
        self.tcp.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- answers ----

    def _entry(self, name):
        for key, value in list(self.zones.items()):
            if zone_key(key) == name:
                return value
        return None

    def _has_children(self, name):
        return any(zone_key(key).endswith("." + name) for key in list(self.zones))

    def _records(self, entry, owner, kind_number):
        ttl = entry.get("TTL", 60)
        found = []
        for kind, values in entry.items():
            if kind in TYPES and TYPES[kind] == kind_number:
                found += [(owner, kind_number, ttl, rdata(kind, v)) for v in values]
        for number, values in entry.get("RAW", {}).items():
            if int(number) == kind_number:
                found += [(owner, kind_number, ttl, v if isinstance(v, bytes) else bytes.fromhex(v)) for v in values]
        return found

    def _resolve(self, name, kind):
        """(rcode, records), or None: no answer at all."""
        answers = []
        for _ in range(CNAMES_MAX):
            entry = self._entry(name)
            if entry is None:
                return (NOERROR if answers or self._has_children(name) or not name else NXDOMAIN), answers
            if entry.get("DROP"):
                return None
            if entry.get("SERVFAIL"):
                return SERVFAIL, []
            alias = entry.get("CNAME")
            if not alias or kind == TYPES["CNAME"]:
                return NOERROR, answers + self._records(entry, name, kind)
            answers.append((name, TYPES["CNAME"], entry.get("TTL", 60), wire_name(alias[0])))
            name = zone_key(alias[0])
        return NOERROR, answers

    def _answer(self, packet, limit):
        if len(packet) < 17 or packet[2] & 0x80:
            return None
        ident, flags, questions = struct.unpack(">HHH", packet[:6])
        try:
            if questions != 1 or flags >> 11 & 15:
                raise ValueError("not one plain query")
            name, at = read_name(packet, 12)
            kind, _ = struct.unpack(">HH", packet[at:at + 4])
            question = packet[12:at + 4]
        except (ValueError, IndexError, struct.error):
            return struct.pack(">HHHHHH", ident, 0x8000 | FORMERR, 0, 0, 0, 0)
        self.queries.append((name, kind))
        result = self._resolve(name, kind)
        if result is None:
            return None
        rcode, records = result
        body = b"".join(wire_name(owner) + struct.pack(">HHIH", number, 1, ttl, len(data)) + data
                        for owner, number, ttl, data in records)
        authority = b""
        if not any(number == kind for _, number, _, _ in records) and rcode in (NOERROR, NXDOMAIN):
            # Negative answers need a SOA to say how long they hold. The root's, for every name.
            soa = wire_name("ns.test") + wire_name("hostmaster.test") + struct.pack(">IIIII", 1, 60, 60, 60, 1)
            authority = b"\0" + struct.pack(">HHIH", TYPES["SOA"], 1, 1, len(soa)) + soa
        out_flags = 0x8400 | flags & 0x0100 | rcode
        counts = (1, len(records), 1 if authority else 0, 0)
        if 12 + len(question) + len(body) + len(authority) > limit:
            out_flags, counts, body, authority = out_flags | 0x0200, (1, 0, 0, 0), b"", b""
        return struct.pack(">HHHHHH", ident, out_flags, *counts) + question + body + authority

    def _serve_udp(self):
        while not self._closing:
            try:
                packet, peer = self.udp.recvfrom(4096)
                answer = self._answer(packet, UDP_MAX)
                if answer:
                    self.udp.sendto(answer, peer)
            except OSError:
                if self._closing:
                    return

    def _serve_tcp(self):
        while not self._closing:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_connection, args=(connection,), daemon=True).start()

    def _serve_connection(self, connection):
        with connection:
            connection.settimeout(10)
            stream = connection.makefile("rb")
            try:
                while True:
                    head = stream.read(2)
                    if len(head) < 2:
                        return
                    answer = self._answer(stream.read(struct.unpack(">H", head)[0]), 65535)
                    if answer is None:
                        return
                    connection.sendall(struct.pack(">H", len(answer)) + answer)
            except OSError:
                pass


def main():
    arguments = sys.argv[1:]
    port = 0
    if arguments[0] == "--port":
        port = int(arguments[1])
        arguments = arguments[2:]
    with open(arguments[0], encoding="utf-8") as file:
        zones = json.load(file)
    server = DnsServer(zones, port=port)
    print(server.port, flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        server.close()


if __name__ == "__main__":
    main()
