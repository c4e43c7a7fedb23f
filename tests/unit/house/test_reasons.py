"""P-4b, E-0: every wait and every failure has a code and a remedy."""

import ast
import re
import unittest

from escalator.domain import reason
from tests import sources


def sentences():
    """Yield what the engine says of waits: (place, text with a number for gaps)."""
    for room in ("domain", "conductor"):
        for path in sources.modules(f"escalator/{room}"):
            if path.name == "reason.py":
                continue
            tree = sources.nodes(path)
            joined = [node for node in tree if isinstance(node, ast.JoinedStr)]
            parts = {id(part) for node in joined for part in node.values}
            for node in tree:
                text = ""
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    if id(node) in parts:
                        continue
                    text = node.value
                elif isinstance(node, ast.JoinedStr):
                    text = "".join(
                        str(part.value) if isinstance(part, ast.Constant) else "7"
                        for part in node.values
                    )
                if text.startswith("waits: ") and text != "waits: ":
                    yield f"{path.name}:{node.lineno}", text


class CatalogueTest(unittest.TestCase):
    def test_codes_are_unique_and_have_a_remedy(self):
        known = [*reason.WAITS, *reason._FAILURES.values()]
        codes = [each.code for each in known]
        self.assertEqual(sorted(set(codes)), sorted(codes))
        self.assertTrue(all(each.remedy for each in known))

    def test_no_sentence_of_the_engine_is_without_a_code(self):
        found = dict(sentences())
        self.assertGreater(len(found), 20)
        # These two go on with a text that has a code of its own.
        open_ended = {"waits: 7", "waits: 7: 7"}
        lacking = {
            place: text
            for place, text in found.items()
            if text not in open_ended and reason.find(text).code == "W100"
        }
        self.assertEqual({}, lacking)

    def test_every_code_is_said_somewhere(self):
        texts = [text for _, text in sentences()]
        told = {reason.find(text).code for text in texts} - {"W100"}
        # Said without "waits", or in parts.
        apart = {"W118", "W119", "W129", "W130", "W131", "W132", "W133", "W146"}
        apart |= {"W147", "W157", "W163", "W164", "W165", "W166"}
        self.assertEqual({each.code for each in reason.WAITS}, told | apart)

    def test_the_user_guide_lists_them(self):
        guide = sources.ROOT / "doc/source/user/explain.rst"
        told = re.findall(r"^   \* - ([A-Z]\d{3})$", guide.read_text("utf-8"), re.M)
        known = {each.code for each in reason.WAITS} | {"W100", "S101", "L101"}
        known |= {each.code for each in reason._FAILURES.values()}
        self.assertEqual(sorted(known), sorted(told))
