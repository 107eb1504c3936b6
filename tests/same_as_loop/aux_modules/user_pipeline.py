"""A user's pipeline: hooks, a repository, a meter and an allocator of labels, each in a class."""

from __future__ import annotations

import contextlib
import logging
import os

logger = logging.getLogger("user_pipeline")


class Bus:
    """Handlers by the name of an event."""

    def __init__(self):
        self._handlers = {}

    def on(self, name, handler):
        self._handlers.setdefault(name, []).append(handler)
        return handler

    def emit(self, name, *payload):
        for handler in self._handlers.get(name, ()):
            handler(*payload)


class Meter:
    """Sums by name and label; one for the whole program."""

    _default = None

    def __init__(self):
        self.sums = {}

    @classmethod
    def default(cls):
        if cls._default is None:
            cls._default = cls()
        return cls._default

    def observe(self, name, amount, **labels):
        key = (name, *sorted(labels.items()))
        before = self.sums.get(key, (0, 0))
        self.sums[key] = before[0] + 1, before[1] + amount


class Repository:
    """Rows by key, kept in memory, with a version for each."""

    def __init__(self):
        self._rows = {}

    def get(self, key):
        return self._rows.get(key, (0, None))

    def save(self, key, row):
        version, _ = self.get(key)
        self._rows[key] = (version + 1, row)
        return version + 1

    def dump(self):
        return sorted(self._rows.items())


class UnitOfWork:
    """Collects what is to be saved, and saves it on leaving."""

    def __init__(self, repository):
        self._repository = repository
        self._pending = []

    def __enter__(self):
        return self

    def add(self, key, row):
        self._pending.append((key, row))

    def __exit__(self, *error):
        if error[0] is None:
            while self._pending:
                self._repository.save(*self._pending.pop())


class Labels(dict):
    """Numbers for names, in the order in which they are met."""

    def __missing__(self, name):
        self[name] = number = len(self)
        return number


_SETTINGS = {"scale": 3}


def settings():
    return _SETTINGS


@contextlib.contextmanager
def overridden(**values):
    before = dict(_SETTINGS)
    _SETTINGS.update(values)
    try:
        yield _SETTINGS
    finally:
        _SETTINGS.clear()
        _SETTINGS.update(before)


def scaled(number):
    return number * _SETTINGS["scale"]


def export(name, value):
    os.environ[name] = str(value)


class Lazy:
    """A table that is made when it is first asked for; never changed after."""

    def __init__(self, size):
        self._size = size
        self._table = None

    @property
    def table(self):
        if self._table is None:
            self._table = tuple(number * number for number in range(self._size))
        return self._table


class Point:
    """A value with arithmetic of its own."""

    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __add__(self, other):
        return Point(self.x + other.x, self.y + other.y)

    def __iadd__(self, other):
        self.x += other.x
        self.y += other.y
        return self

    def norm(self):
        return self.x * self.x + self.y * self.y


def audit(number):
    logger.info("row %d", number)
    return number
