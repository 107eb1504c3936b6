"""What each instruction of CPython does to the stack of values while code is walked."""

from __future__ import annotations

import sys

from amorsize.inspection import decode
from amorsize.inspection.abstract_value import (
    FRESH,
    NEW,
    NULL,
    Closure,
    Value,
    join,
    join_all,
)
from amorsize.inspection.decode import FLAG_SHIFT, IN_PLACE, NB_SUBSCRIPT, NEWER, NULL_FIRST
from amorsize.inspection.interpret import ACTIONS, Frame


def _load_fast(f: Frame, s: list[Value], arg: int) -> None:
    s.append(f.locals[arg] or FRESH)


def _load_fast_and_clear(f: Frame, s: list[Value], arg: int) -> None:
    s.append(f.locals[arg] or FRESH)
    f.locals[arg] = None


def _load_two(f: Frame, s: list[Value], arg: int) -> None:
    s.append(f.locals[arg >> 4] or FRESH)
    s.append(f.locals[arg & 15] or FRESH)


def _store_fast(f: Frame, s: list[Value], arg: int) -> None:
    f.locals[arg] = s.pop()


def _store_load(f: Frame, s: list[Value], arg: int) -> None:
    f.locals[arg >> 4] = s.pop()
    s.append(f.locals[arg & 15] or FRESH)


def _store_two(f: Frame, s: list[Value], arg: int) -> None:
    f.locals[arg >> 4] = s.pop()
    f.locals[arg & 15] = s.pop()


def _load_deref(f: Frame, s: list[Value], arg: int) -> None:
    if arg >= f.decoded.first_free:
        s.append(f.free(f.decoded.names[arg]))
    else:
        s.append(f.locals[arg] or FRESH)


def _load_dict_or_deref(f: Frame, s: list[Value], arg: int) -> None:
    s.pop()
    _load_deref(f, s, arg)


def _store_deref(f: Frame, s: list[Value], arg: int) -> None:
    if arg >= f.decoded.first_free:
        f.set_free(f.decoded.names[arg], s.pop())
    else:
        f.locals[arg] = s.pop()


def _delete_deref(f: Frame, s: list[Value], arg: int) -> None:
    if arg >= f.decoded.first_free:
        f.set_free(f.decoded.names[arg], FRESH)


def _load_const(f: Frame, s: list[Value], arg: int) -> None:
    s.append(Value(obj=f.code.co_consts[arg]))


def _load_small_int(f: Frame, s: list[Value], arg: int) -> None:
    s.append(Value(obj=arg))


def _load_common(f: Frame, s: list[Value], arg: int) -> None:
    s.append(Value(obj=decode.COMMON[arg]))


def _push_null(f: Frame, s: list[Value], arg: int) -> None:
    s.append(NULL)


def _load_global(f: Frame, s: list[Value], arg: int) -> None:
    value = f.judge.load_global(f, f.code.co_names[arg >> 1])
    if not arg & 1:
        s.append(value)
    elif NULL_FIRST:  # an attribute of the value may be what is called
        s.extend((NULL, value))
    else:
        s.extend((value, NULL))


def _load_name(f: Frame, s: list[Value], arg: int) -> None:
    name = f.code.co_names[arg]
    value = f.namespace.get(name)
    s.append(f.judge.load_global(f, name) if value is None else value)


def _load_dict_or_global(f: Frame, s: list[Value], arg: int) -> None:
    s.pop()
    _load_name(f, s, arg)


def _store_name(f: Frame, s: list[Value], arg: int) -> None:
    f.namespace[f.code.co_names[arg]] = s.pop()


def _store_global(f: Frame, s: list[Value], arg: int) -> None:
    s.pop()
    f.judge.store_global(f, f.code.co_names[arg], "stores to")


def _delete_global(f: Frame, s: list[Value], arg: int) -> None:
    f.judge.store_global(f, f.code.co_names[arg], "deletes")


def _load_attr(f: Frame, s: list[Value], arg: int) -> None:
    s.append(f.judge.attribute(f, s.pop(), f.code.co_names[arg >> FLAG_SHIFT]))
    if NEWER and arg & 1:
        s.append(NULL)


def _load_method(f: Frame, s: list[Value], arg: int) -> None:
    s.append(f.judge.attribute(f, s.pop(), f.code.co_names[arg]))
    s.append(NULL)


