"""A headless Chromium that reads the monitor's pages, by Debian's driver and Selenium."""
import os
import shutil

from cases import Failed, wait_for

BROWSER, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"


def missing():
    """What of it this machine lacks; empty: nothing."""
    found = [path for path in (BROWSER, DRIVER) if not os.path.exists(path)]
    try:
        import selenium  # noqa: F401
    except ImportError:
        found.append("python3-selenium")
    return ", ".join(found)


class Browser:
    def __init__(self, base, folder, width=1280, height=900, dark=False):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
        self.base = base
        self.profile = folder + "/chromium" + ("-dark" if dark else "")
        o = webdriver.ChromeOptions()
        o.binary_location = BROWSER
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                     "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
                     "--no-proxy-server", f"--window-size={width},{height}", f"--user-data-dir={self.profile}"):
            o.add_argument(word)
        if dark:
            o.add_argument("--blink-settings=preferredColorScheme=0")
        o.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service(DRIVER), options=o)
        self.driver.set_page_load_timeout(30)

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def open(self, path):
        """The page, once its data is there."""
        self.driver.get(self.base + path)
        self.wait(path)

    def wait(self, path):
        wait_for(f"{path} is drawn", lambda: self.script("return document.getElementById('main').dataset.ready") == path, 30)

    def find(self, css, text=None):
        """The first element that is seen, or None."""
        return self.script("""const [css, text] = arguments;
            return [...document.querySelectorAll(css)].find((e) => e.checkVisibility() && (text === null || e.textContent.trim() === text)) || null""", css, text)

    def click(self, css, text=None):
        def click(element):
            self.script("arguments[0].scrollIntoView({block: 'center'})", element)
            element.click()
        self._do(css, text, click)

    def fill(self, css, value):
        def fill(element):
            element.clear()
            element.send_keys(value)
        self._do(css, None, fill)

    def _do(self, css, text, act):
        """The page may be drawn anew between finding and doing: then it is found again."""
        from selenium.common.exceptions import WebDriverException

        def try_it():
            element = self.find(css, text)
            try:
                if element is not None:
                    act(element)
                return element is not None
            except WebDriverException:
                return False
        wait_for(f"{css} {text or ''} is there", try_it, 30)

    def text(self, css="#main"):
        return self.script("return (document.querySelector(arguments[0]) || {innerText: ''}).innerText", css)

    def wait_text(self, wanted, css="#main"):
        wait_for(f"{wanted!r} in {css}: {self.text(css)[:300]!r}", lambda: wanted in self.text(css), 20)

    def told(self, wanted):
        """The message that an action leaves; read once."""
        self.wait_text(wanted, "#toast")
        self.script("document.getElementById('toast').replaceChildren()")

    def no_complaints(self, where, *expected):
        """Nothing on the console but what is expected."""
        lines = [e["message"] for e in self.driver.get_log("browser") if e["level"] in ("SEVERE", "WARNING")]
        wrong = [line for line in lines if not any(word in line for word in expected)]
        if wrong:
            raise Failed(f"{where}: on the console: {wrong[:3]}")

    def picture(self, path):
        self.driver.save_screenshot(path)
