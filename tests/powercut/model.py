"""What a disk may hold after the power was cut, made from the log of oplog.c.

The reading of POSIX is a strict one:
- Content is durable after an fsync or fdatasync of the file (or a write through O_DSYNC). Of what was
  written later, each page may be there in any of its later versions, or torn between two of them at
  a sector; a file may have any of its later lengths, and bytes that were never written are zeros.
- A name (made, linked, renamed, removed) is durable after an fsync of its directory alone: an fsync
  of the file says nothing about its name. Of names changed later any may be there and any not, but
  changes of the same name stay in their order.
- A rename happens or does not, as a whole, and an fsync of either directory makes it durable.
- What is older than `age` has been written back by itself, as systems do.
- Owner and mode come with the name. A directory's time is that of the last change that was kept.
"""
import mmap
import os
import shutil
import stat
import struct
import time

PAGE = 4096
SECTOR = 512
DOWN = 300  # seconds that the machine was off
HEAD = 4096
RECORD = struct.Struct("<IHHQQQQQQQIIII")
WRITE, TRUNCATE, SYNC_BEGIN, SYNC_END, CREATE, LINK, UNLINK, RENAME, OWNER = range(1, 10)
DURABLE = 1


class Record:
    __slots__ = ("kind", "flags", "time", "inode", "directory", "directory2", "place", "mtime",
                 "mtime2", "mode", "uid", "gid", "data")

    def names(self):
        first, _, second = self.data.partition(b"\0")
        return first, second


