"""Readers of file formats enter themselves here when their modules are imported."""

READERS = {}
loaded = []


def reader(name):
    def enter(function):
        READERS[name] = function
        loaded.append(name)
        return function

    return enter
