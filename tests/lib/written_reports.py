"""Reports and complaints as others write them, of our own making."""


def dsn(rcpt, original=None, to="bounce@mta.posthaste.test", headers="", envid="", status="5.1.1", action="failed",
        diag="smtp; 550 5.1.1 no such user here"):
    """An RFC 3464 report about a message to `rcpt`; `headers`: of the message that is returned."""
    fields = f"Final-Recipient: rfc822;{rcpt}\r\nAction: {action}\r\nStatus: {status}\r\nRemote-MTA: dns;mx.far.test\r\n"
    if original:
        fields = f"Original-Recipient: rfc822;{original}\r\n" + fields
    if diag:
        fields += f"Diagnostic-Code: {diag}\r\n"
    envid = f"Original-Envelope-Id: {envid}\r\n" if envid else ""
    return f"""From: Mail Delivery System <MAILER-DAEMON@far.test>\r
To: {to}\r
Subject: Undelivered Mail Returned to Sender\r
Auto-Submitted: auto-replied\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"\r
\r
--b1\r
Content-Type: text/plain\r
\r
Your message could not be delivered.\r
--b1\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; mail.far.test\r
{envid}\r
{fields}\r
--b1\r
Content-Type: text/rfc822-headers\r
\r
{headers or "Subject: s" + chr(13) + chr(10)}\r
--b1--\r
""".encode()


def arf(headers, rcpt=None, more="", to="fbl@mta.posthaste.test"):
    """An RFC 5965 complaint about a message with these header fields."""
    who = f"Original-Rcpt-To: <{rcpt}>\r\n" if rcpt else ""
    return f"""From: <complaints@far.test>\r
To: {to}\r
Subject: FW: something\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=feedback-report; boundary="b2"\r
\r
--b2\r
Content-Type: text/plain\r
\r
This is an email abuse report.\r
--b2\r
Content-Type: message/feedback-report\r
\r
Feedback-Type: abuse\r
User-Agent: FarGenerator/1.0\r
Version: 1\r
{who}{more}Source-IP: 192.0.2.7\r
Reported-Domain: ours.test\r
Reporting-MTA: dns; mx.far.test\r
\r
--b2\r
Content-Type: message/rfc822\r
\r
{headers}\r
\r
text\r
--b2--\r
""".encode()
