#!/usr/bin/python3
"""make pictures: the monitor's pages for the documentation, of the demo's server at work.

pictures.py BUILD, into the folder PH_PICTURES. Two minutes of mail to the demo's five providers, some of which turn it
away, seen by a headless Chromium."""
import os
import random
import sys
import threading
import time

import demo  # reads BUILD
from browser import Browser, missing
from cases import wait_for
from posthaste import World
from web import PASSWORD, PORT, hash_of, write_access_file

FLOW_S = 75  # before the first picture
JOBS = ("autumn-sale", "weekly-7", "receipts", "password-reset")
MONITOR = """
http-mgmt-port 8080
http-access {net}.9 admin
<http>
	address {net}.1
	access-file {folder}/access.json
	enable-config-editing yes
</http>
"""


def flow(world, is_over):
    """Mail comes in waves, each for one VirtualMTA and job."""
    rng, n = random.Random(7), 0
    while not is_over.is_set():
        n += 1
        rcpts = ",".join(f"user%r.{n}@{d}" for d in demo.DOMAINS)
        vmta, job = rng.choice(demo.VMTAS), rng.choice(JOBS)
        wave = world.start_inject(rng.randrange(20, 160), rcpts, sessions=3, size=8192, more=("-f", f"{vmta}@demo.test"),
                                  headers=(f"x-virtual-mta: {vmta}", f"x-job: {job}"))
        wave.wait(60)
        is_over.wait(rng.uniform(0.1, 0.9))


def log_in(b):
    b.open("/ui/")
    b.fill("input[name=user]", "anna")
    b.fill("input[name=password]", PASSWORD)
    b.click("form button", "Log in")
    b.wait_text("Queues", "#nav")


def take(world, b, folder):
    def shoot(name, page):
        b.open("/ui/" + page)
        b.picture(f"{folder}/{name}.png")

    b.open("/ui/")  # the live chart grows while the page is open
    time.sleep(FLOW_S)
    b.picture(f"{folder}/home.png")
    shoot("queues", "queues")
    many = world.start_inject(3000, "reader%r@yahoo.test", sessions=4, size=8192, more=("-f", "news-a@demo.test"),
                              headers=("x-virtual-mta: news-a", "x-job: autumn-sale"))
    many.wait(60)  # more than five connections take at once
    shoot("queue", "queue?name=yahoo.test/news-a")
    b.open("/ui/configuration")
    b.script("const t = document.getElementById('config-text');"
             "t.value = t.value.replace('max-smtp-out 3', 'max-smtp-out 5')")
    b.click("#config-apply")
    b.wait_text("+ ", "#dialog")
    b.picture(f"{folder}/configuration.png")
    b.click("#dialog-no")
    b.driver.set_window_size(390, 800)
    shoot("phone", "")
    b.driver.set_window_size(1280, 900)
    b.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
    shoot("dark", "bounces")


def main():
    if missing():
        sys.exit(f"pictures: this machine lacks {missing()}")
    config = open(demo.ROOT + "/conf/demo.conf.in").read() + MONITOR
    world = World(policy=demo.POLICY, base=config, domain="", start=False)
    write_access_file(world.folder + "/access.json", [("anna", hash_of(), "admin")])
    is_over = threading.Event()
    with world as w:
        w.ph.start()
        sender = threading.Thread(target=flow, args=(w, is_over))
        sender.start()
        browser = Browser(f"http://{w.net}.1:{PORT}", w.folder)
        try:
            log_in(browser)
            wait_for("mail that waits", lambda: w.ph.json("show", "ledger")["ledger"]["queued"] > 0, 30)
            take(w, browser, os.environ["PH_PICTURES"])
        finally:
            browser.close()
            is_over.set()
            sender.join()


if __name__ == "__main__":
    main()
