"""What the schedules (schedules.py) hold the store to: what stands out there, and what must be true of it."""

from storekit import Work, text


class Wrong(Exception):
    """The world is not as it must be."""


class Carrier:
    """What stands out there, by document. `put`: the last effect wins. `idem`: so too, and an effect
    with a key that it knows is none. `post`: each publication is a new post; replacing names the
    posts to go. `blind`: as post, and nobody can look."""

    def __init__(self, kind):
        self.kind = kind
        self.posts = {}      # document -> {reference: content}
        self.keys = set()
        self.told = set()    # references that reached the store

    def apply(self, document, key, reference, content, gone):
        if self.kind == "idem":
            if key in self.keys:
                return
            self.keys.add(key)
        posts = self.posts.setdefault(document, {})
        if self.kind in ("put", "idem"):
            posts.clear()
            reference = document
        for old in gone:
            posts.pop(old, None)
        if content is not None:
            posts[reference] = content

    def shown(self, document):
        return dict(self.posts.get(document, {}))


class Judge:
    # What must hold ---------------------------------------------------------------------------------

    def handed_out(self, name, who, item):
        self.story.append((self.now, "take", name, who, item))
        key = name, item.document
        live = self.leases.get(key)
        if live and live[0] > self.now:
            raise Wrong("%s is handed out twice on %s" % (item.document, name))
        if live and not item.passed:
            raise Wrong("the lease of %s on %s passed and nobody is told" % (item.document, name))
        if item.lease <= self.highest.get(key, 0):
            raise Wrong("a lease of %s on %s comes again" % (item.document, name))
        self.highest[key] = item.lease
        self.leases[key] = (item.lease, who)
        most = int(self.limits.split(",")[4])
        if most and sum(k[0] == name for k in self.leases) > most:
            raise Wrong("more than %d at once on %s" % (most, name))

    def may_be_shown(self, name, work):
        self.story.append((self.now, "load", name, work))
        if not isinstance(work, Work) or work.kind != "P":
            return
        event = self.by_evid[work.evid]
        if event.publish_at > self.now:
            raise Wrong("%s is handed out before its embargo ends" % work.evid)
        if event.expires and event.expires + self.back <= self.now:
            raise Wrong("%s is handed out after it expired" % work.evid)
        if "f" in event.flags and event.evid not in self.in_time:
            raise Wrong("%s is handed out before its attachments are in" % work.evid)
        over = event.until and event.until <= self.now  # then nobody waits for where it is removed
        if name == self.after and not self.after_most and not over and self.confirmed.get(("portal", work.document)) != (work.rev, work.lvl) \
                and (work.shown_rev, work.shown_lvl) != (str(work.rev), str(work.lvl)):
            raise Wrong("%s does not wait for the portal" % name)

    def judge(self):
        documents = list(self.winner)
        keys = ["doc:" + document for document in documents]
        rows = yield self.now, self.store.words("gk1_show", self.store.keys(*keys))
        for document, row in zip(documents, rows):
            self.judge_document(document, self.winner[document], self.store.show_of(row))
        for name in self.carriers:
            flying = yield self.now, ("HGET", self.store.key("gate:" + name), "fly")
            if flying:
                raise Wrong("nothing is leased on %s, and %s are counted" % (name, text(flying)))
        needed = {ulid for ulid, here in self.ledger.items() if here}
        bodies = yield self.now, ("MGET", *self.store.keys(*["body:" + event.ulid for event in self.sent]))
        for event, there in zip(self.sent, bodies):
            ulid = event.ulid
            if there and ulid not in needed:
                raise Wrong("the bytes of %s are left behind" % event.evid)
            if there and ulid in needed and not self.is_refused(rows, documents, event):
                raise Wrong("the bytes of %s are kept for nobody" % event.evid)

    def is_refused(self, rows, documents, event):
        shown = self.store.show_of(rows[documents.index(event.document)])
        return any(channel.state == "dead" for channel in shown.channels.values())

    def judge_document(self, document, winner, shown):
        whole = winner.content if winner.kind == "P" and not winner.expires else None
        missing = {spec.split("<")[0].split("!")[0] for spec in winner.channels.split(",") if spec} - set(shown.channels)
        if missing:
            raise Wrong("%s does not know of %s" % (document, missing))
        for name, channel in shown.channels.items():
            if channel.state == "dead":
                self.judge_dead(document, name, channel, winner, shown)
                continue
            carrier = self.carriers[name]
            posts = carrier.shown(document)
            wanted = whole
            over = self.on_end[name] if whole and winner.until and self.spec(name) in winner.channels else ""
            if over:
                wanted = whole + "!" if over == "mark" else None
            where = "%s on %s (%s): " % (document, name, carrier.kind)
            if wanted and wanted not in posts.values():
                raise Wrong(where + "missing, there is %r" % posts)
            if wanted:
                known = [ref for ref, content in posts.items() if content == wanted
                         and (carrier.kind != "blind" or ref == channel.reference)]
                if not known:
                    raise Wrong(where + "the reference %r is not of %r" % (channel.reference, posts))
                del posts[known[0]]
            if carrier.kind == "blind":
                posts = {ref: content for ref, content in posts.items() if ref in carrier.told}
            if posts:
                raise Wrong(where + "doubled, old or withdrawn: %r" % posts)
            if channel.state not in ("published", "withdrawn", "ended"):
                raise Wrong(where + "at rest as " + channel.state)

    def judge_dead(self, document, name, channel, winner, shown):
        refused = winner.kind == "P" and winner.content.startswith("C") and self.seed % 3 == 0
        if channel.code == "after/dead":
            refused = name == self.after and shown.channels["portal"].state == "dead"
        if not refused:
            raise Wrong("%s is dead on %s (%s) though nobody refuses it" % (document, name, channel.code))
