"""The VIM driver ``openstack``: Nova by its REST API and its notifications."""
