"""Our own side: the programs as built, one private instance a run, running with its separate users."""
import json
import os
import signal
import subprocess

import load

CONFIG = """host-name mta.bench.test
postmaster postmaster@src.test
smtp-listener 127.0.0.1:{port}
<spool {folder}/spool>
</spool>
log-file {folder}/log
<acct-file {folder}/acct.csv>
	records d, b
</acct-file>
<source 127.0.0.1>
	always-allow-relaying yes
	smtp-service yes
	add-received-header yes
	max-message-size unlimited
</source>
<domain *>
	smtp-hosts [127.0.0.1]:{target}
	max-smtp-out {concurrency}
	max-msg-per-connection unlimited
	retry-after 10s
	bounce-after 1d
</domain>
"""


class Posthaste:
    name = "posthaste"
    tls = None  # a PEM file: TLS on both legs
    more = ""  # of the configuration

    def __init__(self, build, folder, group, target, one_connection=False):
        self.build, self.folder, self.group = build, folder + "/posthaste", group
        self.port, self.target, self.process = load.free_port(), target, None
        self.concurrency = 1 if one_connection else 40

    def start(self):
        os.makedirs(self.folder, exist_ok=True)
        os.chmod(self.folder, 0o755)
        with open(self.folder + "/config", "w") as f:
            text = CONFIG.format(folder=self.folder, port=self.port, target=self.target,
                                 concurrency=self.concurrency)
            if self.tls:
                text = text.replace("\tsmtp-service yes\n", "\tsmtp-service yes\n\tallow-starttls yes\n").replace(
                    "\tretry-after", "\trequire-starttls yes\n\tretry-after")
                text += f"smtp-server-tls-certificate {self.tls}\n"
            f.write(text + self.more)
        self.errors = open(self.folder + "/stderr", "a")
        self.process = subprocess.Popen([self.build + "/sbin/posthaste", "-f", "-c", self.folder + "/config"],
                                        preexec_fn=self.group.enter if self.group else None,
                                        stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors)
        try:
            load.wait_for("Posthaste", self._is_up, 30)
        except RuntimeError as e:
            raise RuntimeError(f"{e}: {open(self.folder + '/stderr').read()[-800:]}") from None

    def _is_up(self):
        if self.process.poll() is not None:
            raise RuntimeError("Posthaste ended by itself")
        return load.port_open(self.port)

    def has_recovered(self):
        """The scan of the spool is over."""
        r = subprocess.run([self.build + "/sbin/pmtactl", "-c", self.folder + "/config", "--json", "show", "ledger"],
                           capture_output=True, text=True)
        try:
            scanning = json.loads(r.stdout)["data"]["ledger"]["scanning"]
        except (ValueError, KeyError, TypeError):
            return False
        return str(scanning).lower() in ("false", "no", "0")

    def kill(self):
        """As a crash would: every process at once."""
        self.group.end(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.group.end(signal.SIGKILL)
        self.errors.close()
