"""Plans and runs as text for people."""

from __future__ import annotations

from amorsize.planning import describe, format_seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.tuner import Plan


def plan_text(plan: Plan) -> str:
    """A plan in a few lines: the choice, what it is expected to take, the losers, the reasons."""
    workers = f"{plan.n_jobs} {plan.backend}" if plan.backend != "serial" else "serial"
    if plan.threads_per_job > 1:
        workers += f" with {plan.threads_per_job} threads each"
    left = "an unknown number of" if plan.items_left is None else f"{plan.items_left:,}"
    lines = [f"Plan: {workers}", f"  {plan.items_done:,} items done, {left} left"]
    if plan.items_left != 0 and plan.estimated_seconds > 0:
        lines.append(
            f"  about {format_seconds(plan.estimated_seconds)} to go, "
            f"{plan.estimated_speedup:.1f} times as fast as the loop "
            f"(confidence {plan.confidence:.0%}, from the {plan.source})"
        )
    lines += [f"  - {reason}" for reason in plan.reasons]
    losers = sorted(plan.candidates, key=lambda prediction: prediction.seconds)[:5]
    if len(losers) > 1:
        lines.append("  considered:")
        lines += [f"      {format_seconds(p.seconds):>9}  {describe(p.config)}" for p in losers]
    lines += [f"  warning: {warning}" for warning in plan.warnings]
    return "\n".join(lines)