def _load_super_attr(f: Frame, s: list[Value], arg: int) -> None:
    base = s.pop()
    del s[-2:]
    s.append(f.judge.super_attribute(f, base, f.code.co_names[arg >> 2]))
    if arg & 1:
        s.append(NULL)


def _load_special(f: Frame, s: list[Value], arg: int) -> None:
    manager = s.pop()
    if arg in (0, 2):  # __enter__, __aenter__: called at once
        entered = f.judge.enter(f, manager)
        s.append(Value(attr="__enter__", base=entered))
    else:
        s.append(FRESH)
    s.append(NULL)


def _before_with(f: Frame, s: list[Value], arg: int) -> None:
    manager = s.pop()
    s.append(FRESH)
    s.append(f.judge.enter(f, manager))


def _store_attr(f: Frame, s: list[Value], arg: int) -> None:
    base = s.pop()
    value = s.pop()
    f.judge.keep_part(base, f.code.co_names[arg], value)
    f.judge.store_part(f, base, f.code.co_names[arg], "stores to")


def _delete_attr(f: Frame, s: list[Value], arg: int) -> None:
    f.judge.store_part(f, s.pop(), f.code.co_names[arg], "deletes")


def _store_subscr(f: Frame, s: list[Value], arg: int) -> None:
    base = s[-2]
    value = s[-3]
    if base.origin == NEW and base.inner is None and (value.origin or value.inner):
        base.take_element(value)
    del s[-3:]
    f.judge.store_part(f, base, None, "stores to")


def _delete_subscr(f: Frame, s: list[Value], arg: int) -> None:
    base = s[-2]
    del s[-2:]
    f.judge.store_part(f, base, None, "deletes")


def _store_slice(f: Frame, s: list[Value], arg: int) -> None:
    base = s[-3]
    del s[-4:]
    f.judge.store_part(f, base, None, "stores to")


def _binary_subscr(f: Frame, s: list[Value], arg: int) -> None:
    key = s.pop()
    s[-1] = f.judge.subscript(f, s[-1], key)


SLICE = Value(obj=slice(None))


def _binary_slice(f: Frame, s: list[Value], arg: int) -> None:
    del s[-2:]
    s[-1] = f.judge.subscript(f, s[-1], SLICE)


def _build_slice(f: Frame, s: list[Value], arg: int) -> None:
    del s[-arg:]
    s.append(SLICE)


def _binary_op(f: Frame, s: list[Value], arg: int) -> None:
    if arg == NB_SUBSCRIPT:
        _binary_subscr(f, s, arg)
        return
    right = s.pop()
    operator = IN_PLACE.get(arg)
    if operator is None:
        s[-1] = f.judge.computed(s[-1], right)
    else:
        s[-1] = f.judge.in_place(f, s[-1], operator)


def _build(f: Frame, s: list[Value], arg: int) -> None:
    inner = FRESH
    if arg:
        inner = join_all(s[-arg:])
        if inner.obj is SLICE.obj:
            del s[-arg:]
            s.append(SLICE)
            return
        del s[-arg:]
    s.append(Value(inner=inner if inner.origin or inner.inner or inner.func else None))


def _build_map(f: Frame, s: list[Value], arg: int) -> None:
    _build(f, s, 2 * arg)


def _build_const_key_map(f: Frame, s: list[Value], arg: int) -> None:
    s.pop()
    _build(f, s, arg)


def _build_string(f: Frame, s: list[Value], arg: int) -> None:
    if arg:
        del s[-arg:]
    s.append(FRESH)


def _format_value(f: Frame, s: list[Value], arg: int) -> None:
    if arg & 4:
        s.pop()
    s[-1] = FRESH


def _build_interpolation(f: Frame, s: list[Value], arg: int) -> None:
    del s[-(3 if arg & 1 else 2) :]
    s.append(FRESH)


def _add_to(f: Frame, s: list[Value], arg: int) -> None:
    _absorb(s, arg, s.pop())


def _map_add(f: Frame, s: list[Value], arg: int) -> None:
    value = s.pop()
    s.pop()
    _absorb(s, arg, value)


def _extend(f: Frame, s: list[Value], arg: int) -> None:
    value = s.pop()
    if value.origin or value.inner is not None:
        _absorb(s, arg, f.judge.element(value))


