# starts early
"""Messages of every size and form, to the byte; header fields that are honoured, added and removed; IPv6."""
import email.utils
import os
import re
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from cases import Skip, case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import BASE, World  # noqa: E402

MB = 1024 * 1024


def provider(text):
    return "port {mx_port}\nname-server {net}.53:{dns_port}\n" + text


def bodies():
    """Name and content, without a header section of ours in them."""
    line = b"0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ .,;:-_#+*~'\r\n"
    dotted = b".\r\n..\r\n.leading dot " + b"z" * 57 + b"\r\n"
    yield "empty", b""
    yield "one", b"x\r\n"
    yield "dots", b".\r\n" * 5000
    yield "eight", bytes(range(128, 256)) * 4 + b"\r\n" + b"\xc3\xa4\r\n" * 1000
    for size in (1000, 65535, 65536, 65537, MB - 1, MB, MB + 1, 5 * MB):
        yield f"plain{size}", (line * (size // len(line) + 1))[:size - 2] + b"\r\n"
        yield f"dotted{size}", (dotted * (size // len(dotted) + 1))[:size - size % len(dotted)] + b"\r\n"
    yield "large", line * (40 * MB // len(line))
    yield "largedots", dotted * (40 * MB // len(dotted))


class Raw:
    """An SMTP dialogue by hand."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, 120)
        self.file = self.socket.makefile("rb")
        self.reply()
        self.ask(b"EHLO raw.test")

    def reply(self):
        while True:
            line = self.file.readline()
            if line[3:4] != b"-":
                return line

    def ask(self, line, code=b"250"):
        self.socket.sendall(line + b"\r\n")
        reply = self.reply()
        expect(reply.startswith(code), f"{line[:60]!r}: {reply!r}")
        return reply

    def envelope(self, rcpt=b"b@gmail.test", more=b" BODY=8BITMIME"):
        self.ask(b"MAIL FROM:<a@inject.test>" + more)
        self.ask(b"RCPT TO:<" + rcpt + b">")

    def data(self, text):
        self.envelope()
        self.ask(b"DATA", b"354")
        stuffed = re.sub(rb"(?m)^\.", b"..", text)
        self.socket.sendall(stuffed + b".\r\n")
        reply = self.reply()
        expect(reply.startswith(b"250"), f"after the dot: {reply!r}")

    def bdat(self, text, chunk):
        self.envelope()
        parts = [text[i:i + chunk] for i in range(0, len(text), chunk)]
        for i, part in enumerate(parts):
            last = b" LAST" if i == len(parts) - 1 else b""
            self.socket.sendall(b"BDAT %d%s\r\n" % (len(part), last) + part)
            reply = self.reply()
            expect(reply.startswith(b"250"), f"BDAT: {reply!r}")

    def close(self):
        self.socket.close()


@case("0 bytes to 40 MB, with and without leading dots, 8-bit: to the byte by DATA and BDAT, in and out")
def to_the_byte():
    policy = provider("provider gmail.test { mx {net}.10; }\n"
                      "provider gmx.test { mx {net}.15; extensions 8bitmime; }")
    with World(policy=policy, dump=True) as w:
        sent = {}
        s = Raw(w.ph.listener)
        for name, body in bodies():
            for way in ("data", "bdat"):
                text = f"X-Id: {way}-{name}\r\n\r\n".encode() + body
                sent[f"{way}-{name}"] = text
                if way == "data":
                    s.data(text)
                else:
                    s.bdat(text, max(len(text) // 3, 1))
        s.close()
        w.mx.wait_recipients(len(sent), 120)
        for a in w.mx.log():
            got = w.mx.message(a)
            wanted = sent[a.id]
            expect(got.endswith(wanted), f"{a.id}: {len(got)} bytes are not the {len(wanted)} that were sent")
            expect(re.fullmatch(rb"Received: [^\r\n]+\r\n(?:[ \t][^\r\n]+\r\n)*", got[:-len(wanted)]), f"{a.id}: in front")
        expect_equal(w.mx.violations(), {}, "violations")
        w.drained()
        w.ph.audit()


@case("a message of no bytes at all is taken and arrives")
def no_bytes():
    with World(policy=provider("provider gmail.test { mx {net}.10; }"), dump=True) as w:
        s = Raw(w.ph.listener)
        s.data(b"")
        s.envelope()
        s.ask(b"BDAT 0 LAST")
        s.close()
        # without a header field they look alike, one is a duplicate of the other
        wait_for("both at the provider", lambda: w.mx.recipients() == 2)
        w.drained()


@case("leading dots reach a server without CHUNKING too")
def dots_by_data():
    with World(policy=provider("provider gmail.test { mx {net}.10; extensions 8bitmime; }"), dump=True) as w:
        texts = {f"d{i}": b"X-Id: d%d\r\n\r\n" % i + b for i, b in enumerate(
            (b".\r\n", b"..\r\n.\r\n", b"a\r\n.\r\n.b\r\n", b".\r\n" * 30000, b"x\r\n" * 400000 + b".end\r\n"))}
        s = Raw(w.ph.listener)
        for text in texts.values():
            s.bdat(text, 50000)
        s.close()
        w.mx.wait_recipients(len(texts))
        for a in w.mx.log():
            expect(w.mx.message(a).endswith(texts[a.id]), a.id)
        expect_equal(w.mx.violations(), {}, "violations")


@case("SMTPUTF8 goes to a server that has it, and is a bounce 5.6.7 with one that has not")
def smtputf8():
    policy = provider("provider gmail.test { mx {net}.10; }\nprovider gmx.test { mx {net}.15; extensions 8bitmime; }")
    with World(policy=policy) as w:
        s = Raw(w.ph.listener)
        for rcpt in ("jos\u00e9@gmail.test", "jos\u00e9@gmx.test"):
            s.envelope(rcpt.encode(), b" SMTPUTF8 BODY=8BITMIME")
            s.ask(b"DATA", b"354")
            s.ask("X-Id: u\r\nSubject: \u00e4\r\n\r\n\u00e4\r\n.".encode())
        s.close()
        w.mx.wait_recipients(1)
        w.ph.wait_records(1, "b")
        expect_equal({a.rcpt for a in w.mx.log()}, {"jos\u00e9@gmail.test"}, "arrived")
        expect(w.ph.records("b")[0]["dsnStatus"].startswith("5.6.7"), f"{w.ph.records('b')[0]}")


HEADERS = ["x-virtual-mta: v1", "x-job: j1", "x-envid: e1"]
VMTAS = """
<virtual-mta v1>
	smtp-source-host {net}.201 v1.posthaste.test
</virtual-mta>
<virtual-mta v2>
	smtp-source-host {net}.202 v2.posthaste.test
</virtual-mta>
"""


def through(more, header, vmtas=VMTAS, base=BASE):
    """One message with that header; (record d, the header section at the provider, where it came from)."""
    base = base.replace("\tmax-message-size unlimited\n", more)
    with World(policy=provider("provider gmail.test { mx {net}.10; }"), dump=True, base=base, config=vmtas) as w:
        s = Raw(w.ph.listener)
        s.data("\r\n".join(header).encode() + b"\r\nX-Id: h\r\n\r\nbody\r\n")
        s.close()
        w.mx.wait_recipients(1)
        record = w.ph.wait_records(1, "d")[0]
        entry = w.mx.log()[0]
        return record, email.message_from_bytes(w.mx.message(entry)), entry.peer.rpartition(".")[2]


@case("x-virtual-mta, X-VirtualMTA and X-Binding choose the VirtualMTA, x-job and x-envid are recorded, all removed")
def control_fields():
    for name in ("x-virtual-mta", "X-VirtualMTA", "X-Binding"):
        record, message, _ = through("", [f"{name}: v2"] + HEADERS[1:])
        expect_equal((record["vmta"], record["jobId"], record["envId"]), ("v2", "j1", "e1"), f"the record with {name}")
        for field in (name, "x-job", "x-envid"):
            expect(message[field] is None, f"{field} was not removed")


@case("retain-x-virtual-mta and retain-x-job keep the fields")
def retained():
    _, message, _ = through("\tretain-x-virtual-mta yes\n\tretain-x-job yes\n", HEADERS)
    expect_equal((message["x-virtual-mta"], message["x-job"]), ("v1", "j1"), "fields")


@case("a VirtualMTA that does not exist is refused, default-virtual-mta is for mail that names none")
def unknown_vmta():
    record, _, last = through("\tdefault-virtual-mta v2\n", ["Subject: none"])
    expect_equal(record["vmta"], "v2", "the default")
    with World(config=VMTAS) as w:
        s = Raw(w.ph.listener)
        s.envelope()
        s.ask(b"DATA", b"354")
        s.ask(b"x-virtual-mta: nobody\r\n\r\nx\r\n.", b"5")
        s.close()


@case("Date and Message-ID are added where missing and asked for, not otherwise; Received as asked")
def added_fields():
    _, message, _ = through("", ["Subject: s"])
    expect_equal((message["Date"], message["Message-ID"]), (None, None), "not asked for")
    expect("raw.test" in message["Received"], f"Received: {message['Received']}")
    more = "\tadd-date-header yes\n\tadd-message-id-header yes\n"
    _, message, _ = through(more, ["Subject: s"])
    expect(email.utils.parsedate_to_datetime(message["Date"]), "Date")
    expect(re.fullmatch(r"<[^<>@\s]+@[^<>@\s]+>", message["Message-ID"]), f"Message-ID {message['Message-ID']}")
    _, message, _ = through(more, ["Date: Sat, 01 Jan 2022 00:00:00 +0000", "Message-ID: <own@x.test>"])
    expect_equal((message.get_all("Date"), message.get_all("Message-ID")),
                 (["Sat, 01 Jan 2022 00:00:00 +0000"], ["<own@x.test>"]), "own fields")
    _, message, _ = through("\tadd-received-header no\n", ["Subject: s"])
    expect_equal(message["Received"], None, "add-received-header no")


@case("hide-message-source leaves the client out of Received, remove-received-headers those that came")
def hidden_source():
    _, message, _ = through("\thide-message-source yes\n", ["Subject: s"])
    received = message["Received"] or ""
    expect("raw.test" not in received and "127." not in received, f"Received: {received}")
    _, message, _ = through("\tremove-received-headers yes\n", ["Received: from secret by other; Sat, 01 Jan 2022 00:00:00 +0000"])
    expect("secret" not in str(message), "Received fields that came are gone")


@case("one message with 1,000 recipients in 50 domains reaches each once")
def thousand_recipients():
    names = " ".join(f"d{i}.test" for i in range(50))
    with World(policy=provider("provider many.test { mx {net}.10; domains " + names + "; }")) as w:
        s = Raw(w.ph.listener)
        s.ask(b"MAIL FROM:<a@inject.test>")
        for i in range(1000):
            s.ask(b"RCPT TO:<r%d@d%d.test>" % (i, i % 50))
        s.ask(b"DATA", b"354")
        s.ask(b"X-Id: many\r\n\r\nx\r\n.")
        s.close()
        w.mx.wait_recipients(1000)
        w.drained()
        log = w.mx.log()
        expect_equal((len(log), len({a.rcpt for a in log})), (1000, 1000), "recipients")
        expect(len({a.number for a in log}) <= 150, "recipients of a domain go together")
        w.ph.audit()


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


@case("IPv6: mail comes in on ::1 and goes out to ::1, with source addresses of both families")
def ipv6():
    if not has_ipv6():
        raise Skip("this machine has no ::1")
    with socket.socket(socket.AF_INET6) as one, socket.socket(socket.AF_INET6) as two:
        one.bind(("::1", 0)), two.bind(("::1", 0))
        port_in, port_out = one.getsockname()[1], two.getsockname()[1]
    policy = provider("provider six.test { mx ::1; port %d; }\nprovider gmail.test { mx {net}.10; }" % port_out)
    config = f"""
smtp-listener [::1]:{port_in}
<source ::1>
	always-allow-relaying yes
	smtp-service yes
</source>
<virtual-mta both>
	smtp-source-host {{net}}.201 v4.posthaste.test
	smtp-source-host ::1 v6.posthaste.test
</virtual-mta>
<source ::1>
	default-virtual-mta both
</source>
"""
    domain = "<domain six.test>\n\tdefault-smtp-port %d\n</domain>\n<domain *>\n\tdefault-smtp-port {mx_port}\n</domain>\n"
    with World(policy=policy, config=config, domain=domain % port_out) as w:
        s = Raw(("::1", port_in))
        for rcpt in (b"b@six.test", b"b@gmail.test"):
            s.envelope(rcpt)
            s.ask(b"DATA", b"354")
            s.ask(b"X-Id: six\r\n\r\nx\r\n.")
        s.close()
        w.mx.wait_recipients(2)
        found = {a.rcpt: (a.peer, a.ehlo) for a in w.mx.log()}
        expect_equal(found, {"b@six.test": ("::1", "v6.posthaste.test"),
                             "b@gmail.test": (f"{w.net}.201", "v4.posthaste.test")}, "source addresses and names")


if __name__ == "__main__":
    main()
