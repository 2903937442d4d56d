"""What must be there after a cut, compared with what is."""
import collections


class Mailbox:
    """What one user's client knows after some of its events."""

    def __init__(self):
        self.validity = {"INBOX": None}
        self.messages = {}  # (folder, uid) -> [key, flags or None]
        self.delivered = set()  # places in which a delivery was merely seen
        self.ever = {}  # (folder, uid) -> key
        self.gone = set()

    def twin(self):
        other = Mailbox()
        other.validity = dict(self.validity)
        other.messages = {place: list(what) for place, what in self.messages.items()}
        other.delivered, other.ever, other.gone = set(self.delivered), dict(self.ever), set(self.gone)
        return other

    def place(self, folder, uid, key, flags):
        self.messages[folder, uid] = [key, flags]
        self.ever[folder, uid] = key

    def remove(self, folder, uid):
        self.messages.pop((folder, uid), None)
        self.delivered.discard((folder, uid))
        self.gone.add((folder, uid))

    def apply(self, event):
        getattr(self, "apply_" + event.kind)(event)

    def apply_select(self, event):
        self.validity[event.folder] = event.uidvalidity

    def apply_see(self, event):
        for uid, (key, flags) in event.messages.items():
            if (event.folder, uid) not in self.messages:
                self.place(event.folder, uid, key, flags)
                self.delivered.add((event.folder, uid))

    def apply_append(self, event):
        if event.uid is not None:
            self.place(event.folder, event.uid, event.key, event.flags)

    def apply_store(self, event):
        for uid in event.uids:
            what = self.messages[event.folder, uid]
            what[1] = {"FLAGS": event.flags, "+FLAGS": what[1] | event.flags,
                       "-FLAGS": what[1] - event.flags}[event.how]

    def apply_copy(self, event):
        for old, new in (event.pairs or {}).items():
            self.place(event.target, new, *self.messages[event.folder, old])

    def apply_move(self, event):
        self.apply_copy(event)
        for uid in event.uids:
            self.remove(event.folder, uid)

    def apply_expunge(self, event):
        for uid in event.uids:
            self.remove(event.folder, uid)

    def apply_create(self, event):
        self.validity[event.folder] = None

    def apply_rename(self, event):
        def renamed(place):
            return (event.target, place[1]) if place[0] == event.folder else place
        self.validity[event.target] = self.validity.pop(event.folder)
        self.messages = {renamed(p): what for p, what in self.messages.items()}
        self.ever = {renamed(p): key for p, key in self.ever.items()}
        self.delivered = {renamed(p) for p in self.delivered}
        self.gone = {renamed(p) for p in self.gone}

    # ---- the comparison ----

    def compare(self, folders, figures):
        """`folders` is {name: (uidvalidity, uidnext, {uid: (key, flags)})}. A list of what is wrong."""
        wrong = []
        for name, validity in self.validity.items():
            if name not in folders:
                wrong.append(f"folder {name} is lost")
            elif validity is not None and folders[name][0] != validity:
                wrong.append(f"UIDVALIDITY of {name} was {validity}, is {folders[name][0]}")
            figures["facts"] += 1
        for (folder, uid), key in self.ever.items():
            if folder not in folders:
                continue
            _, uidnext, messages = folders[folder]
            figures["facts"] += 1
            if uid >= uidnext:
                wrong.append(f"UIDNEXT of {folder} is {uidnext}, but {uid} was given out")
            if uid in messages and messages[uid][0] != key:
                wrong.append(f"{folder} {uid} was {key}, is {messages[uid][0]}")
        for folder, uid in self.gone:
            if folder in folders and uid in folders[folder][2]:
                wrong.append(f"{folder} {uid} is back: {folders[folder][2][uid]}")
        for (folder, uid), (key, flags) in self.messages.items():
            found = folders[folder][2].get(uid) if folder in folders else None
            figures["facts"] += 1
            if found is None:
                if (folder, uid) in self.delivered:
                    figures["renumbered"] += 1
                else:
                    wrong.append(f"{folder} {uid} ({key}) is lost")
            elif flags is not None and found[1] != flags:
                wrong.append(f"{folder} {uid} had flags {sorted(flags)}, has {sorted(found[1])}")
        return wrong


