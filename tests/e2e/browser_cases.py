"""The web monitor as people see it: every page and every action in a headless Chromium, without a word on its console."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from browser import Browser, missing  # noqa: E402
from cases import Skip, case, expect, expect_equal, main, wait_for  # noqa: E402
from posthaste import DOMAIN, POLICY, ROOT, World, queued_recipients  # noqa: E402
from web import PASSWORD, PORT, hash_of, write_access_file  # noqa: E402

CONFIG = """
http-mgmt-port 8080
http-access {net}.9 admin
http-default-max-items 20
<http>
	address {net}.1
	access-file {folder}/access.json
	enable-config-editing yes
</http>
<virtual-mta mta-a>
	smtp-source-host {net}.200 a.mta.test
</virtual-mta>
<virtual-mta mta-b>
	smtp-source-host {net}.201 b.mta.test
</virtual-mta>
"""
TRACKED = "<domain nowhere.test>\n\ttrack-recipient-events yes\n</domain>\n<domain yahoo.test>\n\ttrack-recipient-events yes\n</domain>\n"
PAGES = ["", "queues", "queues?queue=gmail.test/*", "queue?name=gmail.test/mta-a", "domains", "vmtas", "jobs", "sources", "recipients",
         "recipients?jobid=summer", "alerts", "changes", "events", "bounces", "complaints", "suppression?address=u1@gmail.test", "logs",
         "logs?search=webd", "dns?name=gmail.test", "configuration", "commands", "login", "nowhere"]
EVIL = "</script><img src=x onerror=alert(1)>"
REPLY = 'provider evil.test { mx {net}.77; reply rcpt always "450 4.2.1 ' + EVIL + '"; }\n'
_state = {}


def world():
    if missing():
        print(f"# NOT TESTED: the pages, for want of {missing()}; scripts/deps.sh check installs it", flush=True)
        raise Skip(f"there is no {missing()}")
    if "world" not in _state:
        w = World(policy=POLICY + REPLY, config=CONFIG, domain=DOMAIN + TRACKED, start=False)
        _state["world"] = w
        write_access_file(w.folder + "/access.json", [("anna", hash_of(), "admin"), ("mona", hash_of(), "monitor")])
        w.__enter__()
        w.ph.start()
        fill(w)
        _state["browser"] = Browser(f"http://{w.net}.1:{PORT}", w.folder)
    expect("browser" in _state, "it did not start")
    return _state["world"], _state["browser"]


def fill(w):
    """Delivered mail, bounced mail, and mail that waits: paused."""
    w.inject(n=3, rcpts="u%r@nowhere.test", sessions=1)
    with w.ph.client() as s:  # its address, reply and header are hostile, too
        s.docmd("EHLO", EVIL)
        s.ehlo("c.test")
        s.sendmail("me@inject.test", [f'"{EVIL}"@evil.test'], f"Subject: {EVIL}\r\nx-envid: {EVIL}\r\n\r\n{EVIL}\r\n")
    wait_for("the reply", lambda: EVIL in w.ph.pmtactl("show", "queues", "evil.test").stdout, 30)
    w.inject(n=1, rcpts="sent@yahoo.test", sessions=1, headers=["x-virtual-mta: mta-b", "x-job: done"])
    w.ph.wait_bounces(3)
    w.ph.wait_records(1, "d")
    w.ph.pmtactl("pause", "queue", "*/*")
    w.inject(n=40, rcpts="u%r@gmail.test", sessions=4, headers=["x-virtual-mta: mta-a", "x-job: summer"])
    w.inject(n=25, rcpts="u%r@yahoo.test", sessions=2, headers=["x-virtual-mta: mta-b", "x-job: summer"])
    w.inject(n=12, rcpts="u%r@outlook.test", sessions=2, headers=["x-virtual-mta: mta-b", "x-job: invoices"])
    w.inject(n=1, rcpts="u%r@web.test", sessions=1, headers=["x-job: " + EVIL])
    wait_for("78 wait", lambda: sum(j["rcp"] for j in w.ph.json("show", "jobs").get("job", [])) == 78, 30)
    w.ph.pmtactl("set", "queue", "--mode=backoff", "outlook.test/*")


def log_in(b, user):
    b.open("/ui/")
    b.fill("input[name=user]", user)
    b.fill("input[name=password]", PASSWORD)
    b.click("form button", "Log in")
    b.wait_text("Queues", "#nav")


@case("without a right there is the log-in and nothing else; a wrong password is told, the right one opens the monitor")
def log_ins():
    _, b = world()
    b.open("/ui/queues")
    expect(b.find("input[name=password]") is not None and "gmail" not in b.text("body"), b.text("body"))
    b.fill("input[name=user]", "anna")
    b.fill("input[name=password]", "wrong")
    b.click("form button", "Log in")
    b.told("wrong")
    b.no_complaints("a wrong password", "403")
    log_in(b, "mona")
    b.open("/ui/queue?name=gmail.test/mta-a")
    expect(b.find("[data-command]") is None, "a monitor was offered an action")
    expect(b.find("nav a", "Configuration") is None, "a monitor was offered the configuration")
    b.click("#logout")
    wait_for("logged out", lambda: b.find("input[name=password]") is not None, 20)
    log_in(b, "anna")
    b.no_complaints("log-ins")


# text whose colour stands out too little from what is behind it (WCAG 2: 4.5 to 1), and the page's width
READABLE = """
const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
    const v = c[i] / 255;
    return sum + weight * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
}, 0);
const parts = (text) => { const c = text.match(/[\\d.]+/g).map(Number); return c.length === 3 ? [...c, 1] : c; };
const behind = (e) => {
    for (; e; e = e.parentElement) {
        const c = parts(getComputedStyle(e).backgroundColor);
        if (c[3] === 1) return c;
    }
    return [255, 255, 255, 1];
};
const bad = new Set();
for (const e of document.body.querySelectorAll("*")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const style = getComputedStyle(e);
    if (!own || !e.getClientRects().length || style.visibility !== "visible" || e.disabled) continue;
    const [a, b] = [light(parts(style.color)), light(behind(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) bad.add(`${e.tagName}.${e.className} "${e.textContent.slice(0, 30)}" ${style.color}`);
}
if (document.documentElement.scrollWidth > innerWidth) bad.add(`${document.documentElement.scrollWidth} pixels wide`);
return [...bad].join(", ");
"""


def look(b, page):
    """As the page is, on a phone and in the dark."""
    for width, scheme in ((1280, "light"), (1280, "dark"), (360, "dark"), (360, "light")):
        b.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        b.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False})
        expect_equal(b.script(READABLE), "", f"/ui/{page} {scheme}, {width} pixels")
    b.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    b.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@case("every page opens, shows what there is, says nothing on the console, has a heading, a title and named parts, and is readable everywhere")
def pages():
    _, b = world()
    wanted = {"": "It balances", "queues": "gmail.test/mta-a", "queue?name=gmail.test/mta-a": "Why it is where it is", "domains": "yahoo.test",
              "vmtas": "mta-b", "jobs": "summer", "recipients?jobid=summer": "@gmail.test",
              "alerts": "backoff", "changes": "pause queue", "events": "sent@yahoo.test", "bounces": "bad-domain", "complaints": "mta-b",
              "suppression?address=u1@gmail.test": "not suppressed", "logs": "webd",
              "dns?name=gmail.test": "gmail.test", "configuration": "Earlier versions", "nowhere": "no such page"}
    for page in PAGES:
        b.open("/ui/" + page)
        if page in wanted:
            b.wait_text(wanted[page])
        expect("is not defined" not in b.text() and "undefined" not in b.text(), f"{page}: {b.text()[:200]}")
        problems = b.script("""const bad = [];
            if (document.querySelectorAll("h1").length !== 1) bad.push("not one h1");
            if (!document.title.includes("Posthaste")) bad.push("title");
            for (const e of document.querySelectorAll("input, select, textarea"))
                if (!e.labels.length && !e.getAttribute("aria-label")) bad.push("no label: " + e.name);
            for (const e of document.querySelectorAll("button, a"))
                if (!e.textContent.trim() && !e.getAttribute("aria-label")) bad.push("no name: " + e.outerHTML);
            for (const t of document.querySelectorAll("table")) if (!t.caption) bad.push("no caption");
            if (document.querySelector("[style], script:not([src])")) bad.push("inline");
            if (document.documentElement.scrollWidth > innerWidth) bad.push("wider than the window");
            return bad.join(", ")""")
        expect_equal(problems, "", page)
        look(b, page)
        b.no_complaints("/ui/" + page)


@case("bounces by category and by provider, recipient events, complaints and alerts say what there was")
def what_happened():
    w, b = world()
    b.open("/ui/bounces")
    for wanted in ("Bounced, by category", "bad-domain", "By provider", "nowhere.test", "By job and VirtualMTA"):
        b.wait_text(wanted)
    row = b.script("return [...document.querySelectorAll('tr')].map((r) => [...r.cells].map((c) => c.innerText)).find((r) => r[0] === 'nowhere.test')")
    expect_equal(row[2], "3", f"bounced of nowhere.test: {row}")
    worst = w.ph.json("show", "domains", "--sort=bounces", "--maxitems=2")["domain"]
    expect(worst[0]["name"] == "nowhere.test" and worst[0]["bounces"] >= worst[1]["bounces"], f"the worst first: {worst}")
    b.open("/ui/events?queue=nowhere.test")
    b.wait_text("bounced")
    b.wait_text("@nowhere.test")
    b.open("/ui/complaints")
    b.wait_text("complaints about our mail since the start")
    b.wait_text("done")
    b.open("/ui/alerts")
    b.wait_text("outlook.test/mta-b")
    b.open("/ui/recipients?rcpt=sent@yahoo.test")
    b.wait_text("Nothing waits for this address")
    b.wait_text("delivered")
    b.no_complaints("what happened")


@case("each page that docs/guides/questions.md names for its ten questions answers")
def ten_questions():
    w, b = world()
    found = re.findall(r"^\*\*(.+?)\*\*.*?^In the monitor: `(/ui/[^`]*)`", open(ROOT + "/docs/guides/questions.md").read(), re.M | re.S)
    expect_equal(len(found), 10, "questions with a page")
    for question, page in found:
        b.open(page.replace("you@example.net", "u1@gmail.test").replace("gmail.com/bulk", "gmail.test/mta-a"))
        expect(len(b.text()) > 60 and "no such page" not in b.text(), f"{question}: {b.text()[:100]}")
        b.no_complaints(page)


@case("what strangers wrote is text on every page: jobs, replies, addresses with markup run nothing and make no element")
def strangers():
    _, b = world()
    told = {"jobs": EVIL, "queues?queue=evil.test": EVIL, "queue?name=evil.test/{default}": EVIL, "domains?domain=evil.test": EVIL,
            "recipients?queue=evil.test": EVIL, "events?queue=evil.test": EVIL, "logs": "webd", "bounces": "by category",
            "alerts": "Alerts", "": "Largest queues"}
    for page, text in told.items():
        b.open("/ui/" + page)
        b.wait_text(text)
        expect(b.find("main img") is None and b.find("main script") is None, f"{page}: an element out of a stranger's text")
        b.no_complaints(page)


@case("the charts move by events, without a request of the page's for each")
def live():
    _, b = world()
    b.open("/ui/")
    b.wait_text("live", "#live")
    wait_for("two points, and the chart's description", lambda: "in now" in b.script(
        "return document.querySelector('svg.chart').getAttribute('aria-label')"), 20)
    b.no_complaints("home")


@case("pages work by keyboard, on a phone, and in the dark")
def ways():
    w, b = world()
    from selenium.webdriver.common.keys import Keys
    b.open("/ui/")
    body = b.driver.switch_to.active_element
    body.send_keys(Keys.TAB)
    expect_equal(b.driver.switch_to.active_element.text, "Skip to the content", "the first stop")
    links = []
    for _ in range(30):
        b.driver.switch_to.active_element.send_keys(Keys.TAB)
        links.append(b.driver.switch_to.active_element.text)
        if "Queues" in links:
            break
    expect("Queues" in links, f"stops: {links}")
    b.driver.switch_to.active_element.send_keys(Keys.ENTER)
    b.wait("/ui/queues")
    b.driver.set_window_size(390, 800)
    try:
        b.open("/ui/queues")
        width = b.script("return document.documentElement.scrollWidth - innerWidth")
        expect(width <= 0, f"{width} pixels too wide for a phone")
        b.click("#menu")
        b.click("nav a", "Jobs")
        b.wait("/ui/jobs")
    finally:
        b.driver.set_window_size(1280, 900)
    b.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
    b.open("/ui/")
    ground = b.script("return getComputedStyle(document.body).backgroundColor")
    expect_equal(ground, "rgb(17, 22, 29)", "the ground in the dark")
    b.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    b.no_complaints("phone, dark")


@case("each action does what it says: pause, resume, try now, modes, hold, jobs, sources, DNS, counters, log, reload, commands")
def actions():
    w, b = world()
    queue = "gmail.test/mta-a"

    def state():
        return {q["name"]: q for q in w.ph.json("show", "queues")["queue"]}[queue]

    b.open("/ui/queue?name=" + queue)
    b.click("button[data-command='set queue']", "Back-off mode")
    b.told("")
    wait_for("back-off", lambda: state()["mode"] == "backoff", 20)
    b.wait("/ui/queue?name=" + queue)
    b.click("button[data-command='set queue']", "Normal mode")
    wait_for("normal", lambda: state()["mode"] == "normal", 20)
    b.fill("input[name=ip]", f"{w.net}.200")
    b.fill("input[name=after]", "1h")
    b.click("button[data-command='disable source']")
    wait_for("disabled", lambda: "source" in w.ph.json("show", "disabled", "sources"), 20)
    b.open("/ui/sources")
    b.wait_text(f"{w.net}.200")
    b.click("td button[data-command='enable source']")
    b.wait_text("All are in use")
    b.open("/ui/vmtas")
    b.click("button[data-command=hold]")
    b.click("#dialog-no")
    expect(not any(v["held"] for v in w.ph.json("show", "vmtas")["vmta"]), "held although cancelled")
    b.click("button[data-command=hold]")
    b.click("#dialog-yes")
    b.click("button[data-command=release]")
    wait_for("released", lambda: not any(v["held"] for v in w.ph.json("show", "vmtas")["vmta"]), 20)
    b.open("/ui/jobs")
    b.click("button[data-command='pause job']")
    b.click("button[data-command='resume job']")
    wait_for("resumed", lambda: not any(j["paused"] for j in w.ph.json("show", "jobs")["job"]), 20)
    b.open("/ui/dns?name=gmail.test")
    b.click("button[data-command='clear dnscache']")
    b.open("/ui/commands")
    b.fill("input[name=command]", "show version")
    b.click("form button", "Run")
    b.wait_text("Posthaste", "#command-output")
    b.open("/ui/suppression?address=u9@gmail.test")
    b.click("button[data-command=suppress]")
    b.wait_text("manual")
    b.click("button[data-command=unsuppress]")
    b.wait_text("not suppressed")
    b.open("/ui/commands")
    for words in ("rotate log", "reset counters", "reload"):
        b.click(f"button[data-command='{words}']")
        if words != "rotate log":
            b.click("#dialog-yes")
        b.told("")
        b.wait("/ui/commands")
    b.open("/ui/queue?name=" + queue)
    for words in ("resume queue", "pause queue", "schedule"):
        b.click(f"button[data-command='{words}']")
        b.told("")
        b.wait("/ui/queue?name=" + queue)
    b.no_complaints("actions")


@case("to delete, it is tried dry first, told how many, asked, and then done")
def deletion():
    w, b = world()
    b.open("/ui/recipients?jobid=invoices")
    b.click("button[data-command=delete]")
    b.wait_text("12 recipients", "#dialog")
    b.click("#dialog-no")
    n = queued_recipients(w.ph)
    b.click("button[data-command=delete]")
    b.click("#dialog-yes")
    wait_for("twelve fewer", lambda: queued_recipients(w.ph) == n - 12, 20)
    b.no_complaints("delete")


@case("the configuration: a mistake is told with its line, what differs is shown, it is replaced, loaded, and gone back to")
def configuration():
    w, b = world()
    b.open("/ui/configuration")
    before = open(w.ph.config_path).read()
    b.script("document.getElementById('config-text').value += 'max-smpt-out 5\\n'")
    b.click("#config-check")
    b.wait_text("max-smpt-out", "#config-result")
    b.no_complaints("a mistake", "400")
    b.script("const t = document.getElementById('config-text'); t.value = t.value.replace('max-smpt-out 5', 'http-default-max-items 7')")
    b.click("#config-apply")
    b.wait_text("+ http-default-max-items 7", "#dialog")
    b.click("#dialog-yes")
    wait_for("written", lambda: "http-default-max-items 7" in open(w.ph.config_path).read(), 20)
    b.told("reloaded")
    b.click("button[data-command='roll back']")
    b.click("#dialog-yes")
    wait_for("back", lambda: open(w.ph.config_path).read() == before, 20)
    b.told("reloaded")
    b.no_complaints("configuration")


def main_and_close():
    try:
        main()
    finally:
        if "browser" in _state:
            _state["browser"].close()
        if "world" in _state:
            _state["world"].close(False)


if __name__ == "__main__":
    main_and_close()
