"""What docs/clients tells people to write, as far as it can be run here.

The code is taken from that page: what is tested is what is told.
"""

import re
import shutil
import subprocess

import pytest

from conftest import BUILD, PATIENCE, SOURCE, wait_until

PAGE = (SOURCE / "docs" / "clients").read_text()


def chapter(title):
    """The indented blocks below a heading, without their indent."""
    text = re.search(rf"^{title}\n-+\n(.*?)(?=^\S[^\n]*\n---|\Z)", PAGE,
                     re.M | re.S).group(1)
    return re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.M)


def here(code, relaisd):
    code = re.sub(r"^    ", "", code, flags=re.M)
    code = code.replace("/usr/bin/relais-sendmail",
                        str(BUILD / "relais-sendmail"))
    return code.replace("/run/relais/submit.sock", str(relaisd.socket))


def run(words, relaisd, **options):
    done = subprocess.run([str(w) for w in words], capture_output=True,
                          timeout=PATIENCE, env=relaisd.environment(),
                          **options)
    assert done.returncode == 0, done
    return done


def captured(relaisd, count=1):
    wait_until(lambda: len(relaisd.captured()) == count, f"{count} messages")
    return [path.read_bytes() for path in relaisd.captured()]


def tool(name):
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def test_shell(relaisd, directory):
    (directory / "message.eml").write_bytes(b"To: a@example.net\n\nx\n")
    code = here(chapter("Shell")[0], relaisd).replace(
        "relaisctl", str(BUILD / "relaisctl"))
    code = code.replace("| relais-sendmail", f"| {BUILD}/relais-sendmail")
    code = re.sub(r"^relais-sendmail", f"{BUILD}/relais-sendmail", code,
                  flags=re.M).replace("$(relais-", f"$({BUILD}/relais-")
    run(["sh", "-e", "-c", code], relaisd, cwd=directory)
    assert len(captured(relaisd, 3)) == 3


def test_python(relaisd, directory):
    first, second = chapter("Python")[:2]
    script = directory / "recipe.py"
    script.write_text(
        here(first, relaisd) +
        f'\nwith UnixSMTP("{relaisd.socket}") as smtp:\n    ' +
        here(second, relaisd).strip() + "\n")
    run(["/usr/bin/python3", script], relaisd)
    assert all(b"Subject: Your order" in m for m in captured(relaisd, 2))
    _, page = relaisd.api("/v1/messages")
    assert {m["key"] for m in page["messages"]} == {
        None, "order-4711-shipped"}


def test_perl(relaisd, directory):
    script = directory / "recipe.pl"
    script.write_text(here(chapter("Perl")[0], relaisd))
    run([tool("perl"), script], relaisd)
    assert b"Subject: hello" in captured(relaisd)[0]


def test_java(relaisd, directory):
    tool("javac")
    code = here(chapter("Java")[0], relaisd).replace(
        "message.writeTo(out)",
        'out.write("To: a@example.net\\nSubject: java\\n\\nx\\n".getBytes())')
    (directory / "Recipe.java").write_text(
        "import java.io.*;\npublic class Recipe {\n"
        "public static void main(String[] a) throws Exception {\n" + code +
        "}}\n")
    run([tool("java"), directory / "Recipe.java"], relaisd)
    assert b"Subject: java" in captured(relaisd)[0]


def test_go(relaisd, directory):
    go = tool("go")
    code = here(chapter("Go")[0], relaisd)
    (directory / "recipe.go").write_text(
        'package main\nimport ("log"; "net"; "net/smtp")\n'
        'var message = []byte("Subject: go\\r\\n\\r\\nx\\r\\n")\n'
        "func send() error {\n" + code + "}\n"
        "func main() {\nif err := send(); err != nil {\nlog.Fatal(err)\n}\n}\n")
    environment = {**relaisd.environment(), "HOME": str(directory),
                   "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
    done = subprocess.run([go, "run", directory / "recipe.go"],
                          capture_output=True, timeout=PATIENCE,
                          env=environment)
    assert done.returncode == 0, done
    assert b"Subject: go" in captured(relaisd)[0]


def test_django(relaisd, directory):
    pytest.importorskip("django")
    backend, = [b for b in chapter("Django") if "class EmailBackend" in b]
    (directory / "relais_backend.py").write_text(here(backend, relaisd))
    script = directory / "recipe.py"
    script.write_text(
        "from django.conf import settings\n"
        "settings.configure(EMAIL_BACKEND='relais_backend.EmailBackend')\n"
        "from django.core.mail import send_mail\n"
        "assert send_mail('django', 'x', 'app@example.com',\n"
        "                 ['a@example.net', 'b@example.net']) == 1\n")
    run(["/usr/bin/python3", script], relaisd, cwd=directory)
    assert b"Subject: django" in captured(relaisd)[0]


def test_every_chapter_has_a_recipe():
    for title in ("Shell", "cron", "PHP", "Python", "Django", "Node", "Go",
                  "Ruby", "Perl", "Java", "Mail programs", "Containers"):
        assert any("relais" in block for block in chapter(title)), title
