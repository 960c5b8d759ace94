"""A planted fault, as a .mutant file tells it, and where its text stands in the tree.

    promise: never wrong | never above the cap | close to the wire | never stuck
    rule: one line, what the text is there for
    found by: tests/e2e/NAME_test.sh, or: unit PROGRAM...
    with: VARIABLE=VALUE ...                    (the test's settings; may be left out)
    function: the function that the text stands in
    --- text
    ...
    --- instead
    ...

The function is found by its name in any .c file of the library, so that a fault outlives moves of code. Text is compared
without regard to white space."""
import glob
import os
import re


class FaultError(Exception):
    pass


class Fault:
    PROMISES = ("never wrong", "never above the cap", "close to the wire", "never stuck")
    FIELDS = ("promise", "rule", "found by", "with", "function")

    def __init__(self, path):
        self.name = os.path.basename(path).removesuffix(".mutant")
        head, text, instead = self.parts(path)
        fields = dict(re.split(r":\s*", line, maxsplit=1) for line in head.strip().splitlines())
        unknown = set(fields) - set(self.FIELDS)
        missing = set(self.FIELDS) - {"with"} - set(fields)
        if unknown or missing:
            raise FaultError(f"{self.name}: fields unknown: {sorted(unknown)}, missing: {sorted(missing)}")
        if fields["promise"] not in self.PROMISES:
            raise FaultError(f"{self.name}: promise is none of {', '.join(self.PROMISES)}")
        self.promise, self.rule, self.found_by = fields["promise"], fields["rule"], fields["found by"]
        self.function, self.text, self.instead = fields["function"], text, instead
        self.environment = dict(setting.split("=", 1) for setting in re.findall(r"\S+=(?:'[^']*'|\S*)", fields.get("with", "")))
        self.environment = {k: v.strip("'") for k, v in self.environment.items()}

    @property
    def is_unit(self):
        return self.found_by.startswith("unit ")

    def parts(self, path):
        with open(path) as file:
            found = re.fullmatch(r"(.*?)^--- text\n(.*?)^--- instead\n(.*)", file.read(), re.DOTALL | re.MULTILINE)
        if not found or not found[2].strip():
            raise FaultError(f"{self.name}: not a head, '--- text' and '--- instead'")
        return found.groups()

    def planted(self, root):
        """(the file, its text with the fault)"""
        pattern = re.compile(r"\s*".join(re.escape(word) for word in tokens(self.text)))
        places = []
        for path in sorted(glob.glob("shim/**/*.[ch]", root_dir=root, recursive=True) +
                           glob.glob("policy/**/*.[ch]", root_dir=root, recursive=True)):
            with open(os.path.join(root, path)) as file:
                source = file.read()
            for start, end in bodies(source, self.function):
                places += [(path, source, start + m.start(), start + m.end())
                           for m in pattern.finditer(source[start:end])]
        if len(places) != 1:
            raise FaultError(f"{self.name}: the text stands in {self.function}() {len(places)} times, not once")
        path, source, start, end = places[0]
        return path, source[:start] + self.instead.strip() + source[end:]


def tokens(text):
    """Words, numbers and single signs: what white space may stand between."""
    return re.findall(r'"(?:[^"\\]|\\.)*"|\w+|[^\w\s]', text)


def bodies(source, function):
    """Where each definition of the function begins and ends. Functions end with a brace in the first column."""
    for match in re.finditer(rf"^(?=\S)[^\n;#]*\b{re.escape(function)}\([^;{{]*?\)\s*\n?\{{", source, re.MULTILINE):
        end = source.find("\n}", match.start())
        yield match.start(), len(source) if end < 0 else end + 2