def check_mailbox(events, when, folders, figures):
    """A client's events up to the cut; the last may have been under way."""
    sure = Mailbox()
    for event in events:
        if event.began > when:
            break
        if event.done_by(when):
            sure.apply(event)
            continue
        if event.kind not in ("select", "see"):
            # Told to nobody: the mailbox may be as before, or as after it.
            other, counted = sure.twin(), collections.Counter()
            other.apply(event)
            wrong = other.compare(folders, counted)
            if not wrong:
                figures.update(counted)
                return []
            before = sure.compare(folders, figures)
            return before + [f"or, with the {event.kind} under way: {text}" for text in wrong if before]
        break
    return sure.compare(folders, figures)


def check_keys(traffic, user, when, folders, figures):
    """Each message that was taken is somewhere in the mailbox; how often more than once."""
    events = [e for e in traffic.mailboxes[user] if e.began <= when]
    counts = collections.Counter(m[0] for _, _, messages in folders.values() for m in messages.values())
    keys, copies, expunged = {}, collections.Counter(), {}
    wrong = [f"{user}: a message that is not whole" for _ in range(counts.pop(None, 0))]
    for event in events:
        if event.kind == "append":
            keys[event.folder, event.uid] = event.key
        elif event.kind == "see":
            keys.update({(event.folder, uid): key for uid, (key, _) in event.messages.items()})
        elif event.kind in ("copy", "move"):
            for uid in event.uids:
                key = keys[event.folder, uid]
                copies[key] += event.kind == "copy"
                if event.pairs:
                    keys[event.target, event.pairs[uid]] = key
        elif event.kind == "expunge":
            for uid in event.uids:
                expunged.setdefault(keys[event.folder, uid], []).append(event)
        elif event.kind == "rename":
            keys.update({(event.target, uid): key for (folder, uid), key in list(keys.items())
                         if folder == event.folder})
    for event in traffic.sent:
        if user not in event.recipients:
            continue
        count = counts.pop(event.key, 0)
        removed = len(expunged.get(event.key, ()))
        if event.done_by(when):
            figures["promises"] += 1
            if count + removed == 0:
                wrong.append(f"{user}: {event.key} got 250 and is lost")
        if event.began > when and count:
            wrong.append(f"{user}: {event.key} was not sent yet")
        done = len([e for e in expunged.get(event.key, ()) if e.done_by(when)])
        figures["duplicates"] += max(count + done - 1 - copies[event.key], 0)
    for event in events:
        if event.kind != "append":
            continue
        count = counts.pop(event.key, 0)
        done = [e for e in expunged.get(event.key, ()) if e.done_by(when)]
        figures["promises"] += event.done_by(when)
        if count > 1 + copies[event.key] - len(done):
            wrong.append(f"{user}: {event.key} was appended once, copied {copies[event.key]} times, "
                         f"expunged {len(done)} times, and is there {count} times")
        if event.done_by(when) and count + len(expunged.get(event.key, ())) == 0:
            wrong.append(f"{user}: {event.key} got OK and is lost")
    return wrong + [f"{user}: {key} came from nowhere" for key in counts]


def check_relay(traffic, when, before, after, figures):
    """`before` and `after`: what the other server received up to the cut, and since the restart."""
    counts = collections.Counter(what for at, what in before if at <= when) + collections.Counter(
        what for _, what in after)
    wrong = [f"a relayed message that is not whole, to {to}" for key, to in counts if key is None]
    for event in traffic.sent:
        for recipient in event.recipients:
            if "@" not in recipient:
                continue
            count = counts[event.key, recipient]
            figures["duplicates"] += max(count - 1, 0)
            if event.done_by(when):
                figures["promises"] += 1
                if count == 0:
                    wrong.append(f"{event.key} got 250 and was not relayed to {recipient}")
    return wrong
