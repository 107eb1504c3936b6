"""A module whose attributes are made when they are first asked for (PEP 562)."""

asked = []


def __getattr__(name):
    if name.startswith("rate_"):
        asked.append(name)
        return int(name.removeprefix("rate_")) / 10
    raise AttributeError(name)
