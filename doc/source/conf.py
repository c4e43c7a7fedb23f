"""Sphinx configuration."""

import importlib.util
from collections.abc import Iterable
from typing import Any

from dulwich import diff_tree
from reno import scanner

from escalator.objects import version_book

project = "Escalator"
copyright = "2026, the Escalator contributors"
author = "the Escalator contributors"
release = version = version_book.RELEASE

extensions = [
    "cliff.sphinxext",
    "oslo_config.sphinxconfiggen",
    "oslo_config.sphinxext",
    "oslo_policy.sphinxext",
    "oslo_policy.sphinxpolicygen",
    "reno.sphinxext",
    "sphinx.ext.graphviz",
]
exclude_patterns: list[str] = []
html_static_path: list[str] = []
graphviz_output_format = "svg"

config_generator_config_file = "../../etc/escalator/escalator-config-generator.conf"
sample_config_basename = "configuration/_static/escalator"
policy_generator_config_file = "../../etc/escalator/escalator-policy-generator.conf"
sample_policy_basename = "configuration/_static/escalator"
autoprogram_cliff_application = "openstack"

html_theme = "sphinx_rtd_theme"
if importlib.util.find_spec("openstackdocstheme") is not None:
    extensions.append("openstackdocstheme")
    html_theme = "openstackdocs"
    openstackdocs_repo_name = "escalator"
    openstackdocs_auto_name = False
    openstackdocs_auto_version = False
    openstackdocs_use_storyboard = False


class Merges(scanner._ChangeAggregator):  # type: ignore[misc]
    """Knows merges that edit a note which one parent has and the other has not.

    To reno that is no change that it recognises, and it gives up: an addition on one
    side and a modification on the other.
    """

    def aggregate_changes(self, walk_entry: Any, changes: Iterable[Any]) -> Any:
        return super().aggregate_changes(walk_entry, map(_single, changes))


def _single(change: Any) -> Any:
    """Return what of a merge's change of one path is left to be told."""
    if not isinstance(change, list):
        return change
    kinds = {each.type for each in change if each is not None}
    if kinds == {diff_tree.CHANGE_ADD, diff_tree.CHANGE_MODIFY}:
        return [each for each in change if each.type == diff_tree.CHANGE_MODIFY]
    return change


scanner._ChangeAggregator = Merges
