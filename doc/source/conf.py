"""Sphinx configuration."""

import importlib.util

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
