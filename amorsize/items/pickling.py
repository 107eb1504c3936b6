"""Pickling with protocol 5, and with cloudpickle for what pickle refuses."""

from __future__ import annotations

import pickle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def dumps(value: object, buffers: list[Any] | None = None) -> bytes:
    """The pickle of a value; lambdas and local classes go by cloudpickle. Large buffers (NumPy arrays)
    are put into ``buffers`` instead of being copied, if a list is given."""
    callback = None if buffers is None else buffers.append
    try:
        return pickle.dumps(value, 5, buffer_callback=callback)
    except Exception:
        if buffers is not None:
            buffers.clear()
        return dumps_by_value(value, buffers)


def dumps_by_value(value: object, buffers: list[Any] | None = None) -> bytes:
    """As :func:`dumps`, but what ``__main__`` defines always goes by value: for another interpreter."""
    import cloudpickle

    callback = None if buffers is None else buffers.append
    return cloudpickle.dumps(value, 5, buffer_callback=callback)  # type: ignore[no-any-return]


def parts(value: object) -> list[Any]:
    """The pickle of a value and the large buffers beside it, as they travel between processes."""
    buffers: list[Any] = []
    body = dumps(value, buffers)
    return [body, *(view.raw() for view in buffers)]


def loads(body: Any) -> Any:
    """The value of a pickle without buffers. Only for pickles of this library's own processes."""
    return pickle.loads(body)  # nosec B301 # of our own worker
