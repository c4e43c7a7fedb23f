"""The guides say what the product does: nothing is left out, examples run."""

import contextlib
import importlib
import importlib.metadata
import io
import json
import pathlib
import re
import shlex
import sys
import tempfile
import unittest

from escalator.api import routes
from escalator.cmd import draw_states
from escalator.cmd.doctor import check as doctor_check
from escalator.cmd.doctor import main as doctor_test
from escalator.conductor import campaign_shape
from escalator.domain import lint_redundancy, lints, webhook
from escalator.drivers import loader

ROOT = pathlib.Path(__file__).parents[3]
SOURCE = ROOT / "doc/source"


def page(name):
    return (SOURCE / name).read_text(encoding="utf-8")


def reserved_of(schema):
    """Return every key that a JSON schema keeps for later, at any depth."""
    if isinstance(schema, list):
        return set().union(*map(reserved_of, schema))
    if not isinstance(schema, dict):
        return set()
    own = set(schema.get("x-reserved", {}))
    return own.union(*(reserved_of(each) for each in schema.values()))


def example(folder, name):
    """Import an example that a page shows."""
    place = str(SOURCE / folder)
    sys.path.insert(0, place)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(place)


def keys_of(schema):
    """Return every key that a JSON schema knows, at any depth."""
    found = set()
    if isinstance(schema, dict):
        properties = schema.get("properties", {})
        found |= set(properties)
        found = found.union(*(keys_of(each) for each in schema.values()))
    elif isinstance(schema, list):
        found = found.union(*(keys_of(each) for each in schema))
    return found


class TestUserGuide(unittest.TestCase):
    def test_every_key_of_a_campaign_file_is_explained(self):
        text = page("user/campaign-file.rst")
        words = set(re.findall(r"[\w.]+", text))
        self.assertEqual(set(), keys_of(campaign_shape.SCHEMA) - words)

    def test_every_key_of_a_campaign_file_has_an_example(self):
        """In the samples that the page shows, which are judged elsewhere, or below."""
        text = page("user/campaign-file.rst")
        folder = SOURCE / "user"
        paths = re.findall(r"literalinclude:: (\S+\.yaml)", text)
        samples = [(folder / path).resolve().read_text("utf-8") for path in paths]
        samples += re.findall(r"code-block:: yaml\n((?:\n|[ ]+.*\n)+)", text)
        shown = set(re.findall(r"([\w.]+):(?=\s)", "\n".join(samples)))
        self.assertEqual(set(), keys_of(campaign_shape.SCHEMA) - shown)

    def test_every_reserved_key_has_its_place(self):
        text = page("user/campaign-file.rst").partition("have its place here\n")[2]
        rows = re.findall(
            r"^   \* - (``.*)$", text.partition("Every key once")[0], re.M
        )
        told = set(re.findall(r"``(\w+)``", " ".join(rows)))
        self.assertEqual(reserved_of(campaign_shape.SCHEMA), told)

    def test_every_rule_is_listed_and_none_is_made_up(self):
        listed = re.findall(r"\* - (C\d{3})$", page("user/campaign-file.rst"), re.M)
        known = re.findall(r"^(C\d{3})  ", lints.__doc__, re.M)
        self.assertEqual(known, listed)

    def test_warnings_are_called_so(self):
        """What the guide calls a warning is what the code lets pass."""
        text = page("user/campaign-file.rst")
        told = set(re.findall(r"(C\d{3})\n     - \*warning:\*", text))
        known = set(re.findall(r"(C\d{3})  [^\n]*\(warning\)", lints.__doc__))
        self.assertEqual(known, told)

    def test_what_interrupts_is_told(self):
        text = page("user/campaign-file.rst").partition("Smoothness\n")[2]
        told = text.partition("Only what interrupts")[2].partition("playbook.run")
        listed = set(re.findall(r"``(\w+\.\w+)``", told[0] + "``playbook.run``"))
        self.assertEqual(lint_redundancy.INTERRUPTING, listed)

    def test_every_action_is_explained(self):
        text = page("user/actions.rst")
        for namespace in ("escalator.action", "escalator.checkpoint"):
            for name, kind in loader.load_classes(namespace).items():
                self.assertIn(f"``{name}``", text)
                for argument in getattr(kind, "params_schema", {}).get(
                    "properties", {}
                ):
                    self.assertIn(f"``{argument}``", text, name)

    def test_every_route_is_listed(self):
        listed = set(
            re.findall(r"\* - ([A-Z]+)\n     - ``([^`]+)``", page("user/api.rst"))
        )
        known = {
            (route.method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path))
            for route in routes.ROUTES
        }
        self.assertEqual(known, listed - {("GET", "/healthcheck")})

    def test_the_signature_example_works(self):
        """It takes what the notifier signs, and nothing else."""
        is_genuine = example("user", "verify_webhook").is_genuine
        body = json.dumps({"event": "host.down"}).encode()
        stamp = "1795240800.046"
        headers = {
            webhook.TIMESTAMP_HEADER: stamp,
            webhook.SIGNATURE_HEADER: webhook.sign("secret", stamp, body),
        }
        now = float(stamp) + 1
        self.assertTrue(is_genuine("secret", headers, body, lambda: now))
        self.assertFalse(is_genuine("other", headers, body, lambda: now))
        self.assertFalse(is_genuine("secret", headers, body + b" ", lambda: now))
        self.assertFalse(is_genuine("secret", headers, body, lambda: now + 600))


