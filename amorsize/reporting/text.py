"""Plans and runs as text for people."""

from __future__ import annotations

from math import exp

from amorsize.planning.explain import AS_MANY, counted, describe, format_seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.core.model import Run, WorkerUse
    from amorsize.reporting.shown import ShownPlan


def _how_long(plan: ShownPlan) -> str:
    """How long it will take, and how sure that is: one sentence."""
    about = f"  about {format_seconds(plan.estimated_seconds)} to go"
    if plan.estimated_interval is None:
        return f"{about}, if the items left are like those seen"
    low, high = (format_seconds(seconds) for seconds in plan.estimated_interval)
    return f"{about}; four of five such runs should take {low} to {high} ({_evidence(plan)})"


def _evidence(plan: ShownPlan) -> str:
    """What the range rests on."""
    seen = f"{_items(plan.items_done)} of this run"
    if plan.source != "history" or plan.neighbours <= 0:
        return f"from {seen} only" if plan.items_done else "a guess: no item was measured"
    runs = f"{plan.neighbours:.0f} earlier run{'s' if plan.neighbours > 1 else ''}"
    return f"from {runs} and {seen}" if plan.items_done else f"from {runs}"


def _beyond(factor: float) -> str:
    """Real seconds over estimated ones, in words."""
    if factor >= 2:
        return f"{factor:,.1f} times the estimate"
    return f"{abs(factor - 1):.0%} {'more' if factor > 1 else 'less'} than estimated"


def _held(plan: ShownPlan, seconds: float) -> str:
    """Whether the range held."""
    if plan.estimated_interval is None:
        return ""
    low, high = plan.estimated_interval
    return ", inside the range" if low <= seconds <= high else ", outside the range"


def _items(count: int) -> str:
    return f"{count:,} item{'s' * (count != 1)}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def plan_text(plan: ShownPlan) -> str:
    """A plan in a few lines: the choice, its expected seconds, its reasons, the next best candidates."""
    workers = counted(plan.n_jobs, plan.backend) if plan.backend != "serial" else "serial"
    if plan.threads_per_job > 1:
        workers += f" with {plan.threads_per_job} threads each"
    left = "an unknown number" if plan.items_left is None else f"{plan.items_left:,}"
    lines = [f"Plan: {workers}", f"  {_items(plan.items_done)} done, {left} left"]
    if plan.items_left is None:
        lines.append("  how long they take is not known, as their number is not")
    elif plan.items_left and plan.estimated_seconds > 0:
        lines.append(_how_long(plan))
        if plan.backend != "serial":
            lines.append(f"  {plan.estimated_speedup:.1f} times as fast as the loop")
    if plan.real_seconds is not None and plan.error is not None:
        lines.append(
            f"  it took {format_seconds(plan.real_seconds)}: {_beyond(exp(plan.error))}"
            f"{_held(plan, plan.real_seconds)}"
        )
    elif plan.real_seconds is not None and plan.items_left is None:
        lines.append(f"  it took {format_seconds(plan.real_seconds)}")
    lines += [f"  - {reason}" for reason in plan.reasons]
    if plan.safety:
        lines.append(f"  safety: {plan.safety}")
    losers = sorted(plan.candidates, key=lambda prediction: prediction.seconds)[:5]
    if len(losers) > 1:
        lines.append(f"  considered{f', {AS_MANY}' * (plan.items_left is None)}:")
        lines += [f"      {format_seconds(p.seconds):>9}  {describe(p.config)}" for p in losers]
    lines += [f"  warning: {warning}" for warning in plan.warnings]
    return "\n".join(lines)


MOST_RETRIED = 3
"""Most items that the text of a run tells the tries of."""
MOST_WORKERS = 8
"""Most workers that the text of a run lists one by one."""


def run_text(run: Run) -> str:
    """A run in a few lines: what ran where, and what the workers spent their time on."""
    lines = [
        f"Run: {run.outcome}, {_items(run.items)} in {format_seconds(run.wall_seconds)} on "
        f"{describe(run.config)}"
    ]
    if run.corrections:
        lines.append(f"  the plan was changed {_times(run.corrections)} while it ran")
    if run.deaths:
        lines.append(f"  {run.deaths} workers died")
    if run.refused_calls:
        limits = ""
        if run.refusal_limits is not None:
            low, high = run.refusal_limits
            side = str(low) if low == high else f"{low} to {high}"
            limits = f"; at most {side} ran side by side from then on"
        lines.append(
            f"  a server refused {run.refused_calls:,} of {run.calls:,} calls; all waited "
            f"{format_seconds(run.refusal_wait_seconds)} for it{limits}"
        )
    if run.retried:
        lines.append(_retried_text(run))
    if not run.workers:
        return "\n".join(lines)
    after = run.wall_seconds - run.alone_seconds
    count = len(run.workers)
    workers = f"{count} worker{'s' * (count > 1)}{' in all' * (count > run.config.workers)}"
    lines.append(
        f"  {_before(run)} in {format_seconds(run.alone_seconds)}; then {workers} for "
        f"{format_seconds(after)}, {run.utilisation:.0%} of it in items"
    )
    lines += [_use_text(use, after) for use in run.workers[:MOST_WORKERS]]
    if len(run.workers) > MOST_WORKERS:
        lines.append(f"      ... and {len(run.workers) - MOST_WORKERS} more")
    return "\n".join(lines)


def _before(run: Run) -> str:
    """What was done before the workers of the plan."""
    if run.tried_items:
        return f"to make the plan: {_items(run.tried_items)} in workers"
    return (
        f"{'the caller alone' if run.alone_items else 'before workers'}: {_items(run.alone_items)}"
    )


def _retried_text(run: Run) -> str:
    most = sorted(run.retried, key=lambda one: (-one.tries, one.position))[:MOST_RETRIED]
    items = [
        f"item {one.position} {_times(one.tries)} ({one.refused} refused, waited "
        f"{format_seconds(one.waited_seconds)})"
        for one in most
    ]
    more = ", ..." if run.retried_items > len(items) else ""
    return f"  {_items(run.retried_items)} tried more than once: {', '.join(items)}{more}"


def _use_text(use: WorkerUse, seconds: float) -> str:
    parts = {
        "in items": use.busy_seconds,
        "moving data": use.moving_seconds,
        "waiting": use.waiting_seconds,
        "start": use.start_seconds,
        "tail": use.tail_seconds,
    }
    shares = ", ".join(f"{what} {part / max(seconds, 1e-9):.0%}" for what, part in parts.items())
    chunks = f"{use.chunks:,} chunk{'s' * (use.chunks != 1)}"
    return f"      {use.name}: {_items(use.items)} in {chunks}; {shares}"
