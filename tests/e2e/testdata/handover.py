"""Hands two messages over as an application in Python does, with the standard library alone.

Arguments: the port, a directory for what was sent, and for TLS the file of the authority and an API key.
Prints the answer to each message as JSON.
"""

import email.message
import email.policy
import json
import pathlib
import smtplib
import ssl
import sys

port, directory, *tls = sys.argv[1:]


def compose(message_id):
    m = email.message.EmailMessage(policy=email.policy.SMTP)
    m["From"] = "Jürgen <shop@example.com>"
    m["To"] = "Ada Lovelace <ada@example.com>"
    m["Cc"] = "cc@example.com"
    m["Subject"] = "Grüße, and a subject that is so long that it must be folded more than once to fit into lines"
    m["Message-ID"] = message_id
    m["Date"] = "Sun, 01 Mar 2026 12:00:00 +0000"
    m["X-Campaign"] = "spring"
    m.set_content("Hello Ada\n.a dot\n..two dots\n.\nGrüße\n", cte="8bit")
    m.add_alternative('<p>Hello <img src="cid:logo"></p>\n', subtype="html")
    m.get_payload()[1].add_related(bytes(range(256)), maintype="image", subtype="png", cid="<logo>", filename="logo.png")
    m.add_attachment(bytes(range(256)) * 4096, maintype="application", subtype="pdf", filename="Rechnung ä.pdf")
    m.add_attachment(b"", maintype="application", subtype="octet-stream", filename="empty.bin") if tls else None
    return m


def answer(send):
    try:
        send()
        return 250
    except smtplib.SMTPDataError as refused:
        return refused.smtp_code


client = smtplib.SMTP("127.0.0.1", int(port), timeout=30)
if tls:
    client.starttls(context=ssl.create_default_context(cafile=tls[0]))
    client.login("anything", tls[1])

to = ["ada@example.com", "cc@example.com", "hidden@example.com"]
signed = compose("<signed@client.example>")
signed["DKIM-Signature"] = "v=1; a=rsa-sha256; d=example.com; s=s1; h=from:to:subject; bh=YWJj; b=ZGVm"
raw = signed.as_bytes()
pathlib.Path(directory, "signed.eml").write_bytes(raw)
answers = {"signed": answer(lambda: client.sendmail("bounces@example.com", to, raw, ["BODY=8BITMIME"]))}

plain = compose("<plain@client.example>")
for attempt in ("plain", "again"):  # the library writes it anew each time, with other boundaries
    answers[attempt] = answer(lambda: client.send_message(plain, "bounces@example.com", to))
client.quit()
print(json.dumps(answers))