def _absorb(s: list[Value], depth: int, value: Value) -> None:
    """A value goes into a container on the stack."""
    if not (value.origin or value.inner or value.func) or depth > len(s):
        return
    held = s[-depth]
    inner = value if held.inner is None else join(held.inner, value)
    s[-depth] = Value(held.origin, held.kind, held.path, held.obj, inner=inner)


def _unpack(f: Frame, s: list[Value], arg: int) -> None:
    base = s.pop()
    parts = getattr(base.obj, "__len__", None) and base.obj
    if base.origin == NEW and base.inner is None:
        s.extend([FRESH] * arg)
    elif type(parts) is tuple and len(parts) == arg:
        s.extend(f.judge.subscript(f, base, Value(obj=i)) for i in reversed(range(arg)))
    else:
        s.extend([f.judge.element(base)] * arg)


def _unpack_ex(f: Frame, s: list[Value], arg: int) -> None:
    element = f.judge.element(s.pop())
    before, after = arg & 255, arg >> 8
    s.extend([element] * after)
    s.append(Value(inner=element if element.origin or element.inner else None))
    s.extend([element] * before)


def _copy(f: Frame, s: list[Value], arg: int) -> None:
    s.append(s[-arg])


def _swap(f: Frame, s: list[Value], arg: int) -> None:
    s[-1], s[-arg] = s[-arg], s[-1]


def _get_iter(f: Frame, s: list[Value], arg: int) -> None:
    value = s[-1]
    if value.origin or value.inner is not None or value.made_by is not None:
        element = f.judge.iterate(f, value)
        s[-1] = Value(inner=element) if element.origin or element.inner else FRESH
    if decode.INDEXED:
        s.append(FRESH)


def _yield_value(f: Frame, s: list[Value], arg: int) -> None:
    s[-1] = FRESH


def _match_keys(f: Frame, s: list[Value], arg: int) -> None:
    s.append(Value(inner=f.judge.element(s[-2])))


def _match_class(f: Frame, s: list[Value], arg: int) -> None:
    subject, names = s[-3], s[-1].obj
    for name in names if type(names) is tuple else ():
        f.judge.attribute(f, subject, name)
    del s[-3:]
    origin = subject.origin
    part = Value(origin, subject.kind, subject.path) if origin else FRESH
    s.append(Value(inner=part))


def _import_name(f: Frame, s: list[Value], arg: int) -> None:
    names, level = s.pop(), s.pop()
    s.append(
        f.judge.import_module(f, f.code.co_names[arg >> 2 * decode.INDEXED], level.obj, names.obj)
    )


def _import_from(f: Frame, s: list[Value], arg: int) -> None:
    s.append(f.judge.attribute(f, s[-1], f.code.co_names[arg]))


def _make_function(f: Frame, s: list[Value], arg: int) -> None:
    code = s.pop().obj
    closure = Closure(code, f)
    if sys.version_info < (3, 13):
        for flag in (8, 4, 2, 1):
            if arg & flag:
                value = s.pop()
                if flag < 4 and value.inner is not None:
                    closure.take_default(value.inner)
    f.made.append(closure)
    s.append(Value(func=closure))


def _set_function_attribute(f: Frame, s: list[Value], arg: int) -> None:
    function = s.pop()
    value = s.pop()
    if arg in (1, 2) and value.inner is not None and isinstance(function.func, Closure):
        function.func.take_default(value.inner)
    s.append(function)


def _kw_names(f: Frame, s: list[Value], arg: int) -> None:
    f.keep_keywords(f.code.co_consts[arg])


def _call(f: Frame, s: list[Value], arg: int) -> None:
    names = f.take_keywords()
    args = s[len(s) - arg :]
    del s[len(s) - arg :]
    second = s.pop()
    first = s.pop()
    if first is NULL:
        first = second
    elif second is not NULL:
        args.insert(0, second)
    named: dict[str, Value] = {}
    if names:
        named = dict(zip(names, args[-len(names) :], strict=True))
        del args[-len(names) :]
    s.append(f.judge.call(f, first, args, named, None))


def _call_kw(f: Frame, s: list[Value], arg: int) -> None:
    f.keep_keywords(s.pop().obj)
    _call(f, s, arg)