class Log:
    """The file that oplog.c fills."""

    def __init__(self, path, limit=4 << 30):
        self.path = path
        with open(path, "wb") as file:
            file.write(struct.pack("<5Q", HEAD, limit, 0, 0, 0))
            file.truncate(limit)
        os.chmod(path, 0o666)

    def records(self):
        with open(self.path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as log:
            used, _, overflow, _, ready = struct.unpack_from("<5Q", log, 0)
            if overflow or not ready:
                raise AssertionError("the log of calls is full" if overflow else "no program wrote a log")
            at, found = HEAD, []
            while at < used:
                r = Record()
                (size, r.kind, r.flags, r.time, r.inode, r.directory, r.directory2, r.place, r.mtime,
                 r.mtime2, r.mode, r.uid, r.gid, length) = RECORD.unpack_from(log, at)
                r.data = log[at + RECORD.size:at + RECORD.size + length]
                found.append(r)
                at += size
            return found


class Node:
    """A file, directory or symbolic link; `pending` are (time, offset, bytes or None: cut there)."""

    def __init__(self, mode, uid, gid, content=b"", mtime=0):
        self.mode, self.uid, self.gid = mode, uid, gid
        self.content = bytearray(content)  # what is durable; of a link: its target
        self.pending = []
        self.mtime = mtime  # of a directory: of its last durable change

    def is_directory(self):
        return stat.S_ISDIR(self.mode)

    def apply(self, change):
        """Makes the change durable."""
        _, at, data = change
        if data is None:
            if at < len(self.content):
                del self.content[at:]
            else:
                self.content.extend(bytes(at - len(self.content)))
            return
        if at > len(self.content):
            self.content.extend(bytes(at - len(self.content)))
        self.content[at:at + len(data)] = data

    def sync(self, until):
        while self.pending and self.pending[0][0] <= until:
            self.apply(self.pending.pop(0))

    def sync_pages(self, first, end):
        """A write through O_DSYNC takes with it what its pages had before."""
        keep = []
        for change in self.pending:
            _, at, data = change
            if data is not None and at // PAGE >= first and (at + len(data) - 1) // PAGE < end:
                self.apply(change)
            else:
                keep.append(change)
        self.pending = keep

    # ---- sampling ----

    @staticmethod
    def page_after(page, base, changes):
        """One page's bytes after some of the changes; zeros after the end of the file."""
        start = page * PAGE
        content = bytearray(base[start:start + PAGE].ljust(PAGE, b"\0"))
        for _, at, data in changes:
            if data is None:
                if at < start + PAGE:
                    cut = max(at - start, 0)
                    content[cut:] = bytes(PAGE - cut)
            elif at < start + PAGE and at + len(data) > start:
                from_ = max(start - at, 0)
                piece = data[from_:start + PAGE - at]
                to = max(at - start, 0)
                content[to:to + len(piece)] = piece
        return content

    def sample(self, choice, horizon):
        """Content that may be found; changes up to the time `horizon` were written back."""
        old = 0
        while old < len(self.pending) and self.pending[old][0] <= horizon:
            old += 1
        if not self.pending:
            return bytes(self.content)
        lengths = [len(self.content)]
        touched = set()
        for _, at, data in self.pending:
            end = at if data is None else at + len(data)
            before = lengths[-1]
            lengths.append(end if data is None else max(before, end))
            first = min(at, before) if data is None or at > before else at
            touched.update(range(first // PAGE, (max(end, before if data is None else end) + PAGE - 1) // PAGE))
        last = len(self.pending)
        size = lengths[choice.version(old, last)]
        content = bytearray(self.content[:size].ljust(size, b"\0"))
        for page in touched:
            start = page * PAGE
            if start >= size:
                continue
            one = self.page_after(page, self.content, self.pending[:choice.version(old, last)])
            if choice.torn():
                other = self.page_after(page, self.content, self.pending[:choice.version(old, last)])
                cut = choice.rng.randrange(1, PAGE // SECTOR) * SECTOR
                one[cut:] = other[cut:]
            content[start:start + PAGE] = one[:size - start]
        return bytes(content)


class Choice:
    """How one state is chosen: how much of what was not synced survives."""

    def __init__(self, rng):
        self.rng = rng
        self.kind = rng.choice(["nothing", "names", "data", "any", "any", "order"])
        self.age = rng.choice([0.5, 2.0, 5.0, 60.0])  # seconds
        self.chance = rng.random()

    def version(self, old, last):
        if self.kind in ("nothing", "names"):
            return old
        if self.kind == "data":
            return last
        return self.rng.randint(old, last)

    def torn(self):
        return self.kind in ("any", "order") and self.rng.random() < 0.3

    def name_survives(self):
        if self.kind in ("nothing", "data"):
            return False
        return self.kind == "names" or self.rng.random() < self.chance


class NameChange:
    """Slots that change together: (directory, name) -> node or None."""
    __slots__ = ("time", "slots", "mtimes")

    def __init__(self, time, slots, mtimes):
        self.time, self.slots, self.mtimes = time, slots, mtimes


class Disk:
    """Fed with records in order; at any point it can be asked for a state."""

    def __init__(self, home, tops):
        self.home = home
        self.deaf = None  # "files" or "directories": their fsyncs do nothing, as with a disk that lies
        self.by_inode = {}
        self.names = {}  # (directory, name) -> node: durable
        self.pending = []  # NameChanges, in order
        self.syncs = {}  # token -> (node, when it began)
        self.roots = {top: self.read(os.path.join(home, top)) for top in tops}

    # ---- before the programs start, everything is durable ----

    def read(self, path):
        st = os.lstat(path)
        node = Node(st.st_mode, st.st_uid, st.st_gid, mtime=st.st_mtime_ns)
        if stat.S_ISLNK(st.st_mode):
            node.content = bytearray(os.fsencode(os.readlink(path)))
        elif stat.S_ISREG(st.st_mode):
            with open(path, "rb") as file:
                node.content = bytearray(file.read())
        self.by_inode[st.st_ino] = node
        if node.is_directory():
            for name in os.listdir(os.fsencode(path)):
                child = os.path.join(os.fsencode(path), name)
                kind = os.lstat(child).st_mode
                if stat.S_ISDIR(kind) or stat.S_ISREG(kind) or stat.S_ISLNK(kind):
                    self.names[node, name] = self.read(child)
        return node

    # ---- one record ----

    def feed(self, r):
        node = self.by_inode.get(r.inode)
        if r.kind in (CREATE, LINK, UNLINK, RENAME):
            self.feed_name(r, node)
        elif r.kind == SYNC_END:
            self.end_sync(r.place)
        elif node is None:
            return
        elif r.kind == WRITE:
            if r.flags & DURABLE and self.deaf != "files":
                node.sync_pages(r.place // PAGE, (r.place + len(r.data) + PAGE - 1) // PAGE)
                node.apply((r.time, r.place, r.data))
            else:
                node.pending.append((r.time, r.place, r.data))
        elif r.kind == TRUNCATE:
            node.pending.append((r.time, r.place, None))
        elif r.kind == OWNER:
            node.mode, node.uid, node.gid = r.mode, r.uid, r.gid
        elif r.kind == SYNC_BEGIN:
            self.syncs[r.place] = node, r.time

    def feed_name(self, r, node):
        directory = self.by_inode.get(r.directory)
        name, second = r.names()
        if r.kind == CREATE:
            # The number is a new file's from here on, also where we do not look.
            node = Node(r.mode, r.uid, r.gid, second if stat.S_ISLNK(r.mode) else b"", r.mtime)
            self.by_inode[r.inode] = node
        if r.kind == RENAME:
            target = self.by_inode.get(r.directory2)
            slots, mtimes = {}, {}
            if directory is not None:
                slots[directory, name] = None
                mtimes[directory] = r.mtime
            if target is not None:
                slots[target, second] = node
                mtimes[target] = r.mtime2
        elif directory is None:
            return
        else:
            slots = {(directory, name): None if r.kind == UNLINK else node}
            mtimes = {directory: r.mtime}
        if slots:
            self.pending.append(NameChange(r.time, slots, mtimes))

    def end_sync(self, token):
        """What was done before the fsync began is durable now that it has ended."""
        node, began = self.syncs.pop(token, (None, 0))
        if node is None or self.deaf == ("directories" if node.is_directory() else "files"):
            return
        if not node.is_directory():
            node.sync(began)
            return
        # The directory's changes, and those that these build upon.
        wanted, needed = set(), set()
        for change in reversed(self.pending):
            if change.time > began:
                continue
            if any(d is node or (d, name) in needed for d, name in change.slots):
                wanted.add(change)
                needed.update(change.slots)
        for change in self.pending:
            if change in wanted:
                self.commit(change)
        self.pending = [c for c in self.pending if c not in wanted]

    def commit(self, change):
        self.names.update(change.slots)
        for directory, mtime in change.mtimes.items():
            directory.mtime = mtime

    # ---- a state ----

    def choose_names(self, choice, now):
        horizon = now - int(choice.age * 1e9)
        names = dict(self.names)
        mtimes = {}
        blocked = set()
        for change in self.pending:
            free = not any(slot in blocked for slot in change.slots)
            if choice.kind == "order" and blocked:
                free = False
            if free and (change.time <= horizon or choice.name_survives()):
                names.update(change.slots)
                mtimes.update(change.mtimes)
            else:
                blocked.update(change.slots)
        return names, mtimes

    def build(self, choice, now):
        """Puts a state in place of what is under `home`."""
        names, mtimes = self.choose_names(choice, now)
        children = {}
        for (directory, name), node in names.items():
            if node is not None:
                children.setdefault(directory, []).append((name, node))
        horizon = now - int(choice.age * 1e9)
        made = {}
        for top, node in self.roots.items():
            path = os.fsencode(os.path.join(self.home, top))
            shutil.rmtree(path)
            self.place(node, path, children, mtimes, choice, horizon, made)

    def place(self, node, path, children, mtimes, choice, horizon, made):
        if node in made and not node.is_directory():
            os.link(made[node], path)
            return
        made[node] = path
        if node.is_directory():
            os.mkdir(path)
            for name, child in children.get(node, ()):
                self.place(child, os.path.join(path, name), children, mtimes, choice, horizon, made)
        elif stat.S_ISLNK(node.mode):
            os.symlink(bytes(node.content), path)
            os.lchown(path, node.uid, node.gid)
            return
        else:
            with open(path, "wb") as file:
                file.write(node.sample(choice, horizon))
            os.utime(path, (time.time() - DOWN, time.time() - DOWN))
        os.chown(path, node.uid, node.gid)
        os.chmod(path, stat.S_IMODE(node.mode))
        if node.is_directory():
            mtime = mtimes.get(node, node.mtime)
            os.utime(path, ns=(mtime, mtime))
