"""NSD with zones that ldns-signzone has signed, from the root down."""
import glob
import os

from peers import Peer, free_port, run

HEAD = "@ IN SOA ns.test. hostmaster.test. 1 3600 600 86400 60\n@ IN NS ns.test.\n"


class SignedZones(Peer):
    """`zones`: names (the parents first, "." among them) to lines. A zone is signed, and its parent has the record for its key,
    unless it stands in `unsigned`; those in `expired` were signed long ago; of `forged` (zone to (old, new)) the text is changed
    after it was signed. `anchor` is the file with the root's key."""

    def __init__(self, zones, unsigned=(), expired=(), forged=None):
        super().__init__()
        self.port = free_port()
        lines = {zone: [HEAD, text] for zone, text in zones.items()}
        keys = {zone: self.key(zone) for zone in zones if zone not in unsigned}
        for zone in [zone for zone in zones if zone != "."]:
            parent = max((other for other in zones if other != zone and (other == "." or zone.endswith("." + other))), key=len)
            lines[parent].append(f"{zone} IN NS ns.test.\n" + (open(keys[zone] + ".ds").read() if zone in keys else ""))
        for zone in zones:
            self.file(zone, lines[zone], keys.get(zone), zone in expired, (forged or {}).get(zone))
        self.anchor = self.write("anchor", open(keys["."] + ".ds").read())
        self.serve(zones)

    def key(self, zone):
        base = run(["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "-r", "/dev/urandom", zone], cwd=self.dir).split()[-1]
        assert glob.glob(self.path(base + ".key")), base
        return self.path(base)

    def file(self, zone, lines, key, expired, forged):
        path = self.write("zone-" + zone.strip("."), f"$ORIGIN {zone}\n$TTL 60\n" + "".join(lines))
        if key is None:
            return os.rename(path, path + ".signed")
        times = ["-i", "20200101", "-e", "20200201"] if expired else []
        run(["ldns-signzone", *times, "-o", zone, path, key], cwd=self.dir)
        if forged:
            with open(path + ".signed") as file:
                text = file.read()
            assert forged[0] in text, forged
            self.write(os.path.basename(path) + ".signed", text.replace(*forged))

    def serve(self, zones):
        conf = self.write("nsd.conf", f"""server:
  ip-address: 127.0.0.1@{self.port}
  do-ip6: no
  server-count: 1
  username: ""
  database: ""
  zonesdir: "{self.dir}"
  pidfile: "{self.path('pid')}"
  xfrdfile: "{self.path('xfrd')}"
  zonelistfile: "{self.path('zonelist')}"
remote-control:
  control-enable: no
""" + "".join(f"zone:\n  name: {zone}\n  zonefile: zone-{zone.strip('.')}.signed\n" for zone in zones))
        self.run(["nsd", "-d", "-c", conf], self.port)