def _call_function_ex(f: Frame, s: list[Value], arg: int) -> None:
    spread = FRESH
    if sys.version_info >= (3, 14) or arg & 1:
        mapping = s.pop()
        if mapping is not NULL:
            spread = f.judge.element(mapping)
    spread = join(spread, f.judge.element(s.pop()))
    second = s.pop()
    first = s.pop()
    s.append(f.judge.call(f, second if first is NULL else first, [], {}, spread))


def _intrinsic_1(f: Frame, s: list[Value], arg: int) -> None:
    if arg != 6:  # a list made a tuple stays what it is
        s[-1] = FRESH


def _keep(f: Frame, s: list[Value], arg: int) -> None:
    return


def _second_away(f: Frame, s: list[Value], arg: int) -> None:
    del s[-2]


ACTIONS.update({
    "LOAD_FAST": _load_fast, "LOAD_FAST_CHECK": _load_fast, "LOAD_FAST_BORROW": _load_fast,
    "LOAD_CLOSURE": _load_fast, "LOAD_FAST_AND_CLEAR": _load_fast_and_clear,
    "LOAD_FAST_LOAD_FAST": _load_two, "LOAD_FAST_BORROW_LOAD_FAST_BORROW": _load_two,
    "STORE_FAST": _store_fast, "STORE_FAST_LOAD_FAST": _store_load,
    "STORE_FAST_STORE_FAST": _store_two, "LOAD_DEREF": _load_deref,
    "LOAD_CLASSDEREF": _load_deref, "LOAD_FROM_DICT_OR_DEREF": _load_dict_or_deref,
    "STORE_DEREF": _store_deref, "DELETE_DEREF": _delete_deref, "LOAD_CONST": _load_const,
    "LOAD_SMALL_INT": _load_small_int, "LOAD_COMMON_CONSTANT": _load_common,
    "PUSH_NULL": _push_null, "LOAD_GLOBAL": _load_global, "LOAD_NAME": _load_name,
    "LOAD_FROM_DICT_OR_GLOBALS": _load_dict_or_global, "STORE_NAME": _store_name,
    "STORE_GLOBAL": _store_global, "DELETE_GLOBAL": _delete_global, "LOAD_ATTR": _load_attr,
    "LOAD_METHOD": _load_method, "LOAD_SUPER_ATTR": _load_super_attr,
    "LOAD_SPECIAL": _load_special, "BEFORE_WITH": _before_with,
    "BEFORE_ASYNC_WITH": _before_with, "STORE_ATTR": _store_attr, "DELETE_ATTR": _delete_attr,
    "STORE_SUBSCR": _store_subscr, "DELETE_SUBSCR": _delete_subscr, "STORE_SLICE": _store_slice,
    "BINARY_SUBSCR": _binary_subscr, "BINARY_SLICE": _binary_slice, "BUILD_SLICE": _build_slice,
    "BINARY_OP": _binary_op, "BUILD_TUPLE": _build, "BUILD_LIST": _build, "BUILD_SET": _build,
    "BUILD_MAP": _build_map, "BUILD_CONST_KEY_MAP": _build_const_key_map,
    "BUILD_STRING": _build_string, "FORMAT_VALUE": _format_value,
    "BUILD_INTERPOLATION": _build_interpolation, "LIST_APPEND": _add_to, "SET_ADD": _add_to,
    "MAP_ADD": _map_add, "LIST_EXTEND": _extend, "SET_UPDATE": _extend, "DICT_UPDATE": _extend,
    "DICT_MERGE": _extend, "UNPACK_SEQUENCE": _unpack, "UNPACK_EX": _unpack_ex, "COPY": _copy,
    "SWAP": _swap, "GET_ITER": _get_iter, "GET_YIELD_FROM_ITER": _get_iter,
    "YIELD_VALUE": _yield_value, "MATCH_KEYS": _match_keys, "MATCH_CLASS": _match_class,
    "IMPORT_NAME": _import_name, "IMPORT_FROM": _import_from, "MAKE_FUNCTION": _make_function,
    "SET_FUNCTION_ATTRIBUTE": _set_function_attribute, "KW_NAMES": _kw_names, "CALL": _call,
    "CALL_KW": _call_kw, "CALL_FUNCTION_EX": _call_function_ex,
    "CALL_INTRINSIC_1": _intrinsic_1, "CALL_INTRINSIC_2": _second_away, "LIST_TO_TUPLE": _keep,
})  # fmt: skip
