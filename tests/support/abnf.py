"""ABNF (RFC 5234) as regular expressions.

For grammars without recursion, with strings that mean their very octets, as
those in relais's manual are.
"""

import re

CORE = """
DIGIT = %x30-39
DQUOTE = %x22
LF = %x0A
SP = %x20
"""
TOKEN = re.compile(rb"""
    (?P<name>[A-Za-z][A-Za-z0-9-]*) | "(?P<string>[^"]*)" |
    %x(?P<first>[0-9A-F]{2})(-(?P<last>[0-9A-F]{2}))? |
    (?P<least>[0-9]*)(?P<star>\*)(?P<most>[0-9]*) | (?P<count>[0-9]+) |
    (?P<mark>[][()/]) | [ ]+""", re.X)


class Grammar:
    def __init__(self, text):
        self.rules = {}
        for line in unfolded(CORE + text):
            name, _, rule = line.partition(b"=")
            self.rules[name.strip()] = rule.strip()

    def pattern(self, rule):
        """A compiled pattern of bytes for the whole of a rule."""
        return re.compile(self.expression(rule.encode()))

    def expression(self, name):
        assert name in self.rules, f"no rule {name.decode()}"
        tokens = list(tokens_of(self.rules[name]))
        expression = self.alternatives(tokens)
        assert not tokens, f"{name.decode()}: what is {tokens[0]}?"
        return expression

    def alternatives(self, tokens):
        found = [self.sequence(tokens)]
        while tokens and tokens[0]["mark"] == b"/":
            tokens.pop(0)
            found.append(self.sequence(tokens))
        return b"(?:" + b"|".join(found) + b")"

    def sequence(self, tokens):
        found = b""
        while tokens and tokens[0]["mark"] not in (b"/", b")", b"]"):
            found += self.repetition(tokens)
        return found

    def repetition(self, tokens):
        token, times = tokens[0], b""
        if token["star"] or token["count"]:
            tokens.pop(0)
            least = token["count"] or token["least"] or b"0"
            most = token["count"] or token["most"]
            times = b"{" + least + b"," + most + b"}"
        return self.element(tokens) + times

    def element(self, tokens):
        token = tokens.pop(0)
        if token["name"]:
            return self.expression(token["name"])
        if token["string"] is not None:
            return b"(?:" + re.escape(token["string"]) + b")"
        if token["first"]:
            last = token["last"] or token["first"]
            return b"[\\x%s-\\x%s]" % (token["first"], last)
        inner = self.alternatives(tokens)
        end = tokens.pop(0)["mark"]
        assert (token["mark"], end) in ((b"(", b")"), (b"[", b"]"))
        return inner + (b"?" if end == b"]" else b"")


def unfolded(text):
    """Rules, one a line, without comments; indented lines go on."""
    lines = []
    for line in text.encode().splitlines():
        line = re.sub(rb';[^"]*$', b"", line).rstrip()
        if line[:1] == b" ":
            lines[-1] += line
        elif line:
            lines.append(line)
    return lines


def tokens_of(rule):
    at = 0
    while at < len(rule):
        match = TOKEN.match(rule, at)
        assert match and match.end() > at, f"what is {rule[at:].decode()}?"
        at = match.end()
        if not match[0].isspace():
            yield match.groupdict()