class TestCommands(unittest.TestCase):
    """Whoever types what a page shows is understood."""

    @classmethod
    def setUpClass(cls):
        found = importlib.metadata.entry_points(group="openstack.upgrade.v1")
        cls.known = {each.name.replace("_", " "): each for each in found}

    def split(self, text):
        """Return the command that a text begins with, and the words behind it."""
        words = text.split()
        names = [" ".join(words[:count]) for count in range(2, 5)]
        name = next((each for each in reversed(names) if each in self.known), None)
        self.assertIsNotNone(name, f"openstack {text}")
        return name, words[len(name.split()) :]

    def texts(self):
        for path in (*SOURCE.rglob("*.rst"), *ROOT.glob("*.rst")):
            yield path.relative_to(ROOT), path.read_text(encoding="utf-8")

    def test_every_command_is_one(self):
        """The program may be missing, the client's own options may come before."""
        for path, text in self.texts():
            for found in re.findall(r"``openstack (?:upgrade|escalator) .*?``", text):
                words = found.strip("`").partition(" ")[2]
                with self.subTest(path):
                    self.split(words)

    def test_every_program_is_told(self):
        text = page("cli/programs.rst")
        told = set(re.findall(r"``(?:escalator)?(-[a-z-]+)", text))
        found = importlib.metadata.entry_points(group="console_scripts")
        ours = {each.name for each in found if each.value.startswith("escalator.")}
        self.assertGreater(len(ours), 10)
        self.assertEqual(set(), {n.removeprefix("escalator") for n in ours} - told)

    def test_every_option_of_the_doctor_is_told(self):
        text = page("cli/programs.rst")
        for program in (doctor_test.parse, doctor_check.parse):
            said = io.StringIO()
            with contextlib.redirect_stdout(said), self.assertRaises(SystemExit):
                program(["--help"])
            options = set(re.findall(r"--[a-z-]+", said.getvalue())) - {"--help"}
            told = set(re.findall(r"``(--[a-z-]+)", text))
            self.assertEqual(set(), options - told)

    def test_every_line_is_understood(self):
        count = 0
        for path, text in self.texts():
            whole = re.sub(r"\\\n\s*", " ", text)
            for line in re.findall(
                r"^ +(?:openstack|esc)\b.*?\b(upgrade .*)", whole, re.M
            ):
                if line.startswith("upgrade public"):
                    continue
                count += 1
                name, words = self.split(line.partition(" #")[0])
                parser = self.known[name].load()(None, None).get_parser(name)
                parser.error = lambda text, told=f"{path}: {line}": self.fail(
                    f"{told}: {text}"
                )
                parser.parse_args(shlex.split(" ".join(words)))
        self.assertGreater(count, 40)


class TestContributorGuide(unittest.TestCase):
    def test_there_are_three_pictures(self):
        pictures = re.findall(r"graphviz:: (\S+)", page("contributor/architecture.rst"))
        wanted = ["layers.dot", "fault-path.dot", "campaign-states.dot"]
        self.assertEqual(wanted, pictures)

    def test_the_picture_of_the_states_is_up_to_date(self):
        """``tox -e genstates`` writes what is committed."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "states.dot")
            draw_states.main([str(path)])
            self.assertEqual(path.read_text(), page("contributor/campaign-states.dot"))

    def test_the_example_driver_keeps_its_contract(self):
        module = example("contributor", "driver_example")
        self.assertTrue(module.Enable.is_mutating)
        tests = example("contributor", "driver_example_contract")
        suite = unittest.defaultTestLoader.loadTestsFromModule(tests)
        self.assertGreater(suite.countTestCases(), 5)
        result = unittest.TestResult()
        suite.run(result)
        self.assertEqual([], [text for _, text in result.failures + result.errors])

    def test_the_example_driver_is_short(self):
        text = page("contributor/driver_example.py")
        shown = text.partition("# begin\n")[2].partition("# end")[0].strip()
        lines = [line for line in shown.splitlines() if line.strip()]
        self.assertLessEqual(len(lines), 30)

    def test_every_decision_is_whole_and_listed(self):
        folder = SOURCE / "contributor/adr"
        index = page("contributor/adr/index.rst")
        pages = sorted(folder.glob("[0-9]*.rst"))
        numbers = [int(path.name[:4]) for path in pages]
        self.assertEqual(list(range(1, len(pages) + 1)), numbers)
        self.assertGreaterEqual(len(pages), 10)
        for path in pages:
            text = path.read_text()
            with self.subTest(path.name):
                self.assertIn(f"   {path.stem}\n", index + "\n")
                self.assertRegex(text, r":Status: (accepted|superseded by \d+)")
                self.assertRegex(text, r":Date: 20\d\d-\d\d-\d\d")
                for part in ("Context", "Decision", "Consequences"):
                    self.assertRegex(text, rf"\n{part}\n=+\n")
