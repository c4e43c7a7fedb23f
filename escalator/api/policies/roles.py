"""Who is who.  Every rule is built from these; nothing is open to all.

Keystone implies reader from member and member from admin.
"""

SCOPES = ("system", "project")

ADMIN = "role:admin"
OVERSEER = "role:admin or (role:reader and system_scope:all)"
PROJECT_READER = f"{OVERSEER} or (role:reader and project_id:%(project_id)s)"
PROJECT_MEMBER = "role:admin or (role:member and project_id:%(project_id)s)"
