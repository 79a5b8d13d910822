"""The scenarios of a fleet: crashes of anything, restarts in turn, a failover, a pooler between.

The same code for short and long runs. Everything random comes from one seed.
"""

import json
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from tests.fleet.database import durable, hosts, lagging, pair, promote, synchronous
from tests.fleet.stage import Plan, Report, Stage
from tests.journal.postgres.pooler import a_pooler
from tests.journal.postgres.server import Server
from tests.torture.oracle import Bounds
from tests.torture.supervisor import Ended

Progress = Callable[[str], None]
_CRASHES = Bounds(connections_break=True, away=True)


def crashes(plan: Plan, tell: Progress) -> Report:
    """`kill -9` of a router, of the server, or of the link between, in a loop under load."""
    with _staged("crashes", plan) as (server, stage, report):
        dice = random.Random(f"{plan.seed} fleet")
        while stage.goes_on(report.rounds):
            stage.run_for(dice.expovariate(2))
            (_kill_router, _kill_server, _break_link)[report.rounds % 3](stage, server, dice, report)
            report.rounds += 1
            tell(f"{report.rounds} crashes")
        stage.judge(report, _CRASHES)
    return report


def _kill_router(stage: Stage, _server: Server, dice: random.Random, report: Report) -> None:
    victim = dice.choice(stage.members)
    victim.router.kill()
    report.fault("router killed")
    # Sometimes it stays away while others take over; its socket waits meanwhile.
    others = [member for member in stage.members if member is not victim]
    others[0].router.run_for(dice.choice((0.0, 0.0, 1.0)))
    victim.start()


def _kill_server(stage: Stage, server: Server, dice: random.Random, report: Report) -> None:
    # The first has everything dropped at once, the second not even tells its sessions.
    how = dice.choice((signal.SIGQUIT, signal.SIGKILL))
    server.stop(how)
    report.fault(f"server ended by {how.name}")
    stage.run_for(dice.choice((0.0, 0.5, 2.0)))
    server.start()


def _break_link(stage: Stage, _server: Server, dice: random.Random, report: Report) -> None:
    link = dice.choice(stage.members).link
    assert link is not None
    verb = dice.choice(("down", "hang", "latency"))
    long = verb != "latency" and dice.random() < 0.2
    link.order(json.dumps({"verb": verb, "ms": dice.randrange(20, 200)}))
    report.fault(f"link: {verb}{' for longer than a lease' if long else ''}")
    stage.run_for(stage.plan.length * 1.4 if long else dice.uniform(0.2, 2.0))
    if verb == "hang" and dice.random() < 0.5:
        # What hung is lost, instead of being carried after all.
        link.order('{"verb": "down"}')
    link.order('{"verb": "clear"}')


def restarts(plan: Plan, tell: Progress) -> Report:
    """SIGTERM and start of one router after the other under load, the sockets held: nobody notices."""
    with _staged("restarts", plan) as (_, stage, report):
        dice = random.Random(f"{plan.seed} turns")
        while stage.goes_on(report.rounds):
            member = stage.members[report.rounds % len(stage.members)]
            stage.run_for(dice.uniform(0.1, 0.5))
            stage.stop(member)
            member.start()
            report.fault("router restarted")
            report.rounds += 1
            tell(f"{report.rounds} restarts")
        stage.judge(report, Bounds())
    return report


def failovers(plan: Plan, tell: Progress) -> Report:
    """The primary is killed and its synchronous standby promoted; the killed one then follows that."""
    with _reported("failovers", plan) as (stack, report):
        dice = random.Random(f"{plan.seed} failovers")
        primary, standby = pair(stack)
        stage = Stage(plan, f"postgresql://vr@/postgres?{hosts(primary, standby)}", stack)
        stage.start()
        while stage.goes_on(report.rounds):
            stage.run_for(dice.uniform(0.5, 1.5))
            with lagging(standby):
                # What is committed now reaches no standby: whoever is told so all the same loses it.
                stage.run_for(dice.choice((0.2, 0.5)))
                primary.stop(dice.choice((signal.SIGQUIT, signal.SIGKILL)))
            stage.run_for(dice.choice((0.0, 1.0)))
            promote(standby)
            report.fault("failover")
            report.rounds += 1
            tell(f"{report.rounds} failovers")
            stage.settled()
            stage.run_for(0.5)
            primary, standby = standby, primary
            if stage.goes_on(report.rounds):
                standby.follow(primary)
                standby.start()
                synchronous(primary)
        stage.judge(report, _CRASHES)
    return report


def pooled(plan: Plan, tell: Progress) -> Report:
    """Kills and restarts of routers that reach the server through a pooler in transaction mode."""
    with _reported("pooled", plan) as (stack, report):
        dice = random.Random(f"{plan.seed} pooled")
        server = durable()
        stack.callback(server.remove)
        server.start()
        stage = Stage(plan, stack.enter_context(a_pooler(server.url)), stack)
        stage.start()
        while stage.goes_on(report.rounds):
            stage.run_for(dice.uniform(0.1, 0.5))
            member = stage.members[report.rounds % len(stage.members)]
            if dice.random() < 0.5:
                member.router.kill()
                report.fault("router killed")
            else:
                stage.stop(member)
                report.fault("router restarted")
            member.start()
            report.rounds += 1
            tell(f"{report.rounds} rounds through a pooler")
        # One more, of which no open delivery tells that it is gone.
        stage.drain()
        idle = dice.choice(stage.members)
        idle.router.kill()
        report.fault("idle router killed")
        idle.start()
        stage.judge(report, Bounds(connections_break=True))
    return report


SCENARIOS = {"crashes": crashes, "restarts": restarts, "failovers": failovers, "pooled": pooled}


@contextmanager
def _staged(scenario: str, plan: Plan) -> Iterator[tuple[Server, Stage, Report]]:
    """Server, stage and report."""
    with _reported(scenario, plan) as (stack, report):
        server = durable()
        stack.callback(server.remove)
        server.start()
        stage = Stage(plan, server.url, stack, linked=scenario == "crashes")
        stage.start()
        yield server, stage, report


@contextmanager
def _reported(scenario: str, plan: Plan) -> Iterator[tuple[ExitStack, Report]]:
    """What is to be ended, and the report; a router that ends by itself is a violation, no error of ours."""
    report = Report(scenario, plan.seed)
    with ExitStack() as stack:
        try:
            yield stack, report
        except Ended as ended:
            report.violations["ended"] = [str(ended)]
