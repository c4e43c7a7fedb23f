"""The guides are built without a warning, as ``make docs`` builds them."""

import html
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).parents[3]
LIMIT_S = 300
COPIED = ("doc", "etc", "releasenotes")
NOTES = "releasenotes/notes/*.yaml"


@unittest.skipUnless(shutil.which("dot"), "the pictures are graphviz's")
class TestGuides(unittest.TestCase):
    """Built of a copy with a history of its own: this tree may have none."""

    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.copy, cls.built = folder / "copy", folder / "html"
        for name in COPIED:
            unwanted = shutil.ignore_patterns("build", "__pycache__")
            shutil.copytree(ROOT / name, cls.copy / name, ignore=unwanted)
        cls.commit()
        cls.done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "sphinx", "-W", "-q", "-b", "html"]
            + ["-d", f"{folder}/doctrees", "doc/source", str(cls.built)],
            cwd=cls.copy,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )

    @classmethod
    def commit(cls):
        """Write a history with a merge that edits a note of one side."""
        note = sorted(cls.copy.glob(NOTES))[0]
        text = note.read_text(encoding="utf-8")
        note.unlink()
        cls.git("init", "--quiet", "--initial-branch=main")
        cls.git("add", "--all")
        cls.git("commit", "--quiet", "--message=all but one note")
        cls.git("checkout", "--quiet", "-b", "side")
        note.write_text(f"{text}\n# edited by the merge\n", encoding="utf-8")
        cls.git("add", "--all")
        cls.git("commit", "--quiet", "--message=that note")
        cls.git("checkout", "--quiet", "main")
        cls.git("merge", "--quiet", "--no-ff", "--no-commit", "side")
        note.write_text(text, encoding="utf-8")
        cls.git("add", "--all")
        cls.git("commit", "--quiet", "--message=merge")

    @classmethod
    def git(cls, *words):
        me = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        argv = ["git", *me, *words]
        subprocess.run(argv, cwd=cls.copy, check=True, capture_output=True)

    def page(self, name):
        return self.built.joinpath(name).read_text(encoding="utf-8")

    def test_without_a_warning(self):
        self.assertEqual(0, self.done.returncode, self.done.stderr[-2000:])

    def test_what_is_made_of_the_code(self):
        """Options, policies and commands stand where nobody wrote them."""
        self.assertIn("reset_states_at_once", self.page("configuration/index.html"))
        self.assertIn(
            "escalator:campaigns:explain", self.page("configuration/index.html")
        )
        self.assertIn("--max-quarantined", self.page("cli/openstack.html"))

    def test_every_release_note(self):
        """Of each the longest run of plain words stands on the page."""
        text = re.sub(r"<[^>]*>", "", self.page("releasenotes.html"))
        text = " ".join(html.unescape(text).split())
        notes = list(ROOT.glob(NOTES))
        self.assertGreater(len(notes), 100)
        lost = []
        for note in notes:
            runs = re.findall(r"[A-Za-z ]+", note.read_text(encoding="utf-8"))
            if max(runs, key=len).strip() not in text:
                lost.append(note.name)
        self.assertEqual([], lost)

    def test_every_picture(self):
        pictures = list(self.built.glob("_images/graphviz-*.svg"))
        self.assertEqual(3, len(pictures))
