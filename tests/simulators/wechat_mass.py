"""Mass sends of the simulated account. Sources: api_sendall, api_massmsgget, Batch_Sends.html, WxMpMassMessageService, WxMpErrorMsgEnum."""
from wechat_rules import Refused

PAYLOADS = {"mpnews": "media_id", "text": "content", "image": "media_id", "voice": "media_id"}


class Send:
    def __init__(self, number, kind, to_all, articles, ignore_reprint):
        self.number, self.kind, self.to_all, self.articles = number, kind, to_all, articles
        self.ignore_reprint, self.shown = ignore_reprint, []
        self.status = "SENDING"  # SEND_SUCCESS SEND_FAIL DELETE
        self.waits = False  # for the administrator


class Mass:
    """What Wechat is made of, too."""

    def begin_mass(self):
        self.mass_seconds, self.mass_results, self.reprints, self.protected = 0, [], [], False
        self.mass_pace = 60  # 45066: try again after a minute
        self.mass_window = 86400  # how long a clientmsgid is known is not said; people report 24 h
        self.followers = {"oFollower000000000000000001", "oFollower000000000000000002"}
        self.wechat_names = {"xuanchuanbu"}
        self.tags = {2: 92, 3: 40}
        self.sends, self.client_ids, self.shown_of, self.mass_numbers, self.speed = {}, {}, {}, 1000000000, 0

    def mass_routes(self):
        return {"/cgi-bin/message/mass/sendall": self.mass_send, "/cgi-bin/message/mass/get": self.mass_get,
                "/cgi-bin/message/mass/delete": self.mass_delete, "/cgi-bin/message/mass/preview": self.mass_preview,
                "/cgi-bin/message/mass/speed/set": self.speed_set, "/cgi-bin/message/mass/speed/get": self.speed_get}

    def mass_state(self):
        return [{"msg_id": s.number, "status": s.status, "msgtype": s.kind, "to_all": s.to_all, "waits": s.waits,
                 "urls": [a.url for a in s.shown]} for s in self.sends.values()]

    def payload(self, body):
        """The type, and what it names: mpnews is a draft's media_id, image and voice are permanent materials'."""
        kind = body.get("msgtype")
        if not isinstance(kind, str) or kind not in PAYLOADS:
            raise Refused(40008)
        inner = body.get(kind)
        value = inner.get(PAYLOADS[kind]) if isinstance(inner, dict) else None
        if not isinstance(value, str) or not value:
            raise Refused(44004 if kind == "text" else 40007)
        if kind == "mpnews" and value not in self.drafts and value not in self.shown_of:
            raise Refused(40007)
        if kind in ("image", "voice") and getattr(self.store.materials.get(value), "kind", None) != kind:
            raise Refused(40007)
        return kind, value

    def known(self, client_id):
        """WxMpErrorMsgEnum: 45065 with the first msg_id; 45066 when it comes again within a minute; 45067 when too long."""
        if not isinstance(client_id, str) or len(client_id.encode()) > 64:  # no page found: 64 bytes
            raise Refused(45067)
        first = self.client_ids.get(client_id)
        if not first or self.clock.now() - first["at"] > self.mass_window:
            return
        quick = self.clock.now() - first["tried"] < self.mass_pace
        first["tried"] = self.clock.now()
        if quick:
            raise Refused(45066)
        raise Refused(45065, msg_id=first["send"].number, msg_data_id=first["send"].number)

    def take_quota(self, to_all, tag):
        """Batch_Sends.html. A verified subscription account: one successful send a day. A service account: a user gets at most 4
        in a month; to all at most once a day, and 4 times in a month."""
        day, month, read = self.clock.day(), self.clock.month(), self.counts.read
        if self.account == "subscription":
            if read("sends", day) >= 1:
                raise Refused(45028)
        else:
            most = 4 - read("to all", month) - (max((read(("tag", t), month) for t in self.tags), default=0) if to_all else read(("tag", tag), month))
            if most < 1 or (to_all and read("sends to all", day) >= 1):
                raise Refused(45028)
        self.counts.add("sends", day)
        if to_all:
            self.counts.add("sends to all", day)
        self.counts.add("to all" if to_all else ("tag", tag), month)

    def mass_send(self, request):
        if not self.verified:
            raise Refused(48001)
        body = self.body(request)
        chosen = body.get("filter")
        if not isinstance(chosen, dict) or not isinstance(chosen.get("is_to_all", False), bool):
            raise Refused(47001, "filter")
        to_all, tag = chosen.get("is_to_all", False), chosen.get("tag_id")
        if not to_all and (not isinstance(tag, int) or tag not in self.tags):
            raise Refused(40152)
        ignore = body.get("send_ignore_reprint", 0)
        if ignore not in (0, 1) or isinstance(ignore, bool):
            raise Refused(40035, "send_ignore_reprint")
        kind, value = self.payload(body)
        client_id = body.get("clientmsgid")
        if client_id is not None:
            self.known(client_id)
        self.take_quota(to_all, tag)
        articles = [dict(a) for a in self.drafts[value]["articles"]] if value in self.drafts else []
        self.mass_numbers += 1
        send = self.sends[self.mass_numbers] = Send(self.mass_numbers, kind, to_all, articles, ignore)
        if client_id is not None:
            self.client_ids[client_id] = {"send": send, "at": self.clock.now(), "tried": self.clock.now()}
        answer = {"msg_id": send.number, "msg_data_id": send.number}
        if self.protected and to_all:
            # api_sendall: a send to all waits for the administrator, 30 min at most; then it has failed.
            send.waits = value
            self.clock.after(1800, lambda: self.decide(send, False))
            raise Refused(89504, **answer)
        self.clock.after(self.mass_seconds, lambda: self.end_send(send, value))
        return {"errcode": 0, "errmsg": "send job submission success", **answer}

    def admin(self, agrees):
        """The administrator decides on what waits."""
        with self.lock:
            for send in self.sends.values():
                self.decide(send, agrees)

    def decide(self, send, agrees):
        value, send.waits = send.waits, False
        if value and agrees:
            self.clock.after(self.mass_seconds, lambda: self.end_send(send, value))
        elif value:
            self.end_send(send, value, "send fail")

    def end_send(self, send, value, result=None):
        if send.status != "SENDING":
            return
        reprint = self.reprints.pop(0) if self.reprints and not result else None  # None, "allowed" or "forbidden"
        if not result and reprint and not (reprint == "allowed" and send.ignore_reprint):
            result = "err(20013)"  # api_sendall: 0 stops at a reprint; 1 goes on where the original allows it
        result = result or (self.mass_results.pop(0) if self.mass_results else "send success")
        good = result == "send success"
        send.status = "SEND_SUCCESS" if good else "SEND_FAIL"
        if good and send.kind == "mpnews":
            # WxMpMassMessageService: sends of one media_id share their articles, and die together.
            if value not in self.shown_of:
                self.shown_of[value] = self.show(send.articles, send.number, "群发")
            send.shown = self.shown_of[value]
        n = sum(self.tags.values()) if send.to_all else next(iter(self.tags.values()))
        self.pusher.put({"Event": "MASSSENDJOBFINISH", "MsgID": send.number, "Status": result, "TotalCount": n, "FilterCount": n,
                         "SentCount": n if good else 0, "ErrorCount": 0 if good else n,
                         "CopyrightCheckResult": {"Count": int(bool(reprint)), "ResultList": {}, "CheckState": {None: 0, "allowed": 2}.get(reprint, 3)}})

    def sent(self, body):
        number = body.get("msg_id")
        number = int(number) if isinstance(number, str) and number.isdigit() else number
        if not isinstance(number, int) or number not in self.sends:
            raise Refused(40059)  # api_massmsgget
        return self.sends[number]

    def mass_get(self, request):
        send = self.sent(self.body(request))
        return {"msg_id": send.number, "msg_status": send.status}

    def mass_delete(self, request):
        """WxMpMassMessageService: article and video messages only; the card stays in the chats, the page dies; article_idx from 1,
        0 or none means all."""
        body = self.body(request)
        send = self.sent(body)
        index = body.get("article_idx", 0)
        if send.status != "SEND_SUCCESS" or send.kind != "mpnews":
            raise Refused(40059)
        if not isinstance(index, int) or not 0 <= index <= len(send.shown):
            raise Refused(40060)
        for each in send.shown if index == 0 else send.shown[index - 1:index]:
            each.deleted = each.deleted or self.clock.now()
        for other in self.sends.values():
            if other.shown is send.shown and all(a.deleted for a in other.shown):
                other.status = "DELETE"
        return {"errcode": 0, "errmsg": "ok"}

    def mass_preview(self, request):
        body = self.body(request)
        if body.get("towxname"):
            self.count("preview by name")
        self.payload(body)
        # (For a WeChat name that is not there no code is named.)
        if str(body.get("towxname")) not in self.wechat_names and str(body.get("touser")) not in self.followers:
            raise Refused(40003)
        self.mass_numbers += 1
        return {"errcode": 0, "errmsg": "preview success", "msg_id": self.mass_numbers}

    def speed_set(self, request):
        """WxMpErrorMsgEnum: 45083 not 0..4, 45084 none."""
        speed = self.body(request).get("speed")
        if speed is None:
            raise Refused(45084)
        if speed not in (0, 1, 2, 3, 4) or isinstance(speed, bool):
            raise Refused(45083)
        self.speed = speed
        return {"errcode": 0, "errmsg": "ok"}

    def speed_get(self, request):
        return {"speed": self.speed, "realspeed": (80, 60, 45, 30, 10)[self.speed]}
