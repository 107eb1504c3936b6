"""Frozen value classes with the manners of ``dataclasses.dataclass``, without its import.

``dataclasses`` imports ``inspect``, ``ast`` and ``dis``: 13 to 16 of the 30 ms that ``import amorsize``
may take, and every spawned worker would pay them again. The type checker sees the real
``dataclass``; at run time the class gets the same constructor, equality, hash and repr, and
``dataclasses.asdict``, ``fields`` and ``replace`` accept it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import replace as replace
    from typing import Any
    from typing import Generic as Generic


class _Fields:
    """Makes what ``dataclasses.fields``, ``asdict`` and ``replace`` read, when one of them asks."""

    def __get__(self, instance: object, owner: type) -> Any:
        import dataclasses

        names = owner._fields  # type: ignore[attr-defined]
        body = {name: owner.__dict__[name] for name in names if name in owner.__dict__}
        body["__annotations__"] = dict.fromkeys(names, object)
        return dataclasses.dataclass(type(owner.__name__, (), body)).__dataclass_fields__  # type: ignore[attr-defined]


class _Signature:
    """Makes what ``inspect.signature`` and ``help`` read, when one of them asks."""

    def __get__(self, instance: object, owner: Any) -> Any:
        if instance is not None or owner.__init__ is not _init:
            raise AttributeError("__signature__")
        from inspect import Parameter, Signature

        types, defaults = owner.__annotations__, owner._defaults
        return Signature(
            [
                Parameter(
                    name,
                    Parameter.POSITIONAL_OR_KEYWORD,
                    default=defaults.get(name, Parameter.empty),
                    annotation=types.get(name, Parameter.empty),
                )
                for name in owner._fields
            ]
        )


def _dataclass(*, frozen: bool) -> Any:
    """Make a class of its annotated attributes; plain defaults only (no ``field``)."""

    def decorate(cls: Any) -> Any:
        cls._fields = tuple(cls.__annotations__)
        cls._defaults = {name: cls.__dict__[name] for name in cls._fields if name in cls.__dict__}
        cls.__dataclass_fields__, cls.__signature__ = _Fields(), _Signature()
        cls.__init__, cls.__repr__, cls.__eq__ = _init, _repr, _eq
        if frozen:
            cls.__setattr__ = cls.__delattr__ = _refuse
            cls.__hash__ = _hash
        else:
            cls.__hash__ = None
        return cls

    return decorate


def _replace(value: Any, **changes: Any) -> Any:
    """A copy with other values for some fields. Quick: the engine makes one for each event."""
    made = object.__new__(type(value))
    values = made.__dict__
    values.update(value.__dict__)
    values.update(changes)
    if len(values) != len(value._fields):
        unknown = [name for name in changes if name not in value._fields]
        raise TypeError(f"{type(value).__name__} has no {unknown}")
    return made


def _init(self: Any, *args: Any, **named: Any) -> None:
    names, values = self._fields, self.__dict__
    if not named and len(args) == len(names):  # the quick way: everything by position
        values.update(zip(names, args, strict=True))
        return
    values.update(self._defaults)
    values.update(zip(names, args, strict=False))
    if named:
        values.update(named)
    if (
        len(values) != len(names)
        or len(args) > len(names)
        or (named and args and not named.keys().isdisjoint(names[: len(args)]))
    ):
        unknown = [name for name in named if name not in names]
        missing = [name for name in names if name not in values]
        raise TypeError(
            f"{type(self).__name__}({', '.join(names)}): unknown {unknown}, missing {missing}, "
            f"{len(args)} given by position"
        )


def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self._fields)
    return f"{type(self).__name__}({shown})"


def _eq(self: Any, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return self.__dict__ == other.__dict__


def _hash(self: Any) -> int:
    return hash(tuple(self.__dict__[name] for name in self._fields))


def _refuse(self: Any, name: str, value: object = None) -> None:
    raise AttributeError(f"{type(self).__name__} is frozen: make a copy with another {name}")


class _Generic:
    """Stands for ``typing.Generic`` where the type checker does not look: ``Plan[int]`` is ``Plan``."""

    def __class_getitem__(cls, parameters: object) -> Any:
        return cls


if not TYPE_CHECKING:
    dataclass, replace, Generic = _dataclass, _replace, _Generic
