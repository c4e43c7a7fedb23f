"""The demo's story: a campaign, a dying host, told owners, a way back.

Speaks to the API over HTTP as an operator would; plays the owners itself.
"""

import dataclasses
import json
import pathlib
import time

from rich import console, live

from escalator.cmd import demo_client, demo_owner, demo_picture, demo_report
from escalator.drivers import fleet
from escalator.drivers.vim import simulated

LIMIT_S = 110.0
PACKAGE = "demo-service"
_OVER = ("committed", "rolled_back", "failed", "cancelled", "holding")


@dataclasses.dataclass
class Story:
    """What happened so far."""

    client: demo_client.Client
    owners: list[demo_owner.Owner]
    vim: simulated.Simulated
    has_fault: bool
    campaign_id: str = ""
    dead_host: str = ""
    killed_at: float = 0.0
    states: list[tuple[float, str, str]] = dataclasses.field(default_factory=list)
    broken_groups: set[str] = dataclasses.field(default_factory=set)
    started_at: float = dataclasses.field(default_factory=time.time)


def run(
    url: str, campaign: str, report: str, has_fault: bool, vim: simulated.Simulated
) -> int:
    """Tell the story and return 0 if every promise was kept.

    :param report: file that is written with everything that was seen.
    """
    screen = console.Console()
    client = demo_client.Client(url)
    owners = _owners(client, vim)
    story = Story(client, owners, vim, has_fault)
    try:
        _begin(story, campaign)
        _follow(story, screen)
        _await_versions(story)
        _await_notices(story)
        told = demo_report.build(story)
    finally:
        for owner in owners:
            owner.stop()
    with open(report, "w", encoding="utf-8") as file:
        json.dump(told, file, indent=2)
    demo_picture.summary(screen, told, report)
    return 0 if not told["broken_promises"] else 1


def _owners(
    client: demo_client.Client, vim: simulated.Simulated
) -> list[demo_owner.Owner]:
    """Let every project with an instance subscribe to its faults."""
    projects = sorted({each.project_id for each in vim.list_instances()})
    owners = []
    for number, project in enumerate(projects, start=1):
        owner = demo_owner.Owner(f"owner-{number}", project, vim.evacuate_project)
        owner.start()
        made = client.post(
            "/v1/subscriptions",
            {
                "subscription": {
                    "name": owner.name,
                    "url": owner.url,
                    "project_id": project,
                }
            },
        )["subscription"]
        owner.subscription_id = made["id"]
        owner.secret = made["secret"]
        owners.append(owner)
    return owners


def _begin(story: Story, campaign: str) -> None:
    """Wait for agents, then submit and start the campaign."""
    hosts = story.client.get("/v1/hosts")["hosts"]
    end = time.monotonic() + 30
    while not hosts or not all(host["facts"].get("package") for host in hosts):
        if time.monotonic() > end:
            raise RuntimeError("the agents did not report within 30 s")
        time.sleep(0.1)
        hosts = story.client.get("/v1/hosts")["hosts"]
    document = pathlib.Path(campaign).read_text(encoding="utf-8", errors="replace")
    made = story.client.post("/v1/campaigns", {"campaign": {"document": document}})
    story.campaign_id = made["campaign"]["id"]
    story.client.act(story.campaign_id, "start")


def _follow(story: Story, screen: console.Console) -> None:
    end = time.monotonic() + LIMIT_S
    painter = demo_picture.Painter(story.owners)
    with live.Live(
        console=screen, refresh_per_second=8, transient=False, screen=False
    ) as picture:
        while time.monotonic() < end:
            seen = _look(story)
            picture.update(painter.draw(seen, story.dead_host))
            if seen.state in _OVER:
                return
            if story.has_fault and not story.dead_host and seen.is_half_way():
                _kill(story, seen)
            time.sleep(0.15)


def _look(story: Story) -> demo_picture.Seen:
    client = story.client
    campaign = client.get(f"/v1/campaigns/{story.campaign_id}")["campaign"]
    if not story.states or story.states[-1][1] != campaign["state"]:
        story.states.append((time.time(), campaign["state"], campaign["state_reason"]))
    seen = demo_picture.Seen(
        campaign=campaign,
        hosts=client.get("/v1/hosts")["hosts"],
        steps=client.pages(f"/v1/campaigns/{story.campaign_id}/steps", "steps"),
        elapsed_s=time.time() - story.started_at,
    )
    _check_groups(story, seen)
    return seen


def _check_groups(story: Story, seen: demo_picture.Seen) -> None:
    """Ask the VIM itself: never two members of one group on hosts that are out."""
    out = seen.hosts_out()
    members: dict[str, set[str]] = {}
    for instance in story.vim.list_instances():
        if instance.server_group and instance.host in out:
            members.setdefault(instance.server_group, set()).add(instance.host)
    for group, hosts in members.items():
        if len(hosts) > 1 and story.dead_host not in hosts:
            story.broken_groups.add(f"group {group}: {', '.join(sorted(hosts))}")


def _kill(story: Story, seen: demo_picture.Seen) -> None:
    """Kill an upgraded host that carries instances, of many owners if it may be."""
    owners: dict[str, set[str]] = {}
    for instance in story.vim.list_instances():
        owners.setdefault(instance.host, set()).add(instance.project_id)
    candidates = sorted(seen.hosts_upgraded() & owners.keys()) or sorted(owners)
    story.dead_host = max(candidates, key=lambda host: len(owners[host]))
    for owner in story.owners:
        owner.is_hit = owner.project_id in owners[story.dead_host]
    story.killed_at = time.time()
    fleet.fleet().kill(story.dead_host)


def _await_versions(story: Story) -> None:
    """Give every living agent a moment to tell what its host has in the end.

    A beat of before the end may be written down after it.
    """
    wanted = demo_report.wanted_version(story)
    end = time.monotonic() + 10.0
    while time.monotonic() < end:
        late = [
            host
            for host in story.client.get("/v1/hosts")["hosts"]
            if host["name"] != story.dead_host
            and demo_picture.version_of(host) != wanted
        ]
        if not late:
            return
        time.sleep(0.1)


def _await_notices(story: Story) -> None:
    """Give the last notices a moment to be settled and stored."""
    if not story.dead_host:
        return
    end = time.monotonic() + 5.0
    while time.monotonic() < end:
        down = story.client.faults()
        settled = {n["project_id"] for each in down for n in each["notices"]}
        affected = {i["project_id"] for each in down for i in each["instances"]}
        if down and affected <= settled:
            return
        time.sleep(0.1)
