"""A user's decorators: two layers, the inner one keeps a count by name."""

import functools

counts = {}


def counted(function):
    @functools.wraps(function)
    def wrapper(*arguments, **named):
        counts[function.__name__] = counts.get(function.__name__, 0) + 1
        return function(*arguments, **named)

    return wrapper


def checked(function):
    @functools.wraps(function)
    def wrapper(number):
        if number < 0:
            raise ValueError(number)
        return function(number)

    return wrapper
